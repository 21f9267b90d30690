// Modprobe puts modules into the running kernel, with those that they need.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/composeos/compose/pkgs/internal/modules"
)

const usage = `Usage: modprobe NAME [KEY=VALUE...]
       modprobe -a NAME...

Loads kernel modules, and first those that they need. A NAME is a module's or an
alias; one that is loaded or built in is fine.
`

// loader is what loads a module; [modules.Set] is one.
type loader interface {
	Load(name, params string) error
}

func main() {
	os.Exit(run(os.Args[1:], open, os.Stderr))
}

// open returns the modules of the running kernel, wherever they are.
func open() (loader, error) {
	release, err := modules.Release()
	if err != nil {
		return nil, err
	}
	set, err := modules.Open("/usr/lib/modules", release, modules.Kernel{})
	if errors.Is(err, fs.ErrNotExist) {
		set, err = modules.Open("/lib/modules", release, modules.Kernel{})
	}
	if errors.Is(err, fs.ErrNotExist) {
		return set, nil // a kernel that has all built in; Load says what is missing
	}
	return set, err
}

// run returns the exit code: 0 done, 1 failed, 2 usage.
func run(args []string, open func() (loader, error), stderr io.Writer) int {
	flags := flag.NewFlagSet("modprobe", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { _, _ = io.WriteString(stderr, usage) }
	all := flags.Bool("a", false, "")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	names, params := flags.Args(), ""
	if !*all && len(names) > 1 {
		names, params = names[:1], strings.Join(names[1:], " ")
	}
	parameter := func(s string) bool { return strings.Contains(s, "=") }
	if len(names) == 0 || slices.ContainsFunc(names, parameter) || params != "" && !parameter(params) {
		flags.Usage()
		return 2
	}
	if err := load(names, params, open); err != nil {
		_, _ = fmt.Fprintf(stderr, "modprobe: %v\n", err)
		return 1
	}
	return 0
}

// load loads all that it can; the errors are joined.
func load(names []string, params string, open func() (loader, error)) error {
	set, err := open()
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, set.Load(name, params))
	}
	return errors.Join(errs...)
}
