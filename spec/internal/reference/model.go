// Package reference makes what is generated from the structs of package spec:
// the JSON Schema and the manual page of the manifest. Types, keys and checks
// come from reflection and struct tags, descriptions from the doc comments.
package reference

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"unicode"

	"github.com/composeos/compose/spec"
)

// key is one key of a mapping.
type key struct {
	name     string
	goType   reflect.Type
	check    string
	required bool
	lower    bool   // its lower-case spelling is taken too
	doc      string // as a sentence without the name in front
}

// docs are doc comments: of "Type" and of "Type.Field".
type docs map[string]string

// readDocs collects the doc comments of the Go files in a folder.
func readDocs(dir string) (docs, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, fmt.Errorf("read doc comments: %w", err)
	}
	out := docs{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read doc comments: %w", err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("read doc comments: %w", err)
		}
		for _, decl := range file.Decls {
			if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.TYPE {
				out.addTypes(d)
			}
		}
	}
	return out, nil
}

func (d docs) addTypes(decl *ast.GenDecl) {
	for _, s := range decl.Specs {
		t, ok := s.(*ast.TypeSpec)
		if !ok {
			continue
		}
		d[t.Name.Name] = decl.Doc.Text()
		body, ok := t.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range body.Fields.List {
			for _, name := range f.Names {
				d[t.Name.Name+"."+name.Name] = f.Doc.Text()
			}
		}
	}
}

// keys returns the keys of a struct in the order of its declaration.
func (d docs) keys(t reflect.Type) []key {
	var out []key
	ours := t.PkgPath() == reflect.TypeFor[spec.Manifest]().PkgPath()
	for f := range t.Fields() {
		tag := f.Tag.Get("yaml")
		if tag == "" {
			tag = f.Tag.Get("json")
		}
		name, _, _ := strings.Cut(tag, ",")
		if f.Anonymous && name == "" {
			out = append(out, d.keys(f.Type)...)
			continue
		}
		if name == "" || name == "-" {
			continue
		}
		check, required := strings.CutPrefix(f.Tag.Get("check"), "required")
		out = append(out, key{
			name:     name,
			goType:   f.Type,
			check:    strings.TrimPrefix(check, ","),
			required: required,
			lower:    (!ours || t == reflect.TypeFor[spec.Mount]()) && strings.ToLower(name) != name,
			doc:      sentence(f.Name, d[t.Name()+"."+f.Name]),
		})
	}
	return out
}

// sentence takes the name of a field from the front of its comment: "Cwd is
// the working directory" becomes "The working directory".
func sentence(name, doc string) string {
	doc = strings.Join(strings.Fields(doc), " ")
	doc = strings.TrimPrefix(doc, name+" ")
	for _, verb := range []string{"is ", "are "} {
		doc = strings.TrimPrefix(doc, verb)
	}
	if doc == "" {
		return ""
	}
	first := []rune(doc)
	first[0] = unicode.ToUpper(first[0])
	return string(first)
}
