package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
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
