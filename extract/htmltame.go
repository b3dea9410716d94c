package extract

import (
	"strings"

	"golang.org/x/net/html"
)

const (
	// maxOpenWork bounds the elements that the parser may have to open again:
	// a formatting element that is never closed comes back in every later
	// paragraph, so that one megabyte of <b id=1><b id=2>...<p><p> would make
	// gigabytes of tree. Real pages stay below a few hundred thousand.
	maxOpenWork = 10 << 20
	// tameDepth is how deep elements may be nested in tamed markup. The parser
	// gives up at 512, and opens some elements of its own.
	tameDepth = 200
)

// formatting elements are those that the parser opens again when they are not
// closed (HTML, 13.2.4.3), but for a, of which only one can be open.
var formatting = map[string]bool{
	"b": true, "big": true, "code": true, "em": true, "font": true, "i": true, "nobr": true,
	"s": true, "small": true, "strike": true, "strong": true, "tt": true, "u": true,
}

var voidElements = map[string]bool{
	"area": true, "base": true, "br": true, "col": true, "embed": true, "hr": true, "img": true, "input": true,
	"link": true, "meta": true, "param": true, "source": true, "track": true, "wbr": true, "basefont": true, "frame": true,
}

// A markupReport is what a pass over the markup tells before it is parsed.
type markupReport struct {
	open     string // what the text ended inside of, or ""
	expand   bool   // XML: some elements have no end tag
	fontWork int    // elements that the parser may have to open again, at most
}

func surveyMarkup(s string, xml bool) markupReport {
	var r markupReport
	open := 0 // formatting elements
	l := markupLexer{s: s, xml: xml}
	for l.next() {
		switch {
		case l.kind == markupCDATA:
			r.expand = true
		case l.kind == markupStart:
			r.fontWork += open
			if formatting[l.name] {
				open++
			}
			if xml && l.selfClosing && !voidElements[l.name] {
				r.expand = true
			}
			if l.name == "plaintext" {
				return r // all that follows is text
			}
		case l.kind == markupEnd && formatting[l.name]:
			open = max(0, open-1)
		}
	}
	r.open = l.open
	return r
}

func (r markupReport) wild() bool { return r.fontWork > maxOpenWork }

// expandXML writes an XHTML text so that an HTML parser reads it as an XML
// parser would: empty elements get an end tag, CDATA sections become text.
// Otherwise <script src="x"/> would swallow the rest of the page.
func expandXML(s string) string {
	var b strings.Builder
	b.Grow(len(s) + len(s)/16)
	l := markupLexer{s: s, xml: true}
	for l.next() {
		token := s[l.start:l.end]
		switch {
		case l.kind == markupCDATA:
			text := strings.TrimSuffix(strings.TrimPrefix(token, "<![CDATA["), "]]>")
			b.WriteString(html.EscapeString(text))
		case l.kind == markupStart && l.selfClosing && !voidElements[l.name]:
			b.WriteString(strings.TrimRight(token[:len(token)-1], "/"))
			b.WriteString("></")
			b.WriteString(l.name)
			b.WriteByte('>')
		default:
			b.WriteString(token)
		}
	}
	return b.String()
}

// tame rewrites markup that would be too much work or too deep for the
// parser: formatting elements and all that is nested deeper than tameDepth go,
// their text stays where it is.
func tame(s string, xml bool) string {
	var b strings.Builder
	b.Grow(len(s))
	var stack openElements
	broken := false // the last thing written is a line break
	l := markupLexer{s: s, xml: xml}
	for l.next() {
		token := s[l.start:l.end]
		keep := true
		switch {
		case formatting[l.name]:
			keep = false
		case l.kind == markupStart && !voidElements[l.name] && !rawElements[l.name]:
			keep = stack.push(l.name)
			if !keep && !broken {
				b.WriteString("<br>") // words of different elements stay apart
				broken = true
			}
		case l.kind == markupEnd && !rawElements[l.name]:
			keep = stack.pop(l.name)
		}
		if !keep {
			continue
		}
		b.WriteString(token)
		broken = false
	}
	return b.String()
}

// openElements is the stack of elements that tame has met and not closed.
type openElements struct {
	names []string
	kept  []bool
	depth int // how many are kept
}

// impliedEnds are elements that end where the next of their kind begins.
var impliedEnds = map[string]bool{
	"p": true, "li": true, "dt": true, "dd": true, "tr": true, "td": true, "th": true, "option": true,
}

func (o *openElements) push(name string) (keep bool) {
	if n := len(o.names); n > 0 && impliedEnds[name] && o.names[n-1] == name {
		return o.kept[n-1]
	}
	keep = o.depth < tameDepth
	if keep {
		o.depth++
	}
	o.names, o.kept = append(o.names, name), append(o.kept, keep)
	return keep
}

// pop closes name and what is open inside of it. It looks back a little only:
// the work must not grow with the depth.
func (o *openElements) pop(name string) (keep bool) {
	for i := len(o.names) - 1; i >= max(0, len(o.names)-64); i-- {
		if o.names[i] != name {
			continue
		}
		keep = o.kept[i]
		for _, k := range o.kept[i:] {
			if k {
				o.depth--
			}
		}
		o.names, o.kept = o.names[:i], o.kept[:i]
		return keep
	}
	return true
}
