// Package cgroup knows the little of cgroup v2 that init needs around runc,
// which makes the containers' own groups and their limits.
package cgroup

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Root is where the system has the hierarchy.
const Root = "/sys/fs/cgroup"

// Make makes a group below root, with every controller for the groups below it.
func Make(root, path string) error {
	dir := root
	for name := range strings.SplitSeq(filepath.Clean("/"+path), "/") {
		dir = filepath.Join(dir, name)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		enable(dir)
	}
	return nil
}

// enable hands every controller that dir has on to the groups below it. One
// that cannot be handed on is left out: runc says so when it is asked for.
func enable(dir string) {
	all, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return
	}
	for name := range strings.FieldsSeq(string(all)) {
		_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+name), 0o644)
	}
}

// Group is the control group of a container.
type Group struct {
	dir  string
	seen int
}

// Watch looks at a group that is about to be used: its processes end together
// when it has a memory limit and goes over it (memory.oom.group), because half
// a service is no service; and its kills so far do not count.
func Watch(root, path string) *Group {
	g := &Group{dir: filepath.Join(root, filepath.Clean("/"+path))}
	limit, err := os.ReadFile(filepath.Join(g.dir, "memory.max"))
	if err == nil && strings.TrimSpace(string(limit)) != "max" {
		_ = os.WriteFile(filepath.Join(g.dir, "memory.oom.group"), []byte("1"), 0o644)
	}
	g.seen = g.kills()
	return g
}

// OutOfMemory tells whether the kernel has killed a process of the group for
// its memory since Watch. It must be asked before the group is removed.
func (g *Group) OutOfMemory() bool { return g.kills() > g.seen }

// kills reads the counter oom_kill of memory.events (cgroup-v2.rst, "Memory
// Interface Files").
func (g *Group) kills() int {
	events, err := os.ReadFile(filepath.Join(g.dir, "memory.events"))
	if err != nil {
		return 0
	}
	return parseKills(events)
}

func parseKills(events []byte) int {
	for line := range bytes.Lines(events) {
		key, value, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		if n, err := strconv.Atoi(value); key == "oom_kill" && err == nil {
			return n
		}
	}
	return 0
}
