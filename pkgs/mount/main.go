// Mount mounts the file system of a disk, which it finds by itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/pkgs/internal/disk"
)

const usage = `Usage: mount [options] [DEVICE] TARGET

Mounts a disk at TARGET, which is made if it is not there. The disk is DEVICE, or
the one with the label or UUID, of which removable disks are the last that are
taken, or the first with a file system that is not removable. File systems are found by their superblocks: ext2, ext3, ext4, xfs and
vfat.

  -label NAME    the file system's label
  -uuid UUID     the file system's UUID
  -device PATH   the same as DEVICE
  -type TYPE     the file system's type (default: what is found)
  -o OPTIONS     as in fstab: ro,noatime,discard
  -timeout TIME  how long to wait for the disk (default 30s)
`

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code: 0 done, 1 failed, 2 usage.
func run(args []string, stdout, stderr io.Writer) int {
	m := mounter{place: disk.System(), mount: unix.Mount, out: stdout}
	flags := flag.NewFlagSet("mount", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { _, _ = io.WriteString(stderr, usage) }
	flags.StringVar(&m.label, "label", "", "")
	flags.StringVar(&m.uuid, "uuid", "", "")
	flags.StringVar(&m.device, "device", "", "")
	flags.StringVar(&m.fsType, "type", "", "")
	flags.StringVar(&m.fsType, "t", "", "")
	flags.StringVar(&m.options, "o", "", "")
	flags.DurationVar(&m.timeout, "timeout", 30*time.Second, "")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if err := m.operands(flags.Args()); err != nil {
		_, _ = fmt.Fprintf(stderr, "mount: %v\n", err)
		return 2
	}
	if err := m.run(context.Background()); err != nil {
		_, _ = fmt.Fprintf(stderr, "mount: %v\n", err)
		return 1
	}
	return 0
}
