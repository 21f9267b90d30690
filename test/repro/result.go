package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// result is what a run has to have in common with the first: of each file that
// it wrote, the lock among them, SHA-256 and size as compose prints them, by the
// file's name.
type result map[string]string

// differences returns an error that names each file that is not as in want,
// which is what whose says.
func (r result) differences(want result, whose string) error {
	names := maps.Clone(want)
	maps.Copy(names, r)
	var all []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if r[name] != want[name] {
			all = append(all, fmt.Sprintf("%s is %s; %s %s", name, orNone(r[name]), whose, orNone(want[name])))
		}
	}
	if all == nil {
		return nil
	}
	return errors.New(strings.Join(all, "\n    "))
}

func orNone(s string) string {
	if s == "" {
		return "not there"
	}
	return s
}

// digest sums the result up.
func (r result) digest() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(r)) {
		_, _ = fmt.Fprintln(h, r[name], name)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// read adds a line that compose has printed of a file: digest, size, path. For
// standard output, path is "-", and name is what that becomes.
func (r result) read(line, name string) error {
	f := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
	if len(f) != 3 || len(f[0]) != hex.EncodedLen(sha256.Size) {
		return fmt.Errorf("compose printed %q, which is not a line of digest, size and path", line)
	}
	if f[2] != "-" {
		name = filepath.Base(f[2])
	}
	if _, twice := r[name]; twice {
		return fmt.Errorf("compose printed two lines for %s", name)
	}
	r[name] = f[0] + " " + f[1]
	return nil
}

// written reads all files in dir, on all processors.
func written(dir string) (result, error) {
	found, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	lines := make([]string, len(found))
	var g errgroup.Group
	g.SetLimit(runtime.NumCPU())
	for i, f := range found {
		g.Go(func() (err error) {
			lines[i], err = digestAndSize(filepath.Join(dir, f.Name()))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	r := result{}
	for i, f := range found {
		r[f.Name()] = lines[i]
	}
	return r, nil
}

// digestAndSize returns a file's SHA-256 and size, as compose prints them.
func digestAndSize(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%x %d", h.Sum(nil), n), nil
}

// sum returns the SHA-256 of a file, in hexadecimal digits.
func sum(path string) (string, error) {
	line, err := digestAndSize(path)
	digest, _, _ := strings.Cut(line, " ")
	return digest, err
}
