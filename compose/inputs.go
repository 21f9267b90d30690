package compose

import "github.com/composeos/compose/spec"

// Inputs names everything that decides the bytes of the tree: the manifest as
// merged, what the lock pins of it, and the platform. Pins that the manifest
// does not use, and those for platforms that it does not want, do not count.
//
// Nor does the trust section: it decides what is taken in, and nothing of what is
// written.
func Inputs(m *spec.Manifest, l *spec.Lock, p spec.Platform) (spec.Digest, error) {
	metadata, err := withoutTrust(m).JSON()
	if err != nil {
		return "", err
	}
	used := map[string][]spec.Platform{}
	for _, w := range wantedImages(m, p) {
		used[w.use.Ref.String()] = w.sorted()
	}
	lock := *l
	lock.Images = nil
	for _, i := range l.Images {
		platforms, ok := used[i.Name]
		if !ok {
			continue
		}
		all := i.Platforms
		i.Platforms = make(map[string]spec.LockedPlatform, len(platforms))
		for _, p := range platforms {
			i.Platforms[p.String()] = all[p.String()]
		}
		lock.Images = append(lock.Images, i)
	}
	text, err := spec.MarshalCanonical(struct {
		Manifest spec.Digest `json:"manifest"`
		Lock     spec.Digest `json:"lock"`
		Platform string      `json:"platform"`
	}{spec.DigestOf(metadata), lock.Inputs(), p.String()})
	return spec.DigestOf(text), err
}

// withoutTrust returns m as far as it decides what is in the image.
func withoutTrust(m *spec.Manifest) *spec.Manifest {
	plain := *m
	plain.Trust = nil
	return &plain
}
