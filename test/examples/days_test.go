package examples

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// base is what every system of these tests has.
const base = `kernel:
  image: pkg:../pkgs/kernel
  cmdline: "console=ttyS0 quiet"
init:
  - pkg:../pkgs/init
  - pkg:../pkgs/runc
`

// faulty is a system in which little goes well.
const faulty = base + `services:
  - name: getty
    image: pkg:../pkgs/getty
    env: [INSECURE=true]
  - name: fails
    image: pkg:../pkgs/busybox
    command: [/bin/sh, -c, "echo nothing works; exit 7"]
  - name: greedy
    image: pkg:../pkgs/busybox
    command: [/bin/sh, -c, "sleep 2; tail /dev/zero"]
    resources: {memory: {limit: 33554432}}
  - name: steady
    image: pkg:../pkgs/busybox
    command: [/bin/sh, -c, "trap exit TERM; while :; do sleep 3600 & wait; done"]
  - name: stubborn
    image: pkg:../pkgs/busybox
    command: [/bin/sh, -c, "trap '' TERM; while :; do sleep 3600; done"]
onshutdown:
  - name: night
    image: pkg:../pkgs/busybox
    command: [/bin/sh, -c, "echo good night"]
`

// TestFaultyServices has services that end, one that wants too much memory, and one
// that does not end.
func TestFaultyServices(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write(t, "faulty.yml", faulty)
	m := l.start(t, l.build(t, "faulty", "kernel+initrd", "faulty.yml"))
	m.reads(`init: service fails: exit status 7; restart 1 in 1s$`)
	m.reads(`init: service fails: exit status 7; restart 2 in 2s$`)
	m.reads(`init: service fails: exit status 7; restart 3 in 4s$`)
	m.until("greedy's second end", func() bool {
		return strings.Contains(m.console.String(), "init: service greedy: out of memory; restart 2 in 2s")
	})
	m.types("")
	m.reads(prompt)
	m.lists(
		`fails +backoff +- +[2-9] +[0-9]+s +exit status 7 \([0-9]+s ago\)`,
		`getty +running +[0-9]+ +0 +[0-9ms]+ +-`,
		`greedy +(?:running +[0-9]+|backoff +-) +[1-9] +[0-9]+s +out of memory \([0-9]+s ago\)`,
		`steady +running +[0-9]+ +0 +[0-9ms]+ +-`,
		`stubborn +running +[0-9]+ +0 +[0-9ms]+ +-`,
	)
	m.types("service logs -n 1 fails")
	m.reads(`^nothing works$`)

	m.types("poweroff")
	m.reads(`init: stopping services$`)
	begin := time.Now()
	m.reads(`init: service steady: stopped$`)
	m.reads(`init: service stubborn: stopped$`)
	grace := time.Since(begin)
	m.reads(`init: onshutdown 000-night$`)
	m.reads(`000-night: good night$`)
	m.reads(`init: power off$`)
	m.ends()
	t.Logf("the one that does not end took %.1f s", grace.Seconds())
	if grace < 8*time.Second || grace > time.Minute {
		t.Errorf("it was killed after %v, want some ten seconds", grace)
	}
}

// TestFailedBoot has a container of onboot that fails: nothing after it is started,
// and the machine turns itself off.
func TestFailedBoot(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	busybox := func(name, script string) string {
		return "  - {name: " + name + ", image: \"pkg:../pkgs/busybox\", command: [/bin/sh, -c, \"" + script + "\"]}\n"
	}
	l.write(t, "failing.yml", base+"onboot:\n"+busybox("first", "echo here")+busybox("second", "echo no disk >&2; exit 3")+busybox("third", "echo never")+
		"services:\n"+busybox("service", "echo never")+
		"onshutdown:\n"+busybox("last", "echo good night"))
	m := l.start(t, l.build(t, "failing", "kernel+initrd", "failing.yml"))
	m.reads(`^000-first: here$`)
	m.reads(`^001-second: no disk$`)
	m.reads(`init: onboot 001-second: exit status 3; no service is started$`)
	m.reads(`000-last: good night$`)
	m.ends()
	console := m.console.String()
	for _, never := range []string{"third", "never", "init: service"} {
		if strings.Contains(console, never) {
			t.Errorf("the console has %q", never)
		}
	}
	if n := strings.Count(console, "001-second: exit status"); n != 1 {
		t.Errorf("the failure is told %d times", n)
	}
}

// TestLittleMemory starts the example web with less memory than it needs: init says
// how much that is, in its one line, and the machine turns itself off.
func TestLittleMemory(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	m := l.start(t, l.example(t, "web"), "-mem", "128M")
	m.ends()
	said := regexp.MustCompile(`(?m)^init: .*$`).FindAllString(m.console.String(), -1)
	want := regexp.MustCompile(`^init: not enough memory: this system needs 1[0-9][0-9] MiB to boot, and this machine has 12[0-8] MiB; `)
	if len(said) != 1 || !want.MatchString(said[0]) {
		t.Errorf("init says %q, want one line of %s", said, want)
	}
}
