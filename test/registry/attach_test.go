package registry

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/spec"
)

// The words of sigstore's bundle specification and of cosign's signature specification.
const (
	bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"
	emptyType  = "application/vnd.oci.empty.v1+json"
	simpleType = "application/vnd.dev.cosign.simplesigning.v1+json"
)

// rawManifest is a manifest as it is written.
type rawManifest []byte

// RawManifest implements remote.Taggable.
func (m rawManifest) RawManifest() ([]byte, error) { return m, nil }

// MediaType says what the manifest is.
func (m rawManifest) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// attach puts signatures beside an image, as cosign would: of its index.
func (p *pushed) attach(t *testing.T, signatures ...spec.Signature) {
	t.Helper()
	for _, s := range signatures {
		if s.Format == spec.FormatBundle {
			p.attachBundle(t, s)
		} else {
			p.attachLegacy(t, s)
		}
	}
}

// attachBundle puts a bundle into the registry as a referrer. Where that lists none,
// remote.Put writes the tag that stands in for the list (distribution-spec, "Pushing
// Manifests with Subject").
func (p *pushed) attachBundle(t *testing.T, s spec.Signature) {
	t.Helper()
	repo := parse(t, p.ref()).Context()
	subject, err := remote.Head(parse(t, p.ref()))
	if err != nil {
		t.Fatal(err)
	}
	config, body := static.NewLayer([]byte("{}"), emptyType), static.NewLayer([]byte(s.Bundle), bundleType)
	m := map[string]any{
		"schemaVersion": 2, "mediaType": types.OCIManifestSchema1, "artifactType": bundleType,
		"config": describe(t, config), "layers": []any{describe(t, body)},
		"subject":     map[string]any{"mediaType": subject.MediaType, "digest": subject.Digest, "size": subject.Size},
		"annotations": map[string]string{"dev.sigstore.bundle.content": "dsse-envelope"},
	}
	for _, l := range []v1.Layer{config, body} {
		if err := remote.WriteLayer(repo, l); err != nil {
			t.Fatal(err)
		}
	}
	raw := rawManifest(compact(t, m))
	if err := remote.Put(repo.Digest(string(spec.DigestOf(raw))), raw); err != nil {
		t.Fatal(err)
	}
}

func describe(t *testing.T, l v1.Layer) map[string]any {
	t.Helper()
	digest, err := l.Digest()
	size, sizeErr := l.Size()
	media, mediaErr := l.MediaType()
	if err := errors.Join(err, sizeErr, mediaErr); err != nil {
		t.Fatal(err)
	}
	return map[string]any{"mediaType": media, "digest": digest, "size": size}
}

// signatureTag is where legacy signatures of the index are.
func (p *pushed) signatureTag(t *testing.T) name.Reference {
	t.Helper()
	return parse(t, p.repo+":"+strings.Replace(p.index.String(), ":", "-", 1)+".sig")
}

// attachLegacy adds a legacy signature to those that the image has.
func (p *pushed) attachLegacy(t *testing.T, s spec.Signature) {
	t.Helper()
	tag := p.signatureTag(t)
	all, err := remote.Image(tag)
	if answer := (*transport.Error)(nil); errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		all, err = mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), nil
	}
	if err != nil {
		t.Fatal(err)
	}
	payload, err := base64.StdEncoding.DecodeString(s.Payload)
	if err != nil {
		t.Fatal(err)
	}
	annotations := map[string]string{}
	for key, text := range map[string]string{
		"dev.cosignproject.cosign/signature":   s.Signature,
		"dev.sigstore.cosign/certificate":      s.Certificate,
		"dev.sigstore.cosign/chain":            s.Chain,
		"dev.sigstore.cosign/bundle":           s.Rekor,
		"dev.sigstore.cosign/rfc3161timestamp": s.Timestamp,
	} {
		if text != "" {
			annotations[key] = text
		}
	}
	all, err = mutate.Append(all, mutate.Addendum{Layer: static.NewLayer(payload, simpleType), Annotations: annotations})
	if err == nil {
		err = remote.Write(tag, all)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// signed returns the signatures that the lock of system.yml names of an image.
func (l *lab) signed(t *testing.T, image *pushed) []spec.Verified {
	t.Helper()
	pin := l.pin(t, image)
	for _, v := range pin.Verified {
		if !l.hasEvidence(t, v.Evidence) {
			t.Errorf("the evidence file lacks %s", v.Evidence)
		}
	}
	return pin.Verified
}

// pin is what the lock of system.yml says of an image.
func (l *lab) pin(t *testing.T, image *pushed) *spec.LockedImage {
	t.Helper()
	pin, ok := l.locked(t).Image(image.tagged())
	if !ok {
		t.Fatalf("the lock lacks %s", image.tagged())
	}
	if pin.Digest != image.digest() {
		t.Errorf("%s is pinned to %s, want %s", image.tagged(), pin.Digest, image.index)
	}
	return pin
}

// evidence reads the evidence of system.yml.
func (l *lab) evidence(t *testing.T) map[spec.Digest]spec.Signature {
	t.Helper()
	var e spec.Evidence
	if err := json.Unmarshal([]byte(l.read(t, "system.evidence.json")), &e); err != nil {
		t.Fatal(err)
	}
	return e.Signatures
}

func (l *lab) hasEvidence(t *testing.T, digest spec.Digest) bool {
	t.Helper()
	_, ok := l.evidence(t)[digest]
	return ok
}
