package pkg

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/composeos/compose/spec"
)

// encoder names what compresses layers. Its version decides the bytes of an image,
// so it is part of every source's digest; a test holds it against go.mod.
const encoder = "gzip klauspost/compress v1.20.3 level=default"

// ingredients are all that decides the images of a source. Their canonical JSON is
// what its digest is of.
type ingredients struct {
	Level   int                    `json:"level"`
	Encoder string                 `json:"encoder"`
	Source  *spec.Package          `json:"source"`
	Files   []ingredient           `json:"files"`  // that the files section copies, in its order
	Arches  map[string]perPlatform `json:"arches"` // by architecture
}

// ingredient is one file that is copied.
type ingredient struct {
	Path   string      `json:"path"` // slash-separated, relative to the source
	Kind   string      `json:"kind"` // "0644" or "0755" of a file, "link" or "folder"
	Digest spec.Digest `json:"digest"`
}

// perPlatform is what differs from one architecture to another.
type perPlatform struct {
	Debs []pinned `json:"debs"` // by name
	Go   []string `json:"go"`   // digests of the sources of each program
}

// pinned is what counts of the pin of a Debian package: not where it lies.
type pinned struct {
	Name, Version, Source, SourceVersion string
	Digest                               spec.Digest
}

// Tag is a source's digest as the tag of its image.
func Tag(d spec.Digest) string {
	const letters = 40
	return strings.TrimPrefix(string(d), "sha256:")[:letters]
}

// Digest names all that goes into the source's images: build.yml, the files that it
// names, the Debian packages that are locked, the Go sources and modules that its
// programs are really made of, and the rules of this package. Two sources of one
// digest have equal images.
func (b *Builder) Digest(ctx context.Context, s *Source) (spec.Digest, error) {
	in := ingredients{Level: Level, Encoder: encoder, Source: s.Package, Arches: map[string]perPlatform{}}
	var err error
	if in.Files, err = s.copied(); err != nil {
		return "", err
	}
	for _, arch := range s.Package.Builds() {
		pins, err := s.debs(arch)
		if err != nil {
			return "", err
		}
		var p perPlatform
		for _, d := range pins {
			p.Debs = append(p.Debs, pinned{d.Name, d.Version, d.Source, d.SourceVersion, d.Digest})
		}
		if p.Go, err = b.goSources(ctx, s, arch); err != nil {
			return "", err
		}
		in.Arches[arch] = p
	}
	data, err := spec.MarshalCanonical(in)
	if err != nil {
		return "", fmt.Errorf("%s: %w", s.Package.Pos, err)
	}
	return spec.DigestOf(data), nil
}

// goSources returns a digest for each program of what it is built of.
func (b *Builder) goSources(ctx context.Context, s *Source, arch string) ([]string, error) {
	if name := s.Package.Toolchain; name != "" && !s.Set.Lock.HasToolchain(name) {
		return nil, &UnlockedError{Source: s, Name: name}
	}
	builds := s.builds(arch, b.WorkDir)
	digests := make([]string, len(builds))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(b.Jobs, 1))
	for i, build := range builds {
		g.Go(func() error {
			sources, err := b.Go.Sources(ctx, build)
			if err != nil {
				return fmt.Errorf("%s: go: %w", s.Package.At("go", i), err)
			}
			digests[i] = sources.Digest
			return nil
		})
	}
	return digests, g.Wait()
}

// copied lists the files that the files section copies.
func (s *Source) copied() ([]ingredient, error) {
	var files []ingredient
	for _, f := range s.Package.Files {
		if f.Source == "" {
			continue
		}
		err := walk(filepath.Join(s.Dir, filepath.FromSlash(f.Source)), func(at string, info fs.FileInfo) error {
			rel, err := filepath.Rel(s.Dir, at)
			if err != nil {
				return err
			}
			i, err := ingredientOf(at, info)
			i.Path = filepath.ToSlash(rel)
			files = append(files, i)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("%s: files: %s: %w", f.Pos, f.Path, err)
		}
	}
	return files, nil
}

func ingredientOf(at string, info fs.FileInfo) (ingredient, error) {
	switch mode := info.Mode(); {
	case mode.IsDir():
		return ingredient{Kind: "folder"}, nil
	case mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(at)
		return ingredient{Kind: "link", Digest: spec.DigestOf([]byte(target))}, err
	case !mode.IsRegular():
		return ingredient{}, fmt.Errorf("source: %s is neither a file nor a folder", at)
	}
	data, err := os.ReadFile(at)
	return ingredient{Kind: fmt.Sprintf("%04o", plainMode(uint32(info.Mode().Perm()))), Digest: spec.DigestOf(data)}, err
}

// rawJSON is a document that stands in another.
func rawJSON(data []byte) json.RawMessage { return data }
