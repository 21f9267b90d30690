package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// FuzzRead holds that whatever a server sends, the times are in their order and
// resolv.conf has no line that is not ours.
func FuzzRead(f *testing.F) {
	for _, options := range [][]byte{
		{byte(dhcpv4.OptionIPAddressLeaseTime), 4, 0, 0, 0, 9, byte(dhcpv4.OptionRouter), 4, 192, 0, 2, 1, 255},
		{byte(dhcpv4.OptionClasslessStaticRoute), 9, 32, 203, 0, 113, 1, 0, 0, 0, 0, byte(dhcpv4.OptionSubnetMask), 4, 255, 255, 255, 255, 255},
		{byte(dhcpv4.OptionDomainName), 3, 'a', '\n', 'b', byte(dhcpv4.OptionInterfaceMTU), 1, 5, 255},
		{byte(dhcpv4.OptionIPAddressLeaseTime), 4, 0x58, 0x30, 0x30, 0x30, 255},
		{byte(dhcpv4.OptionClasslessStaticRoute), 1, 99, byte(dhcpv4.OptionDomainNameServer), 3, 1, 2, 3, 255},
	} {
		f.Add(options)
	}
	head := make([]byte, 240)
	head[0], head[1], head[2] = 2, 1, 6
	copy(head[16:], []byte{192, 0, 2, 10})
	copy(head[236:], []byte{99, 130, 83, 99})
	head = append(head, byte(dhcpv4.OptionServerIdentifier), 4, 192, 0, 2, 1)
	f.Fuzz(func(t *testing.T, options []byte) {
		ack, err := dhcpv4.FromBytes(append(slices.Clip(head), options...))
		if err != nil {
			return
		}
		s, err := read(ack, time.Time{})
		if err != nil {
			return
		}
		if s.String() == "" || s.lease != 0 && (s.renew <= 0 || s.renew > s.rebind || s.rebind > s.lease) {
			t.Errorf("%s: %s, %s, %s", s, s.renew, s.rebind, s.lease)
		}
		r := resolver{write: func(_, text string) error {
			for line := range strings.Lines(text) {
				word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
				if word != "#" && word != "search" && word != "nameserver" {
					t.Errorf("line %q", line)
				}
			}
			return nil
		}}
		if err := r.set("eth0", s.dns, s.search); err != nil {
			t.Error(err)
		}
		_ = address(s)
	})
}
