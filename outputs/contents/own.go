package contents

import (
	"bufio"
	"cmp"
	"encoding/hex"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// What compose puts into an initramfs beside the root filesystem.
const (
	ownDir       = ".compose"
	memoryPath   = ".compose/memory"   // bytes of memory, in decimal digits
	xattrsPath   = ".compose/xattrs"   // as getfattr --dump --encoding=hex writes them
	completePath = ".compose/complete" // the last entry: how many go before it
)

// ownFiles is what they say.
type ownFiles struct {
	memory   int64
	complete int // how many entries there should be; valid where at is
	at       int // index of completePath; 0, where no entry can be last, if it is not there
	any      bool
	xattrs   map[string][]rootfs.Xattr
	text     *int // bytes of names and attributes, of all archives
}

// take reads what e, the entry of that index, says, if it is one of them.
func (o *ownFiles) take(index int, e *rootfs.Entry, content io.Reader) error {
	if path.Dir(e.Path) != ownDir {
		return nil
	}
	o.any = true
	var err error
	switch e.Path {
	case memoryPath:
		o.memory, err = readNumber(content)
	case completePath:
		var n int64
		n, err = readNumber(content)
		o.at, o.complete = index, int(n)
	case xattrsPath:
		err = o.readXattrs(content)
	}
	if err != nil {
		return invalid("%s: %w", e.Path, err)
	}
	return nil
}

// readNumber reads a number and a newline.
func readNumber(content io.Reader) (int64, error) {
	text, err := io.ReadAll(io.LimitReader(content, 32))
	if err != nil {
		return 0, err
	}
	digits, newline := strings.CutSuffix(string(text), "\n")
	n, err := strconv.ParseUint(digits, 10, 53)
	if err != nil || !newline {
		return 0, invalid("%q is not a number", text)
	}
	return int64(n), nil
}

// maxXattr is how long a line of xattrsPath can be: a value of 64 KiB in digits,
// and a path of which every byte is escaped.
const maxXattr = 2*65536 + 4*maxName + 64

// readXattrs reads extended attributes: for each file a line with its path, a line
// for each attribute, and an empty line.
func (o *ownFiles) readXattrs(content io.Reader) error {
	o.xattrs = map[string][]rootfs.Xattr{}
	lines := bufio.NewScanner(content)
	lines.Buffer(nil, maxXattr)
	file, open := "", false
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if *o.text += len(line) + xattrCost; *o.text > maxText {
			return invalid("more than %d bytes", maxText)
		}
		name, isFile := strings.CutPrefix(line, "# file: ")
		ok := true
		switch {
		case isFile && !open:
			file, ok = unquote(name)
			_, twice := o.xattrs[file]
			ok, open = ok && !twice, true
			o.xattrs[file] = nil
		case line == "" && open:
			open = false
		case open:
			ok = o.addXattr(file, line)
		default:
			ok = false
		}
		if !ok {
			return invalid("line %d: %.100q", n, line)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if open {
		return invalid("%w", io.ErrUnexpectedEOF)
	}
	return nil
}

// addXattr reads the line of an attribute.
func (o *ownFiles) addXattr(file, line string) bool {
	name, value, ok := strings.Cut(line, "=0x")
	name, clean := unquote(name)
	raw, err := hex.DecodeString(value)
	if !ok || !clean || err != nil || name == "" {
		return false
	}
	o.xattrs[file] = append(o.xattrs[file], rootfs.Xattr{Name: name, Value: string(raw)})
	return true
}

// unquote undoes a backslash and three octal digits.
func unquote(s string) (string, bool) {
	if !strings.Contains(s, `\`) {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if len(s) < i+4 {
			return "", false
		}
		c, err := strconv.ParseUint(s[i+1:i+4], 8, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		i += 3
	}
	return b.String(), true
}

// apply gives the entries what compose's own files say of them, and checks that
// none is missing. All names of a file have its attributes.
func (c *cpioReader) apply() error {
	o := &c.own
	if !o.any {
		return nil
	}
	switch {
	case o.at == 0:
		return invalid("%w: there is no %s, by which an initramfs of compose ends", io.ErrUnexpectedEOF, completePath)
	case o.at != len(c.entries)-1:
		return invalid("there are entries behind %s", completePath)
	case o.complete != o.at:
		return invalid("%s counts %d entries, there are %d", completePath, o.complete, o.at)
	}
	ram := &Initramfs{Complete: true, Memory: o.memory}
	for _, e := range c.entries {
		x, ok := o.xattrs[cmp.Or(e.First, e.Path)]
		if ok && e.First == "" {
			ram.Xattrs++
		}
		e.Xattrs = x
	}
	if ram.Xattrs != len(o.xattrs) {
		return invalid("%s names %d files, of which %d are there", xattrsPath, len(o.xattrs), ram.Xattrs)
	}
	c.img.Initramfs = ram
	return nil
}
