package examples

import (
	"path/filepath"
	"testing"
)

// TestAppliance has an appliance's life: first boot from a CD, a page that its owner
// writes, a restart, the end; and another day in a machine with UEFI.
func TestAppliance(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	key := l.key(t, "key")
	l.authorize(t, key)
	image := l.build(t, "appliance", "iso", "appliance.yml") + ".iso"
	flags := []string{"-publish", "0:80", "-publish", "0:22", "-disk", "size=1G,file=" + filepath.Join(l.dir, "data.img")}

	m := l.start(t, image, flags...)
	m.page("/", "<h1>The appliance runs.</h1>")
	t.Logf("the first page after %.1f s, %.1f of processor time", m.seconds(), m.cpu().Seconds())
	s := m.login(key)
	s.inForce()
	m.page("/status/", "/var/lib/data")
	s.does(`echo "<h1>my page</h1>" >/var/lib/data/www/index.html`)
	m.page("/", "<h1>my page</h1>")

	first := s.does("cat /proc/sys/kernel/random/boot_id")
	again := m.seconds()
	_, _ = s.ssh(key, "reboot") // which may end before it has answered
	m.reads(`init: reboot$`)
	m.page("/", "<h1>my page</h1>")
	s = m.login(key)
	t.Logf("it has restarted in %.1f s", m.seconds()-again)
	if second := s.does("cat /proc/sys/kernel/random/boot_id"); second == first {
		t.Error("reboot has not restarted it")
	}
	m.button()

	m = l.start(t, image, append(flags, "-uefi")...)
	m.page("/", "<h1>my page</h1>")
	t.Logf("by UEFI, the page after %.1f s, %.1f of processor time", m.seconds(), m.cpu().Seconds())
	s = m.login(key)
	s.does("test -d /proc/1 && test -s /var/lib/data/ssh/ssh_host_ed25519_key")
	s.inForce()
	m.button()
}

// inForce tests that an appliance is as the example says.
func (s session) inForce() {
	s.t.Helper()
	if got := s.does("cat /proc/sys/kernel/panic /proc/sys/net/ipv4/tcp_syncookies /proc/sys/kernel/hostname"); got != "10\n1\nappliance\n" {
		s.t.Errorf("kernel.panic, tcp_syncookies and hostname are\n%s", got)
	}
	if list := s.does("service list"); !running(list, "dhcp", "nginx", "sshd", "status") {
		s.t.Errorf("service list says\n%s", list)
	}
	if got := s.does("df -T /var/lib/data | tail -n 1"); len(got) < 4 || got[:8] != "/dev/vda" {
		s.t.Errorf("the data lies on %s", got)
	}
}
