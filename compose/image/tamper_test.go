package image

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/compose/store"
)

// pair is a fixture with two images, each of an index, a manifest, a config and
// a gzip layer.
func pair(t *testing.T) (f *fixture, good, evil [4]v1.Descriptor) {
	f = newFixture()
	image := func(content string) (d [4]v1.Descriptor) {
		ball := layerTar("file", content)
		d[3] = f.blob(types.OCILayer, gzipOf(t, ball))
		d[2] = f.json(types.OCIConfigJSON, configFor("linux/amd64", describeBytes("", ball).Digest))
		d[1] = f.json(types.OCIManifestSchema1, manifestOf(types.OCIManifestSchema1, d[2], d[3]))
		d[0] = f.index(d[1])
		return d
	}
	good, evil = image("good"), image("evil")
	f.name("docker.io/acme/web:v1", good[0])
	return f, good, evil
}

// unpack takes the image of that digest as far as it goes, and its layers into
// a store, and returns what the store has unpacked.
func unpack(t *testing.T, from Source, st *store.Store, lease *store.Lease, digest v1.Hash) (unpacked int, err error) {
	t.Helper()
	img, err := from.Image(t.Context(), Pin{Ref: mustRef(t, "acme/web:v1"), Digest: digest, Platform: amd64()})
	if err == nil {
		var sources []store.LayerSource
		if sources, err = img.LayerSources(t.Context()); err == nil {
			_, err = lease.Layer(t.Context(), sources[0])
		}
	}
	items, listErr := st.Items(t.Context())
	if listErr != nil {
		t.Fatal(listErr)
	}
	for _, i := range items {
		if i.Kind == store.LayerKind {
			unpacked++
		}
	}
	return unpacked, err
}

// Whatever is changed on the way from an index to a layer, and wherever, is
// found out before anything is unpacked.
func TestTampering(t *testing.T) {
	flip := func(b []byte, at int) []byte { b[at] ^= 1; return b }
	kinds := [...]string{"index", "manifest", "config", "layer"}
	for n, kind := range kinds {
		for name, change := range map[string]func(old []byte, other []byte) []byte{
			"first byte":   func(old, _ []byte) []byte { return flip(old, 0) },
			"middle byte":  func(old, _ []byte) []byte { return flip(old, len(old)/2) },
			"last byte":    func(old, _ []byte) []byte { return flip(old, len(old)-1) },
			"byte less":    func(old, _ []byte) []byte { return old[:len(old)-1] },
			"byte more":    func(old, _ []byte) []byte { return append(old, ' ') },
			"empty":        func([]byte, []byte) []byte { return []byte{} },
			"exchanged":    func(_, other []byte) []byte { return other },
			"recompressed": func(old, _ []byte) []byte { return append(old, gzipOf(t, nil)...) }, // the same diffID
		} {
			if name == "recompressed" && kind != "layer" {
				continue
			}
			t.Run(kind+" "+name, func(t *testing.T) {
				f, good, evil := pair(t)
				other := f.files["blobs/sha256/"+evil[n].Digest.Hex]
				f.change(good[n].Digest, func(old []byte) []byte { return change(old, other) })
				for where, from := range placesOf(t, f) {
					st, lease := newLease(t, t.TempDir())
					unpacked, err := unpack(t, from(lease), st, lease, good[0].Digest)
					// A layer that is too short may have been cut on its way.
					cut := errors.Is(err, io.ErrUnexpectedEOF) && kind == "layer"
					if !errors.Is(err, ErrDigest) && !errors.Is(err, ErrInvalid) && !cut || unpacked != 0 {
						t.Errorf("%s: %v; %d layers unpacked", where, err, unpacked)
					}
				}
			})
		}
	}
}

// placesOf returns the places that can have a fixture's images, with nothing in
// them that checks by itself.
func placesOf(t *testing.T, f *fixture) map[string]func(*store.Lease) Source {
	dir, m, r := f.dir(t), newMemory(), newRegistry(f)
	for name, data := range f.files {
		if hex, ok := bytes.CutPrefix([]byte(name), []byte("blobs/sha256/")); ok {
			m.blobs[v1.Hash{Algorithm: "sha256", Hex: string(hex)}] = data
		}
	}
	return map[string]func(*store.Lease) Source{
		"layout": func(*store.Lease) Source {
			l, err := OpenLayout(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			return l
		},
		"cache":    func(*store.Lease) Source { return m.cache() },
		"registry": func(lease *store.Lease) Source { return NewRemote(r, lease) },
		"cache before a registry": func(lease *store.Lease) Source {
			return WithRegistry(newMemory().cache(), NewRemote(r, lease))
		},
	}
}

func TestUntampered(t *testing.T) {
	f, good, _ := pair(t)
	for where, from := range placesOf(t, f) {
		st, lease := newLease(t, t.TempDir())
		if unpacked, err := unpack(t, from(lease), st, lease, good[0].Digest); err != nil || unpacked != 1 {
			t.Errorf("%s: %v; %d layers unpacked", where, err, unpacked)
		}
	}
}

// What is damaged on the disk is not used. A registry has it again; without
// one, it is missing.
func TestTamperedStore(t *testing.T) {
	for n, kind := range [...]string{"index", "manifest", "config", "layer"} {
		f, good, _ := pair(t)
		dir := t.TempDir()
		st, lease := newLease(t, dir)
		if _, err := Import(t.Context(), FromStore(st, lease), f.dir(t), ImportOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := lease.Close(); err != nil {
			t.Fatal(err)
		}
		damage := func() {
			path := findFile(t, dir, good[n].Digest.Hex)
			data := readAll(t, path)
			data[len(data)/2] ^= 1
			if err := errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, data, 0o444)); err != nil {
				t.Fatal(err)
			}
		}
		damage()
		st, lease = newLease(t, dir)
		unpacked, err := unpack(t, FromStore(st, lease), st, lease, good[0].Digest)
		if !errors.Is(err, ErrNotCached) || !errors.Is(err, store.ErrDamaged) || unpacked != 0 {
			t.Errorf("%s, cache alone: %v; %d layers unpacked", kind, err, unpacked)
		}
		if _, err := Import(t.Context(), FromStore(st, lease), f.dir(t), ImportOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := lease.Close(); err != nil {
			t.Fatal(err)
		}
		damage()
		st, lease = newLease(t, dir)
		images := WithRegistry(FromStore(st, lease), NewRemote(newRegistry(f), lease))
		if unpacked, err := unpack(t, images, st, lease, good[0].Digest); err != nil || unpacked != 1 {
			t.Errorf("%s, with a registry: %v; %d layers unpacked", kind, err, unpacked)
		}
	}
}

// findFile returns the file of that name below dir.
func findFile(t *testing.T, dir, name string) (found string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if filepath.Base(path) == name {
			found = path
		}
		return err
	})
	if err != nil || found == "" {
		t.Fatalf("%s: %q, %v", name, found, err)
	}
	return found
}
