package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/composeos/compose/outputs"
	"github.com/composeos/compose/test/fixture"
)

// planting is a difference that is planted: one letter of one file of one package.
type planting struct {
	line         string // begins every line of it
	image, path  string
	old, planted string
	not          []string // ends of names of files that hold nothing of it
	entries      []string // the paths of the system that differ, where a file holds them
	named        []string // what "compose inspect" may call what differs
	explained    []explanation
}

// plantings are all of them.
func plantings() []planting {
	const c = "containers/services/hello/lower/srv/data/c"
	return []planting{
		{
			line: "planted: one byte of one package", image: "hello", path: "srv/data/c", old: "c", planted: "C",
			not: []string{"-kernel", "-cmdline"}, entries: []string{c}, named: []string{c},
			explained: []explanation{
				{file: ".tar", names: []string{c}},
				{file: "-initrd.tar", names: []string{"initrd.img", c}},
				{file: ".iso", bare: true, names: []string{"boot/initrd.img", c}},
			},
		},
		{
			line: "planted: one byte of the kernel", image: "kernel", path: "kernel", old: "a kernel", planted: "A kernel",
			not: []string{"-initrd.img", "-cmdline"}, entries: []string{"boot/kernel"},
			named: []string{"boot/kernel", "image: boot/kernel", "partition 1: boot/kernel", "part .linux", "part kernel"},
			explained: []explanation{
				{file: ".tar", names: []string{"boot/kernel"}},
				{file: "-initrd.tar", names: []string{"kernel"}},
				{file: ".iso", names: []string{"boot/kernel"}},
			},
		},
	}
}

// plant changes one byte of the planted file.
func (p planting) plant(image, path string, content []byte) []byte {
	if image == p.image && path == p.path {
		return bytes.Replace(content, []byte(p.old), []byte(p.planted), 1)
	}
	return content
}

// in is the subject with the planted difference.
func (p planting) in(l *lab, s *subject) *subject {
	changed := *s
	changed.fill = func(in string) error { return l.fillFixture(in, fixture.Options{Edit: p.plant}) }
	return &changed
}

// planted shows that the matrix can fail: a package with one byte changed has to
// change the lock and every file but those that hold nothing of that package,
// and the changed file has to be named.
func (l *lab) planted(ctx context.Context, s *subject, p planting) error {
	fail := func(verdict string, err error) error {
		l.wrong++
		l.line(s, p.line, "-", verdict)
		l.why(err)
		return fmt.Errorf("%s: %s: %w", s.name, p.line, err)
	}
	watch := start()
	dir := s.kept + "-planted"
	got, err := l.keep(ctx, p.in(l, s), dir)
	if err != nil {
		return fail("FAILED", err)
	}
	names, err := p.foundIn(s, got)
	if err != nil {
		return fail("NOT FOUND", err)
	}
	l.line(s, p.line, got.digest(), "found      "+watch.stop())
	for _, name := range names {
		shown, err := l.inspected(ctx, s, p, name)
		if err != nil {
			return fail("NOT SHOWN", err)
		}
		l.line(s, p.line+": compose inspect", "", name+": "+shown)
	}
	if err := l.explained(ctx, s, p); err != nil {
		return fail("NOT SHOWN", err)
	}
	l.right++
	return os.RemoveAll(dir)
}

// keep builds s plainly and leaves its outputs in dir.
func (l *lab) keep(ctx context.Context, s *subject, dir string, formats ...outputs.Format) (result, error) {
	place, err := l.place(l.scratch)
	if err != nil {
		return nil, err
	}
	run := newRun(l, s, place)
	run.keep = dir
	if formats != nil {
		run.formats = formats
	}
	got, err := run.vary(ctx, row{})
	return got, errors.Join(err, run.close())
}

// foundIn returns the names of the files, but the lock, that the planted
// difference shows in, which has to be every one that holds it.
func (p planting) foundIn(s *subject, got result) (names []string, err error) {
	lock := filepath.Base(s.lock())
	for _, name := range slices.Sorted(maps.Keys(s.want)) {
		same := slices.ContainsFunc(p.not, func(end string) bool { return name == s.stem()+end })
		switch differs := got[name] != s.want[name]; {
		case differs && same:
			return nil, fmt.Errorf("%s differs, which holds nothing of that package", name)
		case !differs && !same:
			return nil, fmt.Errorf("%s does not differ", name)
		case differs && name != lock:
			names = append(names, name)
		}
	}
	return names, nil
}

// inspected wants "compose inspect" to show the planted difference between the file
// of that name and the first row's, and no other path of the system. It returns
// what says where that is.
func (l *lab) inspected(ctx context.Context, s *subject, p planting, name string) (string, error) {
	a, errA := l.inspect(ctx, s, filepath.Join(s.kept, name))
	b, errB := l.inspect(ctx, s, filepath.Join(s.kept+"-planted", name))
	if err := errors.Join(errA, errB); err != nil {
		return "", err
	}
	if entries := differing(a.entries, b.entries); len(entries) > 0 && !slices.Equal(entries, p.entries) {
		return "", fmt.Errorf("%s: compose inspect shows these paths different: %q", name, entries)
	}
	all := slices.Concat(differing(a.entries, b.entries), differing(a.others, b.others))
	i := slices.IndexFunc(all, func(what string) bool { return slices.Contains(p.named, what) })
	if i < 0 {
		return "", fmt.Errorf("%s: compose inspect shows different what does not tell where: %q", name, all)
	}
	return all[i], nil
}
