package link

import (
	"errors"
	"net"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/pkgs/init/internal/bundle"
)

func TestMessages(t *testing.T) {
	for _, c := range []struct {
		name string
		give bundle.Interface
		want int
	}{
		{"moved", bundle.Interface{Name: "eth1"}, 1},
		{"made there", bundle.Interface{Name: "d0", Add: "dummy"}, 1},
		{"made here", bundle.Interface{Name: "wg0", Add: "wireguard", CreateInRoot: true}, 2},
		{"pair", bundle.Interface{Name: "v0", Peer: "v1"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Messages(c.give, 1)
			if err != nil || len(got) != c.want {
				t.Errorf("got %d messages, %v", len(got), err)
			}
		})
	}
	if _, err := Messages(bundle.Interface{}, 1); err == nil {
		t.Error("an interface without a name")
	}
	for _, m := range [][]byte{nil, make([]byte, 3), make([]byte, 40)} {
		if answer(m) == nil {
			t.Errorf("%v is an answer", m)
		}
	}
}

// The kernel understands the messages: the pair is made in a namespace of the
// test's own.
func TestGive(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("making interfaces needs root")
		}
		t.Skip("making interfaces needs root")
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // the namespace is this thread's; it ends with the goroutine
		done <- give()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func give() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	if err := Give(bundle.Interface{Name: "v0", Add: "veth", Peer: "v1"}, unix.Gettid()); err != nil {
		return err
	}
	for _, name := range []string{"v0", "v1"} {
		if _, err := net.InterfaceByName(name); err != nil {
			return err
		}
	}
	if err := Give(bundle.Interface{Name: "v0", Add: "veth", Peer: "v1"}, unix.Gettid()); !errors.Is(err, unix.EEXIST) {
		return errors.New("a name is given twice")
	}
	if err := Give(bundle.Interface{Name: "none"}, unix.Gettid()); !errors.Is(err, unix.ENODEV) {
		return errors.New("what is not there is moved")
	}
	return nil
}
