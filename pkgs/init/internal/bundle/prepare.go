package bundle

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Kernel is what preparing a bundle does to the system. System is the real one.
type Kernel interface {
	// Mount is mount(2).
	Mount(source, target, fstype string, flags uintptr, data string) error
	// Unmount is umount2(2).
	Unmount(target string, flags int) error
	// Mkdir makes a directory and those above it, where they are missing.
	Mkdir(path string) error
	// Touch makes an empty file, and the directories above it, where it is missing.
	Touch(path string) error
	// Cgroup makes a control group, by its path in the hierarchy.
	Cgroup(path string) error
}

// Step is one thing to do; exactly one of its parts is set.
type Step struct {
	// Mkdir is a directory to make.
	Mkdir string
	// Cgroup is a control group to make.
	Cgroup string
	// Mount is a call of mount(2).
	Mount *Call
}

// Call is one call of mount(2).
type Call struct {
	Source, Target, Type string
	Flags                uintptr
	Data                 string
}

// Plan returns what prepares a bundle, in order: its control groups, its mounts
// with the directories that they need, and the directories of mkdir. A relative
// destination is below the root filesystem.
func (b Bundle) Plan() []Step {
	var steps []Step
	for _, name := range b.Runtime.Cgroups {
		steps = append(steps, Step{Cgroup: name})
	}
	for _, m := range b.Runtime.Mounts {
		if !filepath.IsAbs(m.Destination) {
			m.Destination = filepath.Join(b.Path, "rootfs", m.Destination)
		}
		steps = append(steps, mountSteps(m)...)
	}
	for _, dir := range b.Runtime.Mkdir {
		steps = append(steps, Step{Mkdir: dir})
	}
	return steps
}

// propagation are the flags that mount(2) takes only alone.
const propagation = unix.MS_SHARED | unix.MS_PRIVATE | unix.MS_SLAVE | unix.MS_UNBINDABLE

// mountSteps are the calls for one mount. mount(2) looks at one kind of change
// at a time: a bind ignores read-only and its like, so they come with a
// remount; a change of propagation comes last, in a call of its own. "remount,
// private" without a source is linuxkit's way to say private: nothing is remounted.
func mountSteps(m Mount) []Step {
	flags, data := options(m.Options)
	var steps []Step
	call := func(c Call) { steps = append(steps, Step{Mount: &c}) }
	if flags&unix.MS_REMOUNT == 0 && (m.Source != "" || m.Type != "") {
		steps = append(steps, Step{Mkdir: m.Destination})
	}
	for _, o := range m.Options {
		key, dir, _ := strings.Cut(o, "=")
		if m.Type == "overlay" && (key == "upperdir" || key == "workdir") {
			steps = append(steps, Step{Mkdir: dir})
		}
	}
	own := flags &^ uintptr(propagation|unix.MS_REC)
	switch {
	case own&unix.MS_BIND != 0 && own&unix.MS_REMOUNT == 0:
		call(Call{m.Source, m.Destination, "", unix.MS_BIND | flags&unix.MS_REC, ""})
		if rest := own &^ unix.MS_BIND; rest != 0 {
			call(Call{"", m.Destination, "", own | unix.MS_REMOUNT, ""})
		}
	case own == unix.MS_REMOUNT && data == "" && flags&propagation != 0:
	case own != 0 || m.Source != "" || m.Type != "":
		call(Call{m.Source, m.Destination, m.Type, own, data})
	}
	for _, p := range []uintptr{unix.MS_SHARED, unix.MS_PRIVATE, unix.MS_SLAVE, unix.MS_UNBINDABLE} {
		if flags&p != 0 {
			rec := flags & unix.MS_REC
			if own&unix.MS_BIND == 0 && !slices.ContainsFunc(m.Options, recursive) {
				rec = 0
			}
			call(Call{"", m.Destination, "", p | rec, ""})
		}
	}
	return steps
}

// recursive tells whether a propagation is meant for all below.
func recursive(option string) bool {
	return slices.Contains([]string{"rshared", "rprivate", "rslave", "runbindable"}, option)
}

// options splits the options of a mount as mount(8) does: into the flags of
// mount(2), and what the filesystem itself understands.
func options(given []string) (uintptr, string) {
	var flags uintptr
	var data []string
	for _, o := range given {
		set, unset, ok := flag(o)
		if !ok {
			data = append(data, o)
			continue
		}
		flags = flags&^unset | set
	}
	return flags, strings.Join(data, ",")
}

// flag returns the flags that a word sets and clears.
func flag(word string) (set, unset uintptr, ok bool) {
	for _, f := range []struct {
		on, off string
		bits    uintptr
	}{
		{"ro", "rw", unix.MS_RDONLY},
		{"nosuid", "suid", unix.MS_NOSUID},
		{"nodev", "dev", unix.MS_NODEV},
		{"noexec", "exec", unix.MS_NOEXEC},
		{"sync", "async", unix.MS_SYNCHRONOUS},
		{"dirsync", "", unix.MS_DIRSYNC},
		{"remount", "", unix.MS_REMOUNT},
		{"mand", "nomand", unix.MS_MANDLOCK},
		{"noatime", "atime", unix.MS_NOATIME},
		{"nodiratime", "diratime", unix.MS_NODIRATIME},
		{"relatime", "norelatime", unix.MS_RELATIME},
		{"strictatime", "nostrictatime", unix.MS_STRICTATIME},
		{"bind", "", unix.MS_BIND},
		{"rbind", "", unix.MS_BIND | unix.MS_REC},
		{"shared", "", unix.MS_SHARED},
		{"rshared", "", unix.MS_SHARED | unix.MS_REC},
		{"private", "", unix.MS_PRIVATE},
		{"rprivate", "", unix.MS_PRIVATE | unix.MS_REC},
		{"slave", "", unix.MS_SLAVE},
		{"rslave", "", unix.MS_SLAVE | unix.MS_REC},
		{"unbindable", "", unix.MS_UNBINDABLE},
		{"runbindable", "", unix.MS_UNBINDABLE | unix.MS_REC},
		{"silent", "loud", unix.MS_SILENT},
	} {
		switch word {
		case f.on:
			return f.bits, 0, true
		case f.off:
			return 0, f.bits, word != ""
		}
	}
	return 0, 0, word == "defaults" || word == ""
}

// Prepare does what Plan says. Where a step fails, the mounts before it are
// taken back.
func (b Bundle) Prepare(k Kernel) error {
	var mounted []string
	for _, s := range b.Plan() {
		if err := s.do(k); err != nil {
			unmount(k, mounted)
			return err
		}
		if s.Mount != nil && s.Mount.makes() {
			mounted = append(mounted, s.Mount.Target)
		}
	}
	return nil
}

// Clean takes the mounts of Prepare back, the last first. What is busy is
// detached: it goes when nobody uses it any more.
func (b Bundle) Clean(k Kernel) {
	var mounted []string
	for _, s := range b.Plan() {
		if s.Mount != nil && s.Mount.makes() {
			mounted = append(mounted, s.Mount.Target)
		}
	}
	unmount(k, mounted)
}

func unmount(k Kernel, mounted []string) {
	for _, target := range slices.Backward(mounted) {
		if k.Unmount(target, 0) != nil {
			// It may never have been mounted: there is nothing else to do then.
			_ = k.Unmount(target, unix.MNT_DETACH)
		}
	}
}

// makes tells whether the call puts something there, rather than changing it.
func (c Call) makes() bool {
	return c.Flags&(unix.MS_REMOUNT|propagation) == 0
}

func (s Step) do(k Kernel) error {
	switch {
	case s.Cgroup != "":
		if err := k.Cgroup(s.Cgroup); err != nil {
			return fmt.Errorf("make the control group %s: %w", s.Cgroup, err)
		}
	case s.Mkdir != "":
		if err := k.Mkdir(s.Mkdir); err != nil {
			return fmt.Errorf("make the directory %s: %w", s.Mkdir, err)
		}
	case s.Mount != nil:
		if err := k.Mount(s.Mount.Source, s.Mount.Target, s.Mount.Type, s.Mount.Flags, s.Mount.Data); err != nil {
			return fmt.Errorf("mount %s on %s: %w", s.Mount.Source, s.Mount.Target, err)
		}
	}
	return nil
}

// BindNamespaces binds the namespaces of a process to the files of bindNS. A
// file of an earlier start is bound anew.
func (b Bundle) BindNamespaces(k Kernel, pid int) error {
	for _, kind := range namespaceKinds() {
		file := b.Runtime.BindNS[kind]
		if file == "" {
			continue
		}
		// Not bound yet is the usual case.
		_ = k.Unmount(file, unix.MNT_DETACH)
		if err := k.Touch(file); err != nil {
			return fmt.Errorf("bindNS: %s: %w", kind, err)
		}
		if err := k.Mount(fmt.Sprintf("/proc/%d/ns/%s", pid, kind), file, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bindNS: %s: bind %s: %w", kind, file, err)
		}
	}
	return nil
}
