package golang

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// fetched is a module in the module cache, as "go mod download -json" tells of it.
type fetched struct {
	Zip, Dir string // paths: its archive, and its files
	Sum      string // "h1:…"
	Error    string
}

// fetch brings a module, "PATH@VERSION", into the module cache. Go checks it
// against the checksum database when it downloads it.
func (o *Options) fetch(ctx context.Context, program, module string) (m fetched, err error) {
	if program == "" {
		return m, fmt.Errorf("fetch %s: %w", module, ErrNoGo)
	}
	dir, err := os.MkdirTemp(o.Scratch, "go-fetch-")
	if err != nil {
		return m, err
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	// A module of its own: one above the folder would have a say otherwise.
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module fetch\n"), 0o600); err != nil {
		return m, err
	}
	out, err := o.run(ctx, command{program: program, dir: dir, args: []string{"mod", "download", "-json", module}})
	if json.Unmarshal(out, &m) == nil && m.Error != "" {
		err = o.judge(m.Error, errors.New(m.Error))
	}
	if err != nil {
		return m, fmt.Errorf("fetch %s: %w", module, err)
	}
	if m.Dir == "" || m.Zip == "" || m.Sum == "" {
		return m, fmt.Errorf("fetch %s: %s does not say where it is", module, program)
	}
	return m, nil
}
