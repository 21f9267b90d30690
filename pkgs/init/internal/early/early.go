// Package early reads what compose has put into an initramfs for init
// (decision 0012): how much memory the system needs, whether all of it has been
// unpacked, and the extended attributes, for which the archive has no place.
package early

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Dir is where these files lie, below the root. A root without it was not made by
// compose, or is no initramfs: there is nothing to check.
const Dir = ".compose"

// mib is what people count memory in.
const mib = 1 << 20

// Truncated says that the kernel has not unpacked all of the initramfs.
type Truncated struct {
	Needed int64 // bytes of memory that the system takes to boot; 0 where that is not known
	Memory int64 // bytes of memory that there are
}

// Error says what to do, in one line.
func (e *Truncated) Error() string {
	if e.Needed <= e.Memory {
		return fmt.Sprintf("the initramfs is not complete: files of this system are missing (the machine has %d MiB of memory)", e.Memory/mib)
	}
	return fmt.Sprintf("not enough memory: this system needs %d MiB to boot, and this machine has %d MiB; files are missing",
		(e.Needed+mib-1)/mib, e.Memory/mib)
}

// Check returns a [Truncated] if what is below root is not all that was in the
// initramfs. Memory is how much there is, in bytes.
func Check(root string, memory int64) error {
	dir := filepath.Join(root, Dir)
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if info, err := os.Lstat(filepath.Join(dir, "complete")); err == nil && info.Size() > 0 {
		return nil
	}
	needed, _ := os.ReadFile(filepath.Join(dir, "memory"))
	n, _ := strconv.ParseInt(strings.TrimSpace(string(needed)), 10, 64)
	return &Truncated{Needed: n, Memory: memory}
}

// Memory returns how many bytes of memory a machine has for the system, of the
// text of /proc/iomem: the sum of what is called System RAM. It is zero for who
// may not see the addresses.
func Memory(iomem string) int64 {
	var sum int64
	for line := range strings.Lines(iomem) {
		where, what, _ := strings.Cut(line, " : ")
		if strings.HasPrefix(line, " ") || strings.TrimSpace(what) != "System RAM" {
			continue
		}
		first, last, _ := strings.Cut(where, "-")
		from, err := strconv.ParseInt(first, 16, 64)
		to, lastErr := strconv.ParseInt(last, 16, 64)
		if err == nil && lastErr == nil && from < to {
			sum += to - from + 1
		}
	}
	return max(sum, 0)
}

// Remove takes away what is only for the beginning.
func Remove(root string) error {
	return os.RemoveAll(filepath.Join(root, Dir))
}
