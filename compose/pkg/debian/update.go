package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"
)

// maxRelease bounds an InRelease file; Debian's largest have 200 KB.
const maxRelease = 4 << 20

// Query says what an index is wanted of.
type Query struct {
	Suite      string               // "trixie": trixie, trixie-updates and trixie-security are read
	Arches     []string             // Debian's names: amd64, arm64
	Components []string             // nil: main
	Now        time.Time            // for Date, Valid-Until and the keys' own dates
	Since      map[string]time.Time // by suite: the Date that its InRelease must at least have
}

// suitePart is one of the suites that a query reads.
type suitePart struct {
	name     string
	bases    []string
	optional bool // that no mirror has it is a warning
}

func (a *Archive) suites(q Query) []suitePart {
	parts := []suitePart{
		{q.Suite, a.Mirrors.Main, false},
		{q.Suite + "-updates", a.Mirrors.Main, true},
		{q.Suite + "-security", a.Mirrors.Security, a.Mirrors.Guessed || len(a.Mirrors.Security) == 0},
	}
	for i, part := range parts {
		if _, locked := q.Since[part.name]; locked {
			parts[i].optional = false
		}
	}
	return parts
}

// Index reads which packages the suite has, with its updates and security updates. The
// suite's own InRelease must be there. Updates that no mirror has, and security updates
// where their mirror was guessed or none is known, are warned of and left out, unless
// Since names them.
//
// Its errors are ErrSignature, ErrExpired, ErrSuite, ErrOlder, ErrDamaged, ErrOffline and
// ErrNoMirror; where each mirror has its own, all of them.
func (a *Archive) Index(ctx context.Context, q Query) (*Index, error) {
	switch {
	case a.Offline:
		return nil, fmt.Errorf("index of %s: %w", q.Suite, ErrOffline)
	case a.Mirrors.Empty():
		return nil, fmt.Errorf("index of %s: %w", q.Suite, ErrNoMirror)
	case a.Keyring == nil:
		return nil, fmt.Errorf("index of %s: no keyring", q.Suite)
	}
	x := &Index{packages: map[string]map[string]Package{}}
	for _, arch := range q.Arches {
		x.packages[arch] = map[string]Package{}
	}
	var todo []indexJob
	for i, part := range a.suites(q) {
		release, base, err := a.release(ctx, part, q)
		if part.optional && absent(err) {
			a.log().Warn("no mirror has "+part.name+": its packages are left out", "because", err.Error())
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("suite %s: %w", part.name, err)
		}
		x.Releases = append(x.Releases, release)
		for _, job := range jobs(q, release) {
			job.base, job.needed = base, i == 0
			todo = append(todo, job)
		}
	}
	return x, a.readIndexes(ctx, x, todo)
}

// readIndexes takes the packages of Packages files into the index. Two are read at a time;
// of two packages of one version that of the first file counts.
func (a *Archive) readIndexes(ctx context.Context, x *Index, todo []indexJob) error {
	found := make([][]Package, len(todo))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for i, job := range todo {
		group.Go(func() (err error) {
			found[i], err = a.readIndex(ctx, job)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, job := range todo {
		x.add(job.arch, found[i])
	}
	return nil
}

// absent says that a suite is not there: no mirror known, none that answers, none that has it.
func absent(err error) bool {
	for _, wrong := range []error{ErrSignature, ErrExpired, ErrSuite, ErrOlder, ErrDamaged} {
		if errors.Is(err, wrong) {
			return false
		}
	}
	var silent passing
	return errors.Is(err, ErrNoMirror) || errors.Is(err, errNotFound) || errors.As(err, &silent)
}

// release returns the first InRelease file of the mirrors that is good, and its mirror.
func (a *Archive) release(ctx context.Context, part suitePart, q Query) (Release, string, error) {
	if len(part.bases) == 0 {
		return Release{}, "", ErrNoMirror
	}
	var faults []error
	for _, base := range part.bases {
		var signed []byte
		err := a.get(ctx, base, "dists/"+part.name+"/InRelease", func(r io.Reader) (err error) {
			signed, err = io.ReadAll(io.LimitReader(r, maxRelease+1))
			return err
		})
		if err == nil {
			var release Release
			if release, err = a.openRelease(signed, part.name, q); err == nil {
				return release, base, nil
			}
			err = fmt.Errorf("%s/dists/%s/InRelease: %w", withoutUser(base), part.name, err)
		}
		faults = append(faults, err)
	}
	return Release{}, "", worst(faults)
}

// worst joins errors, without those of files that are not there where there are others.
func worst(faults []error) error {
	var rest []error
	for _, err := range faults {
		if !errors.Is(err, errNotFound) {
			rest = append(rest, err)
		}
	}
	if rest == nil {
		rest = faults
	}
	return errors.Join(rest...)
}

func (a *Archive) openRelease(signed []byte, name string, q Query) (Release, error) {
	if len(signed) > maxRelease {
		return Release{}, fmt.Errorf("%w: more than %d bytes", ErrDamaged, maxRelease)
	}
	text, err := a.Keyring.open(signed, q.Now)
	if err != nil {
		return Release{}, err
	}
	release, err := parseRelease(text)
	if err != nil {
		return Release{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	release.Name = name
	return release, release.check(name, q.Now, q.Since[name])
}

// indexJob is one Packages file to read.
type indexJob struct {
	release Release
	base    string
	folder  string // "main/binary-amd64"
	arch    string // whose packages they become
	needed  bool   // that there is no such file is an error
}

// jobs lists the Packages files of a suite: of each component and architecture, and those
// for all architectures where they are kept apart.
func jobs(q Query, release Release) []indexJob {
	components := q.Components
	if len(components) == 0 {
		components = []string{"main"}
	}
	var all []indexJob
	for _, component := range components {
		for _, arch := range q.Arches {
			all = append(all, indexJob{release: release, folder: component + "/binary-" + arch, arch: arch})
			if !release.noAll {
				all = append(all, indexJob{release: release, folder: component + "/binary-all", arch: arch})
			}
		}
	}
	return all
}

// readIndex returns the packages of one Packages file.
func (a *Archive) readIndex(ctx context.Context, job indexJob) (packages []Package, err error) {
	path := job.folder + "/Packages"
	for _, ending := range []string{".xz", ".gz", ""} {
		file, ok := job.release.files[path+ending]
		if !ok {
			continue
		}
		b, err := a.indexFile(ctx, job, path+ending, file)
		if err != nil {
			return nil, err
		}
		defer b.Close()
		err = unpack(b, b.Size(), ending, func(r io.Reader) error {
			return readPackages(r, func(p Package) {
				p.Suite, p.Date = job.release.Name, job.release.Date
				packages = append(packages, p)
			})
		})
		if err != nil {
			return nil, fmt.Errorf("suite %s: %s: %w: %w", job.release.Name, path+ending, ErrDamaged, err)
		}
		return packages, nil
	}
	if job.needed {
		return nil, fmt.Errorf("suite %s: %w: it has no %s", job.release.Name, ErrSuite, path)
	}
	return nil, nil
}

// indexFile returns a Packages file, through the cache: by its sum, so that a mirror that
// is being updated gives the one that belongs to the InRelease file, or else by its name.
func (a *Archive) indexFile(ctx context.Context, job indexJob, path string, file inFile) (Blob, error) {
	b, err := a.stored(file)
	if b != nil || err != nil {
		return b, err
	}
	folder := "dists/" + job.release.Name + "/"
	err = errNotFound
	if job.release.byHash {
		err = a.store(ctx, job.base, folder+job.folder+"/by-hash/SHA256/"+file.sum, file)
	}
	if errors.Is(err, errNotFound) {
		err = a.store(ctx, job.base, folder+path, file)
	}
	if err != nil {
		return nil, err
	}
	return a.fetched(file)
}
