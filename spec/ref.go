package spec

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Transport says where a reference points to.
type Transport string

// The transports. A registry reference has none in front of it.
const (
	Registry      Transport = ""
	OCI           Transport = "oci"            // an OCI image layout, a directory or a tar of one
	DockerArchive Transport = "docker-archive" // what "docker save" writes
	PackageDir    Transport = "pkg"            // a package source beside the manifest
)

// Ref is a reference to a package image: a registry's name, or a local path
// behind a transport. It is comparable. [Ref.String] gives the one spelling
// that locks, policies and messages use.
type Ref struct {
	Transport Transport
	Name      string // canonical repository ("docker.io/library/busybox"), or the cleaned path
	Tag       string // of a registry name ("latest" where neither tag nor digest is given); of an image in a layout; NAME:TAG of one in a docker archive
	Digest    Digest // "" where it is not named by digest
	Base      string // folder that a local path is relative to: the manifest's; "" for a registry name
}

// The limits of names in registries; see distribution-spec, "Pulling
// manifests", and what registries and clients agree on beyond it.
const (
	maxRepository = 255
	defaultHost   = "docker.io"
	defaultTag    = "latest"
	maxRef        = 4096 // the longest path of Linux
)

// ParseRef reads a reference:
//
//	busybox                      docker.io/library/busybox:latest
//	linuxkit/init:v1             docker.io/linuxkit/init:v1
//	ghcr.io/a/b@sha256:…         a host has a dot or a colon, or is localhost
//	oci:DIR[:TAG|@DIGEST]        an image layout, a folder or a tar of one
//	docker-archive:FILE[:NAME:TAG]
//	pkg:DIR, @pkg:DIR            a package source
//
// Local paths are relative to base.
func ParseRef(s, base string) (Ref, error) {
	if err := checkRefText(s); err != nil {
		return Ref{}, err
	}
	scheme, rest, found := strings.Cut(s, ":")
	if !found {
		return parseRegistryRef(s)
	}
	var r Ref
	var err error
	switch Transport(strings.TrimPrefix(scheme, "@")) {
	case OCI:
		r, err = parseLayoutRef(rest)
	case DockerArchive:
		r, err = parseArchiveRef(rest)
	case PackageDir:
		r, err = parsePackageRef(rest)
	default:
		return parseRegistryRef(s)
	}
	if err != nil {
		return Ref{}, fmt.Errorf("%q: %w", s, err)
	}
	r.Base = base
	return r, nil
}

// foreignTransports are beginnings that other tools know and that would
// otherwise be read as the name of an image, or give a puzzling error.
var foreignTransports = []struct{ prefix, hint string }{
	{"oci-archive:", "write oci:FILE, which also reads a tar"},
	{"docker-daemon:", `save the image with "docker save" and write docker-archive:FILE`},
	{"containers-storage:", "save the image into a file and write oci:FILE or docker-archive:FILE"},
	{"docker://", "write the name alone, without docker://"},
	{"http://", "write the name alone, without http://"},
	{"https://", "write the name alone, without https://"},
	{"@oci:", "only pkg: may have an @ before it"},
	{"@docker-archive:", "only pkg: may have an @ before it"},
	{"@", "want the name of an image, or @pkg:DIR"},
}

// checkRefText refuses what no reference can hold, and what is most likely a slip.
func checkRefText(s string) error {
	switch {
	case s == "":
		return errors.New("the reference is empty; want the name of an image, such as linuxkit/init:v1")
	case len(s) > maxRef:
		return fmt.Errorf("the reference has %d bytes; at most %d can be", len(s), maxRef)
	case !utf8.ValidString(s):
		return fmt.Errorf("%q is not UTF-8", s)
	case strings.TrimSpace(s) != s:
		return fmt.Errorf("%q has a space at its beginning or end", s)
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return fmt.Errorf("%q holds the control character %U", s, r)
		}
	}
	for _, f := range foreignTransports {
		if strings.HasPrefix(s, f.prefix) && !strings.HasPrefix(s, "@pkg:") {
			return fmt.Errorf("%q is not a reference that compose reads: %s", s, f.hint)
		}
	}
	return nil
}

var (
	hostPattern = regexp.MustCompile(`^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?$`)
	partPattern = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$`)
	tagPattern  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	// Of image-spec annotations.md, org.opencontainers.image.ref.name.
	refNamePattern = regexp.MustCompile(`^[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*(?:/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*$`)
)

// parseRegistryRef reads [host/]path[:tag][@digest].
func parseRegistryRef(s string) (Ref, error) {
	name, digest, err := cutDigest(s)
	if err != nil {
		return Ref{}, fmt.Errorf("%q: %w", s, err)
	}
	name, tag, hasTag := cutTag(name)
	switch {
	case hasTag && !tagPattern.MatchString(tag):
		return Ref{}, fmt.Errorf("%q: %q is not a tag: want up to 128 letters, digits, and _ . - (not . or - first)", s, tag)
	case !hasTag && digest == "":
		tag = defaultTag
	}
	repo, err := canonicalRepository(name)
	if err != nil {
		return Ref{}, fmt.Errorf("%q: %w", s, err)
	}
	return Ref{Name: repo, Tag: tag, Digest: digest}, nil
}

// canonicalRepository puts Docker Hub's host and library before a name that
// says neither.
func canonicalRepository(name string) (string, error) {
	host, rest, found := strings.Cut(name, "/")
	if !found || !isHost(host) {
		host, rest = defaultHost, name
	}
	if host == "index."+defaultHost {
		host = defaultHost
	}
	if !hostPattern.MatchString(host) {
		return "", fmt.Errorf("%q is not a host: want a name or address, and a port behind a colon", host)
	}
	for part := range strings.SplitSeq(rest, "/") {
		if err := checkRepositoryPart(part); err != nil {
			return "", err
		}
	}
	if host == defaultHost && !strings.Contains(rest, "/") {
		rest = "library/" + rest
	}
	repo := host + "/" + rest
	if len(repo) > maxRepository {
		return "", fmt.Errorf("the name has %d bytes; at most %d can be", len(repo), maxRepository)
	}
	return repo, nil
}

func checkRepositoryPart(part string) error {
	switch {
	case partPattern.MatchString(part):
		return nil
	case part == "":
		return errors.New("a part of the name is empty: one slash too many")
	case part == "." || part == "..":
		return errors.New("a path is written oci:DIR, docker-archive:FILE or pkg:DIR")
	case partPattern.MatchString(strings.ToLower(part)):
		return fmt.Errorf("the name %q must be in lower case: %q", part, strings.ToLower(part))
	}
	return fmt.Errorf("%q is not part of an image's name: want lower-case letters and digits with . _ - between", part)
}

// cutDigest splits off what is behind an @.
func cutDigest(s string) (string, Digest, error) {
	name, text, found := strings.Cut(s, "@")
	if !found {
		return s, "", nil
	}
	digest, err := ParseDigest(text)
	return name, digest, err
}

// cutTag splits off what is behind the last colon, unless it is a port.
func cutTag(s string) (name, tag string, found bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.Contains(s[i:], "/") {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// String returns the canonical spelling, which [ParseRef] reads back to the
// same reference; "" for none. Base is not part of it.
func (r Ref) String() string {
	if r.IsZero() {
		return ""
	}
	var b strings.Builder
	if r.Transport != Registry {
		b.WriteString(string(r.Transport) + ":")
	}
	b.WriteString(r.Name)
	if r.Tag != "" {
		b.WriteString(":" + r.Tag)
	}
	if r.Digest != "" {
		b.WriteString("@" + string(r.Digest))
	}
	return b.String()
}

// IsZero reports whether r names nothing.
func (r Ref) IsZero() bool {
	return r.Name == ""
}

// File returns the path of what a local transport names, joined to Base where
// it is relative; "" for a registry reference.
func (r Ref) File() string {
	switch {
	case r.Transport == Registry || r.IsZero():
		return ""
	case filepath.IsAbs(r.Name):
		return filepath.Clean(r.Name)
	}
	return filepath.Join(r.Base, r.Name)
}

// isHost reports whether the first part of a name is a host: it has a dot or a
// colon, or is localhost.
func isHost(part string) bool {
	return part == "localhost" || strings.ContainsAny(part, ".:[") && strings.Trim(part, ".") != ""
}
