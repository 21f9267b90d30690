package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/outputs"
	"github.com/composeos/compose/spec"
)

// A build that would write what is there already writes nothing. After a build
// the cache keeps a record of its files under a key that names everything they
// hang on: this program, the inputs, the formats and options, and the paths. A
// later build with that key is done if every file is still in the state that the
// record has (its stamp; with -verify its digest).

// noteKind is the kind of the cache's notes that records are kept as.
const noteKind = "outputs"

// record is what the cache keeps of a build.
type record struct {
	Files   []fileRecord   `json:"files"`
	Notices []noticeRecord `json:"notices"`
}

type fileRecord struct {
	Path   string        `json:"path"` // absolute
	Size   int64         `json:"size"`
	Digest rootfs.Digest `json:"digest"`
	Stamp  store.Stamp   `json:"stamp"`
}

type noticeRecord struct {
	Text   string `json:"text"`
	Strict bool   `json:"strict,omitempty"`
	Info   bool   `json:"info,omitempty"`
}

// identify sets the job's key, "" where the output is not one that stays.
func (j *writeJob) identify() error {
	if j.streams() || j.out != "" && !replaceable(j.out) {
		return nil
	}
	inputs, err := compose.Inputs(j.in.manifest, j.lock, j.in.platform)
	if err != nil {
		return err
	}
	program, err := programDigest()
	if err != nil {
		return nil //nolint:nilerr // a program that cannot be read makes no records
	}
	parts := []string{program, string(inputs), j.imageName(j.in), j.compress.value, j.size.String()}
	for _, f := range j.formats {
		parts = append(parts, f.Name())
	}
	for _, p := range j.allPaths() {
		abs, err := filepath.Abs(p)
		if err != nil {
			return err
		}
		parts = append(parts, abs)
	}
	j.key = string(spec.DigestOf([]byte(strings.Join(parts, "\x00"))))
	return nil
}

// allPaths returns the files of all formats, as the user named them, in the order
// in which they are written.
func (j *writeJob) allPaths() []string {
	var all []string
	for _, f := range j.formats {
		all = append(all, j.paths(f, j.imageName(j.in))...)
	}
	return all
}

// replaceable tells whether path is a regular file, or nothing yet.
func replaceable(path string) bool {
	info, err := os.Stat(path)
	return err != nil || info.Mode().IsRegular()
}

// programDigest is the SHA-256 of this program.
func programDigest() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	d, err := fileDigest(path)
	return d.String(), err
}

// fileDigest is the SHA-256 of a file.
func fileDigest(path string) (rootfs.Digest, error) {
	f, err := os.Open(path)
	if err != nil {
		return rootfs.Digest{}, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyBuffer(h, struct{ io.Reader }{f}, make([]byte, 128<<10)); err != nil {
		return rootfs.Digest{}, fmt.Errorf("read %s: %w", path, err)
	}
	return rootfs.Digest(h.Sum(nil)), nil
}

// unchanged tells whether all files are there as the last build left them. Then
// the job has their results, and has said what that build said.
func (j *writeJob) unchanged() (bool, error) {
	if j.key == "" {
		return false, nil
	}
	text, err := j.engine.store.Note(noteKind, j.key)
	var r record
	paths := j.allPaths()
	if err != nil || json.Unmarshal(text, &r) != nil || len(r.Files) != len(paths) {
		return false, nil //nolint:nilerr // without a record that can be read the build is done
	}
	var results []outputs.Result
	for i, f := range r.Files {
		if !j.intact(f) {
			return false, nil
		}
		results = append(results, outputs.Result{Path: paths[i], Size: f.Size, Digest: f.Digest})
	}
	j.said = nil
	for _, n := range r.Notices {
		j.said = append(j.said, notice{n.Text, n.Strict, n.Info})
	}
	if err := sayNotices(j.session.ui, j.said, j.strict); err != nil {
		return false, err
	}
	j.results = results
	j.sayInfo()
	debts(j.session.ui, j.lock)
	j.session.ui.notef("unchanged since the last build")
	return true, nil
}

// intact tells whether a file is still the one that was written.
func (j *writeJob) intact(f fileRecord) bool {
	info, err := os.Stat(f.Path)
	if err != nil || !store.StampOf(info).Equal(f.Stamp) {
		return false
	}
	if !j.verify {
		return true
	}
	d, err := fileDigest(f.Path)
	return err == nil && d == f.Digest
}

// remember keeps a record of what was written. A cache that cannot keep it is
// no error: the next build writes again.
func (j *writeJob) remember() error {
	if j.key == "" {
		return nil
	}
	r := record{Notices: []noticeRecord{}}
	for _, res := range j.results {
		if res.Info == nil {
			return nil
		}
		abs, err := filepath.Abs(res.Path)
		if err != nil {
			return err
		}
		r.Files = append(r.Files, fileRecord{abs, res.Size, res.Digest, store.StampOf(res.Info)})
	}
	for _, n := range j.said {
		r.Notices = append(r.Notices, noticeRecord{n.text, n.strict, n.info})
	}
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	_ = j.engine.store.SetNote(noteKind, j.key, text)
	return nil
}

// escapePath makes a path fit on one line: a backslash and a line break are
// written as \\ and \n.
func escapePath(path string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(path)
}
