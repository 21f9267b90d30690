package bundle_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/pkgs/init/internal/bundle"
)

// goldens is what compose writes: the files that its own tests hold.
const goldens = "../../../../compose/bundle/testdata/golden"

// kernel notes what is done, a line each; fail is the line that fails.
type kernel struct {
	did  []string
	fail string
}

func (k *kernel) note(format string, args ...any) error {
	line := strings.TrimSpace(fmt.Sprintf(format, args...))
	k.did = append(k.did, line)
	if k.fail != "" && strings.HasPrefix(line, k.fail) {
		return errors.New("no")
	}
	return nil
}

func (k *kernel) Mount(source, target, fstype string, flags uintptr, data string) error {
	return k.note("mount %q %s %q %s %s", source, target, fstype, words(flags), data)
}

func (k *kernel) Unmount(target string, flags int) error {
	return k.note("unmount %s %d", target, flags)
}
func (k *kernel) Mkdir(path string) error  { return k.note("mkdir %s", path) }
func (k *kernel) Touch(path string) error  { return k.note("touch %s", path) }
func (k *kernel) Cgroup(path string) error { return k.note("cgroup %s", path) }

// words names the flags that the tests use.
func words(flags uintptr) string {
	var w []string
	for _, f := range []struct {
		name string
		bit  uintptr
	}{
		{"ro", unix.MS_RDONLY},
		{"nosuid", unix.MS_NOSUID},
		{"remount", unix.MS_REMOUNT},
		{"bind", unix.MS_BIND},
		{"rec", unix.MS_REC},
		{"private", unix.MS_PRIVATE},
		{"shared", unix.MS_SHARED},
	} {
		if flags&f.bit != 0 {
			w = append(w, f.name)
			flags &^= f.bit
		}
	}
	if flags != 0 {
		w = append(w, fmt.Sprintf("%#x", flags))
	}
	return "[" + strings.Join(w, " ") + "]"
}

func load(t *testing.T, runtime string) bundle.Bundle {
	t.Helper()
	r, err := bundle.ParseRuntime([]byte(runtime))
	if err != nil {
		t.Fatal(err)
	}
	return bundle.Bundle{Path: "/b/x", Kind: "b", Name: "x", Runtime: r}
}

func TestPrepare(t *testing.T) {
	for _, c := range []struct {
		name, mounts string
		want         []string
	}{
		{
			"writable", `{"destination":"/b/x/tmp","type":"tmpfs","source":"tmpfs"},
			{"destination":"/b/x/tmp","options":["remount","private"]},
			{"destination":"/b/x/rootfs","type":"overlay","source":"overlay","options":["lowerdir=/b/x/lower","upperdir=/b/x/tmp/upper","workdir=/b/x/tmp/work"]}`,
			[]string{
				`mkdir /b/x/tmp`, `mount "tmpfs" /b/x/tmp "tmpfs" []`, `mount "" /b/x/tmp "" [private]`,
				`mkdir /b/x/rootfs`, `mkdir /b/x/tmp/upper`, `mkdir /b/x/tmp/work`,
				`mount "overlay" /b/x/rootfs "overlay" [] lowerdir=/b/x/lower,upperdir=/b/x/tmp/upper,workdir=/b/x/tmp/work`,
			},
		},
		{
			"read-only", `{"destination":"/b/x/rootfs","source":"/b/x/rootfs","options":["bind"]}`,
			[]string{`mkdir /b/x/rootfs`, `mount "/b/x/rootfs" /b/x/rootfs "" [bind]`},
		},
		{
			"below the root filesystem", `{"destination":"data","type":"tmpfs","source":"tmpfs","options":["size=1m","nosuid","mode=700"]}`,
			[]string{`mkdir /b/x/rootfs/data`, `mount "tmpfs" /b/x/rootfs/data "tmpfs" [nosuid] size=1m,mode=700`},
		},
		{
			"a bind in steps", `{"destination":"/d","source":"/s","type":"bind","options":["rbind","ro","rshared"]}`,
			[]string{`mkdir /d`, `mount "/s" /d "" [bind rec]`, `mount "" /d "" [ro remount bind]`, `mount "" /d "" [rec shared]`},
		},
		{
			"the last word counts", `{"destination":"/d","source":"tmpfs","type":"tmpfs","options":["ro","defaults","rw"]}`,
			[]string{`mkdir /d`, `mount "tmpfs" /d "tmpfs" []`},
		},
		{
			"remounted with options", `{"destination":"/d","options":["remount","ro","private"]}`,
			[]string{`mount "" /d "" [ro remount]`, `mount "" /d "" [private]`},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := &kernel{}
			b := load(t, `{"cgroups":["g"],"mkdir":["/m"],"mounts":[`+c.mounts+`]}`)
			if err := b.Prepare(k); err != nil {
				t.Fatal(err)
			}
			if want := slices.Concat([]string{"cgroup g"}, c.want, []string{"mkdir /m"}); !slices.Equal(k.did, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(k.did, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

func TestPrepareTakesBack(t *testing.T) {
	k := &kernel{fail: `mount "c"`}
	b := load(t, `{"mounts":[{"destination":"/a","source":"a","type":"t"},{"destination":"/b","source":"b","type":"t"},{"destination":"/c","source":"c","type":"t"}]}`)
	err := b.Prepare(k)
	if err == nil || err.Error() != "mount c on /c: no" {
		t.Errorf("got %v", err)
	}
	if end := k.did[len(k.did)-2:]; !slices.Equal(end, []string{"unmount /b 0", "unmount /a 0"}) {
		t.Errorf("got %q", end)
	}
	k = &kernel{fail: "unmount /b 0"}
	b.Clean(k)
	if want := []string{"unmount /c 0", "unmount /b 0", "unmount /b 2", "unmount /a 0"}; !slices.Equal(k.did, want) {
		t.Errorf("got %q", k.did)
	}
}

func TestBindNamespaces(t *testing.T) {
	k := &kernel{}
	if err := load(t, `{"bindNS":{"net":"/run/netns/wg","uts":"","pid":"/run/p"}}`).BindNamespaces(k, 7); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"unmount /run/netns/wg 2", "touch /run/netns/wg", `mount "/proc/7/ns/net" /run/netns/wg "" [bind]`,
		"unmount /run/p 2", "touch /run/p", `mount "/proc/7/ns/pid" /run/p "" [bind]`,
	}
	if !slices.Equal(k.did, want) {
		t.Errorf("got %q", k.did)
	}
}

func TestRefused(t *testing.T) {
	for runtime, want := range map[string]string{
		`[]`: "cannot unmarshal", `{"mounts":[{}]}`: "has no destination", `{"mkdir":["/a/../b"]}`: "no path to use",
		`{"cgroups":["../x"]}`: "no path to use", `{"bindNS":{"net":"x"}}`: "not an absolute path", `{"bindNS":{"time":"/x"}}`: "no namespace",
		`{"interfaces":[{}]}`: "no name", `{"interfaces":[{"name":"a","add":"veth"}]}`: "needs a peer",
		`{"interfaces":[{"name":"0123456789abcdef"}]}`: "cannot name", `{"mounts":[{"destination":"a\u0000b"}]}`: "no path to use",
	} {
		if _, err := bundle.ParseRuntime([]byte(runtime)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", runtime, err)
		}
	}
}

func TestRunnable(t *testing.T) {
	for _, c := range []struct{ name, config, group, want string }{
		{
			"ours", `{"root":{"path":"rootfs","readonly":true},"linux":{"resources":{"memory":{"limit":9007199254740993}}},"x":1.50}`, "/b/x",
			`{"linux":{"cgroupsPath":"/b/x","resources":{"memory":{"limit":9007199254740993}}},"root":{"path":"/b/x/rootfs","readonly":true},"x":1.50}`,
		},
		{"its own", `{"linux":{"cgroupsPath":"compose/y"}}`, "/compose/y", `{"linux":{"cgroupsPath":"/compose/y"},"root":{"path":"/b/x/rootfs"}}`},
		{"elsewhere", `{"root":{"path":"/r"}}`, "/b/x", `{"linux":{"cgroupsPath":"/b/x"},"root":{"path":"/r"}}`},
		{"steps up", `{"linux":{"cgroupsPath":"../../y"}}`, "/y", `{"linux":{"cgroupsPath":"/y"},"root":{"path":"/b/x/rootfs"}}`},
		{"nothing", `null`, "/b/x", `{"linux":{"cgroupsPath":"/b/x"},"root":{"path":"/b/x/rootfs"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bundle.Bundle{Path: "/b/x", Kind: "b", Name: "x", Config: []byte(c.config)}
			got, group, err := b.Runnable()
			if err != nil || string(got) != c.want || group != c.group {
				t.Errorf("got %s, %s, %v", got, group, err)
			}
		})
	}
	for _, config := range []string{``, `[]`, `{"linux":1}`, `{"linux":{"cgroupsPath":1}}`, `{"root":1}`} {
		if _, _, err := (bundle.Bundle{Config: []byte(config)}).Runnable(); err == nil {
			t.Errorf("%q is a configuration", config)
		}
	}
}

// What compose writes is understood: every golden file of its bundles.
func TestGoldens(t *testing.T) {
	files, err := filepath.Glob(goldens + "/*.runtime.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		dir := filepath.Join(t.TempDir(), "services", strings.TrimSuffix(filepath.Base(file), ".runtime.json"))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"runtime", "config"} {
			data, err := os.ReadFile(strings.Replace(file, ".runtime.", "."+part+".", 1))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, part+".json"), data, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		b, err := bundle.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Prepare(&kernel{}); err != nil || b.Kind != "services" {
			t.Errorf("%s: %v", b.Name, err)
		}
		if config, _, err := b.Runnable(); err != nil || !json.Valid(config) {
			t.Errorf("%s: %v", b.Name, err)
		}
	}
	found, err := bundle.List(t.TempDir() + "/none")
	if err != nil || found != nil {
		t.Errorf("got %v, %v", found, err)
	}
}

// FuzzRuntime takes anything as runtime.json and config.json: nothing panics,
// every path that is used is absolute, and nothing is left mounted.
func FuzzRuntime(f *testing.F) {
	files, _ := filepath.Glob(goldens + "/*.json")
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil {
			f.Add(data)
		}
	}
	for _, seed := range []string{
		`{"mounts":[{"destination":"x","options":["upperdir","=","bind","rbind","ro","remount","shared","private"]}]}`,
		`{"mounts":[{"destination":"/","type":"overlay","options":["upperdir=","workdir=../x"]}],"mkdir":["",""]}`,
		`{"interfaces":[{"name":"a","peer":"b"}],"bindNS":{"net":"/x"},"cgroups":["","/"]}`, `null`, `{"mounts":null}`, "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b := bundle.Bundle{Path: "/b/x", Kind: "b", Name: "x", Config: data}
		if config, group, err := b.Runnable(); err == nil && (!json.Valid(config) || !filepath.IsAbs(group)) {
			t.Errorf("got %s in %s", config, group)
		}
		r, err := bundle.ParseRuntime(data)
		if err != nil {
			return
		}
		b.Runtime = r
		k := &kernel{fail: `mount "fail"`}
		_ = b.Prepare(k)
		b.Clean(k)
		_ = b.BindNamespaces(k, 1)
	})
}
