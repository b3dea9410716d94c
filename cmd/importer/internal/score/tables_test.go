//go:build linux || darwin

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestScoresExcel(t *testing.T) {
	s := corpusSettings(t)
	if _, err := openpyxl(); err != nil {
		t.Skip(err)
	}
	books, err := scoreBooks(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	report(t, excelSection(books))
	known, err := os.ReadFile(filepath.Join(filepath.Dir(table), differencesFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range unexplained(books, string(known)) {
		t.Error(bad)
	}
}

func TestScoresCSV(t *testing.T) {
	s := corpusSettings(t)
	sec, err := scoreCSV(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	report(t, sec)
}

// The spoiled tables need no corpus: they guard what is found out everywhere.
func TestScoresSpoiled(t *testing.T) {
	scores, err := scorePolluted(t.Context(), testing.Verbose())
	if err != nil {
		t.Fatal(err)
	}
	sec := section{title: "CSV"}
	addPolluted(&sec, scores)
	report(t, sec)
}

func TestDifferences(t *testing.T) {
	r := &excelResult{file: "a/b.xlsx", judged: true, differ: map[cellDiff]int{{"number", "date"}: 2}, sample: map[cellDiff]string{{"number", "date"}: "S R1C1: 1 | 2"}}
	text := renderDifferences(differences([]*excelResult{r}, ""))
	if bad := unexplained([]*excelResult{r}, text); len(bad) != 1 || !strings.Contains(bad[0], "not explained") {
		t.Errorf("a new difference: %q\n%s", bad, text)
	}
	text = strings.Replace(text, "|  |\n", "| Excel shows it so |\n", 1)
	if bad := unexplained([]*excelResult{r}, text); len(bad) != 0 {
		t.Errorf("an explained difference: %q\n%s", bad, text)
	}
	if again := renderDifferences(differences([]*excelResult{r}, text)); again != text {
		t.Errorf("made again it is\n%s\nand was\n%s", again, text)
	}
	r.differ[cellDiff{"number", "date"}] = 3
	if bad := unexplained([]*excelResult{r}, text); len(bad) != 1 {
		t.Errorf("more cells of it: %q", bad)
	}
}
