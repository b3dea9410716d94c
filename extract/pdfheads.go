package extract

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// This file tells running heads and feet, and page numbers, from text: lines in
// the margin of a page that stand at the same height, with the same words, on
// pages near it. The worker tells which lines may be such (margins), and the
// parent, which sees the pages one after the other, which are (runningHeads).

// Values of PDFOptions.RunningHeads.
const (
	headsKeep = "keep"
	headsDrop = "drop"
)

const (
	// marginShare is how much of a page's height may be margin, above and below.
	marginShare = 0.12
	// marginLines is how many lines of a margin may be running heads; those that
	// stand beside each other, as in columns, are one.
	marginLines = 4
	// headsNear is how many pages before and after a page are looked at: left and
	// right pages have heads of their own, chapters of three pages too.
	headsNear = 6
	// headsOnPages is on how many of them a head must stand again.
	headsOnPages = 2
	// headHeight is how much higher or lower it may stand there, in points.
	headHeight = 4
)

// A pdfPart is a stretch of a page's text: lines of its body, or one line of its
// margin, at a height in points. The text is as it came, for a word may be
// divided between two parts.
type pdfPart struct {
	Text   string  `json:"text"`
	Margin bool    `json:"margin,omitempty"`
	Height float32 `json:"height,omitempty"`
}

// margins divides a page's lines; nil where none is in a margin.
func margins(p *pdfPage) []pdfPart {
	high := p.box.top - p.box.bottom
	if high <= 0 {
		return nil
	}
	var inMargin []int
	for _, top := range []bool{true, false} {
		var side []int
		for i, l := range p.lines {
			middle := (l.top + l.bottom) / 2
			if l.angle == 0 && l.top > l.bottom && (top && middle > p.box.top-marginShare*high || !top && middle < p.box.bottom+marginShare*high) {
				side = append(side, i)
			}
		}
		if oneBelowAnother(p.lines, side) <= marginLines {
			inMargin = append(inMargin, side...)
		}
	}
	if len(inMargin) == 0 {
		return nil
	}
	var parts []pdfPart
	var body []pdfLine
	flush := func() {
		if len(body) > 0 {
			parts = append(parts, pdfPart{Text: joinPDFLines(body)})
		}
		body = body[:0]
	}
	for i, l := range p.lines {
		if !slices.Contains(inMargin, i) {
			body = append(body, l)
			continue
		}
		flush()
		parts = append(parts, pdfPart{Text: l.text, Margin: true, Height: l.base})
	}
	flush()
	return parts
}

// oneBelowAnother is at how many heights some of the lines stand; more than
// marginLines need no exact number.
func oneBelowAnother(lines []pdfLine, some []int) int {
	var heights []float32
	for _, i := range some {
		base := lines[i].base
		if len(heights) <= marginLines && !slices.ContainsFunc(heights, func(h float32) bool { return abs(h-base) < headHeight }) {
			heights = append(heights, base)
		}
	}
	return len(heights)
}

// runningHeads holds pages back until those after them have been seen.
type runningHeads struct {
	pages []headedPage // the last of them not yet told
	told  int          // how many of pages have been
}

type headedPage struct {
	frame pdfFrame
	keys  []string // of its parts; "" for the body
}

// add takes the next page and gives those that can be told now, without their
// running heads.
func (h *runningHeads) add(f pdfFrame) []pdfFrame {
	p := headedPage{frame: f}
	for _, part := range f.Parts {
		key := ""
		if part.Margin {
			key = headKey(part.Text)
		}
		p.keys = append(p.keys, key)
	}
	h.pages = append(h.pages, p)
	return h.ready(headsNear)
}

// rest gives the pages that are left.
func (h *runningHeads) rest() []pdfFrame { return h.ready(0) }

// ready gives the pages that have so many after them.
func (h *runningHeads) ready(after int) (out []pdfFrame) {
	for ; h.told+after < len(h.pages); h.told++ {
		out = append(out, h.without(h.told))
	}
	if old := h.told - headsNear; old > 0 {
		h.pages = slices.Delete(h.pages, 0, old)
		h.told -= old
	}
	return out
}

// without gives a page without its running heads, which it tells in Heads.
func (h *runningHeads) without(i int) pdfFrame {
	f := h.pages[i].frame
	var kept []string
	for k, part := range f.Parts {
		if part.Margin && h.repeated(i, k) {
			f.Heads = append(f.Heads, cleanPDFText(part.Text))
		} else {
			kept = append(kept, part.Text)
		}
	}
	if len(f.Heads) > 0 {
		f.Text = cleanPDFText(strings.Join(kept, "\n"))
	}
	f.Parts = nil
	return f
}

// repeated tells that the k-th part of page i stands on pages near it too.
func (h *runningHeads) repeated(i, k int) bool {
	page := &h.pages[i]
	on := 0
	for j := max(0, i-headsNear); j <= min(len(h.pages)-1, i+headsNear); j++ {
		other := &h.pages[j]
		if j != i && other.has(page.keys[k], page.frame.Parts[k].Height) {
			on++
		}
	}
	return on >= headsOnPages
}

// has tells that a line of the page's margin has the key, at that height.
func (p *headedPage) has(key string, height float32) bool {
	for i, part := range p.frame.Parts {
		if part.Margin && p.keys[i] == key && abs(part.Height-height) < headHeight {
			return true
		}
	}
	return false
}

var romanNumber = regexp.MustCompile(`^m{0,3}(cm|cd|d?c{0,3})(xc|xl|l?x{0,3})(ix|iv|v?i{0,3})$`)

// headKey is what the same head has on every page: numbers, Roman ones too when
// they stand alone, may differ.
func headKey(text string) string {
	words := strings.FieldsFunc(strings.ToLower(cleanPDFText(text)), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for i, w := range words {
		if strings.ContainsFunc(w, unicode.IsDigit) || len(words) == 1 && romanNumber.MatchString(w) {
			words[i] = "0"
		}
	}
	return strings.Join(words, " ")
}

// A headList gathers the running heads of a document, each once and without
// those that are a number alone.
type headList struct {
	texts []string
	known map[string]bool
}

func (l *headList) add(texts []string) {
	for _, text := range texts {
		key := headKey(text)
		if key == "0" || key == "" || l.known[key] || len(l.texts) >= maxHeadings {
			continue
		}
		if l.known == nil {
			l.known = map[string]bool{}
		}
		l.known[key] = true
		l.texts = append(l.texts, text)
	}
}
