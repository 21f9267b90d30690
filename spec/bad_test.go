package spec

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what the tests got into testdata")

// TestBadManifests holds the exact errors of testdata/bad_manifests.txtar: a
// file is a manifest, and the one behind it what Parse and Merge say.
func TestBadManifests(t *testing.T) {
	testBad(t, "bad_manifests.txtar", 100, func(data []byte) error {
		m, err := Parse("a.yml", data)
		if err == nil {
			_, err = Merge(m)
		}
		return err
	})
}

// TestBadLocks does the same for locks.
func TestBadLocks(t *testing.T) {
	testBad(t, "bad_locks.txtar", 25, func(data []byte) error {
		_, err := ParseLock("a.lock.json", data)
		return err
	})
}

// TestBadLabels does the same for labels.
func TestBadLabels(t *testing.T) {
	testBad(t, "bad_labels.txtar", 10, func(data []byte) error {
		c := Container{Image: Ref{Name: "docker.io/a/b", Tag: "v1"}}
		_, err := c.Configure(Config{}, strings.TrimSuffix(string(data), "\n"))
		return err
	})
}

// TestBadTrusts does the same for trust policies in a file of their own.
func TestBadTrusts(t *testing.T) {
	testBad(t, "bad_trusts.txtar", 13, func(data []byte) error {
		_, err := ParseTrust("trust.yml", data)
		return err
	})
}

// TestBadSettings does the same for settings.
func TestBadSettings(t *testing.T) {
	testBad(t, "bad_settings.txtar", 15, func(data []byte) error {
		_, err := ParseSettings("config.yml", data)
		return err
	})
}

// TestBadEvidence does the same for evidence.
func TestBadEvidence(t *testing.T) {
	testBad(t, "bad_evidence.txtar", 15, func(data []byte) error {
		_, err := ParseEvidence("a.evidence.json", data)
		return err
	})
}

const errorSuffix = ": error"

func testBad(t *testing.T, name string, least int, read func([]byte) error) {
	t.Helper()
	file := filepath.Join("testdata", name)
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, f := range archive.Files {
		want[f.Name] = string(f.Data)
	}
	var out []txtar.File
	for _, f := range archive.Files {
		if strings.HasSuffix(f.Name, errorSuffix) {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			err := read(f.Data)
			if err == nil {
				t.Fatal("accepted")
			}
			if _, ok := errors.AsType[Error](err); !ok {
				t.Errorf("%T holds no Error", err)
			}
			got := err.Error() + "\n"
			out = append(out, f, txtar.File{Name: f.Name + errorSuffix, Data: []byte(got)})
			if diff := cmp.Diff(want[f.Name+errorSuffix], got); diff != "" && !*update {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	if len(archive.Files) < 2*least && !*update {
		t.Errorf("%d cases, want %d", len(archive.Files)/2, least)
	}
	if *update {
		archive.Files = out
		if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
