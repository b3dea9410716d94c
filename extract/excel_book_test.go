package extract

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
)

func TestExcelHeader(t *testing.T) {
	number := func(num int, values ...int) string {
		var b strings.Builder
		fmt.Fprintf(&b, `<row r="%d">`, num)
		for i, v := range values {
			fmt.Fprintf(&b, `<c r="%s"><v>%d</v></c>`, cellName(i+1, num), v)
		}
		return b.String() + `</row>`
	}
	tests := []struct {
		name   string
		header int
		xml    string
		want   []string
		warn   string // part of the warning; "" is none
		err    string // part of the error; "" is none
	}{
		{name: "first row", xml: inlineRow(1, "id", " name ") + inlineRow(2, "1", "a"),
			want: []string{"S:2 | id=1 | name=a"}},
		{name: "titles above it", xml: inlineRow(1, "Tickets of 2024") + inlineRow(3, "id", "name", "team") + number(4, 1, 2, 3),
			want: []string{"S:4 | id=1 | name=2 | team=3"}, warn: "row 3 is taken"},
		{name: "a lone title over two columns", xml: inlineRow(1, "Tickets") + inlineRow(2, "id", "name") + inlineRow(3, "1", "a"),
			want: []string{"S:3 | id=1 | name=a"}, warn: "row 2 is taken"},
		{name: "one column", xml: inlineRow(1, "id") + inlineRow(2, "a"),
			want: []string{"S:2 | id=a"}},
		{name: "years name the columns", xml: number(1, 2023, 2024) + number(2, 5, 6),
			want: []string{"S:2 | 2023=5 | 2024=6"}},
		{name: "half text is enough", xml: inlineRow(1, "Region", "Q1") + number(2, 1, 2, 3, 4),
			want: []string{"bad book.xlsx!S:2:3 ragged-row"}},
		{name: "half text is better than full of numbers", xml: number(1, 1, 2, 3, 4) + inlineRow(2, "Region", "Q1", "", "") + number(3, 1, 2),
			want: []string{"S:3 | Region=1 | Q1=2"}, warn: "row 2 is taken"},
		{name: "chosen", header: 2, xml: inlineRow(1, "a", "b", "c") + inlineRow(2, "x", "y") + inlineRow(3, "1", "2"),
			want: []string{"S:3 | x=1 | y=2"}},
		{name: "chosen, but empty", header: 2, xml: inlineRow(1, "a") + inlineRow(3, "b"), err: "row 2 is to name the columns, but it is empty"},
		{name: "chosen below the end", header: 9, xml: inlineRow(1, "a"), err: "row 9 is to name the columns, but it is empty"},
		{name: "none", header: -1, xml: inlineRow(1, "a") + inlineRow(2, "b", "c"),
			want: []string{"S:1 | column1=a | column2=", "S:2 | column1=b | column2=c"}},
		{name: "none, and only a late row is wide", header: -1, xml: inlineRow(1, "a") + inlineRow(150_000, "b", "", "c"),
			want: []string{"S:1 | column1=a | column2= | column3=", "S:150000 | column1=b | column2= | column3=c"}},
		{name: "no such row", header: -2, xml: inlineRow(1, "a"), err: "is not a row"},
		{name: "gaps and repeats", xml: inlineRow(1, "a", "", "a", "b") + inlineRow(2, "1", "2", "3", "4"),
			want: []string{"S:2 | a=1 | column2=2 | a_2=3 | b=4"}},
		{name: "empty rows are no records", xml: inlineRow(1, "a", "b") + `<row r="2"/><row r="3"><c r="A3" s="1"/></row>` + inlineRow(4, " ") + inlineRow(5, "1"),
			want: []string{"S:5 | a=1 | b="}},
		{name: "right of the header", xml: inlineRow(1, "a", "b") + inlineRow(2, "1", "2", " ", "x") + inlineRow(3, "3", "4", " "),
			want: []string{"S:3 | a=3 | b=4", "bad book.xlsx!S:2:4 ragged-row"}},
		{name: "cells in any order, rows without numbers", xml: `<row><c t="inlineStr"><is><t>a</t></is></c><c t="inlineStr"><is><t>b</t></is></c></row><row><c r="B2"><v>2</v></c><c r="A2"><v>1</v></c></row>`,
			want: []string{"S:2 | a=1 | b=2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := readExcelBytes(t, rawBook(t, []rawSheet{{name: "S", xml: excelRows(tt.xml)}}, nil), Options{Excel: ExcelOptions{Header: tt.header}})
			wantErr(t, got.err, tt.err)
			if diff := cmp.Diff(tt.want, table(got)); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			wantText(t, "warnings", strings.Join(got.warn, "\n"), tt.warn)
		})
	}
}

// wantErr checks that err is a FileError that says want, or nil for "".
func wantErr(t *testing.T, err error, want string) {
	t.Helper()
	var fe *FileError
	if err != nil && !errors.As(err, &fe) {
		t.Errorf("error = %#v, want a FileError", err)
		return
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	wantText(t, "error", text, want)
}

// wantText checks that got has want in it, and is empty if want is.
func wantText(t *testing.T, what, got, want string) {
	t.Helper()
	if want == "" && got != "" || !strings.Contains(got, want) {
		t.Errorf("%s = %q, want %q in it", what, got, want)
	}
}

func TestExcelSheets(t *testing.T) {
	sheets := []rawSheet{
		{name: "Tickets", xml: excelRows(inlineRow(1, "id") + inlineRow(2, "t1"))},
		{name: "Empty", xml: excelRows("")},
		{name: "Teams 2024", xml: excelRows(inlineRow(1, "team") + inlineRow(2, "a"))},
		{name: "Secret", state: "hidden", xml: excelRows(inlineRow(1, "key") + inlineRow(2, "k"))},
		{name: "Deep", state: "veryHidden", xml: excelRows(inlineRow(1, "key") + inlineRow(2, "d"))},
		{name: "Teams 2025", xml: excelRows(inlineRow(1, "team") + inlineRow(2, "b"))},
	}
	tests := []struct {
		name string
		opt  ExcelOptions
		want []string
		warn string
		err  string
	}{
		{name: "all that are visible and have cells",
			want: []string{"Tickets:2 | id=t1", "Teams 2024:2 | team=a", "Teams 2025:2 | team=b"}},
		{name: "by name, in the book's order", opt: ExcelOptions{Sheets: []string{"Teams 2025", "tickets"}},
			want: []string{"Tickets:2 | id=t1", "Teams 2025:2 | team=b"}},
		{name: "by glob", opt: ExcelOptions{Sheets: []string{"Teams*"}},
			want: []string{"Teams 2024:2 | team=a", "Teams 2025:2 | team=b"}},
		{name: "hidden ones as well", opt: ExcelOptions{Hidden: true, Sheets: []string{"Secret", "Deep"}},
			want: []string{"Secret:2 | key=k", "Deep:2 | key=d"}},
		{name: "hidden by name", opt: ExcelOptions{Sheets: []string{"Secret"}}, err: `the sheet "Secret" is hidden; add hidden: true`},
		{name: "hidden by glob", opt: ExcelOptions{Sheets: []string{"*e*t*"}},
			want: []string{"Tickets:2 | id=t1"}, warn: `hidden sheets were passed over: "Secret"`},
		{name: "misspelt", opt: ExcelOptions{Sheets: []string{"Tickts"}}, err: `no sheet is called "Tickts"; did you mean "Tickets"?`},
		{name: "nothing like it", opt: ExcelOptions{Sheets: []string{"Orders"}}, err: `no sheet is called "Orders" The book has "Tickets", "Empty"`},
		{name: "no pattern", opt: ExcelOptions{Sheets: []string{"[x"}}, err: "is not a pattern"},
		{name: "only an empty one", opt: ExcelOptions{Sheets: []string{"Empty"}}, err: "has a cell in it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := readExcelBytes(t, rawBook(t, sheets, nil), Options{Excel: tt.opt})
			wantErr(t, got.err, tt.err)
			if diff := cmp.Diff(tt.want, table(got)); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			if tt.warn != "" {
				wantText(t, "warnings", strings.Join(got.warn, "\n"), tt.warn)
			}
		})
	}
	got := readExcelBytes(t, rawBook(t, sheets, nil), Options{})
	if len(got.recs) == 3 && (got.recs[0].Header == got.recs[1].Header || got.recs[1].Header == got.recs[2].Header) {
		t.Error("two sheets share a header")
	}
	if err := readExcelBytes(t, rawBook(t, sheets, nil), Options{Item: "sheet"}).err; err == nil || !strings.Contains(err.Error(), "use item: row") {
		t.Errorf("item sheet: error = %v, want one that says what to use", err)
	}
}

// TestExcelWritten reads a book that excelize has written: what is hidden,
// merged, or has no value.
func TestExcelWritten(t *testing.T) {
	book := writeBook(t, func(f *excelize.File) error {
		if _, err := f.NewSheet("Chart"); err != nil {
			return err
		}
		if err := f.AddChartSheet("Graph", &excelize.Chart{Type: excelize.Col, Series: []excelize.ChartSeries{{Name: "Sheet1!$A$1", Values: "Sheet1!$A$2:$A$3"}}}); err != nil {
			return err
		}
		return errors.Join(
			setRows(f, "Sheet1", []any{"team", "name", "secret", "sum"}, []any{"red", "ann", "s1", 1}, []any{nil, "bob", "s2", 2},
				[]any{"blue", "cy", "s3", 3}, []any{nil, "dan", "s4"}),
			f.MergeCell("Sheet1", "A2", "A3"), f.MergeCell("Sheet1", "A4", "A5"),
			f.SetColVisible("Sheet1", "C", false), f.SetRowVisible("Sheet1", 4, false),
			f.SetCellFormula("Sheet1", "D5", "SUM(D2:D4)"))
	})
	tests := []struct {
		name string
		opt  ExcelOptions
		want []string
		warn []string
	}{
		{"as it is", ExcelOptions{}, []string{
			"Sheet1:2 | team=red | name=ann | sum=1", "Sheet1:3 | team= | name=bob | sum=2", "Sheet1:5 | team= | name=dan | sum="},
			[]string{"hidden columns were passed over (1)", "formula in cell D5 has no value", "hidden rows were passed over (1"}},
		{"hidden", ExcelOptions{Hidden: true}, []string{
			"Sheet1:2 | team=red | name=ann | secret=s1 | sum=1", "Sheet1:3 | team= | name=bob | secret=s2 | sum=2",
			"Sheet1:4 | team=blue | name=cy | secret=s3 | sum=3", "Sheet1:5 | team= | name=dan | secret=s4 | sum="},
			[]string{"formula in cell D5"}},
		{"merged, from a hidden row too", ExcelOptions{Merged: true}, []string{
			"Sheet1:2 | team=red | name=ann | sum=1", "Sheet1:3 | team=red | name=bob | sum=2", "Sheet1:5 | team=blue | name=dan | sum="}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := readExcelBytes(t, book, Options{Excel: tt.opt})
			if got.err != nil {
				t.Fatal(got.err)
			}
			if diff := cmp.Diff(tt.want, table(got)); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			for _, w := range tt.warn {
				wantText(t, "warnings", strings.Join(got.warn, "\n"), w)
			}
			if tt.warn != nil && len(got.warn) != len(tt.warn) {
				t.Errorf("warnings = %q, want %d", got.warn, len(tt.warn))
			}
		})
	}
}

// TestExcelHiddenRightOfHeader has notes in a hidden column without a name.
func TestExcelHiddenRightOfHeader(t *testing.T) {
	xml := strings.Replace(excelRows(inlineRow(1, "a", "b")+inlineRow(2, "1", "2", "note")), "<sheetData>", `<cols><col min="3" max="16384" hidden="1"/></cols><sheetData>`, 1)
	book := rawBook(t, []rawSheet{{name: "S", xml: xml}}, nil)
	for hidden, want := range map[bool]string{false: "S:2 | a=1 | b=2", true: "bad book.xlsx!S:2:3 ragged-row"} {
		got := readExcelBytes(t, book, Options{Excel: ExcelOptions{Hidden: hidden}})
		if lines := table(got); got.err != nil || len(lines) != 1 || lines[0] != want {
			t.Errorf("hidden %v: got %q, error %v, want %q", hidden, lines, got.err, want)
		}
	}
}

func TestExcelMergedTypesAndHeader(t *testing.T) {
	book := writeBook(t, func(f *excelize.File) error {
		style, err := f.NewStyle(&excelize.Style{NumFmt: 14})
		return errors.Join(err,
			setRows(f, "Sheet1", []any{"All sales", nil, nil}, []any{"day", "sales", nil}, []any{45351, 1, 2}, []any{nil, 3, 4}, []any{nil, nil, nil}),
			f.MergeCell("Sheet1", "A1", "C1"), f.MergeCell("Sheet1", "B2", "C2"), f.MergeCell("Sheet1", "A3", "A999"),
			f.SetCellStyle("Sheet1", "A3", "A3", style))
	})
	got := readExcelBytes(t, book, Options{Excel: ExcelOptions{Merged: true}})
	want := []string{"Sheet1:3 | day=2024-02-29 | sales=1 | sales_2=2", "Sheet1:4 | day=2024-02-29 | sales=3 | sales_2=4"}
	if diff := cmp.Diff(want, table(got)); diff != "" || got.err != nil {
		t.Fatalf("error %v, records (-want +got):\n%s", got.err, diff)
	}
	if got.recs[1].Typed[0] != day(2024, 2, 29) {
		t.Errorf("a filled cell is typed %v, want a date", got.recs[1].Typed[0])
	}
}

// TestExcelDateSystems has both date systems written by excelize.
func TestExcelDateSystems(t *testing.T) {
	for _, date04 := range []bool{false, true} {
		book := writeBook(t, func(f *excelize.File) error {
			style, err := f.NewStyle(&excelize.Style{NumFmt: 22})
			return errors.Join(err, f.SetWorkbookProps(&excelize.WorkbookPropsOptions{Date1904: &date04}),
				setRows(f, "Sheet1", []any{"at"}, []any{40000.25}), f.SetCellStyle("Sheet1", "A2", "A2", style))
		})
		want := time.Date(2009, 7, 6, 6, 0, 0, 0, time.UTC)
		if date04 {
			want = time.Date(2013, 7, 7, 6, 0, 0, 0, time.UTC)
		}
		got := readExcelBytes(t, book, Options{})
		if got.err != nil || len(got.recs) != 1 || got.recs[0].Typed[0] != want {
			t.Errorf("1904 %v: got %+v, error %v, want %v", date04, got.recs, got.err, want)
		}
	}
}

func TestExcelEncrypted(t *testing.T) {
	// Excelize encrypts packages below 4 KiB in a way that nothing opens, so this one is larger.
	plain := rawBook(t, []rawSheet{{name: "S", xml: excelRows(inlineRow(1, "id") + inlineRow(2, "x"))}}, map[string]string{"docProps/app.xml": noise(8 << 10)})
	encrypt := func(password string) []byte {
		b, err := excelize.Encrypt(plain, &excelize.Options{Password: password})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	tests := []struct {
		name      string
		password  string
		passwords []string
		err       string
	}{
		{"no password", "s3cret", nil, "needs a password: excel: {passwords:"},
		{"wrong passwords", "s3cret", []string{"a", "b"}, "none of the 2 passwords"},
		{"the second", "s3cret", []string{"a", "s3cret"}, ""},
		{"protected against writing only", "VelvetSweatshop", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := readExcelBytes(t, encrypt(tt.password), Options{Excel: ExcelOptions{Passwords: tt.passwords}})
			wantErr(t, got.err, tt.err)
			var fe *FileError
			switch errors.As(got.err, &fe) {
			case true:
				if fe.Reason != ReasonEncrypted || strings.Contains(fe.Detail, tt.password) {
					t.Errorf("error = %v (%s), want %s and no password in it", fe, fe.Reason, ReasonEncrypted)
				}
			case false:
				if len(got.recs) != 1 {
					t.Errorf("%d records, want 1", len(got.recs))
				}
			}
		})
	}
}

// noise is text that does not compress.
func noise(n int) string {
	rnd := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return string(b)
}

// TestExcelDamaged has what is not a workbook, or not a whole one.
func TestExcelDamaged(t *testing.T) {
	good := excelRows(inlineRow(1, "id") + inlineRow(2, "x"))
	cutSheet := good[:strings.Index(good, "</sheetData>")]
	row3 := `<row r="3"><c r="A3"><v>1</v></c>`
	var many strings.Builder
	for i := range 2000 {
		many.WriteString(inlineRow(i+2, "x"))
	}
	one := func(xml string) []byte { return rawBook(t, []rawSheet{{name: "S", xml: xml}}, nil) }
	stored := one(good)
	badCRC := breakCRC(t, stored, "xl/worksheets/sheet1.xml")
	tests := []struct {
		name    string
		in      []byte
		limits  Limits
		reason  string
		detail  string
		short   bool
		records int
	}{
		{name: "empty", in: nil, reason: ReasonEmpty, detail: "empty"},
		{name: "no zip", in: []byte("id,name\n1,a\n"), reason: ReasonBroken, detail: "not a workbook"},
		{name: "cut zip", in: stored[:len(stored)/2], reason: ReasonShort, detail: "the file is cut short or not a workbook", short: true},
		{name: "zip of something else", in: bookOf(t, "a.txt", "x"), reason: ReasonBroken, detail: "it has no xl/workbook.xml"},
		{name: "Word", in: bookOf(t, "word/document.xml", "x"), reason: ReasonUnsupported, detail: "Word"},
		{name: "xlsb", in: bookOf(t, "xl/workbook.bin", "x"), reason: ReasonUnsupported, detail: "save it as .xlsx"},
		{name: "sheet cut before its end", in: one(cutSheet), reason: ReasonShort, detail: "ends before its end", short: true, records: 1},
		{name: "sheet cut behind its rows", in: one(cutSheet + "</sheetData>"), reason: ReasonShort, detail: "ends before its end", short: true, records: 1},
		{name: "sheet cut in a cell", in: one(cutSheet + `<row r="3"><c r="A3"><v>12`), reason: ReasonShort, detail: "ends before its end", short: true, records: 1},
		{name: "sheet cut in a tag", in: one(cutSheet + `<row r="3"><c r="A`), reason: ReasonShort, detail: "ends before its end", short: true, records: 1},
		{name: "empty sheet cut", in: one("<worksheet><sheetData/>"), reason: ReasonShort, detail: "ends before its end", short: true},
		{name: "two sheets unpack to too much", in: rawBook(t, []rawSheet{{name: "S", xml: excelRows(inlineRow(1, "id") + many.String())}, {name: "T", xml: excelRows(inlineRow(1, "id") + many.String())}}, nil),
			limits: Limits{Unzipped: 180 << 10}, reason: ReasonTooLarge, detail: "limits: {unzipped: ...}", short: true, records: -1},
		{name: "sheet empty", in: one(" "), reason: ReasonShort, detail: "ends before its end", short: true},
		{name: "wrong checksum", in: badCRC, reason: ReasonShort, detail: "checksum", short: true, records: 1},
		{name: "row without end", in: one(cutSheet + row3 + row3), reason: ReasonBroken, detail: "row 3 has no end", short: true, records: 1},
		{name: "cell without end", in: one(cutSheet + `<row r="3"><c r="A3"><v>1</v></row>`), reason: ReasonBroken, detail: "cell A3 has no end", short: true, records: 1},
		{name: "row number nonsense", in: one(cutSheet + `<row r="x">`), reason: ReasonBroken, detail: "after row 2", short: true, records: 1},
		{name: "row too far down", in: one(cutSheet + `<row r="1048577">`), reason: ReasonTooLarge, detail: "1048576 rows", short: true, records: 1},
		{name: "missing sheet", in: rawBook(t, []rawSheet{{name: "S", xml: good}}, map[string]string{"xl/worksheets/sheet1.xml": ""}), reason: ReasonBroken, detail: "missing"},
		{name: "cut shared strings", in: rawBook(t, []rawSheet{{name: "S", xml: good}}, map[string]string{"xl/sharedStrings.xml": "<sst><si><t>a</t></si>"}), reason: ReasonShort, detail: "xl/sharedstrings.xml", short: true},
		{name: "entities declared", in: one(`<!DOCTYPE x [<!ENTITY a "aaa">]>` + good), reason: ReasonBroken, detail: "document type"},
		{name: "broken workbook part", in: rawBook(t, []rawSheet{{name: "S", xml: good}}, map[string]string{"xl/workbook.xml": "<workbook><sheets"}), reason: ReasonBroken, detail: "damaged"},
		{name: "unpacks to too much", in: one(excelRows(inlineRow(1, "id") + many.String())), limits: Limits{Unzipped: 64 << 10}, reason: ReasonTooLarge, detail: "limits: {unzipped: ...}"},
		{name: "merged and cut", in: one(cutSheet), reason: ReasonShort, detail: "ends before", short: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := readExcelBytes(t, tt.in, Options{Limits: tt.limits, Excel: ExcelOptions{Merged: strings.HasPrefix(tt.name, "merged")}})
			var fe *FileError
			if !errors.As(got.err, &fe) || fe.Reason != tt.reason {
				t.Fatalf("error = %v, want a FileError of reason %s", got.err, tt.reason)
			}
			wantText(t, "error", fe.Error(), tt.detail)
			if errors.Is(got.err, ErrShort) != tt.short {
				t.Errorf("error is ErrShort: %v, want %v", !tt.short, tt.short)
			}
			if len(got.recs) != tt.records && tt.records >= 0 { // -1: how many depends on the size of reads
				t.Errorf("%d records before the error, want %d", len(got.recs), tt.records)
			}
		})
	}
}

func bookOf(t *testing.T, name, content string) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	w, err := zw.Create(name)
	if err == nil {
		_, err = io.WriteString(w, content)
	}
	if err = errors.Join(err, zw.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// breakCRC changes the checksum that the directory has of a part.
func breakCRC(t *testing.T, b []byte, part string) []byte {
	t.Helper()
	b = bytes.Clone(b)
	i := bytes.LastIndex(b, []byte(part)) - 46 // the directory's entry (APPNOTE 4.3.12)
	if i < 0 || !bytes.HasPrefix(b[i:], []byte("PK\x01\x02")) {
		t.Fatal("no such entry")
	}
	binary.LittleEndian.PutUint32(b[i+16:], ^binary.LittleEndian.Uint32(b[i+16:]))
	return b
}

// TestExcelBadRows has rows that are refused while the others go on.
func TestExcelBadRows(t *testing.T) {
	head, tail := inlineRow(1, "a", "b"), inlineRow(4, "x", "y")
	tests := []struct {
		name, row, reason, detail string
		limits                    Limits
	}{
		{"text that does not exist", `<row r="3"><c r="A3" t="s"><v>7</v></c></row>`, ReasonSyntax, "cell A3 points to text", Limits{}},
		{"cell of another row", `<row r="3"><c r="A9"><v>1</v></c></row>`, ReasonSyntax, `"A9"`, Limits{}},
		{"no reference", `<row r="3"><c r="??"><v>1</v></c></row>`, ReasonSyntax, `"??"`, Limits{}},
		{"beyond the last column", `<row r="3"><c r="ZZZZ3"><v>1</v></c></row>`, ReasonTooLarge, "ZZZZ", Limits{}},
		{"beyond the limit of columns", `<row r="3"><c r="C3"><v>1</v></c></row>`, ReasonTooLarge, "2 columns", Limits{Columns: 2}},
		{"too long", inlineRow(3, strings.Repeat("x", 200)), ReasonTooLarge, "100 bytes", Limits{Record: 100}},
		{"not UTF-8", inlineRow(3, "a\xffb"), ReasonEncoding, "UTF-8", Limits{}},
		{"more cells than columns", `<row r="3">` + strings.Repeat(`<c r="A3"><v>1</v></c>`, 3) + `</row>`, ReasonSyntax, "more cells", Limits{Columns: 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			book := rawBook(t, []rawSheet{{name: "S", xml: excelRows(head + tt.row + tail)}}, nil)
			got := readExcelBytes(t, book, Options{Limits: tt.limits})
			if got.err != nil || len(got.bad) != 1 || len(got.recs) != 1 || got.recs[0].Place.Line != 4 {
				t.Fatalf("records %v, error %v, want one bad row and the one after it", table(got), got.err)
			}
			bad := got.bad[0]
			if bad.Reason != tt.reason || bad.Place.Line != 3 || bad.Header != got.recs[0].Header {
				t.Errorf("got %v (%s), want row 3 and reason %s", bad, bad.Reason, tt.reason)
			}
			wantText(t, "detail", bad.Detail, tt.detail)
		})
	}
}

// TestExcelHostile has what must cost nothing.
func TestExcelHostile(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	var refs strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&refs, `<row r="%d"><c r="A%d" t="s"><v>0</v></c></row>`, i+2, i+2)
	}
	tests := []struct {
		name    string
		xml     string
		extra   map[string]string
		opt     Options
		err     string
		records int
	}{
		{name: "a million rows declared", xml: strings.Replace(excelRows(inlineRow(1, "a")+inlineRow(2, "x")), "<sheetData>", `<dimension ref="A1:XFD1048576"/><sheetData>`, 1), records: 1},
		{name: "a million empty rows", xml: excelRows(inlineRow(1, "a") + strings.Repeat("<row/>", 1_000_000) + "<row><c><v>1</v></c></row>"), records: 1},
		{name: "merged to the last cell", xml: strings.Replace(excelRows(inlineRow(1, "a", "b")+inlineRow(2, "x")+inlineRow(1048576, "", "y")), "</sheetData>",
			`</sheetData><mergeCells>`+strings.Repeat(`<mergeCell ref="A2:XFD1048576"/>`, 20_000)+`</mergeCells>`, 1), opt: Options{Excel: ExcelOptions{Merged: true}}, records: 2},
		{name: "one long text, named by many cells", xml: excelRows(inlineRow(1, "a") + refs.String()), extra: map[string]string{"xl/sharedStrings.xml": "<sst><si><t>" + long + "</t></si></sst>"},
			opt: Options{Limits: Limits{Unzipped: 64 << 20}}, err: "repeat more than 256 MiB of text", records: 256},
		{name: "a bomb of zeros", xml: excelRows(inlineRow(1, "a") + "<row>" + strings.Repeat(" ", 80<<20) + "</row>"), err: "as a zip bomb does"},
		{name: "one tag without end", xml: excelRows(inlineRow(1, "a") + "<row " + strings.Repeat("x", 3<<20)), err: "a tag of over"},
		{name: "one formula of 32 MiB", xml: excelRows(inlineRow(1, "a") + `<row r="2"><c r="A2"><f>` + strings.Repeat("1+", 16<<20) + `</f><v>1</v></c></row>`), records: 1},
		{name: "equal names in all columns", xml: excelRows(`<row>` + strings.Repeat(`<c t="inlineStr"><is><t>x</t></is></c>`, maxExcelColumns) + `</row><row><c><v>1</v></c></row>`), records: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := readExcelBytes(t, rawBook(t, []rawSheet{{name: "S", xml: tt.xml}}, tt.extra), tt.opt)
			wantErr(t, got.err, tt.err)
			if len(got.recs) != tt.records {
				t.Errorf("%d records, want %d", len(got.recs), tt.records)
			}
		})
	}
}

func TestExcelEncodingsOfParts(t *testing.T) {
	utf8XML := excelRows(inlineRow(1, "name") + inlineRow(2, "Zoë 東"))
	latin := strings.Replace(excelRows(inlineRow(1, "name")+inlineRow(2, "Zo\xeb")), `encoding="UTF-8"`, `encoding="windows-1252"`, 1)
	wide := []byte{0xff, 0xfe}
	for _, r := range utf8XML {
		wide = binary.LittleEndian.AppendUint16(wide, uint16(r))
	}
	tests := []struct{ name, xml, want string }{
		{"UTF-8 with a BOM", "\ufeff" + utf8XML, "Zoë 東"},
		{"UTF-16", string(wide), "Zoë 東"},
		{"windows-1252", latin, "Zoë"},
	}
	for _, tt := range tests {
		got := readExcelBytes(t, rawBook(t, []rawSheet{{name: "S", xml: tt.xml}}, nil), Options{})
		if got.err != nil || len(got.recs) != 1 || got.recs[0].Text[0] != tt.want {
			t.Errorf("%s: got %v, error %v, want %q", tt.name, table(got), got.err, tt.want)
		}
	}
}

func TestSniffExcel(t *testing.T) {
	book := rawBook(t, []rawSheet{{name: "S", xml: excelRows(inlineRow(1, "a"))}}, nil)
	tests := []struct {
		name string
		head []byte
		want bool
	}{
		{"workbook", book, true},
		{"Word with a workbook inside", bookOf(t, "word/document.xml", string(book)), false},
		{"another zip", bookOf(t, "readme.txt", "xl/workbook.xml"), false},
		{"text", []byte("id,name\n"), false},
		{"nothing", nil, false},
	}
	for _, tt := range tests {
		if got := sniffExcel(tt.head); got != tt.want {
			t.Errorf("%s: sniffExcel = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestSuiteExcel(t *testing.T) {
	big := func(n int) []byte {
		var b strings.Builder
		b.WriteString(inlineRow(1, "id", "name", "note"))
		for i := range n {
			b.WriteString(inlineRow(i+2, fmt.Sprint(i), "name of it", "a & b"[:1]))
		}
		return rawBook(t, []rawSheet{{name: "S", xml: excelRows(b.String())}}, nil)
	}
	runSuite(t, suiteCase{format: Excel, name: "book.xlsx", small: big(5), want: 5, big: big})
}
