//go:build !nopdfium

package extract

import (
	"github.com/klippa-app/go-pdfium"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
)

// A pdfiumDocument is a document open in an instance.
type pdfiumDocument struct {
	inst   pdfium.Pdfium
	doc    references.FPDF_DOCUMENT
	raw    *rawPDFium
	handle handle

	form   handle // of its form fields; 0 until one is looked at
	formOf references.FPDF_FORMHANDLE
	noForm bool // it has been asked for
}

func (d *pdfiumDocument) close() {
	if d.form != 0 {
		d.inst.FPDFDOC_ExitFormFillEnvironment(&requests.FPDFDOC_ExitFormFillEnvironment{FormHandle: d.formOf})
	}
	d.inst.FPDF_CloseDocument(&requests.FPDF_CloseDocument{Document: d.doc})
}

func (d *pdfiumDocument) facts() pdfFacts {
	var f pdfFacts
	if n, err := d.inst.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: d.doc}); err == nil {
		f.Pages = n.PageCount
	}
	if m, err := d.inst.GetMetaData(&requests.GetMetaData{Document: d.doc}); err == nil {
		for _, t := range m.Tags {
			f.setInfo(t.Tag, t.Value)
		}
	}
	if l, err := d.inst.FPDFCatalog_GetLanguage(&requests.FPDFCatalog_GetLanguage{Document: d.doc}); err == nil {
		f.setInfo("Lang", l.Language)
	}
	steps := 0
	d.outline(&f, nil, 0, &steps)
	return f
}

// outline walks the bookmarks below parent. GetBookmarks does so without a
// limit, and circular outlines exist.
func (d *pdfiumDocument) outline(f *pdfFacts, parent *references.FPDF_BOOKMARK, depth int, steps *int) {
	if depth > maxHeadingDepth {
		return
	}
	first, err := d.inst.FPDFBookmark_GetFirstChild(&requests.FPDFBookmark_GetFirstChild{Document: d.doc, Bookmark: parent})
	if err != nil {
		return
	}
	for mark := first.Bookmark; mark != nil && *steps < maxHeadings; {
		*steps++
		if t, err := d.inst.FPDFBookmark_GetTitle(&requests.FPDFBookmark_GetTitle{Bookmark: *mark}); err == nil {
			f.addHeading(t.Title, d.leadsTo(*mark))
		}
		d.outline(f, mark, depth+1, steps)
		next, err := d.inst.FPDFBookmark_GetNextSibling(&requests.FPDFBookmark_GetNextSibling{Document: d.doc, Bookmark: *mark})
		if err != nil {
			return
		}
		mark = next.Bookmark
	}
}

// leadsTo is the page of a bookmark, from 1, or 0.
func (d *pdfiumDocument) leadsTo(mark references.FPDF_BOOKMARK) int {
	dest, err := d.inst.FPDFBookmark_GetDest(&requests.FPDFBookmark_GetDest{Document: d.doc, Bookmark: mark})
	if err != nil || dest.Dest == nil {
		return 0
	}
	page, err := d.inst.FPDFDest_GetDestPageIndex(&requests.FPDFDest_GetDestPageIndex{Document: d.doc, Dest: *dest.Dest})
	if err != nil || page.Index < 0 {
		return 0
	}
	return page.Index + 1
}

// A rect is a part of a page in points, upwards and to the right.
type rect struct{ left, top, right, bottom float32 }

// has tells that the middle of a character lies in the rectangle, or not more
// than margin beside it.
func (r rect) has(c *pdfChar, margin float32) bool {
	x, y := (c.left+c.right)/2, (c.top+c.bottom)/2
	return x >= r.left-margin && x <= r.right+margin && y >= r.bottom-margin && y <= r.top+margin
}

// load opens a page, from 0. It gives errNoPage, or an error after which
// nothing more can be read.
func (d *pdfiumDocument) load(index int) (handle, error) {
	page, err := d.raw.call("FPDF_LoadPage", d.handle, uint64(index))
	if err == nil && page == 0 {
		err = errNoPage
	}
	return page, err
}

func (d *pdfiumDocument) unload(page handle) error {
	_, err := d.raw.call("FPDF_ClosePage", page)
	return err
}

func (d *pdfiumDocument) page(n int) (pdfPage, error) {
	page, err := d.load(n - 1)
	if err != nil {
		return pdfPage{}, err
	}
	p, err := d.read(page)
	if err != nil {
		return p, err // the module is gone, and the page with it
	}
	notes, err := d.hasNotes(page)
	if err != nil {
		return p, err
	}
	if notes {
		return d.withNotes(page, n-1, p)
	}
	return p, d.unload(page)
}

// read reads what stands on the page itself.
func (d *pdfiumDocument) read(page handle) (p pdfPage, err error) {
	chars, err := d.chars(page)
	if err != nil {
		return p, err
	}
	// What lies beyond the page's edge nobody sees: another page of the sheet,
	// or marks for the printer.
	if box, ok, err := d.box(page); err != nil {
		return p, err
	} else if ok {
		chars = inside(chars, 1, box)
	}
	p.lines = layoutPDF(chars)
	if cleanPDFText(joinPDFLines(p.lines)) == "" {
		p.state, p.shows, err = d.without(page)
	}
	return p, err
}

// chars are the characters of a page's content.
func (d *pdfiumDocument) chars(page handle) ([]pdfChar, error) {
	text, err := d.raw.call("FPDFText_LoadPage", page)
	if err != nil || text == 0 {
		return nil, err
	}
	n, err := d.raw.number("FPDFText_CountChars", text)
	if err != nil {
		return nil, err
	}
	chars, err := d.raw.chars(text, max(n, 0))
	if err != nil {
		return nil, err
	}
	_, err = d.raw.call("FPDFText_ClosePage", text)
	return chars, err
}

// box is what is shown of a page; ok is false when nobody knows.
func (d *pdfiumDocument) box(page handle) (r rect, ok bool, err error) {
	found, err := d.raw.number("FPDF_GetPageBoundingBox", page, d.raw.out)
	if err != nil || found == 0 {
		return r, false, err
	}
	r, err = d.raw.rect()
	return r, r.right > r.left && r.top > r.bottom, err
}

// inside keeps the characters that lie in one of the rectangles.
func inside(chars []pdfChar, margin float32, rects ...rect) []pdfChar {
	outside := func(c *pdfChar) bool {
		for _, r := range rects {
			if r.has(c, margin) {
				return false
			}
		}
		return !c.made
	}
	kept := 0
	for i := range chars {
		if !outside(&chars[i]) {
			chars[kept] = chars[i]
			kept++
		}
	}
	return chars[:kept]
}

// without says what a page without text shows. It looks at the first objects
// only: a drawing may have a million.
func (d *pdfiumDocument) without(page handle) (state pageState, shows bool, err error) {
	const most, text = 500, 1 // FPDF_PAGEOBJ_TEXT
	n, err := d.raw.number("FPDFPage_CountObjects", page)
	if err != nil || n <= 0 {
		return pageBlank, false, err
	}
	for i := range min(n, most) {
		obj, err := d.raw.call("FPDFPage_GetObject", page, uint64(i))
		if err != nil {
			return pageNoText, false, err
		}
		kind, err := d.raw.number("FPDFPageObj_GetType", obj)
		if err != nil || kind == text {
			return pageNoText, true, err
		}
	}
	return pageNoText, false, nil
}
