//go:build linux || darwin

package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"importer/extract"
)

// cellsScript prints the cells that openpyxl reads.
//
//go:embed cells.py
var cellsScript string

// openpyxl is a Python that has the library, "" if there is none.
func openpyxl() (python string, err error) {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if _, ok := (reference{name: "python", args: func(string) []string { return []string{"-c", "import openpyxl"} }, program: python}).run(context.Background(), ""); ok {
			return python, nil
		}
	}
	return "", errors.New("openpyxl is not installed (Debian: python3-openpyxl)")
}

// A cellPlace says where a cell is.
type cellPlace struct {
	sheet       string
	row, column int
}

// A cellValue is what a reader makes of a cell. Kinds are those of cells.py.
type cellValue struct {
	kind string
	text string
	num  float64 // of a number; seconds of t and u; milliseconds of Unix time of d
}

// An excelResult is what came of a workbook.
type excelResult struct {
	file   string // folder and name
	reason string // of its refusal; "" when it was read
	detail string
	judged bool // openpyxl reads it
	cells  int  // that openpyxl reads
	same   int
	differ map[cellDiff]int
	sample map[cellDiff]string
}

// A cellDiff is a kind of difference: what we say and what openpyxl says.
type cellDiff struct{ ours, theirs string }

func (d cellDiff) String() string { return d.ours + " / " + d.theirs }

// scoreBooks compares all cells of the workbooks with those of openpyxl.
func scoreBooks(ctx context.Context, s *settings) ([]*excelResult, error) {
	python, err := openpyxl()
	if err != nil {
		return nil, err
	}
	var files []string
	for _, ext := range []string{".xlsx", ".xlsm", ".xltx", ".xltm"} {
		more, err := filesBelow(filepath.Join(s.corpus, "xlsx"), ext)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there are no workbooks below %s", s.corpus)
	}
	slices.Sort(files)
	theirs := reference{name: "openpyxl", program: python, args: func(file string) []string { return []string{"-c", cellsScript, file} }}
	results := make([]*excelResult, len(files))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for i, file := range files {
		g.Go(func() error {
			r := &excelResult{file: filepath.Base(filepath.Dir(file)) + "/" + filepath.Base(file), differ: map[cellDiff]int{}, sample: map[cellDiff]string{}}
			results[i] = r
			return r.compare(ctx, s, file, theirs)
		})
	}
	return results, g.Wait()
}

func (r *excelResult) compare(ctx context.Context, s *settings, file string, theirs reference) error {
	ours, err := readCells(ctx, file)
	var bad *extract.FileError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &bad):
		r.reason, r.detail = bad.Reason, bad.Detail
	case err != nil:
		return err
	}
	out, ok := theirs.text(ctx, s.keep, file)
	if !ok {
		return nil
	}
	wanted, err := parseCells(out)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	r.judged, r.cells = true, len(wanted)
	for place, want := range wanted {
		got := ours[place]
		if got.equal(want) {
			r.same++
			continue
		}
		r.note(place, got, want)
	}
	for place, got := range ours {
		if _, ok := wanted[place]; !ok {
			r.note(place, got, cellValue{})
		}
	}
	return nil
}

func (r *excelResult) note(place cellPlace, got, want cellValue) {
	d := cellDiff{got.name(), want.name()}
	r.differ[d]++
	if s := fmt.Sprintf("%s R%dC%d: %.80q / %.80q", place.sheet, place.row, place.column, got.text, want.text); r.sample[d] == "" || s < r.sample[d] {
		r.sample[d] = s
	}
}

func (v cellValue) name() string {
	names := map[string]string{"": "nothing", "n": "number", "s": "text", "b": "boolean", "e": "error", "d": "date", "t": "time of day", "u": "duration"}
	return names[v.kind]
}

// equal allows a millisecond, as the libraries differ in how they round.
func (v cellValue) equal(w cellValue) bool {
	const second = 0.0011
	switch {
	case v.kind == "d" && w.kind == "d":
		return math.Abs(v.num-w.num) <= 1
	case (v.kind == "u" || v.kind == "t") && (w.kind == "u" || w.kind == "t"):
		return math.Abs(v.num-w.num) <= second
	case v.kind == "n" && w.kind == "n":
		return v.num == w.num
	}
	return v.kind == w.kind && v.text == w.text
}

// readCells gives all cells of a book by the public way, hidden ones too.
func readCells(ctx context.Context, file string) (map[cellPlace]cellValue, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	cells := map[cellPlace]cellValue{}
	in := extract.Input{Name: filepath.Base(file), Path: file, Size: info.Size(), ReaderAt: io.NewSectionReader(f, 0, info.Size())}
	opt := extract.Options{Format: "excel", Excel: extract.ExcelOptions{Header: -1, Hidden: true}}
	for rec, err := range extract.Records(ctx, in, opt) {
		var bad *extract.RecordError
		switch {
		case errors.As(err, &bad):
			continue
		case err != nil:
			return cells, err
		}
		for i, text := range rec.Text {
			if text != "" {
				cells[cellPlace{rec.Place.Sheet, rec.Place.Line, i + 1}] = ourValue(text, rec.Typed[i])
			}
		}
	}
	return cells, nil
}

func ourValue(text string, typed any) cellValue {
	switch v := typed.(type) {
	case int64:
		return cellValue{"n", text, float64(v)}
	case float64:
		return cellValue{"n", text, v}
	case bool:
		return cellValue{"b", text, 0}
	case time.Time:
		return cellValue{"d", text, float64(v.UnixMilli())}
	case time.Duration:
		return cellValue{"u", text, v.Seconds()}
	case extract.CellError:
		return cellValue{"e", text, 0}
	}
	return cellValue{"s", text, 0}
}

// parseCells reads what cells.py prints.
func parseCells(out string) (map[cellPlace]cellValue, error) {
	cells := map[cellPlace]cellValue{}
	d := json.NewDecoder(strings.NewReader(out))
	d.UseNumber()
	for {
		var line [5]any
		err := d.Decode(&line)
		if errors.Is(err, io.EOF) {
			return cells, nil
		}
		if err != nil {
			return nil, err
		}
		sheet, _ := line[0].(string)
		row, _ := line[1].(json.Number).Int64()
		column, _ := line[2].(json.Number).Int64()
		kind, _ := line[3].(string)
		v := cellValue{kind: kind, text: fmt.Sprint(line[4])}
		switch kind {
		case "n", "t", "u":
			v.num, err = strconv.ParseFloat(v.text, 64)
		case "d":
			var at time.Time
			at, err = time.Parse("2006-01-02T15:04:05.000000", v.text)
			v.num = float64(at.UnixMicro()) / 1000
		case "s":
			v.text = strings.ReplaceAll(v.text, "\r\n", "\n")
		}
		if err != nil {
			return nil, err
		}
		if kind == "s" && v.text == "" {
			continue
		}
		cells[cellPlace{sheet, int(row), int(column)}] = v
	}
}

// excelSection makes the table of the results.
func excelSection(results []*excelResult) section {
	var read, judged, unread, cells, same, crashes int
	refused := map[string]int{}
	for _, r := range results {
		switch {
		case r.reason == "" || r.reason == extract.ReasonEmpty:
			read++
		default:
			refused[r.reason]++
			if r.judged {
				unread++
			}
		}
		if strings.Contains(r.detail, "gave up") {
			crashes++
		}
		if r.judged {
			judged++
			cells += r.cells
			same += r.same
		}
	}
	s := section{title: "Excel", note: fmt.Sprintf("%d workbooks, of which openpyxl reads %d. A cell is the same when its kind (number, text, boolean, error, date, time) and its value are. "+
		"The other cells are explained in excel-differences.md. Refused files, by reason: %s.", len(results), judged, counts(refused))}
	s.add("workbooks read", float64(read), atLeast, 0, "")
	s.add("crashes and panics", float64(crashes), atMost, 0, "0")
	s.add("refused, but read by openpyxl", float64(unread), atMost, 0, "")
	s.add("cells that openpyxl reads", float64(cells), free, 0, "")
	s.add("cells that differ", float64(cells-same), atMost, 0, "")
	s.add("share of cells that are the same", float64(same)/float64(max(cells, 1)), atLeast, 0, ">= 0.998")
	return s
}

// A difference is a line of the table of differences: a kind of difference in
// one workbook, and why it is none of ours.
type difference struct {
	file, kind string
	cells      int
	example    string
	why        string
}

// differences lists those of all workbooks, with the reasons that a table
// before has for them.
func differences(results []*excelResult, before string) []difference {
	why := map[[2]string]string{}
	for _, d := range parseDifferences(before) {
		why[[2]string{d.file, d.kind}] = d.why
	}
	var all []difference
	for _, r := range results {
		if r.judged && r.reason != "" && r.reason != extract.ReasonEmpty {
			kind := "not read: " + r.reason
			all = append(all, difference{r.file, kind, r.cells, clean(r.detail), why[[2]string{r.file, kind}]})
			continue
		}
		for d, n := range r.differ {
			all = append(all, difference{r.file, d.String(), n, clean(r.sample[d]), why[[2]string{r.file, d.String()}]})
		}
	}
	slices.SortFunc(all, func(a, b difference) int {
		if c := strings.Compare(a.file, b.file); c != 0 {
			return c
		}
		return strings.Compare(a.kind, b.kind)
	})
	return all
}

// clean makes a text fit into a cell of a table.
func clean(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "|", "¦")), " ")
}

const differencesHead = `# Cells of workbooks that differ from openpyxl's

Made by ` + "`make score`" + `; the reasons are written by hand and stay. What we say stands before the slash, what
openpyxl says behind it. A difference without a reason fails the test of cmd/importer/internal/score.

| workbook | ours / openpyxl's | cells | example | why |
|---|---|---|---|---|
`

func renderDifferences(all []difference) string {
	var b bytes.Buffer
	b.WriteString(differencesHead)
	for _, d := range all {
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %s |\n", d.file, d.kind, d.cells, d.example, d.why)
	}
	return b.String()
}

func parseDifferences(text string) (all []difference) {
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 7 {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		n, err := strconv.Atoi(cells[3])
		if err != nil {
			continue
		}
		all = append(all, difference{cells[1], cells[2], n, cells[4], cells[5]})
	}
	return all
}

// unexplained lists the differences that have no reason in the table, or are
// of more cells than it knows.
func unexplained(results []*excelResult, table string) (bad []string) {
	known := map[[2]string]difference{}
	for _, d := range parseDifferences(table) {
		known[[2]string{d.file, d.kind}] = d
	}
	for _, d := range differences(results, table) {
		switch k := known[[2]string{d.file, d.kind}]; {
		case k.why == "":
			bad = append(bad, fmt.Sprintf("%s: %s in %d cells is not explained: %s", d.file, d.kind, d.cells, d.example))
		case d.cells > k.cells:
			bad = append(bad, fmt.Sprintf("%s: %s in %d cells, and was in %d", d.file, d.kind, d.cells, k.cells))
		}
	}
	return bad
}
