package extract

import (
	"bytes"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"github.com/andybalholm/cascadia"
	"github.com/microcosm-cc/bluemonday"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// maxSelector bounds a selector: the parser calls itself for each bracket.
const maxSelector = 4096

// attributeSuffix is the @href of a.download@href. An @ inside of brackets or
// quotes is the selector's own.
var attributeSuffix = regexp.MustCompile(`^(.+?)\s*@\s*([A-Za-z_][-\w:.]*)\s*$`)

// selectFrom gives the text of the elements below doc that css matches. It
// only reads doc, so that it may be called from several goroutines.
func selectFrom(doc *html.Node, css string) (texts []string, err error) {
	selector, key := css, ""
	if m := attributeSuffix.FindStringSubmatch(css); m != nil {
		selector, key = m[1], strings.ToLower(m[2])
	}
	if len(selector) > maxSelector {
		return nil, fmt.Errorf("the CSS selector has %d characters; it may have %d", len(selector), maxSelector)
	}
	defer func() {
		if p := recover(); p != nil {
			texts, err = nil, fmt.Errorf("the CSS selector %q cannot be used (%v); write it in another way", css, p)
		}
	}()
	group, err := cascadia.ParseGroup(selector)
	if err != nil {
		return nil, fmt.Errorf("%q is not a CSS selector (%v); write one such as h1, .price, table td:nth-child(2) or a.download@href", css, err)
	}
	texts = []string{}
	for _, n := range cascadia.QueryAll(doc, group) {
		switch {
		case key == "":
			texts = append(texts, valueOf(n))
		case hasAttr(n, key):
			texts = append(texts, collapse(attr(n, key)))
		}
	}
	return texts, nil
}

// valueOf is an element's text or, where it has none, the attribute that says
// what a reader would be told instead.
func valueOf(n *html.Node) string {
	var text string
	switch n.DataAtom {
	case atom.Script, atom.Style, atom.Noscript, atom.Title, atom.Textarea, atom.Template:
		text = collapse(rawTextOf(n))
	default:
		text = lineOf(n, scripted)
	}
	if text != "" {
		return text
	}
	for _, key := range []string{"content", "href", "src", "datetime", "value"} {
		if v := collapse(attr(n, key)); v != "" {
			return v
		}
	}
	return ""
}

// scripted tells what has no text even for those who ask for it by name: an
// element that is hidden has.
func scripted(n *html.Node) bool {
	switch n.DataAtom {
	case atom.Script, atom.Style, atom.Template, atom.Noscript, atom.Iframe:
		return true
	}
	return false
}

// policy is what HTML may hold: text with its structure, links and images.
// It is safe for concurrent use once made.
var policy = sync.OnceValue(func() *bluemonday.Policy {
	p := bluemonday.UGCPolicy()
	p.RequireNoFollowOnLinks(false) // the link is the document's own
	return p
})

// cleanHTML gives the main part as HTML without scripts, styles, frames, event
// attributes and links that run something. Links become absolute where the
// page says what they are relative to.
func cleanHTML(part mainPart, base *url.URL) string {
	root := pruned(part.root, part.skip, base)
	if root == nil {
		return ""
	}
	var b bytes.Buffer
	if err := html.Render(&b, root); err != nil {
		return "" // only a void element with children, which the parser does not make
	}
	return strings.TrimSpace(policy().SanitizeReader(&b).String())
}

// pruned copies n without what skip leaves out; nil when that is all of it.
func pruned(n *html.Node, skip func(*html.Node) bool, base *url.URL) *html.Node {
	switch n.Type {
	case html.TextNode:
		return &html.Node{Type: html.TextNode, Data: n.Data}
	case html.ElementNode:
		if skip(n) {
			return nil
		}
	case html.DocumentNode:
	default:
		return nil
	}
	c := &html.Node{Type: n.Type, Data: n.Data, DataAtom: n.DataAtom, Namespace: n.Namespace, Attr: absolute(n.Attr, base)}
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		if cc := pruned(child, skip, base); cc != nil {
			c.AppendChild(cc)
		}
	}
	return c
}

func absolute(attrs []html.Attribute, base *url.URL) []html.Attribute {
	if base == nil {
		return attrs
	}
	out := make([]html.Attribute, len(attrs))
	for i, a := range attrs {
		if (a.Key == "href" || a.Key == "src") && !strings.HasPrefix(a.Val, "#") {
			if u, err := base.Parse(strings.TrimSpace(a.Val)); err == nil {
				a.Val = u.String()
			}
		}
		out[i] = a
	}
	return out
}

// baseOf is the address that the links of a page are relative to: its base
// element's, or its own.
func baseOf(doc *html.Node, canonical string) *url.URL {
	own, err := url.Parse(canonical)
	if err != nil || !own.IsAbs() {
		own = nil
	}
	n := first(doc, func(n *html.Node) bool { return n.DataAtom == atom.Base && hasAttr(n, "href") })
	if n == nil {
		return own
	}
	base, err := url.Parse(strings.TrimSpace(attr(n, "href")))
	switch {
	case err != nil:
		return own
	case base.IsAbs():
		return base
	case own != nil:
		return own.ResolveReference(base)
	}
	return nil
}
