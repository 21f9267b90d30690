package examples

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/composeos/compose/test/examples/children"
)

// patience is how long anything may take that a user waits for. The slowest takes half
// a minute where nothing else runs.
const patience = 3 * time.Minute

// look is how often it is looked whether it has come.
const look = 50 * time.Millisecond

// machine is a system that "compose run" has started.
type machine struct {
	t       *testing.T
	run     *exec.Cmd
	keys    io.Writer // what is typed at the serial console
	console *text     // what is read there
	said    *text     // by compose
	read    int       // how much of the console has been looked at
	begin   time.Time
	ended   chan struct{}
	err     error // of the end
}

// start starts what was built. Ports are published at any that are free.
func (l *lab) start(t *testing.T, image string, flags ...string) *machine {
	t.Helper()
	args := append([]string{"run", "-accel", "tcg"}, flags...)
	if !strings.Contains(filepath.Base(image), ".") {
		// Where others are at work, a timer may be late (docs/running.md).
		args = append(args, "-append", "no_timer_check")
	}
	m := &machine{
		t: t, run: exec.Command(l.compose, append(args, image)...),
		console: &text{}, said: &text{}, begin: time.Now(), ended: make(chan struct{}),
	}
	m.run.Stdout, m.run.Stderr = m.console, m.said
	m.run.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	keys, err := m.run.StdinPipe()
	if err == nil {
		err = m.run.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	m.keys = keys
	go func() {
		m.err = m.run.Wait()
		close(m.ended)
	}()
	t.Cleanup(m.finish)
	return m
}

// finish ends the machine where it still runs, and shows what it has said where
// the test has failed.
func (m *machine) finish() {
	_ = m.run.Process.Kill()
	<-m.ended
	if m.t.Failed() {
		m.t.Logf("%q\n%s\nconsole:\n%s", m.run.Args, m.said, m.tail())
	}
}

// tail is the end of what was read at the console.
func (m *machine) tail() string {
	all := strings.Split(m.console.String(), "\n")
	return strings.Join(all[max(0, len(all)-70):], "\n")
}

// seconds is how long the machine runs.
func (m *machine) seconds() float64 { return time.Since(m.begin).Seconds() }

// until waits for something. What does not come, or not while the machine runs,
// ends the test.
func (m *machine) until(what string, come func() bool) {
	m.t.Helper()
	late := time.After(patience)
	again := time.NewTicker(look)
	defer again.Stop()
	for !come() {
		select {
		case <-again.C:
		case <-m.ended:
			if !come() {
				m.t.Fatalf("the machine has ended (%v) without %s", m.err, what)
			}
			return
		case <-late:
			m.t.Fatalf("no %s within %v", what, patience)
		}
	}
}

// reads waits until the console shows what was not looked at before, and returns
// the parts of the expression.
func (m *machine) reads(expression string) []string {
	m.t.Helper()
	re := regexp.MustCompile("(?m)" + expression)
	var found []string
	m.until("a line of "+expression, func() bool {
		rest := m.console.String()[m.read:]
		at := re.FindStringIndex(rest)
		if at == nil {
			return false
		}
		found = re.FindStringSubmatch(rest)
		m.read += at[1]
		return true
	})
	return found
}

// types types a line at the console.
func (m *machine) types(line string) {
	m.t.Helper()
	if _, err := io.WriteString(m.keys, line+"\r"); err != nil {
		m.t.Fatal(err)
	}
}

// lists has the shell list the services until all of these lines are there at the same
// time: what is restarted again and again stands in the list in other words each time.
func (m *machine) lists(lines ...string) {
	m.t.Helper()
	m.until(fmt.Sprintf("list of services with %q", lines), func() bool {
		from := m.read
		m.types("service list")
		m.reads(`^NAME [^#]*` + prompt)
		list := m.console.String()[from:m.read]
		for _, line := range lines {
			if !regexp.MustCompile("(?m)^" + line + "$").MatchString(list) {
				return false
			}
		}
		return true
	})
}

// ends waits until the machine has turned itself off, which is an exit status of 0.
func (m *machine) ends() {
	m.t.Helper()
	m.until("its end", func() bool {
		select {
		case <-m.ended:
			return true
		default:
			return false
		}
	})
	if m.err != nil {
		m.t.Errorf("compose run: %v", m.err)
	}
	m.t.Logf("%.1f s from start to end", m.seconds())
}

// button presses the power button, as Ctrl-C does, and waits for the end.
func (m *machine) button() {
	m.t.Helper()
	if err := m.run.Process.Signal(syscall.SIGINT); err != nil {
		m.t.Fatal(err)
	}
	m.reads(`init: power button$`)
	m.reads(`init: power off$`)
	m.ends()
}

// port is the host's that leads to one of the guest.
func (m *machine) port(guest int) string {
	m.t.Helper()
	re := regexp.MustCompile(fmt.Sprintf(`127\.0\.0\.1:([0-9]+) leads to port %d of the guest`, guest))
	var port string
	m.until(fmt.Sprintf("port for %d", guest), func() bool {
		if found := re.FindStringSubmatch(m.said.String()); found != nil {
			port = found[1]
		}
		return port != ""
	})
	return port
}

// page waits for a page over HTTP in which there is what is wanted.
func (m *machine) page(path, want string) {
	m.t.Helper()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	url := "http://127.0.0.1:" + m.port(80) + path
	m.until(fmt.Sprintf("page at %s with %q", path, want), func() bool {
		answer, err := client.Get(url)
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		return err == nil && answer.StatusCode == http.StatusOK && strings.Contains(string(body), want)
	})
}

// cpu returns the processor time that the machine has taken, all that QEMU has.
func (m *machine) cpu() time.Duration {
	m.t.Helper()
	took, err := children.CPU(m.run.Process.Pid)
	if err != nil {
		m.t.Fatal(err)
	}
	return took
}

// text is what somebody writes, while others read it; without carriage returns.
type text struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (x *text) Write(b []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.text = append(x.text, bytes.ReplaceAll(b, []byte("\r"), nil)...)
	return len(b), nil
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return string(x.text)
}
