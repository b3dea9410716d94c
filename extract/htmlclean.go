package extract

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// This file leaves out of an article what stands in it and is none of it.

// clean goes over what is below root in Readability's order: later steps look
// at what the earlier ones have left.
func (s *articleSearch) clean(root int) {
	data := s.dataTables(root)
	if s.conditional {
		s.cleanIf(root, atom.Form, data)
		s.cleanIf(root, atom.Fieldset, data)
	}
	s.each(root, func(i int, a *articleNode) bool {
		switch a.n.DataAtom {
		case atom.Footer, atom.Aside, atom.Input, atom.Textarea, atom.Select, atom.Button:
			return true
		case atom.H1, atom.H2:
			if a.weight < 0 {
				return true
			}
		}
		return a.names&wordShare != 0 && i != s.top && a.counts.chars < enoughArticle
	})
	if s.conditional {
		for _, tag := range []atom.Atom{atom.Table, atom.Ul, atom.Div} {
			s.cleanIf(root, tag, data)
		}
	}
}

// each removes the elements below root that is says yes to, the last first.
func (s *articleSearch) each(root int, is func(i int, a *articleNode) bool) {
	for i := s.nodes[root].end - 1; i > root; i-- {
		if a := &s.nodes[i]; !a.gone && is(i, a) {
			s.remove(i)
		}
	}
}

// cleanIf removes the elements of a kind that hold no text to be read.
func (s *articleSearch) cleanIf(root int, tag atom.Atom, data map[*html.Node]bool) {
	s.each(root, func(i int, a *articleNode) bool {
		if a.n.DataAtom != tag || data[a.n] || standsIn(a.n, atom.Code, 3) || s.inTable(a.n, data) {
			return false
		}
		return s.isJunk(i, tag)
	})
}

func (s *articleSearch) inTable(n *html.Node, data map[*html.Node]bool) bool {
	if len(data) == 0 {
		return false
	}
	for p := n.Parent; p != nil; p = p.Parent {
		if data[p] {
			return true
		}
	}
	return false
}

// isJunk judges an element by what is in it.
func (s *articleSearch) isJunk(i int, tag atom.Atom) bool {
	a := &s.nodes[i]
	c := a.counts
	switch {
	case a.weight < 0:
		return true
	case c.commas >= 10:
		return false
	case c.chars > 0 && c.chars <= 20 && isAdvert(shortLine(a.n)):
		return true
	}
	list := tag == atom.Ul || float64(c.listed) > .9*float64(c.chars)
	headed := c.chars > 0 && float64(c.headed) >= .9*float64(c.chars)
	density := a.density()
	junk := false
	switch {
	case c.img > 1 && 2*c.p < c.img && !standsIn(a.n, atom.Figure, 3):
		junk = true
	case !list && c.li-100 > c.p:
		junk = true
	case c.input > c.p/3:
		junk = true
	case !list && !headed && c.chars < 25 && (c.img == 0 || c.img > 2) && density > 0 && !standsIn(a.n, atom.Figure, 3):
		junk = true
	case !list && a.weight < 25 && density > .2:
		junk = true
	case a.weight >= 25 && density > .5:
		junk = true
	case c.img == 0 && c.text == 0:
		junk = true
	}
	if list && junk && c.img == c.li && !s.manyIn(i) {
		return false // a list of pictures
	}
	return junk
}

// manyIn tells that an element of a list holds more than one other.
func (s *articleSearch) manyIn(i int) bool {
	for k := i + 1; k < s.nodes[i].end; k = s.nodes[k].end {
		if s.nodes[k].kids > 1 {
			return true
		}
	}
	return false
}

// isAdvert knows the labels of what is loaded into a page.
func isAdvert(text string) bool {
	switch strings.TrimRight(strings.ToLower(text), ".…") {
	case "ad", "advertising", "advertisement", "pub", "publicité", "werb", "werbung", "广告", "реклама", "anuncio",
		"loading", "正在加载", "загрузка", "chargement", "cargando":
		return true
	}
	return false
}

// dataTables are the tables that hold data and do not only place things.
func (s *articleSearch) dataTables(root int) map[*html.Node]bool {
	tables := map[*html.Node]bool{}
	for i := root; i < s.nodes[root].end; i++ {
		if n := s.nodes[i].n; n.DataAtom == atom.Table && s.isDataTable(i) {
			tables[n] = true
		}
	}
	return tables
}

func (s *articleSearch) isDataTable(i int) bool {
	n := s.nodes[i].n
	switch {
	case attr(n, "role") == "presentation", attr(n, "datatable") == "0":
		return false
	case hasAttr(n, "summary"):
		return true
	}
	rows, columns, cells := 0, 0, 0
	for k := i + 1; k < s.nodes[i].end; k++ {
		switch s.nodes[k].n.DataAtom {
		case atom.Col, atom.Colgroup, atom.Tfoot, atom.Thead, atom.Th:
			return true
		case atom.Caption:
			if s.nodes[k].n.FirstChild != nil {
				return true
			}
		case atom.Table:
			return false
		case atom.Tr:
			rows, cells = rows+1, 0
		case atom.Td:
			cells++
			columns = max(columns, cells)
		}
	}
	switch {
	case rows == 1 || columns == 1:
		return false
	case rows >= 10 || columns > 4:
		return true
	}
	return rows*columns > 10
}
