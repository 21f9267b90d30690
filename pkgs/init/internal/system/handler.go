package system

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/composeos/compose/pkgs/init/internal/logs"
	"github.com/composeos/compose/pkgs/init/internal/power"
	"github.com/composeos/compose/pkgs/init/internal/supervise"
)

// handler does what is asked on the control socket.
type handler struct {
	*supervise.Supervisor
	system *System
}

// Power implements control.Handler.
func (h handler) Power(how power.How) { h.system.Ask(how) }

// Log implements control.Handler: a service has a log, and whatever else has a
// file of this name in the directory of logs.
func (h handler) Log(name string) error {
	var names []string
	for _, service := range h.List() {
		names = append(names, service.Name)
	}
	files, err := os.ReadDir(h.system.o.Logs)
	if err != nil {
		files = nil // nobody has written anything
	}
	for _, f := range files {
		if log, ok := strings.CutSuffix(f.Name(), logs.Suffix); ok && f.Type().IsRegular() {
			names = append(names, log)
		}
	}
	slices.Sort(names)
	if names = slices.Compact(names); slices.Contains(names, name) {
		return nil
	}
	return supervise.Unknown(name, "there are logs of", names)
}

// Logs implements control.Handler.
func (h handler) Logs(ctx context.Context, w io.Writer, name string, lines int, follow bool) error {
	if err := h.Log(name); err != nil {
		return err
	}
	file := h.system.written(name)
	if file == nil && h.Known(name) == nil {
		file = h.system.log(name)
	}
	if file == nil {
		return logs.Tail(ctx, w, filepath.Join(h.system.o.Logs, name+logs.Suffix), lines, follow)
	}
	return file.Tail(ctx, w, lines, follow)
}
