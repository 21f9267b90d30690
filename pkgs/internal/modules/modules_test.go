package modules_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/pkgs/internal/modules"
)

// fakeKernel remembers what was inserted, in order, and does what a test says of
// a module.
type fakeKernel struct {
	inserted []string
	fails    map[string]error
	then     func(name string) // after it was inserted
}

func (k *fakeKernel) Insert(file, params string) error {
	name := modules.Name(file)
	if err := k.fails[name]; err != nil {
		return err
	}
	k.inserted = append(k.inserted, strings.TrimSpace(filepath.Base(file)+" "+params))
	if k.then != nil {
		k.then(name)
	}
	return nil
}

// write makes a file of lines below dir.
func write(t *testing.T, dir, name string, lines ...string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// open makes the modules of a kernel 6.1, and opens them.
func open(t *testing.T, k *fakeKernel) *modules.Set {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "6.1/modules.dep",
		"kernel/net/virtio_net.ko.xz: kernel/net/net_failover.ko.xz kernel/net/failover.ko.xz",
		"kernel/net/net_failover.ko.xz: kernel/net/failover.ko.xz",
		"kernel/net/failover.ko.xz:",
		"kernel/fs/overlay.ko:",
		"kernel/drivers/virtio-pci.ko.zst:",
		"kernel/acpi/button.ko:",
		"kernel/input/evdev.ko:",
		"kernel/fs/vfat.ko: kernel/fs/fat.ko",
		"kernel/fs/fat.ko:",
	)
	write(t, dir, "6.1/modules.alias",
		"# Aliases extracted from modules themselves.",
		"alias virtio:d00000001v* virtio_net",
		"alias pci:v00001AF4d*sv*sd*bc*sc*i* virtio_pci",
		"alias acpi*:LNXPWRBN:* button",
		"alias input:b*v*p*e*-e*1,*k*r*a*m*l*s*f*w* evdev",
		"alias fs-vfat vfat",
		"alias pci:v00001AF4d*sv*sd*bc*sc*i* not_there",
	)
	write(t, dir, "6.1/modules.builtin", "kernel/fs/ext4/ext4.ko", "kernel/drivers/virtio-ring.ko")
	s, err := modules.Open(dir, "6.1", k)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLoad(t *testing.T) {
	for _, tc := range []struct {
		name, load, params string
		want               []string
	}{
		{"what it needs comes first, the last of the line before the others", "virtio_net", "", []string{"failover.ko.xz", "net_failover.ko.xz", "virtio_net.ko.xz"}},
		{"parameters are for it alone", "vfat", "a=1 b", []string{"fat.ko", "vfat.ko a=1 b"}},
		{"a hyphen is an underscore", "virtio_pci", "", []string{"virtio-pci.ko.zst"}},
		{"an underscore is a hyphen", "virtio-pci", "", []string{"virtio-pci.ko.zst"}},
		{"an alias", "fs-vfat", "", []string{"fat.ko", "vfat.ko"}},
		{"built in", "ext4", "", nil},
		{"built in, with a hyphen", "virtio_ring", "", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := &fakeKernel{}
			s := open(t, k)
			for range 2 { // the second time there is nothing to do
				if err := s.Load(tc.load, tc.params); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(tc.want, k.inserted); diff != "" {
				t.Error(diff)
			}
			if s.Loaded() != len(tc.want) {
				t.Errorf("Loaded() = %d, want %d", s.Loaded(), len(tc.want))
			}
		})
	}
}

func TestLoadError(t *testing.T) {
	for _, tc := range []struct {
		name, load string
		fails      map[string]error
		is         error
		says       string
	}{
		{"no such module", "nosuch", nil, modules.ErrNotFound, "module nosuch: there is no such module"},
		{"it fails", "overlay", map[string]error{"overlay": syscall.EPERM}, syscall.EPERM, "module overlay: operation not permitted"},
		{"what it needs fails", "vfat", map[string]error{"fat": syscall.ENOEXEC}, syscall.ENOEXEC, "module vfat: it needs fat: exec format error"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := open(t, &fakeKernel{fails: tc.fails}).Load(tc.load, "")
			if !errors.Is(err, tc.is) || err.Error() != tc.says {
				t.Errorf("got %v, want %q", err, tc.says)
			}
		})
	}
}

func TestLoadThereAlready(t *testing.T) {
	k := &fakeKernel{fails: map[string]error{"fat": fs.ErrExist}}
	if err := open(t, k).Load("vfat", ""); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"vfat.ko"}, k.inserted); diff != "" {
		t.Error(diff)
	}
}

func TestOpenWithout(t *testing.T) {
	s, err := modules.Open(t.TempDir(), "6.1", &fakeKernel{})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
	if err := s.Load("overlay", ""); !errors.Is(err, modules.ErrNotFound) {
		t.Errorf("Load of an empty set: %v, want ErrNotFound", err)
	}
	if n, err := s.Coldplug(t.TempDir()); n != 0 || err != nil {
		t.Errorf("Coldplug of an empty set: %d, %v", n, err)
	}
}

// A bus shows its devices, and a button its input, once the driver is there.
func TestColdplugPasses(t *testing.T) {
	const pci, virtio, button = "pci:v00001AF4d00001041sv00001AF4sd00001100bc02sc00i00", "virtio:d00000001v00001AF4", "acpi:LNXPWRBN:"
	input := "input:b0019v0000p0001e0000-e0,1,k74,ramlsfw"
	for _, tc := range []struct {
		name  string
		there []string
		comes map[string][]string // by module
		want  []string
	}{
		{"nothing", []string{"", "dmi:bvnSeaBIOS:"}, nil, nil},
		{"one pass", []string{button, button}, nil, []string{"button.ko"}},
		{"two passes", []string{button}, map[string][]string{"button": {input}}, []string{"button.ko", "evdev.ko"}},
		{
			"three passes, and not a fourth",
			[]string{pci},
			map[string][]string{"virtio_pci": {virtio}, "virtio_net": {button}, "button": {input}},
			[]string{"virtio-pci.ko.zst", "failover.ko.xz", "net_failover.ko.xz", "virtio_net.ko.xz", "button.ko"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			devices, n := t.TempDir(), 0
			appear := func(all []string) {
				for _, device := range all {
					n++
					write(t, devices, filepath.Join("bus", strings.Repeat("x", n), "modalias"), device)
				}
			}
			appear(tc.there)
			k := &fakeKernel{then: func(name string) { appear(tc.comes[name]) }}
			loaded, err := open(t, k).Coldplug(devices)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, k.inserted); diff != "" {
				t.Error(diff)
			}
			if loaded != len(tc.want) {
				t.Errorf("it says %d, want %d", loaded, len(tc.want))
			}
		})
	}
}

func TestColdplugError(t *testing.T) {
	devices := t.TempDir()
	write(t, devices, "a/modalias", "acpi:LNXPWRBN:")
	write(t, devices, "b/modalias", "pci:v00001AF4d00001041sv00001AF4sd00001100bc02sc00i00")
	write(t, devices, "c/modalias", "fs-vfat")
	k := &fakeKernel{fails: map[string]error{"button": syscall.EINVAL, "virtio_pci": syscall.ENODEV}}
	_, err := open(t, k).Coldplug(devices)
	if err == nil || err.Error() != "module button: invalid argument" {
		t.Errorf("got %v, want the error of button alone", err)
	}
	if diff := cmp.Diff([]string{"fat.ko", "vfat.ko"}, k.inserted); diff != "" {
		t.Error(diff)
	}
}

// Insert is tried with a file that is no module, which no kernel takes.
func TestKernel(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.ko")
	if err := (modules.Kernel{}).Insert(file, ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v, want fs.ErrNotExist", err)
	}
	write(t, filepath.Dir(file), "x.ko", "no module")
	if err := (modules.Kernel{}).Insert(file, ""); err == nil {
		t.Error("the kernel has taken a file that is no module")
	}
	if release, err := modules.Release(); err != nil || release == "" {
		t.Errorf("Release() = %q, %v", release, err)
	}
}
