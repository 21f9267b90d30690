package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/rootfs"
)

// Archive returns the plain tar that a file of a layer holds (kernel.tar), as a
// layer whose bytes are that section. Nothing is copied; its index is kept by
// the file's digest. Names of whiteouts mean nothing in it, and hard links have
// their targets in it. Errors wrap [ErrInvalid] where the file is no such tar.
func (l *Lease) Archive(ctx context.Context, file *rootfs.Entry) (*Layer, error) {
	if file.Type != rootfs.File || file.Digest == (rootfs.Digest{}) || file.Size > 0 && file.Body == nil {
		return nil, fmt.Errorf("archive %q: %w: it is a %s", file.Path, ErrInvalid, file.Type)
	}
	if file.Size == 0 {
		return nil, fmt.Errorf("archive %q: %w: it is empty", file.Path, ErrInvalid)
	}
	sl, leave, err := l.enter(ctx, "archive-"+file.Digest.String())
	if err != nil {
		return nil, fmt.Errorf("archive %q: %w", file.Path, err)
	}
	defer leave()
	if sl.layer != nil {
		return sl.layer, nil
	}
	sl.layer, err = l.store.archive(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("archive %q: %w", file.Path, err)
	}
	return sl.layer, nil
}

func (s *Store) archive(ctx context.Context, file *rootfs.Entry) (*Layer, error) {
	digest, err := v1.NewHash(file.Digest.String())
	if err != nil {
		return nil, err
	}
	tar := section{file.Body, 0}
	if sp, ok := file.Body.(*span); ok {
		tar = sp.section
	}
	path := s.path(archivesDir, digest.Hex+".idx")
	if data, err := os.ReadFile(path); err == nil && !s.verify {
		if entries, size, err := decode(data, file.Digest, tar); err == nil && size == file.Size {
			touch(path)
			return &Layer{DiffID: digest, Size: size, entries: entries}, nil
		}
	}
	if err := plainTar(file); err != nil {
		return nil, err
	}
	records, err := s.rescan(ctx, io.NewSectionReader(file.Body, 0, file.Size), digest, true)
	if err != nil {
		return nil, err
	}
	data, err := makeIndex(records, true, file.Digest, file.Size)
	if err != nil {
		return nil, err
	}
	entries, size, err := decode(data, file.Digest, tar)
	if err != nil {
		return nil, err
	}
	_ = s.write("archive-"+digest.Hex, path, data) // without it, it is made again
	return &Layer{DiffID: digest, Size: size, entries: entries}, nil
}

// plainTar refuses compressed archives: they would have to be kept a second time.
func plainTar(file *rootfs.Entry) error {
	head := make([]byte, min(file.Size, 4))
	if _, err := file.Body.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if f := formatOf(head); f != plainFormat {
		return fmt.Errorf("%w: it is compressed (%s): only a plain tar can be used", ErrInvalid, f)
	}
	return nil
}
