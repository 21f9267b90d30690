package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/composeos/compose/spec"
)

// maxUploads is how many blobs are pushed at once.
const maxUploads = 4

// Push puts content into ref's repository: the blobs that are not there, the
// manifests, the referrers (with the tag sha256-HEX where the registry has no
// API for them), and ref's tag on the last of content.Manifests at the end, so
// that a tag never names something incomplete. Without Manifests no tag is
// touched, whatever ref says. It returns the descriptor of the last manifest, or
// without Manifests of the last referrer. Where ref has a digest, the last
// manifest must have it, and no tag is set unless ref names one. Mirrors get nothing.
func (c *Client) Push(ctx context.Context, ref spec.Ref, content Content) (v1.Descriptor, error) {
	root, err := content.root(ref)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("push %s: %w", ref, err)
	}
	places, err := c.places(ref.Name)
	if err != nil {
		return v1.Descriptor{}, err
	}
	s, err := c.session(ctx, places[len(places)-1], transport.PushScope)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("push %s: %w", ref, err)
	}
	p := &push{client: c, session: s, repo: ref.Name}
	if err := p.all(ctx, content); err != nil {
		return v1.Descriptor{}, fmt.Errorf("push %s: %w", ref, err)
	}
	if n := len(content.Manifests); n > 0 && ref.Tag != "" {
		if _, err := p.manifest(ctx, content.Manifests[n-1], ref.Tag); err != nil {
			return v1.Descriptor{}, fmt.Errorf("push %s: %w", ref, err)
		}
	}
	return root, nil
}

// root checks content before anything is sent, and returns what Push returns.
func (c Content) root(ref spec.Ref) (v1.Descriptor, error) {
	if ref.Transport != spec.Registry {
		return v1.Descriptor{}, errors.New("it is not a registry's name")
	}
	if ref.Tag != "" && !tagPattern.MatchString(ref.Tag) {
		return v1.Descriptor{}, fmt.Errorf("%q is not a tag", ref.Tag)
	}
	for _, b := range c.Blobs {
		if err := checkBlob(b.Desc); err != nil {
			return v1.Descriptor{}, err
		}
	}
	var root v1.Descriptor
	for _, list := range [][]Manifest{c.Referrers, c.Manifests} {
		for _, m := range list {
			if root = m.desc(); root.Size > MaxManifest {
				return v1.Descriptor{}, fmt.Errorf("%w: manifest %s has %d bytes, at most %d", ErrSize, root.Digest, root.Size, MaxManifest)
			}
		}
	}
	if len(c.Manifests) > 0 && ref.Digest != "" && root.Digest.String() != string(ref.Digest) {
		return v1.Descriptor{}, fmt.Errorf("%w: the manifest is %s", ErrDigest, root.Digest)
	}
	return root, nil
}

func (m Manifest) desc() v1.Descriptor {
	return v1.Descriptor{MediaType: m.MediaType, Size: int64(len(m.Raw)), Digest: hashOf(m.Raw)}
}

// push is one push into one repository.
type push struct {
	client  *Client
	session *session
	repo    string
}

// all puts everything there but the tag.
func (p *push) all(ctx context.Context, content Content) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(maxUploads)
	seen := map[v1.Hash]bool{}
	for _, b := range content.Blobs {
		if !seen[b.Desc.Digest] {
			seen[b.Desc.Digest] = true
			g.Go(func() error { return p.blob(gctx, b) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, m := range content.Manifests {
		if _, err := p.manifest(ctx, m, m.desc().Digest.String()); err != nil {
			return err
		}
	}
	for _, m := range content.Referrers {
		if err := p.referrer(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// manifest puts a manifest under a tag or its digest. It says whether the registry
// took note of the subject; see distribution-spec, "Pushing Manifests with Subject".
func (p *push) manifest(ctx context.Context, m Manifest, reference string) (noted bool, err error) {
	a := ask{
		method: http.MethodPut, path: "manifests/" + reference,
		header: http.Header{"Content-Type": {string(m.MediaType)}},
		body:   func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(m.Raw)), nil },
		size:   int64(len(m.Raw)),
	}
	err = p.client.repeat(ctx, func() error {
		resp, err := p.session.do(ctx, a, http.StatusCreated, http.StatusOK, http.StatusAccepted)
		if err != nil {
			return err
		}
		noted = resp.Header.Get("OCI-Subject") != ""
		return resp.Body.Close()
	})
	if err != nil {
		return false, fmt.Errorf("manifest %s: %w", reference, err)
	}
	return noted, nil
}

// repeat does something until it is done or will not get better.
func (p *patience) repeat(ctx context.Context, do func() error) error {
	for n := 1; ; n++ {
		err := do()
		if err == nil {
			return nil
		}
		if err := p.pause(ctx, n, err); err != nil {
			return err
		}
	}
}

// referrer puts a manifest with a subject there, and in the list under the fallback
// tag where the registry keeps no list itself.
func (p *push) referrer(ctx context.Context, m Manifest) error {
	var named struct {
		Subject      *v1.Descriptor             `json:"subject"`
		ArtifactType string                     `json:"artifactType"`
		Config       struct{ MediaType string } `json:"config"`
		Annotations  map[string]string          `json:"annotations"`
	}
	desc := m.desc()
	if err := json.Unmarshal(m.Raw, &named); err != nil {
		return fmt.Errorf("manifest %s: %w", desc.Digest, err)
	}
	if named.Subject == nil {
		return fmt.Errorf("manifest %s has no subject", desc.Digest)
	}
	subject := named.Subject.Digest
	if err := checkHash(subject); err != nil {
		return fmt.Errorf("manifest %s: subject: %w", desc.Digest, err)
	}
	noted, err := p.manifest(ctx, m, desc.Digest.String())
	if err != nil || noted {
		return err
	}
	desc.ArtifactType = named.ArtifactType
	if desc.ArtifactType == "" {
		desc.ArtifactType = named.Config.MediaType
	}
	desc.Annotations = named.Annotations
	return p.list(ctx, subject, desc)
}

// list adds a referrer to the fallback tag's list, unless there is an API after all.
func (p *push) list(ctx context.Context, subject v1.Hash, desc v1.Descriptor) error {
	found, hasAPI, err := p.client.referrers(ctx, p.session, subject)
	if err != nil {
		return fmt.Errorf("referrers of %s: %w", subject, err)
	}
	if hasAPI {
		return nil
	}
	for _, d := range found {
		if d.Digest == desc.Digest {
			return nil
		}
	}
	raw, err := json.Marshal(v1.IndexManifest{
		SchemaVersion: 2,
		MediaType:     types.OCIImageIndex,
		Manifests:     sorted(append(found, desc)),
	})
	if err != nil {
		return err
	}
	_, err = p.manifest(ctx, Manifest{MediaType: types.OCIImageIndex, Raw: raw}, fallbackTag(subject))
	return err
}
