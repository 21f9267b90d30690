package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
)

// machine is one run of the program.
type machine struct {
	names   []string // of the interfaces; none: all
	once    bool
	timeout time.Duration
	resolv  string
	log     func(format string, args ...any)
}

// How long an interface without a carrier is waited for, and how often it is
// looked at.
const (
	carrierTime = 10 * time.Second
	look        = 50 * time.Millisecond
)

// run keeps a client for each interface until ctx is done or, with once, until
// each has a lease.
func (m *machine) run(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	links, err := m.links(limited)
	if err != nil {
		return err
	}
	if m.once {
		ctx = limited
	}
	out := &resolver{path: m.resolv, write: write}
	leases := make([]bool, len(links))
	var group sync.WaitGroup
	for i, link := range links {
		group.Go(func() {
			name := link.Attrs().Name
			if err := m.raise(ctx, link); err != nil {
				m.log("%s: %v", name, err)
				if m.once {
					return
				}
			}
			c := client{name: name, talk: wire{name}, host: device{link, out}, log: m.log, once: m.once, bound: func() { leases[i] = true }}
			c.run(ctx)
		})
	}
	group.Wait()
	if m.once && !slices.Contains(leases, true) {
		return errors.New("no interface has got an address")
	}
	return nil
}

// links returns the interfaces, when there are any.
func (m *machine) links(ctx context.Context) ([]netlink.Link, error) {
	for {
		all, err := netlink.LinkList()
		if err != nil {
			return nil, fmt.Errorf("list interfaces: %w", err)
		}
		all = slices.DeleteFunc(all, func(l netlink.Link) bool { return !m.takes(l) })
		if len(all) > 0 && len(all) >= len(m.names) {
			return all, nil
		}
		if wait(ctx, look); ctx.Err() != nil {
			return nil, fmt.Errorf("there is no such interface: %v (nothing: any Ethernet)", m.names)
		}
	}
}

// takes tells whether an interface is to get an address: it is named or, where no
// names are given, it is a device's and not made by software as a bridge is.
func (m *machine) takes(l netlink.Link) bool {
	a := l.Attrs()
	if len(m.names) > 0 {
		return slices.Contains(m.names, a.Name)
	}
	return l.Type() == "device" && a.EncapType == "ether" && a.Flags&net.FlagLoopback == 0
}

// raise sets an interface up and waits until it has a carrier.
func (m *machine) raise(ctx context.Context, link netlink.Link) error {
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set it up: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, carrierTime)
	defer cancel()
	for {
		now, err := netlink.LinkByIndex(link.Attrs().Index)
		if err != nil {
			return err
		}
		if now.Attrs().Flags&net.FlagRunning != 0 {
			return nil
		}
		if wait(ctx, look); ctx.Err() != nil {
			return errors.New("no carrier")
		}
	}
}
