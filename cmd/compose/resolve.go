package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/spec"
)

// resolveHow is what differs between the commands that make a lock.
type resolveHow struct {
	add    bool // pins may be added
	frozen bool // nothing may change
	update []string
	epoch  *int64
}

// resolved is a lock, and in what it differs from the one that was read.
type resolved struct {
	lock     *spec.Lock
	evidence *spec.Evidence
	changes  []compose.Change
	isNew    bool // there was none before
	found    bool // signatures that were not there before, though the lock names them
}

// resolve makes the lock of the input.
func (c *common) resolve(ctx context.Context, s *session, in *input, e *engine, how resolveHow) (*resolved, error) {
	r, err := compose.Resolve(ctx, in.manifest, compose.ResolveOptions{
		Old:      in.lock,
		Add:      how.add,
		Frozen:   how.frozen,
		Update:   how.update,
		Epoch:    how.epoch,
		Policy:   in.policy,
		Accept:   compose.Accept(c.accept.list),
		Foreign:  in.foreign,
		Evidence: in.evidence,
		Platform: in.platform,
		Resolver: e.images,
		Source:   e.images,
		Signed:   e.images,
		Dir:      in.lockDir,
		Home:     s.home(),
		Jobs:     c.jobs,
		Progress: s.ui,
	})
	if frozen, ok := errors.AsType[*compose.FrozenError](err); ok {
		return nil, frozenChanges(frozen.Changes)
	}
	if err != nil {
		return nil, err
	}
	return &resolved{r.Lock, r.Evidence, r.Changes, in.lock == nil, !maps.Equal(r.Evidence.Signatures, in.evidence.Only(r.Lock).Signatures)}, nil
}

// frozenChanges says what a frozen lock would have to change, a fault each.
func frozenChanges(changes []compose.Change) error {
	var errs []error
	for _, c := range changes {
		errs = append(errs, hinted("-frozen: the lock would change: "+changeText(c), "build without -frozen, and look at what changes in the lock"))
	}
	return errors.Join(errs...)
}

// changed tells whether the lock has to be written.
func (r *resolved) changed() bool { return r.isNew || r.found || len(r.changes) > 0 }

// say tells what the lock has that the one before had not.
func (r *resolved) say(u *ui) {
	for _, c := range r.changes {
		u.notef("lock: %s", changeText(c))
	}
}

// changeText puts a change into words.
func changeText(c compose.Change) string {
	from, to := short(c.From), short(c.To)
	switch {
	case to == compose.Granted:
		return c.Name + " is new: its label grants it"
	case from == compose.Granted:
		return c.Name + " is gone: its label does not grant it any more"
	case from == "" && c.Local:
		return fmt.Sprintf("%s is new: %s", c.Name, to)
	case from == "":
		return fmt.Sprintf("%s is pinned to %s", c.Name, to)
	case to == "":
		return c.Name + " is not used any more"
	case c.Local:
		return fmt.Sprintf("%s changed from %s to %s", c.Name, from, to)
	}
	return fmt.Sprintf("%s moved from %s to %s", c.Name, from, to)
}

// short cuts a digest to what a person compares.
func short(digest string) string {
	const keep = len("sha256:") + 12
	if strings.HasPrefix(digest, "sha256:") && len(digest) > keep {
		return digest[:keep]
	}
	return digest
}

// debts lists the images that are taken without a signature; every build says it.
func debts(u *ui, l *spec.Lock) {
	var names []string
	for _, i := range l.Images {
		if i.Unsigned != "" {
			names = append(names, i.Name)
		}
	}
	switch len(names) {
	case 0:
	case 1:
		u.warnf("unsigned: 1 image is taken without a signature: %s", names[0])
	default:
		u.warnf("unsigned: %d images are taken without a signature: %s", len(names), strings.Join(names, ", "))
	}
}

// warnSourceDate says once that a lock keeps its epoch, whatever SOURCE_DATE_EPOCH says.
func warnSourceDate(s *session, l *spec.Lock, epoch *int64) {
	if l != nil && epoch != nil && *epoch != l.Epoch {
		s.ui.warnf("SOURCE_DATE_EPOCH is %d, but the lock says %d, and the lock wins", *epoch, l.Epoch)
	}
}
