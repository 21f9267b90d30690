package machine

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestParseForward(t *testing.T) {
	for _, tt := range []struct{ in, want, error string }{
		{"8080:80", "127.0.0.1:8080:80/tcp", ""},
		{"0:22", "127.0.0.1:0:22/tcp", ""},
		{"0.0.0.0:8080:80/tcp", "0.0.0.0:8080:80/tcp", ""},
		{"10.0.0.1:53:5353/udp", "10.0.0.1:53:5353/udp", ""},
		{"80", "", "there are not two ports"},
		{"", "", "there are not two ports"},
		{"::1:80:80", "", "there are not two ports"},
		{"localhost:80:80", "", `"localhost" is no IPv4 address`},
		{"[::1]:80:80", "", "there are not two ports"},
		{"80:80/sctp", "", `protocol "sctp" is neither tcp nor udp`},
		{"80:80/", "", `protocol "" is neither`},
		{"65536:80", "", `"65536" is no port`},
		{"80:-1", "", `"-1" is no port`},
		{"80:0", "", "the guest has no port 0"},
		{"80:80,hostfwd=tcp::1-:1", "", "there are not two ports"},
	} {
		f, err := ParseForward(tt.in)
		if tt.error != "" {
			if err == nil || !strings.Contains(err.Error(), tt.error) {
				t.Errorf("%q: %v, %v, want %q", tt.in, f, err, tt.error)
			}
			continue
		}
		if err != nil || f.String() != tt.want {
			t.Errorf("%q: %v, %v, want %s", tt.in, f, err, tt.want)
		}
	}
}

// FuzzParseForward holds that what is read is written so that it is read the same,
// and adds no option to QEMU's.
func FuzzParseForward(f *testing.F) {
	for _, s := range []string{"8080:80", "127.0.0.1:0:1/udp", "1.2.3.4:5:6/tcp", ":::", "0:0", "1:1,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		read, err := ParseForward(s)
		if err != nil {
			return
		}
		again, err := ParseForward(read.String())
		if err != nil || again != read {
			t.Errorf("%q is %v, and that is %v, %v", s, read, again, err)
		}
		if strings.ContainsAny(read.hostfwd(), ", =") {
			t.Errorf("%q becomes %q", s, read.hostfwd())
		}
	})
}

func TestClaim(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	at := netip.MustParseAddrPort(taken.Addr().String())
	local := netip.MustParseAddrPort("127.0.0.1:0")
	if _, err := Claim(t.Context(), []Forward{{local, 80, false}, {at, 80, false}}); err == nil || !strings.Contains(err.Error(), "of 127.0.0.1 is in use") {
		t.Errorf("a port that is taken: %v", err)
	}
	got, err := Claim(t.Context(), []Forward{{local, 80, false}, {local, 81, false}, {local, 53, true}})
	if err != nil || len(got) != 3 {
		t.Fatal(got, err)
	}
	if got[0].Host.Port() == 0 || got[2].Host.Port() == 0 || got[0].Host == got[1].Host || got[1].Guest != 81 || !got[2].UDP {
		t.Errorf("%v", got)
	}
	// They are free again, and one port cannot be claimed twice.
	if again, err := Claim(t.Context(), got); err != nil || again[0] != got[0] {
		t.Errorf("%v, %v", again, err)
	}
	if _, err := Claim(t.Context(), []Forward{got[0], got[0]}); err == nil {
		t.Error("a port is claimed twice")
	}
}
