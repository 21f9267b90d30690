// Package delegate hands the control groups (version 2) down to containers. A
// group other than the root can have processes or children with controllers, not
// both (cgroup-v2.rst, "No Internal Process Constraint"), so init goes into a
// child of its own before it turns the controllers on.
package delegate

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Init is the name of the group that init is in.
const Init = "init"

// Groups moves the calling process from the hierarchy at dir into the group
// [Init], and turns on for the children of dir each controller that there is. One
// that cannot be turned on does not stop the others; the errors are joined.
func Groups(dir string) error {
	own := filepath.Join(dir, Init)
	if err := os.MkdirAll(own, 0o755); err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	if err := write(filepath.Join(own, "cgroup.procs"), "0"); err != nil {
		return err
	}
	controllers, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	var faults []error
	for c := range strings.FieldsSeq(string(controllers)) {
		faults = append(faults, write(filepath.Join(dir, "cgroup.subtree_control"), "+"+c))
	}
	return errors.Join(faults...)
}

// write gives one word to a file of the kernel's, which takes it in one write.
func write(file, word string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	_, err = f.WriteString(word + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("cgroup: %s: %w", word, err)
	}
	return nil
}
