package store

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// bufSize is the size of all steps, read and written. Larger ones are no faster.
const bufSize = 128 << 10

// maxWindow is how much memory a zstd frame may ask for; "zstd -d" has the same limit.
const maxWindow = 128 << 20

// kit is what taking in a layer needs in memory. Fresh buffers are pages that
// the kernel has to clear, so kits are used again.
type kit struct {
	in         *bufio.Reader
	gz         *gzip.Reader
	zs         *zstd.Decoder
	feed, copy []byte
}

// tools are the kits that lie about.
type tools struct{ pool sync.Pool }

func (t *tools) get() *kit {
	if k, ok := t.pool.Get().(*kit); ok {
		return k
	}
	return &kit{
		in:   bufio.NewReaderSize(nil, bufSize),
		gz:   new(gzip.Reader),
		feed: make([]byte, bufSize),
		copy: make([]byte, bufSize),
	}
}

func (t *tools) put(k *kit) {
	k.in.Reset(nil)
	t.pool.Put(k)
}

// The ways in which a layer can be stored.
const (
	plainFormat = "plain"
	gzipFormat  = "gzip"
	zstdFormat  = "zstd"
)

// formatOf tells by its first bytes how content is stored (RFC 1952, 2.3.1;
// RFC 8878, 3.1.1 and 3.1.2).
func formatOf(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return gzipFormat
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}),
		len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18}):
		return zstdFormat
	}
	return plainFormat
}

// formatOfMediaType tells what a layer's media type says; "" if it says nothing.
func formatOfMediaType(t string) string {
	switch {
	case strings.HasSuffix(t, "+gzip"), strings.HasSuffix(t, ".tar.gzip"):
		return gzipFormat
	case strings.HasSuffix(t, "+zstd"), strings.HasSuffix(t, ".tar.zstd"):
		return zstdFormat
	case strings.HasSuffix(t, ".tar"):
		return plainFormat
	}
	return ""
}

// inflate returns r uncompressed. Reading it to its end reads r to its end.
func (k *kit) inflate(r io.Reader, mediaType string) (io.Reader, error) {
	k.in.Reset(r)
	head, err := k.in.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	format := formatOf(head)
	if said := formatOfMediaType(mediaType); said != "" && said != format {
		return nil, fmt.Errorf("%w: media type %s says %s, the content is %s", ErrInvalid, mediaType, said, format)
	}
	switch format {
	case gzipFormat:
		return &members{in: k.in, gz: k.gz}, nil
	case zstdFormat:
		return k.unzstd()
	}
	return k.in, nil
}

func (k *kit) unzstd() (io.Reader, error) {
	var err error
	if k.zs == nil {
		k.zs, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow))
	}
	if err == nil {
		err = k.zs.Reset(k.in)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: zstd: %w", ErrInvalid, err)
	}
	return frames{k.zs}, nil
}

// frames reads zstd frames. (A type of its own, so that errors say what they are of.)
type frames struct{ zs *zstd.Decoder }

// Read implements [io.Reader].
func (f frames) Read(p []byte) (int, error) {
	n, err := f.zs.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: zstd: %w", ErrInvalid, err)
	}
	return n, err
}

// members reads gzip members one after the other. Package gzip could do that,
// but it does not tell a damaged header from bytes that do not belong there.
type members struct {
	in   *bufio.Reader
	gz   *gzip.Reader
	open bool // within a member
	any  bool // a member has been read
}

// Read implements [io.Reader].
func (m *members) Read(p []byte) (int, error) {
	for {
		if !m.open {
			if err := m.next(); err != nil {
				return 0, err
			}
		}
		n, err := m.gz.Read(p)
		if errors.Is(err, io.EOF) {
			m.open, err = false, nil
		}
		if err != nil {
			return n, fmt.Errorf("%w: gzip: %w", ErrInvalid, err)
		}
		if n > 0 {
			return n, nil
		}
	}
}

// next begins a member; at the end of the stream it returns io.EOF.
func (m *members) next() error {
	head, err := m.in.Peek(2)
	if len(head) == 0 && m.any {
		return err // the source's own, or io.EOF
	}
	if m.any && formatOf(head) != gzipFormat {
		return fmt.Errorf("%w: gzip: data behind the end of the compressed stream", ErrInvalid)
	}
	if err := m.gz.Reset(m.in); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("%w: gzip: %w", ErrInvalid, err)
	}
	m.gz.Multistream(false)
	m.open, m.any = true, true
	return nil
}
