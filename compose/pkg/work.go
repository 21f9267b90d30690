package pkg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/composeos/compose/compose/pkg/closure"
	"github.com/composeos/compose/compose/pkg/debian"
	"github.com/composeos/compose/compose/pkg/golang"
	"github.com/composeos/compose/compose/pkg/kernel"
	"github.com/composeos/compose/compose/pkg/spdx"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/spec"
)

// Builder makes images of package sources. It may be used by many goroutines at
// once.
type Builder struct {
	Archive  *debian.Archive // where Debian packages are
	Go       *golang.Go      // builds programs
	Store    *store.Store    // keeps what was made
	Lease    *store.Lease    // of the store
	WorkDir  string          // absolute; what folders of sources are relative to
	Jobs     int             // how many things are done at once; 0: one
	Progress Progress        // may be nil
}

// Progress is told that something begins; it returns what is called at its end. The
// stage is "fetch" or "build".
type Progress func(stage, name string) (done func())

func (b *Builder) begin(stage, name string) func() {
	if b.Progress == nil {
		return func() {}
	}
	return b.Progress(stage, name)
}

// work is the making of one image for one architecture.
type work struct {
	*Builder
	source  *Source
	digest  spec.Digest // of the source
	arch    string
	scratch string // a folder of the moment
	closers []io.Closer
}

// made is what an image is made of.
type made struct {
	tree     *rootfs.Tree
	debs     []deb
	binaries []spdx.Binary
	labels   map[string]string
}

// close lets go of what was opened.
func (w *work) close() {
	for _, c := range slices.Backward(w.closers) {
		_ = c.Close() // all were read from, or are files of the moment
	}
}

// contents puts together what the image will hold, and checks that it is closed:
// that nothing in it needs what is not in it.
func (w *work) contents(ctx context.Context) (*made, error) {
	p := w.source.Package
	u, err := w.unpack(ctx)
	if err != nil {
		return nil, err
	}
	c, err := u.wanted(p.Debs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Pos, err)
	}
	m := &made{debs: u.debs, labels: map[string]string{}}
	if m.binaries, err = w.programs(ctx, c); err != nil {
		return nil, err
	}
	if err := w.files(c, u); err != nil {
		return nil, err
	}
	links(c, p)
	for _, e := range accounts(p) {
		c.put(e)
	}
	if err := w.steps(ctx, c, u, m); err != nil {
		return nil, err
	}
	for _, e := range u.status(p.Debs.Suite) {
		if c[e.Path] == nil { // the source may say it otherwise
			c.put(e)
		}
	}
	c.mergeUsr()
	if m.tree, err = c.tree(); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Pos, err)
	}
	faults := append(closure.Check(slices.Collect(m.tree.Entries()), closure.Options{Arch: w.arch}), mountPoints(p.Config, m.tree)...)
	if len(faults) > 0 {
		return nil, fmt.Errorf("%s: %w", p.Pos, errors.Join(faults...))
	}
	return m, nil
}

// builds returns what the Go toolchain is told of the source's programs.
func (s *Source) builds(arch, workDir string) []golang.Build {
	p := s.Package
	sums := map[string]string{}
	for _, t := range s.Set.Lock.Toolchains {
		if t.Name == p.Toolchain {
			sums[t.Host] = t.Sum
		}
	}
	dir := s.Dir
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(workDir, dir)
	}
	var builds []golang.Build
	for _, g := range p.Go {
		builds = append(builds, golang.Build{
			Toolchain: golang.Toolchain{Version: p.Toolchain, Sums: sums},
			Dir:       dir, Main: g.Main, Module: g.Module, Sum: g.Sum, Package: g.Package, Arch: arch,
		})
	}
	return builds
}

// programs builds the Go programs and adds them, with the licences of what is linked
// in.
func (w *work) programs(ctx context.Context, c contents) ([]spdx.Binary, error) {
	var binaries []spdx.Binary
	for i, build := range w.source.builds(w.arch, w.WorkDir) {
		out := path.Clean(strings.TrimPrefix(w.source.Package.Go[i].Out, "/"))
		build.Out = filepath.Join(w.scratch, fmt.Sprintf("go-%d", i))
		built, err := w.Go.Build(ctx, build)
		if err != nil {
			return nil, fmt.Errorf("%s: go: %s: %w", w.source.Package.At("go", i), out, err)
		}
		e, err := w.opened(build.Out)
		if err != nil {
			return nil, fmt.Errorf("%s: go: %s: %w", w.source.Package.At("go", i), out, err)
		}
		e.Path, e.Mode = out, executable
		c.put(e)
		for _, l := range built.Licences {
			c.put(rootfs.MadeFile(path.Join(docs, "go", l.Path), readable, l.Text))
		}
		binary := spdx.Binary{Path: out, Package: built.Package, SHA256: built.SHA256, Go: built.Go, Main: spdx.Module(plain(built.Main))}
		for _, m := range built.Modules {
			binary.Modules = append(binary.Modules, spdx.Module(plain(m)))
		}
		binaries = append(binaries, binary)
	}
	return binaries, nil
}

// plain is a module without what it stands in for.
func plain(m golang.Module) struct{ Path, Version, Sum string } {
	return struct{ Path, Version, Sum string }{m.Path, m.Version, m.Sum}
}

// steps makes what the steps section declares.
func (w *work) steps(ctx context.Context, c contents, u *unpacked, m *made) error {
	for i, step := range w.source.Package.Steps {
		var err error
		switch {
		case step.Concat != nil:
			err = concat(c, step.Concat)
		case step.Kernel != nil:
			err = w.kernel(ctx, c, u, m, step.Kernel)
		case w.arch == "amd64":
			var e *rootfs.Entry
			if e, err = kernel.Microcode(c.sorted(), step.Microcode.Out); err == nil {
				c.put(e)
			}
		}
		if err != nil {
			return fmt.Errorf("%s: steps[%d]: %w", step.Pos, i, err)
		}
	}
	return nil
}

// maxConcat is how large a joined file may be, in bytes.
const maxConcat = 64 << 20

// concat joins files into one.
func concat(c contents, s *spec.Concat) error {
	files := c.matching(parsePatterns(s.Of))
	if len(files) == 0 {
		return fmt.Errorf("concat: no file matches %s", strings.Join(s.Of, ", "))
	}
	var text []byte
	for _, e := range files {
		if int64(len(text))+e.Size > maxConcat {
			return fmt.Errorf("concat: the files have more than %d bytes", maxConcat)
		}
		if e.Size == 0 {
			continue
		}
		data, err := io.ReadAll(io.NewSectionReader(e.Body, 0, e.Size))
		if err != nil {
			return fmt.Errorf("concat: %s: %w", e.Path, err)
		}
		text = append(text, data...)
		if data[len(data)-1] != '\n' {
			text = append(text, '\n')
		}
	}
	c.put(rootfs.MadeFile(path.Clean(strings.TrimPrefix(s.Out, "/")), readable, text))
	return nil
}

// kernel makes the kernel's files in place of what the packages brought.
func (w *work) kernel(ctx context.Context, c contents, u *unpacked, m *made, s *spec.KernelStep) error {
	o := kernel.Options{Modules: s.Modules, Workers: max(w.Jobs, 1)}
	firmware := parsePatterns(s.Firmware)
	for _, e := range c.sorted() {
		if firmware.match(e.Path) {
			o.Firmware = append(o.Firmware, e)
		}
	}
	entries, err := kernel.Make(ctx, c.sorted(), o)
	if err != nil {
		return err
	}
	words, err := kernel.Decompressors(u.all.sorted())
	if err != nil {
		return err
	}
	if len(words) > 0 {
		m.labels[spec.KernelLabel] = strings.Join(words, " ")
	}
	for p, e := range c {
		if e.Origin != "" && !isCopyright(e) && e.Type != rootfs.Dir {
			delete(c, p)
		}
	}
	for p, e := range c {
		if e.Type == rootfs.Dir && e.Origin != "" && !c.hasBelow(p) {
			delete(c, p)
		}
	}
	for _, e := range entries {
		e.Origin = ""
		c.put(e)
	}
	return nil
}

// hasBelow tells whether anything but directories lies below a path.
func (c contents) hasBelow(dir string) bool {
	for p, e := range c {
		if e.Type != rootfs.Dir && rootfs.Below(p, dir) {
			return true
		}
	}
	return false
}
