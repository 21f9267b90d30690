package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/composeos/compose/outputs"
)

// bytesText says a number of bytes to a person: "512 B", "54.2 MB", "1.3 GB".
func bytesText(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/1000, 0
	const units = "kMGTPE"
	for v >= 999.95 && unit < len(units)-1 {
		v, unit = v/1000, unit+1
	}
	return fmt.Sprintf("%.1f %cB", v, units[unit])
}

// noLimit is a size that nothing reaches.
const noLimit = int64(1)<<62 - 1

// byteSize is a flag for a number of bytes: 1048576, 500MB, 20GiB, none.
type byteSize int64

func (b *byteSize) String() string { return strconv.FormatInt(int64(*b), 10) }

// Set reads a size.
func (b *byteSize) Set(s string) error {
	n, err := parseSize(s)
	if err != nil {
		return err
	}
	*b = byteSize(n)
	return nil
}

// parseSize reads a number of bytes with an optional unit: B, kB, MB, GB, TB are
// powers of 1000; KiB, MiB, GiB, TiB powers of 1024. "none" is [noLimit].
func parseSize(s string) (int64, error) {
	if s == "none" {
		return noLimit, nil
	}
	digits := strings.TrimRight(s, "BbKkMmGgTtiI ")
	unit, ok := unitOf(strings.ToLower(strings.TrimSpace(s[len(digits):])))
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || !ok || !(n >= 0) || n*float64(unit) > float64(noLimit) {
		return 0, fmt.Errorf("%q is not a size: want a number and a unit, such as 20GiB or 500MB, or none", s)
	}
	return int64(n * float64(unit)), nil
}

func unitOf(s string) (int64, bool) {
	if s == "" || s == "b" {
		return 1, true
	}
	base := int64(1000)
	if strings.HasSuffix(s, "ib") {
		base = 1024
	}
	power := strings.IndexByte("kmgt", s[0]) + 1
	rest := s[1:]
	if power == 0 || rest != "" && rest != "b" && rest != "ib" {
		return 0, false
	}
	n := int64(1)
	for range power {
		n *= base
	}
	return n, true
}

// diskSize is a flag for the size of a disk, rounded down to whole sectors.
type diskSize int64

func (d *diskSize) String() string { return strconv.FormatInt(int64(*d), 10) }

// maxDisk is more than an image is handed on with, and less than a file of any file
// system cannot have, bytes.
const maxDisk = 8 << 40

// Set reads a size.
func (d *diskSize) Set(s string) error {
	n, err := parseSize(s)
	if n -= n % outputs.Sector; err != nil || n == noLimit-noLimit%outputs.Sector || n == 0 {
		return fmt.Errorf("%q is not the size of a disk: want a number and a unit, such as 4GiB or 500MB", s)
	}
	if n > maxDisk {
		return fmt.Errorf("%q is over 8TiB, the largest disk that is made", s)
	}
	*d = diskSize(n)
	return nil
}
