package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// The parts of manifest and lock that say what lies where.
type (
	manifest struct {
		Kernel struct {
			Image   string  `yaml:"image"`
			Cmdline string  `yaml:"cmdline"`
			Binary  string  `yaml:"binary"`
			Tar     *string `yaml:"tar"`
			Ucode   string  `yaml:"ucode"`
		} `yaml:"kernel"`
		Init       []string    `yaml:"init"`
		Onboot     []container `yaml:"onboot"`
		Onshutdown []container `yaml:"onshutdown"`
		Services   []container `yaml:"services"`
		Files      []file      `yaml:"files"`
		Volumes    []volume    `yaml:"volumes"`
	}
	container struct {
		Name     string `yaml:"name"`
		Image    string `yaml:"image"`
		Readonly *bool  `yaml:"readonly"`
	}
	file struct {
		Path      string `yaml:"path"`
		Contents  string `yaml:"contents"`
		Source    string `yaml:"source"`
		Symlink   string `yaml:"symlink"`
		Directory bool   `yaml:"directory"`
		Metadata  string `yaml:"metadata"`
		Mode      string `yaml:"mode"`
		UID       string `yaml:"uid"`
		GID       string `yaml:"gid"`
	}
	volume struct {
		Name  string `yaml:"name"`
		Image string `yaml:"image"`
	}
	lock struct {
		Epoch      int64             `json:"epoch"`
		Timestamps string            `json:"timestamps"`
		IDs        map[string]uint32 `json:"ids"`
		Images     []struct {
			Name      string `json:"name"`
			Platforms map[string]struct {
				Manifest string `json:"manifest"`
			} `json:"platforms"`
		} `json:"images"`
		Files []struct {
			Source string `json:"source"`
			Absent bool   `json:"absent"`
		} `json:"files"`
	}
)

func readManifest(path string) (*manifest, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&m); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &m, nil
}

func readLock(path string) (*lock, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var l lock
	if err := json.Unmarshal(text, &l); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &l, nil
}

// image returns the digest of the manifest that a reference is pinned to.
func (l *lock) image(ref, platform string) (string, error) {
	name := canonical(ref)
	for _, i := range l.Images {
		if i.Name == name {
			if p, ok := i.Platforms[platform]; ok {
				return p.Manifest, nil
			}
		}
	}
	return "", fmt.Errorf("the lock has no %s for %s", name, platform)
}

// canonical spells out a reference.
func canonical(ref string) string {
	if strings.HasPrefix(ref, "oci:") || strings.HasPrefix(ref, "docker-archive:") {
		return ref
	}
	first, _, several := strings.Cut(ref, "/")
	switch {
	case !several:
		ref = "docker.io/library/" + ref
	case !strings.ContainsAny(first, ".:") && first != "localhost":
		ref = "docker.io/" + ref
	}
	if base := ref[strings.LastIndexByte(ref, '/'):]; !strings.ContainsAny(base, ":@") {
		ref += ":latest"
	}
	return ref
}

// id returns the number of a user or group in the files section.
func (l *lock) id(name string) (uint32, error) {
	if name == "" || name == "root" {
		return 0, nil
	}
	if n, ok := l.IDs[name]; ok {
		return n, nil
	}
	n, err := strconv.ParseUint(name, 10, 32)
	return uint32(n), err
}

// absent tells whether a source was not there when the lock was made.
func (l *lock) absent(source string) bool {
	for _, f := range l.Files {
		if f.Source == source || strings.HasSuffix(f.Source, "/"+source) {
			return f.Absent
		}
	}
	return false
}
