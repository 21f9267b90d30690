// Package modules loads kernel modules out of the files that depmod makes:
// modules.dep, modules.alias and modules.builtin (modules.dep(5)). There is no
// kmod in the systems that compose makes; init loads what the hardware asks for,
// and the modprobe package what a manifest lists.
//
// A module's name is written with "_" or "-", it means the same. A module that is
// in the kernel already, or built into it, counts as loaded. What goes into the
// kernel goes through an [Inserter], so that all of this works on a folder of
// files without a kernel:
//
//	set, err := modules.Open("/usr/lib/modules", release, modules.Kernel{})
//	err = set.Load("overlay", "")
//	loaded, err := set.Coldplug("/sys/devices")
//
// A Set is for one goroutine.
package modules

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNotFound is for a name that is no module, no alias and not built in.
var ErrNotFound = errors.New("there is no such module")

// An Inserter puts one module into the kernel. Params is as insmod takes it,
// "key=value key=value". An error that is fs.ErrExist says that it is there
// already.
type Inserter interface {
	Insert(file, params string) error
}

// A Set is the modules of one kernel.
type Set struct {
	dir     string // has modules.dep
	kernel  Inserter
	files   map[string]string   // by name: below dir
	needs   map[string][]string // by name: files, the last to be loaded first
	builtin map[string]bool     // by name
	aliases []alias
	done    map[string]bool // by name: in the kernel
	tried   map[string]bool // by modalias: nothing left to load
}

// alias says that a device or a name that fits pattern is for the module.
type alias struct {
	pattern string
	module  string
}

// Open reads what there is for the kernel release: dir/release/modules.dep, and
// modules.alias and modules.builtin if they are there. An error that is
// fs.ErrNotExist says that there are no modules, as with a kernel that has all
// built in. The Set that comes with it has none, and can be used.
func Open(dir, release string, kernel Inserter) (*Set, error) {
	s := &Set{
		dir: filepath.Join(dir, release), kernel: kernel,
		files: map[string]string{}, needs: map[string][]string{}, builtin: map[string]bool{},
		done: map[string]bool{}, tried: map[string]bool{},
	}
	deps, err := os.ReadFile(filepath.Join(s.dir, "modules.dep"))
	if err != nil {
		return s, fmt.Errorf("modules: %w", err)
	}
	for line := range strings.Lines(string(deps)) {
		file, needs, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok || strings.HasPrefix(file, "#") {
			continue
		}
		name := Name(file)
		s.files[name] = file
		s.needs[name] = strings.Fields(needs)
	}
	var faults []error
	for file, read := range map[string]func(line string){"modules.alias": s.readAlias, "modules.builtin": s.readBuiltin} {
		text, err := os.ReadFile(filepath.Join(s.dir, file))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			faults = append(faults, fmt.Errorf("modules: %w", err))
		}
		for line := range strings.Lines(string(text)) {
			read(strings.TrimSpace(line))
		}
	}
	return s, errors.Join(faults...)
}

// readAlias takes a line of modules.alias, "alias pattern module".
func (s *Set) readAlias(line string) {
	if word := strings.Fields(line); len(word) == 3 && word[0] == "alias" {
		s.aliases = append(s.aliases, alias{word[1], Name(word[2])})
	}
}

// readBuiltin takes a line of modules.builtin, the name of a file that would be
// there were it not built in.
func (s *Set) readBuiltin(line string) {
	if line != "" && !strings.HasPrefix(line, "#") {
		s.builtin[Name(line)] = true
	}
}

// Name returns the name of the module that is in a file, or of one that somebody
// wrote: without folders and suffixes, with "_" for each "-".
func Name(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// Load puts a module into the kernel, after those that it needs. The name is a
// module's or an alias, as the kernel itself asks for them ("fs-vfat"); an alias
// of several modules loads all. It is nothing to load one twice. An error that is
// [ErrNotFound] says that there is none.
func (s *Set) Load(name, params string) error {
	module := Name(name)
	if _, ok := s.files[module]; ok {
		return s.load(module, params)
	}
	if s.builtin[module] {
		return nil
	}
	wanted := s.matching(name)
	if len(wanted) == 0 {
		return fmt.Errorf("module %s: %w", name, ErrNotFound)
	}
	var faults []error
	for _, module := range wanted {
		faults = append(faults, s.load(module, params))
	}
	return errors.Join(faults...)
}

// Loaded returns how many modules this Set has put into the kernel, or found there.
func (s *Set) Loaded() int { return len(s.done) }

// matching returns the modules for an alias that are files of the set.
func (s *Set) matching(name string) []string {
	var modules []string
	for _, a := range s.aliases {
		if _, ok := s.files[a.module]; ok && match(a.pattern, name) {
			modules = append(modules, a.module)
		}
	}
	return modules
}

// load inserts what a module needs, the last first (modules.dep(5)), and it.
func (s *Set) load(module, params string) error {
	if s.done[module] {
		return nil
	}
	for _, file := range slices.Backward(s.needs[module]) {
		if err := s.insert(file, ""); err != nil {
			return fmt.Errorf("module %s: it needs %w", module, err)
		}
	}
	if err := s.insert(s.files[module], params); err != nil {
		return fmt.Errorf("module %w", err)
	}
	return nil
}

func (s *Set) insert(file, params string) error {
	name := Name(file)
	if s.done[name] {
		return nil
	}
	if err := s.kernel.Insert(filepath.Join(s.dir, file), params); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w", name, err)
	}
	s.done[name] = true
	return nil
}
