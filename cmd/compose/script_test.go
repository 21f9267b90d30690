package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptCommands are the commands of scripts beside the standard ones.
func scriptCommands(t *testing.T) map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"fixture":   fixtureCommand,
		"image":     imageCommand(t),
		"dryruns":   dryRuns,
		"mistype":   mistype,
		"snapshot":  snapshot,
		"unchanged": unchangedSince,
		"jsonlines": jsonLines,
		"fileline":  fileLine,
		"samepaths": samePaths,
		"flip":      flipBit,
		"loader":    loaderCommand(t),
		"bootfile":  bootFile,
		"debs":      debsCommand(t),
		"nogo":      noGo,
		"registry":  registryCommand(t),
		"tuf":       tufCommand(t),
	}
}

// listing returns a line for each path below dir: name, mode and digest.
func listing(dir string) (string, error) {
	var lines []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := path + " " + info.Mode().String()
		if info.Mode().IsRegular() {
			sum, err := fileDigest(path)
			if err != nil {
				return err
			}
			line += " " + sum.String()
		}
		lines = append(lines, line)
		return nil
	})
	sort.Strings(lines)
	return strings.Join(lines, "\n") + "\n", err
}

// snapshot DIR remembers what is in DIR.
func snapshot(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: snapshot DIR")
	}
	text, err := listing(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(os.WriteFile(snapshotFile(ts, args[0]), []byte(text), 0o600))
}

func snapshotFile(ts *testscript.TestScript, dir string) string {
	return filepath.Join(os.TempDir(), "compose-snapshot-"+strings.ReplaceAll(ts.MkAbs(dir), "/", "_"))
}

// unchangedSince DIR fails if something in DIR is not as it was at the snapshot.
func unchangedSince(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: unchanged DIR")
	}
	before, err := os.ReadFile(snapshotFile(ts, args[0]))
	ts.Check(err)
	ts.Check(os.Remove(snapshotFile(ts, args[0])))
	after, err := listing(ts.MkAbs(args[0]))
	ts.Check(err)
	if string(before) != after {
		ts.Fatalf("%s changed\nbefore:\n%safter:\n%s", args[0], before, after)
	}
}

// jsonLines FILE [EVENT...] fails unless every line of FILE is a JSON object,
// and there is one of each of the events.
func jsonLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: jsonlines FILE [EVENT...]")
	}
	seen := map[string]bool{}
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Event == "" {
			ts.Fatalf("%q is no event: %v", line, err)
		}
		seen[e.Event] = true
	}
	for _, want := range args[1:] {
		if !seen[want] {
			ts.Fatalf("no event %s in %s", want, args[0])
		}
	}
}

// fileLine TEXT FILE... fails unless the file TEXT (or stdout) has a line for
// each FILE with its digest, size and path, and no other.
func fileLine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fileline TEXT FILE...")
	}
	want := ""
	for _, path := range args[1:] {
		sum, err := fileDigest(ts.MkAbs(path))
		ts.Check(err)
		info, err := os.Stat(ts.MkAbs(path))
		ts.Check(err)
		want += fmt.Sprintf("%x %d %s\n", sum[:], info.Size(), path)
	}
	if got := ts.ReadFile(args[0]); got != want {
		ts.Fatalf("%s is\n%swant\n%s", args[0], got, want)
	}
}

// dryRuns DIR makes a dry run of every manifest in DIR. Each must end well, have
// the manifest's sections in its plan, and write nothing.
func dryRuns(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: dryruns DIR")
	}
	manifests, err := filepath.Glob(filepath.Join(args[0], "*.yml"))
	ts.Check(err)
	if len(manifests) < 30 {
		ts.Fatalf("only %d manifests in %s", len(manifests), args[0])
	}
	before, err := listing(args[0])
	ts.Check(err)
	for _, m := range manifests {
		ts.Check(ts.Exec("compose", "build", "-format", "tar", "-dry-run", "-arch", "amd64", m))
		plan := ts.ReadFile("stdout")
		for _, want := range []string{manifestName(m) + " for linux/amd64\n", "\nwould write\n  " + manifestName(m) + ".tar\n", "\nunresolved: "} {
			if !strings.Contains(plan, want) {
				ts.Fatalf("%s: no %q in the plan:\n%s", m, want, plan)
			}
		}
	}
	after, err := listing(args[0])
	ts.Check(err)
	if before != after {
		ts.Fatalf("a dry run changed %s", args[0])
	}
}

// keyLine is a line of a manifest that begins with a key long enough to mistype.
var keyLine = regexp.MustCompile(`^[ -]*([a-z]{4,}):`)

// mistype DIR mistypes a key in each manifest of DIR, another one in each, and
// wants the line of it, and the key that was meant.
func mistype(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: mistype DIR")
	}
	manifests, err := filepath.Glob(filepath.Join(args[0], "*.yml"))
	ts.Check(err)
	for i, m := range manifests {
		data, err := os.ReadFile(m)
		ts.Check(err)
		lines := strings.Split(string(data), "\n")
		number, key := pickKey(lines, i)
		wrong := key[:1] + key[2:3] + key[1:2] + key[3:]
		lines[number] = strings.Replace(lines[number], key+":", wrong+":", 1)
		name := filepath.Base(m)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(strings.Join(lines, "\n")), 0o600))
		if ts.Exec("compose", "build", "-format", "tar", "-dry-run", name) == nil {
			ts.Fatalf("%s: %q for %q is taken", name, wrong, key)
		}
		place, meant := fmt.Sprintf("compose: %s:%d:", name, number+1), fmt.Sprintf("unknown key %q; did you mean %q?", wrong, key)
		if said := ts.ReadFile("stderr"); !strings.Contains(said, place) || !strings.Contains(said, meant) {
			ts.Fatalf("no %q with %q in\n%s", place, meant, said)
		}
	}
}

// pickKey returns the i-th line that has a key, counted round and round.
func pickKey(lines []string, i int) (number int, key string) {
	var numbers []int
	var keys []string
	for n, l := range lines {
		if m := keyLine.FindStringSubmatch(l); m != nil && m[1][1] != m[1][2] {
			numbers, keys = append(numbers, n), append(keys, m[1])
		}
	}
	return numbers[i%len(keys)], keys[i%len(keys)]
}
