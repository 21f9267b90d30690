package spec

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseSettings(t *testing.T) {
	const text = `registries:
  docker.io:
    mirrors: [mirror.example.org:5000/hub/a, "[::1]:5000", mirror]
    proxy: none
  "localhost:5000": {http: true}
  mirror.example.org:5000: {ca: certs/mirror.pem, proxy: "socks5://user:word@10.0.0.1:1080"}
proxy: http://proxy.example.org:3128/
ca: /etc/ca.pem
`
	want := &Settings{
		Registries: map[string]RegistrySettings{
			"docker.io":               {Mirrors: []string{"mirror.example.org:5000/hub/a", "[::1]:5000", "mirror"}, Proxy: NoProxy},
			"localhost:5000":          {HTTP: true},
			"mirror.example.org:5000": {CA: "certs/mirror.pem", Proxy: "socks5://user:word@10.0.0.1:1080"},
		},
		Proxy: "http://proxy.example.org:3128/",
		CA:    "/etc/ca.pem",
		Pos:   Pos{"home/config.yml", 1, 1},
	}
	got, err := ParseSettings("home/config.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for name, want := range map[string]string{"certs/mirror.pem": "home/certs/mirror.pem", "/etc/ca.pem": "/etc/ca.pem", "": ""} {
		if got.Path(name) != want {
			t.Errorf("%q is at %q, want %q", name, got.Path(name), want)
		}
	}
}

func TestEmptySettings(t *testing.T) {
	for name, text := range map[string]string{"nothing": "", "comments": "# proxy: http://a\n", "a document": "---\n", "braces": "{}\n"} {
		s, err := ParseSettings("home/config.yml", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(s.Registries) > 0 || s.Path("a") != "home/a" {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func FuzzParseSettings(f *testing.F) {
	for _, s := range []string{
		"", "proxy: http://a:1", "registries: {docker.io: {mirrors: [a/b, \"c:1\"], http: true, proxy: none}}", `{"registries": {"[::1]:5000": {"ca": "x"}}}`, "ca: [a]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseSettings("config.yml", data)
		if err != nil {
			return
		}
		for host, r := range s.Registries {
			// What is taken as a host is one to references too.
			if ref, err := ParseRef(host+"/a/b", ""); err != nil || ref.Name != host+"/a/b" {
				t.Fatalf("%q is no host of a reference: %v, %v", host, ref, err)
			}
			for _, m := range r.Mirrors {
				if err := CheckMirror(m); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
