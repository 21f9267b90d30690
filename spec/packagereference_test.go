package spec_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/composeos/compose/spec"
	"github.com/composeos/compose/spec/internal/reference"
)

// packagePage is the page of package sources.
const packagePage = "../docs/packages.md"

func packageSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	if data, err := os.ReadFile("package.json"); err != nil || !bytes.Equal(data, spec.PackageSchema()) {
		t.Errorf("PackageSchema is not package.json: %v", err)
	}
	return compiled(t, reference.PackageID, spec.PackageSchema())
}

// TestPackageSchemaTakes validates every build.yml that there is, and every example
// of the page.
func TestPackageSchemaTakes(t *testing.T) {
	s := packageSchema(t)
	files, err := filepath.Glob("../pkgs/*/" + spec.BuildFile)
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string][]byte{}
	for _, name := range append(files, "testdata/package.yml") {
		if sources[name], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(packagePage)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(page), "```yaml\nimage: ")[1:] {
		text, _, _ := strings.Cut(part, "```")
		name, _, _ := strings.Cut(text, "\n")
		sources["the page's "+name] = []byte("image: " + text)
	}
	if len(sources) < 2+2 {
		t.Errorf("only %d sources", len(sources))
	}
	for name, data := range sources {
		if _, err := spec.ParsePackage(name, data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		v, err := asJSON(data)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPackageSchemaRefuses names the bad sources in which the schema need not see the
// fault: those with rules over several keys, and what a pattern cannot say.
func TestPackageSchemaRefuses(t *testing.T) {
	s := packageSchema(t)
	unseen := map[string]bool{}
	for _, name := range []string{
		"architecture twice", "no architecture", "debs without suite", "debs without packages", "package twice", "follow of no package",
		"pattern empty", "pattern with a slash in front", "pattern with a slash behind", "pattern with stars in a name", "pattern with an open bracket",
		"go without toolchain", "toolchain for nothing", "program of two", "program of nothing", "main with a sum",
		"module without version", "module without sum", "module with a bad sum", "from without debs", "absolute source", "file at the root",
		"links without names", "user twice", "number twice", "root of another number", "home with a colon", "shell with a newline",
		"group twice", "group number twice", "concat without of", "concat of a bad pattern", "firmware of a bad pattern",
	} {
		unseen[name] = true
	}
	archive, err := txtar.ParseFile("testdata/bad_packages.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		v, err := asJSON(f.Data)
		if err != nil || strings.HasSuffix(f.Name, ": error") || f.Name == "two documents" || f.Name == "mode as a number" {
			continue // no YAML, no source, or for others something else
		}
		if refused := s.Validate(v) != nil; refused == unseen[f.Name] {
			t.Errorf("%s: refused: %v", f.Name, refused)
		}
	}
}

// TestPackagePageComplete sees that every key of the schema is in the page.
func TestPackagePageComplete(t *testing.T) {
	page, err := os.ReadFile(packagePage)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Properties map[string]struct{}
		Defs       map[string]struct{ Properties map[string]struct{} } `json:"$defs"`
	}
	if err := json.Unmarshal(spec.PackageSchema(), &doc); err != nil {
		t.Fatal(err)
	}
	doc.Defs["Package"] = struct{ Properties map[string]struct{} }{doc.Properties}
	for name, def := range doc.Defs {
		if name == "Config" || bytes.Contains(spec.Schema(), []byte(`    "`+name+`": {`)) {
			continue // docs/manifest.md has it
		}
		for key := range def.Properties {
			if !bytes.Contains(page, []byte("`"+key+"`")) {
				t.Errorf("%s.%s is not in the page", name, key)
			}
		}
	}
	for _, link := range regexp.MustCompile(`\]\(#([a-z]+)\)`).FindAllSubmatch(page, -1) {
		if heading := regexp.MustCompile(`(?im)^#+ ` + string(link[1]) + `$`); !heading.Match(page) {
			t.Errorf("a link leads to #%s, which is no heading", link[1])
		}
	}
}
