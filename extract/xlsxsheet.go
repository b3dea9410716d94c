package extract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
)

// A sheetScanner reads the rows of one worksheet part:
//
//	<worksheet>
//	  <cols><col min="2" max="3" hidden="1"/></cols>
//	  <sheetData>
//	    <row r="1" hidden="1"><c r="A1" s="4" t="s"><v>17</v></c>...</row>
//	  </sheetData>
//	  <mergeCells><mergeCell ref="A1:B2"/></mergeCells>
//	</worksheet>
//
// It gives the rows that have cells with something in them, in the order of
// the file, and then fails unless the part is whole.
type sheetScanner struct {
	s       *tagScanner
	book    *workbook
	record  int // bytes of a row, at most
	columns int // columns, at most

	sheetFacts

	row   sheetRow
	last  int // the number of the last row
	count int // rows read
	val   []byte
}

type columnRange struct{ first, last int }

// A mergeRange is a merged range of cells; rows and columns are 1-based.
type mergeRange struct{ row1, col1, row2, col2 int }

// A sheetRow is a row as scanned. It is reused for the next one.
type sheetRow struct {
	num    int
	hidden bool
	cells  []sheetCell // in the order of the file, empty ones left out
	buf    []byte      // the cells' texts
	// bad tells what is wrong with the row, in column badCol.
	bad       string
	badReason string
	badCol    int
	uncached  int // column of a formula without a value, 0 if there is none
}

type cellKind uint8

const (
	cellText  cellKind = iota
	cellInt            // bits: the int64
	cellFloat          // bits: math.Float64bits
	cellBool           // bits: 0 or 1
	cellTime           // bits: milliseconds of Unix time
	cellDuration
	cellError
)

// A sheetCell is a cell with something in it. Its text is row.buf[from:to].
type sheetCell struct {
	col      int32
	kind     cellKind
	from, to int32
	bits     uint64
}

func (r *sheetRow) text(c *sheetCell) []byte { return r.buf[c.from:c.to] }

// value boxes a cell's value for Record.Typed.
func (c *sheetCell) value(text string) any {
	switch c.kind {
	case cellInt:
		return int64(c.bits)
	case cellFloat:
		return math.Float64frombits(c.bits)
	case cellBool:
		return c.bits != 0
	case cellTime:
		return time.UnixMilli(int64(c.bits)).UTC()
	case cellDuration:
		return time.Duration(c.bits)
	case cellError:
		return CellError(text)
	}
	return nil
}

func (r *sheetRow) fail(col int, reason, format string, args ...any) {
	if r.bad == "" {
		r.badCol, r.badReason, r.bad = col, reason, fmt.Sprintf(format, args...)
	}
}

// start reads up to the first row. It says false if the sheet has no rows.
func (sc *sheetScanner) start() (bool, error) {
	for {
		t, ok := sc.s.next()
		switch {
		case !ok:
			return false, sc.ended()
		case t.is("col") && !t.close && t.attrBool("hidden"):
			lo, ok1 := t.attrInt("min")
			hi, ok2 := t.attrInt("max")
			if ok1 && ok2 && len(sc.hidden) < maxExcelColumns {
				sc.hidden = append(sc.hidden, columnRange{lo, hi})
			}
		case t.is("sheetData") && t.empty, t.is("worksheet") && t.close:
			return false, sc.finish(t.is("worksheet"))
		case t.is("sheetData"):
			return true, nil
		}
	}
}

func (sc *sheetScanner) facts() *sheetFacts { return &sc.sheetFacts }

// ended is the error of a part that ended where it must not.
func (sc *sheetScanner) ended() error {
	if errors.Is(sc.s.err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return sc.s.err
}

// finish reads what follows the rows, to the end of the part: only there is
// it known whether the part is whole.
func (sc *sheetScanner) finish(closed bool) error {
	for !closed {
		t, ok := sc.s.next()
		switch {
		case !ok:
			return sc.ended()
		case t.is("worksheet") && t.close:
			closed = true
		case t.is("mergeCell") && !t.close && len(sc.merges) < maxExcelRows:
			ref, _ := t.attr("ref")
			if m, ok := parseRange(ref); ok {
				sc.merges = append(sc.merges, m)
			}
		}
	}
	return sc.s.drain()
}

// next gives the next row that has something in it, nil after the last one.
func (sc *sheetScanner) next() (*sheetRow, error) {
	for {
		t, ok := sc.s.next()
		switch {
		case !ok:
			return nil, sc.ended()
		case t.is("sheetData") && t.close:
			return nil, sc.finish(false)
		case t.is("worksheet"):
			return nil, fmt.Errorf("%w: its rows have no end", errMarkup)
		case !t.is("row") || t.close:
			continue
		}
		if err := sc.begin(&t); err != nil {
			return nil, err
		}
		if t.empty {
			continue
		}
		if err := sc.readCells(); err != nil {
			return nil, err
		}
		if err := sc.book.zip.give(len(sc.row.buf)); err != nil {
			return nil, err
		}
		if sc.book.strings.err != nil {
			return nil, sc.book.strings.err
		}
		if r := &sc.row; len(r.cells) > 0 || r.bad != "" || r.uncached > 0 {
			return r, nil
		}
	}
}

// begin starts a row.
func (sc *sheetScanner) begin(t *tag) error {
	num := sc.last + 1
	if v, ok := t.attr("r"); ok {
		n, ok := smallInt(v)
		if !ok || n == 0 {
			return fmt.Errorf("%w: after row %d comes one numbered %.20q", errMarkup, sc.last, v)
		}
		num = n
	}
	sc.count++
	if num > maxExcelRows || sc.count > maxExcelRows {
		return &limitError{fmt.Sprintf("the sheet has more than %d rows, which Excel itself does not allow; split it", maxExcelRows)}
	}
	sc.last = num
	r := &sc.row
	*r = sheetRow{num: num, hidden: t.attrBool("hidden"), cells: r.cells[:0], buf: r.buf[:0]}
	return nil
}

// A cellTag is what the tag of a cell says.
type cellTag struct {
	col   int
	style int
	typ   byte // n, s, b, e, d; t for str, i for inlineStr
	bad   bool // its reference is none, or of another row
}

// readCells reads the cells of a row to its end. Nearly all cells look like
// <c r="A1" s="1" t="s"><v>17</v></c>, and are read in one go when they do.
func (sc *sheetScanner) readCells() error {
	s := sc.s
	last := 0
	for {
		if s.end-s.pos < cellRoom {
			s.fill()
		}
		b := s.buf[s.pos:s.end]
		if len(b) > 3 && b[0] == '<' && b[1] == 'c' && b[2] == ' ' {
			if gt := bytes.IndexByte(b, '>'); gt > 0 && b[gt-1] != '/' {
				ct, ok := sc.cellTag(b[2:gt], last)
				rest := b[gt+1:]
				if raw, n := plainValue(rest); ok && n > 0 {
					if rest[1] == 'i' {
						ct.typ = 'i'
					}
					last = ct.col
					sc.cell(ct, raw, false)
					s.pos += gt + 1 + n
					continue
				}
			}
		}
		t, ok := s.next()
		switch {
		case !ok:
			return sc.ended()
		case t.is("c") && !t.close:
			ct, ok := sc.cellTag(t.attrs, last)
			if !ok {
				return fmt.Errorf("%w: a cell's tag in row %d cannot be read", errMarkup, sc.row.num)
			}
			last = ct.col
			if t.empty {
				continue
			}
			if err := sc.cellBody(ct); err != nil {
				return err
			}
		case t.is("row") && t.close:
			return nil
		case t.is("row"), t.is("sheetData"), t.is("worksheet"):
			return fmt.Errorf("%w: row %d has no end", errMarkup, sc.row.num)
		}
	}
}

// plainValue takes <v>17</v></c> or <is><t>text</t></is></c> off b and gives
// its length, 0 if b begins with neither.
func plainValue(b []byte) (raw []byte, n int) {
	open, close := tagV, tagEndV
	if !bytes.HasPrefix(b, open) {
		open, close = tagT, tagEndT
		if !bytes.HasPrefix(b, open) {
			return nil, 0
		}
	}
	raw = b[len(open):]
	lt := bytes.IndexByte(raw, '<')
	if lt < 0 || !bytes.HasPrefix(raw[lt:], close) {
		return nil, 0
	}
	return raw[:lt], len(open) + lt + len(close)
}

var (
	tagV    = []byte("<v>")
	tagEndV = []byte("</v></c>")
	tagT    = []byte("<is><t>")
	tagEndT = []byte("</t></is></c>")
)

// cellTag parses a cell's attributes; last is the column before.
func (sc *sheetScanner) cellTag(b []byte, last int) (cellTag, bool) {
	ct := cellTag{col: last + 1, typ: 'n'}
	for i := 0; i < len(b); {
		if b[i] <= ' ' {
			i++
			continue
		}
		eq := 1 // as in all that matter
		if i+1 < len(b) && b[i+1] != '=' {
			eq = bytes.IndexByte(b[i:], '=')
		}
		if eq < 0 || i+eq+1 >= len(b) {
			return ct, false
		}
		key := b[i : i+eq]
		quote := b[i+eq+1]
		from := i + eq + 2
		n := -1
		if quote == '"' || quote == '\'' {
			n = shortIndex(b[from:], quote)
		}
		if n < 0 {
			return ct, false
		}
		val := b[from : from+n]
		i = from + n + 1
		if len(key) != 1 {
			if bytes.ContainsAny(key, `"'`) {
				return ct, false
			}
			continue
		}
		switch key[0] {
		case '"', '\'':
			return ct, false
		case 'r':
			col, row, ok := parseRef(val)
			if !ok || row != sc.row.num {
				ct.bad = true
				sc.row.fail(0, ReasonSyntax, "a cell of row %d says that it is %.20q; open the book in Excel, let it repair the file and save it again", sc.row.num, val)
				continue
			}
			ct.col = col
		case 's':
			ct.style, _ = smallInt(val)
		case 't':
			ct.typ = cellType(val)
		}
	}
	return ct, true
}

// shortIndex is bytes.IndexByte for what is nearly always a few bytes away.
func shortIndex(b []byte, c byte) int {
	for i := range min(len(b), 8) {
		if b[i] == c {
			return i
		}
	}
	return bytes.IndexByte(b, c)
}

func cellType(val []byte) byte {
	switch string(val) {
	case "s", "b", "e", "d":
		return val[0]
	case "str":
		return 't'
	case "inlineStr":
		return 'i'
	}
	return 'n'
}

// parseRef parses A1; the column may be far too large, but not wrap around.
func parseRef(b []byte) (col, row int, ok bool) {
	i := 0
	for ; i < len(b) && i < 6; i++ {
		c := b[i] &^ 0x20
		if c < 'A' || c > 'Z' {
			break
		}
		col = 26*col + int(c-'A'+1)
	}
	row, ok = smallInt(b[i:])
	return col, row, ok && col > 0 && row > 0
}

// parseRange parses A1:B2, or A1 for a range of one cell.
func parseRange(b []byte) (mergeRange, bool) {
	first, second, two := bytes.Cut(b, []byte(":"))
	if !two {
		second = first
	}
	c1, r1, ok1 := parseRef(first)
	c2, r2, ok2 := parseRef(second)
	m := mergeRange{min(r1, r2), min(c1, c2), max(r1, r2), max(c1, c2)}
	return m, ok1 && ok2
}

// columnName gives A for 1, AA for 27.
func columnName(col int) string {
	var b [8]byte
	i := len(b)
	for ; col > 0 && i > 0; col = (col - 1) / 26 {
		i--
		b[i] = byte('A' + (col-1)%26)
	}
	return string(b[i:])
}

func cellName(col, row int) string { return columnName(col) + strconv.Itoa(row) }

// cellBody reads a cell that is not of the common shape.
func (sc *sheetScanner) cellBody(ct cellTag) error {
	var value, formula, inString, phonetic bool
	over := false
	sc.val = sc.val[:0]
	for {
		t, ok := sc.s.next()
		switch {
		case !ok:
			return sc.ended()
		case t.is("c") && t.close:
			switch {
			case over:
				sc.tooLarge(ct.col)
			case value && (len(sc.val) > 0 || ct.typ == 't' || ct.typ == 'i'):
				sc.cell(ct, sc.val, true)
			case formula && sc.row.uncached == 0:
				sc.row.uncached = ct.col
			}
			return nil
		case t.is("c"), t.is("row"), t.is("sheetData"), t.is("worksheet"):
			return fmt.Errorf("%w: cell %s has no end", errMarkup, cellName(ct.col, sc.row.num))
		case t.is("f"):
			formula = true
		case t.is("is"):
			inString = !t.close && !t.empty
			value = true
			if inString {
				ct.typ = 'i'
			}
		case t.is("rPh"):
			phonetic = !t.close && !t.empty
		case t.close:
		case t.is("v") && !inString && t.empty:
			value = value || ct.typ == 't'
		case t.is("v") && !inString, t.is("t") && inString && !phonetic && !t.empty:
			value = true
			sc.val, over = sc.s.text(sc.val, sc.record)
		}
	}
}

func (sc *sheetScanner) tooLarge(col int) {
	sc.row.fail(col, ReasonTooLarge, "row %d holds more than %d bytes of text at cell %s; shorten it, or raise limits: {record: ...}",
		sc.row.num, sc.record, cellName(col, sc.row.num))
}

// cell appends a cell to the row; raw is the text of its value, decoded or as
// it stands in the XML.
func (sc *sheetScanner) cell(ct cellTag, raw []byte, decoded bool) {
	r := &sc.row
	if ct.bad || len(raw) == 0 {
		return
	}
	if ct.col > sc.columns {
		r.fail(0, ReasonTooLarge, "row %d has a cell in column %s, beyond the %d columns that are allowed", r.num, columnName(ct.col), sc.columns)
		return
	}
	if len(r.cells) >= sc.columns {
		r.fail(0, ReasonSyntax, "row %d has more cells than a row has columns; open the book in Excel, let it repair the file and save it again", r.num)
		return
	}
	c := sheetCell{col: int32(ct.col), from: int32(len(r.buf))}
	switch ct.typ {
	case 's':
		i, ok := smallInt(bytes.TrimSpace(raw))
		if ok {
			r.buf, ok = sc.book.strings.appendText(r.buf, i)
		}
		if !ok {
			r.fail(ct.col, ReasonSyntax, "cell %s points to text %.20q of a book that has %d texts; open the book in Excel, let it repair the file and save it again",
				cellName(ct.col, r.num), raw, sc.book.strings.len())
			return
		}
	case 't', 'i':
		r.buf = appendCellText(r.buf, raw, decoded)
	case 'e':
		c.kind = cellError
		r.buf = appendCellText(r.buf, raw, decoded)
	case 'b':
		sc.boolean(&c, bytes.TrimSpace(raw))
	case 'd':
		sc.isoDate(&c, bytes.TrimSpace(raw))
	default:
		sc.number(&c, ct.style, bytes.TrimSpace(raw), decoded)
	}
	if len(r.buf) > sc.record {
		r.buf = r.buf[:c.from]
		sc.tooLarge(ct.col)
		return
	}
	c.to = int32(len(r.buf))
	if c.to > c.from {
		r.cells = append(r.cells, c)
	}
}

// appendCellText appends text with its references and escapes resolved.
func appendCellText(b, raw []byte, decoded bool) []byte {
	n := len(b)
	if decoded {
		b = append(b, raw...)
	} else {
		b = appendDecoded(b, raw)
	}
	return b[:n+unescapeCell(b[n:])]
}

func (sc *sheetScanner) boolean(c *sheetCell, raw []byte) {
	r := &sc.row
	switch string(raw) {
	case "1", "true":
		c.kind, c.bits = cellBool, 1
		r.buf = append(r.buf, "true"...)
	case "0", "false":
		c.kind = cellBool
		r.buf = append(r.buf, "false"...)
	default:
		r.buf = append(r.buf, raw...)
	}
}

func (sc *sheetScanner) isoDate(c *sheetCell, raw []byte) {
	r := &sc.row
	if ms, ok := parseISO(string(raw)); ok {
		c.kind, c.bits = cellTime, uint64(ms)
		r.buf = appendTime(r.buf, ms)
	} else if d, ok := parseISOClock(string(raw)); ok {
		c.kind, c.bits = cellDuration, uint64(d)
		r.buf = appendDuration(r.buf, d)
	} else {
		r.buf = append(r.buf, raw...)
	}
}

// maxExact bounds the integers that a float64 tells apart.
const maxExact = 1 << 53

// number appends a number in its canonical spelling, or as the date or
// duration that its style makes of it.
func (sc *sheetScanner) number(c *sheetCell, style int, raw []byte, decoded bool) {
	r := &sc.row
	format := formatNumber
	if style < len(sc.book.formats) {
		format = sc.book.formats[style]
	}
	if n, ok := plainInt(raw); ok && format == formatNumber {
		c.kind, c.bits = cellInt, uint64(n)
		r.buf = append(r.buf, raw...)
		return
	}
	v, ok := parseNumber(raw)
	if !ok { // no number, whatever the cell says of itself
		r.buf = appendCellText(r.buf, raw, decoded)
		return
	}
	r.value(c, v, raw, format, sc.book.date04)
}
