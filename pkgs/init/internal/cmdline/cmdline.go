// Package cmdline reads what the kernel's command line says to init:
//
//	compose.root=bind|copy          how the initramfs becomes a root that containers can leave; bind, and copy if that fails
//	compose.onboot=stop|continue    what a container of onboot that fails does; it stops the boot
//	compose.log=files|console       whether what services write is on the console too; in their files only
//	hostname=NAME                   before /etc/hostname
//	rw                              / stays writable
//	panic=SECONDS                   what happens when the boot has failed, as the kernel has it: 0 stays, more waits and
//	                                reboots, less reboots at once; without it init waits five seconds and powers off
//
// A word of the kernel or of another program is none of init's business. Any
// text can be parsed; what is wrong in it becomes a warning.
package cmdline

import (
	"fmt"
	"strconv"
	"strings"
)

// Options is what the command line says. The zero value is an empty one's, but
// for Panic.
type Options struct {
	Root     string // "bind", "copy" or "": bind, then copy
	Continue bool   // compose.onboot=continue
	Console  bool   // compose.log=console
	Hostname string // "" where none is given
	Writable bool   // rw, and no ro after it
	Panic    *int   // seconds; nil where nothing is said
	Warnings []string
}

// Parse reads a command line. The last of several words of one key counts.
func Parse(line string) Options {
	var o Options
	for _, word := range Words(line) {
		key, value, _ := strings.Cut(word, "=")
		if problem := o.take(key, value); problem != "" {
			o.Warnings = append(o.Warnings, fmt.Sprintf("command line: %.60q: %s", word, problem))
		}
	}
	return o
}

// take reads one word, and returns what is wrong with it.
func (o *Options) take(key, value string) string {
	switch key {
	case "compose.root":
		return choose(value, "bind", "copy", func(bool) { o.Root = value })
	case "compose.onboot":
		return choose(value, "stop", "continue", func(second bool) { o.Continue = second })
	case "compose.log":
		return choose(value, "files", "console", func(second bool) { o.Console = second })
	case "hostname":
		o.Hostname = value
	case "rw", "ro":
		o.Writable = key == "rw"
	case "panic":
		seconds, err := strconv.Atoi(value)
		if err != nil {
			return "it takes a number of seconds"
		}
		o.Panic = &seconds
	default:
		if strings.HasPrefix(key, "compose.") {
			return "there is compose.root, compose.onboot and compose.log"
		}
	}
	return ""
}

// choose calls set if value is one of two words.
func choose(value, first, second string, set func(second bool)) string {
	if value != first && value != second {
		return "it is " + first + " or " + second
	}
	set(value == second)
	return ""
}

// Words splits a command line as the kernel does (next_arg of lib/cmdline.c):
// at blanks outside of double quotes, of which those around a word or a value are
// taken away, up to a word "--".
func Words(line string) []string {
	var words []string
	var word strings.Builder
	quoted, inWord := false, false
	flush := func() bool {
		w := word.String()
		if inWord && w == "--" {
			return false
		}
		if inWord {
			words = append(words, w)
		}
		word.Reset()
		inWord = false
		return true
	}
	for i := range len(line) {
		switch c := line[i]; {
		case c == '"':
			quoted, inWord = !quoted, true
		case !quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			if !flush() {
				return words
			}
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	flush()
	return words
}
