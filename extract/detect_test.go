package extract

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
)

// zipOf makes a zip archive of empty parts.
func zipOf(t *testing.T, parts ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, p := range parts {
		if _, err := w.Create(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDetect(t *testing.T) {
	ole := "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1" + strings.Repeat("\x00", 600)
	png := "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + strings.Repeat("\x00\x01", 40)
	xlsx := zipOf(t, "[Content_Types].xml", "xl/workbook.xml")
	tests := []struct {
		name    string
		content string
		format  string // opt.Format
		want    *Format
		reason  string // of the error
		says    string // in the error
		warns   bool
	}{
		{"a.csv", "a,b\n", "", CSV, "", "", false},
		{"A.CSV", "a,b\n", "", CSV, "", "", false},
		{"a.tsv", "a\tb\n", "", CSV, "", "", false},
		{"a.txt", "a;b\n1;2\n", "", CSV, "", "", false},
		{"a.txt", "a\tb\n1\t2\n", "", CSV, "", "", false},
		{"a.txt", "some, words\nand more\n", "", Text, "", "", false},
		{"a.txt", "one; line\n", "", Text, "", "", false},
		{"README", "some words\n", "", Text, "", "", false},
		{"a.csv", "{\"a\": 1}\n", "", CSV, "", "", false},
		{"a.csv", "\xFF\xFEa\x00,\x00b\x00\n\x00", "", CSV, "", "", false},
		{"a.csv", "a\x00,\x00b\x00\n\x001\x00,\x002\x00\n\x00", "", CSV, "", "", false},
		{"a.csv", "a,b\nx\x00,some more text to make it long enough\n", "", CSV, "", "", false},
		{"a.csv", "Jos\xe9,b\n", "", CSV, "", "", false},
		{"export", "a,b,c\n1,2,3\n4,5,6\n", "", CSV, "", "", false},
		{"a.dat", "a,b\n", "csv", CSV, "", "", false},
		{"a.dat", "a,b\n", "tsv", CSV, "", "", false},
		{"a.xlsx", xlsx, "", Excel, "", "", false},
		{"a.csv", xlsx, "", Excel, "", "", true},
		{"a.xlsx", ole, "", Excel, "", "", false},
		{"a.xls", ole, "", XLS, "", "", false},
		{"a.csv", "%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "", PDF, "", "", true},
		{"a.csv", "<!DOCTYPE html>\n<html><body>x</body></html>", "html", HTML, "", "", false},

		{"a.csv", "", "", nil, ReasonEmpty, "empty", false},
		{"a.csv", "a,b\n", "cvs", nil, ReasonOption, "csv, doc, docx", false},
		{"a.png", png, "", Image, "", "", false},
		{"a.csv", png, "", Image, "", "", false}, // without ocr its refusal tells
		{"a.gif", "GIF89a" + strings.Repeat("\x00\x01", 40), "", nil, ReasonUnsupported, "a GIF image", false},
		{"a.docx", zipOf(t, "[Content_Types].xml", "word/document.xml"), "", DOCX, "", "", false},
		{"a.csv", zipOf(t, "a.csv"), "", nil, ReasonUnsupported, "a zip archive", false},
		{"a.xlsb", zipOf(t, "xl/workbook.bin"), "", XLSB, "", "", false},
		{"a.csv", zipOf(t, "ppt/presentation.xml"), "", PPTX, "", "", true},
		{"a.zip", zipOf(t, "META-INF/container.xml"), "", EPUB, "", "", true},
		{"a.json", "{\"a\": 1}\n", "", JSON, "", "", false},
		{"export", "{\"a\": 1}\n", "", JSON, "", "", false},
		{"export", "<?xml version=\"1.0\"?><a><b/></a>", "", XML, "", "", false},
		{"a.log", "some words\n", "", Text, "", "", false},
		{"a.csv", "{\\rtf1\\ansi x}", "", RTF, "", "", true},
		{"a.cfg", "some words\n", "", nil, ReasonUnsupported, "set format", false},
		{"a.csv", strings.Repeat("\x00", 500), "", nil, ReasonBroken, "not text", false},
		{"a.csv", garbage(4000), "", nil, ReasonBroken, "not text", false},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+tt.says, func(t *testing.T) {
			warned := false
			in := Input{Name: tt.name, Size: int64(len(tt.content)), ReaderAt: strings.NewReader(tt.content)}
			got, err := Detect(in, Options{Format: tt.format, Warn: func(Place, string) { warned = true }})
			if got != tt.want {
				t.Fatalf("Detect(%.60q) = %v, %v", tt.content, got, err)
			}
			if warned != tt.warns {
				t.Errorf("warned %v, want %v", warned, tt.warns)
			}
			if tt.reason == "" {
				return
			}
			fe, ok := errors.AsType[*FileError](err)
			if !ok || fe.Reason != tt.reason || !strings.Contains(fe.Detail, tt.says) {
				t.Errorf("error = %v, want reason %s and %q in it", err, tt.reason, tt.says)
			}
		})
	}
}

// garbage is bytes that look random and are the same on every run.
func garbage(n int) string {
	b := make([]byte, n)
	x := uint32(7)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return string(b)
}

// A reader that panics costs its file and nothing else; a consumer's panic is
// the consumer's.
func TestRecordsPanic(t *testing.T) {
	odd := &Format{Name: "odd", Exts: []string{".odd"}, Read: func(_ context.Context, in Input, _ Options) iter.Seq2[Record, error] {
		return func(yield func(Record, error) bool) {
			if yield(Record{Place: Place{File: in.Name}}, nil) {
				panic("index out of range")
			}
		}
	}}
	defer func(all []*Format) { Formats = all }(Formats)
	Formats = append(slices.Clone(Formats), odd)
	in := Input{Name: "a.odd", Size: 1, ReaderAt: strings.NewReader("x")}

	n := 0
	var last error
	for _, err := range Records(t.Context(), in, Options{Format: "odd"}) {
		n++
		last = err
	}
	if fe, ok := errors.AsType[*FileError](last); n != 2 || !ok || fe.Reason != ReasonBroken {
		t.Errorf("got %d pairs and %v, want a record and a FileError that is %s", n, last, ReasonBroken)
	}

	func() {
		defer func() {
			if p := recover(); p != "mine" {
				t.Errorf("recovered %v, want the consumer's own panic", p)
			}
		}()
		for range Records(t.Context(), in, Options{Format: "odd"}) {
			panic("mine")
		}
	}()
}

func TestCSVItem(t *testing.T) {
	if got := rows(t, "t.csv", "a,b\n1,2\n", Options{Item: "row"}); got != "a|b\n2 [1][2]\n" {
		t.Errorf("item: row gives %s", got)
	}
	if got := rows(t, "t.csv", "a,b\n1,2\n", Options{Item: "page"}); got != "!! bad-option\n" {
		t.Errorf("item: page gives %s", got)
	}
}
