package transform

import (
	"strings"
	"testing"
	"time"

	"importer/extract"
)

func TestParseOptions(t *testing.T) {
	t.Setenv("BOOK_PASSWORD", "it's: secret")
	got, err := ParseOptions([]string{"csv.delimiter=|", "csv.header=none", "csv.columns=a, b", "item=page", "excel.passwords=${env:BOOK_PASSWORD}",
		"limits.time=90s", "attachments=items", "format=csv", "csv.quote='", "json.records=a.b", "xml.record=//x", "ocr.languages=eng,deu", "pdf.audit=100%"})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "options", got, extract.Options{Format: "csv", Item: "page", Attachments: "items",
		CSV:    extract.CSVOptions{Delimiter: "|", Header: -1, Columns: []string{"a", "b"}, Quote: "'"},
		Excel:  extract.ExcelOptions{Passwords: []string{"it's: secret"}},
		JSON:   extract.JSONOptions{Records: "a.b"},
		PDF:    extract.PDFOptions{Audit: 1},
		OCR:    extract.OCROptions{When: "auto", Languages: []string{"eng", "deu"}},
		XML:    extract.XMLOptions{Record: "//x"},
		Limits: extract.Limits{Time: 90 * time.Second}})

	for _, tt := range []struct{ option, want string }{
		{"csv.delimiter", "has no ="},
		{"csv.delimeter=;", `did you mean "csv.delimiter"?`},
		{"cvs.delimiter=;", "there is no"},
		{"path=x", "there is no option"},
		{"id=x", "there is no option"},
		{"limits.time=soon", "limits"},
		{"item=rows", `did you mean "row"?`},
		{"pdf.passwords=secret", "is seen by others"},
		{"xml.record=a[1]", "xml.record"},
		{"pdf.audit=5", "write a percentage"},
		{"pdf.audit=NaN%", "write a percentage"},
		{"ocr.languages=--help", "tesseract --list-langs"},
		{"ocr.dpi=5000", "70 to 1200"},
		{"ocr.when=sometimes", "when cannot be"},
	} {
		_, err := ParseOptions([]string{tt.option})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error = %v, want %q in it", tt.option, err, tt.want)
		}
	}
}
