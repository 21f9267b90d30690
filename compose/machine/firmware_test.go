package machine

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestFindUEFI(t *testing.T) {
	root := t.TempDir()
	put := func(name string) {
		t.Helper()
		name = filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	missing := func(arch, want string) {
		t.Helper()
		if f, err := FindUEFI(root, arch); !errors.Is(err, ErrNoFirmware) || err.Error() != want {
			t.Errorf("%s: %v, %v", arch, f, err)
		}
	}
	missing(AMD64, "OVMF, the UEFI of virtual machines, is not installed")
	missing(ARM64, "AAVMF, the UEFI of virtual machines, is not installed")
	put("usr/share/OVMF/OVMF_CODE_4M.fd") // without its variables
	missing(AMD64, "OVMF, the UEFI of virtual machines, is not installed")
	put("usr/share/OVMF/OVMF_VARS_4M.fd")
	put("usr/share/AAVMF/AAVMF_CODE.fd")
	put("usr/share/AAVMF/AAVMF_VARS.fd")
	for arch, want := range map[string]string{AMD64: "OVMF/OVMF_CODE_4M.fd", ARM64: "AAVMF/AAVMF_CODE.fd"} {
		if f, err := FindUEFI(root, arch); err != nil || f.Code != filepath.Join(root, "usr/share", want) {
			t.Errorf("%s: %v, %v", arch, f, err)
		}
	}
}
