package contents

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/rootfs"
)

func TestReadXattrs(t *testing.T) {
	tests := []struct {
		name, text string
		want       map[string][]rootfs.Xattr // nil where it is an error
	}{
		{"none", "", map[string][]rootfs.Xattr{}},
		{"two files", "# file: a\nuser.x=0x00ff\nuser.y=0x\n\n# file: b c\nuser.z=0x41\n\n", map[string][]rootfs.Xattr{
			"a": {{Name: "user.x", Value: "\x00\xff"}, {Name: "user.y"}}, "b c": {{Name: "user.z", Value: "A"}},
		}},
		{"escapes", "# file: a\\012\\134\nuser.\\075=0x41\n\n", map[string][]rootfs.Xattr{"a\n\\": {{Name: "user.=", Value: "A"}}}},
		{"no empty line at the end", "# file: a\nuser.x=0x00\n", nil},
		{"no file", "user.x=0x00\n\n", nil},
		{"a file twice", "# file: a\nuser.x=0x00\n\n# file: a\nuser.x=0x00\n\n", nil},
		{"a file in a file", "# file: a\n# file: b\n\n", nil},
		{"two empty lines", "# file: a\nuser.x=0x00\n\n\n", nil},
		{"text for a value", "# file: a\nuser.x=\"x\"\n\n", nil},
		{"half a byte", "# file: a\nuser.x=0x0\n\n", nil},
		{"no name", "# file: a\n=0x00\n\n", nil},
		{"half an escape", "# file: a\\01\nuser.x=0x00\n\n", nil},
		{"an escape too large", "# file: a\\777\nuser.x=0x00\n\n", nil},
		{"a long line", "# file: " + strings.Repeat("x", maxXattr) + "\n\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := 0
			o := ownFiles{text: &n}
			err := o.readXattrs(strings.NewReader(tt.text))
			if (err == nil) != (tt.want != nil) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, o.xattrs); err == nil && diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestLimits spends what a file may have.
func TestLimits(t *testing.T) {
	e := &rootfs.Entry{Path: strings.Repeat("x", 1000), Xattrs: []rootfs.Xattr{{Name: "user.x", Value: strings.Repeat("x", 24)}}}
	d := &reader{}
	const cost = 1030 + xattrCost
	for n := range maxText/cost + 1 {
		if err := d.spend(e); (err != nil) != (n == maxText/cost) {
			t.Fatalf("entry %d: %v", n, err)
		}
	}
	d = &reader{entries: maxEntries - 1}
	if err := d.spend(&rootfs.Entry{}); err != nil {
		t.Error(err)
	}
	if err := d.spend(&rootfs.Entry{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("entry %d: %v", maxEntries+1, err)
	}
	if _, _, err := d.readCpio(nil, nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("an archive behind %d entries: %v", maxEntries, err)
	}
	n := maxText - 5
	o := ownFiles{text: &n}
	if err := o.readXattrs(strings.NewReader("# file: a\n\n")); !errors.Is(err, ErrInvalid) {
		t.Errorf("attributes over the limit: %v", err)
	}
	zeros := newReader(t.Context(), strings.NewReader(zstdZeros), int64(len(zstdZeros)))
	zeros.plain = maxPlain - 4095
	u, err := zeros.unpack(zeros.file, zstdKind, 0, zeros.size)
	if err != nil {
		t.Fatal(err)
	}
	defer u.close()
	if _, err := io.Copy(io.Discard, u); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "bytes uncompressed") {
		t.Errorf("4096 bytes, of which 4095 may be: %v", err)
	}
}

// zstdZeros is a frame of 4096 zeros (RFC 8878, 3.1.1: one block of a repeated byte).
const zstdZeros = "\x28\xb5\x2f\xfd\x60\x00\x0f\x03\x80\x00\x00"
