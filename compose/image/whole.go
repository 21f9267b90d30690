package image

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/spec"
)

// Whole is an image with all that belongs to it, as it stands: every platform, and
// what is attached to it. It is what is handed on to a registry.
type Whole struct {
	Top       v1.Descriptor
	Manifests []Document      // the image's indexes and manifests: what others name before them, Top's last
	Referrers []Document      // what has one of Manifests, or one of these, for its subject: in that order
	Tagged    []Document      // what is found by a tag that is made of the digest of one of Manifests
	Blobs     []v1.Descriptor // configs, layers and bundles of all of these, each once

	from contents
	seen map[v1.Hash]bool // of all of these
}

// Document is an index or a manifest, as it stands.
type Document struct {
	v1.Descriptor
	Raw []byte
	Tag string // of Tagged, else ""
}

// The limits of what is handed on as one.
const (
	maxDocuments = 10000
	maxLevels    = 4 // indexes in indexes
)

// Whole returns the image that ref names, with the signatures and attestations
// that the layout has of it. The error wraps ErrNotFound where a part of the image
// is not there: a registry would not take it without.
func (l *Layout) Whole(ctx context.Context, ref spec.Ref) (*Whole, error) {
	d, err := l.Resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	w := &Whole{Top: d, from: l, seen: map[v1.Hash]bool{}}
	if err := w.collect(ctx, d, maxLevels, &w.Manifests); err != nil {
		return nil, err
	}
	if err := l.attach(ctx, w); err != nil {
		return nil, err
	}
	return w, w.check(ctx)
}

// Whole returns the image that ref names, every platform of it. The error wraps
// ErrNotFound where a part of it is not in the cache.
func (s *Stored) Whole(ctx context.Context, ref spec.Ref) (*Whole, error) {
	d, err := s.Resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	w := &Whole{Top: d, from: s, seen: map[v1.Hash]bool{}}
	if err := w.collect(ctx, d, maxLevels, &w.Manifests); err != nil {
		return nil, err
	}
	return w, w.check(ctx)
}

// Open opens one of Blobs. What it gives is not checked.
func (w *Whole) Open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	r, _, err := w.from.open(ctx, d)
	return r, err
}

// collect adds what d leads to, and then d itself, to list.
func (w *Whole) collect(ctx context.Context, d v1.Descriptor, levels int, list *[]Document) error {
	if w.seen[d.Digest] {
		return nil
	}
	w.seen[d.Digest] = true
	doc, err := readDocument(ctx, w.from, d)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", d.Digest, err)
	case levels == 0:
		return fmt.Errorf("%s: %w: indexes in indexes, more than %d deep", d.Digest, ErrInvalid, maxLevels)
	case len(w.Manifests)+len(w.Referrers)+len(w.Tagged) == maxDocuments:
		return fmt.Errorf("%w: more than %d manifests", ErrInvalid, maxDocuments)
	}
	if doc.index == nil {
		w.add(doc.manifest.Config)
		w.add(doc.manifest.Layers...)
	} else if err := w.collectAll(ctx, doc.index.Manifests, levels-1, list); err != nil {
		return fmt.Errorf("index %s: %w", d.Digest, err)
	}
	*list = append(*list, Document{Descriptor: doc.desc, Raw: doc.raw})
	return nil
}

// collectAll adds the manifests of an index.
func (w *Whole) collectAll(ctx context.Context, ds []v1.Descriptor, levels int, list *[]Document) error {
	for n, d := range ds {
		if !d.MediaType.IsIndex() && !d.MediaType.IsImage() {
			w.add(d)
			continue
		}
		if err := w.collect(ctx, d, levels, list); err != nil {
			return fmt.Errorf("manifests[%d]: %w", n, err)
		}
	}
	return nil
}

// add adds blobs, each once.
func (w *Whole) add(ds ...v1.Descriptor) {
	for _, d := range ds {
		if !w.seen[d.Digest] {
			w.seen[d.Digest] = true
			w.Blobs = append(w.Blobs, d)
		}
	}
}

// attach adds what the layout has about the image: by subject, which may be about
// other attachments too, and by tags of digests.
func (l *Layout) attach(ctx context.Context, w *Whole) error {
	for at := 0; ; at++ {
		about, more := w.document(at)
		if !more {
			break
		}
		found, err := l.referrers(ctx, about.Digest)
		if err != nil {
			return fmt.Errorf("what refers to %s: %w", about.Digest, err)
		}
		for _, d := range byDigest(found) {
			if err := w.collect(ctx, d, maxLevels, &w.Referrers); err != nil {
				return fmt.Errorf("referrer of %s: %w", about.Digest, err)
			}
		}
	}
	for _, d := range l.index.Manifests {
		for _, tag := range tagsOf(d) {
			hex, suffix, _ := strings.Cut(strings.TrimPrefix(tag, "sha256-"), ".")
			if suffix == "" || !attachedTag.MatchString(tag) || !w.isImage(hex) || w.seen[d.Digest] {
				continue
			}
			if err := w.collect(ctx, d, maxLevels, &w.Tagged); err != nil {
				return fmt.Errorf("tag %s: %w", tag, err)
			}
			w.Tagged[len(w.Tagged)-1].Tag = tag
		}
	}
	return nil
}

// document is one of Manifests, or of Referrers behind them, as long as there are any.
func (w *Whole) document(at int) (d Document, more bool) {
	if at < len(w.Manifests) {
		return w.Manifests[at], true
	}
	if at -= len(w.Manifests); at < len(w.Referrers) {
		return w.Referrers[at], true
	}
	return d, false
}

// isImage tells whether one of Manifests has that digest.
func (w *Whole) isImage(hex string) bool {
	return slices.ContainsFunc(w.Manifests, func(d Document) bool { return d.Digest.Hex == hex })
}

// check looks whether every blob is there, and of its size.
func (w *Whole) check(ctx context.Context) error {
	for _, d := range w.Blobs {
		if err := checkHash(d.Digest); err != nil {
			return fmt.Errorf("blob %s: %w", d.Digest, err)
		}
		r, size, err := w.from.open(ctx, d)
		if err != nil {
			return fmt.Errorf("blob %s: %w", d.Digest, err)
		}
		r.Close() //nolint:errcheck // nothing was written
		if size != d.Size {
			return fmt.Errorf("blob %s: %w: %d bytes, but its descriptor says %d", d.Digest, ErrDigest, size, d.Size)
		}
	}
	return nil
}
