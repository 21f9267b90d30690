package golang

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Sources is all that decides the bytes of a program.
type Sources struct {
	Text   []byte // one fact a line, in an order of its own; no path of this machine
	Digest string // "sha256:" and the SHA-256 of Text
}

// listed is what go list says of a package.
type listed struct {
	Dir, ImportPath, Name string
	Standard              bool
	DefaultGODEBUG        string
	Module                *listedModule

	GoFiles, SFiles, HFiles, SysoFiles, EmbedFiles []string
}

// listedModule is a package's module.
type listedModule struct {
	Path, Version, Sum, GoVersion, Dir string
	Main                               bool
	Replace                            *listedModule
}

const listedFields = "-json=Dir,ImportPath,Name,Standard,DefaultGODEBUG,Module,GoFiles,SFiles,HFiles,SysoFiles,EmbedFiles"

// Sources says what decides the program that b makes: the toolchain's version, the
// architecture, the flags, and
//
//   - of a published module its path, version and sum, which hold its go.sum and so
//     all that it needs; nothing is read then;
//   - of a folder the files that are really compiled or embedded, and the licences,
//     with their SHA-256; the module's path, its language version and its GODEBUG
//     settings; of the modules that packages are really taken from, version and
//     sum.
//
// So a file that another architecture has, a test or a requirement that nothing of
// it is used of change nothing. Errors are as those of [Go.Build].
func (g *Go) Sources(ctx context.Context, b Build) (Sources, error) {
	facts, err := g.facts(ctx, &b)
	if err != nil {
		return Sources{}, fmt.Errorf("list the sources of %s for %s: %w", b.name(), b.Arch, err)
	}
	head := []string{
		"toolchain " + b.Toolchain.Version, "architecture linux/" + b.Arch + " v1 v8.0 nocgo",
		"flags " + strings.Join(flags, " ") + " " + linking,
	}
	text := []byte(strings.Join(append(head, facts...), "\n") + "\n")
	sum := sha256.Sum256(text)
	return Sources{Text: text, Digest: "sha256:" + hex.EncodeToString(sum[:])}, nil
}

// facts are the lines of b's own.
func (g *Go) facts(ctx context.Context, b *Build) ([]string, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	if b.Module != "" {
		return []string{"module " + b.Module + " " + b.Sum, "package " + argument(b.folder())}, nil
	}
	var facts []string
	err := g.with(ctx, b, func(program string, at where) error {
		packages, err := g.list(ctx, b, program, at)
		for _, p := range packages {
			if err == nil {
				facts, err = p.facts(facts)
			}
		}
		if err == nil {
			facts, err = licenceFacts(facts, packages)
		}
		return err
	})
	slices.Sort(facts)
	return slices.Compact(facts), err
}

// list asks the toolchain for the main package and all that it imports.
func (g *Go) list(ctx context.Context, b *Build, program string, at where) ([]*listed, error) {
	args := append([]string{"list", "-deps", listedFields}, flags...)
	out, err := g.o.run(ctx, command{program: program, dir: at.root, arch: b.Arch, args: append(args, at.pkg)})
	if err != nil {
		return nil, err
	}
	var packages []*listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(listed)
		if err := d.Decode(p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read what go list wrote: %w", err)
		}
		packages = append(packages, p)
	}
	if n := len(packages); n == 0 || packages[n-1].Name != "main" {
		return nil, errors.New("it is not a main package")
	}
	packages[len(packages)-1].Name = "main program"
	return packages, nil
}

// facts appends what of p decides a program. What the toolchain brings is decided
// by its version.
func (p *listed) facts(facts []string) ([]string, error) {
	m := p.Module
	if p.Standard || m == nil {
		return facts, nil
	}
	line := "module " + m.Path + " " + cmp.Or(m.Version, "(main)")
	if r := m.Replace; r != nil {
		m = r
		line += " => " + r.Path + " " + cmp.Or(r.Version, "(folder)") // as go.mod and the program say it
	}
	if m.Sum != "" {
		return append(facts, line+" "+m.Sum), nil
	}
	facts = append(facts, line+" go "+cmp.Or(m.GoVersion, "none"))
	if p.Name == "main program" {
		facts = append(facts, "main "+p.ImportPath+" godebug "+cmp.Or(p.DefaultGODEBUG, "none"))
	}
	for _, names := range [][]string{p.GoFiles, p.SFiles, p.HFiles, p.SysoFiles, p.EmbedFiles} {
		for _, name := range names {
			sum, err := hashFile(filepath.Join(p.Dir, name))
			if err != nil {
				return facts, err
			}
			facts = append(facts, fmt.Sprintf("file %s/%s sha256:%s", p.ImportPath, filepath.ToSlash(name), sum))
		}
	}
	return facts, nil
}

// licenceFacts appends what is licensed how on disk. The licences of other modules
// are decided by their sums.
func licenceFacts(facts []string, packages []*listed) ([]string, error) {
	for name, m := range modules(packages) {
		if name != m.Path {
			continue
		}
		licences, err := licencesIn(m.Dir, name)
		if err != nil {
			return facts, err
		}
		for _, l := range licences {
			facts = append(facts, fmt.Sprintf("licence %s sha256:%x", l.Path, sha256.Sum256(l.Text)))
		}
	}
	return facts, nil
}

// hashFile returns the SHA-256 of a file, hexadecimal.
func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
