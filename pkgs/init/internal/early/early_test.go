package early_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/composeos/compose/pkgs/init/internal/early"
)

// system makes a root with these files below .compose; a nil map is a root without
// that folder.
func system(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	if files == nil {
		return root
	}
	dir := filepath.Join(root, early.Dir)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestCheck(t *testing.T) {
	const memory = 127 << 20
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  string // "" for complete
	}{
		{"not of compose", nil, ""},
		{"complete", map[string]string{"memory": "1\n", "complete": "12\n"}, ""},
		{"complete, in too little memory all the same", map[string]string{"memory": "999999999999\n", "complete": "12\n"}, ""},
		{"truncated", map[string]string{"memory": "154140673\n"}, "not enough memory: this system needs 148 MiB to boot, and this machine has 127 MiB; files are missing"},
		{"truncated in the last file", map[string]string{"memory": "154140672\n", "complete": ""}, "not enough memory: this system needs 147 MiB to boot, and this machine has 127 MiB; files are missing"},
		{"truncated for another reason", map[string]string{"memory": "1048576\n"}, "the initramfs is not complete: files of this system are missing (the machine has 127 MiB of memory)"},
		{"truncated before memory", map[string]string{}, "the initramfs is not complete: files of this system are missing (the machine has 127 MiB of memory)"},
		{"no number", map[string]string{"memory": "much"}, "the initramfs is not complete: files of this system are missing (the machine has 127 MiB of memory)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := early.Check(system(t, tc.files), memory)
			if tc.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if truncated := (*early.Truncated)(nil); !errors.As(err, &truncated) || err.Error() != tc.want {
				t.Errorf("got %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestMemory(t *testing.T) {
	for _, tc := range []struct {
		name, iomem string
		want        int64
	}{
		{"nothing", "", 0},
		{"two stretches, and what is in them", "00000000-00000fff : Reserved\n00001000-0009fbff : System RAM\n00100000-07fdffff : System RAM\n  01000000-01ffffff : Kernel code\n", 0x9ec00 + 0x7ee0000},
		{"addresses are hidden", "00000000-00000000 : System RAM\n", 0},
		{"nonsense", "x-y : System RAM\n-\n : \nffff-0 : System RAM\n", 0},
	} {
		if got := early.Memory(tc.iomem); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}

func TestRemove(t *testing.T) {
	root := system(t, map[string]string{"complete": "1"})
	for range 2 { // the second time there is nothing
		if err := early.Remove(root); err != nil {
			t.Fatal(err)
		}
		if err := early.Check(root, 0); err != nil || strings.Contains(strings.Join(names(t, root), " "), early.Dir) {
			t.Errorf("it is still there: %v", err)
		}
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
