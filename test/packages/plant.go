package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// planting is a difference that has to be found.
type planting struct {
	name     string
	file     string // a pattern that fits one file; it is of the maker's sources, or absolute
	old, new string // once in it
	image    string // that differs
	sameTag  bool   // what differs is nothing that the tag is made of
	again    bool   // the cache's is made anew
	shown    []string
}

// plantings are all of them: a source as it should not be, and a compiler that is
// another one than its checksum says.
func plantings(m *maker) []planting {
	return []planting{
		{
			name: "one byte of a file", file: "pkgs/getty/profile", old: "\n", new: " ", image: "getty",
			shown: []string{"amd64 /etc/profile: ", "arm64 /etc/profile: "},
		},
		{
			name: "one byte of Go's library", file: filepath.Join(m.moduleCache(), "golang.org", "toolchain@*", "src", "flag", "flag.go"),
			old: "flag provided but not defined", new: "Flag provided but not defined", image: "sysctl", sameTag: true, again: true,
			shown: []string{"amd64 /usr/bin/sysctl: ", "arm64 /usr/bin/sysctl: "},
		},
	}
}

// plant has other make something of which one thing is another, and wants compare to
// find that.
func (l *lab) plant(ctx context.Context, one, other *maker) error {
	for _, p := range plantings(other) {
		if err := p.change(other); err != nil {
			return fmt.Errorf("plant %s: %w", p.name, err)
		}
		words := []string{filepath.Join("pkgs", p.image)}
		if p.again {
			words = append(words, "-again")
		}
		r, err := other.build(ctx, l, words...)
		if err != nil {
			return fmt.Errorf("planted: %s: %w", p.name, err)
		}
		planted := *other
		if planted.images, err = parseImages(r.printed); err != nil {
			return err
		}
		where, err := l.where(ctx, one, &planted, p.image)
		if err != nil {
			return err
		}
		if err := p.found(one.images[p.image], planted.images[p.image], where); err != nil {
			return fmt.Errorf("planted: %s: %w:%s", p.name, err, indented(where))
		}
		l.line("planted", p.name+": found in "+p.image, r.took, r.cpu)
	}
	return nil
}

// change plants the difference.
func (p planting) change(m *maker) error {
	pattern := p.file
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(m.tree, pattern)
	}
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) != 1 {
		return fmt.Errorf("%d files are %s: %w", len(files), pattern, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		return err
	}
	changed := bytes.Replace(data, []byte(p.old), []byte(p.new), 1)
	if bytes.Equal(data, changed) {
		return fmt.Errorf("%s does not have %q", files[0], p.old)
	}
	return os.WriteFile(files[0], changed, 0o644) // it stays whose it is
}

// found wants the images to differ, in what is planted.
func (p planting) found(a, b made, where []string) error {
	switch {
	case a.digest == b.digest:
		return fmt.Errorf("%s is %s still", p.image, a.digest)
	case (a.tag == b.tag) != p.sameTag:
		return fmt.Errorf("the tags are %s and %s", a.tag, b.tag)
	}
	for _, prefix := range p.shown {
		if !slices.ContainsFunc(where, func(line string) bool { return strings.HasPrefix(line, prefix) }) {
			return fmt.Errorf("nothing is shown of %s", strings.TrimSuffix(prefix, ": "))
		}
	}
	return nil
}
