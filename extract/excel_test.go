package extract

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
)

// A rawSheet is a worksheet of hand-written XML.
type rawSheet struct {
	name, state, xml string
}

// rawBook writes a workbook whose parts are the test's own, byte by byte.
// extra adds parts or replaces them; an empty one is left out.
func rawBook(t testing.TB, sheets []rawSheet, extra map[string]string) []byte {
	t.Helper()
	const ns = `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"`
	const rel = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
	var list, rels strings.Builder
	parts := map[string]string{
		"[Content_Types].xml": `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>`,
		"_rels/.rels": `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="` +
			rel + `officeDocument" Target="xl/workbook.xml"/></Relationships>`,
	}
	for i, sh := range sheets {
		fmt.Fprintf(&list, `<sheet name="%s" sheetId="%d" state="%s" r:id="rId%d"/>`, sh.name, i+1, cmpOr(sh.state, "visible"), i+1)
		fmt.Fprintf(&rels, `<Relationship Id="rId%d" Type="%sworksheet" Target="worksheets/sheet%d.xml"/>`, i+1, rel, i+1)
		parts[fmt.Sprintf("xl/worksheets/sheet%d.xml", i+1)] = sh.xml
	}
	parts["xl/workbook.xml"] = `<workbook ` + ns + `><sheets>` + list.String() + `</sheets></workbook>`
	parts["xl/_rels/workbook.xml.rels"] = `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` + rels.String() +
		`<Relationship Id="s1" Type="` + rel + `sharedStrings" Target="sharedStrings.xml"/><Relationship Id="s2" Type="` + rel + `styles" Target="styles.xml"/></Relationships>`
	maps.Copy(parts, extra)
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		if parts[name] == "" {
			continue
		}
		w, err := zw.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(parts[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// rows wraps rows in the rest of a worksheet.
func excelRows(xml string) string {
	return `<?xml version="1.0" encoding="UTF-8" standalone="yes"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>` +
		xml + `</sheetData></worksheet>`
}

// inline makes a row of text cells; "" leaves the cell out.
func inlineRow(num int, cells ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<row r="%d">`, num)
	for i, s := range cells {
		if s != "" {
			fmt.Fprintf(&b, `<c r="%s" t="inlineStr"><is><t>%s</t></is></c>`, cellName(i+1, num), s)
		}
	}
	return b.String() + `</row>`
}

// readExcelBytes reads a workbook by the format's own reader.
func readExcelBytes(t testing.TB, b []byte, opt Options) reading {
	t.Helper()
	var r reading
	opt.Warn = func(p Place, s string) { r.warn = append(r.warn, p.String()+": "+s) }
	in := Input{Name: "book.xlsx", Size: int64(len(b)), ReaderAt: bytes.NewReader(b)}
	for rec, err := range Excel.Read(context.Background(), in, opt) {
		var bad *RecordError
		switch {
		case errors.As(err, &bad):
			r.bad = append(r.bad, bad)
		case err != nil:
			r.err = err
		default:
			r.recs = append(r.recs, rec)
		}
	}
	return r
}

// table prints records as Sheet:row | name=text, for comparing at a glance.
func table(r reading) []string {
	var lines []string
	for _, rec := range r.recs {
		var b strings.Builder
		fmt.Fprintf(&b, "%s:%d", rec.Place.Sheet, rec.Place.Line)
		for i, name := range rec.Header.Names() {
			fmt.Fprintf(&b, " | %s=%s", name, rec.Text[i])
		}
		lines = append(lines, b.String())
	}
	for _, bad := range r.bad {
		lines = append(lines, fmt.Sprintf("bad %s %s", bad.Place, bad.Reason))
	}
	return lines
}

func writeBook(t testing.TB, fill func(f *excelize.File) error) []byte {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	if err := fill(f); err != nil {
		t.Fatal(err)
	}
	buf, err := f.WriteToBuffer()
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func setRows(f *excelize.File, sheet string, rows ...[]any) error {
	for i, row := range rows {
		if err := f.SetSheetRow(sheet, fmt.Sprintf("A%d", i+1), &row); err != nil {
			return err
		}
	}
	return nil
}

// styles makes a part whose style i has the i-th number format: an id or a code.
func styles(formats ...any) string {
	var codes, xfs strings.Builder
	for i, f := range formats {
		id := 200 + i
		switch f := f.(type) {
		case int:
			id = f
		case string:
			fmt.Fprintf(&codes, `<numFmt numFmtId="%d" formatCode="%s"/>`, id, strings.ReplaceAll(f, `"`, "&quot;"))
		}
		fmt.Fprintf(&xfs, `<xf numFmtId="%d"/>`, id)
	}
	return `<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts>` + codes.String() + `</numFmts><cellXfs>` + xfs.String() + `</cellXfs></styleSheet>`
}

func day(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }

// TestExcelCells is the table of what a cell of the file's XML becomes.
func TestExcelCells(t *testing.T) {
	formats := styles("General", 14, 22, 20, 46, `yyyy\-mm\-dd hh:mm:ss.000`, "00000", `0.00 "days"`, "[h]:mm:ss", 9)
	const (
		general, date, dateTime, clock, elapsed46, millis, zeros, quoted, elapsed, percent = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
	)
	tests := []struct {
		name  string
		style int
		cell  string // after <c r="B2" s="style"
		text  string
		typed any
	}{
		{"integer", general, `><v>1042</v>`, "1042", int64(1042)},
		{"negative", general, `><v>-7</v>`, "-7", int64(-7)},
		{"type n said", general, ` t="n"><v>5</v>`, "5", int64(5)},
		{"integral float", general, `><v>5.0</v>`, "5", int64(5)},
		{"exponent of an integer", general, `><v>1.5E3</v>`, "1500", int64(1500)},
		{"minus zero", general, `><v>-0</v>`, "0", int64(0)},
		{"fraction", general, `><v>3.25</v>`, "3.25", 3.25},
		{"17 digits of Excel", general, `><v>1.1000000000000001</v>`, "1.1", 1.1},
		{"a sum", general, `><v>0.30000000000000004</v>`, "0.30000000000000004", 0.30000000000000004},
		{"small", general, `><v>1.2345E-9</v>`, "1.2345e-09", 1.2345e-9},
		{"large", general, `><v>1E+20</v>`, "100000000000000000000", 1e20},
		{"very large", general, `><v>6.02E+23</v>`, "6.02e+23", 6.02e23},
		{"the last exact integer", general, `><v>9007199254740991</v>`, "9007199254740991", int64(1<<53 - 1)},
		{"beyond it: digits as stored", general, `><v>12345678901234567890</v>`, "12345678901234567890", 12345678901234567890.0},
		{"spaces round it", general, `><v> 12 </v>`, "12", int64(12)},
		{"no number", general, `><v>abc &amp; d</v>`, "abc & d", nil},
		{"infinite", general, `><v>1e999</v>`, "1e999", nil},
		{"hexadecimal", general, `><v>0x1p4</v>`, "0x1p4", nil},
		{"leading zeros of a format", zeros, `><v>7</v>`, "7", int64(7)},
		{"percent", percent, `><v>0.25</v>`, "0.25", 0.25},
		{"letters in quotes are no date", quoted, `><v>45000</v>`, "45000", int64(45000)},
		{"style out of range", 99, `><v>45000</v>`, "45000", int64(45000)},

		{"date", date, `><v>45351</v>`, "2024-02-29", day(2024, 2, 29)},
		{"date and time", dateTime, `><v>45351.770833333336</v>`, "2024-02-29T18:30:00", day(2024, 2, 29).Add(18*time.Hour + 30*time.Minute)},
		{"to the millisecond", millis, `><v>45351.00000289352</v>`, "2024-02-29T00:00:00.250", day(2024, 2, 29).Add(250 * time.Millisecond)},
		{"rounds into the next day", dateTime, `><v>45351.999999999</v>`, "2024-03-01", day(2024, 3, 1)},
		{"date before its time", date, `><v>-1</v>`, "-1", int64(-1)},
		{"date after 9999", date, `><v>2958466</v>`, "2958466", int64(2958466)},
		{"last day", date, `><v>2958465</v>`, "9999-12-31", day(9999, 12, 31)},
		{"time of day", clock, `><v>0.75</v>`, "18:00:00", 18 * time.Hour},
		{"time with a day", clock, `><v>45351.75</v>`, "2024-02-29T18:00:00", day(2024, 2, 29).Add(18 * time.Hour)},
		{"elapsed", elapsed, `><v>2.0625</v>`, "49:30:00", 49*time.Hour + 30*time.Minute},
		{"elapsed, built in", elapsed46, `><v>0.5</v>`, "12:00:00", 12 * time.Hour},
		{"elapsed backwards", elapsed, `><v>-0.0625</v>`, "-01:30:00", -90 * time.Minute},
		{"elapsed beyond a duration", elapsed, `><v>1E9</v>`, "1000000000", int64(1e9)},
		{"ISO date", general, ` t="d"><v>2024-02-29</v>`, "2024-02-29", day(2024, 2, 29)},
		{"ISO date and time", general, ` t="d"><v>2024-02-29T18:30:00.5Z</v>`, "2024-02-29T18:30:00.500", day(2024, 2, 29).Add(18*time.Hour + 30*time.Minute + 500*time.Millisecond)},
		{"ISO with an offset keeps the wall clock", general, ` t="d"><v>2024-02-29T18:30:00+02:00</v>`, "2024-02-29T18:30:00", day(2024, 2, 29).Add(18*time.Hour + 30*time.Minute)},
		{"ISO time", general, ` t="d"><v>18:30:00</v>`, "18:30:00", 18*time.Hour + 30*time.Minute},
		{"no ISO date", general, ` t="d"><v>soon</v>`, "soon", nil},

		{"true", general, ` t="b"><v>1</v>`, "true", true},
		{"false", general, ` t="b"><v>0</v>`, "false", false},
		{"true in words", general, ` t="b"><v>true</v>`, "true", true},
		{"error", general, ` t="e"><v>#N/A</v>`, "#N/A", CellError("#N/A")},
		{"error of a formula", general, ` t="e"><f>1/0</f><v>#DIV/0!</v>`, "#DIV/0!", CellError("#DIV/0!")},

		{"shared", general, ` t="s"><v>0</v>`, "plain", nil},
		{"rich text", general, ` t="s"><v>1</v>`, "rich text", nil},
		{"phonetic runs are no text", general, ` t="s"><v>2</v>`, "東京", nil},
		{"escapes", general, ` t="s"><v>3</v>`, "a\rb_x0041_😀_xZZZZ_", nil},
		{"spaces are kept", general, ` t="s"><v>4</v>`, "  two  ", nil},
		{"references", general, ` t="s"><v>5</v>`, `<a & "b" 'c'> é é &lol; A`, nil},
		{"line ends", general, ` t="s"><v>6</v>`, "one\ntwo\nthree", nil},
		{"CDATA and a comment", general, ` t="s"><v>7</v>`, "x<y>&amp;z", nil},
		{"empty shared", general, ` t="s"><v>8</v>`, "", nil},
		{"the text of 007", general, ` t="s"><v>9</v>`, "007", nil},
		{"inline", general, ` t="inlineStr"><is><t>in line</t></is>`, "in line", nil},
		{"inline rich", general, ` t="inlineStr"><is><r><rPr><b/></rPr><t>in </t></r><r><t>line</t></r><rPh sb="0" eb="1"><t>no</t></rPh></is>`, "in line", nil},
		{"inline without its type", general, `><is><t>5</t></is>`, "5", nil},
		{"text of a formula", general, ` t="str"><f>A1&amp;"x"</f><v>a &lt; b</v>`, "a < b", nil},
		{"number of a formula", general, `><f>1+1</f><v>2</v>`, "2", int64(2)},
		{"date of a formula", date, `><f>TODAY()</f><v>45351</v>`, "2024-02-29", day(2024, 2, 29)},
		{"extension inside", general, `><v>1</v><extLst><ext uri="x"/></extLst>`, "1", int64(1)},
	}
	sst := `<?xml version="1.0"?><sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" count="99" uniqueCount="4000000000">` +
		`<si><t>plain</t></si>` +
		`<si><r><rPr><b/></rPr><t xml:space="preserve">rich </t></r><r><t>text</t></r></si>` +
		`<si><t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh><phoneticPr fontId="1"/></si>` +
		`<si><t>a_x000D_b_x005F_x0041__xD83D__xDE00__xZZZZ_</t></si>` +
		`<si><t xml:space="preserve">  two  </t></si>` +
		`<si><t>&lt;a &amp; &quot;b&quot; &apos;c&apos;&gt; &#233; &#xE9; &lol; &#65;</t></si>` +
		"<si><t>one\r\ntwo\rthree</t></si>" +
		`<si><t>x<![CDATA[<y>&amp;]]><!-- no -->z</t></si>` +
		`<si/>` +
		`<si><t>007</t></si></sst>`
	for _, prefix := range []string{"", "x:"} {
		for _, tt := range tests {
			t.Run(prefix+tt.name, func(t *testing.T) {
				cell := tt.cell
				xml := excelRows(inlineRow(1, "key", "value") + fmt.Sprintf(`<row r="2"><c r="A2" t="inlineStr"><is><t>k</t></is></c><c r="B2" s="%d"%s</c></row>`, tt.style, cell))
				if prefix != "" {
					xml = prefixed(xml)
				}
				book := rawBook(t, []rawSheet{{name: "S", xml: xml}}, map[string]string{"xl/sharedStrings.xml": sst, "xl/styles.xml": formats})
				got := readExcelBytes(t, book, Options{})
				if got.err != nil || len(got.bad) > 0 || len(got.recs) != 1 {
					t.Fatalf("got %d records, record errors %v, error %v; want one record", len(got.recs), got.bad, got.err)
				}
				rec := got.recs[0]
				if rec.Text[1] != tt.text {
					t.Errorf("Text = %q, want %q", rec.Text[1], tt.text)
				}
				if diff := cmp.Diff(tt.typed, rec.Typed[1]); diff != "" {
					t.Errorf("Typed (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// prefixed gives the tags of a sheet a namespace prefix, as some writers do.
func prefixed(xml string) string {
	r := strings.NewReplacer("</", "</x:", "<?", "<?", "<!", "<!", "<", "<x:")
	return strings.Replace(r.Replace(xml), "xmlns=", "xmlns:x=", 1)
}
