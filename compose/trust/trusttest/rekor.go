package trusttest

import (
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"

	commonpb "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	rekorpb "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
)

const (
	logHost  = "https://log.example.com"
	logName  = "log.example.com"
	logIndex = 1234
)

// dsseEntry is what the log keeps of a signed envelope: canonical JSON.
func dsseEntry(tb testing.TB, leaf *authority, envelope, payload, signature []byte) []byte {
	tb.Helper()
	return canonical(tb, map[string]any{
		"apiVersion": "0.0.1", "kind": "dsse",
		"spec": map[string]any{
			"envelopeHash": hashOf(envelope),
			"payloadHash":  hashOf(payload),
			"signatures":   []any{map[string]any{"signature": signature, "verifier": leaf.pem()}},
		},
	})
}

// hashedEntry is what the log keeps of signed bytes.
func hashedEntry(tb testing.TB, leaf *authority, artifact, signature []byte) []byte {
	tb.Helper()
	return canonical(tb, map[string]any{
		"apiVersion": "0.0.1", "kind": "hashedrekord",
		"spec": map[string]any{
			"data":      map[string]any{"hash": hashOf(artifact)},
			"signature": map[string]any{"content": signature, "publicKey": map[string]any{"content": leaf.pem()}},
		},
	})
}

func hashOf(data []byte) map[string]string {
	return map[string]string{"algorithm": "sha256", "value": hex.EncodeToString(sum(data))}
}

// canonical returns JSON with sorted keys and no spaces. Nothing in it needs an escape.
func canonical(tb testing.TB, v any) []byte {
	tb.Helper()
	data, err := json.Marshal(v)
	check(tb, err)
	return data
}

// entry puts a body into the log: the promise to keep it, and the proof that it is
// there, alone in the tree.
func (s *Sigstore) entry(tb testing.TB, by By, body []byte) *rekorpb.TransparencyLogEntry {
	tb.Helper()
	var kind struct {
		Kind       string `json:"kind"`
		APIVersion string `json:"apiVersion"`
	}
	check(tb, json.Unmarshal(body, &kind))
	id := sum(spki(tb, s.log.Signer))
	leaf := sum(append([]byte{0}, body...)) // RFC 6962, 2.1
	e := &rekorpb.TransparencyLogEntry{
		LogIndex:          logIndex,
		LogId:             &commonpb.LogId{KeyId: id},
		KindVersion:       &rekorpb.KindVersion{Kind: kind.Kind, Version: kind.APIVersion},
		IntegratedTime:    by.signed().Unix(),
		CanonicalizedBody: body,
		InclusionProof: &rekorpb.InclusionProof{
			TreeSize: 1, RootHash: leaf,
			Checkpoint: &rekorpb.Checkpoint{Envelope: s.checkpoint(tb, id, leaf)},
		},
	}
	if !by.NoPromise {
		promise := signWith(tb, s.log.Signer, crypto.SHA256, canonical(tb, logPayload(e)))
		e.InclusionPromise = &rekorpb.InclusionPromise{SignedEntryTimestamp: promise}
	}
	return e
}

// logPayload is what the log's promise signs.
func logPayload(e *rekorpb.TransparencyLogEntry) map[string]any {
	return map[string]any{
		"body":           base64.StdEncoding.EncodeToString(e.CanonicalizedBody),
		"integratedTime": e.IntegratedTime,
		"logIndex":       e.LogIndex,
		"logID":          hex.EncodeToString(e.LogId.KeyId),
	}
}

// checkpoint is the log's signed word what the root of its tree is.
func (s *Sigstore) checkpoint(tb testing.TB, id, rootHash []byte) string {
	tb.Helper()
	note := fmt.Sprintf("%s - 4711\n1\n%s\n", logName, base64.StdEncoding.EncodeToString(rootHash))
	signature := signWith(tb, s.log.Signer, crypto.SHA256, []byte(note))
	hinted := append(append([]byte{}, id[:4]...), signature...)
	return fmt.Sprintf("%s\n— %s %s\n", note, logName, base64.StdEncoding.EncodeToString(hinted))
}
