package rootfs_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/compose/rootfs/rootfstest"
)

// gzipped returns each part as a member of its own, one after the other.
func gzipped(t *testing.T, parts ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, part := range parts {
		w := gzip.NewWriter(&b)
		must(t, w, part)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// zstandard returns each part as a frame of its own, one after the other.
func zstandard(t *testing.T, parts ...[]byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var b []byte
	for _, part := range parts {
		b = w.EncodeAll(part, b)
	}
	return b
}

// linkFarm is a tree in which one file has 200 names in 20 folders, another 3, and
// an empty one 2, with other files between them.
func linkFarm(t *testing.T) []*rootfs.Entry {
	t.Helper()
	entries := rootfstest.Parse(`
		file a/one other inode=2
		file g05/one other inode=2
		file z/one other inode=2
		file b/empty "" inode=3
		file y/empty "" inode=3`)
	content := bytes.Repeat([]byte("two hundred names\n"), 700)
	for i := range 200 {
		dir := fmt.Sprintf("g%02d", i%20)
		for _, e := range []rootfs.Entry{
			{Path: fmt.Sprintf("%s/n%03d", dir, i), Mode: 0o4751, Inode: 1, Size: int64(len(content)), Digest: sha256.Sum256(content), Body: bytes.NewReader(content)},
			{Path: fmt.Sprintf("%s/between%03d", dir, i), Mode: 0o600, Size: 3, Digest: sha256.Sum256(content[:3]), Body: bytes.NewReader(content)},
		} {
			e.Type, e.ModTime = rootfs.File, rootfs.DefaultModTime
			entries = append(entries, &e)
		}
	}
	return inTree(t, entries)
}

// cutRuns encodes entries in n runs of about one length, apart from each other.
func cutRuns(t *testing.T, entries []*rootfs.Entry, n int) [][]byte {
	t.Helper()
	var runs [][]byte
	for run := range slices.Chunk(entries, (len(entries)+n-1)/n) {
		runs = append(runs, cpioRun(t, run...))
	}
	return append(runs, rootfs.Cpio{}.Trailer())
}

// TestCpioHardLinks unpacks the farm, whole and from runs that were encoded and
// compressed apart, cut between the names of the files.
func TestCpioHardLinks(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can set owners")
	}
	entries := linkFarm(t)
	names := 0
	for _, e := range entries {
		if e.Nlink == 200 {
			names++
		}
	}
	if names != 200 {
		t.Fatalf("%d names", names)
	}
	whole := cpioArchive(t, entries...)
	archives := map[string][]byte{"whole": whole}
	for _, n := range []int{1, 2, 7, len(entries)} {
		runs := cutRuns(t, entries, n)
		if !bytes.Equal(slices.Concat(runs...), whole) {
			t.Fatalf("%d runs are not the whole", n)
		}
		archives[fmt.Sprintf("%d members", n)] = gzipped(t, runs...)
	}
	for name, archive := range archives {
		path := saved(t, archive)
		for _, tool := range cpioTools {
			t.Run(name+"/"+tool.name, func(t *testing.T) {
				dir := t.TempDir()
				if _, messages := shell(t, "C", tool.name, tool.unpack, path, dir); messages != "" {
					t.Errorf("it says: %s", messages)
				}
				compareUnpacked(t, dir, entries, tool.name != "cpio")
			})
		}
	}
}

// TestCpioListedAsInitramfs gives initramfs-tools what a machine boots: microcode
// in an archive of its own, then the system, compressed in several members.
func TestCpioListedAsInitramfs(t *testing.T) {
	ucode := cpioArchive(t, inTree(t, rootfstest.Parse(`file kernel/x86/microcode/GenuineIntel.bin microcode`))...)
	ucode = append(ucode, make([]byte, -len(ucode)&511)...)
	entries := linkFarm(t)
	want := "kernel\nkernel/x86\nkernel/x86/microcode\nkernel/x86/microcode/GenuineIntel.bin\n"
	for _, e := range entries {
		want += e.Path + "\n"
	}
	runs := cutRuns(t, entries, 3)
	for name, system := range map[string][]byte{"gzip": gzipped(t, runs...), "zstd": zstandard(t, runs...)} {
		t.Run(name, func(t *testing.T) {
			need(t, name)
			need(t, "cpio")
			got, messages := run(t, "C", "lsinitramfs", saved(t, slices.Concat(ucode, system)))
			if d := gocmp.Diff(want, got); d != "" || messages != "" {
				t.Errorf("%s(-want +got):\n%s", messages, d)
			}
		})
	}
	both := slices.Concat(ucode, slices.Concat(runs...))
	read, err := readCpio(bytes.NewReader(both))
	if err != nil || len(read) != 4+len(entries) {
		t.Fatalf("%d entries were read of %d: %v", len(read), 4+len(entries), err)
	}
	compareCpio(t, entries, read[4:])
}

// TestReadCpioOfOthers reads what GNU cpio and bsdtar have written.
func TestReadCpioOfOthers(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"a", "d/b", "d/c", "e", "empty"} {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil && i > 0 && i < 4 {
			err = os.Link(filepath.Join(dir, "a"), path)
		} else if err == nil {
			err = os.WriteFile(path, []byte("content"[:7-i]), 0o640)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../a", filepath.Join(dir, "d", "s")); err != nil {
		t.Fatal(err)
	}
	for _, w := range []struct{ name, tool, command string }{
		{"newc", "cpio", `cd "$1" && find . | LC_ALL=C sort | cpio -o -H newc --quiet`},
		{"crc", "cpio", `cd "$1" && find . | LC_ALL=C sort | cpio -o -H crc --quiet`},
		{"reproducible", "cpio", `cd "$1" && find . | LC_ALL=C sort | cpio -o -H newc --quiet --reproducible`},
		{"bsdtar", "bsdtar", `cd "$1" && find . | LC_ALL=C sort | bsdtar -cnT - --format newc -f -`},
		{"bsdcpio", "bsdcpio", `cd "$1" && find . | LC_ALL=C sort | bsdcpio -o -H newc --quiet`},
	} {
		t.Run(w.name, func(t *testing.T) {
			archive, messages := shell(t, "C", w.tool, w.command, dir)
			if messages != "" {
				t.Fatal(messages)
			}
			entries, err := readCpio(strings.NewReader(archive))
			if err != nil {
				t.Fatal(err)
			}
			compareWithFolder(t, dir, entries)
		})
	}
}

// compareWithFolder holds what was read against the folder that it was made of.
func compareWithFolder(t *testing.T, dir string, entries []*rootfs.Entry) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	content := map[string]*rootfs.Entry{} // of a first name, the name that has it
	first := map[uint64]string{}          // of an inode
	for _, e := range entries {
		name := cmp.Or(e.First, e.Path)
		if content[name] == nil || e.Size > 0 {
			content[name] = e
		}
		if ino := stat(t, root, cmp.Or(e.Path, ".")).Ino; first[ino] != e.First {
			t.Errorf("%q is a name of %q, want %q", e.Path, e.First, first[ino])
		} else if first[ino] == "" {
			first[ino] = e.Path
		}
	}
	var got, want []*rootfs.Entry
	for _, e := range entries {
		onDisk, err := unpacked(root, cmp.Or(e.Path, "."))
		if err != nil {
			t.Fatal(err)
		}
		c, body := *e, content[cmp.Or(e.First, e.Path)]
		c.First, c.Body, c.Size, c.Digest = "", nil, body.Size, body.Digest
		onDisk.Path = e.Path
		got, want = append(got, &c), append(want, onDisk)
	}
	if d := gocmp.Diff(want, got); d != "" {
		t.Errorf("(-folder +archive):\n%s", d)
	}
	var paths []string
	for _, e := range rootfs.Sort(entries) {
		paths = append(paths, e.Path)
	}
	if d := gocmp.Diff([]string{"", "a", "d", "d/b", "d/c", "d/s", "e", "empty"}, paths); d != "" {
		t.Errorf("paths (-want +got):\n%s", d)
	}
}
