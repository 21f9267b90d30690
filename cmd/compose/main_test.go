package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// asCompose makes the test binary be compose itself, for tests that run it
// outside a script.
const asCompose = "COMPOSE_TEST_AS_COMPOSE"

// raceOptions keeps a program that was built with the race detector from sleeping
// for a second when it ends.
const raceOptions = "atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	if os.Getenv(asCompose) != "" {
		os.Exit(run())
	}
	if err := os.Setenv("GORACE", raceOptions); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){
		"compose": func() { os.Exit(run()) },
	})
}

// TestScripts runs testdata/script: a session of a person each.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("COMPOSE_CACHE", filepath.Join(e.WorkDir, "cache"))
			e.Setenv("CORPUS", corpus(t))
			e.Setenv("GORACE", raceOptions)
			return os.MkdirAll(filepath.Join(e.WorkDir, "home"), 0o755)
		},
		Condition:           condition,
		Cmds:                scriptCommands(t),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
	})
}

// condition knows [root] and [corpus].
func condition(cond string) (bool, error) {
	switch cond {
	case "root":
		return os.Geteuid() == 0, nil
	case "corpus":
		_, err := os.Stat(corpusDir)
		return err == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", cond)
}

// corpusDir is the folder of linuxkit's example manifests, beside the repository.
const corpusDir = "../../../shared/corpus/linuxkit/examples"

// corpus returns the absolute corpusDir. In continuous integration it has to be
// there.
func corpus(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(corpusDir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("the corpus is not there: %v", err)
	}
	return dir
}
