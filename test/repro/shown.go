package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// shown is what "compose inspect -json" shows of a file.
type shown struct {
	entries map[string]string // the paths of the system, each with all that there is to know of it
	others  map[string]string // what else is in the file: "part NAME", and "VOLUME: PATH", each with its digest
}

// inspect lets compose show a file.
func (l *lab) inspect(ctx context.Context, s *subject, file string) (shown, error) {
	r := newRun(l, s, l.scratch)
	r.cwd = l.scratch
	var out strings.Builder
	if _, err := r.compose(ctx, &out, "inspect", "-json", file); err != nil {
		return shown{}, err
	}
	all, err := readShown([]byte(out.String()))
	if err != nil {
		return shown{}, fmt.Errorf("compose inspect %s: %w", file, err)
	}
	return all, nil
}

// readShown reads what compose shows.
func readShown(text []byte) (shown, error) {
	type named struct {
		Path, Name, Digest string
	}
	var read struct {
		Entries []json.RawMessage
		Parts   []named
		Volumes []struct {
			Name  string
			Files []named
		}
	}
	if err := json.Unmarshal(text, &read); err != nil {
		return shown{}, err
	}
	all := shown{map[string]string{}, map[string]string{}}
	for _, text := range read.Entries {
		var e named
		if err := json.Unmarshal(text, &e); err != nil {
			return shown{}, err
		}
		all.entries[e.Path] += string(text) // a directory is in several layers
	}
	for _, p := range read.Parts {
		all.others["part "+p.Name] += p.Digest
	}
	for _, v := range read.Volumes {
		for _, f := range v.Files {
			all.others[v.Name+": "+f.Path] = f.Digest
		}
	}
	return all, nil
}

// differing returns the keys of what is not the same in a and b.
func differing(a, b map[string]string) []string {
	keys := maps.Clone(a)
	maps.Copy(keys, b)
	var all []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if a[key] != b[key] {
			all = append(all, key)
		}
	}
	return all
}
