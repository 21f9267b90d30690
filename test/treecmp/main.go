// Treecmp compares a tar archive that compose has written with the same tree
// made in another way, path by path.
//
// Each image is flattened by umoci, which shares no code with compose. What that
// leaves is laid below the prefixes of the contract, section by section, and
// changed by a table of rules: every way in which the tree may differ from the
// images, with its reason. Type, mode, owner, time, size, link target, hard
// links, extended attributes, content and device numbers of every path must then
// be equal. What is not is printed, and is a failure.
//
// The archive itself is checked too (order, parents, links, no path twice), and
// GNU tar must extract it without a message, as root and as somebody else.
//
//	treecmp -tar anchor.tar -layout oci -lock anchor.lock.json -manifest anchor.yml
//
// It needs root: for owners, devices and attributes.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// options are what is compared with what.
type options struct {
	tar      string // the archive
	layout   string // OCI layout of the images
	lock     string
	manifest string
	platform string // "linux/amd64"
	work     string // where to unpack; "" is a temporary directory
	extract  bool   // also try GNU tar

	// The directories that images name, with their times, by the digest of the
	// highest layer; of an image that is not there the layers are read. A test
	// knows better where names lead that go through symbolic links.
	dirs map[string]map[string]int64
}

func main() {
	var o options
	flag.StringVar(&o.tar, "tar", "", "the archive that compose wrote")
	flag.StringVar(&o.layout, "layout", "", "OCI layout `directory` with the images")
	flag.StringVar(&o.lock, "lock", "", "the lock")
	flag.StringVar(&o.manifest, "manifest", "", "the manifest")
	flag.StringVar(&o.platform, "platform", "linux/amd64", "platform of the lock to compare")
	flag.StringVar(&o.work, "work", "", "`directory` to unpack in (default: a temporary one)")
	flag.BoolVar(&o.extract, "extract", true, "also extract the archive with GNU tar")
	flag.Parse()
	if err := run(o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "treecmp:", err)
		os.Exit(1)
	}
}

// errDiffers is the result if anything is not as expected.
var errDiffers = errors.New("the tree is not what was expected")

// maxPrinted is how many differences of one run are printed.
const maxPrinted = 200

// run compares, and prints the rules that were used and all that no rule explains.
func run(o options, out io.Writer) error {
	work, err := os.MkdirTemp(o.work, "treecmp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.Chmod(work, 0o711); err != nil { // others extract in it
		return err
	}
	got, faults, err := readArchiveFile(o.tar)
	if err != nil {
		return err
	}
	want, used, err := expect(o, work, got)
	if err != nil {
		return err
	}
	for _, r := range rules() {
		fmt.Fprintf(out, "rule %-22s %6d  %s\n", r.name, used[r.name], r.reason)
	}
	faults = append(faults, compare(want, got)...)
	fmt.Fprintf(out, "compared %d paths: %d unexplained\n", len(got.entries), len(faults))
	if o.extract {
		messages, err := extractAll(o.tar, work, got)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "extracted by GNU tar as root and as nobody: %d unexplained\n", len(messages))
		faults = append(faults, messages...)
	}
	for i, f := range faults {
		if i == maxPrinted {
			fmt.Fprintf(out, "and %d more\n", len(faults)-i)
			break
		}
		fmt.Fprintf(out, "%s: %s\n", cmp.Or(f.path, "."), f.what)
	}
	if len(faults) > 0 {
		return errDiffers
	}
	return nil
}
