package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/composeos/compose/compose/pkg"
	"github.com/composeos/compose/spec"
)

// pkgCommands returns the table of what "compose pkg" does.
func pkgCommands() []command {
	return []command{
		{"pkg build", "make the images of package sources", setupPkgBuild},
		{"pkg push", "make the images, and put them into a registry", setupPkgPush},
		{"pkg lock", "pin the Debian packages that the sources name", setupPkgLock},
		{"pkg vendor", "fetch into a folder all that the sources are made of", setupPkgVendor},
		{"pkg show-tag", "print the tags of images, made of their contents", setupPkgShowTag},
		{"pkg ls", "list package sources", setupPkgList},
	}
}

// setupPkg defines "compose pkg" without a command of its own.
func setupPkg(*flag.FlagSet) action {
	return func(context.Context, *session, []string) error {
		return usagef("pkg", "what is to be done with it? %s", strings.Join(lastWords(pkgCommands()), ", "))
	}
}

// setupPkgBuild defines "compose pkg build [DIR...]".
func setupPkgBuild(fs *flag.FlagSet) action {
	var c packageCommand
	c.define(fs)
	arch := fs.String("arch", "", "")
	again := fs.Bool("again", false, "")
	return func(ctx context.Context, s *session, operands []string) error {
		sources, err := c.sources(operands)
		if err != nil {
			return err
		}
		var arches []string
		if *arch != "" {
			p, err := spec.ParsePlatform(*arch)
			if err != nil {
				return usagef(c.name, "flag -arch: %v", err)
			}
			arches = []string{p.Architecture}
		}
		return c.with(s, func(e *engine, b *pkg.Builder) error {
			made, err := buildAll(ctx, b, sources, arches, *again)
			if err != nil {
				return err
			}
			for _, image := range made {
				if err := keepImage(s, e, image); err != nil {
					return err
				}
			}
			s.ui.close(true)
			return e.prune(ctx, s)
		})
	}
}

// buildAll makes the images of sources, several at once, and returns them in the
// order of the sources. All faults are returned, joined.
func buildAll(ctx context.Context, b *pkg.Builder, sources []*pkg.Source, arches []string, again bool) ([]*pkg.Image, error) {
	made, errs := make([]*pkg.Image, len(sources)), make([]error, len(sources))
	var g errgroup.Group
	g.SetLimit(b.Jobs)
	for i, source := range sources {
		g.Go(func() error {
			made[i], errs[i] = b.Build(ctx, source, arches, again)
			return nil
		})
	}
	_ = g.Wait()
	return made, errors.Join(errs...)
}

// keepImage gives an image its name in the cache, and prints a line for it.
func keepImage(s *session, e *engine, made *pkg.Image) error {
	ref, err := spec.ParseRef(localName(made.Ref()), "")
	if err != nil {
		return err
	}
	if err := e.store.SetRef(ref.String(), v1.Descriptor{MediaType: made.Index.MediaType, Digest: made.Index.Digest, Size: made.Index.Size}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "%s %s\n", made.Index.Digest, ref)
	return written(err)
}

// localName puts localhost in front of the name of an image that names no host:
// else it would be somebody else's, of the registry that is meant then.
func localName(name string) string {
	host, _, found := strings.Cut(name, "/")
	if found && (strings.ContainsAny(host, ".:") || host == "localhost") {
		return name
	}
	return "localhost/" + name
}

// hosts are the machines that build, whose Go toolchains a lock pins.
func hosts() []string { return []string{"linux-amd64", "linux-arm64"} }

// setupPkgLock defines "compose pkg lock".
func setupPkgLock(fs *flag.FlagSet) action {
	var c packageCommand
	c.define(fs)
	update := fs.Bool("update", false, "")
	return func(ctx context.Context, s *session, operands []string) error {
		if err := noOperands(c.name, operands); err != nil {
			return err
		}
		set, err := pkg.OpenSet(c.dir)
		if err != nil {
			return err
		}
		return c.with(s, func(_ *engine, b *pkg.Builder) error {
			if b.Archive.Keyring, err = keyring(set); err != nil {
				return err
			}
			lock, changes, err := b.Resolve(ctx, set, pkg.ResolveOptions{Update: *update, Now: time.Now(), Hosts: hosts()})
			if err != nil {
				return err
			}
			return savePins(s, set, lock, changes)
		})
	}
}

// savePins writes the lock of package sources where it changed, and says how.
func savePins(s *session, set *pkg.Set, lock *spec.DebsLock, changes []pkg.Change) error {
	data, err := lock.Marshal()
	if err != nil {
		return err
	}
	path := set.LockPath()
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if string(old) == string(data) {
		s.ui.notef("%s is up to date", path)
		return nil
	}
	if err := replaceFile(path, data); err != nil {
		return err
	}
	for _, c := range changes {
		switch {
		case c.From == "":
			s.ui.notef("lock: %s is pinned to %s", c.What, c.To)
		case c.To == "":
			s.ui.notef("lock: %s is not used any more", c.What)
		default:
			s.ui.notef("lock: %s moved from %s to %s", c.What, c.From, c.To)
		}
	}
	s.ui.notef("lock: wrote %s", path)
	return nil
}

// setupPkgVendor defines "compose pkg vendor DIR".
func setupPkgVendor(fs *flag.FlagSet) action {
	var c packageCommand
	c.define(fs)
	return func(ctx context.Context, s *session, operands []string) error {
		if len(operands) != 1 {
			return usagef(c.name, "want one folder to fetch into, not %d", len(operands))
		}
		set, err := pkg.OpenSet(c.dir)
		if err != nil {
			return err
		}
		return c.with(s, func(_ *engine, b *pkg.Builder) error {
			return b.Vendor(ctx, set, absolute(operands[0], b.WorkDir), hosts())
		})
	}
}

// setupPkgShowTag defines "compose pkg show-tag [DIR...]".
func setupPkgShowTag(fs *flag.FlagSet) action {
	var c packageCommand
	c.define(fs)
	return func(ctx context.Context, s *session, operands []string) error {
		sources, err := c.sources(operands)
		if err != nil {
			return err
		}
		return c.with(s, func(_ *engine, b *pkg.Builder) error {
			refs, err := tags(ctx, b, sources)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(s.stdout, strings.Join(refs, "\n"))
			return shown(err)
		})
	}
}

// setupPkgList defines "compose pkg ls".
func setupPkgList(fs *flag.FlagSet) action {
	var c packageCommand
	c.define(fs)
	return func(_ context.Context, s *session, operands []string) error {
		if err := noOperands(c.name, operands); err != nil {
			return err
		}
		sources, err := c.sources(nil)
		if err != nil {
			return err
		}
		var b strings.Builder
		t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
		for _, source := range sources {
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", filepath.ToSlash(source.Dir), source.Package.Image,
				strings.Join(source.Package.Builds(), ","), madeOf(source.Package))
		}
		_ = t.Flush()
		_, err = s.stdout.WriteString(b.String())
		return shown(err)
	}
}

// madeOf says in a few words what a source is made of.
func madeOf(p *spec.Package) string {
	var parts []string
	if n := len(p.Debs.Packages); n > 0 {
		parts = append(parts, count(n, "Debian package"))
	}
	if n := len(p.Go); n > 0 {
		parts = append(parts, count(n, "Go program"))
	}
	if n := len(p.Files); n > 0 {
		parts = append(parts, count(n, "file"))
	}
	return strings.Join(parts, ", ")
}
