package closure

import (
	"debug/elf"
	"path"
	"slices"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// target is what the ELF files of an architecture are.
type target struct {
	name    string // for people
	class   elf.Class
	machine elf.Machine
	triplet string // Debian's directory for its libraries
	musl    string // musl's name for it
}

// targets by the architectures of images.
var targets = map[string]target{
	"amd64": {"amd64", elf.ELFCLASS64, elf.EM_X86_64, "x86_64-linux-gnu", "x86_64"},
	"arm64": {"arm64", elf.ELFCLASS64, elf.EM_AARCH64, "aarch64-linux-gnu", "aarch64"},
}

// machineName says for what machine an object is.
func machineName(o *object) string {
	return strings.TrimPrefix(o.machine.String(), "EM_") + " " + strings.TrimPrefix(o.class.String(), "ELFCLASS") + "-bit"
}

// note keeps what an object tells of the whole image: the directories it names and
// the interpreter it runs under.
func (c *check) note(e *rootfs.Entry, o *object) {
	for _, list := range []string{o.rpath, o.runpath} {
		for _, dir := range c.searched(e, list) {
			if !slices.Contains(c.ranAlong, dir) {
				c.ranAlong = append(c.ranAlong, dir)
			}
		}
	}
	if name := path.Base(o.interp); o.interp != "" && !slices.Contains(c.loaders, name) {
		c.loaders = append(c.loaders, name)
	}
}

// dirs are the directories in which the dynamic linker looks for the libraries of
// an object, in its order (ld.so(8)): DT_RPATH if there is no DT_RUNPATH,
// DT_RUNPATH, what ldconfig has found, and its own.
func (c *check) dirs(e *rootfs.Entry, o *object) []string {
	list := o.runpath
	if list == "" {
		list = o.rpath
	}
	dirs := append(c.searched(e, list), c.configured...)
	if strings.HasPrefix(path.Base(o.interp), "ld-musl-") {
		return append(dirs, "lib", "usr/local/lib", "usr/lib")
	}
	return append(dirs, "lib/"+c.target.triplet, "usr/lib/"+c.target.triplet, "lib", "usr/lib")
}

// searched are the directories of a DT_RPATH or DT_RUNPATH.
func (c *check) searched(e *rootfs.Entry, list string) []string {
	var dirs []string
	for dir := range strings.SplitSeq(list, ":") {
		if dir = c.expand(e, dir); strings.HasPrefix(dir, "/") {
			dirs = append(dirs, strings.TrimPrefix(path.Clean(dir), "/"))
		}
	}
	return dirs
}

// expand puts values for the names that ld.so knows (ld.so(8), "Dynamic string
// tokens"). $LIB is not the same everywhere: it stands for Debian's.
func (c *check) expand(e *rootfs.Entry, text string) string {
	for _, v := range []struct{ name, value string }{
		{"ORIGIN", "/" + rootfs.Parent(e.Path)}, {"LIB", "lib/" + c.target.triplet}, {"PLATFORM", c.target.musl},
	} {
		text = strings.ReplaceAll(text, "${"+v.name+"}", v.value)
		text = strings.ReplaceAll(text, "$"+v.name, v.value)
	}
	return text
}

// maxConf is how much of a file that configures the dynamic linker is read, and
// maxConfs how many such files are.
const (
	maxConf  = 1 << 16
	maxConfs = 256
)

// configuredDirs are what etc/ld.so.conf names, if ldconfig has run: the linker of
// glibc reads etc/ld.so.cache alone. musl's reads its own file.
func (c *check) configuredDirs() []string {
	var dirs []string
	if c.file("etc/ld.so.cache") != nil {
		dirs = c.conf("etc/ld.so.conf", new(int))
	}
	for dir := range strings.FieldsFuncSeq(c.text("etc/ld-musl-"+c.target.musl+".path"), func(r rune) bool { return r == ':' || r == '\n' }) {
		dirs = append(dirs, strings.Trim(dir, "/"))
	}
	return dirs
}

// conf reads a configuration of ldconfig, with the files that it includes.
func (c *check) conf(name string, files *int) []string {
	if *files++; *files > maxConfs {
		return nil
	}
	var dirs []string
	for line := range strings.Lines(c.text(name)) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == "include":
			for _, pattern := range words[1:] {
				if !strings.HasPrefix(pattern, "/") {
					pattern = "/" + rootfs.Join(rootfs.Parent(name), pattern)
				}
				for _, included := range c.glob(strings.TrimPrefix(pattern, "/")) {
					dirs = append(dirs, c.conf(included, files)...)
				}
			}
		default:
			dirs = append(dirs, strings.Trim(words[0], "/"))
		}
	}
	return dirs
}

// glob returns the files that a pattern names, in byte order.
func (c *check) glob(pattern string) []string {
	var names []string
	for name := range c.byPath {
		if ok, err := path.Match(pattern, name); err == nil && ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// text is the beginning of a small file; "" if it cannot be read.
func (c *check) text(name string) string {
	e := c.file(name)
	if e == nil || e.Body == nil {
		return ""
	}
	b := make([]byte, min(e.Size, maxConf))
	if err := readFull(e, b, 0); err != nil {
		return ""
	}
	return string(b)
}
