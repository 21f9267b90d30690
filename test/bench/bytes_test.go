package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// gzipped returns text as a gzip member.
func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGzipMembers(t *testing.T) {
	small, large, empty := gzipped(t, "one"), gzipped(t, strings.Repeat("much text ", 1<<18)), gzipped(t, "")
	tests := []struct {
		name string
		file []byte
		want [][]byte // nil: it is refused
	}{
		{"one", small, [][]byte{small}},
		{"three", bytes.Join([][]byte{small, empty, large}, nil), [][]byte{small, empty, large}},
		{"the same again", bytes.Join([][]byte{small, large, small}, nil), [][]byte{small, large}},
		{"cut short", large[:len(large)-3], nil},
		{"something behind", append(bytes.Clone(small), "0707"...), nil},
		{"no gzip", []byte("070701 and so on"), nil},
		{"nothing", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := gzipMembers(bytes.NewReader(tt.file))
			if (err != nil) != (tt.want == nil) {
				t.Fatalf("error %v", err)
			}
			if len(got) != len(tt.want) {
				t.Errorf("%d members, want %d", len(got), len(tt.want))
			}
			for i, m := range tt.want {
				if got[sha256.Sum256(m)] != int64(len(m)) {
					t.Errorf("member %d of %d bytes is not found", i, len(m))
				}
			}
		})
	}
}

func TestPiecesThatAreNew(t *testing.T) {
	member := func(text string) [sha256.Size]byte { return sha256.Sum256([]byte(text)) }
	layer := func(hex string) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: hex} }
	before := pieces{
		members: map[[sha256.Size]byte]int64{member("a"): 1, member("b"): 1},
		layers:  map[v1.Hash]int64{layer("1"): 1, layer("2"): 1},
	}
	after := pieces{
		members: map[[sha256.Size]byte]int64{member("a"): 1, member("c"): 1, member("d"): 1},
		layers:  map[v1.Hash]int64{layer("2"): 1, layer("3"): 1},
	}
	if members, layers := after.new(before); members != 2 || layers != 1 {
		t.Errorf("%d members and %d layers are new, want 2 and 1", members, layers)
	}
	if members, layers := before.new(before); members != 0 || layers != 0 {
		t.Errorf("%d members and %d layers of the same are new", members, layers)
	}
}

func TestImageLayers(t *testing.T) {
	digest := func(digit string) string { return "sha256:" + strings.Repeat(digit, 64) }
	image := `{"digest":"` + digest("6") + `"}`
	index, manifest := `{"manifests":[`+image+`]}`, `{"layers":[{"digest":"`+digest("1")+`","size":10},{"digest":"`+digest("2")+`","size":20}]}`
	tests := []struct {
		name, index, manifest string
		want                  int // 0: it is refused
	}{
		{"an image", index, manifest, 2},
		{"two images", `{"manifests":[` + image + `,` + image + `]}`, manifest, 0},
		{"no index", "", manifest, 0},
		{"no manifest", index, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			w := tar.NewWriter(&b)
			for name, text := range map[string]string{"blobs/sha256/" + strings.Repeat("6", 64): tt.manifest, "blobs/large": strings.Repeat("x", maxDocument+1), "index.json": tt.index} {
				if text == "" {
					continue
				}
				if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
					t.Fatal(err)
				}
				if _, err := w.Write([]byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			got, err := imageLayers(&b)
			if (err != nil) != (tt.want == 0) || len(got) != tt.want {
				t.Errorf("%d layers, error %v", len(got), err)
			}
		})
	}
}
