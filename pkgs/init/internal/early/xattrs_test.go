package early_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/pkgs/init/internal/early"
)

func TestParseAttrs(t *testing.T) {
	attr := func(path, name, value string) early.Attr {
		return early.Attr{Path: path, Name: name, Value: []byte(value)}
	}
	for _, tc := range []struct {
		name, text string
		want       []early.Attr
		says       string
	}{
		{"nothing", "", nil, ""},
		{
			"two files",
			"# file: usr/bin/ping\nsecurity.capability=0x0100\nuser.a=0x\n\n# file: b\nuser.b=0x6a\n\n",
			[]early.Attr{attr("usr/bin/ping", "security.capability", "\x01\x00"), attr("usr/bin/ping", "user.a", ""), attr("b", "user.b", "j")},
			"",
		},
		{
			"octal digits",
			"# file: a\\012\\134b\nuser.\\075=0xFF\n",
			[]early.Attr{attr("a\n\\b", "user.=", "\xff")},
			"",
		},
		{"a file without", "# file: a\n\n", nil, ""},
		{"no file", "user.a=0x00\n", nil, ".compose/xattrs:1: an attribute of no file"},
		{"after an empty line there is no file", "# file: a\n\nuser.a=0x00\n", nil, ".compose/xattrs:3: an attribute of no file"},
		{"half a byte", "# file: a\nuser.a=0x0\n", nil, ".compose/xattrs:2: encoding/hex: odd length hex string"},
		{"a text value", "# file: a\nuser.a=\"b\"\n", nil, ".compose/xattrs:2: no attribute: name=0x and hexadecimal digits"},
		{"a backslash alone", "# file: a\\01\n", nil, ".compose/xattrs:1: a backslash without three octal digits"},
		{"no octal digits", "# file: a\\08x\n", nil, ".compose/xattrs:1: a backslash without three octal digits"},
		{"more than a byte", "# file: a\\777\n", nil, ".compose/xattrs:1: octal digits that are no byte"},
		{"a zero byte", "# file: a\\000\nuser.a=0x00\n", nil, ".compose/xattrs:2: a name that no file or attribute can have"},
		{
			"what is right is kept, and the first fault named",
			"# file: a\nx\nuser.a=0x00\ny\n",
			[]early.Attr{attr("a", "user.a", "\x00")},
			".compose/xattrs:2: no attribute: name=0x and hexadecimal digits",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := early.ParseAttrs(tc.text)
			says := ""
			if err != nil {
				says = err.Error()
			}
			if says != tc.says {
				t.Errorf("error %q, want %q", says, tc.says)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAttrs(t *testing.T) {
	if attrs, err := early.Attrs(t.TempDir()); attrs != nil || err != nil {
		t.Errorf("of nothing: %v, %v", attrs, err)
	}
	root := system(t, map[string]string{"xattrs": "# file: a\nuser.a=0x61\n\n"})
	attrs, err := early.Attrs(root)
	if diff := cmp.Diff([]early.Attr{{Path: "a", Name: "user.a", Value: []byte("a")}}, attrs); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestApply(t *testing.T) {
	attrs := []early.Attr{{Path: "a", Name: "user.1"}, {Path: "../../etc/b", Name: "user.2"}, {Path: "c", Name: "user.3", Value: []byte("x")}}
	var set []string
	err := early.Apply("/new", attrs, func(path, name string, value []byte) error {
		set = append(set, fmt.Sprintf("%s %s %s", path, name, value))
		if name != "user.3" {
			return errors.New("no " + name)
		}
		return nil
	})
	if diff := cmp.Diff([]string{"/new/a user.1 ", "/new/etc/b user.2 ", "/new/c user.3 x"}, set); diff != "" {
		t.Error(diff)
	}
	const want = "extended attributes: 2 of 3 not set: user.1 of /a: no user.1"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := early.Apply("/new", attrs, func(string, string, []byte) error { return nil }); err != nil {
		t.Error(err)
	}
}

// Whatever is in the file, what comes out of it stays below the root and can be
// given to lsetxattr(2).
func FuzzParseAttrs(f *testing.F) {
	f.Add("# file: usr/bin/ping\nsecurity.capability=0x0100\n\n# file: a\\012b\nuser.\\075=0xff\n")
	f.Add("# file: ../../x\nuser.a=0x\n")
	f.Add("# file: \\\n=0x0\n\\777")
	f.Fuzz(func(t *testing.T, text string) {
		attrs, _ := early.ParseAttrs(text)
		_ = early.Apply("/new", attrs, func(path, name string, _ []byte) error {
			if path != "/new" && !strings.HasPrefix(path, "/new/") || strings.ContainsRune(path+name, 0) || name == "" {
				t.Errorf("set %q of %q", name, path)
			}
			return nil
		})
	})
}
