package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// key makes a key to log in with, and returns its file.
func (l *lab) key(t *testing.T, name string) string {
	t.Helper()
	need(t, "ssh-keygen", "ssh")
	name = filepath.Join(l.dir, name)
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	return name
}

// authorize makes a key the one that may log in.
func (l *lab) authorize(t *testing.T, key string) {
	t.Helper()
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	l.write(t, "authorized_keys", string(public))
}

// session is a way to log in.
type session struct {
	*machine
	key string
}

// login waits until one can log in.
func (m *machine) login(key string) session {
	m.t.Helper()
	s := session{m, key}
	m.until("login", func() bool {
		_, err := s.ssh(key, "true")
		return err == nil
	})
	return s
}

// ssh runs a command over ssh. What it says is its output and that of ssh. The host's
// key is noted beside the user's at the first time, and must not be another one later.
func (s session) ssh(key, command string) (string, error) {
	cmd := exec.CommandContext(s.t.Context(), "ssh", "-F", "none", "-i", key, "-p", s.port(22),
		"-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=20", "-o", "LogLevel=ERROR",
		"-o", "StrictHostKeyChecking=accept-new", "-o", "HostKeyAlias=guest", "-o", "UserKnownHostsFile="+s.key+".hosts",
		"root@127.0.0.1", command)
	cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// does returns what a command says, which must end well.
func (s session) does(command string) string {
	s.t.Helper()
	out, err := s.ssh(s.key, command)
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return out
}

// refuses tests that nobody logs in with that key.
func (s session) refuses(key string) {
	s.t.Helper()
	if out, err := s.ssh(key, "true"); err == nil || !strings.Contains(out, "Permission denied") {
		s.t.Errorf("with a key that nobody has allowed: %v\n%s", err, out)
	}
}

// running tells whether these services, and no others, run by a list of them, and
// have never been restarted.
func running(list string, names ...string) bool {
	for _, name := range names {
		if !regexp.MustCompile(`(?m)^` + name + ` +running +[0-9]+ +0 `).MatchString(list) {
			return false
		}
	}
	return strings.Count(list, "\n") == 1+len(names)
}
