package extract

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"unicode/utf16"
	"unicode/utf8"
)

// XLS reads the workbooks of Excel 5 to 2003 (BIFF5, BIFF8) row by row, by the
// rules of Excel: see there what a record holds. Its reader is our own: the
// libraries that there are may not be shipped (GPL) or have not been kept since
// 2017.
//
// The file is a compound file. Its stream Workbook (Book before Excel 97) is a
// sequence of records: type and length, 2 bytes each little endian, and the
// data ([MS-XLS] 2.1.4). First come the globals (sheets, number formats, shared
// strings), then each sheet, from the offset that the globals name to an EOF
// record.
var XLS = &Format{
	Name:    "xls",
	Exts:    []string{".xls", ".xlt"},
	Table:   true,
	Sniff:   nil, // Detect looks into the compound file
	Read:    readXLS,
	Isolate: true,
	Version: "1",
}

// The records that matter ([MS-XLS] 2.3).
const (
	xlsFormula     = 0x0006
	xlsEOF         = 0x000a
	xlsDateMode    = 0x0022
	xlsFilePass    = 0x002f
	xlsContinue    = 0x003c
	xlsCodePage    = 0x0042
	xlsColInfo     = 0x007d
	xlsBoundSheet  = 0x0085
	xlsMulRK       = 0x00bd
	xlsRString     = 0x00d6
	xlsXF          = 0x00e0
	xlsMergedCells = 0x00e5
	xlsSST         = 0x00fc
	xlsLabelSST    = 0x00fd
	xlsNumber      = 0x0203
	xlsLabel       = 0x0204
	xlsBoolErr     = 0x0205
	xlsString      = 0x0207
	xlsRow         = 0x0208
	xlsRK          = 0x027e
	xlsFormat      = 0x041e
	xlsBOF         = 0x0809

	xlsMaxRecord = 8224
)

func readXLS(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
	return readBook(ctx, in, opt, func() (book, error) { return openXLS(in, opt) })
}

// readBook yields the rows of any book.
func readBook(ctx context.Context, in Input, opt Options, open func() (book, error)) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r := &excelReader{ctx: ctx, in: in, opt: opt, yield: yield}
		err := r.read(open)
		if err == nil || errors.Is(err, errStopped) {
			return
		}
		if cause := ctx.Err(); cause != nil {
			err = cause
		}
		yield(Record{}, err)
	}
}

// An xlsBook is an open workbook.
type xlsBook struct {
	stream  *io.SectionReader
	sheets  []bookSheet
	offsets []int64 // of the sheets
	formats []numFormat
	date04  bool
	old     bool // BIFF5: texts are bytes of a code page
	page    codec
	texts   []byte
	ends    []uint32
}

func (b *xlsBook) list() []bookSheet { return b.sheets }
func (b *xlsBook) close()            {}

func (b *xlsBook) scan(r *excelReader, sh *bookSheet) (rowSource, func() error, error) {
	for i := range b.sheets {
		if &b.sheets[i] != sh {
			continue
		}
		at := b.offsets[i]
		sc := &xlsScanner{ctx: r.ctx, book: b, hiddenRows: map[int]bool{},
			records: newXLSRecords(io.NewSectionReader(b.stream, at, max(b.stream.Size()-at, 0))),
			limits:  rowLimits{r.recordLimit(), r.columnLimit()}}
		return sc, func() error { return nil }, nil
	}
	return nil, nil, errMarkup // unreachable: the sheet is one of list
}

// openXLS reads the globals. Its error is a *FileError.
func openXLS(in Input, opt Options) (*xlsBook, error) {
	fail := func(reason, detail string, err error) (*xlsBook, error) {
		return nil, &FileError{Place: Place{File: in.Name}, Reason: reason, Detail: detail, Err: err}
	}
	c, err := openCompound(in, in.Size)
	if err != nil {
		return nil, compoundError(in.Name, "a workbook", err)
	}
	i := c.find(0, "Workbook", "Book")
	if i < 0 {
		if c.find(0, "EncryptedPackage") >= 0 {
			return fail(ReasonUnsupported, "this is an encrypted .xlsx workbook under the name of an old one; give it the ending .xlsx", nil)
		}
		return fail(ReasonBroken, "this is not a workbook, though it is an old Office file; save its data as .xlsx", nil)
	}
	b := &xlsBook{}
	if b.stream, err = c.open(i); err == nil {
		err = b.readGlobals(orDefault(opt.Limits.Unzipped, defaultUnzippedLimit))
	}
	if _, ok := errors.AsType[*FileError](err); ok {
		return nil, withFile(err, in.Name)
	}
	if err != nil {
		return nil, compoundError(in.Name, "a workbook", err)
	}
	return b, nil
}

// withFile puts the file's name into a *FileError.
func withFile(err error, name string) error {
	bad, _ := errors.AsType[*FileError](err)
	bad.Place.File = name
	return bad
}

// compoundError says what is wrong with a compound file, which should have been
// what.
func compoundError(name, what string, err error) error {
	place := Place{File: name}
	if over, ok := errors.AsType[*limitError](err); ok {
		return &FileError{Place: place, Reason: ReasonTooLarge, Detail: over.detail, Err: err}
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &FileError{Place: place, Reason: ReasonShort, Err: errors.Join(ErrShort, err),
			Detail: fmt.Sprintf("the file is cut short, or damaged (%v); get it again", err)}
	case errors.Is(err, errCompound), errors.Is(err, errMarkup):
		return &FileError{Place: place, Reason: ReasonBroken, Err: err,
			Detail: fmt.Sprintf("the file is damaged, or not %s (%v); open it in its own program and save it again", what, err)}
	}
	return &FileError{Place: place, Reason: ReasonUnreadable, Err: err, Detail: fmt.Sprintf("cannot read the file (%v)", err)}
}

// An xlsRecords reads records.
type xlsRecords struct {
	r   *bufio.Reader
	buf [xlsMaxRecord]byte
}

func newXLSRecords(r io.Reader) *xlsRecords { return &xlsRecords{r: bufio.NewReaderSize(r, 64<<10)} }

// next gives a record's type and data, which is valid until the next call. A
// stream that ends is cut: the last record is an EOF, and nobody reads on.
func (x *xlsRecords) next() (kind uint16, data []byte, err error) {
	var head [4]byte
	if _, err := io.ReadFull(x.r, head[:]); err != nil {
		return 0, nil, cutOf(err)
	}
	kind = binary.LittleEndian.Uint16(head[:])
	n := int(binary.LittleEndian.Uint16(head[2:]))
	if n > xlsMaxRecord {
		return 0, nil, fmt.Errorf("%w: a record of %d bytes", errMarkup, n)
	}
	if _, err := io.ReadFull(x.r, x.buf[:n]); err != nil {
		return 0, nil, cutOf(err)
	}
	return kind, x.buf[:n], nil
}

func cutOf(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// peek is the type of the record that comes next, 0 at the end.
func (x *xlsRecords) peek() uint16 {
	b, err := x.r.Peek(2)
	if err != nil {
		return 0
	}
	return binary.LittleEndian.Uint16(b)
}

func u16(b []byte, at int) int {
	if at+2 > len(b) {
		return 0
	}
	return int(binary.LittleEndian.Uint16(b[at:]))
}

func u32(b []byte, at int) uint32 {
	if at+4 > len(b) {
		return 0
	}
	return binary.LittleEndian.Uint32(b[at:])
}

func f64(b []byte, at int) float64 {
	if at+8 > len(b) {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b[at:]))
}

func (b *xlsBook) readGlobals(most int64) error {
	x := newXLSRecords(b.stream)
	kind, data, err := x.next()
	if err != nil {
		return err
	}
	if kind != xlsBOF {
		return &FileError{Reason: ReasonUnsupported, Detail: "this is a workbook of a very old Excel (before 5.0), which is not read; open it in Excel and save it as .xlsx"}
	}
	b.old = u16(data, 0) < 0x0600
	b.page, _ = lookupCodec("windows-1252")
	var styles []int
	codes := map[int]string{}
	for {
		kind, data, err := x.next()
		if err != nil {
			return err
		}
		switch kind {
		case xlsFilePass:
			return &FileError{Reason: ReasonEncrypted, Detail: "the workbook is encrypted in the way of old Excel; open it in Excel and save it as .xlsx, or without a password"}
		case xlsDateMode:
			b.date04 = u16(data, 0) == 1
		case xlsCodePage:
			if c, err := lookupCodec(codePageName(u16(data, 0))); err == nil {
				b.page = c
			}
		case xlsFormat:
			codes[u16(data, 0)] = b.formatCode(data)
		case xlsXF:
			if len(styles) < 1<<16 {
				styles = append(styles, u16(data, 2))
			}
		case xlsBoundSheet:
			b.boundSheet(data)
		case xlsSST:
			if err := b.readSST(x, data, most); err != nil {
				return err
			}
		case xlsEOF:
			b.formats = make([]numFormat, len(styles))
			for i, id := range styles {
				if code, custom := codes[id]; custom {
					b.formats[i] = classifyFormat(code)
				} else {
					b.formats[i] = builtinFormat(id)
				}
			}
			return nil
		}
	}
}

// codePageName is the name of a Windows code page.
func codePageName(n int) string {
	switch n {
	case 1200, 0:
		return "windows-1252" // UTF-16 in BIFF8, where it does not matter
	case 32768, 10000:
		return "macintosh"
	case 32769:
		return "windows-1252"
	case 932:
		return "shift_jis"
	case 936:
		return "gbk"
	case 949:
		return "euc-kr"
	case 950:
		return "big5"
	case 65001:
		return "utf-8"
	case 866:
		return "ibm866"
	}
	return fmt.Sprintf("windows-%d", n)
}

func (b *xlsBook) formatCode(data []byte) string {
	if b.old {
		if len(data) < 3 {
			return ""
		}
		return string(data[3:])
	}
	return string(xlsText(nil, data, 2, 2))
}

// boundSheet notes a sheet; those of charts, macros and modules have no rows.
func (b *xlsBook) boundSheet(data []byte) {
	if len(data) < 8 || data[5] != 0 || len(b.sheets) > 1<<14 {
		return
	}
	name := ""
	if b.old {
		name = b.page.text(data[7:min(len(data), 7+int(data[6]))])
	} else {
		name = string(xlsText(nil, data, 6, 1))
	}
	b.sheets = append(b.sheets, bookSheet{name: name, hidden: data[4]&3 != 0})
	b.offsets = append(b.offsets, int64(u32(data, 0)))
}

// text decodes bytes of the code page.
func (c codec) text(b []byte) string {
	if c.enc == nil {
		return string(bytes.ToValidUTF8(b, []byte("\uFFFD")))
	}
	out, err := c.enc.NewDecoder().Bytes(b)
	if err != nil {
		return string(bytes.ToValidUTF8(b, []byte("\uFFFD")))
	}
	return string(out)
}

// xlsText appends the text at data[at:] that lies within one record: its length
// in characters, of size bytes, a byte of flags, and the characters
// ([MS-XLS] 2.5.240 and 2.5.293).
func xlsText(b, data []byte, at, size int) []byte {
	n := 0
	switch {
	case at+size+1 > len(data):
		return b
	case size == 1:
		n = int(data[at])
	default:
		n = u16(data, at)
	}
	flags := data[at+size]
	at += size + 1
	if flags&8 != 0 {
		at += 2
	}
	if flags&4 != 0 {
		at += 4
	}
	if at > len(data) {
		return b
	}
	if flags&1 == 0 {
		return appendLatin1(b, data[at:min(len(data), at+n)])
	}
	return appendUTF16(b, data[at:min(len(data), at+2*n)])
}

func appendLatin1(b, chars []byte) []byte {
	for _, c := range chars {
		b = utf8.AppendRune(b, rune(c))
	}
	return b
}

func appendUTF16(b, chars []byte) []byte {
	for i := 0; i+1 < len(chars); i += 2 {
		r := rune(binary.LittleEndian.Uint16(chars[i:]))
		if utf16.IsSurrogate(r) && i+3 < len(chars) {
			if both := utf16.DecodeRune(r, rune(binary.LittleEndian.Uint16(chars[i+2:]))); both != utf8.RuneError {
				r = both
				i += 2
			}
		}
		b = utf8.AppendRune(b, r) // a lone surrogate becomes U+FFFD
	}
	return b
}

// readSST reads the shared strings, which go on in Continue records. Where a
// string's characters are parted by the end of a record, the next begins with a
// byte of flags that says how wide they go on ([MS-XLS] 2.5.293).
func (b *xlsBook) readSST(x *xlsRecords, data []byte, most int64) error {
	s := &sstReader{x: x, data: bytes.Clone(data)}
	total := u32(data, 4)
	s.at = 8
	for range total {
		if s.at >= len(s.data) && !s.more() {
			break // fewer than it says; a cell that points beyond is told
		}
		n := int(s.int(2))
		flags := s.byte()
		runs, ext := int64(0), int64(0)
		if flags&8 != 0 {
			runs = int64(s.int(2))
		}
		if flags&4 != 0 {
			ext = int64(s.int(4))
		}
		b.texts = s.chars(b.texts, n, flags&1 != 0)
		s.skip(4*runs + ext)
		if s.err != nil {
			return s.err
		}
		if int64(len(b.texts)) > min(most, math.MaxUint32) {
			return &limitError{fmt.Sprintf("the workbook's texts are more than %s; raise limits: {unzipped: ...}, or split the workbook", byteWords(most))}
		}
		b.ends = append(b.ends, uint32(len(b.texts)))
	}
	return nil
}

// An sstReader reads through a record and its continuations.
type sstReader struct {
	x    *xlsRecords
	data []byte
	at   int
	err  error
}

// more goes on to the next Continue record.
func (s *sstReader) more() bool {
	if s.err != nil || s.x.peek() != xlsContinue {
		return false
	}
	_, data, err := s.x.next()
	if err != nil {
		s.err = err
		return false
	}
	s.data, s.at = append(s.data[:0], data...), 0
	return true
}

func (s *sstReader) byte() byte {
	for s.at >= len(s.data) {
		if !s.more() {
			if s.err == nil {
				s.err = fmt.Errorf("%w: its texts end early", errMarkup)
			}
			return 0
		}
	}
	s.at++
	return s.data[s.at-1]
}

func (s *sstReader) int(size int) uint32 {
	n := uint32(0)
	for i := range size {
		n |= uint32(s.byte()) << (8 * i)
	}
	return n
}

func (s *sstReader) skip(n int64) {
	for n > 0 && s.err == nil {
		if s.at >= len(s.data) {
			s.byte()
			n--
			continue
		}
		step := min(n, int64(len(s.data)-s.at))
		s.at += int(step)
		n -= step
	}
}

func (s *sstReader) chars(b []byte, n int, wide bool) []byte {
	var held []byte // UTF-16 so far: a pair may be parted by the end of a record
	for n > 0 && s.err == nil {
		if s.at >= len(s.data) {
			if !s.more() {
				if s.err == nil {
					s.err = fmt.Errorf("%w: its texts end early", errMarkup)
				}
				return b
			}
			wide = s.byte()&1 != 0
			continue
		}
		left := len(s.data) - s.at
		if !wide {
			step := min(n, left)
			for _, c := range s.data[s.at : s.at+step] {
				held = append(held, c, 0)
			}
			s.at += step
			n -= step
			continue
		}
		step := min(n, left/2)
		if step == 0 { // half a character at the end of a record
			s.at = len(s.data)
			continue
		}
		held = append(held, s.data[s.at:s.at+2*step]...)
		s.at += 2 * step
		n -= step
	}
	return appendUTF16(b, held)
}

// appendShared appends shared string i; ok is false when there is none.
func (b *xlsBook) appendShared(to []byte, i uint32) (_ []byte, ok bool) {
	if int64(i) >= int64(len(b.ends)) {
		return to, false
	}
	from := uint32(0)
	if i > 0 {
		from = b.ends[i-1]
	}
	return append(to, b.texts[from:b.ends[i]]...), true
}
