package isodisk

import (
	"bytes"
	"testing"
)

// field is a place in an image that is settled.
type field struct {
	name string
	at   int64
	want []byte
	kind kind
}

// kind is how a field follows from what go-diskfs leaves there.
type kind int

const (
	set     kind = iota // not at all: whatever is there before, it is set
	derived             // it follows from that, and is another one
)

// testFields checks that each field has its value in the settled image; that none is
// in vain: go-diskfs alone leaves another value at one place of that name, at least;
// that settling sets it whatever is there; and that settling touches nothing else.
//
// So it fails when one of them is no longer settled, and when one is that has no test.
func testFields(t *testing.T, raw, settled *Image, settle func(*Image) error, fields []field) {
	t.Helper()
	vain := map[string]bool{}
	tested := map[int64]bool{}
	for _, f := range fields {
		if got := settled.bytes(f.at, len(f.want)); !bytes.Equal(got, f.want) {
			t.Errorf("%s at %d is %x, want %x", f.name, f.at, got, f.want)
		}
		alike := bytes.Equal(raw.bytes(f.at, len(f.want)), f.want)
		if before, ok := vain[f.name]; !ok || before {
			vain[f.name] = alike
		}
		for i := range f.want {
			tested[f.at+int64(i)] = true
		}
	}
	for name, alike := range vain {
		if alike {
			t.Errorf("%s is what go-diskfs leaves there: it need not be settled", name)
		}
	}
	for at := range max(raw.Size, settled.Size) / pageSize {
		before, after := raw.bytes(at*pageSize, pageSize), settled.bytes(at*pageSize, pageSize)
		if bytes.Equal(before, after) {
			continue
		}
		for i := range before {
			if off := at*pageSize + int64(i); before[i] != after[i] && !tested[off] {
				t.Fatalf("the byte at %d is settled, from %#x to %#x, and has no test", off, before[i], after[i])
			}
		}
	}
	scrambled := clone(raw)
	for _, f := range fields {
		if f.kind == set {
			for i := range f.want {
				scrambled.put(f.at+int64(i), ^f.want[i])
			}
		}
	}
	if err := settle(scrambled); err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		if got := scrambled.bytes(f.at, len(f.want)); !bytes.Equal(got, f.want) {
			t.Errorf("%s at %d is %x where it was something else before, want %x", f.name, f.at, got, f.want)
		}
	}
	if digest(scrambled) != digest(settled) {
		t.Error("the image is another one where its fields were others before")
	}
}

// clone is an image of its own with the same bytes.
func clone(m *Image) *Image {
	c := &Image{Size: m.Size}
	m.Written(0, 1<<40, func(off int64, data []byte) { c.put(off, data...) })
	return c
}
