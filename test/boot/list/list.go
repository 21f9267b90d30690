// Package list is what a boot test tells the guest: what its root filesystem has
// to hold. The host's part of the test makes a [List] of what compose says of an
// image and puts it into the image; the guest's part, the init of that image,
// compares it with what the kernel has unpacked, and says a [Verdict].
package list

import (
	"encoding/gob"
	"fmt"
	"io"
)

// Where things lie in an image, relative to its root.
const (
	Checker  = "check"             // the init that checks
	File     = "check.list"        // the List
	Memory   = ".compose/memory"   // how many bytes of memory are needed to boot
	Complete = ".compose/complete" // the last entry of an initramfs
)

// List is all that has to be there.
type List struct {
	Paths  []Path
	Beside []string // further paths that have to be there, whatever they are
	Count  int      // what Complete has to say
}

// Path is one path, and what it has to be.
type Path struct {
	Name         string // relative to the root
	Type         uint32 // as in st_mode: unix.S_IFREG, unix.S_IFDIR, …
	Mode         uint32 // permission, setuid, setgid and sticky bits: 07777
	UID, GID     uint32
	MTime        int64    // seconds since 1970
	Size         int64    // bytes of a file
	Digest       [32]byte // SHA-256 of a file
	Link         string   // target of a symbolic link
	Major, Minor uint32   // of a device
	First        string   // for a further name of a file, its first name
}

// Write writes the list for [Read].
func (l *List) Write(w io.Writer) error { return gob.NewEncoder(w).Encode(l) }

// Read reads what [List.Write] has written.
func Read(r io.Reader) (*List, error) {
	var l List
	if err := gob.NewDecoder(r).Decode(&l); err != nil {
		return nil, fmt.Errorf("read the list: %w", err)
	}
	return &l, nil
}

// Verdict is a word that the checker says once, at the beginning of a line, when
// it has said everything else.
type Verdict string

// The verdicts, and what is said after each.
const (
	OK        Verdict = "COMPOSE-BOOT-OK"        // "paths=N links=N": how many paths there are, and how many are names of hard-linked files
	Bad       Verdict = "COMPOSE-BOOT-BAD"       // "differences=N"
	Truncated Verdict = "COMPOSE-BOOT-TRUNCATED" // "need=N": the bytes that Memory says; 0 where it says none
	Started   Verdict = "COMPOSE-BOOT-STARTED"   // a Sight, as JSON
)

// All is in the environment of a checker that is to read every file, rather than
// some.
const All = "COMPOSE_CHECK=all"
