package golang

import (
	"net/url"
	"slices"
	"strings"
)

// passing are the variables that a caller's environment keeps: where programs and
// folders are, and how to reach a network.
var passing = []string{
	"PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "GOPATH", "USER", "LOGNAME",
	"GOPROXY", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOSUMDB", "GOINSECURE", "GOAUTH", "NETRC", "SSH_AUTH_SOCK",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
}

// fetching are those of them that an offline run must not have.
var fetching = []string{"GOPROXY", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOSUMDB", "GOINSECURE"}

// environment is what every go command runs in. arch "" is the machine's own.
//
// Not passed are, with all the rest, GOFLAGS, GOEXPERIMENT, GODEBUG, GOAMD64,
// GOWORK, GO111MODULE, GOROOT, GOENV's file and every CGO_ variable.
func (o *Options) environment(arch string) []string {
	env := []string{
		"GOENV=off", "GOTOOLCHAIN=local", "GOWORK=off", "GOFLAGS=", "GOFIPS140=off", "GO111MODULE=on", "CGO_ENABLED=0",
		"GOOS=linux", "GOAMD64=v1", "GOARM64=v8.0", "LC_ALL=C", "GIT_TERMINAL_PROMPT=0",
	}
	if arch != "" {
		env = append(env, "GOARCH="+arch)
	}
	set := func(key, value string) {
		if value != "" {
			env = append(env, key+"="+value)
		}
	}
	for _, kv := range o.Env {
		key, value, _ := strings.Cut(kv, "=")
		if slices.Contains(passing, key) && (!o.Offline || !slices.Contains(fetching, key)) {
			set(key, value)
		}
	}
	set("GOMODCACHE", o.ModCache)
	set("GOCACHE", o.BuildCache)
	set("GOPROXY", o.proxy())
	if o.Offline && o.Vendor != "" { // without it, what the module cache has was checked when it came
		set("GOSUMDB", "off")
	}
	return env
}

// proxy is the value of GOPROXY; "" leaves it as Env has it. Go takes a toolchain
// without asking its checksum database from nothing but a folder that stands alone.
func (o *Options) proxy() string {
	switch {
	case o.Offline && o.Vendor != "":
		return fileURL(o.Vendor)
	case o.Vendor != "":
		return strings.TrimSuffix(fileURL(o.Vendor)+","+o.upstream(), ",")
	case o.Offline:
		return "off"
	}
	return o.Proxy
}

// upstream is where modules come from that are not vendored, "" where nobody says.
func (o *Options) upstream() string {
	if o.Proxy != "" {
		return o.Proxy
	}
	for _, kv := range o.Env {
		if v, ok := strings.CutPrefix(kv, "GOPROXY="); ok && v != "" {
			return v
		}
	}
	return ""
}

// fileURL names a folder in a GOPROXY, where ',' and '|' separate.
func fileURL(dir string) string {
	u := url.URL{Scheme: "file", Path: dir}
	return strings.NewReplacer(",", "%2C", "|", "%7C").Replace(u.String())
}
