package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// fatReadings are all that can be done with the files of a FAT volume.
func (m *media) fatReadings(v *medium, image string) {
	v.reader("mdir", names|sizes|days|minutes, func(t *testing.T) *tree { return listMdir(t, image) })
	v.reader("mcopy", names|sizes|contents|days|minutes|seconds, func(t *testing.T) *tree {
		return m.extracted(t, []string{"mcopy", "-s", "-m", "-i", image, "::*", "."})
	})
	v.reader("7z listing", names|sizes|days|minutes|seconds, func(t *testing.T) *tree { return list7z(t, image, "FAT") })
	if !m.brief {
		v.reader("7z extracting", names|sizes|contents|days|minutes|seconds, func(t *testing.T) *tree {
			return m.extracted(t, []string{"7z", "x", "-y", "-bso0", "-tFAT", image})
		})
	}
}

// listMdir reads "mdir -/ -a": lists of folders, by long names where they have some.
func listMdir(t *testing.T, image string) *tree {
	t.Helper()
	got := newTree()
	dir := ""
	for _, line := range lines(reader{args: []string{"mdir", "-/", "-a", "-i", image, "::"}}.run(t)) {
		if name, ok := strings.CutPrefix(line, "Directory for ::/"); ok {
			dir = name
		}
		f := regexp.MustCompile(`^(.{8}) (.{3}) +(<DIR>|\d+) +(\d{4}-\d\d-\d\d +\d+:\d\d) *(.*)$`).FindStringSubmatch(line)
		if f == nil || strings.HasPrefix(line, ".") {
			continue // titles and sums, and the folder itself
		}
		name := f[5]
		if name == "" {
			name = strings.TrimSuffix(strings.TrimRight(f[1], " ")+"."+strings.TrimRight(f[2], " "), ".")
		}
		r := &record{kind: "directory"}
		if f[3] != "<DIR>" {
			r.kind, r.size = "file", number(t, f[3])
		}
		at, err := time.Parse("2006-01-02 15:04", strings.Join(strings.Fields(f[4]), " "))
		if err != nil {
			t.Fatal(err)
		}
		r.mtime = at.Unix()
		got.entries[join(dir, name)] = r
	}
	return got
}

// cutESP writes the EFI system partition of an image into a file, and returns its
// path.
func (m *media) cutESP(t *testing.T, image string) string {
	t.Helper()
	parts := gptByHand(t, image)
	i := slices.IndexFunc(parts, func(p partition) bool { return p.kind == espType })
	if i < 0 {
		t.Fatalf("%s has no EFI system partition", image)
	}
	out, err := os.CreateTemp(m.work, "esp-*.img")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	part := io.NewSectionReader(open(t, image), parts[i].first*512, (parts[i].last-parts[i].first+1)*512)
	if n, err := io.Copy(out, part); err != nil || n != part.Size() {
		t.Fatalf("%d bytes of %d: %v", n, part.Size(), err)
	}
	return out.Name()
}

// esp is the same, of an image that does not change.
func (m *media) esp(t *testing.T, image string) string {
	t.Helper()
	if m.esps == nil {
		m.esps = map[string]string{}
	}
	if m.esps[image] == "" {
		m.esps[image] = m.cutESP(t, image)
	}
	return m.esps[image]
}

// checkFAT holds that fsck.fat finds nothing wrong with a volume.
func checkFAT(t *testing.T, image string) []fault {
	t.Helper()
	out, err := reader{args: []string{"fsck.fat", "-n", image}}.try(t)
	if err != nil || !regexp.MustCompile(`^fsck\.fat 4\.\d+ \([0-9-]+\)\n\S+: \d+ files, \d+/\d+ clusters\n$`).MatchString(out) {
		return []fault{{"", fmt.Sprintf("fsck.fat: %v\n%s", err, out)}}
	}
	return nil
}

// inspectedESP is an EFI system partition for who looks for faults of FAT.
func (m *media) inspectedESP(t *testing.T, name, image string) *inspected {
	t.Helper()
	fats := func(b []byte) (first, second int) {
		first = 512 * int(le.Uint16(b[14:]))
		return first, first + 512*int(le.Uint16(b[22:]))
	}
	found := []string{"fsck.fat"}
	return &inspected{name, m.esp(t, image), []inspection{{"fsck.fat", checkFAT}}, []bytePlant{
		{"tables that differ", func(b []byte) { _, second := fats(b); b[second+2*3] ^= 1 }, found},
		{"a cluster of nobody", func(b []byte) {
			first, second := fats(b)
			last := second - first - 2*100 // of the table; free
			le.PutUint16(b[first+last:], 0xffff)
			le.PutUint16(b[second+last:], 0xffff)
		}, found},
		{"a chain that ends early", func(b []byte) {
			first, second := fats(b)
			le.PutUint16(b[first+2*100:], 0xffff)
			le.PutUint16(b[second+2*100:], 0xffff)
		}, found},
		{"a name twice", func(b []byte) {
			_, second := fats(b)
			root := second + 512*int(le.Uint16(b[22:]))
			copy(b[root+10*32:], b[root+1*32:root+2*32])
		}, found},
	}}
}
