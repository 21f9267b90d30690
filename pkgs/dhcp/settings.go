package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// settings are what a server has given to an interface.
type settings struct {
	address   net.IPNet // with the mask of the network
	broadcast net.IP    // nil: the last of the network
	routes    []route
	mtu       int // 0: as it is
	dns       []net.IP
	search    []string
	server    net.IP
	lease     time.Duration // 0: for ever
	renew     time.Duration // T1 of RFC 2131 4.4.5, from the time of the request
	rebind    time.Duration // T2
	asked     time.Time     // when the lease was asked for, which the times count from
}

// route is one of the main table. Without a gateway its network is on the link.
type route struct {
	to      net.IPNet
	gateway net.IP
}

// The shortest times that are kept to, so that no server keeps us busy.
const (
	minLease = 4 * time.Second
	forever  = time.Duration(0xffffffff) * time.Second // in the protocol (RFC 2131 3.3)
)

// read takes the settings out of the ACK to a request.
func read(ack *dhcpv4.DHCPv4, asked time.Time) (settings, error) {
	s := settings{asked: asked, server: ack.ServerIdentifier(), broadcast: ack.BroadcastAddress(), dns: ack.DNS()}
	ip := ack.YourIPAddr.To4()
	if ip == nil || !ip.IsGlobalUnicast() {
		return s, fmt.Errorf("the server gave the address %s", ack.YourIPAddr)
	}
	if s.server.To4() == nil {
		return s, errors.New("the server does not say who it is")
	}
	mask := ack.SubnetMask()
	if ones, bits := mask.Size(); bits != 32 || ones == 0 {
		mask = ip.DefaultMask()
	}
	s.address = net.IPNet{IP: ip, Mask: mask}
	s.routes = routes(ack)
	if mtu, err := dhcpv4.GetUint16(dhcpv4.OptionInterfaceMTU, ack.Options); err == nil && mtu >= 576 { // RFC 2132 5.1 has 68; no IPv4 host works with less than 576
		s.mtu = int(mtu)
	}
	s.search = search(ack)
	s.times(ack)
	return s, nil
}

// times sets lease, renew and rebind: where the server does not say, a half and
// seven eighths of the lease.
func (s *settings) times(ack *dhcpv4.DHCPv4) {
	lease := ack.IPAddressLeaseTime(time.Hour)
	if lease >= forever {
		return
	}
	s.lease = max(lease, minLease)
	s.renew = ack.IPAddressRenewalTime(s.lease / 2)
	s.rebind = ack.IPAddressRebindingTime(s.lease / 8 * 7)
	if s.rebind <= 0 || s.rebind >= s.lease {
		s.rebind = s.lease / 8 * 7
	}
	if s.renew <= 0 || s.renew >= s.rebind {
		s.renew = min(s.lease/2, s.rebind)
	}
	s.renew = max(s.renew, time.Second)
}

// routes returns those of option 121, which stand for the routers of option 3 too
// (RFC 3442, "DHCP Client Behavior"), or else a default route.
func routes(ack *dhcpv4.DHCPv4) []route {
	var all []route
	for _, r := range ack.ClasslessStaticRoute() {
		if r == nil || r.Dest == nil {
			continue
		}
		next := route{to: *r.Dest}
		if !r.Router.IsUnspecified() {
			next.gateway = r.Router.To4()
		}
		all = append(all, next)
	}
	if len(all) > 0 {
		return all
	}
	for _, router := range ack.Router() {
		if ip := router.To4(); ip != nil && !ip.IsUnspecified() {
			return []route{{net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}, ip}}
		}
	}
	return nil
}

// search returns the domains to search: option 119, else 15.
func search(ack *dhcpv4.DHCPv4) []string {
	var names []string
	if labels := ack.DomainSearch(); labels != nil {
		names = labels.Labels
	} else {
		names = strings.Fields(ack.DomainName())
	}
	var good []string
	for _, name := range names {
		if isName(name) {
			good = append(good, name)
		}
	}
	return good
}

// isName tells whether a server's text may stand in resolv.conf.
func isName(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return !strings.ContainsRune(letters, r) })
}

// String says the lease in a line.
func (s settings) String() string {
	text := fmt.Sprintf("%s from %s", &s.address, s.server)
	if s.lease > 0 {
		text += fmt.Sprintf(" for %s", s.lease)
	}
	for _, r := range s.routes {
		if ones, _ := r.to.Mask.Size(); ones == 0 && r.gateway != nil {
			return fmt.Sprintf("%s, router %s", text, r.gateway)
		}
	}
	return text
}
