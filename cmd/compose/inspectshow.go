package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs/contents"
)

// showImage prints what is in an image file to a person: what it is, what it is
// made of, and then, which may be long, its paths.
func showImage(w io.Writer, img *contents.Image, only bool) error {
	b := bufio.NewWriter(w)
	showSummary(b, img)
	for i := range img.Containers {
		showContainer(b, img, &img.Containers[i])
	}
	if len(img.Containers) > 0 {
		showLayers(b, img.Layers)
	} else {
		showParts(b, img)
		showMedium(b, img)
	}
	if !only && len(img.Entries) > 0 {
		_, _ = fmt.Fprintln(b)
		for _, e := range img.Entries {
			_, _ = fmt.Fprintln(b, entryText(e))
		}
	}
	return b.Flush()
}

// showLine prints one thing that is known, if it is.
func showLine(w io.Writer, name, value string) {
	if value != "" {
		_, _ = fmt.Fprintf(w, "%-13s %s\n", name, printable(value))
	}
}

// showSummary prints a line for each thing that there is to know of the file.
func showSummary(w io.Writer, img *contents.Image) {
	showLine(w, "format", img.Format)
	showLine(w, "size", fmt.Sprintf("%d bytes", img.Size))
	showLine(w, "digest", img.Digest.String())
	if k := img.Kernel; k != nil {
		showLine(w, "kernel", strings.TrimSpace(k.Kind+" "+k.Version))
	}
	showLine(w, "command line", img.Cmdline)
	if r := img.Initramfs; r != nil {
		showLine(w, "initramfs", initramfsText(r))
	}
	if img.Format != contents.KernelFile && img.Format != contents.Cmdline {
		showLine(w, "paths", fmt.Sprintf("%d, with %d bytes of files", len(img.Entries), bytesOf(img)))
	}
	for _, p := range img.Parts {
		if img.Format == contents.TarKernelInitrd && p.Kind == "unknown" && p.Name != "kernel" {
			showLine(w, "note", p.Name+" is no cpio archive, and nothing to a kernel")
		}
	}
	if m := img.Menus; len(m) > 0 && (img.Kernel == nil || img.Initramfs == nil && len(m[0].Initrds) > 0) {
		showLine(w, "note", "not all files that the boot menu names are there, each in one piece: they are not looked into")
	}
	if len(img.Containers) > 0 && !img.Merged {
		showLine(w, "note", "paths are listed layer by layer: one that a higher layer replaces or hides is listed too")
	}
}

// initramfsText is what an initramfs of compose says of itself.
func initramfsText(r *contents.Initramfs) string {
	if !r.Complete {
		return "not made by compose: nothing in it says whether it is complete"
	}
	text := "complete"
	if r.Memory > 0 {
		text += fmt.Sprintf("; to boot it a machine needs about %d MB of memory", (r.Memory+999999)/1000000)
	}
	if r.Xattrs > 0 {
		text += fmt.Sprintf("; %s with extended attributes", count(r.Xattrs, "path"))
	}
	return text
}

// bytesOf sums up the bytes of files, each file once however many names it has.
func bytesOf(img *contents.Image) (size int64) {
	for _, e := range img.Entries {
		if e.Type == rootfs.File && e.First == "" {
			size += e.Size
		}
	}
	return size
}

// showParts prints a table of the parts, where the summary has not said it all.
func showParts(w io.Writer, img *contents.Image) {
	whole := len(img.Parts) == 1 && img.Parts[0].Size == img.Size
	if whole && img.Parts[0].Members == 0 {
		return
	}
	t := newTable(w, "offset\tbytes\tuncompressed\tpaths\t  part")
	for _, p := range img.Parts {
		plain := ""
		if p.Members > 0 {
			plain = fmt.Sprint(p.Plain)
		}
		t.row(p.Digest.String(), "%d\t%d\t%s\t%d\t  %s: %s", p.Offset, p.Size, plain, p.Entries, printable(p.Name), kindText(p.Kind, p.Members))
	}
	if whole {
		t.digests = nil // it is the file's
	}
	t.flush("digest")
}

// kindText says how something is stored.
func kindText(kind string, members int) string {
	if members == 0 {
		return printable(kind)
	}
	return fmt.Sprintf("%s, %s", kind, count(members, "member"))
}

// maxCreatedBy is how much of what made a layer is shown, characters: it may be a
// script.
const maxCreatedBy = 60

// showLayers prints a table of layers.
func showLayers(w io.Writer, layers []contents.Layer) {
	t := newTable(w, "layer\tbytes\tuncompressed\tpaths\tstored\t  created by")
	for i, l := range layers {
		by := []rune(printable(l.CreatedBy))
		if len(by) > maxCreatedBy {
			by = append(by[:maxCreatedBy-1], '…')
		}
		digests := l.Digest.String()
		if l.DiffID != l.Digest {
			digests += "  " + l.DiffID.String()
		}
		t.row(digests, "%d\t%d\t%d\t%d\t%s\t  %s", i, l.Size, l.Plain, l.Entries, printable(l.Kind), string(by))
	}
	t.flush("digest, and diffID if it is another")
}

// table prints rows, and then their digests: side by side they would fit on no
// screen.
type table struct {
	*tabwriter.Writer
	out     io.Writer
	first   string // the title of the first column
	digests []string
}

func newTable(w io.Writer, head string) *table {
	first, _, _ := strings.Cut(head, "\t")
	_, _ = fmt.Fprintln(w)
	t := &table{tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight), w, first, nil}
	_, _ = fmt.Fprintln(t, head)
	return t
}

func (t *table) row(digests, format string, args ...any) {
	_, _ = fmt.Fprintf(t, format+"\n", args...)
	first, _, _ := strings.Cut(fmt.Sprintf(format, args...), "\t")
	t.digests = append(t.digests, first+"\t  "+digests)
}

func (t *table) flush(digest string) {
	_ = t.Flush()
	if len(t.digests) > 0 {
		_, _ = fmt.Fprintf(t, "\n%s\t  %s\n%s\n", t.first, digest, strings.Join(t.digests, "\n"))
		_ = t.Flush()
	}
}

// showContainer prints a line for each thing that a container image says.
func showContainer(w io.Writer, img *contents.Image, c *contents.Container) {
	_, _ = fmt.Fprintln(w)
	showLine(w, "image", firstOf(strings.Join(c.Tags, ", "), "without a name"))
	showLine(w, "platform", c.Platform)
	showLine(w, "kind", c.MediaType)
	showLine(w, "created", c.Created)
	if c.Digest != (rootfs.Digest{}) {
		showLine(w, "manifest", c.Digest.String())
	}
	showLine(w, "config", c.Config.String())
	showLine(w, "entrypoint", strings.Join(c.Entrypoint, " "))
	showLine(w, "command", strings.Join(c.Cmd, " "))
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		showLine(w, "label", name+"="+c.Labels[name])
	}
	layers := fmt.Sprint(len(c.Layers))
	if len(img.Containers) > 1 {
		layers = strings.Trim(fmt.Sprint(c.Layers), "[]")
	}
	showLine(w, "layers", layers)
}
