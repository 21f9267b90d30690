package machine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// qmp speaks with QEMU (QEMU Machine Protocol Specification): a line of JSON a
// command. It does not wait for answers: that a command did what it should shows in
// what the machine does.
type qmp struct{ conn *os.File }

// qmpFD is where QEMU finds its end of the connection.
const qmpFD = 3

// qmpArgs tell QEMU to listen there.
func qmpArgs() []string {
	return []string{"-chardev", fmt.Sprintf("socket,id=qmp,fd=%d", qmpFD), "-mon", "chardev=qmp,mode=control"}
}

// newQMP returns a connection, and QEMU's end of it.
func newQMP() (*qmp, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	return &qmp{os.NewFile(uintptr(fds[0]), "qmp")}, os.NewFile(uintptr(fds[1]), "qmp"), nil
}

// start negotiates, and reads away what is said until the connection ends: QEMU
// keeps what nobody reads.
func (q *qmp) start() error {
	go func() { _, _ = io.Copy(io.Discard, q.conn) }()
	return q.do("qmp_capabilities")
}

// powerDown presses the power button.
func (q *qmp) powerDown() error { return q.do("system_powerdown") }

func (q *qmp) do(command string) error {
	err := json.NewEncoder(q.conn).Encode(struct {
		Execute string `json:"execute"`
	}{command})
	// One that has ended says better itself what is wrong.
	if errors.Is(err, unix.EPIPE) || errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
