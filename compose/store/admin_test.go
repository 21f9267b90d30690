package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// putBlob puts a blob in and lets go of it.
func putBlob(t *testing.T, s *Store, data string) v1.Hash {
	t.Helper()
	l := s.Lease()
	_, err := l.Put(t.Context(), hashOf([]byte(data)), -1, strings.NewReader(data))
	must(t, err)
	must(t, l.Close())
	return hashOf([]byte(data))
}

// used sets when a blob was used last.
func used(t *testing.T, s *Store, d v1.Hash, at int64) {
	t.Helper()
	must(t, os.Chtimes(s.path(blobsDir, d.Hex+".stamp"), time.Unix(at, 0), time.Unix(at, 0)))
}

func keys(items []Item) (k []string) {
	for _, it := range items {
		k = append(k, it.Kind+" "+it.Key)
	}
	return k
}

func TestPruneOrder(t *testing.T) {
	s := openStore(t, t.TempDir())
	pad := strings.Repeat("x", 10000)
	a, b, c, d := putBlob(t, s, pad+"a"), putBlob(t, s, pad+"b"), putBlob(t, s, pad+"c"), putBlob(t, s, pad+"d")
	for i, h := range []v1.Hash{c, a, d, b} {
		used(t, s, h, int64(1000+i))
	}
	u, err := s.Usage(t.Context())
	must(t, err)
	if u.Items != 4 || u.Size < 40004 || u.Size > 41000 {
		t.Errorf("usage %+v", u)
	}
	p, err := s.Prune(t.Context(), u.Size)
	must(t, err)
	if len(p.Removed) != 0 || p.Left != u.Size {
		t.Errorf("below the cap: %+v", p)
	}
	l := newLease(t, s)
	_, err = l.Blob(t.Context(), a) // a use, and a hold
	must(t, err)
	p, err = s.Prune(t.Context(), 25000)
	must(t, err)
	if diff := cmp.Diff([]string{"blob " + c.String(), "blob " + d.String()}, keys(p.Removed)); diff != "" {
		t.Error(diff)
	}
	if p.Freed+p.Left != u.Size || p.Left > 25000 {
		t.Errorf("%+v", p)
	}
	p, err = s.Prune(t.Context(), 0)
	must(t, err)
	if diff := cmp.Diff([]string{"blob " + b.String()}, keys(p.Removed)); diff != "" {
		t.Error(diff)
	}
}

func TestUseMovesTheTime(t *testing.T) {
	s := openStore(t, t.TempDir())
	d := putBlob(t, s, "x")
	used(t, s, d, 1000)
	_, err := newLease(t, s).Blob(t.Context(), d)
	must(t, err)
	items, err := s.Items(t.Context())
	must(t, err)
	if len(items) != 1 || items[0].Used.Unix() < 1e9 {
		t.Errorf("%v", items)
	}
}

// putImage puts an index of one image in and returns the digests of all blobs,
// the index first.
func putImage(t *testing.T, s *Store) []v1.Hash {
	t.Helper()
	layer, config := putBlob(t, s, "layer"), putBlob(t, s, "{}")
	desc := func(h v1.Hash) v1.Descriptor { return v1.Descriptor{Digest: h} }
	manifest, err := json.Marshal(v1.Manifest{Config: desc(config), Layers: []v1.Descriptor{desc(layer)}})
	must(t, err)
	m := putBlob(t, s, string(manifest))
	index, err := json.Marshal(v1.IndexManifest{Manifests: []v1.Descriptor{desc(m), desc(hashOf([]byte("not there")))}})
	must(t, err)
	return []v1.Hash{putBlob(t, s, string(index)), m, config, layer}
}

func TestPruneKeepsWhatRefsLeadTo(t *testing.T) {
	s := openStore(t, t.TempDir())
	blobs := putImage(t, s)
	loose := putBlob(t, s, "loose")
	must(t, s.SetRef("docker.io/library/x:1", v1.Descriptor{Digest: blobs[0]}))
	must(t, s.SetNote("n", "k", []byte("x")))
	for _, b := range append(blobs, loose) { // a note of each blob's signatures
		must(t, s.SetNote(SignatureNote, b.String(), []byte("[]")))
	}
	p, err := s.Prune(t.Context(), 0)
	must(t, err)
	if len(p.Removed) != 3 || p.Removed[0].Key != loose.String() || p.Removed[1].Kind != NoteKind || p.Removed[2].Kind != NoteKind {
		t.Errorf("removed %v", p.Removed)
	}
	if _, err := s.Note(SignatureNote, loose.String()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("signatures of what nothing leads to: %v", err)
	}
	for _, b := range blobs {
		if _, err := s.Note(SignatureNote, b.String()); err != nil {
			t.Error(err)
		}
		if err := s.Remove(t.Context(), b.String()); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "docker.io/library/x:1") {
			t.Errorf("remove: %v", err)
		}
	}
	must(t, s.Remove(t.Context(), "docker.io/library/x:1"))
	p, err = s.Prune(t.Context(), 0)
	must(t, err)
	if len(p.Removed) != 2*len(blobs) || p.Left != 0 {
		t.Errorf("%+v", p)
	}
}

func TestRemove(t *testing.T) {
	s := openStore(t, t.TempDir())
	ball := makeTar(t, file("a", ""))
	l := s.Lease()
	mustLayer(t, l, layerOf(ball, ball))
	_, err := l.Put(t.Context(), hashOf(ball), -1, bytes.NewReader(ball))
	must(t, err)
	if err := s.Remove(t.Context(), hashOf(ball).String()); !errors.Is(err, ErrInUse) {
		t.Errorf("held: %v", err)
	}
	must(t, l.Close())
	must(t, s.Remove(t.Context(), hashOf(ball).String()))
	if left := files(t, s); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	for _, what := range []string{hashOf(ball).String(), "name"} {
		if err := s.Remove(t.Context(), what); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := s.Remove(t.Context(), "sha256:../x"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestPruneLeftovers(t *testing.T) {
	s := openStore(t, t.TempDir())
	d := hashOf([]byte("x"))
	put(t, s.path(layersDir, d.Hex+".idx"), "index")
	put(t, s.path(blobsDir, d.Hex+".stamp"), "stamp")
	put(t, s.path(layersDir, "README"), "not ours")
	unlock, err := s.lock(t.Context(), "layer-"+d.Hex)
	must(t, err)
	p, err := s.Prune(t.Context(), 0)
	must(t, err)
	if len(p.Removed) != 1 {
		t.Errorf("%+v", p)
	}
	unlock()
	p, err = s.Prune(t.Context(), 0)
	must(t, err)
	if left := files(t, s); len(p.Removed) != 1 || len(left) != 1 {
		t.Errorf("%+v, %v", p, left)
	}
}

func TestVerify(t *testing.T) {
	s := openStore(t, t.TempDir())
	ball, other := makeTar(t, file("a", "x"), file("kernel.tar", string(makeTar(t, file("b", "y"))))), makeTar(t, file("c", ""))
	l := s.Lease()
	layer := mustLayer(t, l, layerOf(ball, ball))
	_, err := l.Archive(t.Context(), &layer.Entries()[1])
	must(t, err)
	mustLayer(t, l, layerOf(other, other))
	must(t, l.Close())
	good, bad := putBlob(t, s, "good"), putBlob(t, s, "bad")
	for _, name := range []string{"a", "b"} {
		must(t, s.SetNote("n", name, []byte(name)))
		must(t, s.SetRef(name, v1.Descriptor{Digest: good}))
	}
	verify := func() (damaged []string, all int) {
		err := s.Verify(t.Context(), func(it Item, err error) {
			all++
			if err != nil {
				damaged = append(damaged, it.Kind)
				if !errors.Is(err, ErrDamaged) {
					t.Errorf("%v: %v", it, err)
				}
			}
		})
		must(t, err)
		return damaged, all
	}
	if damaged, all := verify(); damaged != nil || all != 9 {
		t.Errorf("%v of %d", damaged, all)
	}
	forge(func(s *Store, x string) string { return s.path(layersDir, hashOf(other).Hex+x) }, 3)(t, s)
	overwrite(t, s.path(blobsDir, bad.Hex), 1)
	overwrite(t, s.path(notesDir, "n", hexOf("a")), 83)
	overwrite(t, s.path(refsDir, hexOf("a")), 83)
	for _, f := range files(t, s) {
		if strings.HasPrefix(f, archivesDir) {
			overwrite(t, s.path(f), 90)
		}
	}
	damaged, _ := verify()
	if diff := cmp.Diff([]string{"archive", "blob", "layer", "note", "ref"}, damaged); diff != "" {
		t.Error(diff)
	}
	if damaged, all := verify(); damaged != nil || all != 4 {
		t.Errorf("%v of %d", damaged, all)
	}
}

func TestNotes(t *testing.T) {
	s := openStore(t, t.TempDir())
	long := strings.Repeat("long/\n", 1000)
	for _, key := range []string{"", "a", long, "ä\x00\xff"} {
		if _, err := s.Note("kind-1", key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%.10q: %v", key, err)
		}
		for _, data := range []string{"first", "", "second\n\x00"} {
			must(t, s.SetNote("kind-1", key, []byte(data)))
			got, err := s.Note("kind-1", key)
			if err != nil || string(got) != data {
				t.Errorf("%.10q: %q, %v", key, got, err)
			}
		}
		if _, err := s.Note("kind-2", key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("another kind: %v", err)
		}
	}
	for _, kind := range []string{"", "..", "a/b", "A", strings.Repeat("a", 65)} {
		if err := s.SetNote(kind, "k", nil); err == nil {
			t.Errorf("kind %q was accepted", kind)
		}
	}
	if err := s.SetNote("a", "k", make([]byte, maxSealed)); err == nil {
		t.Error("a note of 16 MB was accepted")
	}
}

// A note that is damaged anywhere, or that lies in another's place, is not there.
func TestDamagedNote(t *testing.T) {
	s := openStore(t, t.TempDir())
	must(t, s.SetNote("n", "k", []byte("data")))
	path := s.path(notesDir, "n", hexOf("k"))
	whole := read(t, path)
	must(t, os.Chmod(path, 0o644))
	for i := range whole {
		put(t, path, string(flip([]byte(whole), i)))
		if got, err := s.Note("n", "k"); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("byte %d: %q, %v", i, got, err)
		}
		put(t, path, whole[:i])
		if got, err := s.Note("n", "k"); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("cut at %d: %q, %v", i, got, err)
		}
	}
	for _, other := range []string{s.path(notesDir, "n", hexOf("x")), s.path(notesDir, "m", hexOf("k"))} {
		put(t, other, whole)
	}
	for kind, key := range map[string]string{"n": "x", "m": "k"} {
		if _, err := s.Note(kind, key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s %s: %v", kind, key, err)
		}
	}
}

func TestRefs(t *testing.T) {
	s := openStore(t, t.TempDir())
	desc := func(i int) v1.Descriptor {
		return v1.Descriptor{
			Digest: hashOf(fmt.Append(nil, i)), Size: int64(i), MediaType: "application/x",
			Annotations: map[string]string{"a": "<&>"}, Platform: &v1.Platform{OS: "linux", Architecture: "amd64"},
		}
	}
	names := []string{"docker.io/library/b:1", "docker.io/library/a@" + hashOf(nil).String(), "c"}
	for i, n := range names {
		must(t, s.SetRef(n, desc(0)))
		must(t, s.SetRef(n, desc(i)))
	}
	got, err := s.Ref(names[1])
	must(t, err)
	if diff := cmp.Diff(desc(1), got); diff != "" {
		t.Error(diff)
	}
	refs, err := s.Refs()
	must(t, err)
	if diff := cmp.Diff([]Ref{{names[2], desc(2)}, {names[1], desc(1)}, {names[0], desc(0)}}, refs); diff != "" {
		t.Error(diff)
	}
	must(t, s.RemoveRef("c"))
	for _, err := range []error{s.RemoveRef("c"), func() error { _, err := s.Ref("c"); return err }()} {
		if !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrDamaged) {
			t.Error(err)
		}
	}
	overwrite(t, s.path(refsDir, hexOf(names[0])), 100)
	if _, err := s.Ref(names[0]); !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
	if refs, err := s.Refs(); err != nil || len(refs) != 1 { // "c" is removed
		t.Errorf("%v, %v", refs, err)
	}
	if s.SetRef("", desc(1)) == nil || s.SetRef("x", v1.Descriptor{}) == nil {
		t.Error("a bad ref was accepted")
	}
}
