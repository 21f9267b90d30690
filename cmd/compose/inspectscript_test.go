package main

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/composeos/compose/compose/rootfs"
)

// inspected is a line of inspect that shows a path: all but the origin.
var inspected = regexp.MustCompile(`(?m)^([-dlcbp][-rwxsStT]{9} .*)  \[[^\]]*(?:\[[0-9]+\][^\]]*)?\]$`)

// samePaths A B [BUT] fails unless two outputs of inspect, both text or both JSON,
// have the same paths with all that is known of them but their origins. Paths that
// the expression BUT matches are left out.
func samePaths(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: samepaths A B [BUT]")
	}
	var but *regexp.Regexp
	if len(args) == 3 {
		var err error
		but, err = regexp.Compile(args[2])
		ts.Check(err)
	}
	a, b := pathsIn(ts, args[0], but), pathsIn(ts, args[1], but)
	for name, sets := range map[string][2]map[string]bool{args[0]: {a, b}, args[1]: {b, a}} {
		for _, line := range slices.Sorted(maps.Keys(sets[0])) {
			if !sets[1][line] {
				ts.Fatalf("only in %s: %s", name, line)
			}
		}
	}
	if len(a) < 10 {
		ts.Fatalf("only %d paths", len(a))
	}
}

// pathsIn returns what an output of inspect says of each path.
func pathsIn(ts *testscript.TestScript, name string, but *regexp.Regexp) map[string]bool {
	text, set := ts.ReadFile(name), map[string]bool{}
	if !strings.HasPrefix(text, "{") {
		for _, m := range inspected.FindAllStringSubmatch(text, -1) {
			if but == nil || !but.MatchString(m[1]) {
				set[m[1]] = true
			}
		}
		return set
	}
	var all struct {
		Entries []entryJSON `json:"entries"`
	}
	ts.Check(json.Unmarshal([]byte(text), &all))
	for _, e := range all.Entries {
		if e.Origin = ""; but == nil || !but.MatchString(e.Path) {
			set[fmt.Sprintf("%+v", e)] = true
		}
	}
	return set
}

// flipBit is the command flip: "flip FILE PERCENT TO" writes FILE to TO with one
// bit of it changed.
func flipBit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: flip FILE PERCENT TO")
	}
	percent, err := strconv.Atoi(args[1])
	ts.Check(err)
	data := []byte(ts.ReadFile(args[0]))
	data[len(data)*percent/100] ^= 0x10
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), data, 0o600))
}

// loaderCommand is "loader DIR" in scripts: a layout of one image, app, with
// stand-ins for the files of a boot loader.
func loaderCommand(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 1 {
			ts.Fatalf("usage: loader DIR")
		}
		s := smallImage{tar: func([]byte) []byte { return loaderTar(ts) }}
		s.write(t, ts.MkAbs(args[0]))
	}
}

func loaderTar(ts *testscript.TestScript) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range rootfs.LoaderFiles() {
		content := bytes.Repeat([]byte{0xeb}, 432)
		if name == rootfs.Stub {
			content = stub()
		}
		ts.Check(w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}))
		_, err := w.Write(content)
		ts.Check(err)
	}
	ts.Check(w.Close())
	return b.Bytes()
}

// stub is an EFI program of one section, as far as its headers go.
func stub() []byte {
	le := binary.LittleEndian
	b := make([]byte, 1536)
	copy(b, "MZ")
	le.PutUint32(b[60:], 64)
	copy(b[64:], "PE\x00\x00\x64\x86\x01\x00") // x86-64, one section
	le.PutUint16(b[84:], 240)                  // bytes of the optional header
	optional := b[88:]
	le.PutUint16(optional, 0x20b)
	le.PutUint32(optional[32:], 4096) // alignment in memory, and in the file
	le.PutUint32(optional[36:], 512)
	le.PutUint32(optional[60:], 1024) // bytes of all headers
	le.PutUint32(optional[108:], 16)
	section := b[88+240:]
	copy(section, ".text")
	for i, n := range []uint32{512, 4096, 512, 1024} { // sizes and places in memory and in the file
		le.PutUint32(section[8+4*i:], n)
	}
	return b
}
