package main

import (
	"errors"
	"fmt"
	"strings"
)

// usageError is a command line that makes no sense.
type usageError struct {
	command string // whose help says more; "" for compose itself
	text    string
}

func (e *usageError) Error() string {
	if e.command == "" {
		return e.text
	}
	return e.command + ": " + e.text
}

// Hint names the help.
func (e *usageError) Hint() string {
	if e.command == "" {
		return `"compose help" lists the commands`
	}
	topic, _, _ := strings.Cut(e.command, " ")
	return fmt.Sprintf("%q says more", "compose help "+topic)
}

func usagef(command, format string, args ...any) error {
	return &usageError{command: command, text: fmt.Sprintf(format, args...)}
}

// hintError is an error with what to do about it.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }

// Hint returns what to do now.
func (e *hintError) Hint() string { return e.hint }

// hinted returns a new error with a hint.
func hinted(text, hint string) error {
	return &hintError{errors.New(text), hint}
}

// withHint gives err a hint; nil stays nil.
func withHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &hintError{err, hint}
}

// fault is one line of what went wrong.
type fault struct {
	text string
	err  error // of this line alone
}

// faults takes err apart into its independent faults, each with all that was
// said about it: what was joined by [errors.Join] below a prefix gets the prefix.
func faults(err error) []fault {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		if parts := many.Unwrap(); err.Error() == joined(parts) {
			return allFaults(parts)
		}
	}
	inner := errors.Unwrap(err)
	if inner == nil {
		return []fault{{err.Error(), err}}
	}
	below := faults(inner)
	prefix, ok := strings.CutSuffix(err.Error(), inner.Error())
	if len(below) < 2 || !ok {
		return []fault{{err.Error(), err}}
	}
	hint := ""
	if h, ok := err.(interface{ Hint() string }); ok {
		hint = h.Hint()
	}
	for i, f := range below {
		below[i] = fault{prefix + f.text, f.err}
		if hint != "" && ownHint(f.err) == "" {
			below[i].err = &hintError{f.err, hint}
		}
	}
	return below
}

func allFaults(parts []error) []fault {
	var all []fault
	for _, p := range parts {
		all = append(all, faults(p)...)
	}
	return all
}

func joined(parts []error) string {
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = p.Error()
	}
	return strings.Join(texts, "\n")
}

// ownHint returns the hint that err, or an error it wraps, brings along.
func ownHint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}
