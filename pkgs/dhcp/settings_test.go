package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/rfc1035label"
)

var server = net.IPv4(192, 0, 2, 1).To4()

// answer makes an ACK of a lease of 192.0.2.10.
func answer(t *testing.T, options ...dhcpv4.Option) *dhcpv4.DHCPv4 {
	t.Helper()
	m, err := dhcpv4.New(dhcpv4.WithMessageType(dhcpv4.MessageTypeAck), dhcpv4.WithYourIP(net.IPv4(192, 0, 2, 10)))
	if err != nil {
		t.Fatal(err)
	}
	m.UpdateOption(dhcpv4.OptServerIdentifier(server))
	m.UpdateOption(dhcpv4.OptSubnetMask(net.CIDRMask(24, 32)))
	m.UpdateOption(dhcpv4.OptIPAddressLeaseTime(time.Hour))
	for _, o := range options {
		m.UpdateOption(o)
	}
	return m
}

func network(t *testing.T, s string) *net.IPNet {
	t.Helper()
	_, n, err := net.ParseCIDR(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRead(t *testing.T) {
	seconds := func(code dhcpv4.OptionCode, n byte) dhcpv4.Option {
		return dhcpv4.OptGeneric(code, []byte{0, 0, 0, n})
	}
	for _, c := range []struct {
		name    string
		options []dhcpv4.Option
		want    string // of the lease
		times   [3]time.Duration
		search  []string
		mtu     int
	}{
		{"nothing more", nil, "192.0.2.10/24 from 192.0.2.1 for 1h0m0s", [3]time.Duration{time.Hour, 30 * time.Minute, 52*time.Minute + 30*time.Second}, nil, 0},
		{"a router", []dhcpv4.Option{dhcpv4.OptRouter(server)}, "192.0.2.10/24 from 192.0.2.1 for 1h0m0s, router 192.0.2.1", [3]time.Duration{time.Hour, 30 * time.Minute, 52*time.Minute + 30*time.Second}, nil, 0},
		{"routes stand for the router", []dhcpv4.Option{dhcpv4.OptRouter(server), dhcpv4.OptClasslessStaticRoute(&dhcpv4.Route{Dest: network(t, "198.51.100.0/24"), Router: server})}, "192.0.2.10/24 from 192.0.2.1 for 1h0m0s", [3]time.Duration{time.Hour, 30 * time.Minute, 52*time.Minute + 30*time.Second}, nil, 0},
		{"times", []dhcpv4.Option{seconds(dhcpv4.OptionIPAddressLeaseTime, 100), seconds(dhcpv4.OptionRenewTimeValue, 10), seconds(dhcpv4.OptionRebindingTimeValue, 20)}, "192.0.2.10/24 from 192.0.2.1 for 1m40s", [3]time.Duration{100 * time.Second, 10 * time.Second, 20 * time.Second}, nil, 0},
		{"times out of order", []dhcpv4.Option{seconds(dhcpv4.OptionIPAddressLeaseTime, 80), seconds(dhcpv4.OptionRenewTimeValue, 90), seconds(dhcpv4.OptionRebindingTimeValue, 95)}, "192.0.2.10/24 from 192.0.2.1 for 1m20s", [3]time.Duration{80 * time.Second, 40 * time.Second, 70 * time.Second}, nil, 0},
		{"no time at all", []dhcpv4.Option{seconds(dhcpv4.OptionIPAddressLeaseTime, 0)}, "192.0.2.10/24 from 192.0.2.1 for 4s", [3]time.Duration{4 * time.Second, 2 * time.Second, 3500 * time.Millisecond}, nil, 0},
		{"for ever", []dhcpv4.Option{dhcpv4.OptGeneric(dhcpv4.OptionIPAddressLeaseTime, []byte{255, 255, 255, 255})}, "192.0.2.10/24 from 192.0.2.1", [3]time.Duration{}, nil, 0},
		{"a domain", []dhcpv4.Option{dhcpv4.OptDomainName("example.org")}, "192.0.2.10/24 from 192.0.2.1 for 1h0m0s", [3]time.Duration{time.Hour, 30 * time.Minute, 52*time.Minute + 30*time.Second}, []string{"example.org"}, 0},
		{"domains to search", []dhcpv4.Option{dhcpv4.OptDomainName("x"), dhcpv4.OptDomainSearch(&rfc1035label.Labels{Labels: []string{"a.example", "b.example"}})}, "192.0.2.10/24 from 192.0.2.1 for 1h0m0s", [3]time.Duration{time.Hour, 30 * time.Minute, 52*time.Minute + 30*time.Second}, []string{"a.example", "b.example"}, 0},
		{"a domain that is not one line", []dhcpv4.Option{dhcpv4.OptDomainName("x\nnameserver\u00a06.6.6.6")}, "192.0.2.10/24 from 192.0.2.1 for 1h0m0s", [3]time.Duration{time.Hour, 30 * time.Minute, 52*time.Minute + 30*time.Second}, []string{"x", "nameserver", "6.6.6.6"}, 0},
		{"domains with what no name has", []dhcpv4.Option{dhcpv4.OptDomainSearch(&rfc1035label.Labels{Labels: []string{"a\nnameserver", "b"}})}, "192.0.2.10/24 from 192.0.2.1 for 1h0m0s", [3]time.Duration{time.Hour, 30 * time.Minute, 52*time.Minute + 30*time.Second}, []string{"b"}, 0},
		{"an MTU", []dhcpv4.Option{dhcpv4.OptGeneric(dhcpv4.OptionInterfaceMTU, []byte{5, 0x50})}, "192.0.2.10/24 from 192.0.2.1 for 1h0m0s", [3]time.Duration{time.Hour, 30 * time.Minute, 52*time.Minute + 30*time.Second}, nil, 1360},
		{"an MTU that is too small", []dhcpv4.Option{dhcpv4.OptGeneric(dhcpv4.OptionInterfaceMTU, []byte{0, 68})}, "192.0.2.10/24 from 192.0.2.1 for 1h0m0s", [3]time.Duration{time.Hour, 30 * time.Minute, 52*time.Minute + 30*time.Second}, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := read(answer(t, c.options...), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if s.String() != c.want {
				t.Errorf("%s, want %s", s, c.want)
			}
			if d := cmp.Diff(c.times, [3]time.Duration{s.lease, s.renew, s.rebind}); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(c.search, s.search); d != "" {
				t.Error(d)
			}
			if s.mtu != c.mtu {
				t.Errorf("MTU %d, want %d", s.mtu, c.mtu)
			}
		})
	}
	none := answer(t)
	none.YourIPAddr = net.IPv4zero
	if _, err := read(none, time.Time{}); err == nil {
		t.Error("0.0.0.0 was taken")
	}
}

func TestResolver(t *testing.T) {
	var file string
	r := resolver{path: "p", write: func(_, text string) error { file = text; return nil }}
	ip := func(n byte) net.IP { return net.IPv4(192, 0, 2, n) }
	for _, step := range []struct {
		name   string
		dns    []net.IP
		search []string
		want   string
	}{
		{"eth0", []net.IP{ip(1), ip(2)}, []string{"a", "b"}, "search a b|nameserver 192.0.2.1|nameserver 192.0.2.2"},
		{"eth1", []net.IP{ip(2), ip(3), ip(4)}, []string{"b", "c"}, "search a b c|nameserver 192.0.2.1|nameserver 192.0.2.2|nameserver 192.0.2.3"},
		{"eth0", nil, nil, "search b c|nameserver 192.0.2.2|nameserver 192.0.2.3|nameserver 192.0.2.4"},
		{"eth1", nil, nil, ""},
	} {
		if err := r.set(step.name, step.dns, step.search); err != nil {
			t.Fatal(err)
		}
		want := "# Written by dhcp.\n" + strings.ReplaceAll(step.want, "|", "\n")
		if d := cmp.Diff(strings.TrimRight(want, "\n")+"\n", file); d != "" {
			t.Error(d)
		}
	}
}

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	for _, text := range []string{"nameserver 192.0.2.1\n", "nameserver 192.0.2.1\n", "nameserver 192.0.2.10\n# more\n", "# less\n", ""} {
		if err := write(path, text); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("got %q, %v; want %q", got, err, text)
		}
	}
	if err := write(filepath.Join(path, "x"), ""); err == nil {
		t.Error("a file in a file was written")
	}
}
