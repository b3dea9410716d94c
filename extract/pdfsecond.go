package extract

import (
	"unicode"
	"unicode/utf8"
)

// This file has what the second engine does beside the first: it reads the
// pages, and the files inside, of which the first has nothing.

// openSecond opens the document in the second engine, once. It is false when
// that is not wanted or not possible. Whoever watches us must have been told
// which engine is at work.
func (d *pdfReading) openSecond() bool {
	if d.second != nil {
		return true
	}
	second, err := d.engine(engineLedongthuc)
	if err != nil || second == d.first {
		d.secondFailed = true
		return false
	}
	err = guarded(func() (err error) {
		d.second, err = second.open(d.file, d.req.Size, d.req.Passwords)
		return err
	})
	if err != nil {
		d.second, d.secondFailed = nil, true
	}
	return err == nil
}

// rescue gives the second engine's text of page n, "" when it has none that
// is worth having.
func (d *pdfReading) rescue(n int) (text string, err error) {
	if d.req.Engine != engineAuto || d.req.NoRescue || d.secondFailed {
		return "", nil
	}
	// Whoever watches us knows by this frame which engine hangs.
	if err := d.emit(pdfFrame{Kind: frameRescue, Page: n}); err != nil {
		return "", err
	}
	if !d.openSecond() {
		return "", nil
	}
	var p pdfPage
	if err := guarded(func() (err error) {
		p, err = d.second.page(n)
		return err
	}); err != nil {
		d.secondFailed = err != errNoPage
		return "", nil
	}
	raw := joinPDFLines(p.lines)
	if text = cleanPDFText(raw); !plausible(raw, text) {
		return "", nil
	}
	return text, nil
}

// otherContent gives the second engine's content of a file of the document.
// PDFium does not find it where the file's old name (F) is empty, as fpdf and
// its kin write it.
func (d *pdfReading) otherContent(i int, name string) ([]byte, error) {
	if d.req.Engine != engineAuto || d.secondFailed || !d.openSecond() {
		return nil, errNoFile
	}
	var content []byte
	err := guarded(func() error {
		files, err := d.second.files(0)
		if err != nil || i >= len(files) || oneLine(files[i].Name) != name {
			return errNoFile
		}
		content, err = d.second.content(0, i)
		return err
	})
	if err != nil {
		return nil, errNoFile // of whatever kind: the first engine is as it was
	}
	return content, nil
}

// plausible tells text from the undecoded codes of a font, which ledongthuc
// gives where it has no map: under 0.5% of characters that are not text, and
// some that are.
func plausible(raw, clean string) bool {
	odd, good, all := 0, 0, 0
	for _, c := range raw {
		all++
		switch {
		case unicode.IsLetter(c) || unicode.IsDigit(c):
			good++
		case c == utf8.RuneError, unicode.Is(unicode.Co, c), notText(c) && !lineEnd(c) && c != '\t':
			odd++
		}
	}
	return clean != "" && good > 0 && odd*200 <= all
}
