package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/spec"
)

// Archive is what "docker save" writes: a tar with a manifest.json that lists
// images, each a config and layers. Newer ones hold an image layout as well,
// which is left aside here.
//
// No image manifest is in it. One is made, which depends on config and layers
// alone; its digest is the image's. It may be used by many goroutines at once.
type Archive struct {
	files   files
	entries []archived

	mu     sync.Mutex
	made   map[int]*kept[v1.Descriptor]    // manifests, by entry
	layers map[string]*kept[v1.Descriptor] // by member
	blobs  map[v1.Hash]stored              // of the images that have been made
}

var _ Place = (*Archive)(nil)

// archived is one image of an archive.
type archived struct {
	config string   // member
	tags   []string // whole names
	layers []string // members, lowest first
}

// stored is where a blob's bytes are.
type stored struct {
	member string // "" where raw has them
	raw    []byte
}

// OpenArchive opens the archive in a file, or in a folder into which one has
// been unpacked. The error wraps ErrNotFound where there is none.
func OpenArchive(ctx context.Context, path string) (*Archive, error) {
	f, err := openFiles(path)
	if err != nil {
		return nil, err
	}
	a, err := newArchive(ctx, path, f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return a, nil
}

// newArchive takes f as the files of an archive; path is for messages.
func newArchive(ctx context.Context, path string, f files) (*Archive, error) {
	raw, err := readFile(ctx, f, "manifest.json")
	if err != nil {
		return nil, fmt.Errorf("docker archive %s: %w", path, err)
	}
	a := &Archive{
		files:  f,
		made:   make(map[int]*kept[v1.Descriptor]),
		layers: make(map[string]*kept[v1.Descriptor]),
		blobs:  make(map[v1.Hash]stored),
	}
	if a.entries, err = parseArchived(raw); err != nil {
		return nil, fmt.Errorf("docker archive %s: manifest.json: %w", path, err)
	}
	return a, nil
}

// parseArchived reads manifest.json.
func parseArchived(raw []byte) ([]archived, error) {
	if err := spec.CheckJSON(raw); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	var list []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	entries := make([]archived, len(list))
	for n, e := range list {
		if e.Config == "" {
			return nil, fmt.Errorf("%w: [%d] has no Config", ErrInvalid, n)
		}
		entries[n] = archived{config: e.Config, layers: e.Layers}
		for _, tag := range e.RepoTags {
			name := canonicalName(tag)
			if name == "" {
				return nil, fmt.Errorf("%w: [%d]: %q in RepoTags is not an image's name", ErrInvalid, n, tag)
			}
			entries[n].tags = append(entries[n].tags, name)
		}
	}
	return entries, nil
}

// Close ends the use of the archive; its images' layers cannot be opened after it.
func (a *Archive) Close() error { return a.files.Close() }

// open gives a blob of an image that has been made.
func (a *Archive) open(_ context.Context, d v1.Descriptor) (io.ReadCloser, int64, error) {
	a.mu.Lock()
	s, ok := a.blobs[d.Digest]
	a.mu.Unlock()
	switch {
	case !ok:
		return nil, 0, fmt.Errorf("%w in the archive", ErrNotFound)
	case s.member != "":
		return a.files.open(s.member)
	}
	return io.NopCloser(bytes.NewReader(s.raw)), int64(len(s.raw)), nil
}

// Resolve returns the descriptor of the manifest that is made for ref's
// NAME:TAG; without one, for the only image that there is.
func (a *Archive) Resolve(ctx context.Context, ref spec.Ref) (v1.Descriptor, error) {
	n, err := a.find(ref)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return a.manifest(ctx, n)
}

// Image returns the image that pin.Ref names, if its digest is the pin's.
func (a *Archive) Image(ctx context.Context, pin Pin) (*Image, error) {
	desc, err := a.Resolve(ctx, pin.Ref)
	switch {
	case err != nil:
		return nil, err
	case desc.Digest != pin.Digest:
		return nil, fmt.Errorf("%s: %w: the archive's image has %s now", pin.Digest, ErrNotFound, desc.Digest)
	}
	return readImage(ctx, a, pin)
}

// find returns the index of the entry that ref names.
func (a *Archive) find(ref spec.Ref) (int, error) {
	name := canonicalName(ref.Tag)
	var found []int
	for n, e := range a.entries {
		if ref.Tag == "" || slices.Contains(e.tags, name) {
			found = append(found, n)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return 0, fmt.Errorf("image %w: the archive has %s", ErrNotFound, a.listed())
	case ref.Tag != "":
		return 0, fmt.Errorf("%w: %q names several images: %s", ErrInvalid, ref.Tag, a.listed())
	}
	return 0, fmt.Errorf("image %w: the archive has several, name one of them: %s", ErrNotFound, a.listed())
}

// listed says what may be asked for.
func (a *Archive) listed() string {
	var names []string
	for _, e := range a.entries {
		if len(e.tags) == 0 {
			names = append(names, "one without a name")
		}
		names = append(names, e.tags...)
	}
	return listed(names)
}
