package registry

import (
	"encoding/pem"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"
)

// A registry with TLS is taken where its certificate is, by a flag or by the user's
// settings, and nowhere else.
func TestTLS(t *testing.T) {
	t.Parallel()
	l, p := newLab(t), inProcess(t)
	push(t, p.host, "some/init", "init")
	s := httptest.NewUnstartedServer(p.handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	image := &pushed{repo: s.Listener.Addr().String() + "/some/init"}
	l.write(t, "system.yml", manifest("", image))
	l.write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	words := []string{"build", "-accept-unsigned", "**", "-format", "tar", "system.yml"}

	l.refuses(t, []string{image.tagged(), "certificate signed by unknown authority", "-registry-ca"}, words...)
	want := l.does(t, append(words, "-registry-ca", "ca.pem")...).printed
	l.write(t, ".config/compose/config.yml", "registries: {\""+s.Listener.Addr().String()+"\": {ca: ../../ca.pem}}\n")
	if got := l.caching("another").does(t, words...).printed; got != want {
		t.Errorf("with a certificate of the settings it writes %q, want %q", got, want)
	}
	l.write(t, ".config/compose/config.yml", "registries: {other.example.com: {ca: ../../ca.pem}}\n")
	if r := l.caching("a third").try(t, words...); r.code == 0 || !strings.Contains(r.said, "certificate signed by unknown authority") {
		t.Errorf("a certificate for another registry is taken: %v", r)
	}
}
