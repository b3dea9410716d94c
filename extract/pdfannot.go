//go:build !nopdfium

package extract

import (
	"slices"
	"strings"

	"github.com/klippa-app/go-pdfium/enums"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/structs"
)

// What PDFium calls the kinds and flags of annotations (fpdf_annot.h), and the
// kinds of form fields (fpdf_formfill.h).
const (
	annotLink   = 2
	annotPopup  = 16
	annotWidget = 20

	annotHidden = 1<<1 | 1<<5 // hidden, or not on a screen

	fieldCombo = 4
	fieldList  = 5
	fieldText  = 6

	fieldPassword = 1 << 13
)

// maxAnnots is how many annotations of a page are looked at.
const maxAnnots = 5_000

// hasNotes tells that a page has annotations or form fields that may show text,
// and that files are pinned to it.
func (d *pdfiumDocument) hasNotes(page handle) (notes, files bool, err error) {
	err = d.annots(page, func(_ handle, kind int) (bool, error) {
		notes = notes || kind != annotLink && kind != annotPopup && kind != annotFile
		files = files || kind == annotFile
		return true, nil
	})
	return notes, files, err
}

// annots calls do with the annotations of a page until it says false.
func (d *pdfiumDocument) annots(page handle, do func(a handle, kind int) (bool, error)) error {
	n, err := d.raw.number("FPDFPage_GetAnnotCount", page)
	if err != nil {
		return err
	}
	for i := range min(n, maxAnnots) {
		a, err := d.raw.call("FPDFPage_GetAnnot", page, uint64(i))
		if err != nil {
			return err
		}
		if a == 0 {
			continue
		}
		kind, err := d.raw.number("FPDFAnnot_GetSubtype", a)
		if err != nil {
			return err
		}
		more, err := do(a, kind)
		if err != nil {
			return err
		}
		if _, err := d.raw.call("FPDFPage_CloseAnnot", a); err != nil || !more {
			return err
		}
	}
	return nil
}

// notes reads what stands in form fields and annotations of a page into p.
//
// PDFium tells only the text that has been drawn into the page. Drawing
// annotations into it (flattening) may spoil its fonts, so the page's own
// content is taken out before.
func (d *pdfiumDocument) notes(n int, p *pdfPage) error {
	page, err := d.load(n - 1)
	if err != nil {
		return err
	}
	fields, rects, err := d.fields(page)
	if err != nil {
		return err
	}
	if err := d.clear(page); err != nil {
		return err
	}
	const drawn = 1 // FLATTEN_SUCCESS
	done, err := d.raw.number("FPDFPage_Flatten", page, 0)
	if err != nil {
		return err
	}
	if err := d.unload(page); err != nil {
		return err
	}
	notes := fields
	if done == drawn {
		if page, err = d.load(n - 1); err != nil {
			return err
		}
		chars, err := d.chars(page)
		if err != nil {
			return err
		}
		// A field shows the part of its text that it has room for. The rest
		// belongs to it, but if that is very much, it is the same text again in
		// many states (AcroFormsBasicFields.pdf of PDFBox: 18,300 words for 314).
		if len(chars) > 3*textLength(p.lines)+3_000 {
			chars = inside(chars, 1, rects...)
		}
		notes = append(layoutPDF(chars), fields...)
		if err := d.unload(page); err != nil {
			return err
		}
	}
	p.lines = mergePDFLines(p.lines, notes)
	return nil
}

func textLength(lines []pdfLine) (n int) {
	for _, l := range lines {
		n += len(l.text)
	}
	return n
}

// clear takes the content out of a page, in this process only.
func (d *pdfiumDocument) clear(page handle) error {
	n, err := d.raw.number("FPDFPage_CountObjects", page)
	if err != nil {
		return err
	}
	for n--; n >= 0; n-- { // from the end, for the rest need not move
		obj, err := d.raw.call("FPDFPage_GetObject", page, uint64(n))
		if err != nil {
			return err
		}
		if _, err := d.raw.call("FPDFPage_RemoveObject", page, obj); err != nil {
			return err
		}
		if _, err := d.raw.call("FPDFPageObj_Destroy", obj); err != nil {
			return err
		}
	}
	_, err = d.raw.call("FPDFPage_GenerateContent", page)
	return err
}

// fields gives the values of the form fields that have no appearance, which
// viewers draw by themselves, and the places of all annotations.
func (d *pdfiumDocument) fields(page handle) (lines []pdfLine, rects []rect, err error) {
	err = d.annots(page, func(a handle, kind int) (bool, error) {
		if kind == annotLink || kind == annotPopup {
			return true, nil
		}
		if found, err := d.raw.number("FPDFAnnot_GetRect", a, d.raw.out); err != nil || found == 0 {
			return true, err
		}
		r, err := d.raw.rect()
		if err != nil {
			return false, err
		}
		rects = append(rects, r)
		if kind != annotWidget {
			return true, nil
		}
		text, err := d.fieldText(a)
		for i, line := range slices.Collect(strings.Lines(text)) {
			const step = 12
			top := r.top - float32(i)*step
			lines = append(lines, pdfLine{text: line, left: r.left, right: r.right, top: top, bottom: top - step, base: top - 0.8*step})
		}
		return err == nil, err
	})
	return lines, rects, err
}

// fieldText is what a viewer shows of a field that has no appearance.
func (d *pdfiumDocument) fieldText(a handle) (string, error) {
	flags, err := d.raw.number("FPDFAnnot_GetFlags", a)
	if err != nil || flags&annotHidden != 0 {
		return "", err
	}
	look, err := d.raw.number("FPDFAnnot_GetAP", a, 0, 0, 0)
	if err != nil || look > 2 { // bytes, of which the last two are the end
		return "", err
	}
	form, err := d.fill()
	if err != nil || form == 0 {
		return "", err
	}
	kind, err := d.raw.number("FPDFAnnot_GetFormFieldType", form, a)
	if err != nil {
		return "", err
	}
	switch kind {
	case fieldText, fieldCombo:
		secret, err := d.raw.number("FPDFAnnot_GetFormFieldFlags", form, a)
		if err != nil || kind == fieldText && secret&fieldPassword != 0 {
			return "", err
		}
		return d.raw.text("FPDFAnnot_GetFormFieldValue", form, a)
	case fieldList:
		return d.options(form, a)
	}
	return "", nil
}

// options are the lines of a list.
func (d *pdfiumDocument) options(form, a handle) (string, error) {
	const most = 1_000
	n, err := d.raw.number("FPDFAnnot_GetOptionCount", form, a)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i := range min(n, most) {
		label, err := d.raw.text("FPDFAnnot_GetOptionLabel", form, a, uint64(i))
		if err != nil {
			return "", err
		}
		b.WriteString(oneLine(label))
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// fill opens the document's form, 0 if that cannot be done. Nothing of it is
// ever filled in: PDFium has no other way to a field's value.
func (d *pdfiumDocument) fill() (handle, error) {
	if d.form != 0 || d.noForm {
		return d.form, nil
	}
	d.noForm = true
	resp, err := d.inst.FPDFDOC_InitFormFillEnvironment(&requests.FPDFDOC_InitFormFillEnvironment{Document: d.doc, FormFillInfo: deafForm})
	if err != nil {
		return 0, nil
	}
	d.formOf = resp.FormHandle
	d.form, err = d.raw.lookup(d.inst, "formHandleRefs", resp.FormHandle)
	return d.form, err
}

// deafForm is a viewer that shows nothing and does nothing.
var deafForm = structs.FPDF_FORMFILLINFO{
	FFI_Invalidate:         func(references.FPDF_PAGE, float64, float64, float64, float64) {},
	FFI_SetCursor:          func(enums.FXCT) {},
	FFI_SetTimer:           func(int, func(int)) int { return 0 },
	FFI_KillTimer:          func(int) {},
	FFI_GetLocalTime:       func() structs.FPDF_SYSTEMTIME { return structs.FPDF_SYSTEMTIME{} },
	FFI_GetPage:            func(references.FPDF_DOCUMENT, int) *references.FPDF_PAGE { return nil },
	FFI_GetRotation:        func(references.FPDF_PAGE) enums.FPDF_PAGE_ROTATION { return 0 },
	FFI_ExecuteNamedAction: func(string) {},
}
