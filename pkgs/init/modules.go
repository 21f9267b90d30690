package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/pkgs/internal/modules"
)

// Where modules are, and what says which are wanted.
const (
	modulesFile  = "/etc/modules"                  // a name and its parameters a line
	helperFile   = "/proc/sys/kernel/modprobe"     // what the kernel calls for a module that it wants
	helper       = "/usr/lib/compose/modprobe"     // this program
	otherHelper  = "/sbin/modprobe"                // the kernel's choice
	devices      = "/sys/devices"                  // what asks for modules
	fileSystems  = "/proc/filesystems"             // what the kernel can mount
	overlay      = "overlay"                       // no device asks for it, and every writable container takes it
	moduleDirs   = "/usr/lib/modules:/lib/modules" // where the folder of a release is looked for
	manyWarnings = 5                               // as many lines for one step; the rest is a number
)

// openModules returns the modules of the running kernel.
func openModules() (*modules.Set, error) {
	release, err := modules.Release()
	if err != nil {
		return nil, err
	}
	dir := ""
	for dir = range strings.SplitSeq(moduleDirs, ":") {
		if _, err := os.Stat(filepath.Join(dir, release)); err == nil {
			break
		}
	}
	return modules.Open(dir, release, modules.Kernel{})
}

// modules loads what a list names, overlay, and what the devices ask for, and
// returns how many that are.
func (b *boot) modules() int {
	set, err := openModules()
	if set == nil {
		b.warn(err)
		return 0
	}
	list, listErr := os.ReadFile(modulesFile)
	if listErr != nil && !errors.Is(listErr, fs.ErrNotExist) {
		b.warn(listErr)
	}
	if err != nil && (!errors.Is(err, fs.ErrNotExist) || len(list) > 0) {
		b.warn(err)
	}
	if _, err := os.Stat(otherHelper); err != nil {
		// A kernel without modules has no such file.
		_ = os.WriteFile(helperFile, []byte(helper), 0)
	}
	wanted := parseModules(string(list))
	if !canMount(overlay) {
		wanted = append([]module{{name: overlay}}, wanted...)
	}
	for _, m := range wanted {
		b.warn(set.Load(m.name, m.params))
	}
	_, err = set.Coldplug(devices)
	b.warn(err)
	return set.Loaded()
}

// canMount tells whether the kernel knows a file system.
func canMount(name string) bool {
	text, _ := os.ReadFile(fileSystems)
	return slices.Contains(strings.Fields(string(text)), name)
}

// module is a line of /etc/modules.
type module struct{ name, params string }

// parseModules reads the format of modules-load.d(5) with parameters after the
// name, as in Debian's /etc/modules.
func parseModules(text string) []module {
	var all []module
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) > 0 && !strings.ContainsAny(words[0][:1], "#;") {
			all = append(all, module{words[0], strings.Join(words[1:], " ")})
		}
	}
	return all
}

// modprobe is the command by which the kernel asks for a module
// (call_modprobe of kernel/module/kmod.c): modprobe -q -- NAME.
func modprobe(args []string, stderr io.Writer) int {
	quiet := false
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		quiet = quiet || args[0] == "-q"
		args = args[1:]
	}
	if len(args) == 0 {
		_, _ = fmt.Fprintln(stderr, "usage: modprobe [-q] NAME [PARAMETER=VALUE ...]")
		return 2
	}
	set, err := openModules()
	if err == nil {
		err = set.Load(args[0], strings.Join(args[1:], " "))
	}
	if err == nil {
		return 0
	}
	if !quiet || !errors.Is(err, modules.ErrNotFound) && !errors.Is(err, unix.ENODEV) {
		_, _ = fmt.Fprintln(stderr, "modprobe:", err)
	}
	return 1
}
