package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/composeos/compose/compose/pkg"
	"github.com/composeos/compose/compose/pkg/debian"
	"github.com/composeos/compose/compose/pkg/golang"
	"github.com/composeos/compose/spec"
)

// packageFlags are the flags that say where what package sources are made of
// comes from.
type packageFlags struct {
	vendored string // a folder that "compose pkg vendor" filled
	mirror   string // a mirror of Debian
}

func (f *packageFlags) define(fs *flag.FlagSet) {
	fs.StringVar(&f.vendored, "deb-mirror", "", "")
	fs.StringVar(&f.mirror, "mirror", "", "")
}

// builderHow is what of other flags a builder is made by.
type builderHow struct {
	offline bool
	jobs    int
}

// builder returns what makes images of package sources, with the cache of e.
func (f *packageFlags) builder(s *session, e *engine, how builderHow) (*pkg.Builder, error) {
	archive, err := f.archive(s, e)
	if err != nil {
		return nil, err
	}
	archive.Offline = how.offline
	scratch, remove, err := e.store.Folder("go")
	if err != nil {
		return nil, err
	}
	e.after = append(e.after, remove)
	workDir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("where am I: %w", err)
	}
	jobs := how.jobs
	if jobs == 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	options := golang.Options{
		Go: s.program("go"), HostOS: runtime.GOOS, HostArch: runtime.GOARCH, Scratch: scratch, Offline: how.offline, Jobs: how.jobs,
		ModCache: s.getenv("GOMODCACHE"), BuildCache: s.getenv("GOCACHE"), Env: s.environ(),
	}
	if f.vendored != "" {
		options.Vendor = absolute(pkg.GoVendor(f.vendored), workDir)
		if _, err := os.Stat(options.Vendor); errors.Is(err, fs.ErrNotExist) {
			options.Vendor = ""
		}
	}
	if options.Vendor != "" && !how.offline {
		options.Proxy = s.goProxy(options.Go)
	}
	return &pkg.Builder{
		Archive: archive, Go: golang.New(options), Store: e.store, Lease: e.lease, WorkDir: workDir, Jobs: jobs,
		Progress: func(stage, name string) func() { return s.ui.Start(stage, name, 0).Done },
	}, nil
}

// goProxy returns where Go fetches modules from, "" where it does not say.
func (w *world) goProxy(program string) string {
	cmd := exec.CommandContext(context.Background(), program, "env", "GOPROXY")
	cmd.Env = w.environ()
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func absolute(path, workDir string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(workDir, path)
}

// program returns where a program is, "" where PATH has none of that name.
func (w *world) program(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

// archive returns Debian's archive: the mirror that is flagged or in the
// environment, or those that this machine's own apt has.
func (f *packageFlags) archive(s *session, e *engine) (*debian.Archive, error) {
	a := &debian.Archive{Cache: pkg.DebCache(e.lease), Log: s.ui.logger(), Snapshot: s.getenv("COMPOSE_DEB_SNAPSHOT")}
	if f.vendored != "" {
		info, err := os.Stat(f.vendored)
		if err == nil && !info.IsDir() {
			err = errors.New("it is no folder")
		}
		if err != nil {
			return nil, fmt.Errorf("flag -deb-mirror: %w", err)
		}
		a.Vendored = debian.Dir(f.vendored)
	}
	if uri := firstOf(f.mirror, s.getenv("COMPOSE_DEB_MIRROR")); uri != "" {
		mirrors, err := debian.MirrorsOf(uri)
		if err != nil {
			return nil, fmt.Errorf("mirror %q: %w", uri, err)
		}
		a.Mirrors = mirrors
		return a, nil
	}
	a.Mirrors = aptMirrors()
	return a, nil
}

// aptMirrors returns the mirrors in this machine's own apt sources. A file that
// cannot be read says nothing: what is missing in the end is said then.
func aptMirrors() debian.Mirrors {
	const sources = "/etc/apt/sources.list"
	files, _ := filepath.Glob(sources + ".d/*") // the pattern is right
	var all debian.Mirrors
	for _, name := range append([]string{sources}, files...) {
		if !strings.HasSuffix(name, ".list") && !strings.HasSuffix(name, ".sources") {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		mirrors, err := debian.ParseSources(name, data)
		if err != nil {
			continue
		}
		all = all.With(mirrors)
	}
	return all
}

// keyring reads the keys that sign Debian's releases.
func keyring(set *pkg.Set) (*debian.Keyring, error) {
	name := filepath.Join(set.Dir, pkg.KeyringFile)
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, withHint(fmt.Errorf("the keys that sign Debian's releases: %w", err),
			"put the public keys of Debian's archive there, in ASCII armour")
	}
	k, err := debian.ParseKeyring(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return k, nil
}

// packageCommand is what the commands of "compose pkg" have in common.
type packageCommand struct {
	packageFlags
	name     string
	dir      string // where the sources are
	cache    string
	offline  bool
	jobs     int
	progress choice
}

func (c *packageCommand) define(fs *flag.FlagSet) {
	c.name = fs.Name()
	fs.StringVar(&c.dir, "pkgs", "pkgs", "")
	fs.StringVar(&c.cache, "cache", "", "")
	fs.BoolVar(&c.offline, "offline", false, "")
	fs.IntVar(&c.jobs, "jobs", 0, "")
	c.progress.define(fs)
	c.packageFlags.define(fs)
}

// with makes a builder for do.
func (c *packageCommand) with(s *session, do func(*engine, *pkg.Builder) error) error {
	if c.jobs < 0 {
		return usagef(c.name, "flag -jobs: %d is less than 0", c.jobs)
	}
	s.listen(c.progress.value)
	e, err := openCache(s, c.cache, false)
	if err != nil {
		return err
	}
	defer e.close()
	b, err := c.builder(s, e, builderHow{offline: c.offline, jobs: c.jobs})
	if err != nil {
		return err
	}
	return do(e, b)
}

// sources returns the sources in the named folders, or all of the set.
func (c *packageCommand) sources(folders []string) ([]*pkg.Source, error) {
	if len(folders) == 0 {
		set, err := pkg.OpenSet(c.dir)
		if err != nil {
			return nil, err
		}
		return set.Sources, nil
	}
	var sources []*pkg.Source
	var errs []error
	for _, dir := range folders {
		s, err := pkg.Open(dir)
		if beside := filepath.Join(c.dir, dir); errors.Is(err, pkg.ErrNoSource) && isSource(beside) {
			err = withHint(err, "did you mean "+beside+"?")
		}
		errs = append(errs, err)
		sources = append(sources, s)
	}
	return sources, errors.Join(errs...)
}

// isSource tells whether a folder is a package source.
func isSource(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, spec.BuildFile))
	return err == nil
}

// tags works out the digests of sources, in their order.
func tags(ctx context.Context, b *pkg.Builder, sources []*pkg.Source) ([]string, error) {
	var refs []string
	var errs []error
	for _, source := range sources {
		d, err := b.Digest(ctx, source)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		refs = append(refs, localName(source.Package.Image+":"+pkg.Tag(d)))
	}
	return refs, errors.Join(errs...)
}
