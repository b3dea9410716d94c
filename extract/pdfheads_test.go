package extract

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"codeberg.org/go-pdf/fpdf"
)

// headedPDF makes a document of so many pages with a head that alternates, a
// foot with the page's number, a title of its own and a line that is repeated in
// the body.
func headedPDF(t *testing.T, pages int) []byte {
	return makePDF(t, make([]string, pages), func(p *fpdf.Fpdf) {
		p.SetAutoPageBreak(false, 0)
		p.SetHeaderFunc(func() {
			p.SetFont("Helvetica", "", 9)
			head := "Contoso printers"
			if p.PageNo()%2 == 0 {
				head = "Manual of 2024"
			}
			p.Text(20, 12, head)
			p.Text(20, 20, fmt.Sprintf("Part %c of the work", 'A'+p.PageNo()))
			p.Text(20, 150, "Repeated in the body")
			p.Text(20, 160, "The long line in the mid-")
			p.Text(20, 170, fmt.Sprintf("dle of page %d", p.PageNo()))
		})
		p.SetFooterFunc(func() { p.Text(100, 290, fmt.Sprintf("Page %d of %d", p.PageNo(), pages)) })
	})
}

func TestPDFRunningHeads(t *testing.T) {
	if !havePDFium {
		t.Skip("only PDFium tells where lines stand")
	}
	body := func(n int) string {
		return fmt.Sprintf("Part %c of the work\nRepeated in the body\nThe long line in the middle of page %d", 'A'+n, n)
	}
	read := func(pages int, opt Options) []*Document {
		docs, _, err := readPDFs(t.Context(), bytesInput("m.pdf", headedPDF(t, pages)), opt)
		if err != nil {
			t.Fatal(err)
		}
		return docs
	}
	drop := Options{Item: "page", PDF: PDFOptions{RunningHeads: "drop"}}
	docs := read(20, drop)
	if len(docs) != 20 {
		t.Fatalf("%d pages, want 20", len(docs))
	}
	for i, d := range docs {
		head := "Contoso printers"
		if i%2 == 1 {
			head = "Manual of 2024"
		}
		want := fmt.Sprintf("%s | Page %d of 20", head, i+1)
		if d.Page != i+1 || d.Body != body(i+1) || d.Meta["runningHeads"] != want {
			t.Errorf("page %d (%d): %q with heads %q, want %q with %q", i+1, d.Page, d.Body, d.Meta["runningHeads"], body(i+1), want)
		}
	}
	drop.Item = "document"
	doc := read(20, drop)[0]
	if want := "Contoso printers | Page 1 of 20 | Manual of 2024"; doc.Meta["runningHeads"] != want || strings.Contains(doc.Body, "Contoso") || strings.Count(doc.Body, "\f") != 19 {
		t.Errorf("the document: heads %q, want %q; %q", doc.Meta["runningHeads"], want, doc.Body)
	}
	if doc := read(2, drop)[0]; !strings.Contains(doc.Body, "Contoso printers") || doc.Meta["runningHeads"] != "" {
		t.Errorf("two pages prove nothing, but heads %q were taken: %q", doc.Meta["runningHeads"], doc.Body)
	}
	if doc := read(20, Options{})[0]; strings.Count(doc.Body, "Contoso printers") != 10 || doc.Meta["runningHeads"] != "" {
		t.Errorf("kept: heads %q, %q", doc.Meta["runningHeads"], doc.Body)
	}
	_, _, err := readPDFs(t.Context(), bytesInput("m.pdf", headedPDF(t, 1)), Options{PDF: PDFOptions{RunningHeads: "cut"}})
	if bad, ok := errors.AsType[*FileError](err); !ok || bad.Reason != ReasonOption {
		t.Errorf("runningHeads: cut: %v", err)
	}
}

func TestHeadKey(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"Page 3 of 20", "page 0 of 0"}, {"page 14 of 20 ", "page 0 of 0"}, {"xiv", "0"}, {"- 7 -", "0"}, {"Chapter IV", "chapter iv"},
		{"mild", "mild"}, {"2024-01-02", "0 0 0"}, {"", ""}, {"日本", "日本"},
	} {
		if got := headKey(tt.text); got != tt.want {
			t.Errorf("headKey(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

// TestRunningHeadsHold has pages held back no longer than is needed, and all of
// them told in their order.
func TestRunningHeadsHold(t *testing.T) {
	var h runningHeads
	var told []int
	for n := 1; n <= 50; n++ {
		for _, f := range h.add(pdfFrame{Page: n, Text: "x", Parts: []pdfPart{{Text: "head", Margin: true}, {Text: "x"}}}) {
			told = append(told, f.Page)
		}
		if len(told) != max(0, n-headsNear) || len(h.pages) > 2*headsNear+1 {
			t.Fatalf("after page %d: %d told, %d held", n, len(told), len(h.pages))
		}
	}
	for _, f := range h.rest() {
		told = append(told, f.Page)
		if f.Text != "x" || !slices.Equal(f.Heads, []string{"head"}) {
			t.Errorf("page %d: %q %q", f.Page, f.Text, f.Heads)
		}
	}
	if len(told) != 50 || !slices.IsSorted(told) {
		t.Errorf("told %v", told)
	}
}
