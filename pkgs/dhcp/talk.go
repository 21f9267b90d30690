package main

import (
	"context"
	"net"
	"os"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
)

// The library doubles the time after each try: 2, 4 and 8 seconds.
const (
	firstTry = 2 * time.Second
	tries    = 3
)

// wire is the exchange over an interface.
type wire struct{ name string }

// asked are the options that are asked for (RFC 2132; 121 is of RFC 3442, 119 of 3397).
func asked() dhcpv4.Modifier {
	return dhcpv4.WithRequestedOptions(
		dhcpv4.OptionSubnetMask, dhcpv4.OptionClasslessStaticRoute, dhcpv4.OptionRouter, dhcpv4.OptionDomainNameServer,
		dhcpv4.OptionDomainName, dhcpv4.OptionDNSDomainSearchList, dhcpv4.OptionInterfaceMTU, dhcpv4.OptionBroadcastAddress,
		dhcpv4.OptionIPAddressLeaseTime, dhcpv4.OptionRenewTimeValue, dhcpv4.OptionRebindingTimeValue)
}

// hostname tells the server what the machine is called, if it is called anything.
func hostname(m *dhcpv4.DHCPv4) {
	name, err := os.Hostname()
	name, _, _ = strings.Cut(name, ".")
	if err == nil && name != "" && name != "localhost" && name != "(none)" {
		m.UpdateOption(dhcpv4.OptHostName(name))
	}
}

// Request implements [exchange].
func (w wire) Request(ctx context.Context) (*dhcpv4.DHCPv4, error) {
	c, err := nclient4.New(w.name, nclient4.WithTimeout(firstTry), nclient4.WithRetry(tries))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	lease, err := c.Request(ctx, asked(), hostname)
	if err != nil {
		return nil, err
	}
	return lease.ACK, nil
}

// Renew implements [exchange]. The library's own asks all servers, but takes an
// answer of the first one alone.
func (w wire) Renew(ctx context.Context, ack *dhcpv4.DHCPv4, all bool) (*dhcpv4.DHCPv4, error) {
	request, err := dhcpv4.NewRenewFromAck(ack, asked(), hostname)
	if err != nil {
		return nil, err
	}
	options := []nclient4.ClientOpt{nclient4.WithTimeout(firstTry), nclient4.WithRetry(tries)}
	if !all {
		options = append(options, w.direct(ack)...)
	}
	c, err := nclient4.New(w.name, options...)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	answer, err := c.SendAndRead(ctx, c.RemoteAddr(), request, nclient4.IsMessageType(dhcpv4.MessageTypeAck, dhcpv4.MessageTypeNak))
	if err != nil {
		return nil, err
	}
	if answer.MessageType() == dhcpv4.MessageTypeNak {
		return nil, &nclient4.ErrNak{Offer: ack, Nak: answer}
	}
	return answer, nil
}

// direct speaks to the server of a lease alone, from the address of the lease.
func (w wire) direct(ack *dhcpv4.DHCPv4) []nclient4.ClientOpt {
	return []nclient4.ClientOpt{
		nclient4.WithUnicast(&net.UDPAddr{IP: ack.YourIPAddr, Port: nclient4.ClientPort}),
		nclient4.WithServerAddr(&net.UDPAddr{IP: ack.ServerIdentifier(), Port: nclient4.ServerPort}),
	}
}
