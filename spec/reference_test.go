package spec_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/composeos/compose/spec"
	"github.com/composeos/compose/spec/internal/reference"
)

// TestGenerated sees that what is generated from the structs is as they are.
func TestGenerated(t *testing.T) {
	for name, generate := range map[string]func(string) ([]byte, error){
		"schema.json":         reference.Schema,
		"package.json":        reference.PackageSchema,
		"../docs/manifest.md": reference.Manual,
		"../docs/packages.md": reference.PackageManual,
	} {
		want, err := generate(".")
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, got) {
			t.Errorf("%s is old: run \"go generate ./spec\"\n%s", name, cmp.Diff(string(got), string(want)))
		}
	}
	if data, err := os.ReadFile("schema.json"); err != nil || !bytes.Equal(data, spec.Schema()) {
		t.Errorf("Schema is not schema.json: %v", err)
	}
}

func TestModule(t *testing.T) {
	data, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(data), "module "+spec.Module+"\n") {
		t.Errorf("go.mod does not begin with module %s", spec.Module)
	}
}

// schema compiles the JSON Schema of manifests.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	return compiled(t, reference.ID, spec.Schema())
}

// compiled compiles a JSON Schema.
func compiled(t *testing.T, id string, data []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource(id, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON turns YAML into what the schema's validator takes.
func asJSON(data []byte) (any, error) {
	var v any
	if err := yaml.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(text))
}

// TestSchemaTakes validates every manifest that Parse takes.
func TestSchemaTakes(t *testing.T) {
	s := schema(t)
	files := []string{"testdata/full.yml"}
	for _, pattern := range []string{"../examples/*.yml", "../../shared/corpus/linuxkit/examples/*.yml", "../../shared/workload/*.yml"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 34 {
		t.Logf("%d manifests only: the corpus is not there", len(files))
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := spec.Parse(name, data); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		v, err := asJSON(data)
		if err != nil && filepath.Base(name) == "static-ip.yml" {
			continue // is no YAML to others
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSchemaRefuses validates the bad manifests. The schema need not see all of
// their faults, but those it must.
func TestSchemaRefuses(t *testing.T) {
	s := schema(t)
	archive, err := txtar.ParseFile("testdata/bad_manifests.txtar")
	if err != nil {
		t.Fatal(err)
	}
	refused := map[string]bool{}
	total := 0
	for _, f := range archive.Files {
		v, err := asJSON(f.Data)
		if err != nil || strings.HasSuffix(f.Name, ": error") {
			continue // no YAML, or no manifest
		}
		total++
		refused[f.Name] = s.Validate(v) != nil
	}
	for _, name := range []string{
		"unknown section", "unknown key", "key of another case", "text for a list", "number for a text", "text for truth", "number out of range",
		"name missing", "image missing", "bad name", "unknown capability", "bind without destination", "env", "relative cwd", "net", "pid none",
		"propagation", "rlimit", "negative uid", "uid of nobody at all", "device type", "file of nothing", "source with contents", "file outside",
		"mode not octal", "metadata", "volume format", "timestamps", "trust default", "authority of both", "linuxkit's trust with ours", "empty mapping",
	} {
		if is, there := refused[name]; !is || !there {
			t.Errorf("%s: the schema takes it", name)
		}
	}
	count := 0
	for _, is := range refused {
		if is {
			count++
		}
	}
	t.Logf("the schema refuses %d of %d bad manifests", count, total)
}

// TestManualExamples parses every example of the manual.
func TestManualExamples(t *testing.T) {
	page, err := os.ReadFile("../docs/manifest.md")
	if err != nil {
		t.Fatal(err)
	}
	s := schema(t)
	parts := strings.Split(string(page), "```yaml\n")[1:]
	if len(parts) < 8 {
		t.Errorf("%d examples", len(parts))
	}
	for i, part := range parts {
		text, _, _ := strings.Cut(part, "```")
		m, err := spec.Parse("manifest.md", []byte(text))
		if err == nil {
			_, err = spec.Merge(m)
		}
		if err != nil {
			t.Errorf("example %d: %v\n%s", i+1, err, text)
			continue
		}
		v, err := asJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(v); err != nil {
			t.Errorf("example %d: %v", i+1, err)
		}
	}
}

// TestManualComplete sees that every key of the schema is in the manual.
func TestManualComplete(t *testing.T) {
	page, err := os.ReadFile("../docs/manifest.md")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Defs map[string]struct {
			Properties map[string]struct{ Deprecated bool }
		} `json:"$defs"`
	}
	if err := json.Unmarshal(spec.Schema(), &doc); err != nil {
		t.Fatal(err)
	}
	for name, def := range doc.Defs {
		for key, property := range def.Properties {
			// As a key of its own, or as a part of a path: `cpu.shares`, `blockIO.weightDevice[].major`.
			mention := regexp.MustCompile("[`.]" + regexp.QuoteMeta(key) + "[`.\\[]")
			if !property.Deprecated && !mention.Match(page) {
				t.Errorf("%s.%s is not in the manual", name, key)
			}
		}
	}
}

func TestSuggest(t *testing.T) {
	words := []string{"uid", "gid", "env", "net", "command", "capabilities", "capabilities.add", "readonly", "readonlyPaths"}
	for wrong, want := range map[string]string{
		"comand": "command", "commnad": "command", "capabilitis": "capabilities", "capabilities_add": "capabilities.add", "ENV": "env", "ent": "net",
		"udi": "uid", "read-only": "readonly", "readOnlyPaths": "readonlyPaths", "zzz": "", "x": "", "": "", "entrypoint": "",
		strings.Repeat("a", 1000): "",
	} {
		if got := spec.Suggest(wrong, words); got != want {
			t.Errorf("%.20s: %q, want %q", wrong, got, want)
		}
	}
}
