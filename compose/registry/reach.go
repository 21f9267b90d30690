package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/composeos/compose/spec"
)

// reach is the way to hosts: certificates, proxies, and with whom plain HTTP may be
// spoken. It sends what it is given, to each host in that host's way.
type reach struct {
	hosts  map[string]spec.RegistrySettings // by canonical host
	common *http.Transport
	own    map[string]*http.Transport // of hosts with certificates of their own
}

// NewTransport returns the way to any host by the settings, the proxies and the
// UserAgent of the options, for what is fetched beside images: it goes through the
// same proxies, trusts the same certificates, and sends a request on by the same
// rules. Nothing is tried again, and no credentials are sent.
func NewTransport(o Options) (http.RoundTripper, error) {
	r, err := newReach(o)
	if err != nil {
		return nil, err
	}
	return &guard{reach: r, agent: o.agent()}, nil
}

// dockerHub is the host that image names call docker.io.
const dockerHub = "docker.io"

func newReach(o Options) (*reach, error) {
	s := o.Settings
	if s == nil {
		s = &spec.Settings{}
	}
	r := &reach{hosts: map[string]spec.RegistrySettings{}, own: map[string]*http.Transport{}}
	for _, host := range slices.Sorted(maps.Keys(s.Registries)) {
		r.hosts[strings.ToLower(host)] = s.Registries[host]
	}
	proxy, err := r.proxies(s.Proxy, o.Proxy)
	if err != nil {
		return nil, err
	}
	if r.common, err = newTransport(proxy, s.Path(s.CA)); err != nil {
		return nil, err
	}
	for _, host := range slices.Sorted(maps.Keys(r.hosts)) {
		if r.hosts[host].CA == "" {
			continue
		}
		if r.own[host], err = newTransport(proxy, s.Path(s.CA), s.Path(r.hosts[host].CA)); err != nil {
			return nil, fmt.Errorf("%s: %w", host, err)
		}
	}
	return r, nil
}

// newTransport makes the transport that trusts the system's certificates and those of
// the files; "" is none.
func newTransport(proxy func(*http.Request) (*url.URL, error), files ...string) (*http.Transport, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, file := range files {
		if file == "" {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("certificates: %w", err)
		}
		if !pool.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("certificates: %s has none in PEM", file)
		}
	}
	dialer := net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  proxy,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    30 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // sizes and digests are of the bytes as stored
	}, nil
}

// proxies says which proxy serves a request: what the settings say of its host, what
// they say of all, what the environment says. This machine has only its own.
func (r *reach) proxies(all string, environment func(*url.URL) (*url.URL, error)) (func(*http.Request) (*url.URL, error), error) {
	known := map[string]*url.URL{spec.NoProxy: nil}
	texts := []string{all}
	for _, s := range r.hosts {
		texts = append(texts, s.Proxy)
	}
	for _, text := range texts {
		if text == "" || text == spec.NoProxy {
			continue
		}
		u, err := url.Parse(text)
		if err != nil {
			return nil, errors.New("a proxy of the settings is no URL") // it may have a password
		}
		known[text] = u
	}
	return func(req *http.Request) (*url.URL, error) {
		if own := r.of(req.URL).Proxy; own != "" {
			return known[own], nil
		}
		switch {
		case isHere(req.URL.Hostname()):
			return nil, nil
		case all != "":
			return known[all], nil
		case environment != nil:
			return environment(req.URL)
		}
		return nil, nil
	}, nil
}

// of returns what the settings say of the host of u.
func (r *reach) of(u *url.URL) spec.RegistrySettings {
	return r.hosts[r.key(u)]
}

// key returns the name under which the settings may have the host of u: as it is, or
// without the port that its scheme has anyway.
func (r *reach) key(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if host == name.DefaultRegistry {
		return dockerHub
	}
	if _, ok := r.hosts[host]; ok {
		return host
	}
	return strings.TrimSuffix(host, ":"+usualPort(u.Scheme))
}

func usualPort(scheme string) string {
	if scheme == "http" {
		return "80"
	}
	return "443"
}

// plain reports whether plain HTTP may be spoken with the host of u.
func (r *reach) plain(u *url.URL) bool {
	return isLoopback(u.Hostname()) || r.of(u).HTTP
}

// RoundTrip implements http.RoundTripper.
func (r *reach) RoundTrip(req *http.Request) (*http.Response, error) {
	way := r.common
	if own := r.own[r.key(req.URL)]; own != nil {
		way = own
	}
	resp, err := way.RoundTrip(req)
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	return resp, err
}

// isLoopback reports whether a host without port is an address of the loopback
// device, 127.0.0.0/8 or ::1, or localhost: what is sent there stays here.
func isLoopback(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// isHere reports whether a host without port may lead to this machine by its very
// name: as isLoopback, and the unspecified address, and all below localhost.
func isHere(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return isLoopback(host) || strings.HasSuffix(host, ".localhost") || err == nil && addr.Unmap().IsUnspecified()
}
