package compose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/image"
	"github.com/composeos/compose/compose/trust"
	"github.com/composeos/compose/spec"
)

// vouch holds an image against the policy, for all the platforms that its pin
// has, and records what satisfied it: the evidence that there is, or else what is
// found now. Its errors name the place in the manifest.
func (r *resolver) vouch(ctx context.Context, made *resolved) error {
	known := r.known(made)
	err := r.hold(made, known)
	if isRefused(err) || len(known) > 0 && isDenied(err) { // others may have signed it since
		if !r.mayLook(made) {
			err = &StaleError{err}
		} else {
			found, lookErr := r.look(ctx, made)
			err = r.hold(made, append(known, found...))
			if isRefused(err) && lookErr != nil {
				err = fmt.Errorf("%s: look for signatures: %w", made.Name, lookErr)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %s: %w", made.use.Pos, made.use.Where, err)
	}
	return nil
}

// isRefused tells whether it is signatures that an image lacks: only then are any
// looked for.
func isRefused(err error) bool {
	_, refused := errors.AsType[*trust.RefusedError](err)
	return refused
}

// isDenied tells whether an image, or who signed it, is denied.
func isDenied(err error) bool {
	_, denied := errors.AsType[*trust.DeniedError](err)
	return denied
}

// mayLook tells whether signatures may be looked for: those of a registry's image
// are pinned as the image is.
func (r *resolver) mayLook(made *resolved) bool {
	return !r.Frozen && (r.Add || made.use.Ref.Transport != spec.Registry)
}

// known are the signatures that the old lock names of an image that has not moved.
func (r *resolver) known(made *resolved) []spec.Signature {
	old, pinned := r.old.Image(made.Name)
	if !pinned || old.Digest != made.Digest {
		return nil
	}
	return r.Evidence.Of(old)
}

// look asks for the signatures of an image: of its index, and of the manifests of
// its platforms.
func (r *resolver) look(ctx context.Context, made *resolved) ([]spec.Signature, error) {
	if r.Signed == nil {
		return nil, nil
	}
	task := start(r.Progress, "verify", made.Name, 0)
	defer task.Done()
	digests := []spec.Digest{made.Digest}
	for _, name := range slices.Sorted(maps.Keys(made.Platforms)) {
		digests = append(digests, made.Platforms[name].Manifest)
	}
	var hashes []v1.Hash
	for _, d := range digests {
		h, err := hash(d)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(hashes, h) {
			hashes = append(hashes, h)
		}
	}
	return r.Signed.Signatures(ctx, made.use.Ref, hashes...)
}

// hold holds an image against the policy with the signatures that are there, and
// records why it is taken.
func (r *resolver) hold(made *resolved, there []spec.Signature) error {
	pinned := made.LockedImage
	pinned.Unsigned = ""
	if r.accepted(made) {
		pinned.Unsigned = spec.Accepted
	}
	verdict, err := Verdict(r.Policy, made.use.Ref, &pinned, there)
	if err != nil {
		return err
	}
	made.Unsigned, made.Verified, made.found = verdict.Unsigned, verdict.Verified, verdict.Evidence
	return nil
}

// accepted tells whether an image may be taken unsigned where no policy covers it: by a
// word that is given now, where its pin may change; or by one that the lock has, which
// is not believed under a policy of somebody else's.
func (r *resolver) accepted(made *resolved) bool {
	mayChange := r.Add || r.Foreign || made.use.Ref.Transport != spec.Registry
	return mayChange && r.Accept.Match(made.use.Ref) || made.Unsigned == spec.Accepted && !r.Foreign
}

// Verdict holds an image, for every platform that a lock pins it for, against a policy,
// with the signatures that are there. An image that no policy covers is taken if the
// lock has it as accepted unsigned; what else the lock says of signatures is not heeded.
// The error is the policy's, of the first platform by name that it does not take.
func Verdict(p *trust.Policy, ref spec.Ref, pinned *spec.LockedImage, there []spec.Signature) (trust.Verdict, error) {
	all := trust.Verdict{Evidence: map[spec.Digest]spec.Signature{}}
	platforms := slices.Sorted(maps.Keys(pinned.Platforms))
	if len(platforms) == 0 {
		platforms = []string{""} // the index alone is known
	}
	for _, name := range platforms {
		one, err := p.Verify(trust.SubjectOf(ref, pinned.Digest, pinned.Platforms[name]), there)
		if _, uncovered := errors.AsType[*trust.UncoveredError](err); uncovered && pinned.Unsigned == spec.Accepted {
			one, err = trust.Verdict{Unsigned: spec.Accepted}, nil
		}
		if err != nil {
			return trust.Verdict{}, err
		}
		if all.Unsigned != spec.Accepted { // which is not in the policy, to be found again
			all.Unsigned = cmp.Or(one.Unsigned, all.Unsigned)
		}
		maps.Copy(all.Evidence, one.Evidence)
		for _, v := range one.Verified {
			if !slices.Contains(all.Verified, v) {
				all.Verified = append(all.Verified, v)
			}
		}
	}
	if len(all.Verified) > 0 {
		all.Unsigned = "" // an exception for one platform, while others are signed
	}
	return all, nil
}

// orDenied returns p, or where it is nil the policy that covers no image.
func orDenied(p *trust.Policy) *trust.Policy {
	if p == nil {
		return new(trust.Policy)
	}
	return p
}

// Locked returns what a lock records of an image for its platform. It reads the image's
// documents, and no layer.
func Locked(ctx context.Context, img *image.Image) (spec.LockedPlatform, error) {
	d, err := describe(ctx, img)
	return d.locked, err
}

// check refuses an image that the policy does not take by what the lock names.
func (o Options) check(ctx context.Context, pin image.Pin, img *image.Image) error {
	platform, err := Locked(ctx, img)
	if err != nil {
		return err
	}
	locked, ok := o.Lock.Image(pin.Ref.String())
	if !ok {
		return &UnpinnedError{pin.Ref.String()}
	}
	found := &spec.LockedImage{
		Digest: digest(pin.Digest), Unsigned: locked.Unsigned,
		Platforms: map[string]spec.LockedPlatform{pin.Platform.String(): platform},
	}
	if _, err = Verdict(o.Policy, pin.Ref, found, o.Evidence.Of(locked)); err != nil {
		return &StaleError{err}
	}
	return nil
}

// evidence returns the signatures that a lock names: those that are known, and
// those that were found.
func (r *resolver) evidence(lock *spec.Lock) *spec.Evidence {
	all := r.Evidence.Only(lock)
	for _, made := range r.made {
		for _, s := range made.found {
			all.Add(s)
		}
	}
	return all.Only(lock)
}

// StaleError says that an image is not taken by what the lock names, and that
// nothing else was looked for.
type StaleError struct{ Err error }

func (e *StaleError) Error() string { return "by the lock's evidence: " + e.Err.Error() }

// Unwrap returns why.
func (e *StaleError) Unwrap() error { return e.Err }
