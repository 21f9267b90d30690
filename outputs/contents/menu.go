package contents

import (
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// maxMenu is how long a boot menu can be, bytes; maxMenus how many entries all have,
// and maxInitrds how many files make the initramfs of one.
const (
	maxMenu    = 1 << 20
	maxMenus   = 256
	maxInitrds = 16
)

// menuFile is where a boot menu lies, and how it is read.
type menuFile struct {
	path string
	read func(text string) []Menu
}

func menuFiles() []menuFile {
	return []menuFile{
		{"boot/grub/grub.cfg", grubMenu},
		{"isolinux/isolinux.cfg", isolinuxMenu},
	}
}

// readMenus reads the boot menus of all volumes, and then the kernel and the
// initramfs of the first of their entries that is there.
func (d *reader) readMenus() error {
	var system *Volume
	var first Menu
	for i := range d.img.Volumes {
		v := &d.img.Volumes[i]
		for _, m := range menuFiles() {
			f := v.File(m.path)
			if f == nil || f.Type != rootfs.File || f.Offset < 0 {
				continue
			}
			if f.Size > maxMenu {
				return located(f.Offset, f.Path, invalid("a boot menu of %d bytes", f.Size))
			}
			text, err := d.head(f.Offset, int(f.Size))
			if err != nil {
				return err
			}
			for _, entry := range m.read(string(text)) {
				entry.File = f.Path
				if len(d.img.Menus) == maxMenus || len(entry.Initrds) > maxInitrds {
					return located(f.Offset, f.Path, invalid("more than %d entries of boot menus, or %d initramfs of one", maxMenus, maxInitrds))
				}
				d.img.Menus = append(d.img.Menus, entry)
				if f := v.File(entry.Kernel); system == nil && f != nil && f.Offset >= 0 {
					system, first = v, entry
				}
			}
		}
	}
	if system == nil {
		return nil
	}
	d.img.Cmdline = first.Cmdline
	return d.readSystem(system, first)
}

// readSystem reads the kernel and the initramfs of an entry of a volume's menu.
func (d *reader) readSystem(v *Volume, m Menu) error {
	f := v.File(m.Kernel)
	if err := d.readKernel(f.Offset, f.Size); err != nil {
		return located(f.Offset, f.Path, err)
	}
	d.img.Parts = append(d.img.Parts, Part{Name: f.Path, Kind: d.img.Kernel.Kind, Offset: f.Offset, Size: f.Size, Digest: f.Digest})
	for _, path := range m.Initrds {
		f := v.File(path)
		if f == nil || f.Offset < 0 {
			continue
		}
		d.img.Parts = append(d.img.Parts, Part{Name: f.Path, Kind: "initramfs", Offset: f.Offset, Size: f.Size, Digest: f.Digest})
		if err := d.readInitrd(f.Offset, f.Offset+f.Size); err != nil {
			return located(f.Offset, f.Path, err)
		}
	}
	return nil
}

// menuPath returns a path of a menu as one of its volume: without the device that
// GRUB may have in front, and the slash.
func menuPath(p string) string {
	if strings.HasPrefix(p, "(") {
		_, p, _ = strings.Cut(p, ")")
	}
	return strings.Trim(p, "/")
}

// entries gathers those of a boot menu, of which one is being read.
type entries struct {
	Menu
	all []Menu
}

// next ends the one that is being read. Without a kernel it is none.
func (e *entries) next() {
	if e.Kernel != "" {
		e.all = append(e.all, e.Menu)
	}
	e.Menu = Menu{}
}

// grubMenu reads the entries of a grub.cfg (GNU GRUB manual, "Writing full
// configuration files directly"): of each the title, linux and initrd. Variables
// are left as they stand. A kernel outside of an entry is one without a title.
func grubMenu(text string) []Menu {
	var m entries
	for line := range strings.Lines(text) {
		words := grubWords(line)
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "menuentry":
			m.next()
			if len(words) > 1 {
				m.Title = words[1]
			}
		case "linux", "linuxefi":
			if len(words) > 1 {
				m.Kernel, m.Cmdline = menuPath(words[1]), strings.Join(words[2:], " ")
			}
		case "initrd", "initrdefi":
			for _, w := range words[1:] {
				m.Initrds = append(m.Initrds, menuPath(w))
			}
		case "}":
			m.next()
		}
	}
	m.next()
	return m.all
}

// grubWords splits a line into words, as GRUB does: a backslash or quotation marks
// take what follows as it stands.
func grubWords(line string) (words []string) {
	var w strings.Builder
	open, quote := false, byte(0)
	flush := func() {
		if open {
			words = append(words, w.String())
		}
		w.Reset()
		open = false
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(line) && (quote == 0 || strings.IndexByte("$\"\\", line[i+1]) >= 0):
			i++
			w.WriteByte(line[i])
			open = true
		case quote == 0 && (c == '\'' || c == '"'):
			quote, open = c, true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && strings.IndexByte(" \t\r\n", c) >= 0:
			flush()
		case quote == 0 && c == '#' && !open:
			return words
		case quote == 0 && c == ';':
			flush()
		default:
			w.WriteByte(c)
			open = true
		}
	}
	flush()
	return words
}

// isolinuxMenu reads the entries of an isolinux.cfg (Syslinux, doc/syslinux.txt).
func isolinuxMenu(text string) []Menu {
	var m entries
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.ReplaceAll(strings.TrimSpace(line), "\t", " "), " ")
		value = strings.TrimSpace(value)
		switch strings.ToLower(key) {
		case "label":
			m.next()
			m.Title = value
		case "menu":
			if what, title, _ := strings.Cut(value, " "); strings.EqualFold(what, "label") {
				m.Title = strings.TrimSpace(title)
			}
		case "kernel", "linux":
			m.Kernel = menuPath(value)
		case "initrd":
			m.addInitrds(value)
		case "append":
			var kept []string
			for word := range strings.FieldsSeq(value) {
				if files, ok := strings.CutPrefix(word, "initrd="); ok {
					m.addInitrds(files)
				} else {
					kept = append(kept, word)
				}
			}
			m.Cmdline = strings.Join(kept, " ")
		}
	}
	m.next()
	return m.all
}

// addInitrds adds files with commas between them.
func (m *Menu) addInitrds(files string) {
	for file := range strings.SplitSeq(files, ",") {
		m.Initrds = append(m.Initrds, menuPath(file))
	}
}
