package image

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/composeos/compose/spec"
)

// checkText checks that a document means the same to every reader: it is JSON
// in which no object has a key twice, in any mix of cases, and no key that is a
// field of the specification but for its case (encoding/json would read it,
// others would not). Objects under the keys free have keys of people's choice.
func checkText(raw []byte, free ...string) error {
	if len(raw) > maxDocument {
		return fmt.Errorf("%w: %d bytes; at most %d are read", ErrInvalid, len(raw), maxDocument)
	}
	if err := spec.CheckJSON(raw); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if _, ok := v.(map[string]any); !ok {
		return fmt.Errorf("%w: it is not a JSON object", ErrInvalid)
	}
	return checkKeys(v, free)
}

// checkKeys refuses a known key that is spelled with other letters' case.
func checkKeys(v any, free []string) error {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if err := checkKeys(e, free); err != nil {
				return err
			}
		}
	case map[string]any:
		for key, e := range v {
			if want := knownKey(key); want != key {
				return fmt.Errorf("%w: key %q must be %q", ErrInvalid, key, want)
			}
			if slices.Contains(free, key) {
				continue
			}
			if err := checkKeys(e, free); err != nil {
				return err
			}
		}
	}
	return nil
}

// knownKey returns the key of the specification that key is but for its case,
// and key where there is none. These are the keys that compose goes by.
func knownKey(key string) string {
	for _, known := range [...]string{
		"schemaVersion", "mediaType", "config", "layers", "manifests", "annotations", // manifest and index
		"digest", "size", "urls", "platform", "architecture", "os", "variant", // descriptor
		"rootfs", "diff_ids", "created", // config
		"Cmd", "Entrypoint", "Env", "Labels", "User", "WorkingDir",
	} {
		if strings.EqualFold(known, key) {
			return known
		}
	}
	return key
}
