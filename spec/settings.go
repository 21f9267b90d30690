package spec

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Settings is what a user says of registries for all builds on a machine:
// ~/.config/compose/config.yml. Nothing in it can change an image.
type Settings struct {
	// Registries says how to reach a registry or a mirror, by its host (and port).
	Registries map[string]RegistrySettings `yaml:"registries"`
	// Proxy is the URL of the proxy for all registries; the default is what the environment says.
	Proxy string `yaml:"proxy" check:"proxy"`
	// CA is a file of certificates in PEM that are trusted beside the system's, relative to the settings.
	CA string `yaml:"ca"`

	Pos Pos `yaml:"-"`
}

// RegistrySettings says how to reach one registry.
type RegistrySettings struct {
	// Mirrors are asked first, in this order: HOST[:PORT][/PATH]. The policy matches the registry's name, never a mirror's. What else is said of a mirror stands under its own host.
	Mirrors []string `yaml:"mirrors" check:"mirror"`
	// CA is a file of certificates in PEM that are trusted for this registry, relative to the settings.
	CA string `yaml:"ca"`
	// HTTP takes the registry without TLS.
	HTTP bool `yaml:"http"`
	// Proxy is the URL of the proxy for this registry; "none" for no proxy.
	Proxy string `yaml:"proxy" check:"proxy=none"`
}

// NoProxy is the word for no proxy.
const NoProxy = "none"

// ParseSettings reads the settings file, as strictly as [Parse] a manifest. name is the
// file for errors, and paths in it are relative to its folder. A file with nothing but
// comments is no fault.
func ParseSettings(name string, data []byte) (*Settings, error) {
	n, _, err := readYAML(name, data, document{noun: "settings file", want: "registries, proxy or ca", mayBeEmpty: true})
	if err != nil {
		return nil, err
	}
	s := &Settings{Pos: Pos{File: name}}
	if n == nil {
		return s, nil
	}
	d := &decoder{file: name}
	d.value(n, valueOf(s), "")
	if err := d.faults.err(); err != nil {
		return nil, err
	}
	return s, nil
}

// Path returns the path of a file that the settings name: relative to their folder
// where it is not absolute.
func (s *Settings) Path(name string) string {
	return besides(s.Pos.File, name)
}

// besides returns the path of what a file names, relative to the file's folder.
func besides(file, name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(baseOf(file), name)
}

func (s *Settings) checkNode(d *decoder, n *yaml.Node) {
	s.Pos = d.pos(n)
	list := lookup(n, "registries")
	seen := map[string]string{}
	for _, host := range slices.Sorted(maps.Keys(s.Registries)) {
		d.in(step{text: "registries"}, func() {
			if err := CheckRegistryHost(host); err != nil {
				d.failAt(list, host, "%s", err)
			}
			if other, twice := seen[strings.ToLower(host)]; twice {
				d.failAt(list, host, "it is the same host as %s: case does not count", other)
			}
			seen[strings.ToLower(host)] = host
			d.in(step{text: host}, func() { d.noneTwice(lookup(list, host), "mirrors", s.Registries[host].Mirrors) })
		})
	}
}

// noneTwice notes texts that are in a list twice.
func (d *decoder) noneTwice(n *yaml.Node, key string, list []string) {
	seen := map[string]bool{}
	for i, text := range list {
		if seen[text] {
			d.in(step{text: key}, func() {
				d.in(d.index(i), func() { d.fail(element(lookup(n, key), i), "%q is there twice", text) })
			})
		}
		seen[text] = true
	}
}

// CheckRegistryHost reports whether s is the host of a registry as references have it:
// HOST[:PORT], with a dot or a colon, or localhost.
func CheckRegistryHost(s string) error {
	name, _, _ := strings.Cut(s, ":")
	switch {
	case strings.EqualFold(s, "index."+defaultHost):
		return fmt.Errorf("%q is called %s", s, defaultHost)
	case !isHost(s) || strings.Contains(s, "/") || lowered(Transport(name)) != Registry:
		return fmt.Errorf("%q is not a registry's host: want HOST or HOST:PORT, such as %s", s, defaultHost)
	}
	return checkHost(s)
}

// checkHost takes HOST[:PORT].
func checkHost(s string) error {
	if !hostPattern.MatchString(s) {
		return fmt.Errorf("%q is not a host: want a name or address, and a port behind a colon", s)
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		if port, err := strconv.ParseUint(s[i+1:], 10, 16); err != nil || port == 0 {
			return fmt.Errorf("%q is not a port: want a number from 1 to 65535", s[i+1:])
		}
	}
	return nil
}

// CheckMirror reports whether s is a mirror of a registry: HOST[:PORT][/PATH].
func CheckMirror(s string) error {
	host, rest, hasPath := strings.Cut(s, "/")
	switch {
	case s == "":
		return errors.New("the mirror is empty; want HOST[:PORT][/PATH]")
	case strings.Contains(s, "@"):
		return errors.New("a mirror has no user, password or digest: credentials are those that \"docker login\" keeps for its host")
	case strings.Contains(s, "://"):
		return fmt.Errorf("%q: a mirror is written without %s://; http: true under its host takes it without TLS", s, s[:strings.Index(s, "://")])
	}
	if err := checkHost(host); err != nil {
		return err
	}
	if !hasPath {
		return nil
	}
	for part := range strings.SplitSeq(rest, "/") {
		if err := checkRepositoryPart(part); err != nil {
			return fmt.Errorf("%q: %w", s, err)
		}
	}
	return nil
}

// CheckProxy reports whether s is the URL of a proxy: http, https or socks5, a host,
// and a port where it is another than usual.
func CheckProxy(s string) error {
	const want = "want http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT"
	u, err := url.Parse(s)
	if err != nil {
		return errors.New("the proxy is not a URL: " + want) // the error has the URL, which may have a password
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5":
		return errors.New("the proxy has another scheme, or none: " + want)
	case u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return errors.New("the proxy has no host, or something behind it: " + want)
	}
	return nil
}

// checkProxy is the check of texts that are proxies; arg is a word that stands for none.
func checkProxy(s, arg string) error {
	if s == NoProxy && arg != NoProxy {
		return fmt.Errorf("%q is said of one registry, not of all: without the key the environment counts", s)
	}
	if s == arg {
		return nil
	}
	return CheckProxy(s)
}
