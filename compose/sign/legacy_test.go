package sign_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/sign"
)

const repository = "registry.example.com/os/web"

func legacy(t *testing.T, k *sign.Key, old []byte) *sign.Artifact {
	t.Helper()
	a, err := sign.Legacy(k, repository, digestOf("a"), old)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// otherKey is a key that is not newKey's.
func otherKey(t *testing.T) *sign.Key {
	t.Helper()
	return load(t, encode(t, "PRIVATE KEY", ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize))))
}

func layers(t *testing.T, manifest []byte) []v1.Descriptor {
	t.Helper()
	m, err := v1.ParseManifest(bytes.NewReader(manifest))
	if err != nil {
		t.Fatal(err)
	}
	return m.Layers
}

func TestLegacy(t *testing.T) {
	k := newKey(t)
	a := legacy(t, k, nil)
	if want := "sha256-" + strings.Repeat("a", 64) + ".sig"; a.Tag != want {
		t.Errorf("tag %q, want %q", a.Tag, want)
	}
	signed := `{"critical":{"identity":{"docker-reference":"registry.example.com/os/web"},` +
		`"image":{"docker-manifest-digest":"sha256:` + strings.Repeat("a", 64) + `"},` +
		`"type":"cosign container image signature"},"optional":null}`
	if got := string(a.Blobs[1].Data); got != signed {
		t.Errorf("signed is\n%s\nwant\n%s", got, signed)
	}
	all := layers(t, a.Manifest)
	if len(all) != 1 || all[0].Digest != a.Blobs[1].Digest() || all[0].MediaType != "application/vnd.dev.cosign.simplesigning.v1+json" {
		t.Fatalf("layers: %v", all)
	}
	sig, err := base64.StdEncoding.DecodeString(all[0].Annotations["dev.cosignproject.cosign/signature"])
	if err != nil || !ed25519.Verify(k.Public().(ed25519.PublicKey), []byte(signed), sig) {
		t.Errorf("the signature %x does not verify (%v)", sig, err)
	}
	var config v1.ConfigFile
	if err := json.Unmarshal(a.Blobs[0].Data, &config); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]v1.Hash{all[0].Digest}, config.RootFS.DiffIDs); diff != "" {
		t.Errorf("diffIDs (-want +got):\n%s", diff)
	}
}

// TestLegacyAppends signs by one key, by another, and by the first again.
func TestLegacyAppends(t *testing.T) {
	first := legacy(t, newKey(t), nil)
	second := legacy(t, otherKey(t), first.Manifest)
	if all := layers(t, second.Manifest); len(all) != 2 || !cmp.Equal(all[0], layers(t, first.Manifest)[0]) {
		t.Errorf("the second signature left of the first: %v", all)
	}
	if len(second.Blobs) != 2 {
		t.Errorf("%d blobs are new; want a config and a text", len(second.Blobs))
	}
	for name, k := range map[string]*sign.Key{"the first key": newKey(t), "the second key": otherKey(t)} {
		if again := legacy(t, k, second.Manifest); again != nil {
			t.Errorf("%s signed again:\n%s", name, again.Manifest)
		}
	}
}

func TestLegacyRefuses(t *testing.T) {
	for _, old := range []string{"{", "[]", `{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`} {
		if a, err := sign.Legacy(newKey(t), repository, digestOf("a"), []byte(old)); err == nil {
			t.Errorf("%s was appended to:\n%s", old, a.Manifest)
		}
	}
}

func TestJoin(t *testing.T) {
	one, other := legacy(t, newKey(t), nil), legacy(t, otherKey(t), nil)
	both, err := sign.Join(one.Tag, one.Manifest, other.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	want := append(layers(t, one.Manifest), layers(t, other.Manifest)...)
	if diff := cmp.Diff(want, layers(t, both.Manifest)); diff != "" {
		t.Errorf("joined (-want +got):\n%s", diff)
	}
	if both.Tag != one.Tag || len(both.Blobs) != 1 {
		t.Errorf("tag %q with %d blobs; want %q with a config", both.Tag, len(both.Blobs), one.Tag)
	}
	for _, more := range [][]byte{one.Manifest, other.Manifest, both.Manifest} {
		if again, err := sign.Join(one.Tag, both.Manifest, more); err != nil || again != nil {
			t.Errorf("joined again: %v (%v)", again, err)
		}
	}
	if _, err := sign.Join(one.Tag, one.Manifest, []byte("{")); err == nil {
		t.Error("half a manifest was joined")
	}
}
