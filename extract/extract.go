// Package extract reads files and yields their records.
//
// A [Record] is a row of a table (CSV, Excel), a page or a whole document
// (PDF, HTML). Every format is one entry of [Formats] and keeps one contract,
// that of [Records]; one conformance suite holds all of them to it.
//
//	for rec, err := range extract.Records(ctx, in, opt) {
//		var bad *extract.RecordError
//		switch {
//		case errors.As(err, &bad): // this record only: report it, go on
//		case err != nil: // the input: it was not read to its end
//		default: // use rec
//		}
//	}
//
// The package knows nothing of mappings, items or Graph.
package extract

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"
)

// An Input is a file open for reading. Zip and PDF need random access, so it
// is a ReaderAt. Readers never write to it and never close it.
type Input struct {
	// Name is the file as its user would name it. It stands in every Place.
	Name string
	// Size is the length in bytes.
	Size int64
	// Path is the file in the file system where there is one, for readers
	// that hand the file to another process; "" otherwise.
	Path string

	io.ReaderAt
}

// A Header is the list of column names that all records of a table share.
// Records of the same table hold the same *Header, so that a consumer can
// compile against it once and compare pointers afterwards.
type Header struct {
	names    []string
	index    map[string]int
	repeated map[string]bool
}

// NewHeader makes a header. An empty name becomes column1, column2, ... by
// its position; of two equal names the later gets _2, _3, ... appended, so
// that names are unique and every cell can be reached.
func NewHeader(names []string) *Header {
	h := &Header{names: make([]string, len(names)), index: make(map[string]int, len(names))}
	next := map[string]int{} // the next suffix to try: a header of 16,384 equal names must not cost their square
	for i, name := range names {
		if name == "" {
			name = "column" + strconv.Itoa(i+1)
		}
		unique := name
		for n := max(next[name], 2); ; n++ {
			if _, taken := h.index[unique]; !taken {
				break
			}
			unique = name + "_" + strconv.Itoa(n)
			next[name] = n + 1
		}
		if unique != name {
			if h.repeated == nil {
				h.repeated = map[string]bool{}
			}
			h.repeated[name] = true
		}
		h.names[i] = unique
		h.index[unique] = i
	}
	return h
}

// Names lists the columns in order. It must not be changed.
func (h *Header) Names() []string { return h.names }

// Index gives the position of a column, 0-based.
func (h *Header) Index(name string) (int, bool) {
	i, ok := h.index[name]
	return i, ok
}

// Repeated tells that several columns bear the name, so that it does not say
// which of them is meant. The first of them has it.
func (h *Header) Repeated(name string) bool { return h.repeated[name] }

// A Record is a row, a page or a document. It belongs to whoever receives it:
// nothing in it changes when the sequence goes on.
//
// A row has Header, Text and, in formats that store types (Excel), Typed. A
// page or document has Doc. Typed, where present, is as long as Text.
type Record struct {
	Place  Place
	Header *Header
	// Text holds every cell in the source's own spelling: "007" stays "007".
	// It is exactly as long as Header.Names().
	Text []string
	// Typed holds what the format itself says of a cell: nil (empty, or plain
	// text: see Text), int64, float64, bool, time.Time (UTC fields are the
	// wall clock of the cell, which has no zone), time.Duration or a
	// [CellError]. It is nil in formats that store only text.
	Typed []any
	// Cells is the number of cells that the row really had, when it was short
	// and has been filled with empty ones; else 0.
	Cells int
	// Rows are the rows of a group, this one first; nil where rows are not
	// grouped. See Options.GroupBy.
	Rows []Row
	Doc  *Document
	// Part is what the record came from below its file: an attachment of it, or
	// a file in an archive. It is nil for the file itself.
	Part *Part
	// ValueAt gives the place of a cell, by the position of its column; that of
	// the record where the record has no such value. It is nil in formats whose
	// cells are found by their column's name, and where rows are grouped.
	ValueAt func(column int) Place
	// File is the file that the record came from. Readers leave it nil; who
	// walks the files sets it, by SetFile.
	File *File
}

// Cell gives the place of a cell of the record, by the position of its column:
// that of the record where no other is known.
func (r *Record) Cell(column int) Place {
	if r.ValueAt == nil || column < 0 || column >= len(r.Text) {
		return r.Place
	}
	return r.ValueAt(column)
}

// A Row is one row of a group. Its fields are those of a Record.
type Row struct {
	Place Place
	Text  []string
	Typed []any
	Cells int
}

// A File is what is known of a file apart from its content.
type File struct {
	Path     string // slash-separated, relative to the source's root: the stable name of the file
	Name     string // the last element of Path
	Stem     string // Name without Ext
	Ext      string // with the dot, as written
	Size     int64
	Modified time.Time
	// SHA256 gives the hex digest of the content. It reads the file, once.
	SHA256 func() (string, error)
	// Side reads the metadata that stands in a file beside this one; nil where
	// nobody asks for it. A nil Side means that this file has none.
	Side func() (Side, error)
	// SideAt is where a value of a name stands in that file, or the first one of
	// the name; nil where Side is.
	SideAt func(name, value string) Place
	// Access is who may read the file; nil where nobody has asked.
	Access *Access
}

// A CellError is an error cell of a spreadsheet, such as #N/A.
type CellError string

// A Document is what a reader sees of a page or of a whole document.
type Document struct {
	// Body is the text in reading order, lines ended by \n, pages of a
	// document parted by \f.
	Body  string
	Title string // HTML: <title>; PDF: Info title; may be ""
	// Headings are the section titles in order.
	Headings []string
	// Meta holds the document's own metadata, keys in lower camel case:
	// title, author, subject, keywords, creator, producer, created, modified
	// (both RFC 3339), language, description; HTML: also each meta name and
	// property as written (og:title).
	Meta map[string]string
	Page int // 1-based when the record is a page, else 0
	// Pages counts the pages of the whole document (PDF), else 0.
	Pages int
	// HTML gives sanitised HTML of the main content; nil in formats that have
	// none. It is made when it is first asked for: that costs a fifth of
	// reading the page, and few mappings want it.
	HTML func() string
	// Select gives the text of the elements that a CSS selector matches; nil
	// in formats without elements.
	Select func(css string) ([]string, error)
	// Unread counts the pages that show something of which no text could be had:
	// scans and drawings where there is no OCR.
	Unread int
	// Attachments are the files inside of the document, in its order.
	Attachments []Attachment
	// Warnings tells what a user should know of this document: pages without
	// text, a guessed charset. One line each.
	Warnings []string
}

// Options say how to read an input. The zero value detects everything.
type Options struct {
	// Format names an entry of Formats and switches detection off.
	Format string `yaml:"format"`
	// Item is what becomes one record: "row", "page" or "document"; "" is the
	// format's own: rows for tables, the document for PDF and HTML.
	Item string `yaml:"item"`
	// GroupBy makes one record of the rows of a file that have the same value in
	// this column; "" groups none. In a file with more than 32 MiB of cells they
	// must follow each other. A row that cannot be read leaves the group that it
	// may belong to incomplete, and that is a RecordError too.
	GroupBy string `yaml:"groupBy"`

	CSV   CSVOptions   `yaml:"csv"`
	Excel ExcelOptions `yaml:"excel"`
	PDF   PDFOptions   `yaml:"pdf"`
	HTML  HTMLOptions  `yaml:"html"`
	Text  TextOptions  `yaml:"text"`
	JSON  JSONOptions  `yaml:"json"`
	XML   XMLOptions   `yaml:"xml"`
	// OCR reads text in pictures: images, and pages of a PDF that have no text.
	OCR OCROptions `yaml:"ocr"`
	// Attachments says what becomes of what is attached to a document: its names
	// are told (AttachmentNames, the default), or it yields records as well
	// (AttachmentItems), or nothing (AttachmentNone).
	Attachments string `yaml:"attachments"`
	// Converters read files that no format reads, or in place of the format: the
	// first whose Match fits the file's name.
	Converters []Converter `yaml:"converters"`
	// Limits are the guards against hostile files; zero fields mean the default.
	Limits Limits `yaml:"limits"`
	// Reuse lets a reader use the Text and Typed of a record again for the next
	// one, as ReuseRecord of encoding/csv does: for callers that are done with
	// a record before they ask for another. The strings themselves stay good.
	Reuse bool `yaml:"-"`
	// Warn is told, at most a few times a file, what was guessed or mended
	// (an encoding, padded rows). It may be nil.
	Warn func(Place, string) `yaml:"-" json:"-"`
	// Found is told which format the input turned out to be, once and before
	// its first record. It may be nil.
	Found func(*Format) `yaml:"-" json:"-"`

	spool *spool // where attachments wait until they are read; set with AttachmentItems
}

// CSVOptions: an explicit setting always wins over detection.
type CSVOptions struct {
	// Delimiter is one character, "tab", or "auto" (the default).
	Delimiter string `yaml:"delimiter"`
	// Quote is one character, "none", or "auto" (the default): the double quote,
	// or the single one where whole columns stand in it.
	Quote string `yaml:"quote"`
	// Escape is the character before a quote that does not end its field: one
	// character, "none" for doubled quotes only, or "auto" (the default): a
	// backslash where the text has \" and no "".
	Escape string `yaml:"escape"`
	// Encoding is an IANA or WHATWG name (utf-8, utf-16le, windows-1252,
	// iso-8859-1, ...) or "auto" (the default).
	Encoding string `yaml:"encoding"`
	// Header is the 1-based record that names the columns; 0 is "auto" (the
	// first that is no title above the table); -1 is none: Columns, or column1,
	// column2, ...
	Header int `yaml:"header"`
	// Footer is what to do with totals and remarks below the table: "auto"
	// passes over them (the default), "keep" reads them as records.
	Footer string `yaml:"footer"`
	// Columns names the columns of a file without a header.
	Columns []string `yaml:"columns"`
	// Ragged is what to do with a row that has not as many fields as the
	// header: "pad" fills a short row with empty cells and quarantines a long
	// one (the default: a long row has usually been split in the wrong place),
	// "quarantine" refuses both, "cut" fills and cuts.
	Ragged string `yaml:"ragged"`
	// Comment starts a line to be passed over; "" is none.
	Comment string `yaml:"comment"`
	// Trim takes white space off both ends of every field.
	Trim bool `yaml:"trim"`
}

// ExcelOptions choose what of a workbook is read.
type ExcelOptions struct {
	// Sheets are names or globs of the sheets to read, in the book's order;
	// none means every visible sheet that has cells.
	Sheets []string `yaml:"sheets"`
	// Header is the 1-based row that names the columns; 0 is "auto" (the
	// first row with at least half of the sheet's widest early row filled by
	// text); -1 is none.
	Header int `yaml:"header"`
	// Hidden reads hidden sheets, rows and columns as well.
	Hidden bool `yaml:"hidden"`
	// Merged repeats a merged range's value in each of its cells.
	Merged bool `yaml:"merged"`
	// Passwords are tried on an encrypted book, in order.
	Passwords []string `yaml:"passwords"`
}

// PDFOptions choose how the text of a PDF is found.
type PDFOptions struct {
	// Engine is "auto" (PDFium, then ledongthuc for pages that come back
	// empty; the default), "pdfium", "ledongthuc", or "facts" (no text, only what
	// the document says of itself; PDFium is started where ledongthuc fails).
	Engine string `yaml:"engine"`
	// Passwords are tried on an encrypted file, in order.
	Passwords []string `yaml:"passwords"`
	// RunningHeads is "keep" (the default), or "drop": heads, feet and page numbers
	// that are repeated from page to page are taken out of the text, into
	// meta.runningHeads.
	RunningHeads string `yaml:"runningHeads"`
	// Audit is the share of documents, 0 to 1, that the second engine reads too,
	// to tell in meta.agreement how much percent of its text the first has.
	Audit float64 `yaml:"audit"`
}

// HTMLOptions choose what of a page is content.
type HTMLOptions struct {
	// Content is "article" (the main text, the default), "main" (all but
	// navigation, header, footer and scripts) or "full".
	Content string `yaml:"content"`
	// Encoding overrides detection.
	Encoding string `yaml:"encoding"`
}

// Limits bound what one file may cost. Zero fields mean the default in the
// field's comment.
type Limits struct {
	Record   int64         `yaml:"record"`   // bytes of one row or text of one document; 16 MiB
	Columns  int           `yaml:"columns"`  // 16,384
	Unzipped int64         `yaml:"unzipped"` // bytes of one file's parts once unpacked; 2 GiB
	Pages    int           `yaml:"pages"`    // 20,000
	Time     time.Duration `yaml:"time"`     // per document where the format can hang; 20 s and more for large ones
	Memory   int64         `yaml:"memory"`   // bytes that reading a document may take, where the format can explode; 2 GiB
}

// Over gives the limits that l sets, and of the others those of below.
func (l Limits) Over(below Limits) Limits {
	return Limits{Record: cmp.Or(l.Record, below.Record), Columns: cmp.Or(l.Columns, below.Columns), Unzipped: cmp.Or(l.Unzipped, below.Unzipped),
		Pages: cmp.Or(l.Pages, below.Pages), Time: cmp.Or(l.Time, below.Time), Memory: cmp.Or(l.Memory, below.Memory)}
}

// ErrShort means that the input ended, or may have ended, before its end: a
// truncated file. What came before it is good; that nothing follows is not
// known, so nothing may be deleted on the strength of it.
var ErrShort = errors.New("the file ends before its end")

// A RecordError is the failure of one record. The sequence goes on after it.
type RecordError struct {
	Place  Place
	Reason string // a stable code, such as "ragged-row"; see the Reason constants
	Detail string // what is wrong and what to do, a full sentence without the place
	Text   []string
	Header *Header
	// Missing are programs that are not installed, any of which would read it.
	Missing []string
}

// Reasons of record and file errors that quarantine listings group by.
const (
	ReasonRagged      = "ragged-row"     // a row with too few or too many fields
	ReasonTooLarge    = "too-large"      // a row, text or file over a limit
	ReasonIncomplete  = "incomplete"     // a group of rows that may lack one
	ReasonEncoding    = "encoding"       // bytes that are not in the declared encoding
	ReasonSyntax      = "syntax"         // the format's own rules broken, here
	ReasonEncrypted   = "encrypted"      // needs a password
	ReasonBroken      = "broken-file"    // cannot be opened as its format
	ReasonShort       = "truncated-file" // ErrShort
	ReasonEmpty       = "empty-file"     // no bytes, or nothing in them
	ReasonUnsupported = "unsupported"    // no format reads it
	ReasonTimeout     = "timeout"        // stopped after its time limit
	ReasonUnreadable  = "unreadable"     // the file system refused, or the file changed while it was read
	ReasonOption      = "bad-option"     // an option that the format's reader does not understand
)

func (e *RecordError) Error() string { return e.Place.String() + ": " + e.Detail }

// A FileError ends a sequence: the file as a whole cannot be read, or not to
// its end. It wraps ErrShort when records before it were good.
type FileError struct {
	Place  Place
	Reason string
	Detail string // what is wrong and what to do, without the place
	Err    error  // the cause, may be nil
	// Missing are programs that are not installed, any of which would read it.
	Missing []string
}

func (e *FileError) Error() string { return e.Place.String() + ": " + e.Detail }

func (e *FileError) Unwrap() error { return e.Err }

// Lasting tells that the failure is one of the file's content: the same bytes
// fail so again under the same options and version of the format, while what is
// Missing is. Of a failure of the file system nobody knows.
func (e *FileError) Lasting() bool { return e.Reason != ReasonUnreadable || len(e.Missing) > 0 }

// A Format is one way to read a file. Adding a format is adding a file with a
// Format and a line in Formats.
type Format struct {
	Name string
	Exts []string // with the dot, lower case
	// Table tells that records are rows with a header that can be checked
	// before anything is written.
	Table bool
	// Sniff says whether head, the first bytes of a file, is this format for
	// sure. Formats without a signature (CSV) say false and go by extension.
	Sniff func(head []byte) bool
	Read  func(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error]
	// Programs are what reads the format in place of Read, where one of them is
	// installed.
	Programs *programs
	// Keep tells that records are documents of data alone, and so dear to read that
	// a Cache keeps them.
	Keep bool
	// Isolate has the files read in a child process: the reader, or a library that
	// it uses, may hang or explode.
	Isolate bool
	// Patience is how much longer than usual a document may take in a child
	// process; nil is no longer.
	Patience func(in Input, opt Options) time.Duration
	// Version changes when the same bytes would give other records, so that
	// what was remembered of a file is not trusted afterwards.
	Version string
}

// ID names the format and its version, in one line.
func (f *Format) ID() string { return f.Name + ":" + f.Version }

// VersionFor is the Version together with those of other programs that the
// reader calls by the options.
func (f *Format) VersionFor(opt Options) string {
	if f == PDF || f == Image {
		if v := ocrVersion(opt.OCR); v != "" {
			return f.Version + " " + v
		}
	}
	return f.Version
}

// Formats lists what can be read, in the order in which content is sniffed.
var Formats = []*Format{PDF, Excel, Image, HTML, CSV, XLSB, XLS, ODS, Parquet, DOCX, PPTX, ODT, ODP, EPUB, RTF, MSG, EML, Mbox, Doc, PPT, JSON, JSONLines, XML, Markdown, Text}

// Records yields the records of in, in order. Each pair is a Record and nil,
// or a zero Record and an error. After a *RecordError the sequence goes on;
// after any other error it ends. Ending without error means that the whole
// input was read: a reader that cannot be sure of that yields an error that
// wraps ErrShort. When ctx is cancelled the sequence ends with ctx's error.
// No reader panics.
//
// Whatever a reader makes of a disk that fails or a file that shrinks under
// it, the sequence ends with the disk's error.
func Records(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
	if opt.GroupBy != "" {
		opt.Reuse = false // a group is of several records
		return grouped(ctx, in, opt)
	}
	return records(ctx, in, opt)
}

// records is Records without groups.
func records(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if opt.Warn == nil {
			opt.Warn = func(Place, string) {}
		}
		if opt.Attachments == AttachmentItems {
			withAttachments(ctx, in, opt, yield)
			return
		}
		recordsOf(ctx, in, opt, yield)
	}
}

// recordsOf yields the records of in without those of its attachments. It is
// false when the consumer wants no more, or when the sequence has ended.
func recordsOf(ctx context.Context, in Input, opt Options, yield func(Record, error) bool) bool {
	disk := &watchedReader{in: in}
	in.ReaderAt = disk
	more, err := forward(ctx, in, opt, disk, yield)
	if !more {
		return false
	}
	switch {
	case ctx.Err() != nil: // the cause of whatever else went wrong
		err = ctx.Err()
	case disk.failure() != nil:
		err = disk.failure()
	}
	if err != nil {
		yield(Record{}, err)
		return false
	}
	return true
}

// forward passes on what the format's reader yields and returns the error
// that ends the sequence. more is false when the consumer wants no more.
func forward(ctx context.Context, in Input, opt Options, disk *watchedReader, yield func(Record, error) bool) (more bool, err error) {
	consuming := false // the code that runs is the consumer's
	format := "file"
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if consuming {
			panic(p) // not ours
		}
		more, err = true, &FileError{Place: Place{File: in.Name}, Reason: ReasonBroken,
			Detail: fmt.Sprintf("the %s reader gave up on this file (%v); open it in its own program and save it again", format, p),
			Err:    &readerPanic{p}}
	}()
	if err := ctx.Err(); err != nil {
		return true, err
	}
	f, err := formatOf(in, opt)
	if err != nil {
		return true, err
	}
	format = f.Name
	if opt.Found != nil {
		opt.Found(f)
	}
	done := ctx.Done()
	for rec, err := range f.read(ctx, in, opt) {
		if done != nil {
			select {
			case <-done:
				return true, ctx.Err()
			default:
			}
		}
		if disk.failed.Load() {
			return true, err // Records knows the disk's error
		}
		if err != nil && !isRecordError(err) {
			return true, asFileError(in, err)
		}
		consuming = true
		if !yield(rec, err) {
			return false, nil
		}
		consuming = false
	}
	return true, nil
}

// formatOf is Detect, with the converters.
func formatOf(in Input, opt Options) (*Format, error) {
	c := opt.converter(in.Name)
	if c == nil || in.Size == 0 {
		return Detect(in, opt)
	}
	f := *converted
	f.Read = func(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
		return func(yield func(Record, error) bool) { c.read(ctx, in, opt, yield) }
	}
	return &f, nil
}

// read is Read, in a child process where that is called for and possible; a
// table that is wanted as one document becomes one.
func (f *Format) read(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
	whole := f.Table && opt.Item == "document"
	if whole {
		opt.Item = ""
	}
	seq := f.Read
	if f.Programs != nil {
		seq = f.Programs.read
	}
	if f.Isolate && hooked.Load() {
		seq = func(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
			return isolated(ctx, f, in, opt)
		}
	}
	if whole {
		return wholeTable(ctx, in, opt, seq(ctx, in, opt))
	}
	return seq(ctx, in, opt)
}

func isRecordError(err error) bool {
	_, ok := errors.AsType[*RecordError](err)
	return ok
}

// asFileError gives a reader's error the place and the reason that it lacks.
func asFileError(in Input, err error) error {
	if _, ok := errors.AsType[*FileError](err); ok || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	reason := ReasonBroken
	if errors.Is(err, ErrShort) {
		reason = ReasonShort
	}
	return &FileError{Place: Place{File: in.Name}, Reason: reason, Detail: err.Error(), Err: err}
}

// A readerPanic is the cause of the FileError of a reader that panicked.
type readerPanic struct{ value any }

func (p *readerPanic) Error() string { return fmt.Sprint("panic: ", p.value) }
