package main

import (
	"flag"
	"fmt"

	"github.com/composeos/compose/compose/trust"
	"github.com/composeos/compose/spec"
)

// trustFlags are the flags that say which signatures are demanded.
type trustFlags struct {
	file string // a site's own policy
}

func (f *trustFlags) define(fs *flag.FlagSet) { fs.StringVar(&f.file, "trust", "", "") }

// policy returns the policy that m is held against: its trust section, or the site's
// own, to which the section's deny is added.
func (f *trustFlags) policy(m *spec.Manifest) (*trust.Policy, error) {
	section, denied, err := f.section(m)
	if err != nil {
		return nil, err
	}
	return trust.Load(section, readFile, denied...)
}

// section returns the section that m is held against, nil where there is none, and
// what is denied besides.
func (f *trustFlags) section(m *spec.Manifest) (*spec.Trust, []spec.TrustDeny, error) {
	if f.file == "" {
		return m.Trust, nil, nil
	}
	data, err := readFile(f.file)
	if err != nil {
		return nil, nil, fmt.Errorf("flag -trust: %w", err)
	}
	site, err := spec.ParseTrust(f.file, data)
	if whole, wrong := spec.Parse(f.file, data); err != nil && wrong == nil && whole.Trust != nil {
		return nil, nil, hinted("flag -trust: "+f.file+" is a whole manifest",
			`write a file of what stands under trust in it; "compose trust verify" takes the manifest with -manifest FILE`)
	}
	if err != nil || m.Trust == nil {
		return site, nil, err
	}
	return site, []spec.TrustDeny{m.Trust.Deny}, nil
}
