//go:build !nopdfium

package extract

import (
	"errors"
	"unicode"

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

func (d *pdfiumDocument) page(n int) (p pdfPage, err error) {
	page, err := d.load(n - 1)
	if err != nil {
		return p, err
	}
	// After any other error the module is gone, and the page with it.
	if p, err = d.read(page); err != nil {
		return p, err
	}
	if p.notes, p.files, err = d.hasNotes(page); err != nil {
		return p, err
	}
	if p.label, err = d.label(n); err != nil {
		return p, err
	}
	return p, d.unload(page)
}

// label is the number that is printed on page n, "" where the document does not
// have it.
func (d *pdfiumDocument) label(n int) (string, error) {
	const most = 100 // bytes; the prefix of a label may be anything
	label, err := d.raw.text("FPDF_GetPageLabel", d.handle, uint64(n-1))
	return cutText(oneLine(label), most), err
}

// read reads what stands on the page itself.
func (d *pdfiumDocument) read(page handle) (p pdfPage, err error) {
	chars, err := d.chars(page)
	if err != nil {
		return p, err
	}
	box, known, err := d.box(page)
	if err != nil {
		return p, err
	}
	if known {
		// What lies beyond the page's edge nobody sees: another page of the
		// sheet, or marks for the printer.
		chars, p.box = inside(chars, 1, box), box
	}
	p.lines = layoutPDF(chars)
	if text := cleanPDFText(joinPDFLines(p.lines)); countLetters(text) < fewLetters {
		err = d.look(page, box, text == "", &p)
	}
	return p, err
}

// fewLetters is what may be stamped on a scan: a number, a date.
const fewLetters = 20

func countLetters(s string) (n int) {
	for _, c := range s {
		if unicode.IsLetter(c) || unicode.IsDigit(c) {
			n++
		}
	}
	return n
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

// What PDFium calls the kinds of objects of a page (fpdf_edit.h).
const (
	objectText  = 1
	objectPath  = 2
	objectImage = 3
	objectForm  = 5
)

// look says what a page shows that has little or no text. It looks at the
// first objects only: a drawing may have a million.
func (d *pdfiumDocument) look(page handle, box rect, empty bool, p *pdfPage) error {
	const most, drawing = 500, 20
	n, err := d.raw.number("FPDFPage_CountObjects", page)
	if err != nil {
		return err
	}
	if n <= 0 {
		if empty {
			p.state = pageBlank
		}
		return nil
	}
	paths, covered := 0, float32(0)
	for i := range min(n, most) {
		obj, err := d.raw.call("FPDFPage_GetObject", page, uint64(i))
		if err != nil {
			return err
		}
		kind, err := d.raw.number("FPDFPageObj_GetType", obj)
		if err != nil {
			return err
		}
		switch kind {
		case objectText:
			p.shows = true
		case objectPath:
			paths++
		case objectImage, objectForm:
			r, err := d.bounds(obj)
			if err != nil {
				return err
			}
			covered = max(covered, r.share(box))
		}
	}
	if empty {
		p.state = pageNoText
		p.scanned = p.shows || paths >= drawing || covered > 0.02
	} else {
		p.scanned = covered > 0.5
	}
	return nil
}

// bounds is the place of an object.
func (d *pdfiumDocument) bounds(obj handle) (r rect, err error) {
	o := d.raw.out
	found, err := d.raw.number("FPDFPageObj_GetBounds", obj, o, o+4, o+8, o+12) // left, bottom, right, top
	if err != nil || found == 0 {
		return r, err
	}
	return d.raw.rect()
}

// share is the part of box that the rectangle covers, 0 to 1.
func (r rect) share(box rect) float32 {
	wide := min(r.right, box.right) - max(r.left, box.left)
	high := min(r.top, box.top) - max(r.bottom, box.bottom)
	all := (box.right - box.left) * (box.top - box.bottom)
	if wide <= 0 || high <= 0 || all <= 0 {
		return 0
	}
	return wide * high / all
}

// paint draws a page without its form fields and annotations.
func (d *pdfiumDocument) paint(n, dpi int) (picture, error) {
	page, err := d.load(n - 1)
	if err != nil {
		return picture{}, err
	}
	wide, err := d.raw.float("FPDF_GetPageWidthF", page)
	if err != nil {
		return picture{}, err
	}
	high, err := d.raw.float("FPDF_GetPageHeightF", page)
	if err != nil {
		return picture{}, err
	}
	pic := sizePicture(wide, high, dpi)
	if pic.gray, err = d.draw(page, pic.width, pic.height); err != nil {
		return pic, err
	}
	return pic, d.unload(page)
}

// draw gives a page in grey, a byte a pixel.
func (d *pdfiumDocument) draw(page handle, width, height int) ([]byte, error) {
	const gray, white = 1, 0xFFFFFFFF // FPDFBitmap_Gray
	w, h := uint64(width), uint64(height)
	bitmap, err := d.raw.call("FPDFBitmap_CreateEx", w, h, gray, 0, 0)
	if err != nil {
		return nil, err
	}
	if bitmap == 0 {
		return nil, errors.New("PDFium is out of memory")
	}
	if _, err := d.raw.call("FPDFBitmap_FillRect", bitmap, 0, 0, w, h, white); err != nil {
		return nil, err
	}
	if _, err := d.raw.call("FPDF_RenderPageBitmap", bitmap, page, 0, 0, w, h, 0, 0); err != nil {
		return nil, err
	}
	at, err := d.raw.call("FPDFBitmap_GetBuffer", bitmap)
	if err != nil {
		return nil, err
	}
	stride, err := d.raw.number("FPDFBitmap_GetStride", bitmap)
	if err != nil {
		return nil, err
	}
	if stride < width {
		return nil, errors.New("PDFium draws rows that are too short")
	}
	pixels, err := d.raw.read(at, stride*height)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, width*height)
	for y := range height {
		out = append(out, pixels[y*stride:y*stride+width]...)
	}
	_, err = d.raw.call("FPDFBitmap_Destroy", bitmap)
	return out, err
}
