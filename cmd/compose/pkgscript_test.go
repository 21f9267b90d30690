package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/composeos/compose/compose/pkg/debian/debtest"
	"github.com/composeos/compose/compose/rootfs"
)

// debsCommand is "debs" in scripts, which makes a Debian archive of the folders in
// debs, and lets COMPOSE_DEB_MIRROR name it:
//
//	debs NAME=VERSION...     one package of each folder debs/NAME; its copyright file
//	                         is made. A file "ELF INTERPRETER LIBRARY..." is a program.
//	                         pkgs/keyring.asc is written, where there is none
//	debs expired|older|newkey  the archive is published so, with what it had
//	debs flip|remove NAME    the file of a package is spoilt at the mirror
func debsCommand(t *testing.T) func(*testscript.TestScript, bool, []string) {
	var mu sync.Mutex
	archives := map[string]*debtest.Repository{} // by the script's folder
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) == 0 {
			ts.Fatalf("usage: debs NAME=VERSION... | expired | older | newkey | flip NAME | remove NAME")
		}
		mu.Lock()
		defer mu.Unlock()
		r := archives[ts.Getenv("WORK")]
		if r == nil {
			r = debtest.New(t)
			r.Now = time.Now()
			r.Date, r.ValidUntil = r.Now.Add(-time.Hour), r.Now.AddDate(0, 0, 6)
			r.NewKey(t)
			archives[ts.Getenv("WORK")] = r
		}
		switch args[0] {
		case "flip", "remove":
			spoil(ts, r, args)
			return
		case "expired":
			r.ValidUntil = r.Now.Add(-time.Minute)
		case "older":
			r.Date = r.Date.AddDate(0, 0, -2)
		case "newkey":
			r.NewKey(t)
		default:
			r.Packages = nil
			for _, arg := range args {
				name, version, _ := strings.Cut(arg, "=")
				r.Packages = append(r.Packages, packageOf(ts, name, version))
			}
		}
		r.Publish(t)
		if _, err := os.Stat(ts.MkAbs("pkgs/keyring.asc")); err != nil {
			ts.Check(os.MkdirAll(ts.MkAbs("pkgs"), 0o755))
			ts.Check(os.WriteFile(ts.MkAbs("pkgs/keyring.asc"), r.Armored(t), 0o600))
		}
		ts.Setenv("COMPOSE_DEB_MIRROR", r.URL)
	}
}

// spoil flips a byte of a package's file at the mirror, or removes it.
func spoil(ts *testscript.TestScript, r *debtest.Repository, args []string) {
	for _, p := range r.Packages {
		if p.Name != args[1] {
			continue
		}
		if args[0] == "remove" {
			ts.Check(os.Remove(r.File(p)))
			return
		}
		data, err := os.ReadFile(r.File(p))
		ts.Check(err)
		ts.Check(os.WriteFile(r.File(p), flip(bytes.Clone(data)), 0o600))
		return
	}
	ts.Fatalf("there is no package %s", args[1])
}

// packageOf returns the package of the folder debs/NAME.
func packageOf(ts *testscript.TestScript, name, version string) debtest.Package {
	p := debtest.Package{Name: name, Version: version, Compression: "none"}
	add := func(path string, mode uint32, content string) {
		e := rootfs.MadeFile(path, mode, []byte(content))
		e.Made, e.ModTime = false, 1_600_000_000
		p.Files = append(p.Files, e)
	}
	top := ts.MkAbs("debs/" + name)
	ts.Check(filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		content, mode := string(data), uint32(0o644)
		if words := strings.Fields(content); len(words) > 1 && words[0] == "ELF" {
			content = debtest.Program(strings.TrimPrefix(words[1], "-"), words[2:]...)
		}
		if strings.HasPrefix(content, "#!") || strings.HasPrefix(content, "\x7fELF") {
			mode = 0o755
		}
		rel, _ := filepath.Rel(top, path)
		add(filepath.ToSlash(rel), mode, content)
		return err
	}))
	add("usr/share/doc/"+name+"/copyright", 0o644, "free\n")
	return p
}

// noGo takes all out of PATH but compose.
func noGo(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: nogo")
	}
	first, _, _ := strings.Cut(ts.Getenv("PATH"), string(filepath.ListSeparator))
	ts.Setenv("PATH", first)
}
