package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Firmware is the memory of a UEFI: files of its code and of its variables. What
// it writes to the variables is kept until the machine ends.
type Firmware struct{ Code, Vars string }

// ErrNoFirmware is what [FindUEFI] says where none is installed.
var ErrNoFirmware = errors.New("is not installed")

// FindUEFI finds the UEFI for an architecture where distributions put it, below
// root: "/" unless in a test. Its name goes before [ErrNoFirmware].
func FindUEFI(root, arch string) (Firmware, error) {
	name, places := "OVMF", []Firmware{
		{"usr/share/OVMF/OVMF_CODE_4M.fd", "usr/share/OVMF/OVMF_VARS_4M.fd"}, // Debian
		{"usr/share/OVMF/OVMF_CODE.fd", "usr/share/OVMF/OVMF_VARS.fd"},
		{"usr/share/edk2/ovmf/OVMF_CODE.fd", "usr/share/edk2/ovmf/OVMF_VARS.fd"},     // Fedora
		{"usr/share/edk2/x64/OVMF_CODE.4m.fd", "usr/share/edk2/x64/OVMF_VARS.4m.fd"}, // Arch
	}
	if arch == ARM64 {
		name, places = "AAVMF", []Firmware{
			{"usr/share/AAVMF/AAVMF_CODE.fd", "usr/share/AAVMF/AAVMF_VARS.fd"},
			{"usr/share/edk2/aarch64/QEMU_EFI-pflash.raw", "usr/share/edk2/aarch64/vars-template-pflash.raw"},
		}
	}
	for _, f := range places {
		f = Firmware{filepath.Join(root, f.Code), filepath.Join(root, f.Vars)}
		if isFile(f.Code) && isFile(f.Vars) {
			return f, nil
		}
	}
	return Firmware{}, fmt.Errorf("%s, the UEFI of virtual machines, %w", name, ErrNoFirmware)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// args plugs it in. The variables are a snapshot: a machine that had them from
// another would not start as a new one does.
func (f Firmware) args() []string {
	if f.Code == "" {
		return nil
	}
	return []string{
		"-drive", "if=pflash,format=raw,readonly=on,file=" + path(f.Code),
		"-drive", "if=pflash,format=raw,snapshot=on,file=" + path(f.Vars),
	}
}
