// Package children measures what a program has started and is still running: the
// QEMU of a "compose run", whose time wait(2) tells only at its end.
package children

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc (proc_pid_stat(5); USER_HZ is 100 on all that
// Go runs on).
const tick = 10 * time.Millisecond

// CPU returns the processor time, of user and system, that the running children of a
// process have taken. It is an error that there are none.
func CPU(parent int) (time.Duration, error) {
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	sum, found := time.Duration(0), false
	for _, name := range all {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		of, took, err := parse(stat)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		if of == parent {
			sum, found = sum+took, true
		}
	}
	if !found {
		return 0, fmt.Errorf("process %d has no children", parent)
	}
	return sum, nil
}

// parse returns the parent of a process, and what it has taken. The name of its
// program, which may have any characters, ends with the last parenthesis.
func parse(stat []byte) (parent int, took time.Duration, err error) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0, 0, fmt.Errorf("it is no stat: %.80q", stat)
	}
	var numbers [3]int
	for i, at := range []int{1, 11, 12} { // ppid, utime, stime
		if numbers[i], err = strconv.Atoi(fields[at]); err != nil {
			return 0, 0, err
		}
	}
	return numbers[0], time.Duration(numbers[1]+numbers[2]) * tick, nil
}
