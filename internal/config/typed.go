package config

import (
	"fmt"
	"reflect"
)

// tagName is the key of the struct tags that tie a field to its attribute.
const tagName = "config"

// typed makes the struct of a record: every field with a tag gets the value of its attribute.
func typed[T any](r *record) T {
	var entity T
	v := reflect.ValueOf(&entity).Elem()
	v.FieldByName("Position").Set(reflect.ValueOf(r.at))
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get(tagName)
		value, ok := r.attributes[name]
		if name == "" || !ok {
			continue
		}
		field := v.Field(i)
		if field.Kind() == reflect.Pointer {
			field.Set(reflect.New(field.Type().Elem()))
			field = field.Elem()
		}
		if items, ok := value.([]any); ok && field.Type() == reflect.TypeFor[[]string]() {
			field.Set(reflect.ValueOf(textsOf(items)))
			continue
		}
		field.Set(reflect.ValueOf(value).Convert(field.Type()))
	}
	return entity
}

// textsOf returns the items of a list as texts.
func textsOf(items []any) []string {
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = fmt.Sprint(item)
	}
	return texts
}

// attributesOf is the reverse of typed: the attributes of a struct. Those that are not set are left out: nil, and ""
// or 0 or false where the schema has no default.
func attributesOf(entityType *EntityType, entity any) map[string]any {
	attributes := map[string]any{}
	v := reflect.ValueOf(entity)
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get(tagName)
		if name == "" {
			continue
		}
		a, _ := entityType.Attribute(name)
		field := v.Field(i)
		if field.IsZero() && a.Default == nil {
			continue
		}
		if field.Kind() == reflect.Pointer {
			field = field.Elem()
		}
		attributes[name] = plainField(field)
	}
	return attributes
}

// plainField returns the value of a field as the Go type of its kind of attribute.
func plainField(field reflect.Value) any {
	switch field.Kind() {
	case reflect.String:
		return field.String()
	case reflect.Int:
		return int(field.Int())
	default:
		return field.Interface()
	}
}
