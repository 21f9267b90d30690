// Format makes a file system on the first disk that has nothing on it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/composeos/compose/pkgs/internal/disk"
)

const usage = `Usage: format [options] [DEVICE]

Makes a file system on DEVICE, or on the first disk that is blank: no partitions,
and zeros alone in its first and its last MiB. CDs and other removable disks are
taken only if they are named. A disk that has the label already is left as it is,
and that is a success. A disk with anything else on it is never touched without
-force, which needs a DEVICE.

  -label NAME    the file system's label, 16 bytes at most (default "data")
  -type TYPE     ext4, ext3 or ext2 (default ext4)
  -timeout TIME  how long to wait for a disk (default 30s)
  -force         destroy what is on DEVICE
`

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code: 0 done, 1 failed, 2 usage.
func run(args []string, stdout, stderr io.Writer) int {
	f := formatter{place: disk.System(), make: mkfs, out: stdout}
	flags := flag.NewFlagSet("format", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { _, _ = io.WriteString(stderr, usage) }
	flags.StringVar(&f.label, "label", "data", "")
	flags.StringVar(&f.fsType, "type", "ext4", "")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Second, "")
	flags.BoolVar(&f.force, "force", false, "")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	f.device = flags.Arg(0)
	if err := f.check(flags.NArg()); err != nil {
		_, _ = fmt.Fprintf(stderr, "format: %v\n", err)
		return 2
	}
	if err := f.run(context.Background()); err != nil {
		_, _ = fmt.Fprintf(stderr, "format: %v\n", err)
		return 1
	}
	return 0
}

// mkfs makes the file system with e2fsprogs.
func mkfs(ctx context.Context, device, fsType, label string) error {
	cmd := exec.CommandContext(ctx, "/usr/sbin/mke2fs", "-q", "-F", "-t", fsType, "-L", label, device)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mke2fs: %w: %s", err, out)
	}
	return nil
}
