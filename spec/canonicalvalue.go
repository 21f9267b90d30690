package spec

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// text writes a text; see RFC 8259, "Strings". What may stand for itself does.
func (e *encoder) text(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%q is not UTF-8", s)
	}
	const letters, meaning = `"\bfnrt`, "\"\\\b\f\n\r\t"
	e.buf = append(e.buf, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		e.buf = append(e.buf, s[start:i]...)
		start = i + 1
		if at := strings.IndexByte(meaning, c); at >= 0 {
			e.buf = append(e.buf, '\\', letters[at])
		} else {
			e.buf = fmt.Appendf(e.buf, `\u%04x`, c)
		}
	}
	e.buf = append(e.buf, s[start:]...)
	e.buf = append(e.buf, '"')
	return nil
}

// number writes a number that is spelt as JSON allows: whole ones digit by
// digit, however large, others as float does.
func (e *encoder) number(s string) error {
	if n, ok := new(big.Int).SetString(s, 10); ok && len(s) <= maxDigits {
		e.buf = n.Append(e.buf, 10)
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return fmt.Errorf("%q is no number that can be written", s)
	}
	return e.float(f, 64)
}

// maxDigits is the longest whole number that is kept digit by digit; turning
// more into a number and back takes time that grows with their square.
const maxDigits = 1000

// float writes the fewest digits that read back, and those of a whole number
// without a point; see ECMA-262, "Number::toString", which RFC 8785 takes over.
func (e *encoder) float(f float64, bits int) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return errors.New("a number that is infinite or none cannot be written")
	}
	if f == 0 {
		f = 0 // and not -0
	}
	const small, large = 1e-6, 1e21
	if size := math.Abs(f); size != 0 && (size < small || size >= large) {
		text := strconv.FormatFloat(f, 'e', -1, bits)
		mantissa, exponent, _ := strings.Cut(text, "e")
		e.buf = append(e.buf, mantissa...)
		e.buf = append(e.buf, 'e', exponent[0])
		e.buf = append(e.buf, strings.TrimLeft(exponent[1:], "0")...)
		return nil
	}
	e.buf = strconv.AppendFloat(e.buf, f, 'f', -1, bits)
	return nil
}

// encField is one key that a struct is written with.
type encField struct {
	key       string
	index     []int
	omitEmpty bool // as encoding/json understands it
	omitZero  bool
	quoted    bool
}

// encFields returns the keys of a struct. Of fields of one name the shallowest
// counts, as in encoding/json.
func encFields(t reflect.Type) []encField {
	var out []encField
	depth := map[string]int{}
	var walk func(t reflect.Type, index []int)
	walk = func(t reflect.Type, index []int) {
		for i := range t.NumField() {
			sf := t.Field(i)
			at := append(append([]int(nil), index...), i)
			f, ok := encFieldOf(sf)
			if inner := embedded(sf); ok && f.key == "" && inner != nil {
				walk(inner, at)
				continue
			}
			if !ok || !sf.IsExported() {
				continue
			}
			if f.key == "" {
				f.key = sf.Name
			}
			f.index = at
			if d, taken := depth[f.key]; taken && d <= len(at) {
				continue
			} else if taken {
				out = removeKey(out, f.key)
			}
			depth[f.key] = len(at)
			out = append(out, f)
		}
	}
	walk(t, nil)
	return out
}

func removeKey(fields []encField, key string) []encField {
	for i, f := range fields {
		if f.key == key {
			return append(fields[:i], fields[i+1:]...)
		}
	}
	return fields
}

// embedded returns the struct that a field embeds, nil where it does not.
func embedded(f reflect.StructField) reflect.Type {
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if !f.Anonymous || t.Kind() != reflect.Struct {
		return nil
	}
	return t
}

// encFieldOf reads a field's tags; false where it is not written.
func encFieldOf(sf reflect.StructField) (encField, bool) {
	if tag, ok := sf.Tag.Lookup("yaml"); ok {
		key, _, _ := strings.Cut(tag, ",")
		return encField{key: key, omitZero: true}, tag != "-"
	}
	tag := sf.Tag.Get("json")
	key, options, _ := strings.Cut(tag, ",")
	f := encField{key: key}
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "omitempty":
			f.omitEmpty = true
		case "omitzero":
			f.omitZero = true
		case "string":
			f.quoted = true
		}
	}
	return f, tag != "-"
}

// leftOut reports whether a field of this value is not written.
func (f encField) leftOut(v reflect.Value) bool {
	if f.omitZero && v.IsZero() {
		return true
	}
	if !f.omitEmpty {
		return false
	}
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.String, reflect.Array:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}
