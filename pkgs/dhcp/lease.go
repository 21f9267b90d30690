package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
)

// exchange is what a client says to servers.
type exchange interface {
	// Request asks all servers for a lease (DISCOVER, REQUEST).
	Request(ctx context.Context) (*dhcpv4.DHCPv4, error)
	// Renew asks for more time: the server that gave the lease, or all.
	Renew(ctx context.Context, ack *dhcpv4.DHCPv4, all bool) (*dhcpv4.DHCPv4, error)
}

// host is what a lease is applied to.
type host interface {
	// Apply makes an interface what now says; before is what it was, or nil.
	Apply(before *settings, now settings) error
	// Remove takes everything of a lease away.
	Remove(settings) error
}

// client keeps a lease for one interface (RFC 2131 4.4, figure 5).
type client struct {
	name  string
	talk  exchange
	host  host
	log   func(format string, args ...any)
	bound func() // called with every lease
	once  bool   // the first lease is all, and is kept for ever
}

// retry is how long a client waits after an error before it begins again.
const retry = 5 * time.Second

// run gets leases and keeps them until ctx is done. The last one stays, for as long
// as it was given: others who are told to end at the same time, when the system goes
// down, still need the network.
func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		ack, s, err := c.obtain(ctx)
		if err == nil {
			err = c.host.Apply(nil, s)
		}
		switch {
		case ctx.Err() != nil:
		case err != nil:
			c.log("%s: %v", c.name, err)
			wait(ctx, retry)
			continue
		default:
			c.log("%s: %s", c.name, s)
			c.bound()
		}
		if err != nil || c.once {
			return
		}
		c.hold(ctx, ack, s)
	}
}

// obtain asks for a lease.
func (c *client) obtain(ctx context.Context) (*dhcpv4.DHCPv4, settings, error) {
	begun := time.Now()
	ack, err := c.talk.Request(ctx)
	if err != nil {
		return nil, settings{}, err
	}
	s, err := read(ack, begun)
	if c.once {
		s.lease = 0
	}
	return ack, s, err
}

// hold keeps a lease as long as a server gives it more time. It returns when ctx is
// done, or when the lease has ended, with the interface as it was before.
func (c *client) hold(ctx context.Context, ack *dhcpv4.DHCPv4, s settings) {
	defer func() {
		if ctx.Err() != nil {
			return
		}
		if err := c.host.Remove(s); err != nil {
			c.log("%s: %v", c.name, err)
		}
	}()
	for {
		next, asked, err := c.extend(ctx, ack, s)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			c.log("%s: the lease of %s has ended: %v", c.name, &s.address, err)
			return
		}
		now, err := read(next, asked)
		if err == nil && !now.address.IP.Equal(s.address.IP) {
			err = fmt.Errorf("the server gave %s instead", &now.address)
		}
		if err == nil {
			err = c.host.Apply(&s, now)
		}
		if err != nil {
			c.log("%s: %v", c.name, err)
			return
		}
		ack, s = next, now
		c.log("%s: %s, renewed", c.name, s)
		c.bound()
	}
}

// errExpired says that no server has answered in the time of the lease.
var errExpired = errors.New("no server has renewed it")

// extend waits until the lease is to be renewed, and asks until there is an answer:
// its server until T2, then all servers. It returns when it asked. An error says that the lease has ended.
func (c *client) extend(ctx context.Context, ack *dhcpv4.DHCPv4, s settings) (next *dhcpv4.DHCPv4, asked time.Time, err error) {
	if s.lease == 0 {
		<-ctx.Done()
		return nil, asked, ctx.Err()
	}
	at := s.asked.Add(s.renew)
	rebind, end := s.asked.Add(s.rebind), s.asked.Add(s.lease)
	for {
		wait(ctx, time.Until(at))
		asked = time.Now()
		if ctx.Err() != nil || !asked.Before(end) {
			return nil, asked, errors.Join(ctx.Err(), errExpired)
		}
		all, limit := false, rebind
		if !asked.Before(rebind) {
			all, limit = true, end
		}
		try, cancel := context.WithDeadline(ctx, limit)
		next, err = c.talk.Renew(try, ack, all)
		cancel()
		var nak *nclient4.ErrNak
		if err == nil || errors.As(err, &nak) {
			return next, asked, err
		}
		at = again(time.Now(), limit)
	}
}

// again returns when to ask the next time: after half of what is left until limit,
// and a minute at least (RFC 2131 4.4.5).
func again(now, limit time.Time) time.Time {
	pause := max(limit.Sub(now)/2, time.Minute)
	if next := now.Add(pause); next.Before(limit) {
		return next
	}
	return limit
}

// wait waits for d, or until ctx is done.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
