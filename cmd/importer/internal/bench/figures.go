//go:build linux || darwin

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// start measures what happens before any work, and the size of the program.
func (b *bench) start() error {
	best, err := turns(2*b.rounds, contender{measure: func() (cost, error) { return measure(b.bin, "--help") }})
	if err != nil {
		return err
	}
	b.add(best[0].cpu < goalStart, "importer --help", milliseconds(best[0].cpu), "", "< "+milliseconds(goalStart))
	info, err := os.Stat(b.bin)
	if err != nil {
		return err
	}
	b.add(info.Size() < goalSize<<20, "size of the program", megabytes(info.Size()), "", fmt.Sprintf("< %d MB", goalSize))
	return nil
}

// A work is a folder with a mapping and its table.
type work struct {
	b    *bench
	dir  string
	rows int
}

// work makes the folder; a child writes the table.
func (b *bench) work(name string, rows, text int) (*work, error) {
	w := &work{b, filepath.Join(b.dir, name), rows}
	if err := os.Mkdir(w.dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(w.path("mapping.yaml"), []byte(mapping), 0o600); err != nil {
		return nil, err
	}
	_, err := self("table", w.path("tickets.csv"), strconv.Itoa(rows), strconv.Itoa(text))
	return w, err
}

func (w *work) path(name string) string { return filepath.Join(w.dir, name) }

// clean removes what a run leaves behind.
func (w *work) clean() error {
	if err := os.Remove(w.path("items.jsonl")); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.RemoveAll(w.path("data"))
}

// run crawls the table once, and holds the program to its balance sheet: a
// fast run that leaves records out does not count.
func (w *work) run(args ...string) (cost, error) {
	args = append([]string{"run", w.path("mapping.yaml"), "--data", w.path("data"), "--quiet", "--json"}, args...)
	c, err := measure(w.b.bin, args...)
	if err != nil {
		return c, err
	}
	sum, err := readSummary(c.out)
	if err != nil {
		return c, err
	}
	if sum.Read != int64(w.rows) || sum.Stored+sum.Filtered != sum.Read || sum.Filtered > sum.Read/50 {
		return c, fmt.Errorf("importer read %d rows of %d, stored %d and filtered %d", sum.Read, w.rows, sum.Stored, sum.Filtered)
	}
	return c, nil
}

func (w *work) jsonl(state string) contender {
	return contender{w.clean, func() (cost, error) {
		return w.run("--target", "jsonl", "--out", w.path("items.jsonl"), "--state", state)
	}}
}

// csv sets a crawl from CSV to JSON lines beside encoding/csv, which reads the
// file and does nothing else.
func (b *bench) csv() error {
	w, err := b.work("csv", b.rows, 50)
	if err != nil {
		return err
	}
	defer os.RemoveAll(w.dir)
	best, err := turns(b.rounds,
		contender{measure: func() (cost, error) { return self("read", w.path("tickets.csv")) }},
		w.jsonl("none"),
		w.jsonl("keep"))
	if err != nil {
		return err
	}
	read, none, keep := best[0], best[1], best[2]
	rows := humanize.Comma(int64(b.rows)) + " rows"
	b.add(true, "encoding/csv, "+rows, b.perRow(read.cpu), "1", "")
	b.ratio("CSV to JSON lines, "+rows, none, read, goalNone)
	b.ratio("the same, state kept", keep, read, goalKeep)
	b.add(none.memory < goalMemory<<20, "peak memory, "+rows, megabytes(none.memory), "", fmt.Sprintf("< %d MB", goalMemory))
	b.add(keep.memory < goalMemory<<20, "the same, state kept", megabytes(keep.memory), "", fmt.Sprintf("< %d MB", goalMemory))
	b.small, b.smallKeep = none.memory, keep.memory
	return nil
}

func (b *bench) ratio(what string, c, of cost, goal float64) {
	r := c.cpu.Seconds() / of.cpu.Seconds()
	b.add(r <= goal, what, b.perRow(c.cpu), fmt.Sprintf("%.2f", r), fmt.Sprintf("<= %g", goal))
}

func (b *bench) perRow(d time.Duration) string {
	return fmt.Sprintf("%.2f s, %.2f us a row", d.Seconds(), d.Seconds()*1e6/float64(b.rows))
}

// memory reads ten times the rows: the peak must stay where it was.
func (b *bench) memory() error {
	if b.large == 0 {
		return nil
	}
	w, err := b.work("large", b.large, 50)
	if err != nil {
		return err
	}
	defer os.RemoveAll(w.dir)
	for _, c := range []struct {
		what, state string
		small       int64
	}{
		{"peak memory, " + humanize.Comma(int64(b.large)) + " rows", "none", b.small},
		{"the same, state kept", "keep", b.smallKeep},
	} {
		got, err := turns(1, contender{w.clean, func() (cost, error) {
			return w.run("--target", "jsonl", "--out", os.DevNull, "--state", c.state)
		}})
		if err != nil {
			return err
		}
		growth := got[0].memory - c.small
		if c.state == "keep" {
			again, err := w.run("--target", "jsonl", "--out", os.DevNull, "--state", c.state)
			if err != nil {
				return err
			}
			b.add(again.memory < goalKnown<<20, "peak memory, "+humanize.Comma(int64(b.large))+" rows that are known", megabytes(again.memory), "", fmt.Sprintf("< %d MB", goalKnown))
		}
		b.add(got[0].memory < goalMemory<<20 && growth <= goalGrowth<<20, c.what, megabytes(got[0].memory), "",
			fmt.Sprintf("< %d MB, %+d MB", goalMemory, goalGrowth))
	}
	return nil
}

// local sets a crawl into the local Graph beside plain statements that write
// the same rows into the same tables.
func (b *bench) local() error {
	w, err := b.work("local", b.items, 150)
	if err != nil {
		return err
	}
	defer os.RemoveAll(w.dir)
	through := contender{w.clean, func() (cost, error) { return w.run() }}
	direct := contender{nil, func() (cost, error) {
		c, err := self("direct", w.path("data/graph.db"), w.path("direct.db"))
		if err == nil {
			c.cpu, err = time.ParseDuration(strings.TrimSpace(c.out))
		}
		return c, err
	}}
	best, err := turns(b.rounds, through, direct)
	if err != nil {
		return err
	}
	perItem := func(d time.Duration) string {
		return fmt.Sprintf("%.2f s, %.1f us an item", d.Seconds(), d.Seconds()*1e6/float64(b.items))
	}
	r := best[0].cpu.Seconds() / best[1].cpu.Seconds()
	b.add(true, "plain statements, "+humanize.Comma(int64(b.items))+" items", perItem(best[1].cpu), "1", "")
	b.add(r <= goalLocal, "CSV to the local Graph", perItem(best[0].cpu), fmt.Sprintf("%.2f", r), fmt.Sprintf("<= %d", goalLocal))
	return nil
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

func megabytes(n int64) string { return fmt.Sprintf("%d MB", (n+1<<19)>>20) }
