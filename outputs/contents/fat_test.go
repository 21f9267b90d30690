package contents

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// changed is bytes of which some are others.
type changed struct {
	io.ReaderAt
	at map[int64]byte
}

func (c changed) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	for at, b := range c.at {
		if at >= off && at < off+int64(n) {
			p[at-off] = b
		}
	}
	return n, err
}

// FuzzFAT changes bytes of volumes: three bytes say where, and one to what. What is
// read nevertheless lies in the volume.
func FuzzFAT(f *testing.F) {
	packed, err := os.ReadFile("testdata/foreign.img.zst")
	if err != nil {
		f.Fatal(err)
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		f.Fatal(err)
	}
	defer z.Close()
	disk, err := z.DecodeAll(packed, nil)
	if err != nil {
		f.Fatal(err)
	}
	volumes := [][]byte{disk[1<<20 : 37<<20], disk[37<<20 : 42<<20]} // FAT32 and FAT16
	for which, changes := range [][]byte{{}, {}, {13, 0, 0, 2}, {0, 0x42, 0, 5}, {0x10, 0x42, 0, 0xff}, {44, 0, 0, 9}, {0x20, 0xee, 0, 0x41}} {
		f.Add(uint8(which), changes)
	}
	f.Fuzz(func(t *testing.T, which uint8, changes []byte) {
		volume := volumes[int(which)%len(volumes)]
		c := changed{bytes.NewReader(volume), map[int64]byte{}}
		for ; len(changes) >= 4 && len(c.at) < 64; changes = changes[4:] {
			c.at[int64(changes[0])|int64(changes[1])<<8|int64(changes[2])<<16] = changes[3]
		}
		size := int64(len(volume))
		d := newReader(t.Context(), c, size)
		if err := d.readFAT("volume", 0, size); err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		v := d.img.Volumes[0]
		if v.Size <= 0 || v.Size > size || v.Files[0].Path != "" {
			t.Fatalf("%+v", v)
		}
		for _, file := range v.Files {
			if file.Offset < -1 || file.Offset >= 0 && (file.Size < 1 || file.Size > size-file.Offset) {
				t.Fatalf("%+v of %d bytes", file, size)
			}
		}
	})
}

// TestFATTime checks dates and times at their ends.
func TestFATTime(t *testing.T) {
	tests := []struct {
		date, clock uint16
		want        int64 // -1 for an error
	}{
		{0, 0, 0},
		{1<<5 | 1, 0, 315532800},
		{127<<9 | 12<<5 | 31, 23<<11 | 59<<5 | 29, 4354819198},
		{44<<9 | 2<<5 | 29, 0, 1709164800},
		{43<<9 | 2<<5 | 29, 0, -1},
		{13<<5 | 1, 0, -1},
		{1 << 5, 0, -1},
		{1<<5 | 1, 24 << 11, -1},
		{1<<5 | 1, 60 << 5, -1},
		{1<<5 | 1, 30, -1},
	}
	for _, tt := range tests {
		got, err := fatTime(tt.date, tt.clock)
		if err != nil {
			got = -1
		}
		if got != tt.want {
			t.Errorf("%#x %#x: %d, %v; want %d", tt.date, tt.clock, got, err, tt.want)
		}
	}
}
