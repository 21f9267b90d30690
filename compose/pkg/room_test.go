package pkg_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"

	"github.com/composeos/compose/compose/pkg"
	"github.com/composeos/compose/compose/pkg/debian"
	"github.com/composeos/compose/compose/pkg/debian/debtest"
	"github.com/composeos/compose/compose/pkg/golang"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/compose/rootfs/rootfstest"
	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/spec"
)

// room is a folder with package sources in pkgs, and a builder with a cache.
type room struct {
	*pkg.Builder
	t          *testing.T
	dir        string
	repository *debtest.Repository // nil: none
}

// newRoom returns a room where a repository's packages can be had.
func newRoom(t *testing.T, repository *debtest.Repository) *room {
	t.Helper()
	r := &room{t: t, dir: t.TempDir(), repository: repository}
	r.Builder = &pkg.Builder{WorkDir: r.dir, Jobs: 2, Go: golang.New(golang.Options{Scratch: t.TempDir()})}
	r.emptyCache()
	return r
}

// emptyCache gives the room another cache, with nothing in it.
func (r *room) emptyCache() {
	r.t.Helper()
	r.openCache(r.t.TempDir())
}

// reopenCache lets go of what the builder knows of its cache.
func (r *room) reopenCache() {
	r.t.Helper()
	r.openCache(r.Store.Dir())
}

func (r *room) openCache(dir string) {
	r.t.Helper()
	cache, err := store.Open(dir, store.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	lease := cache.Lease()
	r.t.Cleanup(func() { _ = lease.Close() })
	r.Store, r.Lease = cache, lease
	r.Archive = &debian.Archive{Cache: pkg.DebCache(lease)}
	if r.repository != nil {
		r.Archive.Mirrors, r.Archive.Keyring = r.repository.Mirrors(r.t), r.repository.Keyring(r.t)
	}
}

// write makes a file below the room's folder.
func (r *room) write(name, content string) {
	r.t.Helper()
	path := filepath.Join(r.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// source writes a build.yml and opens it.
func (r *room) source(name, build string) *pkg.Source {
	r.t.Helper()
	r.write("pkgs/"+name+"/build.yml", build)
	return r.open(name)
}

func (r *room) open(name string) *pkg.Source {
	r.t.Helper()
	s, err := pkg.Open(filepath.Join(r.dir, "pkgs", name))
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *room) set() *pkg.Set {
	r.t.Helper()
	set, err := pkg.OpenSet(filepath.Join(r.dir, "pkgs"))
	if err != nil {
		r.t.Fatal(err)
	}
	return set
}

// resolve makes the lock of what is there, without writing it.
func (r *room) resolve(update bool) (*spec.DebsLock, []pkg.Change, error) {
	r.t.Helper()
	return r.Resolve(r.t.Context(), r.set(), pkg.ResolveOptions{Update: update, Now: r.repository.Now})
}

// lock makes the lock and writes it.
func (r *room) lock(update bool) string {
	r.t.Helper()
	l, _, err := r.resolve(update)
	if err != nil {
		r.t.Fatal(err)
	}
	data, err := l.Marshal()
	if err != nil {
		r.t.Fatal(err)
	}
	r.write("pkgs/debs.lock", string(data))
	return string(data)
}

// locked writes a build.yml, locks and opens it.
func (r *room) locked(name, build string) *pkg.Source {
	r.t.Helper()
	r.source(name, build)
	r.lock(false)
	return r.open(name)
}

// build makes a source's image for amd64.
func (r *room) build(s *pkg.Source) *pkg.Image {
	r.t.Helper()
	made, err := r.Build(r.t.Context(), s, []string{"amd64"}, false)
	if err != nil {
		r.t.Fatal(err)
	}
	return made
}

// blob returns a blob of the cache.
func (r *room) blob(d v1.Hash) []byte {
	r.t.Helper()
	b, err := r.Lease.Blob(r.t.Context(), d)
	if err != nil {
		r.t.Fatal(err)
	}
	data, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size))
	if err != nil {
		r.t.Fatal(err)
	}
	if sum := sha256.Sum256(data); d.Hex != fmt.Sprintf("%x", sum) {
		r.t.Fatalf("%s is not what it is called", d)
	}
	return data
}

// read reads a JSON document of the cache.
func read[T any](r *room, d v1.Hash) T {
	r.t.Helper()
	var doc T
	if err := json.Unmarshal(r.blob(d), &doc); err != nil {
		r.t.Fatal(err)
	}
	return doc
}

// opened is an image, read back.
type opened struct {
	index    v1.IndexManifest
	manifest v1.Manifest
	config   v1.ConfigFile
	layer    []byte // the tar
}

// openImage reads the first image of an index.
func (r *room) openImage(made *pkg.Image) opened {
	r.t.Helper()
	var o opened
	o.index = read[v1.IndexManifest](r, made.Index.Digest)
	o.manifest = read[v1.Manifest](r, o.index.Manifests[0].Digest)
	o.config = read[v1.ConfigFile](r, o.manifest.Config.Digest)
	z, err := gzip.NewReader(bytes.NewReader(r.blob(o.manifest.Layers[0].Digest)))
	if err != nil {
		r.t.Fatal(err)
	}
	if o.layer, err = io.ReadAll(z); err != nil {
		r.t.Fatal(err)
	}
	return o
}

// ofText is a package with files as rootfstest writes them, and a copyright file.
func ofText(name, text string) debtest.Package {
	return debtest.Package{Name: name, Files: rootfstest.Parse(text + "\nfile usr/share/doc/" + name + "/copyright free")}
}

// executable gives entries the mode of programs.
func executable(entries []*rootfs.Entry, paths ...string) []*rootfs.Entry {
	for _, e := range entries {
		for _, p := range paths {
			if e.Path == p {
				e.Mode = 0o755
			}
		}
	}
	return entries
}

// entry is used where a file's content is more than a word.
func entry(path string, mode uint32, content string) *rootfs.Entry {
	e := rootfs.MadeFile(path, mode, []byte(content))
	e.Made = false
	return e
}

// wants fails unless err has all the texts.
func wants(t *testing.T, err error, texts ...string) {
	t.Helper()
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("no %q in\n%v", text, err)
		}
	}
}

func hashOf(t *testing.T, d spec.Digest) v1.Hash {
	t.Helper()
	h, err := v1.NewHash(string(d))
	if err != nil {
		t.Fatal(err)
	}
	return h
}
