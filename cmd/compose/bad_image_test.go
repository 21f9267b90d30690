package main

import (
	"archive/tar"
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"testing"
)

// layout returns a case whose layout is made so.
func layout(name string, s smallImage) badCase {
	return badCase{name: name, spoil: func(t *testing.T, dir string) {
		remove(t, dir, "images")
		s.write(t, filepath.Join(dir, "images"))
	}}
}

// damage returns a change of the files of a layout.
func damage(which func(*madeLayout) string, edit func([]byte) []byte) func(*madeLayout) {
	return func(l *madeLayout) {
		path := l.blob(which(l))
		data, err := os.ReadFile(path)
		if err == nil && edit == nil {
			err = os.Remove(path)
		} else if err == nil {
			err = os.WriteFile(path, edit(data), 0o644)
		}
		if err != nil {
			panic(err)
		}
	}
}

func flip(data []byte) []byte { data[len(data)/2] ^= 1; return data }
func cut(data []byte) []byte  { return data[:len(data)/2] }

func theLayer(l *madeLayout) string    { return l.layer }
func theConfig(l *madeLayout) string   { return l.config }
func theManifest(l *madeLayout) string { return l.manifest }

// badLayouts are layouts whose documents are refused.
func badLayouts() []badCase {
	name := func(s string) string { return "layout/" + s }
	return []badCase{
		{name("no layout"), func(t *testing.T, dir string) { remove(t, dir, "images/oci-layout") }, ""},
		{name("of another version"), func(t *testing.T, dir string) {
			writeFile(t, dir, "images/oci-layout", `{"imageLayoutVersion":"2.0.0"}`)
		}, ""},
		{name("index is no JSON"), func(t *testing.T, dir string) { writeFile(t, dir, "images/index.json", "[") }, ""},
		layout(name("no such tag"), smallImage{top: func(d doc) {
			first(d, "manifests")["annotations"] = doc{"org.opencontainers.image.ref.name": "apps"}
		}}),
		layout(name("a tag twice"), smallImage{top: func(d doc) {
			again := doc{"mediaType": "application/vnd.oci.image.index.v1+json", "size": 2, "digest": "sha256:" + hexOf([]byte("{}")), "annotations": first(d, "manifests")["annotations"]}
			d["manifests"] = append(d["manifests"].([]any), again)
		}}),
		layout(name("manifest missing"), smallImage{after: damage(theManifest, nil)}),
		layout(name("manifest damaged"), smallImage{after: damage(theManifest, flip)}),
		layout(name("manifest cut short"), smallImage{after: damage(theManifest, cut)}),
		layout(name("config missing"), smallImage{after: damage(theConfig, nil)}),
		layout(name("config damaged"), smallImage{after: damage(theConfig, flip)}),
		layout(name("size of the manifest"), smallImage{index: func(d doc) { first(d, "manifests")["size"] = 7 }}),
		layout(name("both index and manifest"), smallImage{index: func(d doc) {
			d["layers"], d["config"] = []any{}, doc{}
		}}),
		layout(name("no such platform"), smallImage{index: func(d doc) {
			first(d, "manifests")["platform"] = doc{"os": "linux", "architecture": "s390x"}
		}}),
		layout(name("a platform twice"), smallImage{index: func(d doc) {
			other := maps.Clone(first(d, "manifests"))
			other["digest"] = "sha256:" + hexOf([]byte("other"))
			d["manifests"] = append(d["manifests"].([]any), other)
		}}),
		layout(name("config of another architecture"), smallImage{config: func(d doc) { d["architecture"] = "arm64" }}),
		layout(name("config is no JSON"), smallImage{config: func(d doc) { d["raw"] = "<config/>" }}),
		layout(name("a key twice"), smallImage{manifest: func(d doc) { d["raw"] = `{"schemaVersion":2,"schemaVersion":2}` }}),
		layout(name("a layer elsewhere"), smallImage{manifest: func(d doc) {
			first(d, "layers")["urls"] = []string{"https://example.org/layer"}
		}}),
		layout(name("unknown media type"), smallImage{media: "application/vnd.acme.layer"}),
		layout(name("more diffIDs than layers"), smallImage{config: func(d doc) {
			rootfs := d["rootfs"].(doc)
			rootfs["diff_ids"] = append(rootfs["diff_ids"].([]any), rootfs["diff_ids"].([]any)...)
		}}),
		{name("bad label"), func(t *testing.T, dir string) {
			layout("x", smallImage{config: func(d doc) {
				d["config"] = doc{"Cmd": []string{"/app"}, "Labels": doc{"org.mobyproject.config": `{"capabilites":["all"]}`}}
			}}).spoil(t, dir)
			writeFile(t, dir, "m.yml", "services:\n  - {name: app, image: \"oci:images:app\"}\n")
		}, ""},
	}
}

// badLayers are layers that are refused.
func badLayers() []badCase {
	name := func(s string) string { return "layer/" + s }
	file := func(h tar.Header) smallImage { return smallImage{entries: []*tar.Header{&h}} }
	return []badCase{
		layout(name("missing"), smallImage{after: damage(theLayer, nil)}),
		layout(name("damaged"), smallImage{tar: grow, after: damage(theLayer, flip)}),
		layout(name("cut short"), smallImage{tar: grow, after: damage(theLayer, cut)}),
		layout(name("another diffID"), smallImage{config: func(d doc) {
			d["rootfs"].(doc)["diff_ids"] = []any{"sha256:" + hexOf([]byte("other"))}
		}}),
		layout(name("gzip that ends early"), smallImage{tar: grow, packed: cut}),
		layout(name("garbage behind gzip"), smallImage{tar: grow, packed: func(b []byte) []byte { return append(b, "garbage"...) }}),
		layout(name("no gzip"), smallImage{tar: grow, packed: func([]byte) []byte { return []byte("no gzip at all") }}),
		layout(name("no zstd"), smallImage{tar: grow, media: "application/vnd.oci.image.layer.v1.tar+zstd"}),
		layout(name("tar that ends early"), smallImage{tar: func(b []byte) []byte { return b[:700] }}),
		layout(name("data behind the end"), smallImage{tar: func(b []byte) []byte { return append(b, bytes.Repeat([]byte("x"), 512)...) }}),
		layout(name("no tar"), smallImage{tar: func([]byte) []byte { return bytes.Repeat([]byte("no tar "), 200) }}),
		layout(name("a path that leaves the root"), file(tar.Header{Name: "a/../../etc/passwd", Typeflag: tar.TypeReg})),
		layout(name("a link to nothing"), file(tar.Header{Name: "a", Typeflag: tar.TypeLink, Linkname: "b"})),
		layout(name("a whiteout of nothing"), file(tar.Header{Name: "etc/.wh.", Typeflag: tar.TypeReg})),
		layout(name("a root that is a file"), file(tar.Header{Name: "./", Typeflag: tar.TypeSymlink, Linkname: "x"})),
		layout(name("a symlink without a target"), smallImage{tar: func(b []byte) []byte { return retype(b, '2') }}),
		layout(name("an entry of no kind"), smallImage{tar: func(b []byte) []byte { return retype(b, 'Z') }}),
		layout(name("a sparse file"), smallImage{tar: func(b []byte) []byte { return retype(b, 'S') }}),
		layout(name("a loop of symlinks"), smallImage{entries: []*tar.Header{
			{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "b"},
			{Name: "b", Typeflag: tar.TypeSymlink, Linkname: "a"},
			{Name: "a/c", Typeflag: tar.TypeReg, Mode: 0o644},
		}}),
	}
}

// grow makes a layer another one than that which the cache has.
func grow(b []byte) []byte { return append(b, make([]byte, 1024)...) }

// retype gives the first entry of a tar another type.
func retype(b []byte, flag byte) []byte {
	b[156] = flag
	copy(b[148:156], "        ")
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:156], []byte{'0' + byte(sum>>15&7), '0' + byte(sum>>12&7), '0' + byte(sum>>9&7), '0' + byte(sum>>6&7), '0' + byte(sum>>3&7), '0' + byte(sum&7), 0, ' '})
	return b
}

// badCaches are caches, and uses of one, that are refused.
func badCaches() []badCase {
	name := func(s string) string { return "cache/" + s }
	nothing := func(*testing.T, string) {}
	return []badCase{
		{name("a file"), func(t *testing.T, dir string) {
			remove(t, dir, "cache")
			writeFile(t, dir, "cache", "x")
		}, ""},
		{name("something else"), func(t *testing.T, dir string) {
			remove(t, dir, "cache")
			writeFile(t, dir, "cache/thesis.txt", "x")
		}, ""},
		{name("of another version"), func(t *testing.T, dir string) { writeFile(t, dir, "cache/version", "compose cache 9\n") }, ""},
		{name("an image damaged"), damageManifests, ""},
		{name("verify finds damage"), damageManifests, "cache verify"},
		{name("empty"), func(t *testing.T, dir string) { remove(t, dir, "cache") }, ""},
		{name("import of nothing"), nothing, "cache import nowhere"},
		{name("import of a text"), nothing, "cache import data"},
		{name("import of a folder"), func(t *testing.T, dir string) { writeFile(t, dir, "folder/x", "") }, "cache import folder"},
		{name("import of a damaged layout"), func(t *testing.T, dir string) {
			layout("x", smallImage{tar: grow, after: damage(theLayer, flip)}).spoil(t, dir)
		}, "cache import -progress none images"},
		{name("export of what is not there"), nothing, "cache export -o x.tar acme/nothing:1"},
		{name("export to nowhere"), nothing, "cache export -o nowhere/x.tar test/app:v1"},
		{name("removal of what is not there"), nothing, "cache rm acme/nothing:1"},
		{name("removal of what is no digest"), nothing, "cache rm sha256:12"},
	}
}

// damageManifests flips a bit of the smallest blobs of the cache: the documents.
func damageManifests(t *testing.T, dir string) {
	t.Helper()
	remove(t, dir, "images") // so that nothing can be made again
	folder := filepath.Join(dir, "cache", "v1", "blobs", "sha256")
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "m.yml", "services:\n  - {name: app, image: \"test/app:v1\"}\n")
	for _, f := range files {
		path := filepath.Join(folder, f.Name())
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Name()) == 64 && bytes.Contains(data, []byte("manifests")) {
			if err := os.WriteFile(path, flip(data), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
