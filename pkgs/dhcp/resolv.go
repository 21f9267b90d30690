package main

import (
	"net"
	"slices"
	"strings"
	"sync"
)

// resolver writes resolv.conf(5) out of what all interfaces have been given.
type resolver struct {
	path  string
	write func(path, text string) error
	mu    sync.Mutex
	given []given
}

// given is what one interface has been given.
type given struct {
	name   string
	dns    []net.IP
	search []string
}

// maxServers is how many servers the C library asks (resolv.conf(5), MAXNS).
const maxServers = 3

// set says what an interface has now; with no servers it has none. The interfaces
// keep the order in which they first came.
func (r *resolver) set(name string, dns []net.IP, search []string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.given, func(g given) bool { return g.name == name })
	if i < 0 {
		i = len(r.given)
		r.given = append(r.given, given{name: name})
	}
	r.given[i].dns, r.given[i].search = dns, search
	return r.write(r.path, r.text())
}

func (r *resolver) text() string {
	var b strings.Builder
	b.WriteString("# Written by dhcp.\n")
	var servers, domains []string
	for _, g := range r.given {
		for _, ip := range g.dns {
			if s := ip.String(); !slices.Contains(servers, s) && len(servers) < maxServers {
				servers = append(servers, s)
			}
		}
		for _, domain := range g.search {
			if !slices.Contains(domains, domain) {
				domains = append(domains, domain)
			}
		}
	}
	if len(domains) > 0 {
		b.WriteString("search " + strings.Join(domains, " ") + "\n")
	}
	for _, s := range servers {
		b.WriteString("nameserver " + s + "\n")
	}
	return b.String()
}
