package rootfs

import (
	"errors"
	"fmt"
	"strings"
)

// maxHops is how many symbolic links one path may lead through, as in Linux
// (path_resolution(7), "Step 2").
const maxHops = 40

// The ways in which a path can lead nowhere.
var (
	ErrLoop   = errors.New("too many symbolic links")
	ErrNotDir = errors.New("not a directory")
)

// At tells what is at a path, nil where there is nothing.
type At func(path string) *Entry

// FollowDirs returns path with the symbolic links on the way to its last name
// replaced by what they lead to. The last name stays as it is. A link never
// leads out of the root: ".." at the root is the root, and an absolute target
// begins at the root. What does not exist is no error. Errors wrap [ErrLoop] or
// [ErrNotDir].
func FollowDirs(path string, at At) (string, error) { return follow(path, at, false) }

// Follow is FollowDirs for the last name too.
func Follow(path string, at At) (string, error) { return follow(path, at, true) }

func follow(path string, at At, last bool) (string, error) {
	done, todo, hops := "", strings.Trim(path, "/"), 0
	for todo != "" {
		name, rest, more := strings.Cut(todo, "/")
		todo = rest
		switch name {
		case "", ".":
			continue
		case "..":
			done = Parent(done)
			continue
		}
		here := Join(done, name)
		e := at(here)
		if e == nil || e.Type == Dir || (!more && (!last || e.Type != Symlink)) {
			done = here
			continue
		}
		if e.Type != Symlink {
			return "", fmt.Errorf("%s: %s is a %s: %w", path, here, e.Type, ErrNotDir)
		}
		if hops++; hops > maxHops {
			return "", fmt.Errorf("%s: %w", path, ErrLoop)
		}
		if strings.HasPrefix(e.Link, "/") {
			done = ""
		}
		todo = strings.Trim(e.Link+"/"+todo, "/")
	}
	return done, nil
}

// Parent returns the directory that path lies in; "" for a name at the root,
// and for the root.
func Parent(path string) string {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)]
}

// Join returns path below dir; dir may be the root.
func Join(dir, path string) string {
	switch {
	case dir == "":
		return path
	case path == "":
		return dir
	}
	return dir + "/" + path
}

// Below tells whether path lies below dir, at any depth.
func Below(path, dir string) bool {
	return dir == "" && path != "" ||
		len(path) > len(dir) && path[len(dir)] == '/' && path[:len(dir)] == dir
}
