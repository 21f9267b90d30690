package trusttest

import (
	"crypto/ed25519"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// trustedRootFile is what a repository calls the trusted root.
const trustedRootFile = "trusted_root.json"

// Repository is a repository of The Update Framework that gives out a trusted root,
// as the one of sigstore.dev does. It serves its files; see [httptest.NewServer].
// It is for one goroutine at a time.
type Repository struct {
	Root    []byte            // the root.json that a client begins with
	Files   map[string][]byte // by path: "timestamp.json", "targets/HASH.trusted_root.json"
	Expired string            // the role whose next metadata has expired: "root", "targets", "snapshot", "timestamp"

	version int64 // of what was published last
	root    int64
	keys    map[string]ed25519.PrivateKey // by role
}

// NewRepository returns a repository that has published nothing.
func NewRepository(tb testing.TB) *Repository {
	tb.Helper()
	r := &Repository{Files: map[string][]byte{}, keys: map[string]ed25519.PrivateKey{}}
	for _, role := range []string{metadata.ROOT, metadata.TARGETS, metadata.SNAPSHOT, metadata.TIMESTAMP} {
		r.renew(tb, role)
	}
	r.Root = r.publishRoot(tb, nil)
	return r
}

// renew gives a role a new key.
func (r *Repository) renew(tb testing.TB, role string) {
	tb.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	check(tb, err)
	r.keys[role] = key
}

// Rotate gives every role a new key, and publishes a root that the old key signs
// too, which says so.
func (r *Repository) Rotate(tb testing.TB) {
	tb.Helper()
	before := r.keys[metadata.ROOT]
	for role := range r.keys {
		r.renew(tb, role)
	}
	r.publishRoot(tb, before)
}

// publishRoot publishes the next root.json, signed with the key of the one before.
func (r *Repository) publishRoot(tb testing.TB, before ed25519.PrivateKey) []byte {
	tb.Helper()
	r.root++
	root := metadata.Root(r.expiry(metadata.ROOT))
	root.Signed.Version = r.root
	for role, key := range r.keys {
		public, err := metadata.KeyFromPublicKey(key.Public())
		check(tb, err)
		check(tb, root.Signed.AddKey(public, role))
	}
	if before != nil {
		signMetadata(tb, root, before)
	}
	data := signMetadata(tb, root, r.keys[metadata.ROOT])
	r.Files[fmt.Sprintf("%d.root.json", r.root)] = data
	return data
}

// Publish makes a trusted root the one that is given out.
func (r *Repository) Publish(tb testing.TB, trustedRoot []byte) {
	tb.Helper()
	r.version++
	target, err := metadata.TargetFile().FromBytes(trustedRootFile, trustedRoot, "sha256")
	check(tb, err)
	targets := metadata.Targets(r.expiry(metadata.TARGETS))
	targets.Signed.Version = r.version
	targets.Signed.Targets[trustedRootFile] = target
	r.Files[fmt.Sprintf("targets/%s.%s", target.Hashes["sha256"], trustedRootFile)] = trustedRoot
	r.Files[fmt.Sprintf("%d.targets.json", r.version)] = signMetadata(tb, targets, r.keys[metadata.TARGETS])

	snapshot := metadata.Snapshot(r.expiry(metadata.SNAPSHOT))
	snapshot.Signed.Version = r.version
	snapshot.Signed.Meta["targets.json"] = metadata.MetaFile(r.version)
	r.Files[fmt.Sprintf("%d.snapshot.json", r.version)] = signMetadata(tb, snapshot, r.keys[metadata.SNAPSHOT])

	timestamp := metadata.Timestamp(r.expiry(metadata.TIMESTAMP))
	timestamp.Signed.Version = r.version
	timestamp.Signed.Meta["snapshot.json"] = metadata.MetaFile(r.version)
	r.Files["timestamp.json"] = signMetadata(tb, timestamp, r.keys[metadata.TIMESTAMP])
}

// State returns what is published now; it becomes so again when it is set as Files.
func (r *Repository) State() map[string][]byte { return maps.Clone(r.Files) }

// ServeHTTP gives out the files.
func (r *Repository) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	data, ok := r.Files[strings.TrimPrefix(req.URL.Path, "/")]
	if !ok {
		http.NotFound(w, req)
		return
	}
	_, _ = w.Write(data) // the client notices what is missing
}

// expiry returns until when the metadata of a role is good: a century, so that no
// test is of one day.
func (r *Repository) expiry(role string) time.Time {
	if role == r.Expired {
		return Day.AddDate(-1, 0, 0)
	}
	return Day.AddDate(100, 0, 0)
}

// signMetadata adds a signature, and returns the file.
func signMetadata[T metadata.Roles](tb testing.TB, m *metadata.Metadata[T], key ed25519.PrivateKey) []byte {
	tb.Helper()
	signer, err := signature.LoadED25519Signer(key)
	check(tb, err)
	_, err = m.Sign(signer)
	check(tb, err)
	data, err := m.ToBytes(false)
	check(tb, err)
	return data
}
