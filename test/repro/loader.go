package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// findLoader looks for the boot loaders' image, and returns why there is none.
func (l *lab) findLoader() (why string) {
	dir := filepath.Join(l.root, "build", "bootloader")
	if _, err := os.Stat(filepath.Join(dir, "index.json")); err != nil {
		return fmt.Sprintf("%v (make fixture)", err)
	}
	l.loader = dir
	return ""
}

// base is where a subject has the manifest of its boot loader: at path, or, if
// there is no boot loader, nowhere.
func (l *lab) base(path string) string {
	if l.loader == "" {
		return ""
	}
	return path
}

// fillBase writes the manifest of the boot loader to path, and the boot loader
// beside it, where another user can read it too.
func (l *lab) fillBase(path string) error {
	if l.loader == "" {
		return nil
	}
	const folder = "loader"
	text := "bootloader:\n  image: oci:" + folder + "\n  title: one of many\n  timeout: 3\n"
	return errors.Join(
		copyTree(l.loader, filepath.Join(filepath.Dir(path), folder), nil),
		os.WriteFile(path, []byte(text), 0o644),
	)
}
