package boot

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/test/boot/list"
)

// needOf returns how many bytes of memory a machine needs to boot an initramfs, as
// that says itself; and tests that microcode is in front of it.
func needOf(t *testing.T, name, compression string) int64 {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	front := make([]byte, len(microcode()))
	if _, err := io.ReadFull(f, front); err != nil || !bytes.Equal(front, microcode()) {
		t.Fatalf("%s does not begin with the microcode: %v", name, err)
	}
	var need int64
	found := errors.New("found")
	err = decompress(f, compression, func(plain io.Reader) error {
		return rootfs.ReadCpio(plain, func(e *rootfs.Entry, content io.Reader) error {
			if e.Path != list.Memory {
				return nil
			}
			text, err := io.ReadAll(content)
			if err == nil {
				need, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
			}
			return errors.Join(err, found)
		})
	})
	if !errors.Is(err, found) || need <= 0 {
		t.Fatalf("%s says nothing of memory: %v", name, err)
	}
	return need
}

// decompress gives f what r holds uncompressed.
func decompress(r io.Reader, compression string, f func(io.Reader) error) error {
	switch compression {
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			return err
		}
		return f(z)
	case "zstd":
		z, err := zstd.NewReader(r)
		if err != nil {
			return err
		}
		defer z.Close()
		return f(z)
	}
	return f(r)
}

// member is a gzip member of an initramfs.
type member struct {
	begin, end int
	names      int // of the file of many names
}

// membersOf returns the members of an initramfs after the microcode.
func membersOf(t *testing.T, initrd []byte) []member {
	t.Helper()
	all, err := func() (all []member, err error) {
		in := bytes.NewReader(initrd[len(microcode()):])
		buffered := bufio.NewReader(in) // of which gzip reads no more than it needs
		offset := func() int { return len(initrd) - in.Len() - buffered.Buffered() }
		for offset() < len(initrd) {
			m := member{begin: offset()}
			z, err := gzip.NewReader(buffered)
			if err != nil {
				return nil, err
			}
			z.Multistream(false)
			err = rootfs.ReadCpio(z, func(e *rootfs.Entry, _ io.Reader) error {
				if strings.Contains(e.Path, "/name-") {
					m.names++
				}
				return nil
			})
			if err != nil {
				return nil, fmt.Errorf("member at byte %d: %w", m.begin, err)
			}
			m.end = offset()
			all = append(all, m)
		}
		return all, nil
	}()
	if err != nil {
		t.Fatal(err)
	}
	return all
}
