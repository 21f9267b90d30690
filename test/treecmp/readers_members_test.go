package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// membersReader reads what is in the members of a stream, one after the other.
type membersReader struct {
	in   *bufio.Reader
	next func(*membersReader) (io.Reader, error) // the content of the next member
	open io.Reader
	at   int64
	ends []int64 // offsets in the content at which members end
}

// Read implements [io.Reader].
func (m *membersReader) Read(b []byte) (int, error) {
	for {
		if m.open == nil {
			if _, err := m.in.Peek(1); err != nil {
				return 0, err
			}
			var err error
			if m.open, err = m.next(m); err != nil {
				return 0, err
			}
		}
		n, err := m.open.Read(b)
		m.at += int64(n)
		if errors.Is(err, io.EOF) {
			m.open, err = nil, nil
			m.ends = append(m.ends, m.at)
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (m *membersReader) rest() (io.Reader, error) { return m.in, nil }

func (m *membersReader) gzipMember() (io.Reader, error) {
	z, err := gzip.NewReader(m.in)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return z, nil
}

// zstdFrame cuts out a frame (RFC 8878 3.1.1).
func (m *membersReader) zstdFrame() (io.Reader, error) {
	var frame bytes.Buffer
	part := func(n int) []byte {
		_, err := io.CopyN(&frame, m.in, int64(n))
		if err != nil {
			return make([]byte, n) // a frame that ends there fails to decode
		}
		return frame.Bytes()[frame.Len()-n:]
	}
	if magic := part(4); binary.LittleEndian.Uint32(magic) != 0xFD2FB528 {
		return nil, fmt.Errorf("zstd magic %x", magic)
	}
	descriptor := part(1)[0]
	single := descriptor & 0x20
	if single == 0 {
		if log := part(1)[0]>>3 + 10; log >= maxWindow {
			return nil, fmt.Errorf("a window of 2^%d bytes", log)
		}
	}
	part([]int{0, 1, 2, 4}[descriptor&3])
	if size := []int{int(single) >> 5, 2, 4, 8}[descriptor>>6]; single != 0 {
		b := append(bytes.Clone(part(size)), make([]byte, 8-size)...)
		if n := binary.LittleEndian.Uint64(b); bits.Len64(n) > maxWindow {
			return nil, fmt.Errorf("a window of %d bytes", n)
		}
	} else {
		part(size)
	}
	for last := false; !last; {
		b := part(3)
		head := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
		last = head&1 != 0
		size := int(head >> 3)
		if head>>1&3 == 1 {
			size = 1 // one byte, again and again
		}
		if part(size); frame.Len() > 1<<30 {
			return nil, errors.New("a frame of more than 1 GB")
		}
	}
	part(int(descriptor >> 2 & 1 * 4))
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	content, err := z.DecodeAll(frame.Bytes(), nil)
	return bytes.NewReader(content), err
}

// TestMembersReader cuts an archive into members, at an entry and within one.
func TestMembersReader(t *testing.T) {
	a := newc([]newcEntry{{name: "a", mode: 0o100644, nlink: 1, ino: 1, data: strings.Repeat("text ", 1000)}})
	b := newc([]newcEntry{{name: "b", mode: 0o100644, nlink: 1, ino: 2}, {name: newcTrailer, nlink: 1}})
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	compress := map[string]func([]byte) []byte{
		"gzip": func(b []byte) []byte {
			var out bytes.Buffer
			w := gzip.NewWriter(&out)
			_, err := w.Write(b)
			if err := errors.Join(err, w.Close()); err != nil {
				t.Fatal(err)
			}
			return out.Bytes()
		},
		"zstd": func(b []byte) []byte { return z.EncodeAll(b, nil) },
	}
	all := append(bytes.Clone(a), b...)
	for name, pack := range compress {
		for _, cut := range []int{len(a), len(a) - 8, 4} {
			packed := append(pack(all[:cut]), pack(all[cut:])...)
			_, faults, err := readAsKernel(bytes.NewReader(packed), name)
			if err != nil || (len(faults) == 0) != (cut == len(a)) {
				t.Errorf("%s, a cut at %d of %d: %v, %v", name, cut, len(a), faults, err)
			}
			if _, _, err := readAsKernel(bytes.NewReader(packed[:len(packed)-9]), name); err == nil {
				t.Errorf("%s: a member without an end is no error", name)
			}
		}
	}
}
