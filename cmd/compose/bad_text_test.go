package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// manifest returns a case whose manifest is text.
func manifest(name, text string) badCase {
	return badCase{name: "manifest/" + name, spoil: func(t *testing.T, dir string) { writeFile(t, dir, "m.yml", text) }}
}

// policy returns a case whose manifest demands a signature, by the key in a file, of
// what the patterns match.
func policy(name, key string, patterns ...string) badCase {
	text := "trust:\n  authorities: {acme: {key: {file: " + key + "}}}\n  policies:\n"
	for _, p := range patterns {
		text += "    - {match: \"" + p + "\", anyOf: [acme]}\n"
	}
	return badCase{name: "manifest/a policy " + name, spoil: func(t *testing.T, dir string) {
		writeFile(t, dir, "m.yml", text+goodManifest)
		writeFile(t, dir, "acme.pub", "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEArkaoOIySkldRIl4tq+TZZgNGyM7ZEFS+55SEWqAij+w=\n-----END PUBLIC KEY-----\n")
	}}
}

// badManifests are manifests that are refused.
func badManifests() []badCase {
	service := func(lines string) string { return "services:\n  - name: app\n    image: oci:images:app\n" + lines }
	return []badCase{
		manifest("unknown key", "sevices: []\n"),
		manifest("unknown key of a service", service("    bind: [/a:/b]\n")),
		manifest("several faults", "inti: []\n"+service("    comand: [a]\n    pid: 7\n")),
		manifest("duplicate key", "init: []\ninit: []\n"),
		manifest("wrong type", "services: {name: app}\n"),
		manifest("not YAML", "init: [oci:images:app\n"),
		manifest("tabs", "init:\n\t- oci:images:app\n"),
		manifest("not UTF-8", "init: [\"\xff\xfe\"]\n"),
		manifest("empty", ""),
		manifest("a list", "- init\n"),
		manifest("a name that leaves the bundle", "services:\n  - {name: ../../etc, image: \"oci:images:app\"}\n"),
		manifest("no name", "services:\n  - image: oci:images:app\n"),
		manifest("no image", "services:\n  - name: app\n"),
		manifest("a name twice", service("  - name: app\n    image: oci:images:app\n")),
		manifest("bad reference", "init: [\"docker.io/UPPER/case\"]\n"),
		manifest("bad digest", "init: [\"acme/x@sha256:12\"]\n"),
		manifest("a scalar that begins with at", "init: [@pkg]\n"),
		manifest("bad mode", "files:\n  - {path: a, contents: x, mode: \"0999\"}\n"),
		manifest("source with contents", "files:\n  - {path: a, contents: x, source: data}\n"),
		manifest("a file of nothing", "files:\n  - {path: a}\n"),
		manifest("a path that leaves the root", "files:\n  - {path: ../a, contents: x}\n"),
		manifest("unknown user", "files:\n  - {path: a, contents: x, uid: nobody}\n"),
		manifest("unknown capability", service("    capabilities: [CAP_FLY]\n")),
		manifest("bad bind", service("    binds: [\"relative\"]\n")),
		manifest("bad rlimit", service("    rlimits: [\"nofile,many,few\"]\n")),
		manifest("a source that is missing", "files:\n  - {path: a, source: nowhere/b}\n"),
		manifest("a source that is a folder", "files:\n  - {path: a, source: images}\n"),
		manifest("an alias bomb", aliasBomb()),
		policy("that is not satisfied", "acme.pub", "docker.io/test/app"),
		policy("with a key that is none", "m.yml", "docker.io/test/app"),
		policy("with a key that is nowhere", "gone.pub", "docker.io/test/app"),
		policy("and another that tie", "acme.pub", "docker.io/te*/app", "docker.io/*st/app"),
		{"manifest/a site's policy with a slip", func(t *testing.T, dir string) {
			writeFile(t, dir, "site.yml", "default: deny\npolicy: []\n")
		}, "build -offline -progress none -trust site.yml m.yml"},
		manifest("a package source", "init: [\"pkg:images\"]\n"),
		manifest("an image that is nowhere", "init: [\"oci:nowhere:app\"]\n"),
		{"manifest/missing", func(t *testing.T, dir string) { remove(t, dir, "m.yml") }, ""},
		{"manifest/a folder", func(t *testing.T, dir string) {
			remove(t, dir, "m.yml")
			writeFile(t, dir, "m.yml/x", "")
		}, ""},
		{"manifest/too large", func(t *testing.T, dir string) {
			writeFile(t, dir, "m.yml", strings.Repeat("# a comment that goes on and on\n", maxText/32+1))
		}, ""},
	}
}

// aliasBomb is a small text that stands for 10^9 strings.
func aliasBomb() string {
	text := "x-a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'j'; c++ {
		text += "x-" + string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 10), ",") + "]\n"
	}
	return text + "init: *i\n"
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// replace returns a case in which a text of the lock is another.
func replace(name, old, text string) badCase {
	return badCase{name: "lock/" + name, spoil: func(t *testing.T, dir string) {
		data, err := os.ReadFile(filepath.Join(dir, "m.lock.json"))
		if err != nil || !strings.Contains(string(data), old) {
			t.Fatalf("no %q in the lock (%v):\n%s", old, err, data)
		}
		writeFile(t, dir, "m.lock.json", strings.Replace(string(data), old, text, 1))
	}}
}

// lockText returns a case whose lock is text.
func lockText(name, text string) badCase {
	return badCase{name: "lock/" + name, spoil: func(t *testing.T, dir string) { writeFile(t, dir, "m.lock.json", text) }}
}

// badLocks are locks that are refused.
func badLocks() []badCase {
	const frozen = "build -offline -progress none -frozen m.yml"
	other := strings.Repeat("0", 64)
	return []badCase{
		lockText("empty", ""),
		lockText("not JSON", "images: []\n"),
		lockText("null", "null\n"),
		lockText("cut short", "{\"version\": 1,"),
		lockText("more behind it", "{} {}\n"),
		replace("of another version", `"version": 1`, `"version": 2`),
		replace("of another level", `"compat": 0`, `"compat": 7`),
		replace("unknown key", `"version": 1`, `"versoin": 1`),
		replace("duplicate key", `"version": 1`, `"version": 1, "version": 1`),
		replace("a key in another case", `"version": 1`, `"Version": 1`),
		replace("bad digest", `"digest": "sha256:`, `"digest": "sha512:`),
		replace("a time before time", `"epoch": `, `"epoch": -`),
		replace("bad policy of times", `"timestamps": "clamp"`, `"timestamps": "now"`),
		replace("another name", `"name": "docker.io/test/app:v1"`, `"name": "docker.io/test/application:v1"`),
		{"lock/for another platform only", func(t *testing.T, dir string) {
			replace("x", `"linux/amd64"`, `"linux/arm64"`).spoil(t, dir)
			replace("y", `"linux/amd64"`, `"linux/arm64"`).spoil(t, dir)
			writeFile(t, dir, "data", "other")
		}, frozen},
		{"lock/pins what is nowhere", func(t *testing.T, dir string) {
			pinOther(t, dir, other)
		}, ""},
		{"lock/an image unsigned without a word", func(t *testing.T, dir string) {
			replace("x", `"unsigned": "accepted"`, `"unsigned": "yes"`).spoil(t, dir)
		}, ""},
		{"lock/frozen and a source changed", func(t *testing.T, dir string) { writeFile(t, dir, "data", "other") }, frozen},
		{"lock/frozen and none there", func(t *testing.T, dir string) { remove(t, dir, "m.lock.json") }, frozen},
		{"lock/a folder", func(t *testing.T, dir string) {
			remove(t, dir, "m.lock.json")
			writeFile(t, dir, "m.lock.json/x", "")
		}, ""},
	}
}

// pinOther makes the lock pin the registry's image to another digest.
func pinOther(t *testing.T, dir, digest string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "m.lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	images := strings.Index(text, `"images"`)
	i := images + strings.Index(text[images:], `"digest": "sha256:`) + len(`"digest": "sha256:`)
	writeFile(t, dir, "m.lock.json", text[:i]+digest+text[i+len(digest):])
}
