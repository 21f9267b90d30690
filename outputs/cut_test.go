package outputs

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/rootfs"
)

// randomEntries are files in path order, of sizes from nothing to twice a run.
func randomEntries(r *rand.Rand, n int) []*rootfs.Entry {
	entries := make([]*rootfs.Entry, n)
	for i := range entries {
		entries[i] = &rootfs.Entry{
			Path: fmt.Sprintf("%06d/%d", i*10, r.IntN(1000)), Type: rootfs.File, Nlink: 1,
			Size: r.Int64N(1 << (1 + r.IntN(23))), Digest: rootfs.Digest{byte(i)},
		}
	}
	return entries
}

func TestCutJoined(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		entries := randomEntries(r, r.IntN(2000))
		runs := cut(entries)
		if got := slices.Concat(runs...); !slices.Equal(got, entries) {
			t.Fatal("joined, the runs are not the entries")
		}
		total := int64(0)
		for _, run := range runs {
			if len(run) == 0 {
				t.Fatal("an empty run")
			}
			for _, e := range run {
				total += e.Size + overhead
				if e.Size >= target && len(run) > 1 {
					t.Fatalf("a file of %d bytes is not by itself", e.Size)
				}
			}
		}
		if n := total/target + 1; int64(len(runs)) > 6*n+6 || n > 20 && int64(len(runs)) < n/4 {
			t.Errorf("%d runs for %d bytes", len(runs), total)
		}
	}
}

// TestCutLocal changes one entry, and counts the runs that are not as before.
func TestCutLocal(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		entries := randomEntries(r, 1+r.IntN(1000))
		before := map[string]bool{}
		for _, run := range cut(entries) {
			before[runText(run)] = true
		}
		changed := slices.Clone(entries)
		at := r.IntN(len(changed))
		e := *changed[at]
		switch r.IntN(3) {
		case 0:
			e.Digest, e.Size = rootfs.Digest{255}, r.Int64N(2*target)
			changed[at] = &e
		case 1:
			e.Path += "x"
			changed = slices.Insert(changed, at+1, &e)
		default:
			changed = slices.Delete(changed, at, at+1)
		}
		other := 0
		for _, run := range cut(changed) {
			if !before[runText(run)] {
				other++
			}
		}
		if other > 3 { // the run with the entry, cut before it and behind it
			t.Fatalf("one entry changed %d runs", other)
		}
	}
}

func runText(run []*rootfs.Entry) string {
	var b strings.Builder
	for _, e := range run {
		fmt.Fprintf(&b, "%s %d %v\n", e.Path, e.Size, e.Digest[0])
	}
	return b.String()
}

// TestRunsAreTheArchive is the law that members rest on: an archive is what its
// runs encode to, one after the other, and so are its size and bytes.
func TestRunsAreTheArchive(t *testing.T) {
	for _, codec := range []rootfs.Codec{rootfs.Tar{}, rootfs.Cpio{}} {
		f := func(seed uint64, n uint16) {
			var entries []*rootfs.Entry
			for _, e := range manyFiles(int(n%400), seed) {
				entries = append(entries, e.Alone())
			}
			whole := encoded(t, section{entries, codec, true})
			var joined []byte
			runs := cut(entries)
			for i, run := range runs {
				joined = append(joined, encoded(t, section{run, codec, i == len(runs)-1})...)
			}
			if len(runs) > 0 && !bytes.Equal(whole, joined) {
				t.Fatalf("%s: seed %d: the runs are not the archive", codec.Name(), seed)
			}
		}
		for seed := range uint64(6) {
			f(seed, uint16(seed*61))
		}
	}
}

// encoded returns the bytes of a section, which have to be as many as it says.
func encoded(t *testing.T, s section) []byte {
	t.Helper()
	a, err := newArchive(s)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := a.write(t.Context(), newPlainWriter(&b), untold); err != nil {
		t.Fatal(err)
	}
	if int64(b.Len()) != a.size() {
		t.Fatalf("%d bytes, said %d", b.Len(), a.size())
	}
	return b.Bytes()
}

// TestKeys shows what is in a key: all that decides the bytes.
func TestKeys(t *testing.T) {
	base := func() *rootfs.Entry { return rootfs.MadeFile("a", 0o644, []byte("x")).Alone() }
	key := func(s section) rootfs.Digest {
		a, err := newArchive(s)
		if err != nil {
			t.Fatal(err)
		}
		return a.key()
	}
	seen := map[rootfs.Digest]string{}
	add := func(what string, s section) {
		k := key(s)
		if other, ok := seen[k]; ok {
			t.Errorf("%s has the key of %s", what, other)
		}
		seen[k] = what
	}
	edit := func(f func(e *rootfs.Entry)) []*rootfs.Entry {
		e := base()
		f(e)
		return []*rootfs.Entry{e}
	}
	add("nothing", section{nil, rootfs.Tar{}, false})
	add("the trailer", section{nil, rootfs.Tar{}, true})
	add("a file", section{edit(func(*rootfs.Entry) {}), rootfs.Tar{}, false})
	add("in cpio", section{edit(func(*rootfs.Entry) {}), rootfs.Cpio{}, false})
	add("another path", section{edit(func(e *rootfs.Entry) { e.Path = "b" }), rootfs.Tar{}, false})
	add("another mode", section{edit(func(e *rootfs.Entry) { e.Mode = 0o600 }), rootfs.Tar{}, false})
	add("another owner", section{edit(func(e *rootfs.Entry) { e.UID = 1 }), rootfs.Tar{}, false})
	add("another time", section{edit(func(e *rootfs.Entry) { e.ModTime = 1 }), rootfs.Tar{}, false})
	add("other content", section{edit(func(e *rootfs.Entry) { e.Digest[0] ^= 1 }), rootfs.Tar{}, false})
	add("an attribute", section{edit(func(e *rootfs.Entry) { e.Xattrs = []rootfs.Xattr{{Name: "user.a", Value: "b"}} }), rootfs.Tar{}, false})
	add("twice", section{[]*rootfs.Entry{base(), base()}, rootfs.Tar{}, false})
	a, err := newArchive(section{nil, rootfs.Tar{}, false})
	if err != nil {
		t.Fatal(err)
	}
	if memberKey(Gzip, a) == memberKey(Zstd, a) || memberKey(Gzip, a) == a.key() {
		t.Error("a member's key does not say how it is compressed")
	}
	if _, err := newArchive(section{edit(func(e *rootfs.Entry) { e.Digest = rootfs.Digest{} }), rootfs.Tar{}, false}); err == nil {
		t.Error("content without a digest has a key")
	}
}

// TestEncoderVersion holds the version that keys name against go.mod.
func TestEncoderVersion(t *testing.T) {
	text, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`github.com/(klauspost/compress v\S+)`).FindSubmatch(text)
	for _, c := range []Compression{Gzip, Zstd} {
		if m == nil || !strings.Contains(c.encoderID()+" ", string(m[1])+" ") {
			t.Errorf("%q is not the encoder of go.mod, %s", c.encoderID(), m)
		}
	}
}
