package extract

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// fuzzFormat gives a format's reader, in this process, whatever bytes: it ends
// in time, does not panic, gives well-formed records and nothing after the error
// that ends the sequence.
func fuzzFormat(f *testing.F, format *Format, name string, opt Options, seeds ...[]byte) {
	for _, seed := range seeds {
		f.Add(seed)
		f.Add(seed[:len(seed)*2/3])
	}
	opt.Limits = Limits{Record: 4 << 10, Columns: 100, Unzipped: 1 << 20}
	opt.Warn = func(Place, string) {}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		ended := false
		in := bytesInput(name, b)
		for rec, err := range format.Read(ctx, Input{Name: name, Size: in.Size, ReaderAt: &watchedReader{in: in}}, opt) {
			if ended {
				t.Fatal("the sequence goes on after its end")
			}
			bad, isBad := errors.AsType[*RecordError](err)
			switch {
			case errors.Is(err, context.DeadlineExceeded):
				t.Fatal("it takes too long")
			case isBad:
				if bad.Reason == "" || bad.Detail == "" || bad.Place.File != name {
					t.Fatalf("a record error without reason, detail or place: %#v", bad)
				}
			case err != nil:
				ended = true
				if whole, ok := errors.AsType[*FileError](err); !ok || whole.Reason == "" || whole.Detail == "" || whole.Reason == ReasonUnreadable {
					t.Fatalf("error %#v (%v), want a FileError of the content", err, err)
				}
			default:
				wellFormed(t, format, rec)
			}
		}
	})
}

func wellFormed(t *testing.T, format *Format, rec Record) {
	t.Helper()
	if (rec.Doc == nil) != format.Table {
		t.Fatalf("a record of the wrong kind: %+v", rec)
	}
	if d := rec.Doc; d != nil {
		for _, s := range append([]string{d.Body, d.Title}, d.Headings...) {
			if !utf8.ValidString(s) {
				t.Fatalf("%q is not UTF-8", s)
			}
		}
		for i, a := range d.Attachments {
			if in, err := a.Open(); err == nil && i < 20 {
				in.close()
			}
		}
		return
	}
	if len(rec.Text) != len(rec.Header.Names()) || rec.Typed != nil && len(rec.Typed) != len(rec.Text) || rec.Place.Line < 1 {
		t.Fatalf("a row of %d cells and %d values under %d columns, in line %d", len(rec.Text), len(rec.Typed), len(rec.Header.Names()), rec.Place.Line)
	}
	for _, s := range rec.Text {
		if !utf8.ValidString(s) {
			t.Fatalf("%q is not UTF-8", s)
		}
	}
}

func FuzzDOCX(f *testing.F) {
	fuzzFormat(f, DOCX, "a.docx", Options{}, docxOf(f, wordPara("one")+`<w:tbl><w:tr><w:tc>`+wordPara("x")+`</w:tc></w:tr></w:tbl>`, nil))
}

// FuzzDOCXBody puts the bytes where a zip's checksums do not keep them out.
func FuzzDOCXBody(f *testing.F) {
	f.Add(wordPara("one"))
	f.Add(`<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t><w:tab/></w:r></w:p></w:tc></w:tr></w:tbl><w:del><w:p></w:del>`)
	f.Fuzz(func(t *testing.T, body string) {
		for rec, err := range DOCX.Read(t.Context(), bytesInput("a.docx", docxOf(t, body, nil)), Options{Limits: Limits{Record: 1 << 10}}) {
			if err == nil && (len(rec.Doc.Body) > 1<<10 || !utf8.ValidString(rec.Doc.Body)) {
				t.Fatalf("%d bytes of text: %q", len(rec.Doc.Body), rec.Doc.Body)
			}
		}
	})
}

func FuzzSlides(f *testing.F) {
	f.Add(shape("title", "one") + shape("", "two"))
	f.Add(`<a:tbl><a:tr><a:tc><a:p><a:t>x</a:t></a:p></a:tc></a:tr></a:tbl><p:sp><p:ph type="ctrTitle"/>`)
	f.Add(`<draw:page><draw:frame presentation:class="title"><text:p>x</text:p></draw:frame><text:list-item><text:h>`)
	f.Fuzz(func(t *testing.T, body string) {
		for _, b := range [][]byte{pptxOf(t, body, body), odfOf(t, "presentation", body), odfOf(t, "text", body)} {
			in := bytesInput("a.pptx", b)
			format, err := Detect(in, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for rec, err := range format.Read(t.Context(), in, Options{Limits: Limits{Record: 1 << 10}}) {
				if err == nil && (len(rec.Doc.Body) > 1<<10 || !utf8.ValidString(rec.Doc.Body)) {
					t.Fatalf("%d bytes of text: %q", len(rec.Doc.Body), rec.Doc.Body)
				}
			}
		}
	})
}

func FuzzRTF(f *testing.F) {
	fuzzFormat(f, RTF, "a.rtf", Options{}, []byte(`{\rtf1\ansi{\fonttbl{\f1\fcharset204 x;}}{\info{\title t}}\pard\s1 One\par{\*\bin3 }}}\'fc\u-10179?\u8364?\trowd a\cell\row}`))
}

func FuzzEPUB(f *testing.F) {
	fuzzFormat(f, EPUB, "a.epub", Options{}, epubOf(f, "<h1>one</h1>", "<p>two</p>"))
}

func FuzzEML(f *testing.F) {
	fuzzFormat(f, EML, "a.eml", Options{}, mixedMail, []byte("From: a@b\nContent-Type: text/plain; format=flowed\n\none \ntwo"))
}

func FuzzMbox(f *testing.F) {
	fuzzFormat(f, Mbox, "a.mbox", Options{}, []byte("From a@b Mon May  6 07:08:09 2024\nFrom: a@b\n\ntext\n\nFrom a@b Mon May  6 07:08:09 2024\nx\n"))
}

func FuzzMSG(f *testing.F) {
	fuzzFormat(f, MSG, "a.msg", Options{}, cfbBytes(f, msgParts()...))
}

func FuzzText(f *testing.F) {
	fuzzFormat(f, Text, "a.txt", Options{}, []byte("Grüße\r\n"), []byte("\xff\xfeo\x00"), []byte("Gr\xfc\xdfe"))
}

func FuzzMarkdown(f *testing.F) {
	fuzzFormat(f, Markdown, "a.md", Options{}, []byte("---\na: b\n---\n# One\n\n- a\n  - [x](y)\n\n|a|b|\n|-|-|\n|1|2|\n"), []byte(strings.Repeat("[", 50)+strings.Repeat("> ", 50)+"x"))
}

func FuzzJSON(f *testing.F) {
	fuzzFormat(f, JSON, "a.json", Options{JSON: JSONOptions{Columns: []string{"x"}}}, []byte(`[{"a": {"b": 1}, "c": [1, "x"]}, {"a": null}]`), []byte(`{"a": 1e400}`))
}

func FuzzJSONRecords(f *testing.F) {
	fuzzFormat(f, JSON, "a.json", Options{JSON: JSONOptions{Records: "a.b"}}, []byte(`{"x": [1], "a": {"c": {}, "b": [{"d": 1}, 2]}}`), []byte(`{"a": {"b": {"c": 1}}}`))
}

func FuzzJSONLines(f *testing.F) {
	fuzzFormat(f, JSONLines, "a.jsonl", Options{}, []byte("{\"a\": 1}\n\n{\"b\": [1,2]}\nx\n"))
}

func FuzzXML(f *testing.F) {
	fuzzFormat(f, XML, "a.xml", Options{XML: XMLOptions{Record: "//b"}}, []byte(`<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e "x">]><a><b c="d">e<f/>&amp;</b><b><b><![CDATA[x]]></b></b></a>`))
}

func FuzzXMLUnderRoot(f *testing.F) {
	fuzzFormat(f, XML, "a.xml", Options{}, []byte(`<a><b><c>1</c></b><b d="2"/></a>`), []byte("<?xml version=\"1.0\" encoding=\"utf-16\"?><a/>"))
}

func FuzzParquet(f *testing.F) {
	fuzzFormat(f, Parquet, "a.parquet", Options{}, parquetOf(f, 2, "x"))
}

func FuzzXLS(f *testing.F) {
	fuzzFormat(f, XLS, "a.xls", Options{Excel: ExcelOptions{Hidden: true, Merged: true}}, xlsOf(f, nil, []int{0, 14}, xlsSheet{"One", 0, bytes.Join([][]byte{biffLabel(0, 0, "a"), biffNumber(1, 0, 1, 45418.5)}, nil)}))
}

func FuzzXLSB(f *testing.F) {
	fuzzFormat(f, XLSB, "a.xlsb", Options{}, xlsbOf(f, xlsbRow(0, xlsbCell(xlsbCellSt, 0, 0, wide("a")...)), xlsbRow(1, xlsbCell(xlsbCellRk, 0, 1, le32(7<<2|2)...))))
}

// FuzzXLSBSheet puts the bytes where a zip's checksums do not keep them out.
func FuzzXLSBSheet(f *testing.F) {
	f.Add(xlsbRow(0, xlsbCell(xlsbCellSt, 0, 0, wide("a")...)))
	f.Add(bytes.Join([][]byte{xlsbRow(0, xlsbCell(xlsbCellIsst, 0, 0, 0, 0, 0, 0)), xlsbRow(5, xlsbCell(xlsbFmlaNum, 300, 2, le64(2.5)...)), xlsbRec(xlsbMergeCell, le32(0, 9, 0, 9))}, nil))
	f.Fuzz(func(t *testing.T, rows []byte) {
		for rec, err := range XLSB.Read(t.Context(), bytesInput("a.xlsb", xlsbOf(t, rows)), Options{Limits: Limits{Record: 1 << 10, Columns: 100}, Excel: ExcelOptions{Merged: true, Hidden: true}}) {
			if err == nil {
				wellFormed(t, XLSB, rec)
			}
		}
	})
}

func FuzzODSRows(f *testing.F) {
	f.Add(odsRow("a", "b") + odsRow("1", "2"))
	f.Add(`<table:table-row table:number-rows-repeated="3"><table:table-cell office:value-type="time" office:time-value="PT1H" table:number-columns-spanned="2" table:number-columns-repeated="9"/></table:table-row>`)
	f.Fuzz(func(t *testing.T, rows string) {
		n := 0
		for rec, err := range ODS.Read(t.Context(), bytesInput("a.ods", odfOf(t, "spreadsheet", odsTable("One", rows))), Options{Limits: Limits{Record: 1 << 10, Columns: 100}, Excel: ExcelOptions{Merged: true, Hidden: true}}) {
			if err == nil {
				wellFormed(t, ODS, rec)
			}
			if n++; n > 1000 {
				return
			}
		}
	})
}
