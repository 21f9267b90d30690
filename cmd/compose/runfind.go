package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/composeos/compose/compose/machine"
	"github.com/composeos/compose/outputs"
)

// The formats that a machine can be started from, by their names.
const (
	kindKernel = "kernel+initrd"
	kindISO    = "iso"
	kindRawEFI = "raw-efi"
	kindUKI    = "uki"
)

// built is what was built to start a machine from.
type built struct {
	kind  string   // one of the kinds
	files []string // as the format lists them
	arch  string   // of the guest
}

func (b *built) needsUEFI() bool { return b.kind == kindRawEFI || b.kind == kindUKI }

// plugIn makes it what the machine starts.
func (b *built) plugIn(o *machine.Options) error {
	switch b.kind {
	case kindISO:
		o.CD = b.files[0]
	case kindRawEFI:
		o.Image = b.files[0]
	case kindUKI:
		o.Kernel = b.files[0]
	default:
		cmdline, err := os.ReadFile(b.files[2])
		if err != nil {
			return err
		}
		o.Kernel, o.Initrd, o.Cmdline = b.files[0], b.files[1], strings.TrimSpace(string(cmdline))
	}
	return nil
}

// startable returns the formats of the kinds. Files of none are called as those of
// an earlier one.
func startable() []outputs.Format {
	return []outputs.Format{outputs.KernelInitrd{}, outputs.ISO{}, outputs.RawEFI{}, outputs.UKI{}}
}

// findBuilt finds what an operand means: a file that a build wrote, with those that
// belong to it; or else the one thing that was built under a name.
func findBuilt(operand string) (*built, error) {
	if info, err := os.Stat(operand); err == nil && info.Mode().IsRegular() {
		for _, f := range startable() {
			for _, ending := range f.Files("") {
				if name, ok := strings.CutSuffix(operand, ending); ok {
					return newBuilt(f, name)
				}
			}
		}
		return nil, usagef("run", "%s is called like nothing that a machine starts: %s", operand, strings.Join(allFiles("NAME"), ", "))
	}
	var found []outputs.Format
	var first []string
	for _, f := range startable() {
		if name := f.Files(operand)[0]; isThere(name) {
			found, first = append(found, f), append(first, name)
		}
	}
	switch len(found) {
	case 0:
		return nil, hinted(
			fmt.Sprintf("nothing that a machine starts was built as %s: there is none of %s", operand, strings.Join(allFiles(operand), ", ")),
			`"compose build -dir DIR -name NAME" builds it, and "compose run DIR/NAME" starts it`)
	case 1:
		return newBuilt(found[0], operand)
	}
	return nil, hinted(fmt.Sprintf("several things were built as %s: %s", operand, strings.Join(first, ", ")), "name the file")
}

// allFiles are the files of which one at least is there if name was built.
func allFiles(name string) []string {
	var all []string
	for _, f := range startable() {
		all = append(all, f.Files(name)[0])
	}
	return all
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// newBuilt checks that all files of a format are there, and sees what they are for.
func newBuilt(f outputs.Format, name string) (*built, error) {
	b := &built{kind: f.Name(), files: f.Files(name), arch: machine.AMD64}
	for _, path := range b.files {
		info, err := os.Stat(path)
		if err == nil && !info.Mode().IsRegular() {
			err = fmt.Errorf("%s: is no regular file", path)
		}
		if err != nil {
			return nil, fmt.Errorf("%s of %s: %w", b.kind, name, err)
		}
	}
	if b.kind != kindKernel && b.kind != kindUKI {
		return b, nil // the boot loaders are for amd64
	}
	head, err := headOf(b.files[0])
	if err != nil {
		return nil, err
	}
	if b.arch = archOf(head); b.arch == "" {
		return nil, fmt.Errorf("%s: is neither a kernel for amd64 nor one for arm64", b.files[0])
	}
	return b, nil
}

// headOf returns the beginning of a file.
func headOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 4096)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return head[:n], nil
}

// archOf tells what a kernel or an EFI program is for; "" for none that is known.
func archOf(head []byte) string {
	has := func(at int, magic string) bool {
		return at >= 0 && len(head) >= at+len(magic) && string(head[at:at+len(magic)]) == magic
	}
	switch {
	case has(0x38, "ARM\x64"), bytes.HasPrefix(head, []byte("\x1f\x8b")): // "Booting AArch64 Linux"; compressed it is for arm64 alone
		return machine.ARM64
	case has(0x202, "HdrS"): // "The Linux/x86 Boot Protocol"
		return machine.AMD64
	case !has(0, "MZ") || len(head) < 0x40:
		return ""
	}
	// PE Format, "Signature" and "Machine Types".
	at := int(binary.LittleEndian.Uint32(head[0x3c:]))
	switch {
	case has(at, "PE\x00\x00\x64\x86"):
		return machine.AMD64
	case has(at, "PE\x00\x00\x64\xaa"):
		return machine.ARM64
	}
	return ""
}
