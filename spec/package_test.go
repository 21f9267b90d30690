package spec

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBadPackages holds the exact errors of testdata/bad_packages.txtar: a file is a
// build.yml, and the one behind it what ParsePackage says.
func TestBadPackages(t *testing.T) {
	testBad(t, "bad_packages.txtar", 80, func(data []byte) error {
		_, err := ParsePackage("build.yml", data)
		return err
	})
}

// fullPackage reads testdata/package.yml, which has every key.
func fullPackage(t *testing.T) *Package {
	t.Helper()
	data, err := os.ReadFile("testdata/package.yml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParsePackage("web/build.yml", data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParsePackage(t *testing.T) {
	p := fullPackage(t)
	at := func(line int) Pos { return Pos{"web/build.yml", line, 5} }
	hello, empty, readonly := "hello\n", "", true
	want := &Package{
		Image: "acme/web", Arches: []string{"arm64", "amd64"},
		Debs: Debs{
			Suite:    "trixie",
			Packages: []string{"nginx", "zlib1g", "linux-image-cloud-{arch}", "intel-microcode [amd64]"},
			Follow:   []string{"linux-image-cloud-{arch}"},
			Include:  []string{"usr/sbin/nginx", "usr/lib/**/*.so*", "etc/nginx/**"}, Exclude: []string{"usr/share/man/**"},
		},
		Toolchain: "go1.26.8",
		Go: []GoProgram{
			{Main: ".", Out: "usr/bin/web"},
			{Module: "example.org/tool@v1.2.3", Package: "cmd/tool", Sum: "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", Out: "/usr/bin/tool"},
		},
		Files: []PackageFile{
			{Path: "etc/motd", Contents: &hello, Mode: Mode{Bits: 0o600, Set: true}, UID: 33, GID: 34, Pos: at(22)},
			{Path: "/etc/empty", Contents: &empty, Pos: at(23)},
			{Path: "etc/web.conf", Source: "web.conf", Pos: at(24)},
			{Path: "usr/lib/cgi", From: "usr/lib/nginx/cgi", Pos: at(25)},
			{Path: "var/run", Symlink: "/run", Pos: at(26)},
			{Path: "srv", Directory: true, Mode: Mode{Bits: 0o1777, Set: true}, Pos: at(27)},
		},
		Links: []PackageLinks{{To: "busybox", In: "usr/bin", Names: []string{"sh", "ls"}}},
		Users: []User{
			{Name: "www-data", UID: 33, GID: 33, Home: "/var/www", Shell: "/bin/sh"},
			{Name: "nobody", UID: 65534, GID: 65534},
		},
		Groups: []Group{{Name: "tty", GID: 5}},
		Steps: []Step{
			{Concat: &Concat{Out: "etc/all.crt", Of: []string{"usr/share/**/*.crt"}}, Pos: at(36)},
			{Kernel: &KernelStep{Modules: []string{"virtio_net"}, Firmware: []string{"usr/lib/firmware/intel/**"}}, Pos: at(37)},
			{Kernel: &KernelStep{}, Pos: at(38)},
			{Microcode: &Microcode{Out: "ucode.cpio"}, Pos: at(39)},
		},
		Entrypoint: []string{"/usr/bin/web"}, Cmd: []string{"-listen", ":80"}, Env: []string{"LANG=C", "EMPTY="}, Workdir: "/srv",
		Config: Config{
			Capabilities: []string{"CAP_NET_BIND_SERVICE"}, Binds: []string{"/etc/resolv.conf:/etc/resolv.conf"}, Readonly: &readonly,
		},
		Pos: Pos{"web/build.yml", 2, 1},
	}
	ignore := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".node" }, cmp.Ignore())
	if diff := cmp.Diff(want, p, ignore); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPackageNames(t *testing.T) {
	p := fullPackage(t)
	for _, tt := range []struct {
		name      string
		got, want []string
	}{
		{"of amd64", p.Debs.For("amd64"), []string{"intel-microcode", "linux-image-cloud-amd64", "nginx", "zlib1g"}},
		{"of arm64", p.Debs.For("arm64"), []string{"linux-image-cloud-arm64", "nginx", "zlib1g"}},
		{"followed for arm64", p.Debs.Followed("arm64"), []string{"linux-image-cloud-arm64"}},
		{"each once", Debs{Packages: []string{"b-{arch}", "b-amd64", "a1"}}.For("amd64"), []string{"a1", "b-amd64"}},
		{"none", Debs{}.For("amd64"), nil},
		{"architectures", p.Builds(), []string{"arm64", "amd64"}},
		{"architectures by default", (&Package{}).Builds(), []string{"amd64", "arm64"}},
	} {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

func TestPackageAt(t *testing.T) {
	p := fullPackage(t)
	for _, tt := range []struct {
		list string
		i    int
		want string
	}{
		{"debs.packages", 2, "web/build.yml:9:7"},
		{"go", 1, "web/build.yml:17:5"},
		{"users", 0, "web/build.yml:31:5"},
		{"users", 7, "web/build.yml:31:3"},
		{"nothing", 0, "web/build.yml:2:1"},
	} {
		if got := p.At(tt.list, tt.i).String(); got != tt.want {
			t.Errorf("%s[%d] is at %s, want %s", tt.list, tt.i, got, tt.want)
		}
	}
}

// TestPackageLabel sees that a container of the image is configured as the source
// says.
func TestPackageLabel(t *testing.T) {
	p := fullPackage(t)
	label, err := p.Label()
	if err != nil {
		t.Fatal(err)
	}
	if want := `{
  "binds": [
    "/etc/resolv.conf:/etc/resolv.conf"
  ],
  "capabilities": [
    "CAP_NET_BIND_SERVICE"
  ],
  "readonly": true
}
`; label != want {
		t.Errorf("label\n%s", cmp.Diff(want, label))
	}
	c := Container{Image: Ref{Name: "docker.io/acme/web", Tag: "v1"}}
	made, err := c.Configure(Config{}, label)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(made.Capabilities, p.Config.Capabilities) || !*made.Readonly {
		t.Errorf("configured as %+v", made)
	}
	if label, err := (&Package{}).Label(); err != nil || strings.TrimSpace(label) != "{}" {
		t.Errorf("label of no config: %q, %v", label, err)
	}
}

func FuzzPackage(f *testing.F) {
	full, err := os.ReadFile("testdata/package.yml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)
	for _, s := range []string{
		"", "image: a", "image: &a a\ncmd: [*a]", "image: a\ndebs: {suite: b, packages: [\"c{arch}\"]}", "image: a\nfiles: [{path: b}]",
		"image: a\nsteps: [{kernel: {modules: []}}]", "image: a\nusers: [{name: b, uid: 0, gid: 0}]\nconfig: {env: []}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParsePackage("build.yml", data)
		if err != nil {
			return
		}
		first, err := MarshalCanonical(p)
		if err != nil {
			t.Fatalf("cannot be written: %v", err)
		}
		if _, err := p.Label(); err != nil {
			t.Fatal(err)
		}
		for _, arch := range p.Builds() {
			if names := p.Debs.For(arch); !slices.IsSorted(names) {
				t.Fatalf("%v is not sorted", names)
			}
		}
		elsewhere, err := ParsePackage("elsewhere/build.yml", data)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := MarshalCanonical(elsewhere); err != nil || !json.Valid(second) || string(first) != string(second) {
			t.Fatalf("not the same elsewhere: %v\n%s\n%s", err, first, second)
		}
	})
}
