package isodisk

import (
	"bytes"
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// run runs a command on an image in a folder of its own, and returns what it prints.
// It skips a test whose tool is not there; in CI it has to be.
func run(t *testing.T, dir, command string) string {
	t.Helper()
	tool, _, _ := strings.Cut(command, " ")
	if _, err := exec.LookPath(tool); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-e", "-c", "exec "+command)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "TZ=UTC", "LC_ALL=C.UTF-8", "MTOOLS_SKIP_CHECK=0")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", command, err, out, &complaint)
	}
	return string(out)
}

// torture is the names and sizes at the edges of what is laid out: 1 byte, 8 and 3,
// in 7 directories, the most bytes; and, of an ISO volume, names that begin with a
// period.
func torture(iso bool) []File {
	big := int64(maxFAT)
	if iso {
		big = maxFileSize
	}
	files := []File{
		{"a", 1, []byte{'a'}},
		{"0", 1, nil},
		{"abcdefgh.ijk", 2049, nil},
		{"b/c/d/e/f/g/h/i", 7, []byte("7 deep\n")},
		{"b/c/d/e/f/g/12345678/12345678.123", 1, nil},
		{"big", big, nil},
		{"last", 513, nil},
	}
	if iso {
		return append(files, File{".x/.y/.z", 3, nil}, File{".h.i", 2, []byte("hi")}, File{"bios", 100, content("bios", 100)}, File{"efi", 1, nil})
	}
	return append(files, File{"Mixed.Cas", 3, nil}, File{"UPPER/CASE", 3, nil})
}

// lister is how a tool lists a volume. Its lines have some of mode, uid, gid, size,
// date and path; where there is only a name, a line before names the directory.
type lister struct {
	command   string
	directory *regexp.Regexp
	line      *regexp.Regexp
}

// list lists the files that a tool sees, with their sizes, and checks what else it
// says of them and of directories.
func (l lister) list(t *testing.T, image string) map[string]int64 {
	t.Helper()
	seen := map[string]int64{}
	prefix := ""
	for line := range strings.Lines(run(t, filepath.Dir(image), l.command)) {
		line = strings.TrimRight(line, " \r\n")
		if l.directory != nil && l.directory.MatchString(line) {
			prefix = strings.TrimPrefix(l.directory.FindStringSubmatch(line)[1], "/")
			continue
		}
		m := l.line.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		got := map[string]string{}
		for i, name := range l.line.SubexpNames() {
			got[name] = m[i]
		}
		path := prefix + got["path"]
		dir := strings.HasPrefix(strings.ToLower(got["mode"]), "d")
		if mode := got["mode"]; len(mode) > 5 && mode != "-r--r--r--" && mode != "dr-xr-xr-x" || strings.Trim(got["uid"]+got["gid"], "0") != "" {
			t.Errorf("%s has %s %s %s", path, mode, got["uid"], got["gid"])
		}
		switch date := strings.Join(strings.Fields(got["date"]), " "); date {
		case "", "Nov 14 2023", "2023-11-14 22:13:21", "2023-11-14 22:13:20", "2023-11-14 22:13":
		default:
			t.Errorf("%s is of %s", path, date)
		}
		if !dir {
			size, err := strconv.ParseInt(cmpOr(got["size"], "-1"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			seen[path] = size
		}
	}
	return seen
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// sizes is what a tool should list; one that says no sizes has −1.
func sizes(files []File, known bool) map[string]int64 {
	want := map[string]int64{}
	for _, f := range files {
		want[f.Path] = -1
		if known {
			want[f.Path] = f.Size
		}
	}
	return want
}

// extracted checks that a folder has the files that write has written, and no others.
func extracted(t *testing.T, dir string, files []File, bios string) {
	t.Helper()
	want := map[string]File{}
	for _, f := range files {
		want[f.Path] = f
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(path)
		f, ok := want[name]
		if !ok {
			return nil // such as the boot images that 7z shows
		}
		delete(want, name)
		b := f.Data
		switch {
		case name == bios:
			b = bytes.Clone(b)
			copy(b[8:64], got[8:])
		case b == nil && f.Size > 1<<20:
			edges := content(name, 2048)
			b = make([]byte, f.Size)
			copy(b, edges[:1024])
			copy(b[f.Size-1024:], edges[1024:])
		case b == nil:
			b = content(name, int(f.Size))
		}
		if !bytes.Equal(got, b) {
			t.Errorf("%s has other content", name)
		}
		return err
	})
	if err != nil || len(want) > 0 {
		t.Errorf("%v: not there: %v", err, slices.Collect(maps.Keys(want)))
	}
}

func TestReadersISO(t *testing.T) {
	o := ISO{BIOS: "bios", EFI: "efi", Volume: Volume{Label: "TORTURE", Time: epoch, Files: torture(true)}}
	m := mustISO(t, o)
	checkISO(t, m, o)
	image := write(t, m)
	for tool, l := range map[string]lister{
		"xorriso": {`xorriso -indev image -find / -exec lsdl --`, nil, regexp.MustCompile(`^(?P<mode>[-d]\S{9}) +\d+ +(?P<uid>\d+) +(?P<gid>\d+) +(?P<size>\d+) (?P<date>.{12}) '/(?P<path>.*)'$`)},
		"bsdtar":  {`bsdtar -tvf image`, nil, regexp.MustCompile(`^(?P<mode>[-d]\S{9}) +\d+ +(?P<uid>\d+) +(?P<gid>\d+) +(?P<size>\d+) (?P<date>.{12}) (?P<path>.*)$`)},
		"isoinfo": {`isoinfo -l -R -i image`, regexp.MustCompile(`^Directory listing of (.*)$`), regexp.MustCompile(`^(?P<mode>[-d]\S{9}) +\d+ +(?P<uid>\d+) +(?P<gid>\d+) +(?P<size>\d+) (?P<date>.{11}) \[.{10,13}\]  (?P<path>.*)$`)},
		"7z":      {`7z l image`, nil, regexp.MustCompile(`^(?P<date>\d{4}-.{14}) (?P<mode>[D.]\.{4}) +(?P<size>\d*) +\d* +(?P<path>.*)$`)},
	} {
		t.Run(tool, func(t *testing.T) {
			if got, want := l.list(t, image), sizes(o.Files, true); !maps.Equal(got, want) {
				t.Errorf("it sees %v, want %v", got, want)
			}
		})
	}
	t.Run("boot", func(t *testing.T) {
		got := run(t, filepath.Dir(image), "xorriso -indev image -report_el_torito plain -pvd_info")
		for _, want := range []string{
			`(?m)^El Torito boot img : +1 +BIOS +y +none +0x0000 +0x00 +4 +\d+$`, `(?m)^El Torito boot img : +2 +UEFI +y +none +0x0000 +0x00 +1 +\d+$`,
			`(?m)^El Torito img path : +1 +/bios$`, `(?m)^El Torito img opts : +1 +boot-info-table$`, `(?m)^El Torito img path : +2 +/efi$`,
			`(?m)^Volume Id    : TORTURE$`, `(?m)^Preparer Id  : *$`, `(?m)^Creation Time: 2023111422132100$`, `(?m)^Expir. Time  : 0000000000000000$`,
		} {
			if !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("xorriso does not say %s:\n%s", want, got)
			}
		}
	})
	small := boots()
	image = write(t, mustISO(t, small))
	for tool, command := range map[string]string{
		"bsdtar":  "bsdtar -xf image -C bsdtar",
		"xorriso": "xorriso -osirrox on -indev image -extract / xorriso",
		"7z":      "7z x -bd -o7z image",
	} {
		t.Run("content by "+tool, func(t *testing.T) {
			dir := filepath.Join(filepath.Dir(image), tool)
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			run(t, filepath.Dir(image), command)
			extracted(t, dir, small.Files, small.BIOS)
			run(t, filepath.Dir(image), "chmod -R u+w "+tool)
		})
	}
}

func TestReadersFAT(t *testing.T) {
	for name, test := range map[string]struct {
		files []File
		size  int64
	}{
		"FAT16":           {esp().Files, 5 << 20},
		"FAT16, largest":  {esp().Files, 32 << 20},
		"FAT32":           {esp().Files, 40 << 20},
		"FAT32, 4 KiB":    {esp().Files, 261 << 20},
		"2 clusters less": {esp().Files, shortTables},
		"1 cluster less":  {esp().Files, 506 << 20},
		"4 GiB - 4 KiB":   {torture(false), SizeFAT(torture(false))},
	} {
		t.Run(name, func(t *testing.T) {
			v := Volume{Label: "TORTURE", ID: 0xdeadbeef, Time: epoch, Files: test.files}
			m := mustFAT(t, v, test.size)
			checkFAT(t, m, v)
			image := write(t, m)
			t.Run("fsck.fat", func(t *testing.T) {
				if got := run(t, filepath.Dir(image), "fsck.fat -n -v image"); strings.Contains(got, "rong") {
					t.Error(got)
				}
			})
			for tool, l := range map[string]lister{
				"mdir": {`mdir -i image -/ -b ::`, nil, regexp.MustCompile(`^::/(?P<path>.*[^/])$`)},
				"7z":   {`7z l image`, nil, regexp.MustCompile(`^(?P<date>\d{4}-.{14}) (?P<mode>[D.]\.{4}) +(?P<size>\d*) +\d* +(?P<path>.*)$`)},
			} {
				t.Run(tool, func(t *testing.T) {
					if got, want := l.list(t, image), sizes(v.Files, tool == "7z"); !maps.Equal(got, want) {
						t.Errorf("it sees %v, want %v", got, want)
					}
				})
			}
			t.Run("label", func(t *testing.T) {
				got := run(t, filepath.Dir(image), "mdir -i image ::")
				if !strings.Contains(got, " is TORTURE") || !strings.Contains(got, "DEAD-BEEF") || strings.Count(got, "2023-11-14  22:13") < 3 {
					t.Error(got)
				}
			})
			if test.size > 1<<30 {
				return
			}
			t.Run("content by mcopy", func(t *testing.T) {
				dir := t.TempDir()
				run(t, filepath.Dir(image), "mcopy -s -n -i image '::*' "+dir)
				extracted(t, dir, v.Files, "")
			})
		})
	}
}

func TestReadersTable(t *testing.T) {
	image := write(t, mustPartition(t, &Image{}, disk(), DiskSize(6<<20+512)))
	got := run(t, filepath.Dir(image), "sgdisk -v image") + run(t, filepath.Dir(image), "sgdisk -p -i 1 -i 3 image")
	for _, want := range []string{
		"No problems found", "Disk identifier (GUID): 00112233-4455-6677-8899-AABBCCDDEEFF",
		"Partition GUID code: C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "Partition unique GUID: 20112233-4455-6677-8899-AABBCCDDEEFF",
		"Partition name: 'EFI system partition'", "Last sector: 12287 ", "Partition GUID code: 0FC63DAF-8483-4772-8E79-3D69D8477DE4", "First sector: 12288 ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("sgdisk does not say %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "Problem:") {
		t.Error(got)
	}
}
