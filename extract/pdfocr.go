package extract

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// byOCR reads page n by OCR where that is wanted, and gives its confidence: 0
// when it was not read so, -1 when there is nothing to be read. What was read
// takes the place of p's lines.
func (d *pdfReading) byOCR(n int, p *pdfPage) (sure int, err error) {
	o := d.req.OCR
	wanted := o.When == OCRAlways && p.state != pageBlank || o.When == OCRAuto && p.scanned
	if !wanted || d.noMore || n == d.req.SkipOCR {
		return 0, nil
	}
	painter, ok := d.doc.(pdfPainter)
	tool, terr := ocrTool(o)
	switch {
	case !ok:
		return 0, d.endOCR("pages are not read by OCR: only PDFium can draw them; set pdf.engine to auto")
	case terr != nil:
		return 0, d.endOCR("pages are not read by OCR: " + terr.Error())
	case d.drawn >= o.pages():
		return 0, d.endOCR(fmt.Sprintf("page %d and what follows it are not read by OCR: there are more than %d such pages; raise ocr.pages", n, d.drawn))
	}
	d.drawn++
	// Whoever watches us gives us time by this frame, and knows what hangs.
	if err := d.emit(pdfFrame{Kind: frameOCR, Page: n}); err != nil {
		return 0, err
	}
	var pic picture
	if err := guarded(func() (err error) {
		pic, err = painter.paint(n, o.dpi())
		return err
	}); err != nil {
		if nerr := d.noteOCR(n, "PDFium cannot draw it"); nerr != nil || errors.Is(err, errNoPage) {
			return 0, nerr
		}
		return 0, d.reopen(n, err)
	}
	text, err := tool.read(context.Background(), pic, o) // who wants no more kills us, and it with us
	if err != nil {
		why := err.Error()
		if errors.Is(err, errOCRTime) {
			why = fmt.Sprintf("it took longer than %v; raise ocr.time", o.time())
		}
		return 0, d.noteOCR(n, why)
	}
	if text.text == "" {
		return -1, nil
	}
	p.lines = nil
	for line := range strings.SplitSeq(text.text, "\n") {
		p.lines = append(p.lines, pdfLine{text: line})
	}
	return text.sure, nil
}

func (d *pdfReading) noteOCR(n int, why string) error {
	return d.emit(pdfFrame{Kind: frameNote, Text: fmt.Sprintf("page %d could not be read by OCR: %s", n, why)})
}

// endOCR says once why no more pages are read by OCR.
func (d *pdfReading) endOCR(why string) error {
	d.noMore = true
	return d.emit(pdfFrame{Kind: frameNote, Text: why})
}
