package pkg_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/pkg"
	"github.com/composeos/compose/compose/pkg/debian/debtest"
	"github.com/composeos/compose/compose/rootfs/rootfstest"
	"github.com/composeos/compose/spec"
)

var update = flag.Bool("update", false, "write what the tests got into testdata")

// golden compares with testdata/NAME.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s, -want +got:\n%s", name, diff)
	}
}

// webBuild is a source with some of everything.
const webBuild = `image: acme/web
arches: [amd64]
debs:
  suite: trixie
  packages: [libc, web, web-common]
  include: ["usr/sbin/*", "usr/lib/**/*.so*", "etc/web/**", "usr/share/ca/**"]
  exclude: [etc/web/sample]
files:
  - {path: etc/motd, contents: "hello\n", mode: "0600", uid: 33, gid: 34}
  - {path: etc/empty, contents: ""}
  - {path: /etc/web/web.conf, source: web.conf}
  - {path: srv/pages, source: pages}
  - {path: usr/bin/helper, from: usr/lib/web/helper}
  - {path: var/run, symlink: /run}
  - {path: srv, directory: true, mode: "1777", uid: 33}
links:
  - {to: ../sbin/web, in: usr/bin, names: [web, web2]}
users:
  - {name: www-data, uid: 33, gid: 33, home: /var/www}
groups:
  - {name: tty, gid: 5}
steps:
  - concat: {out: etc/all.crt, of: ["usr/share/ca/*.crt", etc/motd]}
entrypoint: [/usr/sbin/web]
cmd: [-c, /etc/web/web.conf]
env: [LANG=C]
workdir: /srv
config:
  capabilities: [CAP_NET_BIND_SERVICE]
  readonly: true
  tmpfs: [/srv]
`

// webDebs are the packages that it is made of.
func webDebs() []debtest.Package {
	libc := debtest.Package{Name: "libc", Version: "2.41-1", Source: "glibc", Compression: "none", Files: rootfstest.Parse(`
		file usr/lib/x86_64-linux-gnu/libc.so.6 libc mtime=1600000000
		sym  usr/lib64/ld.so ../lib/x86_64-linux-gnu/libc.so.6 mtime=1600000000
		file usr/share/doc/libc/copyright GPL mtime=1600000000
		file usr/share/man/man1/libc.1 page`)}
	web := debtest.Package{Name: "web", Version: "1:1.0-1+b2", Source: "web (1:1.0-1)", Depends: "libc", Compression: "none", Files: executable(rootfstest.Parse(`
		file usr/sbin/web web inode=1 mtime=1700000000
		file usr/sbin/web-alias web inode=1 mtime=1700000000
		file usr/lib/web/helper #!/usr/sbin/web mtime=1650000000
		sym  usr/share/doc/web web-common
		file etc/web/web.conf packaged mtime=1700000001
		file etc/web/sample sample
		file etc/web/mime types uid=7 mtime=1700000002`), "usr/sbin/web", "usr/sbin/web-alias", "usr/lib/web/helper")}
	common := debtest.Package{Name: "web-common", Arch: "all", Compression: "none", Files: rootfstest.Parse(`
		file usr/share/ca/b.crt B mtime=1500000000
		file usr/share/ca/a.crt A mtime=1500000000
		file usr/share/ca/deep/c.crt C mtime=1500000000
		file usr/sbin/also also inode=1 mtime=1500000000
		file usr/sbin/too also inode=1 mtime=1500000000
		file usr/share/doc/web-common/copyright free mtime=1500000000
		file usr/share/doc/web-common/changelog long`)}
	return []debtest.Package{libc, web, common}
}

// web returns a room with the source web.
func web(t *testing.T, debs ...debtest.Package) (*room, *pkg.Source) {
	t.Helper()
	r := newRoom(t, debtest.New(t, debs...))
	r.writeWeb()
	return r, r.locked("web", webBuild)
}

func (r *room) writeWeb() {
	r.write("pkgs/web/web.conf", "ours\n")
	r.write("pkgs/web/pages/index.html", "<p>\n")
	r.write("pkgs/web/pages/run", "#!/usr/sbin/web\n")
	if err := os.Chmod(filepath.Join(r.dir, "pkgs/web/pages/run"), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Symlink("index.html", filepath.Join(r.dir, "pkgs/web/pages/home")); err != nil && !errors.Is(err, os.ErrExist) {
		r.t.Fatal(err)
	}
}

// listing writes a tar's headers as lines: mode, owner, time, path, link, content.
func listing(t *testing.T, layer []byte) string {
	t.Helper()
	var b strings.Builder
	for r := tar.NewReader(bytes.NewReader(layer)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%c %04o %d:%d %d %s", h.Typeflag, h.Mode, h.Uid, h.Gid, h.ModTime.Unix(), h.Name)
		if h.Linkname != "" {
			b.WriteString(" -> " + h.Linkname)
		}
		if h.Typeflag == tar.TypeReg {
			fmt.Fprintf(&b, " %.200q", content)
		}
		b.WriteByte('\n')
	}
}

func TestImage(t *testing.T) {
	r, s := web(t, webDebs()...)
	made := r.build(s)
	o := r.openImage(made)
	golden(t, "web.layer", listing(t, o.layer))
	golden(t, "web.config", pretty(t, o.config))
	golden(t, "web.index", pretty(t, o.index))
	golden(t, "web.statement", pretty(t, json.RawMessage(r.statement(o))))
	golden(t, "web.digest", made.Ref()+" "+made.Index.Digest.String()+"\n")
}

// statement returns the in-toto statement about the first image of an index.
func (r *room) statement(o opened) []byte {
	r.t.Helper()
	about := o.index.Manifests[1]
	if got := about.Annotations["vnd.docker.reference.digest"]; got != o.index.Manifests[0].Digest.String() {
		r.t.Errorf("the statement is about %s", got)
	}
	m := read[struct {
		Layers []struct {
			Digest      spec.Digest
			MediaType   string
			Annotations map[string]string
		}
	}](r, about.Digest)
	if got := m.Layers[0].Annotations["in-toto.io/predicate-type"]; got != "https://spdx.dev/Document" {
		r.t.Errorf("the predicate is %q", got)
	}
	return r.blob(hashOf(r.t, m.Layers[0].Digest))
}

func pretty(t *testing.T, doc any) string {
	t.Helper()
	data, err := spec.MarshalCanonical(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestBuiltAnywhere builds the same source elsewhere, in other ways.
func TestBuiltAnywhere(t *testing.T) {
	r, s := web(t, webDebs()...)
	want := r.build(s)
	same := func(name string, got *pkg.Image) {
		t.Helper()
		if got.Index.Digest != want.Index.Digest || got.Source != want.Source {
			t.Errorf("%s: %s of %s, want %s of %s", name, got.Index.Digest, got.Source, want.Index.Digest, want.Source)
		}
	}
	if again := r.build(s); len(again.Fresh) > 0 || len(want.Fresh) != 1 {
		t.Errorf("built anew: %v, then %v", want.Fresh, again.Fresh)
	}
	again, err := r.Build(t.Context(), s, nil, true)
	if err != nil || len(again.Fresh) != 1 {
		t.Fatalf("-again built %v: %v", again, err)
	}
	same("again", again)

	debs := webDebs()
	slices.Reverse(debs)
	other, _ := web(t, debs...)
	other.write("pkgs/web/build.yml", "# a comment\n"+strings.Replace(webBuild, "[libc, web, web-common]", "[libc, web, web-common]  # those", 1))
	for path, mode := range map[string]os.FileMode{"web.conf": 0o600, "pages/index.html": 0o666, "pages/run": 0o700, "pages": 0o700} {
		name := filepath.Join(other.dir, "pkgs/web", path)
		if err := errors.Join(os.Chmod(name, mode), os.Chtimes(name, time.Time{}, time.Unix(1, 0))); err != nil {
			t.Fatal(err)
		}
	}
	other.Jobs = 0
	same("elsewhere", other.build(other.open("web")))
	t.Chdir(filepath.Join(other.dir, "pkgs", "web"))
	other.emptyCache()
	here, err := pkg.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	same("named by a dot", other.build(here))
}

// TestOthersReadIt has tar unpack the layer.
func TestOthersReadIt(t *testing.T) {
	if _, err := exec.LookPath("tar"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI has no tar")
		}
		t.Skip("tar is not installed")
	}
	r, s := web(t, webDebs()...)
	cmd := exec.CommandContext(t.Context(), "tar", "-tf", "-")
	cmd.Stdin = bytes.NewReader(r.openImage(r.build(s)).layer)
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), "\nusr/sbin/web-alias\n") {
		t.Errorf("tar: %v\n%s", err, out)
	}
}

// TestHardLinks sees that numbers of two packages do not meet.
func TestHardLinks(t *testing.T) {
	r, s := web(t, webDebs()...)
	links := map[string]string{}
	for tr := tar.NewReader(bytes.NewReader(r.openImage(r.build(s)).layer)); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeLink {
			links[h.Name] = h.Linkname
		}
	}
	if diff := cmp.Diff(map[string]string{"usr/sbin/web-alias": "usr/sbin/web", "usr/sbin/too": "usr/sbin/also"}, links); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestArchitectures builds for both, and for what a source is not made for.
func TestArchitectures(t *testing.T) {
	arm := ofText("hello", "file usr/share/hello arm")
	arm.Arch = "arm64"
	r := newRoom(t, debtest.New(t, ofText("hello", "file usr/share/hello amd"), arm))
	s := r.locked("hello", "image: hello\ndebs: {suite: trixie, packages: [hello]}\n")
	made, err := r.Build(t.Context(), s, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, m := range read[struct {
		Manifests []struct{ Platform struct{ Architecture string } }
	}](r, made.Index.Digest).Manifests {
		platforms = append(platforms, m.Platform.Architecture)
	}
	if want := []string{"amd64", "unknown", "arm64", "unknown"}; !slices.Equal(platforms, want) {
		t.Errorf("the index has %v, want %v", platforms, want)
	}
	s = r.locked("hello", "image: hello\narches: [amd64]\ndebs: {suite: trixie, packages: [hello]}\n")
	_, err = r.Build(t.Context(), s, []string{"arm64"}, false)
	wants(t, err, "pkgs/hello/build.yml:1:1: hello is made for amd64, not for arm64")
	var arch *pkg.ArchError
	if !errors.As(err, &arch) || arch.Arch != "arm64" {
		t.Errorf("%T", err)
	}
}
