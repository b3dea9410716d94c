package extract

import (
	"unicode"
	"unicode/utf8"
)

// This file tells columns of prose from the cells of a table, and from lists.

// What tells prose; shares are of the lines of a column, but for proseLetters.
const (
	proseWords   = 3.0  // in a line, on average
	proseFilled  = 0.6  // that fill the column
	proseFull    = 0.75 // the same, in scripts without capitals
	proseLetters = 0.75 // of what is no blank
	proseMarks   = 0.2  // commas, full stops and the like in a line, on average
	proseAgain   = 0.2  // of the lines, at most, that have been there before
	// That go on with a sentence: in a column, in all of them, and in all of them
	// where words are divided at line ends.
	proseGoingOn  = 0.25
	proseSentence = 0.4
	proseDivided  = 0.3

	filledWidth = 0.7  // of the column, by a line that fills it
	fullWidth   = 0.85 // the same, in scripts without capitals
	twoWords    = 2    // divided words that are no chance
)

// areProse tells columns of prose from those of a table.
func areProse(columns []textColumn, step float32) bool {
	var all prose
	for _, c := range columns {
		p := c.prose()
		if !p.plausible() {
			return false
		}
		all.lines, all.goingOn, all.divided, all.uncased = all.lines+p.lines, all.goingOn+p.goingOn, all.divided+p.divided, all.uncased+p.uncased
	}
	sentences, rows := proseSentence, 1
	if all.divided >= twoWords {
		sentences, rows = proseDivided, 2
	}
	if !all.caseless() && all.share(all.goingOn) < sentences {
		return false
	}
	for i := 1; i < len(columns); i++ {
		if sameRows(&columns[i-1], &columns[i], step, rows) {
			return false
		}
	}
	return true
}

// A prose counts what tells prose in a column.
type prose struct {
	lines          int
	filled, full   int // lines that are as wide as the column
	goingOn        int // lines that begin with a small letter
	divided        int // those of them that begin in a word
	uncased        int // lines that begin with a letter that is neither small nor a capital
	words          float32
	letters, signs int // of all lines; a sign is what is no blank
	marks          int // between sentences and their parts
	again          int // lines that are as one before
}

func (p prose) share(n int) float64 { return float64(n) / float64(max(1, p.lines)) }

func (p prose) caseless() bool { return p.share(p.uncased) > 0.5 }

func (p prose) plausible() bool {
	if p.lines < gutterRows || p.words < proseWords*float32(p.lines) || float64(p.letters) < proseLetters*float64(p.signs) {
		return false
	}
	if p.share(p.marks) < proseMarks || p.share(p.again) > proseAgain {
		return false
	}
	if p.caseless() {
		return p.share(p.full) >= proseFull
	}
	return p.share(p.filled) >= proseFilled && p.share(p.goingOn) >= proseGoingOn
}

func (c *textColumn) prose() (p prose) {
	width := float64(c.right - c.left)
	p.lines = len(c.lines)
	seen := make(map[string]bool, len(c.lines))
	for i, l := range c.lines {
		wide := float64(l.right - l.left)
		if wide >= filledWidth*width {
			p.filled++
		}
		if wide >= fullWidth*width {
			p.full++
		}
		switch first := firstLetter(l.text); {
		case unicode.IsLower(first):
			p.goingOn++
			if i > 0 && endsDivided(c.lines[i-1].text) {
				p.divided++
			}
		case unicode.IsLetter(first) && !unicode.IsUpper(first):
			p.uncased++
		}
		p.count(l.text)
		if seen[l.text] {
			p.again++
		}
		seen[l.text] = true
	}
	return p
}

// count counts words and letters. Two ideographs are a word.
func (p *prose) count(text string) {
	inWord, wasLetter := false, false
	for _, r := range text {
		letter := unicode.IsLetter(r) || unicode.IsMark(r)
		switch {
		case letter && isIdeographic(r):
			p.words += 0.5
		case letter && !inWord:
			p.words++
		}
		inWord = letter || inWord && (r == '\'' || r == '’' || isHyphen(r))
		switch {
		case letter:
			p.letters++
		case wasLetter && unicode.Is(unicode.Terminal_Punctuation, r):
			p.marks++
		}
		wasLetter = letter
		if letter || !unicode.IsSpace(r) {
			p.signs++
		}
	}
}

// firstLetter is the letter that a text begins with, after quotes and the like;
// 0 where it begins with none.
func firstLetter(text string) rune {
	for _, r := range text {
		switch {
		case unicode.IsLetter(r):
			return r
		case !unicode.IsPunct(r) && !unicode.IsSpace(r):
			return 0
		}
	}
	return 0
}

// endsDivided tells that a text ends on a letter and a hyphen.
func endsDivided(text string) bool {
	last, size := utf8.DecodeLastRuneInString(text)
	return isHyphen(last) && letterBefore(text[:len(text)-size])
}

// sameRows tells that what stands in two columns begins at the same heights, so
// many at least, as the cells of a table do.
func sameRows(a, b *textColumn, step float32, least int) bool {
	for _, gapsOnly := range []bool{false, true} {
		one, two := a.beginnings(step, gapsOnly), b.beginnings(step, gapsOnly)
		same := 0
		for i, k := 0, 0; i < len(one) && k < len(two); {
			switch d := one[i] - two[k]; {
			case abs(d) < step/2:
				same, i, k = same+1, i+1, k+1
			case d > 0:
				i++
			default:
				k++
			}
		}
		if same >= least && 2*same > min(len(one), len(two)) {
			return true
		}
	}
	return false
}

// beginnings are the heights of the lines that begin something new: after a gap,
// or after a line that ends early.
func (c *textColumn) beginnings(step float32, gapsOnly bool) (heights []float32) {
	width := c.right - c.left
	for i := 1; i < len(c.lines); i++ {
		k, l := &c.lines[i-1], &c.lines[i]
		short := c.right-k.right > 0.2*width
		if c.rtl {
			short = k.left-c.left > 0.2*width
		}
		if k.base-l.base > looseStep*step || !gapsOnly && short && !unicode.IsLower(firstLetter(l.text)) {
			heights = append(heights, l.base)
		}
	}
	return heights
}
