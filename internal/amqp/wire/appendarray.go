package wire

import (
	"encoding/binary"
	"fmt"
)

// widest gives the code of the same type that fits all its values, for codes that do not.
var widest = map[byte]byte{
	CodeTrue: CodeBoolean, CodeFalse: CodeBoolean, CodeUint0: CodeUint, CodeSmallUint: CodeUint, CodeUlong0: CodeUlong,
	CodeSmallUlong: CodeUlong, CodeSmallInt: CodeInt, CodeSmallLong: CodeLong, CodeBinary8: CodeBinary32,
	CodeString8: CodeString32, CodeSymbol8: CodeSymbol32, CodeList0: CodeList32, CodeList8: CodeList32,
	CodeMap8: CodeMap32, CodeArray8: CodeArray32,
}

// appendArray appends an array: with its own element code if all elements fit it, else with the widest of the type.
func appendArray(dst []byte, v Array, depth int) (out []byte, err error) {
	start := len(dst)
	dst = append(dst, wideHeader[:]...)
	path, many := v.Descriptor.(Descriptors)
	if !many && v.Descriptor != nil {
		path = Descriptors{v.Descriptor}
	}
	for _, descriptor := range path {
		dst = append(dst, CodeDescribed)
		if depth == MaxDepth {
			return nil, fmt.Errorf("amqp value nested more than %d levels deep", MaxDepth)
		}
		if dst, err = appendValue(dst, descriptor, depth+1); err != nil {
			return nil, err
		}
	}
	code := v.Code
	if code == CodeDescribed {
		code = CodeNull
		if len(v.Elements) > 0 {
			code = elementCode(v.Elements[0])
		}
	}
	if codeClass[code] == unassigned || codeClass[code] == described {
		return nil, fmt.Errorf("format code %s cannot be that of array elements", describeCode(code))
	}
	content := len(dst)
	for {
		dst = append(dst[:content], code)
		fits := true
		if dst, fits, err = appendElements(dst, v.Elements, code, depth); err != nil {
			return nil, err
		}
		if fits {
			break
		}
		wide, ok := widest[code]
		if !ok {
			return nil, fmt.Errorf("array element does not fit format code %s", describeCode(code))
		}
		code = wide
	}
	if codeClass[code] == fixed0 && len(v.Elements) > MaxZeroWidth {
		return nil, fmt.Errorf("array of %d elements without content, at most %d are allowed", len(v.Elements),
			MaxZeroWidth)
	}
	return compact8(dst, start, CodeArray8, len(v.Elements)), nil
}

// elementCode returns the widest code for the type of v, CodeDescribed when it has none.
func elementCode(v any) byte {
	scratch, err := appendValue(nil, v, 0)
	if err != nil {
		return CodeDescribed
	}
	if wide, ok := widest[scratch[0]]; ok {
		return wide
	}
	return scratch[0]
}

// appendElements appends the elements of an array without their format code. fits is false when one is too wide.
func appendElements(dst []byte, elements []any, code byte, depth int) (out []byte, fits bool, err error) {
	for _, e := range elements {
		start := len(dst)
		if dst, err = appendValue(dst, e, depth); err != nil {
			return nil, false, err
		}
		own := dst[start]
		if own != code && own != CodeDescribed && codeName[own] != codeName[code] || own == CodeDescribed {
			return nil, false, fmt.Errorf("array element of type %s among elements of type %s", codeName[own],
				codeName[code])
		}
		if own == code {
			dst = append(dst[:start], dst[start+1:]...)
			continue
		}
		if codeClass[own] > codeClass[code] || codeClass[code] == fixed0 {
			return dst, false, nil
		}
		dst = widenElement(dst, start, code)
	}
	return dst, true, nil
}

// widenElement rewrites the value at dst[start:], which has its own smaller code, as the content of a wider code.
func widenElement(dst []byte, start int, code byte) []byte {
	own := dst[start]
	content := append([]byte(nil), dst[start+1:]...)
	dst = dst[:start]
	switch codeClass[code] {
	case variable32:
		return append(binary.BigEndian.AppendUint32(dst, uint32(content[0])), content[1:]...)
	case compound8: // from list0
		return append(dst, 1, 0)
	case compound32, array32:
		if own == CodeList0 {
			return append(dst, 0, 0, 0, 4, 0, 0, 0, 0)
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(content[0])+3)
		return append(binary.BigEndian.AppendUint32(dst, uint32(content[1])), content[2:]...)
	}
	// An integer or a boolean: extend its content, by its sign where it has one.
	width, fill := codeClass[code].width(), byte(0)
	switch own {
	case CodeTrue:
		return append(dst, 1)
	case CodeSmallInt, CodeSmallLong:
		if content[0] >= 0x80 {
			fill = 0xff
		}
	}
	for range width - len(content) {
		dst = append(dst, fill)
	}
	return append(dst, content...)
}
