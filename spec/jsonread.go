package spec

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// CheckJSON reports whether data is one strict JSON value: UTF-8, nothing behind
// it, no key twice in an object nor two that differ in case alone (readers
// disagree on which counts), no lone surrogate, at most 64 levels deep. The
// error is an [Error] with line and column. See RFC 8259 and RFC 7493, "I-JSON".
func CheckJSON(data []byte) error {
	r := &jsonReader{data: data, line: 1, strictCase: true, discard: true}
	_, err := r.read()
	return err
}

// maxDepth is how deeply lists and mappings may be nested.
const maxDepth = 64

// readJSON reads one JSON value into nodes that have their positions. YAML's
// reader is not used for JSON: it knows neither surrogate escapes nor all that
// JSON forbids.
func readJSON(data []byte, strictCase bool) (*yaml.Node, error) {
	r := &jsonReader{data: data, line: 1, strictCase: strictCase}
	return r.read()
}

func (r *jsonReader) read() (*yaml.Node, error) {
	r.space()
	n, err := r.value()
	if err != nil {
		return nil, err
	}
	r.space()
	if r.at < len(r.data) {
		return nil, r.fail("unexpected %s behind the end of the value", r.here())
	}
	return n, nil
}

type jsonReader struct {
	data       []byte
	at         int // offset of the next byte
	line       int
	lineStart  int // offset of the line's first byte
	counted    int // offset up to which the line's characters are counted
	runes      int // how many those are
	depth      int
	strictCase bool // refuse keys that differ in case alone
	discard    bool // keep no node of what has been read: a value of two bytes would have one
}

// pos returns the position of the next character. It counts on from where it was
// last asked: a document may be a single line of megabytes.
func (r *jsonReader) pos() Pos {
	if r.counted < r.lineStart {
		r.counted, r.runes = r.lineStart, 0
	}
	r.runes += utf8.RuneCount(r.data[r.counted:r.at])
	r.counted = r.at
	return Pos{Line: r.line, Col: 1 + r.runes}
}

func (r *jsonReader) fail(format string, args ...any) error {
	return Error{Pos: r.pos(), What: fmt.Sprintf(format, args...)}
}

// here describes the next character for an error.
func (r *jsonReader) here() string {
	if r.at >= len(r.data) {
		return "end"
	}
	c, _ := utf8.DecodeRune(r.data[r.at:])
	return strconv.QuoteRune(c)
}

func (r *jsonReader) peek() byte {
	if r.at >= len(r.data) {
		return 0
	}
	return r.data[r.at]
}

func (r *jsonReader) space() {
	for r.at < len(r.data) {
		switch r.data[r.at] {
		case '\n':
			r.line++
			r.lineStart = r.at + 1
		case ' ', '\t', '\r':
		default:
			return
		}
		r.at++
	}
}

func (r *jsonReader) node(kind yaml.Kind, tag string) *yaml.Node {
	p := r.pos()
	return &yaml.Node{Kind: kind, Tag: tag, Line: p.Line, Column: p.Col}
}

func (r *jsonReader) value() (*yaml.Node, error) {
	switch c := r.peek(); {
	case c == '{':
		return r.nested(r.node(yaml.MappingNode, tagMap), '}', r.member)
	case c == '[':
		return r.nested(r.node(yaml.SequenceNode, tagSeq), ']', r.element)
	case c == '"':
		return r.text()
	case c == '-' || '0' <= c && c <= '9':
		return r.number()
	}
	for _, w := range []struct{ word, tag string }{{"true", tagBool}, {"false", tagBool}, {"null", tagNull}} {
		if bytes.HasPrefix(r.data[r.at:], []byte(w.word)) {
			n := r.node(yaml.ScalarNode, w.tag)
			n.Value = w.word
			r.at += len(w.word)
			return n, nil
		}
	}
	return nil, r.fail("unexpected %s; want a JSON value", r.here())
}

// nested reads a list or an object up to its closing bracket.
func (r *jsonReader) nested(n *yaml.Node, closing byte, item func(*yaml.Node, map[string]string) error) (*yaml.Node, error) {
	if r.depth++; r.depth > maxDepth {
		return nil, r.fail("more than %d levels deep", maxDepth)
	}
	var seen map[string]string // each key as it is spelt, by what it counts as
	if closing == '}' {
		seen = map[string]string{}
	}
	r.at++
	r.space()
	for first := true; r.peek() != closing; first = false {
		if !first {
			if r.peek() != ',' {
				return nil, r.fail("unexpected %s; want a comma or %q", r.here(), closing)
			}
			r.at++
			r.space()
		}
		if err := item(n, seen); err != nil {
			return nil, err
		}
		r.space()
	}
	r.at++
	r.depth--
	return n, nil
}

func (r *jsonReader) element(n *yaml.Node, _ map[string]string) error {
	v, err := r.value()
	r.keep(n, v)
	return err
}

// keep makes nodes part of n.
func (r *jsonReader) keep(n *yaml.Node, nodes ...*yaml.Node) {
	if !r.discard {
		n.Content = append(n.Content, nodes...)
	}
}

func (r *jsonReader) member(n *yaml.Node, seen map[string]string) error {
	if r.peek() != '"' {
		return r.fail("unexpected %s; want a key in double quotes", r.here())
	}
	start := *r
	key, err := r.text()
	if err != nil {
		return err
	}
	name := key.Value
	if r.strictCase {
		name = strings.ToLower(name)
	}
	if before, ok := seen[name]; ok {
		return start.fail("the key %q is there twice%s", key.Value, caseNote(before, key.Value))
	}
	seen[name] = key.Value
	r.space()
	if r.peek() != ':' {
		return r.fail("unexpected %s; want a colon behind the key %q", r.here(), key.Value)
	}
	r.at++
	r.space()
	v, err := r.value()
	r.keep(n, key, v)
	return err
}

// caseNote explains a duplicate key that is spelt otherwise before.
func caseNote(before, key string) string {
	if before == key {
		return ""
	}
	return fmt.Sprintf(": as %q before", before)
}

// number reads a number as it is spelt; see RFC 8259, "Numbers".
func (r *jsonReader) number() (*yaml.Node, error) {
	n := r.node(yaml.ScalarNode, tagInt)
	start := r.at
	if r.peek() == '-' {
		r.at++
	}
	whole := r.digits()
	if whole == 0 || whole > 1 && r.data[r.at-whole] == '0' {
		return nil, r.fail("%q is not a number", r.data[start:r.at])
	}
	if r.peek() == '.' {
		n.Tag = tagFloat
		if r.at++; r.digits() == 0 {
			return nil, r.fail("%q is not a number", r.data[start:r.at])
		}
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		n.Tag = tagFloat
		r.at++
		if c := r.peek(); c == '+' || c == '-' {
			r.at++
		}
		if r.digits() == 0 {
			return nil, r.fail("%q is not a number", r.data[start:r.at])
		}
	}
	n.Value = string(r.data[start:r.at])
	return n, nil
}

func (r *jsonReader) digits() int {
	start := r.at
	for '0' <= r.peek() && r.peek() <= '9' {
		r.at++
	}
	return r.at - start
}

// text reads a string; see RFC 8259, "Strings".
func (r *jsonReader) text() (*yaml.Node, error) {
	n := r.node(yaml.ScalarNode, tagStr)
	n.Style = yaml.DoubleQuotedStyle
	var b strings.Builder
	for r.at++; ; {
		if r.at >= len(r.data) || r.data[r.at] == '\n' {
			return nil, r.fail("the text that begins at %d:%d has no end", n.Line, n.Column)
		}
		c, size := utf8.DecodeRune(r.data[r.at:])
		switch {
		case c == utf8.RuneError && size == 1:
			return nil, r.fail("the byte 0x%02x is not UTF-8", r.data[r.at])
		case c < ' ':
			return nil, r.fail("the control character %U must be escaped", c)
		case c == '"':
			r.at++
			n.Value = b.String()
			return n, nil
		case c == '\\':
			c, err := r.escape()
			if err != nil {
				return nil, err
			}
			b.WriteRune(c)
		default:
			b.WriteRune(c)
			r.at += size
		}
	}
}

// escape reads what a backslash introduces.
func (r *jsonReader) escape() (rune, error) {
	const letters, meaning = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	start := *r
	r.at++
	if i := strings.IndexByte(letters, r.peek()); i >= 0 && r.peek() != 0 {
		r.at++
		return rune(meaning[i]), nil
	}
	c, ok := r.hex()
	if !ok {
		return 0, start.fail("unknown escape in a text")
	}
	if !utf16.IsSurrogate(c) {
		return c, nil
	}
	if r.peek() == '\\' {
		r.at++
		if low, ok := r.hex(); ok {
			if c = utf16.DecodeRune(c, low); c != utf8.RuneError {
				return c, nil
			}
		}
	}
	return 0, start.fail("half of a surrogate pair stands alone")
}

// hex reads uXXXX.
func (r *jsonReader) hex() (rune, bool) {
	if r.peek() != 'u' || r.at+5 > len(r.data) {
		return 0, false
	}
	c, err := strconv.ParseUint(string(r.data[r.at+1:r.at+5]), 16, 16)
	r.at += 5
	return rune(c), err == nil
}
