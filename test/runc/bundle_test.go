package runc

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/bundle"
	"github.com/composeos/compose/spec"
)

// report is what the probe says; see its Report.
type report struct {
	Pid, UID, GID int
	Groups        []int
	Cwd, Hostname string
	Env           []string
	Status        map[string]string
	OOMScoreAdj   string
	Core          [2]uint64
	Mounts        map[string]string
	Answers       map[string]string
}

// tree is a small composed system with one image, whose one program is the probe.
type tree struct {
	machine
	root string
	ids  map[string]uint32
}

func newTree(t *testing.T) tree {
	t.Helper()
	tr := tree{findMachine(t), t.TempDir(), map[string]uint32{"web": 101}}
	for _, dir := range []string{"etc", "proc", "sys", "dev", "run", "tmp", "var", "containers/volumes/data/merged"} {
		tr.mkdir(t, dir)
	}
	tr.write(t, "etc/greeting", "hello")
	tr.write(t, "containers/volumes/data/merged/file", "of the volume")
	return tr
}

func (tr tree) mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(tr.root, path), 0o755); err != nil {
		t.Fatal(err)
	}
}

func (tr tree) write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(tr.root, path), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// image lays out the files of the image at path.
func (tr tree) image(t *testing.T, path string) {
	t.Helper()
	for _, dir := range []string{"dev", "proc", "sys", "etc", "srv"} {
		tr.mkdir(t, path+"/"+dir)
	}
	tr.write(t, path+"/etc/own", "of the image")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", filepath.Join(tr.root, path, "probe"), "./probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the probe: %v\n%s", err, out)
	}
}

// bundle lays out a bundle as compose does.
func (tr tree) bundle(t *testing.T, c spec.Config, l bundle.Layout) {
	t.Helper()
	c, err := bundle.Volumes(c, map[string]bundle.Volume{"data": {}})
	if err != nil {
		t.Fatal(err)
	}
	config, err := bundle.Config(c, tr.ids)
	if err != nil {
		t.Fatal(err)
	}
	runtime, err := bundle.Runtime(c, l)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"rootfs", "tmp"} {
		tr.mkdir(t, l.Path+"/"+dir)
	}
	tr.write(t, l.Path+"/config.json", string(config))
	tr.write(t, l.Path+"/runtime.json", string(runtime))
	if !l.Readonly {
		return
	}
	for _, p := range bundle.BindMounts(c) {
		at := l.Files + p.Destination
		if _, err := os.Stat(filepath.Join(tr.root, at)); err == nil {
			continue
		}
		if info, err := os.Stat(filepath.Join(tr.root, p.Source)); p.Bind && err == nil && !info.IsDir() {
			tr.write(t, at, "")
		} else {
			tr.mkdir(t, at)
		}
	}
}

// report runs the bundle and reads what the probe says.
func (tr tree) report(t *testing.T, path string) report {
	t.Helper()
	res := tr.run(t, tr.root, path)
	if res.exit != 0 {
		t.Fatalf("the container ended with %d:\n%s%s", res.exit, res.stdout, res.stderr)
	}
	var r report
	if err := json.Unmarshal([]byte(res.stdout), &r); err != nil {
		t.Fatalf("%v in\n%s%s", err, res.stdout, res.stderr)
	}
	return r
}

// The capabilities in the bits of /proc/self/status.
const (
	capChown   = 1 << 0
	capKill    = 1 << 5
	capNetBind = 1 << 10
)

func bits(b uint64) string { return fmt.Sprintf("%016x", b) }

func TestBundle(t *testing.T) {
	tr := newTree(t)
	first := bundle.Layout{Path: "containers/onboot/000-first", Files: "containers/onboot/000-first/lower"}
	tr.image(t, first.Files)
	t.Run("defaults", func(t *testing.T) { tr.defaults(t, first) })
	t.Run("writable", func(t *testing.T) { tr.writable(t, first) })
	t.Run("everything", func(t *testing.T) { tr.everything(t) })
	t.Run("read-only", func(t *testing.T) { tr.readonly(t) })
	t.Run("exit code", func(t *testing.T) {
		l := bundle.Layout{Path: "containers/onboot/005-exit", Files: first.Files}
		tr.bundle(t, spec.Config{Command: []string{"/probe", "exit:7"}}, l)
		if res := tr.run(t, tr.root, l.Path); res.exit != 7 {
			t.Errorf("the container ended with %d, want 7:\n%s%s", res.exit, res.stdout, res.stderr)
		}
	})
}

func (tr tree) defaults(t *testing.T, l bundle.Layout) {
	tr.bundle(t, spec.Config{Command: []string{"/probe"}, Env: []string{"B=2", "A=1"}}, l)
	r := tr.report(t, l.Path)
	// runc adds HOME behind what config.json says.
	got := report{Pid: r.Pid, UID: r.UID, GID: r.GID, Cwd: r.Cwd, Env: r.Env[:min(len(r.Env), 2)]}
	want := report{Pid: 1, Cwd: "/", Env: []string{"B=2", "A=1"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("process (-want +got):\n%s", diff)
	}
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		if r.Status[set] != bits(0) {
			t.Errorf("%s = %s, want none", set, r.Status[set])
		}
	}
	for destination, want := range map[string]string{
		"/": "overlay rw", "/dev": "tmpfs rw,nosuid", "/dev/pts": "devpts rw,nosuid,noexec",
		"/proc": "proc rw,nosuid,nodev,noexec", "/sys": "sysfs rw,nosuid,nodev,noexec", "/sys/fs/cgroup": "",
	} {
		if got, ok := r.Mounts[destination]; !ok || !strings.HasPrefix(got, want) {
			t.Errorf("%s is mounted as %q, want %q", destination, got, want)
		}
	}
}

func (tr tree) writable(t *testing.T, first bundle.Layout) {
	l := bundle.Layout{Path: "containers/onboot/001-writable", Files: first.Files}
	tr.bundle(t, spec.Config{
		Command: []string{"/probe", "write:/new", "write:/etc/own", "read:/etc/own", "read:/data/file", "write:/data/mine", "read:/system/greeting", "read:/made"},
		Binds:   []string{"data:/data", "/etc:/system:ro"},
		Runtime: spec.Runtime{
			Mkdir:  []string{"/run/made", "made"},
			Mounts: []spec.Mount{{Destination: "mounted", Type: "tmpfs", Source: "tmpfs"}},
		},
	}, l)
	r := tr.report(t, l.Path)
	want := map[string]string{
		"write:/new": "ok", "write:/etc/own": "ok", "read:/etc/own": "written",
		"read:/data/file": "of the volume", "write:/data/mine": "open /data/mine: read-only file system",
		"read:/system/greeting": "hello", "read:/made": "read /made: is a directory",
	}
	if diff := cmp.Diff(want, r.Answers); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(r.Mounts["/mounted"], "tmpfs rw") {
		t.Errorf("the mount of runtime.json is %q", r.Mounts["/mounted"])
	}
	own := string(mustRead(t, filepath.Join(tr.root, first.Files, "etc/own")))
	if own != "of the image" {
		t.Errorf("the container has changed the files of the image: %q", own)
	}
}

func (tr tree) everything(t *testing.T) {
	l := bundle.Layout{Path: "containers/services/everything", Files: "containers/onboot/000-first/lower"}
	tr.bundle(t, spec.Config{
		Command:         []string{"/probe", "read:/dev/nothing", "read:/etc/own", "read:/proc/sys/net/core/somaxconn", "write:/tmp/x"},
		Cwd:             "/srv",
		UID:             &spec.ID{Name: "web"},
		GID:             &spec.ID{Number: 7},
		AdditionalGids:  []spec.ID{{Number: 9}, {Number: 8}},
		Capabilities:    []string{"CAP_KILL", "CAP_CHOWN"},
		Ambient:         []string{"CAP_NET_BIND_SERVICE"},
		NoNewPrivileges: new(true),
		OOMScoreAdj:     new(123),
		Rlimits:         []string{"core,64,128"},
		Net:             "new", Ipc: "new", Uts: "new", Hostname: new("box"),
		Tmpfs:       []string{"/tmp:size=64m,mode=1777"},
		Mounts:      []spec.Mount{{Type: "mqueue"}},
		MaskedPaths: []string{"/etc/own"},
		Sysctl:      map[string]string{"net.core.somaxconn": "517"},
		Annotations: map[string]string{"org.example": "1"},
		Devices: []spec.Device{
			{Path: "/dev/nothing", Type: "c", Major: 1, Minor: 3, Mode: spec.Mode{Bits: 0o666, Set: true}},
			{Path: "all", Type: "b"},
		},
	}, l)
	r := tr.report(t, l.Path)
	r.Pid, r.Env = 0, nil
	sum := bits(capChown | capKill | capNetBind)
	want := report{
		UID: 101, GID: 7, Groups: []int{8, 9}, Cwd: "/srv", Hostname: "box",
		OOMScoreAdj: "123", Core: [2]uint64{64, 128},
		Answers: map[string]string{
			"read:/dev/nothing": "", "read:/etc/own": "", "read:/proc/sys/net/core/somaxconn": "517", "write:/tmp/x": "ok",
		},
		// Of what is permitted an exec by another user than root keeps what is ambient.
		Status: map[string]string{"NoNewPrivs": "1", "CapBnd": sum, "CapInh": sum, "CapAmb": bits(capNetBind), "CapEff": bits(capNetBind)},
	}
	for key := range r.Status {
		if _, ok := want.Status[key]; !ok {
			delete(r.Status, key)
		}
	}
	if got := r.Mounts["/tmp"]; !strings.Contains(got, "size=65536k") {
		t.Errorf("/tmp is mounted as %q", got)
	}
	if got := r.Mounts["/dev/mqueue"]; !strings.HasPrefix(got, "mqueue") {
		t.Errorf("/dev/mqueue is mounted as %q", got)
	}
	r.Mounts = nil
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

// A read-only bundle has its own copy of the files, or another bundle's; both
// have the mount points, because the root of the system is read-only too.
func (tr tree) readonly(t *testing.T) {
	c := spec.Config{
		Command:  []string{"/probe", "write:/new", "read:/etc/own", "read:/etc/greeting", "read:/deep/data/file"},
		Readonly: new(true),
		Cwd:      "/made/for/it",
		Binds:    []string{"/etc/greeting:/etc/greeting:ro", "data:/deep/data:ro"},
	}
	own := bundle.Layout{Path: "containers/onboot/003-own", Files: "containers/onboot/003-own/rootfs", Readonly: true}
	tr.image(t, own.Files)
	tr.bundle(t, c, own)
	other := bundle.Layout{Path: "containers/onboot/004-other", Files: own.Files, Readonly: true}
	tr.bundle(t, c, other)
	for _, path := range []string{own.Path, other.Path} {
		r := tr.report(t, path)
		want := map[string]string{
			"write:/new": "open /new: read-only file system", "read:/etc/own": "of the image",
			"read:/etc/greeting": "hello", "read:/deep/data/file": "of the volume",
		}
		if diff := cmp.Diff(want, r.Answers); diff != "" {
			t.Errorf("%s: answers (-want +got):\n%s", path, diff)
		}
		for _, destination := range []string{"/dev", "/sys"} {
			if got := r.Mounts[destination]; !strings.Contains(got, " ro,") {
				t.Errorf("%s: %s is mounted as %q, want it read-only", path, destination, got)
			}
		}
	}
}
