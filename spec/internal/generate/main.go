// Command generate writes what is made from the structs of package spec:
// schema.json and package.json beside them, docs/manifest.md and docs/packages.md. "go generate ./spec" runs it.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/composeos/compose/spec/internal/reference"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err) //nolint:forbidigo // A program of its own.
		os.Exit(1)                                //nolint:forbidigo // A program of its own.
	}
}

// run is started in the folder of package spec, as go generate does.
func run() error {
	for _, file := range []struct {
		name string
		make func(dir string) ([]byte, error)
	}{
		{"schema.json", reference.Schema},
		{"package.json", reference.PackageSchema},
		{filepath.Join("..", "docs", "manifest.md"), reference.Manual},
		{filepath.Join("..", "docs", "packages.md"), reference.PackageManual},
	} {
		data, err := file.make(".")
		if err != nil {
			return err
		}
		const mode = 0o644
		if err := os.WriteFile(file.name, data, mode); err != nil {
			return fmt.Errorf("write the generated file: %w", err)
		}
	}
	return nil
}
