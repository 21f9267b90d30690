package image

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/spec"
)

// maxKept is how many bytes of signatures of one digest are kept in the cache,
// which as JSON may be six times as many.
const maxKept = 2 << 20

var _ Signatures = (*Stored)(nil)

// Signatures returns the signatures that were imported with an image.
func (s *Stored) Signatures(_ context.Context, _ spec.Ref, digests ...v1.Hash) ([]spec.Signature, error) {
	var all []spec.Signature
	for _, d := range distinct(digests) {
		found, err := s.signaturesOf(d)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// signaturesOf returns what is kept for one digest. What cannot be read is as if
// it were not there, as with every note.
func (s *Stored) signaturesOf(d v1.Hash) ([]spec.Signature, error) {
	data, err := s.names.Note(store.SignatureNote, d.String())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("signatures of %s: %w", d, err)
	}
	var found []spec.Signature
	if json.Unmarshal(data, &found) != nil {
		return nil, nil
	}
	return found, nil
}

// keepSignatures keeps the signatures of those digests that from has.
func (s *Stored) keepSignatures(ctx context.Context, from Signatures, digests []v1.Hash) error {
	for _, d := range distinct(digests) {
		found, err := from.Signatures(ctx, spec.Ref{}, d)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			continue
		}
		data, err := spec.MarshalCanonical(fitting(found))
		if err != nil {
			return fmt.Errorf("signatures of %s: %w", d, err)
		}
		if err := s.names.SetNote(store.SignatureNote, d.String(), data); err != nil {
			return err
		}
	}
	return nil
}

// fitting leaves out the longest signatures where all together are too long.
func fitting(all []spec.Signature) []spec.Signature {
	length := func(s spec.Signature) int {
		return len(s.Bundle) + len(s.Payload) + len(s.Signature) + len(s.Certificate) + len(s.Chain) + len(s.Rekor) + len(s.Timestamp)
	}
	short := slices.Clone(all)
	slices.SortStableFunc(short, func(a, b spec.Signature) int { return cmp.Compare(length(a), length(b)) })
	total, n := 0, 0
	for n < len(short) && total+length(short[n]) <= maxKept {
		total += length(short[n])
		n++
	}
	return slices.DeleteFunc(slices.Clone(all), func(s spec.Signature) bool { return !slices.Contains(short[:n], s) })
}
