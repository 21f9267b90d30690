// Package bundle reads and prepares the bundles of a composed system: what
// runtime.json says is to be done around a container.
//
// What is to be done is first a list of steps, made without looking at the
// system, then done through Kernel: so it can be tested anywhere.
package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sizeLimit is the largest file of a bundle that is read, in bytes.
const sizeLimit = 8 << 20

// Mount is a mount of runtime.json.
type Mount struct {
	Destination string   `json:"destination"`
	Type        string   `json:"type"`
	Source      string   `json:"source"`
	Options     []string `json:"options"`
}

// Interface is a network interface that is made for a container, or moved into it.
type Interface struct {
	Name         string `json:"name"`
	Add          string `json:"add"`
	Peer         string `json:"peer"`
	CreateInRoot bool   `json:"createInRoot"`
}

// Runtime is runtime.json.
type Runtime struct {
	Cgroups    []string          `json:"cgroups"`
	Mounts     []Mount           `json:"mounts"`
	Mkdir      []string          `json:"mkdir"`
	Interfaces []Interface       `json:"interfaces"`
	BindNS     map[string]string `json:"bindNS"`
	Namespace  string            `json:"namespace"`
}

// Between tells whether anything is to be done between a container's making and
// its start.
func (r Runtime) Between() bool {
	for _, path := range r.BindNS {
		if path != "" {
			return true
		}
	}
	return len(r.Interfaces) > 0
}

// ParseRuntime reads runtime.json. Keys it does not know are left out, as
// linuxkit does; paths that lead elsewhere than they say are errors.
func ParseRuntime(data []byte) (Runtime, error) {
	var r Runtime
	if err := json.Unmarshal(data, &r); err != nil {
		return Runtime{}, fmt.Errorf("runtime.json: %w", err)
	}
	paths := slices.Concat(r.Cgroups, r.Mkdir)
	for i, m := range r.Mounts {
		if m.Destination == "" {
			return Runtime{}, fmt.Errorf("runtime.json: mounts[%d] has no destination", i)
		}
		paths = append(paths, m.Destination)
	}
	for i, n := range r.Interfaces {
		if err := checkInterface(n); err != nil {
			return Runtime{}, fmt.Errorf("runtime.json: interfaces[%d]: %w", i, err)
		}
	}
	for kind, p := range r.BindNS {
		if !slices.Contains(namespaceKinds(), kind) {
			return Runtime{}, fmt.Errorf("runtime.json: bindNS: there is no namespace %q", kind)
		}
		if p != "" && !filepath.IsAbs(p) {
			return Runtime{}, fmt.Errorf("runtime.json: bindNS: %s: %q is not an absolute path", kind, p)
		}
		paths = append(paths, p)
	}
	for _, p := range paths {
		if slices.Contains(strings.Split(p, "/"), "..") || strings.ContainsRune(p, 0) {
			return Runtime{}, fmt.Errorf("runtime.json: %q is no path to use", p)
		}
	}
	return r, nil
}

// namespaceKinds are the names below /proc/PID/ns.
func namespaceKinds() []string {
	return []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"}
}

// nameLimit is the longest name of an interface, IFNAMSIZ without its end.
const nameLimit = 15

func checkInterface(n Interface) error {
	for _, name := range []string{n.Name, n.Peer} {
		if len(name) > nameLimit || strings.ContainsAny(name, "/ \x00") {
			return fmt.Errorf("%q cannot name an interface", name)
		}
	}
	switch {
	case n.Name == "":
		return errors.New("it has no name")
	case n.Add == "veth" && n.Peer == "":
		return errors.New("a veth needs a peer")
	}
	return nil
}

// Bundle is a container's directory in the system.
type Bundle struct {
	// Path is the directory, absolute.
	Path string
	// Kind is onboot, onshutdown or services.
	Kind string
	// Name is the directory's own name, and the container's.
	Name string
	// Runtime is its runtime.json; empty where there is none.
	Runtime Runtime
	// Config is its config.json as it lies there.
	Config []byte
}

// Load reads the bundle at dir, which is named after the container and lies in
// a directory named after its kind.
func Load(dir string) (Bundle, error) {
	b := Bundle{Path: dir, Name: filepath.Base(dir), Kind: filepath.Base(filepath.Dir(dir))}
	data, err := readFile(filepath.Join(dir, "runtime.json"))
	switch {
	case err == nil:
		if b.Runtime, err = ParseRuntime(data); err != nil {
			return Bundle{}, err
		}
	case !errors.Is(err, os.ErrNotExist):
		return Bundle{}, err
	}
	b.Config, err = readFile(filepath.Join(dir, "config.json"))
	return b, err
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > sizeLimit || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: no file of at most %d bytes", path, sizeLimit)
	}
	return os.ReadFile(path)
}

// List returns the directories of the bundles in dir, sorted by name; a
// directory that is missing has none.
func List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var paths []string
	for _, e := range entries {
		if e.IsDir() {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, err
}
