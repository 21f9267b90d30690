package boot

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// shortly is how long a machine may run that has a firmware and a small system. It
// takes ten seconds where nothing else runs.
const shortly = 4 * time.Minute

// firmware is what starts a machine.
type firmware string

// The firmwares: SeaBIOS, and OVMF; with Secure Boot it has the keys of Microsoft,
// which machines are sold with.
const (
	bios   firmware = "BIOS"
	uefi   firmware = "UEFI"
	secure firmware = "Secure Boot"
)

// ovmf is where Debian installs OVMF.
const ovmf = "/usr/share/OVMF"

// needFirmware leaves the test out where OVMF is not installed.
func needFirmware(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(ovmf, "OVMF_VARS_4M.ms.fd")); err != nil {
		missing(t, "OVMF is not installed: %v", err)
	}
}

// options are what QEMU needs to know of the firmware. The kernel has a driver for
// the IDE disks of the machine "pc", and none for those of "q35"; but only that can
// keep the variables of Secure Boot from all but the firmware.
func (f firmware) options(t *testing.T) []string {
	t.Helper()
	switch f {
	case uefi:
		return append([]string{"-machine", "pc"}, flash(t, "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd")...)
	case secure:
		return append([]string{"-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"},
			flash(t, "OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.ms.fd")...)
	}
	return []string{"-machine", "pc"}
}

// flash is the memory of the firmware: its code, and a copy of its variables. In
// these it notes what it has started: a machine that had them from another would
// not start as a new one does.
func flash(t *testing.T, code, vars string) []string {
	t.Helper()
	fresh, err := os.ReadFile(filepath.Join(ovmf, vars))
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(t.TempDir(), vars)
	if err := os.WriteFile(own, fresh, 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{
		"-drive", "if=pflash,format=raw,readonly=on,file=" + filepath.Join(ovmf, code),
		"-drive", "if=pflash,format=raw,file=" + own,
	}
}

// port is how a medium is plugged in.
type port string

// The ports.
const (
	cd     port = "CD"
	disk   port = "disk"
	usb    port = "USB" // a stick
	virtio port = "virtio"
)

// options are what QEMU needs to know to plug in an image of a medium, or a folder
// that it shows as one, which is what the machine starts from.
func (p port) options(image string) []string {
	device := map[port][]string{
		cd:     {"-device", "ide-cd,drive=medium,bootindex=0"},
		disk:   {"-device", "ide-hd,drive=medium,bootindex=0"},
		usb:    {"-device", "qemu-xhci", "-device", "usb-storage,removable=on,drive=medium,bootindex=0"},
		virtio: {"-device", "virtio-blk-pci,drive=medium,bootindex=0"},
	}
	return append(drive("medium", image), device[p]...)
}

// beside are the options for a disk that is plugged in before another.
func beside(image string) []string {
	return append(drive("other", image), "-device", "virtio-blk-pci,drive=other")
}

// drive is an image as QEMU sees it. Nothing is written to it.
func drive(id, image string) []string {
	file := "snapshot=on,file=" + image
	if stat, err := os.Stat(image); err == nil && stat.IsDir() {
		file = "readonly=on,file=fat:" + image
	}
	return []string{"-drive", "if=none,format=raw,id=" + id + "," + file}
}
