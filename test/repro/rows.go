package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// row is one way to run a build.
type row struct {
	name  string
	on    kind
	first bool // the row that all others have to equal
	vary  func(ctx context.Context, r *run) error
}

// rows is the matrix. A row that names nothing of the cache begins with an
// empty one, and every row begins without a lock.
func rows() []row {
	return []row{
		{name: "the first run", on: onBoth, first: true},
		{name: "two seconds later", on: onFixture, vary: later},
		{name: "TZ=Asia/Kathmandu", on: onFixture, vary: env("TZ", "Asia/Kathmandu")},
		{name: "LANG=tr_TR.UTF-8 LC_ALL=tr_TR.UTF-8", on: onFixture, vary: env("LANG", "tr_TR.UTF-8", "LC_ALL", "tr_TR.UTF-8")},
		{name: "umask 077", on: onFixture, vary: umask("077")},
		{name: "umask 000", on: onFixture, vary: umask("000")},
		{name: "GOMAXPROCS=1", on: onFixture, vary: env("GOMAXPROCS", "1")},
		{name: "GOMAXPROCS=8", on: onBoth, vary: env("GOMAXPROCS", "8")},
		{name: "GOGC=5", on: onFixture, vary: env("GOGC", "5")},
		{name: "-jobs 1", on: onBoth, vary: flags("-jobs", "1")},
		{name: "-jobs 8", on: onFixture, vary: flags("-jobs", "8")},
		{name: "another HOME", on: onFixture, vary: otherHome},
		{name: "another working directory", on: onFixture, vary: otherFolder},
		{name: "TMPDIR on tmpfs", on: onFixture, vary: tmpfs("tmp")},
		{name: "all of it on tmpfs", on: onFixture, vary: tmpfs("all")},
		{name: "another user, umask 077, TZ", on: onBoth, vary: otherUser},
		{name: "another host name, no network", on: onFixture, vary: otherHost},
		{name: "written to standard output", on: onBoth, vary: toStdout},
		{name: "with its lock, -frozen, SOURCE_DATE_EPOCH=1", on: onFixture, vary: frozen},
		{name: "cache: warm", on: onBoth, vary: warm},
		{name: "cache: warm, -verify", on: onBoth, vary: then(warm, flags("-verify"))},
		{name: "cache: copied", on: onBoth, vary: then(warm, copiedCache)},
		{name: "cache: a byte changed in each layer", on: onBoth, vary: then(warm, damage(flipLayers))},
		{name: "cache: a byte changed in each index", on: onBoth, vary: then(warm, damage(flipIndexes))},
		{name: "cache: indexes cut short", on: onBoth, vary: then(warm, damage(cutIndexes))},
		{name: "cache: layers cut short", on: onFixture, vary: then(warm, damage(cutLayers))},
		{name: "cache: stamps removed", on: onFixture, vary: then(warm, damage(removeStamps))},
		{name: "cache: a byte changed in each note", on: onFixture, vary: then(warm, damage(flipNotes))},
		{name: "cache: every other file removed", on: onFixture, vary: then(warm, damage(removeHalf))},
		{name: "output: there, with a byte changed", on: onFixture, vary: spoiled},
		{name: "cache: two builds at once on an empty one", on: onBoth, vary: twoAtOnce},
		{name: "inputs: layout written in another order", on: onFixture, vary: shuffledLayout},
		{name: "inputs: archive in another order", on: onWorkload, vary: shuffledArchive},
		{name: "inputs: keys of the manifest in another order", on: onBoth, vary: shuffledKeys},
		{name: "inputs: folders list in random order (FUSE)", on: onBoth, vary: disorder},
		{name: "compiler: go1.27", on: onBoth, vary: compiledBy("go1.27.0")},
		{name: "compiler: go1.26", on: onBoth, vary: compiledBy("go1.26.8")},
		{name: "processor: linux/386", on: onFixture, vary: compiledFor("386")},
		{name: "processor: linux/arm64 (qemu)", on: onFixture, vary: compiledFor("arm64")},
	}
}

// then varies a run by one after the other.
func then(all ...func(context.Context, *run) error) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		for _, f := range all {
			if err := f(ctx, r); err != nil {
				return err
			}
		}
		return nil
	}
}

// env sets variables of the environment, given as name and value.
func env(pairs ...string) func(context.Context, *run) error {
	return func(_ context.Context, r *run) error {
		for i := 0; i < len(pairs); i += 2 {
			r.env[pairs[i]] = pairs[i+1]
		}
		return nil
	}
}

func umask(mask string) func(context.Context, *run) error {
	return func(_ context.Context, r *run) error { r.umask = mask; return nil }
}

func flags(args ...string) func(context.Context, *run) error {
	return func(_ context.Context, r *run) error { r.args = append(r.args, args...); return nil }
}

func later(ctx context.Context, _ *run) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(2 * time.Second):
		return nil
	}
}

func otherHome(_ context.Context, r *run) error {
	r.env["HOME"] = filepath.Join(r.place, "a home with spaces")
	r.env["XDG_CACHE_HOME"] = filepath.Join(r.place, "xdg")
	return nil
}

func otherFolder(_ context.Context, r *run) error {
	r.cwd = "/"
	return nil
}

func toStdout(_ context.Context, r *run) error {
	r.stdout = true
	return nil
}

// tmpfs moves the temporary files, or all of the run, to memory.
func tmpfs(what string) func(context.Context, *run) error {
	return func(_ context.Context, r *run) error {
		dir, err := os.MkdirTemp("/dev/shm", "compose-repro-")
		if err != nil {
			return skipped("no /dev/shm: " + err.Error())
		}
		r.undo = append(r.undo, func() error { return os.RemoveAll(dir) })
		if what == "tmp" {
			r.env["TMPDIR"] = dir
			return nil
		}
		r.place, r.cache = dir, filepath.Join(dir, "cache")
		return r.subject.fill(r.in())
	}
}

// otherUser is one without a name, a group or rights.
func otherUser(_ context.Context, r *run) error {
	if os.Geteuid() != 0 {
		return skipped("only root can be another user")
	}
	program := filepath.Join(r.place, "compose") // the repository may be closed to it
	if err := copyFile(r.program[0], program); err != nil {
		return err
	}
	if images := r.subject.images; images != "" {
		s := *r.subject
		s.images = filepath.Join(r.place, "images.tar")
		if err := copyFile(images, s.images); err != nil {
			return err
		}
		r.subject = &s
	}
	r.program, r.user, r.umask, r.env["TZ"] = []string{program}, 54321, "077", "America/St_Johns"
	return nil
}

// otherHost has another name and no network interface that is up.
func otherHost(_ context.Context, r *run) error {
	if os.Geteuid() != 0 {
		return skipped("only root can unshare the host name")
	}
	if err := exec.Command("unshare", "--uts", "--net", "true").Run(); err != nil {
		return skipped("unshare: " + err.Error())
	}
	script := `echo elsewhere > /proc/sys/kernel/hostname; exec "$0" "$@"`
	r.program = append([]string{"unshare", "--uts", "--net", "sh", "-c", script}, r.program...)
	return nil
}

// frozen has the lock of a run before, and a time that the lock overrules.
func frozen(ctx context.Context, r *run) error {
	if _, err := r.build(ctx); err != nil {
		return err
	}
	r.args = append(r.args, "-frozen")
	r.env["SOURCE_DATE_EPOCH"] = "1"
	return os.RemoveAll(r.cache)
}
