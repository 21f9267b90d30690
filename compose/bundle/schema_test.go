package bundle_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/bundle"
	"github.com/composeos/compose/spec"
	"github.com/composeos/compose/test/runc/schema"
)

func compileSchemas(t testing.TB) *schema.Schemas {
	t.Helper()
	s, err := schema.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSchema(t *testing.T) {
	s := compileSchemas(t)
	all := append(containers(t), container{"minimal", minimal(), bundle.Layout{Path: "p", Files: "p/lower"}})
	for _, c := range all {
		for name, data := range c.files(t) {
			check := s.Config
			if strings.HasSuffix(name, ".runtime.json") {
				check = s.Runtime
			}
			if err := check(data); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// The schemas must be able to refuse.
func TestSchemaRefuses(t *testing.T) {
	s := compileSchemas(t)
	config, err := bundle.Config(minimal(), nil)
	if err != nil {
		t.Fatal(err)
	}
	runtime, err := bundle.Runtime(spec.Config{}, bundle.Layout{Path: "p", Files: "p/lower"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name     string
		check    func([]byte) error
		data     []byte
		old, new string
	}{
		{"config.json without a version", s.Config, config, `"ociVersion"`, `"version"`},
		{"config.json with a namespace that there is not", s.Config, config, `"pid"`, `"pids"`},
		{"config.json with a mount without a destination", s.Config, config, `"destination"`, `"target"`},
		{"runtime.json without a key", s.Runtime, runtime, `"mkdir"`, `"mkdirs"`},
		{"runtime.json without a namespace", s.Runtime, runtime, `"uts"`, `"utsname"`},
		{"runtime.json with a mount without a destination", s.Runtime, runtime, `"destination"`, `"target"`},
	} {
		if !bytes.Contains(tc.data, []byte(tc.old)) {
			t.Errorf("%s: there is no %s to break", tc.name, tc.old)
		}
		if tc.check(bytes.Replace(tc.data, []byte(tc.old), []byte(tc.new), 1)) == nil {
			t.Errorf("%s is valid", tc.name)
		}
	}
}
