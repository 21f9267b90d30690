package main

import (
	"bytes"
	"flag"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// helpOf returns the help on a topic.
func helpOf(t *testing.T, topic string) string {
	t.Helper()
	var b bytes.Buffer
	if err := printHelp(&b, topic); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestHelpNamesEveryFlag holds the texts against the flags: none is missing,
// and none is explained that does not exist.
func TestHelpNamesEveryFlag(t *testing.T) {
	explained := regexp.MustCompile(`(?m)^  -([a-z-]+)`)
	have, want := map[string][]string{}, map[string][]string{}
	for _, c := range allCommands() {
		fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
		c.setup(fs)
		topic, _, _ := strings.Cut(c.name, " ")
		want[topic] = append(want[topic], flagNames(fs)...)
		if _, read := have[topic]; read {
			continue
		}
		have[topic] = []string{}
		for _, m := range explained.FindAllStringSubmatch(helpOf(t, topic), -1) {
			have[topic] = append(have[topic], m[1])
		}
	}
	for topic := range want {
		if diff := cmp.Diff(unique(want[topic]), unique(have[topic])); diff != "" {
			t.Errorf("flags in help/%s.txt (-want +got):\n%s", topic, diff)
		}
	}
}

func unique(names []string) []string {
	sorted := slices.Sorted(slices.Values(names))
	return slices.Compact(append([]string{}, sorted...))
}

func TestHelpIsNarrow(t *testing.T) {
	for _, topic := range helpTopics() {
		for i, line := range strings.Split(helpOf(t, topic), "\n") {
			if n := len([]rune(line)); n > 82 {
				t.Errorf("help/%s.txt:%d is %d columns wide: %s", topic, i+1, n, line)
			}
			if strings.TrimRight(line, " \t") != line {
				t.Errorf("help/%s.txt:%d ends in a space", topic, i+1)
			}
		}
	}
}

func TestHelpListsCommandsAndTopics(t *testing.T) {
	text := helpOf(t, "compose")
	for _, c := range commands() {
		if !strings.Contains(text, "  "+c.name+" ") || !strings.Contains(text, c.summary) {
			t.Errorf("help does not list %s", c.name)
		}
	}
	for _, topic := range helpTopics() {
		if topic != "compose" && !strings.Contains(text, "  "+topic+" ") {
			t.Errorf("help does not list %s", topic)
		}
	}
}

func TestEveryCommandHasHelp(t *testing.T) {
	for _, c := range allCommands() {
		if text := helpOf(t, c.name); !strings.Contains(text, "usage: compose "+strings.Fields(c.name)[0]) {
			t.Errorf("help on %s has no usage:\n%s", c.name, text)
		}
	}
}
