package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/compose/trust"
)

// rootUpdate is "compose trust root update".
type rootUpdate struct {
	name      string
	url, root string
	cache     string
	network   networkFlags
}

// setupTrustRootUpdate defines "compose trust root update FILE".
func setupTrustRootUpdate(fs *flag.FlagSet) action {
	c := rootUpdate{name: fs.Name()}
	fs.StringVar(&c.url, "tuf", "", "")
	fs.StringVar(&c.root, "tuf-root", "", "")
	fs.StringVar(&c.cache, "cache", "", "")
	c.network.defineWay(fs)
	return c.run
}

func (c *rootUpdate) run(ctx context.Context, s *session, operands []string) error {
	if len(operands) != 1 {
		return usagef(c.name, "want one file to write, not %d", len(operands))
	}
	path := operands[0]
	repository, err := c.repository()
	if err != nil {
		return err
	}
	old, err := readRoot(path)
	if err != nil {
		return err
	}
	client, err := c.network.httpClient(s.world)
	if err != nil {
		return err
	}
	repository.Get = getter(client)
	e, err := openCache(s, c.cache, false)
	if err != nil {
		return err
	}
	defer e.close()
	// What was seen is remembered beside the images: an older state is refused then.
	repository.Dir = filepath.Join(e.store.Dir(), "tuf")
	data, err := repository.TrustedRoot(ctx)
	if err != nil {
		return withHint(err, rootHint(err))
	}
	return saveRoot(s, path, old, data)
}

// rootHint says what to do where a repository is not to be believed.
func rootHint(err error) string {
	switch {
	case errors.Is(err, trust.ErrRollback), errors.Is(err, trust.ErrExpired):
		return "keep the root that is there; try again later, or by another way (-proxy): somebody may be showing an old state"
	case errors.Is(err, trust.ErrUnsignedRoot):
		return "a repository that is not sigstore's public one needs its own root.json: -tuf-root FILE"
	case errors.Is(err, trust.ErrTampered):
		return "keep the root that is there: somebody may have changed the file on its way"
	case errors.Is(err, registry.ErrCertificate):
		return hintOf(err)
	}
	return "nothing was changed; -tuf URL names another repository"
}

// repository says where the root comes from, by the flags.
func (c *rootUpdate) repository() (trust.Repository, error) {
	r := trust.Repository{URL: strings.TrimSuffix(c.url, "/")}
	if r.URL != "" {
		if err := checkFetchURL(r.URL); err != nil {
			return r, usagef(c.name, "flag -tuf: %v", err)
		}
	}
	if c.root == "" {
		return r, nil
	}
	var err error
	r.Root, err = readFile(c.root)
	return r, err
}

// readRoot reads the trusted root that is there; nil where none is. What is no trusted
// root is not written over.
func readRoot(path string) ([]byte, error) {
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		_, err = trust.Describe(data)
		err = withHint(err, "name another file, or remove this one: only a trusted root is replaced")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
}

// saveRoot writes a trusted root where it is another one, and prints what it has that
// the old one had not, and the reverse.
func saveRoot(s *session, path string, old, data []byte) error {
	if bytes.Equal(old, data) {
		s.ui.notef("%s is up to date", path)
		return nil
	}
	lines, err := trust.Describe(data)
	if old != nil {
		lines, err = trust.Diff(old, data)
	}
	if err != nil {
		return err
	}
	if err := replaceFile(path, data); err != nil {
		return err
	}
	for _, l := range lines {
		if _, err := s.stdout.WriteString(printable(l) + "\n"); err != nil {
			return written(err)
		}
	}
	switch {
	case old == nil:
		s.ui.notef("wrote %s; look at what it says is to be believed before a policy names it", path)
	case len(lines) == 0:
		s.ui.notef("wrote %s, which says the same in other words", path)
	default:
		s.ui.notef(`wrote %s; policies that name it are other policies now: run "compose lock" with their manifests`, path)
	}
	return nil
}
