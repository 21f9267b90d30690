package debian_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/composeos/compose/compose/pkg/debian"
	"github.com/composeos/compose/compose/pkg/debian/debtest"
	"github.com/composeos/compose/compose/rootfs/rootfstest"
)

// hello is a package whose file is somewhat large.
func hello() debtest.Package {
	return debtest.Package{
		Name: "hello", Version: "1.0-1", Source: "greet (1:1.0-1)", PreDepends: "libc6 (>= 2.30)", Depends: "gone | world (= 2.0-1), libc6, both:any",
		Files: rootfstest.Parse("file usr/bin/hello " + strings.Repeat("x", 5000)), Compression: "none",
	}
}

func packages() []debtest.Package {
	return []debtest.Package{
		hello(),
		{Name: "world", Version: "1.0-1"},
		{Name: "world", Version: "2.0-1", Suite: "trixie-updates"},
		{Name: "world", Version: "1.0-1+deb13u1", Suite: "trixie-security"},
		{Name: "libc6", Version: "2.41-12"},
		{Name: "libc6", Version: "2.41-12+deb13u1", Suite: "trixie-security", Source: "glibc"},
		{Name: "libc6", Version: "2.41-12~rc1", Suite: "trixie-updates"},
		{Name: "libc6", Version: "2.41-12", Arch: "arm64"},
		{Name: "both", Arch: "all"},
		{Name: "firmware", Component: "non-free-firmware"},
		{Name: "broken", Depends: "libc6 (>= 9)"},
	}
}

// room is a repository, an archive that reads it, and what the archive logged and waited.
type room struct {
	*debtest.Repository
	archive *debian.Archive
	query   debian.Query
	log     *bytes.Buffer
	waited  *[]time.Duration
}

func newRoom(t *testing.T) room {
	t.Helper()
	r := debtest.New(t, packages()...)
	var log bytes.Buffer
	var waited []time.Duration
	return room{
		Repository: r, log: &log, waited: &waited,
		archive: &debian.Archive{
			Mirrors: r.Mirrors(t), Keyring: r.Keyring(t), Cache: debian.Dir(filepath.Join(t.TempDir(), "cache")),
			Log:  slog.New(slog.NewTextHandler(&log, nil)),
			Wait: func(_ context.Context, d time.Duration) error { waited = append(waited, d); return nil },
		},
		query: debian.Query{Suite: "trixie", Arches: []string{"amd64", "arm64"}, Components: []string{"main", "non-free-firmware"}, Now: r.Now},
	}
}

func (r room) index(t *testing.T) *debian.Index {
	t.Helper()
	x, err := r.archive.Index(t.Context(), r.query)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func (r room) pin(t *testing.T, name string) debian.Pin {
	t.Helper()
	p, err := r.index(t).Find(name, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	return p.Pin
}

func TestIndex(t *testing.T) {
	r := newRoom(t)
	x := r.index(t)
	for want, name := range map[string]string{
		"hello 1.0-1 (amd64) trixie from greet 1:1.0-1":                            "hello",
		"world 2.0-1 (amd64) trixie-updates from world 2.0-1":                      "world",
		"libc6 2.41-12+deb13u1 (amd64) trixie-security from glibc 2.41-12+deb13u1": "libc6",
		"both 1.0-1 (all) trixie from both 1.0-1":                                  "both",
		"firmware 1.0-1 (amd64) trixie from firmware 1.0-1":                        "firmware",
	} {
		p, err := x.Find(name, "amd64")
		if got := fmt.Sprintf("%s %s from %s %s", p.Pin, p.Suite, p.Source, p.SourceVersion); err != nil || got != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
		if !p.Date.Equal(r.Date) {
			t.Errorf("%s: date %s, want %s", name, p.Date, r.Date)
		}
	}
	if p, err := x.Find("libc6", "arm64"); err != nil || p.Version != "2.41-12" {
		t.Errorf("libc6 for arm64: %s, %v", p.Pin, err)
	}
	var names []string
	for _, release := range x.Releases {
		names = append(names, release.Name)
	}
	if got := strings.Join(names, " "); got != "trixie trixie-updates trixie-security" {
		t.Errorf("releases %s", got)
	}
	if r.log.Len() > 0 {
		t.Errorf("logged: %s", r.log)
	}
}

func TestFindUnknown(t *testing.T) {
	x := newRoom(t).index(t)
	for want, ask := range map[string][2]string{
		"package helo: no such package in trixie for amd64; did you mean hello?":     {"helo", "amd64"},
		"package firmw: no such package in trixie for amd64; did you mean firmware?": {"firmw", "amd64"},
		"package hello: no such package in trixie for arm64, only for amd64":         {"hello", "arm64"},
		"package postgresql: no such package in trixie for amd64":                    {"postgresql", "amd64"},
	} {
		_, err := x.Find(ask[0], ask[1])
		if !errors.Is(err, debian.ErrUnknownPackage) || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestFollow(t *testing.T) {
	x := newRoom(t).index(t)
	found, err := x.Follow("hello", "amd64")
	var names []string
	for _, p := range found {
		names = append(names, p.Name+"="+p.Version)
	}
	if got := strings.Join(names, " "); err != nil || got != "libc6=2.41-12+deb13u1 world=2.0-1 both=1.0-1" {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := x.Follow("broken", "amd64"); !errors.Is(err, debian.ErrUnknownPackage) || !strings.Contains(err.Error(), "libc6 (>= 9)") {
		t.Errorf("broken: %v", err)
	}
	if _, err := x.Follow("helo", "amd64"); !errors.Is(err, debian.ErrUnknownPackage) {
		t.Errorf("helo: %v", err)
	}
}

// change replaces a file of the repository by what of makes of it.
func (r room) change(t *testing.T, name string, of func([]byte) []byte) {
	t.Helper()
	matches, err := filepath.Glob(filepath.Join(r.Dir, name))
	if err != nil || len(matches) == 0 {
		t.Fatalf("no file %s: %v", name, err)
	}
	for _, path := range matches {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, of(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func flip(b []byte) []byte { b[len(b)/2] ^= 1; return b }

func TestIndexRefuses(t *testing.T) {
	const release = "debian/dists/trixie/InRelease"
	tests := map[string]struct {
		change func(*testing.T, *room)
		is     error
		want   string
	}{
		"a changed text": {func(t *testing.T, r *room) {
			r.change(t, release, func(b []byte) []byte { return bytes.Replace(b, []byte("Origin: D"), []byte("Origin: d"), 1) })
		}, debian.ErrSignature, "not signed by a key of the keyring"},
		"another key": {func(t *testing.T, r *room) { r.NewKey(t); r.Publish(t) }, debian.ErrSignature, "suite trixie: "},
		"unsigned": {func(t *testing.T, r *room) {
			r.change(t, release, func([]byte) []byte { return []byte("Codename: trixie\n") })
		}, debian.ErrSignature, "it has no signature"},
		"text before": {func(t *testing.T, r *room) {
			r.change(t, release, func(b []byte) []byte { return append([]byte("Codename: x\n"), b...) })
		}, debian.ErrSignature, "it has no signature"},
		"text after": {func(t *testing.T, r *room) {
			r.change(t, release, func(b []byte) []byte { return append(b, "Codename: x\n"...) })
		}, debian.ErrSignature, "something follows the signature"},
		"a broken signature": {func(t *testing.T, r *room) {
			r.change(t, release, func(b []byte) []byte { return b[:len(b)-60] })
		}, debian.ErrSignature, "its signature cannot be read"},
		"a key not yet made": {func(_ *testing.T, r *room) { r.query.Now = r.Now.AddDate(-1, 0, 0) }, debian.ErrSignature, ""},
		"expired":            {func(_ *testing.T, r *room) { r.query.Now = r.ValidUntil.Add(time.Second) }, debian.ErrExpired, "it expired at 2026-11-26 12:00 UTC"},
		"to come":            {func(_ *testing.T, r *room) { r.query.Now = r.Date.Add(-25 * time.Hour) }, debian.ErrExpired, "is this machine's clock right?"},
		"another suite":      {func(t *testing.T, r *room) { r.Codename = "bookworm"; r.Publish(t) }, debian.ErrSuite, "it is bookworm (stable)"},
		"another suite's file": {func(t *testing.T, r *room) {
			r.change(t, release, func([]byte) []byte {
				b, err := os.ReadFile(filepath.Join(r.Dir, "debian/dists/trixie-updates/InRelease"))
				if err != nil {
					t.Fatal(err)
				}
				return b
			})
		}, debian.ErrSuite, "it is trixie-updates (stable)"},
		"older": {func(_ *testing.T, r *room) {
			r.query.Since = map[string]time.Time{"trixie-security": r.Date.Add(time.Second)}
		}, debian.ErrOlder, "suite trixie-security: "},
		"a changed index": {func(t *testing.T, r *room) {
			r.change(t, "debian/dists/trixie/main/binary-amd64/by-hash/SHA256/*", flip)
		}, debian.ErrDamaged, "by-hash/SHA256/"},
		"a short index": {func(t *testing.T, r *room) {
			r.change(t, "debian/dists/trixie/main/binary-amd64/by-hash/SHA256/*", func(b []byte) []byte { return b[:len(b)-1] })
		}, debian.ErrDamaged, "it ends after"},
		"a long index": {func(t *testing.T, r *room) {
			r.change(t, "debian/dists/trixie/main/binary-amd64/by-hash/SHA256/*", func(b []byte) []byte { return append(b, 0) })
		}, debian.ErrDamaged, "it has more than the"},
		"no date": {func(t *testing.T, r *room) {
			r.change(t, release, func([]byte) []byte { return r.Sign(t, "Codename: trixie\n") })
		}, debian.ErrDamaged, "field Date"},
		"a path that leaves": {func(t *testing.T, r *room) {
			r.change(t, release, func([]byte) []byte {
				return r.Sign(t, "Codename: trixie\nDate: Thu, 19 Nov 2026 12:00:00 UTC\nSHA256:\n "+strings.Repeat("0", 64)+" 1 ../x\n")
			})
		}, debian.ErrDamaged, "is no line of sum, size and path"},
		"no such component": {func(_ *testing.T, r *room) { r.query.Components = []string{"mian"} }, debian.ErrSuite, "it has no mian/binary-"},
		"no suite":          {func(_ *testing.T, r *room) { r.query.Suite = "tricksy" }, nil, "dists/tricksy/InRelease: not found"},
		"no mirror":         {func(_ *testing.T, r *room) { r.archive.Mirrors = debian.Mirrors{} }, debian.ErrNoMirror, ""},
		"offline":           {func(_ *testing.T, r *room) { r.archive.Offline = true }, debian.ErrOffline, ""},
		"no security": {func(t *testing.T, r *room) {
			r.archive.Mirrors.Guessed = false
			if err := os.RemoveAll(filepath.Join(r.Dir, "debian-security")); err != nil {
				t.Fatal(err)
			}
		}, nil, "debian-security/dists/trixie-security/InRelease: not found"},
		"updates that were locked": {func(t *testing.T, r *room) {
			r.query.Since = map[string]time.Time{"trixie-updates": r.Date}
			if err := os.RemoveAll(filepath.Join(r.Dir, "debian/dists/trixie-updates")); err != nil {
				t.Fatal(err)
			}
		}, nil, "suite trixie-updates: "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			test.change(t, &r)
			_, err := r.archive.Index(t.Context(), r.query)
			if err == nil || !strings.Contains(err.Error(), test.want) || (test.is != nil && !errors.Is(err, test.is)) {
				t.Fatalf("%v, want %v: %s", err, test.is, test.want)
			}
			for _, other := range []error{debian.ErrSignature, debian.ErrExpired, debian.ErrSuite, debian.ErrOlder, debian.ErrDamaged, debian.ErrGone} {
				if !errors.Is(test.is, other) && errors.Is(err, other) {
					t.Errorf("it is %v as well: %v", other, err)
				}
			}
		})
	}
}

// What is missing is said, where it may be missing.
func TestIndexWarns(t *testing.T) {
	for _, suite := range []string{"debian-security/dists/trixie-security", "debian/dists/trixie-updates"} {
		r := newRoom(t)
		if err := os.RemoveAll(filepath.Join(r.Dir, suite)); err != nil {
			t.Fatal(err)
		}
		if n := len(r.index(t).Releases); n != 2 || !strings.Contains(r.log.String(), "level=WARN msg=\"no mirror has "+filepath.Base(suite)) {
			t.Errorf("%d releases, logged: %s", n, r.log)
		}
	}
	r := newRoom(t)
	r.archive.Mirrors.Security = nil
	if n := len(r.index(t).Releases); n != 2 || !strings.Contains(r.log.String(), "no mirror has trixie-security") {
		t.Errorf("%d releases, logged: %s", n, r.log)
	}
}

// A mirror with other bytes, or without any, is passed over for the next.
func TestIndexTriesMirrors(t *testing.T) {
	r := newRoom(t)
	other := debtest.New(t)
	r.archive.Mirrors.Main = append([]string{other.URL, "file://" + t.TempDir(), other.URL + "/nothing"}, r.archive.Mirrors.Main...)
	if _, err := r.index(t).Find("hello", "amd64"); err != nil {
		t.Error(err)
	}
}

// An index by its name serves where there is none by its sum.
func TestIndexWithoutByHash(t *testing.T) {
	r := newRoom(t)
	matches, _ := filepath.Glob(filepath.Join(r.Dir, "debian/dists/trixie/*/*/by-hash"))
	for _, path := range matches {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.index(t).Find("hello", "amd64"); err != nil || len(matches) != 4 {
		t.Error(err, matches)
	}
}

func content(t *testing.T, b debian.Blob) []byte {
	t.Helper()
	all, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
	if err = errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestFetch(t *testing.T) {
	want := debtest.Deb(t, hello())
	tests := map[string]func(*testing.T, *room, debian.Pin){
		"a mirror": func(*testing.T, *room, debian.Pin) {},
		"a folder as a mirror": func(_ *testing.T, r *room, _ debian.Pin) {
			r.archive.Mirrors.Main = []string{"file://" + r.Dir + "/debian"}
		},
		"the second mirror": func(t *testing.T, r *room, p debian.Pin) {
			folder := t.TempDir()
			if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, p.Path)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, p.Path), []byte("other"), 0o644); err != nil {
				t.Fatal(err)
			}
			r.archive.Mirrors.Main = append([]string{"file://" + folder}, r.archive.Mirrors.Main...)
		},
		"the cache": func(t *testing.T, r *room, p debian.Pin) {
			if err := r.archive.Cache.Put(p.SHA256, bytes.NewReader(want)); err != nil {
				t.Fatal(err)
			}
			r.archive.Offline = true
		},
		"a mirror for a damaged cache": func(t *testing.T, r *room, p debian.Pin) {
			if err := r.archive.Cache.Put(p.SHA256, strings.NewReader("x")); err != nil {
				t.Fatal(err)
			}
		},
		"vendored files": func(t *testing.T, r *room, _ debian.Pin) {
			folder := t.TempDir()
			r.Vendor(t, folder)
			r.archive.Vendored, r.archive.Offline = debian.Dir(folder), true
		},
		"a snapshot": func(t *testing.T, r *room, _ debian.Pin) {
			snapshot := filepath.Join(t.TempDir(), "archive")
			if err := os.CopyFS(filepath.Join(snapshot, "debian", "20261119T120000Z"), os.DirFS(filepath.Join(r.Dir, "debian"))); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(filepath.Join(r.Dir, "debian/pool")); err != nil {
				t.Fatal(err)
			}
			r.archive.Snapshot = "file://" + snapshot + "/{archive}/{time}/"
		},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			p := r.pin(t, "hello")
			prepare(t, &r, p)
			for range 2 {
				b, err := r.archive.Fetch(t.Context(), p)
				if err != nil {
					t.Fatal(err)
				}
				if got := content(t, b); !bytes.Equal(got, want) {
					t.Errorf("%d bytes, want %d", len(got), len(want))
				}
			}
		})
	}
}

func TestFetchRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(*testing.T, *room, *debian.Pin)
		is     error
		want   string
	}{
		"a flipped byte": {func(t *testing.T, r *room, p *debian.Pin) { r.change(t, "debian/"+p.Path, flip) }, debian.ErrDamaged, "its SHA-256 is"},
		"a file cut off": {func(t *testing.T, r *room, p *debian.Pin) {
			r.change(t, "debian/"+p.Path, func(b []byte) []byte { return b[:100] })
		}, debian.ErrDamaged, "it ends after 100 of"},
		"a longer file": {func(t *testing.T, r *room, p *debian.Pin) {
			r.change(t, "debian/"+p.Path, func(b []byte) []byte { return append(b, 'x') })
		}, debian.ErrDamaged, "it has more than the"},
		"a package gone": {func(t *testing.T, r *room, p *debian.Pin) {
			if err := os.Remove(filepath.Join(r.Dir, "debian", p.Path)); err != nil {
				t.Fatal(err)
			}
		}, debian.ErrGone, `hello 1.0-1 (amd64): gone from the mirrors: perhaps a newer version has taken its place; "compose pkg lock -update"`},
		"a damaged vendored file": {func(t *testing.T, r *room, p *debian.Pin) {
			dir := debian.Dir(t.TempDir())
			if err := dir.Put(p.SHA256, strings.NewReader("x")); err != nil {
				t.Fatal(err)
			}
			r.archive.Vendored = dir
		}, debian.ErrDamaged, "the vendored file "},
		"offline": {func(_ *testing.T, r *room, _ *debian.Pin) { r.archive.Offline = true }, debian.ErrOffline, "neither the cache nor the vendored files"},
		"no mirror": {func(_ *testing.T, r *room, p *debian.Pin) {
			p.Suite, r.archive.Mirrors.Security = "trixie-security", nil
		}, debian.ErrNoMirror, "for trixie-security"},
		"no sum":             {func(_ *testing.T, _ *room, p *debian.Pin) { p.SHA256 = "../../etc/passwd" }, nil, `"../../etc/passwd" is none`},
		"a path that leaves": {func(_ *testing.T, _ *room, p *debian.Pin) { p.Path = "../x" }, nil, `the path "../x"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			p := r.pin(t, "hello")
			sum := p.SHA256
			test.change(t, &r, &p)
			_, err := r.archive.Fetch(t.Context(), p)
			if err == nil || !strings.Contains(err.Error(), test.want) || (test.is != nil && !errors.Is(err, test.is)) {
				t.Fatalf("%v, want %v: %s", err, test.is, test.want)
			}
			if _, err := r.archive.Cache.Get(sum); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the cache has it: %v", err)
			}
		})
	}
}

func TestFetchTriesAgain(t *testing.T) {
	tests := map[string]struct {
		bad  http.HandlerFunc
		good int64 // the request that is answered well
		want string
	}{
		"500": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, 3, ""},
		"429": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, 2, ""},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			_, _ = w.Write([]byte("!"))
		}, 3, ""},
		"for ever":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, 4, "the mirror answers 503 Service Unavailable"},
		"forbidden": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, 2, "the mirror answers 403 Forbidden"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			p := r.pin(t, "hello")
			var count atomic.Int64
			files := http.FileServer(http.Dir(filepath.Join(r.Dir, "debian")))
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				if user, password, _ := request.BasicAuth(); user != "me" || password != "secret" {
					t.Errorf("asked as %q %q", user, password)
				}
				if count.Add(1) < test.good {
					test.bad(w, request)
					return
				}
				files.ServeHTTP(w, request)
			}))
			defer server.Close()
			r.archive.Mirrors.Main = []string{strings.Replace(server.URL, "://", "://me:secret@", 1)}
			b, err := r.archive.Fetch(t.Context(), p)
			if test.want == "" {
				if err != nil || len(*r.waited) != int(test.good)-1 || (*r.waited)[0] != time.Second {
					t.Fatalf("%v, waited %v", err, *r.waited)
				}
				content(t, b)
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error()+r.log.String(), "secret") {
				t.Errorf("%v, want %s; logged: %s", err, test.want, r.log)
			}
		})
	}
}

func TestFetchWithoutAnAnswer(t *testing.T) {
	r := newRoom(t)
	p := r.pin(t, "hello")
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	r.archive.Mirrors.Main = []string{strings.Replace(server.URL, "://", "://me:secret@", 1)}
	_, err := r.archive.Fetch(t.Context(), p)
	if err == nil || len(*r.waited) != 2 || strings.Contains(err.Error(), "me:") || errors.Is(err, debian.ErrGone) {
		t.Errorf("%v, waited %v", err, *r.waited)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.archive.Fetch(ctx, p); !errors.Is(err, context.Canceled) || len(*r.waited) != 2 {
		t.Errorf("%v, waited %v", err, *r.waited)
	}
}

// A mirror that falls silent, before it answers or in the midst of it, is asked again.
func TestFetchFromASilentMirror(t *testing.T) {
	for name, begin := range map[string]bool{"at once": false, "in the midst": true} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			p := r.pin(t, "hello")
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				if begin {
					_, _ = w.Write([]byte("!<arch>"))
					_ = http.NewResponseController(w).Flush()
				}
				<-request.Context().Done()
			}))
			defer server.Close()
			r.archive.Mirrors.Main, r.archive.Stall = []string{server.URL}, 20*time.Millisecond
			if _, err := r.archive.Fetch(t.Context(), p); err == nil || len(*r.waited) != 2 || !strings.Contains(err.Error(), "nothing came for 20ms") {
				t.Errorf("%v, waited %v", err, *r.waited)
			}
		})
	}
}

func TestParseKeyring(t *testing.T) {
	one, two := debtest.New(t), newRoom(t)
	both, err := debian.ParseKeyring([]byte("What this is.\n\n" + string(one.Armored(t)) + "\nand another\n\n" + string(two.Armored(t))))
	if err != nil {
		t.Fatal(err)
	}
	two.archive.Keyring = both
	two.index(t)
	for _, bad := range []string{"", "nothing", strings.Replace(string(one.Armored(t)), "\n\n", "\n\nAAAA", 1)} {
		if _, err := debian.ParseKeyring([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// The keys of Debian that the product comes with can be read.
func TestDebianKeyring(t *testing.T) {
	armored, err := os.ReadFile("../../../pkgs/keyring.asc")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := debian.ParseKeyring(armored); err != nil {
		t.Error(err)
	}
	if n := bytes.Count(armored, []byte("BEGIN PGP PUBLIC KEY BLOCK")); n != 6 {
		t.Errorf("%d keys, want 6", n)
	}
}
