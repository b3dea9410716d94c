package extract

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"
)

// Excel reads workbooks (.xlsx and its kin) row by row. Excelize opens the
// book: its password, sheets, styles and date system. The rows themselves
// come from a scanner of our own over the sheet's XML, because a row must keep
// its types, cost no memory beyond itself, and must not end quietly when the
// file was cut short; excelize's Rows drops the types and ends quietly.
//
// # A record
//
// Text holds a cell's canonical spelling and Typed its value:
//
//	number         1042, 3.5          int64 where integral and below 2^53, else float64
//	date           2024-02-29         time.Time
//	date and time  2024-02-29T18:30:00[.250]
//	time of day    18:30:00           time.Duration since midnight
//	elapsed [h]:mm 49:30:00           time.Duration
//	boolean        true               bool
//	error          #N/A               CellError
//	text           as stored          nil
//
// A date that Excel itself cannot show (negative, past the year 9999) stays
// the number that it is stored as.
var Excel = &Format{
	Name:    "excel",
	Exts:    []string{".xlsx", ".xlsm", ".xltx", ".xltm"},
	Table:   true,
	Sniff:   sniffExcel,
	Read:    readExcel,
	Version: "1",
}

// ReasonSheet is the reason of an error in what was asked of a workbook rather
// than in its bytes: no sheet has the name, or it is hidden.
const ReasonSheet = "no-such-sheet"

const (
	zipMagic = "PK\x03\x04"
	oleMagic = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

	maxExcelRows    = 1 << 20 // rows of a sheet (Excel specifications and limits)
	maxExcelColumns = 1 << 14 // columns of a sheet

	defaultRecordLimit   = 16 << 20
	defaultUnzippedLimit = 2 << 30

	maxExcelWarnings = 20 // of one file: a book of 200 sheets must not flood the log
)

// sniffExcel knows a zip by a part in xl/. Encrypted books are compound files,
// which Detect looks into.
func sniffExcel(head []byte) bool {
	return bytes.HasPrefix(head, []byte(zipMagic)) && zipHoldsWorkbook(head)
}

// zipHoldsWorkbook walks the local headers in head. A Word file with a
// workbook inside must not pass, so the first part that tells decides.
func zipHoldsWorkbook(head []byte) bool {
	for {
		i := bytes.Index(head, []byte(zipMagic))
		if i < 0 || len(head) < i+30 {
			return false
		}
		head = head[i:]
		flags := binary.LittleEndian.Uint16(head[6:])
		packed := int(binary.LittleEndian.Uint32(head[18:]))
		n, extra := int(binary.LittleEndian.Uint16(head[26:])), int(binary.LittleEndian.Uint16(head[28:]))
		if len(head) < 30+n {
			return false
		}
		name := partName(string(head[30 : 30+n]))
		switch {
		case name == "xl/workbook.bin":
			return false
		case strings.HasPrefix(name, "xl/") && strings.HasSuffix(name, ".xml"):
			return true
		case strings.HasPrefix(name, "word/"), strings.HasPrefix(name, "ppt/"), name == "mimetype":
			return false
		}
		next := 30 + n
		if flags&8 == 0 && packed > 0 { // the size stands here and not after the data
			next += extra + packed
		}
		if next > len(head) {
			return false
		}
		head = head[next:]
	}
}

// readExcel is Excel.Read.
func readExcel(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r := &excelReader{ctx: ctx, in: in, opt: opt, yield: yield}
		err := r.read(func() (book, error) {
			b, err := openWorkbook(ctx, in, opt)
			if err != nil {
				return nil, err
			}
			return b, nil
		})
		if err == nil || errors.Is(err, errStopped) {
			return
		}
		if cause := ctx.Err(); cause != nil {
			err = cause
		}
		yield(Record{}, err)
	}
}

// errStopped means that the consumer has had enough.
var errStopped = errors.New("stopped")

// An excelReader is one reading of one workbook.
type excelReader struct {
	ctx      context.Context // of the one sequence that this reader is made for
	in       Input
	opt      Options
	yield    func(Record, error) bool
	book     book
	records  bool // at least one good record was yielded
	cells    bool // at least one sheet had cells
	warnings int
	uncached bool // a formula without its value was told of
}

// read yields the rows of a book.
func (r *excelReader) read(open func() (book, error)) error {
	if err := r.checkOptions(); err != nil {
		return err
	}
	book, err := open()
	if err != nil {
		return err
	}
	defer book.close()
	r.book = book
	sheets, err := r.choose()
	if err != nil {
		return err
	}
	for _, sh := range sheets {
		if err := r.sheet(sh); err != nil {
			return r.explain(sh, err)
		}
	}
	if !r.cells {
		return r.fail(ReasonEmpty, "no sheet that was to be read has a cell in it; put data into one, or choose others with excel: {sheets: [...]}", nil)
	}
	return nil
}

func (r *excelReader) fail(reason, detail string, cause error) *FileError {
	return &FileError{Place: Place{File: r.in.Name}, Reason: reason, Detail: detail, Err: cause}
}

func (r *excelReader) checkOptions() error {
	switch r.opt.Item {
	case "", "row":
	default:
		return r.fail(ReasonOption, fmt.Sprintf("a workbook is read row by row; item: %q is not possible for it, use item: row, or item: document for the whole book", r.opt.Item), nil)
	}
	if h := r.opt.Excel.Header; h < -1 || h > maxExcelRows {
		return r.fail(ReasonOption, fmt.Sprintf("excel: {header: %d} is not a row; give the row that names the columns, 0 to find it, or -1 if there is none", h), nil)
	}
	for _, pattern := range r.opt.Excel.Sheets {
		if _, err := path.Match(pattern, ""); err != nil {
			return r.fail(ReasonOption, fmt.Sprintf("excel: {sheets: [%q]} is not a pattern: a [ has no ]", pattern), nil)
		}
	}
	return nil
}

// warn tells what was guessed or passed over.
func (r *excelReader) warn(p Place, text string) {
	if r.opt.Warn == nil || r.warnings >= maxExcelWarnings {
		return
	}
	r.warnings++
	r.opt.Warn(p, text)
}

// choose lists the sheets to read, in the book's order.
func (r *excelReader) choose() ([]*bookSheet, error) {
	wanted := r.opt.Excel.Sheets
	matched := make([]bool, len(wanted))
	hidden := make([]bool, len(wanted))
	var chosen []*bookSheet
	var passed []string
	all := r.book.list()
	for i := range all {
		sh := &all[i]
		usable := !sh.hidden || r.opt.Excel.Hidden
		take := len(wanted) == 0
		for j, pattern := range wanted {
			if !matchSheet(pattern, sh.name) {
				continue
			}
			take = true
			matched[j] = matched[j] || usable
			hidden[j] = hidden[j] || !usable
		}
		switch {
		case take && usable:
			chosen = append(chosen, sh)
		case take:
			passed = append(passed, sh.name)
		}
	}
	for j, pattern := range wanted {
		if !matched[j] {
			return nil, r.noSheet(pattern, hidden[j])
		}
	}
	if len(passed) > 0 {
		r.warn(Place{File: r.in.Name}, fmt.Sprintf("hidden sheets were passed over: %s; excel: {hidden: true} reads them", quoteList(passed)))
	}
	return chosen, nil
}

// matchSheet compares as Excel does, which holds "data" and "Data" to be one
// name. The characters of globs are not allowed in sheet names, so that a
// pattern is never mistaken for a name.
func matchSheet(pattern, name string) bool {
	if strings.EqualFold(pattern, name) {
		return true
	}
	ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(name))
	return ok && err == nil
}

func (r *excelReader) noSheet(pattern string, hidden bool) error {
	if hidden {
		return r.fail(ReasonSheet, fmt.Sprintf("the sheet %q is hidden; add hidden: true to excel: to read it", pattern), nil)
	}
	all := r.book.list()
	names := make([]string, len(all))
	for i, sh := range all {
		names[i] = sh.name
	}
	detail := fmt.Sprintf("no sheet is called %q", pattern)
	if near := nearest(pattern, names); near != "" {
		detail += fmt.Sprintf("; did you mean %q?", near)
	}
	return r.fail(ReasonSheet, detail+" The book has "+quoteList(names)+".", nil)
}

// quoteList prints names for a message, the first ten.
func quoteList(names []string) string {
	if len(names) == 0 {
		return "no worksheets"
	}
	var b strings.Builder
	for i, name := range names {
		if i == 10 {
			fmt.Fprintf(&b, " and %d more", len(names)-10)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", name)
	}
	return b.String()
}

// nearest gives the name that is at most a third of its letters away.
func nearest(want string, names []string) string {
	best, limit := "", len([]rune(want))/3+1
	for _, name := range names {
		if d := editDistance(strings.ToLower(want), strings.ToLower(name)); d <= limit {
			best, limit = name, d-1
		}
	}
	return best
}

func editDistance(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j := range y {
			cost := diagonal
			if x[i] != y[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(y)]
}

// explain makes the FileError that ends the sequence out of what went wrong
// in a sheet. Records may have come before, so that it always wraps ErrShort
// unless nothing had been read yet.
func (r *excelReader) explain(sh *bookSheet, err error) error {
	if errors.Is(err, errStopped) {
		return err
	}
	place := Place{File: r.in.Name, Sheet: sh.name}
	var fe *FileError
	if !errors.As(err, &fe) {
		fe = partError(place, sh.part, err)
	}
	fe.Place.File = r.in.Name
	if r.records && !errors.Is(fe, ErrShort) {
		fe.Err = errors.Join(ErrShort, fe.Err)
	}
	return fe
}

// partError says what a failed read of a part of the zip means.
func partError(place Place, part string, err error) *FileError {
	var over *limitError
	switch {
	case errors.As(err, &over):
		return &FileError{Place: place, Reason: ReasonTooLarge, Detail: over.detail, Err: err}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), isZipDamage(err):
		return &FileError{Place: place, Reason: ReasonShort,
			Detail: fmt.Sprintf("the workbook is cut short or damaged (%s: %s); rows after this are lost, get the file again", part, damage(err)),
			Err:    errors.Join(ErrShort, err)}
	case errors.Is(err, errMarkup), errors.Is(err, errNegative):
		return &FileError{Place: place, Reason: ReasonBroken,
			Detail: fmt.Sprintf("the workbook is damaged (%s: %v); open it in Excel, let it repair the file and save it again", part, err), Err: err}
	}
	return &FileError{Place: place, Reason: ReasonUnreadable, Detail: fmt.Sprintf("cannot read the file (%v)", err), Err: err}
}
