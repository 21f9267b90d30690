package contents

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"time"
)

// record is a directory record (ECMA-119, 9.1).
type record struct {
	off, size int64 // of the content, bytes
	flags     byte
	time      int64
	name      string // as it is stored
	system    []byte // the System Use field
}

// The flags of a record.
const (
	isDirectory = 0x02
	isSplit     = 0x80 // the next record goes on with the file
)

// both32 returns a number that is stored lowest byte first and then highest byte
// first (ECMA-119, 7.3.3).
func both32(b []byte) (int64, error) {
	le, be := binary.LittleEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if le != be {
		return 0, invalid("a number that is %d lowest byte first, and %d highest byte first", le, be)
	}
	return int64(le), nil
}

// longDate returns a date and time in digits as RFC 3339 has it; "" where it is not
// given (ECMA-119, 8.4.26.1).
func longDate(b []byte) (string, error) {
	text := string(b[:16])
	if strings.Trim(text, "0") == "" && b[16] == 0 || strings.Trim(text, "\x00") == "" {
		return "", nil
	}
	t, err := time.Parse("20060102150405", text[:14])
	if err != nil || strings.Trim(text[14:], "0123456789") != "" {
		return "", invalid("the date %q", text)
	}
	return t.Add(-quarters(b[16])).Format(time.RFC3339), nil
}

// quarters is how far a time is from Greenwich, eastwards.
func quarters(b byte) time.Duration { return time.Duration(int8(b)) * 15 * time.Minute }

// readRecord reads the record at the beginning of b, of which it takes n bytes.
func readRecord(b []byte) (r record, n int, err error) {
	n = int(b[0])
	if n < 34 || n > len(b) || n < 33+int(b[32]) {
		return r, 0, invalid("%w: a directory record of %d bytes, with %d left", io.ErrUnexpectedEOF, n, len(b))
	}
	if b[1] != 0 || b[26] != 0 || b[27] != 0 {
		return r, 0, invalid("a directory record with attributes or interleaved")
	}
	block, err := both32(b[2:])
	if err != nil {
		return r, 0, err
	}
	if r.size, err = both32(b[10:]); err != nil {
		return r, 0, err
	}
	end := 33 + int(b[32])
	r.off, r.flags, r.name = block*isoSector, b[25], string(b[33:end])
	r.system = b[min(end+1-int(b[32])%2, n):n]
	r.time, err = shortDate(b[18:25])
	return r, n, err
}

// shortDate returns a date and time in seconds since 1970 (ECMA-119, 9.1.5); 0 where
// it is not given.
func shortDate(b []byte) (int64, error) {
	if len(bytes.Trim(b[:7], "\x00")) == 0 {
		return 0, nil
	}
	t := time.Date(1900+int(b[0]), time.Month(b[1]), int(b[2]), int(b[3]), int(b[4]), int(b[5]), 0, time.UTC)
	if t.Month() != time.Month(b[1]) || t.Day() != int(b[2]) || b[3] > 23 || b[4] > 59 || b[5] > 59 {
		return 0, invalid("the date %v", b[:7])
	}
	return t.Add(-quarters(b[6])).Unix(), nil
}
