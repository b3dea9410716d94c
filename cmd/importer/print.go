package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"

	"importer/extract"
	"importer/pipeline/state"
)

// number writes n with thousands parted by commas.
func number(n int64) string {
	s := strconv.FormatInt(n, 10)
	digits := s
	if n < 0 {
		digits = s[1:]
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	if n < 0 {
		return "-" + b.String()
	}
	return b.String()
}

// count writes a number with its noun.
func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

func placeOf(r state.QuarantineLine) string {
	return extract.Place{File: r.File, Sheet: r.Sheet, Page: r.Page, Line: r.Line, Col: r.Col}.String()
}

// lines is a slog handler for people: a line "warning: message (key=value)".
type lines struct {
	w     io.Writer
	mu    *sync.Mutex
	tty   bool // a progress line may have to be cleared first
	attrs []slog.Attr
}

func (h *lines) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

func (h *lines) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(strings.ToLower(r.Level.String()))
	if r.Level == slog.LevelWarn {
		b.Reset()
		b.WriteString("warning")
	}
	b.WriteString(": " + r.Message)
	sep := " ("
	add := func(a slog.Attr) bool {
		fmt.Fprintf(&b, "%s%s=%v", sep, a.Key, a.Value)
		sep = ", "
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	if sep == ", " {
		b.WriteByte(')')
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tty {
		fmt.Fprint(h.w, "\r\x1b[K")
	}
	_, err := fmt.Fprintln(h.w, b.String())
	return err
}

func (h *lines) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &lines{h.w, h.mu, h.tty, append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

func (h *lines) WithGroup(string) slog.Handler { return h }
