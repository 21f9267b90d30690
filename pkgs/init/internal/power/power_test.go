package power_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/pkgs/init/internal/power"
)

func event(kind, code uint16, value uint32) []byte {
	e := make([]byte, 16)
	e = binary.NativeEndian.AppendUint16(e, kind)
	e = binary.NativeEndian.AppendUint16(e, code)
	return binary.NativeEndian.AppendUint32(e, value)
}

func TestPressed(t *testing.T) {
	for _, c := range []struct {
		name  string
		event []byte
		want  bool
	}{
		{"down", event(1, 116, 1), true},
		{"up", event(1, 116, 0), false},
		{"another key", event(1, 30, 1), false},
		{"no key", event(0, 116, 1), false},
		{"short", event(1, 116, 1)[:20], false},
		{"nothing", nil, false},
	} {
		if got := power.Pressed(c.event); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(dir, "event0"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	pressed, ended := make(chan bool, 1), make(chan bool)
	go func() { power.Watch(ctx, dir, func() { pressed <- true }); close(ended) }()
	device, err := os.OpenFile(filepath.Join(dir, "event0"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	if _, err := device.Write(append(event(1, 30, 1), event(1, 116, 1)...)); err != nil {
		t.Fatal(err)
	}
	<-pressed
	cancel()
	<-ended
}

func TestUnmounts(t *testing.T) {
	info := `1 0 0:1 / / rw shared:1 - rootfs none rw
20 1 0:20 / /proc rw - proc proc rw
21 1 0:21 / /var rw - tmpfs tmpfs rw
22 1 254:0 / /var/lib\040data rw master:1 - ext4 /dev/vda rw
nonsense
23 1 0:1 / /containers/services/a/rootfs ro - rootfs none rw
24 1 0:30 / /containers/services/b/rootfs rw - overlay overlay rw
`
	want := []string{"/containers/services/b/rootfs", "/var/lib data"}
	if got := power.Unmounts(info); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// machine notes what is done to it.
type machine struct {
	did    []string
	deaths syscall.Signal // the signal that all processes die of
	dead   bool
}

func (m *machine) Signal(sig syscall.Signal) {
	m.did = append(m.did, unix.SignalName(sig))
	m.dead = m.dead || sig == m.deaths
}
func (m *machine) Alive() bool { return !m.dead }
func (m *machine) Mounts() (string, error) {
	return "1 0 0:1 / /a rw - ext4 /dev/a rw\n2 0 0:2 / /a/b rw - ext4 /dev/b rw\n", nil
}

func (m *machine) Unmount(path string) error {
	m.did = append(m.did, path)
	return errors.New("busy")
}
func (m *machine) Sync() { m.did = append(m.did, "sync") }
func (m *machine) Reboot(how power.How) error {
	m.did = append(m.did, string(how))
	return nil
}

func TestDown(t *testing.T) {
	end := []string{"sync", "/a/b", "/a", "sync", "reboot"}
	for _, c := range []struct {
		name string
		m    machine
		want []string
	}{
		{"nobody", machine{dead: true}, nil},
		{"polite", machine{deaths: syscall.SIGTERM}, []string{"SIGTERM"}},
		{"deaf", machine{deaths: syscall.SIGKILL}, []string{"SIGTERM", "SIGKILL"}},
		{"immortal", machine{}, []string{"SIGTERM", "SIGKILL"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if err := power.Down(&c.m, power.Reboot, t.Logf); err != nil {
					t.Fatal(err)
				}
				if want := slices.Concat(c.want, end); !slices.Equal(c.m.did, want) {
					t.Errorf("got %q, want %q", c.m.did, want)
				}
			})
		})
	}
}

func TestParseHow(t *testing.T) {
	for _, name := range []string{"poweroff", "reboot", "halt"} {
		if how, err := power.ParseHow(name); err != nil || string(how) != name || how.Doing() == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := power.ParseHow("explode"); err == nil {
		t.Error("it explodes")
	}
}
