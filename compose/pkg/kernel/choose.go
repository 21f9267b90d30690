package kernel

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// choose reads the modules that go into the image: those that are wanted and, round
// by round, those that the last ones need. They come sorted by path.
func (p *pack) choose(ctx context.Context, o Options) ([]*module, error) {
	if err := p.known(o.Modules); err != nil {
		return nil, err
	}
	c := chooser{pack: p, workers: max(o.Workers, 1), read: map[string]*module{}}
	wanted := slices.Sorted(maps.Keys(p.modules))
	if o.Modules != nil {
		wanted = nil
		for _, name := range o.Modules {
			wanted = append(wanted, normal(name))
		}
	}
	chosen := map[string]*module{}
	for len(wanted) > 0 {
		if err := c.get(ctx, wanted); err != nil {
			return nil, err
		}
		var next []string
		for _, name := range wanted {
			m := c.read[name]
			if m == nil || chosen[name] != nil {
				continue
			}
			chosen[name] = m
			needed, err := c.needs(ctx, m)
			if err != nil {
				return nil, err
			}
			next = append(next, needed...)
		}
		wanted = next
	}
	return slices.SortedFunc(maps.Values(chosen), func(a, b *module) int { return strings.Compare(a.path, b.path) }), nil
}

// known finds the names that the kernel has neither as a module nor built in.
func (p *pack) known(names []string) error {
	var errs []error
	for _, name := range names {
		if p.modules[normal(name)] != nil || p.builtin[normal(name)] {
			continue
		}
		hint := ""
		if near := nearest(normal(name), slices.Sorted(maps.Keys(p.modules))); near != "" {
			hint = fmt.Sprintf(": did you mean %s", near)
		}
		errs = append(errs, fmt.Errorf("it has no module %s%s", name, hint))
	}
	return errors.Join(errs...)
}

// chooser reads modules, each once.
type chooser struct {
	*pack
	workers int
	read    map[string]*module
	aliased map[string][]string // names of modules by alias; nil until it is needed
}

// get reads the named modules that have not been read. Names that are no modules
// are built in.
func (c *chooser) get(ctx context.Context, names []string) error {
	names = slices.Sorted(slices.Values(names))
	names = slices.DeleteFunc(slices.Compact(names), func(name string) bool {
		return c.read[name] != nil || c.modules[name] == nil
	})
	results := make([]*module, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(c.workers)
	for i, name := range names {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			e := c.modules[name]
			m, err := readModule(name, strings.TrimPrefix(e.Path, c.dir+"/"), e)
			results[i] = m
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, m := range results {
		c.read[m.name] = m
	}
	return nil
}

// needs returns what has to come with a module.
func (c *chooser) needs(ctx context.Context, m *module) ([]string, error) {
	var names []string
	for _, name := range m.depends {
		if c.modules[name] == nil && !c.builtin[name] {
			return nil, fmt.Errorf("%s needs the module %s, which is not among the files", m.path, name)
		}
		names = append(names, name)
	}
	for _, word := range m.soft() {
		name := normal(word)
		if c.modules[name] != nil || c.builtin[name] {
			names = append(names, name)
			continue
		}
		if err := c.readAliases(ctx); err != nil {
			return nil, err
		}
		names = append(names, c.aliased[name]...)
	}
	return names, nil
}

// readAliases reads every module: a soft dependency may name an alias, such as
// crypto-md5. Few modules have such ones.
func (c *chooser) readAliases(ctx context.Context) error {
	if c.aliased != nil {
		return nil
	}
	if err := c.get(ctx, slices.Collect(maps.Keys(c.modules))); err != nil {
		return err
	}
	c.aliased = map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(c.read)) {
		for _, alias := range c.read[name].aliases {
			c.aliased[normal(alias)] = append(c.aliased[normal(alias)], name)
		}
	}
	return nil
}

// nearest returns the candidate that takes the fewest edits to become name, the
// first of these, or "" if none is near.
func nearest(name string, candidates []string) string {
	best, limit := "", len(name)/3+1
	for _, candidate := range candidates {
		if d := distance(name, candidate); d < limit {
			best, limit = candidate, d
		}
	}
	return best
}

// distance counts the letters to insert, delete or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := left
			if a[i] != b[j] {
				cost++
			}
			left, row[j+1] = row[j+1], min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
