package spec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// The short tags of YAML's core schema (YAML 1.2.2, "Core Schema") and of two
// types of YAML 1.1 that the reader still marks.
const (
	tagNull  = "!!null"
	tagBool  = "!!bool"
	tagStr   = "!!str"
	tagInt   = "!!int"
	tagFloat = "!!float"
	tagTime  = "!!timestamp"
	tagMerge = "!!merge"
	tagSeq   = "!!seq"
	tagMap   = "!!map"
)

// maxManifest is the largest manifest that is read, in bytes.
const maxManifest = 4 << 20

// document is what a YAML file is, for its errors.
type document struct {
	noun string // "manifest"
	want string // what is there at least

	mayBeEmpty bool // has no node then
}

// manifestFile is what [Parse] reads.
func manifestFile() document {
	return document{noun: "manifest", want: "at least one section, such as services"}
}

// readYAML reads the one document of a file; nil where it is empty and may be.
func readYAML(name string, data []byte, is document) (*yaml.Node, []Error, error) {
	if len(data) > maxManifest {
		return nil, nil, Error{Pos: Pos{File: name}, What: fmt.Sprintf("the %s has %d bytes; at most %d can be: put long contents into files and name them with source", is.noun, len(data), maxManifest)}
	}
	if err := checkUTF8(name, data); err != nil {
		return nil, nil, err
	}
	if n, err := readJSON(data, false); err == nil && n.Kind == yaml.MappingNode {
		return n, nil, nil // not all of JSON is YAML: a bare U+007F or U+2028 in a text is not
	}
	docs, err := decodeDocuments(data)
	var warnings []Error
	if err != nil {
		if docs, warnings = repairComments(name, data); docs == nil {
			return nil, nil, syntaxError(name, data, err)
		}
	}
	isEmpty := len(docs) == 0 || docs[0].Kind == yaml.ScalarNode && docs[0].Tag == tagNull && docs[0].Value == ""
	switch {
	case isEmpty && is.mayBeEmpty && len(docs) < 2:
		return nil, warnings, nil
	case isEmpty:
		return nil, nil, Error{Pos: Pos{File: name, Line: 1, Col: 1}, What: fmt.Sprintf("the %s is empty; want %s", is.noun, is.want)}
	case len(docs) > 1:
		return nil, nil, Error{Pos: Pos{name, docs[1].Line, docs[1].Column}, What: fmt.Sprintf("a second YAML document begins here; want one in a file: give the %ss as separate files", is.noun)}
	}
	return docs[0], warnings, nil
}

func checkUTF8(name string, data []byte) error {
	if utf8.Valid(data) {
		return nil
	}
	at := 0
	for {
		if r, size := utf8.DecodeRune(data[at:]); r != utf8.RuneError || size != 1 {
			at += size
			continue
		}
		before := data[:at]
		start := bytes.LastIndexByte(before, '\n') + 1
		return Error{
			Pos:  Pos{name, 1 + bytes.Count(before, []byte("\n")), 1 + utf8.RuneCount(before[start:])},
			What: fmt.Sprintf("the byte 0x%02x is not UTF-8", data[at]),
		}
	}
}

// decodeDocuments returns the root nodes of at most two documents.
func decodeDocuments(data []byte) (docs []*yaml.Node, err error) {
	// The reader is known to panic on some broken files instead of refusing them.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for len(docs) < 2 {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		docs = append(docs, doc.Content[0])
	}
	return docs, nil
}

var (
	yamlLine    = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	badStart    = regexp.MustCompile("(?:^|[\\s:,\\[{-])([@`%])")
	lostAnchor  = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
	tabIndented = regexp.MustCompile(`^ *\t`)
)

// maxRetry is how much is read again to find the line with the fault, in bytes.
const maxRetry = 8 << 20

// syntaxError gives an error of the YAML reader its place. The reader says
// where the construct begins that is broken, sometimes a line early, so the
// lines from there on are added one by one until the same error comes.
func syntaxError(name string, data []byte, err error) error {
	what, line := splitYAMLError(err)
	lines := strings.SplitAfter(string(data), "\n")
	if m := lostAnchor.FindStringSubmatch(what); m != nil {
		return anchorError(name, lines, m[1])
	}
	read, end := 0, 0
	for n, text := range lines {
		end += len(text)
		n++
		if n < line {
			continue
		}
		if read += end; read > maxRetry {
			break
		}
		_, err := decodeDocuments(data[:end])
		if err == nil {
			continue
		}
		if w, _ := splitYAMLError(err); w == what {
			return describeSyntax(Pos{name, n, 1}, lines[n-1], what)
		}
	}
	return describeSyntax(Pos{name, max(line, 1), 1}, lines[min(max(line, 1), len(lines))-1], what)
}

// splitYAMLError takes the reader's error apart; the line is 0 where it says none.
func splitYAMLError(err error) (what string, line int) {
	m := yamlLine.FindStringSubmatch(err.Error())
	if m == nil {
		return err.Error(), 0
	}
	line, _ = strconv.Atoi(m[1]) // "" where there is none: 0
	return m[2], line
}

func anchorError(name string, lines []string, anchor string) error {
	for i, l := range lines {
		if at := strings.Index(l, "*"+anchor); at >= 0 {
			return Error{Pos: Pos{name, i + 1, 1 + utf8.RuneCountInString(l[:at])}, What: fmt.Sprintf("the alias *%s has no anchor &%s before it; a text that begins with * must be in quotes", anchor, anchor)}
		}
	}
	return Error{Pos: Pos{File: name}, What: fmt.Sprintf("the alias *%s has no anchor &%s before it", anchor, anchor)}
}

// describeSyntax says what to do about the faults that people make most.
func describeSyntax(at Pos, line, what string) error {
	indent := len(line) - len(strings.TrimLeft(line, " \t\r\n"))
	at.Col = 1 + utf8.RuneCountInString(line[:indent])
	switch m := badStart.FindStringSubmatchIndex(line); {
	case strings.Contains(what, "cannot start any token") && tabIndented.MatchString(line):
		what = "a line is indented with a tab; YAML wants spaces"
		at.Col = 1 + strings.IndexByte(line, '\t')
	case strings.Contains(what, "cannot start any token") && m != nil:
		what = fmt.Sprintf("a text that begins with %s must be in quotes: %s", line[m[2]:m[3]], quoteRest(line[m[2]:]))
		at.Col = 1 + utf8.RuneCountInString(line[:m[2]])
	default:
		what = explain(what)
	}
	return Error{Pos: at, What: what}
}

// explain says in other words what the YAML reader says.
func explain(what string) string {
	for _, e := range []struct{ said, means string }{
		{"mapping values are not allowed", "a second colon in the line, or a wrong indentation; a text with a colon and a space must be in quotes"},
		{"did not find expected key", "wrong indentation, or a key without a colon; look at the lines before too"},
		{"did not find expected '-' indicator", "wrong indentation in a list, or a - is missing; look at the lines before too"},
		{"did not find expected ',' or ']'", "a list that begins here has no comma or no ] where it should"},
		{"did not find expected ',' or '}'", "a mapping that begins here has no comma or no } where it should"},
		{"found unexpected end of stream", "a text in quotes that begins here has no end"},
		{"could not find expected ':'", "a key without a colon and a space behind it"},
		{"found unknown escape character", "a backslash with a letter that means nothing; in single quotes a backslash is itself"},
	} {
		if strings.Contains(what, e.said) {
			return e.means
		}
	}
	return "not YAML: " + what
}

// quoteRest returns the plain text at the beginning of s in quotes.
func quoteRest(s string) string {
	if i := strings.IndexAny(s, ",]}#"); i >= 0 {
		s = s[:i]
	}
	return strconv.Quote(strings.TrimSpace(s))
}

// follow resolves aliases.
func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// lookup returns the value of a key of a mapping, nil where it is not there.
func lookup(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return follow(n.Content[i+1])
		}
	}
	return nil
}
