package image

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/store"
)

// TestWorkload carries the measuring workload, which COMPOSE_WORKLOAD points to,
// from its tar into a store and on into another one, and takes in an image.
func TestWorkload(t *testing.T) {
	dir := os.Getenv("COMPOSE_WORKLOAD")
	if dir == "" {
		t.Skip("COMPOSE_WORKLOAD does not name the folder of the measuring workload (make workload)")
	}
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	lease := st.Lease()
	defer lease.Close()
	cache := FromStore(st, lease)
	first, err := Import(t.Context(), cache, filepath.Join(dir, "images.tar"), ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	fromDir, err := Import(t.Context(), newStore(t), filepath.Join(dir, "oci"), ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(first, fromDir); d != "" {
		t.Errorf("the tar and the folder differ (-tar +folder):\n%s", d)
	}
	img, err := take(t, cache, mustRef(t, "docker.io/anchor/nginx:v1"))
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.LayerSources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		if _, err := lease.Layer(t.Context(), l); err != nil {
			t.Error(err)
		}
	}
	var names []string
	for _, i := range first {
		names = append(names, i.Name)
	}
	again := newStore(t)
	path := exported(t, cache, names)
	second, err := Import(t.Context(), again, path, ImportOptions{})
	if err = errors.Join(err, os.Remove(path)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(first, second); d != "" {
		t.Errorf("what was exported differs (-first +second):\n%s", d)
	}
}
