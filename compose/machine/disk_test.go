package machine

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestDiskMake holds the laws of disks: what is in a file stays, and none gets
// smaller.
func TestDiskMake(t *testing.T) {
	for _, tt := range []struct {
		name  string
		has   int // bytes of the file before; -1 where there is none
		size  int64
		want  int64
		error string
	}{
		{"made", -1, 1 << 30, 1 << 30, ""},
		{"there", 1024, 1024, 1024, ""},
		{"there, without a size", 1000, 0, 1000, ""},
		{"grown", 1024, 4096, 4096, ""},
		{"smaller", 1024, 512, 1024, "never made smaller"},
		{"no size", -1, 0, -1, "no size to make one of"},
		{"no sectors", -1, 1000, -1, "whole sectors of 512"},
		{"less than nothing", 1024, -512, 1024, "whole sectors of 512"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "disk")
			before := strings.Repeat("x", max(0, tt.has))
			if tt.has >= 0 {
				if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := Disk{file, tt.size}.Make()
			if (err == nil) != (tt.error == "") || err != nil && !strings.Contains(err.Error(), tt.error) {
				t.Errorf("%v, want %q", err, tt.error)
			}
			info, err := os.Stat(file)
			if tt.want < 0 {
				if err == nil {
					t.Error("there is a file")
				}
				return
			}
			if err != nil || info.Size() != tt.want {
				t.Fatalf("%v, %v, want %d bytes", info, err, tt.want)
			}
			if used := info.Sys().(*syscall.Stat_t).Blocks * 512; used > 64<<10 {
				t.Errorf("%d bytes are used: it is not sparse", used)
			}
			begin := make([]byte, len(before))
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.Read(begin); len(before) > 0 && (err != nil || string(begin) != before) {
				t.Errorf("the content is another: %v", err)
			}
		})
	}
	if err := (Disk{t.TempDir(), 512}).Make(); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("a folder: %v", err)
	}
	if err := (Disk{filepath.Join(t.TempDir(), "gone", "disk"), 512}).Make(); err == nil {
		t.Error("a disk is made in a folder that is not there")
	}
}
