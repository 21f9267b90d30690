package clients

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// archives are skopeo's names of the system's outputs.
func (s *system) archives() map[string]string {
	all := map[string]string{"docker": "docker-archive:" + s.docker}
	for compression, archive := range s.oci {
		all["oci "+compression] = "oci-archive:" + archive + ":latest"
	}
	return all
}

// skopeo inspects the image, and copies it from form to form.
func (s *system) skopeo(t *testing.T) {
	need(t, "skopeo")
	r := newRoom(t)
	for name, ref := range s.archives() {
		t.Run("inspect "+name, func(t *testing.T) { s.inspected(t, r, ref) })
	}
	for i, tc := range []struct {
		from string
		via  []string // forms that it passes through
	}{
		{"oci gzip", []string{"oci"}},
		{"oci gzip", []string{"docker-archive"}},
		{"oci gzip", []string{"dir", "oci"}},
		{"oci gzip", []string{"docker-archive", "oci"}},
		{"oci zstd", []string{"oci"}}, // not to docker's forms, which know no zstd
		{"oci zstd", []string{"dir", "oci"}},
		{"oci none", []string{"oci"}},
		{"oci none", []string{"docker-archive"}},
		{"oci none", []string{"dir", "oci"}},
		{"docker", []string{"docker-archive"}},
		{"docker", []string{"dir", "docker-archive"}},
		{"docker", []string{"oci"}},
		{"docker", []string{"oci", "docker-archive"}},
	} {
		t.Run(tc.from+" to "+strings.Join(tc.via, " to "), func(t *testing.T) {
			form, at := tc.from, s.archives()[tc.from]
			var path string
			remade := false
			for step, next := range tc.via {
				path = r.path(fmt.Sprintf("skopeo-%d-%d", i, step))
				to := next + ":" + path
				if next != "dir" {
					to += ":" + s.name
				}
				if next == "docker-archive" {
					to += ":latest"
				}
				r.run(t, "skopeo", "copy", "-q", at, to)
				// An OCI image's configuration stays as it is, also in docker's archive.
				remade = remade || next == "oci" && strings.HasPrefix(form, "docker")
				form, at = next, to
			}
			if form == "oci" {
				s.arrived(t, fromLayout(t, path, s.name), remade)
			} else {
				s.arrived(t, fromArchive(t, path), remade)
			}
		})
	}
}

// inspected compares what skopeo tells of an output.
func (s *system) inspected(t *testing.T, r *room, ref string) {
	var told struct {
		OS, Architecture string
		Created          time.Time
		Labels           map[string]string
		Layers           []string
	}
	unmarshal(t, []byte(r.run(t, "skopeo", "inspect", ref)), &told)
	if len(told.Layers) != len(s.diffIDs) {
		t.Errorf("skopeo finds %d layers, want %d", len(told.Layers), len(s.diffIDs))
	}
	raw := r.run(t, "skopeo", "inspect", "--config", "--raw", ref)
	var config v1.ConfigFile
	unmarshal(t, []byte(raw), &config)
	s.configured(t, configuration{told.OS, told.Architecture, config.Config.Entrypoint, told.Created, told.Labels})
	if got, _, err := v1.SHA256(strings.NewReader(raw)); err != nil || got != s.config {
		t.Errorf("the configuration is %s, want %s: %v", got, s.config, err)
	}
}

// arrived checks an image that has been copied. skopeo makes a docker image's
// configuration again, from all it says, where it becomes an OCI image.
func (s *system) arrived(t *testing.T, image v1.Image, remade bool) {
	t.Helper()
	if !remade {
		s.valid(t, image)
		return
	}
	validImage(t, image)
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.file, config); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

// skopeoToDocker gives OCI archives to a Docker daemon, and takes the image out of it.
func (s *system) skopeoToDocker(t *testing.T, d *docker) {
	need(t, "skopeo")
	host := "unix://" + d.socket
	for _, compression := range []string{"gzip", "none"} {
		if s.oci[compression] == "" {
			continue
		}
		name := "by-skopeo:" + compression
		d.run(t, "skopeo", "copy", "-q", "--dest-daemon-host", host, s.archives()["oci "+compression], "docker-daemon:"+name)
		s.dockerHas(t, d, name)
		out := d.path("from-docker-" + compression)
		d.run(t, "skopeo", "copy", "-q", "--src-daemon-host", host, "docker-daemon:"+name, "oci:"+out+":"+s.name)
		s.arrived(t, fromLayout(t, out, s.name), true)
	}
}
