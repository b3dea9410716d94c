package extract

import (
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// This file finds the article of a page by the rules of Mozilla's
// Readability.js, with its numbers: paragraphs give points to the elements
// that they stand in, the element with the most is the article, and what in
// it looks like lists of links, forms or advertisements is left out.
//
// Readability changes the page's tree and counts the text below an element
// whenever it needs to know how much there is. Here the tree stays as it is,
// and all counts are made in one walk and kept right as elements are left
// out, which makes the search for the article cheaper than the parsing.

const (
	// enoughArticle is the text under which a search is repeated with fewer rules.
	enoughArticle = 500
	topCandidates = 5
)

// counts are what is below an element. Characters are without white space but
// for one between words.
type counts struct {
	chars, commas        int
	linked               int // characters in links, times ten; links within the page count for three
	listed, headed, text int // characters in lists, in headings, in elements that usually hold text
	p, img, li, input    int
}

func (c *counts) add(d counts, sign int) {
	c.chars += sign * d.chars
	c.commas += sign * d.commas
	c.linked += sign * d.linked
	c.listed += sign * d.listed
	c.headed += sign * d.headed
	c.text += sign * d.text
	c.p += sign * d.p
	c.img += sign * d.img
	c.li += sign * d.li
	c.input += sign * d.input
}

// An articleNode is an element that is not left out from the beginning.
type articleNode struct {
	n        *html.Node
	parent   int // -1 for the body
	end      int // the first index behind what is in it
	kids     int
	names    classWords
	weight   int
	counts   counts
	score    float64
	scored   bool
	gone     bool
	phrasing bool // text, and elements that stand in it
	blocks   bool // has elements that begin lines
	wrapper  bool // a div around a single paragraph
}

func (a *articleNode) density() float64 {
	if a.counts.chars == 0 {
		return 0
	}
	return float64(a.counts.linked) / 10 / float64(a.counts.chars)
}

// seenFrom is what an element adds to the counts of its parent.
func (a *articleNode) seenFrom(parent *html.Node) counts {
	return a.wrap(a.counts, parent, true)
}

// wrap turns counts below an element into those that its parent sees. self
// counts the element, too.
func (a *articleNode) wrap(c counts, parent *html.Node, self bool) counts {
	switch a.n.DataAtom {
	case atom.Ul, atom.Ol:
		c.listed = c.chars
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		c.headed = c.chars
	case atom.A:
		c.linked = 10 * c.chars
		if href := attr(a.n, "href"); len(href) > 1 && href[0] == '#' {
			c.linked = 3 * c.chars
		}
		if parent != nil && parent.DataAtom == atom.Figcaption {
			c.linked = 0
		}
	}
	switch a.n.DataAtom {
	case atom.Blockquote, atom.Dl, atom.Div, atom.Ol, atom.P, atom.Pre, atom.Table, atom.Ul, atom.Span, atom.Li, atom.Td:
		c.text = c.chars
	}
	if self {
		switch a.n.DataAtom {
		case atom.P:
			c.p++
		case atom.Img:
			c.img++
		case atom.Li:
			c.li++
		case atom.Input:
			c.input++
		}
	}
	return c
}

// An articleSearch is one search for the article of a page.
type articleSearch struct {
	nodes []articleNode
	title map[string]bool // words of the page's title
	meta  bool            // the page's author is known, so a byline is text
	top   int
	// what of Readability's rules is used
	unlikely, weights, conditional bool

	headline, byline bool // already met
}

// findArticle gives the article below body. It fails on a page that has none.
func findArticle(body *html.Node, title string, authorKnown bool) (part mainPart, ok bool) {
	best := -1
	for _, rules := range [][3]bool{{true, true, true}, {false, true, true}, {false, false, true}, {false, false, false}} {
		s := &articleSearch{title: wordSet(title), meta: authorKnown, unlikely: rules[0], weights: rules[1], conditional: rules[2]}
		s.add(body, -1)
		s.scoreAll()
		root := s.choose()
		kept := s.nodes[root].counts.chars
		if kept > best {
			best, part, ok = kept, s.part(root), kept > 0
		}
		if kept >= enoughArticle {
			return s.part(root), true
		}
	}
	return part, ok
}

// part is what the search has left of a root.
func (s *articleSearch) part(root int) mainPart {
	kept := make(map[*html.Node]bool, s.nodes[root].end-root)
	for i := root; i < s.nodes[root].end; i++ {
		if a := &s.nodes[i]; a.gone && i > root {
			i = a.end - 1
		} else {
			kept[a.n] = true
		}
	}
	n := s.nodes[root].n
	boiler := newBoilerplate(n)
	return mainPart{root: n, skip: func(n *html.Node) bool { return !kept[n] || boiler.is(n) }}
}

func wordSet(s string) map[string]bool {
	set := map[string]bool{}
	for _, w := range plainWords(s) {
		set[w] = true
	}
	return set
}

func plainWords(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// add appends n and what is in it, without what is no article from the start.
func (s *articleSearch) add(n *html.Node, parent int) int {
	i := len(s.nodes)
	a := articleNode{n: n, parent: parent, phrasing: isPhrasing(n.DataAtom)}
	a.names, a.weight = namesOf(n)
	if !s.weights {
		a.weight = 0
	}
	s.nodes = append(s.nodes, a)
	var sum counts
	phrasing, blocks, kids := a.phrasing, false, 0
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		switch c.Type {
		case html.TextNode:
			chars, commas := countText(c.Data)
			sum.chars += chars
			sum.commas += commas
		case html.ElementNode:
			if s.leaveOut(c, i) {
				continue
			}
			k := s.add(c, i)
			child := &s.nodes[k]
			sum.add(child.seenFrom(n), 1)
			kids++
			phrasing = phrasing && child.phrasing
			blocks = blocks || child.blocks || isBlock(c.DataAtom)
		}
	}
	at := &s.nodes[i]
	at.counts, at.phrasing, at.blocks, at.kids, at.end = sum, phrasing, blocks, kids, len(s.nodes)
	return i
}

// leaveOut tells elements that are no part of an article by what they are.
func (s *articleSearch) leaveOut(n *html.Node, parent int) bool {
	if unseen(n) {
		return true
	}
	role := attr(n, "role")
	if role == "dialog" && attr(n, "aria-modal") == "true" {
		return true
	}
	kinds, _ := namesOf(n)
	if !s.meta && !s.byline && (kinds&wordByline != 0 || attr(n, "rel") == "author" || strings.Contains(attr(n, "itemprop"), "author")) {
		if text := shortLine(n); text != "" && utf8.RuneCountInString(text) < 100 {
			s.byline = true
			return true
		}
	}
	if !s.headline && (n.DataAtom == atom.H1 || n.DataAtom == atom.H2) && s.repeatsTitle(shortLine(n)) {
		s.headline = true
		return true
	}
	if !s.unlikely {
		return false
	}
	if n.DataAtom != atom.Body && n.DataAtom != atom.A && kinds&wordUnlikely != 0 && kinds&wordMaybe == 0 &&
		!standsIn(n, atom.Table, 3) && !standsIn(n, atom.Code, 3) {
		return true
	}
	switch role {
	case "menu", "menubar", "complementary", "navigation", "alert", "alertdialog", "dialog":
		return true
	}
	return false
}

// shortLine is the text in n on one line, or "" if that is long. It looks at so
// much only: elements in each other are all asked.
func shortLine(n *html.Node) string {
	var b strings.Builder
	nodes := 0
	for d := range n.Descendants() {
		if d.Type == html.TextNode && !unseen(d.Parent) {
			b.WriteString(d.Data)
			b.WriteByte(' ')
		}
		if nodes++; nodes > 100 || b.Len() > 1000 {
			return ""
		}
	}
	return collapse(b.String())
}

// repeatsTitle tells a heading of which three quarters are in the title.
func (s *articleSearch) repeatsTitle(heading string) bool {
	all, other := 0, 0
	for _, w := range plainWords(heading) {
		all += len(w) + 1
		if !s.title[w] {
			other += len(w) + 1
		}
	}
	return all > 0 && float64(other)/float64(all) < .25
}

// standsIn looks for an ancestor, at most deep levels up; 0 is all of them.
func standsIn(n *html.Node, tag atom.Atom, deep int) bool {
	for p, level := n.Parent, 0; p != nil; p = p.Parent {
		if p.DataAtom == tag && p.Type == html.ElementNode {
			return true
		}
		if level++; level > deep && deep > 0 {
			return false
		}
	}
	return false
}

func countText(t string) (chars, commas int) {
	space := false
	for i := 0; i < len(t); i++ {
		switch c := t[i]; {
		case c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f':
			space = chars > 0
		case c&0xC0 == 0x80: // within a character
		default:
			if space {
				chars++
				space = false
			}
			chars++
			switch {
			case c == ',':
				commas++
			case c >= utf8.RuneSelf:
				switch r, _ := utf8.DecodeRuneInString(t[i:]); r {
				case '،', '﹐', '︐', '︑', '⹁', '⸴', '⸲', '，':
					commas++
				}
			}
		}
	}
	return chars, commas
}

// scoreAll lets every paragraph give its points.
func (s *articleSearch) scoreAll() {
	for i := range s.nodes {
		a := &s.nodes[i]
		switch a.n.DataAtom {
		case atom.Section, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.P, atom.Td, atom.Pre:
			s.points(a.counts.chars, a.counts.commas, a.parent)
		case atom.Div:
			s.scoreDiv(i)
		}
	}
	for i := range s.nodes {
		if a := &s.nodes[i]; a.scored {
			a.score *= 1 - a.density()
		}
	}
}

// scoreDiv scores the text that stands in a div itself, a paragraph for each
// stretch between its blocks.
func (s *articleSearch) scoreDiv(i int) {
	a := &s.nodes[i]
	if standsIn(a.n, atom.Pre, 3) {
		return
	}
	runs, blocks := s.runs(i)
	switch {
	case len(runs) == 1 && len(blocks) == 0 && a.density() < .25:
		s.points(runs[0].chars, runs[0].commas, a.parent)
		return
	case len(runs) == 0 && len(blocks) == 1 && s.nodes[blocks[0]].n.DataAtom == atom.P && a.density() < .25:
		a.wrapper = true
		return
	}
	for _, run := range runs {
		s.points(run.chars, run.commas, i)
	}
}

// runs parts what is in an element into stretches of text and blocks. Two
// line breaks part stretches, too.
func (s *articleSearch) runs(i int) (runs []counts, blocks []int) {
	n := s.nodes[i].n
	k := i + 1 // the next element that is in nodes
	open, breaks := false, 0
	into := func(c counts) {
		if !open {
			runs = append(runs, counts{})
			open = true
		}
		runs[len(runs)-1].add(c, 1)
		breaks = 0
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		switch c.Type {
		case html.TextNode:
			if chars, commas := countText(c.Data); chars > 0 {
				into(counts{chars: chars, commas: commas})
			}
		case html.ElementNode:
			if k >= s.nodes[i].end || s.nodes[k].n != c {
				continue // left out
			}
			child := &s.nodes[k]
			switch {
			case c.DataAtom == atom.Br:
				if breaks++; breaks > 1 {
					open = false
				}
			case child.phrasing:
				into(child.seenFrom(n))
			default:
				blocks = append(blocks, k)
				open = false
			}
			k = child.end
		}
	}
	return runs, blocks
}

// points gives the points of a paragraph to the elements around it, the first
// of which is at.
func (s *articleSearch) points(chars, commas, at int) {
	if chars < 25 {
		return
	}
	points := float64(2 + commas + min(chars/100, 3))
	for level := 0; at >= 0 && level < 5; at = s.nodes[at].parent {
		a := &s.nodes[at]
		if a.wrapper {
			continue
		}
		s.start(a)
		switch level {
		case 0:
			a.score += points
		case 1:
			a.score += points / 2
		default:
			a.score += points / float64(3*level)
		}
		level++
	}
}

// start gives an element the points that it has by itself.
func (s *articleSearch) start(a *articleNode) {
	if a.scored {
		return
	}
	a.scored = true
	a.score = float64(a.weight)
	switch a.n.DataAtom {
	case atom.Div:
		a.score += 5
	case atom.Pre, atom.Td, atom.Blockquote:
		a.score += 3
	case atom.Address, atom.Ol, atom.Ul, atom.Dl, atom.Dd, atom.Dt, atom.Li, atom.Form:
		a.score -= 3
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Th:
		a.score -= 5
	}
}

// choose finds the element that holds the article and leaves out what is none
// of it.
func (s *articleSearch) choose() (root int) {
	var best []int
	for i := range s.nodes {
		if s.nodes[i].scored {
			best = append(best, i)
		}
	}
	slices.SortStableFunc(best, func(a, b int) int {
		switch x, y := s.nodes[a].score, s.nodes[b].score; {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	best = best[:min(len(best), topCandidates)]
	if len(best) == 0 || best[0] == 0 {
		s.clean(0)
		return 0
	}
	s.top = s.climb(s.shared(best))
	root = s.nodes[s.top].parent
	s.chooseSiblings(root)
	s.clean(root)
	return root
}

// shared gives the element in which three good candidates stand beside the
// best one, or else the best.
func (s *articleSearch) shared(best []int) int {
	top := best[0]
	var close []int
	for _, i := range best[1:] {
		if s.nodes[i].score >= .75*s.nodes[top].score {
			close = append(close, i)
		}
	}
	for p := s.nodes[top].parent; p > 0 && len(close) >= 3; p = s.nodes[p].parent {
		within := 0
		for _, i := range close {
			if p < i && i < s.nodes[p].end {
				within++
			}
		}
		if within >= 3 {
			return p
		}
	}
	return top
}

// climb goes up where more of the article is.
func (s *articleSearch) climb(top int) int {
	s.start(&s.nodes[top])
	last := s.nodes[top].score
	least := last / 3
	for p := s.nodes[top].parent; p > 0; p = s.nodes[p].parent {
		a := &s.nodes[p]
		if !a.scored {
			continue
		}
		if a.score < least {
			break
		}
		if a.score > last {
			top = p
			break
		}
		last = a.score
	}
	for p := s.nodes[top].parent; p > 0 && s.nodes[p].kids == 1; p = s.nodes[top].parent {
		top = p
	}
	s.start(&s.nodes[top])
	return top
}

// chooseSiblings leaves out what stands beside the best element and is no part
// of the article.
func (s *articleSearch) chooseSiblings(root int) {
	top := &s.nodes[s.top]
	least := math.Max(10, top.score*.2)
	class := attr(top.n, "class")
	for k := root + 1; k < s.nodes[root].end; k = s.nodes[k].end {
		a := &s.nodes[k]
		if k == s.top {
			continue
		}
		bonus := 0.0
		if class != "" && attr(a.n, "class") == class {
			bonus = top.score * .2
		}
		if a.scored && a.score+bonus >= least || s.isProse(k) {
			continue
		}
		s.remove(k)
	}
}

// isProse tells a paragraph of sentences without many links.
func (s *articleSearch) isProse(k int) bool {
	a := &s.nodes[k]
	if a.n.DataAtom != atom.P && !a.phrasing && (a.n.DataAtom != atom.Div || a.blocks) {
		return false
	}
	switch chars := a.counts.chars; {
	case chars > 80:
		return a.density() < .25
	case chars > 0 && a.counts.linked == 0:
		text := shortLine(a.n)
		return strings.HasSuffix(text, ".") || strings.Contains(text, ". ")
	}
	return false
}

// remove leaves an element out, and takes it from the counts above it.
func (s *articleSearch) remove(i int) {
	a := &s.nodes[i]
	for j := i; j < a.end; j++ {
		s.nodes[j].gone = true
	}
	lost := a.wrap(a.counts, a.n.Parent, true)
	for p := a.parent; p >= 0; p = s.nodes[p].parent {
		at := &s.nodes[p]
		at.counts.add(lost, -1)
		lost = at.wrap(lost, at.n.Parent, false)
	}
}

func isPhrasing(tag atom.Atom) bool {
	switch tag {
	case atom.A, atom.Abbr, atom.Acronym, atom.Area, atom.Audio, atom.B, atom.Bdi, atom.Bdo, atom.Big, atom.Blink, atom.Br, atom.Button,
		atom.Canvas, atom.Cite, atom.Code, atom.Data, atom.Datalist, atom.Del, atom.Dfn, atom.Em, atom.Embed, atom.Font, atom.I, atom.Img,
		atom.Input, atom.Ins, atom.Kbd, atom.Label, atom.Link, atom.Map, atom.Mark, atom.Marquee, atom.Math, atom.Meta, atom.Meter, atom.Object,
		atom.Output, atom.Progress, atom.Q, atom.Ruby, atom.S, atom.Samp, atom.Select, atom.Slot, atom.Small, atom.Span, atom.Strike,
		atom.Strong, atom.Sub, atom.Sup, atom.Textarea, atom.Time, atom.Tt, atom.U, atom.Var, atom.Wbr:
		return true
	}
	return false
}

// isBlock tells the elements by which a div is more than a paragraph.
func isBlock(tag atom.Atom) bool {
	switch tag {
	case atom.Blockquote, atom.Dl, atom.Div, atom.Img, atom.Ol, atom.P, atom.Pre, atom.Table, atom.Ul, atom.Select:
		return true
	}
	return false
}
