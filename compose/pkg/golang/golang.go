// Package golang builds the Go programs of a package with a pinned toolchain, so
// that a binary's bytes are a function of its sources, of the toolchain's version
// and of the architecture it is for, and of nothing else.
//
// The go command of this machine only fetches. What compiles is the toolchain
// that the build names, always as the module golang.org/toolchain, also where the
// local Go says that it has the same version: that one may be patched. It runs in
// an environment made from nothing: of the caller's only what finds and fetches
// passes, nothing that changes what is compiled.
//
//	g := golang.New(golang.Options{Go: "/usr/local/go/bin/go", HostOS: "linux", HostArch: "amd64", Scratch: tmp, Env: env})
//	b := golang.Build{Toolchain: golang.Toolchain{Version: "go1.26.8"}, Dir: dir, Main: ".", Arch: "arm64", Out: out}
//	sources, err := g.Sources(ctx, b) // what decides the binary, and its digest
//	binary, err := g.Build(ctx, b)    // writes out
//
// Programs are static (no cgo), for Linux, without symbols, without paths of this
// machine and without a stamp of a version control system.
package golang

import (
	"errors"
	"sync"
)

// What a caller may want to say more about.
var (
	// ErrNoGo says that there is no go command to fetch with.
	ErrNoGo = errors.New("no go command: install Go 1.21 or later")
	// ErrOffline says that something is neither in the module cache nor in the
	// vendored folder, and must not be fetched.
	ErrOffline = errors.New(`not here, and offline: run "compose pkg vendor" where there is a network`)
	// ErrSum says that a module is not the one that was pinned.
	ErrSum = errors.New("the sum differs")
)

// Options say what of this machine is used. None of it changes a binary.
type Options struct {
	Go               string   // path of the local go command, 1.21 or later, that fetches; without it what needs it is ErrNoGo
	HostOS, HostArch string   // of this machine, in Go's words: "linux", "amd64"
	ModCache         string   // folder of modules, as GOMODCACHE; "" is the user's
	BuildCache       string   // folder of compiled packages, as GOCACHE; "" is the user's
	Scratch          string   // an existing folder for temporary ones
	Proxy            string   // as GOPROXY; "" is what Env has, or Go's default
	Vendor           string   // folder that [Go.Vendor] filled, asked before Proxy; "" is none
	Offline          bool     // take nothing but what ModCache and Vendor have
	Env              []string // "KEY=value", of which only some pass: see environment
	Jobs             int      // how many compilers at once; 0 is Go's choice
}

// Go builds programs. Its methods can be called at the same time.
type Go struct {
	o     Options
	mu    sync.Mutex        // one toolchain is made ready at a time
	ready map[string]string // folder of a toolchain, by its module and the sum it was checked with
}

// New returns a Go with its options. It looks at nothing yet.
func New(o Options) *Go { return &Go{o: o, ready: map[string]string{}} }

// Toolchain is a pinned Go.
type Toolchain struct {
	Version string            // "go1.26.8"
	Sums    map[string]string // "h1:…" of its module, by host: "linux-amd64". A host without one rests on Go's checksum database
}

// Build is one program to make: either a folder of a module on disk (Dir, Main),
// or a published module (Module, Sum, Package).
type Build struct {
	Toolchain Toolchain
	Dir       string // folder that Main is relative to, absolute
	Main      string // folder of the main package, slash-separated; the next go.mod above it is its module's
	Module    string // "PATH@VERSION"
	Sum       string // of Module: "h1:…"
	Package   string // folder of the main package in Module; "" and "." are its root
	Arch      string // "amd64", "arm64"
	Out       string // the file to write, absolute
}

// name says which program b is, for errors.
func (b *Build) name() string {
	if b.Module == "" {
		return b.Main
	}
	if b.Package == "" || b.Package == "." {
		return b.Module
	}
	return b.Module + " " + b.Package
}
