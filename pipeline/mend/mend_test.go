package mend

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"errors"
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

// A shelf is a state with refused records, and what is exported of it.
type shelf struct {
	t   *testing.T
	dir string
	s   *state.Store
	run state.Run
}

func newShelf(t *testing.T) *shelf {
	b := &shelf{t: t, dir: t.TempDir()}
	var err error
	b.s, err = state.Open(t.Context(), b.dir, "conn", false)
	b.must(err)
	t.Cleanup(func() { b.s.Close() })
	return b
}

func (b *shelf) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// A bad is a record to be refused.
type bad struct {
	reason, property string
	columns, values  []string
	wrong            []int
}

// refuse refuses records of one file of a source.
func (b *shelf) refuse(source, path string, records ...bad) {
	b.t.Helper()
	ctx := b.t.Context()
	var err error
	b.run, err = b.s.BeginRun(ctx, [32]byte{}, false, time.Now())
	b.must(err)
	b.must(b.s.Meet(ctx, b.run, 0, []state.Found{{Name: source, Path: path, Size: 1, Modified: time.Unix(1, 0)}}))
	for src, err := range b.s.Sources(ctx, b.run) {
		b.must(err)
		if src.Path != path {
			continue
		}
		var refused []state.Refusal
		for i, r := range records {
			ref := state.Refusal{Source: src, Part: int64(i), Item: fmt.Sprint("item", i), Stage: "transform", Reason: r.reason, File: "dir/" + path, Line: i + 2, Property: r.property,
				Detail: "is wrong; correct it"}
			if r.columns != nil {
				sum := state.SumHeader(r.columns).Record(r.values, 0)
				rec := state.Keep(r.columns, r.values, r.wrong)
				ref.Sum, ref.Record = sum[:], rec.JSON()
			}
			refused = append(refused, ref)
			src.Read++
			src.Quarantined++
		}
		src.Ended, src.Whole = true, true
		b.must(b.s.Settle(ctx, 0, nil, nil, []*state.Source{src}, refused))
	}
	b.must(b.s.EndRun(ctx, b.run.ID, "done", nil, time.Now()))
}

// export writes the quarantine to a file and gives its name.
func (b *shelf) export(format string, f state.Filter) string {
	b.t.Helper()
	path := filepath.Join(b.dir, "fixes."+format)
	var buf bytes.Buffer
	_, err := Export(b.t.Context(), b.s, &buf, format, f)
	b.must(err)
	b.must(os.WriteFile(path, buf.Bytes(), 0o600))
	return path
}

func (b *shelf) take(path string) (Taken, error) {
	return Take(b.t.Context(), b.s, path, false, 100)
}

// fixes are the values of all fixes, "left out" where they leave a record out.
func (b *shelf) fixes() (all []string) {
	b.t.Helper()
	refs, err := b.s.FixesOf(b.t.Context(), "rows", "a.csv")
	b.must(err)
	for _, ref := range refs {
		if ref.LeaveOut {
			all = append(all, "left out")
			continue
		}
		rec, err := b.s.FixRecord(b.t.Context(), ref.ID)
		b.must(err)
		all = append(all, strings.Join(rec.Values, "|"))
	}
	slices.Sort(all)
	return all
}

var ticket = []string{"number", "title", "due"}

func tickets() []bad {
	return []bad{
		{"bad-value", "due", ticket, []string{"007", "=1+1", "31.02.2024"}, []int{2}},
		{"bad-value", "due", ticket, []string{"008", "-", "soon"}, []int{2}},
		{"ragged-row", "", ticket, []string{"009", "a", "b", "01.03.2024"}, []int{3}},
		{"missing-id", "id", ticket, []string{"", "two\nlines", "01.04.2024"}, []int{0}},
		{"broken-file", "", nil, nil, nil},
	}
}

// edit changes cells of an export, each format as its editors do. Cells are
// named by the row's number in the quarantine, from 0, and the column.
func edit(t *testing.T, path string, cells map[string]string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	switch filepath.Ext(path) {
	case ".xlsx":
		f, err := excelize.OpenFile(path)
		must(err)
		for at, v := range cells {
			row, column, _ := strings.Cut(at, " ")
			sheet := f.GetSheetName(0)
			head, err := f.GetRows(sheet)
			must(err)
			i := slices.Index(head[0], column)
			var n int
			fmt.Sscan(row, &n)
			cell, err := excelize.CoordinatesToCellName(i+1, n+2)
			must(err)
			must(f.SetCellStr(sheet, cell, v))
		}
		must(f.Save())
		must(f.Close())
	case ".csv":
		src, err := os.ReadFile(path)
		must(err)
		rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(src, []byte("\uFEFF")))).ReadAll()
		must(err)
		for at, v := range cells {
			row, column, _ := strings.Cut(at, " ")
			var n int
			fmt.Sscan(row, &n)
			rows[n+1][slices.Index(rows[0], column)] = v
		}
		var buf bytes.Buffer
		must(csv.NewWriter(&buf).WriteAll(rows))
		must(os.WriteFile(path, buf.Bytes(), 0o600))
	default:
		src, err := os.ReadFile(path)
		must(err)
		lines := strings.Split(strings.TrimSpace(string(src)), "\n")
		for at, v := range cells {
			row, column, _ := strings.Cut(at, " ")
			var n int
			fmt.Sscan(row, &n)
			from := fmt.Sprintf(`"%s":"`, strings.Trim(column, "[]"))
			if strings.HasPrefix(column, "[extra") {
				from = `"extra":["`
			}
			before, rest, ok := strings.Cut(lines[n], from)
			_, after, _ := strings.Cut(rest, `"`)
			if !ok {
				t.Fatalf("%s has no %s: %s", path, column, lines[n])
			}
			lines[n] = before + from + v + `"` + after
		}
		must(os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600))
	}
}

// Whatever the format, what comes back untouched means nothing, and what was
// changed becomes a fix with all other cells as the file has them.
func TestThereAndBack(t *testing.T) {
	for _, format := range Formats {
		t.Run(format, func(t *testing.T) {
			b := newShelf(t)
			b.refuse("rows", "a.csv", tickets()...)
			path := b.export(format, state.Filter{})
			got, err := b.take(path)
			b.must(err)
			if got.Rows != 5 || got.Unchanged != 4 || got.Unkeyed != 1 || got.Effect() || got.Rewritten != 0 {
				t.Errorf("untouched: %+v, want 4 unchanged rows and one without a key", got)
			}
			edit(t, path, map[string]string{"0 due": "29.02.2024", "1 [action]": "Skip ", "2 title": "a b", "2 due": "01.03.2024", "2 [extra 1]": "", "3 number": "010"})
			got, err = b.take(path)
			b.must(err)
			if got.Changed != 3 || got.LeftOut != 1 || got.Unchanged != 0 || len(got.Changes) != 6 {
				t.Errorf("edited: %+v, want 3 changed and 1 left out", got)
			}
			want := []string{"007|=1+1|29.02.2024", "009|a b|01.03.2024", "010|two\nlines|01.04.2024", "left out"}
			if all := b.fixes(); !slices.Equal(all, want) {
				t.Errorf("fixes = %q, want %q", all, want)
			}
			got, err = b.take(path) // once more
			b.must(err)
			if got.InForce != 4 || got.Changed+got.LeftOut != 0 || !got.Effect() {
				t.Errorf("taken twice: %+v, want 4 in force", got)
			}
			edit(t, path, map[string]string{"0 due": "28.02.2024", "1 [action]": "forget", "3 number": ""})
			got, err = b.take(path)
			b.must(err)
			if got.Changed != 1 || got.Forgotten != 1 || got.InForce != 1 || got.AsInFile != 1 {
				t.Errorf("edited again: %+v, want 1 changed, 1 forgotten, 1 in force, 1 as in its file", got)
			}
			want = []string{"007|=1+1|28.02.2024", "009|a b|01.03.2024", "010|two\nlines|01.04.2024"}
			if all := b.fixes(); !slices.Equal(all, want) {
				t.Errorf("fixes = %q, want %q", all, want)
			}
		})
	}
}

// What was refused although it was mended shows what the fix has made of it.
func TestAFixIsExported(t *testing.T) {
	for _, format := range Formats {
		b := newShelf(t)
		b.refuse("rows", "a.csv", tickets()[0])
		path := b.export(format, state.Filter{})
		edit(t, path, map[string]string{"0 due": "never"})
		_, err := b.take(path)
		b.must(err)
		ref := must(b.s.FixesOf(t.Context(), "rows", "a.csv"))[0]
		for src, err := range b.s.Sources(t.Context(), b.run) {
			b.must(err)
			rec := state.Keep(ticket, []string{"007", "=1+1", "never"}, []int{2})
			src.Pass++
			src.Counts = state.Counts{Read: 1, Quarantined: 1}
			src.Ended, src.Whole = true, true
			b.must(b.s.Settle(t.Context(), 0, nil, nil, []*state.Source{src}, []state.Refusal{{Source: src, Stage: "transform", Reason: "bad-value", File: "a.csv", Detail: "x", Sum: ref.Sum[:], Fix: 1, Record: rec.JSON()}}))
		}
		path = b.export(format, state.Filter{})
		got, err := b.take(path)
		b.must(err)
		if got.InForce != 1 {
			t.Errorf("%s: taken as it is: %+v, want it in force", format, got)
		}
		edit(t, path, map[string]string{"0 due": "29.02.2024", "0 title": "one"})
		_, err = b.take(path)
		b.must(err)
		if all := b.fixes(); !slices.Equal(all, []string{"007|one|29.02.2024"}) {
			t.Errorf("%s: fixes = %q", format, all)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// What cannot be taken is told by its row, all of it, and nothing is taken.
func TestRowsThatCannotBeTaken(t *testing.T) {
	tests := []struct {
		name  string
		cells map[string]string
		want  []string
	}{
		{"an action that is none", map[string]string{"0 [action]": "delete"}, []string{`fixes.csv:2: there is no action "delete"; it is fix, skip or forget, or empty`}},
		{"a key that was edited", map[string]string{"1 [key]": "7"}, []string{`fixes.csv:3: the key "7" is not one that was exported`}},
		{"values without a column", map[string]string{"2 title": "x"}, []string{`fixes.csv:4: the row still has 1 value beside its columns; put them where they belong and clear [extra 1]`}},
		{"a file", map[string]string{"4 [action]": "skip"}, []string{`the row has the action "skip" but no key`}},
		{"several", map[string]string{"0 [action]": "no", "1 [action]": "nope", "3 number": "1"}, []string{`2 rows cannot be taken, so nothing was:`, `"no"`, `"nope"`}},
	}
	for _, tt := range tests {
		b := newShelf(t)
		b.refuse("rows", "a.csv", tickets()...)
		path := b.export("csv", state.Filter{})
		edit(t, path, tt.cells)
		_, err := b.take(path)
		var wrong RowErrors
		if !errors.As(err, &wrong) {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", tt.name, err, want)
			}
		}
		if all := b.fixes(); len(all) > 0 {
			t.Errorf("%s: %q was taken all the same", tt.name, all)
		}
	}
}

// Two rows of one record must agree.
func TestRowsThatContradict(t *testing.T) {
	b := newShelf(t)
	b.refuse("rows", "a.csv", tickets()[:2]...)
	path := b.export("jsonl", state.Filter{})
	src := string(must(os.ReadFile(path)))
	first, _, _ := strings.Cut(src, "\n")
	write := func(lines ...string) { b.must(os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600)) }
	fix := func(to string) string { return strings.Replace(first, `"due":"31.02.2024"`, `"due":"`+to+`"`, 1) }

	write(fix("1"), first, fix("1")) // the same twice, and one untouched
	got, err := b.take(path)
	b.must(err)
	if got.Changed != 1 || got.Unchanged != 2 {
		t.Errorf("the same twice: %+v", got)
	}
	write(first, fix("2"), fix("3"))
	_, err = b.take(path)
	var wrong RowErrors
	if !errors.As(err, &wrong) || len(wrong) != 1 || !strings.Contains(wrong[0], "fixes.jsonl:3: says something else of the same record than "+path+":2") {
		t.Errorf("two that differ: %v", err)
	}
	if all := b.fixes(); !slices.Equal(all, []string{"007|=1+1|1"}) {
		t.Errorf("fixes = %q, want them as they were", all)
	}
}

// A file that is no export, or not one of this quarantine, is refused as such.
func TestFilesThatAreNoExport(t *testing.T) {
	b := newShelf(t)
	b.refuse("rows", "a.csv", tickets()...)
	other := newShelf(t)
	other.refuse("rows", "a.csv", bad{"bad-value", "due", ticket, []string{"1", "2", "3"}, nil})
	foreign := other.export("xlsx", state.Filter{})
	good := string(must(os.ReadFile(b.export("csv", state.Filter{}))))
	n := 0
	write := func(name, text string) string {
		n++
		path := filepath.Join(b.dir, fmt.Sprint(n, name))
		b.must(os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	tests := []struct{ path, want string }{
		{filepath.Join(b.dir, "none.xlsx"), "cannot be opened (no such file or directory)"},
		{foreign, "none of its records is in this quarantine"},
		{write("x.csv", strings.Replace(good, "[key]", "key", 1)), "has no column [key] in its first row"},
		{write("x.csv", "a title\n"+strings.TrimPrefix(good, "\uFEFF")), "x.csv:2: the row has 15 fields and the header 1"},
		{write("x.xlsx", good[:100]), "has no column [key]"},
		{write("x.csv", ""), "the file is empty"},
		{write("x.jsonl", `{"key":1}`), "x.jsonl:1: is no line of an export"},
		{write("x.jsonl", `{"record":{}}`), `it has no "key"`},
		{write("x.jsonl", `{"key":"","record":{"a":[1]}}`), `the value of "a" is neither a text`},
		{write("x.html", "<!DOCTYPE html><html><body><p>x</p></body></html>"), "is no table"},
		{write("x.xlsx", "PK\x03\x04 cut"), "get the file again"},
	}
	for _, tt := range tests {
		got, err := b.take(tt.path)
		var file *FileError
		if !errors.As(err, &file) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %+v, %v; want %q", filepath.Base(tt.path), got, err, tt.want)
		}
	}
}

// A workbook that people have worked with: rows sorted, columns moved and
// taken out, a filter set, a sheet of notes, cells that became dates and numbers.
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

// What is in a cell stays text: nothing of a record is run by a spreadsheet,
// and cells that are wrong are marked, with the reason.
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

// The columns of a sheet must stand in order, or Excel offers to repair the book.
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

// Sources with other columns have a sheet each, and more rows than a sheet has
// room for go on in another. All of them come back.
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

// A record that is too long to be kept can be left out, and not be mended.
func TestARecordThatIsCut(t *testing.T) {
	for _, format := range Formats {
		b := newShelf(t)
		b.refuse("rows", "a.csv", bad{"bad-value", "due", ticket, []string{"1", strings.Repeat("long ", 10_000), "soon"}, []int{2}})
		path := b.export(format, state.Filter{})
		got, err := b.take(path)
		b.must(err)
		if got.Unchanged != 1 {
			t.Errorf("%s, untouched: %+v", format, got)
		}
		edit(t, path, map[string]string{"0 due": "now"})
		if _, err = b.take(path); err == nil || !strings.Contains(err.Error(), "too long to have been kept whole") {
			t.Errorf("%s, edited: %v", format, err)
		}
		edit(t, path, map[string]string{"0 due": "soon", "0 [action]": "skip"})
		got, err = b.take(path)
		b.must(err)
		if got.LeftOut != 1 {
			t.Errorf("%s, left out: %+v", format, got)
		}
	}
}

// With dry nothing is written.
func TestDryRun(t *testing.T) {
	b := newShelf(t)
	b.refuse("rows", "a.csv", tickets()...)
	path := b.export("csv", state.Filter{})
	edit(t, path, map[string]string{"0 due": "29.02.2024"})
	got, err := Take(t.Context(), b.s, path, true, 10)
	b.must(err)
	if got.Changed != 1 || len(got.Changes) != 1 || got.Changes[0] != (Change{path + ":2", "due", "31.02.2024", "29.02.2024"}) {
		t.Errorf("%+v", got)
	}
	if all := b.fixes(); len(all) > 0 {
		t.Errorf("fixes = %q, want none", all)
	}
}

// A CSV file that Excel in Germany has opened and saved: semicolons, another
// encoding, numbers and dates rewritten.
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

// Odd texts, many at a time.
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

// FuzzThereAndBack: whatever is in a record, what comes back untouched means
// nothing, in every format.
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

// However much is exported and taken back, little is held in memory.
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

// watchHeap gives how much more is alive at the most while do is at work, by
// looking now and then.
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
