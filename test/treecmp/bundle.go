package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// bundle lays out a container.
func (x *expected) bundle(c container, path string) {
	f, digest := x.image(c.Image)
	if f == nil {
		return
	}
	f.discard()
	readonly := x.readonly(c, f)
	files := x.imageFiles(f.tree, true)
	dirs := []string{"", "rootfs"}
	lies := laidOut{path: path + "/lower"}
	if readonly {
		lies.path = path + "/rootfs"
	} else {
		dirs = append(dirs, "tmp")
	}
	points := map[string]*record{}
	if readonly {
		points = x.mountPoints(path, files)
		lies.points = strings.Join((&tree{points}).paths(), "\n")
	}
	x.bundleFiles(path, dirs)
	for _, there := range x.copies[digest] {
		if there.points == lies.points {
			x.note(ruleShared, len(files.entries))
			x.pointsTo(path, there.path)
			return
		}
	}
	x.copies[digest] = append(x.copies[digest], lies)
	x.lay(lies.path, files)
	for p, r := range points {
		x.note(rulePoints, 1)
		x.put(join(lies.path, p), r)
	}
	x.pointsTo(path, lies.path)
}

// readonly is what the manifest says, or else the image's label.
func (x *expected) readonly(c container, f *flat) bool {
	if c.Readonly != nil {
		return *c.Readonly
	}
	var label struct {
		Readonly bool `json:"readonly"`
	}
	if text := f.labels["org.mobyproject.config"]; text != "" {
		x.check(json.Unmarshal([]byte(text), &label))
	}
	return label.Readonly
}

// bundleFiles is what compose writes into a bundle.
func (x *expected) bundleFiles(path string, dirs []string) {
	for _, d := range dirs {
		x.note(ruleBundle, 1)
		x.put(join(path, d), madeDir(0o755))
	}
	for _, name := range []string{"config.json", "runtime.json"} {
		x.note(ruleBundle, 1)
		r := madeFile(0o644, "")
		r.anything = true
		x.put(join(path, name), r)
		var document map[string]any
		x.json(join(path, name), &document)
	}
}

// json decodes a file that compose wrote.
func (x *expected) json(path string, v any) {
	r := x.got.entries[path]
	if r == nil {
		return // compare says it
	}
	if err := json.Unmarshal(r.text, v); err != nil {
		x.fail(fmt.Errorf("%s: %w", path, err))
	}
}

// pointsTo holds that one of the bundle's documents names the place of its files.
func (x *expected) pointsTo(path, files string) {
	var both strings.Builder
	for _, name := range []string{"config.json", "runtime.json"} {
		if r := x.got.entries[join(path, name)]; r != nil {
			both.Write(r.text)
		}
	}
	text := both.String()
	if text != "" && !strings.Contains(text, "/"+files+`"`) && !strings.Contains(text, "lowerdir=/"+files) && !strings.HasPrefix(files, path+"/") {
		x.fail(fmt.Errorf("%s: neither config.json nor runtime.json names /%s", path, files))
	}
}

// mountPoints is what files lack of what the bundle's config.json mounts on, but for
// what lies below another mount.
func (x *expected) mountPoints(path string, files *tree) map[string]*record {
	var config struct {
		Mounts []struct {
			Destination string   `json:"destination"`
			Type        string   `json:"type"`
			Source      string   `json:"source"`
			Options     []string `json:"options"`
		} `json:"mounts"`
	}
	x.json(path+"/config.json", &config)
	points := map[string]*record{}
	var covered []string
	for _, m := range config.Mounts {
		there, at := files.at(m.Destination)
		below := false
		for _, c := range covered {
			below = below || strings.HasPrefix(at, c+"/")
		}
		covered = append(covered, at)
		if there != nil || below {
			continue
		}
		points[at] = madeDir(0o755)
		if source, _ := x.system.at(m.Source); m.Type == "bind" && source != nil && source.kind != "directory" {
			points[at] = madeFile(0o644, "")
		}
	}
	return points
}
