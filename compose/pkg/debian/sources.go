package debian

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Mirrors are the places where an archive can be read: base URIs without a slash at the
// end, http, https or file, in the order in which they are tried.
type Mirrors struct {
	Main     []string // have dists/SUITE and dists/SUITE-updates
	Security []string // have dists/SUITE-security
	Guessed  bool     // Security was made out of Main: that there is none is a warning
}

// MirrorsOf are the mirrors of one base URI given by hand: its own, and for the security
// suite the one with "-security" at the end, as Debian's mirrors have it.
func MirrorsOf(uri string) (Mirrors, error) {
	base, err := baseURI(uri)
	if err != nil {
		return Mirrors{}, err
	}
	return Mirrors{Main: []string{base}, Security: []string{base + "-security"}, Guessed: true}, nil
}

// With returns m and after them those of more that are new.
func (m Mirrors) With(more Mirrors) Mirrors {
	all := Mirrors{Main: union(m.Main, more.Main), Security: union(m.Security, more.Security)}
	certain := (len(m.Security) > 0 && !m.Guessed) || (len(more.Security) > 0 && !more.Guessed)
	all.Guessed = len(all.Security) > 0 && !certain
	return all
}

// Empty says that there is no mirror for the suite itself.
func (m Mirrors) Empty() bool { return len(m.Main) == 0 }

func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// source is one entry of apt's sources.
type source struct {
	types, uris, suites, components []string
	signedBy                        string
	disabled                        bool
}

// ParseSources reads one file of apt's sources: name ends in ".list" for the one-line
// style, all else is deb822 style (sources.list(5)). Only Debian's own archive counts:
// entries for binary packages of a Debian suite, with the component main, checked with
// no key of a third party. What they say of suites is not kept: a mirror has them all.
// An error begins with name and line.
func ParseSources(name string, data []byte) (Mirrors, error) {
	var m Mirrors
	add := func(s source) {
		if s.disabled || !slices.Contains(s.types, "deb") || !slices.Contains(s.components, "main") ||
			(s.signedBy != "" && !strings.Contains(s.signedBy, "debian-archive-")) {
			return
		}
		for _, suite := range s.suites {
			m = m.With(ofSuite(suite, s.uris))
		}
	}
	if strings.HasSuffix(name, ".list") {
		for i, line := range bytes.Split(data, []byte("\n")) {
			s, err := parseLine(string(line))
			if err != nil {
				return m, fmt.Errorf("%s:%d: %w", name, i+1, err)
			}
			add(s)
		}
		return m, nil
	}
	err := ReadParagraphs(bytes.NewReader(data), func(p Paragraph) error {
		add(source{
			types: strings.Fields(p.Get("Types")), uris: strings.Fields(p.Get("URIs")), suites: strings.Fields(p.Get("Suites")),
			components: strings.Fields(p.Get("Components")), signedBy: p.Get("Signed-By"),
			disabled: slices.Contains([]string{"no", "false", "0", "off", "without", "disable"}, strings.ToLower(p.Get("Enabled"))),
		})
		return nil
	})
	if err != nil {
		return m, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

// parseLine reads "deb [option=value …] uri suite component …". An empty line is an
// entry of nothing.
func parseLine(line string) (source, error) {
	line, _, _ = strings.Cut(line, "#")
	kind, rest, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), " ")
	rest = strings.TrimSpace(rest)
	if kind == "" {
		return source{}, nil
	}
	s := source{types: []string{kind}}
	if strings.HasPrefix(rest, "[") {
		options, after, ok := strings.Cut(rest[1:], "]")
		if !ok {
			return s, fmt.Errorf("the options have no %q", "]")
		}
		for option := range strings.FieldsSeq(options) {
			if value, ok := strings.CutPrefix(option, "signed-by="); ok {
				s.signedBy = value
			}
		}
		rest = after
	}
	words := strings.Fields(rest)
	if len(words) < 2 {
		return s, fmt.Errorf("%q: a URI and a suite are wanted", clip(kind+" "+rest))
	}
	s.uris, s.suites, s.components = words[:1], words[1:2], words[2:]
	return s, nil
}

// releases are the names by which Debian's releases go.
const releases = " buster bullseye bookworm trixie forky duke sid oldoldstable oldstable stable testing unstable "

// ofSuite sorts URIs by what the suite is, a suite of a release or of its security
// updates. What is not Debian's, and what is neither http, https nor file, is left out.
func ofSuite(suite string, uris []string) Mirrors {
	base := suite
	security := false
	for _, end := range []string{"-security", "/updates", "-updates", "-proposed-updates", "-backports"} {
		if cut, ok := strings.CutSuffix(suite, end); ok {
			base, security = strings.TrimSuffix(cut, "-proposed"), end == "-security" || end == "/updates"
			break
		}
	}
	var m Mirrors
	if base == "" || !strings.Contains(releases, " "+base+" ") {
		return m
	}
	for _, uri := range uris {
		clean, err := baseURI(uri)
		switch {
		case err != nil:
		case security || strings.HasSuffix(clean, "-security"):
			m.Security = append(m.Security, clean)
		default:
			m.Main = append(m.Main, clean)
		}
	}
	return m
}

// baseURI checks a mirror's URI and takes the slashes off its end.
func baseURI(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil {
		return "", fmt.Errorf("mirror %q: no URI", clip(withoutUser(s)))
	}
	web := u.Scheme == "http" || u.Scheme == "https"
	switch {
	case !web && u.Scheme != "file":
		return "", fmt.Errorf("mirror %q: it must begin with http://, https:// or file:///", clip(withoutUser(s)))
	case web && u.Host == "", !web && (u.Host != "" || !strings.HasPrefix(u.Path, "/")):
		return "", fmt.Errorf("mirror %q: no host, or for a file no absolute path", clip(withoutUser(s)))
	case u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("mirror %q: a mirror's URI has no query and no fragment", clip(withoutUser(s)))
	}
	return strings.TrimRight(s, "/"), nil
}

// withoutUser cuts a name and password out of a URI, for messages.
func withoutUser(uri string) string {
	scheme, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return uri
	}
	host, path, _ := strings.Cut(rest, "/")
	host = host[strings.LastIndexByte(host, '@')+1:]
	return scheme + "://" + host + "/" + path
}
