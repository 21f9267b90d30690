package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/composeos/compose/outputs"
	"github.com/composeos/compose/spec"
)

// setupFormats defines "compose formats".
func setupFormats(*flag.FlagSet) action {
	return func(_ context.Context, s *session, operands []string) error {
		if err := noOperands("formats", operands); err != nil {
			return err
		}
		var b bytes.Buffer
		t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
		for _, f := range outputs.All() {
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\n", f.Name(), f.Summary(), strings.Join(f.Files("NAME"), " "))
		}
		_ = t.Flush()
		_, err := s.stdout.Write(b.Bytes())
		return shown(err)
	}
}

// setupSchema defines "compose schema".
func setupSchema(fs *flag.FlagSet) action {
	ofPackages := fs.Bool("pkg", false, "")
	return func(_ context.Context, s *session, operands []string) error {
		if err := noOperands("schema", operands); err != nil {
			return err
		}
		schema := spec.Schema()
		if *ofPackages {
			schema = spec.PackageSchema()
		}
		_, err := s.stdout.Write(schema)
		return shown(err)
	}
}
