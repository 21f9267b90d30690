// Package boot starts composed systems as machines do, under QEMU, which emulates
// all of the machine: a kernel of Debian's unpacks what compose has written as
// kernel and initramfs, and the init of that system, ./check, compares what it
// finds with what "compose inspect" says: types, modes, owners, times, devices,
// contents, hard links, and that nothing is missing or too much. Each machine has
// as much memory as compose says that it needs, so the estimate is tested too.
//
// Others have a firmware, SeaBIOS or OVMF, and start from what is composed for that:
// CDs, disks and sticks.
//
// The kernel is that of the measuring workload; without it the tests skip. QEMU
// has no network and writes to no disk, and ends with the test.
package boot

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/composeos/compose/test/boot/list"
)

// TestBoot boots the workload. Of its large files the guest reads one in fifty: to
// read all takes an emulated processor longer than all else.
func TestBoot(t *testing.T) {
	s := newLab(t).theWorkload(t)
	for _, compression := range []string{"gzip", "zstd", "none"} {
		t.Run(compression, func(t *testing.T) { s.boots(t, s.build(t, compression)) })
	}
}

// boots tests that the machine finds all of the system.
func (s *system) boots(t *testing.T, m machine) {
	t.Helper()
	s.found(t, m.boot(t))
}

// found tests that a machine has found all of the system.
func (s *system) found(t *testing.T, c console) {
	t.Helper()
	verdict, rest := c.verdict(t)
	want := fmt.Sprintf("paths=%d links=%d", len(s.list.Paths)+len(s.list.Beside), s.links)
	if verdict != list.OK || rest != want {
		t.Errorf("%s %s, want %s %s\n%s", verdict, rest, list.OK, want, c.tail())
	}
	if s.links < names {
		t.Errorf("a file has %d names, the whole system %d", names, s.links)
	}
}

// TestDifferent boots a system of which something else is wanted than what it is.
func TestDifferent(t *testing.T) {
	s := newLab(t).small(t, "root=/dev/ram0")
	for i, p := range s.list.Paths {
		switch p.Name {
		case "odd/setuid":
			s.list.Paths[i].Mode &^= 0o4000
		case "odd/char":
			s.list.Paths[i].Minor++
		case "zeros":
			s.list.Paths[i].Digest[0]++
		}
	}
	s.list.Beside = append(s.list.Beside, "odd/more")
	s.writeList(t)
	c := s.build(t, "zstd").boot(t)
	if verdict, rest := c.verdict(t); verdict != list.Bad || rest != "differences=4" {
		t.Errorf("%s %s, want %s of 4 differences\n%s", verdict, rest, list.Bad, c.tail())
	}
}

// TestMemoryEstimate boots a small system with just the memory that compose says
// that it needs, on both kinds of root; and with less, which must not do, or the
// estimate would say too much, and of which init or the kernel must speak.
func TestMemoryEstimate(t *testing.T) {
	l := newLab(t)
	for _, tt := range []struct {
		root, cmdline string
		compression   string
		want          list.Verdict // with too little
		words         string       // of the kernel
	}{
		{"tmpfs", "", "gzip", list.Truncated, "Initramfs unpacking failed: write error"},
		{"ramfs", "root=/dev/ram0", "zstd", "", "Kernel panic - not syncing: System is deadlocked on memory"},
	} {
		t.Run(tt.root, func(t *testing.T) {
			s := l.small(t, tt.cmdline)
			m := s.build(t, tt.compression)
			s.boots(t, m)
			m.memory = m.memory * 3 / 4
			m.fails(t, tt.want, tt.words)
		})
	}
}

// TestTruncated boots what has lost its end, of which init or the kernel must
// speak.
func TestTruncated(t *testing.T) {
	s := newLab(t).small(t, "")
	built := map[string]machine{}
	for _, c := range []string{"gzip", "zstd", "none"} {
		built[c] = s.build(t, c)
	}
	half := func(_ *testing.T, initrd []byte) int { return len(initrd) / 2 }
	for _, tt := range []struct {
		name        string
		compression string
		cut         func(t *testing.T, initrd []byte) int // where
		words       string                                // of the kernel
		want        list.Verdict                          // "" for a panic
	}{
		{"all but the last member", "gzip", func(t *testing.T, initrd []byte) int {
			all := membersOf(t, initrd)
			return all[len(all)-1].begin
		}, "", list.Truncated},
		{"between members with names of one file", "gzip", betweenNames, "", list.Truncated},
		{"inside a member", "gzip", half, "Initramfs unpacking failed", list.Truncated},
		{"inside the first member", "gzip", func(_ *testing.T, _ []byte) int { return len(microcode()) + 50 }, "Unable to mount root fs", ""},
		{"inside a frame", "zstd", half, "Initramfs unpacking failed", list.Truncated},
		{"inside a file", "none", half, "", list.Truncated},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := built[tt.compression]
			initrd, err := os.ReadFile(m.initrd)
			if err != nil {
				t.Fatal(err)
			}
			at := tt.cut(t, initrd)
			m.initrd = filepath.Join(t.TempDir(), "short")
			if err := os.WriteFile(m.initrd, initrd[:at], 0o600); err != nil {
				t.Fatal(err)
			}
			m.fails(t, tt.want, tt.words)
		})
	}
}

// betweenNames returns where a member ends after which there are further names of
// a file with names before it.
func betweenNames(t *testing.T, initrd []byte) int {
	t.Helper()
	var ends []int
	for _, m := range membersOf(t, initrd) {
		if m.names > 0 {
			ends = append(ends, m.end)
		}
	}
	if len(ends) < 2 {
		t.Fatalf("the names of a file are in %d members, want several", len(ends))
	}
	return ends[0]
}

// fails tests that a machine does not come to work, and that the kernel says why.
func (m machine) fails(t *testing.T, want list.Verdict, words string) {
	t.Helper()
	c := m.boot(t)
	verdict, rest := c.verdict(t)
	if verdict != want {
		t.Errorf("%q %s, want %q\n%s", verdict, rest, want, c.tail())
	}
	if need := fmt.Sprintf("need=%d", m.need); want == list.Truncated && rest != need {
		t.Errorf("it says %q, want %q", rest, need)
	}
	if !strings.Contains(string(c), words) {
		t.Errorf("the kernel does not say %q\n%s", words, c.tail())
	}
}
