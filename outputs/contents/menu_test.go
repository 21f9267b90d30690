package contents

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGrubWords(t *testing.T) {
	tests := []struct {
		line string
		want []string
	}{
		{"", nil},
		{"  \t\n", nil},
		{"linux /boot/kernel a=b\n", []string{"linux", "/boot/kernel", "a=b"}},
		{`menuentry 'It'\''s' "a \"b\" $c" {`, []string{"menuentry", "It's", `a "b" $c`, "{"}},
		{`a\ b 'c\d' "e\f" ''`, []string{"a b", `c\d`, `e\f`, ""}},
		{"a # b", []string{"a"}},
		{"a#b;c", []string{"a#b", "c"}},
		{`'open`, []string{"open"}},
		{`end\`, []string{`end\`}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, grubWords(tt.line)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.line, diff)
		}
	}
}

func TestMenus(t *testing.T) {
	tests := []struct {
		name string
		read func(string) []Menu
		text string
		want []Menu
	}{
		{"no GRUB", grubMenu, "set timeout=5\nmenuentry x {\n}\n", nil},
		{"GRUB without entries", grubMenu, "linux ($root)/boot/kernel a  b\ninitrd /a /b", []Menu{{Kernel: "boot/kernel", Initrds: []string{"a", "b"}, Cmdline: "a b"}}},
		{"GRUB", grubMenu, "menuentry 'One' --class x {\n\tlinuxefi /k one\n}\nmenuentry Two {\n\tlinux /l\n\tinitrd /i\n}", []Menu{
			{Title: "One", Kernel: "k", Cmdline: "one"}, {Title: "Two", Kernel: "l", Initrds: []string{"i"}},
		}},
		{"GRUB without a kernel's name", grubMenu, "linux\ninitrd\n", nil},
		{"no ISOLINUX", isolinuxMenu, "prompt 0\nlabel x\n", nil},
		{"ISOLINUX", isolinuxMenu, "default two\nLABEL one\n\tMENU LABEL The one\n\tLINUX /k\n\tAPPEND a initrd=/i,/j b\nlabel two\n kernel\t/l\n initrd /i", []Menu{
			{Title: "The one", Kernel: "k", Initrds: []string{"i", "j"}, Cmdline: "a b"}, {Title: "two", Kernel: "l", Initrds: []string{"i"}},
		}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, tt.read(tt.text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// FuzzMenus holds that a menu's entries have no more than its text.
func FuzzMenus(f *testing.F) {
	f.Add("menuentry 'a' {\nlinux (x)/k 'a b'\ninitrd /i /j\n}\n")
	f.Add("label a\nmenu label b\nkernel /k\nappend initrd=/i,/j x\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, read := range []func(string) []Menu{grubMenu, isolinuxMenu} {
			n := 0
			for _, m := range read(text) {
				if m.Kernel == "" {
					t.Fatalf("%+v", m)
				}
				n += len(m.Kernel) + len(m.Title) + len(strings.Join(m.Initrds, ""))
			}
			if n > len(text) {
				t.Fatalf("%d bytes out of %d", n, len(text))
			}
		}
	})
}
