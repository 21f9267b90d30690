package main

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// consolePatience is how long the console may take for a write.
const consolePatience = time.Second

// console is where this process writes for people. What it does not take in time
// is lost: a terminal that somebody has stopped (ctrl-S), or whose other end nobody
// reads, must not stop the system. Its methods may be called side by side.
type console struct {
	mu      sync.Mutex
	file    *os.File // nil: standard error, before there is a /dev
	stopped bool     // it has not taken the last write
}

// Write implements io.Writer.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == nil {
		return os.Stderr.Write(p)
	}
	patience := consolePatience
	if c.stopped {
		patience = time.Millisecond // who writes much is not to be held up by every line
	}
	_ = c.file.SetWriteDeadline(time.Now().Add(patience)) // what has no deadlines is no terminal
	n, err := c.file.Write(p)
	c.stopped = errors.Is(err, os.ErrDeadlineExceeded)
	return n, err
}

// open opens the terminal at path for writing. It is not the standard output: that
// one is the children's too, and waits.
func (c *console) open(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("the console: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.file = file
	return nil
}
