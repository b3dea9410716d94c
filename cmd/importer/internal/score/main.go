//go:build linux || darwin

// Command score measures how well real files are read, and writes the figures
// as the table that stands in extract/testdata/scores.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"importer/extract"
)

func main() {
	extract.ServeWorkerIfAsked()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if len(os.Args) == 4 && os.Args[1] == pagesArg {
		err = printPages(ctx, os.Args[2], os.Args[3])
	} else {
		err = run(ctx)
	}
	extract.CloseWorkers()
	if err != nil {
		fmt.Fprintln(os.Stderr, "score:", err)
		os.Exit(1)
	}
}

// A part makes sections of the table. More formats are more parts.
type part struct {
	name string
	make func(ctx context.Context, s *settings) ([]section, error)
}

var parts = []part{
	{"pdf", pdfPart},
	{"html", htmlPart},
	{"excel", excelPart},
	{"csv", csvPart},
}

// settings say what is measured.
type settings struct {
	corpus string
	engine string
	keep   string // where the references' texts are kept
	worst  int    // so many of the worst files are printed
	order  bool   // by their order and not by their words
	fast   bool   // speed and memory are not measured
	beside string // the folder of the table; "" if it is printed
}

func (s *settings) options() extract.Options {
	return extract.Options{Format: "pdf", PDF: extract.PDFOptions{Engine: s.engine}}
}

// newSettings makes the folder for references.
func newSettings(corpus, engine string) (*settings, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	keep := filepath.Join(cache, "importer", "score")
	return &settings{corpus: corpus, engine: engine, keep: keep}, os.MkdirAll(keep, 0o700)
}

func run(ctx context.Context) error {
	corpus := flag.String("corpus", os.Getenv("IMPORTER_CORPUS"), "folder of real files with pdf/, html/, xlsx/ and csv/ in it")
	out := flag.String("o", "", "file to write the table to; none prints it")
	engine := flag.String("engine", "auto", "pdf.engine")
	only := flag.String("only", "", "the parts of the table to make, by commas: "+partNames()+"; the others stay as they are in -o")
	list := flag.Int("worst", 0, "print so many of the worst PDF files, and all tables and pages that are not read well")
	order := flag.Bool("order", false, "with -worst: by reading order and not by words")
	dump := flag.String("dump", "", "print what one PDF scores and its text")
	fast := flag.Bool("no-speed", false, "do not measure speed and memory")
	flag.Parse()
	if *corpus == "" && *dump == "" {
		return fmt.Errorf("no corpus: give -corpus or set IMPORTER_CORPUS")
	}
	s, err := newSettings(*corpus, *engine)
	if err != nil {
		return err
	}
	if *dump != "" {
		return dumpPDF(ctx, s, *dump)
	}
	s.worst, s.order, s.fast = *list, *order, *fast
	if *out != "" {
		s.beside = filepath.Dir(*out)
	}
	before := ""
	if b, err := os.ReadFile(*out); err == nil {
		before = string(b)
	}
	table, err := makeTable(ctx, s, *only, before)
	if err != nil {
		return err
	}
	if *out == "" {
		_, err := fmt.Print(table)
		return err
	}
	return os.WriteFile(*out, []byte(table), 0o644)
}

func partNames() string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}

// makeTable makes the parts that only names, or all, and takes the other sections
// from the table that was there before.
func makeTable(ctx context.Context, s *settings, only, before string) (string, error) {
	for name := range strings.SplitSeq(only, ",") {
		if only != "" && !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			return "", fmt.Errorf("-only %s: there is no such part; known are %s", name, partNames())
		}
	}
	var sections []section
	for _, p := range parts {
		if only != "" && !slices.Contains(strings.Split(only, ","), p.name) {
			continue
		}
		made, err := p.make(ctx, s)
		if err != nil {
			return "", fmt.Errorf("%s: %w", p.name, err)
		}
		sections = append(sections, made...)
	}
	if only == "" {
		before = ""
	}
	return merge(before, sections), nil
}

// dumpPDF prints a PDF's text and what in words it lacks and has too much.
func dumpPDF(ctx context.Context, s *settings, file string) error {
	r, err := scorePDF(ctx, s, file)
	if err != nil {
		return err
	}
	fmt.Println(r.body)
	fmt.Printf("----\n%s %s %q\njudged %v score %.3f strict %.3f order %.3f of %.3f\n", r.reason, r.detail, r.warns, r.judged, r.score, r.strict, r.order, r.between)
	a, _ := pdftotext.text(ctx, s.keep, file)
	b, _ := mutool.text(ctx, s.keep, file)
	ours, x, y := grams(words(r.body), 1), grams(words(a), 1), grams(words(b), 1)
	lacks, extra := map[string]int{}, map[string]int{}
	for w, n := range x {
		if k := min(n, y[w]) - ours[w]; k > 0 {
			lacks[w] = k
		}
	}
	for w, n := range ours {
		if k := n - max(x[w], y[w]); k > 0 {
			extra[w] = k
		}
	}
	fmt.Printf("lacks: %.3000s\nhas too much: %.3000s\n", counts(lacks), counts(extra))
	return nil
}
