package boot

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"golang.org/x/sys/unix"

	"github.com/composeos/compose/test/boot/list"
)

// lab is where systems are composed: a folder, and the compose under test.
type lab struct {
	dir, compose string
	workload     string
}

// newLab asks for all that is needed to boot anything: QEMU, and the kernel of the
// measuring workload, which lies in COMPOSE_WORKLOAD. test/workload.sh makes that
// and sets the variable.
func newLab(t *testing.T) *lab {
	t.Helper()
	workload := os.Getenv("COMPOSE_WORKLOAD")
	if workload == "" {
		t.Skip("COMPOSE_WORKLOAD names no workload, so there is no kernel; test/workload.sh names one")
	}
	needMachine(t)
	dir := t.TempDir()
	l := &lab{dir: dir, compose: filepath.Join(dir, "compose"), workload: workload}
	for name, source := range map[string]string{"compose": "../../cmd/compose", list.Checker: "./check"} {
		cmd := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, name), source)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		output(t, cmd)
	}
	return l
}

func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

func (l *lab) run(t *testing.T, verb string, args ...string) []byte {
	t.Helper()
	args = append(args, "-cache", l.path("cache"), "-progress", "none")
	return output(t, exec.Command(l.compose, append([]string{verb}, args...)...))
}

// system is a manifest that can be built, whose init checks what it finds.
type system struct {
	*lab
	manifests []string
	list      *list.List
	links     int // names of files of several names
}

// options are what the commands need to know of it.
func (s *system) options() []string {
	return append([]string{"-arch", "amd64", "-accept-unsigned", "*"}, s.manifests...)
}

// cmdline is the part of the command line that all systems have. The kernel must not
// check its timer: on a machine that is busy otherwise, an emulated one may be late.
const cmdline = "console=ttyS0 panic=-1 no_timer_check rdinit=/" + list.Checker

// theWorkload is the measuring workload with odd files, a checking init, and
// microcode. Its root is what its own command line makes it: a ramfs.
func (l *lab) theWorkload(t *testing.T) *system {
	t.Helper()
	l.run(t, "cache", "import", filepath.Join(l.workload, "images.tar"))
	return l.system(t, filepath.Join(l.workload, "anchor.yml"), cmdline+" root=/dev/ram0", workloadKernel(t, l.workload), nil)
}

// small is a system that takes little time to boot: odd files, and many zeros,
// which take 96 MiB of memory and next to no place in an initramfs.
func (l *lab) small(t *testing.T, root string) *system {
	t.Helper()
	modules, err := archive(nil)
	if err != nil {
		t.Fatal(err)
	}
	bare := imageOf(t, empty.Image, []item{
		file("kernel", 0o644, fileOf(t, workloadKernel(t, l.workload), "kernel")),
		file("kernel.tar", 0o644, modules),
	})
	return l.system(t, "", cmdline+" "+list.All+" "+root, bare, []item{file("zeros", 0o644, make([]byte, 96<<20))})
}

// system makes a system of a manifest, or of none.
func (l *lab) system(t *testing.T, manifest, options string, kernel v1.Image, more []item) *system {
	t.Helper()
	writeImages(t, l.path("images"), map[string]v1.Image{
		"kernel": imageOf(t, kernel, []item{file("boot-ucode.cpio", 0o644, microcode())}),
		"odd":    imageOf(t, empty.Image, append(odd(), more...)),
	})
	text := fmt.Sprintf(`kernel: {image: "oci:images:kernel", cmdline: %[1]q, ucode: boot-ucode.cpio}
init: ["oci:images:odd"]
files:
  - {path: %[2]s, source: %[2]s, mode: "0555"}
  - {path: %[3]s, source: %[3]s, mode: "0444"}
`, options, list.Checker, list.File)
	l.write(t, "boot.yml", []byte(text))
	l.write(t, list.File, nil)
	s := &system{lab: l, manifests: []string{l.path("boot.yml")}}
	if manifest != "" {
		s.manifests = slices.Insert(s.manifests, 0, manifest)
	}
	s.makeList(t)
	s.writeList(t)
	s.holds(t, append(odd(), more...))
	return s
}

func (l *lab) write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(l.path(name), content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// entry is a path, as "compose inspect -json" tells of it.
type entry struct {
	Path, Type, Mode    string // the mode in octal
	UID, GID            uint32
	MTime, Size         int64
	Digest, Link, First string
	Device              string
	Xattrs              map[string]string
}

// makeList lists what compose says that the guest has to find.
func (s *system) makeList(t *testing.T) {
	t.Helper()
	var said struct{ Entries []entry }
	if err := json.Unmarshal(s.run(t, "inspect", append([]string{"-json"}, s.options()...)...), &said); err != nil {
		t.Fatal(err)
	}
	own := map[string]bool{".compose": true, list.Memory: true}
	s.list, s.links = &list.List{}, 0
	several := map[string]int{}
	for _, e := range said.Entries {
		if e.Path == "boot" || strings.HasPrefix(e.Path, "boot/") {
			continue
		}
		if len(e.Xattrs) > 0 {
			own[".compose/xattrs"] = true
		}
		s.list.Count++
		if e.Path != list.File {
			s.list.Paths = append(s.list.Paths, e.wanted(t))
			several[cmp.Or(e.First, e.Path)]++
		}
	}
	for _, n := range several {
		if n > 1 {
			s.links += n
		}
	}
	s.list.Count += len(own)
	own[list.File], own[list.Complete] = true, true
	for _, name := range append(fromKernel(), fromMicrocode()...) {
		if several[name] == 0 {
			own[name] = true
		}
	}
	for name := range own {
		s.list.Beside = append(s.list.Beside, name)
	}
}

// writeList puts the list where the next build takes it from.
func (s *system) writeList(t *testing.T) {
	t.Helper()
	var b bytes.Buffer
	if err := s.list.Write(&b); err != nil {
		t.Fatal(err)
	}
	s.write(t, list.File, b.Bytes())
}

// fromKernel is what Linux has in its root before it unpacks an initramfs
// (usr/default_cpio_list).
func fromKernel() []string { return []string{"dev", "dev/console", "root"} }

// fromMicrocode is what comes from the archive in front of the initramfs, of which
// Linux takes the microcode, and which it later unpacks as it does every other.
func fromMicrocode() []string {
	const dir = "kernel/x86/microcode"
	return []string{"kernel", "kernel/x86", dir, dir + "/AuthenticAMD.bin", dir + "/GenuineIntel.bin"}
}

// wanted is the entry, as the checker wants it.
func (e *entry) wanted(t *testing.T) list.Path {
	t.Helper()
	kinds := map[string]uint32{
		"file": unix.S_IFREG, "directory": unix.S_IFDIR, "symbolic link": unix.S_IFLNK,
		"character device": unix.S_IFCHR, "block device": unix.S_IFBLK, "fifo": unix.S_IFIFO,
	}
	mode, err := strconv.ParseUint(e.Mode, 8, 12)
	if err != nil || kinds[e.Type] == 0 {
		t.Fatalf("%q: a %s of mode %q: %v", e.Path, e.Type, e.Mode, err)
	}
	p := list.Path{
		Name: e.Path, Type: kinds[e.Type], Mode: uint32(mode), UID: e.UID, GID: e.GID, MTime: e.MTime, Size: e.Size, Link: e.Link, First: e.First,
	}
	if p.Type == unix.S_IFLNK {
		p.Mode = 0o777 // no file system keeps another
	}
	if digits, ok := strings.CutPrefix(e.Digest, "sha256:"); ok {
		if n, err := hex.Decode(p.Digest[:], []byte(digits)); err != nil || n != len(p.Digest) {
			t.Fatalf("%q: digest %q", e.Path, e.Digest)
		}
	}
	if e.Device != "" {
		if _, err := fmt.Sscanf(e.Device, "%d,%d", &p.Major, &p.Minor); err != nil {
			t.Fatalf("%q: device %q: %v", e.Path, e.Device, err)
		}
	}
	return p
}

// holds tests that what the layer of the tests holds is what the guest will look
// for.
func (s *system) holds(t *testing.T, items []item) {
	t.Helper()
	listed := map[string]list.Path{}
	for _, p := range s.list.Paths {
		listed[p.Name] = p
	}
	for _, i := range items {
		if got := listed[i.Name]; got != i.Path {
			t.Errorf("%q: compose says\n%+v, want\n%+v", i.Name, got, i.Path)
		}
	}
}

// build composes the system and returns a machine that has as much memory as
// compose says that it needs.
func (s *system) build(t *testing.T, compression string) machine {
	t.Helper()
	dir := t.TempDir()
	s.run(t, "build", append([]string{"-name", "it", "-dir", dir, "-format", "kernel+initrd", "-compress", compression}, s.options()...)...)
	m := machine{kernel: filepath.Join(dir, "it-kernel"), initrd: filepath.Join(dir, "it-initrd.img")}
	text, err := os.ReadFile(filepath.Join(dir, "it-cmdline"))
	if err != nil {
		t.Fatal(err)
	}
	m.cmdline = strings.TrimSpace(string(text))
	m.need = needOf(t, m.initrd, compression)
	m.memory = (m.need + 1<<20 - 1) >> 20
	return m
}
