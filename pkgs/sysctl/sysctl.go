package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// setting is a line of a file.
type setting struct {
	where    string // "/etc/sysctl.d/10-x.conf:3"
	key      string // a path below /proc/sys, perhaps with a pattern in it
	value    string
	except   bool // "-key" without a value: no pattern is to set it
	tolerant bool // "-key = value": it may fail
}

// configured returns the files that there are: /etc/sysctl.d/*.conf in the order
// of their names, /etc/sysctl.conf as the last, as procps has it.
func configured(etc string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(etc, "sysctl.d", "*.conf"))
	if err != nil {
		return nil, err
	}
	last := filepath.Join(etc, "sysctl.conf")
	if _, err := os.Stat(last); err == nil {
		files = append(files, last)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return files, nil
}

// apply sets what the files say below root and returns how many parameters. It
// goes on after an error; all of them are returned, joined.
func apply(root string, files []string) (int, error) {
	var settings []setting
	var errs []error
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		found, err := parse(file, string(text))
		settings = append(settings, found...)
		errs = append(errs, err)
	}
	explicit := map[string]bool{}
	for _, s := range settings {
		if !pattern(s.key) {
			explicit[s.key] = true
		}
	}
	n := 0
	for _, s := range settings {
		set, err := s.apply(root, explicit)
		n += set
		if err != nil && !s.tolerant {
			errs = append(errs, fmt.Errorf("%s: %w", s.where, err))
		}
	}
	return n, errors.Join(errs...)
}

// parse reads the lines of a file.
func parse(name, text string) ([]setting, error) {
	var settings []setting
	var errs []error
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		s := setting{where: fmt.Sprintf("%s:%d", name, number)}
		key, value, ok := strings.Cut(line, "=")
		key, s.tolerant = strings.CutPrefix(key, "-")
		s.except = !ok && s.tolerant
		s.key, s.value = path(strings.TrimSpace(key)), strings.TrimSpace(value)
		switch {
		case !ok && !s.except:
			errs = append(errs, fmt.Errorf("%s: %q is no \"key = value\"", s.where, line))
		case !filepath.IsLocal(s.key):
			errs = append(errs, fmt.Errorf("%s: %q is no key", s.where, line))
		default:
			settings = append(settings, s)
		}
	}
	return settings, errors.Join(errs...)
}

// path returns the path of a key below /proc/sys. Whether "." or "/" comes first in
// the key says which of them parts it; the other then stands for its opposite, so
// that an interface with a dot in its name can be said: "net.ipv4.conf.eth0/1.forwarding".
func path(key string) string {
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '.' {
		return strings.NewReplacer(".", "/", "/", ".").Replace(key)
	}
	return key
}

func pattern(key string) bool { return strings.ContainsAny(key, "*?[") }

// apply writes one setting, and returns to how many files. A pattern leaves out
// what a key without one names.
func (s setting) apply(root string, explicit map[string]bool) (int, error) {
	if s.except {
		return 0, nil
	}
	keys := []string{s.key}
	if pattern(s.key) {
		found, err := filepath.Glob(filepath.Join(root, s.key))
		if err != nil {
			return 0, err
		}
		keys = nil
		for _, file := range found {
			if key, err := filepath.Rel(root, file); err == nil && !explicit[key] {
				keys = append(keys, key)
			}
		}
	}
	n := 0
	var errs []error
	for _, key := range keys {
		if err := write(filepath.Join(root, key), s.value); err != nil {
			errs = append(errs, err)
			continue
		}
		n++
	}
	return n, errors.Join(errs...)
}

// write sets one parameter. A file that is not there is not made.
func write(file, value string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value + "\n")
	return errors.Join(err, f.Close())
}
