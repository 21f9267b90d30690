package main

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/outputs"
)

// buildCommand is "compose build".
type buildCommand struct {
	common
	format   formatsFlag
	compress choice
	size     diskSize
	dir      string
	out      string
	name     string
	frozen   bool
	strict   bool
	dry      bool
	set      map[string]bool // the flags that were given

	formats []outputs.Format
}

// setupBuild defines "compose build".
func setupBuild(fs *flag.FlagSet) action {
	var c buildCommand
	c.define(fs)
	fs.Var(&c.format, "format", "")
	for _, compression := range outputs.Compressions() {
		c.compress.allowed = append(c.compress.allowed, string(compression))
	}
	fs.Var(&c.compress, "compress", "")
	fs.Var(&c.size, "size", "")
	fs.StringVar(&c.dir, "dir", "", "")
	fs.StringVar(&c.out, "o", "", "")
	fs.StringVar(&c.name, "name", "", "")
	fs.BoolVar(&c.frozen, "frozen", false, "")
	fs.BoolVar(&c.strict, "strict", false, "")
	fs.BoolVar(&c.dry, "dry-run", false, "")
	return func(ctx context.Context, s *session, operands []string) error {
		c.set = map[string]bool{}
		fs.Visit(func(f *flag.Flag) { c.set[f.Name] = true })
		return c.run(ctx, s, operands)
	}
}

// defaultFormat is what is written where no -format is given.
const defaultFormat = "kernel+initrd"

func (b *buildCommand) run(ctx context.Context, s *session, operands []string) error {
	if err := b.check(operands); err != nil {
		return err
	}
	if err := b.begin(s); err != nil {
		return err
	}
	if _, err := s.cacheSize(); err != nil {
		return err
	}
	in, err := b.load(s, operands)
	if err != nil {
		return err
	}
	if err := (outputs.Options{Name: b.imageName(in)}).Validate(); err != nil {
		return err
	}
	b.warnUnused(s)
	if b.dry {
		return b.dryRun(ctx, s, in)
	}
	e, err := b.open(s)
	if err != nil {
		return err
	}
	defer e.close()
	return b.build(ctx, s, e, in)
}

// warnUnused says that -compress or -size is about nothing that is written.
func (b *buildCommand) warnUnused(s *session) {
	if b.compress.value != "" && !slices.ContainsFunc(b.formats, outputs.Format.Compresses) {
		s.ui.warnf("-compress has no effect: %s is not compressed", namesOf(b.formats))
	}
	if b.size > 0 && !slices.ContainsFunc(b.formats, outputs.Format.Sized) {
		s.ui.warnf("-size has no effect: %s is as large as it has to be", namesOf(b.formats))
	}
}

// build locks, composes and writes. The old lock and the old files stay until
// everything that can fail has been tried.
func (b *buildCommand) build(ctx context.Context, s *session, e *engine, in *input) error {
	r, err := b.pin(ctx, s, e, in)
	if err != nil {
		return err
	}
	job := &writeJob{buildCommand: b, session: s, engine: e, in: in, lock: r.lock}
	if err := job.identify(); err != nil {
		return err
	}
	if done, err := job.unchanged(); done || err != nil {
		return firstError(err, func() error { return b.saveLock(s, in, r) }, job.report)
	}
	if err := b.probeLock(in, r); err != nil {
		return err
	}
	result, err := compose.Build(ctx, in.manifest, compose.Options{
		Lock: r.lock, Policy: in.policy, Evidence: r.evidence, Platform: in.platform, Source: e.images, Lease: e.lease,
		Dir: in.lockDir, Home: s.home(), Jobs: b.jobs, Progress: s.ui,
	})
	if err != nil {
		return err
	}
	if err := job.accept(result); err != nil {
		return err
	}
	return firstError(ctx.Err(),
		func() error { return job.write(ctx, result.Tree, func() error { return b.saveLock(s, in, r) }) },
		job.remember,
		job.report,
		func() error { return e.prune(ctx, s) },
	)
}

// firstError calls steps until one fails.
func firstError(err error, steps ...func() error) error {
	for _, step := range steps {
		if err != nil {
			return err
		}
		err = step()
	}
	return err
}

// pin makes the lock that the build goes by, and refuses a change to it where
// it is frozen.
func (b *buildCommand) pin(ctx context.Context, s *session, e *engine, in *input) (*resolved, error) {
	if b.frozen && in.lock == nil {
		return nil, hinted("-frozen: there is no lock"+at(in.lockPath), lockHint)
	}
	t, err := epoch(seconds{}, s.world)
	if err != nil {
		return nil, err
	}
	warnSourceDate(s, in.lock, t)
	return b.resolve(ctx, s, in, e, resolveHow{add: in.lock == nil, frozen: b.frozen, epoch: t})
}

func at(path string) string {
	if path == "" {
		return ""
	}
	return " at " + path
}

// probeLock fails where the lock will have to be written and cannot be: better
// now than after all the work.
func (b *buildCommand) probeLock(in *input, r *resolved) error {
	if !r.changed() || in.lockPath == "" {
		return nil
	}
	return probeLock(in.lockPath)
}

// saveLock writes the lock where it changed and has a place, and says so.
func (b *buildCommand) saveLock(s *session, in *input, r *resolved) error {
	if !r.changed() {
		return nil
	}
	if in.lockPath == "" {
		s.ui.notef("lock: none is written for standard input; name a place with -lock FILE")
		return nil
	}
	if err := saveLocked(in.lockPath, r.lock, in.evidence, r.evidence); err != nil {
		return err
	}
	r.say(s.ui)
	sayWritten(s.ui, in, r)
	return nil
}

// check refuses flags that make no sense together.
func (b *buildCommand) check(operands []string) error {
	if len(operands) == 0 {
		return usagef("build", "no manifest is named")
	}
	b.formats = b.format.formats
	if len(b.formats) == 0 {
		f, ok := outputs.Lookup(defaultFormat)
		if !ok {
			return fmt.Errorf("there is no output format %q", defaultFormat)
		}
		b.formats = []outputs.Format{f}
	}
	if slices.Contains(standardOutput[:], b.out) {
		b.out = "-"
	}
	switch {
	case b.set["o"] && b.set["dir"]:
		return usagef("build", "-o and -dir both say where to write")
	case b.set["o"] && b.out == "":
		return usagef("build", "flag -o: the value is empty")
	case b.set["o"] && (len(b.formats) > 1 || len(b.formats[0].Files("x")) > 1):
		return usagef("build", "-o takes one file, and %s would write more: use -dir, or a -format of one file, such as tar", namesOf(b.formats))
	case b.set["name"] && (outputs.Options{Name: b.name}).Validate() != nil:
		return usagef("build", "flag -name: %q: %v", b.name, outputs.ErrName)
	case operands[len(operands)-1] == "-" && b.name == "":
		return usagef("build", "standard input has no name: give one with -name")
	}
	return nil
}

// standardOutput are paths that are standard output, as "-" is: the digest lines
// must not go there too.
var standardOutput = [...]string{"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}

// imageName is what the files are named after.
func (b *buildCommand) imageName(in *input) string { return firstOf(b.name, in.name) }

// paths returns the files of a format.
func (b *buildCommand) paths(f outputs.Format, name string) []string {
	if b.out != "" {
		return []string{b.out}
	}
	var paths []string
	for _, file := range f.Files(name) {
		paths = append(paths, filepath.Join(b.dir, file))
	}
	return paths
}

// formatsFlag is -format: names with commas between, and again.
type formatsFlag struct{ formats []outputs.Format }

func (f *formatsFlag) String() string { return namesOf(f.formats) }

// namesOf lists formats as -format takes them.
func namesOf(formats []outputs.Format) string {
	var names []string
	for _, f := range formats {
		names = append(names, f.Name())
	}
	return strings.Join(names, ",")
}

// Set adds formats.
func (f *formatsFlag) Set(s string) error {
	for name := range strings.SplitSeq(s, ",") {
		format, ok := outputs.Lookup(name)
		if !ok {
			return fmt.Errorf("%q is not one of %s%s", name, strings.Join(outputs.Names(), ", "), instead(name))
		}
		for _, known := range f.formats {
			if known.Name() == format.Name() {
				return namedTwice(name, known)
			}
		}
		f.formats = append(f.formats, format)
	}
	return nil
}

func namedTwice(name string, known outputs.Format) error {
	if name != known.Name() {
		return fmt.Errorf("%s is %s, which is named already", name, known.Name())
	}
	return fmt.Errorf("%s is named twice", name)
}

// instead says which format to take for a name that is none.
func instead(name string) string {
	switch name {
	case "iso-bios", "iso-efi":
		return `: linuxkit's has its root filesystem on the CD; "iso" has it in an initramfs, and boots by BIOS and by UEFI`
	case "raw-bios":
		return `: a BIOS boots "iso" from a disk too`
	case "qcow2", "qcow2-efi", "vmdk", "vhd", "dynamic-vhd", "vdi", "gcp", "aws", "openstack":
		return `: write "raw-efi", and convert it with qemu-img`
	}
	return suggest(name, outputs.Names(), "")
}
