package outputs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/rootfs"
)

// stubProgram is an EFI program of one section, .text, and those given, as far as a
// reader of its headers looks. Something that is no section lies behind it.
func stubProgram(sections ...[2]string) []byte {
	all := append([][2]string{{".text", strings.Repeat("\x90", 1000)}}, sections...)
	const headers, align = 1024, 512
	b := make([]byte, headers)
	copy(b, "MZ")
	le.PutUint32(b[60:], 64)
	copy(b[64:], "PE\x00\x00\x64\x86")
	le.PutUint16(b[70:], uint16(len(all)))
	le.PutUint32(b[72:], 1700000000) // time
	le.PutUint32(b[76:], 5000)       // symbols
	le.PutUint16(b[84:], 240)
	optional := b[88:]
	le.PutUint16(optional, 0x20b)
	le.PutUint32(optional[32:], 4096)
	le.PutUint32(optional[36:], align)
	le.PutUint32(optional[60:], headers)
	le.PutUint32(optional[64:], 0xabcdef) // checksum
	le.PutUint32(optional[108:], 16)      // directories
	le.PutUint32(optional[112+32:], 6000) // signature
	memory := 4096
	for i, s := range all {
		h := b[88+240+40*i:]
		copy(h, s[0])
		raw := (len(s[1]) + align - 1) / align * align
		for j, n := range []int{len(s[1]), memory, raw, len(b)} {
			le.PutUint32(h[8+4*j:], uint32(n))
		}
		b = append(b, s[1]...)
		b = append(b, make([]byte, raw-len(s[1]))...)
		memory += (len(s[1]) + 4095) / 4096 * 4096
	}
	return append(b, "symbols"...)
}

// loaderFiles are stand-ins for the files of a boot loader.
func loaderFiles() []*rootfs.Entry {
	var all []*rootfs.Entry
	for name, content := range map[string]string{
		rootfs.Isolinux: strings.Repeat("isolinux", 500), rootfs.Ldlinux: strings.Repeat("ldlinux", 1000), rootfs.Isohdpfx: strings.Repeat("\xeb", bootCode),
		rootfs.Shim: strings.Repeat("shim", 5000), rootfs.Grub: strings.Repeat("grub", 10001), rootfs.MokUtil: strings.Repeat("mok", 3000),
		rootfs.Stub: string(stubProgram([2]string{".sdmagic", "#### LoaderInfo: systemd-stub 252.39-1 ####\x00"})),
	} {
		e := rootfs.MadeFile(rootfs.LoaderDir+"/"+name, 0o644, []byte(content))
		e.Made, e.Origin = false, "bootloader acme/loader"
		all = append(all, e)
	}
	return all
}

// mediumTree is a bootTree for an amd64 machine, with a boot loader.
func mediumTree(t testing.TB, more ...*rootfs.Entry) *rootfs.Tree {
	t.Helper()
	return newBootTree(t, rootfs.TreeOptions{Arch: "amd64", Menu: rootfs.Menu{Title: "It's a test", Timeout: 2}}, loaderFiles(), more)
}

func TestCheckMedium(t *testing.T) {
	without := func(names ...string) []*rootfs.Entry {
		var some []*rootfs.Entry
		for _, e := range loaderFiles() {
			if !strings.Contains(strings.Join(names, " "), strings.TrimPrefix(e.Path, rootfs.LoaderDir+"/")) {
				some = append(some, e)
			}
		}
		return some
	}
	tree := func(arch, cmdline string, loader []*rootfs.Entry) *rootfs.Tree {
		line := rootfs.MadeFile(rootfs.CmdlinePath, 0o644, []byte(cmdline))
		return newBootTree(t, rootfs.TreeOptions{Arch: arch}, append(loader, line), nil)
	}
	long := strings.Repeat("a", maxMenuCmdline+1)
	tests := []struct {
		name              string
		tree              *rootfs.Tree
		iso, raw, unified error
		text              string // in every error
	}{
		{"right", tree("amd64", "console=ttyS0 a=b,c:d $x", loaderFiles()), nil, nil, nil, ""},
		{"no boot loader", tree("amd64", "", nil), ErrNoBootloader, ErrNoBootloader, ErrNoBootloader, ""},
		{"without GRUB", tree("amd64", "", without(rootfs.Grub)), ErrNoBootloader, ErrNoBootloader, nil, "the package lacks gcdx64.efi.signed"},
		{"for UEFI alone", tree("amd64", "", without(rootfs.Isolinux, rootfs.Isohdpfx)), ErrNoBootloader, nil, nil, "for it: the package lacks isolinux.bin, isohdpfx.bin"},
		{"without a stub", tree("amd64", "", without(rootfs.Stub)), nil, nil, ErrNoBootloader, ""},
		{"another machine", tree("arm64", "", loaderFiles()), ErrMachine, ErrMachine, ErrMachine, "only amd64 machines start from it, not arm64"},
		{"a quote", tree("amd64", `a="b c"`, loaderFiles()), ErrCmdline, ErrCmdline, nil, `'"' is in it: want no quotes`},
		{"a backslash", tree("amd64", `a\b`, loaderFiles()), ErrCmdline, ErrCmdline, nil, `'\\' is in it: want no quotes`},
		{"two lines", tree("amd64", "a\nb", loaderFiles()), nil, nil, ErrCmdline, `'\n' is in it: want printable ASCII`},
		{"another alphabet", tree("amd64", "a=ü", loaderFiles()), ErrCmdline, ErrCmdline, ErrCmdline, `'ü' is in it: want printable ASCII`},
		{"a line break at the end", tree("amd64", "a\n", loaderFiles()), nil, nil, nil, ""},
		{"too long", tree("amd64", long, loaderFiles()), ErrCmdline, ErrCmdline, nil, "it has 1901 bytes; at most 1900 can be"},
		{"too long for anybody", tree("amd64", long+strings.Repeat("a", 147), loaderFiles()), ErrCmdline, ErrCmdline, ErrCmdline, "it has 2048 bytes; at most "},
		{"as long as can be", tree("amd64", long[1:], loaderFiles()), nil, nil, nil, ""},
		{"the boot loader's own word", tree("amd64", "quiet initrd=/x", loaderFiles()), ErrCmdline, ErrCmdline, nil, "initrd=/x is for the boot loader"},
	}
	for _, tt := range tests {
		for f, want := range map[Format]error{ISO{}: tt.iso, RawEFI{}: tt.raw, UKI{}: tt.unified} {
			t.Run(tt.name+" "+f.Name(), func(t *testing.T) {
				_, err := f.Check(tt.tree, Options{Name: "image"})
				if !errors.Is(err, want) || want == nil && err != nil {
					t.Fatalf("error %v, want %v", err, want)
				}
				if want != nil && !strings.Contains(err.Error(), tt.text) {
					t.Errorf("error %q lacks %q", err, tt.text)
				}
			})
		}
	}
}

// TestCheckLoaderFiles refuses files that are none of a boot loader.
func TestCheckLoaderFiles(t *testing.T) {
	for name, change := range map[string]func(e *rootfs.Entry){
		"empty":       func(e *rootfs.Entry) { e.Size, e.Body = 0, nil },
		"enormous":    func(e *rootfs.Entry) { e.Size = maxLoader + 1 },
		"a directory": func(e *rootfs.Entry) { *e = *rootfs.MadeDir(e.Path, 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			files := loaderFiles()
			for _, e := range files {
				if strings.HasSuffix(e.Path, rootfs.Isohdpfx) {
					change(e)
				}
			}
			tree := newBootTree(t, rootfs.TreeOptions{Arch: "amd64"}, files, nil)
			if _, err := (ISO{}).Check(tree, Options{Name: "image"}); err == nil || !strings.Contains(err.Error(), rootfs.LoaderDir+"/"+rootfs.Isohdpfx) {
				t.Errorf("error %v does not name the file", err)
			}
		})
	}
}

func TestMenu(t *testing.T) {
	tests := []struct {
		name           string
		menu           menu
		grub, isolinux string
	}{
		{
			"nothing said",
			menu{title: "Linux"},
			"set default=0\nset timeout=0\nmenuentry Linux {\n\tlinux /boot/kernel\n\tinitrd /boot/initrd.img\n}\n",
			"prompt 0\nsay Linux\ndefault linux\nlabel linux\n\tmenu label Linux\n\tkernel /boot/kernel\n\tappend initrd=/boot/initrd.img\n",
		},
		{
			"all",
			menu{title: "It's 1.0", timeout: 3, cmdline: "a=$x  b;c quiet", serial: serial{true, 1, 9600}},
			"serial --unit=1 --speed=9600\nterminal_input serial console\nterminal_output serial console\nset default=0\nset timeout=3\n" +
				"menuentry 'It'\\''s 1.0' {\n\tlinux /boot/kernel 'a=$x' 'b;c' quiet\n\tinitrd /boot/initrd.img\n}\n",
			"serial 1 9600\nprompt 1\ntimeout 30\nsay It's 1.0\ndefault linux\nlabel linux\n\tmenu label It's 1.0\n\tkernel /boot/kernel\n\tappend initrd=/boot/initrd.img a=$x  b;c quiet\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.grub, string(tt.menu.grub())); d != "" {
				t.Errorf("GRUB (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.isolinux, string(tt.menu.isolinux())); d != "" {
				t.Errorf("ISOLINUX (-want +got):\n%s", d)
			}
		})
	}
}

func TestReadSerial(t *testing.T) {
	for cmdline, want := range map[string]serial{
		"":                                   {},
		"console=tty0":                       {},
		"console=ttyS0":                      {true, 0, 115200},
		"console=ttyS0,9600n8 console=tty0":  {true, 0, 9600},
		"console=ttyS0 console=ttyS1,57600":  {true, 1, 57600},
		"console=ttyS9":                      {},
		"console=ttySx":                      {},
		"console=ttyS0,99999999999999999999": {true, 0, 115200},
		"xconsole=ttyS0":                     {},
	} {
		if got := readSerial(cmdline); got != want {
			t.Errorf("%q: %v, want %v", cmdline, got, want)
		}
	}
}

func TestTitle(t *testing.T) {
	for release, want := range map[string]string{
		"":                                       "Linux",
		"NAME=x\nPRETTY_NAME=\"Acme 1.0\"\n":     "Acme 1.0",
		"PRETTY_NAME='Acme'":                     "Acme",
		"PRETTY_NAME=\"B\u00e4r\"\n":             "Linux",
		"PRETTY_NAME=" + strings.Repeat("x", 61): "Linux",
		"PRETTY_NAME=a\nPRETTY_NAME=b":           "b",
		"PRETTY_NAME=--unrestricted":             "Linux",
		"PRETTY_NAME=\" \"":                      "Linux",
		`PRETTY_NAME="a \"b\""`:                  "Linux",
	} {
		e := rootfs.MadeFile("usr/lib/os-release", 0o644, []byte(release))
		link := &rootfs.Entry{Path: "etc/os-release", Type: rootfs.Symlink, Link: "../usr/lib/os-release"}
		m, err := readMenu(treeOf(t, link, e), "")
		if err != nil || m.title != want {
			t.Errorf("%q: title %q, %v, want %q", release, m.title, err, want)
		}
	}
	given := newBootTree(t, rootfs.TreeOptions{Menu: rootfs.Menu{Title: "given"}}, nil, []*rootfs.Entry{rootfs.MadeFile("etc/os-release", 0o644, []byte("PRETTY_NAME=x"))})
	if m, err := readMenu(given, ""); err != nil || m.title != "given" {
		t.Errorf("title %q, %v, want the one that is given", m.title, err)
	}
}

// TestIDs changes one thing at a time on a medium: all of its identifiers change.
func TestIDs(t *testing.T) {
	all := func(tree *rootfs.Tree) []byte {
		m, err := newMedium(t.Context(), Env{Cache: &memCache{}, Progress: untold}, tree, isoFiles()...)
		if err != nil {
			t.Fatal(err)
		}
		defer m.close()
		var ids []byte
		for _, purpose := range []string{"disk", "efi partition", "data partition", "volume", "efi volume"} {
			id := m.id(purpose)
			if id.Version() != 8 || id.Variant().String() != "RFC4122" {
				t.Errorf("%s is no UUID of version 8", id)
			}
			ids = append(ids, id[:]...)
		}
		return ids
	}
	base := all(mediumTree(t))
	if !bytes.Equal(base, all(mediumTree(t))) {
		t.Error("the same medium has other identifiers")
	}
	seen := map[[16]byte]bool{}
	for i := range 5 {
		seen[[16]byte(base[16*i:])] = true
	}
	if len(seen) != 5 {
		t.Error("two purposes have one identifier")
	}
	o := func(change func(*rootfs.TreeOptions)) *rootfs.Tree {
		options := rootfs.TreeOptions{Arch: "amd64", Menu: rootfs.Menu{Title: "It's a test", Timeout: 2}}
		change(&options)
		return newBootTree(t, options, loaderFiles(), nil)
	}
	shim := loaderFiles()
	for i, e := range shim {
		if strings.HasSuffix(e.Path, rootfs.Shim) {
			shim[i] = rootfs.MadeFile(e.Path, 0o644, []byte("another shim"))
		}
	}
	for name, tree := range map[string]*rootfs.Tree{
		"title":   o(func(o *rootfs.TreeOptions) { o.Menu.Title = "x" }),
		"timeout": o(func(o *rootfs.TreeOptions) { o.Menu.Timeout = 1 }),
		"file":    mediumTree(t, rootfs.MadeFile("containers/x", 0o644, []byte("x"))),
		"loader":  newBootTree(t, rootfs.TreeOptions{Arch: "amd64", Menu: rootfs.Menu{Title: "It's a test", Timeout: 2}}, shim, nil),
		"kernel": newBootTree(t, rootfs.TreeOptions{Arch: "amd64", Menu: rootfs.Menu{Title: "It's a test", Timeout: 2}},
			append(loaderFiles(), rootfs.MadeFile("boot/kernel", 0o644, []byte("another"))), nil),
		"cmdline": newBootTree(t, rootfs.TreeOptions{Arch: "amd64", Menu: rootfs.Menu{Title: "It's a test", Timeout: 2}},
			append(loaderFiles(), rootfs.MadeFile("boot/cmdline", 0o644, []byte("another"))), nil),
	} {
		other := all(tree)
		for i := range 5 {
			if bytes.Equal(base[16*i:16*i+16], other[16*i:16*i+16]) {
				t.Errorf("%s: identifier %d is the same", name, i)
			}
		}
	}
}

// TestDiskSize lays out disks of several sizes.
func TestDiskSize(t *testing.T) {
	m, err := newMedium(t.Context(), Env{Cache: &memCache{}, Progress: untold}, mediumTree(t), efiFiles()...)
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	const esp = 5 << 20
	for _, tt := range []struct {
		name       string
		size, want int64 // of the disk
		data       int64 // of the data partition
		err        error
	}{
		{"as small as can be", 0, 7 << 20, 0, nil},
		{"the same by name", 7 << 20, 7 << 20, 0, nil},
		{"a sector less", 7<<20 - Sector, 0, 0, ErrDiskSize},
		{"a sector more", 7<<20 + Sector, 7<<20 + Sector, 0, nil},
		{"a MiB more", 8 << 20, 8 << 20, 1 << 20, nil},
		{"a gigabyte", 1e9, 1e9, (1e9 - 7<<20) >> 20 << 20, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			disk, err := m.disk(esp, tt.size)
			if !errors.Is(err, tt.err) || tt.err == nil && err != nil {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			entry := make([]byte, 128)
			_, _ = disk.ReadAt(entry, 1024+2*128)
			data := int64(0)
			if first := binary.LittleEndian.Uint64(entry[32:]); first > 0 {
				data = int64(binary.LittleEndian.Uint64(entry[40:])+1-first) * Sector
			}
			if disk.Size != tt.want || data != tt.data {
				t.Errorf("a disk of %d bytes with %d for data, want %d with %d", disk.Size, data, tt.want, tt.data)
			}
		})
	}
}
