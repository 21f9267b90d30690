package spec

import (
	"fmt"
	"strings"
)

// Platform is an operating system and a CPU architecture in OCI's words
// (image-spec image-index.md, "platform").
type Platform struct {
	OS, Architecture, Variant string
}

// ParsePlatform reads "linux/amd64", "linux/arm64/v8" or, for Linux, "amd64".
func ParsePlatform(s string) (Platform, error) {
	parts := strings.Split(s, "/")
	if len(parts) == 1 {
		parts = []string{"linux", s}
	}
	for _, p := range parts {
		if p == "" || len(parts) > 3 {
			return Platform{}, fmt.Errorf("%q is not a platform: want os/architecture[/variant], such as linux/arm64", s)
		}
	}
	p := Platform{OS: parts[0], Architecture: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return p, nil
}

// String returns the form that [ParsePlatform] reads, always with the system.
func (p Platform) String() string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// ComparePlatforms orders platforms by their text.
func ComparePlatforms(a, b Platform) int {
	return strings.Compare(a.String(), b.String())
}
