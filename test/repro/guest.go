package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// job is what a guest is to do. It lies beside the guest's init.
type job struct {
	Args []string // of compose, in the folder of the inputs
	Lock string   // where the lock appears, below that
}

// account is what a guest says of what it did, in one line behind accountMark.
type account struct {
	Kernel, Host string // the kernel's release, and the name of the host
	User         int
	Processors   int
	Began        int64    // by its clock, seconds since 1970
	Printed      []string // by compose
	Written      result   // its outputs and the lock
	Failed       string   // why not; "" if all went well
}

const accountMark = "COMPOSE-REPRO-GUEST "

// What a guest has, and where.
const (
	guestInit    = "init"
	guestJob     = "job.json"
	guestCompose = "compose"
	guestIn      = "in"
	guestWork    = "/work" // in memory; the inputs are copied to it, and all is the user's
	guestUser    = 54321
	guestHost    = "elsewhere"
	guestClock   = "2038-02-01T12:34:56" // later than 31 bits of seconds since 1970 can say
)

// inGuest builds in a virtual machine, whose kernel is the workload's.
func inGuest(_ context.Context, r *run) error {
	if _, err := exec.LookPath(qemu); err != nil {
		return skipped("no " + qemu)
	}
	if _, err := os.Stat(filepath.Join(r.lab.workload, imagesName)); r.lab.workload == "" || err != nil {
		return skipped("no workload, whose kernel it needs")
	}
	r.guest = true
	return nil
}

// buildInGuest composes a system of the inputs, of compose and of this program,
// which is its init, starts it, and returns what was written there.
func (r *run) buildInGuest(ctx context.Context) (result, error) {
	dir := filepath.Join(r.place, "guest")
	if err := r.fillGuest(ctx, dir); err != nil {
		return nil, err
	}
	args := []string{
		"build", "-accept-unsigned", "*", "-offline", "-arch", "amd64", "-progress", "none", "-cache", filepath.Join(r.lab.scratch, "guest-cache"),
		"-format", "kernel+initrd", "-compress", "none", "-name", "guest", "-dir", dir, filepath.Join(dir, "guest.yml"),
	}
	if _, err := r.compose(ctx, nil, args...); err != nil {
		return nil, err
	}
	said, err := boot(ctx, filepath.Join(dir, "guest"))
	if err != nil {
		return nil, err
	}
	a, err := readAccount(said)
	if err != nil {
		return nil, err
	}
	r.note = a.String()
	return a.result(filepath.Base(r.subject.lock()))
}

// fillGuest writes the manifest of the guest to dir, and what it names.
func (r *run) fillGuest(ctx context.Context, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	const arch = "amd64" // the kernel's
	init := filepath.Join(r.lab.scratch, "guest-"+guestInit)
	if err := goBuild(ctx, init, r.lab.root, "./test/repro", "GOARCH="+arch); err != nil {
		return err
	}
	compose, err := r.lab.compile(ctx, r.lab.root, arch, "GOARCH="+arch)
	if err != nil {
		return err
	}
	there := *r
	there.cache = guestWork + "/cache"
	args := slices.Concat([]string{"build"}, there.flags(r.formats), []string{"-dir", guestWork + "/out"}, r.subject.manifests())
	text, err := json.Marshal(job{args, r.subject.lock()})
	if err != nil {
		return err
	}
	err = errors.Join(
		copyFile(init, filepath.Join(dir, guestInit)),
		copyFile(compose, filepath.Join(dir, guestCompose)),
		copyTree(r.in(), filepath.Join(dir, guestIn), nil),
		os.WriteFile(filepath.Join(dir, guestJob), text, 0o644),
	)
	if err != nil {
		return err
	}
	files, err := filesOf(dir)
	if err != nil {
		return err
	}
	manifest := fmt.Appendf(nil, "kernel: {image: %q, tar: none, cmdline: %q}\nfiles:\n%s",
		"oci:"+filepath.Join(r.lab.workload, imagesName)+":docker.io/anchor/kernel:v1",
		"console=ttyS0 quiet panic=-1 no_timer_check", files)
	return os.WriteFile(filepath.Join(dir, "guest.yml"), manifest, 0o644)
}

// filesOf lists the files below dir as a manifest does.
func filesOf(dir string) ([]byte, error) {
	var list []byte
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		list = fmt.Appendf(list, "  - {path: %q, source: %[1]q, mode: \"0755\"}\n", rel)
		return err
	})
	return list, err
}

// qemu is the program that is the machine. All of it is emulated, so that no row
// depends on what the processor can do.
const qemu = "qemu-system-x86_64"

// boot starts the system of that name and returns what it has said until it turned
// itself off.
func boot(ctx context.Context, name string) (string, error) {
	cmdline, err := os.ReadFile(name + "-cmdline")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, qemu, "-accel", "tcg,thread=multi", "-nodefaults", "-nographic", "-serial", "stdio",
		"-monitor", "none", "-no-reboot", "-machine", "q35", "-m", "1024", "-smp", fmt.Sprint(runtime.NumCPU()+1),
		"-rtc", "base="+guestClock, "-kernel", name+"-kernel", "-initrd", name+"-initrd.img", "-append", string(bytes.TrimSpace(cmdline)))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", qemu, err, said)
	}
	return strings.ReplaceAll(string(said), "\r", ""), nil
}

// readAccount finds the account in what a machine has said.
func readAccount(said string) (a account, err error) {
	_, line, found := strings.Cut(said, accountMark)
	if !found {
		return a, fmt.Errorf("the guest gives no account; it says:\n%s", said)
	}
	line, _, _ = strings.Cut(line, "\n")
	if err := json.Unmarshal([]byte(line), &a); err != nil {
		return a, fmt.Errorf("the guest's account: %w", err)
	}
	if a.Failed != "" {
		return a, errors.New("in the guest: " + a.Failed)
	}
	return a, nil
}

// result is what was written, which has to be what compose printed; in another
// time, and by another user.
func (a account) result(lock string) (result, error) {
	if a.Began>>31 == 0 || a.User != guestUser || a.Host != guestHost {
		return nil, fmt.Errorf("the guest is not what it should be: %s", a)
	}
	printed := result{lock: a.Written[lock]}
	for _, line := range a.Printed {
		if err := printed.read(line, ""); err != nil {
			return nil, err
		}
	}
	return a.Written, a.Written.differences(printed, "compose printed")
}

func (a account) String() string {
	return fmt.Sprintf("Linux %s, host %s, user %d, %d processors, %s",
		a.Kernel, a.Host, a.User, a.Processors, time.Unix(a.Began, 0).UTC().Format(time.RFC3339))
}
