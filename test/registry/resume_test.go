package registry

import (
	"archive/tar"
	"bytes"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// large is the size of a layer that takes its time, in bytes.
const large = 8 << 20

// pushLarge puts an image of one layer into a registry.
func pushLarge(t *testing.T, host, path string) *pushed {
	t.Helper()
	content := make([]byte, large)
	if _, err := rand.NewChaCha8([32]byte{1}).Read(content); err != nil {
		t.Fatal(err)
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "large", Typeflag: tar.TypeReg, Mode: 0o644, Size: large}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"}})
	if err == nil {
		img = mutate.ConfigMediaType(mutate.MediaType(img, types.OCIManifestSchema1), types.OCIConfigJSON)
		img, err = mutate.AppendLayers(img, static.NewLayer(layer.Bytes(), types.OCIUncompressedLayer))
	}
	if err != nil {
		t.Fatal(err)
	}
	p := &pushed{repo: host + "/" + path}
	if err := remote.Write(parse(t, p.tagged()), img); err != nil {
		t.Fatal(err)
	}
	if p.index, err = img.Digest(); err != nil {
		t.Fatal(err)
	}
	p.manifest = p.index
	p.describe(t, img)
	return p
}

// A build that is killed in the middle of a layer, or interrupted, loses nothing of it:
// the next one asks for the rest alone, and writes what a build does that was not.
func TestKilledResumes(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		l, f := newLab(t), before(t, p)
		image := pushLarge(t, f.host, "some/large")
		l.write(t, "system.yml", manifest("", image))
		words := []string{"build", "-accept-unsigned", "**", "-format", "tar", "-dir", "out", "system.yml"}
		want := l.does(t, words...).printed
		for _, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT} {
			t.Run(s.String(), func(t *testing.T) {
				l := l.caching("cache for " + s.String())
				for _, name := range []string{"out", "system.lock.json"} {
					if err := os.RemoveAll(l.path(name)); err != nil {
						t.Fatal(err)
					}
				}
				f.breaks(to(halfway(p), image.layers[0].String()))
				l.stopped(t, s, words...)
				f.breaks(nil)
				if l.there("system.lock.json") || len(files(t, l.path("out"))) > 0 {
					t.Error("the build that was stopped has left a lock or an output")
				}
				f.forget()
				if got := l.does(t, words...).printed; got != want {
					t.Errorf("it writes %q, want %q", got, want)
				}
				onlyTheRest(t, f.forget(), image)
			})
		}
	})
}

// onlyTheRest wants the layer to have been asked for from where it was cut on.
func onlyTheRest(t *testing.T, asked []request, image *pushed) {
	t.Helper()
	var sent int64
	for _, r := range asked {
		if r.method != http.MethodGet || !strings.HasSuffix(r.path, "/blobs/"+image.layers[0].String()) {
			continue
		}
		t.Logf("asked for %q: %d, %d bytes", r.between, r.status, r.sent)
		if !strings.HasPrefix(r.between, "bytes=") || strings.HasPrefix(r.between, "bytes=0-") {
			t.Errorf("the layer is asked for from its beginning: %+v", r)
		}
		sent += r.sent
	}
	if sent == 0 || sent > image.sizes[0]-written {
		t.Errorf("%d of the layer's %d bytes are sent again", sent, image.sizes[0])
	}
}

// Two builds with one cache at the same time both do it, and write the same.
func TestTwoAtOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		l := newLab(t)
		image := pushLarge(t, p.host, "some/large")
		l.write(t, "system.yml", manifest("", image))
		l.does(t, "lock", "-accept-unsigned", "**", "system.yml")
		results := make(chan *ran)
		for _, dir := range []string{"one", "two"} {
			go func() { results <- l.try(t, "build", "-format", "tar", "-dir", dir, "system.yml") }()
		}
		a, b := <-results, <-results
		if a.code != 0 || b.code != 0 || a.printed[:64] != b.printed[:64] {
			t.Errorf("%v\n%v", a, b)
		}
	})
}

// halfway sends half of a layer and then nothing, for as long as anybody waits.
func halfway(p *place) fault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet {
			return false
		}
		a := answer(p, r)
		maps.Copy(w.Header(), a.Header())
		w.WriteHeader(a.Code)
		w.Write(a.Body.Bytes()[:a.Body.Len()/2])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return true
	}
}

// written is how much of a layer has to be in the cache before the build is killed.
const written = large / 4

// stopped runs compose, and sends it a signal once there is something of the layer in
// the cache.
func (l *lab) stopped(t *testing.T, by syscall.Signal, words ...string) {
	t.Helper()
	cmd := l.command(t.Context(), t, words...)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.Now().Add(patience)
	for l.size(t) < written {
		if time.Now().After(late) {
			t.Errorf("there is nothing of the layer in the cache")
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := cmd.Process.Signal(by); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil || by == syscall.SIGKILL && cmd.ProcessState.Exited() {
		t.Errorf("the build has ended before it was stopped: %v\n%s", err, &said)
	}
	t.Logf("it ends with %v\n%s", cmd.ProcessState, &said)
}

// size is that of the largest file in the cache.
func (l *lab) size(t *testing.T) (most int64) {
	t.Helper()
	for _, name := range files(t, l.path(l.store)) {
		if info, err := os.Stat(l.path(l.store + "/" + name)); err == nil {
			most = max(most, info.Size())
		}
	}
	return most
}
