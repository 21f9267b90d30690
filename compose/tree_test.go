package compose_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/spec"
)

// TestKernelLabel holds that a tree has what the label of the kernel's image
// says, and that no other image is asked.
func TestKernelLabel(t *testing.T) {
	const (
		withKernel = `kernel: {image: "kernel:1", tar: none}`
		fault      = "kernel: label org.composeos.kernel.decompressors of docker.io/library/kernel:1: "
	)
	says := func(label string) map[string]string { return map[string]string{spec.KernelLabel: label} }
	for _, c := range []struct {
		name, manifest string
		labels         map[string]string
		want           []string
		fault          string
	}{
		{"it does not say", withKernel, nil, nil, ""},
		{"one", withKernel, says("gzip"), []string{"gzip"}, ""},
		{"best first", withKernel, says("zstd gzip"), []string{"zstd", "gzip"}, ""},
		{"what compose cannot write is kept", withKernel, says("lz4 xz"), []string{"lz4", "xz"}, ""},
		{"of an image that brings no kernel", `init: ["kernel:1"]`, says("zstd"), nil, ""},
		{"of nobody's, a wrong one does not matter", `init: ["kernel:1"]`, says("brotli"), nil, ""},
		{"another word", withKernel, says("zstd brotli"), nil, fault + `"brotli" is not one of `},
		{"twice", withKernel, says("gzip gzip"), nil, fault + `"gzip" is there twice`},
		{"empty", withKernel, says(""), nil, fault + "it is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			kernel := base["docker.io/library/kernel:1"]
			kernel.labels = c.labels
			r, err := newWorkshop(t, map[string]testImage{"docker.io/library/kernel:1": kernel}).build(c.manifest)
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) {
					t.Errorf("error %v, want %q in it", err, c.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, r.Tree.Decompressors); d != "" {
				t.Error(d)
			}
		})
	}
}

const initAndWeb = "init: [\"init:1\"]\nservices: [{name: a, image: \"web:1\"}]"

// TestTreeOptions holds that a tree carries what it was made by: the platform,
// the lock's times, and the digest of its inputs.
func TestTreeOptions(t *testing.T) {
	w := newWorkshop(t, base)
	for _, c := range []struct {
		name, manifest string
		platform       spec.Platform
		want           rootfs.TreeOptions
	}{
		{"amd64", initAndWeb, amd64, rootfs.TreeOptions{Arch: "amd64", Epoch: 100}},
		{"a variant", initAndWeb, spec.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}, rootfs.TreeOptions{Arch: "arm64", Variant: "v8", Epoch: 100}},
		{"one time for all", initAndWeb + "\ntimestamps: fixed", amd64, rootfs.TreeOptions{Arch: "amd64", Epoch: 100, Fixed: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := w.parse(c.manifest)
			lock, _, err := w.resolve(m, func(o *compose.ResolveOptions) { o.Platform = c.platform })
			if err != nil {
				t.Fatal(err)
			}
			r, err := compose.Build(t.Context(), m, compose.Options{Lock: lock, Platform: c.platform, Source: w.images, Lease: w.lease})
			if err != nil {
				t.Fatal(err)
			}
			inputs, err := compose.Inputs(m, lock, c.platform)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Tree.Inputs; got.String() != string(inputs) || got == (rootfs.Digest{}) {
				t.Errorf("the tree says %s of its inputs, want %s", got, inputs)
			}
			got := r.Tree.TreeOptions
			got.Inputs = rootfs.Digest{}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestTreeInputs holds that the digest which a tree carries moves with what it is
// made of, and not with who vouches for it.
func TestTreeInputs(t *testing.T) {
	w := newWorkshop(t, base)
	inputs := func(manifest string, change func(*spec.Lock)) rootfs.Digest {
		m := w.parse(manifest)
		lock, _, err := w.resolve(m, nil)
		if err != nil {
			t.Fatal(err)
		}
		change(lock)
		r, err := w.buildLocked(m, lock)
		if err != nil {
			t.Fatal(err)
		}
		return r.Tree.Inputs
	}
	same := func(*spec.Lock) {}
	was := inputs(initAndWeb, same)
	for name, moved := range map[string]rootfs.Digest{
		"epoch":    inputs(initAndWeb, func(l *spec.Lock) { l.Epoch++ }),
		"id":       inputs(initAndWeb, func(l *spec.Lock) { l.IDs["a"] = 7 }),
		"manifest": inputs(initAndWeb+"\ntimestamps: fixed", same),
	} {
		if moved == was {
			t.Errorf("%s does not count", name)
		}
	}
	for name, stays := range map[string]rootfs.Digest{
		"nothing":  inputs(initAndWeb, same),
		"policy":   inputs(initAndWeb, func(l *spec.Lock) { l.Policy = spec.DigestOf(nil) }),
		"platform": inputs(initAndWeb, func(l *spec.Lock) { l.Images[0].Platforms["linux/s390x"] = spec.LockedPlatform{} }),
	} {
		if stays != was {
			t.Errorf("%s counts", name)
		}
	}
}
