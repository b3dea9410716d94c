package extract

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// A pdfChar is a character of a page and its place in points, upwards and to
// the right.
type pdfChar struct {
	c    rune
	made bool // by the engine, to part words or lines; it has no place

	left, top, right, bottom float32 // as wide as it advances, as high as its font
	x, y                     float32 // of its origin on the baseline
	angle                    float32 // of the baseline, radians, counter-clockwise
}

// turned gives the character as the reader sees it who turns the page until
// the baseline is level.
func (c pdfChar) turned() pdfChar {
	if c.angle != 0 {
		sin, cos := math.Sincos(float64(c.angle))
		s, k := float32(sin), float32(cos)
		turn := func(x, y float32) (float32, float32) { return x*k + y*s, y*k - x*s }
		c.x, c.y = turn(c.x, c.y)
		x1, y1 := turn(c.left, c.bottom)
		x2, y2 := turn(c.right, c.top)
		c.left, c.right, c.bottom, c.top = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
	}
	return c
}

// leftward tells that a turned character advances to the left, as with a
// negative font size.
func (c pdfChar) leftward() bool { return c.right-c.x < 0.1*(c.x-c.left) }

// mirrored gives a character as it is seen in a mirror.
func (c pdfChar) mirrored() pdfChar {
	c.x, c.left, c.right = -c.x, -c.right, -c.left
	return c
}

// A rect is a part of a page in points, upwards and to the right.
type rect struct{ left, top, right, bottom float32 }

// has tells that the middle of a character lies in the rectangle, or not more
// than margin beside it.
func (r rect) has(c *pdfChar, margin float32) bool {
	x, y := (c.left+c.right)/2, (c.top+c.bottom)/2
	return x >= r.left-margin && x <= r.right+margin && y >= r.bottom-margin && y <= r.top+margin
}

func (c pdfChar) height() float32 { return c.top - c.bottom }

// A pdfLine is a line of text of a page.
type pdfLine struct {
	text                     string
	left, right, bottom, top float32
	base                     float32 // height of its baseline
	angle                    float32
	cells                    []pdfCell // none where nobody knows
}

// A pdfCell is a part of a line that has white on both sides, which may be that
// between two columns of text.
type pdfCell struct {
	at          int // where its text begins in that of the line
	left, right float32
}

// A gap is what stands between two characters.
type gap byte

const (
	gapNone  gap = 0
	gapTab   gap = '\t'
	gapRun   gap = '\r' // the line goes on elsewhere
	gapLine  gap = '\n'
	gapSpace gap = ' '
)

// How far apart, in heights of the larger font, characters are that belong
// together. A height is some 1.15 times the font's size.
const (
	sameLine   = 0.45 // of their baselines: a superscript is raised by a third
	backwards  = 0.3  // from the start of one to that of the next, to the left
	wordGap    = 0.5  // of a space that the engine has not seen
	columnGap  = 1.6  // of cells of a table
	closeGap   = 0.12 // of characters that a line end does not part
	stackedGap = 2.0  // from one to the next in vertical writing
)

// A pdfLayout puts the characters of a page, in the order in which they are
// drawn, into lines.
type pdfLayout struct {
	lines []pdfLine
	runs  []pdfRun
	base  pdfChar // the largest character of the line
}

// A pdfRun is a part of a line that was drawn from left to right.
type pdfRun struct {
	text        []byte
	cells       []pdfCell
	rtl         bool
	left, right float32
	bottom, top float32
}

// layoutPDF gives the lines of a page as they are read. Cells of a table are
// parted by tabs.
func layoutPDF(chars []pdfChar) []pdfLine { return readColumns(drawnLines(chars)) }

// drawnLines gives the lines of a page in the order in which they are drawn.
func drawnLines(chars []pdfChar) []pdfLine {
	l := &pdfLayout{}
	var last pdfChar
	begun, wasLeftward := false, false
	seen := gapNone // by the engine, since last
	for i := 0; i < len(chars); i++ {
		c := chars[i]
		switch {
		case c.c == 0:
			continue
		case c.made && c.c != ' ':
			seen = gapLine
			continue
		case c.made, c.c < ' ' && c.c != hyphenMark: // the second is a glyph that has no meaning
			if seen == gapNone {
				seen = gapSpace
			}
			continue
		}
		if utf16.IsSurrogate(c.c) && i+1 < len(chars) {
			if r := utf16.DecodeRune(c.c, chars[i+1].c); r != utf8.RuneError {
				c.c, c.right = r, max(c.right, chars[i+1].right)
				i++
			}
		}
		t := c.turned()
		// One alone has a wrong width.
		if t.leftward() && (wasLeftward || i+1 < len(chars) && chars[i+1].turned().leftward()) {
			t, wasLeftward = t.mirrored(), true
		} else {
			wasLeftward = false
		}
		if begun {
			l.part(l.between(last, t, seen))
		}
		l.add(t)
		last, seen, begun = t, gapNone, true
	}
	l.end()
	return l.lines
}

// between judges what parts a from b, which is drawn after it. seen is what
// the engine thinks.
func (l *pdfLayout) between(a, b pdfChar, seen gap) gap {
	em := max(a.height(), b.height())
	if !(em > 0) {
		return seen
	}
	if turn := abs(a.angle - b.angle); turn > 0.1 && turn < 2*math.Pi-0.1 {
		return gapLine
	}
	if seen == gapNone && stacked(a, b, em) {
		l.base = b // a line that goes down
		return gapNone
	}
	if abs(b.y-a.y) > sameLine*em && abs(b.y-l.base.y) > sameLine*max(em, l.base.height()) {
		return gapLine
	}
	dx := b.x - a.right
	if isRTL(a.c) || isRTL(b.c) {
		if a.left-b.right > columnGap*em || dx > columnGap*em {
			return gapTab
		}
		return seen
	}
	switch {
	case b.x < a.x-backwards*em:
		return gapRun
	case dx > columnGap*em:
		return gapTab
	case dx > wordGap*em:
		return gapSpace
	case seen == gapLine && dx < closeGap*em:
		return gapNone // as after a superscript
	case seen == gapLine:
		return gapSpace
	}
	return seen
}

// stacked tells that b stands below a as in vertical writing.
func stacked(a, b pdfChar, em float32) bool {
	return isIdeographic(a.c) && isIdeographic(b.c) && abs(b.x-a.x) < 0.4*em && a.y-b.y > 0.4*em && a.y-b.y < stackedGap*em
}

func (l *pdfLayout) part(g gap) {
	switch g {
	case gapNone:
	case gapLine:
		l.end()
	case gapRun:
		l.runs = append(l.runs, pdfRun{})
	default:
		r := &l.runs[len(l.runs)-1]
		if n := len(r.text); n > 0 && r.text[n-1] == ' ' {
			r.text = r.text[:n-1]
		}
		r.text = append(r.text, byte(g))
	}
}

func (l *pdfLayout) add(c pdfChar) {
	if len(l.runs) == 0 {
		l.runs = append(l.runs, pdfRun{})
		l.base = c
	}
	if c.height() > l.base.height() {
		l.base = c
	}
	r := &l.runs[len(l.runs)-1]
	if len(r.text) == 0 {
		r.left, r.right, r.bottom, r.top = c.left, c.right, c.bottom, c.top
	}
	// Comparisons are cheaper here than min and max, which look for NaN.
	if c.left < r.left {
		r.left = c.left
	}
	if c.right > r.right {
		r.right = c.right
	}
	if c.bottom < r.bottom {
		r.bottom = c.bottom
	}
	if c.top > r.top {
		r.top = c.top
	}
	r.rtl = r.rtl || isRTL(c.c)
	if c.c != ' ' {
		r.cells = addCell(r.cells, len(r.text), c.left, c.right, gutterWidth*c.height())
	}
	r.text = utf8.AppendRune(r.text, c.c)
}

// end makes a line of the runs.
func (l *pdfLayout) end() {
	runs := l.runs
	l.runs = l.runs[:0]
	if len(runs) == 0 {
		return
	}
	if len(runs) > 1 && !slices.ContainsFunc(runs, func(r pdfRun) bool { return r.rtl }) {
		slices.SortStableFunc(runs, func(a, b pdfRun) int {
			switch {
			case a.left < b.left:
				return -1
			case a.left > b.left:
				return 1
			}
			return 0
		})
	}
	em := l.base.height()
	line := l.line(runs[0])
	text := runs[0].text
	for _, r := range runs[1:] {
		over := min(line.right, r.right) - max(line.left, r.left)
		switch {
		case over > 0.5*(r.right-r.left):
			// Drawn over another: for a shadow, or another text.
			if bytes.Contains(text, bytes.TrimSpace(r.text)) {
				continue
			}
			line.text = string(text)
			l.lines = append(l.lines, line)
			line, text = l.line(r), r.text
			continue
		case r.left-line.right > columnGap*em:
			text = append(text, '\t')
		case r.left-line.right > closeGap*em && !bytes.HasSuffix(text, []byte(" ")):
			text = append(text, ' ')
		}
		for _, c := range r.cells {
			line.cells = addCell(line.cells, len(text)+c.at, c.left, c.right, gutterWidth*(r.top-r.bottom))
		}
		text = append(text, r.text...)
		line.left, line.right = min(line.left, r.left), max(line.right, r.right)
		line.bottom, line.top = min(line.bottom, r.bottom), max(line.top, r.top)
	}
	line.text = string(text)
	l.lines = append(l.lines, line)
}

func (l *pdfLayout) line(r pdfRun) pdfLine {
	return pdfLine{left: r.left, right: r.right, bottom: r.bottom, top: r.top, base: l.base.y, angle: l.base.angle, cells: r.cells}
}

// addCell adds what is drawn after the cells to the last of them, or as another
// one where so much is white between them. It is called for every character.
func addCell(cells []pdfCell, at int, left, right, white float32) []pdfCell {
	n := len(cells)
	if n == 0 || left-cells[n-1].right > white || cells[n-1].left-right > white {
		return append(cells, pdfCell{at, left, right})
	}
	last := &cells[n-1]
	if left < last.left {
		last.left = left
	}
	if right > last.right {
		last.right = right
	}
	return cells
}

// joinPDFLines makes one text of the lines.
func joinPDFLines(lines []pdfLine) string {
	var b strings.Builder
	for i, l := range lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(l.text)
	}
	return b.String()
}

// mergePDFLines puts lines that are drawn over a page where the reader sees
// them: what has been filled in follows the words to its left, else the line
// above it.
func mergePDFLines(lines, notes []pdfLine) []pdfLine {
	const most = 10_000_000 // comparisons
	if len(notes) == 0 {
		return lines
	}
	if len(lines)*len(notes) > most {
		return append(lines, notes...)
	}
	after := make([][]pdfLine, len(lines)+1) // by the line that they follow; 0 is none
	for _, n := range notes {
		if i := leftOf(lines, n); i >= 0 {
			l := &lines[i]
			l.text = strings.TrimRight(l.text, " ") + " " + n.text
			l.right, l.top, l.bottom = n.right, max(l.top, n.top), min(l.bottom, n.bottom)
			continue
		}
		at := lineAbove(lines, n) + 1
		after[at] = append(after[at], n)
	}
	merged := make([]pdfLine, 0, len(lines)+len(notes))
	merged = append(merged, after[0]...)
	for i, l := range lines {
		merged = append(append(merged, l), after[i+1]...)
	}
	return merged
}

// leftOf is the line on whose level the note stands to its right, -1 for none.
func leftOf(lines []pdfLine, n pdfLine) int {
	best := -1
	middle := (n.top + n.bottom) / 2
	for i, l := range lines {
		level := l.bottom <= middle && middle <= l.top
		if !level || l.angle != n.angle || l.right > n.left+(n.right-n.left)/2 {
			continue
		}
		if best < 0 || l.right > lines[best].right {
			best = i
		}
	}
	return best
}

// lineAbove is the lowest line over the note, -1 for none.
func lineAbove(lines []pdfLine, n pdfLine) int {
	best := -1
	for i, l := range lines {
		if l.angle == n.angle && l.base > n.base && (best < 0 || l.base <= lines[best].base) {
			best = i
		}
	}
	return best
}

func abs(v float32) float32 { return float32(math.Abs(float64(v))) }

func isRTL(c rune) bool {
	return c >= 0x590 && c <= 0x8FF || c >= 0xFB1D && c <= 0xFDFF || c >= 0xFE70 && c <= 0xFEFC || c >= 0x10800 && c <= 0x10FFF || c >= 0x1E800 && c <= 0x1EFFF
}

// isIdeographic tells the characters of scripts that are written downwards as
// well.
func isIdeographic(c rune) bool {
	return c >= 0x2E80 && (c >= 0x3000 && c <= 0x30FF || unicode.In(c, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana) || c >= 0xFF01 && c <= 0xFF60)
}
