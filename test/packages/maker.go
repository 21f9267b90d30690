package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// maker is somebody who makes package images, in a folder of his own.
type maker struct {
	name   string
	dir    string // of all that is his
	tree   string // his copy of the repository, in dir
	user   uint32
	umask  string
	env    []string // beside PATH, HOME and TMPDIR
	jobs   int
	how    copying // how the copy is made
	images images  // what he has made
}

// one is root, who has the sources as they are.
func (l *lab) one() *maker {
	dir := filepath.Join(l.scratch, "one")
	return &maker{name: "root", dir: dir, tree: filepath.Join(dir, "tree"), umask: "022", env: []string{"TZ=UTC", "LANG=C"}}
}

// other is another user, for whom all is different that must make no difference.
func (l *lab) other() *maker {
	dir := filepath.Join(l.scratch, "the other", "some where")
	return &maker{
		name: "another user", dir: dir, tree: filepath.Join(dir, "else", "where", "compose"), user: 54321, umask: "077", jobs: 3,
		env: []string{
			"TZ=Asia/Kathmandu", "LANG=tr_TR.UTF-8", "LC_ALL=tr_TR.UTF-8", "SOURCE_DATE_EPOCH=1", "HOSTNAME=elsewhere",
			"GOFLAGS=-gcflags=all=-N", "GOAMD64=v3", "GOARM64=v9.0", "GOEXPERIMENT=nogreenteagc", "GODEBUG=asynctimerchan=1",
			"CGO_ENABLED=1", "GOTOOLCHAIN=auto", "GOWORK=/nowhere/go.work",
			"GOCACHE=" + filepath.Join(dir, "compiled"), "GOMODCACHE=" + filepath.Join(dir, "modules"),
		},
		how: copying{backwards: true, at: time.Unix(981173106, 0), mode: func(m fs.FileMode) fs.FileMode { return m & 0o700 }},
	}
}

// moduleCache is where the maker's Go has modules.
func (m *maker) moduleCache() string {
	if m.user == 0 {
		return filepath.Join(m.home(), "go", "pkg", "mod")
	}
	return filepath.Join(m.dir, "modules")
}

func (m *maker) home() string { return filepath.Join(m.dir, "home") }

func (m *maker) environment() []string {
	return slices.Concat(m.env, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + m.home(), "TMPDIR=" + filepath.Join(m.dir, "tmp")})
}

// attributes make a process the user's, and give it a network of its own, which leads
// nowhere.
func (m *maker) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if m.user != 0 {
		a.Credential = &syscall.Credential{Uid: m.user, Gid: m.user}
	}
	return a
}

// flags are what every command of his has.
func (m *maker) flags(l *lab) []string {
	return []string{
		"-cache", filepath.Join(m.dir, "cache"), "-deb-mirror", l.vendored, "-offline", "-progress", "plain", "-jobs", strconv.Itoa(m.jobs),
	}
}

// fill makes the maker's folders, with a copy of what is in the repository.
func (m *maker) fill(_ *lab) error {
	var errs []error
	for _, dir := range []string{m.tree, m.home(), filepath.Join(m.dir, "tmp")} {
		errs = append(errs, os.MkdirAll(dir, 0o755))
	}
	entries, err := os.ReadDir(".")
	errs = append(errs, err)
	for _, e := range entries {
		if e.Name()[0] == '.' || e.Name() == "bin" || e.Name() == "build" {
			continue
		}
		errs = append(errs, m.how.tree(e.Name(), filepath.Join(m.tree, e.Name())))
	}
	return errors.Join(append(errs, m.own())...)
}

// own gives the maker what is in his folder.
func (m *maker) own() error {
	return filepath.WalkDir(m.dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(m.user), int(m.user))
	})
}
