package main

import (
	"bytes"
	"fmt"
	"time"

	"codeberg.org/go-pdf/fpdf"
)

// A document is a PDF in the making. The core fonts have the characters of
// windows-1252 and no others.
type document struct {
	Title, Author, Subject, Keywords, Language string
	Modified                                   time.Time
	Columns                                    int // 2 sets in two columns; 0 is one
	Password                                   string
	Sections                                   []section
}

// A section is a heading with paragraphs; NewPage starts it on a page.
type section struct {
	Heading    string
	Paragraphs []string
	NewPage    bool
}

const (
	pdfMargin = 20.0  // mm
	pdfBottom = 272.0 // where a column ends
	pdfWidth  = 170.0 // between the margins of A4
	pdfGutter = 8.0
)

// bytes gives the file. It is not compressed: the output of compress/zlib may
// change with the Go release, and these files must not.
func (d *document) bytes() ([]byte, error) {
	f := fpdf.New("P", "mm", "A4", "")
	f.SetCompression(false)
	f.SetCatalogSort(true)
	f.SetCreationDate(d.Modified.AddDate(0, -2, 0))
	f.SetModificationDate(d.Modified)
	f.SetTitle(d.Title, true)
	f.SetAuthor(d.Author, true)
	f.SetSubject(d.Subject, true)
	f.SetKeywords(d.Keywords, true)
	f.SetLang(d.Language)
	if d.Password != "" {
		// An owner password left out would be a random one.
		f.SetProtection(0, d.Password, "owner-"+d.Password)
	}
	legacy := f.UnicodeTranslatorFromDescriptor("cp1252")
	f.SetAutoPageBreak(true, 297-pdfBottom)
	f.SetMargins(pdfMargin, pdfMargin, pdfMargin)
	f.SetFooterFunc(func() {
		f.SetY(-15)
		f.SetFont("Helvetica", "", 8)
		f.CellFormat(0, 5, legacy(fmt.Sprintf("%s · %d", d.Title, f.PageNo())), "", 0, "C", false, 0, "")
	})
	f.AddPage()
	f.SetFont("Times", "B", 20)
	f.MultiCell(0, 9, legacy(d.Title), "", "L", false)
	f.Ln(4)
	d.flow(f, legacy)
	var b bytes.Buffer
	if err := f.Output(&b); err != nil {
		return nil, fmt.Errorf("PDF %q: %w", d.Title, err)
	}
	return b.Bytes(), nil
}

// flow sets the sections, in columns if asked.
func (d *document) flow(f *fpdf.Fpdf, legacy func(string) string) {
	width, column, top := pdfWidth, 0, f.GetY()
	if d.Columns == 2 {
		width = (pdfWidth - pdfGutter) / 2
		f.SetAcceptPageBreakFunc(func() bool {
			column = 1 - column
			left := pdfMargin + float64(column)*(width+pdfGutter)
			f.SetLeftMargin(left)
			f.SetX(left)
			if column == 0 {
				top = pdfMargin
				return true
			}
			f.SetY(top)
			return false
		})
	}
	for i, s := range d.Sections {
		if s.NewPage && i > 0 {
			f.AddPage()
		}
		f.SetFont("Helvetica", "B", 12)
		f.MultiCell(width, 6, legacy(s.Heading), "", "L", false)
		f.Ln(1)
		f.SetFont("Times", "", 10.5)
		for _, text := range s.Paragraphs {
			f.MultiCell(width, 4.8, legacy(text), "", "L", false)
			f.Ln(1.6)
		}
		f.Ln(2)
	}
}
