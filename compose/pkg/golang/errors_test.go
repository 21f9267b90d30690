package golang_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/pkg/golang"
)

// TestErrors holds what a person reads.
func TestErrors(t *testing.T) {
	pin := golang.Toolchain{Version: pinned}
	for _, c := range []struct {
		name  string
		files map[string]string
		build golang.Build
		edit  func(*golang.Options)
		want  []string // in the message
		is    error
		fresh bool // without the toolchain
	}{
		{
			name:  "the compiler's",
			files: map[string]string{"go.mod": "module example.com/x\n", "cmd/x/main.go": "package main\n\nfunc main() {\n\tundefined()\n\tvar unused int\n}\n"},
			build: golang.Build{Main: "cmd/x"}, want: []string{"build cmd/x for amd64: \n\t# example.com/x/cmd/x\n", "\tcmd/x/main.go:4:2: undefined: undefined", "cmd/x/main.go:5:6: declared and not used"},
		},
		{name: "no module", files: map[string]string{"main.go": "package main\n"}, build: golang.Build{Main: "."}, want: []string{"is in no module"}},
		{name: "no folder", build: golang.Build{Main: "nowhere"}, want: []string{"nowhere", "no such file"}},
		{
			name:  "no main package",
			files: map[string]string{"go.mod": "module example.com/x\n", "x.go": "package x\n"}, build: golang.Build{Main: "."},
			want: []string{"no program was made: is it a main package?"},
		},
		{
			name:  "a module offline",
			files: map[string]string{"go.mod": "module example.com/x\n\nrequire example.com/y v1.0.0\n", "x.go": "package main\n\nimport _ \"example.com/y\"\n", "go.sum": "example.com/y v1.0.0 h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nexample.com/y v1.0.0/go.mod h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"},
			build: golang.Build{Main: "."}, edit: func(o *golang.Options) { o.Offline = true }, is: golang.ErrOffline,
			want: []string{"example.com/y@v1.0.0", "compose pkg vendor"},
		},
		{name: "a toolchain offline", fresh: true, files: tiny, build: golang.Build{Main: "cmd/hello", Toolchain: golang.Toolchain{Version: "go1.99.1"}}, edit: func(o *golang.Options) { o.Offline = true }, is: golang.ErrOffline, want: []string{"toolchain go1.99.1", "compose pkg vendor"}},
		{name: "no sum offline", fresh: true, files: tiny, build: golang.Build{Main: "cmd/hello"}, edit: func(o *golang.Options) { o.Offline, o.Vendor = true, "/nowhere" }, want: []string{"no sum is recorded"}},
		{name: "no Go", fresh: true, files: tiny, build: golang.Build{Main: "cmd/hello"}, edit: func(o *golang.Options) { o.Go = "" }, is: golang.ErrNoGo, want: []string{"install Go 1.21 or later"}},
		{name: "no Go there", fresh: true, files: tiny, build: golang.Build{Main: "cmd/hello"}, edit: func(o *golang.Options) { o.Go = "/nowhere/go" }, is: golang.ErrNoGo, want: []string{"install Go 1.21 or later"}},
		{name: "another toolchain", fresh: true, files: tiny, build: golang.Build{Main: "cmd/hello", Toolchain: golang.Toolchain{Version: pinned, Sums: map[string]string{host: "h1:x="}}}, is: golang.ErrSum, want: []string{"toolchain go1.26.8 for " + host + " is h1:", "not h1:x="}},
		{name: "a language version", files: tiny, build: golang.Build{Main: "cmd/hello", Toolchain: golang.Toolchain{Version: "go1.26"}}, want: []string{`toolchain "go1.26": not a release`}},
		{name: "a newer module", files: map[string]string{"go.mod": "module example.com/x\n\ngo 1.99\n", "main.go": "package main\n\nfunc main() {}\n"}, build: golang.Build{Main: "."}, want: []string{"go >= 1.99"}},
		{name: "an architecture", files: tiny, build: golang.Build{Main: "cmd/hello", Arch: "riscv64"}, want: []string{"not one of amd64, arm64"}},
		{name: "a module without a version", build: golang.Build{Module: "example.com/x@latest"}, want: []string{"PATH@VERSION"}},
		{name: "a module without a sum", build: golang.Build{Module: "example.com/x@v1.0.0"}, want: []string{`sum ""`}},
		{name: "a package outside", build: golang.Build{Module: "example.com/x@v1.0.0", Sum: "h1:x=", Package: "../y"}, want: []string{"not a folder in its module"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, b := options(t), c.build
			if c.edit != nil {
				c.edit(&o)
			}
			toolchain(t)
			g := golang.New(o)
			if !c.fresh {
				g = start(t, o)
			}
			b.Dir, b.Out = t.TempDir(), filepath.Join(t.TempDir(), "out")
			write(t, b.Dir, c.files)
			if b.Arch == "" {
				b.Arch = "amd64"
			}
			if b.Toolchain.Version == "" {
				b.Toolchain = pin
			}
			_, err := g.Build(t.Context(), b)
			if err == nil || c.is != nil && !errors.Is(err, c.is) {
				t.Fatalf("the error is %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %q", want, err)
				}
			}
		})
	}
}

// TestEnvironment holds what of a caller's passes, and what does not when offline.
func TestEnvironment(t *testing.T) {
	caller := []string{
		"PATH=/bin", "HOME=/h", "GOPROXY=https://proxy.example", "GOPRIVATE=x", "GOFLAGS=-tags=x", "GOEXPERIMENT=x", "GODEBUG=x=1", "GOAMD64=v3",
		"GOWORK=/w", "CGO_CFLAGS=-O0", "GO111MODULE=off", "GOROOT=/r", "GOCACHEPROG=x", "GOTOOLDIR=/t", "GOFIPS140=latest", "LD_PRELOAD=x", "GOTOOLCHAIN=auto",
	}
	fixed := []string{
		"GOENV=off", "GOTOOLCHAIN=local", "GOWORK=off", "GOFLAGS=", "GOFIPS140=off", "GO111MODULE=on", "CGO_ENABLED=0",
		"GOOS=linux", "GOAMD64=v1", "GOARM64=v8.0", "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GOARCH=arm64", "PATH=/bin", "HOME=/h",
	}
	for _, c := range []struct {
		name    string
		options golang.Options
		more    []string
	}{
		{"online", golang.Options{}, []string{"GOPROXY=https://proxy.example", "GOPRIVATE=x"}},
		{"a proxy", golang.Options{Proxy: "direct"}, []string{"GOPROXY=https://proxy.example", "GOPRIVATE=x", "GOPROXY=direct"}},
		{"vendored", golang.Options{Vendor: "/a,b c"}, []string{"GOPROXY=https://proxy.example", "GOPRIVATE=x", "GOPROXY=file:///a%2Cb%20c,https://proxy.example"}},
		{"offline", golang.Options{Offline: true, ModCache: "/m", BuildCache: "/c"}, []string{"GOMODCACHE=/m", "GOCACHE=/c", "GOPROXY=off"}},
		{"offline, vendored", golang.Options{Offline: true, Vendor: "/v", Proxy: "direct"}, []string{"GOPROXY=file:///v", "GOSUMDB=off"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.options.Env = caller
			if got, want := c.options.Environment("arm64"), slices.Concat(fixed, c.more); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}
