package store

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/rootfs"
)

// rawHeader returns one tar header with a right checksum, for what package tar
// would not write. set changes the block first.
func rawHeader(name string, flag byte, size int, set func(h []byte)) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x00")
	copy(h[108:], "0000000\x00")
	copy(h[116:], "0000000\x00")
	copy(h[124:], fmt.Sprintf("%011o\x00", size))
	copy(h[136:], "00000000000\x00")
	h[156] = flag
	copy(h[257:], "ustar\x0000")
	if set != nil {
		set(h)
	}
	copy(h[148:], "        ")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// raw returns a tar of those blocks with its end marker.
func raw(blocks ...[]byte) []byte {
	b := bytes.Join(blocks, nil)
	b = append(b, make([]byte, (512-len(b)%512)%512)...)
	return append(b, make([]byte, 1024)...)
}

func link(target string) func([]byte) { return func(h []byte) { copy(h[157:], target) } }

func TestBadTars(t *testing.T) {
	good := makeTar(t, file("a", "aaa"), dir("d"))
	tests := map[string]struct {
		tar  []byte
		want string
	}{
		"parent":               {raw(rawHeader("a/../b", '0', 0, nil)), `".." in name "a/../b"`},
		"parent at the start":  {raw(rawHeader("../b", '0', 0, nil)), `".." in name "../b"`},
		"parent alone":         {raw(rawHeader("..", '5', 0, nil)), `".." in name ".."`},
		"empty part":           {raw(rawHeader("a//b", '0', 0, nil)), `empty part in name "a//b"`},
		"empty name":           {raw(rawHeader("", '0', 0, nil)), `empty name`},
		"NUL":                  {raw(rawHeader("x", 'x', 17, nil), []byte("17 path=a\x00bbbbbb\n")), `read its first entry`},
		"long":                 {makeTar(t, file(strings.Repeat("x", 5000), "")), `name of 5000 bytes, longer than 4095`},
		"root is a file":       {raw(rawHeader("./", '0', 0, func(h []byte) { h[1] = 0 })), `the root is a file`},
		"root is a link":       {raw(rawHeader(".", '2', 0, link("x"))), `the root is a symbolic link`},
		"unknown type":         {raw(rawHeader("a", 'Q', 0, nil)), `"a" has the unknown type flag 'Q'`},
		"volume label":         {raw(rawHeader("a", 'V', 0, nil)), `"a" has the unknown type flag 'V'`},
		"GNU sparse":           {raw(rawHeader("a", 'S', 0, func(h []byte) { copy(h[257:], "ustar  \x00") })), `"a" is a sparse file: make the archive without --sparse`},
		"PAX sparse":           {raw(rawHeader("x", 'x', 22, nil), pad("22 GNU.sparse.major=1\n"), rawHeader("a", '0', 0, nil)), `sparse`},
		"PAX sparse old":       {raw(rawHeader("x", 'x', 23, nil), pad("23 GNU.sparse.size=100\n"), rawHeader("a", '0', 0, nil)), `sparse`},
		"negative uid":         {raw(rawHeader("x", 'x', 10, nil), pad("10 uid=-5\n"), rawHeader("a", '0', 0, nil)), `"a": bad uid -5`},
		"large gid":            {raw(rawHeader("x", 'x', 18, nil), pad("18 gid=4294967296\n"), rawHeader("a", '0', 0, nil)), `"a": bad gid 4294967296`},
		"no link target":       {raw(rawHeader("a", '2', 0, nil)), `"a": bad target "" of a symbolic link`},
		"no hard link target":  {raw(rawHeader("a", '1', 0, nil)), `"a": hard link: malformed layer: empty name`},
		"hard link leads out":  {raw(rawHeader("a", '1', 0, link("../x"))), `"a": hard link: malformed layer: ".." in name "../x"`},
		"hard link to root":    {raw(rawHeader("a", '1', 0, link("/"))), `"a": hard link: the root has no other names`},
		"hard link to dir":     {makeTar(t, dir("d"), hardlink("a", "d")), `hard link "a": its target "d" is a directory`},
		"below a file":         {makeTar(t, file("a", ""), file("a/b", "")), `"a/b" lies below "a", which is not a directory`},
		"deep below a file":    {makeTar(t, file("a", ""), file("a/b/c", "")), `"a/b/c" lies below "a"`},
		"whiteout of nothing":  {makeTar(t, file("d/.wh.", "")), `malformed whiteout "d/.wh."`},
		"whiteout of dot":      {makeTar(t, file(".wh..", "")), `malformed whiteout ".wh.."`},
		"whiteout of parent":   {makeTar(t, file("d/.wh...", "")), `malformed whiteout "d/.wh..."`},
		"below a whiteout":     {makeTar(t, file(".wh.d/x", "")), `".wh.d/x" lies below a whiteout`},
		"below an opaque":      {makeTar(t, file(".wh..wh..opq/x", "")), `lies below a whiteout`},
		"whiteout directory":   {makeTar(t, dir(".wh.d")), `whiteout ".wh.d" is a directory`},
		"whiteout with body":   {makeTar(t, file(".wh.d", "x")), `whiteout ".wh.d" is not empty`},
		"no tar":               {[]byte(strings.Repeat("no tar at all ", 100)), `read its first entry: archive/tar: invalid tar header`},
		"checksum":             {flip(good, 3), `read its first entry: archive/tar: invalid tar header`},
		"second header":        {flip(good, 1024+3), `read what follows "a": archive/tar: invalid tar header`},
		"cut in a header":      {good[:1024+100], `read what follows "a": unexpected EOF`},
		"cut in a body":        {good[:514], `read "a": unexpected EOF`},
		"data behind the end":  {append(bytes.Clone(good), 0, 0, 'x'), `data after the end of the tar, behind byte 2560`},
		"one block of zeros":   {append(bytes.Clone(good[:2048]), bytes.Repeat([]byte{1}, 512)...), `read what follows "d"`},
		"header size negative": {raw(rawHeader("a", '0', 0, func(h []byte) { copy(h[124:], "-1000000000\x00") })), `read its first entry`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			refuse(t, layerOf(tt.tar, gzipped(t, tt.tar)).LayerSource, ErrInvalid, tt.want)
		})
	}
}

func pad(s string) []byte { return append([]byte(s), make([]byte, 512-len(s))...) }

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

// refuse takes a layer in that must be refused: with that error, which names
// the layer, and with nothing left in the store.
func refuse(t *testing.T, src LayerSource, kind error, want string) {
	t.Helper()
	s := openStore(t, t.TempDir())
	before := len(files(t, s))
	_, err := newLease(t, s).Layer(t.Context(), src)
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	if !strings.HasPrefix(err.Error(), "layer "+src.Digest.String()+": ") || !strings.Contains(err.Error(), want) {
		t.Errorf("got  %v\nwant … %s", err, want)
	}
	if left := files(t, s); len(left) != before {
		t.Errorf("left behind: %v", left)
	}
}

func TestBadStreams(t *testing.T) {
	ball := makeTar(t, file("a", strings.Repeat("abc", 5000)), dir("d"))
	gz, zs := gzipped(t, ball), zstded(t, ball)
	other := makeTar(t, file("b", ""))
	tests := map[string]struct {
		bytes []byte
		set   func(*LayerSource)
		kind  error
		want  string
	}{
		"too short":         {gz, func(s *LayerSource) { s.Size++ }, ErrDigest, fmt.Sprintf("%d bytes, want %d", len(gz), len(gz)+1)},
		"too long":          {gz, func(s *LayerSource) { s.Size-- }, ErrDigest, fmt.Sprintf("more than the %d bytes", len(gz)-1)},
		"digest":            {gz, func(s *LayerSource) { s.Digest = hashOf(other) }, ErrDigest, "digest is " + hashOf(gz).String() + ", want " + hashOf(other).String()},
		"diffID":            {gz, func(s *LayerSource) { s.DiffID = hashOf(other) }, ErrDigest, "diffID is " + hashOf(ball).String() + ", want " + hashOf(other).String()},
		"cut on the way":    {gz, func(s *LayerSource) { s.Open = opener(gz[:len(gz)/2]) }, ErrDigest, fmt.Sprintf("%d bytes, want %d", len(gz)/2, len(gz))},
		"changed":           {gz, func(s *LayerSource) { s.Open = opener(flip(gz, 40)) }, ErrDigest, "digest is"},
		"truncated gzip":    {gz[:len(gz)-9], nil, ErrInvalid, "gzip: unexpected EOF"},
		"gzip checksum":     {flip(gz, len(gz)-6), nil, ErrInvalid, "gzip: gzip: invalid checksum"},
		"gzip size":         {flip(gz, len(gz)-2), nil, ErrInvalid, "gzip: gzip: invalid checksum"},
		"gzip no trailer":   {gz[:len(gz)-8], nil, ErrInvalid, "gzip: unexpected EOF"},
		"gzip header only":  {gz[:9], nil, ErrInvalid, "gzip: unexpected EOF"},
		"gzip garbage":      {append(bytes.Clone(gz), "garbage"...), nil, ErrInvalid, "gzip: data behind the end of the compressed stream"},
		"gzip zeros behind": {append(bytes.Clone(gz), 0, 0, 0), nil, ErrInvalid, "gzip: data behind the end of the compressed stream"},
		"gzip one byte":     {append(bytes.Clone(gz), 0x1f), nil, ErrInvalid, "gzip: data behind the end"},
		"gzip half member":  {append(bytes.Clone(gz), gz[:5]...), nil, ErrInvalid, "gzip: unexpected EOF"},
		"truncated zstd":    {zs[:len(zs)-6], nil, ErrInvalid, "zstd: unexpected EOF"},
		"zstd garbage":      {append(bytes.Clone(zs), "garbage"...), nil, ErrInvalid, "zstd: "},
		"zstd one byte":     {append(bytes.Clone(zs), 0x28), nil, ErrInvalid, "zstd: "},
		"zstd three bytes":  {append(bytes.Clone(zs), 0x28, 0xb5, 0x2f), nil, ErrInvalid, "zstd: "},
		"zstd checksum":     {flip(zs, len(zs)-1), nil, ErrInvalid, "zstd: "},
		"says gzip":         {zs, func(s *LayerSource) { s.MediaType = "application/vnd.oci.image.layer.v1.tar+gzip" }, ErrInvalid, "says gzip, the content is zstd"},
		"says docker gzip":  {ball, func(s *LayerSource) { s.MediaType = "application/vnd.docker.image.rootfs.diff.tar.gzip" }, ErrInvalid, "says gzip, the content is plain"},
		"says zstd":         {gz, func(s *LayerSource) { s.MediaType = "application/vnd.oci.image.layer.v1.tar+zstd" }, ErrInvalid, "says zstd, the content is gzip"},
		"says plain":        {gz, func(s *LayerSource) { s.MediaType = "application/vnd.oci.image.layer.v1.tar" }, ErrInvalid, "says plain, the content is gzip"},
		"source breaks": {gz, func(s *LayerSource) {
			s.Open = func() (io.ReadCloser, error) {
				return io.NopCloser(io.MultiReader(bytes.NewReader(gz[:99]), broken{})), nil
			}
		}, errBroken, "read: it broke"},
		"source does not open": {gz, func(s *LayerSource) {
			s.Open = func() (io.ReadCloser, error) { return nil, errBroken }
		}, errBroken, "it broke"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			src := layerOf(ball, tt.bytes).LayerSource
			if tt.set != nil {
				tt.set(&src)
			}
			refuse(t, src, tt.kind, tt.want)
		})
	}
}

var errBroken = errors.New("it broke")

// broken is a reader that fails.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

func opener(b []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

func TestGoodStreams(t *testing.T) {
	ball := makeTar(t, file("a", strings.Repeat("abc", 100000)), dir("d"))
	half := len(ball) / 2
	skippable := append([]byte{0x53, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9}, zstded(t, ball)...)
	tests := map[string]struct {
		tar, bytes []byte
		mediaType  string
	}{
		"plain":          {ball, ball, "application/vnd.docker.image.rootfs.diff.tar"},
		"gzip":           {ball, gzipped(t, ball), "application/vnd.docker.image.rootfs.diff.tar.gzip"},
		"gzip members":   {ball, gzipped(t, ball[:half], nil, ball[half:]), "application/vnd.oci.image.layer.v1.tar+gzip"},
		"zstd":           {ball, zstded(t, ball), "application/vnd.oci.image.layer.v1.tar+zstd"},
		"zstd frames":    {ball, zstded(t, ball[:half], ball[half:]), ""},
		"zstd skippable": {ball, skippable, "something/else"},
		"no end marker":  {ball[:len(ball)-1024], gzipped(t, ball[:len(ball)-1024]), ""},
		"long padding":   {append(bytes.Clone(ball), make([]byte, 300000)...), gzipped(t, append(bytes.Clone(ball), make([]byte, 300000)...)), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			src := layerOf(tt.tar, tt.bytes)
			src.MediaType = tt.mediaType
			var told int64
			src.Progress = func(n int64) { told += n }
			layer := mustLayer(t, newLease(t, openStore(t, t.TempDir())), src)
			if n := len(layer.Entries()); n != 2 || told != src.Size || layer.Size != int64(len(tt.tar)) {
				t.Errorf("%d entries, progress %d of %d, size %d", n, told, src.Size, layer.Size)
			}
		})
	}
	t.Run("nothing known but the diffID", func(t *testing.T) {
		src := layerOf(ball, gzipped(t, ball))
		src.Digest, src.Size = v1.Hash{}, -1
		mustLayer(t, newLease(t, openStore(t, t.TempDir())), src)
	})
}

func TestLimits(t *testing.T) {
	bomb := makeTar(t, file("a", strings.Repeat("\x00", 1<<20)))
	many := makeTar(t, file("a", ""), file("b", ""), file("c", ""))
	tests := map[string]struct {
		tar    []byte
		limits limits
		want   string
	}{
		"bytes":   {bomb, limits{layer: 1 << 19, entries: 9}, "more than 524288 bytes uncompressed"},
		"entries": {many, limits{layer: 1 << 30, entries: 2}, "more than 2 entries"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, t.TempDir())
			s.limits = tt.limits
			_, err := newLease(t, s).Layer(t.Context(), layerOf(tt.tar, gzipped(t, tt.tar)).LayerSource)
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want … %s", err, tt.want)
			}
		})
	}
}

// A size from 8 GiB on is a PAX record, or a binary number of GNU tar. The
// content is not there: only the header and the index are of interest.
func TestLargeFile(t *testing.T) {
	for _, format := range []tar.Format{tar.FormatPAX, tar.FormatGNU} {
		var b bytes.Buffer
		const size = 1<<33 + 5
		if err := tar.NewWriter(&b).WriteHeader(&tar.Header{Name: "big", Size: size, Format: format}); err != nil {
			t.Fatal(err)
		}
		h, err := tar.NewReader(&b).Next()
		if err != nil {
			t.Fatal(err)
		}
		r, err := newRecord(h)
		if err != nil {
			t.Fatal(err)
		}
		r.offset = 1 << 34
		data, err := makeIndex([]record{r}, false, rootfs.Digest{}, 1<<35)
		if err != nil {
			t.Fatal(err)
		}
		entries, total, err := decode(data, rootfs.Digest{}, section{})
		if err != nil || total != 1<<35 || entries[0].Size != size || entries[0].Body.(*span).base != 1<<34 {
			t.Errorf("%v: %+v, %d, %v", format, entries, total, err)
		}
	}
}
