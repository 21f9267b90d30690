package compose_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/compose/trust"
	"github.com/composeos/compose/spec"
)

const twoServices = `services: [{name: a, image: "init:1"}, {name: b, image: "web:1"}]`

func TestResolveFirst(t *testing.T) {
	w := newWorkshop(t, base)
	lock, changes, err := w.resolve(w.parse(twoServices), nil)
	if err != nil {
		t.Fatal(err)
	}
	if changes != nil || lock.Epoch != 100 || lock.Timestamps != spec.Clamp {
		t.Errorf("changes %v, epoch %d, timestamps %s", changes, lock.Epoch, lock.Timestamps)
	}
	if d := cmp.Diff(map[string]uint32{"a": 100, "b": 101}, lock.IDs); d != "" {
		t.Error(d)
	}
	web, ok := lock.Image("docker.io/library/web:1")
	if !ok || web.Unsigned != "accepted" || len(web.Platforms["linux/amd64"].Layers) != 2 {
		t.Errorf("web is locked as %+v", web)
	}
}

func TestResolveEpoch(t *testing.T) {
	given := int64(42)
	for _, c := range []struct {
		name, manifest string
		change         func(*compose.ResolveOptions)
		want           int64
	}{
		{"the newest image's", twoServices, nil, 100},
		{"the one that was given", twoServices, func(o *compose.ResolveOptions) { o.Epoch = &given }, 42},
		{"no image says", `init: ["data:1"]`, nil, rootfs.DefaultModTime},
		{"no image at all", `files: [{path: a, contents: x}]`, nil, rootfs.DefaultModTime},
	} {
		w := newWorkshop(t, base)
		lock, _, err := w.resolve(w.parse(c.manifest), c.change)
		if err != nil {
			t.Fatal(err)
		}
		if lock.Epoch != c.want {
			t.Errorf("%s: epoch %d, want %d", c.name, lock.Epoch, c.want)
		}
	}
}

// TestResolveAgain walks through the life of a lock.
func TestResolveAgain(t *testing.T) {
	w := newWorkshop(t, base)
	m := w.parse(twoServices)
	first, _, err := w.resolve(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	locked := func(change func(*compose.ResolveOptions)) (*spec.Lock, []compose.Change, error) {
		return w.resolve(m, func(o *compose.ResolveOptions) {
			o.Old, o.Add, o.Accept = first, false, nil
			if change != nil {
				change(o)
			}
		})
	}
	newer := newPlace(t, map[string]testImage{"docker.io/library/web:1": {layers: []string{"file bin/web v3"}, created: 500}})
	w.place["docker.io/library/web:1"], newer["old"] = newer["docker.io/library/web:1"], w.place["docker.io/library/web:1"]

	lock, changes, err := locked(nil)
	if err != nil || changes != nil || !cmp.Equal(lock, first) {
		t.Errorf("a tag that moved moves a pin: %v, %v", changes, err)
	}
	_, _, err = locked(func(o *compose.ResolveOptions) { o.Add, o.Update = true, []string{"b"} })
	var uncovered *trust.UncoveredError
	if !errors.As(err, &uncovered) || !strings.Contains(err.Error(), "docker.io/library/web:1") {
		t.Errorf("a pin moved, and nobody had to say that it is unsigned: %v", err)
	}
	lock, changes, err = locked(func(o *compose.ResolveOptions) {
		o.Add, o.Update, o.Accept = true, []string{"b"}, compose.Accept{"docker.io/library/web"}
	})
	if err != nil || lock.Epoch != 500 || len(changes) != 2 || changes[0].Name != "image docker.io/library/web:1" || changes[1].Name != "epoch" {
		t.Errorf("update b: %v, %v", changes, err)
	}
	if _, _, err = locked(func(o *compose.ResolveOptions) { o.Update = []string{"c"} }); err == nil || !strings.Contains(err.Error(), `no image or container "c"`) {
		t.Errorf("update of nothing: %v", err)
	}
}

func TestResolveAnotherManifest(t *testing.T) {
	w := newWorkshop(t, base)
	first, _, err := w.resolve(w.parse(twoServices), nil)
	if err != nil {
		t.Fatal(err)
	}
	more := w.parse(`services: [{name: b, image: "web:1"}, {name: c, image: "runc:1"}]`)
	_, _, err = w.resolve(more, func(o *compose.ResolveOptions) { o.Old, o.Add = first, false })
	var unpinned *compose.UnpinnedError
	if !errors.As(err, &unpinned) || unpinned.Name != "docker.io/library/runc:1" {
		t.Errorf("a reference that the lock lacks: %v", err)
	}
	less := w.parse(`services: [{name: b, image: "web:1"}]`)
	lock, _, err := w.resolve(less, func(o *compose.ResolveOptions) { o.Old, o.Add = first, false })
	if err != nil || len(lock.Images) != 2 {
		t.Errorf("a build drops a pin that it does not use: %v", err)
	}
	lock, changes, err := w.resolve(less, func(o *compose.ResolveOptions) { o.Old = first })
	if err != nil || len(lock.Images) != 1 || lock.IDs["b"] != 101 {
		t.Errorf("a new lock: %v, %v, ids %v", changes, err, lock.IDs)
	}
	if _, _, err := w.resolve(less, func(o *compose.ResolveOptions) { o.Old, o.Add, o.Frozen = first, false, true }); err == nil || !strings.Contains(err.Error(), "-frozen") {
		t.Errorf("ids changed under -frozen: %v", err)
	}
	if _, _, err := w.resolve(less, func(o *compose.ResolveOptions) { o.Frozen = true }); err == nil || !strings.Contains(err.Error(), "no lock") {
		t.Errorf("-frozen makes a lock: %v", err)
	}
}

func TestResolveRecordsSources(t *testing.T) {
	w := newWorkshop(t, nil)
	w.write("sub/motd", "hello")
	m := w.parse(`files: [{path: a, source: sub/motd}, {path: b, source: gone, optional: true}, {path: c, source: sub/motd}]`)
	lock, _, err := w.resolve(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []spec.LockedFile{{Source: "gone", Absent: true}, {Source: "sub/motd", Digest: spec.DigestOf([]byte("hello")), Size: 5}}
	if d := cmp.Diff(want, lock.Files); d != "" {
		t.Error(d)
	}
	w.write("sub/motd", "changed")
	again, changes, err := w.resolve(m, func(o *compose.ResolveOptions) { o.Old, o.Add = lock, false })
	if err != nil || len(changes) != 1 || changes[0].Name != "source sub/motd" || !changes[0].Local || again.Files[1].Size != 7 {
		t.Errorf("changes %v, %v", changes, err)
	}
	if _, _, err := w.resolve(m, func(o *compose.ResolveOptions) { o.Old, o.Frozen = lock, true }); err == nil {
		t.Error("-frozen lets a local input change")
	}
}

// TestInputs holds that Inputs moves with everything that decides an image's
// bytes, and with nothing else.
func TestInputs(t *testing.T) {
	w := newWorkshop(t, base)
	m := w.parse(twoServices)
	lock, _, err := w.resolve(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	inputs := func(m *spec.Manifest, change func(*spec.Lock), p spec.Platform) spec.Digest {
		data, err := lock.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		l, err := spec.ParseLock("lock", data)
		if err != nil {
			t.Fatal(err)
		}
		change(l)
		d, err := compose.Inputs(m, l, p)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	arm64 := spec.Platform{OS: "linux", Architecture: "arm64"}
	same := func(*spec.Lock) {}
	was := inputs(m, same, amd64)
	for name, moved := range map[string]spec.Digest{
		"epoch":    inputs(m, func(l *spec.Lock) { l.Epoch++ }, amd64),
		"pin":      inputs(m, func(l *spec.Lock) { l.Images[0].Digest = spec.DigestOf(nil) }, amd64),
		"id":       inputs(m, func(l *spec.Lock) { l.IDs["a"] = 7 }, amd64),
		"platform": inputs(m, same, arm64),
		"manifest": inputs(w.parse(twoServices+"\ntimestamps: fixed"), same, amd64),
	} {
		if moved == was {
			t.Errorf("%s does not count", name)
		}
	}
	for name, stays := range map[string]spec.Digest{
		"signature":         inputs(m, func(l *spec.Lock) { l.Images[0].Unsigned = "" }, amd64),
		"a pin of no use":   inputs(m, func(l *spec.Lock) { l.Images = append(l.Images, spec.LockedImage{Name: "docker.io/library/z:1"}) }, amd64),
		"another platform":  inputs(m, func(l *spec.Lock) { l.Images[0].Platforms["linux/arm64"] = spec.LockedPlatform{} }, amd64),
		"order in the lock": inputs(m, func(l *spec.Lock) { l.Images[0], l.Images[1] = l.Images[1], l.Images[0] }, amd64),
	} {
		if stays != was {
			t.Errorf("%s counts", name)
		}
	}
}
