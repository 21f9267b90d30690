package spec

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// Label is the name of the image label that holds a container's defaults.
const Label = "org.mobyproject.config"

// Configure returns the container's configuration: image, the defaults that
// the image's own config gives (command, env, cwd), then label, the JSON of the
// image's org.mobyproject.config label ("" for none), then the manifest, one
// laid over the other. What is not given keeps what is below; a list that is
// given replaces, also when it is empty; maps merge, and structs key by key.
//
// What capabilities.add and binds.add list is appended at each layer, so the
// result has neither. A fault of the label names the image. Nothing that the
// result holds is shared with c or image.
func (c *Container) Configure(image Config, label string) (Config, error) {
	out := overlayConfig(Config{}, image)
	if label != "" {
		l, err := parseLabel(label)
		if err != nil {
			return Config{}, labelError(c.Image, err)
		}
		out = overlayConfig(out, l)
	}
	return overlayConfig(out, c.Config), nil
}

// parseLabel reads the JSON of a label: the keys of a container without name and image.
func parseLabel(label string) (Config, error) {
	n, err := readJSON([]byte(label), true)
	if err != nil {
		return Config{}, err
	}
	var c Config
	d := new(decoder)
	d.value(n, valueOf(&c), "")
	return c, d.faults.err()
}

// labelError says of every fault whose label has it.
func labelError(image Ref, err error) error {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = slices.Clone(joined.Unwrap())
	}
	for i := range all {
		all[i] = fmt.Errorf("label %s of %s: %w", Label, image, all[i])
	}
	return errors.Join(all...)
}

// overlayConfig lays upper over lower.
func overlayConfig(lower, upper Config) Config {
	out := lower
	overlay(valueOf(&out), reflect.ValueOf(upper))
	out.Capabilities = addCapabilities(out.Capabilities, upper.CapabilitiesAdd)
	out.Binds = addNew(out.Binds, upper.BindsAdd)
	out.CapabilitiesAdd, out.BindsAdd = nil, nil
	return out
}

// addCapabilities appends to a list that may be one of the words all and none.
func addCapabilities(list, add []string) []string {
	isWord := func(l []string, word string) bool { return len(l) == 1 && l[0] == word }
	switch {
	case len(add) == 0 || isWord(add, NoCapabilities) || isWord(list, AllCapabilities):
		return list
	case isWord(add, AllCapabilities) || isWord(list, NoCapabilities):
		return slices.Clone(add)
	}
	return addNew(list, add)
}

// addNew appends what is not there yet.
func addNew(list, add []string) []string {
	for _, s := range add {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// overlay lays upper over lower, which it changes: zero values keep what is
// below, structs (also behind pointers) and maps merge, everything else
// replaces. What lower gets is copied.
func overlay(lower, upper reflect.Value) {
	if upper.IsZero() {
		return
	}
	switch upper.Kind() {
	case reflect.Struct:
		for i := range upper.NumField() {
			overlay(lower.Field(i), upper.Field(i))
		}
	case reflect.Pointer:
		overlayPointer(lower, upper)
	case reflect.Map:
		merged := reflect.MakeMap(upper.Type())
		for _, m := range []reflect.Value{lower, upper} {
			for key, v := range m.Seq2() {
				e := reflect.New(v.Type()).Elem()
				if below := merged.MapIndex(key); below.IsValid() {
					e.Set(below)
				}
				overlay(e, v)
				merged.SetMapIndex(key, e)
			}
		}
		lower.Set(merged)
	case reflect.Slice:
		list := reflect.MakeSlice(upper.Type(), upper.Len(), upper.Len())
		for i := range upper.Len() {
			overlay(list.Index(i), upper.Index(i))
		}
		lower.Set(list)
	default:
		lower.Set(upper)
	}
}

// overlayPointer merges what pointers to structs point to. A pointer to
// anything else tells a value from none, and replaces: false is a value.
func overlayPointer(lower, upper reflect.Value) {
	p := reflect.New(upper.Type().Elem())
	_, whole := reflect.TypeAssert[nodeDecoder](upper)
	switch {
	case upper.Elem().Kind() != reflect.Struct || whole:
		p.Elem().Set(upper.Elem())
	case lower.IsNil():
		overlay(p.Elem(), upper.Elem())
	default:
		p.Elem().Set(lower.Elem())
		overlay(p.Elem(), upper.Elem())
	}
	lower.Set(p)
}
