package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/spec"
)

// How much a list of referrers may be: pages of at most MaxManifest bytes, and
// entries in all.
const (
	maxPages     = 64
	maxReferrers = 10000
)

// errNone is what a mirror says that knows no referrers.
var errNone = errors.New("knows no referrers")

// Referrers lists the manifests whose subject is that digest, from the API or,
// where the registry has none, from the tag sha256-HEX; sorted by digest, of
// all artifact types (what a registry says of types is not believed). None is
// no error. A mirror that knows none is not believed: the next is asked. See
// distribution-spec, "Listing Referrers".
func (c *Client) Referrers(ctx context.Context, repo string, subject v1.Hash) ([]v1.Descriptor, error) {
	if err := checkHash(subject); err != nil {
		return nil, fmt.Errorf("%s: %w", repo, err)
	}
	var found []v1.Descriptor
	err := c.each(ctx, repo, "referrers of "+repo+"@"+subject.String(), func(s *session) error {
		var err error
		found, _, err = c.referrers(ctx, s, subject)
		if err == nil && len(found) == 0 && s.place.mirror {
			return fmt.Errorf("%s: %w", s.host(), errNone)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// referrers asks one place, and says whether it has the API.
func (c *Client) referrers(ctx context.Context, s *session, subject v1.Hash) ([]v1.Descriptor, bool, error) {
	found, err := c.fromAPI(ctx, s, subject)
	if err == nil {
		return sorted(found), true, nil
	}
	if !errors.Is(err, errNoAPI) {
		return nil, true, err
	}
	raw, _, err := c.manifest(ctx, s, fallbackTag(subject))
	if errors.Is(err, ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	index, err := parseIndex(raw)
	if err != nil {
		return nil, false, fmt.Errorf("%s: tag %s: %w", s.host(), fallbackTag(subject), err)
	}
	return sorted(index.Manifests), false, nil
}

// fallbackTag names the list where there is no API; see distribution-spec, "Referrers
// Tag Schema".
func fallbackTag(subject v1.Hash) string {
	return spec.ReferrersTag(spec.Digest(subject.String()))
}

var errNoAPI = errors.New("no referrers API")

// fromAPI asks for all pages of the list. What is no list, whatever the status says, is
// a registry without the API.
func (c *Client) fromAPI(ctx context.Context, s *session, subject v1.Hash) ([]v1.Descriptor, error) {
	a := ask{
		method: http.MethodGet, path: "referrers/" + subject.String(),
		header: http.Header{"Accept": {string(types.OCIImageIndex)}},
	}
	var found []v1.Descriptor
	for page := 0; ; page++ {
		raw, header, err := c.whole(ctx, s, a, -1)
		if err != nil {
			return nil, withoutAPI(err, page)
		}
		if contentType(header) != string(types.OCIImageIndex) && page == 0 {
			return nil, errNoAPI
		}
		index, err := parseIndex(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: referrers: %w", s.host(), err)
		}
		found = append(found, index.Manifests...)
		next := nextPage(header)
		if next == "" {
			return found, nil
		}
		if page+1 == maxPages || len(found) > maxReferrers {
			return nil, fmt.Errorf("%s: %w: more than %d referrers or %d pages of them", s.host(), ErrSize, maxReferrers, maxPages)
		}
		if a.to, err = s.beside(a, next); err != nil {
			return nil, err
		}
		a.home = true
	}
}

// withoutAPI turns the answers of registries that do not know the API into errNoAPI.
func withoutAPI(err error, page int) error {
	answer, ok := errors.AsType[*Error](err)
	if !ok || page > 0 {
		return err
	}
	switch answer.Status {
	case http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed,
		http.StatusNotAcceptable, http.StatusNotImplemented:
		return errNoAPI
	}
	return err
}

// nextPage reads the address of the next page; see RFC 8288.
func nextPage(h http.Header) string {
	for _, link := range h.Values("Link") {
		address, rest, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(link), "<"), ">")
		if ok && strings.Contains(strings.ReplaceAll(rest, `"`, ""), "rel=next") {
			return address
		}
	}
	return ""
}

// beside returns an address that an answer names and that must be the registry's.
func (s *session) beside(a ask, text string) (*url.URL, error) {
	to, err := s.address(a).Parse(text)
	if err != nil || !strings.EqualFold(to.Host, s.host()) {
		return nil, fmt.Errorf("%s: %w: the next page is elsewhere", s.host(), ErrServer)
	}
	return &url.URL{Scheme: "https", Host: s.host(), Path: to.Path, RawPath: to.RawPath, RawQuery: to.RawQuery}, nil
}

func parseIndex(raw []byte) (*v1.IndexManifest, error) {
	var index v1.IndexManifest
	if err := json.Unmarshal(raw, &index); err != nil {
		return nil, fmt.Errorf("%w: the list is no image index", ErrServer)
	}
	for _, d := range index.Manifests {
		if err := checkBlob(d); err != nil {
			return nil, fmt.Errorf("%w: the list has a bad descriptor: %w", ErrServer, err)
		}
	}
	return &index, nil
}

// sorted orders descriptors by digest, each once.
func sorted(list []v1.Descriptor) []v1.Descriptor {
	slices.SortStableFunc(list, func(a, b v1.Descriptor) int {
		return cmp.Compare(a.Digest.String(), b.Digest.String())
	})
	return slices.CompactFunc(list, func(a, b v1.Descriptor) bool { return a.Digest == b.Digest })
}
