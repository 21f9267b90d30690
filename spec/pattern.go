package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Pattern is a pattern of image names, as policies match them: a [Ref] in which *
// stands for any characters within a part between slashes or within a tag, and the
// part ** for one or more parts. Patterns are equal where their canonical spellings
// are. The zero Pattern matches nothing.
type Pattern struct {
	ref Ref // with wildcards in Name and Tag
}

// ParsePattern reads a pattern:
//
//	linuxkit/*                   docker.io/linuxkit/*, whatever the tag
//	ghcr.io/acme/**              everything below it
//	ghcr.io/acme/web:v1.*        by tag
//	ghcr.io/acme/web@sha256:…    where the manifest names this digest
//	oci:images/*[:TAG|@DIGEST]   image layouts by their path in the manifest
//	docker-archive:FILE[:NAME:TAG]
//
// Docker Hub's host and library are put before a name as [ParseRef] does it, but
// not where the first part has a wildcard: that part is a host.
func ParsePattern(s string) (Pattern, error) {
	if s == "" {
		return Pattern{}, errors.New("the pattern is empty; want names of images, such as docker.io/linuxkit/*")
	}
	if err := checkRefText(s); err != nil {
		return Pattern{}, err
	}
	var r Ref
	var err error
	scheme, rest, found := strings.Cut(s, ":")
	switch t := Transport(strings.TrimPrefix(scheme, "@")); {
	case found && t != lowered(t) && lowered(t) != Registry:
		err = fmt.Errorf("write %s: in lower case", lowered(t))
	case found && t == PackageDir:
		err = errors.New("no policy covers a package source: it is trusted as source")
	case found && (t == OCI || t == DockerArchive):
		r, err = parseLocalPattern(t, rest)
	default:
		r, err = parseRegistryPattern(s)
	}
	if err != nil {
		return Pattern{}, fmt.Errorf("%q: %w", s, err)
	}
	return Pattern{r}, nil
}

// lowered returns the transport that t is in lower case, and Registry where there is
// none: hosts know no case, and one must not become a transport.
func lowered(t Transport) Transport {
	switch low := Transport(strings.ToLower(string(t))); low {
	case OCI, DockerArchive, PackageDir:
		return low
	}
	return Registry
}

// The wildcards of patterns.
const (
	anyText  = "*"
	anyParts = "**"
)

// anExample returns a text that a pattern of one part stands for. The digit fits
// wherever anything does: in names, hosts, ports and tags.
func anExample(part string) string {
	return strings.ReplaceAll(part, anyText, "1")
}

// parseRegistryPattern reads [host/]path[:tag][@digest] with wildcards.
func parseRegistryPattern(s string) (Ref, error) {
	name, digest, err := cutDigest(s)
	if err != nil {
		return Ref{}, err
	}
	name, tag, hasTag := cutTag(name)
	if err := checkWildcards(name, tag); err != nil {
		return Ref{}, err
	}
	if hasTag && !tagPattern.MatchString(anExample(tag)) {
		return Ref{}, fmt.Errorf("%q stands for no tag: want letters, digits, and _ . - (not . or - first)", tag)
	}
	parts := strings.Split(name, "/")
	if parts, err = withHost(parts); err != nil {
		return Ref{}, err
	}
	for i, part := range parts {
		switch {
		case part == anyParts:
		case i > 0:
			err = checkRepositoryPart(anExample(part))
		case !hostPattern.MatchString(anExample(part)):
			err = fmt.Errorf("%q stands for no host", part)
		}
		if err != nil {
			return Ref{}, err
		}
	}
	return Ref{Name: strings.Join(parts, "/"), Tag: tag, Digest: digest}, nil
}

// withHost puts Docker Hub's host and library before the parts of a name that say
// neither, and gives the host its one spelling.
func withHost(parts []string) ([]string, error) {
	first := parts[0]
	switch {
	case len(parts) == 1 && strings.Contains(first, anyText) && first != anyParts:
		return nil, fmt.Errorf("it stands for no image, as a name has a host: want %s/library/%s, or %s for all", defaultHost, first, anyParts)
	case strings.Contains(first, anyText):
	case len(parts) == 1 || !isHost(first):
		parts = slices.Concat([]string{defaultHost}, parts)
	}
	parts[0] = canonicalHost(parts[0])
	if len(parts) == 2 && parts[0] == defaultHost && parts[1] != anyParts {
		parts = slices.Insert(parts, 1, "library")
	}
	return parts, nil
}

// canonicalHost gives a host the spelling that patterns compare: hosts know no case.
func canonicalHost(host string) string {
	host = strings.ToLower(host)
	if host == "index."+defaultHost {
		return defaultHost
	}
	return host
}

// parseLocalPattern reads what stands behind oci: or docker-archive:.
func parseLocalPattern(t Transport, s string) (Ref, error) {
	r := Ref{Transport: t}
	var err error
	if i := strings.LastIndex(s, "@"+digestPrefix); i >= 0 && t == OCI {
		if r.Digest, err = ParseDigest(s[i+1:]); err != nil {
			return Ref{}, err
		}
		s = s[:i]
	}
	file, tag, hasTag := strings.Cut(s, ":")
	if err := checkWildcards(file, tag); err != nil {
		return Ref{}, err
	}
	switch {
	case hasTag && r.Digest != "":
		return Ref{}, errors.New("an image of a layout is named by tag or by digest, not by both")
	case hasTag && tag == "":
		return Ref{}, errors.New("there is nothing behind the colon")
	case hasTag && t == OCI && !refNamePattern.MatchString(anExample(tag)):
		return Ref{}, fmt.Errorf("%q stands for no image in a layout", tag)
	}
	r.Tag = tag
	r.Name, err = cleanLocal(file)
	return r, err
}

// checkWildcards sees that ** is a part of its own, and that no path leads out of a
// wildcard.
func checkWildcards(name, tag string) error {
	wild := false
	for part := range strings.SplitSeq(name, "/") {
		if strings.Contains(part, anyParts) && part != anyParts {
			return fmt.Errorf("%s must stand alone between slashes, not in %q", anyParts, part)
		}
		if part == ".." && wild {
			return errors.New(".. behind a wildcard leads nowhere that is known")
		}
		wild = wild || strings.Contains(part, anyText)
	}
	if strings.Contains(tag, anyParts) {
		return fmt.Errorf("a tag has no parts: want * in it, not %s", anyParts)
	}
	return nil
}

// String returns the canonical spelling, which [ParsePattern] reads back to the same
// pattern; "" for the zero Pattern.
func (p Pattern) String() string { return p.ref.String() }

// checkImages is the check of texts that are patterns of image names.
func checkImages(s, _ string) error {
	_, err := ParsePattern(s)
	return err
}
