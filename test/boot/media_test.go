package boot

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/composeos/compose/test/boot/list"
	"github.com/composeos/compose/test/fixture"
)

// TestMedia starts machines from all that is made to start machines from, as people
// plug it in. The init of the system says what it sees: that firmware and loaders
// have handed on the command line, that Secure Boot is on, and what the kernel reads
// on the medium, where it has a driver for it.
func TestMedia(t *testing.T) {
	m := newLab(t).media(t)
	for _, tt := range []struct {
		image    string
		firmware firmware
		port     port
		device   string // as the kernel calls it; "" where it has no driver
	}{
		{"it.iso", bios, cd, "sr0"},
		{"it.iso", bios, disk, "sda"},
		{"it.iso", bios, usb, ""},
		{"it.iso", uefi, cd, "sr0"},
		{"it.iso", uefi, disk, "sda"},
		{"it.iso", uefi, usb, ""},
		{"it.iso", uefi, virtio, "vda"},
		{"it.iso", secure, cd, ""},
		{"it.iso", secure, disk, ""},
		{"it.iso", secure, usb, ""},
		{"it.efi", uefi, usb, ""},
		{"it.img", uefi, disk, "sda"},
		{"it.img", uefi, virtio, "vda"},
		{"it.img", secure, disk, ""},
		{"it.img", secure, virtio, "vda"},
	} {
		t.Run(fmt.Sprintf("%s %s %s", tt.image, tt.firmware, tt.port), func(t *testing.T) {
			t.Parallel()
			c := run(t, shortly, nil, m.options(t, tt.firmware, tt.port, tt.image)...)
			s := c.sight(t)
			m.started(t, s, "it")
			if s.EFI != (tt.firmware != bios) || s.SecureBoot != (tt.firmware == secure) {
				t.Errorf("UEFI is %t and Secure Boot %t", s.EFI, s.SecureBoot)
			}
			if words := spoken(tt.image, tt.firmware); !strings.Contains(string(c), words) {
				t.Errorf("the loader has not said %q on the serial port:\n%.500s", words, c)
			}
			m.compare(t, tt.image, tt.device, s.Volumes)
		})
	}
	m.choose(t)
	m.refuse(t)
}

// spoken is what the boot loader says on the serial port. ISOLINUX says the title on
// the screen alone.
func spoken(image string, f firmware) string {
	switch {
	case image == "it.efi":
		return "" // it has none
	case f == bios:
		return "Loading /boot/kernel... ok"
	}
	return "Booting `" + title + "'"
}

// TestMediaOfWorkload starts the workload from a disk under Secure Boot. Firmware and
// loader need memory as well, so there is more than compose asks for.
func TestMediaOfWorkload(t *testing.T) {
	l := newLab(t)
	needFirmware(t)
	loaders := fixture.NeedBootloader(t)
	s := l.theWorkload(t)
	s.write(t, "it.yml", fmt.Appendf(nil, "bootloader: {image: \"oci:%s\"}\n", loaders))
	s.manifests = append(s.manifests, s.path("it.yml"))
	s.makeList(t)
	s.writeList(t)
	dir := t.TempDir()
	s.run(t, "build", append([]string{"-dir", dir, "-format", "iso"}, s.options()...)...)
	m := media{dir: dir, memory: 3 << 10}
	c := run(t, patience, nil, m.options(t, secure, disk, "it.iso")...)
	s.found(t, c)
}

// choose plugs in another system as well: what the firmware starts from has to be
// what is started.
func (m *media) choose(t *testing.T) {
	for _, tt := range []struct{ image, other string }{
		{"it.iso", "other.iso"},
		{"other.iso", "it.img"},
		{"it.img", "other.iso"},
	} {
		t.Run(tt.image+" beside "+tt.other, func(t *testing.T) {
			t.Parallel()
			options := slices.Concat(beside(m.image(t, tt.other)), m.options(t, uefi, disk, tt.image))
			name, _, _ := strings.Cut(tt.image, ".")
			m.started(t, run(t, shortly, nil, options...).sight(t), name)
		})
	}
}

// started tests that the init was started of the system of that name.
func (m *media) started(t *testing.T, s list.Sight, name string) {
	t.Helper()
	want := m.cmdlineOf(name)
	if !strings.Contains(" "+s.Cmdline+" ", " "+want+" ") {
		t.Errorf("the kernel's command line is %q, want all of %q in it", s.Cmdline, want)
	}
}

// refuse has Secure Boot start what it must not: a kernel in which a byte is another,
// and a program that nobody has signed.
func (m *media) refuse(t *testing.T) {
	m.damage(t, "it.iso", "damaged.iso")
	m.damage(t, "it.img", "damaged.img")
	for _, tt := range []struct {
		image string
		port  port
		words string // the last that are said
	}{
		{"damaged.iso", cd, `(?s)bad shim signature.*you need to load the kernel first`},
		{"damaged.img", virtio, `(?s)bad shim signature.*you need to load the kernel first`},
		{"it.efi", usb, `failed to load Boot.*Access Denied`},
	} {
		t.Run(tt.image+" refused", func(t *testing.T) {
			t.Parallel()
			c := run(t, shortly, regexp.MustCompile(tt.words), m.options(t, secure, tt.port, tt.image)...)
			if strings.Contains(string(c), string(list.Started)) {
				t.Errorf("it is started all the same:\n%s", c.tail())
			}
		})
	}
}
