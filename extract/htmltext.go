package extract

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// A textWriter writes the text of elements as a reader sees it: block elements
// begin and end lines, paragraphs are parted by an empty line, table rows are
// lines with tabs, white space is collapsed. Its functions call themselves
// once a level of the tree, which the parser keeps under 512.
type textWriter struct {
	skip func(*html.Node) bool // elements to leave out

	b      []byte
	breaks int    // line ends due before the next text
	space  bool   // white space due before the next text
	mark   string // what the next text begins with on its line, such as "- "
	pre    int    // open pre elements
	lists  int    // open lists
}

// textOf gives the text of n and what is in it. The result ends without a
// line end.
func textOf(n *html.Node, skip func(*html.Node) bool) string {
	w := textWriter{skip: skip}
	w.node(n)
	return string(w.b)
}

// lineOf gives the text inside of n on one line, for titles and fields.
func lineOf(n *html.Node, skip func(*html.Node) bool) string {
	w := textWriter{skip: skip}
	w.children(n)
	return collapse(string(w.b))
}

// collapse makes all white space single spaces.
func collapse(s string) string { return strings.Join(strings.Fields(s), " ") }

// layout says how an element stands among its neighbours.
type layout byte

const (
	inline    layout = iota
	line             // on lines of its own
	paragraph        // with an empty line before and after
	spaced           // in its line, parted by a space
)

var layouts = map[atom.Atom]layout{
	atom.Address: line, atom.Article: line, atom.Aside: line, atom.Body: line, atom.Caption: line, atom.Center: line,
	atom.Dd: line, atom.Details: line, atom.Dialog: line, atom.Dir: line, atom.Div: line, atom.Dt: line,
	atom.Fieldset: line, atom.Figcaption: line, atom.Footer: line, atom.Form: line, atom.Frameset: line,
	atom.Header: line, atom.Hgroup: line, atom.Html: line, atom.Legend: line, atom.Li: line, atom.Main: line,
	atom.Nav: line, atom.Noframes: line, atom.Optgroup: line, atom.Option: line, atom.Section: line, atom.Summary: line,
	atom.Tbody: line, atom.Td: line, atom.Tfoot: line, atom.Th: line, atom.Thead: line, atom.Tr: line, atom.Title: line,
	atom.Blockquote: paragraph, atom.Dl: paragraph, atom.Figure: paragraph, atom.H1: paragraph, atom.H2: paragraph,
	atom.H3: paragraph, atom.H4: paragraph, atom.H5: paragraph, atom.H6: paragraph, atom.Hr: paragraph,
	atom.Listing: paragraph, atom.Menu: paragraph, atom.Ol: paragraph, atom.P: paragraph, atom.Pre: paragraph,
	atom.Table: paragraph, atom.Ul: paragraph, atom.Xmp: paragraph,
	atom.Button: spaced, atom.Input: spaced, atom.Label: spaced, atom.Select: spaced, atom.Textarea: spaced, atom.Img: spaced,
}

func (w *textWriter) node(n *html.Node) {
	switch n.Type {
	case html.TextNode:
		w.text(n.Data)
		return
	case html.DocumentNode:
		w.children(n)
		return
	case html.ElementNode:
	default:
		return
	}
	if w.skip(n) {
		return
	}
	how := inline
	if n.Namespace == "" {
		how = layouts[n.DataAtom]
	}
	if how == paragraph && w.lists > 0 && (n.DataAtom == atom.Ul || n.DataAtom == atom.Ol || n.DataAtom == atom.P) {
		how = line // lists stay together
	}
	w.around(how)
	w.element(n)
	w.around(how)
}

func (w *textWriter) around(how layout) {
	switch how {
	case line:
		w.breaks = max(w.breaks, 1)
	case paragraph:
		w.breaks = max(w.breaks, 2)
	case spaced:
		w.space = true
	}
}

func (w *textWriter) element(n *html.Node) {
	switch n.DataAtom {
	case atom.Br:
		w.br()
	case atom.Img:
		w.text(attr(n, "alt"))
	case atom.Pre, atom.Listing, atom.Xmp:
		w.pre++
		w.children(n)
		w.pre--
	case atom.Ul, atom.Ol, atom.Menu, atom.Dir:
		w.lists++
		w.children(n)
		w.lists--
	case atom.Li:
		w.mark = strings.Repeat("  ", max(0, w.lists-1)) + "- "
		w.children(n)
		w.mark = ""
	case atom.Q:
		w.text(`"`)
		w.children(n)
		w.text(`"`)
	case atom.Table:
		if isGrid(n) {
			w.rows(n)
			return
		}
		w.children(n)
	default:
		w.children(n)
	}
}

func (w *textWriter) children(n *html.Node) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		w.node(c)
	}
}

// br ends the line; the second of a run makes an empty one, as it does on
// pages that part their paragraphs so.
func (w *textWriter) br() {
	if w.pre > 0 {
		w.b = append(w.b, '\n')
		return
	}
	w.breaks = min(w.breaks+1, 2)
}

// due writes the line ends, the mark or the space that wait for a text.
func (w *textWriter) due() {
	if w.breaks == 0 && !w.space && w.mark == "" {
		return
	}
	switch {
	case len(w.b) == 0:
	case w.breaks > 0:
		for ; w.breaks > 0; w.breaks-- {
			w.b = append(w.b, '\n')
		}
	case w.space && w.b[len(w.b)-1] != '\n':
		w.b = append(w.b, ' ')
	}
	w.breaks, w.space = 0, false
	w.b = append(w.b, w.mark...)
	w.mark = ""
}

// text writes s, collapsed unless it is preformatted. Characters that are not
// seen go: soft hyphens, byte order marks and controls would split words.
func (w *textWriter) text(s string) {
	if w.pre > 0 {
		w.preformatted(s)
		return
	}
	for i := 0; i < len(s); {
		c := s[i]
		if c > ' ' && c < 0x7F {
			w.due()
			from := i
			for i++; i < len(s) && s[i] > ' ' && s[i] < 0x7F; i++ {
			}
			w.b = append(w.b, s[from:i]...)
			continue
		}
		r, n := rune(c), 1
		if c >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		switch {
		case r == 0x85 || unicode.IsSpace(r):
			w.space = true
		case invisible(r):
		default:
			w.due()
			w.b = append(w.b, s[i:i+n]...)
		}
		i += n
	}
}

func (w *textWriter) preformatted(s string) {
	for _, r := range s {
		switch {
		case r == '\r':
		case r == '\n' || r == '\t' || !invisible(r):
			if r == '\n' && (len(w.b) == 0 || w.breaks > 0) {
				continue // lines before the first text
			}
			w.due()
			if r == 0xA0 {
				r = ' '
			}
			w.b = utf8.AppendRune(w.b, r)
		}
	}
	for len(w.b) > 0 && w.b[len(w.b)-1] == '\n' {
		w.b = w.b[:len(w.b)-1] // given back as a break: what follows may need one anyway
		w.breaks = min(w.breaks+1, 2)
	}
}

func invisible(r rune) bool {
	return r < ' ' || r >= 0x7F && r < 0xA0 || r == 0xAD || r == 0xFEFF || r == 0x2060
}

// isGrid tells a table of data from one that only places things on a page:
// the latter holds tables, headings, lists or running text in its cells.
func isGrid(table *html.Node) bool {
	if role := attr(table, "role"); role == "presentation" || role == "none" {
		return false
	}
	heads, cells, blocks, columns := 0, 0, 0, 0
	nested := false
	for n := range table.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.DataAtom {
		case atom.Table:
			nested = true
		case atom.Th, atom.Caption, atom.Thead:
			heads++
		case atom.Td:
			cells++
			if previousElement(n) != nil {
				columns++
			}
		case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Ul, atom.Ol, atom.P, atom.Form, atom.Article, atom.Section, atom.Pre:
			blocks++
		}
	}
	if heads > 0 && !nested {
		return true
	}
	return !nested && columns > 0 && blocks <= cells
}

func previousElement(n *html.Node) *html.Node {
	for p := n.PrevSibling; p != nil; p = p.PrevSibling {
		if p.Type == html.ElementNode {
			return p
		}
	}
	return nil
}

// rows writes the rows of a table of data, a line each, cells parted by tabs.
func (w *textWriter) rows(n *html.Node) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		switch {
		case c.Type != html.ElementNode:
			w.node(c)
		case w.skip(c):
		case c.DataAtom == atom.Tbody, c.DataAtom == atom.Thead, c.DataAtom == atom.Tfoot:
			w.rows(c)
		case c.DataAtom == atom.Tr:
			w.row(c)
		default:
			w.node(c)
		}
	}
}

func (w *textWriter) row(tr *html.Node) {
	var cells []string
	for c := tr.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.ElementNode && !w.skip(c) {
			cells = append(cells, lineOf(c, w.skip))
		}
	}
	text := strings.TrimRight(strings.Join(cells, "\t"), "\t")
	if strings.Trim(text, "\t") == "" {
		return
	}
	w.breaks = max(w.breaks, 1)
	w.due()
	w.b = append(w.b, text...)
	w.breaks = 1
}

// attr gives the value of an attribute, or "".
func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key && a.Namespace == "" {
			return a.Val
		}
	}
	return ""
}

func hasAttr(n *html.Node, key string) bool {
	for _, a := range n.Attr {
		if a.Key == key && a.Namespace == "" {
			return true
		}
	}
	return false
}
