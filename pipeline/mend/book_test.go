package mend

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"importer/pipeline/state"
)

func TestAWorkbookThatWasWorkedWith(t *testing.T) {
	b := newShelf(t)
	b.refuse("rows", "a.csv", tickets()[:2]...)
	path := b.export("xlsx", state.Filter{})
	f := must(excelize.OpenFile(path))
	rows := must(f.GetRows("quarantine"))
	col := func(name string) int { return slices.Index(rows[0], name) }
	out := excelize.NewFile()
	set := func(cell string, v any) { b.must(out.SetCellValue("Sheet1", cell, v)) }
	for i, c := range []string{"[key]", "due", "number", "title"} { // no [action], and other columns before it
		name := must(excelize.ColumnNumberToName(i + 1))
		set(name+"1", c)
		for n, r := range []int{2, 1} { // the other order
			v := ""
			if col(c) < len(rows[r]) {
				v = rows[r][col(c)]
			}
			set(fmt.Sprint(name, n+2), v)
		}
	}
	set("C2", 8)                                              // "008", made a number
	set("B2", time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC))    // "soon", corrected with a date
	set("B3", time.Date(2024, 2, 29, 18, 30, 0, 0, time.UTC)) // "31.02.2024"
	b.must(out.SetRowVisible("Sheet1", 2, false))             // filtered out
	_ = must(out.NewSheet("Notes"))
	b.must(out.SetCellValue("Notes", "A1", "what I still have to ask"))
	b.must(out.SaveAs(path))
	got, err := b.take(path)
	b.must(err)
	if got.Changed != 2 || got.Rewritten != 1 || got.Rewrites[0].Column != "number" || got.Rewrites[0].From != "008" {
		t.Errorf("%+v, want 2 changed and one number that was rewritten", got)
	}
	if all := b.fixes(); !slices.Equal(all, []string{"007|=1+1|2024-02-29T18:30:00", "008|-|2024-03-01"}) {
		t.Errorf("fixes = %q", all)
	}
	for _, ref := range must(b.s.FixesOf(t.Context(), "rows", "a.csv")) {
		if rec := must(b.s.FixRecord(t.Context(), ref.ID)); !slices.Equal(rec.Typed, []int{2}) {
			t.Errorf("%v: typed %v, want the date to be known as one", rec.Values, rec.Typed)
		}
	}
}

func TestTheWorkbook(t *testing.T) {
	b := newShelf(t)
	b.refuse("rows", "a.csv", tickets()...)
	b.refuse("docs", "b.pdf", bad{"encrypted", "", nil, nil, nil})
	f := must(excelize.OpenFile(b.export("xlsx", state.Filter{})))
	if got := f.GetSheetList(); !slices.Equal(got, []string{"quarantine"}) {
		t.Errorf("sheets = %v, want one, as only one source has columns", got)
	}
	rows := must(f.GetRows("quarantine"))
	names := []string{"[action]", "[source]", "[file]", "[place]", "[item]", "[stage]", "[reason]", "[property]", "[value]", "[what to do]", "[key]", "number", "title", "due", "[extra 1]"}
	if !slices.Equal(rows[0], names) {
		t.Errorf("columns = %q, want %q", rows[0], names)
	}
	if got := rows[1][:9]; !slices.Equal(got, []string{"", "rows", "dir/a.csv", "2", "item0", "transform", "bad-value", "due", ""}) {
		t.Errorf("what is wrong with the first row: %q", got)
	}
	for _, cell := range []string{"L2", "M2", "N2"} { // 007, =1+1, 31.02.2024
		kind := must(f.GetCellType("quarantine", cell))
		style := must(f.GetStyle(must(f.GetCellStyle("quarantine", cell))))
		formula := must(f.GetCellFormula("quarantine", cell))
		if kind != excelize.CellTypeInlineString || style.NumFmt != 49 || formula != "" {
			t.Errorf("%s is of type %v in format %d with the formula %q, want text", cell, kind, style.NumFmt, formula)
		}
		if marked := len(style.Fill.Color) > 0; marked != (cell == "N2") {
			t.Errorf("%s is marked: %v", cell, marked)
		}
	}
	comments := must(f.GetComments("quarantine"))
	var where []string
	for _, c := range comments {
		where = append(where, c.Cell+" "+c.Text)
	}
	slices.Sort(where)
	if want := []string{"L5 is wrong; correct it", "N2 is wrong; correct it", "N3 is wrong; correct it", "O4 is wrong; correct it"}; !slices.Equal(where, want) {
		t.Errorf("comments = %q, want %q", where, want)
	}
	panes := must(f.GetPanes("quarantine"))
	if !panes.Freeze || panes.YSplit != 1 {
		t.Errorf("panes = %+v, want the first row to be frozen", panes)
	}
	actions := must(f.GetDataValidations("quarantine"))
	if len(actions) != 1 || actions[0].Sqref != "A2:A7" || actions[0].Formula1 != `"fix,skip,forget"` {
		t.Errorf("actions = %+v", actions)
	}
	if len(rows) != 7 {
		t.Errorf("%d rows, want 7", len(rows))
	}
}

func TestTheColumnsOfTheWorkbookAreInOrder(t *testing.T) {
	b := newShelf(t)
	b.refuse("rows", "a.csv", tickets()...)
	z := must(zip.OpenReader(b.export("xlsx", state.Filter{})))
	defer z.Close()
	sheet := string(must(io.ReadAll(must(z.Open("xl/worksheets/sheet1.xml")))))
	last := 0
	for _, m := range regexp.MustCompile(`<col min="(\d+)" max="(\d+)"`).FindAllStringSubmatch(sheet, -1) {
		from, to := must(strconv.Atoi(m[1])), must(strconv.Atoi(m[2]))
		if from != last+1 || to < from {
			t.Errorf("columns %d to %d stand after column %d", from, to, last)
		}
		last = to
	}
	if last != 15 {
		t.Errorf("the last column with a width is %d, want 15", last)
	}
}

func TestSheets(t *testing.T) {
	maxSheetRows = 3
	defer func() { maxSheetRows = 1_048_576 }()
	b := newShelf(t)
	b.refuse("rows", "a.csv", tickets()...)
	b.refuse("a source: with [a] very/long name", "b.csv", bad{"bad-value", "x", []string{"[key]", "[extra 1]", " due ", "é\x01"}, []string{"k", "e", "d", "x"}, []int{0}})
	b.refuse("A SOURCE  with  a  very long name", "b.csv", bad{"bad-value", "x", []string{"z"}, []string{"k"}, nil})
	path := b.export("xlsx", state.Filter{})
	f := must(excelize.OpenFile(path))
	sheets := f.GetSheetList()
	if want := []string{"rows", "a source  with  a  very long na", "A SOURCE  with  a  very lon (2)", "rows (2)", "rows (3)"}; !slices.Equal(sheets, want) {
		t.Errorf("sheets = %q, want %q", sheets, want)
	}
	got, err := b.take(path)
	b.must(err)
	if got.Rows != 7 || got.Unchanged != 6 || got.Unkeyed != 1 {
		t.Errorf("taken back: %+v, want 6 unchanged and one without a key", got)
	}
	head := must(f.GetRows(sheets[1]))[0]
	if want := []string{"[key](column)", "[extra 1](column)", "due", "é"}; !slices.Equal(head[len(leading):], want) {
		t.Errorf("columns = %q, want %q", head[len(leading):], want)
	}
}

func TestACSVFileThatExcelHasSaved(t *testing.T) {
	b := newShelf(t)
	columns := []string{"number", "title", "due", "price", "long"}
	b.refuse("rows", "a.csv",
		bad{"bad-value", "title", columns, []string{"007", "Müller 日本", "2024-02-29", "1.50", "1234567890123"}, []int{1}},
		bad{"bad-value", "title", columns, []string{"008", "-x", "2024-03-01", "2.25", "3"}, []int{1}})
	rows := must(csv.NewReader(strings.NewReader(strings.TrimPrefix(string(must(os.ReadFile(b.export("csv", state.Filter{})))), "\uFEFF"))).ReadAll())
	rows[1] = append(rows[1][:11:11], "7", "M\xfcller ??", "29.02.2024", "1,5", "1,23457E+12")
	rows[2] = append(rows[2][:11:11], "8", "'-y", "01.03.2024", "2,25", "3")
	path := filepath.Join(b.dir, "saved.csv")
	var buf bytes.Buffer
	w := csv.NewWriter(&buf)
	w.Comma, w.UseCRLF = ';', true
	b.must(w.WriteAll(rows))
	b.must(os.WriteFile(path, buf.Bytes(), 0o600))
	got, err := b.take(path)
	b.must(err)
	if got.Changed != 1 || got.Unchanged != 1 || got.Rewritten != 8 {
		t.Errorf("%+v, want the second row changed and 8 cells rewritten", got)
	}
	if all := b.fixes(); !slices.Equal(all, []string{"008|-y|2024-03-01|2.25|3"}) {
		t.Errorf("fixes = %q, want the changed cell alone to differ", all)
	}
}

func TestOddTexts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	alphabet := []string{"a", "0", "7", ".", ",", "-", "+", "=", "@", "'", "\"", ";", "\t", "\n", "\r", "\r\n", " ", "\x00", "\x0B", "\x1A", "_x000D_", "_x", "é", "日", "😀", "\uFEFF",
		"\uFFFD", "\uFFFE", "\u2028", "<", "&amp;", "]]>", "E5", "2024-02-29", "#N/A", "TRUE", "\u00A0", "\u0085", "\x7F"}
	text := func() string {
		var b strings.Builder
		for range rnd.IntN(6) {
			b.WriteString(alphabet[rnd.IntN(len(alphabet))])
		}
		return b.String()
	}
	b := newShelf(t)
	var all []bad
	for range 1000 {
		all = append(all, bad{"bad-value", "p", ticket, []string{text(), text(), text()}, []int{rnd.IntN(3)}})
	}
	b.refuse("rows", "a.csv", all...)
	for _, format := range Formats {
		got, err := b.take(b.export(format, state.Filter{}))
		b.must(err)
		if got.Rows != 1000 || got.Unchanged != 1000 || got.Rewritten != 0 {
			t.Errorf("%s: %d of %d rows came back unchanged, with %d cells rewritten: %v", format, got.Unchanged, got.Rows, got.Rewritten, got.Changes)
		}
	}
}

func FuzzThereAndBack(f *testing.F) {
	for _, s := range []string{"007", "=1", "a\r\nb", "\x00\x1f", "_x0041_", "'", "\"", ";", "\uFEFF", " x ", "\uFFFF", "[key]", "<&>", "\xff\xfe"} {
		f.Add(s, s, "x")
	}
	f.Fuzz(func(t *testing.T, column, one, two string) {
		if len(column)+len(one)+len(two) > 10_000 {
			return
		}
		b := newShelf(t)
		b.refuse("rows", "a.csv", bad{"bad-value", "p", []string{column, "other"}, []string{one, two}, nil}, bad{"bad-value", "p", []string{column, "other"}, []string{two, one}, nil})
		for _, format := range Formats {
			got, err := b.take(b.export(format, state.Filter{}))
			if err != nil || got.Rows != 2 || got.Unchanged+got.Unkeyed != 2 || got.Rewritten != 0 {
				t.Errorf("%s: %q %q %q came back as %+v, %v", format, column, one, two, got, err)
			}
		}
	})
}

func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 40,000 rows")
	}
	heap := map[string][2]int64{}
	for round, n := range []int{4_000, 40_000} {
		b := newShelf(t)
		var all []bad
		for i := range n {
			all = append(all, bad{"bad-value", "due", ticket, []string{fmt.Sprint(i), strings.Repeat("title ", 20), "soon"}, []int{2}})
		}
		b.refuse("rows", "a.csv", all...)
		all = nil
		for _, format := range Formats {
			path := filepath.Join(b.dir, "big."+format)
			out := must(os.Create(path))
			peak := watchHeap(func() {
				if _, err := Export(t.Context(), b.s, out, format, state.Filter{}); err != nil {
					t.Fatal(err)
				}
			})
			b.must(out.Close())
			peak = max(peak, watchHeap(func() {
				got, err := Take(t.Context(), b.s, path, true, 10)
				if err != nil || got.Unchanged != int64(n) {
					t.Fatalf("%s: %+v, %v", format, got, err)
				}
			}))
			h := heap[format]
			h[round] = peak
			heap[format] = h
		}
	}
	for _, format := range slices.Sorted(maps.Keys(heap)) {
		h := heap[format]
		t.Logf("%s: %d KiB live at the most for 4,000 rows, %d KiB for 40,000", format, h[0]>>10, h[1]>>10)
		most := int64(8 << 20)
		if format == "xlsx" {
			most = 48 << 20 // the library writes a sheet to a file by pieces of 16 MiB
		}
		if h[1]-h[0] > most {
			t.Errorf("%s: 36,000 rows more took %d MiB more", format, (h[1]-h[0])>>20)
		}
	}
}

func watchHeap(do func()) int64 {
	defer debug.SetGCPercent(debug.SetGCPercent(30))
	live := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	runtime.GC()
	before := live()
	done := make(chan bool)
	peak := make(chan int64)
	go func() {
		most := int64(0)
		for tick := time.Tick(20 * time.Millisecond); ; {
			select {
			case <-tick:
				most = max(most, live())
			case <-done:
				peak <- most
				return
			}
		}
	}()
	do()
	close(done)
	return max(0, <-peak-before)
}
