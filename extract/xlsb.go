package extract

import (
	"archive/zip"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"path"
)

// XLSB reads binary workbooks row by row, by the rules of Excel. It is a zip as
// an .xlsx is, but its parts are sequences of records: type and size, each a
// number of seven bits a byte, and the data ([MS-XLSB] 2.1.4).
var XLSB = &Format{
	Name:    "xlsb",
	Exts:    []string{".xlsb"},
	Table:   true,
	Sniff:   nil, // Detect looks into the zip
	Read:    readXLSB,
	Isolate: true,
	Version: "1",
}

// The records that matter ([MS-XLSB] 2.3).
const (
	xlsbRowHdr       = 0
	xlsbCellRk       = 2
	xlsbCellError    = 3
	xlsbCellBool     = 4
	xlsbCellReal     = 5
	xlsbCellSt       = 6
	xlsbCellIsst     = 7
	xlsbFmlaString   = 8
	xlsbFmlaNum      = 9
	xlsbFmlaBool     = 10
	xlsbFmlaError    = 11
	xlsbSSTItem      = 19
	xlsbFmt          = 44
	xlsbXF           = 47
	xlsbColInfo      = 60
	xlsbCellRString  = 62
	xlsbEndSheet     = 130
	xlsbSheetData    = 145
	xlsbEndSheetData = 146
	xlsbWbProp       = 153
	xlsbBundleSh     = 156
	xlsbMergeCell    = 176
	xlsbCellXFs      = 617
	xlsbEndCellXFs   = 618

	xlsbMaxRecord = 64 << 20
)

func readXLSB(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
	return readBook(ctx, in, opt, func() (book, error) { return openXLSB(ctx, in, opt) })
}

// openZip opens a zip of parts. Its error is a *FileError.
func openZip(ctx context.Context, in Input, opt Options, what string) (*bookZip, error) {
	place := Place{File: in.Name}
	zr, err := zip.NewReader(in, in.Size)
	if err == nil {
		return newBookZip(ctx, zr, opt.Limits.Unzipped), nil
	}
	head := make([]byte, min(in.Size, 8))
	_, _ = in.ReadAt(head, 0) // a disk that fails is known to whoever opened the input
	switch {
	case string(head) == oleMagic:
		return nil, &FileError{Place: place, Reason: ReasonEncrypted, Err: err,
			Detail: fmt.Sprintf("the file is encrypted, or an old Office file and not %s; open it in its own program and save it without a password", what)}
	case len(head) >= 4 && string(head[:4]) == zipMagic:
		return nil, &FileError{Place: place, Reason: ReasonShort, Err: errors.Join(ErrShort, err),
			Detail: "the file is cut short: the list of its parts, which stands at its end, is missing; get the file again"}
	case errors.Is(err, zip.ErrFormat), errors.Is(err, errNegative):
		return nil, &FileError{Place: place, Reason: ReasonBroken, Err: err,
			Detail: fmt.Sprintf("this is not %s, whatever its name says; open it in its own program and save it again, or set format to what it is", what)}
	}
	return nil, partError(place, "the list of parts", err)
}

// zipPartError says what a failed read of a part means, with the file's name.
func zipPartError(name, part string, err error) error {
	if bad, ok := errors.AsType[*FileError](err); ok {
		bad.Place.File = name
		return bad
	}
	bad := partError(Place{File: name}, part, err)
	switch bad.Reason {
	case ReasonShort:
		bad.Detail = fmt.Sprintf("the file is cut short or damaged (%s: %s); get it again", part, damage(err))
	case ReasonBroken:
		bad.Detail = fmt.Sprintf("the file is damaged (%s: %v); open it in its own program and save it again", part, err)
	}
	return bad
}

// An xlsbBook is an open binary workbook.
type xlsbBook struct {
	zip     *bookZip
	sheets  []bookSheet
	formats []numFormat
	date04  bool
	part    string // the shared strings', "" if there are none
	loaded  bool
	texts   []byte
	ends    []uint32
}

func (b *xlsbBook) list() []bookSheet { return b.sheets }
func (b *xlsbBook) close()            {}

func openXLSB(ctx context.Context, in Input, opt Options) (*xlsbBook, error) {
	z, err := openZip(ctx, in, opt, "a binary workbook")
	if err != nil {
		return nil, err
	}
	b := &xlsbBook{zip: z}
	if err := b.load(); err != nil {
		return nil, zipPartError(in.Name, "workbook", err)
	}
	return b, nil
}

func (b *xlsbBook) load() error {
	root, err := b.zip.rels("_rels/.rels", "")
	if err != nil {
		return err
	}
	main := root.target("officeDocument")
	if !b.zip.has(main) {
		main = "xl/workbook.bin"
	}
	if !b.zip.has(main) {
		return &FileError{Reason: ReasonBroken, Detail: "this zip is not a binary workbook: it has no xl/workbook.bin; save the book again as .xlsx"}
	}
	rels, err := b.zip.rels(path.Join(path.Dir(main), "_rels", path.Base(main)+".rels"), path.Dir(main))
	if err != nil {
		return err
	}
	err = b.each(main, func(kind int, data []byte) error {
		switch kind {
		case xlsbWbProp:
			b.date04 = u32(data, 0)&1 != 0
		case xlsbBundleSh:
			id, at := wideText(data, 8)
			name, _ := wideText(data, at)
			if rel, ok := rels.byID[id]; ok && rel.kind == "worksheet" && len(b.sheets) < 1<<14 {
				b.sheets = append(b.sheets, bookSheet{name: name, part: rel.target, hidden: u32(data, 0) != 0})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.part = rels.target("sharedStrings")
	if styles := rels.target("styles"); b.zip.has(styles) {
		return b.loadStyles(styles)
	}
	return nil
}

func (b *xlsbBook) loadStyles(part string) error {
	codes := map[int]string{}
	cells := false
	return b.each(part, func(kind int, data []byte) error {
		switch {
		case kind == xlsbFmt:
			codes[u16(data, 0)], _ = wideText(data, 2)
		case kind == xlsbCellXFs:
			cells = true
		case kind == xlsbEndCellXFs:
			cells = false
		case kind == xlsbXF && cells && len(b.formats) < 1<<16:
			id := u16(data, 2)
			if code, custom := codes[id]; custom {
				b.formats = append(b.formats, classifyFormat(code))
			} else {
				b.formats = append(b.formats, builtinFormat(id))
			}
		}
		return nil
	})
}

func (b *xlsbBook) loadStrings() error {
	if b.loaded || !b.zip.has(b.part) {
		b.loaded = true
		return nil
	}
	b.loaded = true
	return b.each(b.part, func(kind int, data []byte) error {
		if kind != xlsbSSTItem {
			return nil
		}
		b.texts = appendWide(b.texts, data, 1)
		if len(b.texts) > math.MaxUint32 {
			return &limitError{"the workbook's texts are more than 4 GiB; split the workbook"}
		}
		b.ends = append(b.ends, uint32(len(b.texts)))
		return nil
	})
}

// each goes through all records of a part.
func (b *xlsbBook) each(part string, do func(kind int, data []byte) error) error {
	rc, err := b.zip.openRaw(part)
	if err != nil {
		return err
	}
	defer rc.Close()
	x := &xlsbRecords{r: bufio.NewReaderSize(rc, 64<<10)}
	for {
		kind, data, err := x.next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = do(kind, data)
		}
		if err != nil {
			return err
		}
	}
}

// An xlsbRecords reads records. At the end of the part its error is io.EOF.
type xlsbRecords struct {
	r   *bufio.Reader
	buf []byte
}

func (x *xlsbRecords) next() (kind int, data []byte, err error) {
	first, err := x.r.ReadByte()
	if err != nil {
		return 0, nil, err
	}
	kind = int(first)
	if first&0x80 != 0 {
		second, err := x.r.ReadByte()
		if err != nil {
			return 0, nil, cutOf(err)
		}
		kind = int(first&0x7f) | int(second&0x7f)<<7
	}
	size := 0
	for shift := 0; shift < 28; shift += 7 {
		c, err := x.r.ReadByte()
		if err != nil {
			return 0, nil, cutOf(err)
		}
		size |= int(c&0x7f) << shift
		if c&0x80 == 0 {
			break
		}
	}
	if size > xlsbMaxRecord {
		return 0, nil, fmt.Errorf("%w: a record of %d bytes", errMarkup, size)
	}
	// A size that lies must not cost its memory.
	x.buf = x.buf[:0]
	for len(x.buf) < size {
		n := min(size-len(x.buf), 1<<20)
		x.buf = append(x.buf, make([]byte, n)...)
		if _, err := io.ReadFull(x.r, x.buf[len(x.buf)-n:]); err != nil {
			return 0, nil, cutOf(err)
		}
	}
	return kind, x.buf, nil
}

// wideText reads an XLWideString; next is where what follows it stands. A
// length of 0xffffffff is that of no text.
func wideText(data []byte, at int) (s string, next int) {
	n := u32(data, at)
	at += 4
	if n == math.MaxUint32 || at > len(data) {
		return "", at
	}
	end := int(min(int64(at)+2*int64(n), int64(len(data))))
	return string(appendUTF16(nil, data[at:end])), end
}

func appendWide(b, data []byte, at int) []byte {
	n := u32(data, at)
	at += 4
	if n == math.MaxUint32 || at > len(data) {
		return b
	}
	return appendUTF16(b, data[at:int(min(int64(at)+2*int64(n), int64(len(data))))])
}

func (b *xlsbBook) scan(r *excelReader, sh *bookSheet) (rowSource, func() error, error) {
	if err := b.loadStrings(); err != nil {
		return nil, nil, err
	}
	rc, err := b.zip.openRaw(sh.part)
	if err != nil {
		return nil, nil, err
	}
	return &xlsbScanner{book: b, records: &xlsbRecords{r: bufio.NewReaderSize(rc, 64<<10)}, limits: rowLimits{r.recordLimit(), r.columnLimit()}}, rc.Close, nil
}

// An xlsbScanner reads the rows of one sheet of a binary workbook.
type xlsbScanner struct {
	book    *xlsbBook
	records *xlsbRecords
	limits  rowLimits

	sheetFacts
	row    sheetRow
	begun  bool   // row is being read
	header []byte // of the next row, once its record has come
	last   int
	ended  bool
}

func (sc *xlsbScanner) facts() *sheetFacts { return &sc.sheetFacts }

func (sc *xlsbScanner) start() (bool, error) {
	for {
		kind, data, err := sc.records.next()
		if err != nil {
			return false, cutOf(err)
		}
		switch kind {
		case xlsbColInfo:
			if len(data) >= 18 && data[16]&1 != 0 && len(sc.hidden) < maxExcelColumns {
				sc.hidden = append(sc.hidden, columnRange{column(u32(data, 0)), column(u32(data, 4))})
			}
		case xlsbSheetData:
			return true, nil
		case xlsbEndSheet:
			return false, nil
		}
	}
}

// column makes a column's number, 1-based, that stays in the range of int32.
func column(zeroBased uint32) int { return int(min(zeroBased, 1<<20)) + 1 }

func (sc *xlsbScanner) next() (*sheetRow, error) {
	if sc.header != nil {
		if err := sc.begin(sc.header); err != nil {
			return nil, err
		}
		sc.header = nil
	}
	for !sc.ended {
		kind, data, err := sc.records.next()
		switch {
		case err != nil:
			return nil, cutOf(err)
		case kind == xlsbEndSheetData:
			sc.ended = true
			if err := sc.finish(); err != nil {
				return nil, err
			}
		case kind == xlsbRowHdr && sc.begun && sc.row.filled():
			sc.header = append([]byte(nil), data...)
			return sc.give()
		case kind == xlsbRowHdr:
			if err := sc.begin(data); err != nil {
				return nil, err
			}
		case sc.begun:
			sc.cell(kind, data)
		}
	}
	if sc.begun && sc.row.filled() {
		return sc.give()
	}
	return nil, nil
}

func (sc *xlsbScanner) give() (*sheetRow, error) {
	sc.begun = false
	return &sc.row, sc.book.zip.give(len(sc.row.buf))
}

func (sc *xlsbScanner) begin(data []byte) error {
	num := int(min(u32(data, 0), 1<<30)) + 1
	if num <= sc.last {
		return fmt.Errorf("%w: row %d comes after row %d", errMarkup, num, sc.last)
	}
	if num > maxExcelRows {
		return errRows()
	}
	sc.last = num
	sc.row.reset(num, len(data) > 11 && data[11]&0x10 != 0)
	sc.begun = true
	return nil
}

// finish reads what follows the rows, to the end of the part: only there is it
// known whether the part is whole.
func (sc *xlsbScanner) finish() error {
	whole := false
	for {
		kind, data, err := sc.records.next()
		switch {
		case err == io.EOF && whole:
			return nil
		case err != nil:
			return cutOf(err)
		case kind == xlsbEndSheet:
			whole = true
		case kind == xlsbMergeCell && len(sc.merges) < maxExcelRows:
			r1, r2, c1, c2 := int(u32(data, 0))+1, int(u32(data, 4))+1, column(u32(data, 8)), column(u32(data, 12))
			sc.merges = append(sc.merges, mergeRange{min(r1, r2), min(c1, c2), max(r1, r2), max(c1, c2)})
		}
	}
}

func (sc *xlsbScanner) cell(kind int, data []byte) {
	if len(data) < 8 {
		return
	}
	r := &sc.row
	col := column(u32(data, 0))
	style := int(u32(data, 4) & 0xffffff)
	add := func(fill func(c *sheetCell)) { sc.limits.add(r, col, fill) }
	switch kind {
	case xlsbCellRk:
		sc.number(col, style, rkValue(u32(data, 8)))
	case xlsbCellReal, xlsbFmlaNum:
		sc.number(col, style, f64(data, 8))
	case xlsbCellBool, xlsbFmlaBool:
		add(func(c *sheetCell) { r.bool(c, len(data) > 8 && data[8] != 0) })
	case xlsbCellError, xlsbFmlaError:
		if len(data) > 8 {
			add(func(c *sheetCell) {
				c.kind = cellError
				r.buf = append(r.buf, excelErrorName(data[8])...)
			})
		}
	case xlsbCellSt, xlsbFmlaString:
		add(func(c *sheetCell) { r.buf = appendWide(r.buf, data, 8) })
	case xlsbCellRString:
		add(func(c *sheetCell) { r.buf = appendWide(r.buf, data, 9) })
	case xlsbCellIsst:
		add(func(c *sheetCell) {
			i := u32(data, 8)
			if int64(i) >= int64(len(sc.book.ends)) {
				r.fail(col, ReasonSyntax, "cell %s points to text %d of a book that has %d texts; open the book in Excel, let it repair the file and save it again", cellName(col, r.num), i, len(sc.book.ends))
				return
			}
			from := uint32(0)
			if i > 0 {
				from = sc.book.ends[i-1]
			}
			r.buf = append(r.buf, sc.book.texts[from:sc.book.ends[i]]...)
		})
	}
}

func (sc *xlsbScanner) number(col, style int, v float64) {
	format := formatNumber
	if style < len(sc.book.formats) {
		format = sc.book.formats[style]
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		sc.row.fail(col, ReasonSyntax, "cell %s holds no number where one should be; open the book in Excel and save it again", cellName(col, sc.row.num))
		return
	}
	sc.limits.add(&sc.row, col, func(c *sheetCell) { sc.row.value(c, v, nil, format, sc.book.date04) })
}
