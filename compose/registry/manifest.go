package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/spec"
)

// Resolve asks what ref names now. The digest and the size are those of the
// bytes that came; ref is a registry's, and where it has a digest its tag is not
// asked for. Errors wrap [ErrNotFound], [ErrUnauthorized] and their like.
func (c *Client) Resolve(ctx context.Context, ref spec.Ref) (v1.Descriptor, error) {
	if ref.Transport != spec.Registry {
		return v1.Descriptor{}, fmt.Errorf("%s is not a registry's", ref)
	}
	if ref.Digest == "" {
		_, desc, err := c.Tag(ctx, ref.Name, ref.Tag)
		return desc, err
	}
	d, err := v1.NewHash(string(ref.Digest))
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("%s: %w", ref, err)
	}
	_, desc, err := c.byDigest(ctx, ref.Name, d)
	return desc, err
}

// tagPattern is of distribution-spec, "Pulling manifests".
var tagPattern = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

// Tag fetches the manifest of a tag, at most [MaxManifest] bytes, and its
// descriptor: media type, size and digest. repo is a [spec.Ref]'s Name.
func (c *Client) Tag(ctx context.Context, repo, tag string) ([]byte, v1.Descriptor, error) {
	what := repo + ":" + tag
	if !tagPattern.MatchString(tag) {
		return nil, v1.Descriptor{}, fmt.Errorf("%s: %q is not a tag", repo, tag)
	}
	var raw []byte
	var desc v1.Descriptor
	err := c.each(ctx, repo, what, func(s *session) error {
		var err error
		raw, desc, err = c.manifest(ctx, s, tag)
		return err
	})
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	return raw, desc, nil
}

// Manifest fetches a manifest by its digest, at most [MaxManifest] bytes. The
// bytes have that digest. repo is a [spec.Ref]'s Name.
func (c *Client) Manifest(ctx context.Context, repo string, d v1.Hash) ([]byte, error) {
	raw, _, err := c.byDigest(ctx, repo, d)
	return raw, err
}

func (c *Client) byDigest(ctx context.Context, repo string, d v1.Hash) ([]byte, v1.Descriptor, error) {
	what := repo + "@" + d.String()
	if err := checkHash(d); err != nil {
		return nil, v1.Descriptor{}, fmt.Errorf("%s: %w", repo, err)
	}
	var raw []byte
	var desc v1.Descriptor
	err := c.each(ctx, repo, what, func(s *session) error {
		var err error
		raw, desc, err = c.manifest(ctx, s, d.String())
		if err == nil && desc.Digest != d {
			err = fmt.Errorf("%s: %w: sends %s", s.host(), ErrDigest, desc.Digest)
		}
		return err
	})
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	return raw, desc, nil
}

// checkHash takes what is a digest of ours, and may stand in a path.
func checkHash(d v1.Hash) error {
	_, err := spec.ParseDigest(d.String())
	return err
}

// manifest fetches a manifest by tag or digest from one place.
func (c *Client) manifest(ctx context.Context, s *session, reference string) ([]byte, v1.Descriptor, error) {
	header := http.Header{"Accept": {
		string(types.OCIImageIndex), string(types.OCIManifestSchema1),
		string(types.DockerManifestList), string(types.DockerManifestSchema2),
	}}
	raw, got, err := c.whole(ctx, s, ask{method: http.MethodGet, path: "manifests/" + reference, header: header}, -1)
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	var named struct {
		MediaType string `json:"mediaType"`
	}
	if err := json.Unmarshal(raw, &named); err != nil {
		return nil, v1.Descriptor{}, fmt.Errorf("%s: %w: the manifest is not JSON", s.host(), ErrServer)
	}
	media := named.MediaType
	if media == "" {
		media = contentType(got)
	}
	return raw, v1.Descriptor{MediaType: types.MediaType(media), Size: int64(len(raw)), Digest: hashOf(raw)}, nil
}

// SmallBlob fetches a whole blob of at most [MaxManifest] bytes. The bytes have
// the descriptor's size and digest.
func (c *Client) SmallBlob(ctx context.Context, repo string, d v1.Descriptor) ([]byte, error) {
	what := repo + "@" + d.Digest.String()
	if err := checkBlob(d); err != nil {
		return nil, fmt.Errorf("%s: %w", repo, err)
	}
	if d.Size > MaxManifest {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrSize, d.Size, MaxManifest)
	}
	var raw []byte
	err := c.each(ctx, repo, what, func(s *session) error {
		var err error
		raw, _, err = c.whole(ctx, s, ask{method: http.MethodGet, path: "blobs/" + d.Digest.String()}, d.Size)
		if err == nil && hashOf(raw) != d.Digest {
			err = fmt.Errorf("%s: %w: sends %s", s.host(), ErrDigest, hashOf(raw))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return raw, nil
}

// checkBlob takes the descriptor of a blob that may be fetched.
func checkBlob(d v1.Descriptor) error {
	if d.Size < 0 {
		return fmt.Errorf("%w: %s has %d bytes", ErrSize, d.Digest, d.Size)
	}
	return checkHash(d.Digest)
}

// whole fetches all of an answer, size bytes, or any number up to MaxManifest where
// size is below 0. What is cut is fetched again.
func (c *Client) whole(ctx context.Context, s *session, a ask, size int64) ([]byte, http.Header, error) {
	for n := 1; ; n++ {
		resp, err := s.do(ctx, a, http.StatusOK)
		if err != nil {
			return nil, nil, err
		}
		raw, err := readWhole(resp, size)
		if err == nil {
			return raw, resp.Header, nil
		}
		err = fmt.Errorf("%s: %w", s.host(), err)
		if err := c.pause(ctx, n, err); err != nil {
			return nil, nil, err
		}
	}
}

// readWhole reads and closes an answer. It does not read much more than it should.
func readWhole(resp *http.Response, size int64) ([]byte, error) {
	defer resp.Body.Close()
	limit := size
	if size < 0 {
		limit = MaxManifest
	}
	wrong := resp.ContentLength > limit || size >= 0 && resp.ContentLength >= 0 && resp.ContentLength != size
	if wrong && size < 0 {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrSize, resp.ContentLength, limit)
	}
	if wrong {
		return nil, fmt.Errorf("%w: announces %d bytes, want %d", ErrSize, resp.ContentLength, size)
	}
	if err := checkEncoding(resp); err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return nil, cutError(err)
	case int64(len(raw)) > limit:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrSize, limit)
	case size >= 0 && int64(len(raw)) < size:
		return nil, fmt.Errorf("%w: %d of %d bytes", ErrIncomplete, len(raw), size)
	}
	return raw, nil
}

// cutError says that an answer broke off. The end of a context stays what it is.
func cutError(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrIncomplete, err)
}

// checkEncoding refuses an answer that was encoded on the way: nobody asked for that,
// and its bytes are not what the digest is of.
func checkEncoding(resp *http.Response) error {
	if e := resp.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return fmt.Errorf("%w: sends it encoded as %s", ErrServer, clean(e))
	}
	return nil
}

// contentType returns what an answer says that it is, without parameters.
func contentType(h http.Header) string {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return kind
}

func hashOf(raw []byte) v1.Hash {
	sum := sha256.Sum256(raw)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}
