// Package debtest makes small Debian archives for tests: package files of given entries,
// indexes, a key made for the test that signs them, and a server on 127.0.0.1.
//
//	repository := debtest.New(t, debtest.Package{
//		Name: "hello", Version: "1.0-1", Files: rootfstest.Parse("file usr/bin/hello hi"),
//	})
//	archive := &debian.Archive{Mirrors: repository.Mirrors(t), Keyring: repository.Keyring(t), Cache: debian.Dir(t.TempDir())}
package debtest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/composeos/compose/compose/pkg/debian"
)

// Repository is an archive in a folder, and a server of it. What is changed in its fields
// counts from the next Publish on.
type Repository struct {
	Dir        string    // has debian and debian-security
	URL        string    // of debian
	Now        time.Time // at which it is good: a day after its Date
	Date       time.Time // of its InRelease files
	ValidUntil time.Time // zero: none
	Codename   string    // "trixie"; what its InRelease files say, whatever their path
	Packages   []Package
	key        *openpgp.Entity
}

// New returns a repository of packages, published.
func New(tb testing.TB, packages ...Package) *Repository {
	tb.Helper()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	r := &Repository{
		Dir: tb.TempDir(), Now: now, Date: now.AddDate(0, 0, -1), ValidUntil: now.AddDate(0, 0, 6),
		Codename: "trixie", Packages: packages,
	}
	r.NewKey(tb)
	server := httptest.NewServer(http.FileServer(http.Dir(r.Dir)))
	tb.Cleanup(server.Close)
	r.URL = server.URL + "/debian"
	r.Publish(tb)
	return r
}

// NewKey gives the repository another key: what it signed before stays as it is.
func (r *Repository) NewKey(tb testing.TB) {
	tb.Helper()
	key, err := openpgp.NewEntity("Test Archive", "", "archive@example.org", r.config())
	check(tb, err)
	r.key = key
}

func (r *Repository) config() *packet.Config {
	return &packet.Config{Time: func() time.Time { return r.Now.AddDate(0, -1, 0) }, Algorithm: packet.PubKeyAlgoEdDSA}
}

// Mirrors returns the repository as a mirror.
func (r *Repository) Mirrors(tb testing.TB) debian.Mirrors {
	tb.Helper()
	m, err := debian.MirrorsOf(r.URL)
	check(tb, err)
	return m
}

// Armored returns the repository's public key.
func (r *Repository) Armored(tb testing.TB) []byte {
	tb.Helper()
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.PublicKeyType, nil)
	check(tb, err)
	check(tb, r.key.Serialize(w))
	check(tb, w.Close())
	return append(out.Bytes(), '\n')
}

// Keyring returns the repository's public key as a keyring.
func (r *Repository) Keyring(tb testing.TB) *debian.Keyring {
	tb.Helper()
	ring, err := debian.ParseKeyring(r.Armored(tb))
	check(tb, err)
	return ring
}

// Sign returns a text, clear-signed.
func (r *Repository) Sign(tb testing.TB, text string) []byte {
	tb.Helper()
	var out bytes.Buffer
	w, err := clearsign.Encode(&out, r.key.PrivateKey, r.config())
	check(tb, err)
	_, err = w.Write([]byte(text))
	check(tb, err)
	check(tb, w.Close())
	return append(out.Bytes(), '\n')
}

// Publish writes the archive: trixie and trixie-updates in debian, trixie-security in
// debian-security, each for amd64 and arm64. Files that are no longer part of it stay.
func (r *Repository) Publish(tb testing.TB) {
	tb.Helper()
	for _, end := range []string{"", "-updates", "-security"} {
		r.publish(tb, "trixie"+end, r.Codename+end)
	}
}

// base is the folder that a suite's archive is in.
func (r *Repository) base(suite string) string {
	if strings.HasSuffix(suite, "-security") {
		return filepath.Join(r.Dir, "debian-security")
	}
	return filepath.Join(r.Dir, "debian")
}

func (r *Repository) publish(tb testing.TB, suite, codename string) {
	tb.Helper()
	folder := filepath.Join(r.base(suite), "dists", suite)
	var sums strings.Builder
	for _, component := range []string{"main", "non-free-firmware"} {
		for _, arch := range []string{"amd64", "arm64"} {
			name := component + "/binary-" + arch + "/Packages.xz"
			index := compress(tb, ".xz", []byte(r.index(tb, suite, component, arch)))
			sum := fmt.Sprintf("%x", sha256.Sum256(index))
			write(tb, filepath.Join(folder, name), index)
			write(tb, filepath.Join(folder, filepath.Dir(name), "by-hash/SHA256", sum), index)
			fmt.Fprintf(&sums, " %s %d %s\n", sum, len(index), name)
		}
	}
	const layout = "Mon, 02 Jan 2006 15:04:05 UTC"
	text := "Origin: Debian\nSuite: stable\nCodename: " + codename + "\nDate: " + r.Date.Format(layout) + "\n"
	if !r.ValidUntil.IsZero() {
		text += "Valid-Until: " + r.ValidUntil.Format(layout) + "\n"
	}
	text += "Acquire-By-Hash: yes\nArchitectures: all amd64 arm64\nNo-Support-for-Architecture-all: Packages\n" +
		"Components: main non-free-firmware\nSHA256:\n" + sums.String()
	write(tb, filepath.Join(folder, "InRelease"), r.Sign(tb, text))
}

// index writes the packages of a suite and their paragraphs.
func (r *Repository) index(tb testing.TB, suite, component, arch string) string {
	tb.Helper()
	var text strings.Builder
	for _, p := range r.Packages {
		p = p.complete()
		if p.Suite != suite || p.Component != component || (p.Arch != arch && p.Arch != "all") {
			continue
		}
		file := Deb(tb, p)
		write(tb, filepath.Join(r.base(suite), p.Path()), file)
		fmt.Fprintf(&text, "%sFilename: %s\nSize: %d\nSHA256: %x\nDescription: a package\n of this test\n\n",
			p.control(), p.Path(), len(file), sha256.Sum256(file))
	}
	return text.String()
}

// Vendor writes the file of each package into a folder, named by its SHA-256.
func (r *Repository) Vendor(tb testing.TB, dir string) {
	tb.Helper()
	for _, p := range slices.Clone(r.Packages) {
		file := Deb(tb, p)
		write(tb, filepath.Join(dir, fmt.Sprintf("%x", sha256.Sum256(file))), file)
	}
}

// File returns where the file of a package is on disk.
func (r *Repository) File(p Package) string {
	p = p.complete()
	return filepath.Join(r.base(p.Suite), p.Path())
}

func write(tb testing.TB, name string, content []byte) {
	tb.Helper()
	check(tb, os.MkdirAll(filepath.Dir(name), 0o755))
	check(tb, os.WriteFile(name, content, 0o644))
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
