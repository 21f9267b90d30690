package main

import (
	"flag"
	"strings"
)

// helpFlag is the flag that no FlagSet defines and every command has.
const helpFlag = "help"

// typedLine is what the words before the one being typed say.
type typedLine struct {
	flags    *flag.FlagSet
	given    map[string][]string // the values of the flags that stand there, by their names
	operands []string
	ended    bool       // "--" stands there: no flags follow
	open     *flag.Flag // the word being typed is its value
}

// completeLine returns what can stand in place of the last word of a command
// line, words without the program's name. It goes by the command table, by the
// flags that commands define, and by their help texts; see [helpOn].
func completeLine(words []string) answer {
	if len(words) == 0 {
		words = []string{""}
	}
	last := len(words) - 1
	before, typed := words[:last], words[last]
	if strings.Contains(typed, "\n") {
		return answer{} // nothing begins so, and the scripts read lines
	}
	if len(before) == 0 {
		if strings.HasPrefix(typed, "-") {
			return offerHelp(typed)
		}
		return offerCommands(commands())
	}
	c, n := findCommand(before)
	if n == 0 {
		return answer{}
	}
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	c.setup(fs)
	l := readTyped(fs, before[n:])
	switch {
	case l.open != nil:
		return l.values(l.open, typed)
	case l.ended || !strings.HasPrefix(typed, "-"):
		return l.completeOperand(c)
	}
	if name, value, ok := strings.Cut(typed, "="); ok {
		f := fs.Lookup(bareFlag(name))
		if f == nil {
			return answer{}
		}
		a := l.values(f, value)
		a.prefix = name + "=" + a.prefix
		return a
	}
	return l.offerFlags(typed)
}

// maxWords is how many words name a command: "trust root update".
const maxWords = 3

// findCommand returns the command that words begin with, and how many of them
// name it; 0 where there is no such command.
func findCommand(words []string) (c command, n int) {
	for n := min(maxWords, len(words)); n > 0; n-- {
		for _, c := range allCommands() {
			if c.name == strings.Join(words[:n], " ") {
				return c, n
			}
		}
	}
	return command{}, 0
}

// readTyped reads words as [parseFlags] does, and takes no offence.
func readTyped(fs *flag.FlagSet, words []string) typedLine {
	l := typedLine{flags: fs, given: map[string][]string{}}
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		if l.ended || len(word) < 2 || word[0] != '-' {
			l.operands = append(l.operands, word)
			continue
		}
		if word == "--" {
			l.ended = true
			continue
		}
		name, value, hasValue := strings.Cut(bareFlag(word), "=")
		f := fs.Lookup(name)
		if f != nil && !hasValue && !isBool(f) {
			if len(words) == 0 {
				l.open = f
				break
			}
			value, words = words[0], words[1:]
		}
		l.given[name] = append(l.given[name], value)
	}
	return l
}

// bareFlag returns a flag without its one or two dashes.
func bareFlag(word string) string {
	return strings.TrimPrefix(strings.TrimPrefix(word, "-"), "-")
}

func offerCommands(table []command) answer {
	var a answer
	for _, c := range table {
		a.words = append(a.words, candidate{c.name[strings.LastIndexByte(c.name, ' ')+1:], c.summary})
	}
	return a
}

// offerFlags offers the flags of a command that may still be given.
func (l *typedLine) offerFlags(typed string) answer {
	about := helpOn(l.flags.Name()).flags
	a := offerHelp(typed)
	l.flags.VisitAll(func(f *flag.Flag) {
		if _, given := l.given[f.Name]; !given || isRepeatable(f) {
			a.words = append(a.words, candidate{dashes(typed) + f.Name, about[f.Name].about})
		}
	})
	return a
}

// offerHelp offers the flag that explains a command, or compose itself.
func offerHelp(typed string) answer {
	return answer{words: []candidate{{dashes(typed) + helpFlag, "print the help, and do nothing"}}}
}

// dashes returns as many as a flag is typed with: one, unless there are two.
func dashes(typed string) string {
	if strings.HasPrefix(typed, "--") {
		return "--"
	}
	return "-"
}
