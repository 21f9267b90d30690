package spec

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// MarshalCanonical returns v as JSON that is the same for the same value,
// whatever program writes it: keys in byte order, an indent of two spaces, a
// newline at the end, nothing escaped but what RFC 8259 demands, whole numbers
// in digits, other numbers in the fewest digits that read back.
//
// It honours json tags with omitempty, omitzero and string, and [json.Marshaler]
// and [encoding.TextMarshaler]; of structs with yaml tags, a manifest's, it
// writes what was given. A nil list is [], a nil map {}, as a list without
// elements is the same to every reader. Text that is not UTF-8, NaN and the
// infinities, two equal keys and more than 64 levels are errors.
func MarshalCanonical(v any) ([]byte, error) {
	e := &encoder{fields: map[reflect.Type][]encField{}}
	if err := e.value(reflect.ValueOf(v)); err != nil {
		return nil, fmt.Errorf("write canonical JSON: %w", err)
	}
	return append(e.buf, '\n'), nil
}

// encoder appends JSON to buf.
type encoder struct {
	buf    []byte
	level  int // of brackets that are open
	depth  int // of values in memory, where pointers count too
	fields map[reflect.Type][]encField
}

// maxNesting bounds values in memory, which may run in a circle.
const maxNesting = 4 * maxDepth

var errTooDeep = fmt.Errorf("more than %d levels deep", maxDepth)

func (e *encoder) value(v reflect.Value) error {
	if e.depth++; e.depth > maxNesting {
		return errTooDeep
	}
	defer func() { e.depth-- }()
	if !v.IsValid() || (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) && v.IsNil() {
		e.buf = append(e.buf, "null"...)
		return nil
	}
	if done, err := e.marshaler(v); done || err != nil {
		return err
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return e.value(v.Elem())
	case reflect.Struct:
		return e.structure(v)
	case reflect.Map:
		return e.mapping(v)
	case reflect.Slice, reflect.Array:
		return e.list(v)
	case reflect.String:
		if n, ok := reflect.TypeAssert[json.Number](v); ok {
			return e.number(n.String())
		}
		return e.text(v.String())
	case reflect.Float32, reflect.Float64:
		return e.float(v.Float(), v.Type().Bits())
	case reflect.Bool:
		e.buf = strconv.AppendBool(e.buf, v.Bool())
		return nil
	}
	switch {
	case v.CanInt():
		e.buf = strconv.AppendInt(e.buf, v.Int(), 10)
	case v.CanUint():
		e.buf = strconv.AppendUint(e.buf, v.Uint(), 10)
	default:
		return fmt.Errorf("%s cannot be written", v.Type())
	}
	return nil
}

// marshaler writes values that have a notation of their own.
func (e *encoder) marshaler(v reflect.Value) (bool, error) {
	switch m := addressed(v).(type) {
	case json.Marshaler:
		data, err := m.MarshalJSON()
		if err != nil {
			return true, err
		}
		n, err := readJSON(data, false)
		if err != nil {
			return true, fmt.Errorf("%s: %w", v.Type(), err)
		}
		return true, e.node(n)
	case encoding.TextMarshaler:
		data, err := m.MarshalText()
		if err != nil {
			return true, err
		}
		return true, e.text(string(data))
	}
	return false, nil
}

// addressed returns v, or a pointer to it where there is one: methods of
// pointers count too.
func addressed(v reflect.Value) any {
	if v.CanAddr() && v.Kind() != reflect.Interface {
		return v.Addr().Interface()
	}
	return v.Interface()
}

// node writes JSON that was read.
func (e *encoder) node(n *yaml.Node) error {
	switch {
	case n.Kind == yaml.SequenceNode:
		return e.block("[]", len(n.Content), func(i int) error { return e.node(n.Content[i]) })
	case n.Kind == yaml.MappingNode:
		members := make([]member, len(n.Content)/2)
		for i := range members {
			value := n.Content[2*i+1]
			members[i] = member{n.Content[2*i].Value, func() error { return e.node(value) }}
		}
		return e.object(members)
	case n.Tag == tagStr:
		return e.text(n.Value)
	case n.Tag == tagInt, n.Tag == tagFloat:
		return e.number(n.Value)
	}
	e.buf = append(e.buf, n.Value...)
	return nil
}

// block writes n items between brackets, each on a line of its own.
func (e *encoder) block(brackets string, n int, item func(int) error) error {
	e.buf = append(e.buf, brackets[0])
	if e.level++; e.level > maxDepth {
		return errTooDeep
	}
	for i := range n {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		e.newline()
		if err := item(i); err != nil {
			return err
		}
	}
	e.level--
	if n > 0 {
		e.newline()
	}
	e.buf = append(e.buf, brackets[1])
	return nil
}

func (e *encoder) newline() {
	e.buf = append(e.buf, '\n')
	for range e.level {
		e.buf = append(e.buf, "  "...)
	}
}

// member is one key of an object, and what writes its value.
type member struct {
	key   string
	value func() error
}

// object writes members in the order of their keys' bytes.
func (e *encoder) object(members []member) error {
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.key, b.key) })
	return e.block("{}", len(members), func(i int) error {
		m := members[i]
		if i > 0 && m.key == members[i-1].key {
			return fmt.Errorf("the key %q is there twice", m.key)
		}
		if err := e.text(m.key); err != nil {
			return err
		}
		e.buf = append(e.buf, ": "...)
		if err := m.value(); err != nil {
			return fmt.Errorf("%s: %w", m.key, err)
		}
		return nil
	})
}

func (e *encoder) list(v reflect.Value) error {
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
		return e.text(base64.StdEncoding.EncodeToString(v.Bytes()))
	}
	return e.block("[]", v.Len(), func(i int) error { return e.value(v.Index(i)) })
}

func (e *encoder) mapping(v reflect.Value) error {
	members := make([]member, 0, v.Len())
	for key, value := range v.Seq2() {
		name, err := keyText(key)
		if err != nil {
			return err
		}
		members = append(members, member{name, func() error { return e.value(value) }})
	}
	return e.object(members)
}

func keyText(key reflect.Value) (string, error) {
	if m, ok := reflect.TypeAssert[encoding.TextMarshaler](key); ok {
		text, err := m.MarshalText()
		return string(text), err
	}
	switch {
	case key.Kind() == reflect.String:
		return key.String(), nil
	case key.CanInt():
		return strconv.FormatInt(key.Int(), 10), nil
	case key.CanUint():
		return strconv.FormatUint(key.Uint(), 10), nil
	}
	return "", fmt.Errorf("%s cannot be a key", key.Type())
}

func (e *encoder) structure(v reflect.Value) error {
	fields, known := e.fields[v.Type()]
	if !known {
		fields = encFields(v.Type())
		e.fields[v.Type()] = fields
	}
	members := make([]member, 0, len(fields))
	for _, f := range fields {
		value, err := v.FieldByIndexErr(f.index)
		if err != nil || f.leftOut(value) {
			continue // a nil pointer to an embedded struct has no fields
		}
		write := func() error { return e.value(value) }
		if f.quoted {
			write = func() error { return e.quoted(value) }
		}
		members = append(members, member{f.key, write})
	}
	return e.object(members)
}

// quoted writes a number or a truth value as a text.
func (e *encoder) quoted(v reflect.Value) error {
	start := len(e.buf)
	if err := e.value(v); err != nil || v.Kind() == reflect.String {
		return err
	}
	inner := string(e.buf[start:])
	e.buf = e.buf[:start]
	return e.text(inner)
}
