// Package store is the cache on disk: what was fetched, and what was made of
// it, by digest.
//
// A [Store] holds blobs as they were fetched, and layers: the uncompressed tar
// of a diffID, never extracted, with an index of its entries in path order. A
// layer is inflated and checked once; every build after that merges indexes and
// copies payload out of the tar. It also holds members: bytes that are dear to
// make (a compressed run of files), by a key that names all they are made of.
//
// The invariants:
//
//   - The cache can never change a result. An entry is trusted while its data
//     file is the one that was hashed, which its stamp tells (see [Stamp]); a
//     file without a matching stamp is hashed first, and one that fails is
//     removed and made again.
//   - An entry is there whole or not at all. It is written beside its place and
//     renamed into it. Of many builds that need one entry, in one process or in
//     several, one makes it and the others wait.
//   - A download that was broken off goes on where it was: see [Lease.Fetch].
//     Its bytes are no entry until all of them have been checked.
//   - What a [Lease] has handed out stays until the lease is closed, and a
//     [Member] until it is closed itself, also when another process prunes.
//   - A cache that cannot be written to serves what it holds.
//
// Nothing is flushed to the disk: after a power failure a file that was not
// written in full is shorter than its stamp says, and is made again.
//
// A build uses it so:
//
//	s, err := store.Open(dir, store.Options{})
//	lease := s.Lease()
//	defer lease.Close()
//	layer, err := lease.Layer(ctx, src)
//	for _, e := range layer.Entries() { … }
package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"
)

// The kinds of failure that callers tell apart.
var (
	ErrForeign  = errors.New("not a cache of this version") // the directory holds something else
	ErrReadOnly = errors.New("cache cannot be written to")  // and something has to be added
	ErrDigest   = errors.New("digest mismatch")             // bytes of a source are not those that were named
	ErrInvalid  = errors.New("malformed layer")             // the bytes are right, but no layer that can be used
	ErrDamaged  = errors.New("damaged in the cache")        // an entry is not what it was when it was taken in
	ErrInUse    = errors.New("in use")                      // a running build holds the entry
)

// Options configure a store. The zero value is right for a build.
type Options struct {
	Verify bool   // hash every entry that is used, whatever its stamp says
	Temp   string // folder for members while the cache cannot be written to; "" if they cannot be made then
}

// Store is a cache directory. Its methods may be called from many goroutines.
type Store struct {
	dir    string // as given to Open
	root   string // dir/v1
	verify bool
	temp   string
	limits limits
	tools  tools
}

// limits bound what bad input can cost.
type limits struct {
	layer   int64 // bytes of a layer, uncompressed
	entries int   // of one layer
}

// Open opens the store in dir, which is made if need be. A directory that
// holds something else is refused with [ErrForeign].
func Open(dir string, o Options) (*Store, error) {
	s := &Store{
		dir:    dir,
		root:   filepath.Join(dir, "v1"),
		verify: o.Verify,
		temp:   o.Temp,
		limits: limits{layer: 64 << 30, entries: 8 << 20},
	}
	if err := s.layOut(); err != nil {
		return nil, err
	}
	s.removeLeftovers()
	return s, nil
}

// Dir returns the directory that the store was opened with.
func (s *Store) Dir() string { return s.dir }

// path returns the path of something in the store.
func (s *Store) path(names ...string) string {
	return filepath.Join(append([]string{s.root}, names...)...)
}

// cannotWrite says what to do when a write failed because the cache may not be
// written to; other errors come back as they are.
func (s *Store) cannotWrite(err error) error {
	if !unwritable(err) {
		return err
	}
	return fmt.Errorf("%w: %w (make %s writable, or name another directory with -cache)", ErrReadOnly, err, s.dir)
}

// unwritable tells whether err means that this user may not write there.
func unwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS)
}

// checkHash refuses digests that the store has no place for. What passes is
// also safe as a file name.
func checkHash(h v1.Hash) error {
	if h.Algorithm != "sha256" {
		return fmt.Errorf("digest %q: only sha256 is supported", h)
	}
	ok := len(h.Hex) == 64
	for i := 0; ok && i < len(h.Hex); i++ {
		c := h.Hex[i]
		ok = c >= '0' && c <= '9' || c >= 'a' && c <= 'f'
	}
	if !ok {
		return fmt.Errorf("digest %q: want sha256: and 64 lower-case hexadecimal digits", h)
	}
	return nil
}
