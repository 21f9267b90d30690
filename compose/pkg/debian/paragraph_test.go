package debian_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/pkg/debian"
)

// paragraphs reads a text and lists its fields as "line name=value"; --- ends a paragraph.
func paragraphs(text string) ([]string, error) {
	var list []string
	err := debian.ReadParagraphs(strings.NewReader(text), func(p debian.Paragraph) error {
		for _, f := range p {
			list = append(list, fmt.Sprintf("%d %s=%s", f.Line, f.Name, f.Value))
		}
		list = append(list, "---")
		return nil
	})
	return list, err
}

func TestReadParagraphs(t *testing.T) {
	tests := map[string]struct {
		text string
		want []string
	}{
		"none":              {"", nil},
		"empty lines":       {"\n \n\t\n", nil},
		"one":               {"A: 1\nB: 2\n", []string{"1 A=1", "2 B=2", "---"}},
		"no newline at end": {"A: 1", []string{"1 A=1", "---"}},
		"two":               {"\nA: 1\n\n\nB:2\n\n", []string{"2 A=1", "---", "5 B=2", "---"}},
		"continued":         {"A: 1\n 2\n\t 3 \nB:\n x\n .\n", []string{"1 A=1\n2\n3", "4 B=\nx\n.", "---"}},
		"comments":          {"# a\nA: 1\n# in it\n 2\n#\n\n# alone\n", []string{"2 A=1\n2", "---"}},
		"carriage returns":  {"A: 1\r\n\r\nB: 2\r\n", []string{"1 A=1", "---", "3 B=2", "---"}},
		"colons":            {"A: b: c\nURIs: http://x\n", []string{"1 A=b: c", "2 URIs=http://x", "---"}},
		"bytes":             {"A: \xff\n", []string{"1 A=\xff", "---"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := paragraphs(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadParagraphsErrors(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"no colon":        {"A: 1\nhello\n", `line 2: "hello" is no field`},
		"no name":         {"A: 1\n\n: x\n", `line 3: ": x" is no field`},
		"name of two":     {"A b: 1\n", `line 1: "A b: 1" is no field`},
		"continues none":  {"A: 1\n\n x\n", "line 3: it continues a field, but none stands before it"},
		"one without end": {"A: " + strings.Repeat("x", 5<<20), "line 1: a paragraph of more than 4194304 bytes"},
		"many lines":      {"A:\n" + strings.Repeat(" "+strings.Repeat("x", 999)+"\n", 5000), "a paragraph of more than 4194304 bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := paragraphs(test.text)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
}

func TestReadParagraphsStops(t *testing.T) {
	err := debian.ReadParagraphs(strings.NewReader("A: 1\n\nB: 2\n"), func(debian.Paragraph) error { return io.ErrNoProgress })
	if !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("%v", err)
	}
}

func TestParagraphGet(t *testing.T) {
	p := debian.Paragraph{{Name: "Package", Value: "a", Line: 7}, {Name: "package", Value: "b"}}
	if p.Get("PACKAGE") != "a" || p.Get("Pack") != "" || p.Line() != 7 || debian.Paragraph(nil).Line() != 0 {
		t.Errorf("Get: %q, %q, line %d", p.Get("PACKAGE"), p.Get("Pack"), p.Line())
	}
}

// What was read, written again, reads the same.
func FuzzReadParagraphs(f *testing.F) {
	for _, seed := range []string{"", "A: 1\n 2\n\nB: 3", "# c\nA:\n .\n", " x", "A", "A:1\r\n\r\n", "A: \x00\n\t\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := paragraphs(text)
		if err != nil {
			return
		}
		var out strings.Builder
		if err := debian.ReadParagraphs(strings.NewReader(text), func(p debian.Paragraph) error {
			out.WriteString(strings.Repeat("\n", max(1, p.Line()-strings.Count(out.String(), "\n")-1)))
			for _, field := range p {
				out.WriteString(field.Name + ": " + strings.ReplaceAll(field.Value, "\n", "\n ") + "\n")
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		again, err := paragraphs(out.String())
		if err != nil {
			t.Fatalf("%v\n%q", err, out.String())
		}
		if diff := cmp.Diff(values(first), values(again)); diff != "" {
			t.Errorf("%q read again:\n%s", out.String(), diff)
		}
	})
}

// values takes the line numbers off.
func values(list []string) []string {
	var out []string
	for _, s := range list {
		_, value, _ := strings.Cut(s, " ")
		out = append(out, value)
	}
	return out
}
