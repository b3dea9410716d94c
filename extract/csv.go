package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CSV reads delimited text, a row a record: comma, semicolon, tab and other
// delimiters in any usual encoding, found or declared.
var CSV = &Format{
	Name:    "csv",
	Exts:    []string{".csv", ".tsv", ".tab", ".psv"},
	Table:   true,
	Sniff:   func([]byte) bool { return false }, // any text may be a table of one column
	Read:    readCSV,
	Version: "2",
}

const (
	defaultRecord  = 16 << 20
	defaultColumns = 16_384 // Excel's limit
	sniffSize      = 64 << 10
	// enoughRows is how many whole rows make a short last one, without a line
	// end, a sign of a file cut off and not of a careless writer.
	enoughRows = 10
)

// Check reports the first option that cannot be meant, naming it and what it
// may be.
func (o CSVOptions) Check() error {
	_, err := o.dialect()
	switch {
	case err != nil:
		return err
	case o.Header < -1:
		return fmt.Errorf("csv.header is %d; write the number of the row with the column names, 0 to find it, or -1 for none", o.Header)
	}
	switch o.Ragged {
	case "", "pad", "quarantine", "cut":
	default:
		return fmt.Errorf("csv.ragged is %q; it is pad, quarantine or cut", o.Ragged)
	}
	switch o.Footer {
	case "", "auto", "keep":
	default:
		return fmt.Errorf("csv.footer is %q; it is auto or keep", o.Footer)
	}
	if !isAuto(o.Encoding) {
		if _, err := lookupCodec(o.Encoding); err != nil {
			return fmt.Errorf("csv.encoding: %v", err)
		}
	}
	return nil
}

// dialect gives what the options say; the delimiter is "" for auto.
func (o CSVOptions) dialect() (dialect, error) {
	d := dialect{quote: '"', eol: '\n', comment: o.Comment}
	switch {
	case isAuto(o.Quote):
	case strings.EqualFold(o.Quote, "none"):
		d.quote = 0
	case len(o.Quote) == 1 && o.Quote[0] > ' ' && o.Quote[0] < 0x7F:
		d.quote = o.Quote[0]
	default:
		return d, fmt.Errorf("csv.quote is %q; it is one ASCII character, none, or auto", o.Quote)
	}
	switch {
	case isAuto(o.Escape) || strings.EqualFold(o.Escape, "none"):
	case len(o.Escape) == 1 && o.Escape[0] > ' ' && o.Escape[0] < 0x7F && o.Escape[0] != d.quote:
		d.escape = o.Escape[0]
	default:
		return d, fmt.Errorf("csv.escape is %q; it is one ASCII character other than the quote, or none", o.Escape)
	}
	switch {
	case isAuto(o.Delimiter):
	case strings.EqualFold(o.Delimiter, "tab") || o.Delimiter == `\t`:
		d.delim = "\t"
	case utf8.ValidString(o.Delimiter) && utf8.RuneCountInString(o.Delimiter) == 1 && !strings.ContainsAny(o.Delimiter, "\r\n\x00"):
		d.delim = o.Delimiter
	default:
		return d, fmt.Errorf("csv.delimiter is %q; it is one character, tab, or auto", o.Delimiter)
	}
	if d.quote != 0 && d.delim == string(rune(d.quote)) {
		return d, fmt.Errorf("csv.delimiter and csv.quote are both %q; one of them must be another character", d.delim)
	}
	if d.escape != 0 && d.delim == string(rune(d.escape)) {
		return d, fmt.Errorf("csv.delimiter and csv.escape are both %q; one of them must be another character", d.delim)
	}
	if strings.ContainsAny(o.Comment, "\r\n") {
		return d, fmt.Errorf("csv.comment is %q; it stands at the start of a line and has no line end in it", o.Comment)
	}
	return d, nil
}

func readCSV(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r, err := newCSVReader(ctx, in, opt)
		if err == nil {
			err = r.findHeader()
		}
		if err != nil {
			yield(Record{}, err)
			return
		}
		r.rows(yield)
	}
}

// A csvReader makes records of the rows of a csvScanner.
type csvReader struct {
	in       Input
	opt      CSVOptions
	scan     csvScanner
	declared string // the encoding that the user declared, "" if none
	header   *Header
	pending  bool // the scanner's row was not the header: it is the first record
	row      scannedRow
	short    bool // something shows that the text was cut off

	footers bool      // rows below the table are looked for
	held    []heldRow // rows that are no records if nothing comes after them

	good     int // rows as wide as the header
	padded   int
	cells    int // of the present row, when it has been padded; else 0
	warn     func(Place, string)
	warnings map[string]int
}

func newCSVReader(ctx context.Context, in Input, opt Options) (*csvReader, error) {
	r := &csvReader{in: in, opt: opt.CSV, footers: isAuto(opt.CSV.Footer), warn: opt.Warn, warnings: map[string]int{}}
	if err := opt.CSV.Check(); err != nil {
		return nil, r.fileError(0, ReasonOption, err.Error(), nil)
	}
	if opt.Item != "" && opt.Item != "row" {
		return nil, r.fileError(0, ReasonOption, fmt.Sprintf("item is %q, but the records of a CSV file are its rows; write item: row, or item: document for the whole file", opt.Item), nil)
	}
	s := &r.scan
	s.dialect, _ = opt.CSV.dialect() // Check has seen it
	s.line, s.window, s.reuse = 1, windowSize, opt.Reuse
	if s.limit = opt.Limits.Record; s.limit <= 0 {
		s.limit = defaultRecord
	}
	if s.columns = opt.Limits.Columns; s.columns <= 0 {
		s.columns = defaultColumns
	}
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	s.eol = sniffLineEnd(s.win, s.quote)
	delim, n := sepLine(s.win, s.eol)
	if n > 0 {
		s.advance(n-1, 1)
	}
	sample := s.win[s.pos:]
	sniffed := false
	switch {
	case s.delim != "": // declared
	case n > 0:
		s.delim = delim
	case strings.Contains(sample, "\t") && isTSV(in.Name):
		s.delim = "\t"
	default:
		sniffed = true
		s.delim = sniffDelimiter(sample[:min(len(sample), sniffSize)], s.dialect, s.eof && len(sample) <= sniffSize)
	}
	r.sniffQuotes(sample[:min(len(sample), sniffSize)], sniffed)
	return r, nil
}

// sniffQuotes finds the quote and the escape where they are not declared. Of a
// delimiter that was sniffed before, free, what stands in single quotes has
// counted for it.
func (r *csvReader) sniffQuotes(sample string, free bool) {
	s := &r.scan
	if isAuto(r.opt.Quote) {
		for _, delim := range append([]string{s.delim}, usualDelimiters...) {
			d := s.dialect
			if d.delim = delim; !singleQuoted(sample, d) {
				if free {
					continue
				}
				break
			}
			if s.quote = '\''; free {
				s.delim = sniffDelimiter(sample, s.dialect, s.eof && len(s.win)-s.pos <= sniffSize)
			}
			s.findQuote()
			break
		}
	}
	if isAuto(r.opt.Escape) && backslashed(sample, s.dialect) {
		s.escape = '\\'
	}
}

// isAuto tells an option that leaves the choice to us.
func isAuto(o string) bool { return o == "" || strings.EqualFold(o, "auto") }

func isTSV(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return ext == ".tsv" || ext == ".tab"
}

// open finds the encoding and reads the first window.
func (r *csvReader) open(ctx context.Context) error {
	head := make([]byte, min(sniffSize, r.in.Size))
	if n, err := r.in.ReadAt(head, 0); n < len(head) {
		return r.fileError(0, ReasonUnreadable, fmt.Sprintf("the file cannot be read (%v)", err), err)
	}
	bom, skip := byBOM(head)
	c := utf8Codec
	s := &r.scan
	s.utf8.raw = true
	switch name := r.opt.Encoding; {
	case !isAuto(name):
		c, _ = lookupCodec(name) // Check has seen it
		r.declared = name
		if c.name == "utf-16" || c.name == "utf-32" { // which of the two is for the file to say
			if found := firstOf(bom, byNULs(head), c.name+"le"); strings.HasPrefix(found, c.name) {
				c, _ = lookupCodec(found)
			}
		}
		if bom != c.name && bom != "" {
			skip = 0
			r.warnOnce("bom", 1, fmt.Sprintf("the file begins with the mark of %s but is read as %s, as csv.encoding says", bom, name))
		}
	case bom != "":
		c, _ = lookupCodec(bom)
	case byNULs(head) != "":
		c, _ = lookupCodec(byNULs(head))
		r.warnOnce("guess", 1, fmt.Sprintf("read as %s, by its NUL bytes; set csv.encoding if that is wrong", c.name))
	default:
		s.utf8.guess = r.guess
	}
	unit := int64(1)
	if strings.HasPrefix(c.name, "utf-16") {
		unit = 2
	} else if strings.HasPrefix(c.name, "utf-32") {
		unit = 4
	}
	r.short = r.in.Size%unit != 0 // cut in the middle of a character
	s.src = ctxReader{ctx, io.NewSectionReader(r.in, int64(skip), r.in.Size-int64(skip))}
	if s.eol == 0 {
		s.eol = '\n'
	}
	if c.enc != nil {
		s.decode(c)
	} else {
		s.more()
	}
	if !s.eof && len(s.win) < sniffSize {
		s.more()
	}
	return nil
}

func firstOf(names ...string) string {
	for _, n := range names {
		if n != "" {
			return n
		}
	}
	return ""
}

// A ctxReader ends with ctx.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// guess chooses an encoding for a text that turned out not to be UTF-8.
func (r *csvReader) guess(sample string) codec {
	c, confidence := guessCodec(sample)
	if confidence <= 100 {
		r.warnOnce("guess", max(1, r.row.line), fmt.Sprintf("the text is not UTF-8 and does not say what it is; read as %s, a guess (confidence %d of 100): set csv.encoding if letters come out wrong", c.name, confidence))
	}
	return c
}

// findHeader reads up to the row that names the columns.
func (r *csvReader) findHeader() error {
	s := &r.scan
	names := r.opt.Columns
	first := 0
	if r.opt.Header == 0 && len(names) == 0 {
		first = r.titles()
	}
	for n := 1; ; n++ {
		r.row = s.next()
		row := r.row
		switch row.fault {
		case scanEnd:
			if err := r.ended(); err != nil {
				return err
			}
			if r.opt.Header > 0 && n > 1 {
				return r.fileError(0, ReasonBroken, fmt.Sprintf("the file ends before row %d, which csv.header says names the columns", r.opt.Header), nil)
			}
			return r.fileError(0, ReasonEmpty, "there is nothing in the file but line ends", nil)
		case scanTooLarge, scanColumns:
			return r.fileError(row.line, ReasonTooLarge, fmt.Sprintf("the row is over the limit of %s or %d fields before any column is named; is this a table? (csv.delimiter, csv.header and limits set other ways to read it)", byteWords(int64(s.limit)), s.columns), nil)
		case scanUnclosed, scanSwallowed:
			return r.fileError(row.at, ReasonShort, "the quote opened here is never closed, and no column is named yet; close it, or set csv.quote: none", ErrShort)
		}
		blank := strings.TrimSpace(strings.Join(s.fields, "")) == ""
		switch {
		case r.opt.Header > n, r.opt.Header == 0 && blank, row.line < first:
			continue
		case len(names) > 0:
			r.pending = r.opt.Header < 0 || r.opt.Header == 0 && !sameNames(names, s.fields)
		case r.opt.Header < 0:
			names = make([]string, len(s.fields))
			r.pending = true
		default:
			names = r.columnNames(s.fields)
		}
		r.header = NewHeader(names)
		s.width = len(names)
		return nil
	}
}

// columnNames cleans the cells of the header row: names go into mappings.
func (r *csvReader) columnNames(fields []string) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		if !utf8.ValidString(f) {
			f = mend(f)
		}
		names[i] = strings.Clone(strings.TrimFunc(f, func(c rune) bool { return unicode.IsSpace(c) || c == '\uFEFF' || c == 0 }))
	}
	return names
}

// sameNames tells that a row is the header that the user declared: then it is
// no record.
func sameNames(names, fields []string) bool {
	if len(names) != len(fields) {
		return false
	}
	for i, f := range fields {
		if !strings.EqualFold(names[i], strings.TrimSpace(f)) {
			return false
		}
	}
	return true
}

// rows yields a record for every row after the header.
func (r *csvReader) rows(yield func(Record, error) bool) {
	s := &r.scan
	rec := Record{Place: Place{File: r.in.Name}, Header: r.header}
	for {
		after := s.line
		if !r.pending {
			rec.Place.Line = after // nearly always
			s.scan(&r.row)
		}
		r.pending = false
		row := &r.row
		if row.fault == scanEnd {
			r.tellFooter()
			if err := r.ended(); err != nil {
				yield(Record{}, err)
			}
			return
		}
		if row.fault == scanned && r.footers && mayBeFooter(s.fields, s.width) && r.isFooter(row.line > after) {
			r.hold()
			continue
		}
		if len(r.held) > 0 && !r.release(yield) {
			return
		}
		if bad := r.judge(); bad != nil {
			if !yield(Record{}, bad) {
				return
			}
			continue
		}
		r.fill(&rec)
		if !yield(rec, nil) {
			return
		}
	}
}

// judge makes the scanner's row a record's, or tells why it is none.
func (r *csvReader) judge() *RecordError {
	s, row := &r.scan, &r.row
	r.short = r.short || row.atEOF
	if row.fault != scanned {
		return r.fault(row)
	}
	if !s.utf8.clean {
		if bad := r.checkText(row); bad != nil {
			return bad
		}
	}
	if r.opt.Trim {
		for i, f := range s.fields {
			s.fields[i] = strings.TrimSpace(f)
		}
	}
	r.cells = 0
	if len(s.fields) != s.width {
		if bad := r.fit(row); bad != nil {
			return bad
		}
	}
	r.good++
	return nil
}

// fill puts the scanner's row into a record that had the row before. Only what
// differs is written: a processor that copies what was just written, in other
// pieces, waits for it, and a record is copied on its way.
func (r *csvReader) fill(rec *Record) {
	if line := r.row.line; rec.Place.Line != line {
		rec.Place.Line = line
	}
	if rec.Cells != r.cells {
		rec.Cells = r.cells
	}
	if f := r.scan.fields; len(rec.Text) != len(f) || &rec.Text[0] != &f[0] {
		rec.Text = f
	}
}

// ended says how the text ended: nil when all of it was read.
func (r *csvReader) ended() error {
	s := &r.scan
	if r.padded > 1 {
		r.warnOnce("padded total", s.line, fmt.Sprintf("%d rows had fewer fields than the header and were filled with empty cells", r.padded))
	}
	switch err := s.err; {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case err != nil:
		return r.fileError(s.line, ReasonUnreadable, fmt.Sprintf("the file cannot be read any further (%v)", cause(err)), err)
	case r.short:
		return r.fileError(s.line, ReasonShort, "the file seems to be cut off here; copy or export it again, so that rows which are missing now are not taken for deleted", ErrShort)
	}
	return nil
}

// fault turns a row that the scanner passed over into an error.
func (r *csvReader) fault(row *scannedRow) *RecordError {
	s := &r.scan
	switch row.fault {
	case scanTooLarge:
		return r.recordError(row.line, 0, ReasonTooLarge, fmt.Sprintf("the row is longer than %s; raise limits.record if that is meant, or look for a quote that is never closed", byteWords(int64(s.limit))), nil)
	case scanColumns:
		return r.recordError(row.line, 0, ReasonTooLarge, fmt.Sprintf("the row has more than %d fields; raise limits.columns if that is meant, or check csv.delimiter", s.columns), nil)
	case scanUnclosed:
		text := strings.Split(clip(row.raw), s.delim)
		return r.recordError(row.at, row.col, ReasonSyntax, "the quote opened here is not closed where its field ends; the line was left out and reading went on after it", text)
	default: // scanSwallowed
		return r.recordError(row.at, row.col, ReasonSyntax, "the quote opened here is never closed, so all from here to the end of the file is one field; close it, or set csv.quote: none", nil)
	}
}

// checkText looks at a row in a window that has bytes that are not in the
// text's encoding.
func (r *csvReader) checkText(row *scannedRow) *RecordError {
	s := &r.scan
	if !s.utf8.raw {
		if r.declared == "" || strings.HasPrefix(r.declared, "utf") || !strings.Contains(row.raw, "\uFFFD") {
			return nil
		}
		return r.recordError(row.line, badColumn(row.raw, "\uFFFD"), ReasonEncoding, fmt.Sprintf("the row has bytes that are not %s, which csv.encoding says it is", r.declared), s.fields)
	}
	if utf8.ValidString(row.raw) {
		return nil
	}
	if row.last && cutRune(row.raw) {
		r.short = true
		return r.recordError(row.line, len(row.raw), ReasonShort, "the file ends in the middle of a character", s.fields)
	}
	if r.declared != "" {
		return r.recordError(row.line, len(validPrefix(row.raw))+1, ReasonEncoding, "the row has bytes that are not UTF-8, which csv.encoding says it is; set csv.encoding: auto to have them mended", s.fields)
	}
	for i, f := range s.fields {
		if !utf8.ValidString(f) {
			s.fields[i] = mend(f)
		}
	}
	r.warnOnce("mend", row.line, "the row has bytes that are not UTF-8 as the rest of the file; they were read as windows-1252")
	return nil
}

func badColumn(s, what string) int { return strings.Index(s, what) + 1 }

// validPrefix is s up to the first byte that is not UTF-8.
func validPrefix(s string) string {
	for i, c := range s {
		if c == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return s[:i]
			}
		}
	}
	return s
}

// cutRune tells that s ends in the middle of a UTF-8 character and is good
// before it.
func cutRune(s string) bool {
	good := validPrefix(s)
	return len(good) < len(s) && !utf8.FullRuneInString(s[len(good):])
}

// fit makes a row as wide as the header, by the policy for ragged rows.
func (r *csvReader) fit(row *scannedRow) *RecordError {
	s := &r.scan
	f, want := s.fields, s.width
	if len(f) < want && row.last && r.good >= enoughRows && r.padded == 0 {
		r.short = true
		return r.recordError(row.line, 0, ReasonShort, fmt.Sprintf("the last row has %d of %d fields and no line end: the file was probably cut off while it was written or copied", len(f), want), f)
	}
	if r.opt.Ragged == "quarantine" || len(f) > want && r.opt.Ragged != "cut" && strings.TrimSpace(strings.Join(f[want:], "")) != "" {
		return r.recordError(row.line, 0, ReasonRagged, fmt.Sprintf("the row has %d fields and the header %d; check for a delimiter or a quote too many, or set csv.ragged", len(f), want), f)
	}
	if len(f) >= want {
		s.fields = f[:want:want]
		return nil
	}
	r.padded++
	r.cells = len(f)
	r.warnOnce("padded", row.line, fmt.Sprintf("the row has %d of %d fields; the others are read as empty", len(f), want))
	s.fields = append(f, make([]string, want-len(f))...)
	return nil
}

// clip keeps a listing of what was refused small.
func clip(s string) string {
	const most = 64 << 10
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func (r *csvReader) recordError(line, col int, reason, detail string, text []string) *RecordError {
	text = slices.Clone(text) // rows may share their memory
	for i, f := range text {
		text[i] = clip(f)
	}
	return &RecordError{Place: Place{File: r.in.Name, Line: line, Col: col}, Reason: reason, Detail: detail, Text: text, Header: r.header}
}

func (r *csvReader) fileError(line int, reason, detail string, err error) *FileError {
	return &FileError{Place: Place{File: r.in.Name, Line: line}, Reason: reason, Detail: detail, Err: err}
}

// warnOnce tells of each kind of thing once.
func (r *csvReader) warnOnce(kind string, line int, text string) {
	r.warnings[kind]++
	if r.warnings[kind] == 1 && r.warn != nil {
		r.warn(Place{File: r.in.Name, Line: line}, text)
	}
}
