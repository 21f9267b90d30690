package control_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/composeos/compose/pkgs/init/internal/control"
	"github.com/composeos/compose/pkgs/init/internal/power"
	"github.com/composeos/compose/pkgs/init/internal/supervise"
)

// handler has the service web, and notes what it is asked for.
type handler struct{ asked chan string }

func (h handler) List() []supervise.Status {
	now := time.Now()
	return []supervise.Status{
		{Name: "crash", State: supervise.Backoff, Restarts: 3, Since: now.Add(-5 * time.Second), Last: "exit status 1", LastAt: now.Add(-5 * time.Second)},
		{Name: "web", State: supervise.Running, PID: 42, Since: now.Add(-3 * time.Minute)},
	}
}

func (h handler) Log(name string) error {
	if name != "web" {
		return fmt.Errorf("there is no service %q", name)
	}
	return nil
}

func (h handler) Ask(_ context.Context, name string, verb supervise.Verb) error {
	h.asked <- string(verb) + " " + name
	return h.Log(name)
}

func (h handler) Logs(ctx context.Context, w io.Writer, name string, lines int, follow bool) error {
	fmt.Fprintf(w, "%s %d %v\n", name, lines, follow)
	if follow {
		<-ctx.Done() // who asked has gone
		h.asked <- "gone"
	}
	return nil
}

func (h handler) Power(how power.How) { h.asked <- string(how) }

// serve returns the socket of a server that works until the test ends.
func serve(t *testing.T) (string, handler) {
	t.Helper()
	h := handler{make(chan string, 100)}
	socket := filepath.Join(t.TempDir(), "init", "control")
	l, err := control.Listen(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() { control.Serve(ctx, l, h); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	return socket, h
}

func TestService(t *testing.T) {
	socket, h := serve(t)
	for _, c := range []struct {
		args           string
		code           int
		stdout, stderr string
		asked          string
	}{
		{args: "list", stdout: "NAME   STATE    PID  RESTARTS  SINCE  LAST-EXIT\n" +
			"crash  backoff  -    3         5s     exit status 1 (5s ago)\n" +
			"web    running  42   0         3m0s   -\n"},
		{args: "start web", asked: "start web"},
		{args: "stop web", asked: "stop web"},
		{args: "restart web", asked: "restart web"},
		{args: "stop wep", code: 1, stderr: "service: there is no service \"wep\"\n", asked: "stop wep"},
		{args: "logs web", stdout: "web -1 false\n"},
		{args: "logs web -n 0", stdout: "web 0 false\n"},
		{args: "logs -n 7 web", stdout: "web 7 false\n"},
		{args: "logs wep", code: 1, stderr: "service: there is no service \"wep\"\n"},
		{args: "help", stdout: "usage: service list\n       service start|stop|restart NAME\n       service logs [-n LINES] [-f] NAME\n"},
	} {
		t.Run(c.args, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := control.Client{Socket: socket, Stdout: &stdout, Stderr: &stderr}.Service(strings.Fields(c.args))
			if code != c.code || stdout.String() != c.stdout || stderr.String() != c.stderr {
				t.Errorf("%d\n%s%s", code, &stdout, &stderr)
			}
			if c.asked != "" {
				if got := <-h.asked; got != c.asked {
					t.Errorf("asked %q", got)
				}
			}
		})
	}
}

func TestMisused(t *testing.T) {
	for args, want := range map[string]string{
		"":              "what is to be done?",
		"list web":      "list takes no name",
		"stop":          "stop takes the name of one service",
		"stop a b":      "stop takes the name of one service",
		"stop -f a":     "stop has no option -f",
		"logs -n":       "-n wants a number of lines",
		"logs -n x web": `-n wants a number of lines, not "x"`,
		"destroy web":   `there is no "destroy"`,
	} {
		var stdout, stderr bytes.Buffer
		if code := control.Service(strings.Fields(args), &stdout, &stderr); code != 2 || !strings.HasPrefix(stderr.String(), "service: "+want+"\nusage: ") {
			t.Errorf("%q: %d %s", args, code, &stderr)
		}
	}
	var stderr bytes.Buffer
	for _, args := range [][]string{{"halt", "now"}, {"explode"}} {
		if code := control.Power(args[0], args[1:], io.Discard, &stderr); code != 2 {
			t.Errorf("%v: %d", args, code)
		}
	}
}

func TestPower(t *testing.T) {
	socket, h := serve(t)
	for _, name := range []string{"poweroff", "reboot", "halt"} {
		if code := (control.Client{Socket: socket, Stdout: io.Discard, Stderr: t.Output()}).Power(name, nil); code != 0 {
			t.Errorf("%s: %d", name, code)
		}
		if got := <-h.asked; got != name {
			t.Errorf("asked %q", got)
		}
	}
}

func TestNobodyAnswers(t *testing.T) {
	var stderr bytes.Buffer
	c := control.Client{Socket: filepath.Join(t.TempDir(), "none"), Stdout: io.Discard, Stderr: &stderr}
	if code := c.Service([]string{"list"}); code != 1 || !strings.HasPrefix(stderr.String(), "service: init does not answer: is this the system's own service?") {
		t.Errorf("%d %s", code, &stderr)
	}
}

// Who follows a log and goes away is no longer served.
func TestFollowerGoes(t *testing.T) {
	socket, h := serve(t)
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(conn, `{"verb":"logs","service":"web","follow":true}`)
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if got := <-h.asked; got != "gone" {
		t.Errorf("got %q", got)
	}
}

func TestNonsense(t *testing.T) {
	socket, _ := serve(t)
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	for _, question := range []string{"hello\n", "\n", "{}\n", strings.Repeat("x", 5000) + "\n", `{"verb":"list"}{}` + "\n", `{"verb":"list","x":1}` + "\n"} {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, question)
		answer, _ := io.ReadAll(io.LimitReader(conn, 1000))
		if !strings.Contains(string(answer), `"error":`) {
			t.Errorf("%.20q: %s", question, answer)
		}
		conn.Close()
	}
}

// FuzzParseRequest takes any line: nothing panics, and what is a question is
// one that init can answer.
func FuzzParseRequest(f *testing.F) {
	for _, line := range []string{
		`{"verb":"list"}`, `{"verb":"logs","service":"web","lines":-5,"follow":true}`, `{"verb":"stop","service":"../../etc"}`,
		`[]`, `null`, `{"verb":1}`, `{"verb":"logs","lines":1e99}`, strings.Repeat("[", 5000), "",
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := control.ParseRequest(line)
		if err == nil && (r.Verb == "" || len(line) > 4096) {
			t.Errorf("%q is a question: %+v", line, r)
		}
	})
}
