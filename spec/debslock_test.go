package spec

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBadDebsLocks holds the exact errors of testdata/bad_debslocks.txtar.
func TestBadDebsLocks(t *testing.T) {
	testBad(t, "bad_debslocks.txtar", 24, func(data []byte) error {
		_, err := ParseDebsLock("debs.lock", data)
		return err
	})
}

// pins returns a lock with everything in it, its lists in no order.
func pins() *DebsLock {
	deb := func(suite, name, arch string) LockedDeb {
		return LockedDeb{
			Suite: suite, Release: suite + "-security", Arch: arch, Name: name, Version: "1:1.0-1+b2", Source: "web", SourceVersion: "1:1.0-1",
			Path: "pool/main/w/web/" + name + ".deb", Size: 7, Digest: digestA,
		}
	}
	followed := deb("trixie", "linux-image-amd64", "amd64")
	followed.Follow = []string{"linux-image-6.12.1-amd64"}
	return &DebsLock{
		Version:  DebsLockVersion,
		Releases: []LockedRelease{{"trixie-security", 1_700_000_000}, {"trixie", 1_600_000_000}},
		Debs:     []LockedDeb{deb("trixie", "web", "arm64"), deb("trixie", "web", "amd64"), deb("bookworm", "web", "amd64"), deb("trixie", "tzdata", "all"), followed},
		Toolchains: []LockedToolchain{
			{"go1.26.8", "linux-arm64", "h1:b"}, {"go1.26.8", "linux-amd64", "h1:a"}, {"go1.25.1", "linux-amd64", "h1:c"},
		},
	}
}

func TestDebsLock(t *testing.T) {
	l := pins()
	data, err := l.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if l.Debs[0].Arch != "arm64" || l.Releases[0].Name != "trixie-security" {
		t.Error("Marshal changed the lock")
	}
	read, err := ParseDebsLock("debs.lock", data)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, d := range read.Debs {
		order = append(order, d.Suite+" "+d.Name+" "+d.Arch)
	}
	for _, r := range read.Releases {
		order = append(order, r.Name)
	}
	for _, c := range read.Toolchains {
		order = append(order, c.Name+" "+c.Host)
	}
	if diff := cmp.Diff([]string{
		"bookworm web amd64", "trixie linux-image-amd64 amd64", "trixie tzdata all", "trixie web amd64", "trixie web arm64",
		"trixie", "trixie-security", "go1.25.1 linux-amd64", "go1.26.8 linux-amd64", "go1.26.8 linux-arm64",
	}, order); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if again, err := read.Marshal(); err != nil || !bytes.Equal(data, again) {
		t.Errorf("not the same again: %v\n%s", err, cmp.Diff(string(data), string(again)))
	}
	slices.Reverse(l.Debs)
	if again, err := l.Marshal(); err != nil || !bytes.Equal(data, again) {
		t.Errorf("the order counts: %v\n%s", err, cmp.Diff(string(data), string(again)))
	}
	if strings.Contains(string(data), "://") {
		t.Error("it names a mirror")
	}
}

func TestDebsLockLooksUp(t *testing.T) {
	l := pins()
	for _, tt := range []struct {
		suite, arch, name string
		want              string
	}{
		{"trixie", "amd64", "web", "trixie amd64"},
		{"bookworm", "amd64", "web", "bookworm amd64"},
		{"bookworm", "arm64", "web", " "},
		{"trixie", "arm64", "tzdata", "trixie all"},
		{"trixie", "amd64", "we", " "},
	} {
		d, ok := l.Deb(tt.suite, tt.arch, tt.name)
		if got := d.Suite + " " + d.Arch; got != tt.want || ok != (tt.want != " ") {
			t.Errorf("%s %s %s: %q %v, want %q", tt.suite, tt.arch, tt.name, got, ok, tt.want)
		}
	}
	if l.Toolchain("go1.26.8", "linux-arm64") != "h1:b" || l.Toolchain("go1.26.8", "linux-riscv64") != "" {
		t.Error("the wrong toolchain")
	}
	if l.Release("trixie") != 1_600_000_000 || l.Release("sid") != 0 {
		t.Error("the wrong Release")
	}
}

func FuzzDebsLock(f *testing.F) {
	data, err := pins().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	for _, s := range []string{`{"version":1,"releases":[],"debs":[],"toolchains":[]}`, `{"version":1,"debs":[{"size":4294967296}]}`, "<<<<<<< a\n", "\ufeff{}", "[[[["} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := ParseDebsLock("debs.lock", data)
		if err != nil {
			return
		}
		first, err := l.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseDebsLock("debs.lock", first)
		if err != nil {
			t.Fatalf("does not read back: %v\n%s", err, first)
		}
		if second, err := again.Marshal(); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("not the same again: %v\n%s\n%s", err, first, second)
		}
	})
}
