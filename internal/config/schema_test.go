package config

import (
	"reflect"
	"testing"
)

// typedEntities are the structs that hold the attributes of supported entity types.
var typedEntities = map[string]any{
	"router": Router{}, "mesh": Mesh{}, "sslProfile": SSLProfile{}, "listener": Listener{}, "connector": Connector{},
	"router.config.address": Address{}, "router.config.exchange": Exchange{}, "router.config.binding": Binding{},
	"log": Log{}, "gossip": Gossip{},
}

// TestSchemaIsSound: every attribute has a meaning, a default that fits its type, and a name of its own.
func TestSchemaIsSound(t *testing.T) {
	t.Parallel()
	types := map[string]bool{}
	for i := range Schema {
		e := &Schema[i]
		if types[e.Name] || e.Doc == "" {
			t.Errorf("%s: given twice, or without a meaning", e.Name)
		}
		types[e.Name] = true
		names := map[string]bool{}
		for _, a := range e.All() {
			if names[a.Name] || a.Doc == "" {
				t.Errorf("%s.%s: given twice, or without a meaning", e.Name, a.Name)
			}
			for _, name := range append([]string{a.Name}, a.Aliases...) {
				names[name] = true
			}
			if a.Default == nil {
				continue
			}
			b := &builder{format: FormatConf}
			text := reflect.ValueOf(a.Default)
			v := value{text: text.String()}
			switch text.Kind() {
			case reflect.Int:
				v.text = valueNode(a.Default).Value
			case reflect.Bool:
				v.text = valueNode(a.Default).Value
			}
			if got, ok := b.convert(a, setting{value: v}); !ok || got != a.Default {
				t.Errorf("%s.%s: the default %#v does not fit: %v", e.Name, a.Name, a.Default, b.problems)
			}
		}
		for _, a := range e.Attributes {
			for _, nested := range []string{a.Type.Record, a.Type.Entries} {
				if nested != "" {
					mustType(nested)
				}
			}
		}
	}
}

// TestStructsMatchSchema: every attribute that can be set on a supported entity has a field of the right type in its
// struct, and every field an attribute.
func TestStructsMatchSchema(t *testing.T) {
	t.Parallel()
	kinds := map[Kind]reflect.Kind{KindInteger: reflect.Int, KindBoolean: reflect.Bool, KindProperties: reflect.Map,
		KindMap: reflect.Map, KindList: reflect.Slice}
	for i := range supportedTypes {
		e := &supportedTypes[i]
		structType := reflect.TypeOf(typedEntities[e.Name])
		fields := map[string]bool{}
		for j := range structType.NumField() {
			f := structType.Field(j)
			name := f.Tag.Get(tagName)
			if name == "" {
				continue
			}
			fields[name] = true
			a, ok := e.Attribute(name)
			if !ok {
				t.Errorf("%s.%s has no attribute in the schema", e.Name, name)
				continue
			}
			want, known := kinds[a.Type.Kind]
			if !known {
				want = reflect.String
			}
			got := f.Type
			if got.Kind() == reflect.Pointer {
				got = got.Elem()
			}
			if got.Kind() != want {
				t.Errorf("%s.%s: the field is %v, want %v", e.Name, name, got, want)
			}
		}
		for _, a := range e.Attributes {
			if a.Has(Create) && !fields[a.Name] {
				t.Errorf("%s.%s has no field", e.Name, a.Name)
			}
		}
	}
}

// TestTypeByName: a type is found by its full name, its short name, and the name of its section.
func TestTypeByName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"address", "router.config.address", TypePrefix + "router.config.address"} {
		if e, ok := TypeByName(name); !ok || e.FullName() != TypePrefix+"router.config.address" {
			t.Errorf("%s is not found", name)
		}
	}
	for _, name := range []string{"", "addresses", TypePrefix, "router.config"} {
		if e, ok := TypeByName(name); ok {
			t.Errorf("%q is taken for %s", name, e.Name)
		}
	}
}
