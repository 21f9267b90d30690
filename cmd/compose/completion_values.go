package main

import (
	"flag"
	"slices"
	"strings"

	"github.com/composeos/compose/outputs"
)

// chooser is the value of a flag that is one of a few.
type chooser interface {
	// Choices returns what may be said, in the order in which it is offered.
	Choices() []string
}

// Choices returns the values that are allowed.
func (c *choice) Choices() []string { return c.allowed }

// repeats marks a flag that may be given again.
func (l *list) repeats() {}

func (f *formatsFlag) repeats() {}

func (u *updateFlag) repeats() {}

func isRepeatable(f *flag.Flag) bool {
	_, ok := f.Value.(interface{ repeats() })
	return ok
}

// values returns what the value of a flag can be.
func (l *typedLine) values(f *flag.Flag, typed string) answer {
	switch v := f.Value.(type) {
	case *formatsFlag:
		return offerFormats(typed, l.given[f.Name])
	case chooser:
		return offer(v.Choices()...)
	}
	return offerFor(helpOn(l.flags.Name()).flags[f.Name].takes)
}

// completeOperand returns what the next operand of a command can be.
func (l *typedLine) completeOperand(c command) answer {
	if subs := groupOf(c.name); len(subs) > 0 && len(l.operands) == 0 && !l.ended {
		return offerCommands(subs)
	}
	var takes []string
	for _, o := range helpOn(c.name).operands {
		if len(l.operands) == 0 || o.again {
			takes = append(takes, o.takes)
		}
	}
	return offerFor(strings.Join(takes, "|"))
}

// offerFor returns what can stand for a word of a help text, or for one of
// several with bars between: files, where one of them is a file. A small word
// stands for itself.
func offerFor(takes string) answer {
	var a answer
	for word := range strings.SplitSeq(takes, "|") {
		switch word {
		case "MANIFEST":
			if a.paths != anyFile {
				a.paths, a.patterns = anyFile, []string{"*.yml", "*.yaml"}
			}
		case "FILE", "TAR", "OCI", "LAYOUT":
			a.paths, a.patterns = anyFile, nil
		case "DIR":
			if a.paths != anyFile {
				a.paths = directories
			}
		case "ARCH":
			return offer(architectures()...)
		case "TOPIC":
			return offerTopics()
		default:
			if word != "" && word != "-" && strings.ToLower(word) == word {
				a.words = append(a.words, candidate{word: word})
			}
		}
	}
	return a
}

// architectures returns what images are most often built for; -arch takes others too.
func architectures() []string {
	return []string{"amd64", "arm64", "arm/v7", "ppc64le", "riscv64", "s390x"}
}

// offerFormats offers the output formats that are not yet named, to stand behind
// the last comma of what was typed.
func offerFormats(typed string, given []string) answer {
	end := strings.LastIndexByte(typed, ',') + 1
	named := strings.Split(strings.Join(append([]string{typed[:end]}, given...), ","), ",")
	a := answer{prefix: typed[:end]}
	for _, f := range outputs.All() {
		if !slices.Contains(named, f.Name()) {
			a.words = append(a.words, candidate{f.Name(), f.Summary()})
		}
	}
	return a
}

// offerTopics offers what help explains: the commands, and what the text on
// compose itself lists beside them.
func offerTopics() answer {
	var a answer
	about := map[string]string{}
	for line := range strings.Lines(helpText("compose")) {
		if topic, text, ok := strings.Cut(strings.TrimSpace(line), "  "); ok {
			about[topic] = strings.TrimSpace(text)
		}
	}
	for _, topic := range helpTopics() {
		a.words = append(a.words, candidate{topic, about[topic]})
	}
	return a
}
