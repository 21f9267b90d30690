package store

import (
	"encoding/json"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// maxManifest is how long a manifest or an index may be, in bytes.
const maxManifest = 4 << 20

// children are the descriptors in a manifest or an index (image-spec
// manifest.md and image-index.md).
type children struct {
	Manifests []v1.Descriptor `json:"manifests"`
	Config    *v1.Descriptor  `json:"config"`
	Layers    []v1.Descriptor `json:"layers"`
}

// rooted returns the blobs that refs lead to, by the digits of their digest, and
// which ref that is, the first by name.
func (s *Store) rooted() (map[string]string, error) {
	refs, err := s.Refs()
	if err != nil {
		return nil, err
	}
	by, seen := map[string]string{}, map[v1.Hash]bool{}
	for _, r := range refs {
		todo := []v1.Hash{r.Desc.Digest}
		for len(todo) > 0 {
			d := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if checkHash(d) != nil || seen[d] {
				continue
			}
			seen[d] = true
			if by[d.Hex] == "" {
				by[d.Hex] = r.Name
			}
			c := s.children(d)
			for _, m := range c.Manifests {
				todo = append(todo, m.Digest)
			}
			if c.Config != nil {
				c.Layers = append(c.Layers, *c.Config)
			}
			for _, l := range c.Layers {
				if by[l.Digest.Hex] == "" {
					by[l.Digest.Hex] = r.Name
				}
			}
		}
	}
	return by, nil
}

// children reads a blob as a manifest or an index. What is not there, or no
// such thing, leads nowhere.
func (s *Store) children(d v1.Hash) (c children) {
	path := s.path(blobsDir, d.Hex)
	fi, err := os.Stat(path)
	if err != nil || fi.Size() > maxManifest {
		return children{}
	}
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &c) != nil {
		return children{}
	}
	return c
}
