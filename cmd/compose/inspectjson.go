package main

import (
	"bufio"
	"bytes"
	"io"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs/contents"
	"github.com/composeos/compose/spec"
)

// imageJSON is an image file as programs read it, all but its entries; "compose
// help inspect" names what is in it.
type imageJSON struct {
	Format    string          `json:"format"`
	Size      int64           `json:"size"` // bytes
	Digest    string          `json:"digest"`
	Merged    bool            `json:"merged,omitempty"`
	Parts     []partJSON      `json:"parts"`
	Images    []containerJSON `json:"images,omitempty"`
	Layers    []layerJSON     `json:"layers,omitempty"`
	Kernel    *kernelJSON     `json:"kernel,omitempty"`
	Cmdline   string          `json:"cmdline,omitempty"`
	Initramfs *initramfsJSON  `json:"initramfs,omitempty"`

	Volumes    []volumeJSON    `json:"volumes,omitempty"`
	Table      *tableJSON      `json:"table,omitempty"`
	BootImages []bootImageJSON `json:"bootImages,omitempty"`
	Menus      []menuJSON      `json:"menus,omitempty"`
	Program    *programJSON    `json:"program,omitempty"`
}

type partJSON struct {
	Name         string `json:"name"`
	Kind         string `json:"kind"`
	Offset       int64  `json:"offset"`
	Size         int64  `json:"size"`
	Digest       string `json:"digest"`
	Members      int    `json:"members,omitempty"`
	Uncompressed int64  `json:"uncompressed,omitempty"`
	Entries      int    `json:"entries,omitempty"`
}

type containerJSON struct {
	Tags       []string          `json:"tags"`
	Manifest   string            `json:"manifest,omitempty"`
	Config     string            `json:"config"`
	MediaType  string            `json:"mediaType,omitempty"`
	Platform   string            `json:"platform,omitempty"`
	Created    string            `json:"created,omitempty"`
	Entrypoint []string          `json:"entrypoint,omitempty"`
	Cmd        []string          `json:"cmd,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	Layers     []int             `json:"layers"` // in "layers" of the file
}

type layerJSON struct {
	MediaType    string `json:"mediaType,omitempty"`
	Kind         string `json:"kind"`
	CreatedBy    string `json:"createdBy,omitempty"`
	Digest       string `json:"digest"`
	DiffID       string `json:"diffID"`
	Size         int64  `json:"size"`
	Uncompressed int64  `json:"uncompressed"`
	Entries      int    `json:"entries"`
}

type kernelJSON struct {
	Kind    string `json:"kind"`
	Version string `json:"version,omitempty"`
}

type initramfsJSON struct {
	Complete bool  `json:"complete"`
	Memory   int64 `json:"memory,omitempty"`
	Xattrs   int   `json:"xattrs,omitempty"`
}

// showImageJSON prints what is in an image file as one object.
func showImageJSON(w io.Writer, img *contents.Image, only bool) error {
	text, err := spec.MarshalCanonical(imageToJSON(img))
	if err != nil {
		return err
	}
	b := bufio.NewWriter(w)
	next := bytes.Index(text, []byte("  \"format\": ")) // which follows "entries"
	_, _ = b.Write(text[:next])
	if !only {
		if err := writeEntries(b, img.Entries); err != nil {
			return err
		}
	}
	_, _ = b.Write(text[next:])
	return b.Flush()
}

func imageToJSON(img *contents.Image) imageJSON {
	all := imageJSON{Format: img.Format, Size: img.Size, Digest: img.Digest.String(), Merged: img.Merged, Cmdline: valid(img.Cmdline)}
	for _, p := range img.Parts {
		all.Parts = append(all.Parts, partJSON{valid(p.Name), valid(p.Kind), p.Offset, p.Size, p.Digest.String(), p.Members, p.Plain, p.Entries})
	}
	for _, c := range img.Containers {
		all.Images = append(all.Images, containerToJSON(c))
	}
	for _, l := range img.Layers {
		all.Layers = append(all.Layers, layerJSON{l.MediaType, l.Kind, l.CreatedBy, l.Digest.String(), l.DiffID.String(), l.Size, l.Plain, l.Entries})
	}
	if k := img.Kernel; k != nil {
		all.Kernel = &kernelJSON{k.Kind, valid(k.Version)}
	}
	if r := img.Initramfs; r != nil {
		all.Initramfs = &initramfsJSON{r.Complete, r.Memory, r.Xattrs}
	}
	mediumToJSON(&all, img)
	return all
}

// writeEntries writes the member "entries" of an [imageJSON] as the canonical
// encoder would, but one by one: there may be a million.
func writeEntries(b *bufio.Writer, entries []*rootfs.Entry) error {
	const indent = "\n    "
	before := "  \"entries\": [" + indent
	for _, e := range entries {
		text, err := spec.MarshalCanonical(entryToJSON(e))
		if err != nil {
			return err
		}
		_, _ = b.WriteString(before)
		_, _ = b.Write(bytes.ReplaceAll(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"), []byte(indent)))
		before = "," + indent
	}
	if len(entries) > 0 {
		_, _ = b.WriteString("\n  ],\n")
	}
	return nil
}

func containerToJSON(c contents.Container) containerJSON {
	j := containerJSON{
		Tags: c.Tags, Config: c.Config.String(), MediaType: c.MediaType, Platform: c.Platform, Created: c.Created,
		Entrypoint: c.Entrypoint, Cmd: c.Cmd, Labels: c.Labels, Layers: c.Layers,
	}
	if c.Digest != (rootfs.Digest{}) {
		j.Manifest = c.Digest.String()
	}
	return j
}

// valid replaces what is not UTF-8, which JSON cannot hold.
func valid(s string) string { return strings.ToValidUTF8(s, "\ufffd") }
