package rootfs

import (
	"context"
	"fmt"
	"io"
)

// WriteArchive writes the entries of a tree, which are in path order, as one
// archive. An error names the entry, or is the writer's.
func WriteArchive(ctx context.Context, w io.Writer, c Codec, entries Entries) error {
	var header []byte
	padding := make([]byte, 1<<10)
	for e := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var err error
		if header, err = c.AppendHeader(header[:0], e); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
		if _, err := w.Write(header); err != nil {
			return err
		}
		size := e.Payload()
		if size > 0 {
			n, err := io.Copy(w, io.NewSectionReader(e.Body, 0, size))
			if err == nil && n < size {
				err = fmt.Errorf("it ends after %d of %d bytes: %w", n, size, io.ErrUnexpectedEOF)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", e.Path, err)
			}
		}
		if _, err := w.Write(padding[:c.Pad(size)]); err != nil {
			return err
		}
	}
	_, err := w.Write(c.Trailer())
	return err
}
