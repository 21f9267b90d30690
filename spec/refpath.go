package spec

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// parseLayoutRef reads DIR[:TAG|@DIGEST]. A path with a colon cannot be named.
func parseLayoutRef(s string) (Ref, error) {
	r := Ref{Transport: OCI}
	var err error
	if i := strings.LastIndex(s, "@"+digestPrefix); i >= 0 {
		if r.Digest, err = ParseDigest(s[i+1:]); err != nil {
			return Ref{}, err
		}
		s = s[:i]
	}
	file, tag, hasTag := strings.Cut(s, ":")
	switch {
	case hasTag && r.Digest != "":
		return Ref{}, errors.New("an image of a layout is named by tag or by digest, not by both")
	case hasTag && !refNamePattern.MatchString(tag):
		return Ref{}, fmt.Errorf("%q is not the name of an image in a layout", tag)
	}
	r.Tag = tag
	r.Name, err = cleanLocal(file)
	return r, err
}

// parseArchiveRef reads FILE[:NAME:TAG].
func parseArchiveRef(s string) (Ref, error) {
	file, image, selects := strings.Cut(s, ":")
	name, err := cleanLocal(file)
	if err != nil {
		return Ref{}, err
	}
	if selects {
		inner, err := parseRegistryRef(image)
		if _, _, tagged := cutTag(image); err != nil || !tagged || inner.Digest != "" {
			return Ref{}, fmt.Errorf("%q does not choose an image of the archive: want NAME:TAG, such as busybox:latest", image)
		}
	}
	return Ref{Transport: DockerArchive, Name: name, Tag: image}, nil
}

func parsePackageRef(s string) (Ref, error) {
	name, err := cleanLocal(s)
	return Ref{Transport: PackageDir, Name: name}, err
}

// cleanLocal gives a path its one spelling: ./a//b is a/b.
func cleanLocal(file string) (string, error) {
	clean := path.Clean(file)
	switch {
	case file == "":
		return "", errors.New("the path is missing")
	case strings.TrimSpace(clean) != clean:
		return "", fmt.Errorf("the path %q has a space at its beginning or end", file)
	}
	return clean, nil
}
