package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/composeos/compose/compose/rootfs"
)

// What a machine has where nobody says how much, bytes.
const (
	usualMemory = 512 << 20
	uefiMemory  = 128 << 20 // for the firmware
)

// memory is how much a machine gets: what -mem says, or what the image says that it
// needs to boot, and a quarter for what it does then.
func (c *machineCommand) memory(ctx context.Context, s *session, b *built) (int64, error) {
	need, err := b.memory(ctx)
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err != nil {
		s.ui.warnf("%s does not say how much memory it needs: %v", b.files[0], err)
	}
	if c.mem != 0 {
		if n := int64(c.mem); n < need {
			s.ui.warnf("%d MiB of memory are too little: to boot, %s needs %d", n>>20, b.files[0], (need+1<<20-1)>>20)
		}
		return int64(c.mem), nil
	}
	n := max(usualMemory, need+need/4)
	if c.uefi || b.needsUEFI() {
		n += uefiMemory
	}
	return (n + 1<<20 - 1) >> 20 << 20, nil
}

// memory is how many bytes compose said are needed to boot; 0 where nobody said.
func (b *built) memory(ctx context.Context) (int64, error) {
	path := b.files[0]
	if b.kind == kindKernel {
		path = b.files[1]
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if b.kind == kindKernel {
		return initrdMemory(f)
	}
	img, err := readImage(ctx, f)
	if err != nil || img.Initramfs == nil {
		return 0, err
	}
	return img.Initramfs.Memory, nil
}

// memoryPath is where an initramfs that compose made says it, before all else.
const memoryPath = ".compose/memory"

// errSaid ends the reading of an initramfs.
var errSaid = errors.New("the initramfs has said what it needs, or it never will")

// initrdMemory reads the front of an initramfs: archives of microcode, and the
// beginning of the one behind them.
func initrdMemory(r io.Reader) (int64, error) {
	var need int64
	front := func(e *rootfs.Entry, content io.Reader) error {
		switch {
		case e.Path == ".compose", e.Path == "kernel", strings.HasPrefix(e.Path, "kernel/"):
			return nil
		case e.Path != memoryPath:
			return errSaid
		}
		text, err := io.ReadAll(io.LimitReader(content, 32))
		if err == nil {
			need, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		}
		if err != nil {
			return err
		}
		return errSaid
	}
	in := bufio.NewReader(r)
	for {
		err := readArchive(in, front)
		switch {
		case errors.Is(err, io.EOF):
			return 0, nil
		case errors.Is(err, errSaid):
			if need < 0 || need > maxDisk {
				return 0, fmt.Errorf("%d bytes of memory are not possible", need)
			}
			return need, nil
		case err != nil:
			return 0, err
		}
	}
}

// readArchive reads the next archive. It is [io.EOF] where there is none.
func readArchive(in *bufio.Reader, front func(*rootfs.Entry, io.Reader) error) error {
	for {
		b, err := in.ReadByte()
		if err != nil {
			return err
		}
		if b != 0 {
			break
		}
	}
	if err := in.UnreadByte(); err != nil {
		return err
	}
	head, err := in.Peek(4)
	if err != nil {
		return fmt.Errorf("initramfs: %w", io.ErrUnexpectedEOF)
	}
	switch {
	case string(head) == "0707":
		_, err := rootfs.ReadCpioArchive(in, front)
		return err
	case string(head[:2]) == "\x1f\x8b":
		z, err := gzip.NewReader(in)
		if err != nil {
			return err
		}
		return readPacked(z, front)
	case string(head) == "\x28\xb5\x2f\xfd":
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<30))
		if err != nil {
			return err
		}
		defer z.Close()
		return readPacked(z, front)
	}
	return errSaid
}

// readPacked reads what is compressed: what is behind it says nothing more.
func readPacked(z io.Reader, front func(*rootfs.Entry, io.Reader) error) error {
	if err := rootfs.ReadCpio(z, front); err != nil {
		return err
	}
	return errSaid
}
