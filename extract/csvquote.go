package extract

import "strings"

// This file reads rows with quotes in them, and decides what an opening quote
// without a closing one means.
//
// A closing quote stands before a delimiter, a line end or the end of the
// text; spaces between are passed over. Any other quote inside a quoted field
// is taken as a character, as is a quote in a field that does not begin with
// one. That is what encoding/csv does with LazyQuotes, and like it, it lets
// one forgotten quote swallow all rows up to the next quote that happens to
// stand at the end of a field. So a row that goes over several lines and
// looks wrong (it has stray quotes, or not the header's width, or no end) is
// held against its own lines: when most of them are good rows when read
// alone, the quote was forgotten, and only its line is given up.

const (
	// minReach is how far a closing quote is always looked for. Beyond it,
	// text that is looked at twice counts against a share of what was read,
	// so that a file full of forgotten quotes takes linear time.
	minReach = 4 << 10
	// plainReach is how far fields without quotes are looked for together; a
	// longer one is searched for its end alone, which is faster.
	plainReach = 256
	// enoughLines is how many lines are asked whether they are rows.
	enoughLines = 20
)

// A quotedRow is what readQuoted sees.
type quotedRow struct {
	open   bool // the text ends inside quotes, or too early to tell
	fields []string
	end    int  // offset of the line end after the row, or the length of the text
	lines  int  // line ends inside quotes
	stray  bool // quotes that neither open nor close a field, in or after a field of many lines
	quote  int  // offset of the opening quote of the field of many lines
}

// quoted reads the row at pos, whose first line is n bytes long. ok is false
// when the window ends too early to tell.
func (s *csvScanner) quoted(n int) (row scannedRow, ok bool) {
	text, whole := s.win[s.pos:], s.eof
	reach := max(int64(n), min(s.limit, max(minReach, 2*s.limit+4*(s.read+int64(s.pos))-s.wasted)))
	tooFar := int64(len(text)) > reach+1
	if tooFar {
		text, whole = text[:reach+1], false
	}
	q := s.readQuoted(text, min(n, len(text)), whole, s.row())
	row = scannedRow{line: s.line, last: q.end == len(text) && whole}
	if q.open {
		switch {
		case !s.eof && !tooFar:
			return row, false
		case s.width == 0 || s.looksLikeRows(text, q, whole):
			row.atEOF = !tooFar
			s.giveUpLine(&row, text, q)
		case tooFar:
			s.skipQuoted(&row, q)
		default:
			row.fault, row.atEOF = scanSwallowed, true
			row.at, row.col = s.position(text, q.quote)
			s.advance(len(text), q.lines)
		}
		return row, true
	}
	if q.lines > 0 && (q.stray || len(q.fields) != s.width) && s.looksLikeRows(text, q, whole) {
		s.giveUpLine(&row, text, q)
		return row, true
	}
	switch {
	case int64(q.end) > s.limit:
		row.fault = scanTooLarge
	case !s.keep(q.fields):
		row.fault = scanColumns
	default:
		row.raw = text[:q.end]
	}
	s.advance(q.end, 1+q.lines)
	return row, true
}

// readQuoted reads one row from the start of text, whose first line is n
// bytes long. whole tells that nothing follows text.
func (s *csvScanner) readQuoted(text string, n int, whole bool, f []string) quotedRow {
	r := quotedRow{fields: f}
	eol := n // of the line that pos is on
	pos, next := 0, -1
	for {
		if pos < eol && (text[pos] == s.quote || text[pos] == ' ' || text[pos] == '\t') {
			value, after, found := s.quotedField(text, pos, eol, whole, &r)
			if r.open {
				r.end = len(text)
				return r
			}
			if found {
				if after > eol {
					i := strings.IndexByte(text[after:], s.eol)
					if eol = after + i; i < 0 {
						eol = len(text)
						r.open = !whole
					}
				}
				r.fields = append(r.fields, value)
				if pos = after; pos >= eol || r.open {
					r.end = eol
					return r
				}
				pos += len(s.delim)
				continue
			}
		}
		if next < pos { // the next quote on the line
			if next = strings.IndexByte(text[pos:eol], s.quote) + pos; next < pos {
				next = eol
			}
		}
		if len(s.delim) == 1 { // the fields before it are without quotes
			var n int
			if r.fields, n = s.appendPlain(r.fields, text[pos:], min(next-pos, plainReach)); n > 0 {
				pos += n
				continue
			}
		}
		line := text[pos:eol]
		i := strings.Index(line, s.delim)
		last := i < 0
		if last {
			if i = len(line); s.eol == '\n' {
				i = len(strings.TrimRight(line, "\r"))
			}
		}
		r.fields = append(r.fields, line[:i])
		r.stray = r.stray || r.lines > 0 && strings.IndexByte(line[:i], s.quote) >= 0
		if last {
			r.end = eol
			return r
		}
		pos += i + len(s.delim)
	}
}

// quotedField reads the field at pos if it is one in quotes, and says where
// the delimiter or the line end after it is. eol is the end of pos's line.
func (s *csvScanner) quotedField(text string, pos, eol int, whole bool, r *quotedRow) (value string, after int, ok bool) {
	open := pos
	for open < eol && text[open] != s.quote && s.isSpace(text[open]) {
		open++
	}
	if open == eol || text[open] != s.quote {
		return "", 0, false
	}
	spaced := open > pos // then it is a quoted field only if it is one in every way
	doubled, stray := false, false
	q := open + 1
	for {
		i := strings.IndexByte(text[q:], s.quote)
		if spaced && (i < 0 || q+i > eol) {
			return "", 0, false
		}
		if i < 0 {
			break
		}
		if q += i; s.escape != 0 && s.isEscaped(text[open+1:q]) {
			q++
			continue
		}
		if q+1 < len(text) && text[q+1] == s.quote {
			doubled = true
			q += 2
			continue
		}
		after, sure := s.closes(text, q+1, whole)
		if !sure {
			break
		}
		if after >= 0 {
			value = text[open+1 : q]
			if doubled {
				value = strings.ReplaceAll(value, text[open:open+1]+text[open:open+1], text[open:open+1])
			}
			if s.escape != 0 && strings.IndexByte(value, s.escape) >= 0 {
				value = s.unescape(value)
			}
			if q > eol {
				r.lines += strings.Count(value, string(rune(s.eol)))
				r.quote = open
				r.stray = r.stray || stray
			}
			return value, after, true
		}
		if spaced {
			return "", 0, false
		}
		stray = true
		q++
	}
	r.open = true
	r.quote = open
	r.lines += strings.Count(text[open:], string(rune(s.eol)))
	return "", 0, false
}

// isEscaped tells that before, the text up to a quote, escapes it: it ends in
// an odd number of escapes.
func (s *csvScanner) isEscaped(before string) bool {
	n := 0
	for n < len(before) && before[len(before)-1-n] == s.escape {
		n++
	}
	return n%2 == 1
}

// unescape takes the escapes away from before quotes and themselves.
func (s *csvScanner) unescape(value string) string {
	b := make([]byte, 0, len(value))
	for i := 0; i < len(value); i++ {
		if value[i] == s.escape && i+1 < len(value) && (value[i+1] == s.quote || value[i+1] == s.escape) {
			i++
		}
		b = append(b, value[i])
	}
	return string(b)
}

// closes tells whether what stands at i, after a quote, makes that quote a
// closing one, and where the delimiter or line end is; -1 is no. sure is
// false when the window ends too early to tell.
func (s *csvScanner) closes(text string, i int, whole bool) (after int, sure bool) {
	for ; i < len(text); i++ {
		c := text[i]
		if c == s.eol || strings.HasPrefix(text[i:], s.delim) {
			return i, true
		}
		if c != '\r' && !s.isSpace(c) {
			return -1, len(text)-i >= len(s.delim) || whole
		}
	}
	return i, whole
}

func (s *csvScanner) isSpace(c byte) bool {
	return (c == ' ' || c == '\t') && c != s.delim[0]
}

// looksLikeRows tells whether the lines after the one with the opening quote
// are rows of their own: at least half of the next twenty have the right
// number of fields when each is read alone. Lines of running text have not.
func (s *csvScanner) looksLikeRows(text string, q quotedRow, whole bool) bool {
	if s.width < 2 {
		return false
	}
	i := strings.IndexByte(text[q.quote:], s.eol)
	if i < 0 {
		return false
	}
	lines := text[q.quote+i+1 : max(q.end, q.quote+i+1)]
	if len(lines) > minReach {
		lines, q.open, whole = lines[:minReach], true, false // the last line may be cut
	}
	rows, all := 0, 0
	var f []string
	for all < enoughLines && lines != "" {
		line, rest, found := strings.Cut(lines, string(rune(s.eol)))
		if !found && q.open && !whole {
			break // the rest of the line is not known
		}
		lines = rest
		if strings.TrimRight(line, "\r") == "" {
			continue
		}
		all++
		r := s.readQuoted(line, len(line), true, f[:0])
		n := len(r.fields)
		if f = r.fields; r.open { // this one forgets its quote, too
			n = strings.Count(line, s.delim) + 1
		}
		if n == s.width {
			rows++
		}
	}
	return rows > 0 && rows*2 >= all
}

// giveUpLine passes over the row up to the end of the line with the opening
// quote, and reads on after it.
func (s *csvScanner) giveUpLine(row *scannedRow, text string, q quotedRow) {
	s.wasted += int64(q.end)
	n := len(text)
	if i := strings.IndexByte(text[q.quote:], s.eol); i >= 0 {
		n = q.quote + i
	}
	row.fault = scanUnclosed
	row.at, row.col = s.position(text, q.quote)
	row.raw = strings.TrimRight(text[:n], "\r")
	row.last = n == len(text)
	s.advance(n, row.at-row.line+1)
}

// position gives the line and the byte column of an offset in text, which
// begins with the current row.
func (s *csvScanner) position(text string, i int) (line, col int) {
	before := text[:i]
	return s.line + strings.Count(before, string(rune(s.eol))), i - strings.LastIndexByte(before, s.eol)
}

// skipQuoted passes over a row that is over the limit inside quotes, up to
// the line end after its closing quote, in the memory of one window.
func (s *csvScanner) skipQuoted(row *scannedRow, q quotedRow) {
	row.fault = scanTooLarge
	row.at, row.col = s.position(s.win[s.pos:], q.quote)
	s.line = row.at
	at := s.pos + q.quote + 1 // where to look on
	for {
		i := strings.IndexByte(s.win[at:], s.quote)
		if i < 0 {
			s.line += strings.Count(s.win[at:], string(rune(s.eol)))
			s.pos = len(s.win)
			if s.eof {
				row.atEOF, row.last = true, true
				return
			}
			s.more()
			at = s.pos
			continue
		}
		s.line += strings.Count(s.win[at:at+i], string(rune(s.eol)))
		at += i
		after, sure := s.closes(s.win, at+1, s.eof)
		doubled := at+1 < len(s.win) && s.win[at+1] == s.quote
		switch {
		case s.escape != 0 && s.isEscaped(s.win[max(0, at-8):at]):
			at++
		case doubled:
			at += 2
		case !sure && len(s.win)-at < s.window:
			s.pos = at
			s.more()
			at = s.pos
		case after >= 0:
			s.pos = after
			rest := s.skipLine()
			row.last = rest.last
			return
		default:
			at++
		}
	}
}
