package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/composeos/compose/compose/image"
	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/compose/sign"
	"github.com/composeos/compose/spec"
)

// setupPush defines "compose push OCI REF".
func setupPush(fs *flag.FlagSet) action {
	var network networkFlags
	var progress choice
	network.define(fs)
	progress.define(fs)
	return func(ctx context.Context, s *session, operands []string) error {
		if len(operands) != 2 {
			return usagef("push", "want an image layout and the name that it gets: compose push OCI REF")
		}
		from, err := layoutRef(operands[0])
		if err != nil {
			return err
		}
		to, err := registryRef("push", operands[1])
		if err != nil {
			return err
		}
		s.listen(progress.value)
		client, err := network.client(s, s.transfers("push"))
		if err != nil {
			return err
		}
		return (&pusher{s, client}).pushLayout(ctx, from, to)
	}
}

// registryRef reads the name of an image in a registry.
func registryRef(command, text string) (spec.Ref, error) {
	ref, err := spec.ParseRef(text, "")
	if err == nil && ref.Transport != spec.Registry {
		err = fmt.Errorf("%s is not in a registry: want a name such as registry.example.com/group/name:tag", ref)
	}
	if err != nil {
		return spec.Ref{}, usagef(command, "%v", err)
	}
	return ref, nil
}

// layoutRef reads the path of an image layout, also with oci: before it and a tag
// or a digest behind.
func layoutRef(text string) (spec.Ref, error) {
	if _, err := os.Stat(text); err == nil {
		return spec.Ref{Transport: spec.OCI, Name: text}, nil
	}
	ref, err := spec.ParseRef("oci:"+strings.TrimPrefix(text, "oci:"), "")
	if err != nil {
		return spec.Ref{}, err
	}
	if _, err := os.Stat(ref.File()); err != nil {
		return spec.Ref{}, withHint(fmt.Errorf("image layout %s: %w", ref.File(), err), layoutHint)
	}
	return ref, nil
}

// layoutHint says what an image layout is.
const layoutHint = `want an OCI image layout, a folder or a tar, as "compose build -format oci" writes it`

// openLayout opens the layout of a reference, and says what else lies there.
func openLayout(ctx context.Context, ref spec.Ref) (*image.Layout, error) {
	l, err := image.OpenLayout(ctx, ref.File())
	if err == nil {
		return l, nil
	}
	if a, other := image.OpenArchive(ctx, ref.File()); other == nil {
		_ = a.Close() // it was only looked at
		return nil, hinted(ref.File()+` is what "docker save" writes, and not an OCI image layout`,
			`write it with "compose build -format oci", or give it to "docker load" and push it there`)
	}
	return nil, withHint(err, layoutHint)
}

// pusher puts images into registries.
type pusher struct {
	session *session
	client  *registry.Client
}

// push pushes an image with all that is attached to it, and what is to be attached
// besides; then it prints the name with the digest. The tag comes last: it never
// names what is not whole.
func (p *pusher) push(ctx context.Context, whole *image.Whole, to spec.Ref, besides ...*sign.Artifact) error {
	named := to
	if named.Digest = spec.Digest(whole.Top.Digest.String()); to.Digest != "" && to.Digest != named.Digest {
		return fmt.Errorf("%s: the image has the digest %s", to, named.Digest)
	}
	if err := p.pushAll(ctx, whole, named, besides); err != nil {
		return err
	}
	_, err := fmt.Fprintln(p.session.stdout, named)
	return written(err)
}

// pushLayout pushes an image of a layout.
func (p *pusher) pushLayout(ctx context.Context, from, to spec.Ref) error {
	l, err := openLayout(ctx, from)
	if err != nil {
		return err
	}
	defer l.Close()
	whole, err := l.Whole(ctx, from)
	if err != nil {
		return fmt.Errorf("image layout %s: %w", from.File(), err)
	}
	return p.push(ctx, whole, to)
}

func (p *pusher) pushAll(ctx context.Context, whole *image.Whole, named spec.Ref, besides []*sign.Artifact) error {
	content := registry.Content{Manifests: manifests(whole.Manifests...), Referrers: manifests(whole.Referrers...)}
	for _, d := range whole.Blobs {
		content.Blobs = append(content.Blobs, registry.Upload{Desc: d, Open: func() (io.ReadCloser, error) { return whole.Open(ctx, d) }})
	}
	if _, err := p.client.Push(ctx, spec.Ref{Name: named.Name, Digest: named.Digest}, content); err != nil {
		return err
	}
	for _, d := range whole.Tagged {
		if err := p.pushTagged(ctx, named.Name, d); err != nil {
			return err
		}
	}
	for _, a := range besides {
		if err := p.pushArtifact(ctx, named.Name, a); err != nil {
			return err
		}
	}
	if named.Tag == "" {
		return nil
	}
	top := whole.Manifests[len(whole.Manifests)-1]
	_, err := p.client.Push(ctx, named, registry.Content{Manifests: manifests(top)})
	return err
}

// pushTagged pushes the manifest of older signatures, whose blobs are there. Those
// that the registry has already stay.
func (p *pusher) pushTagged(ctx context.Context, repository string, d image.Document) error {
	old, err := p.tagged(ctx, repository, d.Tag)
	if err != nil {
		return err
	}
	if old == nil {
		_, err := p.client.Push(ctx, spec.Ref{Name: repository, Tag: d.Tag}, registry.Content{Manifests: manifests(d)})
		return err
	}
	joined, err := sign.Join(d.Tag, old, d.Raw)
	if err != nil || joined == nil {
		return err
	}
	return p.pushArtifact(ctx, repository, joined)
}

// tagged returns the manifest of a tag; nil where there is none.
func (p *pusher) tagged(ctx context.Context, repository, tag string) ([]byte, error) {
	old, _, err := p.client.Tag(ctx, repository, tag)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	return old, err
}

// pushArtifact pushes a signature.
func (p *pusher) pushArtifact(ctx context.Context, repository string, a *sign.Artifact) error {
	var content registry.Content
	for _, b := range a.Blobs {
		content.Blobs = append(content.Blobs, registry.Upload{
			Desc: b.Describe(),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Data)), nil },
		})
	}
	d := a.Descriptor()
	manifest := []registry.Manifest{{MediaType: d.MediaType, Raw: a.Manifest}}
	if a.Tag == "" {
		content.Referrers = manifest
	} else {
		content.Manifests = manifest
	}
	_, err := p.client.Push(ctx, spec.Ref{Name: repository, Tag: a.Tag}, content)
	return err
}

// manifests are documents as they are pushed.
func manifests(docs ...image.Document) []registry.Manifest {
	list := make([]registry.Manifest, len(docs))
	for i, d := range docs {
		list[i] = registry.Manifest{MediaType: d.MediaType, Raw: d.Raw}
	}
	return list
}
