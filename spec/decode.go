package spec

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// decoder reads nodes into the structs of this package, strictly: every fault
// is noted with its place, and reading goes on behind it.
type decoder struct {
	faults   faults
	file     string
	base     string // that local references are relative to
	path     []step // of what is being read
	depth    int
	aliases  int  // aliases that are being followed
	expanded int  // nodes read behind aliases
	spoiled  bool // for checkNode: the struct has faults already, from which others would follow
}

// step is one part of the place of a value: a key, or an index and the entry's name.
type step struct {
	text  string
	entry bool // what follows is inside an entry: "services[2] nginx: command"
}

// maxExpanded is how many nodes may be read behind aliases. A few lines of
// aliases of aliases are billions of nodes otherwise.
const maxExpanded = 100_000

// nodeDecoder is implemented by values with a notation of their own.
type nodeDecoder interface {
	decodeNode(d *decoder, n *yaml.Node)
}

// nodeChecker is implemented by structs with rules over several keys. It is
// called when the struct has been read, with its mapping.
type nodeChecker interface {
	checkNode(d *decoder, n *yaml.Node)
}

// where returns the path as it is written in errors.
func (d *decoder) where() string {
	var b strings.Builder
	for i, s := range d.path {
		switch {
		case i == 0 || s.text == "" || s.text[0] == '[':
		case d.path[i-1].entry:
			b.WriteString(": ")
		default:
			b.WriteByte('.')
		}
		b.WriteString(s.text)
	}
	return b.String()
}

func (d *decoder) pos(n *yaml.Node) Pos {
	return Pos{d.file, n.Line, n.Column}
}

// fail notes a fault at n.
func (d *decoder) fail(n *yaml.Node, format string, args ...any) {
	d.faults.add(Error{Pos: d.pos(n), Where: d.where(), What: fmt.Sprintf(format, args...)})
}

// failAt notes a fault of one key of the mapping n.
func (d *decoder) failAt(n *yaml.Node, key, format string, args ...any) {
	at := lookup(n, key)
	if at == nil {
		at = n
	}
	d.in(step{text: key}, func() { d.fail(at, format, args...) })
}

// in runs f one step deeper.
func (d *decoder) in(s step, f func()) {
	d.path = append(d.path, s)
	f()
	d.path = d.path[:len(d.path)-1]
}

// value reads n into v. check is the check tag of the field that v belongs to.
func (d *decoder) value(n *yaml.Node, v reflect.Value, check string) {
	if n.Kind == yaml.AliasNode {
		d.aliases++
		defer func() { d.aliases-- }()
		n = follow(n)
	}
	d.depth++
	defer func() { d.depth-- }()
	if !d.bounded(n) {
		return
	}
	if n.Kind == yaml.ScalarNode && n.Tag == tagNull {
		d.fail(n, "there is no value; want %s, or leave the key out", wanted(v.Type()))
		return
	}
	if special, ok := reflect.TypeAssert[nodeDecoder](v.Addr()); ok {
		special.decodeNode(d, n)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.value(n, p.Elem(), check)
		v.Set(p)
	case reflect.Struct:
		d.structure(n, v)
	case reflect.Slice:
		d.list(n, v, check)
	case reflect.Map:
		d.mapping(n, v, check)
	default:
		d.scalar(n, v, check)
	}
}

// bounded reports whether reading may go on: not too deep, and not too much
// behind aliases.
func (d *decoder) bounded(n *yaml.Node) bool {
	if d.depth > maxDepth {
		d.fail(n, "more than %d levels deep", maxDepth)
		return false
	}
	if d.aliases == 0 {
		return true
	}
	d.expanded++
	if d.expanded == maxExpanded {
		d.fail(n, "the file's aliases stand for more than %d values", maxExpanded)
	}
	return d.expanded < maxExpanded
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value) {
	if !d.isKind(n, yaml.MappingNode, v.Type()) {
		return
	}
	fields := fieldsOf(v.Type())
	before := d.faults.count()
	seen := make(map[string]*yaml.Node, len(fields))
	misspelt := map[string]bool{}
	d.pairs(n, func(key, value *yaml.Node) {
		f, ok := find(fields, key.Value)
		if !ok {
			d.fail(key, "unknown key %q%s", key.Value, didYouMean(key.Value, keysOf(fields)))
			meant := Suggest(key.Value, keysOf(fields))
			misspelt[meant] = true // and is not said to be missing as well
			return
		}
		if first := seen[f.key]; first != nil {
			d.fail(key, "the key %q is there twice: see line %d", key.Value, first.Line)
			return
		}
		seen[f.key] = key
		d.in(step{text: f.key}, func() { d.value(value, v.FieldByIndex(f.index), f.check) })
	})
	for _, f := range fields {
		if !f.required || misspelt[f.key] {
			continue
		}
		if seen[f.key] == nil {
			d.fail(n, "the key %q is missing", f.key)
		} else if at := lookup(n, f.key); at != nil && isEmptyText(at) && v.FieldByIndex(f.index).Kind() == reflect.String {
			d.failAt(n, f.key, "must not be empty")
		}
	}
	if c, ok := reflect.TypeAssert[nodeChecker](v.Addr()); ok {
		d.spoiled = d.faults.count() > before
		c.checkNode(d, n)
	}
}

// isEmptyText reports whether n is a text without a letter.
func isEmptyText(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == tagStr && n.Value == ""
}

// pairs calls f for every key that is a plain text.
func (d *decoder) pairs(n *yaml.Node, f func(key, value *yaml.Node)) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := follow(n.Content[i])
		switch {
		case key.Kind == yaml.ScalarNode && key.Tag == tagMerge:
			d.fail(n.Content[i], "merge keys (<<) are not read; write the keys out, or use an alias for a whole value")
		case key.Kind != yaml.ScalarNode:
			d.fail(n.Content[i], "a key must be a text, not %s", kindName(key))
		case key.Tag != tagStr && key.Tag != tagTime:
			d.fail(n.Content[i], "a key must be a text, not %s; write it in quotes: %q", kindName(key), key.Value)
		default:
			f(key, n.Content[i+1])
		}
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, check string) {
	if !d.isKind(n, yaml.SequenceNode, v.Type()) {
		return
	}
	out := reflect.MakeSlice(v.Type(), 0, min(len(n.Content), 1024))
	for i, item := range n.Content {
		e := reflect.New(v.Type().Elem()).Elem()
		d.in(d.entry(i, item), func() {
			d.value(item, e, check)
			if f := follow(item); check != "" && isEmptyText(f) {
				d.checkText(f, "", check)
			}
		})
		out = reflect.Append(out, e)
	}
	v.Set(out)
}

// entry names an element of a list: entries of the sections by name or path too.
func (d *decoder) entry(i int, n *yaml.Node) step {
	s := step{text: fmt.Sprintf("[%d]", i)}
	if len(d.path) != 1 {
		return s
	}
	for _, key := range []string{"name", "path", "source"} {
		if name := lookup(follow(n), key); name != nil && name.Kind == yaml.ScalarNode && name.Value != "" {
			return step{text: s.text + " " + printable(name.Value), entry: true}
		}
	}
	s.entry = follow(n).Kind == yaml.MappingNode
	return s
}

// printable quotes a name that would make a message hard to read.
func printable(s string) string {
	const long = 64
	if len(s) > long || strings.Contains(s, " ") || strconv.Quote(s) != `"`+s+`"` {
		return strconv.Quote(s[:min(len(s), long)])
	}
	return s
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, check string) {
	if !d.isKind(n, yaml.MappingNode, v.Type()) {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	seen := map[string]int{}
	d.pairs(n, func(key, value *yaml.Node) {
		if line := seen[key.Value]; line > 0 {
			d.fail(key, "the key %q is there twice: see line %d", key.Value, line)
			return
		}
		seen[key.Value] = key.Line
		if strings.ContainsRune(key.Value, 0) {
			d.fail(key, "the key %q holds a NUL", key.Value)
			return
		}
		e := reflect.New(v.Type().Elem()).Elem()
		d.in(step{text: printable(key.Value)}, func() { d.value(value, e, check) })
		v.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), e)
	})
}

// isKind notes a fault where n is not what the type wants.
func (d *decoder) isKind(n *yaml.Node, k yaml.Kind, t reflect.Type) bool {
	want := map[yaml.Kind]string{yaml.MappingNode: tagMap, yaml.SequenceNode: tagSeq}[k]
	if n.Kind != k {
		hint := ""
		if k == yaml.SequenceNode && n.Kind == yaml.ScalarNode && t.Elem().Kind() == reflect.String {
			hint = fmt.Sprintf("; write [%q]", n.Value)
		}
		d.fail(n, "want %s, not %s%s", wanted(t), kindName(n), hint)
		return false
	}
	if n.Tag != want {
		d.fail(n, "the tag %s is not read; want %s", n.Tag, wanted(t))
		return false
	}
	return true
}
