//go:build linux || darwin

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// The goals of a run that finds little to do.
const (
	goalUntouched = 0.05 // of the CPU of the first run
	goalRewritten = 0.40
	goalState     = 250 // bytes an item on disk
	goalKnown     = 300 // MB, however many items are known
	goalResume    = 2 * time.Second
	goalExponent  = 1.05
)

const nightlyFiles = 200

// nightly measures what comes after the first run: nothing changed, the same
// content written anew, one row in a hundred changed, and a kill.
func (b *bench) nightly() error {
	w, err := b.work("nightly", 1, 50)
	if err != nil {
		return err
	}
	defer os.RemoveAll(w.dir)
	if err := w.split(b.rows); err != nil {
		return err
	}
	run := func() (cost, *summary, error) {
		c, err := measure(b.bin, w.nightArgs()...)
		if err != nil {
			return c, nil, err
		}
		s, err := readSummary(c.out)
		return c, s, err
	}
	first, s, err := run()
	if err != nil {
		return err
	}
	if s.Read != int64(b.rows) || s.Stored+s.Filtered != s.Read {
		return fmt.Errorf("the first run read %d of %d and stored %d", s.Read, b.rows, s.Stored)
	}
	items := s.Stored
	rows := humanize.Comma(int64(b.rows)) + " rows in " + strconv.Itoa(nightlyFiles) + " files"
	b.add(true, "first run, "+rows, b.perRow(first.cpu), "1", "")
	night := func(what string, goal float64, changed int64) error {
		c, s, err := run()
		if err != nil {
			return err
		}
		if s.Read != int64(b.rows) || s.Stored != changed || s.Unchanged != items-changed {
			return fmt.Errorf("%s: read %d, stored %d, unchanged %d; want %d changed", what, s.Read, s.Stored, s.Unchanged, changed)
		}
		if changed == 0 && s.Requests != 0 {
			return fmt.Errorf("%s: %d requests", what, s.Requests)
		}
		r := c.cpu.Seconds() / first.cpu.Seconds()
		goalWords := ""
		if goal > 0 {
			goalWords = fmt.Sprintf("<= %g", goal)
		}
		b.add(goal == 0 || r <= goal, what, b.perRow(c.cpu), fmt.Sprintf("%.3f", r), goalWords)
		return nil
	}
	if err := night("untouched", goalUntouched, 0); err != nil {
		return err
	}
	if _, err := w.edit(func(line []byte, _ int) ([]byte, bool) { return line, false }); err != nil {
		return err
	}
	if err := night("written anew with the same content", goalRewritten, 0); err != nil {
		return err
	}
	changed, err := w.edit(func(line []byte, n int) ([]byte, bool) {
		if n%100 != 50 || bytes.Contains(line, []byte(",deleted,")) {
			return line, false
		}
		return append(line, " changed"...), true
	})
	if err != nil {
		return err
	}
	if err := night("one row in a hundred changed", 0, changed); err != nil {
		return err
	}
	info, err := w.stateFile()
	if err != nil {
		return err
	}
	perItem := float64(info.Size()) / float64(items)
	b.add(perItem < goalState, "state on disk", fmt.Sprintf("%.0f bytes an item", perItem), "", fmt.Sprintf("< %d", goalState))
	return b.resume(w)
}

// A summary is what the measurements want of a run's last line.
type summary struct{ Read, Stored, Unchanged, Filtered, Requests int64 }

func readSummary(out string) (*summary, error) {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var s summary
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil {
		return nil, fmt.Errorf("the summary of importer run: %w", err)
	}
	return &s, nil
}

func (w *work) nightArgs() []string {
	return []string{"run", w.path("mapping.yaml"), "--data", w.path("data"), "--quiet", "--json",
		"--target", "jsonl", "--state", "keep", "--out", w.path("items.jsonl")}
}

// split replaces the work's table by many files with so many rows in all.
func (w *work) split(rows int) error {
	text := strings.Replace(mapping, "path: tickets.csv", "path: files/*.csv", 1)
	if err := os.WriteFile(w.path("mapping.yaml"), []byte(text), 0o600); err != nil {
		return err
	}
	if err := os.Mkdir(w.path("files"), 0o700); err != nil {
		return err
	}
	_, err := self("tables", w.path("files"), strconv.Itoa(nightlyFiles), strconv.Itoa(rows), "50")
	return err
}

// edit writes every file anew, a line for a line, and counts the changed ones.
func (w *work) edit(change func(line []byte, n int) ([]byte, bool)) (changed int64, err error) {
	files, err := filepath.Glob(w.path("files/*.csv"))
	if err != nil {
		return 0, err
	}
	n := 0
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return 0, err
		}
		out := make([]byte, 0, len(text)+len(text)/50)
		for i, line := range bytes.SplitAfter(text, []byte("\n")) {
			if i == 0 || len(line) == 0 {
				out = append(out, line...)
				continue
			}
			line, yes := change(bytes.TrimSuffix(line, []byte("\n")), n)
			n++
			if yes {
				changed++
			}
			out = append(append(out, line...), '\n')
		}
		if err := os.WriteFile(f+".new", out, 0o600); err != nil {
			return 0, err
		}
		if err := os.Rename(f+".new", f); err != nil {
			return 0, err
		}
	}
	return changed, nil
}

func (w *work) stateFile() (os.FileInfo, error) {
	files, err := filepath.Glob(w.path("data/state/*/*.db"))
	if err != nil || len(files) != 1 {
		return nil, fmt.Errorf("%d state files, %w", len(files), err)
	}
	return os.Stat(files[0])
}

// resume kills a run that changes everything, halfway, and measures how long
// the next one takes until it sends again.
func (b *bench) resume(w *work) error {
	if _, err := w.edit(func(line []byte, _ int) ([]byte, bool) { return append(line, " again"...), true }); err != nil {
		return err
	}
	out := w.path("items.jsonl")
	if err := os.Truncate(out, 1); err != nil { // not empty: that would be another target
		return err
	}
	wait := func(until int64) (time.Duration, *exec.Cmd, error) {
		cmd := exec.Command(b.bin, w.nightArgs()...)
		began := time.Now()
		if err := cmd.Start(); err != nil {
			return 0, nil, err
		}
		for {
			info, err := os.Stat(out)
			if err == nil && info.Size() > until {
				return time.Since(began), cmd, nil
			}
			if time.Since(began) > 10*time.Minute {
				cmd.Process.Kill()
				return 0, nil, errors.New("nothing was sent in ten minutes")
			}
			time.Sleep(time.Millisecond)
		}
	}
	_, cmd, err := wait(int64(b.rows) * 200) // about half of what it writes
	if err != nil {
		return err
	}
	if err := errors.Join(cmd.Process.Kill(), ignoreExit(cmd.Wait())); err != nil {
		return err
	}
	info, err := os.Stat(out)
	if err != nil {
		return err
	}
	took, cmd, err := wait(info.Size())
	if err != nil {
		return err
	}
	if err := ignoreExit(cmd.Wait()); err != nil {
		return err
	}
	b.add(took < goalResume, "from the start after a kill to the first item sent", fmt.Sprintf("%.2f s", took.Seconds()), "", fmt.Sprintf("< %g s", goalResume.Seconds()))
	return nil
}

// ignoreExit passes over a child that was killed.
func ignoreExit(err error) error {
	if _, killed := err.(*exec.ExitError); killed {
		return nil
	}
	return err
}

// scale measures first crawls of more and more items: the cost must not grow
// faster than they do.
func (b *bench) scale(most int) error {
	type point struct{ items, seconds float64 }
	var points []point
	for n := 10_000; n <= most; n *= 10 {
		w, err := b.work("scale"+strconv.Itoa(n), n, 50)
		if err != nil {
			return err
		}
		rounds := b.rounds
		if n >= 10_000_000 {
			rounds = 1
		}
		got, err := turns(rounds, contender{w.clean, func() (cost, error) {
			return w.run("--target", "jsonl", "--out", os.DevNull, "--state", "keep")
		}})
		os.RemoveAll(w.dir)
		if err != nil {
			return err
		}
		c := got[0]
		points = append(points, point{float64(n), c.cpu.Seconds()})
		ratio, ok := "", true
		if len(points) > 1 {
			before := points[len(points)-2]
			e := math.Log(c.cpu.Seconds()/before.seconds) / math.Log(float64(n)/before.items)
			ratio, ok = fmt.Sprintf("%.3f", e), e <= goalExponent
		}
		b.add(ok, "first crawl, "+humanize.Comma(int64(n))+" rows", fmt.Sprintf("%.2f s, %.2f us a row, %s", c.cpu.Seconds(), c.cpu.Seconds()*1e6/float64(n), megabytes(c.memory)),
			ratio, fmt.Sprintf("exponent <= %g", goalExponent))
		fmt.Fprintf(os.Stderr, "  %s rows: %.2f s\n", humanize.Comma(int64(n)), c.cpu.Seconds())
	}
	first, last := points[0], points[len(points)-1]
	e := math.Log(last.seconds/first.seconds) / math.Log(last.items/first.items)
	b.add(e <= goalExponent, "from the first to the last", "", fmt.Sprintf("%.3f", e), fmt.Sprintf("exponent <= %g", goalExponent))
	return nil
}
