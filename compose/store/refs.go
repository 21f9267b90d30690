package store

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Ref is a name that an image was imported under.
type Ref struct {
	Name string
	Desc v1.Descriptor // of its index, or of its manifest
}

// SetRef names a blob. What a name leads to (the blob, and the manifests,
// configurations and layers it lists) is never pruned.
func (s *Store) SetRef(name string, d v1.Descriptor) error {
	if name == "" {
		return errors.New("ref: empty name")
	}
	if err := checkHash(d.Digest); err != nil {
		return fmt.Errorf("ref %s: %w", name, err)
	}
	data, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("ref %s: %w", name, err)
	}
	hex := hexOf(name)
	if err := s.write("ref-"+hex, s.path(refsDir, hex), seal("ref", name, data)); err != nil {
		return fmt.Errorf("ref %s: %w", name, err)
	}
	return nil
}

// Ref returns what a name stands for, or an error that wraps fs.ErrNotExist. It
// wraps [ErrDamaged] too where the name was there.
func (s *Store) Ref(name string) (v1.Descriptor, error) {
	data, err := sealedAs("ref", name, s.path(refsDir, hexOf(name)))
	if errors.Is(err, ErrDamaged) {
		err = fmt.Errorf("%w, import it again: %w", err, fs.ErrNotExist)
	}
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("ref %s: %w", name, err)
	}
	return descriptor(name, data)
}

func descriptor(name string, data []byte) (d v1.Descriptor, err error) {
	if err = json.Unmarshal(data, &d); err == nil {
		err = checkHash(d.Digest)
	}
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("ref %s: %w", name, err)
	}
	return d, nil
}

// Refs returns all names, sorted. Damaged ones are left out; Verify tells of them.
func (s *Store) Refs() ([]Ref, error) {
	files, err := os.ReadDir(s.path(refsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("refs: %w", err)
	}
	var refs []Ref
	for _, f := range files {
		name, data, err := readSealed("ref", s.path(refsDir, f.Name()))
		if errors.Is(err, ErrDamaged) || errors.Is(err, fs.ErrNotExist) || err == nil && hexOf(name) != f.Name() {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("refs: %w", err)
		}
		d, err := descriptor(name, data)
		if err != nil {
			return nil, err
		}
		refs = append(refs, Ref{name, d})
	}
	slices.SortFunc(refs, func(a, b Ref) int { return cmp.Compare(a.Name, b.Name) })
	return refs, nil
}

// RemoveRef forgets a name. What only it led to goes with the next pruning. An
// error wraps fs.ErrNotExist where there is no such name.
func (s *Store) RemoveRef(name string) error {
	err := os.Remove(s.path(refsDir, hexOf(name)))
	if errors.Is(err, fs.ErrNotExist) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return fmt.Errorf("ref %s: %w", name, s.cannotWrite(err))
	}
	return nil
}
