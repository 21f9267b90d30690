package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fake loads everything but "bad".
type fake struct{ loaded []string }

func (f *fake) Load(name, params string) error {
	f.loaded = append(f.loaded, strings.TrimSpace(name+" "+params))
	if name == "bad" {
		return errors.New("bad: there is no such module")
	}
	return nil
}

func TestRun(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []string
		code   int
		loaded []string
		stderr string
	}{
		{"one", []string{"overlay"}, 0, []string{"overlay"}, ""},
		{"parameters", []string{"loop", "max_loop=8", "max_part=2"}, 0, []string{"loop max_loop=8 max_part=2"}, ""},
		{"several", []string{"-a", "overlay", "loop"}, 0, []string{"overlay", "loop"}, ""},
		{"the others are loaded", []string{"-a", "bad", "loop"}, 1, []string{"bad", "loop"}, "modprobe: bad: there is no such module\n"},
		{"two without -a", []string{"overlay", "loop"}, 2, nil, usage},
		{"none", nil, 2, nil, usage},
		{"a parameter with -a", []string{"-a", "x=1"}, 2, nil, usage},
		{"help", []string{"-h"}, 0, nil, usage},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f fake
			var stderr bytes.Buffer
			code := run(c.args, func() (loader, error) { return &f, nil }, &stderr)
			if code != c.code {
				t.Errorf("exit %d, want %d", code, c.code)
			}
			if d := cmp.Diff(c.loaded, f.loaded); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(c.stderr, stderr.String()); d != "" {
				t.Error(d)
			}
		})
	}
	var stderr bytes.Buffer
	if code := run([]string{"x"}, func() (loader, error) { return nil, errors.New("no release") }, &stderr); code != 1 {
		t.Error(code)
	}
}
