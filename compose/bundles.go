package compose

import (
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/bundle"
	"github.com/composeos/compose/compose/flatten"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/spec"
)

// laidOut is a copy of an image's files in the tree.
type laidOut struct {
	path   string          // "containers/services/nginx/lower"
	points []*rootfs.Entry // the mount points that were added to it
}

// bundles lays out the containers: of each a segment of its own (config.json,
// runtime.json, mount points) and, unless a bundle before it has the same files,
// the image's. system is all that is not a container.
func (b *builder) bundles(system rootfs.Stack) ([]rootfs.Segment, error) {
	copies := map[v1.Hash][]laidOut{}
	var segments []rootfs.Segment
	var errs []error
	for _, p := range b.plan {
		if !p.section.container() {
			continue
		}
		laid, err := b.bundle(p, system, copies)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.where, err))
		}
		segments = append(segments, laid...)
	}
	return segments, errors.Join(errs...)
}

func (b *builder) bundle(p *part, system rootfs.Stack, copies map[v1.Hash][]laidOut) ([]rootfs.Segment, error) {
	c, err := b.configure(p)
	if err != nil {
		return nil, err
	}
	files, err := p.image.containerFiles()
	if err != nil {
		return nil, err
	}
	readonly := c.Readonly != nil && *c.Readonly
	var points []*rootfs.Entry
	if readonly {
		if points, err = b.mountPoints(p, c, files, system); err != nil {
			return nil, err
		}
	}
	var segments []rootfs.Segment
	lies, found := findCopy(copies[p.image.digest], points)
	if !found {
		lies = laidOut{path: p.path + "/lower", points: points}
		if readonly {
			lies.path = p.path + "/rootfs"
		}
		copies[p.image.digest] = append(copies[p.image.digest], lies)
		segments = append(segments, rootfs.Segment{Name: p.origin(), Entries: flatten.Below(lies.path, p.origin(), files)})
	}
	own, err := b.ownSegment(p, c, bundle.Layout{Path: p.path, Files: lies.path, Readonly: readonly})
	if err != nil {
		return nil, err
	}
	if !found {
		own.Entries = rootfs.Sort(append(own.Entries, flatten.Below(lies.path, "", points)...))
	}
	return append(segments, own), nil
}

// configure lays image, label and manifest over each other.
func (b *builder) configure(p *part) (spec.Config, error) {
	image := p.image.config.Config
	c, err := p.container.Configure(spec.Config{
		Command: slices.Concat(image.Entrypoint, image.Cmd),
		Env:     image.Env,
		Cwd:     image.WorkingDir,
	}, image.Labels[spec.Label])
	if err != nil {
		return c, err
	}
	return bundle.Volumes(c, b.volumes())
}

// volumes are the manifest's volumes by name.
func (b *builder) volumes() map[string]bundle.Volume {
	volumes := map[string]bundle.Volume{}
	for _, v := range b.manifest.Volumes {
		volumes[v.Name] = bundle.Volume{Readonly: v.Readonly}
	}
	return volumes
}

// ownSegment is what a bundle has beside the files of its image.
func (b *builder) ownSegment(p *part, c spec.Config, l bundle.Layout) (rootfs.Segment, error) {
	s := rootfs.Segment{Name: p.where}
	config, err := bundle.Config(c, b.Lock.IDs)
	if err != nil {
		return s, err
	}
	runtime, err := bundle.Runtime(c, l)
	if err != nil {
		return s, err
	}
	s.Entries = []*rootfs.Entry{
		rootfs.MadeDir(p.path, 0o755),
		rootfs.MadeFile(p.path+"/config.json", 0o644, config),
		rootfs.MadeDir(p.path+"/rootfs", 0o755),
		rootfs.MadeFile(p.path+"/runtime.json", 0o644, runtime),
	}
	if !l.Readonly {
		s.Entries = append(s.Entries, rootfs.MadeDir(p.path+"/tmp", 0o755))
	}
	return s, nil
}

// findCopy returns a copy of an image that has exactly these mount points.
func findCopy(copies []laidOut, points []*rootfs.Entry) (laidOut, bool) {
	for _, c := range copies {
		if slices.EqualFunc(c.points, points, func(a, b *rootfs.Entry) bool { return a.Path == b.Path && a.Type == b.Type }) {
			return c, true
		}
	}
	return laidOut{}, false
}

// mountPoints are the places that a readonly container is missing for its
// mounts, in path order: the runtime cannot make them there. A bind gets what
// its source is in the tree, a directory where the source comes later.
func (b *builder) mountPoints(p *part, c spec.Config, files []*rootfs.Entry, system rootfs.Stack) ([]*rootfs.Entry, error) {
	at := func(path string) *rootfs.Entry { return rootfs.Find(files, path) }
	var points []*rootfs.Entry
	var covered []string
	for _, m := range bundle.BindMounts(c) {
		path, err := rootfs.Follow(m.Destination, at)
		if err != nil {
			return nil, fmt.Errorf("mount point: %w", err)
		}
		inside := slices.ContainsFunc(covered, func(dir string) bool { return rootfs.Below(path, dir) })
		covered = append(covered, path)
		if inside || path == "" || at(path) != nil {
			continue
		}
		e := rootfs.MadeDir(path, 0o755)
		if m.Bind {
			switch source := find(system, m.Source); {
			case source == nil:
				b.notices = append(b.notices, Notice{Where: p.where, What: fmt.Sprintf(
					"%s is made as a directory to bind %s on, which is not in the tree", m.Destination, m.Source)})
			case source.Type != rootfs.Dir:
				e = rootfs.MadeFile(path, 0o644, nil)
			}
		}
		points = append(points, e)
	}
	return rootfs.Sort(points), nil
}

// find returns what a path of the system leads to, nil where it leads to nothing.
func find(system rootfs.Stack, path string) *rootfs.Entry {
	target, err := rootfs.Follow(path, system.At)
	if err != nil {
		return nil
	}
	return system.At(target)
}
