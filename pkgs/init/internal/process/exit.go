package process

import (
	"fmt"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Exit is how a process ended.
type Exit struct {
	// Status is what it gave to exit, 0 to 255. It is 0 where Signal is set.
	Status int `json:"status,omitempty"`
	// Signal is the signal that ended it, or 0.
	Signal syscall.Signal `json:"signal,omitempty"`
	// OutOfMemory says that the kernel killed it for its control group's limit.
	// Only who knows the control group can say so.
	OutOfMemory bool `json:"outOfMemory,omitempty"`
}

// OK tells whether the process ended well.
func (e Exit) OK() bool { return e == Exit{} }

// String says it as a person would.
func (e Exit) String() string {
	switch {
	case e.OutOfMemory:
		return "out of memory"
	case e.Signal != 0:
		if name := unix.SignalName(e.Signal); name != "" {
			return "killed by " + name
		}
		return "killed by signal " + strconv.Itoa(int(e.Signal))
	}
	return "exit status " + strconv.Itoa(e.Status)
}

// exitOf translates what wait4(2) returns.
func exitOf(ws syscall.WaitStatus) Exit {
	if ws.Signaled() {
		return Exit{Signal: ws.Signal()}
	}
	return Exit{Status: ws.ExitStatus()}
}

// ExitError says that a program did not end well.
type ExitError struct {
	Path string
	Exit Exit
}

// Error implements error.
func (e *ExitError) Error() string { return fmt.Sprintf("%s: %s", e.Path, e.Exit) }
