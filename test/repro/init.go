package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// isInit tells whether this is the init of a guest.
func isInit() bool { return os.Getpid() == 1 && os.Args[0] == "/"+guestInit }

// beGuest is the guest's side of [run.buildInGuest]: it does the job, gives its
// account on the console, which the kernel opens for its init, and turns the
// machine off.
func beGuest() {
	_, _ = unix.Klogctl(unix.SYSLOG_ACTION_CONSOLE_OFF, nil) // its words are not to be among ours
	a := account{Began: time.Now().Unix(), Processors: runtime.NumCPU(), User: guestUser}
	if err := a.work(); err != nil {
		a.Failed = err.Error()
	}
	text, err := json.Marshal(a)
	if err != nil {
		text = []byte(err.Error())
	}
	fmt.Printf("\n%s%s\n", accountMark, text)
	const drain = 1 // tcdrain(3)
	_ = unix.IoctlSetInt(int(os.Stdout.Fd()), unix.TCSBRK, drain)
	fmt.Println(unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)) // only if it fails
}

// work does the job and fills in the account.
func (a *account) work() error {
	if err := furnish(); err != nil {
		return err
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	a.Kernel, a.Host = unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Nodename[:])
	text, err := os.ReadFile("/" + guestJob)
	if err != nil {
		return err
	}
	var j job
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	in := filepath.Join(guestWork, guestIn)
	if a.Printed, err = asUser(in, j.Args); err != nil {
		return err
	}
	if a.Written, err = written(filepath.Join(guestWork, "out")); err != nil {
		return err
	}
	a.Written[filepath.Base(j.Lock)], err = digestAndSize(filepath.Join(in, j.Lock))
	return err
}

// furnish makes a machine of what the kernel has unpacked: mounts, a name, and the
// inputs where the user may write.
func furnish() error {
	for _, m := range [][2]string{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", guestWork}} {
		err := errors.Join(os.MkdirAll(m[1], 0o755), unix.Mount(m[0], m[1], m[0], 0, ""))
		if err != nil {
			return fmt.Errorf("mount %s: %w", m[1], err)
		}
	}
	err := errors.Join(
		unix.Sethostname([]byte(guestHost)),
		copyTree("/"+guestIn, filepath.Join(guestWork, guestIn), nil),
	)
	for _, name := range []string{"home", "tmp", "out"} {
		err = errors.Join(err, os.Mkdir(filepath.Join(guestWork, name), 0o755))
	}
	if err != nil {
		return err
	}
	return filepath.WalkDir(guestWork, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, guestUser, guestUser))
	})
}

// asUser runs compose in the folder dir, by a user without a name, and returns the
// lines that it prints.
func asUser(dir string, args []string) ([]string, error) {
	syscall.Umask(0o027)
	cmd := exec.Command("/"+guestCompose, args...)
	cmd.Dir = dir
	cmd.Env = []string{"TZ=America/St_Johns", "LANG=tr_TR.UTF-8", "HOME=" + guestWork + "/home", "TMPDIR=" + guestWork + "/tmp"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: guestUser, Gid: guestUser}}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("compose %q: %w\n%s", args, err, &stderr)
	}
	return strings.SplitAfter(strings.TrimSuffix(stdout.String(), "\n"), "\n"), nil
}
