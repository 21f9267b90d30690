package spec

import (
	"reflect"
	"strings"
)

// field is one key that a struct takes.
type field struct {
	key      string
	index    []int  // for reflect.Value.FieldByIndex
	check    string // of the check tag, without "required"
	required bool
	lower    bool // the key in lower case is accepted too: linuxkit's spelling inside types of runtime-spec
}

// fieldsOf returns the keys of a struct, in the order of its declaration.
//
// Our own types name them in yaml tags, and locks and the types of runtime-spec
// in json tags. There a field without omitempty is required if the type is ours.
func fieldsOf(t reflect.Type) []field {
	var out []field
	ours := t.PkgPath() == reflect.TypeFor[field]().PkgPath()
	for i := range t.NumField() {
		f := t.Field(i)
		tag, isYAML := f.Tag.Lookup("yaml")
		if !isYAML {
			tag = f.Tag.Get("json")
		}
		key, options, _ := strings.Cut(tag, ",")
		if f.Anonymous && key == "" {
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				out = append(out, inner)
			}
			continue
		}
		if !f.IsExported() || key == "-" || key == "" {
			continue
		}
		check := f.Tag.Get("check")
		rest, required := strings.CutPrefix(check, "required")
		out = append(out, field{
			key:      key,
			index:    []int{i},
			check:    strings.TrimPrefix(rest, ","),
			required: required || ours && !isYAML && !strings.Contains(options, "omitempty"),
			lower:    !ours || t == reflect.TypeFor[Mount](),
		})
	}
	return out
}

// find returns the field of a key.
func find(fields []field, key string) (field, bool) {
	for _, f := range fields {
		if f.key == key || f.lower && strings.ToLower(f.key) == key {
			return f, true
		}
	}
	return field{}, false
}

func keysOf(fields []field) []string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return keys
}
