package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/test/boot/list"
)

// pick returns the files whose content is compared, each by its first name: all, or
// those that are small, those that have several names, and some of the others.
func pick(paths []list.Path, all bool) []list.Path {
	const small, others = 4 << 10, 50
	shared := map[string]bool{}
	for _, p := range paths {
		shared[p.First] = true
	}
	var files []list.Path
	for i, p := range paths {
		if p.Type != unix.S_IFREG || p.First != "" {
			continue
		}
		if all || p.Size <= small || shared[p.Name] || i%others == 0 {
			files = append(files, p)
		}
	}
	return files
}

// contents reads regular files below root and returns which do not have the content
// that they should have, a sentence each; and how many bytes it has read.
func contents(root string, files []list.Path) (differences []string, bytes int64) {
	work := make(chan list.Path)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for w := range work {
				n, err := content(path.Join(root, w.Name), w.Digest)
				mu.Lock()
				bytes += n
				if err != nil {
					differences = append(differences, fmt.Sprintf("%q: %v", w.Name, err))
				}
				mu.Unlock()
			}
		})
	}
	for _, w := range files {
		work <- w
	}
	close(work)
	wg.Wait()
	slices.Sort(differences)
	return differences, bytes
}

// content reads a file and returns how long it is.
func content(name string, want [32]byte) (int64, error) {
	got, n, err := digest(name)
	if err == nil && got != want {
		err = fmt.Errorf("has content %x, want %x", got, want)
	}
	return n, err
}

// digest returns the SHA-256 of a file and how many bytes were read.
func digest(name string) (sum [32]byte, n int64, err error) {
	f, err := os.Open(name)
	if err != nil {
		return sum, 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err = io.Copy(h, f)
	return [32]byte(h.Sum(nil)), n, err
}
