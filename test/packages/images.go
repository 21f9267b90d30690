package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// made is an image as compose prints it.
type made struct{ tag, digest string }

func (m made) String() string {
	if m == (made{}) {
		return "nothing"
	}
	return m.tag + " " + m.digest
}

// local is in front of the names of images that are in no registry.
const local = "localhost/"

// images are images by their names, without local.
type images map[string]made

// parseImages reads the lines that "compose pkg build" prints: digest and name.
func parseImages(printed string) (images, error) {
	all := images{}
	for line := range strings.Lines(printed) {
		digest, ref, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		name, tag, ok := strings.Cut(strings.TrimPrefix(ref, local), ":")
		if !ok || !strings.HasPrefix(digest, "sha256:") || len(digest) != len("sha256:")+64 {
			return nil, fmt.Errorf("compose printed %q, which is not a line of digest and name", line)
		}
		if _, twice := all[name]; twice {
			return nil, fmt.Errorf("compose printed two lines for %s", name)
		}
		all[name] = made{tag, digest}
	}
	if len(all) == 0 {
		return nil, errors.New("compose printed no image")
	}
	return all, nil
}

// names are those of either, sorted.
func (i images) names(others images) []string {
	all := maps.Clone(i)
	maps.Copy(all, others)
	return slices.Sorted(maps.Keys(all))
}

// same returns an error that names each image that is another one than in want.
func (i images) same(want images) error {
	var errs []error
	for _, name := range i.names(want) {
		if i[name] != want[name] {
			errs = append(errs, fmt.Errorf("%s: %s is made, where it was %s", name, i[name], want[name]))
		}
	}
	return errors.Join(errs...)
}

// tagged wants the lines that "compose pkg show-tag" prints to be the images' names
// and tags.
func (i images) tagged(lines string) error {
	var want []string
	for name, m := range i {
		want = append(want, local+name+":"+m.tag)
	}
	got := strings.Fields(lines)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		return fmt.Errorf("show-tag says %q, where build said %q", got, want)
	}
	return nil
}
