package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/outputs"
)

// needShell skips a test whose shell is missing; in continuous integration that fails.
func needShell(t *testing.T, shell string) {
	t.Helper()
	if _, err := exec.LookPath(shell); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", shell)
	}
	t.Skipf("%s is not installed", shell)
}

// scriptFile writes the script of a shell to a file, and returns its path.
func scriptFile(t *testing.T, shell string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "_compose")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := printScript(f, []string{shell}); err != nil {
		t.Fatal(err)
	}
	return path
}

// rcFile writes an rc file that reads others, and then says text.
func rcFile(t *testing.T, name string, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// oddDir returns a folder of manifests and more, with names that are hard to type.
func oddDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range oddFiles() {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range oddDirs() {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func oddManifests() []string {
	return []string{"a:b=c.yml", "do$(llar) & `x`.yml", "it's \"so\".yaml", "my file.yml", "plain.yml", "ümläut.yml", "{q}[w]*?;~.yml"}
}

func oddFiles() []string { return append(oddManifests(), "other.json") }

func oddDirs() []string { return []string{"sub dir", "zone"} }

// setup starts a shell that completes compose, in one of the ways to install the script.
type setup struct {
	name  string
	shell string
	start func(t *testing.T, dir string, env ...string) *typist
}

func setups() []setup {
	bash := func(before string) func(*testing.T, string, ...string) *typist {
		return func(t *testing.T, dir string, env ...string) *typist {
			rc := rcFile(t, "rc", before, "source <(compose completion bash)", bashRC)
			return newTypist(t, dir, env, "bash", "--noprofile", "--rcfile", rc, "-i")
		}
	}
	zsh := func(install func(script string) string) func(*testing.T, string, ...string) *typist {
		return func(t *testing.T, dir string, env ...string) *typist {
			rc := rcFile(t, ".zshrc", install(scriptFile(t, "zsh")), zshRC)
			return newTypist(t, dir, append(env, "ZDOTDIR="+filepath.Dir(rc)), "zsh", "-d", "-i")
		}
	}
	const compinit = "autoload -Uz compinit; compinit -u -D"
	return []setup{
		{"bash", "bash", bash("")},
		{"bash with bash-completion", "bash", bash("source /usr/share/bash-completion/bash_completion")},
		{"zsh, sourced", "zsh", zsh(func(string) string { return compinit + "; source <(compose completion zsh)" })},
		{"zsh, in fpath", "zsh", zsh(func(script string) string { return "fpath=(" + filepath.Dir(script) + " $fpath); " + compinit })},
		{"fish", "fish", func(t *testing.T, dir string, env ...string) *typist {
			rc := rcFile(t, "rc.fish", "compose completion fish | source", fishRC)
			home := t.TempDir()
			// Where this is missing, fish reads all manuals when it starts, and goes on after the test.
			if err := os.MkdirAll(filepath.Join(home, "fish", "generated_completions"), 0o700); err != nil {
				t.Fatal(err)
			}
			return newTypist(t, dir, append([]string{"HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home}, env...), "fish", "-i", "-C", "source "+rc)
		}},
	}
}

// everyShell runs a test in all the setups.
func everyShell(t *testing.T, run func(t *testing.T, s setup)) {
	for _, s := range setups() {
		t.Run(s.name, func(t *testing.T) {
			needShell(t, s.shell)
			if s.name == "bash with bash-completion" {
				needFile(t, "/usr/share/bash-completion/bash_completion")
			}
			run(t, s)
		})
	}
}

// needFile skips a test that needs a file of a package which is missing.
func needFile(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not there", path)
	}
	t.Skipf("%s is not there", path)
}

// offered returns what a shell offers for the last word of a line, as whole words.
func offered(t *testing.T, p *typist, s setup, line string) []string {
	t.Helper()
	var text string
	typed := line[strings.LastIndexByte(line, ' ')+1:]
	head := ""
	if s.shell == "fish" {
		cmd := exec.CommandContext(t.Context(), "fish", "--no-config", "-c", "compose completion fish | source; complete -C $argv[1]", line)
		cmd.Dir = p.shell.Dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("fish: %v\n%s", err, out)
		}
		text = string(out)
	} else {
		text = p.complete(line, "offered")
	}
	if s.shell == "bash" {
		head = typed[:strings.LastIndexAny(typed, "=:")+1] // which readline has split off
	}
	words := []string{}
	for word := range strings.Lines(text) {
		word, _, _ = strings.Cut(strings.TrimRight(word, "\n"), "\t")
		words = append(words, head+strings.TrimRight(word, "/"))
	}
	return unique(words)
}

// TestShellsOffer holds what real shells offer against what compose says.
func TestShellsOffer(t *testing.T) {
	formats, others := outputs.Names(), without(outputs.Names(), "tar")
	manifests := append(oddManifests(), oddDirs()...)
	files := append(oddFiles(), oddDirs()...)
	tests := []struct {
		line string
		want []string
	}{
		{"compose ", lastWords(commands())},
		{"compose bu", []string{"build"}},
		{"compose cache ", lastWords(cacheCommands())},
		{"compose cache im", []string{"import"}},
		{"compose build -for", []string{"-format"}},
		{"compose build --for", []string{"--format"}},
		{"compose build a.yml -off", []string{"-offline"}},
		{"compose build -format ", formats},
		{"compose build -format tar,", prefixed("tar,", others)},
		{"compose build -format=", prefixed("-format=", formats)},
		{"compose build --format=tar,", prefixed("--format=tar,", others)},
		{"compose build -progress j", []string{"json"}},
		{"compose build -progress=js", []string{"-progress=json"}},
		{"compose build -accept-unsigned docker.io/x:1 -arch amd", []string{"amd64"}},
		{"compose build oci:dir:tag -accept-unsigned='a b' -progress=n", []string{"-progress=none"}},
		{"compose build ", manifests},
		{"compose build -frozen plain.yml ", manifests},
		{"compose lock -lock ", files},
		{"compose build -dir ", oddDirs()},
		{"compose build -o=", prefixed("-o=", files)},
		{"compose inspect --cache=", prefixed("--cache=", oddDirs())},
		{"compose help env", []string{"environment"}},
		{"compose completion ", scriptShells()},
		{"compose schema ", []string{"-pkg"}},
		{"compose version ", nil},
		{"compose biuld ", nil},
	}
	everyShell(t, func(t *testing.T, s setup) {
		p := s.start(t, oddDir(t))
		for _, test := range tests {
			if diff := cmp.Diff(unique(test.want), offered(t, p, s, test.line)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.line, diff)
			}
		}
	})
}

// TestShellsInsert types at real shells, and holds what words they then read in
// the line against what was meant.
func TestShellsInsert(t *testing.T) {
	const left = "\x02"                      // moves the cursor by one letter
	tests := []struct{ typed, want string }{ // words, with bars between
		{"compose buil", "compose|build"},
		{"compose build -strict my", "compose|build|-strict|my file.yml"},
		{`compose build my\ f`, "compose|build|my file.yml"},
		{`compose build "my f`, "compose|build|my file.yml"},
		{"compose build 'my f", "compose|build|my file.yml"},
		{"compose build do", "compose|build|do$(llar) & `x`.yml"},
		{"compose build it", `compose|build|it's "so".yaml`},
		{"compose build ./a", "compose|build|./a:b=c.yml"},
		{"compose build üm", "compose|build|ümläut.yml"},
		{"compose build su", "compose|build|sub dir/"},
		{"compose build ot", "compose|build|other.json"}, // there is no such manifest
		{"compose lock -lock=my", "compose|lock|-lock=my file.yml"},
		{"compose cache ls --cache=zo", "compose|cache|ls|--cache=zone/"},
		{"compose bui -strict" + strings.Repeat(left, len(" -strict")), "compose|build|-strict"},
		{"compose build -format tar my.yml -dir z x" + strings.Repeat(left, len(" x")), "compose|build|-format|tar|my.yml|-dir|zone/|x"},
		{"compose build --progress=js", "compose|build|--progress=json"},
		{"compose build -progress js", "compose|build|-progress|json"},
		{"compose build -accept-unsigned docker.io/a:1 --progress=js", "compose|build|-accept-unsigned|docker.io/a:1|--progress=json"},
	}
	everyShell(t, func(t *testing.T, s setup) {
		p := s.start(t, oddDir(t))
		for _, test := range tests {
			if diff := cmp.Diff(strings.Split(test.want, "|"), p.words(test.typed)); diff != "" {
				t.Errorf("%s TAB (-want +got):\n%s", test.typed, diff)
			}
		}
	})
}

// TestShellsCallByPath completes for a compose that is called by its path, and is
// nowhere else; and for one that is nowhere.
func TestShellsCallByPath(t *testing.T) {
	compose, err := exec.LookPath("compose")
	if err != nil {
		t.Fatal(err)
	}
	everyShell(t, func(t *testing.T, s setup) {
		dir := oddDir(t)
		for _, name := range []string{"bin", "my bin"} {
			if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(compose, filepath.Join(dir, name, "compose")); err != nil {
				t.Fatal(err)
			}
		}
		p := s.start(t, dir, "HOME="+dir)
		p.run("export PATH=" + pathWithoutCompose())
		tests := []struct{ typed, want string }{
			{"./bin/compose build -froz", "./bin/compose|build|-frozen"},
			{filepath.Join(dir, "bin/compose") + " cache im", filepath.Join(dir, "bin/compose") + "|cache|import"},
			{"~/bin/compose build -froz", filepath.Join(dir, "bin/compose") + "|build|-frozen"},
			{`./my\ bin/compose build -froz`, "./my bin/compose|build|-frozen"},
			{"compose build -froz", "compose|build|-froz"},
			{"compose build plai", "compose|build|plain.yml"},
		}
		for _, test := range tests {
			if diff := cmp.Diff(strings.Split(test.want, "|"), p.words(test.typed)); diff != "" {
				t.Errorf("%s TAB (-want +got):\n%s", test.typed, diff)
			}
		}
	})
}

// pathWithoutCompose is PATH without the folders that have a compose, ours or an
// installed one.
func pathWithoutCompose() string {
	return strings.Join(slices.DeleteFunc(filepath.SplitList(os.Getenv("PATH")), func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, "compose"))
		return err == nil
	}), ":")
}

// TestScriptsAreWellFormed has the shells read the scripts, without running them.
func TestScriptsAreWellFormed(t *testing.T) {
	for _, shell := range scriptShells() {
		t.Run(shell, func(t *testing.T) {
			needShell(t, shell)
			if out, err := exec.CommandContext(t.Context(), shell, "-n", scriptFile(t, shell)).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s -n: %v\n%s", shell, err, out)
			}
		})
	}
}
