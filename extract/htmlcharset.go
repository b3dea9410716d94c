package extract

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// A decodedPage is the text of a page and how it was had.
type decodedPage struct {
	text    string
	warning string // what a user should know of the encoding, or ""
	short   bool   // the bytes end inside a character
}

// decodeHTML turns the bytes of a page into text. The order is that which
// was right most often on real pages: what the user says, a byte order mark,
// UTF-16 by its NULs, UTF-8 if all bytes are, what the page declares, a
// guess. UTF-8 goes before the declaration because pages lie: of a benchmark's
// 181 pages all are UTF-8 and some declare it too late for a browser's first
// 1,024 bytes, and those that declare another charset have been converted.
func decodeHTML(b []byte, explicit string) (decodedPage, error) {
	bom, n := byBOM(b)
	if explicit != "" && !strings.EqualFold(explicit, "auto") {
		c, err := lookupCodec(explicit)
		if err != nil {
			return decodedPage{}, err
		}
		if bom == c.name || bom != "" && c.name == "utf-16" {
			c, _ = lookupCodec(bom)
			b = b[n:]
		}
		return c.page(b), nil
	}
	if bom != "" {
		c, err := lookupCodec(bom)
		return c.page(b[n:]), err
	}
	if name := byNULs(b[:min(len(b), sniffSize)]); name != "" {
		c, err := lookupCodec(name)
		return c.page(b), err
	}
	return decodeLegacy(b), nil
}

// decodeLegacy decodes bytes that have no mark.
func decodeLegacy(b []byte) decodedPage {
	s := string(b)
	declared, said := declaredCodec(s)
	if utf8.ValidString(s) {
		if declared.name == "iso-2022-jp" && strings.IndexByte(s, 0x1B) >= 0 { // ASCII bytes only
			return declared.page(b)
		}
		return decodedPage{text: s}
	}
	valid, invalid := utf8Evidence(s)
	isUTF8 := declared.name == utf8Codec.name
	switch {
	case invalid == 0 && (valid > 0 || isUTF8): // a character is cut off by the end
		return decodedPage{text: s, short: true}
	case invalid > 0 && valid >= invalid && (isUTF8 || valid > 20*invalid):
		return decodedPage{text: mend(s), warning: fmt.Sprintf(
			"%d bytes are not UTF-8 as the rest is; they are read as windows-1252", invalid)}
	case said != "" && !isUTF8 && declared.enc != nil:
		if p := declared.page(b); replaced(p.text)*100 <= len(p.text)-asciiCount(s) {
			return p
		}
	}
	guess, confidence := guessCodec(visibleSample(s))
	p := guess.page(b)
	switch {
	case said != "":
		p.warning = fmt.Sprintf("the page says that its encoding is %s, but it is not; it is read as %s, set html.encoding if letters are wrong", said, guess.name)
	case confidence == 0:
		p.warning = fmt.Sprintf("the page does not say its encoding and it could not be found out; it is read as %s, set html.encoding if letters are wrong", guess.name)
	case confidence <= 100:
		p.warning = fmt.Sprintf("the page does not say its encoding; it looks like %s (%d %% sure), set html.encoding if letters are wrong", guess.name, confidence)
	}
	return p
}

// page decodes b.
func (c codec) page(b []byte) decodedPage {
	if c.enc == nil {
		s := string(b)
		if _, invalid := utf8Evidence(s); invalid > 0 {
			return decodedPage{text: mend(s), warning: fmt.Sprintf("%d bytes are not UTF-8; they are read as windows-1252", invalid)}
		}
		return decodedPage{text: s, short: !utf8.ValidString(s)}
	}
	wide := strings.HasPrefix(c.name, "utf-16")
	text, err := c.enc.NewDecoder().Bytes(b)
	if err != nil { // unreachable: decoders write U+FFFD for what they cannot decode
		text = bytes.ToValidUTF8(b, []byte("\uFFFD"))
	}
	return decodedPage{text: string(text), short: wide && len(b)%2 == 1}
}

func replaced(s string) int { return strings.Count(s, "\uFFFD") * 3 }

func asciiCount(s string) int {
	n := 0
	for i := range len(s) {
		if s[i] < utf8.RuneSelf {
			n++
		}
	}
	return n
}

var (
	xmlDeclaration = regexp.MustCompile(`^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([^"']+)["']`)
	metaEncoding   = regexp.MustCompile(`(?i)charset\s*=\s*["']?\s*([^\s"';,]+)`)
)

// declaredCodec is what the page says its encoding is, anywhere in its head.
// said is the name as written; it is set also when no such encoding is known.
func declaredCodec(s string) (c codec, said string) {
	l := markupLexer{s: s}
	for l.next() {
		if l.kind == markupStart && l.name == "body" || l.kind == markupEnd && l.name == "head" {
			break
		}
		if l.kind != markupStart || l.name != "meta" {
			continue
		}
		if said = metaCharset(s[l.start:l.end]); said == "" {
			continue
		}
		if c, err := lookupCodec(said); err == nil {
			// A page whose meta can be read byte by byte is not UTF-16 (HTML, 13.2.3.2).
			if strings.HasPrefix(c.name, "utf-16") || strings.HasPrefix(c.name, "utf-32") {
				c = utf8Codec
			}
			return c, said
		}
	}
	if m := xmlDeclaration.FindStringSubmatch(s[:min(len(s), 1024)]); m != nil {
		if c, err := lookupCodec(m[1]); err == nil {
			return c, m[1]
		}
	}
	return codec{}, said
}

func metaCharset(tag string) string {
	z := html.NewTokenizer(strings.NewReader(tag))
	z.Next()
	var content, equiv string
	for _, a := range z.Token().Attr {
		switch a.Key {
		case "charset":
			return strings.TrimSpace(a.Val)
		case "content":
			content = a.Val
		case "http-equiv":
			equiv = a.Val
		}
	}
	if m := metaEncoding.FindStringSubmatch(content); m != nil && strings.EqualFold(strings.TrimSpace(equiv), "content-type") {
		return m[1]
	}
	return ""
}

// visibleSample is the start of the text without markup and scripts, whose
// ASCII would hide the language from the guess.
func visibleSample(s string) string {
	var b strings.Builder
	l := markupLexer{s: s}
	for b.Len() < guessSample {
		raw := l.raw
		if !l.next() {
			break
		}
		if l.kind == markupText && (raw == "" || raw == "title") {
			b.WriteString(s[l.start:l.end])
		}
	}
	if valid, invalid := utf8Evidence(b.String()); valid+invalid == 0 {
		return s // the bytes in question are in attributes or scripts
	}
	return b.String()
}
