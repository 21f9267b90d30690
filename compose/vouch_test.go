package compose_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/compose/trust"
	"github.com/composeos/compose/compose/trust/trusttest"
	"github.com/composeos/compose/spec"
)

// attached are the signatures that are found of a digest; it counts how often
// somebody looked.
type attached struct {
	of    map[spec.Digest][]spec.Signature
	looks int
	err   error
}

func (a *attached) Signatures(_ context.Context, _ spec.Ref, digests ...v1.Hash) ([]spec.Signature, error) {
	a.looks++
	var all []spec.Signature
	for _, d := range digests {
		all = append(all, a.of[spec.Digest(d.String())]...)
	}
	return all, a.err
}

// signed is a workshop whose one image web:1 is looked up with its signatures, under
// a policy that demands the key of one authority.
type signed struct {
	*workshop
	key      *trusttest.Key
	found    *attached
	manifest *spec.Manifest
	digest   spec.Digest // of web:1
}

const webManifest = "init: [web:1]\n"

func newSigned(t *testing.T) *signed {
	t.Helper()
	w := newWorkshop(t, map[string]testImage{"docker.io/library/web:1": {
		layers: []string{"file etc/web one"},
		label:  `{"capabilities": ["CAP_NET_ADMIN"], "binds": ["/dev:/dev"], "pid": "host"}`,
	}})
	d, err := w.place["docker.io/library/web:1"].Digest()
	if err != nil {
		t.Fatal(err)
	}
	s := &signed{workshop: w, key: trusttest.NewKey(t, trusttest.Ed25519), digest: spec.Digest(d.String())}
	s.found = &attached{of: map[spec.Digest][]spec.Signature{s.digest: {trusttest.SignBundle(t, s.key, s.digest)}}}
	s.manifest = w.parse(webManifest)
	return s
}

// policy demands the signature of key for all images of the library.
func (s *signed) policy(key *trusttest.Key, more ...string) *trust.Policy {
	s.t.Helper()
	s.write("key.pub", string(key.PublicPEM))
	text := "authorities: {us: {key: {file: key.pub}}}\npolicies: [{match: docker.io/library/*, anyOf: [us]}]\n" + strings.Join(more, "")
	section, err := spec.ParseTrust(filepath.Join(s.dir, "trust.yml"), []byte(text))
	if err != nil {
		s.t.Fatal(err)
	}
	p, err := trust.Load(section, os.ReadFile)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// pin resolves under a policy that demands the right key; change alters the options
// first.
func (s *signed) pin(change func(*compose.ResolveOptions)) (*compose.Resolution, error) {
	s.t.Helper()
	o := compose.ResolveOptions{
		Add: true, Policy: s.policy(s.key), Platform: amd64, Resolver: s.images, Source: s.images, Signed: s.found, Dir: s.dir,
	}
	if change != nil {
		change(&o)
	}
	return compose.Resolve(s.t.Context(), s.manifest, o)
}

func (s *signed) mustPin(change func(*compose.ResolveOptions)) *compose.Resolution {
	s.t.Helper()
	r, err := s.pin(change)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// compose builds from a lock and its evidence alone.
func (s *signed) compose(lock *spec.Lock, e *spec.Evidence, p *trust.Policy) error {
	_, err := compose.Build(s.t.Context(), s.manifest, compose.Options{
		Lock: lock, Evidence: e, Policy: p, Platform: amd64, Source: s.images, Lease: s.lease, Dir: s.dir,
	})
	return err
}

// unpacked lists the layers that the cache holds.
func (s *signed) unpacked() []string {
	s.t.Helper()
	var all []string
	err := filepath.WalkDir(filepath.Join(s.dir, "cache"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.Contains(path, "layer") {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

func TestSignedImageIsPinnedWithItsEvidence(t *testing.T) {
	s := newSigned(t)
	r := s.mustPin(nil)
	web := r.Lock.Images[0]
	if len(web.Verified) != 1 || web.Unsigned != "" || web.Verified[0].Authority != "us" || web.Verified[0].Subject != s.digest || web.Verified[0].Type != spec.SignatureType {
		t.Errorf("the pin is %+v", web)
	}
	if len(r.Evidence.Signatures) != 1 || r.Lock.Policy == "" {
		t.Errorf("%d signatures are kept, the policy is %q", len(r.Evidence.Signatures), r.Lock.Policy)
	}
	g := web.Platforms["linux/amd64"].Grants
	if g == nil || !slices.Equal(g.Capabilities, []string{"CAP_NET_ADMIN"}) || !slices.Equal(g.Binds, []string{"/dev:/dev"}) || !slices.Equal(g.Namespaces, []string{"pid=host"}) {
		t.Errorf("the label grants %+v", g)
	}
	// From here on, nobody is asked.
	s.found.of = nil
	again := s.mustPin(func(o *compose.ResolveOptions) { o.Old, o.Evidence, o.Frozen, o.Add = r.Lock, r.Evidence, true, false })
	if len(again.Changes) > 0 || s.found.looks != 1 {
		t.Errorf("a frozen build has the changes %v and looked %d times", again.Changes, s.found.looks)
	}
	if err := s.compose(again.Lock, again.Evidence, s.policy(s.key)); err != nil {
		t.Error(err)
	}
}

// TestNothingUnverifiedIsUnpacked holds that an image is refused, each time before
// one of its layers is in the cache.
func TestNothingUnverifiedIsUnpacked(t *testing.T) {
	s := newSigned(t)
	good := s.mustPin(nil)
	other := trusttest.NewKey(t, trusttest.P256)
	unsigned := *good.Lock
	unsigned.Images = slices.Clone(good.Lock.Images)
	unsigned.Images[0].Verified, unsigned.Images[0].Unsigned = nil, spec.Accepted
	forged := &spec.Evidence{Signatures: map[spec.Digest]spec.Signature{}}
	for d := range good.Evidence.Signatures {
		forged.Signatures[d] = trusttest.SignBundle(t, other, s.digest)
	}
	denied := s.policy(s.key, "deny: {keys: [", string(s.key.Fingerprint), "]}\n")
	right := s.policy(s.key)
	for _, c := range []struct {
		name     string
		lock     *spec.Lock
		evidence *spec.Evidence
		policy   *trust.Policy
		words    string
	}{
		{"no policy", good.Lock, good.Evidence, nil, "no policy"},
		{"no evidence", good.Lock, nil, right, "no signature"},
		{"another signature under its digest", good.Lock, forged, right, "another key"},
		{"a lock that says unsigned", &unsigned, good.Evidence, right, "no signature"},
		{"another key", good.Lock, good.Evidence, s.policy(other), "another key"},
		{"a denied key", good.Lock, good.Evidence, denied, "is denied"},
		{"a denied digest", good.Lock, good.Evidence, s.policy(s.key, "deny: {digests: [", string(s.digest), "]}\n"), "is denied"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := s.compose(c.lock, c.evidence, c.policy)
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("the build says %v, not %q", err, c.words)
			}
			if left := s.unpacked(); len(left) > 0 {
				t.Errorf("in the cache are %q", left)
			}
		})
	}
	if err := s.compose(good.Lock, good.Evidence, right); err != nil {
		t.Fatal(err)
	}
	if len(s.unpacked()) == 0 {
		t.Error("no layer is found in the cache after a build: this test watches the wrong files")
	}
}

func TestSignaturesAreLookedForOnlyWhenPinned(t *testing.T) {
	s := newSigned(t)
	good := s.mustPin(nil)
	other := trusttest.NewKey(t, trusttest.P256)
	of := s.found.of
	s.found.of = map[spec.Digest][]spec.Signature{s.digest: {of[s.digest][0], trusttest.SignBundle(t, other, s.digest)}}

	var stale *compose.StaleError
	_, err := s.pin(func(o *compose.ResolveOptions) {
		o.Old, o.Evidence, o.Add, o.Policy = good.Lock, good.Evidence, false, s.policy(other)
	})
	if !errors.As(err, &stale) || s.found.looks != 1 {
		t.Errorf("with another policy a build says %v, and looked %d times", err, s.found.looks)
	}
	r := s.mustPin(func(o *compose.ResolveOptions) {
		o.Old, o.Evidence, o.Policy = good.Lock, good.Evidence, s.policy(other)
	})
	if len(r.Evidence.Signatures) != 1 || r.Lock.Images[0].Verified[0].Signer == good.Lock.Images[0].Verified[0].Signer {
		t.Errorf("a lock that is made again keeps %d signatures, of %s", len(r.Evidence.Signatures), r.Lock.Images[0].Verified[0].Signer)
	}
	var names []string
	for _, c := range r.Changes {
		names = append(names, c.Name)
	}
	if want := []string{"signature of docker.io/library/web:1", "trust policy"}; !slices.Equal(names, want) {
		t.Errorf("the changes are %q, want %q", names, want)
	}
}

func TestFailureToLookIsSaid(t *testing.T) {
	s := newSigned(t)
	s.found.of, s.found.err = nil, errors.New("the registry is on fire")
	if _, err := s.pin(nil); err == nil || !strings.Contains(err.Error(), "look for signatures: the registry is on fire") || !strings.Contains(err.Error(), "m.yml:1:") {
		t.Errorf("the error is %v", err)
	}
}

// TestAcceptedOnlyWhereNoPolicyCovers holds that a word takes no image that a policy
// demands a signature of.
func TestAcceptedOnlyWhereNoPolicyCovers(t *testing.T) {
	s := newSigned(t)
	s.found.of = nil
	accept := func(o *compose.ResolveOptions) { o.Accept = compose.Accept{"*"} }
	var refused *trust.RefusedError
	if _, err := s.pin(accept); !errors.As(err, &refused) {
		t.Errorf("under a policy, a word takes it: %v", err)
	}
	r := s.mustPin(func(o *compose.ResolveOptions) { accept(o); o.Policy = nil })
	if r.Lock.Images[0].Unsigned != spec.Accepted {
		t.Errorf("without a policy the pin is %+v", r.Lock.Images[0])
	}
	var uncovered *trust.UncoveredError
	if _, err := s.pin(func(o *compose.ResolveOptions) { o.Policy = nil }); !errors.As(err, &uncovered) {
		t.Errorf("without a policy and a word: %v", err)
	}
	// Who accepted it accepted this pin, not the next.
	s.place["docker.io/library/web:1"] = newPlace(t, map[string]testImage{"x": {layers: []string{"file etc/web two"}}})["x"]
	_, err := s.pin(func(o *compose.ResolveOptions) {
		o.Old, o.Policy, o.Update = r.Lock, nil, []string{"docker.io/library/web"}
	})
	if !errors.As(err, &uncovered) {
		t.Errorf("when the pin moves: %v", err)
	}
}

// TestSignersDoNotReachTheImage holds that the inputs of an image are the same
// whoever signed its packages, and if nobody did.
func TestSignersDoNotReachTheImage(t *testing.T) {
	s := newSigned(t)
	ids := map[spec.Digest]bool{}
	for _, key := range []*trusttest.Key{s.key, trusttest.NewKey(t, trusttest.P256), nil} {
		r := s.mustPin(func(o *compose.ResolveOptions) {
			if key == nil {
				o.Policy, o.Accept = nil, compose.Accept{"*"}
				return
			}
			s.found.of[s.digest] = []spec.Signature{trusttest.SignBundle(t, key, s.digest)}
			o.Policy = s.policy(key)
		})
		id, err := compose.Inputs(s.manifest, r.Lock, amd64)
		if err != nil {
			t.Fatal(err)
		}
		ids[id] = true
	}
	if len(ids) != 1 {
		t.Errorf("there are %d inputs: %v", len(ids), ids)
	}
	lock := s.mustPin(func(o *compose.ResolveOptions) { o.Policy, o.Accept = nil, compose.Accept{"*"} }).Lock
	a, errA := compose.Inputs(s.manifest, lock, amd64)
	b, errB := compose.Inputs(s.parse(webManifest+"trust: {default: allow}\n"), lock, amd64)
	if a != b || errA != nil || errB != nil {
		t.Errorf("a trust section changes the inputs: %s, %s (%v, %v)", a, b, errA, errB)
	}
}

// TestGrantsThatChangeAreSaid holds that who moves a pin sees what a label grants
// anew.
func TestGrantsThatChangeAreSaid(t *testing.T) {
	s := newSigned(t)
	accept := func(o *compose.ResolveOptions) { o.Policy, o.Accept = nil, compose.Accept{"*"} }
	before := s.mustPin(accept)
	s.place["docker.io/library/web:1"] = newPlace(t, map[string]testImage{"x": {
		layers: []string{"file etc/web two"}, label: `{"capabilities": ["CAP_NET_ADMIN", "CAP_SYS_ADMIN"], "net": "host"}`,
	}})["x"]
	r := s.mustPin(func(o *compose.ResolveOptions) { accept(o); o.Old, o.Update = before.Lock, []string{"*"} })
	granted := map[string]string{}
	for _, c := range r.Changes {
		if c.From == compose.Granted || c.To == compose.Granted {
			granted[strings.TrimSuffix(c.Name, " of image docker.io/library/web:1")] = c.From + ">" + c.To
		}
	}
	want := map[string]string{"capability CAP_SYS_ADMIN": ">granted", "namespace net=host": ">granted", "bind /dev:/dev": "granted>", "namespace pid=host": "granted>"}
	for name, change := range want {
		if granted[name] != change {
			t.Errorf("%s is %q, want %q", name, granted[name], change)
		}
	}
	if len(granted) != len(want) {
		t.Errorf("the changes are %v", granted)
	}
}

// TestLockOfAnother holds that under a policy of somebody else's no word counts that
// only the lock has.
func TestLockOfAnother(t *testing.T) {
	s := newSigned(t)
	word := compose.Accept{"docker.io/library/web"}
	theirs := s.mustPin(func(o *compose.ResolveOptions) { o.Policy, o.Accept = nil, word })
	ours := func(accept compose.Accept) error {
		_, err := s.pin(func(o *compose.ResolveOptions) {
			o.Old, o.Policy, o.Accept, o.Add, o.Foreign = theirs.Lock, nil, accept, false, true
		})
		return err
	}
	var uncovered *trust.UncoveredError
	if err := ours(nil); !errors.As(err, &uncovered) {
		t.Errorf("by the lock's word: %v", err)
	}
	if err := ours(word); err != nil {
		t.Errorf("by a word of ours: %v", err)
	}
}

// TestWordsAreForPins holds that a word on the command line of a build takes nothing
// that is pinned as signed.
func TestWordsAreForPins(t *testing.T) {
	s := newSigned(t)
	good := s.mustPin(nil)
	_, err := s.pin(func(o *compose.ResolveOptions) {
		o.Old, o.Evidence, o.Policy, o.Accept, o.Add = good.Lock, good.Evidence, nil, compose.Accept{"*"}, false
	})
	if _, uncovered := errors.AsType[*trust.UncoveredError](err); !uncovered {
		t.Errorf("the error is %v", err)
	}
}

// TestAnotherSignerAfterADenial holds that a lock is mended where one of two signers
// is denied.
func TestAnotherSignerAfterADenial(t *testing.T) {
	s := newSigned(t)
	good := s.mustPin(nil)
	second := trusttest.NewKey(t, trusttest.P256)
	s.found.of[s.digest] = append(s.found.of[s.digest], trusttest.SignBundle(t, second, s.digest))
	r := s.mustPin(func(o *compose.ResolveOptions) {
		o.Old, o.Evidence = good.Lock, good.Evidence
		o.Policy = s.policy(second, "deny: {keys: [", string(s.key.Fingerprint), "]}\n")
	})
	if got := r.Lock.Images[0].Verified; len(got) != 1 || !strings.Contains(got[0].Signer, string(second.Fingerprint)) {
		t.Errorf("it is signed by %+v", got)
	}
}

// TestLabelThatCannotBeRead holds that a lock does not pass such a label off as one
// that grants nothing.
func TestLabelThatCannotBeRead(t *testing.T) {
	s := newSigned(t)
	s.place["docker.io/library/web:1"] = newPlace(t, map[string]testImage{"x": {
		layers: []string{"file etc/web"}, label: `{"capabilities": ["all"], "devices": 7}`,
	}})["x"]
	r := s.mustPin(func(o *compose.ResolveOptions) { o.Policy, o.Accept = nil, compose.Accept{"*"} })
	if g := r.Lock.Images[0].Platforms["linux/amd64"].Grants; g == nil || !slices.Equal(g.System, []string{"a label that cannot be read"}) {
		t.Errorf("it grants %+v", g)
	}
}

// TestLockThatHidesAGrant holds that a build refuses a lock which says less of a label
// than that grants.
func TestLockThatHidesAGrant(t *testing.T) {
	s := newSigned(t)
	good := s.mustPin(nil)
	p := good.Lock.Images[0].Platforms["linux/amd64"]
	p.Grants = new(spec.Grants)
	good.Lock.Images[0].Platforms["linux/amd64"] = p
	if err := s.compose(good.Lock, good.Evidence, s.policy(s.key)); err == nil || !strings.Contains(err.Error(), "grants something else") {
		t.Errorf("the error is %v", err)
	}
	again := s.mustPin(func(o *compose.ResolveOptions) {
		o.Old, o.Evidence, o.Update = good.Lock, good.Evidence, []string{"docker.io/library/web"}
	})
	if err := s.compose(again.Lock, again.Evidence, s.policy(s.key)); err != nil {
		t.Errorf("after an update: %v", err)
	}
}
