#!/bin/sh
# media.sh writes the images in this folder that other tools made: an ISO by xorriso
# and a disk by sgdisk, dosfstools and mtools. It was run once, as root; the tests
# need none of those tools.
set -eu
here=$(dirname "$(realpath "$0")") dir=$(mktemp -d)
cd "$dir"
export TZ=UTC MTOOLS_SKIP_CHECK=1
long=$(printf 'n%.0s' $(seq 250))

# A kernel as far as its header goes, and an initramfs of one file.
head -c 1088 /dev/zero >kernel
put() { printf "$2" | dd of=kernel bs=1 seek=$(($1)) conv=notrunc status=none; }
put 0x1f1 '\001'; put 0x1f4 '\004'; put 0x1fe '\125\252'; put 0x202 HdrS; put 0x20e '\000\001'; put 0x300 '6.1.0 test'
mkdir ram; echo hello >ram/init
(cd ram && echo init | cpio -o -H newc --quiet --reproducible) | gzip -n >initrd.img
printf 'menuentry '\''A system'\'' {\n\tlinux /boot/kernel console=ttyS0 '\''a b'\''\n\tinitrd /boot/initrd.img\n}\n' >grub.cfg
printf 'default linux\nlabel linux\n\tkernel /boot/kernel\n\tappend initrd=/boot/initrd.img console=ttyS0\n' >isolinux.cfg

# The EFI system partition of the ISO: FAT12.
mkfs.vfat -i 01234567 -n ESP -C esp.img 64 >/dev/null
mmd -i esp.img ::/EFI ::/EFI/BOOT
echo shim >shim; touch -d 2020-02-02T12:00:02Z shim
mcopy -m -i esp.img shim ::/EFI/BOOT/BOOTX64.EFI

mkdir -p iso/boot/grub iso/isolinux iso/deep/er/est
cp kernel initrd.img iso/boot; cp grub.cfg iso/boot/grub; cp isolinux.cfg iso/isolinux
head -c 3000 /dev/zero | tr '\0' x >iso/isolinux/isolinux.bin
: >iso/empty; echo long >"iso/$long"; ln iso/boot/kernel iso/again
ln -s ../boot/./kernel iso/deep/link; ln -s "/$long/$long/x" iso/deep/longlink; mknod iso/deep/null c 1 3; mkfifo iso/deep/pipe
chown 1000:100 iso/empty; chmod 4751 iso/empty
find iso -depth -exec touch -h -d 2020-01-01T00:00:00Z {} +
xorriso -report_about SORRY -as mkisofs -quiet -no-pad -R -V MADE_BY_OTHERS -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 \
	-boot-info-table -append_partition 2 0xef esp.img -appended_part_as_gpt -eltorito-alt-boot -e --interval:appended_partition_2:all:: \
	-no-emul-boot -o foreign.iso iso

# A disk: FAT32; FAT16 with a file in pieces; and nothing.
truncate -s 48M foreign.img
sgdisk -n 1:2048:+36M -t 1:ef00 -c 1:'EFI system partition' -n 2:0:+5M -t 2:ef00 -c 2:Grüße -n 7:0:0 -t 7:8300 -c 7:data foreign.img >/dev/null
one="foreign.img@@1M" two="foreign.img@@$((37 * 1024))K"
mkfs.vfat -i 89abcdef -F 32 -s 1 --offset 2048 foreign.img $((36 * 1024)) >/dev/null
mkfs.vfat -i 00000001 -n SMALL -F 16 -s 1 --offset $((37 * 2048)) foreign.img $((5 * 1024)) >/dev/null
mmd -i "$one" ::/boot ::/boot/grub ::/EFI
head -c 2000 /dev/zero | tr '\0' a >a; head -c 5000 /dev/zero | tr '\0' b >b
mcopy -i "$two" a ::/a; mcopy -i "$two" kernel ::/other; mdel -i "$two" ::/a; mcopy -i "$two" b ::/pieces
mcopy -i "$one" kernel ::/boot/kernel; mcopy -i "$one" initrd.img ::/boot/initrd.img; mcopy -i "$one" grub.cfg ::/boot/grub/grub.cfg
mcopy -i "$one" shim '::/A long name, and Grüße.txt'; mcopy -i "$one" shim ::/lower.txt
: >empty; mcopy -i "$two" empty ::/empty; mcopy -m -i "$two" shim ::/SHIM.EFI; mattrib +r -i "$two" ::/SHIM.EFI
zstd -q -19 -f foreign.iso foreign.img
cp foreign.iso.zst foreign.img.zst "$here"
cd "$here"; rm -rf "$dir"
