package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlantChangesOneByte(t *testing.T) {
	for _, p := range plantings() {
		content := []byte("before " + p.old + "\n")
		got := p.plant(p.image, p.path, content)
		n := 0
		for i := range content {
			if len(got) == len(content) && got[i] != content[i] {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s: of %q it makes %q", p.line, content, got)
		}
		if got := p.plant(p.image, "etc/other", content); !bytes.Equal(got, content) {
			t.Errorf("%s: planted %q in another file", p.line, got)
		}
	}
}

func TestPlantedIsFoundInEachFileThatHasIt(t *testing.T) {
	s := &subject{manifest: "dir/a.yml", want: result{"a-kernel": "1", "a-cmdline": "2", "a-initrd.img": "3", "a.tar": "4", "a.lock.json": "5"}}
	tests := []struct {
		name    string
		got     result
		want    []string
		wantErr string
	}{
		{
			name: "in all",
			got:  result{"a-kernel": "1", "a-cmdline": "2", "a-initrd.img": "x", "a.tar": "x", "a.lock.json": "x"},
			want: []string{"a-initrd.img", "a.tar"},
		},
		{
			name:    "not in the tar",
			got:     result{"a-kernel": "1", "a-cmdline": "2", "a-initrd.img": "x", "a.tar": "4", "a.lock.json": "x"},
			wantErr: "a.tar does not differ",
		},
		{
			name:    "not in the lock",
			got:     result{"a-kernel": "1", "a-cmdline": "2", "a-initrd.img": "x", "a.tar": "x", "a.lock.json": "5"},
			wantErr: "a.lock.json does not differ",
		},
		{
			name:    "in the kernel too",
			got:     result{"a-kernel": "x", "a-cmdline": "2", "a-initrd.img": "x", "a.tar": "x", "a.lock.json": "x"},
			wantErr: "a-kernel differs, which holds nothing of that package",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := plantings()[0].foundIn(s, tt.got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("files:\n%s", diff)
			}
			if said := message(err); said != tt.wantErr {
				t.Errorf("error %q, want %q", said, tt.wantErr)
			}
		})
	}
}

func TestDifferingNamesPathsOfEither(t *testing.T) {
	got := differing(map[string]string{"same": "1", "other": "1", "first": "1"}, map[string]string{"same": "1", "other": "2", "second": "1"})
	if diff := cmp.Diff([]string{"first", "other", "second"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestShownHasEntriesPartsAndVolumes(t *testing.T) {
	got, err := readShown([]byte(`{
  "entries": [{"path": "etc", "mode": "0755"}, {"path": "etc", "mode": "0700"}, {"path": "etc/a", "digest": "sha256:1"}],
  "parts": [{"name": "kernel", "digest": "sha256:2"}],
  "volumes": [{"name": "image", "files": [{"path": "boot"}, {"path": "boot/kernel", "digest": "sha256:3"}]}]
}`))
	if err != nil {
		t.Fatal(err)
	}
	want := shown{
		entries: map[string]string{
			"etc":   `{"path": "etc", "mode": "0755"}{"path": "etc", "mode": "0700"}`,
			"etc/a": `{"path": "etc/a", "digest": "sha256:1"}`,
		},
		others: map[string]string{"part kernel": "sha256:2", "image: boot": "", "image: boot/kernel": "sha256:3"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(shown{})); diff != "" {
		t.Error(diff)
	}
}

func TestStrippedNamesNoMicrocode(t *testing.T) {
	of := func(manifest string) (string, error) {
		dir := t.TempDir()
		path := filepath.Join(dir, "a.yml")
		s := &subject{manifest: "a.yml", fill: func(string) error { return os.WriteFile(path, []byte(manifest), 0o600) }}
		err := s.stripped().fill(dir)
		text, readErr := os.ReadFile(path)
		return string(text), errors.Join(err, readErr)
	}
	if got, err := of("kernel:\n  image: a\n  ucode: b\n  tar: c\n"); got != "kernel:\n  image: a\n  tar: c\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := of("kernel:\n  image: a\n"); err == nil {
		t.Errorf("of a manifest that names none it makes %q", got)
	}
}

// message is what an error says; of none, nothing.
func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
