package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/spec"
)

func TestSchemaIsThatOfSpec(t *testing.T) {
	code, stdout, stderr := runCompose(t, t.TempDir(), "schema")
	if code != exitDone || stderr != "" {
		t.Errorf("exit code %d, standard error %q", code, stderr)
	}
	if diff := cmp.Diff(string(spec.Schema()), stdout); diff != "" {
		t.Errorf("schema (-spec +printed):\n%s", diff)
	}
}
