package flatten_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/flatten"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/compose/rootfs/rootfstest"
)

// layers makes layers of texts, lowest first.
func layers(texts ...string) [][]rootfs.Entry {
	var all [][]rootfs.Entry
	for _, text := range texts {
		var l []rootfs.Entry
		for _, e := range rootfs.Sort(rootfstest.Parse(text)) {
			l = append(l, *e)
		}
		all = append(all, l)
	}
	return all
}

// format lists entries, with the names of one file as hard links.
func format(entries []*rootfs.Entry) string {
	first := map[uint32]string{}
	var named []*rootfs.Entry
	for _, e := range entries {
		c := *e
		if c.Inode != 0 && first[c.Inode] != "" {
			c.First = first[c.Inode]
		} else {
			first[c.Inode] = c.Path
		}
		named = append(named, &c)
	}
	return rootfstest.Format(slices.Values(named))
}

func TestLayers(t *testing.T) {
	for _, c := range []struct {
		name   string
		layers []string
		want   string
	}{
		{"a whiteout hides", []string{"file a x\nfile b x", "wh a"}, "file b x"},
		{"a whiteout hides a whole directory", []string{"dir a 0755\nfile a/b x\nfile a-b x", "wh a"}, "file a-b x"},
		{"a whiteout does not hide its own layer", []string{"dir a 0755\nfile a/old x", "wh a\ndir a 0700\nfile a/new x"}, "dir a 0700\nfile a/new x"},
		{"a whiteout of the lowest layer hides nothing", []string{"wh a\nfile b x"}, "file b x"},
		{"a whiteout hides what comes back later", []string{"file a x", "wh a", "file a y"}, "file a y"},
		{"opaque hides what is below, not the directory", []string{"dir a 0700\nfile a/b x\nfile b x", "opq a\nfile a/c x"}, "dir a 0700\nfile a/c x\nfile b x"},
		{"opaque with the directory itself", []string{"dir a 0700\nfile a/b x", "opq a\ndir a 0711"}, "dir a 0711"},
		{"opaque root", []string{"file a x\nfile b/c x", "opq /\nfile d x"}, "file d x"},
		{"directories merge and the upper's mode counts", []string{"dir a 0755\nfile a/b x", "dir a 0700\nfile a/c x"}, "dir a 0700\nfile a/b x\nfile a/c x"},
		{"a file replaces a directory and all in it", []string{"dir a 0755\nfile a/b x", "file a y"}, "file a y"},
		{"a link replaces a directory and all in it", []string{"dir a 0755\nfile a/b x", "sym a c"}, "sym a c"},
		{"a directory replaces a file", []string{"file a x", "dir a 0755\nfile a/b x"}, "dir a 0755\nfile a/b x"},
		{"a directory replaces a link", []string{"sym a b\ndir b 0755", "dir a 0700\nfile a/x y"}, "dir a 0700\nfile a/x y\ndir b 0755"},
		{"what lies below a lower link lies where it leads", []string{"sym lib usr/lib\ndir usr/lib 0755", "file lib/modules/x y"}, "sym lib usr/lib\ndir usr 0755\ndir usr/lib 0755\ndir usr/lib/modules 0755\nfile usr/lib/modules/x y"},
		{"also a whiteout", []string{"sym lib usr/lib\ndir usr/lib 0755\nfile usr/lib/x y", "wh lib/x"}, "sym lib usr/lib\ndir usr 0755\ndir usr/lib 0755"},
		{"not below a link that its layer hides", []string{"sym lib usr/lib", "wh lib\nfile lib/x y"}, "dir lib 0755\nfile lib/x y"},
		{"not below a link that its layer replaces", []string{"sym lib usr/lib", "dir lib 0755\nfile lib/x y"}, "dir lib 0755\nfile lib/x y"},
		{"a hard link to a lower layer", []string{"file a x", "hard b a"}, "file a x\nfile b = a"},
		{"a hard link to a lower layer, the target being hidden", []string{"file a x", "wh a\nhard b a"}, "file b x"},
		{"a hard link to a lower layer, the target being replaced", []string{"file a x", "file a y\nhard b a"}, "file a y\nfile b x"},
		{"hard links over three layers", []string{"file a x inode=1\nfile b x inode=1", "file c y inode=1\nfile d y inode=1\nhard e a", "hard f e"}, "file a x\nfile b = a\nfile c y\nfile d = c\nfile e = a\nfile f = a"},
		{"a hard link through a symbolic link", []string{"sym lib usr/lib\nfile usr/lib/x y", "hard z lib/x"}, "sym lib usr/lib\ndir usr 0755\ndir usr/lib 0755\nfile usr/lib/x y\nfile z = usr/lib/x"},
		{"a hard link through a symbolic link to a file of its own layer", []string{"sym lib l\ndir l 0755\nfile l/x old", "file l/x new\nhard z lib/x"}, "dir l 0755\nfile l/x new\nsym lib l\nfile z = l/x"},
		{"a hard link to a file that its layer wrote through a symbolic link", []string{"sym lib l\ndir l 0755", "file lib/x new\nhard a l/x"}, "file a new\ndir l 0755\nfile l/x = a\nsym lib l"},
		{"a hard link through a symbolic link of its own layer", []string{"dir l 0755\nfile l/x old", "sym lib l\nhard z lib/x"}, "dir l 0755\nfile l/x old\nsym lib l\nfile z = l/x"},
		{"all in one layer", []string{"dir l 0755\nfile l/x new\nsym lib l\nhard z lib/x\nhard zz lib/x"}, "dir l 0755\nfile l/x new\nsym lib l\nfile z = l/x\nfile zz = l/x"},
		{"a hard link to a hard link through a symbolic link", []string{"dir l 0755\nfile a x\nsym lib l", "hard l/x a\nhard b lib/x"}, "file a x\nfile b = a\ndir l 0755\nfile l/x = a\nsym lib l"},
		{"a link that lies below a link leads too", []string{"sym b .\nfile lib x\ndir l 0755", "sym b/lib l\nfile lib/x y"}, "sym b .\ndir l 0755\nfile l/x y\nsym lib l"},
		{"a directory over a file, by way of a link", []string{"sym lib l\nfile l/x f", "dir lib/x 0700\nfile lib/x/y z"}, "dir l 0755\ndir l/x 0700\nfile l/x/y z\nsym lib l"},
		{"a directory over a link, by way of a link", []string{"sym lib l\nsym l/x ../m\ndir m 0755", "dir lib/x 0700\nfile lib/x/y z"}, "dir l 0755\ndir l/x 0700\nfile l/x/y z\nsym lib l\ndir m 0755"},
		{"a link over a directory, by way of a link", []string{"sym lib l\nfile l/x/f y\ndir m 0755", "sym lib/x ../m\nfile lib/x/y z"}, "dir l 0755\nsym l/x ../m\nsym lib l\ndir m 0755\nfile m/y z"},
		{"an opaque whiteout by way of a link", []string{"sym lib l\nfile l/x y\nfile m z", "opq lib\nfile lib/x/y z"}, "dir l 0755\ndir l/x 0755\nfile l/x/y z\nsym lib l\nfile m z"},
		{"an opaque whiteout of what the layer makes a link", []string{"dir a 0755\nfile a/x y", "opq a\nsym a a"}, "sym a a"},
		{"directories that no layer names are made", []string{"file a/b/c x"}, "dir a 0755\ndir a/b 0755\nfile a/b/c x"},
		{"and stay when what is in them goes", []string{"file a/b/c x", "wh a/b/c"}, "dir a 0755\ndir a/b 0755"},
		{"and are hidden like others", []string{"file a/b/c x", "wh a/b"}, "dir a 0755"},
		{"and named by a later layer", []string{"file a/b x", "dir a 0700"}, "dir a 0700\nfile a/b x"},
		{"the first name removed", []string{"file a x inode=1\nfile b x inode=1\nfile c x inode=1", "wh a"}, "file b x\nfile c = b"},
		{"a hard link to a symbolic link is that link again", []string{"sym a t", "hard b a"}, "sym a t\nsym b t"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := layers(c.layers...)
			before := fmt.Sprint(in)
			got, err := flatten.Layers(in)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(rootfstest.Lines(c.want), format(got)); d != "" {
				t.Error(d)
			}
			if fmt.Sprint(in) != before {
				t.Error("the layers were changed; other images share them")
			}
		})
	}
}

func TestLayersRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		layers []string
		want   string
	}{
		{"a hard link to nothing", []string{"file a x", "hard b c"}, "layer 2: b: hard link to c, which is not a file of a lower layer"},
		{"a hard link to a directory", []string{"dir a 0755", "hard b a"}, "layer 2: b: hard link to a, which is not a file of a lower layer"},
		{"a hard link in the lowest layer", []string{"hard b a"}, "layer 1: b: hard link to a, which is not a file of a lower layer"},
		{"a loop of links", []string{"sym a b\nsym b a", "file a/x y"}, "layer 2: a/x: too many symbolic links"},
		{"an entry below a file of a lower layer", []string{"file a x", "file a/b/c y"}, "layer 2: a is a file, and something lies below it: not a directory"},
		{"hard links that name each other", []string{"sym l .", "hard a l/b\nhard b l/a"}, "layer 2: b: hard link to l/a: too many symbolic links"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := flatten.Layers(layers(c.layers...)); err == nil || err.Error() != c.want {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// TestLayersAsOneAfterTheOther compares with the plainest way there is: apply
// each layer, entry by entry, to a map of paths.
func TestLayersAsOneAfterTheOther(t *testing.T) {
	for seed := range int64(2000) {
		r := rand.New(rand.NewSource(seed))
		var texts []string
		for n := range 1 + r.Intn(4) {
			texts = append(texts, someLayer(r, n))
		}
		want, ok := plainly(layers(texts...))
		got, err := flatten.Layers(layers(texts...))
		if !ok && errors.Is(err, rootfs.ErrNotDir) {
			continue
		}
		if err != nil || !ok {
			t.Fatalf("seed %d: error %v, want one: %v\n%s", seed, err, !ok, strings.Join(texts, "---\n"))
		}
		if d := cmp.Diff(want, format(got)); d != "" {
			t.Fatalf("seed %d:\n%s\n%s", seed, strings.Join(texts, "---\n"), d)
		}
	}
}

// someLayer is a random layer that is consistent in itself: no entry below a
// file of its own.
func someLayer(r *rand.Rand, n int) string {
	names := []string{"a", "b", "a-b", "a/a", "a/b", "a/a-b", "a/a/a", "b/a", "b/a/b"}
	var b strings.Builder
	closed := []string{}
	for _, name := range names {
		if r.Intn(2) == 0 || slices.ContainsFunc(closed, func(c string) bool { return rootfs.Below(name, c) }) {
			continue
		}
		switch r.Intn(5) {
		case 0:
			fmt.Fprintf(&b, "dir %s 07%d%d\n", name, n, n)
		case 1:
			fmt.Fprintf(&b, "wh %s\n", name)
		case 2:
			fmt.Fprintf(&b, "opq %s\n", name)
		default:
			fmt.Fprintf(&b, "file %s of-layer-%d\n", name, n)
			closed = append(closed, name)
		}
	}
	return b.String()
}

// plainly returns false where something lies below a file.
func plainly(layers [][]rootfs.Entry) (text string, ok bool) {
	tree := map[string]*rootfs.Entry{}
	remove := func(path string, self bool) {
		for p := range tree {
			if rootfs.Below(p, path) || self && p == path {
				delete(tree, p)
			}
		}
	}
	for _, l := range layers {
		for _, e := range l {
			switch e.Type {
			case rootfs.Whiteout:
				remove(e.Path, true)
			case rootfs.Opaque:
				remove(e.Path, false)
			}
		}
		for _, e := range l {
			if e.Type != rootfs.Whiteout && e.Type != rootfs.Opaque {
				if e.Type != rootfs.Dir {
					remove(e.Path, true)
				}
				tree[e.Path] = &e
			}
		}
		for p := range maps.Clone(tree) {
			for dir := rootfs.Parent(p); dir != ""; dir = rootfs.Parent(dir) {
				if d := tree[dir]; d != nil && d.Type != rootfs.Dir {
					return "", false
				} else if d == nil {
					tree[dir] = rootfs.MadeDir(dir, 0o755)
				}
			}
		}
	}
	var all []*rootfs.Entry
	for _, e := range tree {
		all = append(all, e)
	}
	return format(rootfs.Sort(all)), true
}

func TestRootfs(t *testing.T) {
	const ours = `
		dir dev 0755
		dir dev/pts 0755
		dir dev/shm 0755
		dir etc 0755
		file etc/hosts -
		sym etc/mtab /proc/mounts
		file etc/resolv.conf -
		dir proc 0755
		dir sys 0755
	`
	for _, c := range []struct {
		name, image string
		kind        flatten.Kind
		want        string
	}{
		{"an empty image", "", flatten.Container, ours},
		{"a system's resolv.conf is a link", "", flatten.System, strings.Replace(ours, "file etc/resolv.conf -", "sym etc/resolv.conf /run/resolvconf/resolv.conf", 1)},
		{
			"what the image says of a directory stays", "dir dev 0700\ndir proc 0555", flatten.Container,
			strings.NewReplacer("dir dev 0755", "dir dev 0700", "dir proc 0755", "dir proc 0555").Replace(ours),
		},
		{"what a machine left is dropped", "file .dockerenv x\nfile Dockerfile x\nfile dev/console x\nfile etc/hostname x\nfile dev/pts/0 x\nfile etc/hosts x", flatten.Container, ours},
		{"an mtab of the image's own stays", "file etc/mtab x", flatten.Container, strings.Replace(ours, "sym etc/mtab /proc/mounts", "file etc/mtab x", 1)},
		{"a link in the way of an mtab of the image's own", "sym etc conf\ndir conf 0755\nfile conf/mtab x\ndir dev/pts 0755", flatten.Container, `
			dir conf 0755
			file conf/hosts -
			file conf/mtab x
			file conf/resolv.conf -
			dir dev 0755
			dir dev/pts 0755
			dir dev/shm 0755
			sym etc conf
			dir proc 0755
			dir sys 0755
		`},
		{"etc as a link", "sym etc conf\ndir conf 0755", flatten.Container, `
			dir conf 0755
			file conf/hosts -
			sym conf/mtab /proc/mounts
			file conf/resolv.conf -
			dir dev 0755
			dir dev/pts 0755
			dir dev/shm 0755
			sym etc conf
			dir proc 0755
			dir sys 0755
		`},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, err := flatten.Rootfs(rootfs.Sort(rootfstest.Parse(c.image)), c.kind)
			if err != nil {
				t.Fatal(err)
			}
			var hidden []*rootfs.Entry
			for _, e := range files {
				f := *e
				if f.Made && f.Type == rootfs.File {
					f.Body, f.Size = strings.NewReader("-"), 1
				}
				hidden = append(hidden, &f)
			}
			if d := cmp.Diff(rootfstest.Lines(c.want), format(hidden)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestBelow(t *testing.T) {
	image := rootfs.Sort(rootfstest.Parse("dir / 0711\nfile a x"))
	laid := flatten.Below("p/q", "from here", image)
	if got, want := format(laid), "dir p/q 0711\nfile p/q/a x\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if laid[1].Origin != "from here" || image[1].Origin != "" || image[1].Path != "a" {
		t.Errorf("origin %q; the image now has %q at %q", laid[1].Origin, image[1].Origin, image[1].Path)
	}
}

func BenchmarkLayers(b *testing.B) {
	var lower, upper strings.Builder
	for i := range 30000 {
		fmt.Fprintf(&lower, "file usr/share/dir-%03d/file-%d x\n", i%300, i)
	}
	for i := range 500 {
		fmt.Fprintf(&upper, "file usr/share/dir-%03d/file-%d y\n", i%300, i)
	}
	in := layers(lower.String(), upper.String())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := flatten.Layers(in); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/30500, "ns/entry")
}
