//go:build linux || darwin

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"codeberg.org/readeck/go-readability/v2"
	"github.com/dustin/go-humanize"
	"github.com/xuri/excelize/v2"

	"importer/extract"
)

// The goals of reading alone, without mapping or target.
const (
	goalCSV        = 0.8 // of the speed of encoding/csv, whole records with quotes
	goalCSVPlain   = 2   // times it, rows without quotes
	goalExcel      = 20  // times the speed of excelize's Rows
	goalExcelRows  = 200_000
	goalExcelSmall = 40  // MB, texts in the cells
	goalExcelTable = 1.3 // times the table of shared texts
	goalHTML       = 2   // times the speed of readability
)

const (
	// bookPart is how many times fewer rows the workbooks have whose speed is
	// measured than a table: excelize takes its time.
	bookPart = 5
	// lazily is how the collector is set where speed is measured, of us and of
	// what we are compared with: about as seldom as in a crawl, which lets the
	// heap grow to 48 MB. The runtime's own pace makes small readers slower by
	// a third, and by more the busier the machine is.
	lazily = 1100
)

// reading measures the readers of the formats on their own.
func (b *bench) reading() error {
	for _, step := range []func() error{b.readingCSV, b.readingExcel, b.readingHTML} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// readingCSV sets the reader of CSV beside encoding/csv that reuses its record.
func (b *bench) readingCSV() error {
	rows := 3 * b.rows // a million takes an eighth of a second
	for _, kind := range []struct {
		what, quotes string
		goal         float64
	}{
		{"rows of CSV, quotes in every fourth", "quotes", goalCSV},
		{"rows of CSV, no quotes", "plain", goalCSVPlain},
	} {
		path := filepath.Join(b.dir, "reading.csv")
		if _, err := self("rows", path, strconv.Itoa(rows), kind.quotes); err != nil {
			return err
		}
		best, err := turns(b.rounds+2,
			contender{measure: func() (cost, error) { return self("lazily", "read", path) }},
			contender{measure: func() (cost, error) { return self("lazily", "records", path) }})
		if err != nil {
			return err
		}
		b.faster(kind.what+", encoding/csv = 1", best[1], best[0], rows, kind.goal)
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// faster adds the figure of c, which must read goal times as many rows per
// second of processor time as of does.
func (b *bench) faster(what string, c, of cost, rows int, goal float64) {
	r := of.cpu.Seconds() / c.cpu.Seconds()
	b.add(r >= goal, what, humanize.Comma(int64(float64(rows)/c.cpu.Seconds()))+" per CPU-s", fmt.Sprintf("%.2f", r), fmt.Sprintf(">= %g", goal))
}

// readingExcel sets the reader of workbooks beside excelize's Rows, and looks
// at its memory at a million rows.
func (b *bench) readingExcel() error {
	rows := max(b.rows/bookPart, 1000)
	for _, kind := range []string{"inline", "shared"} {
		path := filepath.Join(b.dir, kind+".xlsx")
		if _, err := self("book", path, strconv.Itoa(rows), kind); err != nil {
			return err
		}
		best, err := turns(b.rounds,
			contender{measure: func() (cost, error) { return self("lazily", "excelize", path) }},
			contender{measure: func() (cost, error) { return self("lazily", "records", path) }})
		if err != nil {
			return err
		}
		perSecond := float64(rows) / best[1].cpu.Seconds()
		what := fmt.Sprintf("rows of 10 cells, %s texts", kind)
		b.add(perSecond >= goalExcelRows, what, humanize.Comma(int64(perSecond))+" per CPU-s", "", ">= "+humanize.Comma(goalExcelRows)+" per CPU-s")
		b.faster("the same, excelize's Rows = 1", best[1], best[0], rows, goalExcel)
		if err := b.bookMemory(kind); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) bookMemory(kind string) error {
	path := filepath.Join(b.dir, kind+"-large.xlsx")
	made, err := self("book", path, strconv.Itoa(b.rows), kind)
	if err != nil {
		return err
	}
	defer os.Remove(path)
	texts, err := strconv.ParseInt(strings.TrimSpace(made.out), 10, 64)
	if err != nil {
		return err
	}
	got, err := self("records", path)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("peak memory, %s rows, %s texts", humanize.Comma(int64(b.rows)), kind)
	if texts == 0 {
		b.add(got.memory < goalExcelSmall<<20, what, megabytes(got.memory), "", fmt.Sprintf("< %d MB", goalExcelSmall))
		return nil
	}
	r := float64(got.memory) / float64(texts)
	b.add(r < goalExcelTable, what+" = "+megabytes(texts), megabytes(got.memory), fmt.Sprintf("%.2f", r), fmt.Sprintf("< %g", goalExcelTable))
	return nil
}

// readingHTML sets the reader of pages beside readability on the same pages,
// of a corpus if there is one.
func (b *bench) readingHTML() error {
	corpus := os.Getenv("IMPORTER_CORPUS")
	pages, err := filepath.Glob(filepath.Join(corpus, "html", "*", "*", "source.html"))
	if err != nil {
		return err
	}
	if corpus == "" || len(pages) == 0 {
		fmt.Fprintln(os.Stderr, "pages are not measured: IMPORTER_CORPUS does not name a folder of real files")
		return nil
	}
	const times = 5
	args := append([]string{strconv.Itoa(times)}, pages...)
	best, err := turns(b.rounds,
		contender{measure: func() (cost, error) { return self(append([]string{"lazily", "readability"}, args...)...) }},
		contender{measure: func() (cost, error) { return self(append([]string{"lazily", "pages"}, args...)...) }})
	if err != nil {
		return err
	}
	b.faster("articles of the web, readability = 1", best[1], best[0], times*len(pages), goalHTML)
	return nil
}

// readingChild does what the children of these measurements are for:
//
//	rows FILE ROWS plain|quotes  write a table
//	book FILE ROWS inline|shared write a workbook, print the size of its table of texts
//	lazily CHILD                 any child with less of the collector
//	records FILE                 read a file by its reader
//	excelize FILE                read a workbook by excelize's Rows
//	pages N FILES...             read pages N times
//	readability N FILES...       the same by readability
func readingChild(args []string, out io.Writer) (known bool, err error) {
	switch {
	case len(args) > 1 && args[0] == "lazily":
		debug.SetGCPercent(lazily)
		return true, child(args[1:], out)
	case len(args) == 4 && (args[0] == "rows" || args[0] == "book"):
		rows, err := strconv.Atoi(args[2])
		if err != nil {
			return true, err
		}
		if args[0] == "rows" {
			return true, writeRows(args[1], rows, args[3] == "quotes")
		}
		texts, err := writeBook(args[1], rows, args[3] == "shared")
		fmt.Fprintln(out, texts)
		return true, err
	case len(args) == 2 && args[0] == "records":
		n, err := readRecords(args[1])
		fmt.Fprintln(out, n)
		return true, err
	case len(args) == 2 && args[0] == "excelize":
		n, err := readByExcelize(args[1])
		fmt.Fprintln(out, n)
		return true, err
	case len(args) > 2 && (args[0] == "pages" || args[0] == "readability"):
		times, err := strconv.Atoi(args[1])
		if err != nil {
			return true, err
		}
		read := readPage
		if args[0] == "readability" {
			read = readArticle
		}
		for range times {
			for _, path := range args[2:] {
				if err := read(path); err != nil {
					return true, fmt.Errorf("%s: %w", path, err)
				}
			}
		}
		return true, nil
	}
	return false, nil
}

func readRecords(path string) (n int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	in := extract.Input{Name: filepath.Base(path), Path: path, Size: info.Size(), ReaderAt: f}
	for _, err := range extract.Records(context.Background(), in, extract.Options{Reuse: true}) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func readPage(path string) error {
	n, err := readRecords(path)
	if err == nil && n != 1 {
		err = errors.New("no page was read")
	}
	return err
}

func readArticle(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	p := readability.NewParser()
	article, err := p.Parse(f, nil)
	if err != nil || article.Node == nil {
		return err
	}
	return article.RenderText(&strings.Builder{})
}

func readByExcelize(path string) (n int, err error) {
	f, err := excelize.OpenFile(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	rows, err := f.Rows("Sheet1")
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		if _, err := rows.Columns(); err != nil {
			return n, err
		}
		n++
	}
	return n, rows.Error()
}
