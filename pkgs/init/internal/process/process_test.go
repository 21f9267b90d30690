package process_test

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/pkgs/init/internal/process"
)

// serve returns a reaper that works until the test ends. The tests of this
// package must not run side by side: each reaps all children.
func serve(t *testing.T) *process.Reaper {
	t.Helper()
	r := process.NewReaper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { r.Serve(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	return r
}

func sh(script string) process.Command {
	return process.Command{Path: "/bin/sh", Args: []string{"-c", script}}
}

func TestRun(t *testing.T) {
	r := serve(t)
	for _, c := range []struct {
		name, script string
		want         process.Exit
		text         string
	}{
		{"well", "exit 0", process.Exit{}, "exit status 0"},
		{"status", "exit 3", process.Exit{Status: 3}, "exit status 3"},
		{"signal", "kill -9 $$", process.Exit{Signal: syscall.SIGKILL}, "killed by SIGKILL"},
		{"unnamed signal", "kill -40 $$", process.Exit{Signal: 40}, "killed by signal 40"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := r.Run(t.Context(), sh(c.script))
			var got process.Exit
			if ee, ok := errors.AsType[*process.ExitError](err); ok {
				got = ee.Exit
			} else if err != nil {
				t.Fatal(err)
			}
			if got != c.want || got.String() != c.text {
				t.Errorf("got %v, want %v (%s)", got, c.want, c.text)
			}
		})
	}
	if got := (process.Exit{Signal: syscall.SIGKILL, OutOfMemory: true}).String(); got != "out of memory" {
		t.Errorf("got %q", got)
	}
	if err := r.Run(t.Context(), process.Command{Path: "/does/not/exist"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing program: %v", err)
	}
}

// noLoader returns a program whose dynamic linker is nowhere.
func noLoader(t *testing.T) string {
	t.Helper()
	const loader = "/no/such/ld.so\x00"
	head := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	}
	if runtime.GOARCH == "arm64" {
		head.Machine = uint16(elf.EM_AARCH64)
	}
	part := elf.Prog64{Type: uint32(elf.PT_INTERP), Off: 64 + 56, Filesz: uint64(len(loader)), Memsz: uint64(len(loader)), Align: 1}
	var b bytes.Buffer
	if err := errors.Join(binary.Write(&b, binary.LittleEndian, head), binary.Write(&b, binary.LittleEndian, part)); err != nil {
		t.Fatal(err)
	}
	return b.String() + loader
}

// A file that is there and cannot be started is not said to be missing.
func TestInterpreter(t *testing.T) {
	r := serve(t)
	for _, c := range []struct{ name, file, want string }{
		{"script", "#!/no/such/sh\necho\n", `its interpreter "/no/such/sh" is not there`},
		{"with an argument", "#! /no/such/env -S sh\n", `its interpreter "/no/such/env" is not there`},
		{"without an end", "#!/no/such/sh", `its interpreter "/no/such/sh" is not there`},
		{"written elsewhere", "#!/bin/sh\r\necho\r\n", `its interpreter "/bin/sh\r" is not there`},
		{"program", noLoader(t), "what loads its libraries is not there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x")
			if err := os.WriteFile(path, []byte(c.file), 0o755); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Start(process.Command{Path: path}); err == nil || err.Error() != "start "+path+": "+c.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Every status finds its waiter, however many children end at once.
func TestManyChildren(t *testing.T) {
	r := serve(t)
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			child, err := r.Start(sh(fmt.Sprintf("exit %d", i)))
			if err != nil {
				t.Error(err)
				return
			}
			if exit, err := child.Wait(t.Context()); err != nil || exit.Status != i {
				t.Errorf("child %d: %v %v", i, exit, err)
			}
		})
	}
	wg.Wait()
}

func TestRunEndsWithItsContext(t *testing.T) {
	r := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx, sh("exec sleep 1000")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A killed program that does not end, because nobody reaps it here, holds nobody up.
func TestRunEndsWithoutItsProgram(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	start := time.Now()
	err := process.NewReaper().Run(ctx, sh("exec sleep 1000"))
	if !errors.Is(err, context.Canceled) || time.Since(start) < time.Second || time.Since(start) > 15*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// A process that another left behind is waited for, also when it has ended
// before anybody knew its number.
func TestAdopt(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	r := serve(t)
	for _, early := range []bool{false, true} {
		t.Run(fmt.Sprintf("early %v", early), func(t *testing.T) {
			child, err := r.Adopt(func() (int, error) {
				out, err := r.Output(t.Context(), sh("(sleep 0.1; exit 7) >/dev/null 2>&1 & echo $!"))
				if err != nil {
					return 0, err
				}
				pid, err := strconv.Atoi(strings.TrimSpace(out))
				for early && err == nil && syscall.Kill(pid, 0) == nil {
					runtime.Gosched()
				}
				return pid, err
			})
			if err != nil {
				t.Fatal(err)
			}
			if exit, err := child.Wait(t.Context()); err != nil || exit.Status != 7 {
				t.Errorf("got %v %v", exit, err)
			}
		})
	}
	child, err := r.Adopt(func() (int, error) { return 1 << 30, nil })
	if err != nil {
		t.Fatal(err)
	}
	if exit, err := child.Wait(t.Context()); err != nil || exit.Status != 255 {
		t.Errorf("a process that is not there: %v %v", exit, err)
	}
	broken := errors.New("broken")
	if _, err := r.Adopt(func() (int, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestOutput(t *testing.T) {
	r := serve(t)
	out, err := r.Output(t.Context(), sh("echo out; echo err >&2; exit 4"))
	if ee, ok := errors.AsType[*process.ExitError](err); !ok || ee.Exit.Status != 4 || out != "out\nerr\n" {
		t.Errorf("got %q, %v", out, err)
	}
	out, err = r.Output(t.Context(), sh("i=0; while [ $i -lt 9000 ]; do echo 0123456789; i=$((i+1)); done; echo end"))
	if err != nil || len(out) != 64<<10 || !strings.HasSuffix(out, "end\n") {
		t.Errorf("got %d bytes, %v", len(out), err)
	}
}

// A program that leaves somebody behind does not hold up who asked for its output.
func TestOutputLeavesTheBackground(t *testing.T) {
	r := serve(t)
	start := time.Now()
	out, err := r.Output(t.Context(), sh("sleep 20 & echo $!"))
	if err != nil || time.Since(start) > 15*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(out)); err == nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func TestSession(t *testing.T) {
	r := serve(t)
	c := sh("cut -d' ' -f1,6 /proc/$$/stat")
	c.Session = true
	out, err := r.Output(t.Context(), c)
	if pid, session, ok := strings.Cut(strings.TrimSpace(out), " "); err != nil || !ok || pid != session {
		t.Errorf("got %q %v", out, err)
	}
}
