package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/composeos/compose/outputs"
)

// workloadStub is a folder that could be the workload's.
func workloadStub(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "images.tar"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// What a stand-in for compose writes, and what that is.
const (
	standInText = "content\n"
	standInLine = "434728a410a78f56fc1b5899c3593436e61ab0c731e9072d95e96db290205e53 8"
)

// standIn makes l's compose a script that writes its lock and, as a build of the
// tar format does, a.tar, and then runs more, where $dir is the output directory.
func standIn(t *testing.T, l *lab, more string) {
	t.Helper()
	l.root = t.TempDir()
	script := `#!/bin/sh
while [ $# -gt 1 ]; do [ "$1" = -dir ] && dir=$2; shift; done
echo lock > a.lock.json
printf '` + standInText[:len(standInText)-1] + `\n' > "$dir/a.tar"
` + more + "\n"
	path := filepath.Join(l.root, "bin", "compose")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// standInSubject is what the stand-in composes.
func standInSubject() *subject {
	return &subject{name: "stand-in", manifest: "a.yml", fill: func(in string) error { return os.MkdirAll(in, 0o755) }}
}

func TestBuildHoldsWhatIsPrintedAgainstTheFiles(t *testing.T) {
	const right = `echo "` + standInLine + ` $dir/a.tar"`
	tests := []struct{ name, more, wantErr string }{
		{"right", right, ""},
		{"nothing is printed", "", "a.tar is " + standInLine + "; compose printed not there"},
		{"another size", `echo "` + standInLine + `0 $dir/a.tar"`, "compose printed " + standInLine + "0"},
		{"a file too many is printed", right + `; echo "` + standInLine + ` $dir/b"`, "b is not there; compose printed " + standInLine},
		{"a file too many is written", right + `; echo > "$dir/b"`, "; compose printed not there"},
		{"two lines for one file", right + "; " + right, "compose printed two lines for a.tar"},
		{"something else", "echo hello", `compose printed "hello\n"`},
		{"it fails", "echo why >&2; exit 1", "exit status 1\nwhy"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := testLab(t)
			standIn(t, l, tt.more)
			got, _, err := l.result(t.Context(), standInSubject(), row{})
			if tt.wantErr != "" {
				if !strings.Contains(message(err), tt.wantErr) {
					t.Fatalf("error %v, want %q", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != 2 || got["a.tar"] != standInLine || got["a.lock.json"] == "" {
				t.Errorf("result %q", got)
			}
		})
	}
}

// TestTableSaysWhatCameOfARow runs rows of which the third, and what comes after
// it, writes something else.
func TestTableSaysWhatCameOfARow(t *testing.T) {
	l := testLab(t)
	var table bytes.Buffer
	l.out = &table
	counter := filepath.Join(t.TempDir(), "count")
	standIn(t, l, fmt.Sprintf(`
echo >> %[1]s
[ $(wc -l < %[1]s) -ge 3 ] && echo more >> "$dir/a.tar"
set -- $(sha256sum "$dir/a.tar") $(wc -c < "$dir/a.tar")
echo "$1 $3 $dir/a.tar"`, counter))
	s := standInSubject()
	row1 := l.row(t.Context(), s, row{name: "one", first: true})
	row2 := l.row(t.Context(), s, row{name: "two"})
	row3 := l.row(t.Context(), s, row{name: "three"})
	row4 := l.row(t.Context(), s, row{name: "four", vary: flags("-no-such-thing")})
	if row1 != nil || row2 != nil {
		t.Errorf("equal rows: %v, %v", row1, row2)
	}
	want := "stand-in: three: a.tar is "
	if said := message(row3); !strings.HasPrefix(said, want) || !strings.Contains(said, "; the first row's is "+standInLine) {
		t.Errorf("a different row says %q", said)
	}
	if message(row4) == "" {
		t.Error("the fourth row is equal")
	}
	l.ci = true
	skips := func(l *lab) error {
		return l.row(t.Context(), s, row{name: "five", vary: compiledFor("no such processor")})
	}
	if err := skips(l); err == nil {
		t.Error("in CI a row that cannot be run is no failure")
	}
	for _, want := range []string{"one ", "the first ", "a.tar ", "two ", "equal ", "three ", "DIFFERENT ", "five ", "FAILED "} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table does not have %q:\n%s", want, &table)
		}
	}
	if l.right != 2 || l.wrong != 3 {
		t.Errorf("%d right, %d wrong", l.right, l.wrong)
	}
}

// TestEveryRunIsInAllFormats holds that only the workload that is not compressed, and
// what has no boot loader, is written without those that hold one.
func TestEveryRunIsInAllFormats(t *testing.T) {
	withLoader := testLab(t)
	withLoader.loader = "somewhere"
	withLoader.workload = workloadStub(t)
	subjects, why := withLoader.subjects()
	if why != "" {
		t.Fatal(why)
	}
	const five = "kernel+initrd,tar-kernel-initrd,tar,docker,oci"
	all := strings.Join(outputs.Names(), ",")
	subjects = append(subjects, testLab(t).fixture())
	for i, want := range []string{all, all, all, all, all, five, five} {
		s := subjects[i]
		r := newRun(testLab(t), s, t.TempDir())
		flags := r.flags(r.formats)
		if at := slices.Index(flags, "-format"); at < 0 || flags[at+1] != want {
			t.Errorf("%s, base %q: flags %q do not name the formats %s", s.name, s.base, flags, want)
		}
	}
}
