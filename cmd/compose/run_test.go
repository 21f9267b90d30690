package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/composeos/compose/compose/machine"
	"github.com/composeos/compose/compose/rootfs"
)

// bootFile is "bootfile amd64|arm64|EFI FILE" in scripts: what begins as a kernel
// does, or an EFI program.
func bootFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: bootfile amd64|arm64|EFI FILE")
	}
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(args[1])), 0o755))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), bootHead(args[0]), 0o600))
}

func bootHead(kind string) []byte {
	head := make([]byte, 1024)
	switch kind {
	case "amd64":
		copy(head[0x202:], "HdrS")
	case "arm64":
		copy(head[0x38:], "ARM\x64")
	case "EFI", "EFI of arm64":
		copy(head, "MZ")
		head[0x3c] = 0x80
		copy(head[0x80:], "PE\x00\x00\x64\x86")
		if kind != "EFI" {
			head[0x85] = 0xaa
		}
	}
	return head
}

func TestArchOf(t *testing.T) {
	far := bootHead("EFI")
	far[0x3f] = 0xff
	for _, tt := range []struct {
		name string
		head []byte
		want string
	}{
		{"bzImage", bootHead("amd64"), "amd64"},
		{"arm64 Image", bootHead("arm64"), "arm64"},
		{"compressed", []byte("\x1f\x8b"), "arm64"},
		{"EFI", bootHead("EFI"), "amd64"},
		{"EFI of arm64", bootHead("EFI of arm64"), "arm64"},
		{"EFI of nothing", bootHead("EFI")[:0x84], ""},
		{"EFI that points far away", far, ""},
		{"MZ", []byte("MZ"), ""},
		{"nothing", nil, ""},
	} {
		if got := archOf(tt.head); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestMachineSize(t *testing.T) {
	for s, want := range map[string]int64{
		"16M": 16 << 20, "1G": 1 << 30, "1g": 1 << 30, "1.5G": 3 << 29, "512MiB": 512 << 20, "500MB": 500e6, "17000000": 17e6,
		"15M": 0, "512": 0, "": 0, "G": 0, "none": 0, "-1G": 0, "1GG": 0, "9T": 0,
	} {
		var m machineSize
		if err := m.Set(s); int64(m) != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %d, %v, want %d", s, m, err, want)
		}
	}
}

func TestHasConsole(t *testing.T) {
	for line, want := range map[string]bool{
		"console=ttyS0": true, "a console=ttyS0,115200n8 b": true, "console=tty0": false, "": false, "xconsole=ttyS0": false,
	} {
		if got := hasConsole(line, machine.AMD64); got != want {
			t.Errorf("%q: %t", line, got)
		}
	}
	if !hasConsole("", machine.ARM64) {
		t.Error("an arm64 kernel lacks a console")
	}
}

// cpioOf is one archive of entries.
func cpioOf(t *testing.T, trailer bool, entries ...*rootfs.Entry) []byte {
	t.Helper()
	var all []byte
	for _, e := range entries {
		e.Alone()
		header, err := rootfs.Cpio{}.AppendHeader(all, e)
		if err != nil {
			t.Fatal(err)
		}
		all = header
		if e.Body != nil {
			content, err := io.ReadAll(io.NewSectionReader(e.Body, 0, e.Size))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, content...)
			all = append(all, make([]byte, -len(all)&3)...)
		}
	}
	if trailer {
		all = append(all, rootfs.Cpio{}.Trailer()...)
	}
	return all
}

func TestInitrdMemory(t *testing.T) {
	said := cpioOf(t, false, rootfs.MadeDir(".compose", 0o755), rootfs.MadeFile(memoryPath, 0o444, []byte("1048576\n")))
	wrong := cpioOf(t, false, rootfs.MadeDir(".compose", 0o755), rootfs.MadeFile(memoryPath, 0o444, []byte("much\n")))
	other := cpioOf(t, true, rootfs.MadeFile("init", 0o755, []byte("x")))
	ucode := cpioOf(t, true, rootfs.MadeDir("kernel", 0o755), rootfs.MadeFile("kernel/x", 0o644, []byte("ucode")))
	for _, tt := range []struct {
		name   string
		initrd []byte
		want   int64
		fails  bool
	}{
		{"plain", said, 1 << 20, false},
		{"gzip", compressed(t, said), 1 << 20, false},
		{"behind microcode", append(append(slices.Clip(ucode), make([]byte, 512)...), compressed(t, said)...), 1 << 20, false},
		{"microcode alone", ucode, 0, false},
		{"of others", other, 0, false},
		{"of others, gzip", compressed(t, other), 0, false},
		{"of others, and what follows is not read", append(slices.Clip(other), "0707"...), 0, false},
		{"empty", nil, 0, false},
		{"no initramfs", []byte("text"), 0, false},
		{"short", []byte("x"), 0, true},
		{"cut", said[:150], 0, true},
		{"no number", wrong, 0, true},
	} {
		got, err := initrdMemory(bytes.NewReader(tt.initrd))
		if got != tt.want || (err != nil) != tt.fails {
			t.Errorf("%s: %d, %v, want %d", tt.name, got, err, tt.want)
		}
	}
}

// guest is a kernel with an init that does what it is told by guest=WORD.
type guest struct{ dir string }

// newGuest builds testdata/guest and takes kernel and modules of the measuring
// workload, which lies in COMPOSE_WORKLOAD; see test/boot.
func newGuest(t *testing.T) *guest {
	t.Helper()
	workload := os.Getenv("COMPOSE_WORKLOAD")
	if workload == "" {
		t.Skip("COMPOSE_WORKLOAD names no workload, so there is no kernel; test/workload.sh names one")
	}
	if _, err := exec.LookPath(machine.Program(machine.AMD64)); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("%s is not installed", machine.Program(machine.AMD64))
	}
	g := &guest{t.TempDir()}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(g.dir, "guest"), "./testdata/guest")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	writeFile(t, g.dir, "k.yml", "kernel: {image: \"docker.io/anchor/kernel:v1\", cmdline: x}\n")
	for _, args := range [][]string{
		{"cache", "import", filepath.Join(workload, "images.tar")},
		{"build", "-arch", "amd64", "-accept-unsigned", "*", "-format", "tar", "k.yml"},
	} {
		if out, err := startCompose(t, g.dir, args...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	g.write(t)
	return g
}

// modules are what the guest loads, in this order.
func modules() []string {
	return []string{
		"virtio_ring.ko", "virtio.ko", "virtio_pci_legacy_dev.ko", "virtio_pci_modern_dev.ko", "virtio_pci.ko", "virtio_blk.ko", "button.ko", "evdev.ko",
	}
}

// write writes the guest as it/guest-kernel and so on.
func (g *guest) write(t *testing.T) {
	t.Helper()
	read := func(name string) []byte {
		content, err := os.ReadFile(filepath.Join(g.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	found := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(read("k.tar"))); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(h.Name, ".ko") || h.Name == "boot/kernel" {
			if found[path.Base(h.Name)], err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The root of a kernel has /dev/console before an initramfs is unpacked.
	entries := []*rootfs.Entry{rootfs.MadeFile("guest", 0o555, read("guest")), rootfs.MadeDir("modules", 0o755)}
	for i, m := range modules() {
		entries = append(entries, rootfs.MadeFile(fmt.Sprintf("modules/%d-%s", i, m), 0o444, found[m]))
	}
	writeFile(t, g.dir, "it/guest-kernel", string(found["kernel"]))
	writeFile(t, g.dir, "it/guest-initrd.img", string(cpioOf(t, true, entries...)))
	writeFile(t, g.dir, "it/guest-cmdline", "console=ttyS0 panic=-1 no_timer_check quiet rdinit=/guest")
}

// heard is what is said, and tells when some words first are.
type heard struct {
	mu    sync.Mutex
	said  bytes.Buffer
	words map[string]chan struct{}
}

func listenFor(words ...string) *heard {
	h := &heard{words: map[string]chan struct{}{}}
	for _, w := range words {
		h.words[w] = make(chan struct{})
	}
	return h
}

// Write implements [io.Writer].
func (h *heard) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := bytes.Clone(h.said.Bytes())
	n, err := h.said.Write(b)
	for w, first := range h.words {
		if bytes.Contains(h.said.Bytes(), []byte(w)) && !bytes.Contains(before, []byte(w)) {
			close(first)
		}
	}
	return n, err
}

// TestRun starts real machines, all emulated.
func TestRun(t *testing.T) {
	const ready, asked = "GUEST-READY", "turning the machine off"
	g := newGuest(t)
	disk := []string{"-disk", "size=1M,file=data.img"}
	for _, tt := range []struct {
		word    string
		flags   []string
		signals []os.Signal // once it is ready
		in      string      // typed then
		code    int
		want    []string
	}{
		{word: "off", want: []string{ready, "Power down"}},
		{word: "button", signals: []os.Signal{os.Interrupt}, want: []string{asked, "GUEST-BUTTON", "Power down"}},
		{word: "button", signals: []os.Signal{syscall.SIGTERM}, want: []string{"GUEST-BUTTON"}},
		{word: "deaf", signals: []os.Signal{os.Interrupt, os.Interrupt}, code: exitFailed, want: []string{"the machine was ended before it had turned itself off"}},
		{word: "hear", in: "typed\n", want: []string{`GUEST-HEARD "typed\n"`}},
		{word: "restart", flags: []string{"-no-reboot"}, want: []string{ready}},
		{word: "disk", flags: disk, want: []string{`GUEST-DISK "\x00\x00\x00\x00\x00\x00\x00\x00"`}},
		{word: "disk", flags: disk, want: []string{`GUEST-DISK "guestwas"`}},
	} {
		t.Run(tt.word, func(t *testing.T) {
			cmd := startCompose(t, g.dir, append([]string{"run", "-accel", "tcg", "-timeout", "4m", "-append", "guest=" + tt.word, "it/guest"}, tt.flags...)...)
			out := listenFor(ready, asked)
			cmd.Stdout, cmd.Stderr = out, out
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			go func() { _ = cmd.Wait(); close(ended) }()
			first := []string{ready, asked} // what is said before each signal
			await := func(words string) {
				select {
				case <-out.words[words]:
				case <-ended:
				}
			}
			await(ready)
			_, _ = io.WriteString(in, tt.in)
			for i, s := range tt.signals {
				await(first[i])
				_ = cmd.Process.Signal(s)
			}
			<-ended
			said := strings.ReplaceAll(out.said.String(), "\r", "")
			if code := cmd.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(said, want) {
					t.Errorf("nobody said %q", want)
				}
			}
			if t.Failed() {
				t.Logf("%s", said)
			}
		})
	}
}
