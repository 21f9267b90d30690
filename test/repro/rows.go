package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
// empty one, and every row begins without a lock. The fixture is run in every way
// with each compression. The workload takes long: there what costs most, an empty
// cache, is shared out among the compressions.
func rows() []row {
	return slices.Concat(plainRows(), formatRows(), cacheRows(), otherRows())
}

// plainRows vary what surrounds a build.
func plainRows() []row {
	return []row{
		{name: "the first run", on: onAll, first: true, vary: first},
		{name: "two seconds later", on: onFixtureGzip, vary: later},
		{name: "TZ=Asia/Kathmandu", on: onFixtures, vary: env("TZ", "Asia/Kathmandu")},
		{name: "LANG=tr_TR.UTF-8 LC_ALL=tr_TR.UTF-8", on: onFixtures, vary: env("LANG", "tr_TR.UTF-8", "LC_ALL", "tr_TR.UTF-8")},
		{name: "umask 077", on: onFixtures, vary: umask("077")},
		{name: "umask 000", on: onFixtures, vary: umask("000")},
		{name: "GOMAXPROCS=1", on: onFixtures, vary: env("GOMAXPROCS", "1")},
		{name: "GOMAXPROCS=8", on: onFixtures, vary: env("GOMAXPROCS", "8")},
		{name: "GOGC=5", on: onFixtures, vary: env("GOGC", "5")},
		{name: "-jobs 1", on: onFixtures, vary: flags("-jobs", "1")},
		{name: "-jobs 8", on: onFixtures, vary: flags("-jobs", "8")},
		{name: "another HOME", on: onFixtures, vary: otherHome},
		{name: "another working directory", on: onFixtures, vary: otherFolder},
		{name: "TMPDIR on tmpfs", on: onFixtures, vary: tmpfs("tmp")},
		{name: "all of it on tmpfs", on: onFixtures, vary: tmpfs("all")},
		{name: "another user, umask 077, TZ", on: onFixtures, vary: otherUser},
		{name: "another user, umask 077, TZ; archive in another order", on: onWorkloadGzip, vary: then(shuffledArchive, otherUser)},
		{name: "another host name, no network", on: onFixtures, vary: otherHost},
		{name: "with its lock, -frozen, SOURCE_DATE_EPOCH=1", on: onFixtures, vary: then(locked("1"), flags("-frozen"))},
		{name: "with its lock, SOURCE_DATE_EPOCH=4102444800", on: onFixtures, vary: locked("4102444800")},
		{name: "in a guest: kernel, host, user, processors, year 2038", on: onFixtures, vary: inGuest},
		{name: "two at once on an empty cache, GOMAXPROCS=1 and 8", on: onAll, vary: then(env("GOMAXPROCS", "1"), twoAtOnce("GOMAXPROCS", "8"))},
	}
}

// formatRows vary how the formats are asked for, and what is there of them.
func formatRows() []row {
	return []row{
		{name: "-compress gzip, which is the default", on: onFixtureGzip, vary: flags("-compress", "gzip")},
		{name: "formats in another order", on: onFixtures, vary: shuffledFormats},
		{name: "one format at a time", on: onFixtures, vary: oneAtATime},
		{name: "one format at a time, cache: empty for each", on: onFixtures, vary: then(oneAtATime, emptyForEach)},
		{name: "one format at a time, cache: warm", on: onAll &^ onWorkloadGzip, vary: then(warm, oneAtATime)},
		{name: "one format at a time, to standard output", on: onFixtures, vary: then(oneAtATime, toStdout)},
		{name: "one format at a time, to standard output, cache: warm", on: onWorkloadGzip, vary: then(warm, oneAtATime, toStdout)},
		{name: "output: there already", on: onFixtures | onWorkloadGzip, vary: then(warm, there)},
		{name: "output: there already, -verify", on: onFixtures, vary: then(there, flags("-verify"))},
		{name: "output: there, each with a byte changed", on: onFixtures, vary: spoiled},
	}
}

// cacheRows vary what is in the cache. What a row does to a note that its build
// does not read stays as it is: the workload's cache, which rows share, keeps
// only notes that all of them read.
func cacheRows() []row {
	const onBoth = onFixtures | onWorkloadGzip
	return []row{
		{name: "cache: warm", on: onAll, vary: warm},
		{name: "cache: warm, -verify", on: onBoth, vary: then(warm, flags("-verify"))},
		{name: "cache: warm, of another system too", on: onFixtures, vary: then(warm, damage(removeSums), changedBefore)},
		{name: "cache: copied", on: onFixtures, vary: then(warm, copiedCache)},
		{name: "cache: copied, and of another system too", on: onWorkloadGzip, vary: then(warm, copiedCache, damage(removeSums), changedBefore)},
		{name: "cache: read-only, of another user", on: onBoth, vary: then(warm, readOnly)},
		{name: "cache: read-only, of another user, without members", on: onMembers, vary: then(warm, damage(removeMembers), readOnly)},
		{name: "cache: a byte changed in each layer", on: onFixtures | onWorkloadNone, vary: then(warm, damage(flipLayers))},
		{name: "cache: a byte changed in each index", on: onBoth, vary: then(warm, damage(flipIndexes))},
		{name: "cache: indexes cut short", on: onFixtures, vary: then(warm, damage(cutIndexes))},
		{name: "cache: layers cut short", on: onFixtures, vary: then(warm, damage(cutLayers))},
		{name: "cache: a byte changed in each member", on: onMembers | onWorkloadZstd, vary: then(warm, damage(flipMembers))},
		{name: "cache: members cut short", on: onMembers, vary: then(warm, damage(cutMembers))},
		{name: "cache: members exchanged", on: onMembers, vary: then(warm, exchange(flipMembers))},
		{name: "cache: stamps of members removed", on: onMembers, vary: then(warm, damage(dropMemberStamps))},
		{name: "cache: stamps removed", on: onFixtures, vary: then(warm, damage(removeStamps))},
		{name: "cache: a byte changed in each note", on: onFixtures, vary: then(warm, damage(flipNotes))},
		{name: "cache: a byte changed in each remembered hash", on: onFixtures, vary: then(warm, damage(flipSums))},
		{name: "cache: remembered hashes cut short", on: onFixtures, vary: then(warm, damage(cutSums))},
		{name: "cache: remembered hashes exchanged", on: onFixtures, vary: then(warm, exchange(flipSums))},
		{name: "cache: every other remembered hash removed", on: onFixtures | onWorkloadZstd, vary: then(warm, damage(removeHalfSums))},
		{name: "cache: every other file removed", on: onFixtures, vary: then(warm, damage(removeHalf))},
	}
}

// otherRows vary the inputs' order, and compose itself.
func otherRows() []row {
	return []row{
		{name: "inputs: layout written in another order", on: onFixtures, vary: shuffledLayout},
		{name: "inputs: keys of the manifest in another order", on: onFixtures, vary: shuffledKeys},
		{name: "inputs: keys of the manifest and formats in another order", on: onWorkloadGzip, vary: then(warm, shuffledKeys, shuffledFormats)},
		{name: "inputs: folders list in random order (FUSE)", on: onFixtures, vary: disorder},
		{name: "compiler: go1.27", on: onFixtures | onWorkloadGzip, vary: compiledBy("go1.27.0")},
		{name: "compiler: go1.26", on: onFixtures, vary: compiledBy("go1.26.8")},
		{name: "processor: linux/386", on: onFixtures, vary: compiledFor("386")},
		{name: "processor: linux/arm64 (qemu)", on: onFixtures, vary: compiledFor("arm64")},
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

// oneAtATime builds each format by itself.
func oneAtATime(_ context.Context, r *run) error {
	r.apart = true
	return nil
}

// emptyForEach begins each build with an empty cache.
func emptyForEach(_ context.Context, r *run) error {
	r.fresh = true
	return nil
}

// toStdout writes what is one file to standard output.
func toStdout(_ context.Context, r *run) error {
	r.stdout = true
	return nil
}

// shuffledFormats names the formats in another order.
func shuffledFormats(_ context.Context, r *run) error {
	r.formats = slices.Clone(r.formats)
	r.lab.random.Shuffle(len(r.formats), func(i, j int) { r.formats[i], r.formats[j] = r.formats[j], r.formats[i] })
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
	if images, copied := r.subject.images, filepath.Join(r.place, "images.tar"); images != "" && images != copied {
		if err := copyFile(images, copied); err != nil {
			return err
		}
		r.subject = r.subject.from(copied)
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

// locked has the lock of a run before, and a time that the lock overrules.
func locked(epoch string) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		if _, err := r.build(ctx); err != nil {
			return err
		}
		r.env["SOURCE_DATE_EPOCH"] = epoch
		return os.RemoveAll(r.cache)
	}
}
