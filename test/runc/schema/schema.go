// Package schema checks the files of bundles against schemas, for tests:
// config.json against the runtime specification's own, which come with its Go
// module, and runtime.json against one of ours, which takes the mounts from the
// specification.
//
//	s, err := schema.Compile()
//	err = s.Config(data)
package schema

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Schemas check the two files of a bundle.
type Schemas struct{ config, runtime *jsonschema.Schema }

//go:embed runtime.json
var runtimeSchema []byte

// Compile finds the specification's module with the go command, and reads the schemas.
func Compile() (*Schemas, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/opencontainers/runtime-spec").Output()
	if err != nil {
		return nil, fmt.Errorf("find the runtime specification: %w", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "schema")
	own, err := jsonschema.UnmarshalJSON(bytes.NewReader(runtimeSchema))
	if err != nil {
		return nil, fmt.Errorf("schema of runtime.json: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4) // the specification's definitions do not say it themselves
	c.UseLoader(loader{})
	ownAt := filepath.Join(dir, "compose-runtime.json") // beside the definitions that it names
	if err := c.AddResource(ownAt, own); err != nil {
		return nil, err
	}
	s := new(Schemas)
	if s.config, err = c.Compile(filepath.Join(dir, "config-schema.json")); err != nil {
		return nil, err
	}
	s.runtime, err = c.Compile(ownAt)
	return s, err
}

// Config checks a config.json.
func (s *Schemas) Config(data []byte) error { return check(s.config, data) }

// Runtime checks a runtime.json.
func (s *Schemas) Runtime(data []byte) error { return check(s.runtime, data) }

func check(s *jsonschema.Schema, data []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// loader reads the specification's schemas, and mends a slip that they have in
// v1.3.0: a reference without the slash before "definitions".
type loader struct{}

// Load reads the schema at a file URL.
func (loader) Load(url string) (any, error) {
	name, err := jsonschema.FileLoader{}.ToFile(url)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	data = bytes.ReplaceAll(data, []byte(`"#definitions/`), []byte(`"#/definitions/`))
	return jsonschema.UnmarshalJSON(bytes.NewReader(data))
}
