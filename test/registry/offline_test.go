package registry

import (
	"context"
	"crypto"
	"crypto/rand"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/compose/trust/trusttest"
	"github.com/composeos/compose/spec"
)

// traced runs compose, which has to do it, and returns every system call about the
// network that it or a thread of it made: sockets of any family, of the kernel's and
// of programs beside it too. Without a network, it has a namespace of its own in which
// there is no device but a loopback that is down.
func (l *lab) traced(t *testing.T, network bool, words ...string) (r *ran, calls string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := l.command(ctx, t, words...)
	log := l.path("trace")
	cmd.Args = append([]string{"strace", "-f", "-qqq", "-e", "trace=%network", "-e", "signal=none", "-o", log, "--", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/usr/bin/strace"
	if !network {
		cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWNET
	}
	r = finish(t, cmd)
	if r.code != 0 {
		t.Fatal(r)
	}
	for line := range strings.Lines(l.read(t, "trace")) {
		// That is a thread which was in no call of these when the program ended.
		if !strings.Contains(line, "???( <detached ...>") {
			calls += line
		}
	}
	return r, calls
}

// needNamespace asks for what traced needs.
func needNamespace(t *testing.T) {
	t.Helper()
	need(t, "strace")
	if os.Geteuid() != 0 {
		missing(t, "a namespace without a network needs root")
	}
}

// whole is a system of everything that pins come from: a kernel, two images at the
// root, a service, a volume.
func whole(trust, at string) string {
	return strings.ReplaceAll(`kernel: {image: AT/kernel:1, cmdline: quiet}
init: [AT/init:1, AT/tools:1]
services: [{name: hello, image: AT/hello:1, binds.add: ["pages:/srv/pages:ro"]}]
volumes: [{name: pages, image: AT/pages:1, readonly: true}]
`, "AT", at) + trust
}

// wholeImages are the images of whole, in its order.
func wholeImages() []string { return []string{"kernel", "init", "tools", "hello", "pages"} }

// allFormats are outputs that need no tools.
const allFormats = "kernel+initrd,tar,docker,oci"

// A build from the lock, the evidence and the cache asks the network for nothing: it
// makes no system call about it, whether it is frozen or offline or both, and whether
// layers are unpacked already or not. What it writes is what was written on line.
func TestNoSocket(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		needNamespace(t)
		l := newLab(t)
		key := trusttest.NewKey(t, trusttest.Ed25519)
		l.write(t, "owner.pub", string(key.PublicPEM))
		for _, name := range wholeImages() {
			image := push(t, p.host, "whole/"+name, name)
			image.attach(t, trusttest.SignBundle(t, key, image.digest()))
		}
		l.write(t, "system.yml", whole(byKey("owner.pub"), p.host+"/whole"))
		_, calls := l.traced(t, true, "lock", "system.yml")
		if !strings.Contains(calls, "AF_INET") {
			t.Errorf("compose lock has asked a registry, and the trace shows nothing of it:\n%s", calls)
		}
		online := l.does(t, "build", "-format", allFormats, "-dir", "out", "system.yml")
		for _, flags := range [][]string{{"-frozen"}, {"-offline"}, {"-frozen", "-offline"}} {
			name := strings.Join(flags, " ")
			for _, how := range []struct {
				name   string
				forget []string // folders of the cache
			}{{"all unpacked", nil}, {"nothing unpacked", []string{"layers", "archives", "members", "notes"}}} {
				t.Run(name+", "+how.name, func(t *testing.T) {
					l.forget(t, how.forget...)
					if err := os.RemoveAll(l.path("out")); err != nil {
						t.Fatal(err)
					}
					words := append([]string{"build", "-format", allFormats, "-dir", "out"}, flags...)
					r, calls := l.traced(t, false, append(words, "system.yml")...)
					if calls != "" {
						t.Errorf("it asks the network:\n%s", calls)
					}
					if r.printed != online.printed {
						t.Errorf("it writes\n%swhere on line it was\n%s", r.printed, online.printed)
					}
				})
			}
		}
	})
}

// forget empties folders of the cache.
func (l *lab) forget(t *testing.T, folders ...string) {
	t.Helper()
	for _, f := range folders {
		if err := os.RemoveAll(l.cache(f)); err != nil {
			t.Fatal(err)
		}
	}
}

// chance is a key whose signatures are never the same: cosign signs so with ECDSA.
type chance struct{ crypto.Signer }

// Sign implements crypto.Signer.
func (c chance) Sign(_ io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	return c.Signer.Sign(rand.Reader, digest, o)
}

// The files that are written do not depend on who has signed, how, or whether anybody
// has: the same images, with signatures that are the same each time, with others that
// are never the same, with none.
func TestOutputsKnowNoSignature(t *testing.T) {
	t.Parallel()
	program(t)
	fixed, random := trusttest.NewKey(t, trusttest.Ed25519), trusttest.NewKey(t, trusttest.P256)
	random.Signer = chance{random.Signer}
	world := trusttest.NewSigstore(t)
	tests := []struct {
		name, trust string
		sign        func(*pushed) spec.Signature
	}{
		{"none", "", nil},
		{"ed25519", byKey("fixed.pub"), func(i *pushed) spec.Signature { return trusttest.SignBundle(t, fixed, i.digest()) }},
		{"ed25519 again", byKey("fixed.pub"), func(i *pushed) spec.Signature { return trusttest.SignBundle(t, fixed, i.digest()) }},
		{"ECDSA", byKey("random.pub"), func(i *pushed) spec.Signature { return trusttest.SignBundle(t, random, i.digest()) }},
		{"ECDSA again", byKey("random.pub"), func(i *pushed) spec.Signature { return trusttest.SignBundle(t, random, i.digest()) }},
		{"legacy", byKey("random.pub", "legacy"), func(i *pushed) spec.Signature { return trusttest.SignLegacy(t, random, i.repo, i.digest()) }},
		{"keyless", byIdentity(ci(), "bundle"), func(i *pushed) spec.Signature { return world.SignBundle(t, ci(), i.digest()) }},
	}
	f := before(t, inProcess(t))
	printed, evidence := map[string]string{}, map[string]string{}
	for _, tt := range tests {
		f.moves(inProcess(t)) // in which the images have the same names
		l := newLab(t)
		l.write(t, "fixed.pub", string(fixed.PublicPEM))
		l.write(t, "random.pub", string(random.PublicPEM))
		l.write(t, "root.json", string(world.TrustedRootJSON))
		for _, name := range wholeImages() {
			if image := push(t, f.host, "whole/"+name, name); tt.sign != nil {
				image.attach(t, tt.sign(image))
			}
		}
		if tt.sign == nil {
			l.flags = append(l.flags, "-accept-unsigned", f.host+"/**")
		}
		l.write(t, "system.yml", whole(tt.trust, f.host+"/whole"))
		printed[tt.name] = l.does(t, "build", "-format", allFormats, "system.yml").printed
		if l.there("system.evidence.json") {
			evidence[tt.name] = l.read(t, "system.evidence.json")
		}
		if printed[tt.name] != printed["none"] {
			t.Errorf("%s: it writes\n%swhere without signatures it was\n%s", tt.name, printed[tt.name], printed["none"])
		}
	}
	for _, same := range []struct {
		a, b string
		want bool
	}{{"ed25519", "ed25519 again", true}, {"ECDSA", "ECDSA again", false}, {"ed25519", "none", false}} {
		if got := evidence[same.a] == evidence[same.b]; got != same.want {
			t.Errorf("the evidence of %s and of %s is the same: %v, want %v", same.a, same.b, got, same.want)
		}
	}
}

// A build without a lock cannot be frozen, and one without an image in the cache
// cannot be offline; that is said without asking anybody.
func TestOfflineWithoutAnything(t *testing.T) {
	t.Parallel()
	needNamespace(t)
	l := newLab(t)
	f := before(t, inProcess(t))
	image := push(t, f.host, "some/init", "init")
	l.write(t, "system.yml", manifest("", image))
	f.forget()
	l.refuses(t, []string{"-frozen: there is no lock"}, "build", "-frozen", "-format", "tar", "system.yml")
	l.refuses(t, []string{image.tagged(), "not found in the cache"}, "build", "-offline", "-accept-unsigned", "**", "-format", "tar", "system.yml")
	l.does(t, "lock", "-accept-unsigned", "**", "system.yml")
	f.forget()
	empty := l.caching("empty")
	empty.refuses(t, []string{image.tagged(), "not found in the cache"}, "build", "-offline", "-format", "tar", "system.yml")
	if asked := f.forget(); len(asked) > 0 {
		t.Errorf("the registry was asked: %v", asked)
	}
	if l.there("system.tar") {
		t.Error("there is an output")
	}
}
