package extract

import (
	"hash/fnv"
	"unicode"
	"unicode/utf8"
)

// This file has what the second engine does beside the first: it reads the
// pages, and the files inside, of which the first has nothing, and gives its
// opinion of the others where that is asked for.

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

// An agreement says how much of the second engine's text the first has too. It
// counts runs of three letters, not words: ledongthuc loses the spaces of one
// file in ten. What only the first has is no disagreement: ledongthuc drops the
// text of form XObjects, fields and annotations.
type agreement struct{ pages, same, all int }

// add compares a page.
func (a *agreement) add(first, second string) {
	bag := map[[3]rune]int{}
	for _, run := range letterRuns(first) {
		bag[run]++
	}
	for _, run := range letterRuns(second) {
		a.all++
		if bag[run] > 0 {
			bag[run]--
			a.same++
		}
	}
	a.pages++
}

func (a *agreement) percent() int { return 100 * a.same / max(1, a.all) }

// letterRuns are the runs of three letters and digits of a text, whatever stands
// between them, in lower case; a text of fewer is filled up. A run and its mirror
// image are one: ledongthuc gives Arabic and Hebrew from left to right.
func letterRuns(s string) (runs [][3]rune) {
	var run [3]rune
	add := func() {
		one := run
		if one[0] > one[2] {
			one[0], one[2] = one[2], one[0]
		}
		runs = append(runs, one)
	}
	n := 0
	for _, c := range s {
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			continue
		}
		run = [3]rune{run[1], run[2], unicode.ToLower(c)}
		if n++; n >= 3 {
			add()
		}
	}
	if n > 0 && n < 3 {
		add()
	}
	return runs
}

// audited tells that a document is one of those that both engines read: every
// document has its own fixed place between 0 and 1.
func audited(name string, share float64) bool {
	if share <= 0 {
		return false
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	return float64(h.Sum32())/(1<<32) < share
}

// compare has the second engine read a page that the first has text of. What it
// cannot decode is no opinion.
func (d *pdfReading) compare(n int, text string) error {
	if text == "" {
		return nil
	}
	other, err := d.rescue(n)
	if err == nil && other != "" {
		d.agreed.add(text, other)
	}
	return err
}
