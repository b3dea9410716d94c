package extract

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A pdfEngine opens PDFs. It serves one document at a time, from one
// goroutine, and may panic, hang or exhaust the memory: see sandbox.go.
type pdfEngine interface {
	// open gives a *pdfError when the document cannot be read.
	open(f io.ReaderAt, size int64, passwords []string) (pdfDocument, error)
	// recycle throws away what the engine holds, after a failure that may
	// have left it in any state.
	recycle()
	close()
}

type pdfDocument interface {
	facts() pdfFacts
	// page reads page n, from 1. Its error is errNoPage, or one after which
	// the engine must be recycled.
	page(n int) (pdfPage, error)
	// files lists the files pinned to page n, or for 0 those of the document, one
	// more than maxAttachments at most, and content is that of the i-th of them.
	// An error other than errNoFile is one after which the engine must be recycled.
	// They are called before notes, which takes the files off the page.
	files(n int) ([]pdfFile, error)
	content(n, i int) ([]byte, error)
	close()
}

// A pdfPainter is a document whose pages can be drawn, and which has text in
// form fields and annotations apart from its pages.
type pdfPainter interface {
	// paint draws page n in grey. It is called before notes.
	paint(n, dpi int) (picture, error)
	// notes adds what stands in form fields and annotations of page n.
	notes(n int, p *pdfPage) error
}

// A pdfPage is an engine's text of a page, as it came.
type pdfPage struct {
	lines []pdfLine
	notes bool // there is more in form fields or annotations
	files bool // files are pinned to it
	// scanned tells that the page has little or no text and much to be seen.
	scanned bool
	state   pageState // of a page without text
	box     rect      // what is shown of it; zero where nobody knows
	label   string    // the number that is printed on it, where the document has it
	// shows tells that the page has text operators, though no text came of them.
	shows bool
}

// pdfFacts are what the document says of itself.
type pdfFacts struct {
	Pages   int               `json:"pages"`
	Meta    map[string]string `json:"meta,omitempty"`
	Outline []pdfHeading      `json:"outline,omitempty"`
}

// A pdfHeading is an entry of the outline.
type pdfHeading struct {
	Title string `json:"title"`
	Page  int    `json:"page,omitempty"` // where it leads; 0 when nobody knows
}

// Caps on outlines: hostile ones are circular.
const (
	maxHeadings     = 5_000
	maxHeadingDepth = 32
)

// headings gives the titles that lead to a page, or all for page 0.
func (f pdfFacts) headings(page int) []string {
	var titles []string
	for _, h := range f.Outline {
		if page == 0 || h.Page == page {
			titles = append(titles, h.Title)
		}
	}
	return titles
}

// addHeading appends a title cleaned of line ends; empty ones fall away.
func (f *pdfFacts) addHeading(title string, page int) {
	if title = oneLine(title); title != "" {
		f.Outline = append(f.Outline, pdfHeading{title, page})
	}
}

// setInfo puts an entry of the Info dictionary under its name in
// Document.Meta. Empty values and dates that are none fall away.
func (f *pdfFacts) setInfo(key, value string) {
	name, ok := pdfInfoNames[key]
	if !ok {
		return
	}
	value = oneLine(value)
	if key == "CreationDate" || key == "ModDate" {
		value = pdfDate(value)
	}
	if value == "" {
		return
	}
	if f.Meta == nil {
		f.Meta = make(map[string]string)
	}
	f.Meta[name] = value
}

// pdfInfoNames maps the Info dictionary (ISO 32000-1, table 317), and the
// catalog's Lang, to the keys of Document.Meta.
var pdfInfoNames = map[string]string{
	"Title": "title", "Author": "author", "Subject": "subject", "Keywords": "keywords",
	"Creator": "creator", "Producer": "producer",
	"CreationDate": "created", "ModDate": "modified",
	"Lang": "language",
}

func oneLine(s string) string {
	return strings.Join(strings.Fields(cleanPDFText(s)), " ")
}

var errNoPage = errors.New("the page cannot be opened")

// A pdfError says why a document cannot be read, or not further.
type pdfError struct {
	Reason string
	Detail string
}

func (e *pdfError) Error() string { return e.Detail }
func (e *pdfError) refused()      {}

// brokenPDF is the error of a file that an engine refuses.
func brokenPDF(why string) *pdfError {
	return &pdfError{ReasonBroken, "this is not a PDF, or it is damaged beyond repair (" + why + "); open it in a PDF viewer and save it again, or get a new copy"}
}

// encryptedPDF is the error of a file that no given password opens.
func encryptedPDF(passwords int) *pdfError {
	const how = `give its password in the mapping, as pdf: {passwords: ["${env:PDF_PASSWORD}"]}`
	switch passwords {
	case 0:
		return &pdfError{ReasonEncrypted, "the file is encrypted; " + how}
	case 1:
		return &pdfError{ReasonEncrypted, "the file is encrypted and the given password does not fit; " + how}
	}
	return &pdfError{ReasonEncrypted, fmt.Sprintf("the file is encrypted and none of the %d given passwords fits; %s", passwords, how)}
}

// A pdfRequest is one document to read.
type pdfRequest struct {
	Path      string   `json:"path"`
	Size      int64    `json:"size"`
	Engine    string   `json:"engine"`
	Passwords []string `json:"passwords,omitempty"`
	MaxPages  int      `json:"maxPages"`
	MaxText   int64    `json:"maxText"`         // bytes of text of a record
	Whole     bool     `json:"whole,omitempty"` // the record is the document, so MaxText is for all pages together

	OCR OCROptions `json:"ocr"`

	Margins  bool   `json:"margins,omitempty"`  // lines in the margins of pages are told apart
	Audit    bool   `json:"audit,omitempty"`    // both engines read it, and are compared
	NoFiles  bool   `json:"noFiles,omitempty"`  // nothing is told of the files inside
	Spool    string `json:"spool,omitempty"`    // a folder for their contents; "" is not at all
	MaxSpool int64  `json:"maxSpool,omitempty"` // bytes of them

	// The rest is for the second attempt at a document.
	From     int  `json:"from,omitempty"`     // the first page to read; 0 is 1
	Skip     int  `json:"skip,omitempty"`     // a page that the first engine must not touch
	NoRescue bool `json:"noRescue,omitempty"` // the second engine must not be used
	SkipOCR  int  `json:"skipOCR,omitempty"`  // a page that must not be drawn

	Time   time.Duration `json:"-"` // of the whole document; 0 is by its pages
	Memory int64         `json:"-"` // of the worker; 0 is the default
}

// A pdfFrame is one thing told of a document. The order is ready, open,
// pages with rescues and notes between them, and end or fail.
type pdfFrame struct {
	Kind   frameKind `json:"kind"`
	Facts  *pdfFacts `json:"facts,omitempty"` // open
	Page   int       `json:"page,omitempty"`  // page, rescue
	Text   string    `json:"text,omitempty"`  // page, note
	State  pageState `json:"state,omitempty"` // page
	Label  string    `json:"label,omitempty"` // page: its number as it is printed, such as iv, where the document has it
	Parts  []pdfPart `json:"parts,omitempty"` // page: its text in parts, where some of it may be running heads
	Heads  []string  `json:"heads,omitempty"` // page: the running heads that have been taken off it
	Cut    bool      `json:"cut,omitempty"`   // page: its text was cut at MaxText
	Sure   int       `json:"sure,omitempty"`  // page: its text was read by OCR, with this confidence of 100
	Reason string    `json:"reason,omitempty"`
	Detail string    `json:"detail,omitempty"` // fail
	Files  []pdfFile `json:"files,omitempty"`  // files, page
	Agreed int       `json:"agreed,omitempty"` // agreed: percent of the second engine's text that the first has
}

type frameKind string

const (
	frameReady  frameKind = "ready"  // the engine has started, and the document's clock with it
	frameOpen   frameKind = "open"   // Facts
	frameRescue frameKind = "rescue" // the second engine is about to read Page
	frameOCR    frameKind = "ocr"    // Page is about to be drawn and read by OCR
	framePage   frameKind = "page"
	frameUnpack frameKind = "unpack" // files inside are about to be read
	frameFiles  frameKind = "files"  // Files are those of the document
	frameNote   frameKind = "note"   // Text is a warning
	frameAgreed frameKind = "agreed" // the second engine has read Page pages as well, and Agreed is what of it the first has
	frameEnd    frameKind = "end"
	frameFail   frameKind = "fail"
)

// A pageState says why a page has no text.
type pageState string

const (
	pageText   pageState = ""
	pageNoText pageState = "notext" // it shows something: a scan, a drawing
	pageBlank  pageState = "blank"  // it shows nothing
	pageLost   pageState = "lost"   // no engine can open it
)

// A pdfReader reads documents with the engines, which it starts as they are
// needed and keeps.
type pdfReader struct {
	engines map[string]func() (pdfEngine, error) // by name
	started map[string]pdfEngine
	stretch int // pages after which a document is opened anew; 0 is renewPages
}

func newPDFReader() *pdfReader {
	return &pdfReader{engines: map[string]func() (pdfEngine, error){
		enginePDFium:     newPDFium,
		engineLedongthuc: newLedongthuc,
	}}
}

func (r *pdfReader) engine(name string) (pdfEngine, error) {
	if e, ok := r.started[name]; ok {
		return e, nil
	}
	e, err := r.engines[name]()
	if err != nil {
		return nil, &pdfError{ReasonUnreadable, fmt.Sprintf("the PDF engine %s does not start (%v); set pdf.engine to %s, and report this", name, err, engineLedongthuc)}
	}
	if r.started == nil {
		r.started = make(map[string]pdfEngine)
	}
	r.started[name] = e
	return e, nil
}

func (r *pdfReader) close() {
	for _, e := range r.started {
		e.close()
	}
	r.started = nil
}

// A pdfReading is the reading of one document.
type pdfReading struct {
	*pdfReader
	req   pdfRequest
	emit  func(pdfFrame) error
	file  *watchedFile
	first pdfEngine
	doc   pdfDocument

	second       pdfDocument // opened when a page needs it
	secondFailed bool
	breaks       int   // how often the first engine broke down
	text         int64 // bytes told
	spool        spooler
	agreed       agreement

	drawn  int  // pages given to OCR
	noMore bool // it has been told why no more are
}

// maxBreaks is how many pages of one document may break the engine.
const maxBreaks = 5

// read tells all of a document by emit. Its error is emit's own or a
// *pdfError; a panic of an engine becomes the latter.
func (r *pdfReader) read(req pdfRequest, emit func(pdfFrame) error) (err error) {
	name := req.Engine
	switch {
	case name == engineFacts && !req.NoRescue, !havePDFium:
		name = engineLedongthuc
	case name != engineLedongthuc:
		name = enginePDFium
	}
	first, err := r.engine(name)
	if err != nil {
		return err
	}
	if err := emit(pdfFrame{Kind: frameReady}); err != nil {
		return err
	}
	f, err := os.Open(req.Path)
	if err != nil {
		return &pdfError{ReasonUnreadable, fmt.Sprintf("the file cannot be opened (%v); check its permissions", withoutPath(err))}
	}
	defer f.Close()

	d := &pdfReading{pdfReader: r, req: req, emit: emit, file: &watchedFile{f: f}, first: first, spool: spooler{dir: req.Spool, most: req.MaxSpool}}
	defer d.closeDocs()
	defer func() {
		if p := recover(); p != nil {
			d.first.recycle()
			err = brokenPDF(fmt.Sprint(p))
		}
		if d.file.err != nil && err != nil {
			err = &pdfError{ReasonUnreadable, fmt.Sprintf("the file cannot be read to its end (%v); check the disk or the network share, then run again", withoutPath(d.file.err))}
		}
	}()
	return d.read()
}

// A watchedFile remembers that a read failed: the engines take that for a
// broken file.
type watchedFile struct {
	f   io.ReaderAt
	err error
}

func (w *watchedFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := w.f.ReadAt(p, off)
	if err != nil && err != io.EOF && off >= 0 {
		w.err = err
	}
	return n, err
}

func (d *pdfReading) closeDocs() {
	defer func() {
		if recover() != nil {
			d.first.recycle()
		}
	}()
	if d.doc != nil {
		d.doc.close()
	}
	if d.second != nil {
		d.second.close()
	}
}

func (d *pdfReading) read() (err error) {
	if err := d.open(); err != nil {
		return err
	}
	facts := d.doc.facts()
	if facts.Pages > d.req.MaxPages {
		return &pdfError{ReasonTooLarge, fmt.Sprintf("the file says that it has %d pages, over the limit of %d; raise limits.pages if that is true", facts.Pages, d.req.MaxPages)}
	}
	if err := d.emit(pdfFrame{Kind: frameOpen, Facts: &facts}); err != nil {
		return err
	}
	if d.req.From <= 1 {
		files, err := d.files(0)
		if err != nil {
			return err
		}
		if err := d.emit(pdfFrame{Kind: frameFiles, Files: files}); err != nil {
			return err
		}
	}
	if d.req.Engine == engineFacts {
		return nil
	}
	from, stretch := max(1, d.req.From), cmp.Or(d.stretch, renewPages)
	for n := from; n <= facts.Pages; n++ {
		if n > from && (n-from)%stretch == 0 {
			if err := d.renew(); err != nil {
				return err
			}
		}
		frame, err := d.page(n)
		if err != nil {
			return err
		}
		if err := d.emit(frame); err != nil {
			return err
		}
		if frame.Cut && d.req.Whole {
			break // the rest would only be thrown away
		}
		if d.file.err != nil {
			return brokenPDF("it cannot be read") // read says why
		}
	}
	if d.agreed.pages == 0 {
		return nil
	}
	return d.emit(pdfFrame{Kind: frameAgreed, Page: d.agreed.pages, Agreed: d.agreed.percent()})
}

// open opens the document in the first engine. That of facts alone is the one
// that is quick to start, and where it fails the other.
func (d *pdfReading) open() error {
	open := func() (err error) {
		d.doc, err = d.first.open(d.file, d.req.Size, d.req.Passwords)
		return err
	}
	if d.req.Engine != engineFacts || d.req.NoRescue || !havePDFium {
		return open()
	}
	err := guarded(open)
	if err == nil {
		return nil
	}
	other, noStart := d.engine(enginePDFium)
	if noStart != nil {
		return noStart
	}
	d.first = other
	return open()
}

// renewPages is after how many pages a document is opened anew: PDFium keeps all
// objects of it that it has met.
const renewPages = 1_000

func (d *pdfReading) renew() error {
	if guarded(func() error { d.doc.close(); return nil }) != nil {
		d.first.recycle()
	}
	d.doc = nil
	return d.open()
}

// page reads page n: by the first engine, by the second where that has no
// text of it, and by OCR where nobody has.
func (d *pdfReading) page(n int) (pdfFrame, error) {
	frame := pdfFrame{Kind: framePage, Page: n}
	p, err := d.firstPage(n)
	broke := err != nil && !errors.Is(err, errNoPage)
	if broke {
		if err := d.reopen(n, err); err != nil {
			return frame, err
		}
	}
	if p.empty() && (err != nil || p.shows) {
		text, rerr := d.rescue(n)
		if rerr != nil {
			return frame, rerr
		}
		if text != "" {
			p.lines, p.scanned = []pdfLine{{text: text}}, false
		}
	}
	if err == nil {
		if d.req.Audit {
			if err := d.compare(n, cleanPDFText(joinPDFLines(p.lines))); err != nil {
				return frame, err
			}
		}
		if frame.Sure, err = d.byOCR(n, &p); err != nil {
			return frame, err
		}
		if p.files { // before notes, which takes them off the page
			if frame.Files, err = d.files(n); err != nil {
				return frame, err
			}
		}
		if err := d.withNotes(n, &p); err != nil {
			return frame, err
		}
	}
	frame.Text, frame.State, frame.Label = cleanPDFText(joinPDFLines(p.lines)), p.state, p.label
	switch {
	case frame.Text != "":
		frame.State = pageText
	case err != nil:
		frame.State = pageLost
	case frame.State == pageText:
		frame.State = pageNoText
	}
	d.limit(&frame)
	if d.req.Margins && frame.Text != "" && frame.Sure == 0 && !frame.Cut {
		frame.Parts = margins(&p)
	}
	return frame, nil
}

func (p *pdfPage) empty() bool { return cleanPDFText(joinPDFLines(p.lines)) == "" }

// withNotes adds what stands in form fields and annotations. A failure costs
// no more than them.
func (d *pdfReading) withNotes(n int, p *pdfPage) error {
	painter, ok := d.doc.(pdfPainter)
	if !ok || !p.notes {
		return nil
	}
	err := guarded(func() error { return painter.notes(n, p) })
	if err == nil || errors.Is(err, errNoPage) {
		return nil
	}
	if err := d.emit(pdfFrame{Kind: frameNote, Text: fmt.Sprintf("form fields and annotations of page %d cannot be read", n)}); err != nil {
		return err
	}
	return d.reopen(n, err)
}

// guarded makes a panic of an engine an error.
func guarded(do func() error) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("panic: %v", x)
		}
	}()
	return do()
}

func (d *pdfReading) firstPage(n int) (p pdfPage, err error) {
	if n == d.req.Skip {
		return pdfPage{}, errNoPage
	}
	err = guarded(func() (err error) {
		p, err = d.doc.page(n)
		return err
	})
	return p, err
}

// reopen starts the document again in a fresh engine, after one that page n
// broke.
func (d *pdfReading) reopen(n int, why error) (err error) {
	if d.breaks++; d.breaks > maxBreaks {
		return brokenPDF(fmt.Sprintf("%d pages break the engine; the last with: %s", d.breaks, oneLine(why.Error())))
	}
	d.doc = nil // closing it would call into the broken engine
	d.first.recycle()
	d.doc, err = d.first.open(d.file, d.req.Size, d.req.Passwords)
	return err
}

// limit cuts the text of a page at what is left of MaxText.
func (d *pdfReading) limit(f *pdfFrame) {
	left := d.req.MaxText
	if d.req.Whole {
		left -= d.text
	}
	if int64(len(f.Text)) > left {
		f.Text, f.Cut = cutText(f.Text, int(left)), true
	}
	d.text += int64(len(f.Text)) + 1 // the page's \f
}

// cutText gives at most n bytes of s, ending before a white space if there is
// one near, and never inside a character.
func cutText(s string, n int) string {
	if n <= 0 {
		return ""
	}
	if n >= len(s) {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	if i := strings.LastIndexFunc(s[:n], unicode.IsSpace); i >= n-200 && i > 0 {
		n = i
	}
	return s[:n]
}
