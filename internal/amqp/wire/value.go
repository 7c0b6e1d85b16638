package wire

// The Go types of AMQP values that DecodeValue yields and AppendValue takes, where they are not Go's own:
//
//	null nil · boolean bool · ubyte uint8 · ushort uint16 · uint uint32 · ulong uint64 · byte int8 · short int16
//	int int32 · long int64 · float float32 · double float64 · decimal32/64/128 Decimal32/64/128 · char Char
//	timestamp Timestamp · uuid UUID · binary []byte · string string · symbol Symbol · list List · map Map
//	array Array · described value Described
type (
	// Decimal32 is an IEEE 754-2008 decimal32 in the binary integer decimal encoding [1.6.13], carried through.
	Decimal32 [4]byte
	// Decimal64 is the like of 64 bits [1.6.14].
	Decimal64 [8]byte
	// Decimal128 is the like of 128 bits [1.6.15].
	Decimal128 [16]byte
	// Char is a Unicode character [1.6.16].
	Char rune
	// Timestamp is a point in time in milliseconds since 1970-01-01 UTC [1.6.17].
	Timestamp int64
	// UUID is a universally unique identifier [1.6.18].
	UUID [16]byte
	// List is a sequence of values [1.6.22].
	List []any
	// Map is a sequence of keys with values in the order of their encoding [1.6.23].
	Map []MapEntry
)

// MapEntry is one key with its value in a Map.
type MapEntry struct{ Key, Value any }

// Get returns the value of the first key that is the given string or symbol.
func (m Map) Get(key string) (value any, ok bool) {
	for _, e := range m {
		switch k := e.Key.(type) {
		case string:
			if k == key {
				return e.Value, true
			}
		case Symbol:
			if string(k) == key {
				return e.Value, true
			}
		}
	}
	return nil, false
}

// Array is a sequence of values of one type [1.6.24].
type Array struct {
	Elements []any
	// Code is the format code of the elements. AppendValue takes the widest code of the same type where an element
	// does not fit it, and when Code is zero the widest one of the type of the first element, or null for none.
	Code byte
	// Descriptor is set when the elements are described: the descriptor they share, or Descriptors.
	Descriptor any
}

// Descriptors are those of the elements of an array that are described more than once, the outermost first.
type Descriptors []any

// Described is a value with its descriptor [1.2].
type Described struct{ Descriptor, Value any }
