package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/composeos/compose/test/fixture"
)

// The media are given to programs that share no code with compose either. What they
// have to show follows from what kernel+initrd is of the same system, from the files
// in the boot loaders' image, and from texts that stand here. As Debian 12 has them:
//
//	                        names sizes content modes owners times
//	ISO   xorriso, listing    x     x      -      x     x     day
//	      xorriso, extracting x     x      x      x     x     second
//	      bsdtar, listing     x     x      -      x     x     day
//	      bsdtar, extracting  x     x      x      x     x     second
//	      isoinfo -l -R       x     x      -      x     x     day
//	      isoinfo -l          x     x      -      -     -     day      8.3 names
//	      isoinfo -x          x     x      x      -     -     -
//	      7z, listing         x     x      -      x     -     second
//	      7z, extracting      x     x      x      -     -     second
//	FAT   mdir                x     x      -      -     -     minute
//	      mcopy               x     x      x      -     -     second
//	      7z, listing         x     x      -      -     -     second
//	      7z, extracting      x     x      x      -     -     second
//	UKI   objdump -h          x     x      -      -     -     -        of sections
//	      objcopy             x     x      x      -     -     -
//	      7z, extracting      x     x      x      -     -     -
//
// What is around the files is for inspections: sgdisk, xorriso and 7z of partitions,
// xorriso, isoinfo and 7z of what is started, isovfy, fsck.fat, objdump of where sections
// lie, sbverify and sbsign.

// What a reader shows of a medium's files, beside their names.
const (
	sizes    sight = 1 << (8 + iota)
	contents       // and sizes
	modes
	owners
	days    // of the time
	minutes // and days
	seconds // and minutes
)

// media is a system that has been composed as every medium.
type media struct {
	dir, name string // of what compose wrote
	sized     string // a raw-efi disk that was given a size; "" for none
	work      string
	brief     bool // it is large: no reader comes twice
	epoch     int64
	title     string // of the menu
	timeout   int
	cmdline   string
	release   *record // what the system says of itself; nil for nothing
	uname     string  // what its kernel calls itself
	loader    map[string]string
	ucode     string            // where the microcode is a section: its file
	behind    string            // and the initramfs without it
	esps      map[string]string // EFI system partitions that are cut out, by image
}

// medium is a volume, or a program, with files in it, and who can read them.
type medium struct {
	name     string
	want     *tree
	readings []reading
	plants   []treePlant
}

// reader adds one that shows so much.
func (m *medium) reader(name string, shows sight, read func(t *testing.T) *tree) {
	m.readings = append(m.readings, reading{name, shows, func(t *testing.T) []fault {
		return matched(t, asShown(m.want, shows), asShown(read(t), shows))
	}})
}

// asShown is a tree as a reader shows it.
func asShown(t *tree, shows sight) *tree {
	return changed(t, func(_ string, r *record) {
		r.nsec, r.xattrs, r.group, r.made, r.text = 0, nil, "", false, nil
		if shows&modes == 0 {
			r.mode = 0
		}
		if shows&owners == 0 {
			r.uid, r.gid = 0, 0
		}
		unit := int64(1)
		switch {
		case shows&seconds != 0:
		case shows&minutes != 0:
			unit = 60
		case shows&days != 0:
			unit = 24 * 60 * 60
		default:
			r.mtime = 0
		}
		r.mtime -= r.mtime % unit
		if shows&(sizes|contents) == 0 || r.kind == "directory" {
			r.size = 0
		}
		if shows&contents == 0 || r.kind == "directory" {
			r.sum = ""
		}
	})
}

// mediaEpoch is an odd second, which FAT cannot say, of a day and an hour with a
// digit each.
const mediaEpoch = 1709351297 // 2024-03-02T03:48:17Z

// mediaSize is that of a disk with room for data, bytes; it is no multiple of a MiB.
const mediaSize = 64000000

func needMediaReaders(t *testing.T) {
	t.Helper()
	needReaders(t)
	for _, name := range []string{
		"7z", "fsck.fat", "isoinfo", "isovfy", "mcopy", "mdir", "objcopy", "objdump", "openssl", "sbsign", "sbverify", "sgdisk", "xorriso",
	} {
		_, err := exec.LookPath(name)
		need(t, err == nil, "there is no "+name)
	}
}

// media composes a manifest, and another that gives it a boot loader, as media.
func (c composer) media(t *testing.T, manifest, boot string) *media {
	t.Helper()
	dir := filepath.Dir(manifest)
	m := &media{
		dir: filepath.Join(dir, "media"), name: "anchor", sized: filepath.Join(dir, "sized", "anchor.img"), work: filepath.Join(dir, "media-work"),
		epoch: mediaEpoch, title: "Readers' 1.0", timeout: 3,
	}
	if err := os.Mkdir(m.work, 0o711); err != nil {
		t.Fatal(err)
	}
	common := []string{"-accept-unsigned", "*", "-cache", filepath.Join(dir, "cache"), "-progress", "none", manifest, boot}
	command(t, c.program, append([]string{"lock", "-arch", "amd64", "-epoch", strconv.Itoa(mediaEpoch)}, common...)...)
	build := append([]string{"build", "-arch", "amd64", "-name", m.name, "-compress", "zstd"}, common...)
	command(t, c.program, append(build, "-dir", m.dir, "-format", "kernel+initrd,tar,iso,raw-efi,uki")...)
	command(t, c.program, append(build, "-dir", filepath.Dir(m.sized), "-format", "raw-efi", "-size", strconv.Itoa(mediaSize))...)
	return m
}

// exampleMedia composes the example as media.
func (c composer) exampleMedia(t *testing.T) *media {
	t.Helper()
	layout := fixture.NeedBootloader(t)
	c.writeExample(t)
	boot := filepath.Join(c.dir, "test", "example", "boot.yml")
	text := fmt.Sprintf("bootloader: {image: %q, title: \"Readers' 1.0\", timeout: 3}\n", "oci:"+layout)
	if err := os.WriteFile(boot, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	m := c.media(t, filepath.Join(c.dir, "test", "example", "minimal.yml"), boot)
	m.loader = loaderFiles(t, layout)
	m.splitUcode(t, reader{args: []string{"bsdtar", "-xOf", m.file(".tar"), "boot/ucode.cpio"}}.run(t))
	m.cmdline, m.release = "console=tty0 console=ttyS0", textRecord("ID=fixture\nPRETTY_NAME=\"a fixture\"\n")
	return m
}

// file is the path of an output.
func (m *media) file(suffix string) string { return filepath.Join(m.dir, m.name+suffix) }

// all are the media with what is to be on them.
func (m *media) all(t *testing.T) []*medium {
	t.Helper()
	iso := m.iso(t)
	all := []*medium{iso, m.isoESP(t), m.disk(t, "raw-efi", m.file(".img")), m.program(t)}
	if m.sized != "" {
		all = append(all, m.disk(t, "raw-efi with a size", m.sized))
	}
	return all
}

// read gives the media to all readers.
func (m *media) read(t *testing.T) {
	t.Helper()
	for _, medium := range m.all(t) {
		for _, r := range medium.readings {
			t.Run(medium.name+"/"+r.name, func(t *testing.T) {
				t.Parallel()
				noFaults(t, r.read(t))
			})
		}
	}
	for _, i := range m.inspected(t) {
		for _, r := range i.inspections {
			t.Run(i.name+"/"+r.name, func(t *testing.T) {
				t.Parallel()
				noFaults(t, r.read(t, i.image))
			})
		}
	}
}

// TestMediaReaders gives the example to all readers of media.
func TestMediaReaders(t *testing.T) {
	needMediaReaders(t)
	m := newComposer(t).exampleMedia(t)
	m.read(t)
	t.Run("size", m.small)
}

// TestMediaReadersOfWorkload gives the media in COMPOSE_OUTPUTS, composed from the
// measuring workload, to all readers. test/workload.sh makes them.
func TestMediaReadersOfWorkload(t *testing.T) {
	dir := os.Getenv("COMPOSE_OUTPUTS")
	if dir == "" {
		t.Skip("COMPOSE_OUTPUTS names no composed workload; test/workload.sh does")
	}
	needMediaReaders(t)
	plain := &composed{dir: dir, name: "anchor", how: []string{"gzip"}, least: 35000}
	m := &media{
		dir: filepath.Join(dir, "media"), name: plain.name, work: scratch(t), brief: true, loader: loaderFiles(t, fixture.NeedBootloader(t)),
		title: "Anchor 1.0", cmdline: "console=tty0 console=ttyS0 root=/dev/ram0",
	}
	lock, err := readLock(m.file(".lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	plain.load(t)
	m.epoch = lock.Epoch
	m.release, _ = plain.tree.at("etc/os-release")
	for p := range plain.tree.entries {
		if dir, release := filepath.Split(p); strings.HasSuffix(dir, "lib/modules/") && !strings.HasPrefix(p, "containers/") {
			m.uname = release // of the kernel whose modules they are
		}
	}
	m.read(t)
	t.Run("size", m.small)
}

// small holds that an ISO has little beside kernel and initramfs.
func (m *media) small(t *testing.T) {
	const room = 10_000_000 // bytes
	got := fileRecord(t, m.file(".iso")).size
	least := fileRecord(t, m.file("-kernel")).size + fileRecord(t, m.file("-initrd.img")).size
	t.Logf("the ISO has %d bytes, %d beside kernel and initramfs", got, got-least)
	if got > least+room {
		t.Errorf("the ISO has %d bytes, %d beside kernel and initramfs: at most %d may be", got, got-least, room)
	}
}

// TestMediaReadersFind has each medium differ from what is expected in one thing at
// each of some paths, and then breaks what is around the files. Every reader must
// find what it can show, and nothing else.
func TestMediaReadersFind(t *testing.T) {
	needMediaReaders(t)
	m := newComposer(t).exampleMedia(t)
	for _, medium := range m.all(t) {
		shown := medium.plant(t)
		for _, r := range medium.readings {
			t.Run(medium.name+"/"+r.name, func(t *testing.T) {
				t.Parallel()
				wantPaths(t, r, shown)
			})
		}
	}
	for _, i := range m.inspected(t) {
		for _, p := range i.plants {
			t.Run(i.name+"/"+p.name, func(t *testing.T) {
				t.Parallel()
				i.find(t, p)
			})
		}
	}
}

// plant changes what is expected of the medium, and returns where, and who sees it.
func (m *medium) plant(t *testing.T) map[string]sight {
	t.Helper()
	shown := map[string]sight{}
	for _, p := range m.plants {
		r := m.want.entries[p.path]
		if r == nil || shown[p.path] != 0 {
			t.Fatalf("there is no %s to change", p.path)
		}
		other := *r
		m.want.entries[p.path], shown[p.path] = &other, p.shows
		if p.change != nil {
			p.change(&other)
			continue
		}
		delete(m.want.entries, p.path)
		renamed := p.path[:len(p.path)-1] + "x"
		m.want.entries[renamed], shown[renamed] = &other, p.shows
	}
	return shown
}
