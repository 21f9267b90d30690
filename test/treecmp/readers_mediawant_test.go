package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// loaderFiles reads the files at the root out of the layout of the boot loaders' image:
// it is the first in its index, of one layer.
func loaderFiles(t *testing.T, layout string) map[string]string {
	t.Helper()
	var index struct{ Manifests []ociDescriptor }
	var m ociManifest
	u := &umoci{layout: layout}
	text, err := os.ReadFile(filepath.Join(layout, "index.json"))
	if err = errors.Join(err, json.Unmarshal(text, &index)); err != nil {
		t.Fatal(err)
	}
	for strings.HasSuffix(index.Manifests[0].MediaType, ".index.v1+json") {
		if err := u.document(index.Manifests[0].Digest, &index); err != nil {
			t.Fatal(err)
		}
	}
	if err := u.document(index.Manifests[0].Digest, &m); err != nil || len(m.Layers) != 1 {
		t.Fatalf("%d layers: %v", len(m.Layers), err)
	}
	z, err := gzip.NewReader(open(t, blob(layout, m.Layers[0].Digest)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg || strings.Contains(h.Name, "/") {
			continue
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = string(content)
	}
}

// fileRecord is a file of the disk as a file.
func fileRecord(t *testing.T, name string) *record {
	t.Helper()
	r := &record{kind: "file"}
	if err := r.readFile(name); err != nil {
		t.Fatal(err)
	}
	stat, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	r.size = stat.Size()
	return r
}

// textRecord is a text as a file.
func textRecord(text string) *record {
	sum := sha256.Sum256([]byte(text))
	return &record{kind: "file", size: int64(len(text)), sum: hex.EncodeToString(sum[:])}
}

// put puts a file into a volume of that time, with its directories.
func (m *medium) put(p string, r *record, epoch int64) {
	r.mode, r.mtime = 0o444, epoch
	m.want.entries[p] = r
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		m.want.entries[dir] = &record{kind: "directory", mode: 0o555, mtime: epoch}
	}
}

// grub is what GRUB has to be told.
func (m *media) grub() string {
	title := "'" + strings.ReplaceAll(m.title, "'", `'\''`) + "'"
	return fmt.Sprintf("serial --unit=0 --speed=115200\nterminal_input serial console\nterminal_output serial console\n"+
		"set default=0\nset timeout=%d\nmenuentry %s {\n\tlinux /boot/kernel %s\n\tinitrd /boot/initrd.img\n}\n", m.timeout, title, m.cmdline)
}

// isolinux is what ISOLINUX has to be told.
func (m *media) isolinux() string {
	prompt := "prompt 0\n"
	if m.timeout > 0 {
		prompt = fmt.Sprintf("prompt 1\ntimeout %d\n", 10*m.timeout)
	}
	return fmt.Sprintf("serial 0 115200\n%[1]ssay %[2]s\ndefault linux\nlabel linux\n\tmenu label %[2]s\n\tkernel /boot/kernel\n\tappend initrd=/boot/initrd.img %[3]s\n", prompt, m.title, m.cmdline)
}

// isoID finds the ISO's number: it is the name of a file.
func (m *media) isoID(t *testing.T) string {
	t.Helper()
	list := reader{args: []string{"bsdtar", "-tf", m.file(".iso")}}.run(t)
	found := regexp.MustCompile(`(?m)^\.disk/([0-9a-f]{8})$`).FindStringSubmatch(list)
	if found == nil {
		t.Fatalf("the ISO has no number:\n%s", list)
	}
	return found[1]
}

// iso is what has to be on the ISO.
func (m *media) iso(t *testing.T) *medium {
	t.Helper()
	image, id := m.file(".iso"), m.isoID(t)
	v := &medium{name: "iso", want: newTree()}
	add := func(p string, r *record) { v.put(p, r, m.epoch) }
	v.want.entries[""] = &record{kind: "directory", mode: 0o555, mtime: m.epoch}
	add(".disk/info", textRecord("compose "+id+"\n"))
	add(".disk/"+id, textRecord(id+"\n"))
	add("boot/grub/grub.cfg", textRecord(m.grub()))
	add("boot/kernel", fileRecord(t, m.file("-kernel")))
	add("boot/initrd.img", fileRecord(t, m.file("-initrd.img")))
	add("isolinux/isolinux.cfg", textRecord(m.isolinux()))
	add("isolinux/ldlinux.c32", textRecord(m.loader["ldlinux.c32"]))
	add("isolinux/isolinux.bin", textRecord(m.bootTable(isoSectors(t, image)["isolinux/isolinux.bin"])))
	add("efi.img", fileRecord(t, m.esp(t, image)))
	m.isoReadings(v, image)
	v.plants = []treePlant{
		{"boot/kernel", contents, func(r *record) { r.sum = emptySum }},
		{"boot/initrd.img", sizes | contents, func(r *record) { r.size++ }},
		{"boot/grub/grub.cfg", modes, func(r *record) { r.mode = 0o644 }},
		{"isolinux/isolinux.bin", contents, func(r *record) { r.sum = textRecord(m.loader["isolinux.bin"]).sum }},
		{"isolinux/ldlinux.c32", owners, func(r *record) { r.uid = 1 }},
		{"isolinux/isolinux.cfg", owners, func(r *record) { r.gid = 1 }},
		{"boot", modes, func(r *record) { r.mode = 0o755 }},
		{"isolinux", days | seconds, func(r *record) { r.mtime += 24 * 60 * 60 }},
		{"efi.img", days | seconds, func(r *record) { r.mtime -= 24 * 60 * 60 }},
		{".disk/" + id, seconds, func(r *record) { r.mtime-- }},
		{".disk/info", names, nil},
	}
	return v
}

// bootTable is isolinux.bin with what tells it where it lies, in sector at
// (mkisofs(8), "EL TORITO BOOT INFORMATION TABLE").
func (m *media) bootTable(at int64) string {
	b := []byte(m.loader["isolinux.bin"])
	clear(b[8:64])
	sum := uint32(0)
	words := append(bytes.Clone(b[64:]), make([]byte, -len(b)&3)...)
	for i := 0; i < len(words); i += 4 {
		sum += binary.LittleEndian.Uint32(words[i:])
	}
	for i, n := range []uint32{16, uint32(at), uint32(len(b)), sum} {
		binary.LittleEndian.PutUint32(b[8+4*i:], n)
	}
	return string(b)
}

// efi is what has to be in an EFI system partition.
func (m *media) efi(name string) *medium {
	v := &medium{name: name, want: newTree()}
	v.put("EFI/BOOT/BOOTX64.EFI", textRecord(m.loader["shimx64.efi.signed"]), m.epoch&^1)
	v.put("EFI/BOOT/grubx64.efi", textRecord(m.loader["gcdx64.efi.signed"]), m.epoch&^1)
	v.put("EFI/BOOT/mmx64.efi", textRecord(m.loader["mmx64.efi"]), m.epoch&^1)
	v.plants = []treePlant{
		{"EFI/BOOT/BOOTX64.EFI", contents, func(r *record) { r.sum = emptySum }},
		{"EFI/BOOT/grubx64.efi", sizes | contents, func(r *record) { r.size-- }},
		{"EFI/BOOT/mmx64.efi", names, nil},
		{"EFI/BOOT", minutes | seconds, func(r *record) { r.mtime += 60 }},
		{"EFI", seconds, func(r *record) { r.mtime++ }},
		{"boot", minutes | seconds, func(r *record) { r.mtime -= 24 * 60 * 60 }},
		{"boot/grub/grub.cfg", seconds, func(r *record) { r.mtime += 2 }},
	}
	return v
}

// isoESP is what has to be in the ISO's EFI system partition.
func (m *media) isoESP(t *testing.T) *medium {
	t.Helper()
	v := m.efi("iso's ESP")
	find := "if search --no-floppy --set=root --file /.disk/" + m.isoID(t) + "; then\n" +
		"\tset prefix=($root)/boot/grub\n\tsource $prefix/grub.cfg\nelse\n\techo \"The volume that this system is on is not there.\"\nfi\n"
	v.put("boot/grub/grub.cfg", textRecord(find), m.epoch&^1)
	m.fatReadings(v, m.esp(t, m.file(".iso")))
	return v
}

// disk is what has to be in a disk's EFI system partition.
func (m *media) disk(t *testing.T, name, image string) *medium {
	t.Helper()
	v := m.efi(name)
	v.put("boot/grub/grub.cfg", textRecord(m.grub()), m.epoch&^1)
	v.put("boot/kernel", fileRecord(t, m.file("-kernel")), m.epoch&^1)
	v.put("boot/initrd.img", fileRecord(t, m.file("-initrd.img")), m.epoch&^1)
	m.fatReadings(v, m.esp(t, image))
	return v
}
