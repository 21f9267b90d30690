package pkg_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/pkg/debian/debtest"
)

func TestKernelStep(t *testing.T) {
	const release, dir = "6.12.1-amd64", "usr/lib/modules/6.12.1-amd64"
	linux := ofText("linux-image-"+release, "file boot/config-"+release+" CONFIG_RD_ZSTD=y\nfile "+dir+"/modules.builtin kernel/a.ko\nfile usr/share/linux/more x\nfile usr/lib/firmware/a/b.bin firm")
	linux.Files = append(linux.Files, entry("boot/vmlinuz-"+release, 0o600, "the kernel"), entry(dir+"/modules.order", 0o644, ""))
	meta := ofText("linux-image-amd64", "")
	meta.Depends = "linux-image-" + release
	r := newRoom(t, debtest.New(t, linux, meta))
	s := r.locked("kernel", `image: kernel
arches: [amd64]
debs: {suite: trixie, packages: [linux-image-amd64], follow: [linux-image-amd64]}
files: [{path: notes, contents: kept}, {path: config, from: boot/config-6.12.1-amd64}]
steps: [{kernel: {modules: [], firmware: ["usr/lib/firmware/a/*"]}}]
`)
	o := r.openImage(r.build(s))
	got := r.paths(s)
	for _, want := range []string{"kernel \"the kernel\"\n", "kernel.tar ", "notes \"kept\"\n", "config \"CONFIG_RD_ZSTD=y\"\n"} {
		if !strings.Contains("\n"+got, "\n"+want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if !bytes.Contains(o.layer, []byte("usr/lib/firmware/a/b.bin\x00")) {
		t.Error("the firmware is not in the archive")
	}
	if n := strings.Count(got, "\n"); n != 4 {
		t.Errorf("%d files are left:\n%s", n, got)
	}
	if got := o.config.Config.Labels["org.composeos.kernel.decompressors"]; got != "zstd" {
		t.Errorf("it unpacks %q", got)
	}
	if !strings.Contains(listing(t, o.layer), "usr/share/doc/linux-image-"+release+"/copyright") {
		t.Error("its copyright is gone")
	}
}

func TestMicrocodeStep(t *testing.T) {
	intel := ofText("intel-microcode", "file usr/lib/firmware/intel-ucode/06-01-02 "+strings.Repeat("i", 48))
	intel.Component = "non-free-firmware"
	r := newRoom(t, debtest.New(t, intel))
	s := r.locked("ucode", `image: ucode
debs: {suite: trixie, packages: ["intel-microcode [amd64]"], include: ["usr/lib/firmware/**"]}
steps: [{microcode: {out: ucode.cpio}}]
`)
	if got := r.paths(s); !strings.Contains(got, "ucode.cpio \"070701") {
		t.Errorf("it has\n%s", got)
	}
	made, err := r.Build(t.Context(), s, []string{"arm64"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := listing(t, r.openImage(made).layer); got != "" {
		t.Errorf("for arm64 it has\n%s", got)
	}
}
