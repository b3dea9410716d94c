package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"importer/pipeline"
)

// progress shows how a crawl gets on. It returns what ends it.
func (a *app) progress(c *pipeline.Crawl) (stop func()) {
	m := meter{started: time.Now()}
	return a.show(func(now time.Time) string { return m.line(c.Progress(), now) })
}

// waiting shows how long something takes. It returns what ends it.
func (a *app) waiting(what string) (stop func()) {
	started := time.Now()
	return a.show(func(now time.Time) string {
		return what + ", " + now.Sub(started).Round(time.Second).String()
	})
}

// show draws a line anew again and again on a terminal, and writes it every
// 30 s elsewhere. It returns what ends it.
func (a *app) show(line func(now time.Time) string) (stop func()) {
	if a.quiet {
		return func() {}
	}
	f, _ := a.stderr.(*os.File)
	tty := isTerminal(a.stderr)
	every := 30 * time.Second
	if tty {
		every = 200 * time.Millisecond
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				text := line(time.Now())
				a.printing.Lock()
				if tty {
					width, _, err := term.GetSize(int(f.Fd()))
					if err != nil || width < 20 {
						width = 80
					}
					fmt.Fprintf(f, "\r\x1b[K%s", cut(text, width-1))
				} else {
					fmt.Fprintln(a.stderr, text)
				}
				a.printing.Unlock()
			case <-done:
				if tty {
					fmt.Fprint(f, "\r\x1b[K")
				}
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isTerminalFile(f)
}

func isTerminalFile(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// A meter turns snapshots into a rate and a time left.
type meter struct {
	started time.Time
	past    []sample // of the last 30 s
}

type sample struct {
	at      time.Time
	settled int64
}

func (m *meter) line(p pipeline.Progress, now time.Time) string {
	if p.Phase != "crawling" {
		return p.Phase
	}
	m.past = append(m.past, sample{now, p.Set})
	for len(m.past) > 2 && now.Sub(m.past[0].at) > 30*time.Second {
		m.past = m.past[1:]
	}
	rate := 0.0
	if first := m.past[0]; now.Sub(first.at) > 0 {
		rate = float64(p.Set-first.settled) / now.Sub(first.at).Seconds()
	}
	parts := []string{fmt.Sprintf("%s records", number(p.Set))}
	if rate > 0 {
		parts = append(parts, fmt.Sprintf("%s/s", number(int64(rate+0.5))))
	}
	parts = append(parts, fmt.Sprintf("file %s of %s", number(min(p.FilesDone+1, p.Files)), number(p.Files)))
	if p.Quarantined > 0 {
		parts = append(parts, fmt.Sprintf("%s quarantined", number(p.Quarantined)))
	}
	if p.Bytes > 0 && p.BytesDone > 0 {
		share := float64(p.BytesDone) / float64(p.Bytes)
		parts = append(parts, fmt.Sprintf("%.0f %%", 100*share))
		if spent := now.Sub(m.started); spent > 3*time.Second && share < 1 {
			left := time.Duration(float64(spent) * (1 - share) / share)
			parts = append(parts, "about "+duration(left.Round(time.Second).Seconds())+" left")
		}
	}
	return strings.Join(parts, "  ")
}

// cut shortens a line to n runes.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
