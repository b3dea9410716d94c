package extract

import (
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

const (
	// smallPage is the text, in letters and digits, under which the main part
	// is taken as it is: the search is made for articles, and on a page of a
	// paragraph or two it keeps the navigation or drops the content.
	smallPage = 500
	// nextToNothing is the text under which the main part may be the rest of a
	// page that is nothing but what is left out of it.
	nextToNothing = 50
	// maxArticleNodes keeps pages that are data rather than articles from the
	// memory that the search takes. An article has some thousands of nodes.
	maxArticleNodes = 100_000
)

// A mainPart is the part of a page that is its content, with its text.
type mainPart struct {
	root *html.Node
	skip func(*html.Node) bool
	text string
	// headline is the first h1 of the page's main part. The search drops one
	// that repeats the title.
	headline string
}

// findMain gives the part of doc that content ("article", "main", "full") asks for.
func findMain(doc *html.Node, content, title string, authorKnown bool) mainPart {
	if content == "full" {
		return withText(mainPart{root: doc, skip: unseen})
	}
	main := mainOf(doc)
	if content == "main" || lettersIn(main.text) < smallPage {
		return main
	}
	if article, ok := articleOf(doc, title, authorKnown); ok && trustArticle(article, main) {
		if h1 := first(main.root, func(n *html.Node) bool { return n.DataAtom == atom.H1 && !main.skip(n) }); h1 != nil {
			article.headline = lineOf(h1, main.skip)
		}
		return article
	}
	return main
}

func withText(p mainPart) mainPart {
	p.text = textOf(p.root, p.skip)
	return p
}

// mainOf is the page without what stands around its content.
func mainOf(doc *html.Node) mainPart {
	body := first(doc, func(n *html.Node) bool { return n.DataAtom == atom.Body || n.DataAtom == atom.Frameset })
	if body == nil {
		body = doc
	}
	boiler := newBoilerplate(body)
	all := withText(mainPart{root: body, skip: boiler.is})
	if root := soleContent(body); root != nil {
		// A teaser may be the only article of a page.
		if part := withText(mainPart{root: root, skip: boiler.is}); lettersIn(part.text)*4 >= lettersIn(all.text) {
			return part
		}
	}
	if lettersIn(all.text) >= nextToNothing {
		return all
	}
	if seen := withText(mainPart{root: body, skip: unseen}); lettersIn(all.text)*10 < lettersIn(seen.text)*3 {
		return seen // the page is a menu, a header, or the like
	}
	return all
}

// soleContent is the element that says it is the content: the only main, or
// else the only article.
func soleContent(body *html.Node) *html.Node {
	var mains, articles []*html.Node
	for n := range body.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch {
		case hidden(n):
		case n.DataAtom == atom.Main || attr(n, "role") == "main":
			if len(mains) == 0 || !within(n, mains[len(mains)-1]) {
				mains = append(mains, n)
			}
		case n.DataAtom == atom.Article:
			if len(articles) == 0 || !within(n, articles[len(articles)-1]) {
				articles = append(articles, n)
			}
		}
	}
	switch {
	case len(mains) == 1:
		return mains[0]
	case len(mains) == 0 && len(articles) == 1:
		return articles[0]
	}
	return nil
}

func within(n, ancestor *html.Node) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p == ancestor {
			return true
		}
	}
	return false
}

// articleOf is the article of a page, if it has one.
func articleOf(doc *html.Node, title string, authorKnown bool) (part mainPart, ok bool) {
	body := first(doc, func(n *html.Node) bool { return n.DataAtom == atom.Body })
	if body == nil || nodesIn(doc, maxArticleNodes) > maxArticleNodes {
		return mainPart{}, false
	}
	part, ok = findArticle(body, title, authorKnown)
	return withText(part), ok
}

// trustArticle decides between the article found and the main part as a
// whole. Under one tenth of all text it is hardly ever the article. Under
// three tenths of all, it must be half of the running text, links and comments
// not counted; otherwise the page is no article: a list of products, a manual,
// a form of facts.
func trustArticle(article, main mainPart) bool {
	kept := lettersIn(article.text)
	if kept == 0 || kept*10 < lettersIn(main.text) {
		return false
	}
	if kept*10 >= lettersIn(main.text)*3 {
		return true
	}
	running := textOf(main.root, func(n *html.Node) bool {
		return n.DataAtom == atom.A || main.skip(n) || isComments(n)
	})
	return kept*2 >= lettersIn(running)
}

// isComments tells what readers wrote under an article by the names that sites
// give it.
func isComments(n *html.Node) bool {
	for _, a := range n.Attr {
		if a.Key == "id" || a.Key == "class" {
			name := strings.ToLower(a.Val)
			if strings.Contains(name, "comment") || strings.Contains(name, "disqus") || strings.Contains(name, "respond") {
				return true
			}
		}
	}
	return false
}

// nodesIn counts up to one more than most.
func nodesIn(n *html.Node, most int) int {
	count := 0
	for range n.Descendants() {
		if count++; count > most {
			break
		}
	}
	return count
}

// lettersIn is the amount of text in s that tells something.
func lettersIn(s string) int {
	n := 0
	for _, r := range s {
		if r >= 'a' && r <= 'z' || unicode.IsLetter(r) || unicode.IsDigit(r) {
			n++
		}
	}
	return n
}

// first gives the first element below n, in document order, that is asked for.
func first(n *html.Node, is func(*html.Node) bool) *html.Node {
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && is(d) {
			return d
		}
	}
	return nil
}

// unseen tells elements that show no text, or none that is the page's own.
func unseen(n *html.Node) bool {
	switch n.DataAtom {
	case atom.Script, atom.Style, atom.Template, atom.Noscript, atom.Iframe, atom.Object, atom.Embed, atom.Applet,
		atom.Svg, atom.Canvas, atom.Audio, atom.Video, atom.Head, atom.Datalist, atom.Noframes, atom.Noembed, atom.Frame,
		atom.Annotation, atom.AnnotationXml:
		return true
	case atom.Dialog:
		return !hasAttr(n, "open")
	}
	return hidden(n)
}

// hidden tells elements that are marked as not shown. A page that hides its
// body until a script has run is shown all the same.
func hidden(n *html.Node) bool {
	for _, a := range n.Attr {
		switch a.Key {
		case "hidden":
			if !strings.EqualFold(a.Val, "until-found") && n.DataAtom != atom.Body && n.DataAtom != atom.Html {
				return true
			}
		case "aria-hidden":
			if strings.EqualFold(a.Val, "true") && n.DataAtom != atom.Body && n.DataAtom != atom.Html {
				return true
			}
		case "style":
			if hiddenStyle(a.Val) && n.DataAtom != atom.Body && n.DataAtom != atom.Html {
				return true
			}
		}
	}
	return false
}

func hiddenStyle(style string) bool {
	for decl := range strings.SplitSeq(style, ";") {
		name, value, _ := strings.Cut(decl, ":")
		value, _, _ = strings.Cut(value, "!")
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "display":
			if strings.EqualFold(value, "none") {
				return true
			}
		case "visibility":
			if strings.EqualFold(value, "hidden") || strings.EqualFold(value, "collapse") {
				return true
			}
		}
	}
	return false
}

// boilerplate tells what stands around the content of a page.
type boilerplate struct {
	wrappers map[*html.Node]bool // forms that the whole page stands in

	parent  *html.Node // the last that inContent was asked for: headers come in rows
	content bool
}

// newBoilerplate looks for the wrappers below body: forms that hold most of
// the page, which is how some servers make all pages.
func newBoilerplate(body *html.Node) *boilerplate {
	b := &boilerplate{wrappers: map[*html.Node]bool{}}
	total := -1
	for n := range body.Descendants() {
		if n.Type != html.ElementNode || n.DataAtom != atom.Form {
			continue
		}
		if total < 0 {
			total = lettersIn(textOf(body, unseen))
		}
		if lettersIn(textOf(n, unseen))*2 >= total {
			b.wrappers[n] = true
		}
	}
	return b
}

func (b *boilerplate) is(n *html.Node) bool {
	switch n.DataAtom {
	case atom.Nav, atom.Footer, atom.Aside, atom.Select, atom.Button, atom.Textarea, atom.Input:
		return true
	case atom.Form:
		return !b.wrappers[n] || hidden(n)
	case atom.Header: // that of an article has its headline
		if !b.inContent(n) {
			return true
		}
	}
	switch attr(n, "role") {
	case "navigation", "banner", "contentinfo", "complementary", "search", "dialog", "alertdialog", "menu", "menubar", "toolbar":
		return true
	}
	return unseen(n)
}

func (b *boilerplate) inContent(n *html.Node) bool {
	if n.Parent == b.parent {
		return b.content
	}
	b.parent, b.content = n.Parent, false
	for p := n.Parent; p != nil && !b.content; p = p.Parent {
		b.content = p.DataAtom == atom.Article || p.DataAtom == atom.Main || attr(p, "role") == "main"
	}
	return b.content
}
