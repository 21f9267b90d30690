package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"strings"

	"github.com/composeos/compose/spec"
)

// evidencePath is where the signatures lie that a lock names: NAME.evidence.json
// beside NAME.lock.json.
func evidencePath(lockPath string) string {
	if stem, ok := strings.CutSuffix(lockPath, ".lock.json"); ok {
		return stem + ".evidence.json"
	}
	return lockPath + ".evidence.json"
}

// readEvidence reads the signatures that the lock at lockPath names; none where there
// is no such file, or no place for a lock.
func readEvidence(lockPath string) (*spec.Evidence, error) {
	none := &spec.Evidence{Version: spec.EvidenceVersion}
	if lockPath == "" {
		return none, nil
	}
	path := evidencePath(lockPath)
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return nil, err
	}
	return spec.ParseEvidence(path, data)
}

// warnLost says that there are not all signatures which the lock names.
func warnLost(u *ui, in *input) {
	if in.lock == nil {
		return
	}
	lost := map[spec.Digest]bool{}
	for _, i := range in.lock.Images {
		for _, v := range i.Verified {
			if _, there := in.evidence.Signatures[v.Evidence]; !there {
				lost[v.Evidence] = true
			}
		}
	}
	if len(lost) > 0 {
		u.warnf("%s lacks %s that %s names: take it from where that is from, or run \"compose lock\"",
			evidencePath(in.lockPath), count(len(lost), "signature"), in.lockPath)
	}
}

// saveLocked writes a lock and the signatures that it names. Whenever this ends,
// the lock that is there names signatures that are there: those of the old lock
// stay until the new one has taken its place.
func saveLocked(lockPath string, l *spec.Lock, before, after *spec.Evidence) error {
	both := &spec.Evidence{Version: spec.EvidenceVersion, Signatures: maps.Clone(after.Signatures)}
	for d, s := range before.Signatures {
		if both.Signatures == nil {
			both.Signatures = map[spec.Digest]spec.Signature{}
		}
		both.Signatures[d] = s
	}
	if len(both.Signatures) > len(before.Signatures) {
		if err := saveEvidence(lockPath, both); err != nil {
			return err
		}
	}
	if err := saveLock(lockPath, l); err != nil {
		return err
	}
	if len(both.Signatures) > len(after.Signatures) {
		return saveEvidence(lockPath, after)
	}
	return nil
}

// saveEvidence writes a lock's signatures, whole or not at all; where there are none,
// there is no file.
func saveEvidence(lockPath string, e *spec.Evidence) error {
	path := evidencePath(lockPath)
	if len(e.Signatures) == 0 {
		if err := os.Remove(followed(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return lockPlace(path, err)
		}
		return nil
	}
	text, err := e.Marshal()
	if err != nil {
		return fmt.Errorf("evidence %s: %w", path, err)
	}
	if err := replaceFile(path, text); err != nil {
		return lockPlace(path, err)
	}
	return nil
}
