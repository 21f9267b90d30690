package reference

import (
	"bytes"
	_ "embed" // for the text of the page
	"fmt"
	"reflect"
	"strings"
	"text/template"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/composeos/compose/spec"
)

//go:embed manual.md.tmpl
var page string

//go:embed packages.md.tmpl
var packagesPage string

// tables returns the types that the page has tables of, by name.
func tables() map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for _, t := range []reflect.Type{
		reflect.TypeFor[spec.Manifest](),
		reflect.TypeFor[spec.Kernel](),
		reflect.TypeFor[spec.Bootloader](),
		reflect.TypeFor[spec.Container](),
		reflect.TypeFor[spec.Mount](),
		reflect.TypeFor[spec.Device](),
		reflect.TypeFor[spec.Runtime](),
		reflect.TypeFor[spec.Interface](),
		reflect.TypeFor[spec.Namespaces](),
		reflect.TypeFor[spec.File](),
		reflect.TypeFor[spec.Volume](),
		reflect.TypeFor[spec.Trust](),
		reflect.TypeFor[spec.Authority](),
		reflect.TypeFor[spec.TrustKey](),
		reflect.TypeFor[spec.Keyless](),
		reflect.TypeFor[spec.Require](),
		reflect.TypeFor[spec.TrustPolicy](),
		reflect.TypeFor[spec.TrustAttestation](),
		reflect.TypeFor[spec.TrustException](),
		reflect.TypeFor[spec.TrustDeny](),
		reflect.TypeFor[specs.LinuxResources](),
		reflect.TypeFor[specs.LinuxIDMapping](),
		reflect.TypeFor[spec.Package](),
		reflect.TypeFor[spec.Debs](),
		reflect.TypeFor[spec.GoProgram](),
		reflect.TypeFor[spec.PackageFile](),
		reflect.TypeFor[spec.PackageLinks](),
		reflect.TypeFor[spec.User](),
		reflect.TypeFor[spec.Group](),
		reflect.TypeFor[spec.Step](),
		reflect.TypeFor[spec.Concat](),
		reflect.TypeFor[spec.KernelStep](),
		reflect.TypeFor[spec.Microcode](),
	} {
		out[t.Name()] = t
	}
	return out
}

// Manual returns the manual page of manifests in Markdown. dir is the folder of
// package spec's sources.
func Manual(dir string) ([]byte, error) { return fill(dir, page) }

// PackageManual returns the page of package sources, as Manual does.
func PackageManual(dir string) ([]byte, error) { return fill(dir, packagesPage) }

// fill fills a page with what is known of the types.
func fill(dir, page string) ([]byte, error) {
	d, err := readDocs(dir)
	if err != nil {
		return nil, err
	}
	t, err := template.New("manual").Funcs(template.FuncMap{
		"table": func(name string) (string, error) { return d.table(name) },
		"paths": func(name string) (string, error) { return d.paths(name) },
		"capabilities": func() string {
			return "`" + strings.Join(spec.Capabilities(), "`, `") + "`"
		},
	}).Parse(page)
	if err != nil {
		return nil, fmt.Errorf("manual: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, nil); err != nil {
		return nil, fmt.Errorf("manual: %w", err)
	}
	return b.Bytes(), nil
}

// table returns the keys of a type as a table.
func (d docs) table(name string) (string, error) {
	t, ok := tables()[name]
	if !ok {
		return "", fmt.Errorf("no type %s", name)
	}
	var b strings.Builder
	b.WriteString("| key | value | meaning |\n|---|---|---|\n")
	for _, k := range d.keys(t) {
		meaning := k.doc
		if k.required {
			meaning = "**Required.** " + meaning
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.name, valueName(k.goType), strings.ReplaceAll(meaning, "|", `\|`))
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// valueName says what a value is written as.
func valueName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[spec.Ref](), reflect.TypeFor[spec.InitImage]():
		return "[reference](#references)"
	case reflect.TypeFor[spec.Mode]():
		return "octal text"
	case reflect.TypeFor[spec.ID]():
		return "number or name"
	case reflect.TypeFor[spec.Config]():
		return "[mapping](manifest.md#container)"
	case reflect.TypeFor[specs.LinuxResources]():
		return "[mapping](#resources)"
	case reflect.TypeFor[specs.LinuxIDMapping]():
		return "[mapping](#idmappings)"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return valueName(t.Elem())
	case reflect.Struct:
		return "[mapping](#" + strings.ToLower(t.Name()) + ")"
	case reflect.Map:
		return "mapping of name to " + valueName(t.Elem())
	case reflect.Slice:
		return "list of " + plural(valueName(t.Elem()))
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	}
	return "number"
}

func plural(s string) string {
	if before, after, ok := strings.Cut(s, "]("); ok {
		return before + "s](" + after
	}
	if s == "number or name" {
		return "numbers or names"
	}
	return s + "s"
}

// paths returns every key below a type of runtime-spec, with the path to it.
func (d docs) paths(name string) (string, error) {
	t, ok := tables()[name]
	if !ok {
		return "", fmt.Errorf("no type %s", name)
	}
	var b strings.Builder
	b.WriteString("| key | value |\n|---|---|\n")
	d.addPaths(&b, "", t)
	return strings.TrimSuffix(b.String(), "\n"), nil
}

func (d docs) addPaths(b *strings.Builder, prefix string, t reflect.Type) {
	for _, k := range d.keys(t) {
		inner, path := k.goType, prefix+k.name
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
			switch inner.Kind() {
			case reflect.Slice:
				path += "[]"
			case reflect.Map:
				path += ".NAME"
			}
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			d.addPaths(b, path+".", inner)
			continue
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", path, valueName(inner))
	}
}
