package registry_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/compose/registry/registrytest"
	"github.com/composeos/compose/spec"
)

// TestTransport fetches beside images: by the same settings, and with the same rules
// for redirects.
func TestTransport(t *testing.T) {
	s, tls := registrytest.New(t), registrytest.NewTLS(t)
	for name, test := range map[string]struct {
		ca, from, to string // a redirect leads to
		want         error
	}{
		"plain HTTP here":          {"", s.URL, "", nil},
		"plain HTTP elsewhere":     {"", "http://far.example", "", registry.ErrPlain},
		"TLS, unknown":             {"", tls.URL, "", registry.ErrCertificate},
		"TLS, by the settings":     {tls.CA, tls.URL, "", nil},
		"TLS to plain HTTP":        {tls.CA, tls.URL, s.URL, registry.ErrInsecure},
		"in circles":               {"", s.URL, s.URL, registry.ErrServer},
		"to plain HTTP elsewhere":  {"", s.URL, "http://far.example", registry.ErrPlain},
		"from elsewhere to here":   {tls.CA, "https://example.com", s.URL, registry.ErrInsecure},
		"from elsewhere, with TLS": {tls.CA, "https://example.com", tls.URL, registry.ErrInsecure},
	} {
		t.Run(name, func(t *testing.T) {
			var faults []registrytest.Fault
			if test.to != "" {
				faults = append(faults, registrytest.On(isPing, registrytest.Redirect(307, test.to)))
			}
			s.Fault(faults...)
			tls.Fault(faults...)
			way, err := registry.NewTransport(registry.Options{
				Settings: &spec.Settings{CA: test.ca}, Proxy: world{"example.com:443": tls.Host}.proxy(t),
			})
			if err != nil {
				t.Fatal(err)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, test.from+"/v2/", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := (&http.Client{Transport: way}).Do(req)
			if err == nil {
				resp.Body.Close()
			}
			if !errors.Is(err, test.want) {
				t.Errorf("error: %v, want %v", err, test.want)
			}
		})
	}
}
