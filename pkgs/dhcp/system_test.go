package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/server4"
	"github.com/vishvananda/netlink"
)

// role says which process of TestSystem this one is.
const role = "COMPOSE_TEST_DHCP"

// inNetwork starts this test in a network of its own.
func inNetwork(t *testing.T, as string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSystem$", "-test.v")
	cmd.Env = append(os.Environ(), role+"="+as)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	return cmd
}

// TestSystem gets a lease from a server, each in a network of its own, looks at what
// the kernel then has, sees the lease renewed, and kept at the end.
func TestSystem(t *testing.T) {
	switch os.Getenv(role) {
	case "client":
		runClient(t)
		return
	case "server":
		runServer(t)
		return
	}
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("networks of its own need root")
		}
		t.Skip("networks of its own need root")
	}
	if out, err := inNetwork(t, "client").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// runServer answers on the interface srv, and says what it was asked.
func runServer(t *testing.T) {
	link := await(t, "srv")
	check(t, netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: server, Mask: net.CIDRMask(24, 32)}}))
	check(t, netlink.LinkSetUp(link))
	s, err := server4.NewServer("srv", &net.UDPAddr{Port: 67}, func(conn net.PacketConn, peer net.Addr, m *dhcpv4.DHCPv4) {
		fmt.Printf("asked %s %s\n", m.MessageType(), m.ClientIPAddr)
		kind := map[dhcpv4.MessageType]dhcpv4.MessageType{dhcpv4.MessageTypeDiscover: dhcpv4.MessageTypeOffer, dhcpv4.MessageTypeRequest: dhcpv4.MessageTypeAck}[m.MessageType()]
		if kind == 0 {
			return
		}
		reply, err := dhcpv4.NewReplyFromRequest(m, dhcpv4.WithMessageType(kind), dhcpv4.WithYourIP(net.IPv4(192, 0, 2, 10)))
		if err != nil {
			return
		}
		for _, o := range []dhcpv4.Option{
			dhcpv4.OptServerIdentifier(server), dhcpv4.OptSubnetMask(net.CIDRMask(24, 32)), dhcpv4.OptIPAddressLeaseTime(4 * time.Second),
			dhcpv4.OptGeneric(dhcpv4.OptionRenewTimeValue, []byte{0, 0, 0, 1}), dhcpv4.OptDNS(server), dhcpv4.OptDomainName("example.org"),
			dhcpv4.OptGeneric(dhcpv4.OptionInterfaceMTU, []byte{5, 0x50}),
			dhcpv4.OptClasslessStaticRoute(
				&dhcpv4.Route{Dest: network(t, "203.0.113.1/32"), Router: net.IPv4zero},
				&dhcpv4.Route{Dest: network(t, "0.0.0.0/0"), Router: net.IPv4(203, 0, 113, 1)}),
		} {
			reply.UpdateOption(o)
		}
		_, _ = conn.WriteTo(reply.ToBytes(), peer)
	})
	check(t, err)
	fmt.Println("ready")
	_ = s.Serve()
}

// runClient runs the program against the server.
func runClient(t *testing.T) {
	serving := inNetwork(t, "server")
	pipe, err := serving.StdoutPipe()
	check(t, err)
	check(t, serving.Start())
	defer func() { _ = serving.Process.Kill(); _ = serving.Wait() }()
	said := bufio.NewScanner(pipe)
	check(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "srv"}))
	check(t, netlink.LinkSetNsPid(await(t, "srv"), serving.Process.Pid))
	until(t, said, "ready")
	resolv := filepath.Join(t.TempDir(), "resolv.conf")

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"-i", "eth0", "-resolv", resolv}, os.Stdout, os.Stderr) }()
	until(t, said, "asked DISCOVER 0.0.0.0")
	until(t, said, "asked REQUEST 0.0.0.0")
	until(t, said, "asked REQUEST 192.0.2.10") // renewed
	want := strings.Join([]string{
		"mtu 1360",
		"address 192.0.2.10/24, it ends true",
		"0.0.0.0/0 by 203.0.113.1",
		"192.0.2.0/24 by <nil>",
		"203.0.113.1/32 by <nil>",
		"# Written by dhcp.\nsearch example.org\nnameserver 192.0.2.1\n",
	}, "\n")
	if d := cmp.Diff(want, shown(t, resolv)); d != "" {
		t.Error(d)
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("exit %d", code)
	}
	if d := cmp.Diff(want, shown(t, resolv)); d != "" {
		t.Error(d)
	}
	if code := run(t.Context(), []string{"-once", "-i", "eth0", "-resolv", resolv}, os.Stdout, os.Stderr); code != 0 {
		t.Errorf("exit %d", code)
	}
	if got := shown(t, resolv); !strings.Contains(got, "192.0.2.10/24, it ends false") {
		t.Error(got)
	}
}

// shown says what eth0 has.
func shown(t *testing.T, resolv string) string {
	t.Helper()
	link := await(t, "eth0")
	lines := []string{fmt.Sprintf("mtu %d", link.Attrs().MTU)}
	addresses, err := netlink.AddrList(link, netlink.FAMILY_V4)
	check(t, err)
	for _, a := range addresses {
		lines = append(lines, fmt.Sprintf("address %s, it ends %t", a.IPNet, a.ValidLft > 0 && a.ValidLft < 10))
	}
	routes, err := netlink.RouteList(link, netlink.FAMILY_V4)
	check(t, err)
	for _, r := range routes {
		lines = append(lines, fmt.Sprintf("%s by %s", r.Dst, r.Gw))
	}
	text, err := os.ReadFile(resolv)
	check(t, err)
	return strings.Join(append(lines, string(text)), "\n")
}

// await returns an interface when it is there.
func await(t *testing.T, name string) netlink.Link {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		link, err := netlink.LinkByName(name)
		if err == nil {
			return link
		}
		if wait(ctx, look); ctx.Err() != nil {
			t.Fatal(name, err)
		}
	}
}

// until reads lines until one is there.
func until(t *testing.T, s *bufio.Scanner, line string) {
	t.Helper()
	for s.Scan() {
		if s.Text() == line {
			return
		}
	}
	t.Fatalf("the server never said %q", line)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
