package registry

import (
	"errors"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// watch watches the folders of the cache in which layers are unpacked, and the one in
// which that begins. The function that it returns ends the test's watch, and returns
// the diffIDs, in hexadecimal, of all layers that have been unpacked meanwhile, also
// of those that were not finished or are gone.
func (l *lab) watch(t *testing.T) (seen func() []string) {
	t.Helper()
	l.does(t, "cache", "ls") // makes the folders
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"layers", "tmp"} {
		if _, err := unix.InotifyAddWatch(fd, l.cache(folder), unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
			t.Fatal(err)
		}
	}
	return func() []string {
		t.Helper()
		defer unix.Close(fd)
		return layerNames(t, fd)
	}
}

// layerNames reads the names of files out of the events of inotify(7), and returns the
// layers among them: HEX.tar of one that is there, layer-HEX.N of one that is begun.
func layerNames(t *testing.T, fd int) []string {
	t.Helper()
	var all []string
	buffer := make([]byte, 1<<16)
	for {
		n, err := unix.Read(fd, buffer)
		if errors.Is(err, unix.EAGAIN) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < n; {
			event := (*unix.InotifyEvent)(unsafe.Pointer(&buffer[at]))
			if event.Mask&unix.IN_Q_OVERFLOW != 0 {
				t.Fatal("too much happened for inotify")
			}
			at += unix.SizeofInotifyEvent
			name := strings.TrimRight(string(buffer[at:at+int(event.Len)]), "\x00")
			at += int(event.Len)
			id, begun := strings.CutPrefix(name, "layer-")
			id, _, _ = strings.Cut(id, ".")
			if begun || strings.HasSuffix(name, ".tar") {
				all = append(all, id)
			}
		}
	}
}

// The watch sees layers, and where they are unpacked into anything else, the tests that
// use it could not fail.
func TestWatchSees(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	image := push(t, inProcess(t).host, "watched", "init")
	l.write(t, "system.yml", manifest("", image))
	seen := l.watch(t)
	l.does(t, "build", "-accept-unsigned", "**", "-format", "tar", "system.yml")
	names := seen()
	for _, id := range image.diffIDs {
		if n := count(names, id.Hex); n < 2 {
			t.Errorf("layer %s was seen %d times, want it begun and there: %q", id, n, names)
		}
	}
}

func count(all []string, one string) (n int) {
	for _, a := range all {
		if a == one {
			n++
		}
	}
	return n
}
