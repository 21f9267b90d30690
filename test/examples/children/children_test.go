package children

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, stat string
		parent     int
		took       time.Duration
		bad        bool
	}{
		{"usual", "12 (sh) S 7 12 7 0 -1 4194304 1 2 3 4 50 25 0 0 20 0", 7, 750 * time.Millisecond, false},
		{"an odd name", "12 (a) b (c) S 8 12 7 0 -1 4194304 1 2 3 4 0 1 0 0", 8, 10 * time.Millisecond, false},
		{"cut", "12 (sh) S 7 12", 0, 0, true},
		{"no number", "12 (sh) S x 12 7 0 -1 4194304 1 2 3 4 50 25 0 0", 0, 0, true},
		{"empty", "", 0, 0, true},
	} {
		parent, took, err := parse([]byte(tt.stat))
		if parent != tt.parent || took != tt.took || (err != nil) != tt.bad {
			t.Errorf("%s: parent %d, %v, error %v", tt.name, parent, took, err)
		}
	}
}

// A child that works is seen while it runs.
func TestCPU(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "while :; do :; done")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(time.Minute); ; <-again.C {
		took, err := CPU(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if took >= 50*time.Millisecond {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%v after a minute", took)
		}
	}
}

func TestCPUOfNobody(t *testing.T) {
	if took, err := CPU(-1); err == nil {
		t.Errorf("%v", took)
	}
}
