package outputs

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/composeos/compose/compose/rootfs"
)

// treeFrom makes a tree of what a fuzzer says: each two bytes are an entry's kind
// and size, and where it lies.
func treeFrom(t *testing.T, data []byte) *rootfs.Tree {
	t.Helper()
	segments := []rootfs.Segment{{Name: "init[0] a"}, {Name: "services[0] b"}, {Name: "files", Files: true}}
	large := 0
	for i := 0; i+1 < len(data) && i < 600; i += 2 {
		kind, place := data[i], data[i+1]
		s := &segments[int(place)%len(segments)]
		path := fmt.Sprintf("%c/%d/%03d", 'a'+place%7, place%3, i/2)
		e := rootfs.MadeFile(path, 0o644, bytes.Repeat([]byte{kind}, int(kind)))
		switch kind % 8 {
		case 0:
			e = rootfs.MadeDir(path, uint32(kind)|0o700)
		case 1:
			e = rootfs.MadeSymlink(path, "to/"+path)
		case 2:
			e.Inode = uint32(place%5) + 1
			e = withContent(e, []byte{place % 5})
		case 3:
			if large++; large <= 2 {
				e = withContent(e, bytes.Repeat([]byte{kind, place}, target/2+int(kind)))
			}
			e.Xattrs = []rootfs.Xattr{{Name: "user.a", Value: string(data[i : i+1])}}
		}
		e.Made = s.Files
		e.UID, e.Origin = uint32(kind)<<16, s.Name
		s.Entries = append(s.Entries, e)
	}
	boot := rootfs.Segment{Name: "kernel", Entries: []*rootfs.Entry{
		rootfs.MadeFile("boot/cmdline", 0o644, nil), rootfs.MadeFile("boot/kernel", 0o644, []byte("a kernel")),
	}}
	for i := range segments {
		segments[i].Entries = rootfs.Sort(segments[i].Entries)
	}
	tree, _, err := rootfs.NewTree(append([]rootfs.Segment{boot}, segments...), rootfs.TreeOptions{Arch: "amd64", Epoch: 1})
	if err != nil {
		t.Skip(err) // a file and a directory at one path
	}
	return tree
}

func withContent(e *rootfs.Entry, content []byte) *rootfs.Entry {
	c := rootfs.MadeFile(e.Path, e.Mode, content)
	c.Inode = e.Inode
	return c
}

func addSeeds(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{5, 0, 0, 1, 1, 2, 2, 7, 2, 12, 2, 17, 4, 9})
	f.Add([]byte{3, 3, 3, 9, 250, 1, 251, 4, 5, 6, 7, 8})
	r := rand.New(rand.NewPCG(5, 6))
	many := make([]byte, 500)
	for i := range many {
		many[i] = byte(r.Uint32())
	}
	f.Add(many)
}

// FuzzRuns holds that an archive is what its runs are, joined; and that what is
// compressed is, undone, what is not.
func FuzzRuns(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		entries := slices.Collect(treeFrom(t, data).Entries())
		for _, codec := range []rootfs.Codec{rootfs.Tar{}, rootfs.Cpio{}} {
			whole := encoded(t, section{entries, codec, true})
			var runs []byte
			for _, run := range cut(entries) {
				runs = append(runs, encoded(t, section{run, codec, false})...)
			}
			if !bytes.Equal(whole, append(runs, codec.Trailer()...)) {
				t.Fatalf("%s: the runs are not the archive", codec.Name())
			}
			for _, c := range []Compression{Gzip, Zstd} {
				env := Env{Cache: &memCache{}, Progress: untold}
				s, err := compressed(t.Context(), env, c, section{entries, codec, true})
				if err != nil {
					t.Fatal(err)
				}
				var b bytes.Buffer
				if err := s.write(t.Context(), newPlainWriter(&b), untold); err != nil {
					t.Fatal(err)
				}
				if int64(b.Len()) != s.size() || !bytes.Equal(decompress(t, c, b.Bytes()), whole) {
					t.Fatalf("%s %s: %d bytes are not the archive", codec.Name(), c, b.Len())
				}
				s.close()
			}
		}
	})
}

// lateCache lets other goroutines go on before, while and after a member is made.
type lateCache struct {
	memCache
	seed uint64
}

func (c *lateCache) Member(ctx context.Context, key rootfs.Digest, fill func(io.Writer) error) (Member, error) {
	r := rand.New(rand.NewPCG(c.seed, binary.BigEndian.Uint64(key[:])))
	pause := func() {
		for range r.IntN(50) {
			runtime.Gosched()
		}
	}
	pause()
	m, err := c.memCache.Member(ctx, key, func(w io.Writer) error { pause(); return fill(w) })
	pause()
	return m, err
}

// FuzzArrival holds that nothing hangs on what is ready first.
func FuzzArrival(f *testing.F) {
	for seed := range uint64(3) {
		f.Add(seed, []byte{3, 3, 3, 9, 250, 1, 251, 4, 5, 6, 7, 8, 3, 12, 3, 15})
	}
	f.Fuzz(func(t *testing.T, seed uint64, data []byte) {
		tree := treeFrom(t, data)
		for _, format := range []Format{KernelInitrd{}, OCI{}} {
			o := Options{Name: "image", Compress: Zstd}
			want := writeAll(t, format, tree, o, &memCache{})
			s := &memSink{files: map[string]*memFile{}}
			env := Env{Options: o, Sink: s, Cache: &lateCache{seed: seed}, Progress: untold, Notify: func(Notice) {}}
			if err := format.Write(t.Context(), tree, env); err != nil {
				t.Fatal(err)
			}
			for name, file := range s.files {
				if !bytes.Equal(want[name], file.Bytes()) {
					t.Errorf("%s: %s has other bytes", format.Name(), name)
				}
			}
		}
	})
}

// FuzzLayers holds that a container image's layers, laid over each other in any
// order, are the tree.
func FuzzLayers(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		tree := treeFrom(t, data)
		at := map[string]*rootfs.Entry{}
		for _, l := range layers(tree) {
			on := map[string]bool{"": true}
			for _, e := range l.entries {
				if !on[rootfs.Parent(e.Path)] {
					t.Fatalf("%s is not behind its directory", e.Path)
				}
				if e.First != "" && !on[e.First] {
					t.Fatalf("%s is not behind the file that it is a name of", e.Path)
				}
				on[e.Path] = true
				if other := at[e.Path]; other != nil && (other != e || e.Type != rootfs.Dir) {
					t.Fatalf("%s is in two layers", e.Path)
				}
				at[e.Path] = e
			}
		}
		if len(at) != tree.Len() {
			t.Fatalf("%d of %d paths", len(at), tree.Len())
		}
	})
}
