package main

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"gopkg.in/yaml.v3"
)

// shuffleNames brings names into another order.
func (l *lab) shuffleNames(names []string) {
	l.random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
}

// shuffledLayout writes the files of the layout in another order, and lists its
// images in another order.
func shuffledLayout(_ context.Context, r *run) error {
	layout := filepath.Join(r.in(), "build", "fixture")
	other := layout + "-before"
	if err := os.Rename(layout, other); err != nil {
		return err
	}
	if err := copyTree(other, layout, r.lab.shuffleNames); err != nil {
		return err
	}
	index := filepath.Join(layout, "index.json")
	data, err := os.ReadFile(index)
	if err != nil {
		return err
	}
	var v struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     string            `json:"mediaType"`
		Manifests     []json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	r.lab.random.Shuffle(len(v.Manifests), func(i, j int) { v.Manifests[i], v.Manifests[j] = v.Manifests[j], v.Manifests[i] })
	if data, err = json.MarshalIndent(v, "", "\t"); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(index, data, 0o644), os.RemoveAll(other))
}

// shuffledArchive imports the images from an archive with its entries in another
// order: index first, or in the middle of its blobs, or last.
func shuffledArchive(_ context.Context, r *run) error {
	shuffled := filepath.Join(r.place, "images.tar")
	in, err := os.Open(r.subject.images)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(shuffled)
	if err != nil {
		return err
	}
	r.subject = r.subject.from(shuffled)
	return errors.Join(r.lab.shuffleArchive(in, out), out.Close())
}

// member is one entry of an archive and where its content begins.
type member struct {
	header *tar.Header
	at     int64
}

// shuffleArchive writes the members of an archive in another order.
func (l *lab) shuffleArchive(in io.ReadSeeker, out io.Writer) error {
	var members []member
	for t := tar.NewReader(in); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		at, err := in.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		members = append(members, member{h, at})
	}
	l.random.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	w := tar.NewWriter(out)
	for _, m := range members {
		if err := w.WriteHeader(m.header); err != nil {
			return err
		}
		if _, err := in.Seek(m.at, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.CopyN(w, in, m.header.Size); err != nil {
			return err
		}
	}
	return w.Close()
}

// shuffledKeys brings the keys of the manifests' maps into another order; the
// order of lists means something and stays.
func shuffledKeys(_ context.Context, r *run) error {
	for _, manifest := range r.subject.manifests() {
		path := filepath.Join(r.in(), manifest)
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(data, &doc); err != nil {
			return err
		}
		r.lab.shuffleMaps(&doc)
		if data, err = yaml.Marshal(&doc); err != nil {
			return err
		}
		// A writable copy: the original may be read-only.
		if err := errors.Join(os.Remove(path), os.WriteFile(path, data, 0o644)); err != nil {
			return err
		}
	}
	return nil
}

// shuffleMaps shuffles the pairs of every map below n.
func (l *lab) shuffleMaps(n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		l.random.Shuffle(len(n.Content)/2, func(i, j int) {
			c := n.Content
			c[2*i], c[2*i+1], c[2*j], c[2*j+1] = c[2*j], c[2*j+1], c[2*i], c[2*i+1]
		})
	}
	for _, c := range n.Content {
		l.shuffleMaps(c)
	}
}

// disorder puts all of the run on a file system in user space (Debian's
// disorderfs) whose folders list their files in another order at every look.
// LD_PRELOAD would not do: compose is static.
func disorder(ctx context.Context, r *run) error {
	program, err := exec.LookPath("disorderfs")
	if err != nil {
		return skipped("no disorderfs")
	}
	below, mount := filepath.Join(r.place, "below"), filepath.Join(r.place, "mount")
	for _, dir := range []string{below, mount} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	args := []string{"--quiet", "--shuffle-dirents=yes", "--reverse-dirents=no", "--pad-blocks=0", below, mount}
	if out, err := exec.CommandContext(ctx, program, args...).CombinedOutput(); err != nil {
		return skipped("disorderfs: " + err.Error() + ": " + string(out))
	}
	place := r.place
	r.undo = append(r.undo, func() error {
		r.place = place
		return exec.Command("fusermount3", "-u", "-z", mount).Run()
	})
	r.place, r.cache = mount, filepath.Join(mount, "cache")
	return errors.Join(inDisorder(filepath.Join(mount, "probe")), r.subject.fill(r.in()))
}

// inDisorder wants two looks at a new folder to list its files in two orders.
func inDisorder(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for i := range 20 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o644); err != nil {
			return err
		}
	}
	var looks [2][]string
	for i := range looks {
		f, err := os.Open(dir)
		if err != nil {
			return err
		}
		looks[i], err = f.Readdirnames(-1)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	if slices.Equal(looks[0], looks[1]) {
		return errors.New("disorderfs lists a folder in one order")
	}
	return nil
}
