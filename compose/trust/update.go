package trust

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"
)

// PublicRepository is the TUF repository of sigstore's public instance.
const PublicRepository = tuf.DefaultMirror

// rootTarget is what a repository calls the trusted root.
const rootTarget = "trusted_root.json"

// maxRootFile is how large a trusted root may be, in bytes; sigstore's has 7 KB.
const maxRootFile = 1 << 20

// The ways in which a repository is not to be believed.
var (
	// ErrExpired is metadata that nobody has renewed in time.
	ErrExpired = errors.New("the metadata has expired")
	// ErrRollback is metadata that is older than what was seen before.
	ErrRollback = errors.New("the repository shows an older state than it did before")
	// ErrUnsignedRoot is metadata without the signatures that the root.json demands.
	ErrUnsignedRoot = errors.New("the metadata is not signed by the keys that the root.json names")
	// ErrTampered is a file that is not the one that the metadata describes.
	ErrTampered = errors.New("the file is not the one that the metadata describes")
)

// Repository is where trusted roots come from: a repository of The Update
// Framework. Nothing that it sends is believed but what the chain of its roots
// signs, from the one that the caller has.
type Repository struct {
	URL  string // "" for [PublicRepository]
	Root []byte // the root.json that is believed; nil for that of sigstore's public instance, which is built in
	Dir  string // a folder in which the versions that were seen are remembered, so that no older one is taken; it is made

	// Get returns what is behind a URL: at most limit bytes, or an error; one
	// that wraps [fs.ErrNotExist] where nothing is.
	Get func(ctx context.Context, url string, limit int64) ([]byte, error)
}

// TrustedRoot returns the newest trusted root of the repository: the bytes of a
// trusted_root.json, which can be read. Errors wrap [ErrExpired], [ErrRollback],
// [ErrUnsignedRoot], [ErrTampered], or are Get's.
func (r Repository) TrustedRoot(ctx context.Context) ([]byte, error) {
	if r.URL == "" {
		r.URL = PublicRepository
	}
	if r.Root == nil {
		r.Root = tuf.DefaultRoot()
	}
	data, err := r.fetch(ctx)
	if err == nil {
		_, err = root.NewTrustedRootFromJSON(data)
	}
	if err != nil {
		return nil, fmt.Errorf("trusted root of %s: %w", r.URL, classified(err))
	}
	return data, nil
}

// fetch follows the specification of TUF, 5 "Detailed client workflow".
func (r Repository) fetch(ctx context.Context) ([]byte, error) {
	c, err := config.New(r.URL, r.Root)
	if err != nil {
		return nil, err
	}
	first := sha256.Sum256(r.Root)
	// Mirrors of one repository have one memory.
	c.LocalMetadataDir = filepath.Join(r.Dir, hex.EncodeToString(first[:8]))
	c.LocalTargetsDir = filepath.Join(c.LocalMetadataDir, "targets")
	c.Fetcher = fetcher(func(url string, limit int64) ([]byte, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		data, err := r.Get(ctx, url, limit)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &missingError{err, metadata.ErrDownloadHTTP{StatusCode: http.StatusNotFound, URL: url}}
		}
		return data, err
	})
	u, err := updater.New(c)
	if err != nil {
		return nil, err
	}
	if err := u.Refresh(); err != nil {
		return nil, err
	}
	info, err := u.GetTargetInfo(rootTarget)
	if err != nil {
		return nil, err
	}
	if info.Length > maxRootFile {
		return nil, fmt.Errorf("%s has %d bytes; at most %d can be", rootTarget, info.Length, maxRootFile)
	}
	_, data, err := u.DownloadTarget(info, "", "")
	return data, err
}

// fetcher is what the updater fetches with. It leaves time limits to the caller.
type fetcher func(url string, limit int64) ([]byte, error)

// DownloadFile returns what is behind a URL.
func (f fetcher) DownloadFile(url string, limit int64, _ time.Duration) ([]byte, error) {
	data, err := f(url, limit)
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: more than %d bytes", url, limit)
	}
	return data, err
}

// missingError is the caller's word for a file that is not there, and the
// updater's: it asks for the next root until there is none.
type missingError struct {
	err  error
	http metadata.ErrDownloadHTTP
}

func (e *missingError) Error() string   { return e.err.Error() }
func (e *missingError) Unwrap() []error { return []error{e.err, &e.http} }

// classified returns err behind the sentinel that it is a case of.
func classified(err error) error {
	for _, c := range []struct{ is, as error }{
		{&metadata.ErrExpiredMetadata{}, ErrExpired},
		{&metadata.ErrBadVersionNumber{}, ErrRollback},
		{&metadata.ErrUnsignedMetadata{}, ErrUnsignedRoot},
		{&metadata.ErrLengthOrHashMismatch{}, ErrTampered},
	} {
		if errors.Is(err, c.is) {
			return fmt.Errorf("%w: %w", c.as, err)
		}
	}
	return err
}
