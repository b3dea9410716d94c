package extract

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// biff makes a record of an old workbook.
func biff(kind int, data ...[]byte) []byte {
	b := slices.Concat(data...)
	return slices.Concat(le16(kind, len(b)), b)
}

// biffText is a text with its length in size bytes; ascii as bytes, else UTF-16.
func biffText(size int, s string) []byte {
	n := len(utf16le(s)) / 2
	head := []byte{byte(n)}
	if size == 2 {
		head = le16(n)
	}
	if ascii([]byte(s)) {
		return slices.Concat(head, []byte{0}, []byte(s))
	}
	return slices.Concat(head, []byte{1}, utf16le(s))
}

// An xlsSheet is a sheet of records between BOF and EOF.
type xlsSheet struct {
	name   string
	hidden byte
	cells  []byte
}

// xlsOf makes an old workbook (BIFF8); globals are records of its own, formats
// the number formats of its styles.
func xlsOf(t testing.TB, globals []byte, formats []int, sheets ...xlsSheet) []byte {
	t.Helper()
	bof := biff(xlsBOF, le16(0x0600, 5, 0, 0), make([]byte, 8))
	eof := biff(xlsEOF)
	head := slices.Concat(bof, globals)
	for _, id := range formats {
		head = append(head, biff(xlsXF, le16(0, id), make([]byte, 16))...)
	}
	size := len(head) + len(eof)
	for _, s := range sheets {
		size += len(biff(xlsBoundSheet, make([]byte, 6), biffText(1, s.name)))
	}
	var list, body []byte
	for _, s := range sheets {
		list = append(list, biff(xlsBoundSheet, le32(uint32(size+len(body))), []byte{s.hidden, 0}, biffText(1, s.name))...)
		body = append(body, slices.Concat(bof, s.cells, eof)...)
	}
	return cfbBytes(t, cfbNode{name: "Workbook", content: slices.Concat(head, list, eof, body)})
}

func biffLabel(row, col int, s string) []byte {
	return biff(xlsLabel, le16(row, col, 0), biffText(2, s))
}
func biffNumber(row, col, style int, v float64) []byte {
	return biff(xlsNumber, le16(row, col, style), le64(v))
}

func TestXLS(t *testing.T) {
	sst := biff(xlsSST, le32(3, 3), biffText(2, "shared"), biffText(2, "Grüße"), le16(4), []byte{0}, []byte("lo"))
	sst = append(sst, biff(xlsContinue, []byte{1}, utf16le("ñ€"))...)
	formats := []int{0, 14, 46, 164} // general, date, elapsed time, own
	globals := slices.Concat(biff(xlsFormat, le16(164), biffText(2, `0.00 "days"`)), sst)
	formula := func(row, col int, value []byte) []byte {
		return biff(xlsFormula, le16(row, col, 0), value, make([]byte, 8))
	}
	cells := slices.Concat(
		biffLabel(0, 0, "no"), biffLabel(0, 1, "what"),
		biffNumber(1, 0, 0, 7), biff(xlsLabelSST, le16(1, 1, 0), le32(1)),
		biff(xlsMulRK, le16(2, 0), le16(0), le32(100<<2|2), le16(3), le32(12345<<2|3), le16(1)),
		biffNumber(3, 0, 1, 45418.5), biff(xlsLabelSST, le16(3, 1, 0), le32(2)),
		biffNumber(4, 0, 2, 2.0625), biff(xlsBoolErr, le16(4, 1, 0), []byte{1, 0}),
		formula(5, 0, le64(2.5)), formula(5, 1, []byte{0, 0, 0, 0, 0, 0, 0xff, 0xff}), biff(xlsString, biffText(2, "of a formula")),
		biff(xlsBoolErr, le16(6, 0, 0), []byte{0x2a, 1}), biff(xlsRString, le16(6, 1, 0), biffText(2, "rich ü")),
		biff(xlsBOF, make([]byte, 8)), biffLabel(7, 0, "of a chart"), biff(xlsEOF),
	)
	const want = "# no | what\n!One:2 7 (int64) | Grüße\n!One:3 100 (int64) | 123.45 (float64)\n!One:4 2024-05-06T12:00:00 (time.Time) | loñ€\n!One:5 49:30:00 (time.Duration) | true (bool)\n" +
		"!One:6 2.5 (float64) | of a formula\n!One:7 #N/A (extract.CellError) | rich ü\n"
	got := readAll(t, t.Context(), bytesInput("a.xls", xlsOf(t, globals, formats, xlsSheet{"One", 0, cells})), Options{})
	if got.err != nil || len(got.bad) > 0 {
		t.Errorf("error %v, bad %v", got.err, got.bad)
	}
	same(t, "rows", rowLines(got.recs), want)

	hidden := slices.Concat(biffLabel(0, 0, "a"), biffLabel(0, 1, "b"), biff(xlsColInfo, le16(1, 1, 0, 0, 1), le16(0)), biff(xlsRow, le16(1, 0, 0, 0, 0, 0, 0x20, 0)),
		biffLabel(1, 0, "1"), biffLabel(2, 0, "2"), biffLabel(2, 1, "x"))
	book := xlsOf(t, nil, nil, xlsSheet{"Secret", 1, hidden}, xlsSheet{"Täb", 0, hidden})
	got = readAll(t, t.Context(), bytesInput("a.xls", book), Options{})
	same(t, "hidden left out", rowLines(got.recs), "# a\n!Täb:3 2\n")
	got = readAll(t, t.Context(), bytesInput("a.xls", book), Options{Excel: ExcelOptions{Hidden: true}})
	same(t, "hidden", rowLines(got.recs), "# a | b\n!Secret:2 1 | \n!Secret:3 2 | x\n# a | b\n!Täb:2 1 | \n!Täb:3 2 | x\n")

	mac := xlsOf(t, biff(xlsDateMode, le16(1)), []int{14}, xlsSheet{"One", 0, slices.Concat(biffLabel(0, 0, "when"), biffNumber(1, 0, 0, 43956))})
	got = readAll(t, t.Context(), bytesInput("a.xls", mac), Options{})
	same(t, "dates from 1904", rowLines(got.recs), "# when\n!One:2 2024-05-06 (time.Time)\n")

	merged := xlsOf(t, nil, nil, xlsSheet{"One", 0, slices.Concat(biffLabel(0, 0, "a"), biffLabel(0, 1, "b"), biffLabel(1, 0, "x"), biff(xlsMergedCells, le16(1, 1, 1, 0, 1)))})
	got = readAll(t, t.Context(), bytesInput("a.xls", merged), Options{Excel: ExcelOptions{Merged: true}})
	same(t, "merged", rowLines(got.recs), "# a | b\n!One:2 x | x\n")
}

// TestXLSOld reads a workbook of Excel 5, whose texts are bytes of a code page.
func TestXLSOld(t *testing.T) {
	bof := biff(xlsBOF, le16(0x0500, 5, 0, 0))
	old := func(s string) []byte { return slices.Concat(le16(len(s)), []byte(s)) }
	head := slices.Concat(bof, biff(xlsCodePage, le16(1251)))
	sheet := func(at int) []byte {
		return biff(xlsBoundSheet, le32(uint32(at)), []byte{0, 0, 4}, []byte("\xcb\xe8\xf1\xf2"))
	}
	at := len(head) + len(sheet(0)) + 4
	stream := slices.Concat(head, sheet(at), biff(xlsEOF), bof, biff(xlsLabel, le16(0, 0, 0), old("a")), biff(xlsLabel, le16(1, 0, 0), old("\xe4\xe0")), biff(xlsEOF))
	got := readAll(t, t.Context(), bytesInput("a.xls", cfbBytes(t, cfbNode{name: "Book", content: stream})), Options{})
	same(t, "rows", rowLines(got.recs), "# a\n!Лист:2 да\n")
}

func TestXLSRefused(t *testing.T) {
	refused(t, "a.xls", xlsOf(t, biff(xlsFilePass, le16(1)), nil), Options{}, ReasonEncrypted, "without a password")
	refused(t, "a.xls", cfbBytes(t, cfbNode{name: "Workbook", content: biff(0x0009, le16(2, 0x10))}), Options{}, ReasonUnsupported, "before 5.0")
	refused(t, "a.xls", cfbBytes(t, cfbNode{name: "Other", content: []byte("x")}), Options{}, ReasonBroken, "not a workbook")
	lost := xlsOf(t, nil, nil, xlsSheet{"One", 0, slices.Concat(biffLabel(0, 0, "a"), biff(xlsLabelSST, le16(1, 0, 0), le32(9)), biffLabel(2, 0, "x"))})
	got := readAll(t, t.Context(), bytesInput("a.xls", lost), Options{})
	if len(got.recs) != 1 || len(got.bad) != 1 || !strings.Contains(got.bad[0].Detail, "points to text 9") || got.err != nil {
		t.Errorf("%d records, bad %v, error %v, want the row with a lost text to be bad", len(got.recs), got.bad, got.err)
	}
	whole := xlsOf(t, nil, nil, xlsSheet{"One", 0, slices.Concat(biffLabel(0, 0, "a"), biffLabel(1, 0, "x"))})
	cut := bytes.Replace(whole, biffLabel(1, 0, "x"), biff(xlsLabel, make([]byte, 4000))[:len(biffLabel(1, 0, "x"))], 1)
	got = readAll(t, t.Context(), bytesInput("a.xls", cut), Options{})
	if got.err == nil {
		t.Error("a sheet without an end is told to be whole")
	}
}

func TestSuiteXLS(t *testing.T) {
	book := func(n int) []byte {
		cells := slices.Concat(biffLabel(0, 0, "no"), biffLabel(0, 1, "title"))
		for i := range n {
			cells = append(cells, slices.Concat(biffNumber(i+1, 0, 0, float64(i)), biffLabel(i+1, 1, strings.Repeat("x", 20)))...)
		}
		return xlsOf(t, nil, nil, xlsSheet{"One", 0, cells})
	}
	runSuite(t, suiteCase{format: XLS, name: "a.xls", small: book(3), want: 3, big: book, bigN: 1000, cuts: 60, flips: 100})
}

// xlsbRec makes a record of a binary workbook.
func xlsbRec(kind int, data ...[]byte) []byte {
	b := slices.Concat(data...)
	out := []byte{byte(kind)}
	if kind >= 0x80 {
		out = []byte{byte(kind) | 0x80, byte(kind >> 7)}
	}
	return slices.Concat(binary.AppendUvarint(out, uint64(len(b))), b)
}

func wide(s string) []byte { return slices.Concat(le32(uint32(len(utf16le(s))/2)), utf16le(s)) }

func xlsbRow(num int, cells ...[]byte) []byte {
	return slices.Concat(xlsbRec(xlsbRowHdr, le32(uint32(num)), make([]byte, 13)), slices.Concat(cells...))
}

func xlsbCell(kind, col, style int, value ...byte) []byte {
	return xlsbRec(kind, le32(uint32(col), uint32(style)), value)
}

// xlsbOf makes a binary workbook of one sheet of these rows.
func xlsbOf(t testing.TB, rows ...[]byte) []byte {
	t.Helper()
	sheet := slices.Concat(xlsbRec(129), xlsbRec(xlsbSheetData), slices.Concat(rows...), xlsbRec(xlsbEndSheetData), xlsbRec(xlsbMergeCell, le32(1, 1, 5, 6)), xlsbRec(xlsbEndSheet))
	return zipBytes(t,
		zipEntry{name: "_rels/.rels", content: relsXML([3]string{"r1", "officeDocument", "xl/workbook.bin"})},
		zipEntry{name: "xl/_rels/workbook.bin.rels", content: relsXML([3]string{"rId1", "worksheet", "worksheets/sheet1.bin"}, [3]string{"rId2", "sharedStrings", "sharedStrings.bin"}, [3]string{"rId3", "styles", "styles.bin"})},
		zipEntry{name: "xl/workbook.bin", content: string(slices.Concat(xlsbRec(131), xlsbRec(xlsbWbProp, le32(0, 0)), xlsbRec(xlsbBundleSh, le32(0, 1), wide("rId1"), wide("Täb")), xlsbRec(132)))},
		zipEntry{name: "xl/sharedStrings.bin", content: string(slices.Concat(xlsbRec(159), xlsbRec(xlsbSSTItem, []byte{0}, wide("Grüße")), xlsbRec(160)))},
		zipEntry{name: "xl/styles.bin", content: string(slices.Concat(xlsbRec(xlsbFmt, le16(164), wide("[h]:mm")), xlsbRec(xlsbCellXFs), xlsbRec(xlsbXF, le16(0, 0)), xlsbRec(xlsbXF, le16(0, 14)), xlsbRec(xlsbXF, le16(0, 164)), xlsbRec(xlsbEndCellXFs)))},
		zipEntry{name: "xl/worksheets/sheet1.bin", content: string(sheet)})
}

func TestXLSB(t *testing.T) {
	text := func(col int, s string) []byte { return xlsbCell(xlsbCellSt, col, 0, wide(s)...) }
	b := xlsbOf(t, xlsbRow(0, text(0, "no"), text(1, "what")),
		xlsbRow(1, xlsbCell(xlsbCellRk, 0, 0, le32(7<<2|2)...), xlsbCell(xlsbCellIsst, 1, 0, le32(0)...)),
		xlsbRow(2, xlsbCell(xlsbCellReal, 0, 1, le64(45418.5)...), xlsbCell(xlsbCellBool, 1, 0, 1)),
		xlsbRow(3, xlsbCell(xlsbCellReal, 0, 2, le64(2.0625)...), xlsbCell(xlsbCellError, 1, 0, 0x2a)),
		xlsbRow(9, xlsbCell(xlsbFmlaNum, 0, 0, le64(2.5)...), xlsbCell(xlsbFmlaString, 1, 0, wide("of a formula")...)))
	got := readAll(t, t.Context(), bytesInput("a.xlsb", b), Options{})
	if got.err != nil || len(got.bad) > 0 {
		t.Errorf("error %v, bad %v", got.err, got.bad)
	}
	same(t, "rows", rowLines(got.recs), "# no | what\n!Täb:2 7 (int64) | Grüße\n!Täb:3 2024-05-06T12:00:00 (time.Time) | true (bool)\n!Täb:4 49:30:00 (time.Duration) | #N/A (extract.CellError)\n"+
		"!Täb:10 2.5 (float64) | of a formula\n")
	if f, err := Detect(bytesInput("a.xlsx", b), Options{Format: "excel"}); f != XLSB || err != nil {
		t.Errorf("format excel is %v, %v", f, err)
	}
	refused(t, "a.xlsb", b[:len(b)-100], Options{}, ReasonShort, "cut short")
	back := xlsbOf(t, xlsbRow(0, text(0, "a")), xlsbRow(2, text(0, "1")), xlsbRow(1, text(0, "2")))
	if got := readAll(t, t.Context(), bytesInput("a.xlsb", back), Options{}); got.err == nil {
		t.Errorf("rows that go back: %d records and no error", len(got.recs))
	}
	lost := xlsbOf(t, xlsbRow(0, text(0, "a")), xlsbRow(1, xlsbCell(xlsbCellIsst, 0, 0, le32(9)...)))
	if got := readAll(t, t.Context(), bytesInput("a.xlsb", lost), Options{}); len(got.bad) != 1 || len(got.recs) != 0 {
		t.Errorf("a lost text: %d records, bad %v", len(got.recs), got.bad)
	}
}

func TestSuiteXLSB(t *testing.T) {
	book := func(n int) []byte {
		rows := [][]byte{xlsbRow(0, xlsbCell(xlsbCellSt, 0, 0, wide("no")...))}
		for i := range n {
			rows = append(rows, xlsbRow(i+1, xlsbCell(xlsbCellSt, 0, 0, wide(fmt.Sprint("row ", i))...)))
		}
		return xlsbOf(t, rows...)
	}
	runSuite(t, suiteCase{format: XLSB, name: "a.xlsb", small: book(3), want: 3, big: book, cuts: 60, flips: 100})
}
