package outputs

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// UKI is the format "uki": a unified kernel image (UAPI.5), which is an EFI program
// that holds the whole system.
type UKI struct{}

// Name implements [Format].
func (UKI) Name() string { return "uki" }

// Summary implements [Format].
func (UKI) Summary() string { return "unified kernel image, one EFI program" }

// Files implements [Format].
func (UKI) Files(name string) []string { return []string{name + ".efi"} }

// Compresses implements [Format].
func (UKI) Compresses() bool { return true }

// Sized implements [Format].
func (UKI) Sized() bool { return false }

// Check implements [Format].
func (UKI) Check(t *rootfs.Tree, o Options) ([]Notice, error) {
	cmdline := func(s string) error { return checkCmdline(strings.TrimSpace(s), maxCmdlineX86) }
	return checkMedium(t, o, cmdline, rootfs.Stub)
}

// firstUcode is the first release of systemd whose stub reads microcode from a
// section of its own. Older ones find it in front of the initramfs.
const firstUcode = 256

// sbat is what a stub without a section .sbat gets: the level of the format
// (shim, SBAT.md).
const sbat = "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n"

// Write implements [Format]. The sections are .osrel, .cmdline, .uname, .sbat where
// the stub has none, .ucode, .linux and .initrd; .ucode and .uname only where there
// is something to say.
func (f UKI) Write(ctx context.Context, t *rootfs.Tree, env Env) error {
	m, err := newMedium(ctx, env, t, rootfs.Stub)
	if err != nil {
		return err
	}
	defer m.close()
	stub, err := textOf(m.file(rootfs.Stub).Entry, maxLoader)
	if err != nil {
		return err
	}
	p, err := readProgram([]byte(stub))
	if err != nil {
		return entryError(m.file(rootfs.Stub).Entry, err)
	}
	sections, err := m.sections(p)
	if err != nil {
		return err
	}
	s, err := p.with(sections...)
	if errors.Is(err, errProgram) {
		err = entryError(m.file(rootfs.Stub).Entry, err)
	}
	if err != nil {
		return err
	}
	env.Notify(m.notice())
	return writeFile(ctx, env, f.Files(env.Name)[0], s)
}

// sections are what is added to the stub, the large ones last: what changes often
// then moves little.
func (m *medium) sections(stub *program) ([]programSection, error) {
	release, err := osRelease(m.tree)
	if err != nil {
		return nil, err
	}
	kernel, err := kernelRelease(m.tree.At(rootfs.KernelPath))
	if err != nil {
		return nil, err
	}
	all := []programSection{
		{".osrel", literal(cmp.Or(release, "ID=linux\nNAME=Linux\nPRETTY_NAME="+shellQuoted(m.menu.title)+"\n"))},
		{".cmdline", literal(strings.TrimSpace(m.cmdline))},
		{".uname", literal(kernel)},
	}
	if stub.text(".sbat") == "" {
		all = append(all, programSection{".sbat", literal(sbat)})
	}
	initrd := m.initrd()
	if m.ucode != nil && stubVersion(stub) >= firstUcode {
		all = append(all, programSection{".ucode", content{m.ucode}})
		initrd = m.initramfs
	}
	return withoutEmpty(append(all, programSection{".linux", m.kernel()}, programSection{".initrd", initrd})), nil
}

// shellQuoted is a text as os-release(5) has it.
func shellQuoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(s) + `"`
}

func withoutEmpty(all []programSection) []programSection {
	var some []programSection
	for _, s := range all {
		if s.data.size() > 0 {
			some = append(some, s)
		}
	}
	return some
}

// stubVersion returns the release of systemd that a stub says it is of, 0 where it
// does not say: "#### LoaderInfo: systemd-stub 252.39-1 ####".
func stubVersion(stub *program) int {
	_, version, _ := strings.Cut(stub.text(".sdmagic"), "systemd-stub ")
	digits := version[:len(version)-len(strings.TrimLeft(version, "0123456789"))]
	n, _ := strconv.Atoi(digits) // 0 where there are none
	return n
}

// kernelRelease returns what the kernel calls itself, as uname -r would; "" of what
// is no Linux for x86 (Documentation/arch/x86/boot.rst, kernel_version).
func kernelRelease(e *rootfs.Entry) (string, error) {
	const most = 256 // of the text that begins with the release, bytes
	head := make([]byte, min(e.Size, 0x210))
	if len(head) < 0x210 {
		return "", nil
	}
	if err := readFull(e.Body, head, 0); err != nil {
		return "", entryError(e, err)
	}
	at := int64(le.Uint16(head[0x20e:])) + 0x200
	if string(head[0x202:0x206]) != "HdrS" || at == 0x200 || at >= e.Size {
		return "", nil
	}
	text := make([]byte, min(most, e.Size-at))
	if err := readFull(e.Body, text, at); err != nil {
		return "", entryError(e, err)
	}
	release, _, _ := strings.Cut(string(text), " ")
	if strings.ContainsFunc(release, func(r rune) bool { return !printable(r) }) {
		return "", nil
	}
	return release, nil
}
