package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// helpTexts are the texts of help, one file a topic. All that they say about
// flags is held against the flags by a test.
//
//go:embed help/*.txt
var helpTexts embed.FS

// setupHelp defines "compose help [TOPIC]".
func setupHelp(*flag.FlagSet) action {
	return func(_ context.Context, s *session, operands []string) error {
		if len(operands) == 0 {
			return printHelp(s.stdout, "compose")
		}
		for i := 1; i < len(operands); i++ {
			if !isGroup(strings.Join(operands[:i], " ")) {
				return usagef("help", "%q is too much: help explains one thing at a time", operands[i])
			}
		}
		return printHelp(s.stdout, strings.Join(operands, " "))
	}
}

// printHelp writes the text of a topic: a command's name, or "compose".
func printHelp(w io.Writer, topic string) error {
	name, _, _ := strings.Cut(topic, " ")
	text, err := fs.ReadFile(helpTexts, path.Join("help", path.Base(name)+".txt"))
	if err != nil {
		return usagef("", "there is no help on %q%s", topic, suggest(name, helpTopics(), ""))
	}
	_, err = io.WriteString(w, strings.Replace(string(text), "{{commands}}\n", commandList(), 1))
	return shown(err)
}

// helpTopics returns what help can explain.
func helpTopics() []string {
	files, err := fs.Glob(helpTexts, "help/*.txt")
	if err != nil {
		return nil
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(path.Base(f), ".txt")
	}
	return files
}

func commandList() string {
	var b strings.Builder
	for _, c := range commands() {
		_, _ = fmt.Fprintf(&b, "  %-12s %s\n", c.name, c.summary)
	}
	return b.String() + "\n"
}

// shown is the error of showing something on standard output. A reader that has
// seen enough and gone, such as head, is none.
func shown(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return written(err)
}

// written says what a failed write to standard output was.
func written(err error) error {
	if err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}
