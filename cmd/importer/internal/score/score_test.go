//go:build linux || darwin

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"importer/extract"
)

func TestMain(m *testing.M) {
	extract.ServeWorkerIfAsked()
	code := m.Run()
	extract.CloseWorkers()
	os.Exit(code)
}

// table is the committed table.
var table = filepath.Join("..", "..", "..", "..", "extract", "testdata", "scores.md")

// corpusSettings skips a test that has nothing to measure.
func corpusSettings(t *testing.T) *settings {
	t.Helper()
	if testing.Short() {
		t.Skip("reads some hundred files")
	}
	corpus := os.Getenv("IMPORTER_CORPUS")
	if corpus == "" {
		t.Skip("IMPORTER_CORPUS does not name a folder of real files; the scores of extract/testdata/scores.md are not checked")
	}
	s, err := newSettings(corpus, "auto")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wanted(t *testing.T) map[string]float64 {
	t.Helper()
	b, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	return parse(string(b))
}

func TestScoresPDF(t *testing.T) {
	s := corpusSettings(t)
	if err := errors.Join(pdftotext.missing(), mutool.missing()); err != nil {
		t.Skip(err)
	}
	results, err := scorePDFs(t.Context(), s, sampled)
	if err != nil {
		t.Fatal(err)
	}
	report(t, sampleSection(results))
}

func TestScoresHTML(t *testing.T) {
	s := corpusSettings(t)
	sec, err := scoreHTML(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	report(t, sec)
}

func report(t *testing.T, sec section) {
	t.Helper()
	t.Log(render([]section{sec}))
	for _, bad := range drops([]section{sec}, wanted(t)) {
		t.Error(bad)
	}
}

func TestTable(t *testing.T) {
	sec := section{title: "PDF", note: "2 files."}
	sec.add("files read", 1212, atLeast, 0, "")
	sec.add("crashes", 0, atMost, 0, "0")
	sec.add("word F1, mean", 0.98712, atLeast, 0.002, ">= 0.985")
	sec.add("ratio", 0.61, free, 0, "")
	text := render([]section{sec})
	if !strings.Contains(text, "| word F1, mean | 0.987 | >= 0.985 |") || !strings.Contains(text, "| files read | 1212 |") {
		t.Errorf("table:\n%s", text)
	}
	was := parse(text)
	if len(was) != 4 || was["PDF: word F1, mean"] != 0.987 {
		t.Fatalf("read back as %v", was)
	}
	tests := []struct {
		name   string
		figure int
		value  float64
		bad    bool
	}{
		{"the same", 2, 0.98712, false},
		{"a little worse", 2, 0.9856, false},
		{"worse", 2, 0.984, true},
		{"better", 2, 0.999, false},
		{"a file less", 0, 1211, true},
		{"a crash", 1, 1, true},
		{"slower", 3, 0.1, false},
	}
	for _, tt := range tests {
		now := sec
		now.rows = append([]figure(nil), sec.rows...)
		now.rows[tt.figure].value = tt.value
		if bad := drops([]section{now}, was); (len(bad) > 0) != tt.bad {
			t.Errorf("%s: %q, want a complaint: %v", tt.name, bad, tt.bad)
		}
	}
	delete(was, "PDF: files read")
	if bad := drops([]section{sec}, was); len(bad) != 1 {
		t.Errorf("a figure that is not in the table: %q", bad)
	}
}

func TestF1(t *testing.T) {
	bagOf := func(s string) bag { return grams(words(s), 1) }
	tests := []struct {
		got, a, b string
		want      float64
	}{
		{"one two", "one two", "one two", 1},
		{"one two", "one two", "one two three", 1}, // three is disputed
		{"one two three", "one two", "one two three", 1},
		{"one", "one two", "one two", 2 * 1 * .5 / 1.5},
		{"one two two", "one two", "one two", 2 * 2. / 3 * 1 / (2./3 + 1)},
		{"", "one", "one", 0},
		{"日本", "日 本", "日本", 1},
		{"x²", "X2", "x2", 1},
	}
	for _, tt := range tests {
		if got := agreedF1(bagOf(tt.got), bagOf(tt.a), bagOf(tt.b)); got < tt.want-1e-9 || got > tt.want+1e-9 {
			t.Errorf("agreedF1(%q, %q, %q) = %v, want %v", tt.got, tt.a, tt.b, got, tt.want)
		}
	}
	if got := f1(grams(words("a b c"), 2), grams(words("a c b"), 2)); got != 0 {
		t.Errorf("bigram F1 of another order = %v, want 0", got)
	}
}

// TestMerge makes one section of a table anew: the others stay as they are.
func TestMerge(t *testing.T) {
	one, two, three := section{title: "One", note: "First."}, section{title: "Two", note: "Second."}, section{title: "Three", note: "Third."}
	one.add("files", 10, atLeast, 0, "")
	two.add("files", 20, atLeast, 0, "")
	three.add("files", 30, atLeast, 0, "")
	before := render([]section{one, two})
	if got := merge(before, nil); got != before {
		t.Errorf("nothing made anew:\n%s\nwant\n%s", got, before)
	}
	two.rows[0].value = 21
	if got, want := merge(before, []section{three, two}), render([]section{one, two, three}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := makeTable(t.Context(), &settings{}, "pdf,dpf", ""); err == nil || !strings.Contains(err.Error(), "known are pdf, html") {
		t.Errorf("a part that is none: %v", err)
	}
}
