package store

import (
	"fmt"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// maxName is how long a path or a link's target may be (PATH_MAX without its NUL).
const maxName = 4095

// clean returns a name of an archive as a path: relative, without "./" and
// without a slash at the end. "" is the root, which archives call "./".
func clean(name string) (string, error) {
	switch {
	case name == "":
		return "", fmt.Errorf("%w: empty name", ErrInvalid)
	case len(name) > maxName:
		return "", fmt.Errorf("%w: name of %d bytes, longer than %d: %.80q…", ErrInvalid, len(name), maxName, name)
	case strings.IndexByte(name, 0) >= 0:
		return "", fmt.Errorf("%w: NUL in name %q", ErrInvalid, name)
	}
	path := strings.TrimSuffix(strings.TrimPrefix(name, "/"), "/")
	path = strings.TrimPrefix(path, "./")
	if path == "" || path == "." {
		return "", nil
	}
	dots := false
	for rest, more := path, true; more; {
		var part string
		part, rest, more = strings.Cut(rest, "/")
		switch part {
		case "":
			return "", fmt.Errorf("%w: empty part in name %q", ErrInvalid, name)
		case "..":
			return "", fmt.Errorf("%w: %q in name %q", ErrInvalid, "..", name)
		case ".":
			dots = true
		}
	}
	if !dots {
		return path, nil
	}
	var kept []string
	for part := range strings.SplitSeq(path, "/") {
		if part != "." {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "/"), nil
}

// The names that layers hide files by (image-spec layer.md, "Whiteouts").
const (
	whiteoutPrefix = ".wh."
	metaPrefix     = ".wh..wh." // aufs keeps its own things under such names
	opaqueName     = ".wh..wh..opq"
)

// unhide reads whiteouts: if path is one it returns what it hides and by which
// type; hidden tells that path is metadata of aufs, which is no part of the
// layer. For any other path it returns the path and no type.
func unhide(path string) (what string, t rootfs.Type, hidden bool, err error) {
	if !strings.Contains(path, whiteoutPrefix) {
		return path, 0, false, nil
	}
	for at := 0; at < len(path); {
		part, _, more := strings.Cut(path[at:], "/")
		name, ok := strings.CutPrefix(part, whiteoutPrefix)
		parent := path[:max(at-1, 0)]
		switch {
		case !ok:
		case part == opaqueName && !more:
			return parent, rootfs.Opaque, false, nil
		case part != opaqueName && strings.HasPrefix(part, metaPrefix):
			return path, 0, true, nil
		case more:
			return "", 0, false, fmt.Errorf("%w: %q lies below a whiteout", ErrInvalid, path)
		case name == "" || name == "." || name == "..":
			return "", 0, false, fmt.Errorf("%w: malformed whiteout %q", ErrInvalid, path)
		default:
			return rootfs.Join(parent, name), rootfs.Whiteout, false, nil
		}
		at += len(part) + 1
	}
	return path, 0, false, nil
}
