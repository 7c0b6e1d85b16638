package wire

import "fmt"

// Format codes of the primitive encodings [1.6], and 0x00, which starts a described value [1.2].
const (
	CodeDescribed  byte = 0x00
	CodeNull       byte = 0x40
	CodeTrue       byte = 0x41
	CodeFalse      byte = 0x42
	CodeUint0      byte = 0x43
	CodeUlong0     byte = 0x44
	CodeList0      byte = 0x45
	CodeUbyte      byte = 0x50
	CodeByte       byte = 0x51
	CodeSmallUint  byte = 0x52
	CodeSmallUlong byte = 0x53
	CodeSmallInt   byte = 0x54
	CodeSmallLong  byte = 0x55
	CodeBoolean    byte = 0x56
	CodeUshort     byte = 0x60
	CodeShort      byte = 0x61
	CodeUint       byte = 0x70
	CodeInt        byte = 0x71
	CodeFloat      byte = 0x72
	CodeChar       byte = 0x73
	CodeDecimal32  byte = 0x74
	CodeUlong      byte = 0x80
	CodeLong       byte = 0x81
	CodeDouble     byte = 0x82
	CodeTimestamp  byte = 0x83
	CodeDecimal64  byte = 0x84
	CodeDecimal128 byte = 0x94
	CodeUUID       byte = 0x98
	CodeBinary8    byte = 0xa0
	CodeString8    byte = 0xa1
	CodeSymbol8    byte = 0xa3
	CodeBinary32   byte = 0xb0
	CodeString32   byte = 0xb1
	CodeSymbol32   byte = 0xb3
	CodeList8      byte = 0xc0
	CodeMap8       byte = 0xc1
	CodeList32     byte = 0xd0
	CodeMap32      byte = 0xd1
	CodeArray8     byte = 0xe0
	CodeArray32    byte = 0xf0
)

// class tells how the octets after a format code are laid out [1.2]. Classes below variable8 hold values of a fixed
// width, which is the class less one.
type class uint8

const (
	unassigned class = 0
	fixed0     class = 1
	fixed1     class = 2
	fixed2     class = 3
	fixed4     class = 5
	fixed8     class = 9
	fixed16    class = 17
	variable8  class = 32 + iota
	variable32
	compound8
	compound32
	array8
	array32
	described
)

// width returns the number of octets after the format code, for classes of a fixed width.
func (c class) width() int { return int(c) - 1 }

// codeClass and codeName describe all format codes [1.6].
var (
	codeClass = [256]class{
		CodeDescribed: described,
		CodeNull:      fixed0, CodeTrue: fixed0, CodeFalse: fixed0,
		CodeUint0: fixed0, CodeUlong0: fixed0, CodeList0: fixed0,
		CodeUbyte: fixed1, CodeByte: fixed1, CodeSmallUint: fixed1, CodeSmallUlong: fixed1, CodeSmallInt: fixed1,
		CodeSmallLong: fixed1, CodeBoolean: fixed1,
		CodeUshort: fixed2, CodeShort: fixed2,
		CodeUint: fixed4, CodeInt: fixed4, CodeFloat: fixed4, CodeChar: fixed4, CodeDecimal32: fixed4,
		CodeUlong: fixed8, CodeLong: fixed8, CodeDouble: fixed8, CodeTimestamp: fixed8, CodeDecimal64: fixed8,
		CodeDecimal128: fixed16, CodeUUID: fixed16,
		CodeBinary8: variable8, CodeString8: variable8, CodeSymbol8: variable8,
		CodeBinary32: variable32, CodeString32: variable32, CodeSymbol32: variable32,
		CodeList8: compound8, CodeMap8: compound8, CodeList32: compound32, CodeMap32: compound32,
		CodeArray8: array8, CodeArray32: array32,
	}
	codeName = [256]string{
		CodeDescribed: "described value", CodeNull: "null", CodeTrue: "boolean", CodeFalse: "boolean", CodeUint0: "uint",
		CodeUlong0: "ulong", CodeList0: "list", CodeUbyte: "ubyte", CodeByte: "byte", CodeSmallUint: "uint",
		CodeSmallUlong: "ulong", CodeSmallInt: "int", CodeSmallLong: "long", CodeBoolean: "boolean", CodeUshort: "ushort",
		CodeShort: "short", CodeUint: "uint", CodeInt: "int", CodeFloat: "float", CodeChar: "char",
		CodeDecimal32: "decimal32", CodeUlong: "ulong", CodeLong: "long", CodeDouble: "double",
		CodeTimestamp: "timestamp", CodeDecimal64: "decimal64", CodeDecimal128: "decimal128", CodeUUID: "uuid",
		CodeBinary8: "binary", CodeString8: "string", CodeSymbol8: "symbol", CodeBinary32: "binary",
		CodeString32: "string", CodeSymbol32: "symbol", CodeList8: "list", CodeMap8: "map", CodeList32: "list",
		CodeMap32: "map", CodeArray8: "array", CodeArray32: "array",
	}
)

// describeCode names a format code for error messages: "0x70 (uint)".
func describeCode(code byte) string {
	if name := codeName[code]; name != "" {
		return fmt.Sprintf("0x%02x (%s)", code, name)
	}
	return fmt.Sprintf("0x%02x (unassigned)", code)
}
