package extract

import (
	"strings"
)

// A markupLexer cuts HTML into tags, comments and text the way the tokenizer
// of golang.org/x/net/html does, with offsets and without values. It serves
// what a parsed tree no longer shows: the charset declared in bytes that are
// not decoded yet, whether the input ended inside of something, and how much
// work a tree would be.
type markupLexer struct {
	s   string
	xml bool // <script/> has no content

	kind        markupKind
	start, end  int    // the token is s[start:end]
	name        string // of a tag, in lower case
	selfClosing bool
	// open is set when s ended before the last token did, to what it is.
	open string

	raw     string // the element whose text comes next, such as script
	foreign int    // open svg and math elements, in which <style/> has no content
	lower   [32]byte
}

type markupKind byte

const (
	markupText markupKind = iota
	markupStart
	markupEnd
	markupComment // also declarations and processing instructions
	markupCDATA   // only in XML
)

// rawElements hold text that is no markup (HTML, 13.2.5: RAWTEXT, RCDATA and
// script data; noscript too, as x/net/html parses with scripting on).
var rawElements = map[string]bool{
	"script": true, "style": true, "title": true, "textarea": true, "xmp": true,
	"iframe": true, "noembed": true, "noframes": true, "noscript": true,
}

// next goes to the next token and says whether there is one.
func (l *markupLexer) next() bool {
	l.start = l.end
	if l.start >= len(l.s) {
		if l.raw != "" && l.open == "" {
			l.open = "<" + l.raw + ">"
		}
		return false
	}
	l.name, l.selfClosing = "", false
	if l.raw != "" {
		l.rawText()
		if l.end > l.start {
			return true
		}
	}
	if l.tagOrComment() {
		return true
	}
	l.kind = markupText
	for i := l.start + 1; ; i++ {
		n := strings.IndexByte(l.s[i:], '<')
		if n < 0 {
			l.end = len(l.s)
			return true
		}
		i += n
		if i+1 == len(l.s) || isMarkup(l.s[i+1]) {
			l.end = i
			return true
		}
	}
}

// isMarkup tells whether c after "<" begins a tag, comment or declaration.
func isMarkup(c byte) bool {
	return c == '/' || c == '!' || c == '?' || isLetter(c)
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isHTMLSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f'
}

// rawText takes the text up to the end tag of the raw element.
func (l *markupLexer) rawText() {
	l.kind = markupText
	name := l.raw
	for i := l.start; ; {
		n := strings.Index(l.s[i:], "</")
		if n < 0 {
			l.end, l.open = len(l.s), "<"+name+">"
			return
		}
		i += n
		rest := l.s[i+2:]
		if len(rest) >= len(name) && strings.EqualFold(rest[:len(name)], name) &&
			(len(rest) == len(name) || isHTMLSpace(rest[len(name)]) || rest[len(name)] == '/' || rest[len(name)] == '>') {
			l.end, l.raw = i, ""
			return
		}
		i += 2
	}
}

func (l *markupLexer) tagOrComment() bool {
	rest := l.s[l.start:]
	switch {
	case rest[0] != '<':
		return false
	case len(rest) == 1, rest == "</":
		l.kind, l.end, l.open = markupComment, len(l.s), "a tag"
		return true
	case isLetter(rest[1]):
		l.kind = markupStart
		l.tag(l.start + 1)
		switch {
		case rawElements[l.name] && !(l.selfClosing && (l.xml || l.foreign > 0)):
			l.raw = l.name
		case (l.name == "svg" || l.name == "math") && !l.selfClosing:
			l.foreign++
		}
	case rest[1] == '/' && isLetter(rest[2]):
		l.kind = markupEnd
		l.tag(l.start + 2)
		if l.name == "svg" || l.name == "math" {
			l.foreign = max(0, l.foreign-1)
		}
	case strings.HasPrefix(rest, "<!--"):
		l.kind = markupComment
		l.comment()
	case l.xml && strings.HasPrefix(rest, "<![CDATA["):
		l.kind = markupCDATA
		l.until("]]>", "a CDATA section")
	case rest[1] == '/' || rest[1] == '!' || rest[1] == '?':
		l.kind = markupComment
		l.until(">", "a declaration")
	default:
		return false
	}
	return true
}

func (l *markupLexer) until(mark, what string) {
	if i := strings.Index(l.s[l.start:], mark); i >= 0 {
		l.end = l.start + i + len(mark)
		return
	}
	l.end, l.open = len(l.s), what
}

func (l *markupLexer) comment() {
	body := l.start + len("<!--")
	for _, short := range []string{">", "->"} { // <!--> and <!---> are whole
		if strings.HasPrefix(l.s[body:], short) {
			l.end = body + len(short)
			return
		}
	}
	for i := body; ; {
		n := strings.Index(l.s[i:], "--")
		if n < 0 {
			l.end, l.open = len(l.s), "a comment"
			return
		}
		i += n + 2
		for _, last := range []string{">", "!>"} {
			if strings.HasPrefix(l.s[i:], last) {
				l.end = i + len(last)
				return
			}
		}
		i-- // of three dashes the last two may end it
	}
}

// tag reads a tag whose name begins at i.
func (l *markupLexer) tag(i int) {
	s := l.s
	from := i
	for i < len(s) && !isHTMLSpace(s[i]) && s[i] != '/' && s[i] != '>' {
		i++
	}
	l.name = l.lowerName(s[from:i])
	for {
		for i < len(s) && (isHTMLSpace(s[i]) || s[i] == '/') {
			i++
		}
		if i >= len(s) {
			break
		}
		if s[i] == '>' {
			l.selfClosing = s[i-1] == '/'
			l.end = i + 1
			return
		}
		if i = attribute(s, i); i >= len(s) {
			break
		}
	}
	l.end, l.open = len(s), "a tag"
}

// attribute gives the offset behind the attribute that begins at i, or len(s)
// when s ends inside of it.
func attribute(s string, i int) int {
	i++ // also an equals sign may begin a name
	for i < len(s) && !isHTMLSpace(s[i]) && s[i] != '/' && s[i] != '>' && s[i] != '=' {
		i++
	}
	j := i
	for j < len(s) && isHTMLSpace(s[j]) {
		j++
	}
	if j >= len(s) || s[j] != '=' {
		return i
	}
	for j++; j < len(s) && isHTMLSpace(s[j]); j++ {
	}
	if j >= len(s) || s[j] == '>' {
		return j
	}
	if quote := s[j]; quote == '"' || quote == '\'' {
		n := strings.IndexByte(s[j+1:], quote)
		if n < 0 {
			return len(s)
		}
		return j + 1 + n + 1
	}
	for j < len(s) && !isHTMLSpace(s[j]) && s[j] != '>' {
		j++
	}
	return j
}

// lowerName lowers a tag's name without allocating for the names that occur.
func (l *markupLexer) lowerName(name string) string {
	upper := false
	for i := range len(name) {
		upper = upper || name[i] >= 'A' && name[i] <= 'Z'
	}
	if !upper {
		return name
	}
	if len(name) > len(l.lower) {
		return strings.ToLower(name)
	}
	b := l.lower[:0]
	for i := range len(name) {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		b = append(b, c)
	}
	return string(b)
}
