package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/spec"
)

// parseFlags parses flags wherever they stand among args, so that
// "build a.yml -name x" means what "build -name x a.yml" means. What follows
// "--" is an operand, whatever it looks like. The error is a [usageError], or
// [flag.ErrHelp] where help was asked for.
func parseFlags(fs *flag.FlagSet, args []string) ([]string, error) {
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	var operands []string
	for {
		err := fs.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		if err != nil {
			return nil, flagError(fs, err)
		}
		read := len(args) - fs.NArg()
		if read > 0 && args[read-1] == "--" && !isValue(fs, args[:read-1]) {
			return append(operands, fs.Args()...), nil
		}
		if fs.NArg() == 0 {
			return operands, nil
		}
		operands, args = append(operands, fs.Arg(0)), fs.Args()[1:]
	}
}

// isValue tells whether what follows args is the value of their last flag.
func isValue(fs *flag.FlagSet, args []string) bool {
	if len(args) == 0 {
		return false
	}
	name := strings.TrimPrefix(strings.TrimPrefix(args[len(args)-1], "-"), "-")
	f := fs.Lookup(name)
	return f != nil && len(name) < len(args[len(args)-1]) && !isBool(f)
}

func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// flagError puts an error of the flag package into our words.
func flagError(fs *flag.FlagSet, err error) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return usagef(fs.Name(), "there is no flag -%s%s", name, suggest(name, flagNames(fs), "-"))
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return usagef(fs.Name(), "flag -%s needs a value", name)
	}
	// invalid value "x" for flag -jobs: …
	for _, kind := range []string{"invalid value ", "invalid boolean value "} {
		rest, ok := strings.CutPrefix(text, kind)
		if !ok {
			continue
		}
		if value, rest, ok := strings.Cut(rest, " for flag -"); ok {
			name, why, _ := strings.Cut(rest, ": ")
			return usagef(fs.Name(), "flag -%s: %s", name, reason(value, why))
		}
		if value, rest, ok := strings.Cut(rest, " for -"); ok {
			name, why, _ := strings.Cut(rest, ": ")
			if why == "parse error" {
				why = value + " is not true or false"
			}
			return usagef(fs.Name(), "flag -%s: %s", name, why)
		}
	}
	return usagef(fs.Name(), "%s", text)
}

// reason explains why value is refused; the flag package's own types give no more than "parse error".
func reason(value, why string) string {
	if why == "parse error" || why == "value out of range" {
		return value + " is not a number that fits"
	}
	return why
}

func flagNames(fs *flag.FlagSet) []string {
	var names []string
	fs.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	return names
}

// list is a flag that may be repeated.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

// Set adds one value.
func (l *list) Set(s string) error {
	if s == "" {
		return errors.New("the value is empty")
	}
	*l = append(*l, s)
	return nil
}

// patterns is a list of patterns of images.
type patterns struct{ list }

// Set adds one pattern.
func (p *patterns) Set(s string) error {
	if _, err := spec.ParsePattern(s); err != nil && s != "" && !compose.EveryImage(s) {
		return err
	}
	return p.list.Set(s)
}

// choice is a flag with a few values.
type choice struct {
	value   string
	allowed []string
}

func (c *choice) String() string { return c.value }

// Set takes one of the values that are allowed.
func (c *choice) Set(s string) error {
	if slices.Contains(c.allowed, s) {
		c.value = s
		return nil
	}
	return fmt.Errorf("%q is not one of %s%s", s, strings.Join(c.allowed, ", "), suggest(s, c.allowed, ""))
}

// seconds is a time since 1970 that may not be given.
type seconds struct{ value *int64 }

func (t *seconds) String() string {
	if t == nil || t.value == nil {
		return ""
	}
	return strconv.FormatInt(*t.value, 10)
}

// maxEpoch is the year 9999: nothing that is read as a date has more digits.
const maxEpoch = 253402300799

// Set takes a decimal number, from 0 to the end of the year 9999.
func (t *seconds) Set(s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > maxEpoch {
		return fmt.Errorf("%q is not a time: want seconds since 1970, a number from 0 to %d", s, int64(maxEpoch))
	}
	t.value = &n
	return nil
}
