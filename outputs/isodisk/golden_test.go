package isodisk

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"
	"time"
)

// everything is an image of each kind.
func everything(t testing.TB) (images [4]*Image) {
	images[0] = mustISO(t, boots())
	images[1] = mustFAT(t, esp(), 5<<20)
	images[2] = mustFAT(t, esp(), 40<<20)
	images[3] = mustPartition(t, &Image{}, disk(), DiskSize(6<<20+512))
	return images
}

// TestGolden holds the SHA-256 of images, with zeros for the content of the files at
// their extents. When it changes, so does that of every image that is made with this
// package.
func TestGolden(t *testing.T) {
	for i, want := range []string{
		"84660db3d6f8f7b3070586ad98c3e4dfd654e905dc5595509c92100aea88b52e", // ISO 9660
		"fda973063d68da276314497d4ec64c23e46e212ba44fe87ba0669fbab5008429", // FAT16
		"d878028cd6b8bda71b15c28245265ddcfcf62d3e28ae961227cb8c454f8370b1", // FAT32
		"a511900823533caac7a06054424d601470dfdea9dbd6670910457793eac93214", // a disk
	} {
		m := everything(t)[i]
		if got := fmt.Sprintf("%x", sha256.Sum256(m.bytes(0, int(m.Size)))); got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
}

// TestTimes gives times that a format cannot say: they become the nearest that it can.
func TestTimes(t *testing.T) {
	for _, test := range []struct {
		time        time.Time
		short, long string
		fat         uint32 // day and time
	}{
		{epoch, "7b0b0e160d1500", "2023111422132100", 0x576eb1aa},
		{time.Time{}, "00010100000000", "1900010100000000", 0x00210000},
		{time.Unix(0, 0), "46010100000000", "1970010100000000", 0x00210000},
		{time.Date(1980, 1, 1, 0, 0, 1, 0, time.UTC), "50010100000100", "1980010100000100", 0x00210000},
		{time.Date(2024, 2, 29, 23, 59, 59, 999_999_999, time.UTC), "7c021d173b3b00", "2024022923595900", 0x585dbf7d},
		{time.Date(2108, 1, 1, 0, 0, 0, 0, time.UTC), "d0010100000000", "2108010100000000", 0xff9fbf7d},
		{time.Date(2156, 1, 1, 0, 0, 0, 0, time.UTC), "ff0c1f173b3b00", "2155123123595900", 0xff9fbf7d},
		{time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC), "ff0c1f173b3b00", "2155123123595900", 0xff9fbf7d},
	} {
		e := make([]byte, 32)
		stamp(e, test.time)
		le := binary.LittleEndian
		if got := uint32(le.Uint16(e[24:]))<<16 | uint32(le.Uint16(e[22:])); got != test.fat {
			t.Errorf("%v is %#x in a FAT volume, want %#x", test.time, got, test.fat)
		}
		if got := fmt.Sprintf("%x", shortDate(test.time)); got != test.short {
			t.Errorf("%v is %s, want %s", test.time, got, test.short)
		}
		if got := string(longDate(test.time)); got != test.long+"\x00" {
			t.Errorf("%v is %q, want %q", test.time, got, test.long)
		}
	}
}
