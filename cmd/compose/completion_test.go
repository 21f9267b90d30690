package main

import (
	"flag"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/outputs"
	"github.com/composeos/compose/spec"
)

// wordsOf returns the whole words that an answer offers, without a text on them.
func wordsOf(a answer) []string {
	words := []string{}
	for _, c := range a.words {
		words = append(words, a.prefix+c.word)
	}
	return words
}

// without returns the names but one.
func without(names []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == one })
}

func prefixed(prefix string, names []string) []string {
	all := []string{}
	for _, n := range names {
		all = append(all, prefix+n)
	}
	return all
}

func TestCompleteLine(t *testing.T) {
	formats, shells := outputs.Names(), scriptShells()
	others := without(formats, "tar")
	manifests := answer{paths: anyFile, patterns: []string{"*.yml", "*.yaml"}}
	tests := []struct {
		name, line string
		want       answer // of the words, only the words
	}{
		{"the command", "", offer(lastWords(commands())...)},
		{"a flag before the command", "-", offer("-help")},
		{"a command of cache", "cache ", offer(lastWords(cacheCommands())...)},
		{"no command", "biuld ", offer()},
		{"no command of cache", "cache lst -", offer("-help")},
		{"flags", "cache rm -", offer("-help", "-cache")},
		{"flags with two dashes", "cache rm --", offer("--help", "--cache")},
		{"flags behind operands", "cache prune x -", offer("-help", "-cache", "-size")},
		{"a flag that stands there", "cache prune --size 1 -", offer("-help", "-cache")},
		{"a flag that stands there with =", "cache prune -size=1 -", offer("-help", "-cache")},
		{"a value is no flag", "cache prune -size -cache -", offer("-help", "-cache")},
		{"a flag that is not known", "cache rm -nothing -", offer("-help", "-cache")},
		{"no flags behind --", "cache rm -- -", offer()},
		{"-- can be a value", "cache rm -cache -- -", offer("-help")},
		{"formats", "build -format ", offer(formats...)},
		{"formats, two dashes", "build --format ", offer(formats...)},
		{"formats behind =", "build -format=", offer(prefixed("-format=", formats)...)},
		{"formats behind a comma", "build -format tar,", offer(prefixed("tar,", others)...)},
		{"formats behind = and a comma", "build --format=tar,x", offer(prefixed("--format=tar,", others)...)},
		{"formats behind another -format", "build -format tar -format ", offer(others...)},
		{"formats behind another -format=", "build --format=tar a.yml -format ", offer(others...)},
		{"a choice", "inspect -progress ", offer("auto", "plain", "json", "none")},
		{"a choice behind =", "inspect a.yml -progress=", offer("-progress=auto", "-progress=plain", "-progress=json", "-progress=none")},
		{"an architecture", "lock -arch ", offer(architectures()...)},
		{"a file", "build -o ", answer{paths: anyFile}},
		{"a file behind =", "build -lock=x", answer{paths: anyFile, prefix: "-lock="}},
		{"a directory", "build -dir ", answer{paths: directories}},
		{"a directory behind =", "cache ls --cache=", answer{paths: directories, prefix: "--cache="}},
		{"a manifest", "build ", manifests},
		{"another manifest", "build -frozen a.yml b", manifests},
		{"a manifest behind a value", "lock -jobs 1 ", manifests},
		{"a manifest behind -update", "lock -update nginx ", manifests},
		{"a manifest behind --", "build -- ", manifests},
		{"a manifest or an image", "inspect ", answer{paths: anyFile}},
		{"another manifest of inspect", "inspect a.yml ", manifests},
		{"a layout or an archive", "cache import x ", answer{paths: anyFile}},
		{"a value nobody knows", "build -name ", offer()},
		{"a value of a flag nobody knows", "build -nothing=", offer()},
		{"a name of the cache", "cache rm ", offer()},
		{"no operand", "version ", offer()},
		{"a flag where there is no operand", "schema ", offer("-pkg")},
		{"a shell", "completion ", offer(shells...)},
		{"one shell", "completion bash ", offer()},
		{"a topic", "help ", offer(helpTopics()...)},
		{"one topic", "help build ", offer()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := completeLine(strings.Split(test.line, " "))
			if diff := cmp.Diff(wordsOf(test.want), wordsOf(got)); diff != "" {
				t.Errorf("words (-want +got):\n%s", diff)
			}
			if got.paths != test.want.paths || !slices.Equal(got.patterns, test.want.patterns) {
				t.Errorf("paths %q %q, want %q %q", got.paths, got.patterns, test.want.paths, test.want.patterns)
			}
			if got.paths != noPaths && got.prefix != test.want.prefix {
				t.Errorf("prefix %q, want %q", got.prefix, test.want.prefix)
			}
		})
	}
}

// everyFlag calls do for each flag of each command, fresh.
func everyFlag(do func(c command, f *flag.Flag)) {
	for _, c := range allCommands() {
		fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
		c.setup(fs)
		fs.VisitAll(func(f *flag.Flag) { do(c, f) })
	}
}

// TestWhatIsOfferedIsTaken holds the words against the flags: each flag is
// offered with a text, and each value that is offered for it can be set.
func TestWhatIsOfferedIsTaken(t *testing.T) {
	values := 0
	everyFlag(func(c command, f *flag.Flag) {
		line := strings.Fields(c.name)
		offered := completeLine(append(line, "-")).words
		i := slices.IndexFunc(offered, func(w candidate) bool { return w.word == "-"+f.Name })
		if i < 0 || offered[i].about == "" {
			t.Errorf("compose %s: -%s is not offered with a text", c.name, f.Name)
		}
		for _, value := range completeLine(append(line, "-"+f.Name+"=")).words {
			values++
			err := f.Value.Set(value.word)
			if err == nil && f.Name == "arch" {
				_, err = spec.ParsePlatform(value.word)
			}
			if err != nil {
				t.Errorf("compose %s -%s %s: %v", c.name, f.Name, value.word, err)
			}
		}
	})
	if values < 20 {
		t.Errorf("only %d values are offered in all", values)
	}
}

// TestEveryChoiceIsOffered holds that no flag with a few values is forgotten,
// whatever its type.
func TestEveryChoiceIsOffered(t *testing.T) {
	everyFlag(func(c command, f *flag.Flag) {
		if isBool(f) || f.Value.Set("no such value") == nil {
			return
		}
		a := completeLine(append(strings.Fields(c.name), "-"+f.Name, ""))
		free := slices.Contains([]string{"jobs", "accept-unsigned", "size", "epoch", "cpus", "mem", "disk", "publish", "timeout"}, f.Name)
		if len(a.words) == 0 && a.paths == noPaths && !free {
			t.Errorf("compose %s -%s takes only some values, and none is offered: give its type Choices, or say here that they are too many", c.name, f.Name)
		}
	})
}

// TestEveryShellHasHelp holds the help text against the scripts.
func TestEveryShellHasHelp(t *testing.T) {
	want := strings.Join(scriptShells(), "|")
	if got := helpOn("completion").operands[0].takes; got != want {
		t.Errorf("help/completion.txt has %q, and there are scripts for %q", got, want)
	}
	if diff := cmp.Diff([]string{"bash", "fish", "zsh"}, scriptShells()); diff != "" {
		t.Errorf("shells (-want +got):\n%s", diff)
	}
}

func TestEveryTopicIsOfferedWithAText(t *testing.T) {
	for _, c := range offerTopics().words {
		if c.about == "" && c.word != "compose" {
			t.Errorf("there is no text on %q", c.word)
		}
	}
}

func TestTextsAreShort(t *testing.T) {
	tests := []struct{ name, text, below, want string }{
		{"a word", "a word", "", "a word"},
		{"one clause of two", "to one; then more", "", "to one"},
		{"one sentence of two", "to one. Then more", "", "to one"},
		{"without a default", "the lock (default: NAME)", "", "the lock"},
		{"without examples", "architecture: amd64", "", "architecture"},
		{"goes on below", "to", "                         one. Then more", "to one"},
		{"ends above the next flag", "to one", "  -x  more", "to one"},
		{"shorter if long", strings.Repeat("long ", 12) + "one, two", "", strings.Repeat("long ", 12) + "one"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := inShort(test.text, []string{test.below, ""}); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// FuzzCompleteLine holds that any command line has an answer which the scripts
// can read: a line that they know, one with what the last word begins with, and
// a line a word.
func FuzzCompleteLine(f *testing.F) {
	for _, line := range []string{"", "build -format=tar,", "cache rm -- -", "lock -update= -epoch", "help\x00cache", "build\x00--=\x00---\x00-", "build -format a\nb,"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\x00' })
		last := ""
		if len(words) > 0 {
			last = words[len(words)-1]
		}
		a := completeLine(words)
		if !strings.HasPrefix(last, a.prefix) {
			t.Errorf("the prefix %q is not what %q begins with", a.prefix, last)
		}
		lines := strings.Split(a.text(), "\n")
		if want := len(a.words) + 3; len(lines) != want || lines[1] != a.prefix {
			t.Errorf("%d lines, want %d:\n%s", len(lines), want, a.text())
		}
		what, _, _ := strings.Cut(lines[0], " ")
		if !slices.Contains([]string{noPathsText, string(anyFile), string(directories)}, what) {
			t.Errorf("the scripts do not know %q", what)
		}
	})
}
