package main

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// pieces are the parts that two outputs can have in common, by their SHA-256.
type pieces struct {
	members map[[sha256.Size]byte]int64 // gzip members of the initramfs; bytes of each
	layers  map[v1.Hash]int64           // of the container image
}

// new counts the pieces that before does not have.
func (p pieces) new(before pieces) (members, layers int) {
	for sum := range p.members {
		if _, ok := before.members[sum]; !ok {
			members++
		}
	}
	for sum := range p.layers {
		if _, ok := before.layers[sum]; !ok {
			layers++
		}
	}
	return members, layers
}

// difference is how many pieces of an output are new after a change, and of how
// many.
type difference struct{ members, layers, ofMembers, ofLayers int }

func (d difference) String() string {
	return fmt.Sprintf("%d of %d members of the initramfs, %d of %d layers of the oci image", d.members, d.ofMembers, d.layers, d.ofLayers)
}

// differences builds initramfs and container image of the workload as it is,
// after a file was changed, and after a package was. Nothing of it is measured.
func (s *stand) differences(ctx context.Context) (map[string]difference, error) {
	if _, err := s.imports(ctx, s.images); err != nil { // the names as they were
		return nil, err
	}
	if err := s.unlock(); err != nil {
		return nil, err
	}
	before, err := s.pieces(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]difference{}
	compare := func(name string) error {
		after, err := s.pieces(ctx)
		if err != nil {
			return err
		}
		members, layers := after.new(before)
		all[name] = difference{members, layers, len(after.members), len(after.layers)}
		return nil
	}
	restore, err := s.changeFile()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(compare(oneFile), restore()); err != nil {
		return nil, err
	}
	for _, c := range []struct{ name, layout string }{{onePackage, s.onePart}, {wholePackage, s.allParts}} {
		if err := s.changePackage(ctx, c.layout); err != nil {
			return nil, err
		}
		if err := compare(c.name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// pieces builds both outputs and takes them apart.
func (s *stand) pieces(ctx context.Context) (p pieces, err error) {
	if err := os.RemoveAll(s.path("out")); err != nil {
		return p, err
	}
	if _, err := s.build(ctx, "-format", "kernel+initrd,oci", "-compress", "gzip"); err != nil {
		return p, err
	}
	f, err := os.Open(s.path("out", initrdFile))
	if err != nil {
		return p, err
	}
	defer f.Close()
	if p.members, err = gzipMembers(f); err != nil {
		return p, fmt.Errorf("%s: %w", initrdFile, err)
	}
	image, err := os.Open(s.path("out", "anchor-oci.tar"))
	if err != nil {
		return p, err
	}
	defer image.Close()
	if p.layers, err = imageLayers(image); err != nil {
		return p, fmt.Errorf("anchor-oci.tar: %w", err)
	}
	return p, nil
}

// gzipMembers returns the members of a gzip file (RFC 1952 2.2).
func gzipMembers(f io.ReaderAt) (map[[sha256.Size]byte]int64, error) {
	all := map[[sha256.Size]byte]int64{}
	in := &countedReader{Reader: io.NewSectionReader(f, 0, 1<<62)}
	b := bufio.NewReaderSize(in, 64<<10)
	z, err := gzip.NewReader(b)
	begin := int64(0)
	for err == nil {
		z.Multistream(false)
		if _, err = io.Copy(io.Discard, z); err != nil {
			return nil, err
		}
		end := in.n - int64(b.Buffered())
		h := sha256.New()
		if _, err = io.Copy(h, io.NewSectionReader(f, begin, end-begin)); err != nil {
			return nil, err
		}
		all[[sha256.Size]byte(h.Sum(nil))] = end - begin
		begin = end
		err = z.Reset(b)
	}
	if !errors.Is(err, io.EOF) || begin == 0 {
		return nil, err
	}
	return all, nil
}

// countedReader counts what is read.
type countedReader struct {
	io.Reader
	n int64
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// maxDocument is more than any JSON document of an image has, bytes.
const maxDocument = 1 << 20

// imageLayers returns the layers of the one image of a layout in a tar archive.
func imageLayers(r io.Reader) (map[v1.Hash]int64, error) {
	documents := map[string][]byte{}
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if h.Size > maxDocument {
			continue
		}
		if documents[h.Name], err = io.ReadAll(t); err != nil {
			return nil, err
		}
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(documents["index.json"], &index); err != nil {
		return nil, fmt.Errorf("index.json: %w", err)
	}
	if len(index.Manifests) != 1 {
		return nil, fmt.Errorf("index.json names %d images", len(index.Manifests))
	}
	var m v1.Manifest
	name := "blobs/" + strings.Replace(index.Manifests[0].Digest.String(), ":", "/", 1)
	if err := json.Unmarshal(documents[name], &m); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	layers := map[v1.Hash]int64{}
	for _, l := range m.Layers {
		layers[l.Digest] = l.Size
	}
	return layers, nil
}
