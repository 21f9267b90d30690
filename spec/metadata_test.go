package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"gopkg.in/yaml.v3"
)

const metadataFile = "testdata/metadata.txtar"

// metadataCase returns the two manifests of the golden file, and all of it.
func metadataCase(t *testing.T) (names []string, texts [][]byte, all *txtar.Archive) {
	t.Helper()
	all, err := txtar.ParseFile(metadataFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all.Files[:2] {
		names, texts = append(names, f.Name), append(texts, f.Data)
	}
	return names, texts, all
}

// merged is what manifests with those texts are together.
func merged(t *testing.T, names []string, texts [][]byte) *Manifest {
	t.Helper()
	var parts []*Manifest
	for i, text := range texts {
		m, err := Parse(names[i], text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		parts = append(parts, m)
	}
	m, err := Merge(parts...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// metadata returns both forms of a manifest.
func metadata(t *testing.T, m *Manifest) (asJSON, asYAML []byte) {
	t.Helper()
	asJSON, err := m.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if asYAML, err = m.YAML(); err != nil {
		t.Fatal(err)
	}
	return asJSON, asYAML
}

// TestMetadata holds the bytes of both forms, and lets our own parser, a generic
// one and Python's read them.
func TestMetadata(t *testing.T) {
	names, texts, all := metadataCase(t)
	m := merged(t, names, texts)
	asJSON, asYAML := metadata(t, m)
	got := txtar.Format(&txtar.Archive{Comment: all.Comment, Files: append(all.Files[:2:2],
		txtar.File{Name: "json", Data: asJSON}, txtar.File{Name: "yaml", Data: asYAML})})
	if *update {
		if err := os.WriteFile(metadataFile, got, 0o600); err != nil {
			t.Fatal(err)
		}
	} else if d := cmp.Diff(string(txtar.Format(all)), string(got)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	checkMetadata(t, m)
	readElsewhere(t, asJSON, asYAML)
	t.Run("python", func(t *testing.T) { readInPython(t, asJSON, asYAML) })
}

// readElsewhere lets encoding/json and a generic YAML decoder read both forms.
func readElsewhere(t *testing.T, asJSON, asYAML []byte) {
	t.Helper()
	var fromJSON, fromYAML any
	d := json.NewDecoder(bytes.NewReader(asJSON))
	d.UseNumber()
	if err := d.Decode(&fromJSON); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(asYAML, &fromYAML); err != nil {
		t.Fatalf("%v\n%s", err, asYAML)
	}
	if diff := cmp.Diff(words(fromJSON), words(fromYAML)); diff != "" {
		t.Errorf("YAML reads as something else (-JSON +YAML):\n%s", diff)
	}
}

// words writes every number as its digits, whatever type a reader gave it.
func words(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			out[key] = words(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = words(value)
		}
		return out
	case json.Number, int, int64, uint64:
		return fmt.Sprintf("number %v", v)
	}
	return v
}

// readInPython lets PyYAML, which reads YAML 1.1, and Python's json read them.
func readInPython(t *testing.T, asJSON, asYAML []byte) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err == nil {
		err = exec.CommandContext(t.Context(), python, "-c", "import yaml").Run()
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("python3 with yaml: %v", err)
		}
		t.Skipf("python3 with yaml: %v", err)
	}
	const compare = `
import json, sys, yaml
j, y = sys.stdin.buffer.read().split(b"\0")
j, y = json.loads(j), yaml.safe_load(y)
def walk(a, b, at):
    if type(a) is not type(b) or not isinstance(a, (dict, list)) and a != b:
        sys.exit("%s: JSON %r, YAML %r" % (at, a, b))
    if isinstance(a, dict):
        if list(a) != list(b):
            sys.exit("%s: keys %r and %r" % (at, list(a), list(b)))
        for k in a: walk(a[k], b[k], at + "." + k)
    if isinstance(a, list):
        if len(a) != len(b): sys.exit("%s: %d and %d" % (at, len(a), len(b)))
        for i in range(len(a)): walk(a[i], b[i], "%s[%d]" % (at, i))
walk(j, y, "")
`
	cmd := exec.CommandContext(t.Context(), python, "-c", compare)
	cmd.Stdin = bytes.NewReader(append(append(bytes.Clone(asJSON), 0), asYAML...))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestMetadataInAnyOrder holds that the order of keys in a manifest does not show.
func TestMetadataInAnyOrder(t *testing.T) {
	names, texts, _ := metadataCase(t)
	wantJSON, wantYAML := metadata(t, merged(t, names, texts))
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		shuffled := make([][]byte, len(texts))
		for i, text := range texts {
			var n yaml.Node
			if err := yaml.Unmarshal(text, &n); err != nil {
				t.Fatal(err)
			}
			shuffle(&n, random)
			var err error
			if shuffled[i], err = yaml.Marshal(&n); err != nil {
				t.Fatal(err)
			}
		}
		gotJSON, gotYAML := metadata(t, merged(t, names, shuffled))
		if !bytes.Equal(gotJSON, wantJSON) || !bytes.Equal(gotYAML, wantYAML) {
			t.Fatalf("the order of keys shows: %s%s", cmp.Diff(string(wantJSON), string(gotJSON)), shuffled)
		}
	}
}

// shuffle changes the order of keys, and puts every text into double quotes, since
// what writes it again is not what is tested.
func shuffle(n *yaml.Node, random *rand.Rand) {
	n.Anchor = ""
	if n.Kind == yaml.AliasNode {
		*n = *n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == tagStr {
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, c := range n.Content {
		shuffle(c, random)
	}
	if n.Kind == yaml.MappingNode {
		random.Shuffle(len(n.Content)/2, func(i, j int) {
			n.Content[2*i], n.Content[2*j] = n.Content[2*j], n.Content[2*i]
			n.Content[2*i+1], n.Content[2*j+1] = n.Content[2*j+1], n.Content[2*i+1]
		})
	}
}

// oddTexts are texts that one reader of YAML or another takes for something else
// where they are not in quotes, and pieces to make more of.
func oddTexts() []string {
	return []string{
		"", "=", "<<", "~", "null", "Null", "y", "N", "yes", "Off", "TRUE", "1:30", "190:20:30.15", "0_7", "0o7", "1_000", "+1", "-1", ".5", "1.",
		"1e3", "12e03", "0x1F", "0b1", "2001-01-01", "2001-12-14 21:59:43 +01:00", "2001-12-14t21:59:43Z", "2001-1-1 1:1:1 -5", ".inf", "-.INF", ".nan",
		"a", " ", "  ", "\n", "\n\n", "\t", "\r", "\r\n", ":", ": ", " #", "#", "-", "- ", "?", "!", "&", "*", "@", "`", "%", "|", ">", "'", `"`, `\`, ",",
		"[", "]", "{", "}", "---", "...", "é", "日本", "😀", "\u00a0", "\u0085", "\u2028", "\u2029", "\ufeff", "\u200b", "\x01", "\x7f", "\ufffd",
		"/bin/sh", "key=value", "-c", "--long", "-e3", "-inf", "long word long word long word long word long word long word long word long word long word long word long word long word",
	}
}

// ofTexts is a manifest that has texts wherever one can stand.
func ofTexts(texts []string) *Manifest {
	m := new(Manifest)
	for i, s := range texts {
		m.Files = append(m.Files, File{Path: fmt.Sprint(i), Contents: &s})
		m.Services = append(m.Services, Container{
			Name: fmt.Sprintf("s%d", i), Image: Ref{Name: "docker.io/library/a", Tag: "1"},
			Config: Config{Command: []string{"a", s, "b"}, Annotations: map[string]string{s: s, "other": s}},
		})
	}
	return m
}

// TestMetadataTexts holds that odd texts, and texts of odd pieces, read back as
// they were.
func TestMetadataTexts(t *testing.T) {
	texts := oddTexts()
	random := rand.New(rand.NewPCG(3, 4))
	for range 600 {
		s := ""
		for range 2 + random.IntN(4) {
			s += texts[random.IntN(len(oddTexts()))]
		}
		texts = append(texts, s)
	}
	m := ofTexts(texts)
	asJSON, asYAML := metadata(t, m)
	readElsewhere(t, asJSON, asYAML)
	t.Run("python", func(t *testing.T) { readInPython(t, asJSON, asYAML) })
	for _, s := range texts {
		checkMetadata(t, ofTexts([]string{s}))
	}
}

func FuzzMetadataTexts(f *testing.F) {
	for _, s := range oddTexts() {
		f.Add(s, s+"\n")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.Contains(a+b, "\x00") {
			t.Skip("an argument with a NUL is refused")
		}
		m := ofTexts([]string{a, b})
		if _, err := m.JSON(); err != nil {
			t.Skip(err) // not UTF-8
		}
		checkMetadata(t, m)
		asJSON, asYAML := metadata(t, m)
		readElsewhere(t, asJSON, asYAML)
	})
}
