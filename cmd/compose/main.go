// Command compose turns YAML manifests of package images into operating-system
// images whose bytes are a function of the manifest and its lock.
//
// It is the only place of the project that reads arguments, environment,
// working directory, clock and terminal; all below it is told. main.go runs one
// entry of the table in commands.go. A command defines its flags, and returns
// an error or nil; what it has to say goes through its [ui]: results to standard
// output, everything else to standard error.
//
//	compose build -accept-unsigned '*' system.yml
//	compose inspect -sizes system.yml
//	compose help build
//
// Only main exits: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
)

// The exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // as a shell reports a program that SIGINT ended
)

// gcPercent keeps the memory low: most of what a build holds are indexes that
// live to its end, and the garbage between them is worth collecting early.
const gcPercent = 50

func main() { os.Exit(run()) }

// run is main without the exit, so that what is deferred runs.
func run() int {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	w := hostWorld()
	ctx, stop := interruptible(&w.ownInterrupts)
	defer stop()
	return execute(ctx, w, os.Args[1:])
}

// interruptible returns a context that the first SIGINT or SIGTERM ends; the
// second kills the program. Once own is set they do neither. A closed pipe is an
// error of the write that met it, not a signal, so that nothing half done stays
// behind.
func interruptible(own *atomic.Bool) (context.Context, context.CancelFunc) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-signals
		signal.Stop(signals)
		if own.Load() {
			return
		}
		if isTerminal(os.Stderr) {
			// The terminal has written ^C where a live progress counts on the first column.
			_, _ = os.Stderr.WriteString("\r\x1b[K")
		}
		cancel()
	}()
	return ctx, cancel
}

// world is all that a command may know of the machine it runs on.
type world struct {
	stdin          io.Reader
	stdout, stderr *os.File
	getenv         func(string) string
	environ        func() []string
	arch           string // of this program, in Go's and OCI's words

	ownInterrupts atomic.Bool // a command has taken them
}

func hostWorld() *world {
	return &world{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		getenv: os.Getenv, environ: os.Environ, arch: runtime.GOARCH,
	}
}

// home returns what "~/" stands for; "" where the environment does not say.
func (w *world) home() string { return w.getenv("HOME") }

// cacheDir returns the cache directory: flagged, or COMPOSE_CACHE, or compose
// in the user's cache folder.
func (w *world) cacheDir(flagged string) (string, error) {
	if dir := firstOf(flagged, w.getenv("COMPOSE_CACHE")); dir != "" {
		return dir, nil
	}
	if dir := w.getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "compose"), nil
	}
	if home := w.home(); home != "" {
		return filepath.Join(home, ".cache", "compose"), nil
	}
	return "", hinted("there is no place for the cache: HOME is not set", "name one with -cache DIR or COMPOSE_CACHE")
}

// firstOf returns the first of texts that is not empty.
func firstOf(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}
