package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A console that takes nothing holds nobody up, and is written to when it takes again.
func TestConsoleStopped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var c console
	if err := c.open(path); err != nil {
		t.Fatal(err)
	}
	defer c.file.Close()
	start := time.Now()
	full := make([]byte, 1<<20)
	for range 100 {
		if _, err := c.Write(full); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
	}
	if took := time.Since(start); took < consolePatience || took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	if _, err := reader.Read(full); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Write([]byte("again\n")); n != 6 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	if err := c.open(path + ".none"); err == nil || c.file == nil {
		t.Errorf("got %v", err)
	}
}
