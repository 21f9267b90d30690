package bundle

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/composeos/compose/spec"
)

// process returns the process of config.json (config.md, "Process").
func process(c spec.Config, ids map[string]uint32) (*specs.Process, error) {
	if len(c.Command) == 0 {
		return nil, errors.New("command: neither the image nor its label gives one: add a command")
	}
	cwd := c.Cwd
	if cwd == "" {
		cwd = "/"
	}
	if err := checkDestination(cwd); err != nil {
		return nil, fmt.Errorf("cwd: %w", err)
	}
	user, err := processUser(c, ids)
	if err != nil {
		return nil, err
	}
	caps, err := capabilities(c)
	if err != nil {
		return nil, err
	}
	limits, err := rlimits(c.Rlimits)
	if err != nil {
		return nil, err
	}
	return &specs.Process{
		User:            user,
		Args:            c.Command,
		Env:             c.Env,
		Cwd:             cwd,
		Capabilities:    caps,
		Rlimits:         limits,
		NoNewPrivileges: value(c.NoNewPrivileges),
		OOMScoreAdj:     c.OOMScoreAdj,
	}, nil
}

// processUser turns users and groups into numbers.
func processUser(c spec.Config, ids map[string]uint32) (specs.User, error) {
	var u specs.User
	var err error
	if u.UID, err = number(value(c.UID), ids); err != nil {
		return u, fmt.Errorf("uid: %w", err)
	}
	if u.GID, err = number(value(c.GID), ids); err != nil {
		return u, fmt.Errorf("gid: %w", err)
	}
	for i, id := range c.AdditionalGids {
		n, err := number(id, ids)
		if err != nil {
			return u, fmt.Errorf("additionalGids[%d]: %w", i, err)
		}
		u.AdditionalGids = append(u.AdditionalGids, n)
	}
	slices.Sort(u.AdditionalGids)
	u.AdditionalGids = slices.Compact(u.AdditionalGids)
	return u, nil
}

// number looks id up, and says which names there are where it is none of them.
func number(id spec.ID, ids map[string]uint32) (uint32, error) {
	n, err := id.Lookup(ids)
	if err == nil {
		return n, nil
	}
	known := "none has a number"
	if len(ids) > 0 {
		known = "there are " + strings.Join(slices.Sorted(maps.Keys(ids)), ", ")
	}
	return 0, fmt.Errorf("%w (%s)", err, known)
}

// capabilities returns the five sets of capabilities. Ambient capabilities must
// be inheritable and permitted too (capabilities(7)), so those sets are the sum;
// effective is only what was asked for. It is never nil: what a runtime does
// without the object is not specified.
func capabilities(c spec.Config) (*specs.LinuxCapabilities, error) {
	own, err := capabilitySet("capabilities", c.Capabilities)
	if err != nil {
		return nil, err
	}
	ambient, err := capabilitySet("ambient", c.Ambient)
	if err != nil {
		return nil, err
	}
	sum := slices.Concat(own, ambient)
	slices.Sort(sum)
	sum = slices.Compact(sum)
	return &specs.LinuxCapabilities{Bounding: sum, Effective: own, Inheritable: sum, Permitted: sum, Ambient: ambient}, nil
}

// capabilitySet returns the capabilities that names stands for, sorted. The
// words all and none stand alone and, as linuxkit has it, in any case.
func capabilitySet(key string, names []string) ([]string, error) {
	known := spec.Capabilities()
	if len(names) == 1 {
		switch strings.ToLower(names[0]) {
		case spec.AllCapabilities:
			return known, nil
		case spec.NoCapabilities:
			return nil, nil
		}
	}
	for _, name := range names {
		switch {
		case strings.EqualFold(name, spec.AllCapabilities) || strings.EqualFold(name, spec.NoCapabilities):
			return nil, fmt.Errorf("%s: %s stands beside other names: it must be the only one", key, name)
		case !slices.Contains(known, name):
			return nil, fmt.Errorf("%s: there is no capability %q: want names such as CAP_NET_ADMIN, or the single word all or none", key, name)
		}
	}
	set := slices.Sorted(slices.Values(names))
	return slices.Compact(set), nil
}

// rlimits returns the resource limits sorted by type; a type may stand there
// once (config.md, "POSIX process").
func rlimits(texts []string) ([]specs.POSIXRlimit, error) {
	var limits []specs.POSIXRlimit
	for _, text := range texts {
		limit, err := spec.ParseRlimit(text)
		if err != nil {
			return nil, fmt.Errorf("rlimits: %w", err)
		}
		same := func(l specs.POSIXRlimit) bool { return l.Type == limit.Type }
		if slices.ContainsFunc(limits, same) {
			return nil, fmt.Errorf("rlimits: %s is limited twice: keep one", limit.Type)
		}
		limits = append(limits, limit)
	}
	slices.SortFunc(limits, func(a, b specs.POSIXRlimit) int { return strings.Compare(a.Type, b.Type) })
	return limits, nil
}
