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
		add("signature of "+i.Name, vouchers(*before), vouchers(i), true)
		c = append(c, grantChanges(*before, i)...)
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
	add("trust policy", string(old.Policy), string(lock.Policy), true)
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

// vouchers says in words why an image is taken.
func vouchers(i spec.LockedImage) string {
	if i.Unsigned != "" {
		return "none (" + i.Unsigned + ")"
	}
	var by []string
	for _, v := range i.Verified {
		text := v.Authority + ", " + v.Signer
		if v.Type != spec.SignatureType {
			text = v.Type + " by " + text
		}
		if !slices.Contains(by, text) {
			by = append(by, text)
		}
	}
	return strings.Join(by, "; ")
}

// Granted is what [Change.To] says of something that an image's label gives its
// container, and did not before; a [Change.From] of something that it no longer does.
const Granted = "granted"

// grantChanges says which grants of an image are new, and which are gone.
func grantChanges(before, after spec.LockedImage) []Change {
	var c []Change
	had, has := grantsOf(before), grantsOf(after)
	for _, g := range slices.Sorted(maps.Keys(has)) {
		if !had[g] {
			c = append(c, Change{Name: g + " of image " + after.Name, To: Granted, Local: true})
		}
	}
	for _, g := range slices.Sorted(maps.Keys(had)) {
		if !has[g] {
			c = append(c, Change{Name: g + " of image " + after.Name, From: Granted, Local: true})
		}
	}
	return c
}

// grantsOf returns what the labels of an image grant on any of its platforms, in
// words.
func grantsOf(i spec.LockedImage) map[string]bool {
	all := map[string]bool{}
	for _, p := range i.Platforms {
		if p.Grants == nil {
			continue
		}
		for kind, list := range map[string][]string{
			"bind": p.Grants.Binds, "capability": p.Grants.Capabilities, "device": p.Grants.Devices, "namespace": p.Grants.Namespaces,
			"system": p.Grants.System,
		} {
			for _, g := range list {
				all[kind+" "+g] = true
			}
		}
	}
	return all
}

// isLocal tells whether an image lies beside the manifest, as files or as a source.
func isLocal(name string) bool {
	for _, t := range []spec.Transport{spec.OCI, spec.DockerArchive, spec.PackageDir} {
		if strings.HasPrefix(name, string(t)+":") {
			return true
		}
	}
	return false
}
