package main

import (
	"bytes"
	"debug/pe"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// section is one of a program.
type section struct {
	name string
	*record
}

// sections are what has to be in a unified kernel image (UAPI.5): the stub's own, and
// then what compose adds.
func (m *media) sections(t *testing.T) []section {
	t.Helper()
	stub, err := pe.NewFile(strings.NewReader(m.loader["linuxx64.efi.stub"]))
	if err != nil {
		t.Fatal(err)
	}
	defer stub.Close()
	var all []section
	for _, s := range stub.Sections {
		data, err := s.Data()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, section{s.Name, textRecord(string(data[:min(s.VirtualSize, s.Size)]))})
	}
	release := m.release
	if release == nil {
		release = textRecord(fmt.Sprintf("ID=linux\nNAME=Linux\nPRETTY_NAME=%q\n", m.title))
	}
	all = append(all, section{".osrel", release}, section{".cmdline", textRecord(m.cmdline)})
	if m.uname != "" {
		all = append(all, section{".uname", textRecord(m.uname)})
	}
	initrd := m.file("-initrd.img")
	if m.ucode != "" {
		all = append(all, section{".ucode", fileRecord(t, m.ucode)})
		initrd = m.behind
	}
	return append(all, section{".linux", fileRecord(t, m.file("-kernel"))}, section{".initrd", fileRecord(t, initrd)})
}

// program is what has to be in the unified kernel image.
func (m *media) program(t *testing.T) *medium {
	t.Helper()
	v := &medium{name: "uki", want: newTree()}
	for _, s := range m.sections(t) {
		v.want.entries[s.name] = s.record
	}
	image := m.file(".efi")
	v.reader("objdump -h", names|sizes, func(t *testing.T) *tree { return listObjdump(t, image) })
	v.reader("objcopy", names|sizes|contents, func(t *testing.T) *tree { return m.cutSections(t, image) })
	if !m.brief {
		v.reader("7z extracting", names|sizes|contents, func(t *testing.T) *tree {
			return m.extracted(t, []string{"7z", "x", "-y", "-bso0", "-tPE", image})
		})
	}
	v.plants = []treePlant{
		{".linux", contents, func(r *record) { r.sum = emptySum }},
		{".initrd", sizes | contents, func(r *record) { r.size++ }},
		{".text", contents, func(r *record) { r.sum = emptySum }},
		{".cmdline", names, nil},
	}
	return v
}

func listObjdump(t *testing.T, image string) *tree {
	t.Helper()
	got := newTree()
	for _, h := range objdump(t, image) {
		got.entries[h.name] = &record{kind: "file", size: h.size}
	}
	return got
}

// cutSections has objcopy cut out every section.
func (m *media) cutSections(t *testing.T, image string) *tree {
	t.Helper()
	dir, err := os.MkdirTemp(m.work, "sections-") //nolint:usetesting // there may be room in work alone
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, h := range objdump(t, image) {
		reader{dir: dir, args: []string{"objcopy", "-O", "binary", "--only-section=" + h.name, image, h.name}}.run(t)
	}
	got, err := readDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	return withoutRoot(got)
}

// sectionHeader is a line of objdump's.
type sectionHeader struct {
	name             string
	size, memory, at int64 // bytes
}

// objdump reads "objdump -h", without where the program would like to lie in memory.
func objdump(t *testing.T, image string) []sectionHeader {
	t.Helper()
	var all []sectionHeader
	text := reader{args: []string{"objdump", "-h", "-p", image}}.run(t)
	base := hexNumber(t, matches(t, `(?m)^ImageBase\t+([0-9a-f]+)$`, text)[1])
	for _, f := range regexp.MustCompile(`(?m)^ +\d+ (\S+) +([0-9a-f]{8}) +([0-9a-f]{16}) +[0-9a-f]{16} +([0-9a-f]{8}) +2\*\*\d+$`).
		FindAllStringSubmatch(text, -1) {
		all = append(all, sectionHeader{f[1], hexNumber(t, f[2]), hexNumber(t, f[3]) - base, hexNumber(t, f[4])})
	}
	return all
}

func hexNumber(t *testing.T, text string) int64 {
	t.Helper()
	var n int64
	if _, err := fmt.Sscanf(text, "%x", &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// inspectedProgram is the unified kernel image as a program.
func (m *media) inspectedProgram(t *testing.T) *inspected {
	t.Helper()
	var order []string
	for _, s := range m.sections(t) {
		order = append(order, s.name)
	}
	reader{dir: m.work, args: script(`openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=nobody -days 1 -keyout key.pem -out cert.pem 2>/dev/null`)}.run(t)
	i := &inspected{name: "uki", image: m.file(".efi")}
	i.inspections = []inspection{
		{"objdump", func(t *testing.T, image string) []fault { return laidOutSections(t, image, order) }},
		{"sbverify --list", func(t *testing.T, image string) []fault {
			out, err := reader{args: script(`sbverify --list "$1" 2>&1`, image)}.try(t)
			if err != nil || out != "No signature table present\n" {
				return []fault{{"", fmt.Sprintf("sbverify: %v\n%s", err, out)}}
			}
			return nil
		}},
		{"sbsign", m.signs},
	}
	header := func(b []byte) []byte { return b[le.Uint32(b[60:])+4:] }
	table := func(b []byte, name string) []byte {
		return b[bytes.Index(b, append([]byte(name), make([]byte, 8-len(name))...)):]
	}
	i.plants = []bytePlant{
		{"a time", func(b []byte) { header(b)[4] = 1 }, []string{"objdump"}},
		{"a checksum", func(b []byte) { header(b)[20+64] = 1 }, []string{"objdump"}},
		{"another order", func(b []byte) { copy(table(b, ".osrel"), ".asrel") }, []string{"objdump"}},
		{"a section that begins anywhere", func(b []byte) { table(b, ".linux")[20]++ }, []string{"objdump", "sbverify --list", "sbsign"}},
		{"sections over each other", func(b []byte) { h := table(b, ".initrd"); copy(h[12:16], table(b, ".linux")[12:16]) }, []string{"objdump"}},
		{"a signature", func(b []byte) {
			le.PutUint32(header(b)[20+112+32:], uint32(len(b)-16))
			le.PutUint32(header(b)[20+112+36:], 16)
		}, []string{"sbverify --list", "sbsign"}},
	}
	return i
}

// laidOutSections holds that sections stand in an order, aligned and apart from each
// other, in the file and in memory, and that nothing in the headers is of the moment.
func laidOutSections(t *testing.T, image string, order []string) []fault {
	t.Helper()
	all := objdump(t, image)
	text := reader{args: []string{"objdump", "-p", image}}.run(t)
	value := func(name string) int64 {
		return hexNumber(t, matches(t, `(?m)^`+name+`\t+(?:0x)?([0-9a-f]+)`, text)[1])
	}
	var got []string
	var faults []fault
	added := false
	end, memoryEnd, unit, memoryUnit := value("SizeOfHeaders"), int64(0), value("FileAlignment"), value("SectionAlignment")
	for _, h := range all {
		got = append(got, h.name)
		added = added || h.name == ".osrel" // what the stub has itself need not be aligned in memory
		if h.at < end || h.memory < memoryEnd || h.at%unit != 0 || added && h.memory%unit != 0 {
			faults = append(faults, fault{h.name, fmt.Sprintf("of %d bytes lies at %d in the file, behind %d, and at %d in memory, behind %d", h.size, h.at, end, h.memory, memoryEnd)})
		}
		end, memoryEnd = h.at+h.size, h.memory+h.size
	}
	up := func(n, unit int64) int64 { return (n + unit - 1) / unit * unit }
	if n := value("SizeOfImage"); n != up(memoryEnd, memoryUnit) {
		faults = append(faults, fault{"", fmt.Sprintf("the program is said to have %d bytes of memory; its last section ends at %d", n, memoryEnd)})
	}
	stat, err := os.Stat(image)
	if err != nil || stat.Size() != up(end, unit) {
		faults = append(faults, fault{"", fmt.Sprintf("the file does not end where its last section does, at %d: %v", end, err)})
	}
	for _, line := range []string{"Time/Date\t\tThu Jan  1 00:00:00 1970", "CheckSum\t\t00000000", "Subsystem\t\t0000000a\t(EFI application)"} {
		if !strings.Contains(text, "\n"+line+"\n") {
			faults = append(faults, fault{"", "objdump does not say " + line})
		}
	}
	return append(faults, inOrder("the program", order, got)...)
}

// signs signs a program with a key that is made for the test, and holds that this is a
// good signature, until a byte of the initramfs is another one.
func (m *media) signs(t *testing.T, image string) []fault {
	t.Helper()
	dir, err := os.MkdirTemp(m.work, "signed-") //nolint:usetesting // there may be room in work alone
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	signed := filepath.Join(dir, "signed.efi")
	out, err := reader{dir: m.work, args: script(`sbsign --key key.pem --cert cert.pem --output "$2" "$1" 2>&1 && sbverify --cert cert.pem "$2" 2>&1`, image, signed)}.try(t)
	if err != nil || out != "Signing Unsigned original image\nSignature verification OK\n" {
		return []fault{{"", fmt.Sprintf("sbsign: %v\n%s", err, out)}}
	}
	f, err := os.OpenFile(signed, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := objdump(t, image)
	last := slices.MaxFunc(all, func(a, b sectionHeader) int { return int(a.at - b.at) })
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, last.at); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{b[0] ^ 1}, last.at); err != nil {
		t.Fatal(err)
	}
	if out, err := (reader{dir: m.work, args: script(`sbverify --cert cert.pem "$1" 2>&1`, signed)}).try(t); err == nil {
		return []fault{{last.name, "is another one than was signed, and sbverify says " + out}}
	}
	return nil
}
