package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"maps"
	"slices"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/compose/trust"
	"github.com/composeos/compose/spec"
)

// trustShow is "compose trust show".
type trustShow struct {
	common
	json bool
}

// setupTrustShow defines "compose trust show MANIFEST...".
func setupTrustShow(fs *flag.FlagSet) action {
	c := trustShow{common: common{command: fs.Name()}}
	fs.StringVar(&c.lock, "lock", "", "")
	fs.BoolVar(&c.json, "json", false, "")
	c.trust.define(fs)
	return func(_ context.Context, s *session, operands []string) error {
		in, err := c.load(s, operands)
		if err != nil {
			return err
		}
		v, err := c.view(in)
		if err != nil {
			return err
		}
		if c.json {
			text, err := spec.MarshalCanonical(v)
			if err == nil {
				_, err = s.stdout.Write(text)
			}
			return shown(err)
		}
		_, err = io.WriteString(s.stdout, v.text())
		return shown(err)
	}
}

// view gathers what there is to show.
func (c *trustShow) view(in *input) (*trustView, error) {
	section, denied, err := c.trust.section(in.manifest)
	if err != nil {
		return nil, err
	}
	if section == nil {
		section = &spec.Trust{}
	}
	v := &trustView{
		Section: section.Pos.String(), Default: firstOf(section.Default, "deny"), Policy: in.policy.Digest(),
		Images: []imageView{}, Exceptions: []exceptionView{}, Authorities: []authorityView{}, Denied: []deniedView{},
	}
	if in.lock != nil {
		v.Lock = &lockView{in.lockPath, in.lock.Policy}
	}
	seen := map[string]bool{}
	for _, use := range in.manifest.Images() {
		if name := use.Ref.String(); !seen[name] {
			seen[name] = true
			v.Images = append(v.Images, viewImage(in, use.Ref))
		}
	}
	for _, e := range section.Exceptions {
		v.Exceptions = append(v.Exceptions, exceptionView{e.Image.String(), e.Reason, e.Pos.String()})
	}
	for _, a := range in.policy.Authorities() {
		v.Authorities = append(v.Authorities, viewAuthority(section, a))
	}
	v.addDenied(append([]spec.TrustDeny{section.Deny}, denied...))
	return v, nil
}

// viewImage says what is demanded of an image, and what the lock says of it.
func viewImage(in *input, ref spec.Ref) imageView {
	v := imageView{Name: ref.String(), source: ref.Transport == spec.PackageDir}
	rule, err := in.policy.Rule(ref)
	if err != nil {
		v.Refused = err.Error()
	}
	if rule != nil {
		v.Policy = &ruleView{rule.Match, rule.Pos.String()}
		for _, d := range trust.DemandsOf(rule) {
			v.Needs = append(v.Needs, needView(d))
		}
	}
	var locked *spec.LockedImage
	if in.lock != nil {
		locked, _ = in.lock.Image(v.Name)
	}
	if locked != nil {
		v.Digest, v.Unsigned, v.Verified = locked.Digest, locked.Unsigned, locked.Verified
	}
	v.Excepted = exceptionFor(in.policy, ref, locked)
	err = held(in, ref, locked)
	if _, uncovered := errors.AsType[*trust.UncoveredError](err); uncovered && locked == nil && v.Excepted != "" {
		err = nil // its digest will tell
	}
	if err != nil {
		v.Refused = err.Error()
	}
	return v
}

// exceptionFor returns where the exception is that is for an image; "" for none. Of one
// that is not pinned only the name is known, or the digest that it is named by.
func exceptionFor(p *trust.Policy, ref spec.Ref, locked *spec.LockedImage) string {
	subjects := []trust.Subject{{Ref: ref, Index: ref.Digest}}
	if locked != nil {
		subjects[0].Index = locked.Digest
		for _, name := range slices.Sorted(maps.Keys(locked.Platforms)) {
			subjects = append(subjects, trust.SubjectOf(ref, locked.Digest, locked.Platforms[name]))
		}
	}
	for _, s := range subjects {
		if e := p.Exception(s); e != nil {
			return e.Pos.String()
		}
	}
	return ""
}

// held holds an image against the policy, with the signatures that the lock names.
// What nothing is known of yet is only refused for what no signature could mend.
func held(in *input, ref spec.Ref, locked *spec.LockedImage) error {
	if locked != nil {
		pinned := *locked
		if in.foreign {
			pinned.Unsigned = "" // by whom it was accepted does not count here
		}
		_, err := compose.Verdict(in.policy, ref, &pinned, in.evidence.Of(locked))
		return err
	}
	_, err := compose.Verdict(in.policy, ref, &spec.LockedImage{Digest: ref.Digest}, nil)
	if _, unsigned := errors.AsType[*trust.RefusedError](err); unsigned {
		return nil
	}
	return err
}

// viewAuthority says which key or identity an authority is, and where the manifest or the
// site's file names it.
func viewAuthority(section *spec.Trust, a trust.Authority) authorityView {
	from := section.Authorities[a.Name]
	v := authorityView{
		Name: a.Name, At: from.Pos.String(), Denied: a.Denied,
		Key: a.Key, Identity: a.Identity, Issuer: a.Issuer, TrustedRoot: a.Root,
	}
	if from.Key != nil {
		v.File = section.Path(from.Key.File)
	}
	if from.Keyless != nil {
		v.File = section.Path(from.Keyless.TrustedRoot)
		v.Require = &requireView{a.Tlog, a.SCT, a.Timestamps}
	}
	return v
}

// addDenied lists what is denied.
func (v *trustView) addDenied(sections []spec.TrustDeny) {
	for _, d := range sections {
		for _, list := range []struct {
			kind  string
			names []string
		}{{"key", d.Keys}, {"identity", d.Identities}, {"digest", d.Digests}} {
			for _, name := range list.names {
				v.Denied = append(v.Denied, deniedView{list.kind, name, d.Pos.String()})
			}
		}
	}
}
