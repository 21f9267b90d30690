package outputs

import (
	"bytes"
	"debug/pe"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/rootfs"
)

// ukiTree is a mediumTree whose stub is of that release, with a kernel that has a
// version.
func ukiTree(t *testing.T, stub string, more ...*rootfs.Entry) *rootfs.Tree {
	t.Helper()
	kernel := make([]byte, 0x400)
	copy(kernel[0x202:], "HdrS")
	le.PutUint16(kernel[0x20e:], 0x100)
	copy(kernel[0x300:], "6.1.0-99-cloud (builder@host) #1 SMP\x00")
	files := []*rootfs.Entry{rootfs.MadeFile("boot/kernel", 0o644, kernel)}
	for _, e := range loaderFiles() {
		if strings.HasSuffix(e.Path, rootfs.Stub) {
			e = rootfs.MadeFile(e.Path, 0o644, []byte(stub))
		}
		files = append(files, e)
	}
	return newBootTree(t, rootfs.TreeOptions{Arch: "amd64"}, files, more)
}

// readUKI writes t and returns its sections by name, in the order of the file.
func readUKI(t *testing.T, tree *rootfs.Tree) (names []string, content map[string]string, file *pe.File) {
	t.Helper()
	b := writeAll(t, UKI{}, tree, Options{Name: "image"}, &memCache{})["image.efi"]
	file, err := pe.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	content = map[string]string{}
	end, memory := uint32(0), uint32(0)
	for _, s := range file.Sections {
		data, err := s.Data()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, s.Name)
		content[s.Name] = string(data[:s.VirtualSize])
		if s.Offset%512 != 0 || s.Size%512 != 0 || s.VirtualAddress%4096 != 0 || s.Offset < end || s.VirtualAddress < memory || s.Size < s.VirtualSize {
			t.Errorf("section %s: %+v lies in what is before it, or not at a boundary", s.Name, s.SectionHeader)
		}
		end, memory = s.Offset+s.Size, s.VirtualAddress+s.VirtualSize
	}
	if int(end) != len(b) {
		t.Errorf("the file has %d bytes, its sections end at %d", len(b), end)
	}
	optional := file.OptionalHeader.(*pe.OptionalHeader64)
	if added := end - file.Sections[len(stubSections(file))].Offset; optional.SizeOfInitializedData != added {
		t.Errorf("size of initialised data %d, want %d", optional.SizeOfInitializedData, added)
	}
	if want := (memory + 4095) / 4096 * 4096; optional.SizeOfImage != want {
		t.Errorf("size of the image %d, want %d", optional.SizeOfImage, want)
	}
	return names, content, file
}

// stubSections are the sections that the program had before others were added.
func stubSections(file *pe.File) []*pe.Section {
	i := slices.IndexFunc(file.Sections, func(s *pe.Section) bool { return s.Name == ".osrel" })
	return file.Sections[:i]
}

func TestUKI(t *testing.T) {
	release := rootfs.MadeFile("etc/os-release", 0o644, []byte("ID=acme\nPRETTY_NAME=Acme\n"))
	old := string(stubProgram([2]string{".sdmagic", "#### LoaderInfo: systemd-stub 255.9-1 ####\x00"}))
	newer := string(stubProgram([2]string{".sbat", "sbat,1\n"}, [2]string{".sdmagic", "#### LoaderInfo: systemd-stub 256~rc1 ####\x00"}))
	plain := string(stubProgram())
	aligned := ucode + strings.Repeat("\x00", -len(ucode)&3)
	tests := []struct {
		name, stub string
		sections   []string
		front      string // of .initrd
	}{
		{"of 255", old, []string{".text", ".sdmagic", ".osrel", ".cmdline", ".uname", ".sbat", ".linux", ".initrd"}, aligned},
		{"of 256", newer, []string{".text", ".sbat", ".sdmagic", ".osrel", ".cmdline", ".uname", ".ucode", ".linux", ".initrd"}, "\x1f\x8b"},
		{"of nobody", plain, []string{".text", ".osrel", ".cmdline", ".uname", ".sbat", ".linux", ".initrd"}, aligned},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			names, content, file := readUKI(t, ukiTree(t, tt.stub, release))
			if d := cmp.Diff(tt.sections, names); d != "" {
				t.Errorf("sections (-want +got):\n%s", d)
			}
			for name, want := range map[string]string{
				".osrel": "ID=acme\nPRETTY_NAME=Acme\n", ".cmdline": "console=ttyS0", ".uname": "6.1.0-99-cloud",
				".text": strings.Repeat("\x90", 1000),
			} {
				if content[name] != want {
					t.Errorf("%s is %q, want %q", name, content[name], want)
				}
			}
			if !strings.HasPrefix(content[".initrd"], tt.front+"\x1f\x8b") && !strings.HasPrefix(content[".initrd"], tt.front) {
				t.Errorf(".initrd begins with %q", content[".initrd"][:8])
			}
			if slices.Contains(names, ".ucode") && content[".ucode"] != ucode {
				t.Errorf(".ucode is %q", content[".ucode"])
			}
			optional := file.OptionalHeader.(*pe.OptionalHeader64)
			if file.TimeDateStamp != 0 || file.PointerToSymbolTable != 0 || optional.CheckSum != 0 || optional.DataDirectory[4] != (pe.DataDirectory{}) {
				t.Errorf("left of the stub: time %d, symbols %d, checksum %d, signature %v",
					file.TimeDateStamp, file.PointerToSymbolTable, optional.CheckSum, optional.DataDirectory[4])
			}
		})
	}
}

// TestUKIWithoutSystem has sections for what a tree says nothing of.
func TestUKIWithoutSystem(t *testing.T) {
	_, content, _ := readUKI(t, mediumTree(t))
	if want := "ID=linux\nNAME=Linux\nPRETTY_NAME=\"It's a test\"\n"; content[".osrel"] != want {
		t.Errorf(".osrel is %q, want %q", content[".osrel"], want)
	}
	if release, ok := content[".uname"]; ok {
		t.Errorf(".uname is %q of what is no Linux", release)
	}
}

func TestShellQuoted(t *testing.T) {
	if got, want := shellQuoted("a \"b\" $c `d` \\ 'e'"), "\"a \\\"b\\\" \\$c \\`d\\` \\\\ 'e'\""; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestReadProgram(t *testing.T) {
	change := func(at int, with ...byte) []byte {
		b := stubProgram()
		copy(b[at:], with)
		return b
	}
	for name, b := range map[string][]byte{
		"nothing":                nil,
		"no MZ":                  change(0, 'X'),
		"header beyond the end":  change(60, 0xff, 0xff, 0xff, 0xff),
		"no PE":                  change(64, 'X'),
		"another machine":        change(68, 0x4c, 1),
		"not 64 bits":            change(88, 0x0b, 1),
		"too many sections":      change(70, 0xff, 0xff),
		"no section":             change(70, 0, 0),
		"content behind the end": change(88+240+20, 0xff, 0xff, 0xff, 0x7f),
		"no alignment":           change(88+36, 0, 0, 0, 0),
		"cut":                    stubProgram()[:1500],
	} {
		if _, err := readProgram(b); !errors.Is(err, errProgram) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	p, err := readProgram(stubProgram())
	if err != nil {
		t.Fatal(err)
	}
	many := make([]programSection, 17)
	for i := range many {
		many[i] = programSection{".x", literal("x")}
	}
	if _, err := p.with(many...); !errors.Is(err, errProgram) || !strings.Contains(err.Error(), "no room for 17 more sections") {
		t.Errorf("17 sections: error %v", err)
	}
	if _, err := p.with(programSection{".x", content{&rootfs.Entry{Size: 1 << 31}}}); err == nil || !strings.Contains(err.Error(), "over 2 GiB") {
		t.Errorf("2 GiB: error %v", err)
	}
}

// FuzzReadProgram adds a section to whatever is read: it stays within its bounds.
func FuzzReadProgram(f *testing.F) {
	f.Add(stubProgram())
	f.Add(stubProgram([2]string{".sbat", "x"}, [2]string{".sdmagic", "systemd-stub 9"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := readProgram(b)
		if err != nil {
			return
		}
		_, _ = p.text(".sdmagic"), stubVersion(p)
		s, err := p.with(programSection{".x", literal("content")})
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := s.write(t.Context(), newPlainWriter(&out), untold); err != nil || int64(out.Len()) != s.size() {
			t.Errorf("%d bytes of %d: %v", out.Len(), s.size(), err)
		}
	})
}
