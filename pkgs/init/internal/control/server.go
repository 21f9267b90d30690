package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/composeos/compose/pkgs/init/internal/power"
	"github.com/composeos/compose/pkgs/init/internal/supervise"
)

// connections is how many are served at the same time; more have to wait.
const connections = 64

// Handler does what is asked.
type Handler interface {
	// List returns all services by name.
	List() []supervise.Status
	// Ask starts, stops or restarts a service, and returns when that is done.
	Ask(ctx context.Context, name string, verb supervise.Verb) error
	// Log returns an error that helps where there is no log of this name.
	Log(name string) error
	// Logs writes the last lines of a log to w and, with follow, those to come until
	// ctx ends.
	Logs(ctx context.Context, w io.Writer, name string, lines int, follow bool) error
	// Power ends the system; it returns at once.
	Power(how power.How)
}

// Listen makes the socket, which only root may use. A socket that an earlier
// init has left is replaced.
func Listen(ctx context.Context, socket string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		return nil, err
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// Serve answers until ctx ends; then it closes l.
func Serve(ctx context.Context, l net.Listener, h Handler) {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	room := make(chan struct{}, connections)
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
			return
		}
		if err != nil {
			time.Sleep(time.Second) // out of files, perhaps
			continue
		}
		room <- struct{}{}
		go func() {
			defer func() { <-room }()
			defer conn.Close()
			serve(ctx, conn, h)
		}()
	}
}

// serve answers one question.
func serve(ctx context.Context, conn net.Conn, h Handler) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	_ = conn.SetReadDeadline(time.Now().Add(hurry))
	r := bufio.NewReader(conn)
	line, err := readLine(r, requestLimit)
	if err != nil {
		reply(conn, Answer{}, fmt.Errorf("this is no question: %w", err))
		return
	}
	request, err := ParseRequest(line)
	if err != nil {
		reply(conn, Answer{}, err)
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	go func() {
		// Nothing more is expected: this ends when the other side has gone.
		_, _ = io.Copy(io.Discard, r)
		cancel()
	}()
	answer(ctx, conn, h, request)
}

// answer does what is asked, and says so.
func answer(ctx context.Context, conn net.Conn, h Handler, r Request) {
	switch r.Verb {
	case "list":
		reply(conn, Answer{Services: h.List()}, nil)
	case "logs":
		err := h.Log(r.Service)
		if reply(conn, Answer{}, err) && err == nil {
			// The other side sees the end; there is nobody else to tell.
			_ = h.Logs(ctx, conn, r.Service, r.Lines, r.Follow)
		}
	case "poweroff", "reboot", "halt":
		reply(conn, Answer{}, nil)
		h.Power(power.How(r.Verb))
	default:
		// A stop is not taken back because who asked has gone.
		err := h.Ask(context.WithoutCancel(ctx), r.Service, supervise.Verb(r.Verb))
		reply(conn, Answer{}, err)
	}
}

// reply writes the first line, and tells whether it went out.
func reply(conn net.Conn, a Answer, err error) bool {
	if err != nil {
		a.Error = err.Error()
	}
	a.Now = time.Now()
	line, err := json.Marshal(a)
	if err != nil {
		return false
	}
	_, err = conn.Write(append(line, '\n'))
	return err == nil
}
