package outputs

import (
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Compression is how an output is compressed.
type Compression string

// The compressions.
const (
	Gzip         Compression = "gzip" // RFC 1952
	Zstd         Compression = "zstd" // RFC 8878
	Uncompressed Compression = "none"
)

// Compressions returns all, in the order of help.
func Compressions() []Compression { return []Compression{Gzip, Zstd, Uncompressed} }

// encoder is a compressor that can be used again.
type encoder interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// encoderID names an encoder: the module, its version, and the level. The bytes
// of one encoder are the same for any number of processors and any size of
// writes, but not from version to version; a test holds the version against
// go.mod. A member of another encoder is another member.
func (c Compression) encoderID() string {
	switch c {
	case Gzip:
		return "gzip klauspost/compress v1.20.3 level=6"
	case Zstd:
		return "zstd klauspost/compress v1.20.3 level=default window=1MiB checksum"
	}
	return "none"
}

// zstdWindow is how far back a frame refers, bytes. Runs are a few MiB; a larger
// window costs memory in every encoder, and in who decodes.
const zstdWindow = 1 << 20

func (c Compression) newEncoder() (encoder, error) {
	switch c {
	case Gzip:
		w, err := gzip.NewWriterLevel(io.Discard, 6)
		if err != nil {
			return nil, err
		}
		return w, nil // its header has no time and no name, and 255 for the system
	case Zstd:
		return zstd.NewWriter(io.Discard, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(true))
	}
	return nil, fmt.Errorf("nothing compresses with %q", c)
}

// encoders are the encoders of one output, which workers take in turn.
type encoders struct {
	Compression
	idle sync.Pool
}

func (p *encoders) get(w io.Writer) (encoder, error) {
	if e, ok := p.idle.Get().(encoder); ok {
		e.Reset(w)
		return e, nil
	}
	e, err := p.newEncoder()
	if err == nil {
		e.Reset(w)
	}
	return e, err
}

func (p *encoders) put(e encoder) { p.idle.Put(e) }
