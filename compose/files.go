package compose

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/spec"
)

// files is the segment of the files section. Of a path that stands there
// several times the last counts.
func (b *builder) files(ctx context.Context) (rootfs.Segment, error) {
	s := rootfs.Segment{Name: "files", Files: true}
	var errs []error
	for i := range b.manifest.Files {
		f := &b.manifest.Files[i]
		e, err := b.file(ctx, f)
		if err != nil {
			errs = append(errs, fmt.Errorf("files[%d] %s: %w", i, f.Path, err))
		}
		if e != nil {
			e.Path = strings.Trim(path.Clean("/"+f.Path), "/")
			e.Origin = fmt.Sprintf("files[%d]", i)
			s.Entries = append(s.Entries, e)
		}
	}
	s.Entries = rootfs.Sort(s.Entries)
	return s, errors.Join(errs...)
}

// file makes the entry of one file; nil for an optional one that is not there.
func (b *builder) file(ctx context.Context, f *spec.File) (*rootfs.Entry, error) {
	e, err := b.content(ctx, f)
	if e == nil || err != nil {
		return nil, err
	}
	if f.Mode.Set && e.Type != rootfs.Symlink {
		e.Mode = f.Mode.Bits
	}
	if e.UID, err = f.UID.Lookup(b.Lock.IDs); err != nil {
		return nil, fmt.Errorf("uid: %w", err)
	}
	if e.GID, err = f.GID.Lookup(b.Lock.IDs); err != nil {
		return nil, fmt.Errorf("gid: %w", err)
	}
	return e, nil
}

// The modes of what gives none.
const (
	defaultFileMode = 0o600
	defaultDirMode  = 0o700
)

func (b *builder) content(ctx context.Context, f *spec.File) (*rootfs.Entry, error) {
	switch {
	case f.Directory:
		return rootfs.MadeDir("", defaultDirMode), nil
	case f.Symlink != "":
		return rootfs.MadeSymlink("", f.Symlink), nil
	case f.Source != "":
		return b.source(ctx, f)
	case f.Metadata != "":
		text, err := b.metadata(f.Metadata)
		return rootfs.MadeFile("", defaultFileMode, text), err
	case f.Contents != nil:
		return rootfs.MadeFile("", defaultFileMode, []byte(*f.Contents)), nil
	}
	return nil, errors.New("has neither contents, source, symlink, directory nor metadata")
}

// metadata is the merged manifest, without its trust section, in that format.
func (b *builder) metadata(format string) ([]byte, error) {
	if format == "yaml" {
		return withoutTrust(b.manifest).YAML()
	}
	return withoutTrust(b.manifest).JSON()
}

// source takes a source into the store, as the lock has it.
func (b *builder) source(ctx context.Context, f *spec.File) (*rootfs.Entry, error) {
	key, err := sourceKey(f, b.Dir)
	if err != nil {
		return nil, err
	}
	locked, ok := b.Lock.File(key)
	switch {
	case !ok:
		return nil, &UnpinnedError{"source " + key}
	case locked.Absent:
		return nil, nil
	}
	name := f.SourceFile(b.Home)
	r, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	digest, err := hash(locked.Digest)
	if err != nil {
		return nil, err
	}
	blob, err := b.Lease.Put(ctx, digest, locked.Size, r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return storedFile("", defaultFileMode, blob)
}

// storedFile is a file that compose writes, with a blob of the store as its
// content.
func storedFile(path string, mode uint32, b *store.Blob) (*rootfs.Entry, error) {
	e := rootfs.MadeFile(path, mode, nil)
	e.Size = b.Size
	if _, err := hex.Decode(e.Digest[:], []byte(b.Digest.Hex)); err != nil {
		return nil, fmt.Errorf("blob %s: %w", b.Digest, err)
	}
	if e.Size > 0 {
		e.Body = b
	}
	return e, nil
}

// sourceKey is the name of a source in the lock: the same wherever manifest and
// lock lie, as long as they lie the same way to each other.
func sourceKey(f *spec.File, lockDir string) (string, error) {
	if strings.HasPrefix(f.Source, "~/") || filepath.IsAbs(f.Source) {
		return f.Source, nil
	}
	rel, err := filepath.Rel(lockDir, f.SourceFile(""))
	if err != nil {
		return "", fmt.Errorf("source %s: %w", f.Source, err)
	}
	return filepath.ToSlash(rel), nil
}
