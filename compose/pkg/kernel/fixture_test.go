package kernel_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/composeos/compose/compose/rootfs"
)

const release = "6.12.0-test"

// object is a kernel module to be made: an ELF file of x86-64 that can be linked.
type object struct {
	info    []string // of .modinfo
	exports []string
	uses    []string
}

// section is one of an ELF file.
type section struct {
	name string
	typ  uint32 // 1 bits, 2 symbols, 3 strings
	data []byte
	link uint32
	size uint64 // of an entry
}

// elf returns the file: its header, the sections, and their headers (System V gABI,
// chapter 4).
func (o object) elf() []byte {
	zeroEnded := func(all []string) []byte {
		return []byte(strings.Join(append(slices.Clip(all), ""), "\x00"))
	}
	names, symbols := []byte{0}, make([]byte, 24)
	symbol := func(name string, index uint16) {
		b := make([]byte, 24)
		binary.LittleEndian.PutUint32(b, uint32(len(names)))
		b[4] = 0x10 // global
		binary.LittleEndian.PutUint16(b[6:], index)
		symbols = append(symbols, b...)
		names = append(append(names, name...), 0)
	}
	for _, name := range o.exports {
		symbol("__ksymtab_"+name, 2)
		symbol(name, 2)
	}
	for _, name := range o.uses {
		symbol(name, 0)
	}
	sections := []section{
		{},
		{name: ".modinfo", typ: 1, data: zeroEnded(o.info)},
		{name: "__ksymtab_strings", typ: 1, data: zeroEnded(o.exports)},
		{name: ".symtab", typ: 2, data: symbols, link: 4, size: 24},
		{name: ".strtab", typ: 3, data: names},
		{name: ".shstrtab", typ: 3},
	}
	last := &sections[len(sections)-1]
	offsets := make([]int, len(sections))
	for i, s := range sections {
		offsets[i] = len(last.data)
		last.data = append(append(last.data, s.name...), 0)
	}
	file := make([]byte, 64)
	headers := make([]byte, 64*len(sections))
	for i, s := range sections {
		h := headers[64*i:]
		binary.LittleEndian.PutUint32(h, uint32(offsets[i]))
		binary.LittleEndian.PutUint32(h[4:], s.typ)
		binary.LittleEndian.PutUint64(h[24:], uint64(len(file)))
		binary.LittleEndian.PutUint64(h[32:], uint64(len(s.data)))
		binary.LittleEndian.PutUint32(h[40:], s.link)
		binary.LittleEndian.PutUint32(h[44:], 1)
		binary.LittleEndian.PutUint64(h[48:], 8)
		binary.LittleEndian.PutUint64(h[56:], s.size)
		file = append(file, s.data...)
		file = append(file, make([]byte, -len(file)&7)...)
	}
	copy(file, "\x7fELF\x02\x01\x01")
	binary.LittleEndian.PutUint16(file[16:], 1)  // relocatable
	binary.LittleEndian.PutUint16(file[18:], 62) // x86-64
	binary.LittleEndian.PutUint32(file[20:], 1)
	binary.LittleEndian.PutUint64(file[40:], uint64(len(file)))
	binary.LittleEndian.PutUint16(file[52:], 64)
	binary.LittleEndian.PutUint16(file[58:], 64)
	binary.LittleEndian.PutUint16(file[60:], uint16(len(sections)))
	binary.LittleEndian.PutUint16(file[62:], uint16(len(sections)-1))
	return append(file, headers...)
}

// objects are the modules of the kernel that the tests have.
var objects = map[string]object{
	"drivers/net/virtio_net.ko.xz": {
		info: []string{"name=virtio_net", "license=GPL", "alias=virtio:d00000001v*", "depends=net-failover"},
		uses: []string{"net_failover_create", "printk"},
	},
	"drivers/net/net-failover.ko.xz": {
		info: []string{"name=net_failover", "depends=failover"}, exports: []string{"net_failover_create", "net_failover_destroy"}, uses: []string{"failover_register"},
	},
	"net/core/failover.ko": {info: []string{"name=failover", "depends="}, exports: []string{"failover_register"}},
	"fs/btrfs/btrfs.ko.zst": {
		info: []string{
			"name=btrfs", "alias=fs-btrfs", "alias=devname:btrfs-control", "alias=char-major-10-234", "depends=xor,raid6_pq",
			"softdep=pre: crypto-crc32c post: blake2b-256 absent", "softdep=ignored",
		},
		uses: []string{"xor_blocks", "raid6_call"},
	},
	"crypto/xor.ko.gz":         {info: []string{"name=xor", "depends="}, exports: []string{"xor_blocks"}},
	"lib/raid6/raid6_pq.ko.xz": {info: []string{"name=raid6_pq", "depends="}, exports: []string{"raid6_call"}},
	"crypto/crc32c_intel.ko":   {info: []string{"name=crc32c_intel", "alias=crypto-crc32c", "alias=cpu:type:x86,ven*fam*mod*:feature:*0094*", "depends="}},
	"crypto/blake2b_256.ko.xz": {info: []string{"name=blake2b_256", "depends="}},
}

// pack compresses by the ending of the name.
func pack(t testing.TB, name string, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch {
	case strings.HasSuffix(name, ".xz"):
		w, e := xz.NewWriter(&b)
		if e != nil {
			t.Fatal(e)
		}
		_, _ = w.Write(content)
		err = w.Close()
	case strings.HasSuffix(name, ".gz"):
		w := gzip.NewWriter(&b)
		_, _ = w.Write(content)
		err = w.Close()
	case strings.HasSuffix(name, ".zst"):
		w, e := zstd.NewWriter(&b)
		if e != nil {
			t.Fatal(e)
		}
		_, _ = w.Write(content)
		err = w.Close()
	default:
		b.Write(content)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// debian is the package of the tests' kernel, unpacked.
func debian(t testing.TB) []*rootfs.Entry {
	t.Helper()
	dir := "usr/lib/modules/" + release
	entries := []*rootfs.Entry{
		rootfs.MadeFile("boot/vmlinuz-"+release, 0o600, []byte("the kernel")),
		rootfs.MadeFile("boot/config-"+release, 0o644, []byte("CONFIG_MODULES=y\n")),
		rootfs.MadeFile(dir+"/modules.builtin", 0o644, []byte("kernel/drivers/virtio/virtio-pci.ko\nkernel/fs/ext4/ext4.ko\n")),
		rootfs.MadeFile(dir+"/modules.builtin.modinfo", 0o644, []byte("ext4.license=GPL\x00")),
		rootfs.MadeFile(dir+"/modules.order", 0o644, []byte("kernel/fs/btrfs/btrfs.ko\n")),
		rootfs.MadeFile("usr/share/doc/linux-image/copyright", 0o644, []byte("GPL-2")),
	}
	for name, o := range objects {
		entries = append(entries, rootfs.MadeFile(dir+"/kernel/"+name, 0o644, pack(t, name, o.elf())))
	}
	return rootfs.Sort(entries)
}
