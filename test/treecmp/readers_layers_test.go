package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
)

// readWrapped gives a tar-kernel-initrd to GNU tar, and compares its files with
// those of kernel+initrd, and these with the tree.
func (c *composed) readWrapped(t *testing.T, compression string) []fault {
	archive := c.file(compression, "-initrd.tar")
	files := []string{"kernel", "initrd.img", "cmdline"}
	sums := []string{
		sumOf(t, c.file(compression, "-kernel")), sumOf(t, c.behindMicrocode(t, c.file(compression, "-initrd.img"))), sumOf(t, c.file(compression, "-cmdline")),
	}
	var faults []fault
	for i, p := range []string{"boot/kernel", "", "boot/cmdline"} {
		if r := c.tree.entries[p]; p != "" && (r == nil || r.sum != sums[i]) {
			faults = append(faults, fault{p, "is not the file " + files[i]})
		}
	}
	if u := c.tree.entries["boot/ucode.cpio"]; u != nil {
		files, sums = append(files, "ucode.cpio"), append(sums, u.sum)
	}
	out := reader{dir: c.work, args: []string{"tar", "-tf", archive}}.run(t)
	faults = append(faults, inOrder("GNU tar", files, strings.Fields(out))...)
	for i, name := range files {
		out := reader{dir: c.work, args: script(`tar -xOf "$1" "$2" | sha256sum`, archive, name)}.run(t)
		if got, _, _ := strings.Cut(out, " "); got != sums[i] {
			faults = append(faults, fault{name, "is " + got + ", want " + sums[i]})
		}
	}
	t.Logf("%s: %d files compared", t.Name(), len(files))
	return faults
}

func sumOf(t *testing.T, name string) string {
	t.Helper()
	r := &record{}
	if err := r.readFile(name); err != nil {
		t.Fatal(err)
	}
	return r.sum
}

// docker is the archive that is for docker load.
func (c *composed) docker(t *testing.T) *containerImage {
	t.Helper()
	im := openImage(t, c.file(c.how[0], "-docker.tar"))
	var manifest []struct {
		Config string
		Layers []string
	}
	im.json(t, "manifest.json", &manifest)
	if len(manifest) != 1 {
		t.Fatalf("manifest.json has %d images", len(manifest))
	}
	im.layers = manifest[0].Layers
	im.config(t, manifest[0].Config)
	return im
}

// oci is the OCI layout of which the layers are so compressed.
func (c *composed) oci(t *testing.T, compression string) *containerImage {
	t.Helper()
	im := openImage(t, c.file(compression, "-oci.tar"))
	var index struct{ Manifests []ociDescriptor }
	im.json(t, "index.json", &index)
	if len(index.Manifests) != 1 {
		t.Fatalf("index.json has %d images", len(index.Manifests))
	}
	var manifest ociManifest
	im.json(t, blobName(index.Manifests[0].Digest), &manifest)
	if compression != "none" {
		im.suffix = "+" + compression
	}
	for _, l := range manifest.Layers {
		name := blobName(l.Digest)
		im.layers = append(im.layers, name)
		if size := im.file(t, name).Size(); l.MediaType != "application/vnd.oci.image.layer.v1.tar"+im.suffix || l.Size != size {
			t.Fatalf("layer of %d bytes: %+v", size, l)
		}
	}
	im.config(t, blobName(manifest.Config.Digest))
	return im
}

// maxLayers is how many an image has at most.
const maxLayers = 100

// layerReadings are all that can be done with the layers of an image: they are read
// one by one and, if asked for, unpacked.
func (c *composed) layerReadings(name string, unpack bool, image func(t *testing.T) *containerImage) []reading {
	const all = names | fields | fileTimes | times | attrs | boot
	readings := []reading{{name + "/layers", all, func(t *testing.T) []fault {
		im := image(t)
		if n := len(im.layers); n == 0 || n > maxLayers || n != len(im.diffIDs) {
			t.Fatalf("%d layers, %d diffIDs", n, len(im.diffIDs))
		}
		if d := c.docker(t).diffIDs; !slices.Equal(im.diffIDs, d) {
			t.Errorf("diffIDs %q, docker's are %q", im.diffIDs, d)
		}
		return append(im.checked(t), c.layerByLayer(t, im)...)
	}}}
	if unpack {
		readings = append(readings,
			reading{name + "/GNU tar", all, func(t *testing.T) []fault { return c.unpackOver(t, image(t)) }},
			reading{name + "/bsdtar", all, func(t *testing.T) []fault { return c.unpackApart(t, image(t)) }})
	}
	return readings
}

// layerByLayer holds that each layer is an archive by itself, with every directory
// on the way to its files as the tree has it, and that no path but a directory is in
// two of them.
func (c *composed) layerByLayer(t *testing.T, im *containerImage) []fault {
	var all []fault
	whole := newTree()
	firsts := c.tree.firsts()
	for i, name := range im.layers {
		h := sha256.New()
		layer, faults, err := readArchive(io.TeeReader(im.plain(t, name), h))
		if err != nil {
			t.Fatalf("layer %d: %v", i, err)
		}
		all = append(all, faults...)
		if got := "sha256:" + hex.EncodeToString(h.Sum(nil)); got != im.diffIDs[i] {
			all = append(all, fault{name, fmt.Sprintf("is %s, want %s", got, im.diffIDs[i])})
		}
		links := layer.firsts()
		for p, r := range layer.entries {
			if r.kind != "directory" && whole.entries[p] != nil {
				all = append(all, fault{p, fmt.Sprintf("is in layer %d, and in one below", i)})
			}
			if links[p] != firsts[p] {
				all = append(all, fault{p, fmt.Sprintf("layer %d: hard link to %q, want %q", i, links[p], firsts[p])})
			}
		}
		all = append(all, c.sameFolders(layer)...)
		maps.Copy(whole.entries, layer.entries)
	}
	t.Logf("%s: %d layers", t.Name(), len(im.layers))
	return append(all, matched(t, c.tree, whole)...)
}

// sameFolders compares the folders of a layer with the tree. A folder may be in
// several layers; of what is in one alone the whole is compared.
func (c *composed) sameFolders(layer *tree) []fault {
	var faults []fault
	for p, r := range layer.entries {
		if w := c.tree.entries[p]; r.kind == "directory" && w != nil {
			for _, d := range differences(w, r) {
				faults = append(faults, fault{p, "in a layer: " + d})
			}
		}
	}
	return faults
}

// unpackOver has GNU tar unpack one layer over the other.
func (c *composed) unpackOver(t *testing.T, im *containerImage) []fault {
	r := reader{args: script(`archive=$1; shift
		while (($#)); do `+im.layer()+` | tar --xattrs --xattrs-include=* -xpf -; shift; done`, append([]string{im.path}, im.layers...)...)}
	return matched(t, c.tree, c.unpacked(t, r, nil))
}

// unpackApart has bsdtar unpack each layer into a folder of its own, as those do who
// then mount them over each other. (Over each other bsdtar unpacks them too, but
// leaves a folder that is there already with the time of now.)
func (c *composed) unpackApart(t *testing.T, im *containerImage) []fault {
	var faults []fault
	whole := newTree()
	for _, name := range im.layers {
		r := reader{args: script(`archive=$2; `+im.layer()+` | bsdtar -xpf -`, name, im.path)}
		layer := c.unpacked(t, r, nil)
		for _, r := range layer.entries {
			if r.group != "" { // inodes of another layer's files may be the same
				r.group = name + " " + r.group
			}
		}
		faults = append(faults, c.sameFolders(layer)...)
		maps.Copy(whole.entries, layer.entries)
	}
	return append(faults, matched(t, c.tree, whole)...)
}
