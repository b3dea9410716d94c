package extract

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"
)

// ODS reads OpenDocument spreadsheets row by row, by the rules of Excel. All
// sheets are in one part, content.xml, whose cells say their types themselves
// (ODF 1.3 part 3, 19.385).
var ODS = &Format{
	Name:    "ods",
	Exts:    []string{".ods", ".ots"},
	Table:   true,
	Sniff:   sniffODF("spreadsheet"),
	Read:    readODS,
	Version: "1",
}

// sniffODF knows an OpenDocument file by its first part, which is stored
// uncompressed and says what it is (ODF 1.3 part 2, 3.3).
func sniffODF(kind string) func(head []byte) bool {
	mark := []byte("mimetypeapplication/vnd.oasis.opendocument." + kind)
	return func(head []byte) bool {
		if !bytes.HasPrefix(head, []byte(zipMagic)) || len(head) < 30 {
			return false
		}
		skip := 30 + u16(head, 28) // an extra field between the name and the content should not be there
		if skip > 30 && len(head) > 38 {
			head = append(bytes.Clone(head[:38]), head[min(len(head), 8+skip):]...)
		}
		return bytes.HasPrefix(head[30:], mark)
	}
}

func readODS(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
	return readBook(ctx, in, opt, func() (book, error) { return openODS(ctx, in, opt) })
}

// An odsBook is an open spreadsheet.
type odsBook struct {
	zip    *bookZip
	sheets []bookSheet // part is the sheet's number
	hidden map[string]bool

	// What the last scan reads from, and the number of the sheet that comes next
	// in it: sheets in order are read in one go.
	s    *tagScanner
	rc   io.Closer
	next int
}

const odsContent = "content.xml"

func openODS(ctx context.Context, in Input, opt Options) (*odsBook, error) {
	z, err := openZip(ctx, in, opt, "an OpenDocument spreadsheet")
	if err != nil {
		return nil, err
	}
	if err := odfEncrypted(z); err != nil {
		return nil, zipPartError(in.Name, "META-INF/manifest.xml", err)
	}
	b := &odsBook{zip: z, hidden: map[string]bool{}}
	if err := b.survey(); err != nil {
		return nil, zipPartError(in.Name, odsContent, err)
	}
	return b, nil
}

// odfEncrypted is an error when the parts of an OpenDocument file are encrypted.
func odfEncrypted(z *bookZip) error {
	if !z.has("META-INF/manifest.xml") {
		return nil
	}
	data, err := z.readAll("META-INF/manifest.xml")
	if err != nil {
		return err
	}
	if bytes.Contains(data, []byte("encryption-data")) {
		return &FileError{Reason: ReasonEncrypted, Detail: "the file is encrypted; open it in its own program and save it without a password"}
	}
	return nil
}

// survey lists the sheets, and sees that the part is whole.
func (b *odsBook) survey() error {
	rc, err := b.zip.open(odsContent)
	if err != nil {
		return err
	}
	defer rc.Close()
	s := newTagScanner(rc)
	style, whole, depth := "", false, 0
	for {
		t, ok := s.next()
		if !ok {
			break
		}
		switch {
		case t.is("style") && !t.close:
			style = t.text("name")
		case t.is("table-properties") && !t.close:
			if v, ok := t.attr("display"); ok && string(v) == "false" {
				b.hidden[style] = true
			}
		case t.is("table") && t.close:
			depth--
		case t.is("table"):
			if depth == 0 && len(b.sheets) < 1<<14 {
				b.sheets = append(b.sheets, bookSheet{name: t.text("name"), part: strconv.Itoa(len(b.sheets)), hidden: b.hidden[t.text("style-name")]})
			}
			if !t.empty {
				depth++
			}
		case t.is("document-content") && t.close:
			whole = true
		}
	}
	if err := s.drain(); err != nil {
		return err
	}
	if !whole {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// text is the value of an attribute, decoded.
func (t *tag) text(name string) string {
	v, _ := t.attr(name)
	return string(appendDecoded(nil, v))
}

func (b *odsBook) list() []bookSheet { return b.sheets }

func (b *odsBook) close() {
	if b.rc != nil {
		b.rc.Close()
		b.rc, b.s = nil, nil
	}
}

func (b *odsBook) scan(r *excelReader, sh *bookSheet) (rowSource, func() error, error) {
	want, _ := strconv.Atoi(sh.part)
	if b.s == nil || b.next > want {
		b.close()
		rc, err := b.zip.open(odsContent)
		if err != nil {
			return nil, nil, err
		}
		b.rc, b.s, b.next = rc, newTagScanner(rc), 0
	}
	sc := &odsScanner{book: b, want: want, limits: rowLimits{r.recordLimit(), r.columnLimit()}, ctx: r.ctx}
	return sc, func() error { return nil }, nil
}

// An odsScanner reads the rows of one sheet.
type odsScanner struct {
	ctx    context.Context
	book   *odsBook
	want   int // the sheet's number
	limits rowLimits
	sheetFacts

	row    sheetRow
	again  int // how often the row is to be given again
	num    int // rows so far
	col    int // columns so far
	cells  int // columns declared
	val    []byte
	folded int // open elements that are hidden as a group
}

func (sc *odsScanner) facts() *sheetFacts { return &sc.sheetFacts }

// tag reads the next tag; the part was whole when it was surveyed.
func (sc *odsScanner) tag() (tag, error) {
	t, ok := sc.book.s.next()
	if ok {
		return t, nil
	}
	return tag{}, cutOf(sc.book.s.err)
}

// start goes to the sheet.
func (sc *odsScanner) start() (bool, error) {
	b := sc.book
	for depth := 0; ; {
		t, err := sc.tag()
		if err != nil {
			return false, err
		}
		switch {
		case t.is("table") && t.close:
			depth--
		case t.is("table"):
			if depth == 0 {
				if b.next++; b.next > sc.want {
					return !t.empty, nil
				}
			}
			if !t.empty {
				depth++
			}
		}
	}
}

func (sc *odsScanner) next() (*sheetRow, error) {
	if sc.again > 0 {
		sc.again--
		sc.num++
		sc.row.num = sc.num
		return sc.give()
	}
	for {
		if err := sc.ctx.Err(); err != nil {
			return nil, err
		}
		t, err := sc.tag()
		switch {
		case err != nil:
			return nil, err
		case t.is("table") && t.close:
			return nil, nil
		case t.is("table-column") && !t.close:
			sc.column(&t)
		case t.is("shapes") && !t.close && !t.empty:
			if err := sc.skip("shapes"); err != nil {
				return nil, err
			}
		case t.is("table-row-group") && (t.close || !t.empty):
			sc.group(&t)
		case t.is("table-row") && !t.close:
			times := repeat(&t, "number-rows-repeated")
			sc.num++
			sc.row.reset(sc.num, sc.folded > 0 || odsHidden(&t))
			if !t.empty {
				if err := sc.readRow(); err != nil {
					return nil, err
				}
			}
			if !sc.row.filled() {
				sc.num += times - 1
				continue
			}
			sc.again = times - 1
			return sc.give()
		}
	}
}

func (sc *odsScanner) give() (*sheetRow, error) {
	if sc.num > maxExcelRows {
		return nil, errRows()
	}
	return &sc.row, sc.book.zip.give(len(sc.row.buf))
}

// repeat reads how often an element stands for itself.
func repeat(t *tag, name string) int {
	n, ok := t.attrInt(name)
	if !ok || n < 1 {
		return 1
	}
	return min(n, 1<<24)
}

func odsHidden(t *tag) bool {
	v, _ := t.attr("visibility")
	return string(v) == "collapse" || string(v) == "filter"
}

func (sc *odsScanner) column(t *tag) {
	n := repeat(t, "number-columns-repeated")
	if odsHidden(t) && len(sc.hidden) < maxExcelColumns {
		sc.hidden = append(sc.hidden, columnRange{sc.cells + 1, sc.cells + n})
	}
	sc.cells = min(sc.cells+n, 1<<24)
}

// group notes rows that are folded away together.
func (sc *odsScanner) group(t *tag) {
	v, _ := t.attr("display")
	switch {
	case t.close:
		sc.folded = max(sc.folded-1, 0)
	case string(v) == "false" || sc.folded > 0:
		sc.folded++
	}
}

// skip reads to the end of an element that may hold others of its name.
func (sc *odsScanner) skip(name string) error {
	for depth := 1; depth > 0; {
		t, err := sc.tag()
		switch {
		case err != nil:
			return err
		case t.is(name) && t.close:
			depth--
		case t.is(name) && !t.empty:
			depth++
		}
	}
	return nil
}

func (sc *odsScanner) readRow() error {
	sc.col = 0
	for {
		t, err := sc.tag()
		switch {
		case err != nil:
			return err
		case t.is("table-row") && t.close:
			return nil
		case t.is("table-cell") && !t.close, t.is("covered-table-cell") && !t.close:
			if err := sc.cell(t); err != nil {
				return err
			}
		case t.is("table"):
			return fmt.Errorf("%w: row %d has no end", errMarkup, sc.num)
		}
	}
}

// An odsCell is what the tag of a cell says.
type odsCell struct {
	kind  string // office:value-type
	value string // the attribute that holds the value of that type
	fault bool   // calcext:value-type is error
}

func (sc *odsScanner) cell(t tag) error {
	times := repeat(&t, "number-columns-repeated")
	c := odsCell{kind: t.text("value-type")}
	c.fault = bytes.Contains(t.attrs, []byte(`calcext:value-type="error"`))
	switch c.kind {
	case "float", "percentage", "currency":
		c.value = t.text("value")
	case "date":
		c.value = t.text("date-value")
	case "time":
		c.value = t.text("time-value")
	case "boolean":
		c.value = t.text("boolean-value")
	case "string":
		c.value = t.text("string-value")
	}
	if c.fault && c.kind != "string" {
		c.kind = "string"
	}
	covered := t.is("covered-table-cell")
	sc.merge(&t)
	sc.val = sc.val[:0]
	if !t.empty {
		if err := sc.cellText(string(t.name)); err != nil {
			return err
		}
	}
	col := sc.col
	sc.col += times
	if covered || c.kind == "" && len(sc.val) == 0 {
		return nil
	}
	for i := range times {
		before := len(sc.row.cells)
		sc.put(col+i+1, &c)
		if len(sc.row.cells) == before {
			break // empty, or not allowed: so are the others
		}
	}
	return nil
}

func (sc *odsScanner) merge(t *tag) {
	rows, cols := repeat(t, "number-rows-spanned"), repeat(t, "number-columns-spanned")
	if rows > 1 || cols > 1 {
		if len(sc.merges) < maxExcelRows {
			sc.merges = append(sc.merges, mergeRange{sc.num, sc.col + 1, sc.num + rows - 1, sc.col + cols})
		}
	}
}

// cellText reads the paragraphs of a cell. Notes and drawings are not its text.
func (sc *odsScanner) cellText(name string) error {
	paragraphs, inside := 0, false
	for {
		if inside {
			var over bool
			if sc.val, over = sc.book.s.text(sc.val, sc.limits.record+1); over {
				inside = false // the cell is told to be too large
			}
		}
		t, err := sc.tag()
		switch {
		case err != nil:
			return err
		case t.is(name) && t.close:
			return nil
		case t.is("table-row"), t.is("table"):
			return fmt.Errorf("%w: a cell of row %d has no end", errMarkup, sc.num)
		case t.is("annotation") && !t.close && !t.empty:
			err = sc.skip("annotation")
		case t.is("frame") && !t.close && !t.empty:
			err = sc.skip("frame")
		case t.is("p"):
			if !t.close {
				if paragraphs++; paragraphs > 1 {
					sc.val = append(sc.val, '\n')
				}
			}
			inside = !t.close && !t.empty
		case t.is("s") && !t.close:
			n, ok := t.attrInt("c")
			if !ok {
				n = 1
			}
			sc.val = append(sc.val, bytes.Repeat([]byte(" "), min(n, 1000))...)
		case t.is("tab") && !t.close:
			sc.val = append(sc.val, '\t')
		case t.is("line-break") && !t.close:
			sc.val = append(sc.val, '\n')
		}
		if err != nil {
			return err
		}
	}
}

// put adds the cell to the row.
func (sc *odsScanner) put(col int, cell *odsCell) {
	r := &sc.row
	sc.limits.add(r, col, func(c *sheetCell) {
		switch {
		case cell.fault:
			c.kind = cellError
			r.buf = append(r.buf, sc.val...)
			return
		case cell.kind == "float" || cell.kind == "percentage" || cell.kind == "currency":
			if v, ok := parseNumber([]byte(cell.value)); ok && cell.value != "" {
				r.value(c, v, []byte(cell.value), formatNumber, false)
				return
			}
		case cell.kind == "date":
			if ms, ok := parseISO(cell.value); ok {
				r.time(c, ms)
				return
			}
		case cell.kind == "time":
			if d, ok := parseISODuration(cell.value); ok {
				r.duration(c, d)
				return
			}
		case cell.kind == "boolean" && (cell.value == "true" || cell.value == "false"):
			r.bool(c, cell.value == "true")
			return
		case cell.kind == "string" && len(sc.val) == 0:
			r.buf = append(r.buf, cell.value...)
			return
		}
		r.buf = append(r.buf, sc.val...)
	})
}

// parseISODuration reads PT18H30M00.5S (XML Schema part 2, 3.2.6), without
// years and months, which have no length.
func parseISODuration(s string) (time.Duration, bool) {
	sign := time.Duration(1)
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		s, sign = rest, -1
	}
	s, ok := strings.CutPrefix(s, "P")
	if !ok {
		return 0, false
	}
	days, clock, _ := strings.Cut(s, "T")
	var d float64
	if days != "" {
		n, err := strconv.ParseFloat(strings.TrimSuffix(days, "D"), 64)
		if err != nil || !strings.HasSuffix(days, "D") {
			return 0, false
		}
		d = n * 24 * 3600
	}
	for clock != "" {
		i := strings.IndexAny(clock, "HMS")
		if i < 1 {
			return 0, false
		}
		n, err := strconv.ParseFloat(strings.ReplaceAll(clock[:i], ",", "."), 64)
		if err != nil {
			return 0, false
		}
		switch clock[i] {
		case 'H':
			n *= 3600
		case 'M':
			n *= 60
		}
		d += n
		clock = clock[i+1:]
	}
	return serialDurationOf(float64(sign) * d)
}

// serialDurationOf makes a duration of seconds, to the millisecond.
func serialDurationOf(seconds float64) (time.Duration, bool) {
	return serialDuration(seconds / (24 * 3600))
}
