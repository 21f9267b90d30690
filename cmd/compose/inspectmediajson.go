package main

import (
	"fmt"

	"github.com/composeos/compose/outputs/contents"
)

// volumeJSON is a filesystem in an image as programs read it.
type volumeJSON struct {
	Name    string     `json:"name"`
	Kind    string     `json:"kind"`
	Label   string     `json:"label,omitempty"`
	Serial  string     `json:"serial,omitempty"`
	Created string     `json:"created,omitempty"`
	Offset  int64      `json:"offset"`
	Size    int64      `json:"size"`
	Files   []fileJSON `json:"files"`
}

// fileJSON is a path of a volume.
type fileJSON struct {
	entryJSON
	Offset *int64 `json:"offset,omitempty"` // where its content is in one piece
}

type tableJSON struct {
	Code       bool            `json:"code"`
	ID         string          `json:"id"` // 8 hexadecimal digits
	GUID       string          `json:"guid,omitempty"`
	Records    []partitionJSON `json:"records"`
	Partitions []partitionJSON `json:"partitions"`
}

type partitionJSON struct {
	Number int    `json:"number"`
	Type   string `json:"type"`
	Kind   string `json:"kind,omitempty"`
	GUID   string `json:"guid,omitempty"`
	Name   string `json:"name,omitempty"`
	Active bool   `json:"active,omitempty"`
	First  int64  `json:"first"` // sector of 512 bytes
	Last   int64  `json:"last"`
	Holds  string `json:"holds,omitempty"`
}

type bootImageJSON struct {
	Platform string `json:"platform"`
	Bootable bool   `json:"bootable"`
	Emulated bool   `json:"emulated,omitempty"`
	Path     string `json:"path,omitempty"`
	Offset   int64  `json:"offset"`
	Size     int64  `json:"size"`
}

type menuJSON struct {
	File    string   `json:"file"`
	Title   string   `json:"title,omitempty"`
	Kernel  string   `json:"kernel"`
	Initrds []string `json:"initrds,omitempty"`
	Cmdline string   `json:"cmdline"`
}

type programJSON struct {
	Timestamp int64  `json:"timestamp"` // seconds since 1970
	OSRelease string `json:"osRelease,omitempty"`
	Uname     string `json:"uname,omitempty"`
	SBAT      string `json:"sbat,omitempty"`
	Signed    bool   `json:"signed"`
}

// mediumToJSON fills in what there is to know of an image that machines boot from.
func mediumToJSON(all *imageJSON, img *contents.Image) {
	for i := range img.Volumes {
		all.Volumes = append(all.Volumes, volumeToJSON(&img.Volumes[i]))
	}
	if t := img.Table; t != nil {
		all.Table = &tableJSON{t.Code, fmt.Sprintf("%08x", t.ID), t.GUID, partitionsToJSON(t.Records), partitionsToJSON(t.Partitions)}
	}
	for _, b := range img.BootImages {
		all.BootImages = append(all.BootImages, bootImageJSON{b.Platform, b.Bootable, b.Emulated, valid(b.Path), b.Offset, b.Size})
	}
	for _, m := range img.Menus {
		j := menuJSON{File: valid(m.File), Title: valid(m.Title), Kernel: valid(m.Kernel), Cmdline: valid(m.Cmdline)}
		for _, path := range m.Initrds {
			j.Initrds = append(j.Initrds, valid(path))
		}
		all.Menus = append(all.Menus, j)
	}
	if p := img.Program; p != nil {
		all.Program = &programJSON{p.Timestamp, valid(p.OSRelease), valid(p.Uname), valid(p.SBAT), p.Signed}
	}
}

func volumeToJSON(v *contents.Volume) volumeJSON {
	j := volumeJSON{Name: valid(v.Name), Kind: v.Kind, Label: valid(v.Label), Serial: v.Serial, Created: v.Created, Offset: v.Offset, Size: v.Size}
	for _, f := range v.Files {
		file := fileJSON{entryJSON: entryToJSON(f.Entry)}
		if f.Offset >= 0 {
			file.Offset = &f.Offset
		}
		j.Files = append(j.Files, file)
	}
	return j
}

func partitionsToJSON(all []contents.Partition) []partitionJSON {
	list := []partitionJSON{}
	for _, p := range all {
		list = append(list, partitionJSON{p.Number, p.Type, p.Kind, p.GUID, valid(p.Name), p.Active, p.First, p.Last, p.Holds})
	}
	return list
}
