package main

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/composeos/compose/test/fixture"
)

func TestMedian(t *testing.T) {
	got := median([]usage{
		{cpu: 3 * time.Second, wall: 1 * time.Second, rss: 5},
		{cpu: 1 * time.Second, wall: 9 * time.Second, rss: 7, size: 3},
		{cpu: 2 * time.Second, wall: 2 * time.Second, rss: 6},
	})
	if want := (usage{cpu: 2 * time.Second, wall: 2 * time.Second, rss: 7, size: 3}); got != want {
		t.Errorf("median %v, want %v", got, want)
	}
}

func TestLayersAreThoseOfTheImages(t *testing.T) {
	dir := t.TempDir()
	if err := fixture.Write(dir, fixture.Options{}); err != nil {
		t.Fatal(err)
	}
	gzip, zstd, err := layers(dir)
	if err != nil {
		t.Fatal(err)
	}
	// The layer of names and that of pages do not depend on the architecture.
	if len(zstd) != 1 || len(gzip) < 10 {
		t.Errorf("%d gzip and plain layers, %d zstd layers", len(gzip), len(zstd))
	}
}

func TestCasesAreNamedOnce(t *testing.T) {
	var names []string
	for _, c := range cases() {
		names = append(names, c.name)
	}
	slices.Sort(names)
	if n := len(names); n != len(slices.Compact(slices.Clone(names))) {
		t.Errorf("a name is there twice: %q", names)
	}
}

// A figure that names a case that is not run is NaN.
func TestEveryFigureHasItsCases(t *testing.T) {
	all := fine()
	for _, f := range figures() {
		if got := f.value(all); math.IsNaN(got) {
			t.Errorf("%s: %v", f.what, got)
		}
	}
	if err := exceeded(all, 1); err != nil {
		t.Error(err)
	}
}

// fine are results of every case that keep all limits, just.
func fine() results {
	r := results{medians: map[string]usage{}, differences: map[string]difference{}, own: 48e6}
	for _, c := range cases() {
		r.medians[c.name] = usage{cpu: 100 * time.Millisecond, wall: 100 * time.Millisecond, rss: 64e6, size: 1}
	}
	r.medians["iso warm"] = usage{cpu: 100 * time.Millisecond, wall: 100 * time.Millisecond, rss: 64e6, size: 1 + 10e6}
	r.medians[started] = usage{wall: 30 * time.Millisecond, size: 35e6}
	r.medians["kernel+initrd cold"] = usage{cpu: time.Second, rss: 128e6}
	r.medians[oneFile] = usage{cpu: 200 * time.Millisecond}
	r.medians[onePackage] = usage{cpu: 400 * time.Millisecond}
	for _, change := range []string{oneFile, onePackage, wholePackage} {
		r.differences[change] = difference{3, 1, 9, 9}
	}
	return r
}

// A limit without a result is not kept, however much slack there is.
func TestNothingMeasuredKeepsNoLimit(t *testing.T) {
	for _, l := range limits() {
		if l.kept(results{}, 100) {
			t.Errorf("%s: kept with %v", l.what, l.value(results{}))
		}
	}
}

// Each limit of memory needs every case that it is about.
func TestMemoryOfACaseThatIsMissing(t *testing.T) {
	formats := 0
	for _, c := range cases() {
		if !isCold(c.name) && !isTar(c.name) {
			continue
		}
		r := fine()
		delete(r.medians, c.name)
		if err := exceeded(r, 1); err == nil || !strings.Contains(err.Error(), "RSS") {
			t.Errorf("without %q: error %v", c.name, err)
		}
		if isCold(c.name) {
			formats++
		}
	}
	// tar, docker, tar-kernel-initrd; iso; oci by two and kernel+initrd by three compressions.
	if formats != 10 {
		t.Errorf("%d cases begin cold, want 10", formats)
	}
}

func TestExceededNamesTheLimit(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name  string
		plant func(r *results)
		slack float64
		want  string // in the error; "" for none
	}{
		{"all kept", func(*results) {}, 1, ""},
		{"a slow cold build", took("tar cold", usage{cpu: 151 * ms, rss: 1}), 1, "CPU of a cold tar build"},
		{"a slow cold build with slack", took("tar cold", usage{cpu: 300 * ms, rss: 1}), 2, ""},
		{"a slower cold build with slack", took("tar cold", usage{cpu: 301 * ms, rss: 1}), 2, "CPU of a cold tar build"},
		{"nothing to compare with", took("inflate", usage{}), 9, "CPU of a cold tar build"},
		{"a slow warm build", took("tar warm", usage{wall: 151 * ms, rss: 1}), 1, "wall of a warm tar build"},
		{"a slow build of nothing", took("tar unchanged", usage{wall: 101 * ms, rss: 1}), 1, "nothing changed"},
		{"a slow docker build", took("docker warm", usage{wall: 151 * ms}), 1, "warm docker build"},
		{"a slow warm initramfs", took("kernel+initrd warm", usage{cpu: 101 * ms}), 1, "warm kernel+initrd build"},
		{"a slow build after a change", took(oneFile, usage{cpu: 201 * ms}), 1, "CPU with one file changed"},
		{"a slow build after a large change", took(onePackage, usage{cpu: 401 * ms}), 1, "CPU with one package"},
		{"a slow boot", took(firstPage, usage{cpu: 8*time.Second + ms}), 1, "until the first page"},
		{"a large example", took(webInitrd, usage{size: 21e6}), 9, "the initramfs of examples/web.yml"},
		{"a large program", took(started, usage{wall: ms, size: 36e6}), 9, "the program compose"},
		{"a slow start", took(started, usage{wall: 31 * ms, size: 1}), 1, "compose version"},
		{"a costly fetch", took(fetched, usage{cpu: 151 * ms, rss: 1}), 1, "from a registry"},
		{"a large init", took(webInit, usage{size: 5e6}), 9, "the program init"},
		{"much memory for tar, for which there is no slack", took("tar warm", usage{wall: 1, rss: 65e6}), 9, "RSS, the most of any tar build"},
		{"much memory in another format", took("oci zstd cold", usage{rss: 129e6}), 9, "RSS, the most of a cold build"},
		{"much memory here", func(r *results) { r.own = 49e6 }, 9, "RSS of this program"},
		{"many members for a file", planted(oneFile, difference{members: 4, layers: 1}), 9, "new members of the initramfs with one file"},
		{"many members for a package", planted(onePackage, difference{members: 4, layers: 1}), 9, "new members of the initramfs with one package"},
		{"two layers for a file", planted(oneFile, difference{members: 1, layers: 2}), 9, "new layers of the oci image with one file"},
		{"two layers for a package", planted(onePackage, difference{members: 1, layers: 2}), 9, "new layers of the oci image with one package"},
		{"a change that changed nothing", planted(oneFile, difference{}), 9, "with one file changed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := fine()
			tt.plant(&r)
			err := exceeded(r, tt.slack)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v does not name %q", err, tt.want)
			}
			marked := strings.Count(reported(t, r, tt.slack), "EXCEEDED")
			if (marked > 0) != (tt.want != "") {
				t.Errorf("the report marks %d limits", marked)
			}
		})
	}
}

// took plants what a case took.
func took(name string, u usage) func(*results) {
	return func(r *results) { r.medians[name] = u }
}

// planted plants what is new after a change.
func planted(change string, d difference) func(*results) {
	return func(r *results) { r.differences[change] = d }
}

func reported(t *testing.T, r results, slack float64) string {
	t.Helper()
	var out strings.Builder
	if err := report(&out, r, slack); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestReportSaysAll(t *testing.T) {
	got := reported(t, fine(), 1)
	var want []string
	for _, c := range cases() {
		want = append(want, c.name)
	}
	for _, f := range figures() {
		want = append(want, f.what)
	}
	for _, l := range limits() {
		want = append(want, l.what)
	}
	for _, text := range want {
		if !strings.Contains(got, "\n"+text+" ") {
			t.Errorf("no line begins with %q", text)
		}
	}
	for line := range strings.Lines(got) {
		if len(line) > 120 {
			t.Errorf("longer than a terminal: %s", line)
		}
	}
}

func TestMissingTools(t *testing.T) {
	if err := tools("sh"); err != nil {
		t.Error(err)
	}
	err := tools("sh", "no-such-tool-1", "no-such-tool-2")
	if err == nil || !strings.Contains(err.Error(), "no-such-tool-1") || !strings.Contains(err.Error(), "no-such-tool-2") {
		t.Errorf("error %v does not name both", err)
	}
}

func TestOwnMemory(t *testing.T) {
	before, err := ownMemory()
	if err != nil || before < 1<<20 {
		t.Fatalf("%d bytes, error %v", before, err)
	}
	much := bytes.Repeat([]byte{1}, 64<<20)
	after, err := ownMemory()
	if err != nil || after < int64(len(much)) {
		t.Errorf("%d bytes after %d were used, error %v", after, len(much), err)
	}
}
