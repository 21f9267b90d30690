package main

import (
	"context"
	"errors"
	"flag"
	"slices"
	"strings"
	"time"
)

// command is one thing that compose does.
type command struct {
	name    string // as typed: "build", "cache ls"
	summary string // a line of "compose help"
	// setup defines the flags, and returns what is to be done once they are parsed.
	setup func(fs *flag.FlagSet) action
}

// action does what a command is for, with its operands.
type action func(ctx context.Context, s *session, operands []string) error

// session is one run of one command.
type session struct {
	*world
	ui *ui
}

// commands returns the table of subcommands, in the order in which help lists them.
func commands() []command {
	return []command{
		{"build", "compose images from manifests", setupBuild},
		{"lock", "pin what manifests name, or move the pins", setupLock},
		{"run", "start what was built in a virtual machine", setupRun},
		{"inspect", "show what would be in an image, and where it comes from", setupInspect},
		{"push", "put an image into a registry", setupPush},
		{"sign", "sign an image in a registry or a layout", setupSign},
		{"keygen", "make a pair of keys to sign with", setupKeygen},
		{"pkg", "make package images: build, push, lock, vendor, show-tag, ls", setupPkg},
		{"trust", "who vouches for images: show, verify, root update", setupTrustGroup},
		{"cache", "look after the cache: import, ls, verify, prune, rm, export", setupCache},
		{"formats", "list the output formats", setupFormats},
		{"schema", "print the JSON Schema of manifests", setupSchema},
		{"version", "print the version, and what decides the bytes of an image", setupVersion},
		{"completion", "print a script that lets a shell complete commands", setupCompletion},
		{"help", "explain a command or a topic", setupHelp},
	}
}

// allCommands returns the commands, and after them those that are several words.
func allCommands() []command {
	return slices.Concat(commands(), cacheCommands(), pkgCommands(), trustCommands())
}

// isGroup tells whether there are commands that are name and one word more.
func isGroup(name string) bool { return len(groupOf(name)) > 0 }

// groupOf returns the commands that are name and one word more.
func groupOf(name string) []command {
	return slices.DeleteFunc(allCommands(), func(c command) bool {
		last, ok := strings.CutPrefix(c.name, name+" ")
		return !ok || strings.Contains(last, " ")
	})
}

// cacheCommands returns the table of what "compose cache" does.
func cacheCommands() []command {
	return []command{
		{"cache import", "take in the images of a layout or an archive", setupCacheImport},
		{"cache ls", "list what the cache holds", setupCacheList},
		{"cache verify", "hash everything, and drop what is damaged", setupCacheVerify},
		{"cache prune", "drop what was not used for longest", setupCachePrune},
		{"cache rm", "drop images", setupCacheRemove},
		{"cache export", "write images as an OCI layout in a tar", setupCacheExport},
	}
}

// execute runs args, says what went wrong, and returns the exit code.
func execute(ctx context.Context, w *world, args []string) int {
	s := &session{world: w, ui: newUI(w.stderr, progressPlain)}
	err, ended := untilInterrupted(ctx, func() error { return dispatch(ctx, s, args) })
	if !ended {
		_, _ = w.stderr.WriteString(line(kindError, "interrupted while something could not be ended"))
		return exitInterrupted
	}
	if err != nil && ctx.Err() != nil {
		s.ui.close(false)
		s.ui.message(kindError, "interrupted")
		return exitInterrupted
	}
	s.ui.fail(err)
	s.ui.close(err == nil)
	var usage *usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		return exitUsage
	}
	return exitFailed
}

// grace is how long a command may take to end once it is interrupted. It needs
// far less, unless it waits for somebody: a reader of its pipe, a slow disk.
const grace = 2 * time.Second

// untilInterrupted calls do, and gives it up where it does not end with ctx:
// what it then leaves has no name, or is what the next run removes.
func untilInterrupted(ctx context.Context, do func() error) (err error, ended bool) { //nolint:revive // err is do's, not this function's
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err, true
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err, true
	case <-time.After(grace):
		return nil, false
	}
}

// dispatch finds the command that args name and runs it.
func dispatch(ctx context.Context, s *session, args []string) error {
	if len(args) == 0 {
		return errors.Join(usagef("", "no command is named"), printHelp(s.stderr, "compose"))
	}
	switch args[0] {
	case "-h", "-help", "--help":
		return printHelp(s.stdout, "compose")
	case "-version", "--version":
		args = []string{"version"}
	}
	table := commands()
	for isGroup(args[0]) && len(args) > 1 && !strings.HasPrefix(args[1], "-") {
		table = groupOf(args[0])
		args = append([]string{args[0] + " " + args[1]}, args[2:]...)
	}
	return runNamed(ctx, s, table, args)
}

// runNamed runs the command of table that args begin with.
func runNamed(ctx context.Context, s *session, table []command, args []string) error {
	for _, c := range table {
		if c.name == args[0] {
			return runCommand(ctx, s, c, args[1:])
		}
	}
	name := args[0][strings.LastIndexByte(args[0], ' ')+1:]
	group, isSub := strings.CutSuffix(args[0], " "+name)
	if strings.HasPrefix(name, "-") {
		return usagef("", "flag %s stands before the command; flags follow it", name)
	}
	topic, what := "", "command"
	if isSub {
		topic, what = group, "command of "+group
	}
	return usagef(topic, "there is no %s %q%s", what, name, suggest(name, lastWords(table), ""))
}

func lastWords(table []command) []string {
	var names []string
	for _, c := range table {
		names = append(names, c.name[strings.LastIndexByte(c.name, ' ')+1:])
	}
	return names
}

func runCommand(ctx context.Context, s *session, c command, args []string) error {
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	act := c.setup(fs)
	operands, err := parseFlags(fs, args)
	if errors.Is(err, flag.ErrHelp) {
		return printHelp(s.stdout, c.name)
	}
	if err != nil {
		return err
	}
	return act(ctx, s, operands)
}

// noOperands refuses operands of a command that takes none.
func noOperands(name string, operands []string) error {
	if len(operands) > 0 {
		return usagef(name, "%q is too much: %s takes no operand", operands[0], name)
	}
	return nil
}
