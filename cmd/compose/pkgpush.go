package main

import (
	"context"
	"flag"
	"fmt"
	"path"

	"github.com/composeos/compose/compose/pkg"
	"github.com/composeos/compose/spec"
)

// pkgPush is "compose pkg push".
type pkgPush struct {
	packageCommand
	network networkFlags
	to      string // HOST/PATH, or ""
	key     string
}

// setupPkgPush defines "compose pkg push [DIR...]".
func setupPkgPush(fs *flag.FlagSet) action {
	var c pkgPush
	c.define(fs)
	c.network.define(fs)
	fs.StringVar(&c.to, "to", "", "")
	fs.StringVar(&c.key, "key", "", "")
	return c.run
}

func (c *pkgPush) run(ctx context.Context, s *session, operands []string) error {
	sources, err := c.sources(operands)
	if err != nil {
		return err
	}
	for _, source := range sources {
		if _, err := c.ref(source.Package.Image, "latest"); err != nil {
			return err
		}
	}
	var by *signer
	if c.key != "" {
		key, err := s.signingKey(ctx, c.key)
		if err != nil {
			return err
		}
		by = &signer{key: key, format: spec.FormatBundle}
	}
	return c.with(s, func(e *engine, b *pkg.Builder) error {
		client, err := c.network.client(s, s.transfers("push"))
		if err != nil {
			return err
		}
		made, err := buildAll(ctx, b, sources, nil, false)
		if err != nil {
			return err
		}
		p := &pusher{s, client}
		for _, image := range made {
			if err := c.push(ctx, e, p, by, image); err != nil {
				return err
			}
		}
		s.ui.close(true)
		return e.prune(ctx, s)
	})
}

// ref is the name that an image gets.
func (c *pkgPush) ref(name, tag string) (spec.Ref, error) {
	if c.to != "" {
		name = path.Join(c.to, name)
	} else if name != localName(name) {
		return spec.Ref{}, usagef(c.name, "%q names no registry: say -to HOST/PATH, or name one in build.yml", name)
	}
	ref, err := spec.ParseRef(name+":"+tag, "")
	if err == nil && (ref.Transport != spec.Registry || ref.String() != name+":"+tag) {
		err = fmt.Errorf("%q names no registry: want HOST/PATH", c.to)
	}
	if err != nil {
		return spec.Ref{}, usagef(c.name, "flag -to: %v", err)
	}
	return ref, nil
}

// push pushes one image out of the cache, signed where there is a signer.
func (c *pkgPush) push(ctx context.Context, e *engine, p *pusher, by *signer, made *pkg.Image) error {
	ref, err := c.ref(made.Name, pkg.Tag(made.Source))
	if err != nil {
		return err
	}
	whole, err := e.stored.Whole(ctx, spec.Ref{Name: ref.Name, Digest: spec.Digest(made.Index.Digest.String())})
	if err != nil {
		return fmt.Errorf("%s: %w", made.Ref(), err)
	}
	if by == nil {
		return p.push(ctx, whole, ref)
	}
	signatures, err := by.artifacts(whole.Top, ref.Name, nil)
	if err != nil {
		return fmt.Errorf("sign %s: %w", ref, err)
	}
	return p.push(ctx, whole, ref, signatures...)
}
