package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs/contents"
)

// showMedium prints what there is to know of an image that machines boot from,
// beside what the summary says.
func showMedium(w io.Writer, img *contents.Image) {
	if p := img.Program; p != nil {
		showProgram(w, p)
	}
	if t := img.Table; t != nil {
		showTable(w, t)
	}
	showBootImages(w, img.BootImages)
	for i := range img.Menus {
		showMenu(w, &img.Menus[i])
	}
	for i := range img.Volumes {
		showVolume(w, &img.Volumes[i])
	}
}

// showProgram prints the texts of a unified kernel image.
func showProgram(w io.Writer, p *contents.Program) {
	_, _ = fmt.Fprintln(w)
	showLine(w, "kernel named", strings.TrimSpace(p.Uname))
	if p.Timestamp != 0 {
		showLine(w, "made", time.Unix(p.Timestamp, 0).UTC().Format(time.RFC3339))
	}
	signed := "no"
	if p.Signed {
		signed = "yes; nobody checked it"
	}
	showLine(w, "signed", signed)
	for line := range strings.Lines(p.OSRelease) {
		showLine(w, "os-release", strings.TrimSpace(line))
	}
	for line := range strings.Lines(p.SBAT) {
		showLine(w, "sbat", strings.TrimSpace(line))
	}
}

// showTable prints the boot record and the partitions.
func showTable(w io.Writer, t *contents.Table) {
	_, _ = fmt.Fprintln(w)
	code := "without a program for a BIOS"
	if t.Code {
		code = "with a program for a BIOS"
	}
	showLine(w, "boot record", fmt.Sprintf("disk %08x, %s", t.ID, code))
	showLine(w, "disk", t.GUID)
	all := newTable(w, "partition\tfirst\tlast\tholds\t  type")
	for _, p := range t.Records {
		active := ""
		if p.Active {
			active = "active"
		}
		_, _ = fmt.Fprintf(all, "MBR %d\t%d\t%d\t%s\t  %s\n", p.Number, p.First, p.Last, active, strings.TrimSpace(p.Type+" "+p.Kind))
	}
	for _, p := range t.Partitions {
		kind := firstOf(p.Kind, p.Type)
		if p.Name != "" {
			kind += ": " + printable(p.Name)
		}
		all.row(p.Type+"  "+p.GUID, "%d\t%d\t%d\t%s\t  %s", p.Number, p.First, p.Last, p.Holds, kind)
	}
	all.flush("GUID of its type, and its own")
}

// showBootImages prints the boot catalog.
func showBootImages(w io.Writer, all []contents.BootImage) {
	if len(all) == 0 {
		return
	}
	t := newTable(w, "offset\tbytes\tplatform\t  boot image")
	for _, b := range all {
		path := printable(firstOf(b.Path, "no file"))
		if b.Emulated {
			path += ", as a disk"
		}
		if !b.Bootable {
			path += ", not bootable"
		}
		_, _ = fmt.Fprintf(t, "%d\t%d\t%s\t  %s\n", b.Offset, b.Size, b.Platform, path)
	}
	t.flush("")
}

// showMenu prints an entry of a boot menu.
func showMenu(w io.Writer, m *contents.Menu) {
	_, _ = fmt.Fprintln(w)
	showLine(w, "boot menu", m.File)
	showLine(w, "title", m.Title)
	showLine(w, "kernel", m.Kernel)
	showLine(w, "initrd", strings.Join(m.Initrds, ", "))
	showLine(w, "command line", m.Cmdline)
}

// showVolume prints a volume and its files.
func showVolume(w io.Writer, v *contents.Volume) {
	_, _ = fmt.Fprintln(w)
	showLine(w, "volume", fmt.Sprintf("%s: %s, %d bytes at byte %d", v.Name, v.Kind, v.Size, v.Offset))
	showLine(w, "label", v.Label)
	showLine(w, "serial", v.Serial)
	showLine(w, "created", v.Created)
	_, _ = fmt.Fprintf(w, "\n%12s  path\n", "offset")
	for _, f := range v.Files {
		at := ""
		if f.Offset >= 0 {
			at = fmt.Sprint(f.Offset)
		}
		_, _ = fmt.Fprintf(w, "%12s  %s\n", at, entryText(f.Entry))
	}
	_, _ = fmt.Fprintln(w)
	for _, f := range v.Files {
		if f.Type == rootfs.File {
			_, _ = fmt.Fprintf(w, "%s  %s\n", f.Digest, printable(f.Path))
		}
	}
}
