package spec

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Bind is one entry of binds.
type Bind struct {
	Source      string   // an absolute path, or a volume's name
	Destination string   // an absolute path in the container
	Options     []string // nil where none are given
}

// ParseBind reads source:destination[:options].
func ParseBind(s string) (Bind, error) {
	parts := strings.Split(s, ":")
	const most = 3
	if len(parts) < 2 || len(parts) > most {
		return Bind{}, fmt.Errorf("%q is not a bind: want source:destination or source:destination:options", s)
	}
	b := Bind{Source: parts[0], Destination: parts[1]}
	if !strings.HasPrefix(b.Source, "/") && checkName(b.Source) != nil {
		return Bind{}, fmt.Errorf("the source of the bind %q must be an absolute path or the name of a volume", s)
	}
	if !strings.HasPrefix(b.Destination, "/") {
		return Bind{}, fmt.Errorf("the destination of the bind %q must be an absolute path", s)
	}
	var err error
	b.Options, err = parseOptions(s, parts[2:])
	return b, err
}

// VolumeName returns the name of the volume that the bind's source is, "" where
// it is a path.
func (b Bind) VolumeName() string {
	if strings.HasPrefix(b.Source, "/") {
		return ""
	}
	return b.Source
}

// parseOptions reads what is behind the last colon of a bind or a tmpfs, if anything is.
func parseOptions(s string, parts []string) ([]string, error) {
	if len(parts) == 0 {
		return nil, nil
	}
	options := strings.Split(parts[0], ",")
	if slices.Contains(options, "") {
		return nil, fmt.Errorf("an option in %q is empty", s)
	}
	return options, nil
}

// Tmpfs is one entry of tmpfs.
type Tmpfs struct {
	Destination string   // an absolute path in the container
	Options     []string // nil where none are given
}

// ParseTmpfs reads destination[:options].
func ParseTmpfs(s string) (Tmpfs, error) {
	parts := strings.Split(s, ":")
	if len(parts) > 2 || !strings.HasPrefix(s, "/") {
		return Tmpfs{}, fmt.Errorf("%q is not a tmpfs mount: want an absolute path, or path:options", s)
	}
	options, err := parseOptions(s, parts[1:])
	return Tmpfs{Destination: parts[0], Options: options}, err
}

// rlimits returns the resource limits of Linux without RLIMIT_; see getrlimit(2).
func rlimits() []string {
	return []string{
		"AS", "CORE", "CPU", "DATA", "FSIZE", "LOCKS", "MEMLOCK", "MSGQUEUE", "NICE",
		"NOFILE", "NPROC", "RSS", "RTPRIO", "RTTIME", "SIGPENDING", "STACK",
	}
}

// ParseRlimit reads name,soft,hard. The name may be in lower case and without
// its prefix; the result's type has both: RLIMIT_NOFILE. The word unlimited is
// the highest number.
func ParseRlimit(s string) (specs.POSIXRlimit, error) {
	parts := strings.Split(s, ",")
	const three = 3
	if len(parts) != three {
		return specs.POSIXRlimit{}, fmt.Errorf("%q is not a limit: want name,soft,hard, such as nofile,1024,unlimited", s)
	}
	name := strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(parts[0])), "RLIMIT_")
	if !slices.Contains(rlimits(), name) {
		return specs.POSIXRlimit{}, fmt.Errorf("unknown limit %q%s", name, didYouMean(name, rlimits()))
	}
	soft, err := parseLimit(parts[1])
	if err != nil {
		return specs.POSIXRlimit{}, fmt.Errorf("the soft limit of %q: %w", s, err)
	}
	hard, err := parseLimit(parts[2])
	if err != nil {
		return specs.POSIXRlimit{}, fmt.Errorf("the hard limit of %q: %w", s, err)
	}
	if soft > hard {
		return specs.POSIXRlimit{}, fmt.Errorf("the soft limit of %q is above the hard one", s)
	}
	return specs.POSIXRlimit{Type: "RLIMIT_" + name, Soft: soft, Hard: hard}, nil
}

func parseLimit(s string) (uint64, error) {
	s = strings.TrimSpace(s)
	if strings.EqualFold(s, "unlimited") {
		return math.MaxUint64, nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is neither a number nor unlimited", s)
	}
	return n, nil
}

// The words that stand for every capability, and for none.
const (
	AllCapabilities = "all"
	NoCapabilities  = "none"
)

// Capabilities returns the capabilities that there are, sorted; see
// capabilities(7).
func Capabilities() []string {
	return []string{
		"CAP_AUDIT_CONTROL", "CAP_AUDIT_READ", "CAP_AUDIT_WRITE", "CAP_BLOCK_SUSPEND", "CAP_BPF",
		"CAP_CHECKPOINT_RESTORE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER",
		"CAP_FSETID", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_KILL", "CAP_LEASE", "CAP_LINUX_IMMUTABLE",
		"CAP_MAC_ADMIN", "CAP_MAC_OVERRIDE", "CAP_MKNOD", "CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE",
		"CAP_NET_BROADCAST", "CAP_NET_RAW", "CAP_PERFMON", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP",
		"CAP_SETUID", "CAP_SYSLOG", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_CHROOT", "CAP_SYS_MODULE",
		"CAP_SYS_NICE", "CAP_SYS_PACCT", "CAP_SYS_PTRACE", "CAP_SYS_RAWIO", "CAP_SYS_RESOURCE",
		"CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_WAKE_ALARM",
	}
}

func checkCapability(s, _ string) error {
	known := Capabilities()
	if slices.Contains(known, s) || isCapabilityWord(s) {
		return nil
	}
	if s == "" {
		return errors.New("the name of the capability is empty")
	}
	full := strings.ToUpper(s)
	if !strings.HasPrefix(full, "CAP_") {
		full = "CAP_" + full
	}
	return fmt.Errorf("unknown capability %q%s", s, didYouMean(full, known))
}

func isCapabilityWord(s string) bool {
	s = strings.ToLower(s)
	return s == AllCapabilities || s == NoCapabilities
}
