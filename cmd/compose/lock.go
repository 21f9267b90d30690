package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/spec"
)

// lockCommand is "compose lock".
type lockCommand struct {
	common
	update updateFlag
	epoch  seconds
}

// setupLock defines "compose lock".
func setupLock(fs *flag.FlagSet) action {
	var c lockCommand
	c.define(fs)
	fs.Var(&c.update, "update", "")
	fs.Var(&c.epoch, "epoch", "")
	return c.run
}

func (c *lockCommand) run(ctx context.Context, s *session, operands []string) error {
	if err := c.begin(s); err != nil {
		return err
	}
	manifests, names := c.update.split(operands)
	if len(manifests) == 0 && len(names) > 0 {
		return usagef(c.command, "no manifest is named: behind -update, %q is the name of an image; a manifest ends in .yml or .yaml", names[0])
	}
	if c.lock == "" && len(manifests) > 0 && manifests[len(manifests)-1] == "-" {
		return usagef(c.command, "standard input has no place for a lock: name one with -lock FILE")
	}
	in, err := c.load(s, manifests)
	if err != nil {
		return err
	}
	moves, err := c.update.moves(in.manifest, names)
	if err != nil {
		return err
	}
	e, err := c.open(s)
	if err != nil {
		return err
	}
	defer e.close()
	return c.make(ctx, s, e, in, moves)
}

// make resolves and writes the lock.
func (c *lockCommand) make(ctx context.Context, s *session, e *engine, in *input, moves []string) error {
	t, err := epoch(c.epoch, s.world)
	if err != nil {
		return err
	}
	if moves == nil && in.lock != nil && c.epoch.value != nil && *c.epoch.value != in.lock.Epoch {
		return hinted(fmt.Sprintf("%s has epoch %d; a lock keeps its epoch until it is updated", in.lockPath, in.lock.Epoch),
			"say it together with -update, or remove the lock")
	}
	if moves == nil {
		warnSourceDate(s, in.lock, t)
	}
	r, err := c.resolve(ctx, s, in, e, resolveHow{add: true, update: moves, epoch: t})
	if err != nil {
		return err
	}
	debts(s.ui, r.lock)
	if !r.changed() {
		s.ui.notef("%s is up to date", in.lockPath)
		return nil
	}
	if err := saveLocked(in.lockPath, r.lock, in.evidence, r.evidence); err != nil {
		return err
	}
	r.say(s.ui)
	sayWritten(s.ui, in, r)
	return nil
}

// sayWritten says that the lock was written.
func sayWritten(u *ui, in *input, r *resolved) {
	if r.isNew {
		u.notef("lock: made %s: %s and %s", in.lockPath, count(len(r.lock.Images), "image"), count(len(r.lock.Files), "file"))
	} else {
		u.notef("lock: wrote %s", in.lockPath)
	}
	if len(r.evidence.Signatures) > 0 {
		u.notef("lock: with %s in %s", count(len(r.evidence.Signatures), "signature"), evidencePath(in.lockPath))
	}
}

// count returns "1 image" or "2 images".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// updateFlag is -update or -update=NAMES.
type updateFlag struct {
	given bool // without names
	names []string
}

func (u *updateFlag) String() string { return strings.Join(u.names, ",") }

// IsBoolFlag says that the flag does not swallow the operand behind it.
func (u *updateFlag) IsBoolFlag() bool { return true }

// Set takes the names behind "="; the flag package says "true" where there are none.
func (u *updateFlag) Set(s string) error {
	if s == "true" {
		u.given = true
		return nil
	}
	for name := range strings.SplitSeq(s, ",") {
		if name == "" {
			return fmt.Errorf("%q has an empty name", s)
		}
		u.names = append(u.names, name)
	}
	return nil
}

// split tells manifests from names to move. It looks at nothing but how they
// are spelled, so that what a command means does not hang on which files there are.
func (u *updateFlag) split(operands []string) (manifests, names []string) {
	names = u.names
	if !u.given {
		return operands, names
	}
	for _, o := range operands {
		if ext := filepath.Ext(o); o == "-" || ext == ".yml" || ext == ".yaml" {
			manifests = append(manifests, o)
			continue
		}
		names = append(names, strings.Split(o, ",")...)
	}
	return manifests, names
}

// moves returns which pins move, as compose.Resolve takes them; nil for none. A
// name that is nobody's is an error.
func (u *updateFlag) moves(m *spec.Manifest, names []string) ([]string, error) {
	if len(names) == 0 {
		if !u.given {
			return nil, nil
		}
		return []string{"*"}, nil
	}
	uses := m.Images()
	var moving []string
	var errs []error
	for _, name := range names {
		before := len(moving)
		for _, use := range uses {
			if answersTo(use, name) {
				moving = append(moving, use.Ref.String())
			}
		}
		if len(moving) == before {
			errs = append(errs, fmt.Errorf("-update %s: the manifest has no such image or container%s", name, suggest(name, allNames(uses), "")))
		}
	}
	return moving, errors.Join(errs...)
}

// answersTo tells whether name means the image: it is the container's name, or
// the reference in any spelling, or the reference without tag and digest.
func answersTo(use spec.ImageUse, name string) bool {
	if name == containerName(use) || (compose.Accept{name}).Match(use.Ref) {
		return true
	}
	ref, err := spec.ParseRef(name, use.Ref.Base)
	if err != nil || ref.Transport != use.Ref.Transport || ref.Name != use.Ref.Name {
		return false
	}
	bare := !strings.Contains(name, "@") && !strings.Contains(name[strings.LastIndexByte(name, '/')+1:], ":")
	return bare || ref.String() == use.Ref.String()
}

// containerName is the name of the container that uses the image, "" for none.
func containerName(use spec.ImageUse) string {
	_, name, _ := strings.Cut(use.Where, " ")
	return name
}

func allNames(uses []spec.ImageUse) []string {
	seen := map[string]bool{}
	var names []string
	for _, u := range uses {
		for _, n := range []string{containerName(u), u.Ref.String()} {
			if n != "" && !seen[n] {
				seen[n] = true
				names = append(names, n)
			}
		}
	}
	return names
}
