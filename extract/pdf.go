package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"strconv"
	"strings"
	"time"
)

// PDF reads the text of PDF files: one record for the document, or one for
// each page.
//
// PDF parsers hang and run out of memory on hostile files, and no recover
// catches that, so files are read in child processes (sandbox.go) where the
// program has called [ServeWorkerIfAsked], and in this process otherwise.
// The engines are in pdfium.go and ledongthuc.go; how they work together on
// one document is in pdfread.go.
var PDF = &Format{
	Name:    "pdf",
	Exts:    []string{".pdf"},
	Sniff:   sniffPDF,
	Read:    readPDF,
	Keep:    true,
	Version: "pdf4 " + pdfEngineVersion,
}

// pdfHeaderWithin is how deep a reader looks for %PDF-: ISO 32000-1, annex H,
// implementation note 13.
const pdfHeaderWithin = 1024

func sniffPDF(head []byte) bool {
	return bytes.Contains(head[:min(len(head), pdfHeaderWithin)], []byte("%PDF-"))
}

// Defaults of Limits, and how long a document may take.
const (
	pdfMaxText     = 16 << 20
	pdfMaxPages    = 20_000
	pdfTime        = 20 * time.Second
	pdfTimePerPage = 200 * time.Millisecond
)

// agreementDoubted is the agreement below which a user is told. Nine of ten of
// 544 files of public test suites have 100.
const agreementDoubted = 80

// pdfEngineNames are the values of PDFOptions.Engine.
const (
	engineAuto       = "auto"
	enginePDFium     = "pdfium"
	engineLedongthuc = "ledongthuc"
	engineFacts      = "facts"
)

func readPDF(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r := &pdfRecords{ctx: ctx, in: in, opt: opt, yield: yield, run: runPDF}
		if err := r.read(); err != nil && !r.stopped {
			yield(Record{}, err)
		}
	}
}

// pdfRecords makes records of what is told of one file.
type pdfRecords struct {
	ctx   context.Context
	in    Input
	opt   Options
	yield func(Record, error) bool
	run   func(context.Context, pdfRequest) iter.Seq2[pdfFrame, error]

	facts   pdfFacts
	byPage  bool
	stopped bool // the consumer has broken off

	heads    runningHeads
	allHeads headList

	agreed, compared int // percent; pages

	spool string    // of attachments; "" where their contents are not wanted
	files []pdfFile // met and not told yet

	body   strings.Builder // the document's text so far
	told   int             // pages that came, lost ones included
	empty  pageSet         // pages that show something, but no text
	blank  pageSet         // pages that show nothing
	lost   pageSet         // pages that no engine can open
	ocr    ocrTally
	texts  int      // pages with text
	notes  []string // warnings of the document
	cutOff bool     // the text reached its limit
}

func (r *pdfRecords) fileError(reason, detail string, err error) error {
	return &FileError{Place: Place{File: r.in.Name}, Reason: reason, Detail: detail, Err: err}
}

func (r *pdfRecords) read() error {
	req, err := r.request()
	if err != nil {
		return err
	}
	tail, err := readPDFTail(r.in)
	if err != nil {
		return r.in.readFailure(err)
	}
	path, done, err := r.in.file("importer-*.pdf")
	if err != nil {
		return err
	}
	defer done()
	req.Path = path
	if r.opt.Attachments == AttachmentItems && r.opt.spool != nil {
		if r.spool, err = r.opt.spool.folder(); err != nil {
			return r.fileError(ReasonUnreadable, err.Error(), nil)
		}
		req.Spool = r.spool
	}

	err = nil
	for f, ferr := range r.run(r.ctx, req) {
		if ferr != nil {
			err = ferr
			break
		}
		if !r.take(f) {
			r.stopped = true
			return nil
		}
	}
	if ctxErr := r.ctx.Err(); ctxErr != nil {
		return ctxErr // whatever else went wrong is an echo of this
	}
	if !r.pages(r.heads.rest()) {
		r.stopped = true
		return nil
	}
	return r.finish(tail, err)
}

// request checks the options.
func (r *pdfRecords) request() (pdfRequest, error) {
	if err := r.ctx.Err(); err != nil {
		return pdfRequest{}, err
	}
	switch r.opt.Item {
	case "", "document":
	case "page":
		r.byPage = true
	default:
		return pdfRequest{}, r.fileError(ReasonUnsupported, fmt.Sprintf("a PDF has no %ss; set item to document or page", r.opt.Item), nil)
	}
	if r.in.Size == 0 {
		return pdfRequest{}, r.fileError(ReasonEmpty, "the file is empty; copy or download it again", nil)
	}
	lim := r.opt.Limits
	req := pdfRequest{
		Engine:    r.opt.PDF.Engine,
		Passwords: r.opt.PDF.Passwords,
		Size:      r.in.Size,
		MaxPages:  lim.Pages,
		MaxText:   lim.Record,
		Whole:     !r.byPage,
		Time:      lim.Time,
		Memory:    lim.Memory,
		OCR:       r.opt.OCR,
		Margins:   r.opt.PDF.RunningHeads == headsDrop,
		Audit:     r.opt.PDF.Engine != engineLedongthuc && audited(r.in.Name, r.opt.PDF.Audit),
		NoFiles:   r.opt.Attachments == AttachmentNone,
		MaxSpool:  orDefault(lim.Unzipped, defaultUnzippedLimit),
	}
	switch r.opt.PDF.RunningHeads {
	case "", headsKeep, headsDrop:
	default:
		return req, r.fileError(ReasonOption, fmt.Sprintf("pdf.runningHeads is %q; set it to keep or drop", r.opt.PDF.RunningHeads), nil)
	}
	if err := req.OCR.Check(); err != nil {
		return req, r.fileError(ReasonOption, err.Error(), nil)
	}
	switch req.Engine {
	case "":
		req.Engine = engineAuto
	case engineAuto, engineLedongthuc:
	case engineFacts:
		if r.byPage {
			return req, r.fileError(ReasonOption, "pdf.engine is facts, which reads no pages; set item to document, or pdf.engine to auto", nil)
		}
	case enginePDFium:
		if !havePDFium {
			return req, r.fileError(ReasonUnsupported, "this program was built without PDFium (tag nopdfium); set pdf.engine to auto or ledongthuc", nil)
		}
	default:
		return req, r.fileError(ReasonUnsupported, fmt.Sprintf("there is no PDF engine %q; set pdf.engine to auto, pdfium, ledongthuc or facts", req.Engine), nil)
	}
	if req.MaxPages <= 0 {
		req.MaxPages = pdfMaxPages
	}
	if req.MaxText <= 0 {
		req.MaxText = pdfMaxText
	}
	return req, nil
}

// take receives one frame; false means that the consumer wants no more.
func (r *pdfRecords) take(f pdfFrame) bool {
	switch f.Kind {
	case frameOpen:
		r.facts = *f.Facts
	case frameNote:
		r.note(f.Text)
	case frameAgreed:
		r.agreed, r.compared = f.Agreed, f.Page
	case frameFiles:
		r.files = append(r.files, f.Files...)
	case framePage:
		if r.opt.PDF.RunningHeads == headsDrop {
			return r.pages(r.heads.add(f))
		}
		return r.page(f)
	}
	return true
}

// note records a warning of the document as a whole.
func (r *pdfRecords) note(s string) {
	r.notes = append(r.notes, s)
	if r.byPage {
		r.warn(s) // no record stands for the document
	}
}

func (r *pdfRecords) warn(s string) {
	if r.opt.Warn != nil {
		r.opt.Warn(Place{File: r.in.Name}, s)
	}
}

// pages receives those that have been held back.
func (r *pdfRecords) pages(frames []pdfFrame) bool {
	for _, f := range frames {
		if !r.page(f) {
			return false
		}
	}
	return true
}

func (r *pdfRecords) page(f pdfFrame) bool {
	r.told = max(r.told, f.Page)
	r.files = append(r.files, f.Files...)
	if f.State == pageLost {
		r.lost.add(f.Page) // one error for a run of pages: /Count may lie by thousands
		return true
	}
	if !r.byPage {
		switch {
		case f.State == pageText:
			r.texts++
		case f.State == pageBlank:
			r.blank.add(f.Page)
		case f.Sure == 0:
			r.empty.add(f.Page)
		}
		r.ocr.add(f.Page, f.Sure)
		r.cutOff = r.cutOff || f.Cut
		if f.Page > 1 {
			r.body.WriteByte('\f')
		}
		r.body.WriteString(f.Text)
		r.allHeads.add(f.Heads)
		return true
	}
	if !r.tellLost() {
		return false
	}
	doc := r.document()
	doc.Page, doc.Body = f.Page, f.Text
	doc.Headings = r.facts.headings(f.Page)
	doc.setMeta("pageLabel", f.Label)
	doc.setMeta("runningHeads", strings.Join(f.Heads, " | "))
	var ocr ocrTally
	ocr.add(f.Page, f.Sure)
	ocr.tell(doc, f.State == pageText)
	switch {
	case f.State == pageNoText && f.Sure == 0:
		doc.Unread = 1
		doc.Warnings = []string{fmt.Sprintf("page %d has no text (%s)", f.Page, r.scanned())}
	case f.State == pageBlank:
		doc.Warnings = []string{fmt.Sprintf("page %d has no text (blank)", f.Page)}
	case f.Cut:
		doc.Warnings = []string{fmt.Sprintf("page %d was cut at the limit of %d bytes of text; raise limits.record", f.Page, len(f.Text))}
	}
	return r.give(Record{Place: Place{File: r.in.Name, Page: f.Page}, Doc: doc}, nil)
}

// give hands a pair to the consumer unless the run has been cancelled.
func (r *pdfRecords) give(rec Record, err error) bool {
	if r.ctx.Err() != nil {
		return true // the loop over frames ends by itself, with the context's error
	}
	return r.yield(rec, err)
}

// tellLost yields the pages that could not be opened as one record error.
func (r *pdfRecords) tellLost() bool {
	if len(r.lost) == 0 {
		return true
	}
	pages := r.lost
	r.lost = nil
	return r.give(Record{}, &RecordError{
		Place:  Place{File: r.in.Name, Page: pages[0].first},
		Reason: ReasonBroken,
		Detail: fmt.Sprintf("%s cannot be opened; open the file in its own program and save it again", pages),
	})
}

// document makes what all records of the file share, and gives it the files
// that have been met.
func (r *pdfRecords) document() *Document {
	doc := &Document{
		Title:       r.facts.Meta["title"],
		Meta:        maps.Clone(r.facts.Meta),
		Pages:       r.facts.Pages,
		Attachments: attachments(r.files, r.spool),
	}
	r.files = nil
	return doc
}

// finish yields the document and says how the reading ended. err is what
// ended the frames, nil when the engine came to the last page.
func (r *pdfRecords) finish(tail pdfTail, err error) error {
	bad, refused := errors.AsType[*pdfError](err)
	if err != nil && !refused {
		return err
	}
	short := !tail.whole && (err == nil || refused && bad.Reason == ReasonBroken)
	if r.told == 0 && (refused || short) {
		if short {
			return r.shortError("and nothing in it can be read")
		}
		return r.fileError(bad.Reason, bad.Detail, nil)
	}
	if err == nil && !short && r.facts.Pages == 0 {
		return r.fileError(ReasonBroken, "the document has no pages; open it in a PDF viewer and save it again", nil)
	}
	if n := r.lost.size(); err == nil && n > 0 && n == r.facts.Pages {
		return r.fileError(ReasonBroken, "none of its pages can be opened; "+r.otherEngine()+"open the file in a PDF viewer and save it again", nil)
	}
	if err == nil && tail.whole && tail.repaired {
		r.warn("the end of the file is damaged; its table of objects was rebuilt, and nothing is missing")
	}
	if r.compared > 0 && r.agreed < agreementDoubted {
		r.note(fmt.Sprintf("of what the second PDF engine reads on %d of its pages, the text has %d%%: compare it with what a viewer shows", r.compared, r.agreed))
	}
	if short {
		r.note(fmt.Sprintf("the file ends before its end: what follows page %d, or a part of it, may be missing", r.told))
	}
	if refused {
		r.note(fmt.Sprintf("reading stopped after page %d of %d: %s", r.told, r.facts.Pages, bad.Detail))
	}
	if r.byPage {
		if !r.tellLost() {
			r.stopped = true
			return nil
		}
	} else if !r.yield(Record{Place: Place{File: r.in.Name}, Doc: r.whole()}, nil) {
		r.stopped = true
		return nil
	}
	switch ctxErr := r.ctx.Err(); {
	case ctxErr != nil:
		return ctxErr
	case refused:
		return r.fileError(bad.Reason, fmt.Sprintf("after page %d of %d: %s", r.told, r.facts.Pages, bad.Detail), ErrShort)
	case short:
		return r.shortError("and its pages may not be all")
	}
	return nil
}

// otherEngine is the advice to those who chose the weaker engine.
func (r *pdfRecords) otherEngine() string {
	if havePDFium && r.opt.PDF.Engine == engineLedongthuc {
		return "set pdf.engine to auto, or "
	}
	return ""
}

func (r *pdfRecords) shortError(what string) error {
	return r.fileError(ReasonShort, "the file ends before its end (it has no trailer), "+what+"; copy or download it again", ErrShort)
}

// whole makes the document's record of the pages that came.
func (r *pdfRecords) whole() *Document {
	doc := r.document()
	doc.Body = r.body.String()
	doc.Headings = r.facts.headings(0)
	doc.Warnings = r.notes
	if r.opt.PDF.Engine == engineFacts {
		doc.setMeta("extraction", engineFacts)
		return doc
	}
	doc.setMeta("runningHeads", strings.Join(r.allHeads.texts, " | "))
	if r.compared > 0 {
		doc.setMeta("agreement", strconv.Itoa(r.agreed))
	}
	r.ocr.tell(doc, r.texts > 0)
	doc.Unread = r.empty.size()
	if len(r.empty) > 0 {
		doc.Warnings = append(doc.Warnings, r.empty.String()+" "+r.empty.has()+" no text ("+r.scanned()+")")
	}
	if len(r.blank) > 0 {
		doc.Warnings = append(doc.Warnings, r.blank.String()+" "+r.blank.has()+" no text (blank)")
	}
	if len(r.lost) > 0 {
		doc.Warnings = append(doc.Warnings, r.lost.String()+" cannot be opened")
	}
	if r.cutOff {
		doc.Warnings = append(doc.Warnings, fmt.Sprintf("the text was cut at %d bytes, on page %d of %d; raise limits.record, or set item to page", len(doc.Body), r.told, r.facts.Pages))
	}
	return doc
}

// scanned is what may be the matter with a page that shows something and has
// no text.
func (r *pdfRecords) scanned() string {
	if r.opt.OCR.On() || !havePDFium || r.opt.PDF.Engine == engineLedongthuc {
		return "scanned?" // only PDFium draws pages for OCR
	}
	return "scanned? set ocr to have it read"
}

// withoutPath takes the path off an error of package os: it is that of a
// copy, or the Place has it already.
func withoutPath(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
