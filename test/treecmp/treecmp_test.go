package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/test/fixture"
)

// need skips a test that cannot run here; in CI it has to.
func need(t *testing.T, ok bool, what string) {
	t.Helper()
	switch {
	case ok:
	case os.Getenv("CI") == "true":
		t.Fatal(what)
	default:
		t.Skip(what)
	}
}

func needTools(t *testing.T) {
	t.Helper()
	need(t, os.Getuid() == 0, "only root can unpack owners and devices")
	_, err := exec.LookPath("umoci")
	need(t, err == nil, "there is no umoci to compare with")
}

// TestWorkload compares what COMPOSE_TREE_TAR names, composed from the workload in
// COMPOSE_WORKLOAD. test/workload.sh makes it and sets both.
func TestWorkload(t *testing.T) {
	archive, workload := os.Getenv("COMPOSE_TREE_TAR"), os.Getenv("COMPOSE_WORKLOAD")
	if archive == "" || workload == "" {
		t.Skip("COMPOSE_TREE_TAR and COMPOSE_WORKLOAD name no composed workload; test/workload.sh does")
	}
	needTools(t)
	o := options{
		tar: archive, layout: filepath.Join(workload, "oci"), manifest: filepath.Join(workload, "anchor.yml"),
		lock: workloadLock(t, archive, workload), platform: "linux/amd64", work: scratch(t), extract: true,
	}
	var out bytes.Buffer
	err := run(o, &out)
	t.Logf("\n%s", out.String())
	if err != nil {
		t.Fatal(err)
	}
}

// workloadLock is what COMPOSE_TREE_LOCK names, or lies where test/workload.sh puts it.
func workloadLock(t *testing.T, archive, workload string) string {
	t.Helper()
	dir := filepath.Dir(archive)
	places := []string{os.Getenv("COMPOSE_TREE_LOCK")}
	for _, d := range []string{dir, filepath.Dir(dir), workload} {
		places = append(places, filepath.Join(d, "anchor.lock.json"))
	}
	for _, p := range places {
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	t.Fatalf("no lock in %q; COMPOSE_TREE_LOCK may name it", places)
	return ""
}

// scratch is where large trees are unpacked: in memory, where there is room. A disk
// that others write to as well can make minutes of seconds.
func scratch(t *testing.T) string {
	const shm, room = "/dev/shm", 4 << 30
	var fs unix.Statfs_t
	if err := unix.Statfs(shm, &fs); err == nil && fs.Type == unix.TMPFS_MAGIC && int64(fs.Bavail)*fs.Bsize > room {
		dir, err := os.MkdirTemp(shm, "treecmp-test-") //nolint:usetesting // it is not TempDir that is wanted
		if err == nil {
			t.Cleanup(func() { os.RemoveAll(dir) })
			if err := os.Chmod(dir, 0o711); err == nil {
				return dir
			}
		}
	}
	return openTempDir(t)
}

// openTempDir is a directory that others can get into.
func openTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "treecmp-test-") //nolint:usetesting // others cannot get into t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// composeExample composes test/example/minimal.yml from the fixture, in a directory of
// its own.
func composeExample(t *testing.T) options {
	t.Helper()
	needTools(t)
	dir := openTempDir(t)
	compose := filepath.Join(dir, "compose")
	command(t, "go", "build", "-o", compose, "../../cmd/compose")
	if err := fixture.Write(filepath.Join(dir, "build", "fixture"), fixture.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "test", "example"), os.DirFS(filepath.Join("..", "example"))); err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(dir, "minimal.lock.json")
	manifest := filepath.Join(dir, "test", "example", "minimal.yml")
	command(t, compose, "build", "-format", "tar", "-accept-unsigned", "*", "-arch", "amd64", "-cache", filepath.Join(dir, "cache"),
		"-lock", lock, "-dir", filepath.Join(dir, "out"), "-progress", "none", manifest)
	return options{
		tar: filepath.Join(dir, "out", "minimal.tar"), layout: filepath.Join(dir, "build", "fixture"), lock: lock,
		manifest: manifest, platform: "linux/amd64", work: dir, extract: true,
	}
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	if name == "go" {
		cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// TestExample compares the example, and then the example with one fault at a time
// planted in the archive. Each must be found, and nothing else.
func TestExample(t *testing.T) {
	o := composeExample(t)
	var out bytes.Buffer
	if err := run(o, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	t.Logf("\n%s", out.String())
	got, _, err := readArchiveFile(o.tar)
	if err != nil {
		t.Fatal(err)
	}
	want, used, err := expect(o, t.TempDir(), got)
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range []string{ruleSeconds, ruleEpoch, ruleDropped, ruleTouched, ruleLink, ruleShared, ruleVolume, ruleMetadata} {
		if used[rule] == 0 {
			t.Errorf("the example has nothing for the rule %q", rule)
		}
	}
	members := readMembers(t, o.tar)
	for _, p := range planted() {
		t.Run(p.name, func(t *testing.T) {
			copied := slices.Clone(members)
			archive := writeMembers(t, p.plant(t, copied))
			got, faults, err := readArchive(bytes.NewReader(archive))
			if err != nil {
				t.Fatal(err)
			}
			faults = append(faults, compare(want, got)...)
			var found []string
			for _, f := range faults {
				found = append(found, f.path+": "+f.what)
			}
			if p.want == "" && len(found) == 0 {
				return
			}
			if !slices.ContainsFunc(found, func(s string) bool { return p.want != "" && strings.HasPrefix(s, p.want) }) || len(found) > max(p.atMost, 1) {
				t.Errorf("found %q, want %q", found, p.want)
			}
		})
	}
}

// member is one entry of an archive.
type member struct {
	tar.Header
	content []byte
}

func readMembers(t *testing.T, name string) []member {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var members []member
	tr := tar.NewReader(f)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return members
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, member{*h, content})
	}
}

func writeMembers(t *testing.T, members []member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := m.Header
		h.Format, h.Size = tar.FormatUnknown, int64(len(m.content))
		if h.ModTime.Nanosecond() != 0 {
			h.Format = tar.FormatPAX
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// find returns the member of a path; a last slash does not count.
func find(t *testing.T, members []member, path string) int {
	t.Helper()
	i := slices.IndexFunc(members, func(m member) bool { return strings.TrimSuffix(m.Name, "/") == path })
	if i < 0 {
		t.Fatalf("the archive has no %s", path)
	}
	return i
}

const hello = "containers/services/hello/lower/"

// plant is a fault, and how it must be told.
type plant struct {
	name   string
	plant  func(t *testing.T, members []member) []member
	want   string
	atMost int // faults, 1 if 0
}

// edit plants a fault in one member.
func edit(path string, change func(m *member)) func(*testing.T, []member) []member {
	return func(t *testing.T, members []member) []member {
		m := &members[find(t, members, path)]
		m.content, m.PAXRecords = bytes.Clone(m.content), maps.Clone(m.PAXRecords)
		change(m)
		return members
	}
}

func planted() []plant {
	return append(plantedFields(), plantedOrder()...)
}

func plantedFields() []plant {
	conf := hello + "etc/hello.conf"
	return []plant{
		{"nothing", edit(conf, func(*member) {}), "", 0},
		{"mode", edit(conf, func(m *member) { m.Mode = 0o600 }), conf + ": mode 0600, want 0644", 0},
		{"setuid", edit(hello+"bin/su", func(m *member) { m.Mode = 0o755 }), hello + "bin/su: mode 0755, want 4755", 0},
		{"mode of a directory", edit(hello+"srv/data", func(m *member) { m.Mode = 0o755 }), hello + "srv/data: mode 0755, want 0750", 0},
		{"uid", edit(conf, func(m *member) { m.Uid = 1 }), conf + ": owner 1:0, want 0:0", 0},
		{"gid", edit(hello+"srv/big-owner", func(m *member) { m.Gid = 5 }), hello + "srv/big-owner: owner 3000000:5, want 3000000:3000000", 0},
		{"a second later", edit(conf, func(m *member) { m.ModTime = m.ModTime.Add(1e9) }), conf + ": mtime", 0},
		{"part of a second", edit(conf, func(m *member) { m.ModTime = m.ModTime.Add(5e8) }), conf + ": mtime", 0},
		{"content", edit(conf, func(m *member) { m.content = []byte("greeting = HELLO\n") }), conf + ": content", 0},
		{"one byte more", edit(conf, func(m *member) { m.content = append(m.content, 0) }), conf + ": ", 2},
		{"target", edit("etc/message", func(m *member) { m.Linkname = "motd2" }), `etc/message: leads to "motd2", want "motd"`, 0},
		{"device", edit(hello+"dev/null", func(m *member) { m.Devminor = 5 }), hello + "dev/null: device 1:5, want 1:3", 0},
		{"type", edit(hello+"run/pipe", func(m *member) { m.Typeflag = tar.TypeReg }), hello + "run/pipe: is a file, want a fifo", 0},
		{"no attributes", edit(hello+"bin/hello", func(m *member) {
			maps.DeleteFunc(m.PAXRecords, func(string, string) bool { return true })
			m.Xattrs = nil
		}), hello + "bin/hello: xattrs map[]", 2},
		{"link that is a copy", edit(hello+"srv/data/b-again", func(m *member) {
			m.Typeflag, m.Linkname, m.content = tar.TypeReg, "", []byte("b\n")
		}), hello + `srv/data/b-again: hard link to "", want "` + hello + `srv/data/b"`, 0},
		{"owner's name", edit(conf, func(m *member) { m.Uname = "root" }), conf + ": archive: it has names of owners", 0},
		{"fixed text", edit(hello+"etc/hosts", func(m *member) { m.content[0] = 'x' }), hello + "etc/hosts: content", 0},
	}
}

func plantedOrder() []plant {
	conf := hello + "etc/hello.conf"
	return []plant{
		{"missing", func(t *testing.T, m []member) []member { i := find(t, m, conf); return slices.Delete(m, i, i+1) }, conf + ": is missing: a file", 0},
		{"one more", func(t *testing.T, m []member) []member {
			i := find(t, m, hello+"etc/hosts")
			more := m[i]
			more.Name = hello + "etc/hostname"
			return slices.Insert(m, i, more)
		}, hello + "etc/hostname: a file that nobody expects", 0},
		{"twice", func(t *testing.T, m []member) []member {
			i := find(t, m, conf)
			return slices.Insert(m, i, m[i])
		}, conf + ": archive: is there twice", 2},
		{"before its directory", func(t *testing.T, m []member) []member {
			i := find(t, m, hello+"srv")
			m[i], m[i+1] = m[i+1], m[i]
			return m
		}, hello + "srv/big-owner: archive: stands before its directory", 2},
		{"out of order", func(t *testing.T, m []member) []member {
			i := find(t, m, hello+"srv/fractional")
			m[i], m[i+1] = m[i+1], m[i]
			return m
		}, hello + "srv/fractional: archive: stands after", 0},
		{"link before its file", func(t *testing.T, m []member) []member {
			i := find(t, m, hello+"bin/hello")
			m[i], m[i+1] = m[i+1], m[i]
			return m
		}, hello + `bin/hello-again: archive: links to "` + hello + `bin/hello", which is not a file before it`, 6},
		{"path that is not clean", func(t *testing.T, m []member) []member {
			m[find(t, m, conf)].Name = hello + "etc/../etc/hello.conf"
			return m
		}, hello + "etc/../etc/hello.conf: archive: the path is not clean", 5},
	}
}

func TestReadArchiveSeesWhatFollows(t *testing.T) {
	b := writeMembers(t, []member{{Header: tar.Header{Name: "a", Typeflag: tar.TypeFifo}}})
	_, faults, err := readArchive(bytes.NewReader(append(b, make([]byte, 4096)...)))
	if err != nil || len(faults) > 0 {
		t.Errorf("zeros after the end: %v %v", faults, err)
	}
	_, faults, err = readArchive(bytes.NewReader(append(b, "more"...)))
	if err != nil || len(faults) != 1 {
		t.Errorf("more after the end: %v %v", faults, err)
	}
}

func TestCanonical(t *testing.T) {
	for ref, want := range map[string]string{
		"x": "docker.io/library/x:latest", "a/b:1": "docker.io/a/b:1", "localhost/a": "localhost/a:latest",
		"h:5000/a": "h:5000/a:latest", "q.io/a/b@sha256:00": "q.io/a/b@sha256:00", "oci:../d:t": "oci:../d:t",
	} {
		if got := canonical(ref); got != want {
			t.Errorf("%s is %s, want %s", ref, got, want)
		}
	}
}

func TestTreeAt(t *testing.T) {
	x := &tree{map[string]*record{
		"": {kind: "directory"}, "usr": {kind: "directory"}, "usr/lib": {kind: "directory"}, "usr/lib/a": {kind: "file"},
		"lib": {kind: "symlink", link: "usr/lib"}, "abs": {kind: "symlink", link: "/lib/a"}, "up": {kind: "symlink", link: "../../usr"},
		"loop": {kind: "symlink", link: "loop"},
	}}
	for path, want := range map[string]string{
		"lib/a": "usr/lib/a", "/abs": "usr/lib/a", "up/lib": "usr/lib", "lib/none": "usr/lib/none", "loop/x": "loop/x", "lib/../lib": "usr/lib",
	} {
		if _, got := x.at(path); got != want {
			t.Errorf("%s leads to %s, want %s", path, got, want)
		}
	}
	if fmt.Sprint(x.paths()[:3]) != "[ abs lib]" {
		t.Errorf("order %q", x.paths())
	}
}
