// Package initd finds the programs of /etc/init.d and /etc/shutdown.d, where
// linuxkit's packages have what is to be started, and what is to be done at the end. Those that linuxkit's init brings for its own steps are
// not run: init does that work itself.
package initd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// onboot is where the containers of onboot stand in the order.
const onboot = "010-onboot"

// own are the steps that are init's.
var own = []string{"005-volumes", onboot, "020-containerd"}

// Self is the program that runs.
const Self = "/proc/self/exe"

// Scripts returns the programs in dir, init.d: before has those that run before the
// containers of onboot, after those after them. A name of init's own steps is left
// out.
func Scripts(dir, self string) (before, after []string, err error) {
	files, err := Programs(dir, self)
	if err != nil {
		return nil, nil, fmt.Errorf("init.d: %w", err)
	}
	for _, file := range files {
		switch name := filepath.Base(file); {
		case slices.Contains(own, name):
		case name < onboot:
			before = append(before, file)
		default:
			after = append(after, file)
		}
	}
	return before, after, nil
}

// Programs returns what can be executed in dir, in the order of the names. A link
// to self, which is init, is left out: init does its work without being called. A
// dir that is not there has none.
func Programs(dir, self string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ours, _ := os.Stat(self)
	var files []string
	for _, e := range entries {
		file := filepath.Join(dir, e.Name())
		info, err := os.Stat(file)
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 || ours != nil && os.SameFile(info, ours) {
			continue
		}
		files = append(files, file)
	}
	return files, nil
}
