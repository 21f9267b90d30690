package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// theAccount is what a guest may say.
func theAccount() account {
	return account{
		Kernel: "6.1.0", Host: guestHost, User: guestUser, Processors: 3, Began: 2148640496,
		Printed: []string{standInLine + " /work/out/a.tar\n"},
		Written: result{"a.tar": standInLine, "a.lock.json": "1 2"},
	}
}

func TestAccountIsOfAnotherMachineAndComplete(t *testing.T) {
	tests := []struct {
		name    string
		change  func(a *account)
		wantErr string
	}{
		{"right", func(*account) {}, ""},
		{"the clock of today", func(a *account) { a.Began = 1795291259 }, "the guest is not what it should be"},
		{"the user who may all", func(a *account) { a.User = 0 }, "the guest is not what it should be"},
		{"this host", func(a *account) { a.Host = "localhost" }, "the guest is not what it should be"},
		{"a file that was not printed", func(a *account) { a.Written["b"] = "1 2" }, "b is 1 2; compose printed not there"},
		{"a file that was not written", func(a *account) { delete(a.Written, "a.tar") }, "a.tar is not there"},
		{"something else is printed", func(a *account) { a.Printed = append(a.Printed, "hello\n") }, `compose printed "hello\n"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := theAccount()
			tt.change(&a)
			got, err := a.result("a.lock.json")
			if tt.wantErr != "" {
				if !strings.Contains(message(err), tt.wantErr) {
					t.Errorf("error %v, want %q", err, tt.wantErr)
				}
				return
			}
			if diff := cmp.Diff(a.Written, got); err != nil || diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

func TestAccountIsFoundAmongOtherWords(t *testing.T) {
	text, err := json.Marshal(theAccount())
	if err != nil {
		t.Fatal(err)
	}
	got, err := readAccount("[ 0.1] kernel\n" + accountMark + string(text) + "\n[ 9.9] more\n")
	if diff := cmp.Diff(theAccount(), got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for said, want := range map[string]string{
		"Kernel panic - not syncing\n":               "gives no account; it says:\nKernel panic",
		accountMark + "{\n":                          "the guest's account: ",
		accountMark + `{"Failed":"a reason"}`:        "in the guest: a reason",
		accountMark + `{"Failed":"one\ntwo"}` + "\n": "in the guest: one\ntwo",
	} {
		if _, err := readAccount(said); !strings.Contains(message(err), want) {
			t.Errorf("%q: error %v, want %q", said, err, want)
		}
	}
}

func TestFilesOfNamesEachFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "in", "b c"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "in/b c/d"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := filesOf(dir)
	want := `  - {path: "a", source: "a", mode: "0755"}
  - {path: "in/b c/d", source: "in/b c/d", mode: "0755"}
`
	if diff := cmp.Diff(want, string(got)); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestGuestIsLeftOutWithoutAKernel(t *testing.T) {
	r := newRun(testLab(t), standInSubject(), t.TempDir())
	if err := inGuest(t.Context(), r); err == nil || r.guest {
		t.Errorf("error %v, guest is %t", err, r.guest)
	}
}
