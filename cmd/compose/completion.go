package main

import (
	"context"
	"embed"
	"flag"
	"io"
	"io/fs"
	"path"
	"strings"
)

// completionScripts are what shells are told of compose, one file a shell. They
// hold no word of a command line: each runs "compose completion -words" for what
// can stand at the cursor. That costs a start of compose, some milliseconds, and
// cannot go stale as a script with all the words in it would, which nobody
// renews; nor are the rules of flags written once more in three shells.
//
//go:embed completion/compose.*
var completionScripts embed.FS

// setupCompletion defines "compose completion SHELL".
func setupCompletion(fs *flag.FlagSet) action {
	var words bool
	fs.BoolVar(&words, "words", false, "")
	return func(_ context.Context, s *session, operands []string) error {
		if words {
			_, err := io.WriteString(s.stdout, completeLine(operands).text())
			return shown(err)
		}
		return printScript(s.stdout, operands)
	}
}

// printScript writes the script of the one shell that is named.
func printScript(w io.Writer, shells []string) error {
	known := strings.Join(scriptShells(), ", ")
	if len(shells) == 0 {
		return usagef("completion", "no shell is named: %s", known)
	}
	if len(shells) > 1 {
		return usagef("completion", "%q is too much: a script is for one shell", shells[1])
	}
	// What SHELL says, such as /bin/bash, names a shell too.
	shell := path.Base(shells[0])
	text, err := fs.ReadFile(completionScripts, "completion/compose."+shell)
	if err != nil {
		return usagef("completion", "there is no script for %q, but for %s%s", shells[0], known, suggest(shell, scriptShells(), ""))
	}
	_, err = w.Write(text)
	return shown(err)
}

// scriptShells returns the shells that there is a script for, sorted.
func scriptShells() []string {
	files, err := fs.Glob(completionScripts, "completion/*")
	if err != nil {
		return nil
	}
	for i, f := range files {
		files[i] = strings.TrimPrefix(path.Ext(f), ".")
	}
	return files
}

// answer is what can stand where a word is being typed.
type answer struct {
	paths    paths
	patterns []string // of the files; empty for any
	prefix   string   // what of the word stays, and is before all that is offered
	words    []candidate
}

// candidate is a word that is offered, and a few words on it.
type candidate struct{ word, about string }

// paths says whether paths are offered, which the shell knows best how to list.
type paths string

const (
	noPaths     paths = ""
	anyFile     paths = "files" // and the directories on the way
	directories paths = "directories"
)

// noPathsText is how noPaths is told.
const noPathsText = "words"

// text returns what the scripts read, which help/completion.txt describes.
func (a answer) text() string {
	kind := firstOf(string(a.paths), noPathsText)
	lines := []string{strings.Join(append([]string{kind}, a.patterns...), " "), a.prefix}
	for _, c := range a.words {
		lines = append(lines, strings.TrimRight(c.word+"\t"+c.about, "\t"))
	}
	return strings.Join(lines, "\n") + "\n"
}

// offer returns an answer of words that need no explanation.
func offer(words ...string) answer {
	var a answer
	for _, w := range words {
		a.words = append(a.words, candidate{word: w})
	}
	return a
}
