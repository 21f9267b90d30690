package compose

import "github.com/composeos/compose/spec"

// Inputs names everything that decides the bytes of the tree: the manifest as
// merged, what the lock pins of it, and the platform. Pins that the manifest
// does not use, and those for other platforms, do not count.
func Inputs(m *spec.Manifest, l *spec.Lock, p spec.Platform) (spec.Digest, error) {
	metadata, err := m.JSON()
	if err != nil {
		return "", err
	}
	used := map[string]bool{}
	for _, u := range m.Images() {
		used[u.Ref.String()] = true
	}
	lock := *l
	lock.Images = nil
	for _, i := range l.Images {
		if used[i.Name] {
			i.Platforms = map[string]spec.LockedPlatform{p.String(): i.Platforms[p.String()]}
			lock.Images = append(lock.Images, i)
		}
	}
	text, err := spec.MarshalCanonical(struct {
		Manifest spec.Digest `json:"manifest"`
		Lock     spec.Digest `json:"lock"`
		Platform string      `json:"platform"`
	}{spec.DigestOf(metadata), lock.Inputs(), p.String()})
	return spec.DigestOf(text), err
}
