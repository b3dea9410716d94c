package extract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// A tagScanner walks the tags of an XML part. It is not an XML parser: it
// keeps no stack, no namespaces and no entities but the five that XML has
// itself, so that entity bombs find nothing to expand. That is enough for the
// flat parts of a workbook, and several times as fast as encoding/xml.
type tagScanner struct {
	r        io.Reader
	buf      []byte
	pos, end int
	err      error // what ended the reading, io.EOF at the end of a whole part
	doctype  bool  // a document type may stand there, and is passed over
}

// errMarkup means that a part is not what its format has there.
var errMarkup = errors.New("not what should be there")

const (
	scanBuffer = 128 << 10
	maxTag     = 1 << 20 // bytes of one tag; a row's with all its spans is below 16 KiB
	cellRoom   = 4 << 10 // enough for any cell but one with long text
)

// A tag is valid until the scanner moves on.
type tag struct {
	name  []byte // without its prefix
	attrs []byte // all that follows the name, without > or />
	close bool   // </name>
	empty bool   // <name/>
}

func (t *tag) is(name string) bool { return string(t.name) == name }

func newTagScanner(r io.Reader) *tagScanner {
	return &tagScanner{r: r, buf: make([]byte, scanBuffer)}
}

// fill reads on, keeping what is not consumed. It reports whether there is
// more than before.
func (s *tagScanner) fill() bool {
	if s.err != nil {
		return false
	}
	if s.pos > 0 {
		copy(s.buf, s.buf[s.pos:s.end])
		s.end -= s.pos
		s.pos = 0
	}
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	for range 100 {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		if err != nil {
			s.err = err
		}
		if n > 0 || err != nil {
			return n > 0
		}
	}
	s.err = io.ErrNoProgress
	return false
}

// next finds the next tag, passing over text, comments and declarations. At
// the end of the part, or when it cannot be read, it says false: see s.err.
func (s *tagScanner) next() (tag, bool) {
	for {
		i := bytes.IndexByte(s.buf[s.pos:s.end], '<')
		if i < 0 {
			s.pos = s.end
			if !s.fill() {
				return tag{}, false
			}
			continue
		}
		s.pos += i
		if s.end-s.pos < 2 {
			if !s.fill() {
				return tag{}, s.cut()
			}
			continue
		}
		switch s.buf[s.pos+1] {
		case '!', '?':
			if !s.skipDeclaration() {
				return tag{}, false
			}
			continue
		}
		n := s.tagLength()
		if n < 0 {
			return tag{}, false
		}
		t := splitTag(s.buf[s.pos+1 : s.pos+n-1])
		s.pos += n
		return t, true
	}
}

// cut notes that the part ended within something.
func (s *tagScanner) cut() bool {
	if errors.Is(s.err, io.EOF) {
		s.err = io.ErrUnexpectedEOF
	}
	return false
}

// tagLength gives the length of the tag at pos, which it makes whole in the
// buffer, or -1.
func (s *tagScanner) tagLength() int {
	for {
		quote := byte(0)
		for i := s.pos; i < s.end; i++ {
			switch c := s.buf[i]; {
			case quote != 0:
				j := bytes.IndexByte(s.buf[i:s.end], quote)
				if j < 0 {
					i = s.end
				} else {
					i += j
					quote = 0
				}
			case c == '"' || c == '\'':
				quote = c
			case c == '>':
				return i + 1 - s.pos
			}
		}
		if s.end-s.pos > maxTag {
			s.err = fmt.Errorf("%w: a tag of over %d bytes", errMarkup, maxTag)
			return -1
		}
		if !s.fill() {
			s.cut()
			return -1
		}
	}
}

// splitTag parses what stands between < and >.
func splitTag(b []byte) tag {
	var t tag
	if len(b) > 0 && b[0] == '/' {
		t.close = true
		b = b[1:]
	} else if len(b) > 0 && b[len(b)-1] == '/' {
		t.empty = true
		b = b[:len(b)-1]
	}
	start, i := 0, 0
	for ; i < len(b) && b[i] > ' '; i++ {
		if b[i] == ':' {
			start = i + 1
		}
	}
	t.name, t.attrs = b[start:i], b[i:]
	return t
}

// skipDeclaration passes over <!-- -->, <![CDATA[ ]]>, <!DOCTYPE [ ]> and
// <? ?> in text where nothing is collected.
func (s *tagScanner) skipDeclaration() bool {
	s.need(9)
	rest := s.buf[s.pos:s.end]
	switch {
	case bytes.HasPrefix(rest, []byte("<?")):
		return s.skipPast("?>")
	case bytes.HasPrefix(rest, []byte("<!--")):
		s.pos += 4
		return s.skipPast("-->")
	case bytes.HasPrefix(rest, []byte("<![CDATA[")):
		return s.skipPast("]]>")
	}
	if s.doctype {
		return s.skipDoctype()
	}
	// A document type is forbidden in a workbook (ECMA-376 part 2, 8.1.4).
	// What its declarations say is ignored, but they hold > themselves.
	s.err = fmt.Errorf("%w: a document type declaration, which no such file has", errMarkup)
	return false
}

// skipDoctype passes over a document type with its declarations in brackets.
// What they declare is not known afterwards.
func (s *tagScanner) skipDoctype() bool {
	quote, inside := byte(0), 0
	for n := 0; ; n++ {
		if s.pos == s.end && !s.fill() {
			return s.cut()
		}
		c := s.buf[s.pos]
		s.pos++
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' && inside == 0:
			quote = c
		case c == '[':
			inside++
		case c == ']':
			inside--
		case c == '>' && inside <= 0:
			return true
		case n > maxTag:
			s.err = fmt.Errorf("%w: a document type of over %d bytes", errMarkup, maxTag)
			return false
		}
	}
}

// need makes n bytes ready if there are as many.
func (s *tagScanner) need(n int) bool {
	for s.end-s.pos < n {
		if !s.fill() {
			return false
		}
	}
	return true
}

func (s *tagScanner) skipPast(mark string) bool {
	for {
		if i := bytes.Index(s.buf[s.pos:s.end], []byte(mark)); i >= 0 {
			s.pos += i + len(mark)
			return true
		}
		s.pos = max(s.pos, s.end-len(mark)+1)
		if !s.fill() {
			return s.cut()
		}
	}
}

// text appends the text up to the next tag to b, decoded. It stops appending
// at limit bytes and says so; what is left is passed over.
func (s *tagScanner) text(b []byte, limit int) (_ []byte, over bool) {
	for {
		i := bytes.IndexByte(s.buf[s.pos:s.end], '<')
		if i < 0 {
			// Hold back what may be the beginning of a reference or of a line end.
			chunk := s.buf[s.pos:s.end]
			keep := 0
			if j := bytes.LastIndexByte(chunk, '&'); j >= 0 && len(chunk)-j < maxReference {
				keep = len(chunk) - j
			} else if n := len(chunk); n > 0 && chunk[n-1] == '\r' {
				keep = 1
			}
			chunk = chunk[:len(chunk)-keep]
			b, over = appendLimited(b, chunk, limit, over)
			s.pos = s.end - keep
			if !s.fill() {
				s.cut()
				return b, over
			}
			continue
		}
		b, over = appendLimited(b, s.buf[s.pos:s.pos+i], limit, over)
		s.pos += i
		if !s.need(2) || s.buf[s.pos+1] != '!' && s.buf[s.pos+1] != '?' {
			return b, over
		}
		s.need(9)
		if !bytes.HasPrefix(s.buf[s.pos:s.end], []byte("<![CDATA[")) {
			if !s.skipDeclaration() {
				return b, over
			}
			continue
		}
		s.pos += 9
		b, over = s.cdata(b, limit, over)
	}
}

// cdata appends the rest of a CDATA section as it is.
func (s *tagScanner) cdata(b []byte, limit int, over bool) ([]byte, bool) {
	for {
		i := bytes.Index(s.buf[s.pos:s.end], []byte("]]>"))
		n := i
		if i < 0 {
			n = max(s.end-s.pos-2, 0)
		}
		if room := limit - len(b); n > room {
			over = true
			b = append(b, s.buf[s.pos:s.pos+max(room, 0)]...)
		} else {
			b = append(b, s.buf[s.pos:s.pos+n]...)
		}
		s.pos += n
		if i >= 0 {
			s.pos += 3
			return b, over
		}
		if !s.fill() {
			s.cut()
			return b, over
		}
	}
}

// appendLimited appends text decoded, which never makes it longer.
func appendLimited(b, chunk []byte, limit int, over bool) ([]byte, bool) {
	if over {
		return b, true
	}
	b = appendDecoded(b, chunk)
	if len(b) > limit {
		return b[:limit], true
	}
	return b, false
}

// maxReference is longer than any reference that XML has itself.
const maxReference = 12

// appendDecoded appends XML text with its references and line ends resolved.
// A reference that is not one of XML's own stays as it is.
func appendDecoded(b, text []byte) []byte {
	for len(text) > 0 {
		i := bytes.IndexAny(text, "&\r")
		if i < 0 {
			return append(b, text...)
		}
		b = append(b, text[:i]...)
		text = text[i:]
		if text[0] == '\r' { // XML 1.0, 2.11: \r\n and \r are read as \n
			b = append(b, '\n')
			text = text[1:]
			if len(text) > 0 && text[0] == '\n' {
				text = text[1:]
			}
			continue
		}
		r, n := reference(text)
		if n == 0 {
			b, text = append(b, '&'), text[1:]
			continue
		}
		b, text = utf8.AppendRune(b, r), text[n:]
	}
	return b
}

// reference resolves the reference that text begins with; its length is 0 if
// there is none.
func reference(text []byte) (rune, int) {
	end := bytes.IndexByte(text[:min(len(text), maxReference)], ';')
	if end < 2 {
		return 0, 0
	}
	switch name := string(text[1:end]); name {
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "amp":
		return '&', end + 1
	case "quot":
		return '"', end + 1
	case "apos":
		return '\'', end + 1
	default:
		if name[0] != '#' || len(name) < 2 {
			return 0, 0
		}
		base, digits := 10, name[1:]
		if digits[0] == 'x' {
			base, digits = 16, digits[1:]
		}
		n, err := strconv.ParseUint(digits, base, 32)
		if err != nil || n > utf8.MaxRune || n == 0 {
			return 0, 0
		}
		return rune(n), end + 1
	}
}

// attr finds an attribute by its local name; its value is not decoded, as all
// that the rows need are numbers, names and cell references.
func (t *tag) attr(name string) ([]byte, bool) {
	b := t.attrs
	for {
		eq := bytes.IndexByte(b, '=')
		if eq < 0 {
			return nil, false
		}
		key := bytes.TrimSpace(b[:eq])
		if i := bytes.LastIndexAny(key, ": \t\r\n"); i >= 0 {
			key = key[i+1:]
		}
		b = bytes.TrimLeft(b[eq+1:], " \t\r\n")
		if len(b) == 0 {
			return nil, false
		}
		end := bytes.IndexByte(b[1:], b[0])
		if end < 0 {
			return nil, false
		}
		if string(key) == name {
			return b[1 : 1+end], true
		}
		b = b[end+2:]
	}
}

// attrBool reads an XML boolean.
func (t *tag) attrBool(name string) bool {
	v, _ := t.attr(name)
	return string(v) == "1" || string(v) == "true"
}

// attrInt reads a number of up to 9 digits.
func (t *tag) attrInt(name string) (int, bool) {
	v, ok := t.attr(name)
	if !ok {
		return 0, false
	}
	return smallInt(v)
}

// smallInt parses up to 9 digits.
func smallInt(b []byte) (int, bool) {
	if len(b) == 0 || len(b) > 9 {
		return 0, false
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

// drain reads to the end of the part, where zip checks the checksum.
func (s *tagScanner) drain() error {
	for s.err == nil {
		s.pos = s.end
		s.fill()
	}
	if errors.Is(s.err, io.EOF) {
		return nil
	}
	return s.err
}
