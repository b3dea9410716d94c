package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"time"
)

// Image reads the text in pictures: PNG, JPEG and TIFF, also of many pages, by
// OCR (ocr.go). One record for the file, or one for each page.
//
// The picture is decoded by tesseract, which runs below the worker and its
// limits. Here only its structure is read, to count pages and to know that
// nothing is missing.
var Image = &Format{
	Name:    "image",
	Exts:    []string{".png", ".jpg", ".jpeg", ".tif", ".tiff"},
	Sniff:   func(head []byte) bool { return imageKind(head) != "" },
	Read:    readImage,
	Keep:    true,
	Isolate: true,
	Patience: func(in Input, opt Options) time.Duration {
		if !opt.OCR.On() {
			return 0
		}
		pages, err := imagePages(in)
		if err != nil {
			return 0
		}
		return time.Duration(min(len(pages), opt.OCR.pages())) * opt.OCR.time()
	},
	Version: "image1",
}

// imageMaxPixels is the greatest picture that is read: A0 at 300 dpi has 140
// million pixels.
const imageMaxPixels = 200 << 20

// imageKind tells a picture by its first bytes, "" for none.
func imageKind(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte(pngSignature)):
		return "png"
	case bytes.HasPrefix(head, []byte("\xFF\xD8\xFF")):
		return "jpeg"
	case bytes.HasPrefix(head, []byte("II*\x00")), bytes.HasPrefix(head, []byte("MM\x00*")):
		return "tiff"
	}
	return ""
}

// An imagePage is the size of a page in pixels.
type imagePage struct{ width, height int }

func readImage(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r := &imageRecords{ctx: ctx, in: in, opt: opt, yield: yield}
		if err := r.read(); err != nil {
			yield(Record{}, err)
		}
	}
}

// imageRecords makes records of one file.
type imageRecords struct {
	ctx   context.Context
	in    Input
	opt   Options
	yield func(Record, error) bool

	pages []imagePage
	texts []string
	sure  []int // confidence of each text; -1 where none was found, 0 where it failed
	notes []string
}

func (r *imageRecords) fail(reason, detail string, err error) error {
	return &FileError{Place: Place{File: r.in.Name}, Reason: reason, Detail: detail, Err: err}
}

// read is nil when the consumer wants no more, too.
func (r *imageRecords) read() (err error) {
	if err := r.check(); err != nil {
		return err
	}
	if r.pages, err = imagePages(r.in); err != nil {
		return r.structure(err)
	}
	for i, p := range r.pages {
		if p.width <= 0 || p.height <= 0 || p.width > imageMaxPixels/p.height {
			return r.fail(ReasonTooLarge, fmt.Sprintf("page %d has %d x %d pixels, over the limit of %d million; save it with fewer", i+1, p.width, p.height, imageMaxPixels/1_000_000), nil)
		}
	}
	if most := orDefault(int64(r.opt.Limits.Pages), pdfMaxPages); int64(len(r.pages)) > most {
		return r.fail(ReasonTooLarge, fmt.Sprintf("the file has %d pages, over the limit of %d; raise limits.pages if that is wanted", len(r.pages), most), nil)
	}
	tool, err := ocrTool(r.opt.OCR)
	if err != nil {
		r.notes = append(r.notes, "its text is not read by OCR: "+err.Error())
		return r.tell()
	}
	path, done, err := r.in.file("importer-*" + filepath.Ext(r.in.Name))
	if err != nil {
		return err
	}
	defer done()
	if err := r.look(tool, path); err != nil {
		return err
	}
	return r.tell()
}

// check looks at the options.
func (r *imageRecords) check() error {
	if err := r.opt.OCR.Check(); err != nil {
		return r.fail(ReasonOption, err.Error(), nil)
	}
	switch r.opt.Item {
	case "", "document", "page":
	default:
		return r.fail(ReasonUnsupported, fmt.Sprintf("an image has no %ss; set item to document or page", r.opt.Item), nil)
	}
	if !r.opt.OCR.On() {
		return r.fail(ReasonUnsupported, "the file is a picture, whose text only OCR can read; set ocr: {languages: [eng]} in the source, or take it out of the source's path", nil)
	}
	return nil
}

// structure is the error of a file whose pages cannot be counted.
func (r *imageRecords) structure(err error) error {
	if errors.Is(err, ErrShort) {
		return r.fail(ReasonShort, "the image ends before its end; copy or download it again", ErrShort)
	}
	return r.fail(ReasonBroken, fmt.Sprintf("the image is damaged (%v); open it in its own program and save it again", err), err)
}

// look reads the pages by OCR.
func (r *imageRecords) look(tool *OCRTool, path string) error {
	most := r.opt.OCR.pages()
	var last error
	read := 0
	for i := range r.pages {
		if i == most {
			r.notes = append(r.notes, fmt.Sprintf("page %d and what follows it are not read by OCR: there are more than %d pages; raise ocr.pages", i+1, most))
			break
		}
		pic := picture{file: path, page: i}
		if len(r.pages) == 1 {
			pic.page = -1
		}
		text, err := tool.read(r.ctx, pic, r.opt.OCR)
		if ctxErr := r.ctx.Err(); ctxErr != nil {
			return ctxErr
		}
		if errors.Is(err, errOCRTime) {
			err = fmt.Errorf("it took longer than %v; raise ocr.time", r.opt.OCR.time())
		}
		if err != nil {
			last = err
			r.notes = append(r.notes, fmt.Sprintf("page %d could not be read by OCR: %v", i+1, err))
		} else {
			read++
			if text.text == "" {
				text.sure = -1
			}
		}
		r.texts, r.sure = append(r.texts, text.text), append(r.sure, text.sure)
	}
	if read == 0 && last != nil {
		if strings.Contains(last.Error(), "raise ocr.time") {
			return r.fail(ReasonTimeout, "the image could not be read by OCR: "+last.Error(), nil)
		}
		return r.fail(ReasonBroken, fmt.Sprintf("the image cannot be read (%v); open it in its own program and save it again", last), nil)
	}
	return nil
}

// tell yields what was read.
func (r *imageRecords) tell() error {
	if r.opt.Item == "page" {
		return r.tellPages()
	}
	doc := &Document{Body: strings.Join(r.texts, "\f"), Warnings: r.notes}
	if len(r.pages) > 1 {
		doc.Pages = len(r.pages)
	}
	if strings.Trim(doc.Body, "\f") == "" {
		doc.Body = ""
	}
	r.limit(doc)
	var ocr ocrTally
	doc.Unread = len(r.pages)
	for i, sure := range r.sure {
		ocr.add(i+1, sure)
		if sure != 0 {
			doc.Unread--
		}
	}
	ocr.tell(doc, false)
	r.yield(Record{Place: Place{File: r.in.Name}, Doc: doc}, nil)
	return nil
}

func (r *imageRecords) tellPages() error {
	for _, note := range r.notes {
		if r.opt.Warn != nil {
			r.opt.Warn(Place{File: r.in.Name}, note)
		}
	}
	for i := range r.pages {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		doc := &Document{Page: i + 1, Pages: len(r.pages), Unread: 1}
		var ocr ocrTally
		if i < len(r.texts) {
			doc.Body = r.texts[i]
			ocr.add(i+1, r.sure[i])
			if r.sure[i] != 0 {
				doc.Unread = 0
			}
		}
		r.limit(doc)
		ocr.tell(doc, false)
		if !r.yield(Record{Place: Place{File: r.in.Name, Page: i + 1}, Doc: doc}, nil) {
			return nil
		}
	}
	return nil
}

// limit cuts a document's text at limits.record.
func (r *imageRecords) limit(doc *Document) {
	most := int(orDefault(r.opt.Limits.Record, pdfMaxText))
	if len(doc.Body) > most {
		doc.Body = cutText(doc.Body, most)
		doc.Warnings = append(doc.Warnings, fmt.Sprintf("the text was cut at %d bytes; raise limits.record", len(doc.Body)))
	}
}
