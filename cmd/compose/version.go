package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/composeos/compose/spec"
)

// version is the release that this source is, or becomes.
const version = "0.1.0"

// encoders are the modules whose code decides bytes of an image.
func encoders() []string {
	return []string{"github.com/klauspost/compress", "gopkg.in/yaml.v3"}
}

// setupVersion defines "compose version".
func setupVersion(*flag.FlagSet) action {
	return func(_ context.Context, s *session, operands []string) error {
		if err := noOperands("version", operands); err != nil {
			return err
		}
		_, err := fmt.Fprint(s.stdout, versionText())
		return shown(err)
	}
}

func versionText() string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "compose %s\n", version)
	info, ok := debug.ReadBuildInfo()
	if ok {
		if rev := revision(info); rev != "" {
			_, _ = fmt.Fprintf(&b, "revision %s\n", rev)
		}
	}
	_, _ = fmt.Fprintf(&b, "compat %d\n", spec.Compat)
	_, _ = fmt.Fprintf(&b, "%s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if !ok {
		return b.String()
	}
	for _, m := range info.Deps {
		if slices.Contains(encoders(), m.Path) {
			_, _ = fmt.Fprintf(&b, "%s %s\n", m.Path, m.Version)
		}
	}
	return b.String()
}

// revision names the commit that the program was built from, "" if it does not know.
func revision(info *debug.BuildInfo) string {
	var rev, modified string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			rev = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = " (modified)"
		}
	}
	return rev + modified
}
