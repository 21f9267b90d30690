package main

import (
	"flag"
	"fmt"
	"os"

	"golang.org/x/term"

	"github.com/composeos/compose/spec"
)

// common are the flags that all commands on manifests have.
type common struct {
	command  string
	arch     string
	lock     string
	cache    string
	accept   patterns
	offline  bool
	verify   bool
	jobs     int
	progress choice
	packages packageFlags
	network  networkFlags
	trust    trustFlags
}

func (c *common) define(fs *flag.FlagSet) {
	c.command = fs.Name()
	fs.StringVar(&c.arch, "arch", "", "")
	fs.StringVar(&c.lock, "lock", "", "")
	fs.StringVar(&c.cache, "cache", "", "")
	fs.Var(&c.accept, "accept-unsigned", "")
	fs.BoolVar(&c.offline, "offline", false, "")
	fs.BoolVar(&c.verify, "verify", false, "")
	fs.IntVar(&c.jobs, "jobs", 0, "")
	c.progress.define(fs)
	c.packages.define(fs)
	c.network.define(fs)
	c.trust.define(fs)
}

// define adds the flag -progress.
func (c *choice) define(fs *flag.FlagSet) {
	*c = choice{progressAuto, []string{progressAuto, progressPlain, progressJSON, progressNone}}
	fs.Var(c, "progress", "")
}

// begin checks the flags and gives the session its voice.
func (c *common) begin(s *session) error {
	if c.jobs < 0 {
		return usagef(c.command, "flag -jobs: %d is less than 0", c.jobs)
	}
	s.listen(c.progress.value)
	return nil
}

// listen makes the session speak in the way that -progress names.
func (s *session) listen(way string) {
	if way == progressAuto {
		way = progressPlain
		if isTerminal(s.stderr) && s.getenv("TERM") != "dumb" && s.getenv("TERM") != "" {
			way = progressLive
		}
	}
	s.ui = newUI(s.stderr, way)
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// platform returns what is built for.
func (c *common) platform(w *world) (spec.Platform, error) {
	p, err := spec.ParsePlatform(firstOf(c.arch, w.arch))
	if err != nil {
		return p, usagef(c.command, "flag -arch: %v", err)
	}
	if p.OS != "linux" {
		return p, usagef(c.command, "flag -arch: %q is not a platform of Linux: want an architecture, such as arm64 or linux/arm64/v8", c.arch)
	}
	return p, nil
}

// epoch returns the time that a new lock gets: flagged, or of SOURCE_DATE_EPOCH,
// or nil where neither is given.
func epoch(flagged seconds, w *world) (*int64, error) {
	if flagged.value != nil {
		return flagged.value, nil
	}
	text := w.getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return nil, nil
	}
	var t seconds
	if err := t.Set(text); err != nil {
		return nil, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return t.value, nil
}
