package registry_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/compose/registry/registrytest"
	"github.com/composeos/compose/spec"
)

const secret = "s3cret-word"

// basic is the header's value for user a.
var basic = "Basic " + base64.StdEncoding.EncodeToString([]byte("a:"+secret))

// carries returns the hosts that got credentials.
func carries(s *registrytest.Server) (hosts []string) {
	for _, r := range s.Requests() {
		if r.Authorization != "" {
			hosts = append(hosts, r.Host+" "+r.Path)
		}
	}
	return hosts
}

// TestCredentials sends them to their host, and errors never have them.
func TestCredentials(t *testing.T) {
	for name, test := range map[string]struct {
		fault registrytest.Fault
		keys  authn.AuthConfig
		want  error
		words string
	}{
		"basic":                 {registrytest.Basic("a", secret), authn.AuthConfig{Username: "a", Password: secret}, nil, ""},
		"basic, wrong":          {registrytest.Basic("a", "x"), authn.AuthConfig{Username: "a", Password: secret}, registry.ErrUnauthorized, "(as a): authentication required"},
		"basic, none":           {registrytest.Basic("a", secret), authn.AuthConfig{}, registry.ErrUnauthorized, "(anonymous): authentication required"},
		"token":                 {registrytest.Bearer("a", secret), authn.AuthConfig{Username: "a", Password: secret}, nil, ""},
		"token, wrong":          {registrytest.Bearer("a", "x"), authn.AuthConfig{Username: "a", Password: secret}, registry.ErrUnauthorized, "(as a): authentication required"},
		"token, none":           {registrytest.Bearer("a", secret), authn.AuthConfig{}, registry.ErrUnauthorized, "(anonymous): authentication required"},
		"token for everybody":   {registrytest.Bearer("", ""), authn.AuthConfig{}, nil, ""},
		"their echo":            {registrytest.On(registrytest.Manifests, registrytest.Status(403, "no "+secret+" and no "+basic)), authn.AuthConfig{Username: "a", Password: secret}, registry.ErrUnauthorized, "(as a)"},
		"token server fails":    {registrytest.On(registrytest.Path("", "/token"), registrytest.Status(500, "oh")), authn.AuthConfig{Username: "a", Password: secret}, registry.ErrServer, "500"},
		"token server is odd":   {registrytest.On(registrytest.Path("", "/token"), registrytest.Answer("application/json", []byte(`{"refresh_token":"`+secret+`"}`))), authn.AuthConfig{Username: "a", Password: secret}, registry.ErrServer, "no token"},
		"token server is empty": {registrytest.On(registrytest.Path("", "/token"), registrytest.Answer("application/json", nil)), authn.AuthConfig{Username: "a", Password: secret}, errAny, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := registrytest.New(t)
			s.PutManifest(t, repo, "v1", string(types.OCIManifestSchema1), aManifest(300))
			faults := []registrytest.Fault{test.fault}
			if strings.HasPrefix(name, "token server") {
				faults = append(faults, registrytest.Bearer("a", secret))
			}
			if name == "their echo" {
				faults = append([]registrytest.Fault{registrytest.On(isPing, registrytest.Basic("a", secret))}, faults...)
			}
			s.Fault(faults...)
			c := client(t, registry.Options{Keychain: keychain{s.Host: test.keys, "localhost": {Username: "z", Password: "z"}}})
			_, _, err := c.Tag(t.Context(), s.Host+"/"+repo, "v1")
			switch {
			case !errors.Is(test.want, errAny):
				check(t, err, test.want, test.words)
			case err == nil:
				t.Error("no error")
			}
			if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), strings.TrimPrefix(basic, "Basic "))) {
				t.Errorf("it says the password: %v", err)
			}
		})
	}
}

// errAny stands for any error.
var errAny = http.ErrNotSupported

// TestRedirects leads the blob's requests elsewhere. The registry is on 127.0.0.1 and
// needs a password.
func TestRedirects(t *testing.T) {
	for _, auth := range []registrytest.Fault{registrytest.Basic("a", secret), registrytest.Bearer("a", secret)} {
		s, other := registrytest.New(t), registrytest.New(t)
		raw, d := putBlob(t, s, 300)
		putBlob(t, other, 300)
		local := "http://localhost:" + s.Host[strings.LastIndex(s.Host, ":")+1:]
		for name, test := range map[string]struct {
			to    string
			want  error
			words string
		}{
			"another port":          {other.URL, nil, ""},
			"another name":          {local + "/elsewhere", registry.ErrUnauthorized, "localhost:"},
			"a user in the address": {strings.Replace(other.URL, "//", "//u:p@", 1), nil, ""},
			"itself":                {s.URL, registry.ErrServer, "more than 5 redirects"},
			"plain, far away":       {"http://far.example", registry.ErrPlain, "far.example wants plain HTTP"},
			"another protocol":      {"ftp://far.example", registry.ErrInsecure, "speaks no HTTP"},
			"nowhere":               {"http://%zz", registry.ErrServer, "leads nowhere"},
		} {
			t.Run(name, func(t *testing.T) {
				s.Fault(auth, registrytest.On(registrytest.Blobs, registrytest.Redirect(307, test.to)))
				s.Forget()
				other.Forget()
				c := client(t, registry.Options{Keychain: keychain{s.Host: {Username: "a", Password: secret}}})
				got, err := fetch(t, c, s.Host+"/"+repo, d)
				check(t, err, test.want, test.words)
				if test.want == nil && string(got) != string(raw) {
					t.Error("other bytes")
				}
				if with := carries(other); with != nil {
					t.Errorf("credentials went to %v", with)
				}
				for _, with := range carries(s) {
					if !strings.HasPrefix(with, s.Host) {
						t.Errorf("credentials went to %s", with)
					}
				}
				if n := len(s.Asked("GET", "/blobs/")); n > 6 {
					t.Errorf("asked %d times", n)
				}
			})
		}
	}
}

// TestRedirectResumes goes on with the range behind a redirect.
func TestRedirectResumes(t *testing.T) {
	s, other := registrytest.New(t), registrytest.New(t)
	raw, d := putBlob(t, other, 300)
	s.Fault(registrytest.On(registrytest.Blobs, registrytest.Redirect(302, other.URL)))
	other.Fault(registrytest.On(registrytest.Blobs, registrytest.Cut(70)))
	got, err := fetch(t, client(t, registry.Options{}), s.Host+"/"+repo, d)
	if err != nil || string(got) != string(raw) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	for _, asked := range other.Asked("", "")[1:] {
		if asked.Range == "" {
			t.Errorf("asked without a range")
		}
	}
}

// TestFarAway talks to hosts that are not this machine, over a proxy that has them.
func TestFarAway(t *testing.T) {
	s, tls := registrytest.New(t), registrytest.NewTLS(t)
	_, d := putBlob(t, s, 300)
	putBlob(t, tls, 300)
	proxy := world{
		"reg.example:5000": s.Host, "reg.example": s.Host, "10.1.2.3:5000": s.Host, "box.local:5000": s.Host,
		"example.com:443": tls.Host, "plain.example": s.Host, "plain.example:80": s.Host, "plain.example:443": s.Host,
		"127.0.0.1:1": s.Host,
	}.proxy(t)
	good := &spec.Settings{CA: tls.CA, Registries: map[string]spec.RegistrySettings{
		"plain.example": {HTTP: true}, "reg.example:5001": {HTTP: true},
	}}
	for name, test := range map[string]struct {
		host     string
		settings *spec.Settings
		fault    registrytest.Fault // of both
		want     error
		words    string
	}{
		"plain, named":           {"plain.example", good, nil, nil, ""},
		"plain, a port":          {"reg.example:5000", nil, nil, registry.ErrInsecure, "reg.example:5000 wants plain HTTP"},
		"plain, another port":    {"reg.example:5000", good, nil, registry.ErrInsecure, "reg.example:5000 wants plain HTTP"},
		"plain, all addresses":   {strings.Replace(s.Host, "127.0.0.1", "0.0.0.0", 1), nil, nil, registry.ErrInsecure, "wants plain HTTP"},
		"plain, private":         {"10.1.2.3:5000", nil, nil, registry.ErrInsecure, "10.1.2.3:5000 wants plain HTTP"},
		"plain, .local":          {"box.local:5000", nil, nil, registry.ErrInsecure, "box.local:5000 wants plain HTTP"},
		"TLS":                    {"example.com", good, nil, nil, ""},
		"TLS, unknown":           {"example.com", nil, nil, registry.ErrCertificate, "certificate signed by unknown authority"},
		"TLS here, unknown":      {tls.Host, nil, nil, registry.ErrCertificate, "certificate signed by unknown authority; without TLS: " + tls.Host + " answers 400 Bad Request"},
		"TLS, its own CA":        {"example.com", &spec.Settings{Registries: map[string]spec.RegistrySettings{"example.com": {CA: tls.CA}}}, nil, nil, ""},
		"TLS, another's CA":      {"example.com", &spec.Settings{Registries: map[string]spec.RegistrySettings{"example.org": {CA: tls.CA}}}, nil, errAny, "certificate"},
		"TLS to plain":           {"example.com", good, registrytest.On(registrytest.Blobs, registrytest.Redirect(307, "http://plain.example")), registry.ErrInsecure, "example.com leads from TLS to plain HTTP with plain.example"},
		"to this machine":        {"plain.example", good, registrytest.On(registrytest.Blobs, registrytest.Redirect(307, s.URL)), registry.ErrInsecure, "on this machine"},
		"to this machine, TLS":   {"example.com", good, registrytest.On(registrytest.Blobs, registrytest.Redirect(307, "https://localhost:1")), registry.ErrInsecure, "on this machine"},
		"to all addresses":       {"example.com", good, registrytest.On(registrytest.Blobs, registrytest.Redirect(307, "https://0.0.0.0:1")), registry.ErrInsecure, "on this machine"},
		"to mapped loopback":     {"example.com", good, registrytest.On(registrytest.Blobs, registrytest.Redirect(307, "https://[::ffff:127.0.0.1]:1")), registry.ErrInsecure, "on this machine"},
		"handshake to this one":  {"plain.example", good, registrytest.On(isPing, registrytest.Redirect(307, s.URL)), errAny, "on this machine"},
		"handshake to plain":     {"example.com", good, registrytest.On(isPing, registrytest.Redirect(307, "http://plain.example")), errAny, "plain HTTP"},
		"realm on this machine":  {"example.com", good, registrytest.On(isPing, registrytest.Status(401, "x", "WWW-Authenticate", `Bearer realm="https://localhost:1/token",service="x"`)), errAny, "on this machine"},
		"realm over plain HTTP":  {"example.com", good, registrytest.On(isPing, registrytest.Status(401, "x", "WWW-Authenticate", `Bearer realm="http://plain.example/token",service="x"`)), errAny, "realm"},
		"plain to TLS elsewhere": {"plain.example", good, registrytest.On(onHost("plain.example", registrytest.Blobs), registrytest.Redirect(307, "https://example.com")), nil, ""},
		"realm sent on to this": {"example.com", good, func(next http.Handler) http.Handler {
			realm := registrytest.Status(401, "x", "WWW-Authenticate", `Bearer realm="https://example.com/token",service="x"`)
			return registrytest.On(isPing, realm)(registrytest.On(registrytest.Path("", "/token"), registrytest.Redirect(307, "https://localhost:1"))(next))
		}, errAny, "on this machine"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.fault == nil {
				test.fault = registrytest.NoRange()
			}
			s.Fault(test.fault)
			tls.Fault(test.fault)
			s.Forget()
			c := client(t, registry.Options{Settings: test.settings, Proxy: proxy, Retries: -1, Keychain: keychain{test.host: {Username: "a", Password: secret}}})
			_, err := fetch(t, c, test.host+"/"+repo, d)
			switch {
			case !errors.Is(test.want, errAny):
				check(t, err, test.want, test.words)
			case err == nil || !strings.Contains(err.Error(), test.words):
				t.Errorf("error: %v, want words %q", err, test.words)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("it says the password: %v", err)
			}
			if asked := s.Requests(); errors.Is(test.want, registry.ErrInsecure) && strings.Contains(test.words, "wants plain") && len(asked) > 0 {
				t.Errorf("it was asked over plain HTTP: %v", asked)
			}
		})
	}
}

func onHost(host string, match func(*http.Request) bool) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Host == host && match(r) }
}

// TestMirrorCredentials gives a mirror its own credentials, or none.
func TestMirrorCredentials(t *testing.T) {
	mirror, s := registrytest.New(t), registrytest.New(t)
	raw := aManifest(300)
	mirror.PutManifest(t, "proxy/"+repo, "v1", string(types.OCIManifestSchema1), raw)
	mirror.Fault(registrytest.Basic("m", "mm"))
	s.Fault(registrytest.Basic("a", secret))
	settings := &spec.Settings{Registries: map[string]spec.RegistrySettings{s.Host: {Mirrors: []string{mirror.Host + "/proxy"}}}}
	c := client(t, registry.Options{Settings: settings, Keychain: keychain{s.Host: {Username: "a", Password: secret}, mirror.Host: {Username: "m", Password: "mm"}}})
	got, err := c.Manifest(t.Context(), s.Host+"/"+repo, descOf(raw).Digest)
	if err != nil || string(got) != string(raw) || len(s.Requests()) != 0 {
		t.Fatalf("%v; the registry was asked %v", err, s.Requests())
	}
	mirror.Forget()
	c = client(t, registry.Options{Settings: settings, Keychain: keychain{s.Host: {Username: "a", Password: secret}}})
	_, err = c.Manifest(t.Context(), s.Host+"/"+repo, descOf(raw).Digest)
	check(t, err, registry.ErrNotFound, mirror.Host+" answers 401 Unauthorized (anonymous)")
	if with := carries(mirror); with != nil {
		t.Errorf("credentials went to the mirror: %v", with)
	}
}

// TestMirrorDown asks a mirror that is down no more.
func TestMirrorDown(t *testing.T) {
	mirror, s := registrytest.New(t), registrytest.New(t)
	mirror.Fault(registrytest.Cut(-1))
	s.PutManifest(t, repo, "v1", string(types.OCIManifestSchema1), aManifest(300))
	settings := &spec.Settings{Registries: map[string]spec.RegistrySettings{s.Host: {Mirrors: []string{mirror.Host}}}}
	w := &waits{}
	c := client(t, registry.Options{Settings: settings, Wait: w.wait})
	var asked int
	for i := range 3 {
		if _, _, err := c.Tag(t.Context(), s.Host+"/"+repo, "v1"); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			asked = len(mirror.Requests())
		}
	}
	if n := len(mirror.Requests()); n != asked || n == 0 {
		t.Errorf("the mirror was asked %d times, then %d", asked, n-asked)
	}
}

func TestNewRefuses(t *testing.T) {
	empty := t.TempDir() + "/empty.pem"
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, settings := range map[string]*spec.Settings{
		"no file":      {CA: "/nonexistent/ca.pem"},
		"not PEM":      {CA: empty},
		"no host file": {Registries: map[string]spec.RegistrySettings{"a.example": {CA: "/nonexistent/ca.pem"}}},
		"bad proxy":    {Proxy: "http://u:" + secret + "@%zz"},
	} {
		_, err := registry.New(registry.Options{Settings: settings})
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
