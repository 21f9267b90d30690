package main

import "testing"

func TestBytesText(t *testing.T) {
	tests := []struct {
		n    int64
		want string
	}{
		{0, "0 B"},
		{999, "999 B"},
		{1000, "1.0 kB"},
		{54_240_000, "54.2 MB"},
		{999_949, "999.9 kB"},
		{999_950, "1.0 MB"},
		{1_264_000_000, "1.3 GB"},
		{1<<63 - 1, "9.2 EB"},
	}
	for _, tt := range tests {
		if got := bytesText(tt.n); got != tt.want {
			t.Errorf("bytesText(%d) = %q, want %q", tt.n, got, tt.want)
		}
	}
}

func TestParseSize(t *testing.T) {
	tests := []struct {
		text string
		want int64
	}{
		{"0", 0},
		{"1024", 1024},
		{"512B", 512},
		{"1k", 1000},
		{"1kB", 1000},
		{"1KiB", 1024},
		{"500MB", 500e6},
		{"20GiB", 20 << 30},
		{"1.5 GB", 1.5e9},
		{"2tib", 2 << 40},
		{"none", noLimit},
	}
	for _, tt := range tests {
		if got, err := parseSize(tt.text); err != nil || got != tt.want {
			t.Errorf("parseSize(%q) = %d, %v, want %d", tt.text, got, err, tt.want)
		}
	}
	for _, bad := range []string{"", "GB", "-1", "1XB", "1KiBB", "1iB", "NaN", "Inf", "1e30GB", "much", "1 2"} {
		if got, err := parseSize(bad); err == nil {
			t.Errorf("parseSize(%q) = %d, want an error", bad, got)
		}
	}
}
