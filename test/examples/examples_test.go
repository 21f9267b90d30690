// Package examples builds what is in the folder examples, starts it with "compose
// run" in a machine that QEMU emulates, and looks at it as its user would: at the
// console, over HTTP, over ssh. Other systems, made for it, have bad days: services
// that fail, boots that stop, memory that ends.
//
// "make boot" runs it. It needs no rights and no KVM, and of the network only what
// building the packages does.
package examples

import (
	"os"
	"strings"
	"testing"
	"time"
)

// The most that the example web may take: its initramfs, and of an emulated
// processor until the first page. The latter is held by make bench, more narrowly.
const (
	webSize = 20e6
	webCPU  = 20 * time.Second
)

func TestWeb(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	image := l.example(t, "web")
	if info, err := os.Stat(image + "-initrd.img"); err != nil || info.Size() > webSize {
		t.Errorf("the initramfs is %v, want at most %.0f bytes (%v)", info, webSize, err)
	} else {
		t.Logf("an initramfs of %.1f MB", float64(info.Size())/1e6)
	}
	m := l.start(t, image, "-publish", "0:80")
	m.page("/", "<h1>Composed, not installed.</h1>")
	cpu := m.cpu()
	t.Logf("the first page after %.1f s, %.1f of processor time", m.seconds(), cpu.Seconds())
	if cpu > webCPU {
		t.Errorf("the first page took %v of processor time, want at most %v", cpu, webCPU)
	}
	m.button()
}

// prompt is what the shell of getty shows.
const prompt = `:~# `

func TestMinimal(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	m := l.start(t, l.example(t, "minimal"))
	m.reads(prompt)
	t.Logf("a prompt after %.1f s", m.seconds())
	m.types("uname -sr")
	m.reads(`^Linux 6\.`)
	m.lists(`NAME +STATE +PID +RESTARTS +SINCE +LAST-EXIT`, `getty +running +[0-9]+ +0 +[0-9ms]+ +-`)
	m.types("service logs no-such")
	m.reads(`^service: there is no service "no-such": .*getty`)
	m.types("poweroff")
	m.reads(`init: service getty: stopped$`)
	m.ends()
}

func TestSSHD(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	mine, other := l.key(t, "mine"), l.key(t, "other")
	l.authorize(t, mine)
	m := l.start(t, l.example(t, "sshd"), "-publish", "0:22")
	s := m.login(mine)
	t.Logf("a login after %.1f s", m.seconds())
	if got := s.does("uname -n"); got != "sshd\n" {
		t.Errorf("uname says %q, want the name of the manifest", got)
	}
	if list := s.does("service list"); !running(list, "dhcp", "getty", "sshd") {
		t.Errorf("service list says\n%s", list)
	}
	s.refuses(other)
	if log := s.does("service logs sshd"); !strings.Contains(log, "ED25519") {
		t.Errorf("the log does not name the host key:\n%s", log)
	}
	m.button()
}

// beside is what a test has in a system beside the example containerd: a console, and
// a service that wants too much.
const beside = `services:
  - {name: getty, image: pkg:../pkgs/getty, env: [INSECURE=true]}
  - name: greedy
    image: pkg:../pkgs/busybox
    command: [tail, /dev/zero]
    resources: {memory: {limit: 33554432}}
`

func TestContainerd(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write(t, "beside.yml", beside)
	m := l.start(t, l.example(t, "containerd", "beside.yml"), "-mem", "1G", "-publish", "0:80")
	m.page("/", "<h1>Served through containerd.</h1>")
	t.Logf("the first page after %.1f s", m.seconds())
	m.reads(`init: service greedy: out of memory; restart 2 in 2s$`)
	m.types("")
	m.reads(prompt)
	m.lists(`nginx +running +[0-9]+ +0 +[0-9ms]+ +-`)
	m.types("nsenter -t 1 -m ctr -n services.linuxkit tasks list")
	m.reads(`^TASK +PID +STATUS`)
	m.reads(`^nginx +[0-9]+ +RUNNING`)
	m.button()
}
