package boot

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/test/boot/list"
)

// made is the time of all that the tests put into images: 2023-11-14T22:13:20Z.
const made = 1700000000

// item is a path of a layer, and what is in the file.
type item struct {
	list.Path
	content []byte
}

// put makes an item whole.
func put(p list.Path, content []byte) item {
	if p.MTime == 0 {
		p.MTime = made
	}
	if p.Type == unix.S_IFREG {
		p.Size, p.Digest = int64(len(content)), sha256.Sum256(content)
	}
	return item{p, content}
}

// dir, file and node are what layers are mostly made of.
func dir(name string, mode uint32) item {
	return put(list.Path{Name: name, Type: unix.S_IFDIR, Mode: mode}, nil)
}

func file(name string, mode uint32, content []byte) item {
	return put(list.Path{Name: name, Type: unix.S_IFREG, Mode: mode}, content)
}

func node(name string, kind, mode, major, minor uint32) item {
	return put(list.Path{Name: name, Type: kind, Mode: mode, Major: major, Minor: minor}, nil)
}

func (i item) owned(uid, gid uint32) item {
	i.UID, i.GID = uid, gid
	return i
}

// names is how many names the file has that has many of them.
const names = 200

// odd is a layer of what a cpio archive could lose on its way into a guest: modes,
// owners, times, devices, long names, and hard links, also across directories and
// members. In path order.
func odd() []item {
	items := []item{
		dir("odd", 0o1777),
		node("odd/block", unix.S_IFBLK, 0o660, 259, 70000).owned(0, 6),
		node("odd/char", unix.S_IFCHR, 0o666, 1, 3),
		file("odd/empty", 0, nil),
		node("odd/fifo", unix.S_IFIFO, 0o2622, 0, 0).owned(70000, 1),
		dir("odd/folder", 0o6711).owned(1000, 4294967294),
	}
	items = append(items, manyNames()...)
	items = append(items,
		file("odd/setgid", 0o2755, []byte("setgid")).owned(1, 2),
		file("odd/setuid", 0o4711, []byte("setuid")).owned(4294967294, 70000),
		file("odd/sticky", 0o7000, []byte("sticky")),
	)
	for _, length := range []int{1, 127, 128, 4095} {
		items = append(items, put(list.Path{
			Name: fmt.Sprintf("odd/target-%04d", length), Type: unix.S_IFLNK, Mode: 0o777, Link: strings.Repeat("t", length),
		}, nil))
	}
	old := file("odd/very old", 0o644, []byte("from 1970"))
	old.MTime = 1
	return append(items, old,
		file("odd/ wide \u00fc\n\\", 0o644, []byte("a name of odd bytes")),
		file("odd/~"+strings.Repeat("n", 254), 0o644, []byte("a name of 255 bytes")),
	)
}

// manyNames is one file of many names, in several directories and among files so
// large that the names lie in several members of a compressed initramfs.
func manyNames() []item {
	const each, filler = 10, 800 << 10
	chance := rand.New(rand.NewPCG(1, 2))
	var items []item
	first := ""
	for i := range names {
		folder := fmt.Sprintf("odd/links-%02d", i/each)
		if i%each == 0 {
			noise := make([]byte, filler)
			for j := range noise {
				noise[j] = byte(chance.Uint32())
			}
			items = append(items, dir(folder, 0o755), file(folder+"/filler", 0o644, noise))
		}
		l := file(fmt.Sprintf("%s/name-%03d", folder, i), 0o640, []byte("a file of many names")).owned(3, 4)
		l.First = first
		if first == "" {
			first = l.Name
		}
		items = append(items, l)
	}
	return items
}

// archive makes a layer of items.
func archive(items []item) ([]byte, error) {
	kinds := map[uint32]byte{
		unix.S_IFREG: tar.TypeReg, unix.S_IFDIR: tar.TypeDir, unix.S_IFLNK: tar.TypeSymlink,
		unix.S_IFCHR: tar.TypeChar, unix.S_IFBLK: tar.TypeBlock, unix.S_IFIFO: tar.TypeFifo,
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, i := range items {
		h := &tar.Header{
			Format: tar.FormatPAX, Typeflag: kinds[i.Type], Name: i.Name, Mode: int64(i.Mode), Uid: int(i.UID), Gid: int(i.GID),
			ModTime: time.Unix(i.MTime, 0), Linkname: i.Link, Devmajor: int64(i.Major), Devminor: int64(i.Minor), Size: int64(len(i.content)),
		}
		if i.First != "" {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, i.First, 0
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("%q: %w", i.Name, err)
		}
		if _, err := w.Write(i.content[:h.Size]); err != nil {
			return nil, fmt.Errorf("%q: %w", i.Name, err)
		}
	}
	err := w.Close()
	return out.Bytes(), err
}
