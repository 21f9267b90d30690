package main

import (
	"errors"
	"flag"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testFlags has one flag of each kind.
func testFlags() (*flag.FlagSet, *testValues) {
	var v testValues
	fs := flag.NewFlagSet("build", flag.ContinueOnError)
	fs.StringVar(&v.Name, "name", "", "")
	fs.StringVar(&v.Out, "o", "", "")
	fs.BoolVar(&v.Frozen, "frozen", false, "")
	fs.IntVar(&v.Jobs, "jobs", 0, "")
	fs.Var(&v.accept, "accept-unsigned", "")
	fs.Var(&v.update, "update", "")
	v.how.define(fs)
	return fs, &v
}

type testValues struct {
	Name, Out string
	Frozen    bool
	Jobs      int
	accept    patterns
	update    updateFlag
	how       choice
}

func TestParseFlags(t *testing.T) {
	tests := []struct {
		name     string
		args     []string
		operands []string
		want     testValues
	}{
		{"none", nil, nil, testValues{}},
		{"before operands", []string{"-name", "x", "a.yml"}, []string{"a.yml"}, testValues{Name: "x"}},
		{"behind operands", []string{"a.yml", "-name", "x", "b.yml", "-frozen"}, []string{"a.yml", "b.yml"}, testValues{Name: "x", Frozen: true}},
		{"two dashes", []string{"a.yml", "--name=x", "--jobs", "3"}, []string{"a.yml"}, testValues{Name: "x", Jobs: 3}},
		{"the end of flags", []string{"-frozen", "--", "-name", "--"}, []string{"-name", "--"}, testValues{Frozen: true}},
		{"the end of flags behind an operand", []string{"a", "--", "-b", "c"}, []string{"a", "-b", "c"}, testValues{}},
		{"two dashes as a value", []string{"-name", "--", "-frozen", "a"}, []string{"a"}, testValues{Name: "--", Frozen: true}},
		{"standard input", []string{"-", "-name", "x"}, []string{"-"}, testValues{Name: "x"}},
		{"a dash as a value", []string{"-o", "-", "a.yml"}, []string{"a.yml"}, testValues{Out: "-"}},
		{"an empty value", []string{"-name", "", "--", "-x"}, []string{"-x"}, testValues{}},
		{"false", []string{"-frozen=false", "a"}, []string{"a"}, testValues{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fs, v := testFlags()
			operands, err := parseFlags(fs, tt.args)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.operands, operands); diff != "" {
				t.Errorf("operands (-want +got):\n%s", diff)
			}
			got := testValues{Name: v.Name, Out: v.Out, Frozen: v.Frozen, Jobs: v.Jobs}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(testValues{}, patterns{}, updateFlag{}, choice{})); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseFlagsErrors(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"unknown", []string{"-frosen"}, "build: there is no flag -frosen (did you mean -frozen?)"},
		{"unknown, nothing near", []string{"--colour"}, "build: there is no flag -colour"},
		{"a beginning", []string{"-accept", "x"}, "build: there is no flag -accept (did you mean -accept-unsigned?)"},
		{"behind an operand", []string{"a.yml", "-naem", "x"}, "build: there is no flag -naem (did you mean -name?)"},
		{"no value", []string{"a.yml", "-name"}, "build: flag -name needs a value"},
		{"not a number", []string{"-jobs", "many"}, `build: flag -jobs: "many" is not a number that fits`},
		{"too large", []string{"-jobs", "99999999999999999999"}, `build: flag -jobs: "99999999999999999999" is not a number that fits`},
		{"not a truth", []string{"-frozen=maybe"}, `build: flag -frozen: "maybe" is not true or false`},
		{"not a choice", []string{"-progress", "jsn"}, `build: flag -progress: "jsn" is not one of auto, plain, json, none (did you mean json?)`},
		{"an empty pattern", []string{"-accept-unsigned", ""}, "build: flag -accept-unsigned: the value is empty"},
		{"a bad pattern", []string{"-accept-unsigned", "[x"}, `build: flag -accept-unsigned: "[x": "[x" is not part of an image's name: want lower-case letters and digits with . _ - between`},
		{"an empty name to update", []string{"-update=a,,b"}, `build: flag -update: "a,,b" has an empty name`},
		{"three dashes", []string{"---name"}, "build: bad flag syntax: ---name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fs, _ := testFlags()
			_, err := parseFlags(fs, tt.args)
			if _, ok := errors.AsType[*usageError](err); !ok {
				t.Fatalf("parseFlags = %v, want a usage error", err)
			}
			if err.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
		})
	}
}

func TestUpdateSplit(t *testing.T) {
	tests := []struct {
		name             string
		args             []string
		manifests, names []string
	}{
		{"no update", []string{"a", "b.yml"}, []string{"a", "b.yml"}, nil},
		{"everything", []string{"-update", "x.yml"}, []string{"x.yml"}, nil},
		{"operands", []string{"-update", "nginx", "redis", "x.yml"}, []string{"x.yml"}, []string{"nginx", "redis"}},
		{"behind the manifest", []string{"x.yaml", "-update", "nginx"}, []string{"x.yaml"}, []string{"nginx"}},
		{"commas", []string{"-update", "nginx,redis", "-"}, []string{"-"}, []string{"nginx", "redis"}},
		{"with a tag", []string{"-update", "docker.io/library/nginx:1.2", "x.yml"}, []string{"x.yml"}, []string{"docker.io/library/nginx:1.2"}},
		{"behind =", []string{"-update=nginx,redis", "-update=git", "manifest"}, []string{"manifest"}, []string{"nginx", "redis", "git"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fs, v := testFlags()
			operands, err := parseFlags(fs, tt.args)
			if err != nil {
				t.Fatal(err)
			}
			manifests, names := v.update.split(operands)
			if diff := cmp.Diff(tt.manifests, manifests); diff != "" {
				t.Errorf("manifests (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.names, names); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSuggest(t *testing.T) {
	names := []string{"build", "lock", "inspect", "cache", "formats", "schema", "version", "help"}
	tests := []struct{ typed, want string }{
		{"biuld", " (did you mean build?)"},
		{"lokc", " (did you mean lock?)"},
		{"format", " (did you mean formats?)"},
		{"Schema", " (did you mean schema?)"},
		{"insp", " (did you mean inspect?)"},
		{"x", ""},
		{"push", ""},
		{"", ""},
	}
	for _, tt := range tests {
		if got := suggest(tt.typed, names, ""); got != tt.want {
			t.Errorf("suggest(%q) = %q, want %q", tt.typed, got, tt.want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for _, good := range []string{"0", "1700000000", "253402300799"} {
		var s seconds
		if err := s.Set(good); err != nil || s.String() != good {
			t.Errorf("%s: got %s, error %v", good, s.String(), err)
		}
	}
	for _, bad := range []string{"", "-1", "253402300800", "1.5", "today", "0x10", " 1"} {
		var s seconds
		if err := s.Set(bad); err == nil {
			t.Errorf("%q is taken as %s", bad, s.String())
		}
	}
}
