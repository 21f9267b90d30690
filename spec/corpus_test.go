package spec

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// shared returns a path beside the repository, and skips the test where there is none.
func shared(t *testing.T, elem ...string) string {
	t.Helper()
	name := filepath.Join(append([]string{"..", "..", "shared"}, elem...)...)
	if _, err := os.Stat(name); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI needs it: %v", err)
		}
		t.Skipf("the corpus is not there: %v", err)
	}
	return name
}

// manifests returns linuxkit's examples by name.
func manifests(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(shared(t, "corpus", "linuxkit", "examples"), "*.yml"))
	if err != nil {
		t.Fatal(err)
	}
	const all = 33
	if len(files) != all {
		t.Fatalf("%d manifests, want %d", len(files), all)
	}
	out := map[string][]byte{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(f)] = data
	}
	return out
}

func TestCorpusLoads(t *testing.T) {
	for name, data := range manifests(t) {
		t.Run(name, func(t *testing.T) {
			m, err := Parse(name, data)
			if err != nil {
				t.Fatal(err)
			}
			if m, err = Merge(m); err != nil {
				t.Fatal(err)
			}
			if len(m.Images()) == 0 {
				t.Error("no image")
			}
			if _, err := IDs(m, nil); err != nil {
				t.Error(err)
			}
			checkMetadata(t, m)
		})
	}
}

// checkMetadata sees that a manifest that is written reads back to what is written again.
func checkMetadata(t *testing.T, m *Manifest) {
	t.Helper()
	first, err := m.JSON()
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := m.YAML()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"JSON": first, "YAML": asYAML} {
		again, err := Parse("again.yml", data)
		if err != nil {
			t.Fatalf("%s does not read back: %v\n%s", name, err, data)
		}
		second, err := again.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if string(first) != string(second) {
			t.Errorf("%s reads back as another manifest:\n%s\n%s", name, first, second)
		}
	}
}

func TestWorkloadParses(t *testing.T) {
	data, err := os.ReadFile(shared(t, "workload", "anchor.yml"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse("anchor.yml", data)
	if err != nil {
		t.Fatal(err)
	}
	if m, err = Merge(m); err != nil {
		t.Fatal(err)
	}
	ids, err := IDs(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ids["sysctl"] != 100 || ids["dhcpcd"] != 102 || ids["nginx"] != 104 || ids["redis"] != 112 {
		t.Errorf("numbers: %v", ids)
	}
	checkMetadata(t, m)
}

// TestMistypedKeys plants mistakes of one letter in the corpus: each must be
// found in its line and column, with the right key as the suggestion.
func TestMistypedKeys(t *testing.T) {
	planted := 0
	for name, data := range manifests(t) {
		lines := strings.Split(string(data), "\n")
		root, _, err := readYAML(name, data, manifestFile())
		if err != nil {
			t.Fatal(err)
		}
		for i, key := range keyNodes(root) {
			for kind, wrong := range mistakes(key.Value) {
				if (i+len(name))%3 != 0 && kind != "swapped" {
					continue // several keys of each file, not all: the time of the test
				}
				planted++
				t.Run(fmt.Sprintf("%s/%d/%s", name, key.Line, wrong), func(t *testing.T) {
					broken := strings.Join(replaceAt(lines, key, wrong), "\n")
					checkPlanted(t, name, broken, key, wrong)
				})
			}
		}
	}
	const least = 500
	if planted < least {
		t.Errorf("%d mistakes planted, want %d", planted, least)
	}
}

// keyNodes returns the keys of every mapping.
func keyNodes(n *yaml.Node) []*yaml.Node {
	var keys []*yaml.Node
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			keys = append(keys, c)
		}
		keys = append(keys, keyNodes(c)...)
	}
	return keys
}

// mistakes returns a word with one letter too many, too few, and two swapped.
func mistakes(word string) map[string]string {
	mid := len(word) / 2
	out := map[string]string{
		"doubled": word[:mid] + word[mid:mid+1] + word[mid:],
		"swapped": word[:mid-1] + word[mid:mid+1] + word[mid-1:mid] + word[mid+1:],
		"changed": word[:mid] + "z" + word[mid+1:],
	}
	for kind, wrong := range out {
		if wrong == word {
			delete(out, kind)
		}
	}
	return out
}

func replaceAt(lines []string, key *yaml.Node, wrong string) []string {
	out := append([]string(nil), lines...)
	l := out[key.Line-1]
	at := key.Column - 1
	out[key.Line-1] = l[:at] + wrong + l[at+len(key.Value):]
	return out
}

func checkPlanted(t *testing.T, name, broken string, key *yaml.Node, wrong string) {
	t.Helper()
	_, err := Parse(name, []byte(broken))
	if err == nil {
		t.Fatalf("%s instead of %s is accepted", wrong, key.Value)
	}
	list, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("one error: %v", err)
	}
	what := fmt.Sprintf("unknown key %q; did you mean %q?", wrong, key.Value)
	at := Pos{name, key.Line, key.Column}
	for _, one := range list.Unwrap() {
		var e Error
		if errors.As(one, &e) && e.Pos == at && e.What == what {
			return
		}
	}
	t.Errorf("want %s: …%s, got:\n%v", at, what, err)
}
