package spec

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The levels of the formats that this program reads and writes.
const (
	// LockVersion is the version of the lock's own schema.
	LockVersion = 1
	// Compat is the level of the rules that decide an image's bytes. A lock of
	// another level is refused: its image is built by the release that has it.
	Compat = 0
)

// Lock pins what a manifest names: registry references by digest; local inputs
// as they were when they were last built. It is written as canonical JSON with
// sorted lists, beside the manifest as NAME.lock.json, for review and for
// version control. It names no tool and no time but Epoch.
type Lock struct {
	Version    int               `json:"version"`                                      // LockVersion
	Compat     int               `json:"compat"`                                       // Compat
	Epoch      int64             `json:"epoch" check:"range=0..253402300799"`          // seconds since 1970; no packaged file is younger
	Timestamps Timestamps        `json:"timestamps" check:"required,enum=clamp|fixed"` // clamp or fixed
	IDs        map[string]uint32 `json:"ids"`                                          // numbers of containers that are named as uid or gid
	Images     []LockedImage     `json:"images"`                                       // sorted by Name
	Files      []LockedFile      `json:"files"`                                        // sorted by Source
	Policy     Digest            `json:"policy,omitempty" check:"digest"`              // of the trust policy; "" while none is enforced
}

// LockedImage pins one reference.
type LockedImage struct {
	Name      string                    `json:"name"`                                                       // Ref.String of the reference in the manifest
	Digest    Digest                    `json:"digest" check:"digest"`                                      // of the index, or of the manifest where there is no index; of a package source, of all that goes into its image
	Platforms map[string]LockedPlatform `json:"platforms"`                                                  // by Platform.String; another platform may be added later
	Unsigned  string                    `json:"unsigned,omitempty" check:"enum=accepted|exception|allowed"` // why it is taken without a signature; "" where it is not
	Verified  []Verified                `json:"verified,omitempty"`                                         // what satisfied the policy: by Subject, Type, Authority, Evidence
}

// Verified is one signature or statement that the policy demands and that was
// found good.
type Verified struct {
	Subject     Digest `json:"subject" check:"digest"`               // of the index or the manifest that is signed
	Type        string `json:"type"`                                 // the predicate type; SignatureType for the signature itself
	Authority   string `json:"authority"`                            // by its name in the policy
	Format      string `json:"format" check:"enum=bundle|legacy"`    // how it is written
	Signer      string `json:"signer"`                               // "key sha256:…", or "IDENTITY of ISSUER"
	TrustedRoot Digest `json:"trustedRoot,omitempty" check:"digest"` // of the file of the pinned root; "" for a key
	Evidence    Digest `json:"evidence" check:"digest"`              // of the Signature in the evidence file
}

// LockedPlatform is what an image is for one platform.
type LockedPlatform struct {
	Manifest Digest        `json:"manifest" check:"digest"`       // of the image manifest
	Config   Digest        `json:"config" check:"digest"`         // of the image configuration
	Layers   []LockedLayer `json:"layers"`                        // lowest first
	SBOM     Digest        `json:"sbom,omitempty" check:"digest"` // of the SPDX statement that the index attaches; "" where it attaches none
	Grants   *Grants       `json:"grants,omitempty"`              // of the image's label; nil in the lock of an earlier release. No part of Inputs: the config's digest says it
}

// LockedLayer is one layer of an image.
type LockedLayer struct {
	Digest Digest `json:"digest" check:"digest"`                     // of the bytes as stored
	Size   int64  `json:"size" check:"range=0..9223372036854775807"` // bytes as stored
	DiffID Digest `json:"diffID" check:"digest"`                     // of the bytes uncompressed
}

// LockedFile records a source of the files section.
type LockedFile struct {
	Source string `json:"source"`                                              // slash-separated, relative to the lock, or as written for an absolute or "~/" source
	Digest Digest `json:"digest,omitempty" check:"digest"`                     // "" where Absent
	Size   int64  `json:"size,omitempty" check:"range=0..9223372036854775807"` // bytes
	Absent bool   `json:"absent,omitempty"`                                    // an optional source that is not there
}

// The words of [LockedImage.Unsigned].
const (
	Accepted = "accepted"  // by -accept-unsigned, when it was pinned
	Excepted = "exception" // by an exception of the policy
	Allowed  = "allowed"   // by the policy's default
)

// Image returns the pin of a reference by its canonical spelling. The pin may be
// changed through the pointer.
func (l *Lock) Image(name string) (*LockedImage, bool) {
	for i := range l.Images {
		if l.Images[i].Name == name {
			return &l.Images[i], true
		}
	}
	return nil, false
}

// File returns what is recorded of a source, which may be changed through the
// pointer.
func (l *Lock) File(source string) (*LockedFile, bool) {
	for i := range l.Files {
		if l.Files[i].Source == source {
			return &l.Files[i], true
		}
	}
	return nil, false
}

// Marshal returns the lock's file: canonical JSON with sorted lists. It does
// not change l.
func (l *Lock) Marshal() ([]byte, error) {
	data, err := MarshalCanonical(l.sorted())
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	return data, nil
}

// sorted returns the lock with its images by name, what was verified of each by
// compareVerified, and its files by source.
func (l *Lock) sorted() *Lock {
	out := *l
	out.Images = slices.SortedFunc(slices.Values(l.Images), func(a, b LockedImage) int { return strings.Compare(a.Name, b.Name) })
	for i := range out.Images {
		out.Images[i].Verified = slices.SortedFunc(slices.Values(out.Images[i].Verified), compareVerified)
	}
	out.Files = slices.SortedFunc(slices.Values(l.Files), func(a, b LockedFile) int { return strings.Compare(a.Source, b.Source) })
	return &out
}

// compareVerified orders by subject, type, authority and evidence, and then by all
// that is left.
func compareVerified(a, b Verified) int {
	return cmp.Or(
		cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Authority, b.Authority), cmp.Compare(a.Evidence, b.Evidence),
		cmp.Compare(a.Format, b.Format), cmp.Compare(a.Signer, b.Signer), cmp.Compare(a.TrustedRoot, b.TrustedRoot),
	)
}

// withoutGrants returns platforms without what was read out of the config.
func withoutGrants(platforms map[string]LockedPlatform) map[string]LockedPlatform {
	plain := maps.Clone(platforms)
	for name, p := range plain {
		p.Grants = nil
		plain[name] = p
	}
	return plain
}

// Inputs returns the digest of everything in the lock that decides an image's
// bytes: epoch, compat, timestamps, ids, images and files, and of no word about
// who vouches for them. "" where the lock holds text that is not UTF-8, which
// no lock that was read does.
func (l *Lock) Inputs() Digest {
	type image struct {
		Name      string                    `json:"name"`
		Digest    Digest                    `json:"digest"`
		Platforms map[string]LockedPlatform `json:"platforms"`
	}
	type inputs struct {
		Epoch      int64             `json:"epoch"`
		Compat     int               `json:"compat"`
		Timestamps Timestamps        `json:"timestamps"`
		IDs        map[string]uint32 `json:"ids"`
		Images     []image           `json:"images"`
		Files      []LockedFile      `json:"files"`
	}
	s := l.sorted()
	in := inputs{Epoch: s.Epoch, Compat: s.Compat, Timestamps: s.Timestamps, IDs: s.IDs, Files: s.Files}
	for _, i := range s.Images {
		in.Images = append(in.Images, image{i.Name, i.Digest, withoutGrants(i.Platforms)})
	}
	data, err := MarshalCanonical(in)
	if err != nil {
		return ""
	}
	return DigestOf(data)
}
