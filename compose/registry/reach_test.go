package registry

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/composeos/compose/spec"
)

// TestIsLoopback tells what stays on this machine, with which plain HTTP may be spoken,
// from what may lead to it, where no redirect may go.
func TestIsLoopback(t *testing.T) {
	const elsewhere, here, loopback = 0, 1, 2
	for host, want := range map[string]int{
		"127.0.0.1": loopback, "127.9.9.9": loopback, "::1": loopback, "[::1]": loopback, "localhost": loopback,
		"LOCALHOST.": loopback, "::ffff:127.0.0.1": loopback, "::ffff:7f00:1": loopback,
		"a.localhost": here, "0.0.0.0": here, "::": here, "[::]": here, "::ffff:0.0.0.0": here,
		"128.0.0.1": elsewhere, "10.0.0.1": elsewhere, "localhost.example": elsewhere, "notlocalhost": elsewhere,
		"": elsewhere, "127.0.0.1.example": elsewhere,
	} {
		if got := isLoopback(host); got != (want == loopback) {
			t.Errorf("%q is loopback: %v", host, got)
		}
		if got := isHere(host); got != (want >= here) {
			t.Errorf("%q is here: %v", host, got)
		}
	}
}

// TestHostName calls the hub as image names do.
func TestHostName(t *testing.T) {
	reg, err := newReach(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for repo, want := range map[string]string{"docker.io/a/b": "docker.io", "a.example:5000/b": "a.example:5000"} {
		all, err := (&Client{reach: reg}).places(repo)
		if err != nil || len(all) != 1 || all[0].host() != want {
			t.Errorf("%s: %v, %v, want %s", repo, all, err, want)
		}
	}
}

// TestProxies picks the proxy by host: its own, that of all, the environment's.
func TestProxies(t *testing.T) {
	environment := func(*url.URL) (*url.URL, error) { return url.Parse("http://environment.example") }
	registries := map[string]spec.RegistrySettings{
		"none.example":      {Proxy: spec.NoProxy},
		"own.example":       {Proxy: "socks5://own.example:1"},
		"own.example:5000":  {Proxy: "http://port.example"},
		"docker.io":         {Proxy: "http://hub.example"},
		"127.0.0.1:5000":    {Proxy: "http://here.example"},
		"Capitals.example":  {Proxy: "http://capitals.example"},
		"nothing.example":   {},
		"plain.example:80":  {Proxy: "http://eighty.example"},
		"other.example:443": {Proxy: "http://tls.example"},
	}
	for name, test := range map[string]struct{ all, to, want string }{
		"environment":           {"", "https://a.example/v2/", "http://environment.example"},
		"of all":                {"http://all.example", "https://a.example/v2/", "http://all.example"},
		"none":                  {"http://all.example", "https://none.example/v2/", ""},
		"its own":               {"http://all.example", "https://own.example/v2/", "socks5://own.example:1"},
		"its own, usual port":   {"http://all.example", "https://own.example:443/v2/", "socks5://own.example:1"},
		"its own, another port": {"http://all.example", "https://own.example:5000/v2/", "http://port.example"},
		"not that of a port":    {"http://all.example", "https://own.example:5001/v2/", "http://all.example"},
		"the hub":               {"", "https://index.docker.io/v2/", "http://hub.example"},
		"capitals":              {"", "https://CAPITALS.example/v2/", "http://capitals.example"},
		"says nothing":          {"", "https://nothing.example/v2/", "http://environment.example"},
		"loopback":              {"http://all.example", "http://localhost:5000/v2/", ""},
		"loopback, its own":     {"http://all.example", "http://127.0.0.1:5000/v2/", "http://here.example"},
		"port 80, as it is":     {"", "http://plain.example:80/v2/", "http://eighty.example"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := newReach(Options{Settings: &spec.Settings{Proxy: test.all, Registries: registries}, Proxy: environment})
			if err != nil {
				t.Fatal(err)
			}
			to, err := url.Parse(test.to)
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.common.Proxy(&http.Request{URL: to})
			if err != nil || got == nil && test.want != "" || got != nil && got.String() != test.want {
				t.Errorf("%v, %v, want %q", got, err, test.want)
			}
		})
	}
}

// TestOneHostTwice goes by the last of two spellings of a host, each time.
func TestOneHostTwice(t *testing.T) {
	settings := &spec.Settings{Registries: map[string]spec.RegistrySettings{}}
	for _, host := range []string{"A.example", "a.Example", "a.example"} {
		settings.Registries[host] = spec.RegistrySettings{Mirrors: []string{host}}
	}
	for range 64 {
		r, err := newReach(Options{Settings: settings})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.hosts["a.example"].Mirrors[0]; got != "a.example" {
			t.Fatalf("those of %s", got)
		}
	}
}

// TestClean makes one harmless line of anything.
func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain":              "plain",
		" two\r\n\tlines ":   "two lines",
		"\x1b[31mred\x07":    "[31mred",
		"a\u202eb\u200bc":    "a?b?c",
		"bad \xff utf-8":     "bad ? utf-8",
		"ä\u2028b\u0085c":    "ä b c",
		string(long(200)):    string(long(200)),
		string(long(201)):    string(long(197)) + "…",
		string(long(100000)): string(long(197)) + "…",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func long(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = 'x'
	}
	return out
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b[0m\u202e\xff", 3)
	f.Add("ääää", 100)
	f.Fuzz(func(t *testing.T, s string, n int) {
		for range min(max(n, 0), 200) {
			s += "ä"
		}
		got := clean(s)
		if len(got) > maxSays {
			t.Errorf("%d bytes", len(got))
		}
		if clean(got) != got {
			t.Errorf("not clean: %q", got)
		}
	})
}
