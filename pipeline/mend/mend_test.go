package mend

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
		b.run, err = b.s.BeginRun(t.Context(), [32]byte{}, false, time.Now())
		b.must(err)
		b.must(b.s.Meet(t.Context(), b.run, 0, []state.Found{{Name: "rows", Path: "a.csv", Size: 1, Modified: time.Unix(1, 0)}}))
		for src, err := range b.s.Sources(t.Context(), b.run) {
			b.must(err)
			rec := state.Keep(ticket, []string{"007", "=1+1", "never"}, []int{2})
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
// What is in a cell stays text: nothing of a record is run by a spreadsheet,
// and cells that are wrong are marked, with the reason.
// The columns of a sheet must stand in order, or Excel offers to repair the book.
// Sources with other columns have a sheet each, and more rows than a sheet has
// room for go on in another. All of them come back.
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

// Columns that are not in the file that comes back stay as they are: those of
// the record, or of its fix.
func TestColumnsThatAreNotThere(t *testing.T) {
	b := newShelf(t)
	b.refuse("rows", "a.csv", tickets()[0])
	write := func(record string) string {
		path := filepath.Join(b.dir, "x.jsonl")
		var line state.QuarantineLine
		for l, err := range b.s.Lines(t.Context(), state.Filter{}) {
			b.must(err)
			line = l
		}
		b.must(os.WriteFile(path, fmt.Appendf(nil, `{"key":%q,"record":%s}`, line.Key, record), 0o600))
		return path
	}
	for _, step := range []struct{ record, want string }{
		{`{"due":"29.02.2024"}`, "007|=1+1|29.02.2024"},
		{`{"title":"one"}`, "007|one|29.02.2024"},
		{`{"due":"28.02.2024","number":7}`, "7|one|28.02.2024"},
		{`{"number":"007"}`, "007|one|28.02.2024"},
		{`{}`, "007|one|28.02.2024"},
		{`{"title":null,"due":true}`, "007||true"},
	} {
		_, err := b.take(write(step.record))
		b.must(err)
		if all := b.fixes(); !slices.Equal(all, []string{step.want}) {
			t.Errorf("%s makes %q, want %q", step.record, all, step.want)
		}
	}
}

// Columns whose names an export cannot tell apart: the record gets no key.
func TestColumnsThatCannotBeToldApart(t *testing.T) {
	for _, format := range Formats {
		b := newShelf(t)
		b.refuse("rows", "a.csv", bad{"bad-value", "x", []string{" a", "a", "b"}, []string{"1", "2", "3"}, nil})
		got, err := b.take(b.export(format, state.Filter{}))
		b.must(err)
		if got.Unkeyed != 1 || got.Rows != 1 {
			t.Errorf("%s: %+v, want a row without a key", format, got)
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
// Odd texts, many at a time.
// FuzzThereAndBack: whatever is in a record, what comes back untouched means
// nothing, in every format.
// However much is exported and taken back, little is held in memory.
// watchHeap gives how much more is alive at the most while do is at work, by
// looking now and then.
