package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/compose/image"
	"github.com/composeos/compose/compose/trust"
	"github.com/composeos/compose/spec"
)

// trustVerify is "compose trust verify".
type trustVerify struct {
	common
	manifest, key string
}

// setupTrustVerify defines "compose trust verify IMAGE".
func setupTrustVerify(fs *flag.FlagSet) action {
	c := trustVerify{common: common{command: fs.Name()}}
	fs.StringVar(&c.manifest, "manifest", "", "")
	fs.StringVar(&c.key, "key", "", "")
	fs.StringVar(&c.arch, "arch", "", "")
	fs.StringVar(&c.cache, "cache", "", "")
	fs.BoolVar(&c.offline, "offline", false, "")
	c.progress.define(fs)
	c.network.define(fs)
	c.trust.define(fs)
	return c.run
}

func (c *trustVerify) run(ctx context.Context, s *session, operands []string) error {
	if err := c.begin(s); err != nil {
		return err
	}
	if len(operands) != 1 {
		return usagef(c.command, "want one image, not %d", len(operands))
	}
	ref, err := spec.ParseRef(operands[0], "")
	if err != nil {
		return usagef(c.command, "%v", err)
	}
	if ref.Transport == spec.PackageDir {
		return usagef(c.command, "%s is a package source: it is trusted as source, and nobody signs it", ref)
	}
	platform, err := c.platform(s.world)
	if err != nil {
		return err
	}
	policy, err := c.policyFor(s, ref)
	if err != nil {
		return err
	}
	e, err := openCache(s, c.cache, false)
	if err != nil {
		return err
	}
	defer e.close()
	if !c.offline {
		if err := e.reach(s, &c.network); err != nil {
			return err
		}
	}
	return verifyImage(ctx, s, e, policy, image.Pin{Ref: ref, Platform: platform})
}

// policyFor returns the policy that the image is held against: that of the one flag
// that says which.
func (c *trustVerify) policyFor(s *session, ref spec.Ref) (*trust.Policy, error) {
	given := slices.DeleteFunc([]string{c.trust.file, c.manifest, c.key}, func(v string) bool { return v == "" })
	switch {
	case len(given) == 0:
		return nil, usagef(c.command, "nothing says who may sign: want -key FILE, -trust FILE or -manifest FILE")
	case c.key != "" && len(given) > 1:
		return nil, usagef(c.command, "-key stands for a whole policy: leave -trust and -manifest out")
	case c.key != "":
		return policyOfKey(c.key, ref)
	case c.manifest == "":
		return c.trust.policy(&spec.Manifest{})
	}
	m, err := readManifests(c.command, s.stdin, []string{c.manifest})
	if err != nil {
		return nil, err
	}
	if m.Trust == nil && c.trust.file == "" {
		return nil, hinted(c.manifest+" has no trust section", `"compose help trust" says what it is`)
	}
	return c.trust.policy(m)
}

// policyOfKey is the policy of a key alone: any signature by it, of any image.
func policyOfKey(file string, ref spec.Ref) (*trust.Policy, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, fmt.Errorf("flag -key: %w", err)
	}
	if _, err := trust.ParsePublicKey(data); err != nil {
		return nil, fmt.Errorf("flag -key: %s: %w", file, err)
	}
	match := "**"
	if ref.Transport != spec.Registry {
		match = string(ref.Transport) + ":" + ref.Name
	}
	return trust.Load(&spec.Trust{
		Authorities: map[string]spec.Authority{file: {Key: &spec.TrustKey{File: file}}},
		Policies: []spec.TrustPolicy{{
			Match: match, AnyOf: []string{file}, Formats: []string{spec.FormatBundle, spec.FormatLegacy},
		}},
	}, func(string) ([]byte, error) { return data, nil })
}

// verifyImage holds the image that pin names against the policy, and prints what was
// found good. Nothing but its documents and signatures is fetched.
func verifyImage(ctx context.Context, s *session, e *engine, policy *trust.Policy, pin image.Pin) error {
	desc, err := e.images.Resolve(ctx, pin.Ref)
	if err != nil {
		return fmt.Errorf("%s: %w", pin.Ref, err)
	}
	pin.Digest = desc.Digest
	img, err := e.images.Image(ctx, pin)
	if err != nil {
		return fmt.Errorf("%s: %w", pin.Ref, err)
	}
	locked, err := compose.Locked(ctx, img)
	if err != nil {
		return fmt.Errorf("%s: %w", pin.Ref, err)
	}
	subject := trust.SubjectOf(pin.Ref, spec.Digest(pin.Digest.String()), locked)
	var found []spec.Signature
	if policy.Needs(subject) {
		manifest, err := v1.NewHash(string(subject.Manifest))
		if err != nil {
			return err
		}
		if found, err = e.images.Signatures(ctx, pin.Ref, pin.Digest, manifest); err != nil {
			return fmt.Errorf("%s: %w", pin.Ref, err)
		}
	}
	verdict, err := policy.Verify(subject, found)
	s.ui.close(err == nil)
	if uncovered, ok := errors.AsType[*trust.UncoveredError](err); ok {
		return hinted(uncovered.Error(), "cover it with a policy that matches its name")
	}
	if err != nil {
		return err
	}
	_, err = s.stdout.WriteString(verdictText(pin, subject, verdict))
	return written(err)
}

// verdictText is a line for the image, as "compose cache ls" names it, and one for
// each signature and statement that counts.
func verdictText(pin image.Pin, s trust.Subject, v trust.Verdict) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", pin.Digest, pin.Ref)
	switch v.Unsigned {
	case spec.Excepted:
		b.WriteString("  no signature: the policy excepts this image\n")
	case spec.Allowed:
		b.WriteString("  no signature: the policy's default allows it\n")
	}
	for _, one := range v.Verified {
		what := "index"
		if one.Subject == s.Manifest {
			what = "manifest"
			if s.Manifest != s.Index {
				what += " for " + pin.Platform.String()
			}
		}
		fmt.Fprintf(&b, "  %s of the %s, by %s: %s\n", statementText(one), what, one.Authority, printable(one.Signer))
	}
	return b.String()
}
