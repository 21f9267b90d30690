package main

import "strings"

// explained is what a help text says of a flag or of operands.
type explained struct {
	takes string // what stands for the value: "DIR", "FILE|-"; "" for none
	about string // in a few words
	again bool   // of operands: there may be several
}

// explanation is what a help text says of a command, as far as completion needs it.
type explanation struct {
	flags    map[string]explained
	operands []explained // of each line of usage
}

// helpOn reads the help on a command. It is the one place that says what the
// value of a flag or an operand is; help_test.go holds it against the flags.
//
//	usage: compose build [flags] MANIFEST...
//	  -dir DIR               write files into DIR (default: the working
//	                         directory)
func helpOn(name string) explanation {
	e := explanation{flags: map[string]explained{}}
	lines := strings.Split(helpText(name), "\n")
	for _, l := range lines {
		usage := strings.TrimPrefix(strings.TrimSpace(l), "usage: ")
		if strings.HasPrefix(usage, "compose "+name+" ") {
			e.operands = append(e.operands, explainedOperands(usage))
		}
		if usage == "" {
			break // what follows are words and examples
		}
	}
	for i, l := range lines {
		flagged, ok := strings.CutPrefix(l, "  -")
		if !ok {
			continue
		}
		head, about, _ := strings.Cut(flagged, "  ")
		flag, takes, _ := strings.Cut(head, " ")
		if _, known := e.flags[flag]; !known {
			e.flags[flag] = explained{takes: takes, about: inShort(about, lines[i+1:])}
		}
	}
	return e
}

// explainedOperands reads the operands off the end of a line of usage.
func explainedOperands(usage string) explained {
	last := strings.Trim(usage[strings.LastIndexByte(usage, ' ')+1:], "[]")
	takes, again := strings.CutSuffix(last, "...")
	return explained{takes: strings.Trim(takes, "[]"), again: again}
}

// inShort returns the first clause of an explanation that begins with a text and
// goes on with those of lines that are indented; of a long one, less.
func inShort(text string, lines []string) string {
	const long = 64 // letters
	text = strings.TrimSpace(text)
	for _, l := range lines {
		if !strings.HasPrefix(l, strings.Repeat(" ", 8)) {
			break
		}
		text += " " + strings.TrimSpace(l)
	}
	for _, end := range []string{". ", "; ", ": ", " (default"} {
		text, _, _ = strings.Cut(text, end)
	}
	if len(text) > long {
		text, _, _ = strings.Cut(text, ", ")
	}
	return text
}

// helpText returns the help on a topic, "" where there is none.
func helpText(topic string) string {
	var b strings.Builder
	if printHelp(&b, topic) != nil {
		return ""
	}
	return b.String()
}
