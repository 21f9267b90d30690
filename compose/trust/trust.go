// Package trust decides whether an image is signed as a policy demands.
//
// A policy is a trust section of a manifest, or of a site's own file, with the keys
// and pinned roots that it names. It is loaded once, and then held against each image
// together with the signatures that were found of it:
//
//	policy, err := trust.Load(manifest.Trust, os.ReadFile)
//	if policy.Needs(subject) {
//		found = … the signatures of the image, wherever they are …
//	}
//	verdict, err := policy.Verify(subject, found)
//
// Three things hold. The answer is a function of the policy, the image's digests and
// the signatures alone: nothing is fetched, and no clock is asked, so that a lock and
// its evidence give the same answer years later. Nothing that was found is believed
// before it is checked: a signature counts if one of the policy's authorities made it,
// over the digest of the image's index or manifest, and says that it is a signature.
// And what the section denies wins over everything else.
//
// Signatures are sigstore bundles, or cosign's older simple signing; both by a key, or
// by an identity to which a certificate was issued. The checks of bundles are those of
// sigstore-go.
//
// [Repository] stands apart: it gets the newest trusted root, for people to pin. It asks
// for files by what the caller gives it, looks at the clock, and remembers in a folder
// what it has seen. Nothing that decides about an image uses it.
package trust

import (
	"github.com/composeos/compose/spec"
)

// Subject is one image for one platform.
type Subject struct {
	Ref      spec.Ref      // as the manifest names it, never a mirror's name
	Index    spec.Digest   // what the lock pins: the index, or the manifest where there is none
	Manifest spec.Digest   // of the platform; "" where it is not known
	Contents []spec.Digest // config, layers and diffIDs: what deny may name besides
}

// SubjectOf is an image for one of its platforms, as a lock has it; index is what the
// lock pins.
func SubjectOf(ref spec.Ref, index spec.Digest, p spec.LockedPlatform) Subject {
	s := Subject{Ref: ref, Index: index, Manifest: p.Manifest, Contents: []spec.Digest{p.Config}}
	for _, l := range p.Layers {
		s.Contents = append(s.Contents, l.Digest, l.DiffID)
	}
	return s
}

// signed returns the digests that a signature may be of.
func (s Subject) signed() []spec.Digest {
	var all []spec.Digest
	for _, d := range []spec.Digest{s.Index, s.Manifest} {
		if d != "" && (len(all) == 0 || all[0] != d) {
			all = append(all, d)
		}
	}
	return all
}

// Verdict is why an image is taken.
type Verdict struct {
	Unsigned string                         // [spec.Excepted] or [spec.Allowed], or "" where it is signed
	Verified []spec.Verified                // what satisfied the policy: by Subject, Type, Authority, Evidence
	Evidence map[spec.Digest]spec.Signature // what Verified names, by Signature.Digest
}
