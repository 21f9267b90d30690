package contents_test

import (
	"archive/tar"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/composeos/compose/outputs/contents"
)

// TestMemory reads much content, and little memory is used: 48 MB of zeros, and as
// much that is random.
func TestMemory(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 48<<20)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	for _, content := range [][]byte{make([]byte, 48<<20), noise} {
		plain := tarItems(t, item{"d/", ""}, item{"d/f", string(content)})
		for name, data := range map[string][]byte{"tar": plain, "gzip": gz(t, plain[:24<<20]), "zstd": zs(t, plain)} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _ = read(t, data) // half a tar is an error
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 24<<20 {
				t.Errorf("%s: %d bytes of memory", name, used)
			}
		}
	}
}

// TestNothingElseIsKept reads headers of a megabyte, of which only a few bytes count:
// what is kept of them are those.
func TestNothingElseIsKept(t *testing.T) {
	const n = 48
	var headers []*tar.Header
	for i := range n {
		headers = append(headers, &tar.Header{
			Name: fmt.Sprintf("é%d", i), Typeflag: tar.TypeSymlink, Linkname: fmt.Sprintf("ü%d", i), Format: tar.FormatPAX,
			PAXRecords: map[string]string{"SCHILY.xattr.user.x": "1", "COMPOSE.none": strings.Repeat("x", 1<<20-4096)},
		})
	}
	data := gz(t, tarHeaders(t, nil, headers...))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	img := mustRead(t, data)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > n<<20/4 {
		t.Errorf("%d bytes are kept", kept)
	}
	if e := img.Entries[n-1]; len(img.Entries) != n || e.Path != "é47" || e.Link != "ü47" || len(e.Xattrs) != 1 {
		t.Errorf("%d entries, the last %+v", len(img.Entries), e)
	}
}

// TestNamedOftenNotReadOften names one large document many times: each time it would
// be read again.
func TestNamedOftenNotReadOften(t *testing.T) {
	const config = `{"rootfs": {"type": "layers", "diff_ids": []}}`
	document := config + strings.Repeat(" ", 4<<20-len(config))
	manifest := func(n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(`{"Config": "c.json", "Layers": []},`, n), ",") + "]"
	}
	for n, ok := range map[int]bool{1: true, 15: true, 16: false, 50000: false} {
		img, err := read(t, tarItems(t, item{"c.json", document}, item{"manifest.json", manifest(n)}))
		if ok && (err != nil || len(img.Containers) != n) || !ok && (!errors.Is(err, contents.ErrInvalid) || !strings.Contains(err.Error(), "documents of more than 67108864 bytes")) {
			t.Errorf("%d times: %v", n, err)
		}
	}
}
