package main

import (
	"cmp"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"golang.org/x/net/http/httpproxy"

	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/spec"
)

// networkFlags are the flags that say how registries are reached. They stand above
// the user's settings.
type networkFlags struct {
	config  string
	mirrors list // HOST=MIRROR
	plain   list // hosts
	ca      string
	proxy   string
}

func (f *networkFlags) define(fs *flag.FlagSet) {
	fs.StringVar(&f.config, "config", "", "")
	fs.Var(&f.mirrors, "registry-mirror", "")
	fs.Var(&f.plain, "plain-http", "")
	fs.StringVar(&f.ca, "registry-ca", "", "")
	fs.StringVar(&f.proxy, "proxy", "", "")
}

// blobProgress is told when a blob begins to go or to come: how many bytes have gone,
// and that there are no more.
type blobProgress func(name string, size int64) (add func(int64), done func())

// transfers tells of blobs as tasks of a stage.
func (s *session) transfers(stage string) blobProgress {
	return func(name string, size int64) (func(int64), func()) {
		task := s.ui.Start(stage, name, size)
		return task.Add, task.Done
	}
}

// client returns what talks to registries. It opens no connection before it is
// asked for something. progress is told of what is pushed, and may be nil.
func (f *networkFlags) client(s *session, progress blobProgress) (*registry.Client, error) {
	o, err := f.options(s.world)
	if err != nil {
		return nil, err
	}
	o.Keychain, o.Log, o.Progress = authn.DefaultKeychain, s.ui.logger(), progress
	return registry.New(o)
}

// options says how the network is reached, with no credentials.
func (f *networkFlags) options(w *world) (registry.Options, error) {
	settings, err := f.settings(w)
	return registry.Options{Settings: settings, Proxy: w.proxies(), UserAgent: "compose/" + version}, err
}

// proxies returns the proxy that the environment names for a URL. As in most programs,
// the lower-case names are read too, after the others.
func (w *world) proxies() func(*url.URL) (*url.URL, error) {
	return (&httpproxy.Config{
		HTTPProxy:  firstOf(w.getenv("HTTP_PROXY"), w.getenv("http_proxy")),
		HTTPSProxy: firstOf(w.getenv("HTTPS_PROXY"), w.getenv("https_proxy")),
		NoProxy:    firstOf(w.getenv("NO_PROXY"), w.getenv("no_proxy")),
	}).ProxyFunc()
}

// settings returns the user's settings with what the flags say.
func (f *networkFlags) settings(w *world) (*spec.Settings, error) {
	settings, err := f.readSettings(w)
	if err != nil {
		return nil, err
	}
	if err := f.addHosts(settings); err != nil {
		return nil, err
	}
	if f.ca != "" {
		if settings.CA, err = checkedCA(f.ca); err != nil {
			return nil, fmt.Errorf("flag -registry-ca: %w", err)
		}
	}
	if f.proxy != "" {
		if err := spec.CheckProxy(f.proxy); err != nil {
			return nil, usagef("registries", "flag -proxy: %v", err)
		}
		settings.Proxy = f.proxy
	}
	return settings, nil
}

// addHosts adds what the flags say of single hosts.
func (f *networkFlags) addHosts(settings *spec.Settings) error {
	add := func(host string, change func(*spec.RegistrySettings)) {
		if settings.Registries == nil {
			settings.Registries = map[string]spec.RegistrySettings{}
		}
		for there := range settings.Registries {
			if strings.EqualFold(there, host) {
				host = there
			}
		}
		r := settings.Registries[host]
		change(&r)
		settings.Registries[host] = r
	}
	for _, m := range slices.Backward(f.mirrors) {
		host, mirror, ok := strings.Cut(m, "=")
		if !ok || host == "" || mirror == "" {
			return usagef("registries", "flag -registry-mirror: %q: want HOST=MIRROR, such as docker.io=mirror.example.com", m)
		}
		if err := cmp.Or(spec.CheckRegistryHost(host), spec.CheckMirror(mirror)); err != nil {
			return usagef("registries", "flag -registry-mirror: %v", err)
		}
		add(host, func(r *spec.RegistrySettings) { r.Mirrors = append([]string{mirror}, r.Mirrors...) })
	}
	for _, host := range f.plain {
		if err := spec.CheckRegistryHost(host); err != nil {
			return usagef("registries", "flag -plain-http: %v", err)
		}
		add(host, func(r *spec.RegistrySettings) { r.HTTP = true })
	}
	return nil
}

// checkedCA returns the path of a file of certificates, as it is from any folder.
func checkedCA(path string) (string, error) {
	pem, err := readFile(path)
	if err != nil {
		return "", err
	}
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return "", fmt.Errorf("%s has no certificate in PEM", path)
	}
	return filepath.Abs(path)
}

// readSettings reads the file that is flagged, or the user's own, which need not be there.
func (f *networkFlags) readSettings(w *world) (*spec.Settings, error) {
	path, from := f.config, "flag -config"
	if path == "" {
		from = "settings"
		if path = w.configFile(); path == "" {
			return &spec.Settings{}, nil
		}
	}
	data, err := readFile(path)
	if f.config == "" && errors.Is(err, fs.ErrNotExist) {
		return &spec.Settings{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return spec.ParseSettings(path, data)
}

// configFile is where a user's settings are; "" where the environment does not say.
func (w *world) configFile() string {
	dir := w.getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		if w.home() == "" {
			return ""
		}
		dir = filepath.Join(w.home(), ".config")
	}
	return filepath.Join(dir, "compose", "config.yml")
}
