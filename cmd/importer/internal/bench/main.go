//go:build linux || darwin

// Command bench measures how fast and how small the program is, as ratios of
// CPU time that are taken side by side in one run, so that the figures of two
// machines can be compared. It prints a table and fails when a goal is missed.
//
//	make bench
//
// Each thing that is measured is a child process of its own, and its CPU time
// and peak memory are those that the kernel counted for it. What is compared
// runs in turns (A B A B ...), and the least of each counts: other work on the
// machine can only add to it.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"
)

// The goals of the project.
const (
	goalNone   = 8   // times the CPU of encoding/csv, no state kept
	goalKeep   = 30  // the same with state
	goalMemory = 150 // MB
	goalGrowth = 30  // MB, at ten times the rows
	goalLocal  = 2   // times the CPU of plain statements
	goalStart  = 50 * time.Millisecond
	goalSize   = 60 // MB
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == childArg {
		if err := child(os.Args[2:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	b := &bench{}
	flag.StringVar(&b.bin, "bin", "bin/importer", "the program, as make build makes it")
	flag.IntVar(&b.rows, "rows", 1_000_000, "rows of the table")
	flag.IntVar(&b.large, "large", 10_000_000, "rows of the large table, which only memory is measured with; 0 leaves it out")
	flag.IntVar(&b.items, "items", 50_000, "items for the local Graph")
	flag.IntVar(&b.rounds, "rounds", 3, "how often each is measured")
	scale := flag.Int("scale", 0, "measure only crawls of 10,000 rows and ten times as many, up to so many")
	only := flag.String("only", "", "measure only this: start, reading, csv, local, nightly or memory")
	flag.StringVar(&b.dir, "dir", "", "`folder` for the files; default is a temporary one")
	flag.Parse()
	ok, err := b.run(os.Stdout, *only, *scale)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if !ok {
		os.Exit(1)
	}
}

// A bench is one run of the measurements.
type bench struct {
	bin                        string
	rows, large, items, rounds int
	dir                        string

	small, smallKeep int64 // peaks of memory at rows
	figures          []figure
}

// A figure is a line of the result.
type figure struct {
	what, measured, ratio, goal string
	ok                          bool
}

func (b *bench) add(ok bool, what, measured, ratio, goal string) {
	b.figures = append(b.figures, figure{what, measured, ratio, goal, ok})
}

// run measures everything. ok tells that all goals are met.
func (b *bench) run(w io.Writer, only string, scale int) (ok bool, err error) {
	if b.bin, err = exec.LookPath(b.bin); err != nil {
		return false, fmt.Errorf("%w; make build makes it", err)
	}
	if b.bin, err = filepath.Abs(b.bin); err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp(b.dir, "importer-bench-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	b.dir = dir
	if err := b.checkDisk(); err != nil {
		return false, err
	}
	type step struct {
		name, what string
		do         func() error
	}
	steps := []step{
		{"start", "start and size", b.start},
		{"reading", "the readers of CSV, workbooks and pages", b.reading},
		{"csv", "CSV to JSON lines", b.csv},
		{"local", "CSV to the local Graph", b.local},
		{"nightly", "what comes after the first run", b.nightly},
		{"memory", "memory at " + humanize.Comma(int64(b.large)) + " rows", b.memory},
	}
	if scale > 0 {
		steps = []step{{"", "crawls of up to " + humanize.Comma(int64(scale)) + " rows", func() error { return b.scale(scale) }}}
	}
	for _, step := range steps {
		if only != "" && only != step.name {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring: %s\n", step.what)
		if err := step.do(); err != nil {
			return false, fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return b.print(w), nil
}

// print writes the table and tells whether all goals are met.
func (b *bench) print(w io.Writer) bool {
	rows := [][5]string{{"what", "measured", "ratio", "goal", ""}}
	all := true
	for _, f := range b.figures {
		verdict := "ok"
		if !f.ok {
			verdict, all = "NOT OK", false
		}
		rows = append(rows, [5]string{f.what, f.measured, f.ratio, f.goal, verdict})
	}
	var width [5]int
	for _, r := range rows {
		for i, cell := range r {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	for _, r := range rows {
		fmt.Fprintf(w, "%-*s  %*s  %*s  %*s  %s\n", width[0], r[0], width[1], r[1], width[2], r[2], width[3], r[3], r[4])
	}
	return all
}

// checkDisk wants room for the files before anything is made.
func (b *bench) checkDisk() error {
	// A row takes 230 bytes here, what is made of it 600 and what is remembered
	// of it 130; an item of the local Graph about 2 KB, twice.
	need := uint64(b.rows)*1000 + uint64(b.large)*600 + uint64(b.items)*4096
	free, err := freeDisk(b.dir)
	if err != nil {
		return err
	}
	if free < need {
		return fmt.Errorf("%s has %s free and %s are needed; choose another folder with -dir, or fewer rows with -rows and -large",
			b.dir, humanize.Bytes(free), humanize.Bytes(need))
	}
	return nil
}
