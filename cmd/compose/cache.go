package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/composeos/compose/compose/image"
	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/outputs"
	"github.com/composeos/compose/spec"
)

// setupCache defines "compose cache" without a command of its own.
func setupCache(*flag.FlagSet) action {
	return func(context.Context, *session, []string) error {
		return usagef("cache", "what is to be done with it? %s", strings.Join(lastWords(cacheCommands()), ", "))
	}
}

// cacheCommand is what the commands of "compose cache" have in common.
type cacheCommand struct {
	name  string
	cache string
}

func (c *cacheCommand) define(fs *flag.FlagSet) {
	c.name = fs.Name()
	fs.StringVar(&c.cache, "cache", "", "")
}

// with opens the cache for do.
func (c *cacheCommand) with(s *session, do func(*engine) error) error {
	e, err := openCache(s, c.cache, false)
	if err != nil {
		return err
	}
	defer e.close()
	return do(e)
}

// needOperands refuses a command line without operands.
func (c *cacheCommand) needOperands(operands []string, what string) error {
	if len(operands) == 0 {
		return usagef(c.name, "no %s is named", what)
	}
	return nil
}

// setupCacheImport defines "compose cache import DIR|TAR...".
func setupCacheImport(fs *flag.FlagSet) action {
	var c cacheCommand
	var progress choice
	c.define(fs)
	progress.define(fs)
	return func(ctx context.Context, s *session, operands []string) error {
		if err := c.needOperands(operands, "layout or archive"); err != nil {
			return err
		}
		s.listen(progress.value)
		return c.with(s, func(e *engine) error {
			for _, path := range operands {
				if err := importFile(ctx, s, e, path); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// importFile takes in the images of one file, and prints a line for each.
func importFile(ctx context.Context, s *session, e *engine, path string) error {
	total := int64(0)
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		total = info.Size()
	}
	task := s.ui.Start("import", path, total)
	images, err := image.Import(ctx, e.stored, path, image.ImportOptions{Progress: task.Add})
	task.Done()
	if err != nil {
		return err
	}
	s.ui.close(true)
	for _, i := range images {
		if _, err := fmt.Fprintf(s.stdout, "%s %d %s\n", i.Image.Digest, i.Size, i.Name); err != nil {
			return written(err)
		}
	}
	return nil
}

// setupCacheList defines "compose cache ls".
func setupCacheList(fs *flag.FlagSet) action {
	var c cacheCommand
	c.define(fs)
	return func(ctx context.Context, s *session, operands []string) error {
		if err := noOperands(c.name, operands); err != nil {
			return err
		}
		return c.with(s, func(e *engine) error { return listCache(ctx, s, e) })
	}
}

func listCache(ctx context.Context, s *session, e *engine) error {
	refs, err := e.store.Refs()
	if err != nil {
		return err
	}
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, r := range refs {
		size := "incomplete"
		if n, err := e.stored.Size(ctx, r.Desc); err == nil {
			size = bytesText(n)
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\n", r.Desc.Digest, size, r.Name)
	}
	_ = t.Flush()
	usage, err := e.store.Usage(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "%s%s, %s in all with unpacked layers, in %s\n", b.String(), count(len(refs), "image"), bytesText(usage.Size), e.store.Dir())
	return shown(err)
}

// setupCacheVerify defines "compose cache verify".
func setupCacheVerify(fs *flag.FlagSet) action {
	var c cacheCommand
	c.define(fs)
	return func(ctx context.Context, s *session, operands []string) error {
		if err := noOperands(c.name, operands); err != nil {
			return err
		}
		return c.with(s, func(e *engine) error { return verifyCache(ctx, s, e) })
	}
}

func verifyCache(ctx context.Context, s *session, e *engine) error {
	var good, bad int
	err := e.store.Verify(ctx, func(i store.Item, wrong error) {
		if wrong == nil {
			good++
			return
		}
		bad++
		s.ui.message(kindError, fmt.Sprintf("%s %s: %v", i.Kind, i.Key, wrong))
	})
	if err != nil {
		return err
	}
	if bad > 0 {
		return hinted(fmt.Sprintf("cache %s: %d of %d entries were damaged, and are removed", e.store.Dir(), bad, good+bad),
			"import the images again, or build: what can be made again is made")
	}
	_, err = fmt.Fprintf(s.stdout, "verified %d entries in %s\n", good, e.store.Dir())
	return written(err)
}

// setupCachePrune defines "compose cache prune".
func setupCachePrune(fs *flag.FlagSet) action {
	var c cacheCommand
	limit := byteSize(-1)
	c.define(fs)
	fs.Var(&limit, "size", "")
	return func(ctx context.Context, s *session, operands []string) error {
		if err := noOperands(c.name, operands); err != nil {
			return err
		}
		if limit < 0 {
			n, err := s.cacheSize()
			if err != nil {
				return err
			}
			limit = byteSize(n)
		}
		return c.with(s, func(e *engine) error {
			p, err := e.store.Prune(ctx, int64(limit))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.stdout, "removed %d entries, %s; %s is left\n", len(p.Removed), bytesText(p.Freed), bytesText(p.Left))
			return written(err)
		})
	}
}

// setupCacheRemove defines "compose cache rm NAME|DIGEST...".
func setupCacheRemove(fs *flag.FlagSet) action {
	var c cacheCommand
	c.define(fs)
	return func(ctx context.Context, s *session, operands []string) error {
		if err := c.needOperands(operands, "image or digest"); err != nil {
			return err
		}
		return c.with(s, func(e *engine) error {
			for _, what := range operands {
				if err := removeFromCache(ctx, e, what); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// listHint says where names come from.
const listHint = `"compose cache ls" lists what is there`

func removeFromCache(ctx context.Context, e *engine, what string) error {
	if !strings.HasPrefix(what, "sha256:") {
		ref, err := spec.ParseRef(what, "")
		if err != nil {
			return err
		}
		what = ref.String()
	}
	err := e.store.Remove(ctx, what)
	if errors.Is(err, fs.ErrNotExist) {
		return hinted(what+" is not in the cache", listHint)
	}
	return err
}

// setupCacheExport defines "compose cache export NAME... -o FILE".
func setupCacheExport(fs *flag.FlagSet) action {
	var c cacheCommand
	var out string
	c.define(fs)
	fs.StringVar(&out, "o", "", "")
	return func(ctx context.Context, s *session, operands []string) error {
		if err := c.needOperands(operands, "image"); err != nil {
			return err
		}
		if out == "" {
			return usagef(c.name, "no file is named: say -o FILE, or -o - for standard output")
		}
		return c.with(s, func(e *engine) error { return exportImages(ctx, s, e, operands, out) })
	}
}

// exportImages writes the layout, and prints a line for it as build does.
func exportImages(ctx context.Context, s *session, e *engine, names []string, out string) error {
	sink, lines := outputs.ToFile(out), s.stdout
	if out == "-" {
		sink, lines = outputs.ToStream(s.stdout), s.stderr
	}
	defer sink.Abort()
	f, err := sink.Create("images.tar")
	if err != nil {
		return err
	}
	if err := image.Export(ctx, e.stored, names, f); err != nil {
		sink.Abort()
		_ = f.Close() // it is not kept
		if lacksImage(err) {
			return withHint(err, listHint)
		}
		return err
	}
	if err := firstError(f.Close(), ctx.Err, sink.Commit); err != nil {
		return err
	}
	for _, r := range sink.Results() {
		if _, err := lines.WriteString(resultLine(r)); err != nil {
			return written(err)
		}
	}
	return nil
}
