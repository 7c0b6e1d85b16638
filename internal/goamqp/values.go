package goamqp

import (
	"github.com/Azure/go-amqp"
)

// Int returns an AMQP integer of any width, 0 for anything else.
func Int(v any) int {
	switch v := v.(type) {
	case int8:
		return int(v)
	case int16:
		return int(v)
	case int32:
		return int(v)
	case int64:
		return int(v)
	case uint8:
		return int(v)
	case uint16:
		return int(v)
	case uint32:
		return int(v)
	case uint64:
		return int(v)
	default:
		return 0
	}
}

// String returns an AMQP string or symbol, "" for anything else.
func String(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case amqp.Symbol:
		return string(v)
	default:
		return ""
	}
}

// Map returns an AMQP map whose keys are strings or symbols; other keys are left out.
func Map(v any) map[string]any {
	m := map[string]any{}
	switch v := v.(type) {
	case map[string]any:
		return v
	case map[amqp.Symbol]any:
		for key, value := range v {
			m[string(key)] = value
		}
	case map[any]any:
		for key, value := range v {
			if name := String(key); name != "" {
				m[name] = value
			}
		}
	}
	return m
}

// Strings returns the strings and symbols of an AMQP list or array.
func Strings(v any) []string {
	var texts []string
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			if s := String(item); s != "" {
				texts = append(texts, s)
			}
		}
	case []string:
		texts = v
	case []amqp.Symbol:
		for _, s := range v {
			texts = append(texts, string(s))
		}
	}
	return texts
}
