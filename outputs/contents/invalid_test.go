package contents_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs/contents"
)

// item is a file of an archive of a test.
type item struct {
	name, content string
}

// tarItems writes a tar archive of files. A name that ends in a slash is a folder,
// a content that begins with "->" a symbolic link.
func tarItems(t testing.TB, items ...item) []byte {
	t.Helper()
	headers := make([]*tar.Header, len(items))
	for i, it := range items {
		h := &tar.Header{Name: it.name, Mode: 0o644, Size: int64(len(it.content)), Typeflag: tar.TypeReg}
		if strings.HasSuffix(it.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if link, ok := strings.CutPrefix(it.content, "->"); ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, link, 0
		}
		headers[i] = h
	}
	return tarHeaders(t, func(i int) string { return items[i].content }, headers...)
}

func tarHeaders(t testing.TB, content func(int) string, headers ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i, h := range headers {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, content(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func oneHeader(t testing.TB, h tar.Header) []byte {
	t.Helper()
	return tarHeaders(t, func(int) string { return strings.Repeat("x", int(h.Size)) }, &tar.Header{Name: "dir/", Typeflag: tar.TypeDir}, &h)
}

// TestInvalid has a file that is wrong in each way, and what is said of it.
func TestInvalid(t *testing.T) {
	dir := rootfs.MadeDir("d", 0o755)
	cpio := func(entries ...*rootfs.Entry) []byte { return archive(t, rootfs.Cpio{}, entries...) }
	tests := []struct {
		name, want string
		data       []byte
	}{
		{"tar that leads out", `the name "../x" leads out`, oneHeader(t, tar.Header{Name: "../x", Typeflag: tar.TypeReg})},
		{"tar link to nothing", `"l" is a hard link to "x", which does not come before it`, oneHeader(t, tar.Header{Name: "l", Linkname: "x", Typeflag: tar.TypeLink})},
		{"tar global header", `a global header with "path"`, oneHeader(t, tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"path": "x"}})},
		{"tar unknown type", `"x" has the unknown type 'Z'`, oneHeader(t, tar.Header{Name: "x", Typeflag: 'Z'})},
		{"tar sparse", `"x" is a sparse file`, sparse(t)},
		{"tar in two", "there is something behind the end of the archive", append(tarItems(t, item{"d/", ""}), tarItems(t, item{"d/", ""})...)},
		{"tar with a long name", "the name", oneHeader(t, tar.Header{Name: strings.Repeat("n", 4096), Typeflag: tar.TypeReg})},
		{"gzip of nothing known", contents.ErrUnknown.Error(), gz(t, []byte("hello"))},
		{"gzip of nothing", contents.ErrUnknown.Error(), gz(t, nil)},
		{"image in gzip", "uncompress the file first", gz(t, tarItems(t, item{"manifest.json", "[]"}))},
		{"cpio then junk", `initramfs at byte 236: invalid: "junk" begins no archive`, append(cpio(dir), "junk"...)},
		{"cpio without trailer", "the archive has no trailer", run(t, rootfs.Cpio{}, dir)},
		{"cpio at an odd byte", `initramfs at byte 125: invalid: "070701" begins no archive`, append(append(cpio(), 0), cpio(dir)...)},
		{"cpio in gzip at an odd byte", "an archive that begins at byte 125, uncompressed", gz(t, append(append(cpio(), 0), cpio(dir)...))},
		{"gzip of half a cpio", "gzip at byte 0: invalid: cpio at byte 112: unexpected EOF: the archive has no trailer", gz(t, run(t, rootfs.Cpio{}, dir))},
		{"gzip, then half a gzip", "gzip at byte 0: member at byte 99: invalid: unexpected EOF", append(gz(t, cpio(dir)), gz(t, cpio(dir))[:9]...)},
		{"gzip with a bad sum", "gzip at byte 0: member at byte 99: invalid: gzip: invalid checksum", flipped(append(gz(t, cpio(dir)), gz(t, cpio(dir))...), -8)},
		{"zstd with a bad sum", fmt.Sprintf("zstd at byte 0: frame at byte %d: invalid: ", len(zs(t, cpio(dir)))), flipped(bytes.Repeat(zs(t, cpio(dir)), 2), -1)},
		{"zstd with a huge window", "zstd", append([]byte("\x28\xb5\x2f\xfd\x00\xff\x01\x00\x00"), make([]byte, 600)...)},
		{"many parts", "more than 4096 parts", bytes.Repeat(cpio(), 4097)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			img, err := read(t, tt.data)
			if err == nil {
				t.Fatalf("it is read: %+v", img)
			}
			if !strings.Contains(err.Error(), tt.want) || !errors.Is(err, contents.ErrInvalid) && !errors.Is(err, contents.ErrUnknown) {
				t.Errorf("error %v\nwant %s", err, tt.want)
			}
		})
	}
}

// flipped changes the byte at i, from behind where i is negative.
func flipped(data []byte, i int) []byte {
	data[(len(data)+i)%len(data)] ^= 1
	return data
}

// sparse is a tar archive of a file with holes, in the format of old GNU tar.
func sparse(t testing.TB) []byte {
	t.Helper()
	b := oneHeader(t, tar.Header{Name: "x", Typeflag: tar.TypeReg, Format: tar.FormatGNU})
	h := b[512:1024]
	h[156] = 'S'
	copy(h[148:], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// ball is the files of an image layout, in order.
type ball struct{ items []item }

func (b *ball) add(name, content string) { b.items = append(b.items, item{name, content}) }

// blob adds a blob and returns a descriptor of it.
func (b *ball) blob(mediaType string, v any) map[string]any {
	content, ok := v.(string)
	if !ok {
		text, _ := json.Marshal(v)
		content = string(text)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(content)))
	b.add("blobs/sha256/"+sum, content)
	return map[string]any{"mediaType": mediaType, "digest": "sha256:" + sum, "size": len(content)}
}

const oci = "application/vnd.oci.image."

// TestInvalidImages changes one thing after the other in an image layout that is
// also a docker archive.
func TestInvalidImages(t *testing.T) {
	layer := string(tarItems(t, item{"d/", ""}, item{"d/f", "x"}))
	sum := func(s string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(s))) }
	type parts struct {
		config, manifest, index map[string]any
		docker                  []map[string]any
		more                    []item
		drop                    string // a file whose name begins so
	}
	build := func(edit func(*parts)) []byte {
		var b ball
		p := &parts{config: map[string]any{"os": "linux", "architecture": "amd64", "rootfs": map[string]any{"type": "layers", "diff_ids": []string{sum(layer)}}}}
		edit(p) // of the configuration, at first
		config := b.blob(oci+"config.v1+json", p.config)
		layers := []any{b.blob(oci+"layer.v1.tar", layer)}
		p.manifest = map[string]any{"schemaVersion": 2, "config": config, "layers": layers}
		edit(p)
		manifest := b.blob(oci+"manifest.v1+json", p.manifest)
		p.index = map[string]any{"schemaVersion": 2, "manifests": []any{manifest}}
		name := func(d map[string]any) string {
			return "blobs/sha256/" + strings.TrimPrefix(d["digest"].(string), "sha256:")
		}
		p.docker = []map[string]any{{"Config": name(config), "RepoTags": []string{"a:1"}, "Layers": []string{name(layers[0].(map[string]any))}}}
		edit(p)
		index, _ := json.Marshal(p.index)
		docker, _ := json.Marshal(p.docker)
		b.add("oci-layout", `{"imageLayoutVersion":"1.0.0"}`)
		b.add("index.json", string(index))
		b.add("manifest.json", string(docker))
		var kept []item
		for _, it := range append(b.items, p.more...) {
			if p.drop == "" || !strings.HasPrefix(it.name, p.drop) {
				kept = append(kept, it)
			}
		}
		return tarItems(t, kept...)
	}
	first := func(p *parts) map[string]any { return p.index["manifests"].([]any)[0].(map[string]any) }
	tests := []struct {
		name, want string
		edit       func(*parts)
	}{
		{"nothing", "", func(*parts) {}},
		{"no oci-layout", "index.json at byte", func(p *parts) { p.drop = "oci-layout" }},
		{"no index", `"index.json" is not in the archive`, func(p *parts) { p.drop = "index.json" }},
		{"no manifest.json", "", func(p *parts) { p.drop = "manifest.json" }},
		{"no blobs", "is not in the archive", func(p *parts) { p.drop = "blobs/" }},
		{"no diffID", "1 layers, of which", func(p *parts) { p.config["rootfs"] = map[string]any{} }},
		{"another diffID", "its diffID is " + sum(layer) + ", not " + sum("x"), func(p *parts) { p.config["rootfs"] = map[string]any{"diff_ids": []string{sum("x")}} }},
		{"a diffID of another kind", `sha512`, func(p *parts) { p.config["rootfs"] = map[string]any{"diff_ids": []string{"sha512:00"}} }},
		{"another platform", "its platform is linux/amd64, not linux/arm64 as the file says", func(p *parts) {
			if p.index != nil {
				first(p)["platform"] = map[string]any{"os": "linux", "architecture": "arm64"}
			}
		}},
		{"another size", "bytes, not 7 as the file says", func(p *parts) {
			if p.index != nil {
				first(p)["size"] = 7
			}
		}},
		{"an index that is a manifest", `no image index of version 2`, func(p *parts) {
			if p.index != nil {
				first(p)["mediaType"] = oci + "index.v1+json"
			}
		}},
		{"a media type that it does not say itself", `its media type is "` + oci + `manifest.v1+json", not "x"`, func(p *parts) {
			if p.manifest != nil {
				p.manifest["mediaType"] = oci + "manifest.v1+json"
			}
			if p.index != nil {
				first(p)["mediaType"] = "x"
			}
		}},
		{"keys that differ in case", `the key "config" is there twice: as "Config" before`, func(p *parts) {
			if p.docker != nil {
				p.docker[0]["config"] = "x"
			}
		}},
		{"gzip that is none", "it is named as tar and as gzip", func(p *parts) {
			if p.manifest != nil {
				p.manifest["layers"].([]any)[0].(map[string]any)["mediaType"] = oci + "layer.v1.tar+gzip"
			}
		}},
		{"an unknown file", "x at byte", func(p *parts) { p.more = []item{{"x", "y"}} }},
		{"files of old docker", "", func(p *parts) {
			p.more = []item{{"repositories", "{}"}, {strings.Repeat("a", 64) + "/VERSION", "1.0"}, {strings.Repeat("a", 64) + "/layer.tar", "->../oci-layout"}}
		}},
		{"a link to nothing", `"gone" is not in the archive`, func(p *parts) { p.more = []item{{strings.Repeat("a", 64) + "/layer.tar", "->../gone"}} }},
		{"a link to itself", "more than 40 links", func(p *parts) { p.more = []item{{"x.json", "->x.json"}} }},
		{"a file twice", `"oci-layout" is in the archive twice`, func(p *parts) { p.more = []item{{"oci-layout", "{}"}} }},
		{"a blob of another name", "its digest is " + sum("x"), func(p *parts) { p.more = []item{{"blobs/sha256/" + strings.Repeat("0", 64), "x"}} }},
		{"a large document", "at most 4194304 are read", func(p *parts) { p.config["x"] = strings.Repeat("x", 4<<20) }},
		{"no image in manifest.json", "manifest.json lists no image", func(p *parts) { p.docker = nil }},
		{"a folder of a root filesystem", "", func(p *parts) { p.more = []item{{"etc/", ""}} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			img, err := read(t, build(tt.edit))
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want == "" && img.Format == contents.Docker && img.Containers[0].Digest == rootfs.Digest{}:
				t.Errorf("docker's list and the layout are not brought together: %+v", img.Containers)
			case tt.want != "" && (err == nil || !errors.Is(err, contents.ErrInvalid) || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v\nwant %s", err, tt.want)
			}
		})
	}
}

// TestDeepIndexes lays indexes within each other.
func TestDeepIndexes(t *testing.T) {
	for depth, ok := range map[int]bool{0: true, 3: true, 4: false, 20: false} {
		var b ball
		index := func(manifests ...any) map[string]any {
			return map[string]any{"schemaVersion": 2, "manifests": append([]any{}, manifests...)}
		}
		at := index()
		for range depth {
			at = index(b.blob(oci+"index.v1+json", at))
		}
		text, _ := json.Marshal(at)
		b.add("oci-layout", `{"imageLayoutVersion":"1.0.0"}`)
		b.add("index.json", string(text))
		_, err := read(t, tarItems(t, b.items...))
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "more than 4 indexes") {
			t.Errorf("%d: %v", depth, err)
		}
	}
}

// failing fails to read behind an offset.
type failing struct {
	io.ReaderAt
	from int64
}

var errDisk = errors.New("the disk is broken")

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.from {
		return 0, errDisk
	}
	return f.ReaderAt.ReadAt(p, off)
}

// TestReadErrors fails at every place: the error is the disk's, and the file is not
// blamed.
func TestReadErrors(t *testing.T) {
	for name, data := range small(t) {
		for from := 0; from < len(data); from += 151 {
			_, err := contents.Read(t.Context(), failing{bytes.NewReader(data), int64(from)}, int64(len(data)))
			if !errors.Is(err, errDisk) || errors.Is(err, contents.ErrInvalid) {
				t.Fatalf("%s, broken at %d: %v", name, from, err)
			}
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, data := range small(t) {
		if _, err := contents.Read(ctx, bytes.NewReader(data), int64(len(data))); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
