// Sysctl sets the kernel's parameters as the files of sysctl.d(5) say.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

const usage = `Usage: sysctl [FILE...]

Sets kernel parameters from the files named, or from /etc/sysctl.d/*.conf in the
order of their names and then /etc/sysctl.conf; of a key that is set twice the
last counts. A line is "net.ipv4.ip_forward = 1", or "net/ipv4/conf/*/rp_filter=1";
one that begins with "-" may fail.
`

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code: 0 done, 1 failed, 2 usage.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("sysctl", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { _, _ = io.WriteString(stderr, usage) }
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	files, err := flags.Args(), error(nil)
	if len(files) == 0 {
		files, err = configured("/etc")
	}
	n := 0
	if err == nil {
		n, err = apply("/proc/sys", files)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "sysctl: %v\n", err)
		return 1
	}
	_, _ = fmt.Fprintf(stdout, "sysctl: %d parameters set\n", n)
	return 0
}
