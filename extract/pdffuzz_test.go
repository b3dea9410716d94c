package extract

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"codeberg.org/go-pdf/fpdf"
)

// FuzzPDF reads arbitrary bytes: the sequence ends, with an error that says
// what to do or with text that is text.
func FuzzPDF(f *testing.F) {
	f.Add(makePDF(f, []string{"one", "", "three"}), "")
	f.Add(makePDF(f, []string{"one"}, func(p *fpdf.Fpdf) { p.SetCompression(false) }), engineLedongthuc)
	f.Add(makePDF(f, []string{"one"}, func(p *fpdf.Fpdf) { p.SetProtection(fpdf.CnProtectPrint, "pw", "owner") }), "")
	f.Add(rawPDF("<</Type/Catalog/Pages 2 0 R/Outlines 4 0 R>>", "<</Type/Pages/Kids[3 0 R 2 0 R]/Count 9>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]>>", "<</First 4 0 R/Next 4 0 R/Title(loop)>>"), engineLedongthuc)
	files, _ := filepath.Glob(filepath.Join("testdata", "pdf", "*.pdf"))
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, "")
	}
	f.Fuzz(func(t *testing.T, b []byte, engine string) {
		opt := Options{Item: "page", PDF: PDFOptions{Engine: engine, Passwords: []string{"pw"}}, Limits: Limits{Time: 2 * time.Second, Pages: 100}}
		docs, bad, err := readPDFs(t.Context(), bytesInput("f.pdf", b), opt)
		if err != nil {
			fe, ok := errors.AsType[*FileError](err)
			if !ok || fe.Reason == "" || !strings.Contains(fe.Detail, ";") {
				t.Fatalf("error without reason or remedy: %#v", err)
			}
			if len(docs) > 0 && !errors.Is(err, ErrShort) {
				t.Fatalf("%d pages, then %v, which does not wrap ErrShort", len(docs), err)
			}
		}
		for _, r := range bad {
			if r.Place.Page < 1 || r.Reason == "" {
				t.Fatalf("record error %#v", r)
			}
		}
		for i, d := range docs {
			if !utf8.ValidString(d.Body) || strings.ContainsAny(d.Body, "\x00\f\r") || d.Page < 1 || d.Page > d.Pages {
				t.Fatalf("page %d: %+v", i, d)
			}
		}
	})
}

func FuzzPDFTail(f *testing.F) {
	f.Add([]byte("1 0 obj\n<<>>\nendobj\nxref\n0 1\ntrailer\n<<>>\nstartxref\n19\n%%EOF\n"))
	f.Add([]byte("endobj 1 0 obj trailer"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readPDFTail(bytesInput("f.pdf", b))
		if err != nil {
			t.Fatal(err)
		}
		if got.whole && !bytes.Contains(b, []byte("endobj")) {
			t.Fatalf("%q has no object and is whole", b)
		}
		if got.whole {
			if again, _ := readPDFTail(bytesInput("f.pdf", append(bytes.Clone(b), "\n7 0 obj\n<<"...))); again.whole {
				t.Fatalf("%q is whole with an object that has only begun", b)
			}
		}
	})
}

// FuzzReadMessage has a child that writes anything.
func FuzzReadMessage(f *testing.F) {
	var b bytes.Buffer
	writeMessage(&b, pdfFrame{Kind: framePage, Page: 1, Text: "text"})
	f.Add(b.Bytes())
	f.Add([]byte("\x00\x00\x00\x02{}"))
	f.Add([]byte("\xff\xff\xff\xff{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var frame pdfFrame
		if err := readMessage(bytes.NewReader(b), 1<<16, &frame); err != nil {
			return
		}
		var again bytes.Buffer
		if err := writeMessage(&again, frame); err != nil {
			t.Fatal(err)
		}
		var back pdfFrame
		if err := readMessage(&again, 1<<20, &back); err != nil || back.Text != frame.Text || back.Page != frame.Page {
			t.Fatalf("%+v comes back as %+v, %v", frame, back, err)
		}
	})
}
