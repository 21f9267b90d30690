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
	for _, s := range system {
		if e := rootfs.Find(s.Entries, apkPath); e != nil && e.Type == rootfs.File {
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

func appendContent(b *bytes.Buffer, e *rootfs.Entry) error {
	if e.Size == 0 {
		return nil
	}
	_, err := io.Copy(b, io.NewSectionReader(e.Body, 0, e.Size))
	return err
}
