package bundle_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/bundle"
	"github.com/composeos/compose/spec"
)

func shuffled[T any](r *rand.Rand, list []T) []T {
	if list == nil {
		return nil
	}
	out := make([]T, len(list))
	for i, j := range r.Perm(len(list)) {
		out[i] = list[j]
	}
	return out
}

// shuffle returns c with every list that means a set in another order.
func shuffle(r *rand.Rand, c spec.Config) spec.Config {
	c.Capabilities = shuffled(r, c.Capabilities)
	c.Ambient = shuffled(r, c.Ambient)
	c.Mounts = shuffled(r, c.Mounts)
	c.Binds = shuffled(r, c.Binds)
	c.Tmpfs = shuffled(r, c.Tmpfs)
	c.Devices = shuffled(r, c.Devices)
	c.MaskedPaths = shuffled(r, c.MaskedPaths)
	c.ReadonlyPaths = shuffled(r, c.ReadonlyPaths)
	c.AdditionalGids = shuffled(r, c.AdditionalGids)
	c.Rlimits = shuffled(r, c.Rlimits)
	c.UIDMappings = shuffled(r, c.UIDMappings)
	c.GIDMappings = shuffled(r, c.GIDMappings)
	return c
}

func TestOrderOfSetsDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range containers(t) {
		want := c.files(t)
		for range 50 {
			c.config = shuffle(r, c.config)
			if diff := cmp.Diff(want, c.files(t)); diff != "" {
				t.Fatalf("%s: another order gives other bytes (-want +got):\n%s", c.name, diff)
			}
		}
	}
}

// What is a sequence must not be sorted.
func TestOrderOfSequencesMatters(t *testing.T) {
	for name, set := range map[string]func(*spec.Config, []string){
		"command":         func(c *spec.Config, two []string) { c.Command = two },
		"env":             func(c *spec.Config, two []string) { c.Env = two },
		"mounts.options":  func(c *spec.Config, two []string) { c.Mounts = []spec.Mount{{Type: "proc", Options: two}} },
		"runtime.mkdir":   func(c *spec.Config, two []string) { c.Runtime.Mkdir = two },
		"runtime.cgroups": func(c *spec.Config, two []string) { c.Runtime.Cgroups = two },
	} {
		var got [2][]byte
		for i, two := range [][]string{{"a", "b"}, {"b", "a"}} {
			c := container{config: minimal(), layout: bundle.Layout{Path: "p", Files: "p/lower"}}
			set(&c.config, two)
			got[i] = bytes.Join([][]byte{c.files(t)[".config.json"], c.files(t)[".runtime.json"]}, nil)
		}
		if bytes.Equal(got[0], got[1]) {
			t.Errorf("%s: the order is lost", name)
		}
	}
}

// A pure function gives the same twice, and leaves its argument alone.
func TestPure(t *testing.T) {
	before := containers(t)
	for i, c := range containers(t) {
		once, twice := c.files(t), c.files(t)
		bundle.BindMounts(c.config)
		if diff := cmp.Diff(once, twice); diff != "" {
			t.Errorf("%s: a second time differs:\n%s", c.name, diff)
		}
		if diff := cmp.Diff(before[i].config, c.config); diff != "" {
			t.Errorf("%s: the argument changed:\n%s", c.name, diff)
		}
	}
}
