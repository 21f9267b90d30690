package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/composeos/compose/spec"
)

// Attachment is a manifest of something about an image, such as a signature. One with
// a subject is found by it, one without by its tag.
type Attachment struct {
	Document
	Blobs [][]byte // what the manifest names, but for what is there already
}

// Attach lays attachments into the layout, and returns how many were not there
// before. They are listed in index.json; what has a tag takes the place of what had
// it. A tar is written anew beside the old one, which takes a while; ctx can end it,
// and nothing has changed then. Several that attach at once wait for each other. What l
// shows stays what it was when it was opened.
func (l *Layout) Attach(ctx context.Context, attachments ...Attachment) (added int, err error) {
	path, err := filepath.EvalSymlinks(l.path) // what is replaced is the file, and not a link to it
	if err != nil {
		return 0, err
	}
	unlock, err := lockFolder(path)
	if err != nil {
		return 0, err
	}
	defer unlock()
	now, err := OpenLayout(ctx, path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, now.Close()) }()
	x, err := now.listing(ctx)
	if err != nil {
		return 0, err
	}
	var blobs [][]byte
	for _, a := range attachments {
		isNew, err := x.put(a.Document)
		if err != nil {
			return 0, err
		}
		if isNew {
			added++
			blobs = append(append(blobs, a.Blobs...), a.Raw)
		}
	}
	if added == 0 {
		return 0, nil
	}
	text, err := x.text()
	if err != nil {
		return 0, err
	}
	return added, now.files.lay(ctx, blobs, text)
}

// lockFolder waits until nobody else holds the folder of a layout, or the one that a
// tar lies in, and holds it. The lock ends with the process.
func lockFolder(path string) (unlock func(), err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		path = filepath.Dir(path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return func() { _ = f.Close() }, nil // which unlocks it; nothing was written
}

// listing is index.json, with all that is in it.
type listing struct {
	whole     map[string]json.RawMessage
	manifests []json.RawMessage
	known     []v1.Descriptor // what is known of each of manifests
}

// listing reads index.json, which OpenLayout has checked.
func (l *Layout) listing(ctx context.Context) (*listing, error) {
	raw, err := readFile(ctx, l.files, indexFile)
	if err != nil {
		return nil, err
	}
	x := &listing{known: slices.Clone(l.index.Manifests)}
	if err := json.Unmarshal(raw, &x.whole); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", indexFile, ErrInvalid, err)
	}
	if err := json.Unmarshal(x.whole["manifests"], &x.manifests); err != nil || len(x.manifests) != len(x.known) {
		return nil, fmt.Errorf("%s: %w: it has changed while it was read", indexFile, errors.Join(ErrInvalid, err))
	}
	return x, nil
}

// put lists a document, and tells whether it was not listed.
func (x *listing) put(doc Document) (isNew bool, err error) {
	d := doc.Descriptor
	if doc.Tag != "" {
		d.Annotations = map[string]string{refName: doc.Tag}
	}
	for i, old := range slices.Backward(x.known) {
		tagged := slices.Contains(tagsOf(old), doc.Tag)
		switch {
		case old.Digest == d.Digest && (doc.Tag == "" || tagged):
			return false, nil
		case doc.Tag != "" && tagged:
			x.known, x.manifests = slices.Delete(x.known, i, i+1), slices.Delete(x.manifests, i, i+1)
		}
	}
	text, err := spec.MarshalCanonical(d)
	if err != nil {
		return false, err
	}
	x.known, x.manifests = append(x.known, d), append(x.manifests, text)
	return true, nil
}

// text is index.json as it is written.
func (x *listing) text() ([]byte, error) {
	manifests, err := json.Marshal(x.manifests)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", indexFile, err)
	}
	x.whole["manifests"] = manifests
	text, err := spec.MarshalCanonical(x.whole)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", indexFile, err)
	}
	return text, nil
}

// Attached returns the manifest that a tag names, one that is no image's; nil where
// none has the tag.
func (l *Layout) Attached(ctx context.Context, tag string) ([]byte, error) {
	for _, d := range l.index.Manifests {
		if !slices.Contains(tagsOf(d), tag) {
			continue
		}
		raw, err := readBlob(ctx, l, d)
		if err != nil {
			return nil, fmt.Errorf("tag %s: %s: %w", tag, d.Digest, err)
		}
		return raw, nil
	}
	return nil, nil
}

// Repository returns the name without a tag that the layout gives an image, such as
// docker.io/linuxkit/init; "" where it gives none, or a mere tag.
func (l *Layout) Repository(of v1.Hash) string {
	for _, d := range l.index.Manifests {
		if d.Digest != of {
			continue
		}
		if ref, err := spec.ParseRef(wholeName(d), ""); err == nil {
			return ref.Name
		}
	}
	return ""
}
