package spec

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sample returns a lock with everything in it, its lists in no order.
func sample() *Lock {
	platform := LockedPlatform{
		Manifest: digestA, Config: digestB, SBOM: digestA,
		Layers: []LockedLayer{{Digest: digestB, Size: 5, DiffID: digestA}, {Digest: digestA, Size: 0, DiffID: digestB}},
		Grants: &Grants{Binds: []string{"/dev:/dev"}, Capabilities: []string{"CAP_NET_ADMIN"}, Namespaces: []string{"net=host"}},
	}
	signed := Verified{Subject: digestA, Type: SignatureType, Authority: "a", Format: FormatBundle, Signer: "key " + string(digestA), Evidence: digestA}
	stated := Verified{Subject: digestA, Type: "https://slsa.dev/provenance/v1", Authority: "ci", Format: FormatBundle, Signer: "w of https://i", TrustedRoot: digestB, Evidence: digestB}
	return &Lock{
		Version: LockVersion, Compat: Compat, Epoch: 1_700_000_000, Timestamps: Clamp, Policy: digestA,
		IDs: map[string]uint32{"web": 101, "db": 100},
		Images: []LockedImage{
			{Name: "oci:images:tools", Digest: digestB, Platforms: map[string]LockedPlatform{"linux/amd64": {Manifest: digestA, Config: digestB}}, Unsigned: Accepted},
			{Name: "docker.io/library/a:latest", Digest: digestA, Platforms: map[string]LockedPlatform{"linux/arm64/v8": platform, "linux/amd64": platform}, Verified: []Verified{stated, signed}},
		},
		Files: []LockedFile{{Source: "b", Digest: digestA, Size: 7}, {Source: "a", Absent: true}},
	}
}

func TestLockRoundTrip(t *testing.T) {
	l := sample()
	data, err := l.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if l.Files[0].Source != "b" || l.Images[1].Verified[0].Type == SignatureType {
		t.Error("Marshal sorts the lock that it is given")
	}
	golden(t, "testdata/sample.lock.json", data)
	back, err := ParseLock("a.lock.json", data)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := back.Image("oci:images:tools"); got == nil || got.Unsigned != Accepted || got.Platforms["linux/amd64"].Layers == nil {
		t.Errorf("image: %+v", got)
	}
	if got, ok := back.File("a"); !ok || !got.Absent {
		t.Errorf("file: %+v", got)
	}
	if _, ok := back.Image("b"); ok {
		t.Error("there is an image b")
	}
	if _, ok := back.File("c"); ok {
		t.Error("there is a file c")
	}
	again, err := back.Marshal()
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("written otherwise: %v\n%s", err, cmp.Diff(string(data), string(again)))
	}
}

// golden compares with a file, and writes it with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: -want +got:\n%s", name, diff)
	}
}

// TestOldLock reads the sample as the release before signatures wrote it: all is there
// but what vouches, and it builds the same images.
func TestOldLock(t *testing.T) {
	data, err := os.ReadFile("testdata/unsigned.lock.json")
	if err != nil {
		t.Fatal(err)
	}
	l, err := ParseLock("a.lock.json", data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := l.Marshal()
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("written otherwise: %v\n%s", err, cmp.Diff(string(data), string(again)))
	}
	if image, _ := l.Image("docker.io/library/a:latest"); image.Platforms["linux/amd64"].Grants != nil || image.Verified != nil {
		t.Errorf("what was not there: %+v", image)
	}
	if l.Inputs() != sample().Inputs() {
		t.Error("signatures and grants change the inputs")
	}
}

// TestInputsLeaveLock holds that Inputs leaves the grants where they are.
func TestInputsLeaveLock(t *testing.T) {
	l := sample()
	l.Inputs()
	if diff := cmp.Diff(sample(), l); diff != "" {
		t.Errorf("the lock is another: %s", diff)
	}
}

func TestEmptyLock(t *testing.T) {
	data, err := (&Lock{Version: LockVersion, Timestamps: Clamp}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseLock("a", data); err != nil {
		t.Errorf("an empty lock does not read back: %v\n%s", err, data)
	}
}

func TestLockInputs(t *testing.T) {
	base := sample().Inputs()
	const want = "sha256:80a7028a7b7874437b76b1fa4549802f36605985e210b2ec57f5a3b9670a38c6"
	if base != want {
		t.Errorf("inputs of the sample: %s, want %s: every image's identifiers change", base, want)
	}
	same := map[string]func(l *Lock){
		"order":    func(l *Lock) { slices.Reverse(l.Images); slices.Reverse(l.Files) },
		"unsigned": func(l *Lock) { l.Images[0].Unsigned = "" },
		"policy":   func(l *Lock) { l.Policy = "" },
		"accepted": func(l *Lock) { l.Images[1].Verified, l.Images[1].Unsigned = nil, Excepted },
		"verified": func(l *Lock) { l.Images[1].Verified[0].Evidence = digestB },
		"grants":   func(l *Lock) { l.Images[1].Platforms["linux/amd64"].Grants.Devices = []string{"all a"} },
		"no grants": func(l *Lock) {
			p := l.Images[1].Platforms["linux/amd64"]
			p.Grants = nil
			l.Images[1].Platforms["linux/amd64"] = p
		},
	}
	for name, change := range same {
		l := sample()
		change(l)
		if l.Inputs() != base {
			t.Errorf("%s changes the inputs", name)
		}
	}
	other := map[string]func(l *Lock){
		"epoch":      func(l *Lock) { l.Epoch++ },
		"compat":     func(l *Lock) { l.Compat++ },
		"timestamps": func(l *Lock) { l.Timestamps = Fixed },
		"ids":        func(l *Lock) { l.IDs["web"]++ },
		"image":      func(l *Lock) { l.Images[0].Digest = digestA },
		"name":       func(l *Lock) { l.Images[0].Name = "oci:x" },
		"platforms":  func(l *Lock) { delete(l.Images[1].Platforms, "linux/amd64") },
		"files":      func(l *Lock) { l.Files[0].Size++ },
	}
	for name, change := range other {
		l := sample()
		change(l)
		if l.Inputs() == base {
			t.Errorf("%s does not change the inputs", name)
		}
	}
}

func FuzzParseLock(f *testing.F) {
	data, err := sample().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":1,"compat":0,"epoch":0,"timestamps":"clamp","ids":{},"images":[],"files":[]}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte("<<<<<<< a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := ParseLock("a.lock.json", data)
		if err != nil {
			return
		}
		first, err := l.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseLock("a.lock.json", first)
		if err != nil {
			t.Fatalf("does not read back: %v\n%s", err, first)
		}
		second, err := again.Marshal()
		if err != nil || !bytes.Equal(first, second) || l.Inputs() != again.Inputs() {
			t.Fatalf("not the same again: %v\n%s\n%s", err, first, second)
		}
	})
}
