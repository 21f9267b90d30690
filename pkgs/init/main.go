// Init is the first process of a system that compose has made, and the commands by
// which people talk to it. What it does is chosen by the name that it is called by:
//
//	init                      process 1: boots the system, runs its containers, shuts it down
//	service                   lists, starts and stops services, and shows their logs
//	poweroff, reboot, halt    end the system; -f at once and without stopping anything
//	modprobe                  loads a module that the kernel itself asks for
//
// Booting is a list of small steps, each in a package of its own below internal,
// and none of them stops the others: what does not work is one line on the console.
// Only two things end a boot: an initramfs that is not complete, and a container of
// onboot that fails. Then a line says why, and the machine powers off after five
// seconds; panic=SECONDS on the kernel's command line has the meaning that it has
// for the kernel.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/composeos/compose/pkgs/init/internal/control"
)

func main() {
	os.Exit(run(os.Args, os.Getpid(), os.Stdout, os.Stderr))
}

// run is the program that args name, and returns its exit status: 0 done, 1
// failed, 2 called wrongly.
func run(args []string, pid int, stdout, stderr io.Writer) int {
	name := "init"
	if len(args) > 0 {
		name = filepath.Base(args[0])
		args = args[1:]
	}
	if name == "init" && pid != 1 && len(args) > 0 {
		name, args = args[0], args[1:]
	}
	switch name {
	case "service":
		return control.Service(args, stdout, stderr)
	case "poweroff", "reboot", "halt":
		return control.Power(name, args, stdout, stderr)
	case "modprobe":
		return modprobe(args, stderr)
	case "init":
		if pid == 1 {
			return first()
		}
	}
	_, _ = fmt.Fprintln(stderr, "init: it is process 1 that boots a system; call this program service, poweroff, reboot, halt or modprobe")
	return 2
}
