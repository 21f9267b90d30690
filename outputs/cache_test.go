package outputs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"os"
	"sync"
	"testing"

	"github.com/composeos/compose/compose/rootfs"
)

// memCache is a [Cache] in memory.
type memCache struct {
	mu      sync.Mutex
	members map[rootfs.Digest][]byte
	values  map[rootfs.Digest][]byte
	made    []rootfs.Digest // keys of members that were not there
	open    int
	err     error // of Member
}

type memMember struct {
	*bytes.Reader
	cache *memCache
}

func (m memMember) Close() error {
	m.cache.mu.Lock()
	defer m.cache.mu.Unlock()
	m.cache.open--
	return nil
}

func (c *memCache) Member(_ context.Context, key rootfs.Digest, write func(io.Writer) error) (Member, error) {
	c.mu.Lock()
	data, ok := c.members[key]
	err := c.err
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if !ok {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			return nil, err
		}
		data = b.Bytes()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !ok {
		if c.members == nil {
			c.members = map[rootfs.Digest][]byte{}
		}
		c.members[key] = data
		c.made = append(c.made, key)
	}
	c.open++
	return memMember{bytes.NewReader(data), c}, nil
}

func (c *memCache) Recall(key rootfs.Digest) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, ok := c.values[key]
	return value, ok
}

func (c *memCache) Folder() (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp("", "compose-test-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}

func (c *memCache) Remember(key rootfs.Digest, value []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.values == nil {
		c.values = map[rootfs.Digest][]byte{}
	}
	c.values[key] = value
}

// writeAll writes a tree in a format and returns the files by name. All members
// that it took have to be closed.
func writeAll(t testing.TB, f Format, tree *rootfs.Tree, o Options, c *memCache) map[string][]byte {
	t.Helper()
	s := &memSink{files: map[string]*memFile{}}
	env := Env{Options: o, Sink: s, Cache: c, Progress: func(int64) {}, Notify: func(Notice) {}}
	if _, err := f.Check(tree, o); err != nil {
		t.Fatalf("%s: %v", f.Name(), err)
	}
	if err := f.Write(t.Context(), tree, env); err != nil {
		t.Fatalf("%s: %v", f.Name(), err)
	}
	if c.open != 0 {
		t.Errorf("%s: %d members are left open", f.Name(), c.open)
	}
	got := map[string][]byte{}
	for _, name := range f.Files(o.Name) {
		w := s.files[name]
		if w == nil || !w.closed {
			t.Fatalf("%s: %s was not written", f.Name(), name)
		}
		got[name] = w.Bytes()
		if w.digest != sha256.Sum256(w.Bytes()) {
			t.Errorf("%s: %s: the digest is not that of the bytes", f.Name(), name)
		}
	}
	if len(got) != len(s.files) {
		t.Errorf("%s: wrote %d files, said %d", f.Name(), len(s.files), len(got))
	}
	return got
}

// memSink keeps files in memory.
type memSink struct{ files map[string]*memFile }

func (s *memSink) Commit() error { return nil }
func (s *memSink) Abort()        {}

func (s *memSink) Create(name string) (File, error) {
	f := &memFile{}
	f.file = newFile(name, &f.Buffer, nil, func() bool { return false })
	s.files[name] = f
	return f, nil
}

type memFile struct {
	*file
	bytes.Buffer
}

func (f *memFile) Write(p []byte) (int, error) { return f.file.Write(p) }
