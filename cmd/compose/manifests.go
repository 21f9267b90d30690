package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/composeos/compose/compose/trust"
	"github.com/composeos/compose/spec"
)

// maxText is how much of a manifest or a lock is read; what people write is far smaller.
const maxText = 16 << 20

// stdinName is the file name of standard input in messages.
const stdinName = "<stdin>"

// input is what a command line names: manifests, and the lock beside them.
type input struct {
	manifest *spec.Manifest
	name     string         // of the last manifest, without .yml; "" of standard input
	lockPath string         // "" where there is no place for a lock
	lock     *spec.Lock     // nil where there is none
	evidence *spec.Evidence // the signatures that the lock names
	policy   *trust.Policy
	foreign  bool   // the policy is a site's, and not of who made the lock
	lockDir  string // which the lock records sources relative to
	platform spec.Platform
}

// load reads the manifests and the lock. All faults are returned, joined.
func (c *common) load(s *session, operands []string) (*input, error) {
	platform, err := c.platform(s.world)
	if err != nil {
		return nil, err
	}
	if len(operands) == 0 {
		return nil, usagef(c.command, "no manifest is named")
	}
	in := &input{platform: platform, lockPath: c.lock}
	if last := operands[len(operands)-1]; last != "-" {
		in.name = manifestName(last)
		in.lockPath = firstOf(c.lock, filepath.Join(filepath.Dir(last), in.name+".lock.json"))
	}
	names, err := in.place(operands)
	if err != nil {
		return nil, err
	}
	m, err := readManifests(c.command, s.stdin, names)
	if err != nil {
		return nil, err
	}
	in.manifest = m
	for _, w := range m.Warnings {
		s.ui.warnf("%s", w.Error())
	}
	in.foreign = c.trust.file != ""
	if in.policy, err = c.trust.policy(m); err != nil {
		return nil, err
	}
	if in.lock, err = readLock(in.lockPath); err != nil {
		return nil, err
	}
	if in.evidence, err = readEvidence(in.lockPath); err != nil {
		return nil, err
	}
	warnLost(s.ui, in)
	return in, nil
}

// place sets lockDir, and returns the manifests' names, both in one form, so that
// a source can be named relative to the lock: relative to the working directory,
// or all absolute where one of the manifests is, or the way from the lock to one
// goes through the working directory's own name.
func (in *input) place(operands []string) (names []string, err error) {
	lockDir := filepath.Dir(firstOf(in.lockPath, "x"))
	absolute := slices.ContainsFunc(operands, filepath.IsAbs)
	if in.lockDir, err = inForm(lockDir, absolute); err != nil {
		return nil, err
	}
	unreachable := func(o string) bool { _, err := filepath.Rel(in.lockDir, filepath.Dir(o)); return err != nil }
	if !absolute && slices.ContainsFunc(operands, unreachable) {
		absolute = true
		if in.lockDir, err = inForm(lockDir, absolute); err != nil {
			return nil, err
		}
	}
	for _, o := range operands {
		if absolute && o != "-" {
			if o, err = filepath.Abs(o); err != nil {
				return nil, err
			}
		}
		names = append(names, o)
	}
	return names, nil
}

// inForm returns a path as absolute, or as relative to the working directory.
func inForm(path string, absolute bool) (string, error) {
	if absolute {
		return filepath.Abs(path)
	}
	if !filepath.IsAbs(path) {
		return path, nil
	}
	here, err := filepath.Abs(".")
	if err != nil {
		return "", err
	}
	return filepath.Rel(here, path)
}

// manifestName is what a manifest calls its image: its file name without .yml
// or .yaml.
func manifestName(path string) string {
	name := filepath.Base(path)
	for _, suffix := range []string{".yml", ".yaml"} {
		if stem, ok := strings.CutSuffix(name, suffix); ok && stem != "" {
			return stem
		}
	}
	return name
}

// readManifests parses the files, all of them whatever is wrong with one, and
// merges them.
func readManifests(command string, stdin io.Reader, paths []string) (*spec.Manifest, error) {
	var parsed []*spec.Manifest
	var errs []error
	for i, p := range paths {
		if p == "-" && slices.Contains(paths[:i], "-") {
			return nil, usagef(command, "standard input is named twice")
		}
		m, err := readManifest(stdin, p)
		parsed, errs = append(parsed, m), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return spec.Merge(parsed...)
}

func readManifest(stdin io.Reader, path string) (*spec.Manifest, error) {
	if path == "-" {
		data, err := readAll(stdin, stdinName)
		if err != nil {
			return nil, err
		}
		return spec.Parse(stdinName, data)
	}
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return spec.Parse(path, data)
}

// readLock reads the lock at path; nil where there is none.
func readLock(path string) (*spec.Lock, error) {
	if path == "" {
		return nil, nil
	}
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return spec.ParseLock(path, data)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, path)
}

// readAll reads r to its end, which must come within [maxText].
func readAll(r io.Reader, name string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxText+1))
	if err != nil {
		return nil, err // it names the file
	}
	if len(data) > maxText {
		return nil, fmt.Errorf("%s is larger than %s", name, bytesText(maxText))
	}
	return data, nil
}
