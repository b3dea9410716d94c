//go:build linux || darwin

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"importer/extract"
)

// What two references must have in common before they judge a third: at least
// so many words, and so great a word F1 between them.
const (
	agreedWords = 5
	agreedLevel = 0.9
)

// A pdfResult is what came of a file.
type pdfResult struct {
	file    string
	body    string
	reason  string // of its refusal; "" when it was read
	detail  string
	warns   []string
	judged  bool    // the references agree on its words
	score   float64 // agreedF1
	strict  float64 // mean F1 against each
	order   float64 // mean bigram F1 against each
	between float64 // bigram F1 of the references
	pages   int
	theirs  int // words that the references have in common
	both    bool
}

// filesBelow lists the files with an extension below dir, in order.
func filesBelow(dir, ext string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.EqualFold(filepath.Ext(path), ext) {
			files = append(files, path)
		}
		return err
	})
	slices.Sort(files)
	return files, err
}

// pdfPart makes the sections of PDFs.
func pdfPart(ctx context.Context, s *settings) ([]section, error) {
	var long section
	if !s.fast {
		var err error
		if long, err = longPDF(ctx, s); err != nil { // first, see there
			return nil, err
		}
	}
	results, err := scorePDFs(ctx, s, all)
	if err != nil {
		return nil, err
	}
	worst(os.Stderr, results, s.worst, s.order)
	sections := []section{pdfSection(results), sampleSection(results)}
	if s.fast {
		return sections, nil
	}
	fast, err := speed(ctx, s, results)
	return append(sections, fast, long), err
}

func all(string) bool { return true }

// sampled tells the files of the fixed sample that tests read, one of eight, by
// their names.
func sampled(file string) bool {
	sum := sha256.Sum256([]byte(filepath.Base(file)))
	return sum[0]%8 == 0
}

func sampleSection(results []*pdfResult) section {
	sec := pdfSection(slices.DeleteFunc(slices.Clone(results), func(r *pdfResult) bool { return !sampled(r.file) }))
	sec.title = "PDF sample"
	sec.note = "What the test reads, one file of eight. " + sec.note
	return sec
}

// scorePDFs reads the PDFs that are chosen and compares those on whose words
// pdftotext and mutool agree.
func scorePDFs(ctx context.Context, s *settings, chosen func(file string) bool) ([]*pdfResult, error) {
	for _, r := range []reference{pdftotext, mutool} {
		if err := r.missing(); err != nil {
			return nil, err
		}
	}
	files, err := filesBelow(filepath.Join(s.corpus, "pdf"), ".pdf")
	if err != nil {
		return nil, err
	}
	files = slices.DeleteFunc(files, func(file string) bool { return !chosen(file) })
	if len(files) == 0 {
		return nil, fmt.Errorf("there are no PDFs below %s", s.corpus)
	}
	results := make([]*pdfResult, len(files))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for i, file := range files {
		g.Go(func() error {
			var err error
			results[i], err = scorePDF(ctx, s, file)
			return err
		})
	}
	return results, g.Wait()
}

func scorePDF(ctx context.Context, s *settings, file string) (*pdfResult, error) {
	r := &pdfResult{file: file}
	doc, err := readWhole(ctx, file, s.options(), func(w string) { r.warns = append(r.warns, w) })
	var bad *extract.FileError
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &bad):
		r.reason, r.detail = bad.Reason, bad.Detail
	case err != nil:
		r.reason, r.detail = "error", err.Error()
	}
	if doc != nil {
		r.body, r.pages = doc.Body, doc.Pages
		r.warns = append(r.warns, doc.Warnings...)
	}
	a, okA := pdftotext.text(ctx, s.keep, file)
	b, okB := mutool.text(ctx, s.keep, file)
	r.both = okA && okB
	wordsA, wordsB := words(a), words(b)
	bagA, bagB := grams(wordsA, 1), grams(wordsB, 1)
	for word, n := range bagA {
		r.theirs += min(n, bagB[word])
	}
	r.judged = r.both && r.theirs >= agreedWords && f1(bagA, bagB) >= agreedLevel
	if !r.judged {
		return r, nil
	}
	ours := words(r.body)
	one, two := grams(ours, 1), grams(ours, 2)
	twoA, twoB := grams(wordsA, 2), grams(wordsB, 2)
	r.score = agreedF1(one, bagA, bagB)
	r.strict = (f1(one, bagA) + f1(one, bagB)) / 2
	r.order = (f1(two, twoA) + f1(two, twoB)) / 2
	r.between = f1(twoA, twoB)
	return r, nil
}

// readWhole reads the document of a file, by content only. What was read before
// an error is given with it.
func readWhole(ctx context.Context, file string, opt extract.Options, warn func(string)) (*extract.Document, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	opt.Warn = func(_ extract.Place, w string) { warn(w) }
	var doc *extract.Document
	in := extract.Input{Name: filepath.Base(file), Path: file, Size: info.Size(), ReaderAt: io.NewSectionReader(f, 0, info.Size())}
	for rec, err := range extract.Records(ctx, in, opt) {
		if err != nil {
			return doc, err
		}
		doc = rec.Doc
	}
	return doc, nil
}

// pdfSection makes the table of the results.
func pdfSection(results []*pdfResult) section {
	var read, hangs, crashes, empty, words int
	var scores, strict, order, between []float64
	refused := map[string]int{}
	for _, r := range results {
		switch {
		case r.reason == "":
			read++
		default:
			refused[r.reason]++
		}
		told := r.detail + strings.Join(r.warns, "\n")
		switch {
		case strings.Contains(told, "crashed"), strings.Contains(told, "gave up"), strings.Contains(told, "out of control"):
			crashes++
		case r.reason == extract.ReasonTimeout, strings.Contains(told, "was stopped"):
			hangs++
		}
		if !r.judged {
			continue
		}
		words += r.theirs
		if r.body == "" {
			empty++
		}
		scores = append(scores, r.score)
		strict = append(strict, r.strict)
		order = append(order, r.order)
		between = append(between, r.between)
	}
	s := section{title: "PDF", note: fmt.Sprintf(
		"%d files, of which pdftotext and mutool agree on the words of %d (word F1 of the two at least %.1f, at least %d words; %d words in all). "+
			"Word F1 is against the words that both have; what only one of them has is neither wanted nor held against us. "+
			"Refused files, by reason: %s.", len(results), len(scores), agreedLevel, agreedWords, words, counts(refused))}
	s.add("files read", float64(read), atLeast, 0, "")
	s.add("crashes and panics", float64(crashes), atMost, 0, "0")
	s.add("hangs", float64(hangs), atMost, 0, "0")
	s.add("agreed files", float64(len(scores)), free, 0, "")
	s.add("agreed files that came back empty", float64(empty), atMost, 0, "")
	s.add("word F1, mean", mean(scores), atLeast, 0.002, ">= 0.985")
	s.add("word F1, median", quantile(scores, .5), atLeast, 0.002, "")
	s.add("word F1, p10", quantile(scores, .1), atLeast, 0.002, ">= 0.97")
	s.add("share of files with word F1 >= 0.9", share(scores, func(v float64) bool { return v >= .9 }), atLeast, 0.004, "")
	s.add("share of files with word F1 < 0.5", share(scores, func(v float64) bool { return v < .5 }), atMost, 0.004, "")
	s.add("word F1 against pdftotext and mutool one by one, mean", mean(strict), atLeast, 0.002, "")
	s.add("bigram F1 (order) against pdftotext and mutool one by one, mean", mean(order), atLeast, 0.002, "")
	s.add("bigram F1 of pdftotext against mutool, mean", mean(between), free, 0, "")
	return s
}

// worst prints the files that cost most, by word F1 or by order.
func worst(w io.Writer, results []*pdfResult, n int, byOrder bool) {
	judged := slices.DeleteFunc(slices.Clone(results), func(r *pdfResult) bool { return !r.judged })
	loss := func(r *pdfResult) float64 {
		if byOrder {
			return r.between - r.order
		}
		return 1 - r.score
	}
	slices.SortFunc(judged, func(a, b *pdfResult) int {
		switch x, y := loss(a), loss(b); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return strings.Compare(a.file, b.file)
	})
	for _, r := range judged[:min(n, len(judged))] {
		fmt.Fprintf(w, "%.3f strict %.3f order %.3f (of %.3f) %6d words %s %s %q\n", r.score, r.strict, r.order, r.between, r.theirs, r.file, r.reason, r.warns)
	}
}
