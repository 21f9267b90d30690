package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// inspected is an image, and who looks at what is around its files.
type inspected struct {
	name, image string
	inspections []inspection
	plants      []bytePlant
}

// inspection tells what is wrong with an image.
type inspection struct {
	name string
	read func(t *testing.T, image string) []fault
}

// bytePlant is a change of an image's bytes, and who must find it.
type bytePlant struct {
	name  string
	plant func(b []byte)
	found []string // names of inspections
}

// find gives a changed image to every inspection.
func (i *inspected) find(t *testing.T, p bytePlant) {
	t.Helper()
	b, err := os.ReadFile(i.image)
	if err != nil {
		t.Fatal(err)
	}
	p.plant(b)
	image := filepath.Join(t.TempDir(), filepath.Base(i.image))
	if err := os.WriteFile(image, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, r := range i.inspections {
		if len(r.read(t, image)) > 0 {
			found = append(found, r.name)
		}
	}
	if strings.Join(found, ", ") != strings.Join(p.found, ", ") || len(found) == 0 {
		t.Errorf("found by %q, want %q", found, p.found)
	}
}

// inspected are the images with all that looks at what is around their files.
func (m *media) inspected(t *testing.T) []*inspected {
	t.Helper()
	all := []*inspected{
		m.inspectedISO(t), m.inspectedESP(t, "iso's ESP", m.file(".iso")),
		m.inspectedDisk(t, "raw-efi", m.file(".img"), 0), m.inspectedESP(t, "raw-efi's ESP", m.file(".img")),
		m.inspectedProgram(t),
	}
	if m.sized != "" {
		all = append(all, m.inspectedDisk(t, "raw-efi with a size", m.sized, mediaSize))
	}
	if m.brief {
		all[3].plants = nil
	}
	return all
}
