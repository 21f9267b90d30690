package spec

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"gopkg.in/yaml.v3"
)

// FuzzKeyOrder holds that the order of keys in a manifest does not show in what
// is made of it: its canonical form, which inputs are named by.
func FuzzKeyOrder(f *testing.F) {
	f.Add(uint64(1), []byte("kernel: {image: a/b:c, cmdline: x y, tar: none}\ninit: [a, b]\nfiles: [{path: a, contents: b, mode: \"0644\"}]\n"))
	f.Add(uint64(2), []byte("services:\n- name: a\n  image: b\n  env: [B=1, A=2]\n  runtime: {mkdir: [/a], bindNS: {net: /n, pid: /p}}\n  annotations: {z: a, a: z}\n"))
	f.Add(uint64(3), []byte("volumes: [{name: v, image: i, format: oci, platforms: [linux/arm64, linux/amd64]}]\nonboot: [{name: a, image: b, sysctl: {b: \"1\", a: \"2\"}}]\n"))
	f.Fuzz(func(t *testing.T, seed uint64, data []byte) {
		if len(data) > 1<<14 || bytes.ContainsRune(data, '&') {
			t.Skip("what aliases expand to is tested elsewhere")
		}
		m, err := Parse("m.yml", data)
		if err != nil {
			t.Skip(err)
		}
		want, err := m.JSON()
		if err != nil {
			t.Skip(err)
		}
		var n yaml.Node
		if err := yaml.Unmarshal(data, &n); err != nil {
			t.Skip(err)
		}
		shuffle(&n, rand.New(rand.NewPCG(seed, 0)))
		text, err := yaml.Marshal(&n)
		if err != nil {
			t.Skip(err)
		}
		again, err := Parse("m.yml", text)
		if err != nil {
			t.Skip(err) // the library writes some odd scalars so that they are something else
		}
		if got, err := again.JSON(); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%v\n%s\nis\n%s\n%s\nis\n%s", err, data, want, text, got)
		}
	})
}
