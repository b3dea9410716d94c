package extract

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// This file reads columns of text one after the other that are drawn line by
// line across the page. It moves nothing but prose: the rows of a table and the
// entries of a list stay as they are drawn, for a table that is torn apart is
// worse than two columns that are mixed up.

const (
	// gutterWidth is how wide the white between columns is at least, in heights
	// of a line.
	gutterWidth = 0.7
	// gutterRows is how many rows it parts at least.
	gutterRows = 6
	// gutterShare is the part of the rows of the best gutter that another one of
	// the same columns has at least.
	gutterShare = 0.6
	// How many are looked at side by side, and on a page: a hostile page has any
	// number.
	maxGutters     = 32
	maxPageGutters = 256
	// How far down, and up, it is from a line to the next of a stretch of
	// columns, at most, in heights of a line.
	stepDown = 2.2
	stepUp   = 0.9
	// looseStep is a step that is more than that from line to line, in such steps.
	looseStep = 1.4
)

// readColumns takes columns apart: of lines that are drawn as
//
//	left one   right one
//	left two   right two
//
// come left one, left two, right one, right two. It gives the same slice where
// there are none.
func readColumns(lines []pdfLine) []pdfLine {
	if len(lines) < gutterRows {
		return lines
	}
	var blocks []columnBlock
	above := 0
	for _, s := range columnStretches(findGutters(lines)) {
		blocks = append(blocks, s.blocks(lines, above)...)
		above = s.last + 1
	}
	if len(blocks) == 0 {
		return lines
	}
	out := make([]pdfLine, 0, len(lines)*2)
	at := 0
	for _, b := range blocks {
		out = append(out, lines[at:b.first]...)
		for _, c := range b.columns {
			out = append(out, c.lines...)
		}
		at = b.last + 1
	}
	return append(out, lines[at:]...)
}

// A white is a part of a line's height without text, from left to right.
type white struct{ left, right float32 }

func (w white) width() float32 { return w.right - w.left }

func (w white) and(v white) white { return white{max(w.left, v.left), min(w.right, v.right)} }

// whites are those beside and between the cells of the line. The first begins,
// and the last ends, at infinity.
func (l *pdfLine) whites(buf []white) []white {
	cells := l.cells
	for i := 1; i < len(cells); i++ {
		if cells[i].left < cells[i-1].left { // right to left
			cells = slices.Clone(cells)
			slices.SortFunc(cells, func(a, b pdfCell) int { return cmp.Compare(a.left, b.left) })
			break
		}
	}
	buf = buf[:0]
	at := float32(math.Inf(-1))
	for _, c := range cells {
		if c.left > at {
			buf = append(buf, white{at, c.left})
		}
		at = max(at, c.right)
	}
	return append(buf, white{at, float32(math.Inf(1))})
}

func (l *pdfLine) height() float32 { return l.top - l.bottom }

// downward tells a line of vertical writing.
func (l *pdfLine) downward() bool {
	return l.height() > 2*(l.right-l.left) && utf8.RuneCountInString(l.text) > 2
}

// follows tells that l stands below k, or beside it, in the same stretch.
func (l *pdfLine) follows(k *pdfLine) bool {
	em := max(l.height(), k.height())
	step := k.base - l.base
	return em > 0 && abs(l.angle-k.angle) < 0.1 && step <= stepDown*em && step >= -stepUp*em &&
		len(l.cells) > 0 && len(k.cells) > 0 && !l.downward() && !k.downward()
}

// A gutter is the white between two columns over a stretch of lines.
type gutter struct {
	white
	first, last int
	height      float32 // of the lowest line
	rows        int     // that have text on both sides
	side        side    // of the last line, where that is not in a row
}

type side int8

const (
	sideBoth  side = 0
	sideLeft  side = -1
	sideRight side = 1
)

// narrowed gives what the line leaves of the gutter, and on which side it
// stands; ok is false where it crosses the gutter.
func (g *gutter) narrowed(l *pdfLine, whites []white) (w white, s side, ok bool) {
	best := -1
	for i, v := range whites {
		if v = v.and(g.white); best < 0 || v.width() > w.width() {
			w, best = v, i
		}
	}
	switch {
	case !(w.width() >= gutterWidth*min(g.height, l.height())):
		return w, s, false
	case best == len(whites)-1:
		s = sideLeft
	case math.IsInf(float64(whites[best].left), -1):
		s = sideRight
	}
	return w, s, true
}

// take goes on with a line, false where it crosses the gutter. level tells that
// it stands beside the line before.
func (g *gutter) take(i int, l *pdfLine, whites []white, level bool) bool {
	w, s, ok := g.narrowed(l, whites)
	if !ok {
		return false
	}
	switch {
	case s == sideBoth:
		g.rows++
	case level && g.side == -s:
		g.rows++
		s = sideBoth // it makes no row with the next line as well
	}
	g.white, g.side, g.last, g.height = w, s, i, min(g.height, l.height())
	return true
}

// findGutters gives the gutters of a page that part enough rows.
func findGutters(lines []pdfLine) (found []gutter) {
	var open []gutter
	var whites []white
	for i := range lines {
		l := &lines[i]
		goesOn := i > 0 && l.follows(&lines[i-1])
		level := goesOn && abs(l.base-lines[i-1].base) < stepUp*min(l.height(), lines[i-1].height())
		if len(open) == 0 && len(l.cells) < 2 && !level {
			continue // as on most pages
		}
		if len(found) >= maxPageGutters {
			return nil
		}
		whites = l.whites(whites)
		kept := open[:0]
		for _, g := range open {
			switch {
			case goesOn && g.take(i, l, whites, level):
				kept = append(kept, g)
			case g.rows >= gutterRows:
				found = append(found, g)
			}
		}
		open = kept
		begin := func(w white, first int) {
			has := func(g gutter) bool { return g.and(w).width() > 0 }
			if len(open) < maxGutters && w.width() > 0 && !slices.ContainsFunc(open, has) {
				open = append(open, gutter{white: w, first: first, last: i, height: l.height(), rows: 1})
			}
		}
		if len(whites) > 2 {
			for _, w := range whites[1 : len(whites)-1] {
				begin(w, i)
			}
		}
		if level {
			begin(l.beside(&lines[i-1]), i-1)
		}
	}
	for _, g := range open {
		if g.rows >= gutterRows {
			found = append(found, g)
		}
	}
	return found
}

// beside is the white between two lines that stand beside each other.
func (l *pdfLine) beside(k *pdfLine) white {
	if l.left < k.left {
		l, k = k, l
	}
	return white{k.right, l.left}
}

// A columnStretch is a stretch of lines with the gutters between its columns,
// from left to right.
type columnStretch struct {
	first, last int
	gutters     []white
}

// columnStretches puts the gutters together that part the same lines. The
// stretches share no lines, and are in order.
func columnStretches(found []gutter) (stretches []columnStretch) {
	slices.SortStableFunc(found, func(a, b gutter) int { return b.rows - a.rows })
	for len(found) > 0 {
		g := found[0]
		s := columnStretch{g.first, g.last, []white{g.white}}
		for _, h := range found[1:] {
			common := min(g.last, h.last) - max(g.first, h.first) + 1
			if float32(common) >= gutterShare*float32(g.last-g.first+1) && float32(h.rows) >= gutterShare*float32(g.rows) &&
				!slices.ContainsFunc(s.gutters, func(w white) bool { return w.and(h.white).width() > 0 }) {
				s.first, s.last = max(s.first, h.first), min(s.last, h.last)
				s.gutters = append(s.gutters, h.white)
			}
		}
		slices.SortFunc(s.gutters, func(a, b white) int { return cmp.Compare(a.left, b.left) })
		stretches = append(stretches, s)
		rest := found[:0]
		for _, h := range found {
			// What is left of a gutter above or below goes on by itself.
			switch {
			case h.last < s.first, h.first > s.last:
			case h.last > s.last:
				h.first = s.last + 1
			case h.first < s.first:
				h.last = s.first - 1
			default:
				continue
			}
			if h.rows = min(h.rows, h.last-h.first+1); h.rows >= gutterRows {
				rest = append(rest, h)
			}
		}
		found = rest
	}
	slices.SortFunc(stretches, func(a, b columnStretch) int { return cmp.Compare(a.first, b.first) })
	return stretches
}

// A columnBlock is a stretch of lines that is read column by column.
type columnBlock struct {
	first, last int
	columns     []textColumn // as they are read
}

// blocks gives the parts of the stretch, between headings, that are columns of
// prose. It may begin higher, but not over line above.
func (s columnStretch) blocks(lines []pdfLine, above int) (blocks []columnBlock) {
	whole := s.columns(lines)
	step, rtl := lineStep(whole), whole[0].rtl
	// Beside a figure a column begins higher than the other.
	for s.first > above && s.onOneSide(&lines[s.first-1]) && lines[s.first].follows(&lines[s.first-1]) &&
		lines[s.first-1].base-lines[s.first].base < looseStep*step {
		s.first--
	}
	s = s.trimmed(lines, step)
	first := s.first
	for i := s.first + 1; i <= s.last+1; i++ {
		if i <= s.last && !s.heading(lines, i, step, rtl) {
			continue
		}
		part := columnStretch{first, i - 1, s.gutters}
		if columns := part.columns(lines); areProse(columns, step) {
			blocks = append(blocks, columnBlock{part.first, part.last, columns})
		}
		first = i
	}
	return blocks
}

// trimmed takes a row off the head and the foot that stands apart from the
// others: a running head, a page number.
func (s columnStretch) trimmed(lines []pdfLine, step float32) columnStretch {
	first, last := s.first, s.last
	for first < s.last && lines[s.first].base-lines[first+1].base < step/2 {
		first++
	}
	if first < s.last && lines[first].base-lines[first+1].base > looseStep*step {
		s.first = first + 1
	}
	for last > s.first && lines[last-1].base-lines[s.last].base < step/2 {
		last--
	}
	if last > s.first && lines[last-1].base-lines[last].base > looseStep*step {
		s.last = last - 1
	}
	return s
}

// onOneSide tells that the line stands in one of the columns.
func (s columnStretch) onOneSide(l *pdfLine) bool {
	for _, w := range s.gutters {
		if l.left < w.right && l.right > w.left {
			return false
		}
	}
	return true
}

// heading tells that line i stands in the first column, alone, below a white
// across all of them: it begins something new.
func (s columnStretch) heading(lines []pdfLine, i int, step float32, rtl bool) bool {
	l := &lines[i]
	first := l.right <= s.gutters[0].right
	if rtl {
		first = l.left >= s.gutters[len(s.gutters)-1].left
	}
	return first && lines[i-1].base-l.base > looseStep*step && (i == s.last || l.base-lines[i+1].base > step/2)
}

// columns divides the lines of the stretch. Their cells lie beside its gutters.
func (s columnStretch) columns(lines []pdfLine) []textColumn {
	columns := make([]textColumn, len(s.gutters)+1)
	rtl, all := 0, 0
	for i := s.first; i <= s.last; i++ {
		l := &lines[i]
		for k := 0; k < len(l.cells); {
			in := s.column(l.cells[k])
			piece, end := *l, len(l.text)
			piece.left, piece.right = l.cells[k].left, l.cells[k].right
			from := l.cells[k].at
			for k++; k < len(l.cells) && s.column(l.cells[k]) == in; k++ {
				piece.left, piece.right = min(piece.left, l.cells[k].left), max(piece.right, l.cells[k].right)
			}
			if k < len(l.cells) {
				end = l.cells[k].at
			}
			piece.text, piece.cells = strings.TrimRight(l.text[from:end], " \t"), nil
			columns[in].add(piece)
			all++
			if strings.ContainsFunc(piece.text, isRTL) {
				rtl++
			}
		}
	}
	if rtl*2 > all {
		slices.Reverse(columns)
	}
	for i := range columns {
		columns[i].rtl = rtl*2 > all
	}
	return columns
}

// column is the number of the column in which a cell stands, from the left.
func (s columnStretch) column(c pdfCell) int {
	n := 0
	for _, w := range s.gutters {
		if c.left >= w.right-(w.width()/2) {
			n++
		}
	}
	return n
}

// A textColumn is a column of a block, with its lines downwards.
type textColumn struct {
	lines       []pdfLine
	left, right float32
	rtl         bool
}

func (c *textColumn) add(l pdfLine) {
	if len(c.lines) == 0 {
		c.left, c.right = l.left, l.right
	}
	c.left, c.right = min(c.left, l.left), max(c.right, l.right)
	c.lines = append(c.lines, l)
}

// lineStep is how far it is from a line of a column to the next, as a rule.
func lineStep(columns []textColumn) float32 {
	var steps []float32
	for _, c := range columns {
		for i := 1; i < len(c.lines); i++ {
			if d := c.lines[i-1].base - c.lines[i].base; d > 0 {
				steps = append(steps, d)
			}
		}
	}
	if len(steps) == 0 {
		return 0
	}
	slices.Sort(steps)
	return steps[len(steps)/2]
}
