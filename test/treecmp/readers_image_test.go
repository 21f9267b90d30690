package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// containerImage is an archive with an image in it.
type containerImage struct {
	path    string
	files   map[string]*io.SectionReader // of the archive, by path
	layers  []string                     // paths of the layers' blobs, lowest first
	diffIDs []string
	suffix  string // of the layers' media types
}

// openImage finds the files of an archive.
func openImage(t *testing.T, name string) *containerImage {
	t.Helper()
	f := open(t, name)
	im := &containerImage{path: name, files: map[string]*io.SectionReader{}}
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		begin, err := f.Seek(0, io.SeekCurrent) // archive/tar reads no further
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			im.files[h.Name] = io.NewSectionReader(f, begin, h.Size)
		}
	}
	return im
}

// checked holds that GNU tar finds those files too, and that each blob has the digest
// which is its name.
func (im *containerImage) checked(t *testing.T) []fault {
	t.Helper()
	out := reader{args: []string{"tar", "-tf", im.path}}.run(t)
	seen := slices.DeleteFunc(strings.Fields(out), func(p string) bool { return strings.HasSuffix(p, "/") })
	faults := listed(t, slices.Collect(maps.Keys(im.files)), seen)
	for p := range im.files {
		if digest, ok := strings.CutPrefix(p, "blobs/sha256/"); ok {
			if got := digestOf(t, im.file(t, p)); got != "sha256:"+digest {
				faults = append(faults, fault{p, "has " + got})
			}
		}
	}
	return faults
}

// file is a file of the archive, from its beginning.
func (im *containerImage) file(t *testing.T, name string) *io.SectionReader {
	t.Helper()
	r := im.files[name]
	if r == nil {
		t.Fatalf("%s has no %s", im.path, name)
	}
	return io.NewSectionReader(r, 0, r.Size())
}

// blobName is where a digest's bytes are.
func blobName(digest string) string {
	return "blobs/sha256/" + strings.TrimPrefix(digest, "sha256:")
}

func (im *containerImage) json(t *testing.T, name string, v any) {
	t.Helper()
	text, err := io.ReadAll(im.file(t, name))
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func (im *containerImage) config(t *testing.T, name string) {
	t.Helper()
	var config struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	im.json(t, name, &config)
	im.diffIDs = config.RootFS.DiffIDs
}

func digestOf(t *testing.T, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatal(err)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// plain is a layer as it is uncompressed.
func (im *containerImage) plain(t *testing.T, name string) io.Reader {
	t.Helper()
	packed := im.file(t, name)
	switch im.suffix {
	case "+gzip":
		z, err := gzip.NewReader(packed)
		if err != nil {
			t.Fatal(err)
		}
		return z
	case "+zstd":
		z, err := zstd.NewReader(packed)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(z.Close)
		return z
	}
	return packed
}

// layer is a command that writes a layer to the standard output. Its blob is $1.
func (im *containerImage) layer() string {
	how := map[string]string{"": "none", "+gzip": "gzip", "+zstd": "zstd"}[im.suffix]
	return fmt.Sprintf(`tar --occurrence=1 -xOf "$archive" "$1" | %s`, decompress(how))
}
