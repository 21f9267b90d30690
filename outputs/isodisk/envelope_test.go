package isodisk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

const outside = "outside of what can be laid out: "

// refused checks that an error says so many things, each outside of the envelope.
func refused(t *testing.T, err error, want ...string) {
	t.Helper()
	if !errors.Is(err, ErrEnvelope) {
		t.Fatalf("it is %v, want %v", err, want)
	}
	got := strings.Split(err.Error(), "\n")
	for i := range want {
		want[i] = outside + want[i]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func bad(name string) string {
	return fmt.Sprintf("the name %q is not 1 to 8 letters and digits, and up to 3 more after a period", name)
}

// zeros is a file without content.
func zeros(path string) File { return File{path, 1, nil} }

// TestRefused gives both kinds of volume what neither takes. The torture set of names
// is among it.
func TestRefused(t *testing.T) {
	long := strings.Repeat
	deep := "a/b/c/d/e/f/g/h/i"
	many := make([]File, maxFiles+1)
	for i := range many {
		many[i] = zeros(fmt.Sprint("f", i))
	}
	for name, test := range map[string]struct {
		files []File
		want  []string
	}{
		"9 bytes":              {[]File{zeros("ninebytes")}, []string{"ninebytes: " + bad("ninebytes")}},
		"an extension of 4":    {[]File{zeros("a.conf")}, []string{"a.conf: " + bad("a.conf")}},
		"100 bytes":            {[]File{zeros(long("a", 100))}, []string{long("a", 100) + ": " + bad(long("a", 100))}},
		"136 bytes":            {[]File{zeros(long("a", 136))}, []string{long("a", 136) + ": " + bad(long("a", 136))}},
		"255 bytes":            {[]File{zeros("d/" + long("a", 255))}, []string{"d/" + long("a", 255) + ": " + bad(long("a", 255))}},
		"a directory of 255":   {[]File{zeros(long("a", 255) + "/f")}, []string{long("a", 255) + "/f: " + bad(long("a", 255))}},
		"an empty path":        {[]File{zeros("")}, []string{": " + bad("")}},
		"an absolute path":     {[]File{zeros("/a")}, []string{"/a: " + bad("")}},
		"a path to a folder":   {[]File{zeros("a/")}, []string{"a/: " + bad("")}},
		"two slashes":          {[]File{zeros("a//b")}, []string{"a//b: " + bad("")}},
		"a period":             {[]File{zeros("./b")}, []string{"./b: " + bad(".")}},
		"two periods":          {[]File{zeros("a/../b")}, []string{"a/../b: " + bad("..")}},
		"a period at the end":  {[]File{zeros("a.")}, []string{"a.: " + bad("a.")}},
		"two in a name":        {[]File{zeros("a.b.c")}, []string{"a.b.c: " + bad("a.b.c")}},
		"a backslash":          {[]File{zeros(`a\b`)}, []string{`a\b: ` + bad(`a\b`)}},
		"a blank":              {[]File{zeros("a b")}, []string{"a b: " + bad("a b")}},
		"a dash":               {[]File{zeros("a-b")}, []string{"a-b: " + bad("a-b")}},
		"an underscore":        {[]File{zeros("a_b")}, []string{"a_b: " + bad("a_b")}},
		"a zero":               {[]File{zeros("a\x00b")}, []string{"a\x00b: " + bad("a\x00b")}},
		"an umlaut":            {[]File{zeros("ä")}, []string{"ä: " + bad("ä")}},
		"a Kelvin sign":        {[]File{zeros("\u212a")}, []string{"\u212a: " + bad("\u212a")}},
		"no UTF-8":             {[]File{zeros("a\xff")}, []string{"a\xff: " + bad("a\xff")}},
		"8 directories":        {[]File{zeros(deep)}, []string{deep + ": lies more than 7 directories deep"}},
		"twice":                {[]File{zeros("a"), zeros("a")}, []string{"a: is given twice"}},
		"a file in a file":     {[]File{zeros("a"), zeros("a/b/c")}, []string{"a: is a file and a directory"}},
		"a directory, a file":  {[]File{zeros("a/b/c"), zeros("a")}, []string{"a: is a file and a directory"}},
		"empty":                {[]File{{"a", 0, nil}}, []string{"a: a size of 0 bytes"}},
		"empty, with content":  {[]File{{"a", 0, []byte{}}}, []string{"a: a size of 0 bytes"}},
		"less than empty":      {[]File{{"a", -1, nil}}, []string{"a: a size of -1 bytes"}},
		"too little content":   {[]File{{"a", 2, []byte{1}}}, []string{"a: a size of 2 bytes"}},
		"too much content":     {[]File{{"a", 1, []byte{1, 2}}}, []string{"a: a size of 1 bytes"}},
		"4 GiB":                {[]File{{"a", 4 << 30, nil}}, []string{"a: 4294967296 bytes are over 4294967295, the most that a file can have"}},
		"4 GiB + 1":            {[]File{{"a", 4<<30 + 1, nil}}, []string{"a: 4294967297 bytes are over 4294967295, the most that a file can have"}},
		"the most of a number": {[]File{{"a", 1<<63 - 1, nil}}, []string{"a: 9223372036854775807 bytes are over 4294967295, the most that a file can have"}},
		"no files":             {nil, []string{"0 files: want 1 to 255"}},
		"too many":             {many, []string{"256 files: want 1 to 255"}},
		"more than one reason": {[]File{zeros("a_"), zeros("b"), {"c", 0, nil}}, []string{"a_: " + bad("a_"), "c: a size of 0 bytes"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewFAT(Volume{Label: "X", Files: test.files}, 5<<20)
			refused(t, err, append([]string{}, test.want...)...)
			refused(t, checkFiles(test.files, onVolume), append([]string{}, test.want...)...)
		})
	}
}

func TestRefusedLabels(t *testing.T) {
	for _, label := range []string{"", "compose", "TWELVEBYTES0", "A B", "A-B", "Ä", "A\x00", "A."} {
		v := Volume{Label: label, Files: []File{zeros("a")}}
		_, err := NewFAT(v, 5<<20)
		refused(t, err, fmt.Sprintf("the label %q: want up to 11 of A-Z, 0-9 and _", label))
		o := boots()
		o.Label = label
		_, err = newISO(t, o)
		refused(t, err, fmt.Sprintf("the label %q: want up to 11 of A-Z, 0-9 and _", label))
	}
}

// TestRefusedISO gives what is not for an ISO volume. Nothing is left behind.
func TestRefusedISO(t *testing.T) {
	dir := t.TempDir()
	with := func(files ...File) func(*ISO) { return func(o *ISO) { o.Files = append(o.Files, files...) } }
	noBIOS := func(path string) string {
		return fmt.Sprintf("the BIOS boot image %q is no file with content, of 64 bytes or more", path)
	}
	noEFI := func(path string) string {
		return fmt.Sprintf("the EFI boot image %q is no file without content, of up to 33553920 bytes", path)
	}
	for name, test := range map[string]struct {
		change func(*ISO)
		want   []string
	}{
		"upper case":              {with(zeros("boot/Kernel2")), []string{"boot/Kernel2: is not in lower case"}},
		"upper case beside":       {with(zeros("boot/KERNEL")), []string{"boot/kernel and boot/KERNEL are one name there", "boot/KERNEL: is not in lower case"}},
		"an upper directory":      {with(zeros("Boot/a")), []string{"boot and Boot are one name there", "Boot/a: is not in lower case"}},
		"a directory's period":    {with(zeros("a.b/c")), []string{"a.b/c: the name of its directory has a period"}},
		"a hidden one's period":   {with(zeros("x/.a.b/c")), []string{"x/.a.b/c: the name of its directory has a period"}},
		"a name that is taken":    {with(zeros("0disk/a")), []string{".disk and 0disk are one name there"}},
		"and the other way round": {with(zeros("a/0b"), zeros("a/.b")), []string{"a/0b and a/.b are one name there"}},
		"a hidden one of 9":       {with(zeros(".12345678")), []string{".12345678: " + bad(".12345678")}},
		"a period":                {with(zeros("./a")), []string{"./a: " + bad("."), "./a: the name of its directory has a period"}},
		"up":                      {with(zeros("../a")), []string{"../a: " + bad(".."), "../a: the name of its directory has a period"}},
		"no BIOS image":           {func(o *ISO) { o.BIOS = "" }, []string{noBIOS("")}},
		"a BIOS image elsewhere":  {func(o *ISO) { o.BIOS = "no/such" }, []string{noBIOS("no/such")}},
		"one without content":     {func(o *ISO) { o.BIOS = "boot/kernel" }, []string{noBIOS("boot/kernel")}},
		"one that is a directory": {func(o *ISO) { o.BIOS = "boot" }, []string{noBIOS("boot")}},
		"one of 63 bytes":         {func(o *ISO) { o.Files[2].Size, o.Files[2].Data = 63, make([]byte, 63) }, []string{noBIOS("isolinux/isolinux.bin")}},
		"no EFI image":            {func(o *ISO) { o.EFI = "" }, []string{noEFI("")}},
		"one with content":        {func(o *ISO) { o.EFI = "isolinux/ldlinux.c32" }, []string{noEFI("isolinux/ldlinux.c32")}},
		"one of 32 MiB":           {func(o *ISO) { o.Files[4].Size = 32 << 20 }, []string{noEFI("efi.img")}},
	} {
		t.Run(name, func(t *testing.T) {
			o := boots()
			test.change(&o)
			m, err := NewISO(o, dir)
			refused(t, err, test.want...)
			if m != nil {
				t.Error("there is an image")
			}
		})
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 || err != nil {
		t.Errorf("left behind: %v %v", left, err)
	}
	t.Run("a folder that is a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := NewISO(boots(), file); !errors.Is(err, syscall.ENOTDIR) || errors.Is(err, ErrEnvelope) {
			t.Errorf("%v", err)
		}
	})
}

func TestRefusedFAT(t *testing.T) {
	for name, test := range map[string]struct {
		label string
		files []File
		size  int64
		want  string
	}{
		"names but for case":       {"X", []File{zeros("a/b"), zeros("a/B")}, 5 << 20, "a/b and a/B are one name there"},
		"directories but for case": {"X", []File{zeros("EFI/a"), zeros("efi/b")}, 5 << 20, "EFI and efi are one name there"},
		"a hidden name":            {"X", []File{zeros(".disk/info")}, 5 << 20, ".disk/info: " + bad(".disk")},
		"the label":                {"COMPOSE", []File{zeros("compose")}, 5 << 20, "compose: has the name of the label"},
		"the label in two parts":   {"COMPOSE1234", []File{zeros("COMPOSE1.234")}, 5 << 20, "COMPOSE1.234: has the name of the label"},
		"4 GiB - 1":                {"X", []File{{"a", 1<<32 - 1, nil}}, 5 << 30, "a: 4294967295 bytes are over 4294963200, the most that a file of a FAT volume can have"},
		"4 GiB - 4 KiB + 1":        {"X", []File{{"a", 1<<32 - 4095, nil}}, 5 << 30, "a: 4294963201 bytes are over 4294963200, the most that a file of a FAT volume can have"},
		"no size":                  {"X", []File{zeros("a")}, 0, "a FAT volume of 0 bytes"},
		"of FAT12":                 {"X", []File{zeros("a")}, 4 << 20, "a FAT volume of 4194304 bytes"},
		"half a MiB":               {"X", []File{zeros("a")}, 5<<20 + 512<<10, "a FAT volume of 5767168 bytes"},
		"between the kinds":        {"X", []File{zeros("a")}, 33 << 20, "a FAT volume of 34603008 bytes"},
		"still between the kinds":  {"X", []File{zeros("a")}, 39 << 20, "a FAT volume of 40894464 bytes"},
		"over 8 GiB":               {"X", []File{zeros("a")}, 8<<30 + 1<<20, "a FAT volume of 8590983168 bytes"},
		"too small for its files":  {"X", []File{{"a", 5 << 20, nil}}, 5 << 20, "a FAT volume of 5242880 bytes"},
		"less than nothing":        {"X", []File{zeros("a")}, -5 << 20, "a FAT volume of -5242880 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := NewFAT(Volume{Label: test.label, Files: test.files}, test.size)
			refused(t, err, test.want)
			if m != nil {
				t.Error("there is an image")
			}
		})
	}
}

func TestRefusedTables(t *testing.T) {
	const size = 8 << 20
	id := func(n byte) uuid.UUID { return uuid.UUID{15: n} }
	p := func(number int, offset, length int64) Partition {
		return Partition{number, ESP, id(byte(number)), "x", offset, length}
	}
	name36 := strings.Repeat("\U0001F4BE", 18)
	for name, test := range map[string]struct {
		used, size int64
		boot       int
		parts      []Partition
		want       string
	}{
		"in the table":            {0, size, 0, []Partition{p(1, 33*512, 512)}, "partition 1 of 512 bytes at 16896, on a disk of 8388608, after one that ends at 17408"},
		"in the copy":             {0, size, 0, []Partition{p(1, size-33*512, 512)}, "partition 1 of 512 bytes at 8371712, on a disk of 8388608, after one that ends at 17408"},
		"over the end":            {0, size, 0, []Partition{p(1, 1<<20, 1<<62)}, "partition 1 of 4611686018427387904 bytes at 1048576, on a disk of 8388608, after one that ends at 17408"},
		"before the beginning":    {0, size, 0, []Partition{p(1, -1<<20, 4<<20)}, "partition 1 of 4194304 bytes at -1048576, on a disk of 8388608, after one that ends at 17408"},
		"empty":                   {0, size, 0, []Partition{p(1, 1<<20, 0)}, "partition 1 of 0 bytes at 1048576, on a disk of 8388608, after one that ends at 17408"},
		"less than empty":         {0, size, 0, []Partition{p(1, 1<<20, -512)}, "partition 1 of -512 bytes at 1048576, on a disk of 8388608, after one that ends at 17408"},
		"half a sector":           {0, size, 0, []Partition{p(1, 1<<20, 768)}, "partition 1 of 768 bytes at 1048576, on a disk of 8388608, after one that ends at 17408"},
		"at half a sector":        {0, size, 0, []Partition{p(1, 1<<20+256, 512)}, "partition 1 of 512 bytes at 1048832, on a disk of 8388608, after one that ends at 17408"},
		"overlapping":             {0, size, 0, []Partition{p(2, 1<<20+512, 512), p(1, 1<<20, 1024)}, "partition 2 of 512 bytes at 1049088, on a disk of 8388608, after one that ends at 1049600"},
		"number 0":                {0, size, 0, []Partition{p(0, 1<<20, 512)}, "partition 0: want a number and a GUID of its own, from 1 to 128"},
		"number 129":              {0, size, 0, []Partition{p(129, 1<<20, 512)}, "partition 129: want a number and a GUID of its own, from 1 to 128"},
		"a number twice":          {0, size, 0, []Partition{p(1, 1<<20, 512), {1, ESP, id(2), "y", 2 << 20, 512}}, "partition 1: want a number and a GUID of its own, from 1 to 128"},
		"a GUID twice":            {0, size, 0, []Partition{p(1, 1<<20, 512), {2, ESP, id(1), "y", 2 << 20, 512}}, "partition 1: want a number and a GUID of its own, from 1 to 128"},
		"no GUID":                 {0, size, 0, []Partition{{1, ESP, uuid.Nil, "x", 1 << 20, 512}}, `partition 1: the type "C12A7328-F81F-11D2-BA4B-00A0C93EC93B" with the GUID 00000000-0000-0000-0000-000000000000`},
		"no type":                 {0, size, 0, []Partition{{1, "", id(1), "x", 1 << 20, 512}}, `partition 1: the type "" with the GUID 00000000-0000-0000-0000-000000000001`},
		"the type of none":        {0, size, 0, []Partition{{1, uuid.Nil.String(), id(1), "x", 1 << 20, 512}}, `partition 1: the type "00000000-0000-0000-0000-000000000000" with the GUID 00000000-0000-0000-0000-000000000001`},
		"a name of 37":            {0, size, 0, []Partition{{1, ESP, id(1), name36 + "x", 1 << 20, 512}}, fmt.Sprintf("partition 1: the name %q has over 36 UTF-16 code units", name36+"x")},
		"a disk of half a sector": {0, size + 256, 0, nil, "a disk of 8388864 bytes with 0 in use and 0 to boot"},
		"a disk too small":        {0, 66 * 512, 0, nil, "a disk of 33792 bytes with 0 in use and 0 to boot"},
		"no disk":                 {0, 0, 0, nil, "a disk of 0 bytes with 0 in use and 0 to boot"},
		"no room for the copy":    {size - 32*512, size, 0, nil, "a disk of 8388608 bytes with 8372224 in use and 0 to boot"},
		"too much to boot":        {0, size, 441, nil, "a disk of 8388608 bytes with 0 in use and 441 to boot"},
	} {
		t.Run(name, func(t *testing.T) {
			m := &Image{Size: test.used}
			refused(t, m.Partition(Table{Boot: make([]byte, test.boot), Partitions: test.parts}, test.size), test.want)
			if m.Size != test.used || len(m.pages) > 0 {
				t.Error("something is written")
			}
		})
	}
	full := &Image{Size: size - 33*512}
	mustPartition(t, full, Table{Boot: make([]byte, 440), Partitions: []Partition{{128, Linux, id(1), name36, 34 * 512, size - 67*512}}}, size)
}
