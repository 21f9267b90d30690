package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what a program took.
type usage struct {
	cpu  time.Duration // user and system, of the program and its children
	wall time.Duration
	rss  int64 // bytes, at most
	size int64 // bytes of what it wrote, where that is of interest
}

func (u usage) String() string {
	return fmt.Sprintf("CPU %6.2f s  wall %6.3f s  RSS %4.0f MB", u.cpu.Seconds(), u.wall.Seconds(), float64(u.rss)/1e6)
}

// plus is one program after the other.
func (u usage) plus(v usage) usage {
	return usage{u.cpu + v.cpu, u.wall + v.wall, max(u.rss, v.rss), u.size + v.size}
}

// measure runs a program whose output is of no interest, once the disk has
// nothing left to write.
func measure(ctx context.Context, name string, args ...string) (usage, error) {
	syscall.Sync()
	cmd := exec.CommandContext(ctx, name, args...)
	var complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &complaint
	begin := time.Now()
	err := cmd.Run()
	wall := time.Since(begin)
	if err != nil {
		return usage{}, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, &complaint)
	}
	state := cmd.ProcessState
	u := usage{cpu: state.UserTime() + state.SystemTime(), wall: wall}
	if r, ok := state.SysUsage().(*syscall.Rusage); ok {
		u.rss = r.Maxrss * 1024
	}
	return u, nil
}

// ownMemory returns the most memory that this program has had, bytes
// (proc_pid_status(5), VmHWM). The kernel counts no less for a program that it
// starts: until that is loaded it runs in this one's memory.
func ownMemory() (int64, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kb << 10, err
		}
	}
	return 0, errors.New("/proc/self/status has no VmHWM")
}

// median returns the median of each measure by itself, of an odd number of
// runs, and the largest RSS and size.
func median(all []usage) usage {
	middle := func(of func(usage) time.Duration) time.Duration {
		sorted := slices.SortedFunc(slices.Values(all), func(a, b usage) int { return cmp.Compare(of(a), of(b)) })
		return of(sorted[len(sorted)/2])
	}
	m := usage{
		cpu:  middle(func(u usage) time.Duration { return u.cpu }),
		wall: middle(func(u usage) time.Duration { return u.wall }),
	}
	for _, u := range all {
		m.rss, m.size = max(m.rss, u.rss), max(m.size, u.size)
	}
	return m
}
