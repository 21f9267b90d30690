package outputs

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// childVar makes the test program write to the path it holds and then wait.
const childVar = "OUTPUTS_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childVar); path != "" {
		os.Exit(child(path))
	}
	os.Exit(m.Run())
}

// child writes a file through one of the kinds of sinks, and, unless it is told
// to commit, waits to be killed.
func child(how string) int {
	kind, path, _ := strings.Cut(how, ":")
	s := ToFile(path)
	if kind == "named" {
		s.temp = openNamed
	}
	f, err := s.Create("x")
	if err == nil {
		_, err = f.Write(bytes.Repeat([]byte("x"), 3*bufferSize))
	}
	if kind == "commit" {
		err = errors.Join(err, f.Close(), s.Commit())
		if err == nil {
			return 0
		}
	}
	if err != nil {
		io.WriteString(os.Stderr, err.Error())
		return 1
	}
	io.WriteString(os.Stdout, "ready\n")
	select {}
}

func childCommand(t *testing.T, how string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childVar+"="+how)
	cmd.Stderr = os.Stderr
	return cmd
}

// TestKilled kills a build in the middle.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "x.tar")
	write(t, target, "old")
	kill := func(kind string) {
		cmd := childCommand(t, kind+":"+target)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if line != "ready\n" {
			t.Errorf("the child says %q: %v", line, err)
		}
		if kind == "named" && ls(t, dir)[".x.tar.compose-0"] == "" {
			t.Error("a file with a name is not beside its target while it is written")
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
	}
	if f, temp, err := openTemp(target); err == nil && temp == "" {
		f.Close()
		kill("unnamed")
		wantFiles(t, dir, map[string]string{"x.tar": "old"})
	}
	kill("named")
	if got := ls(t, dir); len(got) != 2 || got["x.tar"] != "old" {
		t.Errorf("%d files, x.tar is %q", len(got), got["x.tar"])
	}
	if err := writeOne(ToFile(target)); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, dir, map[string]string{"x.tar": "new"})
}

// TestSweepSparesTheLiving has a second build beside one that is still writing.
func TestSweepSparesTheLiving(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "x")
	living := ToFile(target)
	living.temp = openNamed
	put(t, living, "x", "living")
	if err := writeOne(ToFile(target)); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, dir, map[string]string{"x": "new", ".x.compose-0": "living"})
	if err := living.Commit(); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, dir, map[string]string{"x": "living"})
}

func TestAllSlotsTaken(t *testing.T) {
	target := filepath.Join(t.TempDir(), "x")
	for range slots {
		s := ToFile(target)
		s.temp = openNamed
		put(t, s, "x", "")
		defer s.Abort()
	}
	s := ToFile(target)
	s.temp = openNamed
	if _, err := s.Create("x"); err == nil || !strings.Contains(err.Error(), "16 other builds are writing it; if there are none, remove ") {
		t.Fatalf("one more than there are slots: %v", err)
	}
}

// TestFullDisk fills a small file system.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("mount a small file system: ", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	target := filepath.Join(dir, "x.tar")
	write(t, target, "old")
	eachKind(t, func(t *testing.T, with func(*Files) *Files) {
		s := with(ToFile(target))
		f, err := s.Create("x")
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Write(make([]byte, 3<<20))
		if want := "write " + target + ": no space left on device"; err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
		if again := f.Close(); !errors.Is(again, unix.ENOSPC) {
			t.Errorf("close: %v", again)
		}
		if err := s.Commit(); !errors.Is(err, unix.ENOSPC) {
			t.Errorf("commit: %v", err)
		}
		s.Abort()
		wantFiles(t, dir, map[string]string{"x.tar": "old"})
	})
}

func TestDeviceThatIsFull(t *testing.T) {
	err := writeOne(ToFile("/dev/full"))
	if err == nil || err.Error() != "write /dev/full: no space left on device" {
		t.Fatalf("error %v", err)
	}
}

// TestNullStaysADevice is about what a rename would do as root: the device
// would be a file from then on.
func TestNullStaysADevice(t *testing.T) {
	dir := t.TempDir()
	symlink(t, "/dev/null", filepath.Join(dir, "link"))
	for _, path := range []string{"/dev/null", filepath.Join(dir, "link")} {
		s := ToFile(path)
		put(t, s, "x", "content")
		if err := s.Commit(); err != nil {
			t.Fatal(err)
		}
		if r := s.Results()[0]; r.Path != path || r.Size != 7 {
			t.Errorf("result %+v", r)
		}
	}
	info, err := os.Lstat("/dev/null")
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		t.Fatalf("/dev/null is %v: %v", info.Mode(), err)
	}
	wantFiles(t, dir, map[string]string{"link": "→ /dev/null"})
}

func TestPipeIsWrittenThrough(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- writeOne(ToFile(path)) }()
	got, err := os.ReadFile(path)
	if err = errors.Join(err, <-done); err != nil || string(got) != "new" {
		t.Fatalf("read %q: %v", got, err)
	}
	wantFiles(t, dir, map[string]string{"pipe": "p---------"})
}

// TestStandardOutput writes to names of an open file: a pipe, and a file that a
// shell has put something into before.
func TestStandardOutput(t *testing.T) {
	for _, name := range []string{"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"} {
		t.Run(name, func(t *testing.T) {
			out, err := childCommand(t, "commit:"+name).Output()
			if err != nil || len(out) != 3*bufferSize {
				t.Errorf("a pipe got %d bytes: %v", len(out), err)
			}
			path := filepath.Join(t.TempDir(), "out")
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			io.WriteString(f, "before ")
			cmd := childCommand(t, "commit:"+name)
			cmd.Stdout = f
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
			io.WriteString(f, " after")
			got, err := os.ReadFile(path)
			if want := "before " + strings.Repeat("x", 3*bufferSize) + " after"; err != nil || string(got) != want {
				t.Errorf("the file has %d bytes: %v", len(got), err)
			}
		})
	}
	if err := writeOne(ToFile("/dev/fd/98765")); err == nil || !errors.Is(err, unix.EBADF) {
		t.Errorf("a file that is not open: %v", err)
	}
}

// TestBrokenPipe is a reader that goes away.
func TestBrokenPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	if err := writeOne(ToStream(w)); !errors.Is(err, unix.EPIPE) {
		t.Fatalf("error %v", err)
	}
}

// TestOldFileIsSpared holds that a build which begins a target leaves alone what
// another has exchanged for its own file, and may still have to put back.
func TestOldFileIsSpared(t *testing.T) {
	begin := func(t *testing.T) (a, b *output) {
		target := filepath.Join(t.TempDir(), "x")
		write(t, target, "old")
		first, second := ToFile(target), ToFile(target)
		second.temp = func(target string) (*os.File, string, error) { sweep(target); return openNamed(target) }
		put(t, first, "x", "from a")
		a = first.outputs[0]
		if err := a.publish(); err != nil {
			t.Fatal(err)
		}
		put(t, second, "x", "from b")
		return a, second.outputs[0]
	}
	t.Run("finish", func(t *testing.T) {
		a, b := begin(t)
		a.finish()
		if err := b.publish(); err != nil {
			t.Fatal(err)
		}
		b.finish()
		if got, err := os.ReadFile(a.target); string(got) != "from b" || err != nil {
			t.Errorf("the target is %q, %v", got, err)
		}
	})
	t.Run("take back", func(t *testing.T) {
		a, b := begin(t)
		if err := a.takeBack(); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(a.target); string(got) != "old" || err != nil {
			t.Errorf("the target is %q, %v", got, err)
		}
		a.discard()
		b.discard()
		if left, err := os.ReadDir(filepath.Dir(a.target)); len(left) != 1 || err != nil {
			t.Errorf("%d files are left: %v", len(left), err)
		}
	})
}
