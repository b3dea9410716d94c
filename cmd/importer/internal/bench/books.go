//go:build linux || darwin

package main

import (
	"archive/zip"
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
)

// writeRows writes a table of that many rows of ten columns; quotes puts
// quotes, with a doubled one and a line end inside, in every fourth.
func writeRows(path string, rows int, quotes bool) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<16)
	fmt.Fprintln(w, "id,title,customer,status,priority,opened,owner,amount,country,note")
	for i := range rows {
		note := "nothing to add"
		if quotes && i%4 == 0 {
			note = "\"he said \"\"no\"\",\nthen left\""
		}
		fmt.Fprintf(w, "%d,Printer %d does not print,customer-%d,open,%d,2026-11-%02d 10:%02d,anna.%d@contoso.com,%d.%02d,Italy,%s\n",
			i, i, i%977, i%5, i%28+1, i%60, i%50, i%1000, i%100, note)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// The parts of a workbook beside its sheet and its texts.
const (
	xmlHead = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>`
	mainNS  = ` xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"`
	relNS   = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
)

var bookParts = [][2]string{
	{"[Content_Types].xml", xmlHead + `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>` +
		`<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>` +
		`<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>` +
		`<Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/>` +
		`<Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/></Types>`},
	{"_rels/.rels", xmlHead + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="` + relNS + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
	{"xl/workbook.xml", xmlHead + `<workbook` + mainNS + ` xmlns:r="` + relNS + `"><sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>`},
	{"xl/_rels/workbook.xml.rels", xmlHead + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="` + relNS + `/worksheet" Target="worksheets/sheet1.xml"/>` +
		`<Relationship Id="rId2" Type="` + relNS + `/sharedStrings" Target="sharedStrings.xml"/><Relationship Id="rId3" Type="` + relNS + `/styles" Target="styles.xml"/></Relationships>`},
	{"xl/styles.xml", xmlHead + `<styleSheet` + mainNS + `><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>`},
}

var (
	bookColumns    = []string{"id", "title", "owner", "key", "category", "price", "weight", "share", "opened", "active"}
	bookCategories = []string{"hardware", "software", "network"}
)

// bookTexts are the texts of a row that no other row has.
func bookTexts(i int) [3]string {
	return [3]string{fmt.Sprintf("Ticket number %d", i), fmt.Sprintf("user%d@contoso.com", i*7), fmt.Sprintf("K-%08x", i*2654435761)}
}

// writeBook writes a workbook of that many rows of ten cells: integers, texts,
// fractions, dates and booleans. The texts stand in the cells, or in a table,
// as Excel writes them. It gives the bytes of that table.
func writeBook(path string, rows int, shared bool) (texts int64, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	zw := zip.NewWriter(f)
	part := func(name string, write func(w *bufio.Writer)) {
		var w io.Writer
		if err != nil {
			return
		}
		if w, err = zw.Create(name); err != nil {
			return
		}
		b := bufio.NewWriterSize(w, 1<<16)
		write(b)
		err = b.Flush()
	}
	for _, p := range bookParts {
		part(p[0], func(w *bufio.Writer) { w.WriteString(p[1]) })
	}
	part("xl/worksheets/sheet1.xml", func(w *bufio.Writer) { writeSheet(w, rows, shared) })
	part("xl/sharedStrings.xml", func(w *bufio.Writer) {
		if !shared {
			rows = -1
		}
		texts = writeTexts(w, rows)
	})
	if err == nil {
		err = zw.Close()
	}
	if err == nil {
		err = f.Close()
	}
	return texts, err
}

func writeSheet(w *bufio.Writer, rows int, shared bool) {
	next := 0
	text := func(col byte, row int, s string) {
		if shared {
			fmt.Fprintf(w, `<c r="%c%d" t="s"><v>%d</v></c>`, col, row, next)
			next++
			return
		}
		fmt.Fprintf(w, `<c r="%c%d" t="inlineStr"><is><t>%s</t></is></c>`, col, row, s)
	}
	number := func(col byte, row int, attrs, v string) {
		fmt.Fprintf(w, `<c r="%c%d"%s><v>%s</v></c>`, col, row, attrs, v)
	}
	float := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	w.WriteString(xmlHead + `<worksheet` + mainNS + `><sheetData><row r="1">`)
	for i, name := range bookColumns {
		text(byte('A'+i), 1, name)
	}
	categories := next
	next += len(bookCategories)
	w.WriteString("</row>")
	for i := range rows {
		r := i + 2
		fmt.Fprintf(w, `<row r="%d" spans="1:10">`, r)
		number('A', r, "", strconv.Itoa(i))
		for j, s := range bookTexts(i) {
			text(byte('B'+j), r, s)
		}
		if shared {
			number('E', r, ` t="s"`, strconv.Itoa(categories+i%3))
		} else {
			text('E', r, bookCategories[i%3])
		}
		number('F', r, "", float(float64(i)/7))
		number('G', r, "", float(float64(i)*1.25))
		number('H', r, "", float(0.5/float64(i+1)))
		number('I', r, ` s="1"`, strconv.Itoa(45000+i%700))
		number('J', r, ` t="b"`, strconv.Itoa(i%2))
		w.WriteString("</row>")
	}
	w.WriteString("</sheetData></worksheet>")
}

// writeTexts writes the table of texts in the order in which cells use them,
// and gives its bytes; rows -1 is an empty one.
func writeTexts(w *bufio.Writer, rows int) (size int64) {
	w.WriteString(xmlHead + `<sst` + mainNS + `>`)
	text := func(s string) {
		n, _ := fmt.Fprintf(w, "<si><t>%s</t></si>", s) // Flush has the error
		size += int64(n)
	}
	if rows >= 0 {
		for _, s := range append(bookColumns, bookCategories...) {
			text(s)
		}
	}
	for i := range rows {
		for _, s := range bookTexts(i) {
			text(s)
		}
	}
	w.WriteString("</sst>")
	return size
}
