package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/image"
	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/compose/sign"
	"github.com/composeos/compose/spec"
)

// signCommand is "compose sign".
type signCommand struct {
	network  networkFlags
	progress choice
	key      string
	format   choice
	attach   list // TYPE=FILE
}

// setupSign defines "compose sign REF|LAYOUT".
func setupSign(fs *flag.FlagSet) action {
	c := signCommand{format: choice{spec.FormatBundle, []string{spec.FormatBundle, spec.FormatLegacy}}}
	c.network.define(fs)
	c.progress.define(fs)
	fs.StringVar(&c.key, "key", "", "")
	fs.Var(&c.format, "format", "")
	fs.Var(&c.attach, "attach", "")
	return c.run
}

func (c *signCommand) run(ctx context.Context, s *session, operands []string) error {
	switch {
	case len(operands) != 1:
		return usagef("sign", "want one image: its name in a registry, or an image layout")
	case c.key == "":
		return usagef("sign", `no key is named: say -key FILE; "compose keygen" makes one`)
	case len(c.attach) > 0 && c.format.value != spec.FormatBundle:
		return usagef("sign", "flag -attach: a statement is attached as a bundle; leave -format out")
	}
	s.listen(c.progress.value)
	predicates, err := c.predicates()
	if err != nil {
		return err
	}
	what, err := c.image(s, operands[0])
	if err != nil {
		return err
	}
	key, err := s.signingKey(ctx, c.key)
	if err != nil {
		return err
	}
	signer := &signer{key: key, format: c.format.value, predicates: predicates}
	return what.sign(ctx, signer)
}

// signingKey reads a private key, and asks for its passphrase if it has one.
func (s *session) signingKey(ctx context.Context, path string) (*sign.Key, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	key, err := sign.LoadKey(data, func() ([]byte, error) { return s.passphrase(ctx, path) })
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", path, err)
	}
	return key, nil
}

// predicate is what a statement says beside its subject.
type predicate struct {
	kind string
	text []byte
}

// predicates reads the files of -attach.
func (c *signCommand) predicates() ([]predicate, error) {
	var all []predicate
	for _, a := range c.attach {
		kind, path, ok := strings.Cut(a, "=")
		switch {
		case !ok || !strings.Contains(kind, ":") || path == "":
			return nil, usagef("sign", "flag -attach: %q: want TYPE=FILE, such as https://slsa.dev/provenance/v1=provenance.json", a)
		case kind == spec.SignatureType:
			return nil, usagef("sign", "flag -attach: %s is the type of a signature, which is made without -attach", kind)
		}
		text, err := readFile(path)
		if err != nil {
			return nil, err
		}
		if _, err := sign.Statement(v1.Hash{}, kind, text); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, predicate{kind, text})
	}
	return all, nil
}

// signable is an image that is to be signed.
type signable interface {
	sign(ctx context.Context, by *signer) error
}

// image tells what an operand is: what is there as a file is a layout.
func (c *signCommand) image(s *session, operand string) (signable, error) {
	_, err := os.Stat(operand)
	if err == nil || strings.HasPrefix(operand, "oci:") || strings.HasPrefix(operand, "/") || strings.HasPrefix(operand, ".") {
		ref, err := layoutRef(operand)
		return signableLayout{s, ref}, err
	}
	ref, err := registryRef("sign", operand)
	if err != nil {
		return nil, err
	}
	client, err := c.network.client(s, s.transfers("push"))
	return signableRemote{&pusher{s, client}, ref}, err
}

// signer signs in one way.
type signer struct {
	key        *sign.Key
	format     string
	predicates []predicate
}

// artifacts returns what is attached to a subject. old is the manifest of its legacy
// signatures, which is asked for where it is needed.
func (g *signer) artifacts(subject v1.Descriptor, repository string, old func(tag string) ([]byte, error)) ([]*sign.Artifact, error) {
	if g.format == spec.FormatLegacy {
		before, err := old(spec.LegacyTag(spec.Digest(subject.Digest.String())))
		if err != nil {
			return nil, err
		}
		a, err := sign.Legacy(g.key, repository, subject.Digest, before)
		if err != nil || a == nil {
			return nil, err
		}
		return []*sign.Artifact{a}, nil
	}
	says := g.predicates
	if len(says) == 0 {
		says = []predicate{{spec.SignatureType, nil}}
	}
	var all []*sign.Artifact
	for _, p := range says {
		statement, err := sign.Statement(subject.Digest, p.kind, p.text)
		if err != nil {
			return nil, err
		}
		bundle, err := sign.Bundle(g.key, statement)
		if err != nil {
			return nil, err
		}
		a, err := sign.Referrer(subject, bundle, p.kind)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// say prints what was signed, and by whom.
func (g *signer) say(s *session, signed spec.Ref, added int) error {
	fingerprint, err := g.key.Fingerprint()
	if err != nil {
		return err
	}
	if added == 0 {
		s.ui.notef("%s was signed so already; nothing is added", signed)
	}
	s.ui.close(true)
	_, err = fmt.Fprintf(s.stdout, "%s %s\n", signed, fingerprint)
	return written(err)
}

// signableRemote is an image in a registry.
type signableRemote struct {
	*pusher
	ref spec.Ref
}

func (r signableRemote) sign(ctx context.Context, by *signer) error {
	subject, err := r.client.Resolve(ctx, r.ref)
	if err != nil {
		err = fmt.Errorf("%s: %w", r.ref, err)
	}
	if errors.Is(err, registry.ErrNotFound) {
		return withHint(err, `only what is there can be signed: "compose push" puts it there`)
	}
	if err != nil {
		return err
	}
	signed := r.ref
	signed.Digest = spec.Digest(subject.Digest.String())
	if r.ref.Digest == "" {
		r.session.ui.notef("%s is %s", r.ref, signed.Digest)
	}
	artifacts, err := by.artifacts(subject, r.ref.Name, func(tag string) ([]byte, error) {
		return r.tagged(ctx, r.ref.Name, tag)
	})
	if err != nil {
		return fmt.Errorf("sign %s: %w", signed, err)
	}
	var there []v1.Descriptor
	if by.format == spec.FormatBundle {
		if there, err = r.client.Referrers(ctx, r.ref.Name, subject.Digest); err != nil {
			return fmt.Errorf("signatures of %s: %w", signed, err)
		}
	}
	added := 0
	for _, a := range artifacts {
		if slices.ContainsFunc(there, func(d v1.Descriptor) bool { return d.Digest == a.Descriptor().Digest }) {
			continue
		}
		added++
		if err := r.pushArtifact(ctx, r.ref.Name, a); err != nil {
			return err
		}
	}
	return by.say(r.session, signed, added)
}

// signableLayout is an image in a layout.
type signableLayout struct {
	session *session
	ref     spec.Ref
}

func (l signableLayout) sign(ctx context.Context, by *signer) error {
	layout, err := openLayout(ctx, l.ref)
	if err != nil {
		return err
	}
	defer layout.Close()
	subject, err := layout.Resolve(ctx, l.ref)
	if err != nil {
		return fmt.Errorf("%s: %w", l.ref, err)
	}
	repository := layout.Repository(subject.Digest)
	if repository == "" && by.format == spec.FormatLegacy {
		return hinted("a legacy signature says the repository of its image, and the layout gives it none", "push the image, and sign it there by its name")
	}
	artifacts, err := by.artifacts(subject, repository, func(tag string) ([]byte, error) { return layout.Attached(ctx, tag) })
	if err != nil {
		return fmt.Errorf("sign %s: %w", l.ref, err)
	}
	added, err := layout.Attach(ctx, attachments(artifacts)...)
	if err != nil {
		return fmt.Errorf("image layout %s: %w", l.ref.File(), err)
	}
	signed := spec.Ref{Transport: spec.OCI, Name: l.ref.Name, Digest: spec.Digest(subject.Digest.String())}
	return by.say(l.session, signed, added)
}

// attachments are artifacts as they are laid into a layout.
func attachments(artifacts []*sign.Artifact) []image.Attachment {
	list := make([]image.Attachment, len(artifacts))
	for i, a := range artifacts {
		list[i].Document = image.Document{Descriptor: a.Descriptor(), Raw: a.Manifest, Tag: a.Tag}
		for _, b := range a.Blobs {
			list[i].Blobs = append(list[i].Blobs, b.Data)
		}
	}
	return list
}
