package early

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// An Attr is an extended attribute of a file.
type Attr struct {
	Path  string // relative to the root of the system
	Name  string // "security.capability"
	Value []byte
}

// Attrs reads what compose says about extended attributes; none where it says
// nothing.
func Attrs(root string) ([]Attr, error) {
	text, err := os.ReadFile(filepath.Join(root, Dir, "xattrs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return ParseAttrs(string(text))
}

// ParseAttrs reads the format of getfattr --dump --encoding=hex:
//
//	# file: usr/bin/ping
//	security.capability=0x0100000200200000000000000000000000000000
//
// where a backslash and three octal digits are one byte. It returns what it can
// read, and an error that names the first line that it cannot.
func ParseAttrs(text string) ([]Attr, error) {
	var attrs []Attr
	var fault error
	file, number := "", 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			file = ""
			continue
		}
		if err := parseLine(line, &file, &attrs); err != nil && fault == nil {
			fault = fmt.Errorf("%s/xattrs:%d: %w", Dir, number, err)
		}
	}
	return attrs, fault
}

// parseLine reads a line: the file that those after it are for, or an attribute.
func parseLine(line string, file *string, attrs *[]Attr) error {
	if name, ok := strings.CutPrefix(line, "# file: "); ok {
		name, err := unquote(name)
		*file = name
		return err
	}
	left, right, ok := strings.Cut(line, "=0x")
	if !ok {
		return errors.New("no attribute: name=0x and hexadecimal digits")
	}
	if *file == "" {
		return errors.New("an attribute of no file")
	}
	name, err := unquote(left)
	if err != nil {
		return err
	}
	value, err := hex.DecodeString(right)
	if err != nil {
		return err
	}
	if name == "" || strings.ContainsRune(name+*file, 0) {
		return errors.New("a name that no file or attribute can have")
	}
	*attrs = append(*attrs, Attr{Path: *file, Name: name, Value: value})
	return nil
}

// unquote replaces a backslash and three octal digits by the byte that they are.
func unquote(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i+4 > len(s) {
			return "", errors.New("a backslash without three octal digits")
		}
		n := 0
		for _, c := range []byte(s[i+1 : i+4]) {
			if c < '0' || c > '7' {
				return "", errors.New("a backslash without three octal digits")
			}
			n = n*8 + int(c-'0')
		}
		if n > 0xff {
			return "", errors.New("octal digits that are no byte")
		}
		b.WriteByte(byte(n))
		i += 3
	}
	return b.String(), nil
}

// Apply sets attributes below root through set, which is lsetxattr(2) but for
// tests. The first error is returned, with how many there are; the others are set
// all the same.
func Apply(root string, attrs []Attr, set func(path, name string, value []byte) error) error {
	var first error
	failed := 0
	for _, a := range attrs {
		// Rooted before it is cleaned, a path does not leave root.
		path := filepath.Join(root, filepath.Clean("/"+a.Path))
		if err := set(path, a.Name, a.Value); err != nil {
			failed++
			if first == nil {
				first = fmt.Errorf("%s of /%s: %w", a.Name, a.Path, err)
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("extended attributes: %d of %d not set: %w", failed, len(attrs), first)
	}
	return nil
}
