package image

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/composeos/compose/compose/sign"
	"github.com/composeos/compose/spec"
)

// oneManifest is an image of no layers, and oneConfig what it runs.
const (
	oneConfig   = `{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}`
	oneManifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
		`"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"DIGEST","size":SIZE},"layers":[]}`
)

// layoutFiles are the files of a layout of one image, in the order of a tar.
func layoutFiles() (names []string, files map[string]string, img v1.Descriptor) {
	c := sign.Blob{MediaType: "application/vnd.oci.image.config.v1+json", Data: []byte(oneConfig)}
	text := strings.NewReplacer("DIGEST", c.Digest().String(), "SIZE", "89").Replace(oneManifest)
	m := sign.Blob{MediaType: "application/vnd.oci.image.manifest.v1+json", Data: []byte(text)}
	files = map[string]string{
		"oci-layout":                                `{"imageLayoutVersion":"1.0.0"}`,
		"blobs/sha256/" + c.Digest().Hex:            oneConfig,
		"index.json":                                `{"schemaVersion":2,"extra":{"kept":[1e3]},"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + m.Digest().String() + `","size":` + jsonOf(len(text)) + `,"annotations":{"io.containerd.image.name":"registry.example.com/os/web:1","org.opencontainers.image.ref.name":"1"},"unknown":true}]}`,
		"blobs/sha256/" + m.Digest().Hex:            text,
		"blobs/sha256/" + digestOf([]byte("f")).Hex: "not even named",
		"a file that is no part of a layout":        "kept too",
	}
	names = []string{
		"oci-layout", "blobs/sha256/" + c.Digest().Hex, "index.json", "blobs/sha256/" + m.Digest().Hex,
		"blobs/sha256/" + digestOf([]byte("f")).Hex, "a file that is no part of a layout",
	}
	return names, files, m.Describe()
}

func jsonOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

const theRepository = "registry.example.com/os/web"

// signingKey makes a key, the same each time.
func signingKey(t *testing.T, seed byte) *sign.Key {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	k, err := sign.LoadKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func attachmentOf(a *sign.Artifact) Attachment {
	made := Attachment{Document: Document{Descriptor: a.Descriptor(), Raw: a.Manifest, Tag: a.Tag}}
	for _, b := range a.Blobs {
		made.Blobs = append(made.Blobs, b.Data)
	}
	return made
}

// places are the ways in which a layout can lie on a disk.
func places() map[string]func(t *testing.T) string {
	return map[string]func(t *testing.T) string{
		"folder": layoutFolder,
		"tar":    func(t *testing.T) string { return layoutTar(t, "") },
		"tar with ./": func(t *testing.T) string {
			return layoutTar(t, "./")
		},
	}
}

func layoutFolder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	names, files, _ := layoutFiles()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[name]), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func layoutTar(t *testing.T, before string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "layout.tar")
	names, files, _ := layoutFiles()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	member := func(h *tar.Header, data string) {
		if h.Typeflag != tar.TypeXGlobalHeader {
			h.ModTime = time.Unix(1_500_000_000, 0)
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, data); err != nil {
			t.Fatal(err)
		}
	}
	member(&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}}, "")
	member(&tar.Header{Typeflag: tar.TypeDir, Name: before + "blobs/", Mode: 0o755}, "")
	for _, name := range names {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: before + name, Mode: 0o644, Size: int64(len(files[name]))}
		if name == "oci-layout" {
			h.PAXRecords = map[string]string{"COMPOSE.odd": "record"}
		}
		member(h, files[name])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

// signatures are of the layout's image, by one key, in both formats.
func signatures(t *testing.T, l *Layout) []Attachment {
	t.Helper()
	_, _, of := layoutFiles()
	old, err := l.Attached(t.Context(), spec.LegacyTag(spec.Digest(of.Digest.String())))
	if err != nil {
		t.Fatal(err)
	}
	legacy, err := sign.Legacy(signingKey(t, 7), theRepository, of.Digest, old)
	if err != nil {
		t.Fatal(err)
	}
	if legacy == nil {
		return []Attachment{bundleBy(t, 7)}
	}
	return []Attachment{bundleBy(t, 7), attachmentOf(legacy)}
}

func open(t *testing.T, path string) *Layout {
	t.Helper()
	l, err := OpenLayout(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// found returns the formats of the signatures that the reader of images finds.
func found(t *testing.T, path string) []string {
	t.Helper()
	l, err := OpenLayout(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, _, want := layoutFiles()
	for _, ref := range []spec.Ref{{}, {Tag: "1"}, {Digest: spec.Digest(want.Digest.String())}} {
		if d, err := l.Resolve(t.Context(), ref); err != nil || d.Digest != want.Digest {
			t.Errorf("the image of %q is %s (%v), want %s", ref.Tag+string(ref.Digest), d.Digest, err, want.Digest)
		}
	}
	all, err := l.Signatures(context.WithoutCancel(t.Context()), spec.Ref{}, want.Digest)
	if err != nil {
		t.Fatal(err)
	}
	formats := []string{}
	for _, s := range all {
		formats = append(formats, s.Format)
	}
	return formats
}

func TestAttach(t *testing.T) {
	for name, make := range places() {
		t.Run(name, func(t *testing.T) {
			path := make(t)
			l := open(t, path)
			if added, err := l.Attach(t.Context(), signatures(t, l)...); err != nil || added != 2 {
				t.Fatalf("added %d (%v)", added, err)
			}
			if got := found(t, path); len(got) != 2 || got[0] == got[1] {
				t.Errorf("found %v", got)
			}
			before := bytesBelow(t, path)
			for _, again := range []*Layout{l, open(t, path)} {
				if added, err := again.Attach(t.Context(), signatures(t, again)...); err != nil || added != 0 {
					t.Errorf("signed again: added %d (%v)", added, err)
				}
			}
			if bytesBelow(t, path) != before {
				t.Error("signing again changed bytes")
			}
			_, _, of := layoutFiles()
			if r := l.Repository(of.Digest); r != theRepository {
				t.Errorf("the repository is %q", r)
			}
			if r := l.Repository(digestOf([]byte("0"))); r != "" {
				t.Errorf("the repository of no image is %q", r)
			}
		})
	}
}

// TestAttachAtOnce holds that none is lost of several that sign at once.
func TestAttachAtOnce(t *testing.T) {
	for name, make := range places() {
		t.Run(name, func(t *testing.T) {
			path := make(t)
			const signers = 8
			var g errgroup.Group
			for n := range signers {
				l, a := open(t, path), bundleBy(t, byte(n))
				g.Go(func() error {
					added, err := l.Attach(t.Context(), a)
					if err == nil && added != 1 {
						err = fmt.Errorf("added %d", added)
					}
					return err
				})
			}
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			if got := found(t, path); len(got) != signers {
				t.Errorf("%d signers, %d signatures are there", signers, len(got))
			}
		})
	}
}

// bundleBy is a signature of the layout's image by the key of that seed.
func bundleBy(t *testing.T, seed byte) Attachment {
	t.Helper()
	_, _, of := layoutFiles()
	statement, err := sign.Statement(of.Digest, spec.SignatureType, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := sign.Bundle(signingKey(t, seed), statement)
	if err != nil {
		t.Fatal(err)
	}
	a, err := sign.Referrer(of, text, spec.SignatureType)
	if err != nil {
		t.Fatal(err)
	}
	return attachmentOf(a)
}

// TestAttachSecondKey adds the older signature of another key: the manifest takes
// the place of the one before, and has both.
func TestAttachSecondKey(t *testing.T) {
	for name, make := range places() {
		t.Run(name, func(t *testing.T) {
			path := make(t)
			l := open(t, path)
			if _, err := l.Attach(t.Context(), signatures(t, l)...); err != nil {
				t.Fatal(err)
			}
			_, _, of := layoutFiles()
			old, err := open(t, path).Attached(t.Context(), spec.LegacyTag(spec.Digest(of.Digest.String())))
			if err != nil {
				t.Fatal(err)
			}
			second, err := sign.Legacy(signingKey(t, 8), theRepository, of.Digest, old)
			if err != nil {
				t.Fatal(err)
			}
			if added, err := open(t, path).Attach(t.Context(), attachmentOf(second)); err != nil || added != 1 {
				t.Fatalf("added %d (%v)", added, err)
			}
			if got := found(t, path); len(got) != 3 {
				t.Errorf("found %v, want a bundle and two older ones", got)
			}
			if index := string(readFrom(t, path, "index.json")); strings.Count(index, `.sig"`) != 1 {
				t.Errorf("not one manifest of older signatures:\n%s", index)
			}
		})
	}
}

// TestAttachedName finds and replaces a manifest whose tag is in a whole name, as
// containerd writes it.
func TestAttachedName(t *testing.T) {
	f := newFixture()
	img := f.image("linux/amd64", "signed")
	f.name("docker.io/acme/web:v1", img)
	tag := spec.LegacyTag(spec.Digest(img.Digest.String()))
	old := f.legacy(`{"payload":1}`)
	old.Annotations = map[string]string{containerdName: "docker.io/acme/web:" + tag}
	f.names = append(f.names, old)
	path := f.dir(t)
	raw, err := open(t, path).Attached(t.Context(), tag)
	if err != nil || digestOf(raw) != old.Digest {
		t.Fatalf("what has the tag: %q, %v", raw, err)
	}
	more, err := sign.Legacy(signingKey(t, 7), "docker.io/acme/web", img.Digest, raw)
	if err != nil {
		t.Fatal(err)
	}
	if added, err := open(t, path).Attach(t.Context(), attachmentOf(more)); err != nil || added != 1 {
		t.Fatalf("added %d (%v)", added, err)
	}
	l := open(t, path)
	if len(l.index.Manifests) != 2 {
		t.Errorf("index.json lists %v", l.index.Manifests)
	}
	if all, err := l.Signatures(t.Context(), spec.Ref{}, img.Digest); err != nil || len(all) != 2 {
		t.Errorf("found %v (%v)", all, err)
	}
}

// TestAttachThroughLink attaches to a tar that is reached by a symbolic link, which
// stays one, and refuses one whose index.json is a link.
func TestAttachThroughLink(t *testing.T) {
	target := layoutTar(t, "")
	path := filepath.Join(t.TempDir(), "link.tar")
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	l := open(t, path)
	if added, err := l.Attach(t.Context(), signatures(t, l)...); err != nil || added != 2 {
		t.Fatalf("added %d (%v)", added, err)
	}
	if to, err := os.Readlink(path); err != nil || to != target {
		t.Errorf("the link leads to %q (%v)", to, err)
	}
	if got := found(t, target); len(got) != 2 {
		t.Errorf("found %v", got)
	}
	files := good().all()
	linked := writeTar(t, file("oci-layout", files["oci-layout"]), file("x", files["index.json"]),
		&tar.Header{Typeflag: tar.TypeLink, Name: "index.json", Linkname: "x"})
	l = open(t, linked)
	before := bytesBelow(t, linked)
	if _, err := l.Attach(t.Context(), signatures(t, l)...); !errors.Is(err, ErrInvalid) || bytesBelow(t, linked) != before {
		t.Errorf("index.json is a link: %v", err)
	}
}

// TestAttachKeepsTheRest looks at all that signing has no business with.
func TestAttachKeepsTheRest(t *testing.T) {
	for name, make := range places() {
		t.Run(name, func(t *testing.T) {
			path := make(t)
			l := open(t, path)
			if _, err := l.Attach(t.Context(), signatures(t, l)...); err != nil {
				t.Fatal(err)
			}
			_, files, _ := layoutFiles()
			for name, want := range files {
				if got := string(readFrom(t, path, name)); name != "index.json" && got != want {
					t.Errorf("%s is %q, was %q", name, got, want)
				}
			}
			index := string(readFrom(t, path, "index.json"))
			for _, want := range []string{`"extra": {`, `"kept": [`, `"unknown": true`} {
				if !strings.Contains(index, want) {
					t.Errorf("index.json lost %s:\n%s", want, index)
				}
			}
			at := path
			if info, err := os.Stat(path); err == nil && info.IsDir() {
				at = filepath.Join(path, "index.json")
			}
			if info, err := os.Stat(at); err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("%s: mode %v (%v), was 0640", at, info.Mode(), err)
			}
			rest, err := filepath.Glob(filepath.Join(filepath.Dir(at), ".*"))
			if err != nil || len(rest) > 0 {
				t.Errorf("left behind: %v (%v)", rest, err)
			}
		})
	}
}

// TestAttachAtomic lets the writing of a blob fail: index.json stays what it was.
func TestAttachAtomic(t *testing.T) {
	path := layoutFolder(t)
	l := open(t, path)
	all := signatures(t, l)
	before := readFrom(t, path, "index.json")
	if err := os.Rename(filepath.Join(path, "blobs"), filepath.Join(path, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "blobs"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Attach(t.Context(), all...); err == nil {
		t.Error("blobs were written into a file")
	}
	if after := readFrom(t, path, "index.json"); !bytes.Equal(before, after) {
		t.Errorf("index.json changed:\n%s", after)
	}
}

// TestAttachInterrupted adds with a context that has ended: a tar stays what it was.
func TestAttachInterrupted(t *testing.T) {
	path := layoutTar(t, "")
	l := open(t, path)
	before := bytesBelow(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if added, err := l.Attach(ctx, signatures(t, l)...); !errors.Is(err, context.Canceled) {
		t.Errorf("added %d (%v)", added, err)
	}
	if bytesBelow(t, path) != before {
		t.Error("the tar changed")
	}
	if rest, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); err != nil || len(rest) > 0 {
		t.Errorf("left behind: %v (%v)", rest, err)
	}
}

// FuzzAttachTar adds to tars of any kind. What is taken has the signature after it,
// and is taken again.
func FuzzAttachTar(f *testing.F) {
	names, files, _ := layoutFiles()
	for _, before := range []string{"", "./"} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, name := range names {
			h := &tar.Header{Typeflag: tar.TypeReg, Name: before + name, Mode: 0o644, Size: int64(len(files[name]))}
			if err := w.WriteHeader(h); err != nil {
				f.Fatal(err)
			}
			if _, err := io.WriteString(w, files[name]); err != nil {
				f.Fatal(err)
			}
		}
		f.Add(b.Bytes()) // some writers leave the end marker out
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "layout.tar")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := OpenLayout(t.Context(), path)
		if err != nil {
			return
		}
		defer l.Close()
		a := signatures(t, l)[0]
		if added, err := l.Attach(t.Context(), a); err != nil || added != 1 {
			return // what it says of itself was not so
		}
		if added, err := open(t, path).Attach(t.Context(), a); err != nil || added != 0 {
			t.Errorf("the second time: added %d (%v)", added, err)
		}
		if got := readFrom(t, path, blobName(a.Digest)); !bytes.Equal(got, a.Raw) {
			t.Errorf("the manifest is %q", got)
		}
	})
}

// readFrom returns a file of a layout.
func readFrom(t *testing.T, path, name string) []byte {
	t.Helper()
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		data, err := os.ReadFile(filepath.Join(path, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var found []byte
	times := 0
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Clean(h.Name) == name {
			times++
			if found, err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	if times != 1 {
		t.Fatalf("%s is in the tar %d times", name, times)
	}
	return found
}

// bytesBelow returns all bytes of a layout, in one text.
func bytesBelow(t *testing.T, path string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(path, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		all.WriteString(p + "\n")
		all.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
