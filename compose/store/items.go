package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The kinds of items.
const (
	BlobKind    = "blob"    // bytes as stored, by digest
	LayerKind   = "layer"   // an uncompressed tar with its index, by diffID
	ArchiveKind = "archive" // the index of a tar that is a file of a layer, by its digest
	MemberKind  = "member"  // made bytes, by the key of what they are made of
	PartialKind = "partial" // the beginning of a blob whose download was broken off, by the blob's digest
	NoteKind    = "note"
	RefKind     = "ref"
)

// Item is one thing in the store.
type Item struct {
	Kind string
	Key  string    // a digest, which of a member is its key; of a ref its name; of a note its kind and the SHA-256 of its key
	Size int64     // bytes of all its files
	Used time.Time // when it was used last; of a ref, when it was set
}

// Usage is how much is in the store.
type Usage struct {
	Items int
	Size  int64 // bytes
}

// Items returns what is in the store, sorted by kind and key. What other
// processes add or remove meanwhile may be there or not.
func (s *Store) Items(ctx context.Context) ([]Item, error) {
	all, err := s.list(ctx)
	items := make([]Item, len(all))
	for i := range all {
		items[i] = all[i].Item
	}
	return items, err
}

// Usage returns how much is in the store.
func (s *Store) Usage(ctx context.Context) (Usage, error) {
	all, err := s.list(ctx)
	u := Usage{Items: len(all)}
	for i := range all {
		u.Size += all[i].Size
	}
	return u, err
}

// stored is an item with its files.
type stored struct {
	Item
	hex   string
	files []string
	data  bool // the file that counts is there; without it, the others are left over
}

// folder says how items lie in one folder.
type folder struct {
	kind, dir string
	data      string // what follows the digest in the name of the file that counts
}

// list returns all items, sorted by kind and key.
func (s *Store) list(ctx context.Context) ([]stored, error) {
	all := []folder{{BlobKind, blobsDir, ""}, {LayerKind, layersDir, ".tar"}, {ArchiveKind, archivesDir, ".idx"}, {MemberKind, membersDir, memberSuffix}, {PartialKind, partialDir, ""}}
	kinds, err := os.ReadDir(s.path(notesDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cache: %w", err)
	}
	for _, k := range kinds {
		all = append(all, folder{NoteKind, notesDir + "/" + k.Name(), ""})
	}
	var items []stored
	for _, f := range append(all, folder{RefKind, refsDir, ""}) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		more, err := s.listFolder(f)
		if err != nil {
			return nil, fmt.Errorf("cache: %w", err)
		}
		items = append(items, more...)
	}
	slices.SortFunc(items, func(a, b stored) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
	})
	return items, nil
}

// listFolder returns the items of one folder. The files of one item come one
// after the other, since ReadDir sorts.
func (s *Store) listFolder(f folder) ([]stored, error) {
	names, err := os.ReadDir(s.path(f.dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var items []stored
	for _, n := range names {
		hex, suffix := n.Name()[:min(64, len(n.Name()))], n.Name()[min(64, len(n.Name())):]
		if checkHash(v1.Hash{Algorithm: "sha256", Hex: hex}) != nil {
			continue
		}
		fi, err := n.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(items) == 0 || items[len(items)-1].hex != hex {
			items = append(items, stored{Item: Item{Kind: f.kind, Key: s.keyOf(f, hex)}, hex: hex})
		}
		it := &items[len(items)-1]
		it.add(f, suffix, s.path(f.dir, n.Name()), fi)
	}
	return items, nil
}

// add adds one of an item's files. The time of the stamp is that of the last use.
func (it *stored) add(f folder, suffix, path string, fi fs.FileInfo) {
	it.files = append(it.files, path)
	it.Size += fi.Size()
	it.data = it.data || suffix == f.data
	if suffix == ".stamp" || it.Used.IsZero() {
		it.Used = fi.ModTime()
	}
}

// keyOf returns what people know an item by.
func (s *Store) keyOf(f folder, hex string) string {
	switch f.kind {
	case NoteKind:
		return strings.TrimPrefix(f.dir, notesDir+"/") + " " + hex
	case RefKind:
		if name, _, err := readSealed("ref", s.path(refsDir, hex)); err == nil {
			return name
		}
		return hex
	}
	return "sha256:" + hex
}

// entryOf returns the entry of an item that is a blob, a layer or a member, else nil.
func (s *Store) entryOf(it *stored) *entry {
	h := v1.Hash{Algorithm: "sha256", Hex: it.hex}
	switch it.Kind {
	case BlobKind:
		return s.blobEntry(h)
	case LayerKind:
		return s.layerWork(h).entry
	case MemberKind:
		return s.memberEntry(digestOf(h))
	}
	return nil
}
