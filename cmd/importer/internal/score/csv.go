//go:build linux || darwin

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"importer/extract"
)

// An annotation is what a person has seen of a table of the corpus.
type annotation struct {
	file      string // below csv/, without its folder's first part
	delimiter string // oneColumn for a table of one column
	header    int    // the record that names the columns, -1 for none
	encoding  string // "" is UTF-8
}

// oneColumn is a delimiter that no text of the corpus has.
const oneColumn = "\x1f"

// annotations are of the files of csv/ in the corpus, without those that have
// nothing but a header.
var annotations = []annotation{
	{"example-docs__csv-with-escaped-commas.csv", ",", 1, ""},
	{"example-docs__csv-with-line-delimiter.csv", "|", 1, ""},
	{"example-docs__csv-with-long-lines.csv", ",", 1, ""},
	{"example-docs__semicolon-delimited.csv", ";", 1, ""},
	{"example-docs__single-column.csv", oneColumn, 1, ""},
	{"example-docs__stanley-cups-utf-16.csv", ",", 2, "utf-16"},
	{"example-docs__stanley-cups-with-emoji.csv", ",", 2, ""},
	{"example-docs__stanley-cups-with-emoji.tsv", "tab", 2, ""},
	{"example-docs__stanley-cups.csv", ",", 2, ""},
	{"example-docs__stanley-cups.tsv", "tab", 2, ""},
	{"example-docs__table-multi-row-column-cells-actual.csv", ",", 1, ""},
	{"example-docs__table-semicolon-delimiter.csv", ";", 1, ""},
	{"scripts__elasticsearch-test-helpers__source_connector__wiki_movie_plots_small.csv", ",", 1, ""},
	{"test_unstructured_ingest__metrics__element-type__aggregate-scores-element-type.tsv", "tab", 1, ""},
	{"test_unstructured_ingest__metrics__element-type__all-docs-element-type-frequency.tsv", "tab", 1, ""},
	{"tika-e2e-tests__tika-grpc__src__test__resources__test-fixtures__sample.csv", ",", 1, ""},
	{"tika-langdetect__tika-langdetect-test-commons__src__main__resources__org__apache__tika__langdetect__text-test.tsv", "tab", -1, ""},
	{"tika-metadata-schema__src__test__resources__org__apache__tika__metadata__migration-overlay.tsv", "tab", -1, ""},
	{"tika-parsers__tika-parsers-standard__tika-parsers-standard-integration-tests__src__test__resources__test-documents__test-columnar.csv", ",", 1, ""},
	{"tika-parsers__tika-parsers-standard__tika-parsers-standard-integration-tests__src__test__resources__test-documents__testCSV.csv", ",", 4, ""},
	{"tika-pipes__tika-pipes-plugins__tika-pipes-csv__src__test__resources__test-reserved-header.csv", ",", 1, ""},
	{"tika-pipes__tika-pipes-plugins__tika-pipes-csv__src__test__resources__test-simple.csv", ",", 1, ""},
	{"tika-server__tika-server-standard__src__test__resources__test-documents__foo.csv", ",", 1, ""},
	{"tests__data__csv__sources__csv-comma-in-cell.csv", ",", 1, ""},
	{"tests__data__csv__sources__csv-comma.csv", ",", 1, ""},
	{"tests__data__csv__sources__csv-inconsistent-header.csv", ",", 1, ""},
	{"tests__data__csv__sources__csv-pipe.csv", "|", 1, ""},
	{"tests__data__csv__sources__csv-semicolon.csv", ";", 1, ""},
	{"tests__data__csv__sources__csv-single-column.csv", oneColumn, 1, ""},
	{"tests__data__csv__sources__csv-tab.csv", "tab", 1, ""},
	{"tests__data__csv__sources__csv-too-few-columns.csv", ",", 1, ""},
	{"tests__data__csv__sources__csv-too-many-columns.csv", ",", 1, ""},
	{"csvs__comma_in_quotes.csv", ",", 1, ""},
	{"csvs__empty.csv", ",", 1, ""},
	{"csvs__escaped_quotes.csv", ",", 1, ""},
	{"csvs__json.csv", ",", 1, ""},
	{"csvs__location_coordinates.csv", ",", 1, ""},
	{"csvs__newlines.csv", ",", 1, ""},
	{"csvs__quotes_and_newlines.csv", ",", 1, ""},
	{"csvs__simple.csv", ",", 1, ""},
	{"csvs__utf8.csv", ",", 1, ""},
}

// scoreCSV compares what is found out about tables with what people have seen
// in them, and the cells of spoiled tables with the right ones.
func scoreCSV(ctx context.Context, s *settings) (section, error) {
	sec := section{title: "CSV"}
	right, err := scoreAnnotated(ctx, s)
	if err != nil {
		return sec, err
	}
	n := float64(len(annotations))
	sec.add("annotated files", n, free, 0, "")
	sec.add("delimiter and encoding right, share", right.dialect/n, atLeast, 0, ">= 0.97")
	sec.add("row with the names of the columns right, share", right.header/n, atLeast, 0, "")
	scores, err := scorePolluted(ctx, s.worst > 0)
	if err != nil {
		return sec, err
	}
	addPolluted(&sec, scores)
	sec.note = fmt.Sprintf("Dialects of %d real tables as people see them, and %d tables that were made and then spoiled in one thing each: F1 of their cells, header and place in the row included. "+
		"A row that is refused counts as lost.", len(annotations), scores.files)
	return sec, nil
}

// found counts the tables of which something was found out right.
type found struct{ dialect, header float64 }

func scoreAnnotated(ctx context.Context, s *settings) (right found, err error) {
	for _, a := range annotations {
		paths, err := filepath.Glob(filepath.Join(s.corpus, "csv", "*", a.file))
		if err != nil || len(paths) != 1 {
			return right, fmt.Errorf("%s: found %d files in the corpus (%v), want 1", a.file, len(paths), err)
		}
		data, err := os.ReadFile(paths[0])
		if err != nil {
			return right, err
		}
		told := extract.CSVOptions{Delimiter: a.delimiter, Encoding: a.encoding}
		if equalTables(readTable(ctx, a.file, data, extract.CSVOptions{}), readTable(ctx, a.file, data, told)) {
			right.dialect++
		} else if s.worst > 0 {
			fmt.Fprintf(os.Stderr, "%s: the dialect is not %q\n", a.file, a.delimiter)
		}
		known := told
		known.Header = a.header
		if equalTables(readTable(ctx, a.file, data, told), readTable(ctx, a.file, data, known)) {
			right.header++
		} else if s.worst > 0 {
			fmt.Fprintf(os.Stderr, "%s: the header is not record %d\n", a.file, a.header)
		}
	}
	return right, ctx.Err()
}

// readTable gives the names of the columns and the rows that are no errors.
func readTable(ctx context.Context, name string, data []byte, opt extract.CSVOptions) (cells [][]string) {
	in := extract.Input{Name: name, Size: int64(len(data)), ReaderAt: bytes.NewReader(data)}
	var header *extract.Header
	for rec, err := range extract.Records(ctx, in, extract.Options{Format: "csv", CSV: opt}) {
		var bad *extract.RecordError
		switch {
		case err == nil:
			header = rec.Header
			cells = append(cells, rec.Text)
		case errors.As(err, &bad):
			header = bad.Header
		}
	}
	if header != nil {
		cells = slices.Insert(cells, 0, header.Names())
	}
	return cells
}

func equalTables(a, b [][]string) bool { return slices.EqualFunc(a, b, slices.Equal) }

// pollutedScores are the F1 of the cells of spoiled tables.
type pollutedScores struct {
	files int
	kinds []string // in the order in which they were made
	f1    map[string][]float64
}

func scorePolluted(ctx context.Context, list bool) (pollutedScores, error) {
	s := pollutedScores{f1: map[string][]float64{}}
	for _, f := range pollutedFiles() {
		opt := extract.CSVOptions{}
		if f.none {
			opt.Header = -1
		}
		got := readTable(ctx, f.name, f.data, opt)
		if f.none && len(got) > 0 {
			got = got[1:] // column1, column2, ...
		}
		if len(f.cells) == 1 && !f.none && len(got) == 0 {
			got = f.cells // a table without rows says nothing of its header
		}
		if s.f1[f.kind] == nil {
			s.kinds = append(s.kinds, f.kind)
		}
		score := f1(cellBag(got), cellBag(f.cells))
		s.f1[f.kind] = append(s.f1[f.kind], score)
		if s.files++; list && score < .985 { // more than the one row that is spoiled
			fmt.Fprintf(os.Stderr, "%s: %.3f\n", f.name, score)
		}
	}
	return s, ctx.Err()
}

// cellBag are the cells of a table with their columns.
func cellBag(rows [][]string) bag {
	b := bag{}
	for _, row := range rows {
		for j, cell := range row {
			b[fmt.Sprintf("%d %s", j, strings.ReplaceAll(cell, "\r\n", "\n"))]++
		}
	}
	return b
}

func addPolluted(sec *section, s pollutedScores) {
	var all []float64
	for _, kind := range s.kinds {
		all = append(all, s.f1[kind]...)
	}
	sec.add("spoiled tables", float64(s.files), free, 0, "")
	sec.add("cell F1, mean of all", mean(all), atLeast, 0, ">= 0.99")
	for _, kind := range s.kinds {
		sec.add("cell F1, "+kind+", mean", mean(s.f1[kind]), atLeast, 0, "")
	}
}
