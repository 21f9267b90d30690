package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/rootfs"
)

// The test binary is run again as another process of the same cache: the
// environment says what it does.
const (
	childRole = "COMPOSE_STORE_TEST_ROLE"
	childDir  = "COMPOSE_STORE_TEST_DIR"
)

func TestMain(m *testing.M) {
	role := os.Getenv(childRole)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := child(role, os.Getenv(childDir)); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

// childTar is the layer that all processes are about.
func childTar() []byte {
	b := rawHeader("a", '0', 600000, nil)
	return raw(b, bytes.Repeat([]byte("x"), 600000))
}

// child does what role says, says "ready" when it is under way, and goes on
// when its input ends.
func child(role, dir string) error {
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	l := s.Lease()
	defer l.Close()
	ball := childTar()
	src := layerOf(ball, ball)
	wait := func() { fmt.Println("ready"); _, _ = io.Copy(io.Discard, os.Stdin) }
	ctx := context.Background
	if what, ok := strings.CutPrefix(role, "member "); ok {
		return childMember(l, what, wait)
	}
	if what, ok := strings.CutPrefix(role, "fetch "); ok {
		return childFetch(l, what, wait)
	}
	switch role {
	case "hold":
		if _, err := l.Layer(ctx(), src.LayerSource); err != nil {
			return err
		}
		if _, err := l.Put(ctx(), src.Digest, -1, bytes.NewReader(ball)); err != nil {
			return err
		}
		wait()
		return nil
	case "stall":
		half := len(ball) / 2
		src.Open = func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(ball[:half]), stall(wait), bytes.NewReader(ball[half:]))), nil
		}
	case "take":
		wait()
	}
	_, err = l.Layer(ctx(), src.LayerSource)
	fmt.Println("opened", src.opened.Load())
	return err
}

// stall is a reader that waits and then ends.
type stall func()

func (s stall) Read([]byte) (int, error) { s(); return 0, io.EOF }

// process is a running child.
type process struct {
	*exec.Cmd
	in  io.Closer
	out *bufio.Reader
}

func start(t *testing.T, role, dir string) *process {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	p := &process{Cmd: exec.CommandContext(t.Context(), exe)}
	p.Env = append(os.Environ(), childRole+"="+role, childDir+"="+dir)
	p.in, err = p.StdinPipe()
	must(t, err)
	out, err := p.StdoutPipe()
	must(t, err)
	p.out = bufio.NewReader(out)
	must(t, p.Start())
	if line, err := p.out.ReadString('\n'); line != "ready\n" {
		t.Fatalf("%s: %q, %v", role, line, err)
	}
	return p
}

// finish lets the child go on and returns what it says.
func (p *process) finish(t *testing.T) string {
	t.Helper()
	must(t, p.in.Close())
	return p.end(t)
}

// end waits for the child's end and returns what it says.
func (p *process) end(t *testing.T) string {
	t.Helper()
	said, err := io.ReadAll(p.out)
	must(t, err)
	if err := p.Wait(); err != nil {
		t.Errorf("child: %v: %s", err, said)
	}
	return strings.TrimSpace(string(said))
}

func TestKilledIntake(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	p := start(t, "stall", dir)
	tmp := func() []string {
		names, err := filepath.Glob(s.path(tmpDir, "*"))
		must(t, err)
		return names
	}
	if len(tmp()) != 1 {
		t.Fatalf("tmp: %v", tmp())
	}
	openStore(t, dir)
	if len(tmp()) != 1 {
		t.Error("the file of a running process was removed")
	}
	must(t, p.Process.Kill())
	_ = p.Wait()
	for _, name := range files(t, s) {
		if !strings.HasPrefix(name, tmpDir+"/") && !strings.HasPrefix(name, locksDir+"/") {
			t.Errorf("left under a final name: %s", name)
		}
	}
	openStore(t, dir)
	if len(tmp()) != 0 {
		t.Errorf("tmp: %v", tmp())
	}
	src := layerOf(childTar(), childTar())
	mustLayer(t, newLease(t, s), src)
	if left, _ := os.ReadDir(s.path(locksDir)); len(left) != 0 {
		t.Errorf("locks left: %v", left)
	}
}

func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	first := start(t, "stall", dir)
	second := start(t, "take", dir)
	must(t, second.in.Close()) // it waits for the first now
	if said := first.finish(t); said != "opened 0" && said != "opened 1" {
		t.Error(said)
	}
	said, err := io.ReadAll(second.out)
	must(t, err)
	if err := second.Wait(); err != nil || strings.TrimSpace(string(said)) != "opened 0" {
		t.Errorf("second: %s, %v", said, err)
	}
}

func TestPruneHeldElsewhere(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "hold", dir)
	s := openStore(t, dir)
	ball := makeTar(t, file("b", ""))
	l := s.Lease()
	mustLayer(t, l, layerOf(ball, ball))
	must(t, l.Close())
	done, err := s.Prune(t.Context(), 0)
	must(t, err)
	if len(done.Removed) != 1 || done.Removed[0].Key != hashOf(ball).String() {
		t.Errorf("removed %v", done.Removed)
	}
	held := layerOf(childTar(), childTar())
	for _, key := range []string{held.DiffID.String()} {
		if err := s.Remove(t.Context(), key); err == nil {
			t.Error("what another process holds was removed")
		}
	}
	l = s.Lease()
	mustLayer(t, l, held)
	must(t, l.Close())
	if held.opened.Load() != 0 {
		t.Error("it was made again")
	}
	if said := p.finish(t); said != "" {
		t.Error(said)
	}
	done, err = s.Prune(t.Context(), 0)
	must(t, err)
	if len(done.Removed) != 2 || done.Left != 0 {
		t.Errorf("%+v", done)
	}
	if left := files(t, s); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

// childKey and childContent are of the member that all processes are about.
var childKey = rootfs.Digest{'m'}

const childContent = "first half, second half"

// childMember does what role says with that member.
func childMember(l *Lease, role string, wait func()) error {
	filled := 0
	fill := func(w io.Writer) error {
		filled++
		if _, err := io.WriteString(w, childContent[:12]); err != nil {
			return err
		}
		if role == "stall" {
			wait()
		}
		_, err := io.WriteString(w, childContent[12:])
		return err
	}
	if role == "take" {
		wait()
	}
	m, err := l.Member(context.Background(), childKey, fill)
	if err != nil {
		return err
	}
	if role == "hold" {
		wait()
	}
	text, err := io.ReadAll(io.NewSectionReader(m, 0, m.Size()))
	if string(text) != childContent {
		return fmt.Errorf("read %q: %w", text, err)
	}
	fmt.Println("filled", filled)
	return m.Close()
}

func TestKilledMember(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	p := start(t, "member stall", dir)
	tmp := func() int {
		names, err := os.ReadDir(s.path(tmpDir))
		must(t, err)
		return len(names)
	}
	openStore(t, dir)
	if tmp() != 1 {
		t.Errorf("%d files in tmp, want that of the running process", tmp())
	}
	must(t, p.Process.Kill())
	_ = p.Wait()
	if left, err := os.ReadDir(s.path(membersDir)); err != nil || len(left) != 0 {
		t.Errorf("left under a final name: %v, %v", left, err)
	}
	openStore(t, dir)
	if tmp() != 0 {
		t.Errorf("%d files in tmp", tmp())
	}
	m := &maker{content: childContent}
	m.use(t, s, childKey)
	if left, err := os.ReadDir(s.path(locksDir)); m.filled.Load() != 1 || err != nil || len(left) != 0 {
		t.Errorf("made %d times; locks left: %v, %v", m.filled.Load(), left, err)
	}
}

func TestTwoProcessesOneMember(t *testing.T) {
	dir := t.TempDir()
	first := start(t, "member stall", dir)
	second := start(t, "member take", dir)
	must(t, second.in.Close()) // it waits for the first now
	if said := first.finish(t); said != "filled 1" {
		t.Error(said)
	}
	said, err := io.ReadAll(second.out)
	must(t, err)
	if err := second.Wait(); err != nil || strings.TrimSpace(string(said)) != "filled 0" {
		t.Errorf("second: %s, %v", said, err)
	}
}

// The one that makes a member is killed: who waited makes it.
func TestKilledMemberIsMadeByWhoWaits(t *testing.T) {
	dir := t.TempDir()
	first := start(t, "member stall", dir)
	second := start(t, "member take", dir)
	must(t, second.in.Close())
	must(t, first.Process.Kill())
	_ = first.Wait()
	said, err := io.ReadAll(second.out)
	must(t, err)
	if err := second.Wait(); err != nil || strings.TrimSpace(string(said)) != "filled 1" {
		t.Errorf("second: %s, %v", said, err)
	}
}

func TestPruneMemberHeldElsewhere(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "member hold", dir)
	s := openStore(t, dir)
	done, err := s.Prune(t.Context(), 0)
	must(t, err)
	if err := s.Remove(t.Context(), childKey.String()); !errors.Is(err, ErrInUse) || len(done.Removed) != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	m := &maker{content: childContent}
	m.use(t, s, childKey)
	if m.filled.Load() != 0 {
		t.Error("it was made again")
	}
	if said := p.finish(t); said != "filled 1" {
		t.Error(said)
	}
	done, err = s.Prune(t.Context(), 0)
	must(t, err)
	if len(done.Removed) != 1 || len(files(t, s)) != 0 {
		t.Errorf("%+v, left %v", done, files(t, s))
	}
}
