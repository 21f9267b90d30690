// Command probe runs as the process of a container and says what it finds
// there, as JSON on standard output. Its arguments ask for more:
//
//	read:PATH   the content of a file
//	write:PATH  whether a file can be made
//	exit:N      end with this code
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Report is what the probe finds.
type Report struct {
	Pid, UID, GID int
	Groups        []int
	Cwd, Hostname string
	Env           []string
	Status        map[string]string // of /proc/self/status: capabilities, NoNewPrivs
	OOMScoreAdj   string
	Core          [2]uint64         // limits of core files: soft, hard
	Mounts        map[string]string // type and options by destination, from /proc/self/mounts
	Answers       map[string]string // by argument
}

func main() {
	r, exit := probe(os.Args[1:])
	out, err := json.Marshal(r)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(string(out))
	os.Exit(exit)
}

func probe(args []string) (r Report, exit int) {
	r = Report{
		Pid: os.Getpid(), UID: os.Getuid(), GID: os.Getgid(), Env: os.Environ(),
		Status: map[string]string{}, Mounts: map[string]string{}, Answers: map[string]string{},
	}
	r.Groups, _ = os.Getgroups()
	r.Cwd, _ = os.Getwd()
	r.Hostname, _ = os.Hostname()
	r.OOMScoreAdj = read("/proc/self/oom_score_adj")
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_CORE, &limit) == nil {
		r.Core = [2]uint64{limit.Cur, limit.Max}
	}
	for line := range strings.Lines(read("/proc/self/status")) {
		if key, value, found := strings.Cut(line, ":"); found {
			r.Status[key] = strings.TrimSpace(value)
		}
	}
	for line := range strings.Lines(read("/proc/self/mounts")) {
		if f := strings.Fields(line); len(f) > 3 {
			r.Mounts[f[1]] = f[2] + " " + f[3]
		}
	}
	for _, arg := range args {
		verb, rest, _ := strings.Cut(arg, ":")
		switch verb {
		case "read":
			r.Answers[arg] = read(rest)
		case "write":
			r.Answers[arg] = write(rest)
		case "exit":
			exit, _ = strconv.Atoi(rest)
		}
	}
	return r, exit
}

func read(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(string(data), "\n")
}

func write(path string) string {
	if err := os.WriteFile(path, []byte("written\n"), 0o600); err != nil {
		return err.Error()
	}
	return "ok"
}
