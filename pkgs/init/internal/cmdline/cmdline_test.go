package cmdline_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/pkgs/init/internal/cmdline"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name, line string
		want       cmdline.Options
	}{
		{"nothing", "", cmdline.Options{}},
		{"others' words", "console=ttyS0 quiet root=/dev/ram0 systemd.unit=x composer=1\n", cmdline.Options{}},
		{"all", "compose.root=copy compose.onboot=continue compose.log=console hostname=web rw panic=30", cmdline.Options{
			Root: "copy", Continue: true, Console: true, Hostname: "web", Writable: true, Panic: new(30),
		}},
		{"the defaults in words", "compose.root=bind compose.onboot=stop compose.log=files ro", cmdline.Options{Root: "bind"}},
		{"the last counts", "rw compose.onboot=continue ro compose.onboot=stop panic=1 panic=-1", cmdline.Options{Panic: new(-1)}},
		{"a wrong word after a right one", "compose.root=copy compose.root=move", cmdline.Options{
			Root: "copy", Warnings: []string{`command line: "compose.root=move": it is bind or copy`},
		}},
		{"quotes", `hostname="web" "compose.root=copy" x="compose.onboot=continue rw"`, cmdline.Options{Hostname: "web", Root: "copy"}},
		{"a word of ours that there is not", "compose.rooot=copy", cmdline.Options{
			Warnings: []string{`command line: "compose.rooot=copy": there is compose.root, compose.onboot and compose.log`},
		}},
		{"no number", "panic=soon", cmdline.Options{Warnings: []string{`command line: "panic=soon": it takes a number of seconds`}}},
		{"after --, words are for others", "ro -- rw compose.log=console", cmdline.Options{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, cmdline.Parse(tc.line)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWords(t *testing.T) {
	for _, tc := range []struct {
		name, line string
		want       []string
	}{
		{"blanks of all kinds", " a\tb  c\n", []string{"a", "b", "c"}},
		{"a blank in quotes", `a="b c" "d e"`, []string{"a=b c", "d e"}},
		{"quotes that do not end", `a "b c`, []string{"a", "b c"}},
		{"an empty word", `"" a`, []string{"", "a"}},
		{"the end", "a -- b", []string{"a"}},
		{"two hyphens in a word", "--a -- b", []string{"--a"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, cmdline.Words(tc.line)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// No command line is too wrong to be read, and a warning is one line of moderate
// length whatever is in it.
func FuzzParse(f *testing.F) {
	f.Add("console=ttyS0 compose.root=copy rw panic=-1 hostname=a")
	f.Add(`compose.x="` + strings.Repeat("\n", 100))
	f.Add("panic=99999999999999999999999 -- \x00\xff")
	f.Add(`"=" compose.root= compose.onboot`)
	f.Fuzz(func(t *testing.T, line string) {
		o := cmdline.Parse(line)
		for _, w := range o.Warnings {
			if strings.ContainsAny(w, "\n\r\x00") || len(w) > 600 {
				t.Errorf("warning %q", w)
			}
		}
		if o.Root != "" && o.Root != "bind" && o.Root != "copy" {
			t.Errorf("root %q", o.Root)
		}
	})
}
