package kernel

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/composeos/compose/compose/rootfs"
)

// maxModule bounds an unpacked module, in bytes. The largest of Debian's 6.12 has
// 15 million.
const maxModule = 256 << 20

// module is what a kernel object says of itself.
type module struct {
	name     string // with '_'
	path     string // below the modules' directory
	entry    *rootfs.Entry
	depends  []string // names of the modules whose symbols it uses, sorted
	aliases  []string // as they stand there
	softdeps []string // "pre: a b post: c"
	weakdeps []string
	symbols  []string // that it exports, sorted
}

// readModule reads .modinfo and the names of exported symbols.
func readModule(name, path string, e *rootfs.Entry) (*module, error) {
	object, err := unpack(e)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.Path, err)
	}
	f, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.Path, err)
	}
	m := &module{name: name, path: path, entry: e}
	info := f.Section(".modinfo")
	if info == nil {
		return nil, fmt.Errorf("%s: no section .modinfo", e.Path)
	}
	fields, err := zeroEnded(info)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.Path, err)
	}
	for _, field := range fields {
		m.set(field)
	}
	symbols, err := f.Symbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return nil, fmt.Errorf("%s: %w", e.Path, err)
	}
	for _, s := range symbols {
		if name, ok := strings.CutPrefix(s.Name, "__ksymtab_"); ok {
			m.symbols = append(m.symbols, name)
		}
	}
	slices.Sort(m.symbols)
	slices.Sort(m.depends)
	m.depends = slices.Compact(m.depends)
	return m, nil
}

// set takes a field of .modinfo: "alias=pci:v00001AF4…".
func (m *module) set(field string) {
	key, value, _ := strings.Cut(field, "=")
	switch key {
	case "depends":
		for name := range strings.SplitSeq(value, ",") {
			if name != "" {
				m.depends = append(m.depends, normal(name))
			}
		}
	case "alias":
		m.aliases = append(m.aliases, value)
	case "softdep":
		m.softdeps = append(m.softdeps, value)
	case "weakdep":
		m.weakdeps = append(m.weakdeps, value)
	}
}

// soft returns the names of all that the module softly depends on, before or
// after it. A word before the first "pre:" or "post:" is none, as to kmod.
func (m *module) soft() []string {
	var names []string
	for _, line := range m.softdeps {
		inside := false
		for word := range strings.FieldsSeq(line) {
			if word == "pre:" || word == "post:" {
				inside = true
			} else if inside {
				names = append(names, word)
			}
		}
	}
	return names
}

// zeroEnded returns the strings of a section that are not empty.
func zeroEnded(s *elf.Section) ([]string, error) {
	data, err := s.Data()
	if err != nil {
		return nil, fmt.Errorf("section %s: %w", s.Name, err)
	}
	var all []string
	for field := range strings.SplitSeq(string(data), "\x00") {
		if field != "" {
			all = append(all, field)
		}
	}
	return all, nil
}

// unpack returns the object in a file, by the ending of its name.
func unpack(e *rootfs.Entry) ([]byte, error) {
	packed, err := readAll(e)
	if err != nil {
		return nil, err
	}
	r := io.Reader(bytes.NewReader(packed))
	switch e.Path[strings.LastIndexByte(e.Path, '.')+1:] {
	case "xz":
		r, err = xz.NewReader(r)
	case "gz":
		r, err = gzip.NewReader(r)
	case "zst":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1)); err == nil {
			defer z.Close()
			r = z
		}
	}
	if err != nil {
		return nil, err
	}
	object := bytes.NewBuffer(make([]byte, 0, 4*len(packed)))
	if n, err := object.ReadFrom(io.LimitReader(r, maxModule+1)); err != nil {
		return nil, err
	} else if n > maxModule {
		return nil, fmt.Errorf("unpacked it has over %d bytes", maxModule)
	}
	return object.Bytes(), nil
}

// readAll returns the content of a file.
func readAll(e *rootfs.Entry) ([]byte, error) {
	b := make([]byte, e.Size)
	if e.Size == 0 {
		return b, nil
	}
	if n, err := e.Body.ReadAt(b, 0); n < len(b) && err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read %s: %w", e.Path, err)
	}
	return b, nil
}
