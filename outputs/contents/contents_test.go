package contents_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs"
	"github.com/composeos/compose/outputs/contents"
)

// system is a tree with an entry of each kind, and all that a machine boots with.
func system(t testing.TB) *rootfs.Tree {
	t.Helper()
	return systemOf(t, rootfs.TreeOptions{Arch: "arm64", Variant: "v8", Epoch: 1600000000, Inputs: rootfs.Digest{1}})
}

// systemOf is that system with more in front of it.
func systemOf(t testing.TB, o rootfs.TreeOptions, loader ...*rootfs.Entry) *rootfs.Tree {
	t.Helper()
	file := func(path, content string, inode uint32) *rootfs.Entry {
		e := rootfs.MadeFile(path, 0o640, []byte(content))
		e.Made, e.Inode, e.ModTime, e.UID, e.GID = false, inode, 1500000000, 1000, 100
		return e
	}
	capable := file("usr/bin/ping", "ping", 0)
	capable.Xattrs = []rootfs.Xattr{{Name: "security.capability", Value: "\x01\x00\xff"}, {Name: "user.a\\b", Value: ""}}
	linked := func(path string) *rootfs.Entry {
		e := file(path, "one file", 3)
		e.Xattrs = []rootfs.Xattr{{Name: "user.x", Value: "\n"}}
		return e
	}
	kernel := []*rootfs.Entry{
		rootfs.MadeDir("boot", 0o755), rootfs.MadeFile("boot/cmdline", 0o644, []byte("console=ttyS0 quiet")),
		file("boot/kernel", string(bzImage("6.1.0 (a@b) #1")), 0), file("boot/ucode.cpio", string(microcode(t)), 0),
	}
	base := []*rootfs.Entry{
		{Path: "dev/null", Type: rootfs.Char, Mode: 0o666, Major: 1, Minor: 3},
		{Path: "dev/ram0", Type: rootfs.Block, Mode: 0o660, Major: 1, GID: 6},
		file("init", "#!/bin/sh\n", 0),
		{Path: "lib", Type: rootfs.Symlink, Mode: 0o777, Link: "usr/lib"},
		{Path: "run/pipe", Type: rootfs.Fifo, Mode: 0o600},
		linked("usr/bin/a\nb"), linked("usr/bin/b"), capable, linked("usr/bin/two"),
		file("usr/"+strings.Repeat("long", 30)+"/Grüße", strings.Repeat("x", 100), 0),
	}
	service := []*rootfs.Entry{file("containers/services/web/lower/index.html", "<html>", 0), file("containers/services/web/lower/empty", "", 0)}
	tree, _, err := rootfs.NewTree([]rootfs.Segment{
		{Name: "kernel", Entries: rootfs.Sort(append(kernel, loader...))},
		{Name: "init[0]", Entries: rootfs.Sort(base)},
		{Name: "services[0] web", Entries: rootfs.Sort(service)},
		{Name: "files", Files: true, Entries: []*rootfs.Entry{rootfs.MadeFile("etc/motd", 0o644, []byte("hello\n"))}},
	}, o)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// microcode is a cpio archive as a processor's microcode comes.
func microcode(t testing.TB) []byte {
	t.Helper()
	return archive(t, rootfs.Cpio{}, rootfs.MadeDir("kernel", 0o755), rootfs.MadeDir("kernel/x86", 0o755), rootfs.MadeDir("kernel/x86/microcode", 0o755),
		rootfs.MadeFile("kernel/x86/microcode/GenuineIntel.bin", 0o644, []byte("microcode")))
}

// archive encodes entries, with the trailer.
func archive(t testing.TB, codec rootfs.Codec, entries ...*rootfs.Entry) []byte {
	t.Helper()
	return append(run(t, codec, entries...), codec.Trailer()...)
}

// run encodes entries without a trailer.
func run(t testing.TB, codec rootfs.Codec, entries ...*rootfs.Entry) (b []byte) {
	t.Helper()
	for _, e := range entries {
		var err error
		if b, err = codec.AppendHeader(b, e); err != nil {
			t.Fatal(err)
		}
		if n := e.Payload(); n > 0 {
			content := make([]byte, n)
			if _, err := e.Body.ReadAt(content, 0); err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			b = append(append(b, content...), make([]byte, codec.Pad(n))...)
		}
	}
	return b
}

// noCache has nothing.
type noCache struct{}

type noMember struct{ *bytes.Reader }

func (noMember) Close() error { return nil }

func (noCache) Member(_ context.Context, _ rootfs.Digest, write func(io.Writer) error) (outputs.Member, error) {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return nil, err
	}
	return noMember{bytes.NewReader(b.Bytes())}, nil
}

func (noCache) Folder() (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp("", "compose-test-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}
func (noCache) Recall(rootfs.Digest) ([]byte, bool) { return nil, false }
func (noCache) Remember(rootfs.Digest, []byte)      {}

// written returns the files of a format.
func written(t testing.TB, tree *rootfs.Tree, format string, c outputs.Compression) map[string][]byte {
	t.Helper()
	return writtenAs(t, tree, format, outputs.Options{Name: "x", Compress: c})
}

func writtenAs(t testing.TB, tree *rootfs.Tree, format string, o outputs.Options) map[string][]byte {
	t.Helper()
	f, ok := outputs.Lookup(format)
	if !ok {
		t.Fatalf("no format %s", format)
	}
	dir := t.TempDir()
	sink := outputs.ToDir(dir)
	defer sink.Abort()
	err := f.Write(t.Context(), tree, outputs.Env{
		Options: o, Sink: sink, Cache: noCache{}, Progress: func(int64) {}, Notify: func(outputs.Notice) {},
	})
	if err == nil {
		err = sink.Commit()
	}
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, name := range f.Files("x") {
		if files[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func read(t testing.TB, data []byte) (*contents.Image, error) {
	t.Helper()
	return contents.Read(t.Context(), bytes.NewReader(data), int64(len(data)))
}

// mustRead reads what has to be readable.
func mustRead(t testing.TB, data []byte) *contents.Image {
	t.Helper()
	img, err := read(t, data)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// media are the formats that take a boot loader: TestReadsMedia.
func media() []string { return []string{"iso", "raw-efi", "uki"} }

// images are the files that compose writes for the tree, one of each kind but media.
func images(t testing.TB, tree *rootfs.Tree) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, format := range slices.DeleteFunc(outputs.Names(), func(f string) bool { return slices.Contains(media(), f) }) {
		for _, c := range outputs.Compressions() {
			if c != outputs.Uncompressed && (format == "tar" || format == "docker") {
				continue // which are not compressed
			}
			for name, data := range written(t, tree, format, c) {
				if !strings.HasSuffix(name, "-cmdline") { // which is text
					all[name+" "+string(c)] = data
				}
			}
		}
	}
	return all
}

// TestReadsWhatIsWritten is the law: a tree, written in any format and
// compression and read back, is that tree.
func TestReadsWhatIsWritten(t *testing.T) {
	tree := system(t)
	all := slices.Collect(tree.Entries())
	ram := slices.DeleteFunc(slices.Clone(all), func(e *rootfs.Entry) bool { return e.Path == "boot" || rootfs.Below(e.Path, "boot") })
	all = slices.DeleteFunc(all, func(e *rootfs.Entry) bool { return e.Path == "" })
	formats := map[string]struct {
		format string
		want   []*rootfs.Entry
	}{
		"x.tar": {contents.Tar, all}, "x-docker.tar": {contents.Docker, all}, "x-oci.tar": {contents.OCI, all},
		"x-initrd.img": {contents.Initrd, ram}, "x-initrd.tar": {contents.TarKernelInitrd, ram}, "x-kernel": {contents.KernelFile, nil},
	}
	found := 0
	for name, data := range images(t, tree) {
		t.Run(name, func(t *testing.T) {
			want, ok := formats[strings.Fields(name)[0]]
			if !ok {
				t.Fatal("a file that this test does not know")
			}
			img := mustRead(t, data)
			if img.Format != want.format || img.Size != int64(len(data)) {
				t.Errorf("%s of %d bytes, want %s of %d", img.Format, img.Size, want.format, len(data))
			}
			got := slices.DeleteFunc(img.Entries, func(e *rootfs.Entry) bool {
				return e.Origin == "microcode" || e.Path == ".compose" || rootfs.Below(e.Path, ".compose")
			})
			slices.SortFunc(got, func(a, b *rootfs.Entry) int { return rootfs.Compare(a.Path, b.Path) }) // an initramfs has init first
			ignore := cmpopts.IgnoreFields(rootfs.Entry{}, "Body", "Nlink", "Inode", "Made", "Origin")
			if diff := cmp.Diff(want.want, got, ignore, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("entries (-written +read):\n%s", diff)
			}
			if img.Digest != rootfs.Digest(sha256.Sum256(data)) || img.Merged != (len(img.Containers) > 0) {
				t.Errorf("digest %s, merged %v", img.Digest, img.Merged)
			}
			checkParts(t, img, data)
		})
		found++
	}
	if found < 14 {
		t.Errorf("only %d files", found)
	}
}

// checkParts holds each part's digest against the file.
func checkParts(t *testing.T, img *contents.Image, data []byte) {
	t.Helper()
	if len(img.Parts) == 0 {
		t.Error("no parts")
	}
	for _, p := range img.Parts {
		if sum := rootfs.Digest(sha256.Sum256(data[p.Offset : p.Offset+p.Size])); sum != p.Digest {
			t.Errorf("part %s has the digest %s, want %s", p.Name, p.Digest, sum)
		}
		if p.Members == 0 && (p.Kind == "gzip" || p.Kind == "zstd") {
			t.Errorf("part %s: %s without members", p.Name, p.Kind)
		}
	}
}

func TestInitrd(t *testing.T) {
	tree := system(t)
	for _, c := range outputs.Compressions() {
		data := written(t, tree, "kernel+initrd", c)["x-initrd.img"]
		img := mustRead(t, data)
		kind := map[outputs.Compression]string{outputs.Gzip: "gzip", outputs.Zstd: "zstd", outputs.Uncompressed: "cpio"}[c]
		front := int64(len(microcode(t)))
		if len(img.Parts) != 2 || img.Parts[0].Name != "microcode" || img.Parts[0].Kind != "cpio" || img.Parts[0].Size != front ||
			img.Parts[1].Name != "initramfs" || img.Parts[1].Kind != kind || img.Parts[1].Offset != front || img.Parts[1].Size != int64(len(data))-front {
			t.Errorf("%s: parts %+v", c, img.Parts)
		}
		if p := img.Parts[1]; c != outputs.Uncompressed && (p.Members < 3 || p.Plain == 0) {
			t.Errorf("%s: %d members, %d bytes uncompressed", c, p.Members, p.Plain)
		}
		ram := img.Initramfs
		if ram == nil || !ram.Complete || ram.Xattrs != 2 || ram.Memory < int64(len(data)) {
			t.Errorf("%s: %+v", c, ram)
		}
		if len(img.Entries) != img.Parts[0].Entries+img.Parts[1].Entries {
			t.Errorf("%s: %d entries", c, len(img.Entries))
		}
	}
}

func TestBootArchive(t *testing.T) {
	img := mustRead(t, written(t, system(t), "tar-kernel-initrd", outputs.Gzip)["x-initrd.tar"])
	var names []string
	for _, p := range img.Parts {
		names = append(names, p.Name+" "+p.Kind)
	}
	want := []string{"kernel bzImage", "initrd.img initramfs", "initramfs gzip", "cmdline text", "ucode.cpio initramfs", "microcode cpio"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	if img.Cmdline != "console=ttyS0 quiet" || img.Kernel.Version != "6.1.0 (a@b) #1" || !img.Initramfs.Complete {
		t.Errorf("%q, %+v, %+v", img.Cmdline, img.Kernel, img.Initramfs)
	}
}

func TestReadCmdline(t *testing.T) {
	for text, want := range map[string]string{"": "", "quiet": "quiet", "quiet\n": "quiet", strings.Repeat("x", 1<<16+1): "error"} {
		img, err := contents.ReadCmdline(t.Context(), strings.NewReader(text), int64(len(text)))
		if err != nil {
			if want != "error" || !errors.Is(err, contents.ErrInvalid) {
				t.Errorf("%.10q: %v", text, err)
			}
			continue
		}
		if img.Cmdline != want || img.Format != contents.Cmdline || img.Digest != rootfs.Digest(sha256.Sum256([]byte(text))) {
			t.Errorf("%q: %+v", text, img)
		}
		checkParts(t, img, []byte(text))
	}
}

func TestContainers(t *testing.T) {
	for _, format := range []string{"docker", "oci"} {
		for _, c := range outputs.Compressions() {
			data := written(t, system(t), format, c)["x-"+format+".tar"]
			img := mustRead(t, data)
			if len(img.Containers) != 1 || len(img.Layers) != 4 {
				t.Fatalf("%s: %d images, %d layers", format, len(img.Containers), len(img.Layers))
			}
			image := img.Containers[0]
			if len(image.Tags) != 1 || !strings.HasSuffix(image.Tags[0], "latest") || image.Platform != "linux/arm64/v8" || !slices.Equal(image.Layers, []int{0, 1, 2, 3}) ||
				image.Created != "2020-09-13T12:26:40Z" || !slices.Equal(image.Entrypoint, []string{"/init"}) || len(image.Labels) != 1 ||
				(image.Digest != rootfs.Digest{}) != (format == "oci") {
				t.Errorf("%s: %+v", format, image)
			}
			stored := map[outputs.Compression]string{outputs.Gzip: "gzip", outputs.Zstd: "zstd", outputs.Uncompressed: "tar"}[c]
			if format == "docker" {
				stored = "tar"
			}
			if got := []string{img.Layers[0].CreatedBy, img.Layers[3].CreatedBy}; !slices.Equal(got, []string{"kernel", "compose"}) {
				t.Errorf("%s: layers of %q", format, got)
			}
			for i, l := range img.Layers {
				if l.Kind != stored || l.Plain%512 != 0 || (l.Digest == l.DiffID) != (stored == "tar") || (l.MediaType == "") != (format == "docker") {
					t.Errorf("%s %s: layer %d: %+v", format, c, i, l)
				}
			}
			origins := map[string]bool{}
			for _, e := range img.Entries {
				origins[e.Origin] = true
			}
			if len(origins) != 4 || !origins["layer 0"] || !origins["layer 3"] {
				t.Errorf("%s: origins %v", format, origins)
			}
		}
	}
}

// text writes an image down, for comparison.
func text(img *contents.Image) string {
	var b strings.Builder
	for _, e := range img.Entries {
		fmt.Fprintf(&b, "%s %s %o %d:%d %d %q %d,%d %x %d %s %q %s\n", e.Path, e.Type, e.Mode, e.UID, e.GID, e.ModTime, e.Link, e.Major, e.Minor, e.Xattrs, e.Size, e.Digest, e.First, e.Origin)
	}
	for _, l := range img.Layers {
		fmt.Fprintf(&b, "%+v\n", l)
	}
	for _, c := range img.Containers {
		c.Tags = nil // nothing in the file guards them
		fmt.Fprintf(&b, "%+v\n", c)
	}
	fmt.Fprintf(&b, "%+v %q\n", img.Kernel, img.Cmdline)
	return b.String()
}
