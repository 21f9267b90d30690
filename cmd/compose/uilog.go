package main

import (
	"context"
	"log/slog"
	"strings"
)

// logger returns a logger whose warnings the ui says.
func (u *ui) logger() *slog.Logger { return slog.New(logHandler{u}) }

// logHandler says warnings and what is worse.
type logHandler struct{ ui *ui }

// Enabled implements [slog.Handler].
func (logHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

// Handle implements [slog.Handler].
func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		b.WriteString(", " + a.Key + " " + a.Value.String())
		return true
	})
	h.ui.warnf("%s", b.String())
	return nil
}

// WithAttrs implements [slog.Handler]; nothing below the command uses it.
func (h logHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup implements [slog.Handler]; nothing below the command uses it.
func (h logHandler) WithGroup(string) slog.Handler { return h }
