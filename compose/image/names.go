package image

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/spec"
)

// The annotations of index.json that name an image: a tag, or by custom of many
// tools a whole name (image-spec annotations.md), and containerd's, always a
// whole name.
const (
	refName        = "org.opencontainers.image.ref.name"
	containerdName = "io.containerd.image.name"
)

// find returns the descriptor of index.json that ref names.
func (l *Layout) find(ctx context.Context, ref spec.Ref) (v1.Descriptor, error) {
	switch {
	case ref.Digest != "":
		return l.findDigest(ref.Digest)
	case ref.Tag != "":
		return l.findTag(ref.Tag)
	}
	images, err := l.withoutSubject(ctx, l.images(func(v1.Descriptor) bool { return true }))
	switch {
	case err != nil:
		return v1.Descriptor{}, err
	case len(images) == 1:
		return images[0], nil
	case len(images) == 0:
		return v1.Descriptor{}, fmt.Errorf("image %w: the layout is empty", ErrNotFound)
	}
	return v1.Descriptor{}, fmt.Errorf("image %w: the layout has several, name one of them: %s", ErrNotFound, l.listed())
}

// findDigest also takes what index.json does not list: the image of one
// platform, by the digest of its manifest.
func (l *Layout) findDigest(digest spec.Digest) (v1.Descriptor, error) {
	h, err := v1.NewHash(string(digest))
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	for _, d := range l.index.Manifests {
		if d.Digest == h {
			return d, nil
		}
	}
	return v1.Descriptor{Digest: h, Size: anySize}, nil
}

// findTag looks for the name as it stands, then for an image whose whole name
// is meant, then for one with that tag.
func (l *Layout) findTag(tag string) (v1.Descriptor, error) {
	whole := canonicalName(tag)
	for _, same := range []func(name string) bool{
		func(name string) bool { return name == tag },
		func(name string) bool { return whole != "" && canonicalName(name) == whole },
		func(name string) bool { return tagOf(name) == tag },
	} {
		images := l.images(func(d v1.Descriptor) bool {
			return same(d.Annotations[refName]) || same(d.Annotations[containerdName])
		})
		switch {
		case len(images) > 1:
			return v1.Descriptor{}, fmt.Errorf("%w: %q names several images: %s", ErrInvalid, tag, l.listed())
		case len(images) == 1:
			return images[0], nil
		}
	}
	return v1.Descriptor{}, fmt.Errorf("image %w: the layout has %s", ErrNotFound, l.listed())
}

// images returns the images of index.json, once each, that keep accepts.
func (l *Layout) images(keep func(v1.Descriptor) bool) []v1.Descriptor {
	var images []v1.Descriptor
	for _, d := range l.index.Manifests {
		same := func(i v1.Descriptor) bool { return i.Digest == d.Digest }
		if !isAttached(d) && keep(d) && !slices.ContainsFunc(images, same) {
			images = append(images, d)
		}
	}
	return images
}

// listed says what may be asked for.
func (l *Layout) listed() string {
	var names []string
	for _, d := range l.images(func(v1.Descriptor) bool { return true }) {
		name := d.Annotations[containerdName]
		if name == "" {
			name = d.Annotations[refName]
		}
		if name == "" {
			name = "@" + d.Digest.String()
		}
		names = append(names, name)
	}
	return listed(names)
}

// tagOf returns what is behind the last colon of a name, or "".
func tagOf(name string) string {
	i := strings.LastIndexByte(name, ':')
	if i < 0 || strings.Contains(name[i:], "/") {
		return ""
	}
	return name[i+1:]
}

// canonicalName returns the one spelling of a registry's name, or "" for what
// is none.
func canonicalName(name string) string {
	ref, err := spec.ParseRef(name, "")
	if err != nil || ref.Transport != spec.Registry || ref.Digest != "" {
		return ""
	}
	return ref.String()
}

// wholeName returns the registry's name that index.json gives an image, in its
// one spelling; "" where it gives none, or a mere tag.
func wholeName(d v1.Descriptor) string {
	if name := canonicalName(d.Annotations[containerdName]); name != "" {
		return name
	}
	if name := d.Annotations[refName]; strings.ContainsAny(name, ":/") {
		return canonicalName(name)
	}
	return ""
}
