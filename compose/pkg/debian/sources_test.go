package debian_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/composeos/compose/compose/pkg/debian"
)

const deb822 = `Types: deb deb-src
# a comment
URIs: http://deb.example.org/debian/
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://deb.example.org/debian-security
Suites: bookworm-security
Components: main contrib
`

func TestParseSources(t *testing.T) {
	both := debian.Mirrors{Main: []string{"http://deb.example.org/debian"}, Security: []string{"http://deb.example.org/debian-security"}}
	tests := map[string]struct {
		name, text string
		want       debian.Mirrors
	}{
		"deb822":              {"debian.sources", deb822, both},
		"deb822 after a list": {"x.sources", "\n\n" + deb822, both},
		"one-line": {"sources.list", `
# deb http://old.example.org/debian stable main
deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.pgp]	http://deb.example.org/debian trixie main contrib # here
deb http://deb.example.org/debian trixie-updates main
deb-src http://src.example.org/debian trixie main
deb http://deb.example.org/debian-security/ trixie-security main
`, both},
		"old security": {"sources.list", "deb http://security.example.org/ buster/updates main", debian.Mirrors{Security: []string{"http://security.example.org"}}},
		"several":      {"a.list", "deb https://a.example.org sid main\ndeb file:///srv/debian stable main\n", debian.Mirrors{Main: []string{"https://a.example.org", "file:///srv/debian"}}},
		"third parties": {"a.list", `deb [signed-by=/usr/share/keyrings/x.gpg] https://x.example.org bookworm main
deb https://y.example.org cloud-sdk-bookworm main
deb https://z.example.org bookworm stable
deb https://u.example.org jammy main
deb https://v.example.org ./
`, debian.Mirrors{}},
		"other transports": {"a.list", "deb cdrom:[Debian]/ trixie main\ndeb mirror+file:/etc/apt/m trixie main\ndeb ftp://x trixie main", debian.Mirrors{}},
		"disabled":         {"a.sources", "Enabled: no\n" + deb822, debian.Mirrors{Security: both.Security}},
		"sources alone":    {"a.sources", "Types: deb-src\nURIs: http://x.example.org\nSuites: sid\nComponents: main\n", debian.Mirrors{}},
		"nothing":          {"a.sources", "", debian.Mirrors{}},
		"inline key":       {"a.sources", "Types: deb\nURIs: http://x.example.org\nSuites: sid\nComponents: main\nSigned-By:\n -----BEGIN\n", debian.Mirrors{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := debian.ParseSources(test.name, []byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseSourcesErrors(t *testing.T) {
	for want, file := range map[string][2]string{
		`a.list:2: "deb http://x": a URI and a suite are wanted`: {"a.list", "\ndeb http://x\n"},
		`a.list:1: the options have no "]"`:                      {"a.list", "deb [arch=amd64 http://x sid main"},
		`a.sources: line 2: "URI" is no field`:                   {"a.sources", "Types: deb\nURI\n"},
	} {
		if _, err := debian.ParseSources(file[0], []byte(file[1])); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestMirrorsOf(t *testing.T) {
	got, err := debian.MirrorsOf("https://me:secret@deb.example.org/debian/")
	want := debian.Mirrors{
		Main:     []string{"https://me:secret@deb.example.org/debian"},
		Security: []string{"https://me:secret@deb.example.org/debian-security"}, Guessed: true,
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	known := debian.Mirrors{Main: []string{"http://a"}, Security: []string{"http://s"}}
	if joined := known.With(want); joined.Guessed || len(joined.Main) != 2 || len(joined.Security) != 2 {
		t.Errorf("%+v", joined)
	}
	for _, bad := range []string{"", "deb.example.org", "ftp://me:secret@x/y", "http://", "file://host/x", "file:x", "http://me:secret@x/?y", "http://x/#y", "http://me:secret@\x7f"} {
		_, err := debian.MirrorsOf(bad)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseSources(f *testing.F) {
	f.Add("a.sources", deb822)
	f.Add("a.list", "deb [a=b] http://x/y trixie main # c\ndeb [ x\n")
	f.Add("a.list", "deb file:///x bookworm-proposed-updates main")
	f.Fuzz(func(t *testing.T, name, text string) {
		m, err := debian.ParseSources(name, []byte(text))
		if err != nil {
			return
		}
		for _, uri := range append(m.Main, m.Security...) {
			if again, err := debian.MirrorsOf(uri); err != nil || again.Main[0] != uri {
				t.Errorf("%q is no mirror: %v, %q", uri, err, again.Main)
			}
		}
	})
}
