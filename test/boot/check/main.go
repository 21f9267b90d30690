// Command check is the init of a guest that checks what its kernel has unpacked
// from an initramfs. It compares every path of the root filesystem, of which
// nothing else has been mounted or run, with the [list.List] in it; it says what
// is different and then one [list.Verdict]; and it turns the machine off. Or, where
// its environment has [list.Look], it says from what the machine was started.
//
// What it says goes to the console, which the kernel opens for its init.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/test/boot/list"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "check: is for a guest to start as its init: it turns the machine off")
		os.Exit(2)
	}
	quiet()
	if slices.Contains(os.Environ(), list.Look) {
		look()
	} else {
		compareAll()
	}
	if err := powerOff(); err != nil {
		fmt.Println("power off:", err)
	}
}

// compareAll compares all that the kernel has unpacked, and says what it finds.
func compareAll() {
	v := check("/", slices.Contains(os.Environ(), list.All))
	log, err := kernelLog()
	if v.add(complaints(log)...); err != nil {
		v.add(err.Error())
	}
	v.say()
}

// verdict is what is found out.
type verdict struct {
	truncated    bool
	need         int64
	paths, links int
	differences  []string
}

func (v *verdict) add(differences ...string) { v.differences = append(v.differences, differences...) }

// check compares what is below root with the list there. all tells whether it
// reads every file.
func check(root string, all bool) *verdict {
	v := &verdict{need: max(0, number(path.Join(root, list.Memory)))}
	count := number(path.Join(root, list.Complete))
	f, err := os.Open(path.Join(root, list.File))
	if count < 0 || errors.Is(err, fs.ErrNotExist) {
		v.truncated = true
		return v
	}
	if err != nil {
		v.add(err.Error())
		return v
	}
	defer f.Close()
	want, err := list.Read(f)
	if err != nil {
		v.add(err.Error())
		return v
	}
	if count != int64(want.Count) {
		v.add(fmt.Sprintf("%s says %d, want %d", list.Complete, count, want.Count))
	}
	if v.need == 0 {
		v.add(list.Memory + " says nothing")
	}
	found, err := walk(root)
	if err != nil {
		v.add(err.Error())
		return v
	}
	v.paths = len(found)
	differences, links := compare(want, found)
	v.links = links
	v.add(differences...)
	files := slices.DeleteFunc(pick(want.Paths, all), func(p list.Path) bool { // a fifo would never end
		return found[p.Name] == nil || found[p.Name].Mode&unix.S_IFMT != unix.S_IFREG
	})
	differences, bytes := contents(root, files)
	v.add(differences...)
	fmt.Printf("read %d bytes of %d files\n", bytes, len(files))
	return v
}

// number reads a file of digits and a newline; -1 is none. The kernel may leave a
// file that it could not fill: it has its length, and holds zeros.
func number(name string) int64 {
	b, err := os.ReadFile(name)
	if err != nil {
		return -1
	}
	digits, ended := strings.CutSuffix(string(b), "\n")
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || !ended {
		return -1
	}
	return int64(n)
}

// say prints the differences, not all if they are many, and the verdict.
func (v *verdict) say() {
	const most = 20
	for i, d := range v.differences {
		if i == most {
			fmt.Println("and more")
			break
		}
		fmt.Println(d)
	}
	var s unix.Sysinfo_t
	if unix.Sysinfo(&s) == nil {
		unit := uint64(s.Unit)
		fmt.Printf("memory: %d MiB, %d of them free\n", s.Totalram*unit>>20, s.Freeram*unit>>20)
	}
	switch {
	case v.truncated:
		fmt.Printf("%s need=%d\n", list.Truncated, v.need)
	case len(v.differences) > 0:
		fmt.Printf("%s differences=%d\n", list.Bad, len(v.differences))
	default:
		fmt.Printf("%s paths=%d links=%d\n", list.OK, v.paths, v.links)
	}
}
