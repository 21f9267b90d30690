package modules

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// compressedFile tells finit_module(2) that the kernel is to decompress the file
// (MODULE_INIT_COMPRESSED_FILE of include/uapi/linux/module.h).
const compressedFile = 4

// Kernel is the running kernel. It takes a module as it lies there: a name that
// ends in .xz, .zst or .gz is one that the kernel decompresses itself, which it
// can if CONFIG_MODULE_DECOMPRESS says so.
type Kernel struct{}

// Insert calls finit_module(2).
func (Kernel) Insert(file, params string) (err error) {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	flags := 0
	if !strings.HasSuffix(file, ".ko") {
		flags = compressedFile
	}
	switch err := unix.FinitModule(int(f.Fd()), params, flags); {
	case errors.Is(err, unix.EEXIST):
		return fs.ErrExist
	case errors.Is(err, unix.EOPNOTSUPP) && flags != 0:
		return fmt.Errorf("the kernel cannot decompress it (CONFIG_MODULE_DECOMPRESS): %w", err)
	default:
		return err
	}
}

// Release returns the release of the running kernel, by which its modules lie.
func Release() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", fmt.Errorf("uname: %w", err)
	}
	return unix.ByteSliceToString(u.Release[:]), nil
}
