package rootfs

import (
	"crypto/sha256"
	"strings"
)

// MadeFile returns a file that compose itself writes, owned by root.
func MadeFile(path string, mode uint32, content []byte) *Entry {
	e := &Entry{Path: path, Type: File, Mode: mode, Size: int64(len(content)), Digest: sha256.Sum256(content), Made: true}
	if len(content) > 0 {
		e.Body = strings.NewReader(string(content))
	}
	return e
}

// MadeDir returns a directory that compose itself makes, owned by root.
func MadeDir(path string, mode uint32) *Entry {
	return &Entry{Path: path, Type: Dir, Mode: mode, Made: true}
}

// MadeSymlink returns a symbolic link that compose itself makes, owned by root.
func MadeSymlink(path, target string) *Entry {
	return &Entry{Path: path, Type: Symlink, Mode: 0o777, Link: target, Made: true}
}

// Alone makes an entry that goes into an archive without a tree what a tree
// would have made of it, and returns it: one name, of [DefaultModTime].
func (e *Entry) Alone() *Entry {
	e.Nlink, e.ModTime = 1, DefaultModTime
	return e
}
