package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stand is what the cases share.
type stand struct {
	compose  string
	self     string // this program
	manifest string
	images   string // archive to import
	gzip     []string
	zstd     []string
	scratch  string
}

// newStand looks for all that a bench needs.
func newStand(program, workload, scratch string) (*stand, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if program, err = filepath.Abs(program); err != nil {
		return nil, err
	}
	s := &stand{
		compose: program, self: self, scratch: scratch,
		manifest: filepath.Join(scratch, "in", "anchor.yml"),
		images:   filepath.Join(workload, "images.tar"),
	}
	// A copy: the lock appears beside the manifest.
	if err := os.CopyFS(s.path("in", "files"), os.DirFS(filepath.Join(workload, "files"))); err != nil {
		return nil, fmt.Errorf("workload (make workload): %w", err)
	}
	data, err := os.ReadFile(filepath.Join(workload, "anchor.yml"))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.manifest, data, 0o644); err != nil {
		return nil, err
	}
	s.gzip, s.zstd, err = layers(filepath.Join(workload, "oci"))
	return s, err
}

func (s *stand) path(names ...string) string {
	return filepath.Join(append([]string{s.scratch}, names...)...)
}

// settled is how much is written and thrown away before a case that writes:
// more than any of them does, bytes.
const settled = 5 << 29

// settle makes the kernel touch the memory that a case will fill its page cache
// with. On a virtual machine the first use of a page costs ten times the copy
// into it, and which case would pay for that is chance. The file is in memory
// where that can be, so that no disk is kept busy by it.
func (s *stand) settle() error {
	f, err := os.CreateTemp("/dev/shm", "compose-bench-")
	if err != nil {
		f, err = os.CreateTemp(s.scratch, "settle-")
	}
	if err != nil {
		return err
	}
	buf := make([]byte, 1<<20)
	for n := 0; n < settled && err == nil; n += len(buf) {
		_, err = f.Write(buf)
	}
	if errors.Is(err, syscall.ENOSPC) { // a small /dev/shm: as much as there is
		err = nil
	}
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// build composes the workload into the folder out.
func (s *stand) build(ctx context.Context, out string) (usage, error) {
	return measure(ctx, s.compose, "build", "-accept-unsigned", "*", "-offline", "-arch", "amd64", "-format", "tar",
		"-progress", "none", "-cache", s.path("cache"), "-dir", out, s.manifest)
}

// benchCase is one thing that is measured.
type benchCase struct {
	name, what string
	run        func(ctx context.Context, s *stand) (usage, error)
}

// cases are run in this order; each finds what the one before has left.
func cases() []benchCase {
	return []benchCase{
		{"inflate", "gzip -dc (zstd -dc for zstd layers) of each unique layer to /dev/null, a process a layer", inflate},
		{"import", "compose cache import images.tar, into an empty cache", importImages},
		{"cold", "compose build into a new file; the cache holds the images' blobs and no unpacked layer, there is no lock", cold},
		{"copy and sum", "cp of the tar to a new file, then SHA-256 of that in Go", copyAndSum},
		{"warm", "compose build into a new file; cache and lock are those of the cold build", warm},
		{"unchanged", "the same once more, into the same place", unchanged},
	}
}

func inflate(ctx context.Context, s *stand) (usage, error) {
	var all usage
	for _, tool := range []struct {
		name  string
		files []string
	}{{"gzip", s.gzip}, {"zstd", s.zstd}} {
		for _, file := range tool.files {
			u, err := measure(ctx, "sh", "-c", `exec "$0" -dc < "$1" > /dev/null`, tool.name, file)
			if err != nil {
				return usage{}, err
			}
			all = all.plus(u)
		}
	}
	return all, nil
}

func importImages(ctx context.Context, s *stand) (usage, error) {
	if err := os.RemoveAll(s.path("cache")); err != nil {
		return usage{}, err
	}
	return measure(ctx, s.compose, "cache", "import", "-cache", s.path("cache"), "-progress", "none", s.images)
}

func cold(ctx context.Context, s *stand) (usage, error) {
	err := errors.Join(os.RemoveAll(s.path("out")), os.RemoveAll(s.path("in", "anchor.lock.json")), s.settle())
	if err != nil {
		return usage{}, err
	}
	return s.build(ctx, s.path("out"))
}

func copyAndSum(ctx context.Context, s *stand) (usage, error) {
	if err := s.settle(); err != nil {
		return usage{}, err
	}
	to := s.path("copy.tar")
	u, err := measure(ctx, "cp", s.path("out", "anchor.tar"), to)
	if err != nil {
		return usage{}, err
	}
	v, err := measure(ctx, s.self, "-sum", to)
	if err != nil {
		return usage{}, err
	}
	return u.plus(v), os.Remove(to)
}

func warm(ctx context.Context, s *stand) (usage, error) {
	if err := errors.Join(os.RemoveAll(s.path("out")), s.settle()); err != nil {
		return usage{}, err
	}
	return s.build(ctx, s.path("out"))
}

func unchanged(ctx context.Context, s *stand) (usage, error) { return s.build(ctx, s.path("out")) }

// limit is what a case may take.
type limit struct {
	what  string
	value func(m map[string]usage) float64
	most  float64
	time  bool // depends on how busy the machine is
}

// limits are those that a build has to keep.
func limits() []limit {
	ratio := func(a, b time.Duration) float64 { return float64(a) / float64(b) }
	return []limit{
		{"CPU of a cold build / CPU of inflating each unique layer", func(m map[string]usage) float64 { return ratio(m["cold"].cpu, m["inflate"].cpu) }, 1.5, true},
		{"wall of a warm build / wall of cp and sha256", func(m map[string]usage) float64 { return ratio(m["warm"].wall, m["copy and sum"].wall) }, 1.5, true},
		{"wall of a build with nothing changed, ms", func(m map[string]usage) float64 { return m["unchanged"].wall.Seconds() * 1e3 }, 100, true},
		{"RSS, the most of any build, MB", func(m map[string]usage) float64 {
			return float64(max(m["cold"].rss, m["warm"].rss, m["unchanged"].rss)) / 1e6
		}, 64, false},
	}
}

// report prints each limit and what was found, and returns an error that names
// those that are exceeded.
func report(w io.Writer, medians map[string]usage, slack float64) error {
	var over []string
	for _, l := range limits() {
		most := l.most
		if l.time {
			most *= slack
		}
		got, verdict := l.value(medians), "kept"
		if got > most || got != got {
			verdict = "EXCEEDED"
			over = append(over, l.what)
		}
		if _, err := fmt.Fprintf(w, "%-60s  %7.2f  limit %6.1f  %s\n", l.what, got, most, verdict); err != nil {
			return err
		}
	}
	if len(over) > 0 {
		return fmt.Errorf("limits exceeded: %s", strings.Join(over, "; "))
	}
	return nil
}
