//go:build linux || darwin

package main

import (
	"context"
	"fmt"
	"time"

	"importer/extract"
)

const (
	speedRounds = 3
	speedTurns  = 5 // readings of each file in a round
	speedPages  = 5 // that a file must have
)

// speedFiles are documents of several pages whose text is known to be right.
func speedFiles(results []*pdfResult) (files []string, pages int) {
	for _, r := range results {
		if r.judged && r.score > .9 && r.pages >= speedPages {
			files = append(files, r.file)
			pages += r.pages
		}
	}
	return files, pages
}

// speed measures pages per second of processor time in turns with pdftotext,
// each in one process at a time, and takes the best round of each.
func speed(ctx context.Context, s *settings, results []*pdfResult) (section, error) {
	files, pages := speedFiles(results)
	sec := section{title: "PDF speed", note: fmt.Sprintf("%d files of %d pages and more, %d pages, each read %d times; best of %d rounds in turns. "+
		"The start is that of a process that reads PDFs, with one page. Not guarded: machines differ, ratios less.", len(files), speedPages, pages, speedTurns, speedRounds)}
	if pages == 0 {
		return sec, nil
	}
	pages *= speedTurns
	ours, theirs, start := time.Duration(1<<62), time.Duration(1<<62), time.Duration(1<<62)
	for range speedRounds {
		one, err := s.cpu(ctx, []string{smallest(results)}, 1)
		if err != nil {
			return sec, err
		}
		start = min(start, one)
		all, err := s.cpu(ctx, files, speedTurns)
		if err != nil {
			return sec, err
		}
		ours = min(ours, all)
		var them time.Duration
		for range speedTurns {
			them += pdftotext.cpu(ctx, files)
		}
		theirs = min(theirs, them)
		if err := ctx.Err(); err != nil {
			return sec, err
		}
	}
	us, them := float64(pages)/ours.Seconds(), float64(pages)/theirs.Seconds()
	sec.add("pages per CPU-second", us, free, 0, "")
	sec.add("pages per CPU-second, pdftotext", them, free, 0, "")
	sec.add("ratio", us/them, free, 0, ">= 0.6")
	sec.add("CPU-seconds to start", start.Seconds(), free, 0, "< 0.1")
	return sec, nil
}

// cpu is the processor time that reading the files takes, a new process and
// its end included.
func (s *settings) cpu(ctx context.Context, files []string, turns int) (time.Duration, error) {
	extract.CloseWorkers()
	began := cpuTime()
	for range turns {
		for _, file := range files {
			if _, err := readWhole(ctx, file, s.options(), func(string) {}); err != nil {
				return 0, err
			}
		}
	}
	extract.CloseWorkers() // their time counts when they have ended
	return cpuTime() - began, nil
}

// smallest is the judged file with the fewest words.
func smallest(results []*pdfResult) (file string) {
	words := 0
	for _, r := range results {
		if r.judged && r.score > .9 && r.pages == 1 && (file == "" || r.theirs < words) {
			file, words = r.file, r.theirs
		}
	}
	return file
}
