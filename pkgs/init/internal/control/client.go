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
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/composeos/compose/pkgs/init/internal/power"
	"github.com/composeos/compose/pkgs/init/internal/supervise"
)

// Client asks init.
type Client struct {
	// Socket is init's; "" is DefaultSocket.
	Socket string
	// Stdout and Stderr are where answers and errors go.
	Stdout, Stderr io.Writer
}

// The exit codes.
const (
	done = iota
	failed
	misused
)

const usage = `usage: service list
       service start|stop|restart NAME
       service logs [-n LINES] [-f] NAME
`

// Service is the command service; args are without its name. It returns 0 when
// all went well, 1 when not, 2 when it was called wrongly.
func Service(args []string, stdout, stderr io.Writer) int {
	return Client{Stdout: stdout, Stderr: stderr}.Service(args)
}

// Power is the commands poweroff, reboot and halt. With -f the machine ends at
// once, without init.
func Power(name string, args []string, stdout, stderr io.Writer) int {
	return Client{Stdout: stdout, Stderr: stderr}.Power(name, args)
}

// Service is the command service.
func (c Client) Service(args []string) int {
	if len(args) == 1 && (args[0] == "help" || args[0] == "-h" || args[0] == "--help") {
		_, _ = fmt.Fprint(c.Stdout, usage)
		return done
	}
	r, err := parse(args)
	if err != nil {
		_, _ = fmt.Fprintf(c.Stderr, "service: %v\n%s", err, usage)
		return misused
	}
	if err := c.ask(context.Background(), r); err != nil {
		_, _ = fmt.Fprintf(c.Stderr, "service: %v\n", err)
		return failed
	}
	return done
}

// Power is the commands poweroff, reboot and halt.
func (c Client) Power(name string, args []string) int {
	how, err := power.ParseHow(name)
	force := len(args) == 1 && args[0] == "-f"
	if err == nil && len(args) > 0 && !force {
		err = fmt.Errorf("usage: %s [-f]", name)
	}
	if err != nil {
		_, _ = fmt.Fprintf(c.Stderr, "%s: %v\n", name, err)
		return misused
	}
	if force {
		err = power.Now(how)
	} else {
		err = c.ask(context.Background(), Request{Verb: name})
	}
	if err != nil {
		_, _ = fmt.Fprintf(c.Stderr, "%s: %v\n", name, err)
		return failed
	}
	return done
}

// parse reads the arguments of service.
func parse(args []string) (Request, error) {
	if len(args) == 0 {
		return Request{}, errors.New("what is to be done?")
	}
	r := Request{Verb: args[0], Lines: -1}
	var names []string
	for i := 1; i < len(args); i++ {
		switch arg := args[i]; {
		case r.Verb == "logs" && arg == "-f":
			r.Follow = true
		case r.Verb == "logs" && arg == "-n":
			if i++; i == len(args) {
				return r, errors.New("-n wants a number of lines")
			}
			n, err := strconv.Atoi(args[i])
			if err != nil || n < 0 {
				return r, fmt.Errorf("-n wants a number of lines, not %q", args[i])
			}
			r.Lines = n
		case strings.HasPrefix(arg, "-"):
			return r, fmt.Errorf("%s has no option %s", r.Verb, arg)
		default:
			names = append(names, arg)
		}
	}
	if r.Verb != "logs" {
		r.Lines = 0
	}
	switch r.Verb {
	case "list", "ls":
		r.Verb = "list"
		if len(names) > 0 {
			return r, errors.New("list takes no name")
		}
	case "start", "stop", "restart", "logs":
		if len(names) != 1 {
			return r, fmt.Errorf("%s takes the name of one service", r.Verb)
		}
		r.Service = names[0]
	default:
		return r, fmt.Errorf("there is no %q", r.Verb)
	}
	return r, nil
}

// ask puts the question, and prints the answer.
func (c Client) ask(ctx context.Context, r Request) error {
	socket := c.Socket
	if socket == "" {
		socket = DefaultSocket
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if errors.Is(err, os.ErrPermission) {
		return errors.New("only root may ask init")
	}
	if err != nil {
		return fmt.Errorf("init does not answer: is this the system's own service? (%w)", err)
	}
	defer conn.Close()
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if _, err := conn.Write(append(line, '\n')); err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	if line, err = readLine(in, answerLimit); err != nil {
		return fmt.Errorf("init does not answer: %w", err)
	}
	var a Answer
	if err := json.Unmarshal(line, &a); err != nil {
		return fmt.Errorf("init answers nonsense: %w", err)
	}
	switch {
	case a.Error != "":
		return errors.New(a.Error)
	case r.Verb == "list":
		return Table(c.Stdout, a.Services, a.Now)
	case r.Verb == "logs":
		_, err = io.Copy(c.Stdout, in)
	}
	return err
}

// Table prints services as service list does; now is the system's time.
func Table(w io.Writer, services []supervise.Status, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "NAME\tSTATE\tPID\tRESTARTS\tSINCE\tLAST-EXIT")
	for _, s := range services {
		pid, last := "-", "-"
		if s.PID != 0 {
			pid = strconv.Itoa(s.PID)
		}
		if s.Last != "" {
			last = fmt.Sprintf("%s (%s ago)", strings.Join(strings.Fields(s.Last), " "), age(now.Sub(s.LastAt)))
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", s.Name, s.State, pid, s.Restarts, age(now.Sub(s.Since)), last)
	}
	return t.Flush()
}

// age is a time that has passed, in whole seconds, minutes, hours or days.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(d, 0)/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}
