package clients

import (
	"os"
	"slices"
	"testing"
)

// umoci unpacks the image into a bundle, as another flattening of its layers.
func (s *system) umoci(t *testing.T) {
	need(t, "umoci")
	for _, compression := range []string{"gzip", "none"} { // it knows no zstd
		archive, ok := s.oci[compression]
		if !ok {
			continue
		}
		t.Run(compression, func(t *testing.T) {
			r := newRoom(t)
			bundle := r.path("bundle")
			r.run(t, "umoci", "unpack", "--image", untar(t, archive)+":latest", bundle)
			sameTree(t, r, s.entries, bundle+"/rootfs")
			text, err := os.ReadFile(bundle + "/config.json")
			if err != nil {
				t.Fatal(err)
			}
			var config struct{ Process struct{ Args []string } }
			unmarshal(t, text, &config)
			if want := []string{"/init"}; !slices.Equal(config.Process.Args, want) {
				t.Errorf("the bundle runs %q, want %q", config.Process.Args, want)
			}
		})
	}
}
