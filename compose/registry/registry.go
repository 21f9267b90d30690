// Package registry talks to registries: it turns names into digests, fetches
// manifests and blobs by digest, finds what refers to an image, and pushes.
// It follows distribution-spec v1.1.
//
// The central idea is that a registry is not believed. A digest is computed from
// the bytes that came, never read from a header; a size is the descriptor's, and
// a body that is shorter, longer or endless is an error; a blob that is cut goes
// on where it was cut. What a blob holds is not checked here but where it is
// kept: the store takes nothing in that has not its digest.
//
// Plain HTTP is spoken with loopback hosts and with those that the settings
// name. Credentials go to the host that they are configured for: a redirect to
// another host carries none. Everything that is tried again is bounded.
//
//	c, err := registry.New(registry.Options{Settings: settings, Keychain: keys})
//	desc, err := c.Resolve(ctx, ref)
//	raw, err := c.Manifest(ctx, ref.Name, desc.Digest)
//	r, err := c.Blob(ctx, ref.Name, layer, 0)
package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/composeos/compose/spec"
)

// MaxManifest is the greatest size of a manifest, in bytes.
const MaxManifest = spec.MaxDocument

// Options say how registries are reached. The zero value asks everybody
// anonymously, over TLS with the certificates of the system.
type Options struct {
	Settings  *spec.Settings                                                     // mirrors, CAs, proxies, plain HTTP; may be nil
	Keychain  authn.Keychain                                                     // nil: anonymous
	Proxy     func(*url.URL) (*url.URL, error)                                   // what the environment says, where the settings say nothing; nil: none
	UserAgent string                                                             // "": compose
	Retries   int                                                                // tries after the first one that bring nothing; 0: 4, below 0: none
	Stall     time.Duration                                                      // without a byte for so long, a connection is given up, or with less than 1 KiB; 0: 30 s
	Document  time.Duration                                                      // what is no blob and not whole after so long is given up, and tried again; 0: 5 min
	Wait      func(ctx context.Context, d time.Duration) error                   // between tries; nil: a timer
	Progress  func(name string, size int64) (add func(bytes int64), done func()) // a blob begins to be pushed; may be nil, called from many goroutines
	Log       *slog.Logger                                                       // mirrors that did not serve, retries; may be nil
}

// Client talks to registries. It can be used from many goroutines: one
// handshake for each repository is shared.
type Client struct {
	patience
	reach    *reach
	keychain authn.Keychain
	agent    string
	progress func(name string, size int64) (add func(int64), done func())

	mu    sync.Mutex
	seats map[string]*seat   // by place and scope
	hosts map[string]*health // by registry or mirror
	told  map[string]bool    // mirrors that were warned of, by host
}

func (o *Options) agent() string { return cmp.Or(o.UserAgent, "compose") }

// New makes a client. It reads the files of certificates that the settings name,
// and asks nobody yet.
func New(o Options) (*Client, error) {
	r, err := newReach(o)
	if err != nil {
		return nil, err
	}
	c := &Client{
		patience: patience{retries: o.Retries, stall: o.Stall, document: o.Document, wait: o.Wait, log: o.Log},
		reach:    r,
		keychain: o.Keychain,
		agent:    o.agent(),
		progress: o.Progress,
		seats:    map[string]*seat{},
		hosts:    map[string]*health{},
		told:     map[string]bool{},
	}
	if c.retries == 0 {
		c.retries = 4
	}
	if c.stall == 0 {
		c.stall = 30 * time.Second
	}
	if c.document == 0 {
		c.document = 5 * time.Minute
	}
	if c.wait == nil {
		c.wait = sleep
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.progress == nil {
		c.progress = func(string, int64) (func(int64), func()) { return func(int64) {}, func() {} }
	}
	return c, nil
}

// sleep waits for a while, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// each asks the places of a repository one after the other until one serves. what is
// for the error, which tells what all of them said; it wraps what the registry
// itself said.
func (c *Client) each(ctx context.Context, repo, what string, use func(*session) error) error {
	places, err := c.places(repo)
	if err != nil {
		return err
	}
	var said []string
	for _, p := range places {
		s, err := c.session(ctx, p, transport.PullScope)
		if err == nil {
			err = use(s)
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case p.mirror:
			c.leave(ctx, p, what, err)
			said = append(said, err.Error())
		default:
			return failed(err, said)
		}
	}
	return nil
}

// leave tells that a mirror is left for the next place: aloud once for each mirror. That
// it lacks something is nothing to be said aloud.
func (c *Client) leave(ctx context.Context, p place, what string, err error) {
	level := slog.LevelWarn
	if errors.Is(err, ErrNotFound) || errors.Is(err, errNone) || c.wasTold(p.host()) {
		level = slog.LevelDebug
	}
	c.log.Log(ctx, level, fmt.Sprintf("the mirror %s does not serve %s: %s; the next is asked", p.host(), what, reason(p.host(), err)))
}

// wasTold reports whether a mirror was warned of before, and notes that it is now.
func (c *Client) wasTold(host string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.told[host]
	c.told[host] = true
	return before
}

// reason is what a host's error says beside the host's name.
func reason(host string, err error) string {
	text := err.Error()
	if rest, ok := strings.CutPrefix(text, host+": "); ok {
		return rest
	}
	if rest, ok := strings.CutPrefix(text, host+" "); ok {
		return "it " + rest
	}
	return text
}

// failed is the error of all places: the registry's, and what the mirrors said.
func failed(err error, mirrors []string) error {
	if len(mirrors) == 0 {
		return err
	}
	return fmt.Errorf("%w; the mirrors before: %s", err, strings.Join(mirrors, "; "))
}
