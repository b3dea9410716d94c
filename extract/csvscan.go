package extract

import (
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/transform"
)

// Windows and slabs are what a retained record keeps alive: 28 KiB of text
// and 16 KiB of fields, both shared with its neighbours. Larger ones save
// little; these fill a size class of the allocator, and 32 KiB would be a large
// object to it.
const (
	windowSize = 28 << 10
	slabFields = 1 << 10
)

// A dialect is how a table is spelled.
type dialect struct {
	delim   string // one character
	quote   byte   // 0 is none
	escape  byte   // before a quote that ends no field; 0 is none
	eol     byte   // '\n', which takes \r before it along, or '\r'
	comment string
}

// A csvScanner cuts text into rows of fields.
//
// Text is read into a window, a string of which fields are substrings, so
// that rows cost no allocation of their own. A row that does not fit makes
// the next window larger. Rows without quotes take the short way.
type csvScanner struct {
	dialect
	src    io.Reader // decoded text, or UTF-8 as it is
	window int       // bytes to read at least; windowSize but in tests
	buf    []byte    // scratch for reading a window
	win    string
	pos    int   // start of the next row in win
	quoteP int   // first quote in win at or after pos, len(win) if none
	eof    bool  // nothing follows win
	err    error // why src ended, if not at its end
	line   int   // 1-based line at pos
	read   int64 // bytes of text before win
	wasted int64 // bytes that were looked at for a closing quote in vain

	limit   int64 // bytes of a row
	columns int   // fields of a row
	width   int   // fields that rows should have; 0 while not known

	fields []string // the current row, part of a slab
	slab   []string
	reuse  bool // the slab holds the current row only

	utf8 utf8Watch
}

// A utf8Watch keeps an eye on text that is taken for UTF-8, or was decoded.
type utf8Watch struct {
	raw   bool // the text is as it was read; otherwise decoded
	clean bool // the window has no bytes, and after decoding no U+FFFD, to look at more closely
	// guess chooses the encoding when the first bytes that are not ASCII are
	// not UTF-8 either. It is nil once that is settled.
	guess func(sample string) codec
}

// A scanFault is why there is no row.
type scanFault int

const (
	scanned       scanFault = iota
	scanEnd                 // no more rows
	scanTooLarge            // passed over: a row over the limit
	scanColumns             // passed over: more fields than allowed
	scanUnclosed            // the line with the opening quote was passed over
	scanSwallowed           // an unclosed quote, passed over to the end of the text
)

// A scannedRow says where a row was and what it is.
type scannedRow struct {
	fault scanFault
	line  int    // the line on which the row starts
	at    int    // scanUnclosed: the line with the quote
	col   int    // scanUnclosed: byte column of the quote
	raw   string // the row as written, without its line end
	last  bool   // the text ends right after it, without a line end
	atEOF bool   // scanUnclosed: no closing quote up to the end of the text
}

// next scans a row into s.fields, which belong to the caller then.
func (s *csvScanner) next() (row scannedRow) {
	s.scan(&row)
	return row
}

// scan is next for those who keep one row for all.
func (s *csvScanner) scan(row *scannedRow) {
	for {
		rest := s.win[s.pos:]
		n := strings.IndexByte(rest, s.eol)
		if n < 0 {
			if !s.eof {
				if int64(len(rest)) > s.limit {
					*row = s.skipLine()
					return
				}
				s.more()
				continue
			}
			if len(rest) == 0 || rest == "\x1a" { // ^Z: the end of a text file in CP/M and MS-DOS
				*row = scannedRow{fault: scanEnd, line: s.line}
				return
			}
			n = len(rest)
		}
		line := rest[:n]
		if s.eol == '\n' {
			for len(line) > 0 && line[len(line)-1] == '\r' {
				line = line[:len(line)-1]
			}
		}
		if line == "" || s.comment != "" && strings.HasPrefix(line, s.comment) {
			s.advance(n, 1)
			continue
		}
		if s.quoteP < s.pos {
			s.findQuote()
		}
		if s.quoteP < s.pos+len(line) {
			var ok bool
			if *row, ok = s.quoted(n); !ok {
				s.more()
				continue
			}
			return
		}
		*row = scannedRow{line: s.line, raw: line, last: n == len(rest)}
		if int64(len(line)) > s.limit {
			row.fault = scanTooLarge
			row.raw = ""
		} else if !s.split(rest, len(line)) {
			row.fault = scanColumns
		}
		s.advance(n, 1)
		return
	}
}

// advance goes past n bytes and the line end after them.
func (s *csvScanner) advance(n, lines int) {
	s.pos = min(s.pos+n+1, len(s.win))
	s.line += lines
}

func (s *csvScanner) findQuote() {
	s.quoteP = len(s.win)
	if s.quote == 0 {
		return
	}
	if i := strings.IndexByte(s.win[s.pos:], s.quote); i >= 0 {
		s.quoteP = s.pos + i
	}
}

// row gives room for the fields of a row.
func (s *csvScanner) row() []string {
	if s.reuse {
		s.slab = s.slab[:0]
	}
	if room := max(s.width, 8); cap(s.slab)-len(s.slab) < room {
		s.slab = make([]string, 0, max(room, slabFields))
	}
	return s.slab[len(s.slab):len(s.slab):cap(s.slab)]
}

// keep takes the fields that were appended to what row gave.
func (s *csvScanner) keep(f []string) bool {
	if n := len(s.slab); cap(f) == cap(s.slab)-n {
		s.slab = s.slab[:n+len(f)]
	} // else append has moved them to a place of their own
	s.fields = f[:len(f):len(f)]
	return len(f) <= s.columns
}

// more makes a window that begins at pos and has more text than is left.
func (s *csvScanner) more() {
	rest := s.win[s.pos:]
	size := s.window
	for size < 2*len(rest) {
		size *= 2
	}
	if most := max(int(s.limit), len(rest)) + s.window; size > most {
		size = most
	}
	if cap(s.buf) < size || cap(s.buf) > 8*size {
		s.buf = make([]byte, size)
	}
	buf := s.buf[:size]
	n := copy(buf, rest)
	s.read += int64(s.pos)
	for n < size && !s.eof {
		m, err := s.src.Read(buf[n:])
		n += m
		if err != nil {
			s.eof = true
			if !errors.Is(err, io.EOF) {
				s.err = err
			}
		}
	}
	s.setWindow(string(buf[:n]))
}

func (s *csvScanner) setWindow(win string) {
	s.win, s.pos = win, 0
	s.findQuote()
	s.checkUTF8()
}

// checkUTF8 judges the rows that lie whole in the window. Where a file was
// all ASCII so far, the first bytes that are not settle what it is from there
// on: so a file need not be read twice to judge all of it.
func (s *csvScanner) checkUTF8() {
	w := &s.utf8
	if !w.raw {
		w.clean = !strings.Contains(s.win, "\uFFFD")
		return
	}
	if w.clean = isASCII(s.win); w.clean {
		return
	}
	whole := s.win
	if !s.eof {
		whole = s.win[:strings.LastIndexByte(s.win, s.eol)+1]
	}
	w.clean = whole != "" && utf8.ValidString(whole)
	if w.guess == nil {
		return
	}
	if w.clean {
		if !isASCII(whole) {
			w.guess = nil
		}
		return
	}
	if valid, invalid := utf8Evidence(s.win); valid == 0 && invalid == 0 {
		return // only a character that the window's end cuts
	}
	guess := w.guess
	w.guess = nil
	if c := guess(s.win); c.enc != nil {
		s.decode(c)
	}
}

// decode switches from UTF-8 to another encoding at the current row.
func (s *csvScanner) decode(c codec) {
	raw := io.MultiReader(strings.NewReader(s.win[s.pos:]), s.src)
	s.src = transform.NewReader(raw, c.enc.NewDecoder())
	s.utf8.raw = false
	s.read += int64(s.pos)
	s.eof = false
	s.setWindow("")
	s.more()
}

// skipLine passes over the rest of a line that is over the limit, in the
// memory of one window.
func (s *csvScanner) skipLine() scannedRow {
	row := scannedRow{fault: scanTooLarge, line: s.line}
	for {
		if i := strings.IndexByte(s.win[s.pos:], s.eol); i >= 0 {
			s.advance(i, 1)
			return row
		}
		s.pos = len(s.win)
		if s.eof {
			row.last = true
			return row
		}
		s.more()
	}
}
