package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
)

// Forward is a port of the host that leads to one of the guest.
type Forward struct {
	Host  netip.AddrPort // IPv4; port 0 is any that is free, until [Claim] has found one
	Guest uint16
	UDP   bool // or TCP
}

// ParseForward reads [ADDRESS:]HOST:GUEST[/udp]. Without an address it is
// 127.0.0.1, which no other machine reaches; 0.0.0.0 is all that the host has.
func ParseForward(s string) (Forward, error) {
	wrong := func(why string) (Forward, error) {
		return Forward{}, fmt.Errorf("%q: %s: want [ADDRESS:]HOST:GUEST, such as 8080:80 or 127.0.0.1:5353:53/udp", s, why)
	}
	ports, protocol, named := strings.Cut(s, "/")
	if named && protocol != "udp" && protocol != "tcp" {
		return wrong(fmt.Sprintf("protocol %q is neither tcp nor udp", protocol))
	}
	words := strings.Split(ports, ":")
	if len(words) == 2 {
		words = append([]string{"127.0.0.1"}, words...)
	}
	if len(words) != 3 {
		return wrong("there are not two ports")
	}
	address, err := netip.ParseAddr(words[0])
	if err != nil || !address.Is4() {
		return wrong(fmt.Sprintf("%q is no IPv4 address", words[0]))
	}
	var port [2]uint16
	for i, digits := range words[1:] {
		n, err := strconv.ParseUint(digits, 10, 16)
		if err != nil {
			return wrong(fmt.Sprintf("%q is no port", digits))
		}
		port[i] = uint16(n)
	}
	if port[1] == 0 {
		return wrong("the guest has no port 0")
	}
	return Forward{netip.AddrPortFrom(address, port[0]), port[1], protocol == "udp"}, nil
}

// String writes it as [ParseForward] reads it, with all its parts.
func (f Forward) String() string { return fmt.Sprintf("%s:%d/%s", f.Host, f.Guest, f.protocol()) }

func (f Forward) protocol() string {
	if f.UDP {
		return "udp"
	}
	return "tcp"
}

// hostfwd is how QEMU writes it.
func (f Forward) hostfwd() string { return fmt.Sprintf("%s:%s-:%d", f.protocol(), f.Host, f.Guest) }

// Claim tries that nobody has the ports of the host, and finds one for each that
// is 0. QEMU takes them a moment later, and says so if another was faster.
func Claim(ctx context.Context, all []Forward) ([]Forward, error) {
	claimed := make([]Forward, len(all))
	var faults []error
	var held []interface{ Close() error }
	for i, f := range all {
		l, err := f.listen(ctx)
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("publish %s: port %d of %s is in use", f, f.Host.Port(), f.Host.Addr())
		} else if err != nil {
			err = fmt.Errorf("publish %s: %w", f, err)
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		claimed[i] = l.forward
		held = append(held, l)
	}
	for _, l := range held {
		faults = append(faults, l.Close())
	}
	return claimed, errors.Join(faults...)
}

// listener is a forward whose port is taken until it is closed.
type listener struct {
	forward Forward
	close   func() error
}

// Close gives the port back.
func (l *listener) Close() error { return l.close() }

func (f Forward) listen(ctx context.Context) (*listener, error) {
	var c net.ListenConfig
	l := &listener{forward: f}
	var got net.Addr
	if f.UDP {
		conn, err := c.ListenPacket(ctx, "udp4", f.Host.String())
		if err != nil {
			return nil, err
		}
		got, l.close = conn.LocalAddr(), conn.Close
	} else {
		conn, err := c.Listen(ctx, "tcp4", f.Host.String())
		if err != nil {
			return nil, err
		}
		got, l.close = conn.Addr(), conn.Close
	}
	port, err := netip.ParseAddrPort(got.String())
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	l.forward.Host = netip.AddrPortFrom(f.Host.Addr(), port.Port())
	return l, nil
}
