package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// How long a blob is fetched on in spite of everything. A cut that brought something
// starts the tries anew, so their number is limited too; and so is how often what
// is there already comes again, from a registry that cannot start in the middle.
const (
	maxCuts  = 1000
	maxSkips = 16
)

// Blob opens a blob from byte from on; the mirrors are asked first. What is cut
// goes on by itself where it was cut, at the next place where this one has nothing
// more to give. The reader ends with io.EOF when exactly the descriptor's size has
// come, otherwise with an error; the digest is for the reader to check. ctx holds
// for reading too.
func (c *Client) Blob(ctx context.Context, repo string, d v1.Descriptor, from int64) (io.ReadCloser, error) {
	if err := checkBlob(d); err != nil {
		return nil, fmt.Errorf("%s: %w", repo, err)
	}
	if from < 0 || from > d.Size {
		return nil, fmt.Errorf("%s@%s: %w: byte %d of %d", repo, d.Digest, ErrSize, from, d.Size)
	}
	places, err := c.places(repo)
	if err != nil {
		return nil, err
	}
	b := &download{client: c, ctx: ctx, what: repo + "@" + d.Digest.String(), desc: d, places: places, at: from}
	if from < d.Size {
		if err := b.open(); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// download is a blob on its way. It is an io.ReadCloser, so it has to keep its
// context.
type download struct {
	client    *Client
	ctx       context.Context
	what      string
	desc      v1.Descriptor
	places    []place // the first is asked now
	said      []string
	at        int64         // bytes that have come
	body      io.ReadCloser // nil: to be opened
	openEnded bool          // nobody said where body ends
	noRange   bool          // this place cannot start in the middle
	begun     int64         // where body began
	tries     int           // since something came
	cuts      int
	skips     int
	err       error
}

// Read implements io.Reader.
func (b *download) Read(p []byte) (int, error) {
	for len(p) > 0 && b.err == nil {
		switch {
		case b.at == b.desc.Size:
			b.err = b.finish()
		case b.body == nil:
			b.err = b.open()
		default:
			n, err := b.body.Read(p[:min(int64(len(p)), b.desc.Size-b.at)])
			b.at += int64(n)
			if err != nil && b.at < b.desc.Size {
				b.err = b.cut(err)
			}
			if n > 0 {
				return n, nil
			}
		}
	}
	if len(p) == 0 {
		return 0, nil
	}
	return 0, b.err
}

// finish looks whether there is more than there should be, where nobody said that
// there is not. A body that then breaks off has given all.
func (b *download) finish() error {
	if b.body != nil && b.openEnded {
		n, err := io.ReadFull(b.body, make([]byte, 1))
		if n > 0 {
			return fmt.Errorf("%w: more than %d bytes", ErrSize, b.desc.Size)
		}
		if b.ctx.Err() != nil && err != nil && !errors.Is(err, io.EOF) {
			return b.ctx.Err()
		}
	}
	return io.EOF
}

// Close implements io.Closer.
func (b *download) Close() error {
	if b.err == nil {
		b.err = errors.New("it is closed")
	}
	b.drop()
	return nil
}

func (b *download) drop() {
	if b.body != nil {
		_ = b.body.Close()
		b.body = nil
	}
}

// cut is called when the body breaks off. It waits, and lets Read open it again.
func (b *download) cut(err error) error {
	b.drop()
	if got := b.at - b.begun; got >= leastBytes || got > 0 && stallOf(err) == nil {
		b.tries = 0 // what stalls with a few bytes would go on for hours
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	err = fmt.Errorf("%s: %w: %d of %d bytes: %w", b.places[0].host(), ErrIncomplete, b.at, b.desc.Size, err)
	b.tries++
	b.cuts++
	if b.cuts > maxCuts {
		return err
	}
	return b.again(err)
}

// again waits before the next try at this place, or turns to the next one.
func (b *download) again(err error) error {
	err = b.client.pause(b.ctx, b.tries, err)
	if err == nil {
		return nil
	}
	if b.ctx.Err() != nil {
		return b.ctx.Err()
	}
	return b.leave(err)
}

// leave turns to the next place. After the last one it returns the error.
func (b *download) leave(err error) error {
	if len(b.places) == 1 {
		return failed(err, b.said)
	}
	b.client.leave(b.ctx, b.places[0], b.what, err)
	b.said = append(b.said, err.Error())
	b.places = b.places[1:]
	b.tries, b.noRange = 0, false
	return nil
}

// open asks for what is missing until somebody begins to send it.
func (b *download) open() error {
	for {
		err := b.ask()
		switch {
		case err == nil:
			return nil
		case b.ctx.Err() != nil:
			return b.ctx.Err()
		case errors.Is(err, errNoRange) && !b.noRange:
			b.noRange = true
			continue
		case errors.Is(err, ErrIncomplete):
			b.tries++
			err = b.again(err)
		default:
			err = b.leave(err)
		}
		if err != nil {
			return err
		}
	}
}

// errNoRange says that a registry does not start where it was asked to.
var errNoRange = fmt.Errorf("%w: it does not start in the middle", ErrServer)

// ask asks one place for what is missing, and leaves the body at the right byte.
func (b *download) ask() error {
	s, err := b.client.session(b.ctx, b.places[0], transport.PullScope)
	if err != nil {
		return err
	}
	a := ask{method: http.MethodGet, path: "blobs/" + b.desc.Digest.String(), header: http.Header{}, large: true}
	if b.at > 0 && !b.noRange {
		a.header.Set("Range", fmt.Sprintf("bytes=%d-%d", b.at, b.desc.Size-1))
	}
	resp, err := s.do(b.ctx, a, http.StatusOK, http.StatusPartialContent)
	if refused, ok := errors.AsType[*Error](err); ok && refused.Status == http.StatusRequestedRangeNotSatisfiable {
		return fmt.Errorf("%s: %w", s.host(), errNoRange)
	}
	if err != nil {
		return err
	}
	if err = b.accept(resp); err != nil {
		_ = resp.Body.Close()
		return fmt.Errorf("%s: %w", s.host(), err)
	}
	if b.places[0].mirror {
		b.client.log.Debug("a mirror serves", "mirror", s.host(), "what", b.what)
	}
	b.body, b.begun = resp.Body, b.at
	b.openEnded = resp.ContentLength < 0
	return nil
}

// accept checks what an answer says of itself, and skips what is there already.
func (b *download) accept(resp *http.Response) error {
	if err := checkEncoding(resp); err != nil {
		return err
	}
	if resp.StatusCode == http.StatusPartialContent {
		return b.acceptPart(resp)
	}
	if n := resp.ContentLength; n >= 0 && n != b.desc.Size {
		return fmt.Errorf("%w: announces %d bytes, want %d", ErrSize, n, b.desc.Size)
	}
	if b.at == 0 {
		return nil
	}
	if b.skips++; b.skips > maxSkips {
		return fmt.Errorf("%w after %d tries", errNoRange, maxSkips)
	}
	n, err := io.CopyN(io.Discard, resp.Body, b.at)
	if err != nil {
		return cutError(fmt.Errorf("%d of %d bytes: %w", n, b.desc.Size, err))
	}
	return nil
}

// acceptPart checks an answer to a range; see RFC 9110 14.4. It may be shorter than
// was asked for.
func (b *download) acceptPart(resp *http.Response) error {
	var first, last, total int64
	text := resp.Header.Get("Content-Range")
	if n, err := fmt.Sscanf(text, "bytes %d-%d/%d", &first, &last, &total); n < 3 || err != nil {
		return fmt.Errorf("%w: Content-Range: %s", errNoRange, clean(text))
	}
	switch {
	case total != b.desc.Size:
		return fmt.Errorf("%w: announces %d bytes, want %d", ErrSize, total, b.desc.Size)
	case b.at == 0 || first != b.at || last < first || last >= total:
		return fmt.Errorf("%w: Content-Range: %s", errNoRange, clean(text))
	case resp.ContentLength >= 0 && resp.ContentLength != last-first+1:
		return fmt.Errorf("%w: announces %d bytes of %s", ErrSize, resp.ContentLength, clean(text))
	}
	return nil
}
