// Package debian reads Debian's archive: which packages a suite has, the files of
// packages, and what is in them. It runs nothing of a package.
//
// Nothing is believed that a key of the keyring did not sign, directly or through sums:
// the InRelease file of a suite is signed, it has the SHA-256 of the Packages files, those
// have the SHA-256 of each package file, and a lock has it from then on. Where bytes came
// from, a mirror, a cache or a folder, makes no difference: they are verified each time.
//
//	mirrors, err := debian.ParseSources("debian.sources", text)
//	archive := &debian.Archive{Mirrors: mirrors, Keyring: keyring, Cache: debian.Dir("cache")}
//	index, err := archive.Index(ctx, debian.Query{Suite: "trixie", Arches: []string{"amd64"}, Now: now})
//	nginx, err := index.Find("nginx", "amd64")
//	blob, err := archive.Fetch(ctx, nginx.Pin)
//	deb, err := debian.OpenDeb(blob, blob.Size())
//	entries, err := deb.Entries(scratch)
//
// Of the versions of a package in the suite, its updates and its security updates the
// highest counts, by Debian's order of versions ([CompareVersions]).
package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Archive is where packages come from. Its methods may be called at the same time.
type Archive struct {
	Mirrors  Mirrors
	Keyring  *Keyring     // for Index
	Cache    Cache        // needed: all that is fetched is put there
	Vendored Cache        // package files that the user keeps; nil: none. It is never written
	Snapshot string       // a base URI with {archive} and {time}, asked last; "": none. See snapshot
	Offline  bool         // ask no mirror
	Client   *http.Client // nil: http.DefaultClient
	Log      *slog.Logger // nil: silent

	// Stall is how long a mirror may send nothing before it is asked again; 0: a minute.
	Stall time.Duration
	// Wait lets time pass between two tries; nil: it does, or until ctx is done.
	Wait func(ctx context.Context, d time.Duration) error
}

func (a *Archive) log() *slog.Logger {
	if a.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return a.Log
}

// Fetch returns a package's file, which has been verified; the caller closes it. It looks
// in the cache, in the vendored files, in the mirrors' pools and at the snapshot service.
//
// Its errors are ErrDamaged if a vendored file, or all that mirrors have, is not what the
// pin says; ErrGone if no mirror has it; ErrOffline if it would have to ask one;
// ErrNoMirror if there is none to ask.
func (a *Archive) Fetch(ctx context.Context, p Pin) (Blob, error) {
	want := inFile{size: p.Size, sum: p.SHA256}
	if !isSum(want.sum) {
		return nil, fmt.Errorf("%s: its SHA-256 %q is none", p, clip(want.sum))
	}
	b, err := a.stored(want)
	if b != nil || err != nil {
		return b, err
	}
	if a.Vendored != nil {
		b, err := a.Vendored.Get(want.sum)
		if err == nil {
			if err = verify(b, want); err == nil {
				return b, nil
			}
			err = errors.Join(err, b.Close())
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: the vendored file %s: %w", p, want.sum, err)
		}
	}
	if a.Offline {
		return nil, fmt.Errorf("%s: %w, and neither the cache nor the vendored files have %s", p, ErrOffline, want.sum)
	}
	if err := a.download(ctx, p, want); err != nil {
		return nil, err
	}
	return a.fetched(want)
}

// fetched returns a file that has just been put into the cache. A cache that keeps a
// damaged one is an error.
func (a *Archive) fetched(want inFile) (Blob, error) {
	b, err := a.Cache.Get(want.sum)
	if err != nil {
		return nil, err
	}
	if err := verify(b, want); err != nil {
		return nil, errors.Join(fmt.Errorf("the cache's own %s: %w", want.sum, err), b.Close())
	}
	return b, nil
}

// stored returns a file of the cache that is as it must be, or nil.
func (a *Archive) stored(want inFile) (Blob, error) {
	if a.Cache == nil {
		return nil, errors.New("no cache is given")
	}
	b, err := a.Cache.Get(want.sum)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := verify(b, want); err != nil {
		a.log().Warn("a file of the cache is fetched again", "sha256", want.sum, "because", err.Error())
		return nil, b.Close()
	}
	return b, nil
}

// download puts a package's file into the cache.
func (a *Archive) download(ctx context.Context, p Pin, want inFile) error {
	bases := a.Mirrors.Main
	if strings.HasSuffix(p.Suite, "-security") {
		bases = a.Mirrors.Security
	}
	if s := a.snapshot(p); s != "" {
		bases = append(slices.Clip(bases), s)
	}
	if len(bases) == 0 {
		return fmt.Errorf("%s: %w for %s", p, ErrNoMirror, p.Suite)
	}
	if !fs.ValidPath(p.Path) {
		return fmt.Errorf("%s: the path %q is none below a mirror", p, clip(p.Path))
	}
	var faults []error
	for _, base := range bases {
		err := a.store(ctx, base, p.Path, want)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", p, ctx.Err())
		}
		if !errors.Is(err, errNotFound) {
			faults = append(faults, err)
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("%s: %w", p, errors.Join(faults...))
	}
	return fmt.Errorf(`%s: %w: perhaps a newer version has taken its place; "compose pkg lock -update" pins what is there`, p, ErrGone)
}

// store puts one file of a mirror into the cache.
func (a *Archive) store(ctx context.Context, base, path string, want inFile) error {
	return a.get(ctx, base, path, func(r io.Reader) error { return a.Cache.Put(want.sum, newVerified(r, want)) })
}

// snapshot returns the base URI of the archive as it was when the pin was made. A snapshot
// service has files by their SHA-1 too, but Debian's indexes do not give that any more, so
// it is asked by time: {archive} stands for debian or debian-security, {time} for the date
// of the suite's InRelease, as 20260912T075541Z.
func (a *Archive) snapshot(p Pin) string {
	if a.Snapshot == "" || p.Date.IsZero() {
		return ""
	}
	archive := "debian"
	if strings.HasSuffix(p.Suite, "-security") {
		archive += "-security"
	}
	return strings.TrimRight(strings.NewReplacer("{archive}", archive, "{time}", p.Date.UTC().Format("20060102T150405Z")).Replace(a.Snapshot), "/")
}
