package compose

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/composeos/compose/spec"
)

// sources records the sources of the files section as they are now, sorted.
func (o ResolveOptions) sources(ctx context.Context, m *spec.Manifest) ([]spec.LockedFile, error) {
	files := []spec.LockedFile{}
	var errs []error
	for i := range m.Files {
		f := &m.Files[i]
		if f.Source == "" {
			continue
		}
		locked, err := o.recordSource(ctx, f)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: files[%d] %s: %w", f.Pos, i, f.Path, err))
		}
		files = append(files, locked)
	}
	slices.SortFunc(files, func(a, b spec.LockedFile) int { return strings.Compare(a.Source, b.Source) })
	return slices.Compact(files), errors.Join(errs...)
}

func (o ResolveOptions) recordSource(ctx context.Context, f *spec.File) (spec.LockedFile, error) {
	key, err := sourceKey(f, o.Dir)
	if err != nil {
		return spec.LockedFile{}, err
	}
	locked := spec.LockedFile{Source: key}
	r, err := os.Open(f.SourceFile(o.Home))
	if f.Optional && errors.Is(err, fs.ErrNotExist) {
		locked.Absent = true
		return locked, nil
	}
	if err != nil {
		return locked, fmt.Errorf("source: %w", err)
	}
	defer func() { _ = r.Close() }()
	if info, err := r.Stat(); err != nil || !info.Mode().IsRegular() {
		return locked, errors.Join(err, fmt.Errorf("source %s is not a regular file", f.Source))
	}
	h := sha256.New()
	if locked.Size, err = io.Copy(h, contextReader{ctx, r}); err != nil {
		return locked, fmt.Errorf("source: %w", err)
	}
	locked.Digest = spec.Digest("sha256:" + hex.EncodeToString(h.Sum(nil)))
	return locked, nil
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
