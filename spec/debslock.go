package spec

import (
	"cmp"
	"fmt"
	"slices"
)

// DebsLock pins the Debian packages, and the releases of Go, that package sources
// are made of. It lies beside their folders as [DebsLockFile]; "compose pkg lock"
// alone writes it. It names no mirror.
type DebsLock struct {
	Version    int               `json:"version"`    // DebsLockVersion
	Releases   []LockedRelease   `json:"releases"`   // sorted by Name
	Debs       []LockedDeb       `json:"debs"`       // sorted by Suite, Name, Arch
	Toolchains []LockedToolchain `json:"toolchains"` // sorted by Name, Host
}

// DebsLockVersion is the version of the schema of a [DebsLock].
const DebsLockVersion = 1

// DebsLockFile is the name of the file of a [DebsLock].
const DebsLockFile = "debs.lock"

// LockedRelease is the signed Release of a distribution that packages were last
// resolved by. An older one is refused.
type LockedRelease struct {
	Name string `json:"name" check:"suite"`                 // "trixie", "trixie-security"
	Date int64  `json:"date" check:"range=0..253402300799"` // of the Release, in seconds since 1970
}

// LockedDeb pins one package for one architecture.
type LockedDeb struct {
	Suite         string   `json:"suite" check:"suite"`               // as in build.yml: "trixie"
	Release       string   `json:"release" check:"suite"`             // that has it: "trixie-security"
	Arch          string   `json:"arch" check:"enum=amd64|arm64|all"` // of the package
	Name          string   `json:"name" check:"debname"`              //
	Version       string   `json:"version"`                           //
	Source        string   `json:"source" check:"debname"`            // name of its source package
	SourceVersion string   `json:"sourceVersion"`                     // of its source package
	Path          string   `json:"path" check:"inside"`               // in the mirror: "pool/main/…"
	Size          int64    `json:"size" check:"range=1..4294967296"`  // bytes
	Digest        Digest   `json:"digest" check:"digest"`             // of the .deb
	Follow        []string `json:"follow,omitempty"`                  // the packages that stand in its place, sorted
}

// LockedToolchain pins the module that a release of Go is, for a machine that builds.
type LockedToolchain struct {
	Name string `json:"name" check:"toolchain"` // "go1.26.8"
	Host string `json:"host"`                   // "linux-amd64"
	Sum  string `json:"sum"`                    // "h1:…", as go.sum has it
}

// Deb returns the pin of a package for an architecture.
func (l *DebsLock) Deb(suite, arch, name string) (LockedDeb, bool) {
	for _, d := range l.Debs {
		if d.Suite == suite && d.Name == name && (d.Arch == arch || d.Arch == "all") {
			return d, true
		}
	}
	return LockedDeb{}, false
}

// Toolchain returns the checksum of a release of Go for a machine that builds, ""
// where it is not pinned.
func (l *DebsLock) Toolchain(name, host string) string {
	for _, t := range l.Toolchains {
		if t.Name == name && t.Host == host {
			return t.Sum
		}
	}
	return ""
}

// HasToolchain tells whether a release of Go is pinned, for any machine that builds.
func (l *DebsLock) HasToolchain(name string) bool {
	return slices.ContainsFunc(l.Toolchains, func(t LockedToolchain) bool { return t.Name == name })
}

// Release returns the date of a distribution's Release, 0 where none is recorded.
func (l *DebsLock) Release(name string) int64 {
	for _, r := range l.Releases {
		if r.Name == name {
			return r.Date
		}
	}
	return 0
}

// Marshal returns the lock's file: canonical JSON with sorted lists. It does not
// change l.
func (l *DebsLock) Marshal() ([]byte, error) {
	out := DebsLock{
		Version: DebsLockVersion,
		Releases: slices.SortedFunc(slices.Values(l.Releases), func(a, b LockedRelease) int {
			return cmp.Compare(a.Name, b.Name)
		}),
		Debs: slices.SortedFunc(slices.Values(l.Debs), func(a, b LockedDeb) int {
			return cmp.Or(cmp.Compare(a.Suite, b.Suite), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Arch, b.Arch))
		}),
		Toolchains: slices.SortedFunc(slices.Values(l.Toolchains), func(a, b LockedToolchain) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Host, b.Host))
		}),
	}
	data, err := MarshalCanonical(out)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", DebsLockFile, err)
	}
	return data, nil
}

// ParseDebsLock reads the file that [DebsLock.Marshal] writes, strictly. name is
// the file for errors, each an [Error].
func ParseDebsLock(name string, data []byte) (*DebsLock, error) {
	n, err := readLock(name, data, "lock", "compose pkg lock")
	if err != nil {
		return nil, err
	}
	d := &decoder{file: name}
	l := new(DebsLock)
	d.value(n, valueOf(l), "")
	if l.Version != DebsLockVersion && d.faults.err() == nil {
		d.failAt(n, "version", "the lock has version %d, and this release reads version %d", l.Version, DebsLockVersion)
	}
	seen := map[[3]string]bool{}
	for i, b := range l.Debs {
		key := [3]string{b.Suite, b.Name, b.Arch}
		at := element(lookup(n, "debs"), i)
		d.inEntry("debs", i, at, func() {
			if seen[key] {
				d.failAt(at, "name", "%q is there twice for %s", b.Name, b.Arch)
			}
		})
		seen[key] = true
	}
	if err := d.faults.err(); err != nil {
		return nil, err
	}
	return l, nil
}
