package outputs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs/isodisk"
)

// ErrNoBootloader is what Check says of a tree that lacks files of a boot loader.
var ErrNoBootloader = errors.New("the image has no boot loader")

// ErrMachine is what Check says of a machine that a format is not for.
var ErrMachine = errors.New("only amd64 machines start from it")

// medium is what something is made of that a machine starts from: the kernel, the
// initramfs, and a boot loader's files.
type medium struct {
	*initramfs
	tree  *rootfs.Tree
	menu  menu
	names rootfs.Digest // names all that the medium's content depends on
}

// checkMedium returns what keeps t from being a medium with these files of a boot
// loader, and what a user should hear of it. cmdline says what keeps the boot loader
// from passing on a command line.
func checkMedium(t *rootfs.Tree, o Options, cmdline func(string) error, files ...string) ([]Notice, error) {
	notices, err := checkBoot(t, o)
	err = errors.Join(err, checkLoader(t, files))
	b, readErr := readBoot(t)
	if readErr != nil {
		return notices, err // checkBoot has said it
	}
	return notices, errors.Join(err, cmdline(b.cmdline))
}

// checkLoader returns why a boot loader does not start t.
func checkLoader(t *rootfs.Tree, files []string) error {
	if t.Arch != "amd64" {
		return fmt.Errorf("%w, not %s", ErrMachine, t.Arch)
	}
	var errs []error
	var missing []string
	for _, name := range files {
		switch e := t.At(rootfs.LoaderDir + "/" + name); {
		case e == nil:
			missing = append(missing, name)
		case e.Type != rootfs.File || e.Size == 0 || e.Size > maxLoader:
			errs = append(errs, entryError(e, errors.New("is no part of a boot loader: want a file of up to 10 MiB")))
		}
	}
	switch {
	case len(missing) == len(files):
		errs = append(errs, ErrNoBootloader)
	case len(missing) > 0:
		errs = append(errs, fmt.Errorf("%w for it: the package lacks %s", ErrNoBootloader, strings.Join(missing, ", ")))
	}
	return errors.Join(errs...)
}

// maxLoader is how long a file of a boot loader may be, bytes: three of them have to fit
// into what a CD's boot catalog can say, which is 32 MiB.
const maxLoader = 10 << 20

// newMedium makes the initramfs, and reads what goes around it.
func newMedium(ctx context.Context, env Env, t *rootfs.Tree, files ...string) (*medium, error) {
	ram, err := newInitramfs(ctx, env, t)
	if err != nil {
		return nil, err
	}
	m := &medium{initramfs: ram, tree: t}
	if m.menu, err = readMenu(t, ram.cmdline); err != nil {
		m.close()
		return nil, err
	}
	h := keyOf("medium")
	_, _ = fmt.Fprintf(h, "%d %d %q %q", t.Epoch, m.menu.timeout, m.menu.title, m.menu.cmdline)
	for _, s := range []stream{m.kernel(), m.initrd()} {
		k := s.key()
		_, _ = h.Write(k[:])
	}
	for _, name := range files {
		_, _ = h.Write(m.file(name).Digest[:])
	}
	m.names = rootfs.Digest(h.Sum(nil))
	return m, nil
}

// kernel is the kernel, and initrd the initramfs with microcode in front of it.
func (m *medium) kernel() stream { return content{m.tree.At(rootfs.KernelPath)} }
func (m *medium) initrd() stream { return joined{m.front(), m.initramfs} }

// file is a file of the boot loader.
func (m *medium) file(name string) content {
	return content{m.tree.At(rootfs.LoaderDir + "/" + name)}
}

// id derives an identifier from all that is on the medium, for one purpose. It is a
// UUID of version 8 (RFC 9562 5.8).
func (m *medium) id(purpose string) uuid.UUID {
	h := keyOf("id " + purpose)
	_, _ = h.Write(m.names[:])
	id := uuid.UUID(h.Sum(nil)[:16])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// number is the id as 32 bits.
func (m *medium) number(purpose string) uint32 {
	id := m.id(purpose)
	return binary.BigEndian.Uint32(id[:])
}

// label is a volume's.
const label = "COMPOSE"

// newVolume is what a volume of the medium is made of.
func (m *medium) newVolume(purpose string, v *volume) isodisk.Volume {
	return isodisk.Volume{Label: label, ID: m.number(purpose), Time: time.Unix(m.tree.Epoch, 0), Files: v.files}
}

// addEFI adds what UEFI starts: shim by the path at which it is looked for on a
// medium (UEFI 2.10, 3.5.1.1), and what shim starts, under the names that it has for
// it.
func (m *medium) addEFI(v *volume) {
	v.stream("EFI/BOOT/BOOTX64.EFI", m.file(rootfs.Shim))
	v.stream("EFI/BOOT/grubx64.efi", m.file(rootfs.Grub))
	v.stream("EFI/BOOT/mmx64.efi", m.file(rootfs.MokUtil))
}

// efiFiles are the files of a boot loader that addEFI takes.
func efiFiles() []string { return []string{rootfs.Shim, rootfs.Grub, rootfs.MokUtil} }

// addSystem adds what GRUB starts, and how.
func (m *medium) addSystem(v *volume) {
	v.text("boot/grub/grub.cfg", m.menu.grub())
	v.stream("boot/kernel", m.kernel())
	v.stream("boot/initrd.img", m.initrd())
}

// osRelease returns what the tree says of itself (os-release(5)); "" where it says
// nothing.
func osRelease(t *rootfs.Tree) (string, error) {
	const most = 64 << 10
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		path, err := rootfs.Follow(name, t.At)
		if err != nil {
			continue // a loop of links says nothing
		}
		e := t.At(path)
		if e != nil && e.First != "" {
			e = t.At(e.First)
		}
		text, err := textOf(e, most)
		if text != "" || err != nil {
			return text, err
		}
	}
	return "", nil
}

// prettyName returns the system's name for people out of an os-release; "" where
// there is none that a boot menu could show.
func prettyName(release string) string {
	name := ""
	for line := range strings.Lines(release) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			name = strings.TrimSpace(strings.Trim(value, `"'`)) // the last one counts
		}
	}
	unfit := func(r rune) bool { return !printable(r) || r == '\\' }
	const longest = 60 // as a manifest's title
	if len(name) > longest || strings.HasPrefix(name, "-") || strings.ContainsFunc(name, unfit) {
		return ""
	}
	return name
}

func printable(r rune) bool { return r >= ' ' && r <= '~' }
