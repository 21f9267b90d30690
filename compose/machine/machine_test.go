package machine

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	front = "-nodefaults -display none -serial stdio -monitor none "
	back  = " -netdev user,id=net -device virtio-net-pci,netdev=net,romfile= -device virtio-rng-pci"
	tcg   = "-machine pc -accel tcg,thread=multi -cpu max,la57=off "
)

func TestArgs(t *testing.T) {
	base := Options{Arch: AMD64, Accel: TCG, Memory: 512 << 20, CPUs: 2}
	uefi := Firmware{"/f/CODE", "/f/VARS"}
	for _, tt := range []struct {
		name string
		set  func(*Options)
		want string
	}{
		{"kernel", func(o *Options) { o.Kernel, o.Initrd, o.Cmdline = "k", "i", "a b" }, front + tcg + "-smp 2 -m 512 -kernel k -initrd i -append 'a b'" + back},
		{"bare kernel", func(o *Options) { o.Kernel = "k" }, front + tcg + "-smp 2 -m 512 -kernel k" + back},
		{"KVM", func(o *Options) { o.Kernel, o.Accel = "k", KVM }, front + "-machine pc -accel kvm -cpu host -smp 2 -m 512 -kernel k" + back},
		{"CD", func(o *Options) { o.CD = "x.iso" }, front + tcg + "-smp 2 -m 512 -drive if=none,format=raw,id=medium,readonly=on,file=x.iso -device ide-cd,drive=medium,bootindex=0" + back},
		{
			"disk", func(o *Options) { o.Image, o.Firmware, o.Disks = "x.img", uefi, []string{"a", "b"} },
			front + tcg + "-smp 2 -m 512 -drive if=pflash,format=raw,readonly=on,file=/f/CODE -drive if=pflash,format=raw,snapshot=on,file=/f/VARS " +
				"-drive if=none,format=raw,id=medium,snapshot=on,file=x.img -device virtio-blk-pci,drive=medium,bootindex=0 " +
				"-drive if=none,format=raw,discard=unmap,id=disk0,file=a -device virtio-blk-pci,drive=disk0 " +
				"-drive if=none,format=raw,discard=unmap,id=disk1,file=b -device virtio-blk-pci,drive=disk1" + back,
		},
		{"part of a MiB", func(o *Options) { o.Memory++ }, front + tcg + "-smp 2 -m 513" + back},
		{"no reboot", func(o *Options) { o.NoReboot = true }, front + tcg + "-smp 2 -m 512 -no-reboot" + back},
		{"arm64", func(o *Options) { o.Arch, o.Kernel = ARM64, "k" }, front + "-machine virt -accel tcg,thread=multi -cpu cortex-a57 -smp 2 -m 512 -kernel k" + back},
		{"arm64 with KVM", func(o *Options) { o.Arch, o.Accel = ARM64, KVM }, front + "-machine virt,gic-version=host -accel kvm -cpu host -smp 2 -m 512" + back},
		{"forwards", func(o *Options) {
			o.Forwards = []Forward{{netip.MustParseAddrPort("127.0.0.1:8080"), 80, false}, {netip.MustParseAddrPort("0.0.0.0:53"), 5353, true}}
		}, front + tcg + "-smp 2 -m 512" + strings.Replace(back, "id=net ", "id=net,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=udp:0.0.0.0:53-:5353 ", 1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := base
			tt.set(&o)
			if diff := cmp.Diff(tt.want, Quoted(o.Args())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPath(t *testing.T) {
	for file, want := range map[string]string{
		"a": "a", "/a,b": "/a,,b", "nbd:x": "./nbd:x", "/d/nbd:x": "/d/nbd:x", "d/nbd:x": "d/nbd:x", ",:": "./,,:",
	} {
		if got := path(file); got != want {
			t.Errorf("%q: %q, want %q", file, got, want)
		}
	}
}

func TestQuoted(t *testing.T) {
	for want, argv := range map[string][]string{
		"a -b c=d,e": {"a", "-b", "c=d,e"}, "'' 'a b'": {"", "a b"}, `'it'\''s' '$x'`: {"it's", "$x"}, "'~'": {"~"}, "": nil,
	} {
		if got := Quoted(argv); got != want {
			t.Errorf("%q: %s, want %s", argv, got, want)
		}
	}
}

func TestProgram(t *testing.T) {
	if got := []string{Program(AMD64), Program(ARM64)}; !slices.Equal(got, []string{"qemu-system-x86_64", "qemu-system-aarch64"}) {
		t.Error(got)
	}
}
