// Package host gives the machine what belongs to no container: its name, a clock
// that is not in the past, the loopback interface, limits, and the file that name
// resolution is read from.
package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// DefaultName is what a machine is called that nobody has named.
const DefaultName = "compose"

// Name chooses what the machine is called: the command line's word, else what
// file has in its first line that is not empty and no comment, else what the
// kernel calls it already, else [DefaultName]. A name that cannot be one is passed
// over, with a warning.
func Name(word, file, kernel string) (name, warning string) {
	if kernel == "(none)" || kernel == "localhost" {
		kernel = ""
	}
	text, _ := os.ReadFile(file)
	for _, candidate := range []string{word, firstLine(string(text)), kernel} {
		switch {
		case candidate == "":
		case valid(candidate):
			return candidate, warning
		case warning == "":
			warning = fmt.Sprintf("hostname %.70q: it takes 1 to 64 letters, digits, dots and hyphens", candidate)
		}
	}
	return DefaultName, warning
}

func firstLine(text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	return ""
}

// valid tells whether a name is one that all programs take (RFC 1123 2.1), of
// at most the 64 bytes that the kernel keeps.
func valid(name string) bool {
	if len(name) == 0 || len(name) > 64 || strings.Trim(name, "-.") != name {
		return false
	}
	for _, c := range []byte(name) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}

// Epoch returns the youngest of the files that the patterns name (path.Match):
// the time at which the image was made, as all of its files are that old or older.
// It is zero where there is no file.
func Epoch(patterns ...string) time.Time {
	var youngest time.Time
	for _, pattern := range patterns {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			if info, err := os.Lstat(file); err == nil && info.Mode().IsRegular() && info.ModTime().After(youngest) {
				youngest = info.ModTime()
			}
		}
	}
	return youngest
}

// SetClock sets the clock to epoch if it is before: a machine without a clock
// begins in 1970, where no certificate is valid yet. It tells whether it has.
func SetClock(now, epoch time.Time, set func(time.Time) error) (bool, error) {
	if !now.Before(epoch) {
		return false, nil
	}
	if err := set(epoch); err != nil {
		return false, fmt.Errorf("clock: %w", err)
	}
	return true, nil
}

// Clock is settimeofday(2).
func Clock(t time.Time) error {
	tv := unix.NsecToTimeval(t.UnixNano())
	return unix.Settimeofday(&tv)
}

// Loopback turns the interface lo on; the kernel gives it its addresses.
func Loopback() (err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	request, err := unix.NewIfreq("lo")
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request)
	}
	if err == nil {
		request.SetUint16(request.Uint16() | unix.IFF_UP)
		err = unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
	}
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	return nil
}

// Resolver makes the empty file that /etc/resolv.conf of the system and of
// containers leads to. dhcp and its like write there.
func Resolver(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// files is how many files a process may have open, as container engines have it;
// fs.nr_open allows no more.
const files = 1 << 20

// Limits sets what init's children may use.
func Limits() error {
	none := uint64(unix.RLIM_INFINITY)
	return errors.Join(
		limit(unix.RLIMIT_NOFILE, files), limit(unix.RLIMIT_NPROC, none),
	)
}

// limit goes through syscall, which then no longer gives children the old limit of
// open files.
func limit(resource int, n uint64) error {
	if err := syscall.Setrlimit(resource, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
		return fmt.Errorf("limit %d: %w", resource, err)
	}
	return nil
}
