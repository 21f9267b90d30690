package compose

import (
	"maps"
	"slices"

	"github.com/composeos/compose/spec"
)

// wanted is an image that a manifest names, and what it is wanted for.
type wanted struct {
	use       spec.ImageUse                   // the first place that names it
	platforms map[spec.Platform]spec.ImageUse // each with the first place that wants it
}

// sorted returns the platforms in the order of their texts.
func (w *wanted) sorted() []spec.Platform {
	return slices.SortedFunc(maps.Keys(w.platforms), spec.ComparePlatforms)
}

// wantedImages returns the images that m names, each once and in the order of
// the places that name it first.
func wantedImages(m *spec.Manifest, built spec.Platform) []*wanted {
	var images []*wanted
	byName := map[string]*wanted{}
	for _, u := range m.Images() {
		w := byName[u.Ref.String()]
		if w == nil {
			w = &wanted{use: u, platforms: map[spec.Platform]spec.ImageUse{}}
			byName[u.Ref.String()] = w
			images = append(images, w)
		}
		for _, p := range platformsOr(u.Platforms, built) {
			if _, known := w.platforms[p]; !known {
				w.platforms[p] = u
			}
		}
	}
	return images
}

// platformsOr returns the platforms that something is wanted for: those that
// are named, or the one that is built for.
func platformsOr(named []spec.Platform, built spec.Platform) []spec.Platform {
	if len(named) == 0 {
		return []spec.Platform{built}
	}
	return named
}
