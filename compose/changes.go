package compose

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/composeos/compose/spec"
)

// changes says in what a lock differs from the one before, nil for none: the
// images first, in the order of their names.
func changes(old, lock *spec.Lock) []Change {
	if old == nil {
		return nil
	}
	var c []Change
	add := func(name, from, to string, local bool) {
		if from != to {
			c = append(c, Change{name, from, to, local})
		}
	}
	for _, i := range lock.Images {
		local := isLocal(i.Name)
		before, known := old.Image(i.Name)
		if !known {
			add("image "+i.Name, "", string(i.Digest), local)
			continue
		}
		add("image "+i.Name, string(before.Digest), string(i.Digest), local)
		for _, p := range slices.Sorted(maps.Keys(i.Platforms)) {
			if _, had := before.Platforms[p]; !had && before.Digest == i.Digest {
				add("image "+i.Name+" for "+p, "", string(i.Platforms[p].Manifest), true)
			}
		}
	}
	for _, i := range old.Images {
		if _, stays := lock.Image(i.Name); !stays {
			add("image "+i.Name, string(i.Digest), "", false)
		}
	}
	for _, f := range lock.Files {
		before := ""
		if b, known := old.File(f.Source); known {
			before = state(*b)
		}
		add("source "+f.Source, before, state(f), true)
	}
	for _, f := range old.Files {
		if _, stays := lock.File(f.Source); !stays {
			add("source "+f.Source, state(f), "", true)
		}
	}
	add("timestamps", string(old.Timestamps), string(lock.Timestamps), true)
	add("ids", numbers(old.IDs), numbers(lock.IDs), true)
	add("epoch", utc(old.Epoch), utc(lock.Epoch), false)
	return c
}

// state is what a lock says of a source.
func state(f spec.LockedFile) string {
	if f.Absent {
		return "absent"
	}
	return string(f.Digest)
}

func numbers(ids map[string]uint32) string {
	if len(ids) == 0 {
		return "none"
	}
	return strings.TrimPrefix(fmt.Sprint(ids), "map")
}

func utc(epoch int64) string { return time.Unix(epoch, 0).UTC().Format(time.RFC3339) }

// isLocal tells whether an image lies beside the manifest, as files or as a source.
func isLocal(name string) bool {
	for _, t := range []spec.Transport{spec.OCI, spec.DockerArchive, spec.PackageDir} {
		if strings.HasPrefix(name, string(t)+":") {
			return true
		}
	}
	return false
}
