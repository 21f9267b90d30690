package spec

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// kindName says what a node is.
func kindName(n *yaml.Node) string {
	n = follow(n)
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case tagNull:
		return "nothing"
	case tagBool:
		return "true or false"
	case tagInt, tagFloat:
		return "a number"
	case tagStr, tagTime, tagMerge:
		return "a text"
	}
	return "a value with the tag " + n.Tag
}

// wanted says what a type is read from.
func wanted(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Ref](), reflect.TypeFor[InitImage]():
		return "a reference to an image"
	case reflect.TypeFor[ID]():
		return "a number or a name"
	case reflect.TypeFor[Mode]():
		return `octal digits in quotes, such as "0644"`
	}
	switch t.Kind() {
	case reflect.Pointer:
		return wanted(t.Elem())
	case reflect.Struct, reflect.Map:
		return "a mapping"
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	}
	return "a whole number"
}

// scalar reads n into a text, a truth value or a whole number.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, check string) {
	switch v.Kind() {
	case reflect.String:
		s, ok := d.text(n)
		v.SetString(s)
		if ok && s != "" {
			d.checkText(n, s, check)
		}
	case reflect.Bool:
		if n.Kind != yaml.ScalarNode || n.Tag != tagBool {
			d.fail(n, "want true or false, not %s", scalarName(n))
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	default:
		d.number(n, v, check)
	}
}

// scalarName is kindName with the value itself where it is short.
func scalarName(n *yaml.Node) string {
	const short = 32
	if n.Kind == yaml.ScalarNode && len(n.Value) <= short && n.Tag != tagNull {
		return strconv.Quote(n.Value)
	}
	return kindName(n)
}

// text reads a text. Numbers and truth values must be in quotes, since YAML
// would change them: 0x10 is 16, and 1.10 is 1.1.
func (d *decoder) text(n *yaml.Node) (string, bool) {
	switch {
	case n.Kind != yaml.ScalarNode:
		d.fail(n, "want a text, not %s", kindName(n))
	case n.Tag == tagBool || n.Tag == tagInt || n.Tag == tagFloat:
		d.fail(n, "want a text, not %s: write it in quotes: %q", kindName(n), n.Value)
	case n.Tag != tagStr && n.Tag != tagTime && n.Tag != tagMerge:
		d.fail(n, "want a text, not %s", kindName(n))
	default:
		return n.Value, true
	}
	return "", false
}

// checkText holds a text against the check tag of its field.
func (d *decoder) checkText(n *yaml.Node, s, check string) {
	kind, arg, _ := strings.Cut(check, "=")
	if kind != "any" && strings.ContainsRune(s, 0) {
		d.fail(n, "%q holds a NUL", s)
		return
	}
	for _, c := range textChecks() {
		if c.name == kind {
			if err := c.check(s, arg); err != nil {
				d.fail(n, "%s", err)
			}
			return
		}
	}
}

// Whole numbers of YAML 1.2's core schema. What YAML 1.1 read besides
// (underscores, binary, octal with a bare 0) means different things to
// different readers and is refused.
var wholeNumber = regexp.MustCompile(`^[-+]?(?:0|[1-9][0-9]*|0o[0-7]+|0x[0-9a-fA-F]+)$`)

var errNotWhole = errors.New("want a whole number")

// parseWhole reads a whole number between low and high.
func parseWhole(n *yaml.Node, low int64, high uint64) (int64, uint64, error) {
	s := strings.TrimPrefix(n.Value, "+")
	switch {
	case n.Kind != yaml.ScalarNode || n.Tag != tagInt && n.Tag != tagStr && n.Tag != tagFloat:
		return 0, 0, fmt.Errorf("%w, not %s", errNotWhole, kindName(n))
	case n.Tag == tagStr && wholeNumber.MatchString(s):
		return 0, 0, fmt.Errorf("%w, not a text: write it without quotes: %s", errNotWhole, s)
	case n.Tag == tagInt && !wholeNumber.MatchString(s):
		return 0, 0, fmt.Errorf("%w in digits without underscores and without 0 in front, not %q", errNotWhole, n.Value)
	case n.Tag == tagFloat && wholeNumber.MatchString(s):
		return 0, 0, tooFar(n, low, high)
	case n.Tag != tagInt:
		return 0, 0, fmt.Errorf("%w, not %s", errNotWhole, scalarName(n))
	}
	signed, err := strconv.ParseInt(s, 0, 64)
	if err == nil && signed < 0 {
		if signed < low {
			return 0, 0, tooFar(n, low, high)
		}
		return signed, 0, nil
	}
	unsigned, err := strconv.ParseUint(s, 0, 64)
	if err != nil || unsigned > high || low > 0 && unsigned < uint64(low) {
		return 0, 0, tooFar(n, low, high)
	}
	return int64(unsigned), unsigned, nil //nolint:gosec // Beyond MaxInt64 the caller takes the unsigned one.
}

func tooFar(n *yaml.Node, low int64, high uint64) error {
	return fmt.Errorf("%s is out of range: want a whole number from %d to %d", n.Value, low, high)
}

// number reads a whole number of v's size; check may narrow its range.
func (d *decoder) number(n *yaml.Node, v reflect.Value, check string) {
	bits := v.Type().Bits()
	low, high := int64(-1)<<(bits-1), uint64(1)<<(bits-1)-1
	if v.CanUint() {
		low, high = 0, ^uint64(0)>>(64-bits)
	}
	if arg, ok := strings.CutPrefix(check, "range="); ok {
		low, high = parseRange(arg)
	}
	signed, unsigned, err := parseWhole(n, low, high)
	switch {
	case err != nil:
		d.fail(n, "%s", err)
	case v.CanUint():
		v.SetUint(unsigned)
	default:
		v.SetInt(signed)
	}
}

// parseRange reads "low..high"; the tags of this package are right.
func parseRange(arg string) (int64, uint64) {
	from, to, _ := strings.Cut(arg, "..")
	low, _ := strconv.ParseInt(from, 10, 64)
	high, _ := strconv.ParseUint(to, 10, 64)
	return low, high
}

// decodeNode reads a reference to an image.
func (r *Ref) decodeNode(d *decoder, n *yaml.Node) {
	s, ok := d.text(n)
	if !ok {
		return
	}
	ref, err := ParseRef(s, d.base)
	if err != nil {
		d.fail(n, "%s", err)
		return
	}
	if ref.Transport == Registry {
		ref.Base = ""
	}
	*r = ref
}

// decodeNode reads one line of the init section.
func (i *InitImage) decodeNode(d *decoder, n *yaml.Node) {
	i.Pos = d.pos(n)
	i.Image.decodeNode(d, n)
}

// noUser is the number that Linux keeps for "no user".
const noUser = 1<<32 - 1

// decodeNode reads a number, or the name of a container.
func (id *ID) decodeNode(d *decoder, n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Tag == tagStr && !wholeNumber.MatchString(n.Value) {
		if err := checkName(n.Value); err != nil {
			d.fail(n, "%s", err)
		}
		id.Name = n.Value
		return
	}
	_, number, err := parseWhole(n, 0, noUser-1)
	switch {
	case errors.Is(err, errNotWhole) && n.Tag != tagStr && n.Tag != tagInt:
		d.fail(n, "want a number or the name of a container, not %s", kindName(n))
	case err != nil:
		d.fail(n, "%s", err)
	}
	id.Number = uint32(number) //nolint:gosec // parseWhole has held it to 32 bits.
}

var octal = regexp.MustCompile(`^(?:0o)?[0-7]{1,5}$`)

// maxMode has every permission, setuid, setgid and the sticky bit.
const maxMode = 0o7777

// maxDeviceMode has every permission: a device node of a container has no setuid,
// setgid or sticky bit (OCI runtime specification, config-linux, "Devices";
// the schema's FileMode).
const maxDeviceMode = 0o777

// decodeNode reads octal digits. They must be in quotes: without them 0644 is
// 420 to some YAML readers and 644 to others.
func (m *Mode) decodeNode(d *decoder, n *yaml.Node) {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == tagInt:
		d.fail(n, "want octal digits in quotes, not a number: write %q", n.Value)
		return
	case n.Kind != yaml.ScalarNode || n.Tag != tagStr:
		d.fail(n, "want octal digits in quotes, such as \"0644\", not %s", kindName(n))
		return
	case !octal.MatchString(n.Value):
		d.fail(n, "%q is not a mode: want three or four octal digits, such as \"0644\"", n.Value)
		return
	}
	bits, _ := strconv.ParseUint(strings.TrimPrefix(n.Value, "0o"), 8, 32) // the pattern has held it to digits
	if bits > maxMode {
		d.fail(n, "%q is not a mode: the highest is \"7777\"", n.Value)
		return
	}
	*m = Mode{Bits: uint32(bits), Set: true}
}
