package spec

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sameMeaning compares manifests by what they say and not by where.
func sameMeaning() cmp.Options {
	return cmp.Options{cmpopts.IgnoreTypes(Pos{}), cmpopts.IgnoreUnexported(Container{}, File{})}
}

func readFull(t *testing.T) *Manifest {
	t.Helper()
	data, err := os.ReadFile("testdata/full.yml")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse("dir/full.yml", data)
	if err != nil {
		t.Fatal(err)
	}
	if m, err = Merge(m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestEveryKey sees that testdata/full.yml gives every key, and that every key
// arrives: a field that is added to a struct must be added there.
func TestEveryKey(t *testing.T) {
	m := readFull(t)
	seen := map[string]bool{}
	collectGiven(reflect.ValueOf(m).Elem(), seen)
	for name := range wantedFields(reflect.TypeFor[Manifest](), map[string]bool{}) {
		if !seen[name] {
			t.Errorf("%s is not in full.yml, or does not arrive", name)
		}
	}
	checkMetadata(t, m)
}

// collectGiven notes the fields that are not zero anywhere.
func collectGiven(v reflect.Value, seen map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			collectGiven(v.Elem(), seen)
		}
	case reflect.Slice:
		for i := range v.Len() {
			collectGiven(v.Index(i), seen)
		}
	case reflect.Map:
		for _, e := range v.Seq2() {
			collectGiven(e, seen)
		}
	case reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			if e := v.FieldByIndex(f.index); !e.IsZero() {
				seen[v.Type().Name()+"."+f.key] = true
				collectGiven(e, seen)
			}
		}
	}
}

// wantedFields lists all keys of our own types.
func wantedFields(t reflect.Type, out map[string]bool) map[string]bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.PkgPath() != reflect.TypeFor[Manifest]().PkgPath() {
		return out
	}
	for _, f := range fieldsOf(t) {
		if name := t.Name() + "." + f.key; !out[name] {
			out[name] = true
			wantedFields(t.FieldByIndex(f.index).Type, out)
		}
	}
	return out
}

func TestParseReads(t *testing.T) {
	m := readFull(t)
	s := m.Services[0]
	checks := []struct {
		name      string
		got, want any
	}{
		{"tag", m.Kernel.Image.String(), "docker.io/linuxkit/kernel:6.12"},
		{"local reference", m.Init[2].Image.File(), "dir/init"},
		{"layout", m.Init[1].Image, Ref{Transport: OCI, Name: "images", Tag: "tools", Base: "dir"}},
		{"an alias of an entry", m.Onboot[1].Name, "mount"},
		{"position of an entry", s.Pos, Pos{"dir/full.yml", 21, 5}},
		{"lower case in a mount", s.Mounts[1].UIDMappings[0].HostID, uint32(1000)},
		{"lower case in resources", *s.Resources.BlockIO.Weight, uint16(10)},
		{"lower case deeper in resources", s.Resources.BlockIO.ThrottleReadBpsDevice[0].Rate, uint64(5)},
		{"an embedded struct", s.Resources.BlockIO.WeightDevice[0].Major, int64(8)},
		{"0 is given", *s.Resources.Memory.Swappiness, uint64(0)},
		{"false is given", *s.Resources.Memory.DisableOOMKiller, false},
		{"negative", *s.Resources.Memory.Swap, int64(-1)},
		{"named user", *s.UID, ID{Name: "all_keys"}},
		{"numbered group", *s.GID, ID{Number: 7}},
		{"mode", s.Devices[0].Mode, Mode{Bits: 0o660, Set: true}},
		{"no mode", m.Files[1].Mode, Mode{}},
		{"sticky bit", m.Files[3].Mode.Bits, uint32(0o1777)},
		{"source at home", m.Files[1].SourceFile("/home/me"), "/home/me/b"},
		{"source beside the manifest", File{Source: "x", Pos: Pos{File: "a/m.yml"}}.SourceFile(""), "a/x"},
		{"source elsewhere", File{Source: "/x", Pos: Pos{File: "a/m.yml"}}.SourceFile(""), "/x"},
		{"source of standard input", File{Source: "x", Pos: Pos{File: "-"}}.SourceFile(""), "x"},
		{"policy", m.Trust.Policies[0].Attestations[0].AnyOf[0], "ci"},
		{"policy's witnesses", *m.Trust.Authorities["ci"].Keyless.Require.SCT, 0},
	}
	for _, c := range checks {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.name, diff)
		}
	}
}

func TestParseAccepts(t *testing.T) {
	const s = "services:\n  - name: a\n    image: b\n"
	tests := []struct{ name, in string }{
		{"a date is a text", s + "    hostname: 2001-01-01\n"},
		{"words of YAML 1.1 are texts", s + "    hostname: yes\n"},
		{"hexadecimal and octal numbers", s + "    oomScoreAdj: 0x10\n    uid: 0o17\n"},
		{"explicit tags", s + "    hostname: !!str 5\n    oomScoreAdj: !!int \"5\"\n"},
		{"capabilities in one word", s + "    capabilities: [ALL]\n    ambient: [None]\n"},
		{"linuxkit's word root", s + "    net: root\n"},
		{"empty texts are not given", s + "    cwd: \"\"\n    net: \"\"\n"},
		{"windows line ends", strings.ReplaceAll(s, "\n", "\r\n")},
		{"byte order mark", "\ufeff" + s},
		{"document marks", "---\n" + s + "...\n"},
		{"JSON", `{"services": [{"name": "a", "image": "b"}]}`},
		{"no tar", "kernel: {image: a, tar: none}\n"},
		{"empty tar", "kernel: {image: a, tar: \"\"}\n"},
		{"a NUL in contents", "files: [{path: a, contents: \"a\\0\"}]\n"},
		{"mount by its source", s + "    mounts: [{source: proc}]\n"},
		{"mount of dev", s + "    mounts: [{destination: /dev}]\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Parse("a.yml", []byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Merge(m); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestParseBounds(t *testing.T) {
	var laughs strings.Builder
	laughs.WriteString("x0: &x0 [a, a, a, a, a, a, a, a, a, a]\n")
	for i := 1; i < 9; i++ {
		fmt.Fprintf(&laughs, "x%d: &x%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*x%d, ", i-1), 10), ", "))
	}
	wide := "services:\n- &a\n  name: a\n  image: b\n  env: [" + strings.Repeat("A=1,", 1000) + "]\n" + strings.Repeat("- *a\n", 1000)
	tests := []struct{ name, in, want string }{
		{"aliases of aliases", laughs.String() + "init: *x8\n", "unknown key"},
		{"one alias often", wide, "aliases stand for more than 100000 values"},
		{"deep", "init: " + strings.Repeat("[", 1000) + strings.Repeat("]", 1000), "want a text"},
		{"too deep for the reader", "init: " + strings.Repeat("[", 100_000), "exceeded max depth"},
		{"a circle", "services:\n- name: a\n  image: b\n  resources: &r\n    rdma: {a: *r}\n", "unknown key \"rdma\""},
		{"large", "init: [a]\n#" + strings.Repeat("x", maxManifest), "at most 4194304 can be"},
		{"many faults", "init: [" + strings.Repeat("A,", 1000) + "]", "and 900 more faults"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("a.yml", []byte(tt.in))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("want %q, got %.300v", tt.want, err)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"linuxkit's trust", "init: [a]\ntrust:\n  image: [a/b]\n  org: [c]\n", "a.yml:2:1: trust: linuxkit's lists image and org have no effect; write a policy instead"},
		{"comment before a block", "files:\n  - path: a\n    contents: |\n#  x\n      b\n", "a.yml:4:1: YAML ends a block of text at a comment that is indented less; it is read as if it stood above the block: move it there"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Parse("a.yml", []byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Warnings) != 1 || m.Warnings[0].Error() != tt.want || m.Trust != nil {
				t.Errorf("warnings %v, trust %v; want %s", m.Warnings, m.Trust, tt.want)
			}
			if len(m.Files) > 0 && *m.Files[0].Contents != "b\n" {
				t.Errorf("contents %q", *m.Files[0].Contents)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	full, err := os.ReadFile("testdata/full.yml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)
	for _, s := range []string{
		"", "---", "init: [a]\n---\n", "init: &a [*a]", "kernel: {image: a}\n<<: x", "files:\n- path: a\n  contents: |\n#x\n    b\n",
		"trust: {image: [a]}", "a: @b", "\tb", "services: [{name: a, image: b, uid: -1}]", "? [a]\n: b", "init: !!x [a]", "a:\n- b:\n  -",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse("a.yml", data)
		if err != nil {
			return
		}
		first, err := m.JSON()
		if err != nil {
			t.Fatalf("cannot be written: %v", err)
		}
		if len(first) < len("{}\n")+1 {
			return // nothing was given but what has no effect
		}
		asYAML, err := m.YAML()
		if err != nil {
			t.Fatalf("cannot be written as YAML: %v", err)
		}
		for _, text := range [][]byte{first, asYAML} {
			again, err := Parse("a.yml", text)
			if err != nil {
				t.Fatalf("does not read back: %v\n%s", err, text)
			}
			if diff := cmp.Diff(m, again, sameMeaning(), cmpopts.IgnoreFields(Manifest{}, "Warnings")); diff != "" {
				t.Fatalf("reads back as another manifest:\n%s", diff)
			}
		}
	})
}
