package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/composeos/compose/outputs/contents"
)

// imageFile opens the image file among the operands; nil where they are
// manifests. What a file is, its bytes say; but what is called like a manifest
// is one, and so are standard input and what is no regular file. What else is
// called like a kernel or a command line is one.
func imageFile(operands []string) (*os.File, error) {
	for _, o := range operands {
		f, err := openImage(o)
		switch {
		case err != nil:
			return nil, err
		case f == nil:
			continue
		case len(operands) > 1:
			return nil, errors.Join(usagef("inspect", "%s is an image file: inspect looks into one at a time", o), f.Close())
		}
		return f, nil
	}
	return nil, nil
}

// openImage opens the file at path if it is an image. What cannot be opened is
// left to who reads manifests, and complains of it.
func openImage(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if path == "-" || slices.Contains([]string{".yml", ".yaml"}, filepath.Ext(path)) || err != nil || !info.Mode().IsRegular() {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil //nolint:nilerr // who reads manifests complains of it
	}
	head := make([]byte, contents.HeadSize)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errors.Join(err, f.Close())
	}
	// No text has a NUL: it is an image, of whatever kind.
	if head = head[:n]; contents.Known(head) || bytes.IndexByte(head, 0) >= 0 || isCmdline(path) || isKernel(path) {
		return f, nil
	}
	return nil, f.Close()
}

// isCmdline tells whether a text is a kernel's command line, by its name.
func isCmdline(path string) bool { return strings.HasSuffix(path, "-cmdline") }

// isKernel tells whether a file of no kind that is known is a kernel, by its name.
func isKernel(path string) bool { return strings.HasSuffix(path, "-kernel") }

// readImage reads an image file.
func readImage(ctx context.Context, f *os.File) (*contents.Image, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	img, err := contents.Read(ctx, f, info.Size())
	if !errors.Is(err, contents.ErrUnknown) {
		return img, err
	}
	switch {
	case isCmdline(f.Name()):
		return contents.ReadCmdline(ctx, f, info.Size())
	case isKernel(f.Name()):
		return contents.ReadKernel(ctx, f, info.Size())
	}
	return nil, withHint(err, `"compose help inspect" lists what is read`)
}

// file shows what is in an image file, which has been opened, and closes it.
func (c *inspectCommand) file(ctx context.Context, s *session, f *os.File) error {
	defer f.Close()
	if name := c.manifestFlag(); name != "" {
		return usagef("inspect", "flag -%s is for manifests, and %s is an image file", name, f.Name())
	}
	img, err := readImage(ctx, f)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	s.ui.close(true)
	if c.json {
		return shown(showImageJSON(s.stdout, img, c.sizes))
	}
	return shown(showImage(s.stdout, img, c.sizes))
}

// manifestFlag returns the first flag that was given and says how a tree is
// composed, which nothing can be done about in a file.
func (c *inspectCommand) manifestFlag() (name string) {
	c.flags.Visit(func(f *flag.Flag) {
		if name == "" && slices.Contains([]string{"arch", "lock", "accept-unsigned"}, f.Name) {
			name = f.Name
		}
	})
	return name
}
