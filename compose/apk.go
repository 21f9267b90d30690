package compose

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/composeos/compose/compose/rootfs"
)

// apkPath is the database of the Alpine packages that are installed.
const apkPath = "lib/apk/db/installed"

// mergeAPK makes one database of those that several segments have, one behind
// the other: each of them lists only what its own image has.
func mergeAPK(system rootfs.Stack) (rootfs.Stack, error) {
	var all bytes.Buffer
	var rest rootfs.Stack
	n := 0
	for i, s := range system {
		e := findAPK(s, system[:i+1])
		if e != nil {
			if n++; n > 1 && !bytes.HasSuffix(all.Bytes(), []byte("\n\n")) {
				all.WriteByte('\n')
			}
			if err := appendContent(&all, e); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", s.Name, apkPath, err)
			}
			s.Entries = slices.DeleteFunc(slices.Clone(s.Entries), func(f *rootfs.Entry) bool { return f == e })
		}
		rest = append(rest, s)
	}
	if n < 2 {
		return system, nil
	}
	return append(rest, rootfs.Segment{
		Name:    "init: one apk database of " + fmt.Sprint(n),
		Entries: []*rootfs.Entry{rootfs.MadeFile(apkPath, 0o644, all.Bytes())},
	}), nil
}

// findAPK returns the database that a segment has, nil for none. It may lie where
// a link leads (lib → usr/lib), of the segment's own or of one below it.
func findAPK(s rootfs.Segment, below rootfs.Stack) *rootfs.Entry {
	paths := []string{apkPath}
	if led, err := rootfs.FollowDirs(apkPath, below.At); err == nil {
		paths = append(paths, led)
	}
	for _, path := range paths {
		if e := rootfs.Find(s.Entries, path); e != nil && e.Type == rootfs.File {
			return e
		}
	}
	return nil
}

func appendContent(b *bytes.Buffer, e *rootfs.Entry) error {
	if e.Size == 0 {
		return nil
	}
	_, err := io.Copy(b, io.NewSectionReader(e.Body, 0, e.Size))
	return err
}
