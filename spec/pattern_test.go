package spec

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

const (
	atA = string(digestA)
	atB = string(digestB)
)

func TestParsePattern(t *testing.T) {
	tests := []struct{ in, want string }{
		{"busybox", "docker.io/library/busybox"},
		{"busybox:1.36*", "docker.io/library/busybox:1.36*"},
		{"linuxkit/*", "docker.io/linuxkit/*"},
		{"linuxkit/**", "docker.io/linuxkit/**"},
		{"docker.io/busybox", "docker.io/library/busybox"},
		{"docker.io/*", "docker.io/library/*"},
		{"docker.io/**", "docker.io/**"},
		{"index.docker.io/a/b", "docker.io/a/b"},
		{"Docker.IO/a", "docker.io/library/a"},
		{"GHCR.io/acme/**", "ghcr.io/acme/**"},
		{"localhost/a", "localhost/a"},
		{"localhost:*/a", "localhost:*/a"},
		{"localhost:5000", "docker.io/library/localhost:5000"},
		{"*.example.org/**", "*.example.org/**"},
		{"*/a", "*/a"},
		{"**", "**"},
		{"**/a", "**/a"},
		{"ghcr.io/a-*/b_*.c:v*-x@" + atA, "ghcr.io/a-*/b_*.c:v*-x@" + atA},
		{"oci:./images//a*/", "oci:images/a*"},
		{"oci:/srv/**:v*", "oci:/srv/**:v*"},
		{"oci:../x@" + atA, "oci:../x@" + atA},
		{"oci:**", "oci:**"},
		{"docker-archive:a.tar", "docker-archive:a.tar"},
		{"docker-archive:*.tar:busybox:*", "docker-archive:*.tar:busybox:*"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			p, err := ParsePattern(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if p.String() != tt.want {
				t.Errorf("%s, want %s", p, tt.want)
			}
			if again, err := ParsePattern(p.String()); err != nil || again != p {
				t.Errorf("reads back as %s: %v", again, err)
			}
		})
	}
}

func TestBadPatterns(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", "the pattern is empty; want names of images, such as docker.io/linuxkit/*"},
		{" a", `" a" has a space at its beginning or end`},
		{"https://ghcr.io/a", `"https://ghcr.io/a" is not a reference that compose reads: write the name alone, without https://`},
		{"*", `"*": it stands for no image, as a name has a host: want docker.io/library/*, or ** for all`},
		{"busy*", `"busy*": it stands for no image, as a name has a host: want docker.io/library/busy*, or ** for all`},
		{"a**/b", `"a**/b": ** must stand alone between slashes, not in "a**"`},
		{"a/***", `"a/***": ** must stand alone between slashes, not in "***"`},
		{"a/b:**", `"a/b:**": a tag has no parts: want * in it, not **`},
		{"a//b", `"a//b": a part of the name is empty: one slash too many`},
		{"A/*", `"A/*": the name "A" must be in lower case: "a"`},
		{"a/?", `"a/?": "?" is not part of an image's name: want lower-case letters and digits with . _ - between`},
		{"a/-*", `"a/-*": "-1" is not part of an image's name: want lower-case letters and digits with . _ - between`},
		{"a_*:x/b", `"a_*:x/b": "a_*:x" stands for no host`},
		{"a/b:", `"a/b:": "" stands for no tag: want letters, digits, and _ . - (not . or - first)`},
		{"a/b@sha256:*", `"a/b@sha256:*": "sha256:*" is not a digest: want sha256: and 64 lower-case hexadecimal digits`},
		{"pkg:a", `"pkg:a": no policy covers a package source: it is trusted as source`},
		{"@pkg:*", `"@pkg:*": no policy covers a package source: it is trusted as source`},
		{"oCi:5000/a", `"oCi:5000/a": write oci: in lower case`},
		{"oci:", `"oci:": the path is missing`},
		{"oci:a:", `"oci:a:": there is nothing behind the colon`},
		{"oci:a:/", `"oci:a:/": "/" stands for no image in a layout`},
		{"oci:a:v1@" + atA, `"oci:a:v1@` + atA + `": an image of a layout is named by tag or by digest, not by both`},
		{"oci:a/*/../b", `"oci:a/*/../b": .. behind a wildcard leads nowhere that is known`},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			p, err := ParsePattern(tt.in)
			if err == nil {
				t.Fatalf("accepted as %s", p)
			}
			if err.Error() != tt.want {
				t.Errorf("%s\nwant %s", err, tt.want)
			}
		})
	}
}

func TestPatternMatch(t *testing.T) {
	tests := []struct {
		pattern string
		yes, no []string
	}{
		{"linuxkit/*", []string{"linuxkit/init", "docker.io/linuxkit/init:v1", "linuxkit/a@" + atA, "Index.docker.io/linuxkit/a"}, []string{"init", "linuxkit/a/b", "ghcr.io/linuxkit/a", "oci:linuxkit/a", "linuxkit2/a", "xlinuxkit/a"}},
		{"docker.io/*", []string{"busybox", "Docker.io/busybox"}, []string{"linuxkit/init", "quay.io/busybox"}},
		{"ghcr.io/acme/**", []string{"ghcr.io/acme/a", "ghcr.io/acme/a/b/c:v1", "GHCR.IO/acme/a"}, []string{"ghcr.io/acme", "ghcr.io/acme2/a", "ghcr.io:443/acme/a", "xghcr.io/acme/a"}},
		{"ghcr.io/**/web", []string{"ghcr.io/a/web", "ghcr.io/a/web/web"}, []string{"ghcr.io/web", "ghcr.io/a/web/x"}},
		{"**", []string{"a", "localhost:5000/a/b"}, []string{"oci:a", "docker-archive:a"}},
		{"*.example.org/**", []string{"a.example.org/x", "a.b.example.org/x/y"}, []string{"example.org/x", "aexample.org/x", "a.example.org:5000/x", "a.example.org.evil.com/x"}},
		{"ghcr.io/a*b*c", []string{"ghcr.io/abc", "ghcr.io/axbxc", "ghcr.io/abcbc"}, []string{"ghcr.io/ab", "ghcr.io/acb", "ghcr.io/abcd"}},
		{"nginx:1.27*", []string{"nginx:1.27", "nginx:1.27-alpine", "nginx:1.27@" + atA}, []string{"nginx", "nginx:1.2", "nginx@" + atA}},
		{"nginx:*", []string{"nginx", "nginx:1"}, []string{"nginx@" + atA}},
		{"nginx@" + atA, []string{"nginx@" + atA, "nginx:1@" + atA}, []string{"nginx", "nginx@" + atB}},
		{"oci:images/*", []string{"oci:images/a", "oci:./images//a:v1", "oci:images/a@" + atA}, []string{"oci:images", "oci:images/a/b", "oci:/images/a", "images/a", "docker-archive:images/a"}},
		{"oci:**", []string{"oci:a", "oci:../a", "oci:/a/b", "oci:."}, []string{"a/b", "docker-archive:a"}},
		{"oci:*/a", []string{"oci:b/a"}, []string{"oci:/a", "oci:a"}},
		{"oci:a:v*", []string{"oci:a:v1"}, []string{"oci:a", "oci:a:w1"}},
		{"docker-archive:a.tar:busybox:*", []string{"docker-archive:a.tar:busybox:1"}, []string{"docker-archive:a.tar", "docker-archive:a.tar:b:1"}},
		{"docker-archive:**", []string{"docker-archive:a.tar:busybox:1"}, []string{"oci:a.tar"}},
	}
	for _, tt := range tests {
		t.Run(tt.pattern, func(t *testing.T) {
			p := pattern(t, tt.pattern)
			for _, list := range []struct {
				names []string
				want  bool
			}{{tt.yes, true}, {tt.no, false}} {
				for _, name := range list.names {
					ref, err := ParseRef(name, "base")
					if err != nil {
						t.Fatal(err)
					}
					if p.Match(ref) != list.want {
						t.Errorf("%s: %v, want %v", name, !list.want, list.want)
					}
				}
			}
			if p.Match(Ref{}) || p.Match(Ref{Transport: PackageDir, Name: "a"}) || (Pattern{}).Match(Ref{Name: "a/b"}) {
				t.Error("matches nothing, or a package source, or is matched by the zero pattern")
			}
		})
	}
}

func pattern(t *testing.T, s string) Pattern {
	t.Helper()
	p, err := ParsePattern(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPatternOrder holds that each pattern is more specific than all below it, but for
// those on its own line.
func TestPatternOrder(t *testing.T) {
	levels := [][]string{
		{"ghcr.io/acme/web:v1@" + atA},
		{"ghcr.io/acme/web:v*@" + atA},
		{"ghcr.io/acme/web@" + atA},
		{"ghcr.io/acme/web:v1", "ghcr.io/acme/web:v2", "ghcr.io/acme/app:v1", "quay.io/acme/web:v1"},
		{"ghcr.io/acme/web:v*", "ghcr.io/acme/web:*1"},
		{"ghcr.io/acme/web:*"},
		{"ghcr.io/acme/web", "oci:a/b/c"},
		{"ghcr.io/acme/we*", "ghcr.io/acme/*eb", "ghcr.io/acme/w*b"},
		{"ghcr.io/acme/w*:v1"},
		{"ghcr.io/acme/w*"},
		{"ghcr.io/acme/*:v1"},
		{"ghcr.io/acme/*"},
		{"ghcr.io/acme/**/web"},
		{"ghcr.io/acme/**"},
		{"ghcr.io/a*/web"},
		{"ghcr.io/*/web@" + atA},
		{"ghcr.io/*/web"},
		{"ghcr.io/**/*"},
		{"ghcr.io/**"},
		{"*.io/**"},
		{"*/acme/web"},
		{"**/acme/web"},
		{"**"},
	}
	for i, upper := range levels {
		for _, p := range upper {
			for k, lower := range levels[i:] {
				want := min(k, 1)
				for _, q := range lower {
					if got := pattern(t, p).Compare(pattern(t, q)); got != want {
						t.Errorf("%s to %s: %d, want %d", p, q, got, want)
					}
					if got := pattern(t, q).Compare(pattern(t, p)); got != -want {
						t.Errorf("%s to %s: %d, want %d", q, p, got, -want)
					}
				}
			}
		}
	}
}

// randomPattern is a text for ParsePattern of few words, so that many match.
func randomPattern(random *rand.Rand) string {
	words := []string{"a", "b", "ab", "a*", "*a", "a*b", "*", "*", "**", "**"}
	parts := []string{[]string{"x.io", "*.io", "*", "**", "x.*"}[random.IntN(5)]}
	for range 1 + random.IntN(4) {
		parts = append(parts, words[random.IntN(len(words))])
	}
	return strings.Join(parts, "/") + []string{"", "", ":v1", ":*", ":v*"}[random.IntN(5)] + []string{"", "", "@" + atA}[random.IntN(3)]
}

func randomRef(t *testing.T, random *rand.Rand) Ref {
	t.Helper()
	parts := []string{[]string{"x.io", "y.io"}[random.IntN(2)]}
	for range 1 + random.IntN(4) {
		parts = append(parts, []string{"a", "b", "ab", "aab", "aa"}[random.IntN(5)])
	}
	ref, err := ParseRef(strings.Join(parts, "/")+[]string{"", ":v1"}[random.IntN(2)]+[]string{"", "@" + atA}[random.IntN(2)], "")
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// TestPatternMatchLaw holds matching against a regular expression of the same meaning.
func TestPatternMatchLaw(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	matched := 0
	for range 3000 {
		p, ref := pattern(t, randomPattern(random)), randomRef(t, random)
		expr := strings.NewReplacer("**", "[^/]+(?:/[^/]+)*", "*", "[^/]*", ".", `\.`).Replace(p.ref.Name)
		want := regexp.MustCompile("^" + expr + "$").MatchString(ref.Name)
		if p.ref.Tag != "" {
			expr := strings.ReplaceAll(p.ref.Tag, "*", ".*")
			want = want && ref.Tag != "" && regexp.MustCompile("^"+expr+"$").MatchString(ref.Tag)
		}
		want = want && (p.ref.Digest == "" || p.ref.Digest == ref.Digest)
		if p.Match(ref) != want {
			t.Fatalf("%s and %s: %v, want %v", p, ref, !want, want)
		}
		if want {
			matched++
		}
	}
	if matched < 300 {
		t.Errorf("%d matches only", matched)
	}
}

// TestPatternCompareLaws holds that Compare orders, that what is equally specific
// compares alike to all others, and that an exact name beats all other patterns of it.
func TestPatternCompareLaws(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for range 5000 {
		a, b, c := pattern(t, randomPattern(random)), pattern(t, randomPattern(random)), pattern(t, randomPattern(random))
		if a.Compare(b) != -b.Compare(a) || a.Compare(a) != 0 {
			t.Fatalf("not antisymmetric: %s and %s", a, b)
		}
		if ab, bc := a.Compare(b), b.Compare(c); ab >= 0 && bc >= 0 && a.Compare(c) != max(ab, bc) {
			t.Fatalf("not transitive: %s, %s and %s: %d, %d and %d", a, b, c, ab, bc, a.Compare(c))
		}
		ref := randomRef(t, random)
		if exact := pattern(t, ref.String()); a.Match(ref) && a != exact && exact.Compare(a) != 1 {
			t.Fatalf("%s is no more specific than %s", exact, a)
		}
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{
		"", "a", "a:*", "a/**", "**", "*/a", "oci:a*b:v*", "oci:/**", "docker-archive:a:b:c", "INDEX.docker.io/x", "x.io/a@" + atA, "[::1]:5000/a", "pkg:a",
		"oci:.", "oCi:5000/a", "oci:a/..", "oci:*/..", "a/b:v*@" + atB,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := ParsePattern(s); err == nil {
			again, err := ParsePattern(p.String())
			if err != nil || again != p || p.Compare(again) != 0 {
				t.Fatalf("%q is %q, which reads back as %q: %v", s, p, again, err)
			}
		}
		scheme, _, _ := strings.Cut(s, ":")
		ref, err := ParseRef(s, "")
		if foreign := lowered(Transport(strings.TrimPrefix(scheme, "@"))) != ref.Transport; foreign || err != nil || ref.Transport == PackageDir || strings.Contains(ref.Name, "**") {
			return
		}
		p, err := ParsePattern(ref.String())
		if err != nil || !p.Match(ref) {
			t.Fatalf("%s is not matched by its own name: %q, %v", ref, p, err)
		}
	})
}
