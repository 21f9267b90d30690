package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// device is an interface that leases are applied to.
type device struct {
	link  netlink.Link
	names *resolver
}

// Apply implements [host].
func (d device) Apply(before *settings, now settings) error {
	if now.mtu != 0 { // what d.link has is of before the first lease
		if err := netlink.LinkSetMTU(d.link, now.mtu); err != nil {
			return fmt.Errorf("set the MTU %d: %w", now.mtu, err)
		}
	}
	if err := netlink.AddrReplace(d.link, address(now)); err != nil {
		return fmt.Errorf("set the address %s: %w", &now.address, err)
	}
	if before != nil && before.address.String() != now.address.String() { // another mask
		if err := netlink.AddrDel(d.link, address(*before)); err != nil {
			return fmt.Errorf("remove the address %s: %w", &before.address, err)
		}
	}
	if before != nil {
		for _, r := range before.routes {
			if !contains(now.routes, r) {
				if err := netlink.RouteDel(d.route(*before, r)); err != nil && !errors.Is(err, unix.ESRCH) {
					return fmt.Errorf("remove the route to %s: %w", &r.to, err)
				}
			}
		}
	}
	for _, r := range now.routes {
		if err := netlink.RouteReplace(d.route(now, r)); err != nil {
			return fmt.Errorf("set the route to %s by %s: %w", &r.to, r.gateway, err)
		}
	}
	return d.names.set(d.link.Attrs().Name, now.dns, now.search)
}

// Remove implements [host]. The routes go with the address, which the kernel may
// have removed itself at the end of the lease.
func (d device) Remove(s settings) error {
	err := netlink.AddrDel(d.link, address(s))
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		err = nil
	}
	return errors.Join(err, d.names.set(d.link.Attrs().Name, nil, nil))
}

// address is that of a lease, which the kernel removes when the lease has ended:
// also if this program has died.
func address(s settings) *netlink.Addr {
	a := &netlink.Addr{IPNet: &net.IPNet{IP: s.address.IP, Mask: s.address.Mask}, Broadcast: s.broadcast}
	if s.lease > 0 {
		a.ValidLft = int(s.lease.Seconds())
		a.PreferedLft = a.ValidLft
	}
	return a
}

// route returns a route of a lease. Those of an interface with a lower number come
// first where two lead to one network.
func (d device) route(s settings, r route) *netlink.Route {
	const protocol = unix.RTPROT_DHCP
	to := r.to
	index := d.link.Attrs().Index
	route := &netlink.Route{LinkIndex: index, Dst: &to, Src: s.address.IP, Protocol: protocol, Priority: 200 + index}
	if r.gateway == nil {
		route.Scope = netlink.SCOPE_LINK
		return route
	}
	route.Gw = r.gateway
	if !s.address.Contains(r.gateway) {
		route.Flags = int(netlink.FLAG_ONLINK)
	}
	return route
}

func contains(routes []route, r route) bool {
	for _, other := range routes {
		if other.to.String() == r.to.String() && other.gateway.Equal(r.gateway) {
			return true
		}
	}
	return false
}

// write puts text into a file as it is: others have it as a mount, so it cannot be
// replaced by another. A file that has that text is left alone, and none is empty for a
// moment: somebody may be reading.
func write(path, text string) error {
	if was, err := os.ReadFile(path); err == nil && string(was) == text {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: is its folder bound into the container?", err)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(text), 0)
	if err == nil {
		err = f.Truncate(int64(len(text)))
	}
	return errors.Join(err, f.Close())
}
