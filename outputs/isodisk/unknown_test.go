package isodisk

import (
	"encoding/binary"
	"errors"
	"testing"
)

// TestUnknownISO changes a byte of what go-diskfs writes, or a file of what was asked
// for: what is not as it was when it was tried is not settled, but refused.
func TestUnknownISO(t *testing.T) {
	o := boots()
	raw := rawISO(t, o)
	tree := checkISO(t, mustISO(t, o), o)
	catalog := int64(binary.LittleEndian.Uint32(raw.bytes(bootAt+0x47, 4))) * 2048
	kernel, root := tree.nodes["boot/kernel"], tree.nodes["."]
	entry := func(kind string) int64 { return kernel.at + int64(kernel.use[kind]) }
	for name, test := range map[string]struct {
		at   int64
		to   byte
		want string
	}{
		"no descriptor":             {primaryAt, 2, "volume descriptor"},
		"no CD001":                  {primaryAt + 5, '2', "volume descriptor"},
		"no boot record":            {bootAt, 1, "boot catalog"},
		"a catalog elsewhere":       {bootAt + 0x47, 0, "boot catalog"},
		"a catalog for PowerPC":     {catalog + 65, 1, "boot catalog"},
		"an entry that boots none":  {catalog + 32, 0, "boot catalog"},
		"a short record":            {kernel.at, 33, "directory record"},
		"a record over the block":   {kernel.at, 255, "directory record"},
		"a name over the record":    {kernel.at + 32, 200, "directory record"},
		"another file":              {kernel.at + 33, 'X', "entry NM"},
		"an empty entry":            {entry("PX") + 2, 0, "system use area"},
		"an entry over the record":  {entry("TF") + 2, 250, "system use area"},
		"an entry of no kind":       {entry("PX"), 'Q', "entry QX"},
		"attributes of 36 bytes":    {entry("PX") + 2, 36, "entry PX"},
		"other dates":               {entry("TF") + 4, 3, "entry TF"},
		"dates of 17 bytes":         {entry("TF") + 4, 0x8e, "entry TF"},
		"a name that goes on":       {entry("NM") + 4, 1, "entry NM"},
		"a directory without files": {tree.nodes["boot"].at, 0, "names of files"},
		"a symbolic link":           {root.at + int64(root.use["TF"]), 'S', "entry SF"},
	} {
		t.Run(name, func(t *testing.T) {
			m := clone(raw)
			m.put(test.at, test.to)
			checkUnknown(t, m.normaliseISO(o), test.want)
		})
	}
	t.Run("a file that is missing", func(t *testing.T) {
		more := o
		more.Files = append(more.Files, zeros("zzz"))
		checkUnknown(t, clone(raw).normaliseISO(more), "names of files")
	})
	t.Run("a file that is too many", func(t *testing.T) {
		less := o
		less.Files = less.Files[:len(less.Files)-1]
		checkUnknown(t, clone(raw).normaliseISO(less), "entry NM")
	})
}

// TestUnknownFAT does that for FAT volumes.
func TestUnknownFAT(t *testing.T) {
	for kind, size := range map[string]int64{"FAT16": 5 << 20, "FAT32": 40 << 20} {
		v := esp()
		raw := &Image{Size: size}
		without, err := raw.createFAT(v)
		if err != nil {
			t.Fatal(err)
		}
		tree := checkFAT(t, mustFAT(t, v, size), v)
		tables := int64(binary.LittleEndian.Uint16(raw.bytes(14, 2))) * 512
		efi := int64(binary.LittleEndian.Uint16(tree.nodes["EFI"].raw[26:])) * int64(tree.bits/8)
		for name, test := range map[string]struct {
			at   int64
			to   byte
			want string
		}{
			"sectors of 1 KiB":         {12, 4, "boot sector"},
			"one table":                {16, 1, "boot sector"},
			"clusters of nothing":      {13, 0, "boot sector"},
			"no signature":             {510, 0, "boot sector"},
			"too large clusters":       {13, 64, "number of clusters"},
			"a chain to nowhere":       {tables + efi, 1, "chain of a directory"},
			"another file":             {tree.nodes["readme"].at, 'X', "names of files"},
			"a directory that is none": {tree.nodes["EFI"].at + 11, 0, "names of files"},
		} {
			m := clone(raw)
			m.put(test.at, test.to)
			if test.want == "chain of a directory" {
				m.put(test.at+1, 0, 0, 0)
			}
			t.Run(kind+", "+name, func(t *testing.T) { checkUnknown(t, m.normaliseFAT(v, without), test.want) })
		}
	}
}

func checkUnknown(t *testing.T, err error, what string) {
	t.Helper()
	if err == nil || err.Error() != unknown(what).Error() || errors.Is(err, ErrEnvelope) {
		t.Errorf("%v, want %v", err, unknown(what))
	}
}
