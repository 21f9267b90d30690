package main

import (
	"bytes"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/composeos/compose/test/fixture"
)

func TestMedian(t *testing.T) {
	got := median([]usage{
		{cpu: 3 * time.Second, wall: 1 * time.Second, rss: 5},
		{cpu: 1 * time.Second, wall: 9 * time.Second, rss: 7},
		{cpu: 2 * time.Second, wall: 2 * time.Second, rss: 6},
	})
	if want := (usage{cpu: 2 * time.Second, wall: 2 * time.Second, rss: 7}); got != want {
		t.Errorf("median %v, want %v", got, want)
	}
}

func TestLayersAreThoseOfTheImages(t *testing.T) {
	dir := t.TempDir()
	if err := fixture.Write(dir, fixture.Options{}); err != nil {
		t.Fatal(err)
	}
	gzip, zstd, err := layers(dir)
	if err != nil {
		t.Fatal(err)
	}
	// The layer of names and that of pages do not depend on the architecture.
	if len(zstd) != 1 || len(gzip) < 10 {
		t.Errorf("%d gzip and plain layers, %d zstd layers", len(gzip), len(zstd))
	}
}

func TestReportNamesWhatIsExceeded(t *testing.T) {
	fine := map[string]usage{
		"inflate": {cpu: 4 * time.Second}, "cold": {cpu: 5 * time.Second, rss: 50e6},
		"copy and sum": {wall: time.Second}, "warm": {wall: time.Second}, "unchanged": {wall: 50 * time.Millisecond},
	}
	tests := []struct {
		name, slot string
		to         usage
		slack      float64
		want       string // in the error; "" for none
	}{
		{"all kept", "warm", fine["warm"], 1, ""},
		{"a slow cold build", "cold", usage{cpu: 7 * time.Second}, 1, "cold build"},
		{"a slow cold build with slack", "cold", usage{cpu: 7 * time.Second}, 2, ""},
		{"a slow warm build", "warm", usage{wall: 2 * time.Second}, 1, "warm build"},
		{"much memory, for which there is no slack", "warm", usage{rss: 65e6}, 9, "RSS"},
		{"nothing to compare with", "inflate", usage{}, 1, "cold build"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			medians := maps.Clone(fine)
			medians[tt.slot] = tt.to
			var out bytes.Buffer
			err := report(&out, medians, tt.slack)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("%v\n%s", err, &out)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v does not name %q\n%s", err, tt.want, &out)
			}
		})
	}
}
