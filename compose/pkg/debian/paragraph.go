package debian

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxParagraph bounds a paragraph: an InRelease file of a whole suite is one of 200 KB.
const maxParagraph = 4 << 20

// Field is one field of a paragraph. Value has no blanks at its ends; the lines of a
// value of several are separated by "\n", each without the blanks around it.
type Field struct {
	Name, Value string
	Line        int // of the name, from 1
}

// Paragraph is a paragraph of a control file (deb822(5)), fields in their order.
type Paragraph []Field

// Get returns the value of the first field of that name, in any case, or "".
func (p Paragraph) Get(name string) string {
	for i := range p {
		if len(p[i].Name) == len(name) && strings.EqualFold(p[i].Name, name) {
			return p[i].Value
		}
	}
	return ""
}

// Line returns the line where the paragraph begins, from 1; 0 for an empty one.
func (p Paragraph) Line() int {
	if len(p) == 0 {
		return 0
	}
	return p[0].Line
}

// ReadParagraphs calls each with every paragraph of r. The slice is used again for the
// next one; its strings are not. Lines that begin with # are comments. An error names
// the line; an error of each is returned as it is.
func ReadParagraphs(r io.Reader, each func(Paragraph) error) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	var text []byte
	var p Paragraph
	first := 1
	for n := 1; ; n++ {
		line, err := readLine(lines, maxParagraph-len(text))
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if len(bytes.TrimSpace(line)) > 0 {
			if len(text) == 0 {
				first = n
			}
			text = append(text, line...)
		} else if len(text) > 0 {
			fields, bad := parseFields(p[:0], string(text), first)
			if bad != nil {
				return bad
			}
			if p = fields; len(p) > 0 {
				if err := each(p); err != nil {
					return err
				}
			}
			text = text[:0]
		}
		if err != nil && len(text) == 0 {
			return nil
		}
		if err != nil {
			text = append(text, '\n')
		}
	}
}

// readLine reads to the next newline, which it returns too. At the end it returns io.EOF
// with what came before it, once.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > limit {
			return nil, fmt.Errorf("a paragraph of more than %d bytes", maxParagraph)
		}
		if err == nil && line == nil {
			return part, nil
		}
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// parseFields appends the fields of one paragraph, whose first line has the number n.
func parseFields(p Paragraph, text string, n int) (Paragraph, error) {
	var lines []string // of the field at hand, where it has more than one
	end := func() {
		if len(lines) > 1 {
			p[len(p)-1].Value = strings.Join(lines, "\n")
		}
	}
	for ; text != ""; n++ {
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		switch {
		case line == "" || line[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			if len(p) == 0 {
				return nil, fmt.Errorf("line %d: it continues a field, but none stands before it", n)
			}
			lines = append(lines, strings.TrimSpace(line))
		default:
			end()
			name, value, ok := strings.Cut(line, ":")
			if name = strings.TrimRight(name, " \t"); !ok || name == "" || strings.ContainsAny(name, " \t") {
				return nil, fmt.Errorf("line %d: %q is no field: a name and a colon are wanted", n, clip(line))
			}
			p = append(p, Field{Name: name, Value: strings.TrimSpace(value), Line: n})
			lines = append(lines[:0], p[len(p)-1].Value)
		}
	}
	end()
	return p, nil
}

// clip shortens what is shown in a message.
func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
