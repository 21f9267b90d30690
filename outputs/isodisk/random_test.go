package isodisk

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"
)

// randomFiles is so many valid files, in as many directories as it comes. Names of an
// ISO volume are in lower case, some begin with a period, and those of directories
// have none else.
func randomFiles(r *rand.Rand, n int, iso bool) []File {
	letters := "0123456789abcdefghijklmnopqrstuvwxyz"
	if !iso {
		letters += "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	}
	word := func(most int) string {
		b := make([]byte, 1+r.IntN(most))
		for i := range b {
			b[i] = letters[r.IntN(len(letters))]
		}
		return string(b)
	}
	name := func(file bool) string {
		s := word(8)
		if iso && r.IntN(4) == 0 {
			s = "." + s[1:] + word(1)
		}
		if r.IntN(2) == 0 && (file || !iso) {
			s += "." + word(3)
		}
		return s
	}
	dirs := []string{""}
	var files []File
	for tries := 0; len(files) < n && tries < 10*n; tries++ {
		if dir := dirs[r.IntN(len(dirs))]; r.IntN(4) == 0 && strings.Count(dir, "/") < maxDepth-1 {
			dirs = append(dirs, dir+name(false)+"/")
		}
		f := File{Path: dirs[r.IntN(len(dirs))] + name(true), Size: 1 + r.Int64N(1<<uint(r.IntN(20)))}
		if r.IntN(2) == 0 && f.Size < 1<<16 {
			f.Data = content(f.Path, int(f.Size))
		}
		stored := asIs
		if iso {
			stored = onVolume
		}
		if checkFiles(append(files, f), stored) == nil {
			files = append(files, f)
		}
	}
	return files
}

// randomISO adds to random files what an ISO volume boots.
func randomISO(r *rand.Rand, n int) ISO {
	o := ISO{BIOS: "i/isolinux.bin", EFI: "efi.img", Volume: Volume{Label: "RANDOM", Time: epoch.Add(time.Duration(r.Int64N(1e17)))}}
	o.Files = append(randomFiles(r, n, true), File{o.BIOS, 100, content("isolinux", 100)}, File{o.EFI, 1 + r.Int64N(maxEFI), nil})
	r.Shuffle(len(o.Files), func(i, j int) { o.Files[i], o.Files[j] = o.Files[j], o.Files[i] })
	return o
}

// TestRandomISO lays out volumes of random files: a strict reader, and go-diskfs's
// own, see just these.
func TestRandomISO(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 2))
		o := randomISO(r, r.IntN(40))
		m, err := newISO(t, o)
		if errors.Is(err, ErrEnvelope) && strings.Contains(err.Error(), " i ") {
			continue // "i" is one of the files
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		checkISO(t, m, o)
		again := randomISO(rand.New(rand.NewPCG(seed, 2)), 0)
		again.Volume = o.Volume
		if other := mustISO(t, again); digest(other) != digest(m) {
			t.Errorf("seed %d: the volume is another one the second time", seed)
		}
		readISODiskfs(t, m, o)
		if t.Failed() {
			t.Fatalf("seed %d: %v", seed, o.Files)
		}
	}
}

// readISODiskfs reads a volume with go-diskfs. It takes periods from the beginning of
// names.
func readISODiskfs(t *testing.T, m *Image, o ISO) {
	t.Helper()
	fs, err := iso9660.Read(storage{&m.memory}, m.Size, 0, block)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range o.Files {
		entries, err := fs.ReadDir(path.Dir(f.Path))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				t.Fatal(err)
			}
			if e.Name() == strings.TrimPrefix(path.Base(f.Path), ".") {
				found = found || info.Size() == f.Size && info.Mode() == 0o444 && info.ModTime().Unix() == o.Time.Unix()
			}
		}
		if !found {
			t.Errorf("go-diskfs does not see %s of %d bytes", f.Path, f.Size)
		}
	}
}

// TestRandomFAT does that for FAT volumes of both kinds.
func TestRandomFAT(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 3))
		v := Volume{Label: "RANDOM", ID: r.Uint32(), Time: epoch.Add(time.Duration(r.Int64N(1e17)))}
		v.Files = randomFiles(r, 1+r.IntN(40), false)
		size := SizeFAT(v.Files)
		if seed%2 == 1 {
			size = upTo(size+minFAT32, 1<<20)
		}
		m, err := NewFAT(v, size)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if tree := checkFAT(t, m, v); tree.bits == 32 {
			readFATDiskfs(t, m, v)
		}
		if other := mustFAT(t, v, size); digest(other) != digest(m) {
			t.Errorf("seed %d: the volume is another one the second time", seed)
		}
		if t.Failed() {
			t.Fatalf("seed %d: %v", seed, v.Files)
		}
	}
}

// readFATDiskfs reads a FAT32 volume with go-diskfs.
func readFATDiskfs(t *testing.T, m *Image, v Volume) {
	t.Helper()
	fs, err := fat32.Read(storage{&m.memory}, m.Size, 0, Sector)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range v.Files {
		opened, err := fs.OpenFile("/"+f.Path, 0)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := opened.Stat(); err != nil || info.Size() != f.Size || info.ModTime().Unix() != v.Time.Unix()&^1 {
			t.Errorf("go-diskfs sees %s of %d bytes as %v: %v", f.Path, f.Size, info, err)
		}
	}
}

// TestMany puts as many files as there may be into one directory, whose records and
// entries go over a block and a cluster, and into the root.
func TestMany(t *testing.T) {
	for dir, size := range map[string]int64{"": 5 << 20, "d/": 40 << 20} {
		var files []File
		for i := range maxFiles - 2 {
			f := File{Path: fmt.Sprintf("%sf%d.x", dir, i), Size: 600}
			if i%3 == 0 {
				f.Data = content(f.Path, 600)
			}
			files = append(files, f)
		}
		files = append(files, File{"isolinux.bin", 64, make([]byte, 64)}, File{"efi.img", 512, nil})
		o := ISO{BIOS: "isolinux.bin", EFI: "efi.img", Volume: Volume{Label: "MANY", Time: epoch, Files: files}}
		checkISO(t, mustISO(t, o), o)
		checkFAT(t, mustFAT(t, o.Volume, size), o.Volume)
	}
}

// TestSizeFAT fills volumes with files as far as the size allows.
func TestSizeFAT(t *testing.T) {
	for _, size := range []int64{1, 4 << 20, 31 << 20, 32 << 20, 258 << 20, 1 << 30} {
		for _, n := range []int{1, 20} {
			v := Volume{Label: "FULL"}
			for i := range n {
				v.Files = append(v.Files, File{fmt.Sprintf("d%d/f", i), max(1, size/int64(n)), nil})
			}
			bytes := SizeFAT(v.Files)
			checkFAT(t, mustFAT(t, v, bytes), v)
			if bytes%(1<<20) != 0 || bytes > max(size+size/16+2<<20, 40<<20) {
				t.Errorf("%d files of %d bytes take %d", n, size, bytes)
			}
		}
	}
}
