package registry

import (
	"testing"

	"github.com/composeos/compose/compose/trust/trusttest"
)

// A mirror that has the images and their signatures is enough, where nobody can reach
// the registry itself; without it that is said.
func TestMirrorAlone(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		l, origin := newLab(t), free(t)
		key := trusttest.NewKey(t, trusttest.Ed25519)
		l.write(t, "owner.pub", string(key.PublicPEM))
		for _, format := range formats() {
			mirrored := push(t, p.host, "some/"+format, "init")
			if format == "bundle" {
				mirrored.attach(t, trusttest.SignBundle(t, key, mirrored.digest()))
			} else {
				mirrored.attach(t, trusttest.SignLegacy(t, key, mirrored.repo, mirrored.digest()))
			}
			image := *mirrored
			image.repo = origin + "/some/" + format
			l.write(t, "system.yml", manifest(byKey("owner.pub", format), &image))
			if format == "bundle" { // it is asked again for some seconds
				l.refuses(t, []string{image.tagged(), "connection refused"}, "lock", "-lock", format+".lock.json", "system.yml")
			}
			words := []string{"-lock", format + ".lock.json", "-registry-mirror", origin + "=" + p.host}
			l.does(t, append(append([]string{"lock"}, words...), "system.yml")...)
			l.does(t, append(append([]string{"build", "-format", "tar"}, words...), "system.yml")...)
		}
	})
}
