// Dhcp gets the addresses of a machine's interfaces from DHCPv4 servers (RFC 2131)
// and keeps them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const usage = `Usage: dhcp [options]

Gets an address for each Ethernet interface from a DHCP server, with routes, MTU
and name servers, and renews it. What it has when it is told to end stays until
the lease has ended.

  -i NAME        an interface; may be given several times (default: all)
  -once          end when each interface that has a carrier has an address; the
                 addresses stay for ever, or until a dhcp without -once takes over
  -timeout TIME  how long to wait for interfaces and, with -once, for addresses
                 (default 60s); one address is then enough
  -resolv FILE   where to write the name servers
                 (default /run/resolvconf/resolv.conf)
`

// names is a flag that may be given several times.
type names []string

// String implements [flag.Value].
func (n *names) String() string { return "" }

// Set implements [flag.Value].
func (n *names) Set(name string) error {
	*n = append(*n, name)
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code: 0 done, 1 failed, 2 usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var m machine
	flags := flag.NewFlagSet("dhcp", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { _, _ = io.WriteString(stderr, usage) }
	flags.Var((*names)(&m.names), "i", "")
	flags.BoolVar(&m.once, "once", false, "")
	flags.DurationVar(&m.timeout, "timeout", time.Minute, "")
	flags.StringVar(&m.resolv, "resolv", "/run/resolvconf/resolv.conf", "")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		flags.Usage()
		return 2
	}
	m.log = func(format string, args ...any) { _, _ = fmt.Fprintf(stdout, "dhcp: "+format+"\n", args...) }
	if err := m.run(ctx); err != nil {
		_, _ = fmt.Fprintf(stderr, "dhcp: %v\n", err)
		return 1
	}
	return 0
}
