//go:build unix

package isodisk

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// digests are those of an image of each kind.
func digests(t testing.TB) (all [4]string) {
	for i, m := range everything(t) {
		all[i] = digest(m)
	}
	return all
}

// TestSame makes images in surroundings of all kinds: their bytes are the same.
// go-diskfs alone makes others, of ISO volumes and, but for the table, of FAT ones.
func TestSame(t *testing.T) {
	want := digests(t)
	t.Run("umask", func(t *testing.T) {
		for _, mask := range []int{0, 0o002, 0o027, 0o077} {
			old := syscall.Umask(mask)
			got := digests(t)
			syscall.Umask(old)
			if got != want {
				t.Errorf("%o: %q, want %q", mask, got, want)
			}
		}
	})
	t.Run("zone", func(t *testing.T) {
		here := time.Local
		defer func() { time.Local = here }()
		for _, zone := range []int{-12 * 3600, 5*3600 + 45*60, 14 * 3600} {
			time.Local = time.FixedZone("there", zone)
			if got := digests(t); got != want {
				t.Errorf("%d: %q, want %q", zone, got, want)
			}
		}
	})
	t.Run("zone of the time", func(t *testing.T) {
		o := boots()
		o.Time = epoch.In(time.FixedZone("there", -7*3600))
		if got := digest(mustISO(t, o)); got != want[0] {
			t.Errorf("%q, want %q", got, want[0])
		}
		v := esp()
		v.Time = o.Time
		if got := digest(mustFAT(t, v, 5<<20)); got != want[1] {
			t.Errorf("%q, want %q", got, want[1])
		}
	})
	for _, date := range []string{"0", "1", "1700000000", "4102444800", "99999999999", "-1", "no number"} {
		t.Run("SOURCE_DATE_EPOCH="+date, func(t *testing.T) {
			t.Setenv("SOURCE_DATE_EPOCH", date)
			if got := digests(t); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
	t.Run("folder", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "a.b c", "EFI.BOOT")
		link := filepath.Join(t.TempDir(), "link")
		for _, err := range []error{os.MkdirAll(dir, 0o700), os.Chmod(dir, 0o2770|os.ModeSetgid|os.ModeSticky), os.Symlink(dir, link)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Chdir(filepath.Dir(dir))
		for _, temp := range []string{dir, link, link + "//", "EFI.BOOT", "."} {
			m, err := NewISO(boots(), temp)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := digest(m), digest(mustISO(t, boots())); got != want {
				t.Errorf("%s: %s, want %s", temp, got, want)
			}
		}
	})
	t.Run("at once", func(t *testing.T) {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if got := digests(t); got != want {
					t.Errorf("%q, want %q", got, want)
				}
			})
		}
		all.Wait()
	})
}

// TestAlone shows that TestSame tests something: what go-diskfs alone makes depends on
// the clock, the folder's files and the environment.
func TestAlone(t *testing.T) {
	raw := func(t *testing.T, mode os.FileMode, date time.Time) string {
		dir := t.TempDir()
		o := boots()
		if err := fillFolder(dir, o.Files); err != nil {
			t.Fatal(err)
		}
		for _, f := range o.Files {
			path := filepath.Join(dir, onVolume(f.Path))
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, date, date); err != nil {
				t.Fatal(err)
			}
		}
		m := &Image{Size: 1 << 20}
		if err := m.createISO(o, dir); err != nil {
			t.Fatal(err)
		}
		for _, at := range []int64{813, 830, 847, 864} { // the clock's
			m.put(primaryAt+at, make([]byte, 17)...)
		}
		m.put(primaryAt+156+18, make([]byte, 7)...)
		root := record(m.bytes(primaryAt+156, 34))
		b := m.bytes(root.at(), int(root.size()))
		return fmt.Sprintf("%x", sha256.Sum256(b[b[0]:][b[b[0]]:])) // but for "." and ".."
	}
	one := raw(t, 0o600, epoch)
	if raw(t, 0o640, epoch) == one || raw(t, 0o600, epoch.Add(time.Hour)) == one {
		t.Error("an ISO volume has nothing of its files' modes and times")
	}
	times := map[string]bool{}
	for _, date := range []string{"0", "1700000000"} {
		t.Setenv("SOURCE_DATE_EPOCH", date)
		for _, size := range []int64{5 << 20, 40 << 20} {
			m := &Image{Size: size}
			if _, err := m.createFAT(esp()); err != nil {
				t.Fatal(err)
			}
			times[fmt.Sprint(size, digest(m))] = true
		}
	}
	if len(times) != 4 {
		t.Errorf("a FAT volume has nothing of the environment: %v", times)
	}
	m := &Image{Size: 1 << 20}
	dir := t.TempDir()
	if err := fillFolder(dir, boots().Files); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	if err := m.createISO(boots(), dir); err != nil {
		t.Fatal(err)
	}
	if year := string(m.bytes(primaryAt+813, 4)); year < fmt.Sprint(before.Year()) {
		t.Errorf("an ISO volume has nothing of the clock, but the year %s", year)
	}
}
