package clients

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// podman is podman in a room, with a storage of its own.
type podman struct {
	*room
	driver string // how it stores images: overlay or vfs
}

// inPodman loads each archive into podman, compares what it has made of it, and
// runs it.
func (s *system) inPodman(t *testing.T) {
	need(t, "podman")
	archives := map[string]string{"docker": s.docker}
	for compression, archive := range s.oci {
		if !s.brief { // its layers are the same
			archives["oci "+compression] = archive
		}
	}
	for name, archive := range archives {
		t.Run(name, func(t *testing.T) {
			p := newPodman(t)
			said := p.podman(t, "load", "-q", "-i", archive)
			name, ok := strings.CutPrefix(strings.TrimSpace(said), "Loaded image: ")
			if !ok || archive == s.docker && !strings.HasSuffix(name, "/"+s.name+":latest") {
				t.Fatalf("podman load says %q", said)
			}
			t.Logf("podman stores by %s, and calls it %s", p.driver, name)
			s.podmanHas(t, p, name)
			root := lines(p.podman(t, "image", "mount", name))[0]
			sameTree(t, p.room, s.entries, root)
			p.podman(t, "image", "unmount", "--all")
			if s.says == "" {
				return
			}
			// The limits that podman sets of itself are more than a machine may allow.
			got := p.finish(t, p.alone(t.Context(), "podman", p.args("run", "--rm", "--pull=never", "--network=none", "--timeout=60",
				"--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "--cgroups=no-conmon", "--cgroup-parent=/"+cgroup(), name)...))
			if got != s.says {
				t.Errorf("/init says %q, want %q", got, s.says)
			}
		})
	}
}

// podmanHas compares what podman tells of the image.
func (s *system) podmanHas(t *testing.T, p *podman, name string) {
	t.Helper()
	var told []struct {
		ID               string
		RootFS           struct{ Layers []string }
		OS, Architecture string
		Created          time.Time
		Labels           map[string]string
		Config           struct{ Entrypoint []string }
	}
	unmarshal(t, []byte(p.podman(t, "image", "inspect", name)), &told)
	i := told[0]
	if i.ID != s.config.Hex {
		t.Errorf("podman calls the image %s, want %s", i.ID, s.config)
	}
	if want := texts(s.diffIDs); !slices.Equal(i.RootFS.Layers, want) {
		t.Errorf("podman has layers %q, want %q", i.RootFS.Layers, want)
	}
	s.configured(t, configuration{i.OS, i.Architecture, i.Config.Entrypoint, i.Created, i.Labels})
}

// newPodman finds the first way of storing images that works here.
func newPodman(t *testing.T) *podman {
	t.Helper()
	p := &podman{room: newRoom(t)}
	t.Cleanup(func() { dropCgroups(t) })
	var faults []string
	for _, p.driver = range []string{"overlay", "vfs"} {
		var out []byte
		err := p.do(func() (err error) {
			out, err = p.command(t.Context(), "podman", p.args("info")...).CombinedOutput()
			return err
		})
		if err == nil {
			return p
		}
		faults = append(faults, p.driver+": "+err.Error()+"\n"+string(out))
	}
	missing(t, "podman does not work: %s", strings.Join(faults, "\n"))
	return nil
}

func (p *podman) args(args ...string) []string {
	return append([]string{
		"--root", p.path("podman-" + p.driver), "--runroot", "/run/podman", "--tmpdir", "/run/libpod", "--network-config-dir", p.path("networks"),
		"--storage-driver", p.driver, "--cgroup-manager=cgroupfs", "--events-backend=none", "--log-level=error",
	}, args...)
}

// podman runs it.
func (p *podman) podman(t *testing.T, args ...string) string {
	t.Helper()
	return p.run(t, "podman", p.args(args...)...)
}
