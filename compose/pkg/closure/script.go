package closure

import (
	"path"
	"slices"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// maxScript is how much of a script's beginning Linux reads (BINPRM_BUF_SIZE).
const maxScript = 256

// programs are the directories in which env looks for a program.
var programs = []string{"usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin"}

// judgeScript notes what a script lacks; line is its first (execve(2),
// "Interpreter scripts").
func (c *check) judgeScript(e *rootfs.Entry, line string) {
	words := strings.Fields(strings.TrimPrefix(line, "#!"))
	if len(words) == 0 {
		return // the shell that starts it runs it
	}
	interpreter := words[0]
	if !strings.HasPrefix(interpreter, "/") {
		c.miss(e, interpreter, "(#!), which is not an absolute path: it is found from some directories only")
		return
	}
	if !c.runs(interpreter) {
		c.miss(e, interpreter, "(#!)"+absent)
	}
	if path.Base(interpreter) != "env" {
		return
	}
	program := envProgram(words[1:])
	if program == "" || strings.HasPrefix(program, "/") && c.runs(program) {
		return
	}
	found := slices.ContainsFunc(programs, func(dir string) bool { return c.runs(dir + "/" + program) })
	if !found {
		c.miss(e, program, "(#! with env)"+absent)
	}
}

// envProgram is the program that env is asked to run: the first word that is
// neither an option nor a variable (env(1)).
func envProgram(words []string) string {
	for i, word := range words {
		switch {
		case word == "-u" || word == "--unset" || word == "-C" || word == "--chdir":
			return envProgram(words[min(i+2, len(words)):])
		case strings.HasPrefix(word, "-") || strings.Contains(word, "="):
		default:
			return word
		}
	}
	return ""
}

// runs tells whether a path leads to a program.
func (c *check) runs(p string) bool {
	p = strings.TrimPrefix(path.Clean(p), "/")
	if c.known[p] {
		return true
	}
	e := c.file(p)
	return e != nil && e.Mode&0o111 != 0
}
