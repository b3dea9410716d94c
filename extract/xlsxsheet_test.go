package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/xuri/excelize/v2"
)

// scanSheet reads the XML of a sheet as rows of "A1=text", and how it ends.
func scanSheet(r io.Reader) (cells []string, err error) {
	book := &workbook{
		zip:     &bookZip{ctx: context.Background(), limit: defaultUnzippedLimit},
		formats: []numFormat{formatNumber, formatDate, formatClock, formatElapsed},
		strings: &sharedStrings{data: []byte("onetwo"), ends: []uint32{3, 6}},
	}
	sc := &sheetScanner{s: newTagScanner(r), book: book, record: 1 << 16, columns: maxExcelColumns}
	ok, err := sc.start()
	for ok && err == nil {
		var row *sheetRow
		if row, err = sc.next(); row == nil {
			break
		}
		if row.bad != "" {
			cells = append(cells, fmt.Sprintf("row %d: %s", row.num, row.bad))
		}
		for i := range row.cells {
			c := &row.cells[i]
			text := string(row.text(c))
			cells = append(cells, fmt.Sprintf("%s=%q %#v", cellName(int(c.col), row.num), text, c.value(text)))
		}
	}
	return cells, err
}

// FuzzSheet holds the scanner to three things for whatever bytes: it ends
// without a panic, it sees the same in any chunks, and it does not call a
// sheet whole when bytes are cut from the end of its rows.
func FuzzSheet(f *testing.F) {
	for _, xml := range []string{
		excelRows(inlineRow(1, "a", "b") + inlineRow(2, "x &amp; y", "")),
		excelRows(`<row r="1"><c r="A1" s="1"><v>45000.5</v></c><c r="B1" t="s"><v>1</v></c><c t="b"><v>1</v></c></row>`),
		excelRows(`<row r="1" hidden="1"><c r="A1" s='3'><f>1+1</f><v>2</v></c><c r="C1" t="e"><v>#N/A</v></c></row><row/>`),
		excelRows(`<row><c t="inlineStr"><is><r><t>x</t></r><rPh><t>y</t></rPh></is></c><c t="str"><v><![CDATA[a]]>&#65;_x0041_</v></c></row>`),
		`<x:worksheet><x:cols><x:col min="2" max="3" hidden="1"/></x:cols><x:sheetData><x:row r="3"><x:c r="B3"><x:v>1</x:v></x:c></x:row></x:sheetData><x:mergeCells><x:mergeCell ref="A1:B2"/></x:mergeCells></x:worksheet>`,
		`<worksheet><!-- > --><sheetData/></worksheet>`, `<worksheet a=">"><sheetData><row r="1"><c r="A1"><v>1</v></c>`,
		"<", "<!", "<!--", "<?", "</", "<a", "<![CDATA[",
	} {
		f.Add([]byte(xml))
	}
	f.Fuzz(func(t *testing.T, xml []byte) {
		cells, err := scanSheet(bytes.NewReader(xml))
		again, errAgain := scanSheet(iotest.OneByteReader(bytes.NewReader(xml)))
		if strings.Join(cells, "\n") != strings.Join(again, "\n") || (err == nil) != (errAgain == nil) {
			t.Fatalf("in one piece %q, %v; byte by byte %q, %v", cells, err, again, errAgain)
		}
		if end := bytes.LastIndex(xml, []byte("</sheetData>")); err == nil && end > 0 && bytes.Count(xml, []byte("sheetData")) == 2 && !bytes.Contains(xml, []byte("<!")) && !bytes.Contains(xml, []byte("<?")) {
			if _, err := scanSheet(bytes.NewReader(xml[:end])); err == nil {
				t.Fatalf("cut before </sheetData>: no error in %q", xml)
			}
		}
	})
}

func FuzzSharedStrings(f *testing.F) {
	f.Add([]byte(`<sst><si><t>a</t></si><si><r><t>b</t></r><rPh><t>c</t></rPh></si><si/></sst>`))
	f.Add([]byte("<sst><si><t>_x005F_x0041_ &#x41;\r\n</t>"))
	f.Fuzz(func(t *testing.T, xml []byte) {
		one, err := readSharedStrings(bytes.NewReader(xml), 1000, spillAt)
		two, err2 := readSharedStrings(iotest.OneByteReader(bytes.NewReader(xml)), 1000, 10)
		if (err == nil) != (err2 == nil) {
			t.Fatalf("in one piece %v; byte by byte %v", err, err2)
		}
		if err != nil {
			return
		}
		defer two.close() // this one has spilled at 10 bytes
		if one.len() != two.len() || one.len() > len(xml) {
			t.Fatalf("%d texts, byte by byte %d, of %d bytes", one.len(), two.len(), len(xml))
		}
		for i := range one.len() {
			a, ok1 := one.appendText(nil, i)
			b, ok2 := two.appendText(nil, i)
			if !ok1 || !ok2 || !bytes.Equal(a, b) {
				t.Fatalf("text %d is %q, byte by byte %q", i, a, b)
			}
		}
		if _, ok := one.appendText(nil, one.len()); ok {
			t.Fatal("a text beyond the last")
		}
	})
}

// TestSharedStringsSpill reads texts back from the temporary file, in order
// and out of it, short and longer than a block.
func TestSharedStringsSpill(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	text := func(i int) string {
		return fmt.Sprintf("text %d %s", i, strings.Repeat("x", i%7*i%3000+i/4999*3*spillBlock))
	}
	var xml strings.Builder
	xml.WriteString("<sst>")
	const n = 5000
	for i := range n {
		fmt.Fprintf(&xml, "<si><t>%s</t></si>", text(i))
	}
	xml.WriteString("</sst>")
	table, err := readSharedStrings(strings.NewReader(xml.String()), 1<<20, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	if table.file == nil || table.len() != n || len(table.data) > 0 {
		t.Fatalf("spilled: %v, %d texts, %d bytes in memory", table.file != nil, table.len(), len(table.data))
	}
	for i := range n {
		for _, j := range []int{i, i * 7919 % n} {
			if got, ok := table.appendText(nil, j); !ok || string(got) != text(j) {
				t.Fatalf("text %d is %.40q (%d bytes), want %.40q (%d bytes)", j, got, len(got), text(j), len(text(j)))
			}
		}
	}
	if _, ok := table.appendText(nil, n); ok {
		t.Error("a text beyond the last")
	}
	table.close()
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left in the folder for temporary files: %v, %v", left, err)
	}
	t.Setenv("TMPDIR", "/nonexistent/folder")
	_, err = readSharedStrings(strings.NewReader(xml.String()), 1<<20, 100_000)
	if fe, ok := errors.AsType[*FileError](err); !ok || !strings.Contains(fe.Detail, "TMPDIR") {
		t.Errorf("no folder for temporary files: error = %v, want one that names TMPDIR", err)
	}
}

// FuzzNumber checks that a number's spelling is the number.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "-0", "1.1000000000000001", "1E+20", "5e-324", "9007199254740993", "00012", "1.", ".5", "+3", "1e5", "--1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsAny(s, "<&\r") {
			return
		}
		cells, err := scanSheet(strings.NewReader(excelRows(`<row r="1"><c r="A1"><v>` + s + `</v></c></row>`)))
		if err != nil || len(cells) > 1 {
			t.Fatalf("%q: %q, %v", s, cells, err)
		}
		want, ok := parseNumber(bytes.TrimSpace([]byte(s)))
		if !ok || len(cells) == 0 {
			return
		}
		text, _, _ := strings.Cut(strings.TrimPrefix(cells[0], `A1="`), `"`)
		if got, err := strconv.ParseFloat(text, 64); err != nil || got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("%q is spelt %q: %v, %v, want %v", s, text, got, err, want)
		}
	})
}

// TestTagsAcrossChunks reads a sheet whose tags and texts are torn apart at
// every place, by readers that give little.
func TestTagsAcrossChunks(t *testing.T) {
	xml := excelRows(`<row r="1"><c r="A1" t="inlineStr"><is><t>a &amp;&#65; b</t></is></c><c r="B1" t="str"><f a=">">"&lt;"</f><v>x` + "\r\n" + `y</v></c></row>`)
	want, err := scanSheet(strings.NewReader(xml))
	if err != nil || len(want) != 2 {
		t.Fatalf("got %q, %v", want, err)
	}
	for name, r := range map[string]io.Reader{
		"one byte":         iotest.OneByteReader(strings.NewReader(xml)),
		"half":             iotest.HalfReader(strings.NewReader(xml)),
		"data with error":  iotest.DataErrReader(strings.NewReader(xml)),
		"empty reads also": &hesitant{r: strings.NewReader(xml)},
	} {
		if got, err := scanSheet(r); err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
		}
	}
	for cut := range len(xml) {
		if _, err := scanSheet(strings.NewReader(xml[:cut])); !errors.Is(err, io.ErrUnexpectedEOF) && cut < len(xml)-1 {
			t.Errorf("cut at %d: error = %v, want %v", cut, err, io.ErrUnexpectedEOF)
		}
	}
	disk := errors.New("disk")
	if _, err := scanSheet(io.MultiReader(strings.NewReader(xml[:len(xml)/2]), iotest.ErrReader(disk))); !errors.Is(err, disk) {
		t.Errorf("failing disk: error = %v, want %v", err, disk)
	}
}

// hesitant gives nothing at every second read.
type hesitant struct {
	r  io.Reader
	no bool
}

func (h *hesitant) Read(b []byte) (int, error) {
	if h.no = !h.no; h.no {
		return 0, nil
	}
	return h.r.Read(b[:min(len(b), 7)])
}

// TestExcelAgainstExcelize compares every cell of books of all kinds with
// what excelize reads from them.
func TestExcelAgainstExcelize(t *testing.T) {
	for name, book := range map[string][]byte{
		"stream": streamBook(t, 500),
		"shared": sharedBook(t, 500),
		"types": writeBook(t, func(f *excelize.File) error {
			return errors.Join(
				setRows(f, "Sheet1", []any{"text", 1, -2.5, true, nil, time.Date(2024, 2, 29, 18, 30, 0, 0, time.UTC), 90 * time.Minute, 1e-9, math.MaxInt64},
					[]any{" spaces ", "line\nbreak", "_x000D_", "<&>", "日本", 0.1 + 0.2, 1e20, math.Pi}),
				f.SetCellRichText("Sheet1", "A3", []excelize.RichTextRun{{Text: "bold "}, {Text: "and not"}}),
				f.SetCellFormula("Sheet1", "B3", "A1"), f.SetCellBool("Sheet1", "C3", false), f.SetCellStr("Sheet1", "XFD300", "end"))
		}),
	} {
		diffs, n := compareWithExcelize(t, book)
		if n == 0 || len(diffs) > 0 {
			t.Errorf("%s: %d cells compared, differences: %q", name, n, diffs)
		}
	}
}

// streamBook is written by excelize's own stream writer: inline strings.
func streamBook(t testing.TB, n int) []byte {
	return writeBook(t, func(f *excelize.File) error {
		style, err := f.NewStyle(&excelize.Style{NumFmt: 14})
		if err != nil {
			return err
		}
		w, err := f.NewStreamWriter("Sheet1")
		if err != nil {
			return err
		}
		if err := w.SetRow("A1", []any{"id", "title", "owner", "key", "category", "price", "weight", "share", "opened", "active"}); err != nil {
			return err
		}
		for i := range n {
			err := w.SetRow("A"+strconv.Itoa(i+2), []any{i, fmt.Sprintf("Ticket number %d", i), fmt.Sprintf("user%d@contoso.com", i*7), fmt.Sprintf("K-%08x", i*2654435761),
				[]string{"hardware", "software", "network"}[i%3], float64(i) / 7, float64(i) * 1.25, 0.5 / float64(i+1), excelize.Cell{StyleID: style, Value: 45000 + i%700}, i%2 == 0})
			if err != nil {
				return err
			}
		}
		return w.Flush()
	})
}

// sharedBook is written the way Excel writes: all texts in the shared table.
func sharedBook(t testing.TB, n int) []byte {
	var sheet, sst strings.Builder
	texts := 0
	text := func(s string) int {
		fmt.Fprintf(&sst, "<si><t>%s</t></si>", s)
		texts++
		return texts - 1
	}
	sheet.WriteString(`<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>`)
	row := func(r int, cells ...string) {
		fmt.Fprintf(&sheet, `<row r="%d" spans="1:10">`, r)
		for i, c := range cells {
			fmt.Fprintf(&sheet, `<c r="%s"%s</c>`, cellName(i+1, r), c)
		}
		sheet.WriteString("</row>")
	}
	str := func(s string) string { return fmt.Sprintf(` t="s"><v>%d</v>`, text(s)) }
	var head []string
	for _, name := range []string{"id", "title", "owner", "key", "category", "price", "weight", "share", "opened", "active"} {
		head = append(head, str(name))
	}
	row(1, head...)
	categories := []string{str("hardware"), str("software"), str("network")}
	for i := range n {
		row(i+2, fmt.Sprintf("><v>%d</v>", i), str(fmt.Sprintf("Ticket number %d", i)), str(fmt.Sprintf("user%d@contoso.com", i*7)), str(fmt.Sprintf("K-%08x", i*2654435761)),
			categories[i%3], fmt.Sprintf("><v>%v</v>", float64(i)/7), fmt.Sprintf("><v>%v</v>", float64(i)*1.25), fmt.Sprintf("><v>%v</v>", 0.5/float64(i+1)),
			fmt.Sprintf(` s="1"><v>%d</v>`, 45000+i%700), fmt.Sprintf(` t="b"><v>%d</v>`, i%2))
	}
	sheet.WriteString(`</sheetData></worksheet>`)
	return rawBook(t, []rawSheet{{name: "Sheet1", xml: sheet.String()}}, map[string]string{
		"xl/sharedStrings.xml": `<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">` + sst.String() + `</sst>`,
		"xl/styles.xml":        styles("General", 14),
	})
}
