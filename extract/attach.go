package extract

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"
)

// An Attachment is a file inside of a document: what is attached to a message,
// or embedded in a PDF or an office file.
type Attachment struct {
	Name string // without folders; may be ""
	Type string // its media type, as the document has it; may be ""
	Size int64  // in bytes; 0 where only reading it would tell
	// Open gives the content, until the sequence that yielded the document ends.
	// The input has no Name; its ReaderAt may be an io.Closer.
	Open func() (Input, error)
}

// Values of Options.Attachments.
const (
	AttachmentItems = "items"
	AttachmentNames = "names"
	AttachmentNone  = "none"
)

// A Part says where in its file a record came from, when that is not the file
// itself but an attachment of it.
type Part struct {
	// Path leads to it from the file: report.pdf, or forwarded.eml!report.pdf for
	// what is attached to an attachment.
	Path   string
	Size   int64
	SHA256 string // of its content, in hex
	// Parent is the record of the document that it is attached to, or of its first
	// page.
	Parent *Record
}

// SetFile says which file the record is of. A record of an attachment gets the
// file that the attachment would be in a folder of the name of its document;
// metadata that stands beside the document is its own as well, and so are those
// who may read it.
func (r *Record) SetFile(f *File) {
	if r.Part == nil || f == nil {
		r.File = f
		return
	}
	p := r.Part
	if p.Parent != nil {
		p.Parent.SetFile(f)
	}
	name := p.Path[strings.LastIndex(p.Path, partSep)+1:]
	ext := path.Ext(name)
	r.File = &File{Path: f.Path + partSep + p.Path, Name: name, Stem: strings.TrimSuffix(name, ext), Ext: ext, Size: p.Size, Modified: f.Modified, Side: f.Side, SideAt: f.SideAt, Access: f.Access,
		SHA256: func() (string, error) { return p.SHA256, nil }}
}

// partSep stands between a file and what is attached to it.
const partSep = "!"

// Limits of attachments: messages in messages in messages do exist, and so do
// those that contain themselves.
const (
	maxAttachmentDepth = 5
	maxAttachments     = 1_000
)

// withAttachments yields the records of in, and then those of what is attached
// to its documents and that some format reads.
func withAttachments(ctx context.Context, in Input, opt Options, yield func(Record, error) bool) {
	opt.spool = &spool{}
	defer opt.spool.remove()
	w := &attachmentWalk{ctx: ctx, opt: opt, yield: yield}
	if !w.file(in, opt, nil, "", 0) {
		return
	}
	if len(w.passed) > 0 {
		opt.Warn(Place{File: in.Name}, fmt.Sprintf("attachments that no format reads were passed over: %s", quoteList(w.passed)))
	}
	if len(w.pictures) > 0 {
		opt.Warn(Place{File: in.Name}, fmt.Sprintf("attachments that are pictures were passed over: %s; ocr in the source has their text read", quoteList(w.pictures)))
	}
	if len(w.failed) > 0 { // through no fault of their content: the file is not done with
		yield(Record{}, &FileError{Place: Place{File: in.Name}, Reason: ReasonUnreadable,
			Detail: fmt.Sprintf("attachments could not be read this time: %s; the next run reads the file again", quoteList(w.failed))})
	}
}

// An attachmentWalk goes through a document and what is attached to it, depth
// first.
type attachmentWalk struct {
	ctx    context.Context
	opt    Options
	yield  func(Record, error) bool
	count  int
	passed []string // that no format reads
	failed []string // for a reason that may pass
	// pictures are those that only OCR would read.
	pictures []string
}

// A pending is an attachment to be read when its document has been.
type pending struct {
	Attachment
	parent *Record
}

// file yields what in has; part and path are those of in below the walk's file.
// It is false when the walk is over.
func (w *attachmentWalk) file(in Input, opt Options, part *Part, at string, depth int) bool {
	var found []pending
	var first *Record
	over := false
	take := func(rec Record, err error) bool {
		if err != nil && part != nil && !isRecordError(err) {
			if ctxErr := w.ctx.Err(); ctxErr != nil {
				over = true
				return w.yield(Record{}, ctxErr)
			}
			bad := recordErrorOf(err) // the attachment's end is not that of its file
			if bad.Reason == ReasonUnreadable && len(bad.Missing) == 0 {
				w.failed = append(w.failed, part.Path)
			}
			err = bad
		}
		if err == nil {
			rec.Part = part
			if first == nil || rec.Doc != nil && rec.Doc.Page == 0 { // pages have a document in common, messages of a mailbox have not
				own := rec
				first = &own
			}
			if rec.Doc != nil {
				for _, a := range rec.Doc.Attachments {
					found = append(found, pending{a, first})
				}
			}
		}
		over = !w.yield(rec, err)
		return !over
	}
	if !recordsOf(w.ctx, in, opt, take) && (over || part == nil) {
		return false
	}
	taken := map[string]bool{}
	for _, a := range found {
		if !w.attachment(in, a, at, taken, depth+1) {
			return false
		}
	}
	return true
}

// attachment yields what one attachment of in has.
func (w *attachmentWalk) attachment(in Input, a pending, at string, taken map[string]bool, depth int) bool {
	name := attachmentName(a.Name, taken)
	place := Place{File: in.Name + partSep + name}
	refuse := func(reason, detail string) bool {
		return w.yield(Record{}, &RecordError{Place: place, Reason: reason, Detail: detail})
	}
	if w.count++; w.count > maxAttachments {
		if w.count > maxAttachments+1 {
			return true
		}
		return refuse(ReasonTooLarge, fmt.Sprintf("this and what follows is not read: the file has more than %d attachments", maxAttachments))
	}
	if depth > maxAttachmentDepth {
		return refuse(ReasonTooLarge, fmt.Sprintf("it is not read: it is attached to what is attached, and so on, more than %d times", maxAttachmentDepth))
	}
	sub, err := a.Open()
	if err != nil {
		return refuse(ReasonBroken, fmt.Sprintf("the attachment cannot be read (%v); open the file in its own program and save the attachment beside it", err))
	}
	defer sub.close()
	sub.Name = place.File
	opt := w.opt
	opt.Format, opt.Item, opt.Found = "", "document", nil
	f, err := Detect(sub, Options{})
	switch {
	case err != nil && byExt(strings.ToLower(path.Ext(name))) == nil && !opt.Converts(name):
		w.passed = append(w.passed, name)
		return true
	case f == Image && !w.opt.OCR.On(): // the logo of a signature, most often
		w.pictures = append(w.pictures, name)
		return true
	case f == PDF && w.opt.Item == "page":
		opt.Item = "page"
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(sub, 0, sub.Size)); err != nil {
		w.failed = append(w.failed, name)
		return refuse(ReasonUnreadable, fmt.Sprintf("the attachment cannot be read (%v); run again", withoutPath(err)))
	}
	part := &Part{Path: name, Size: sub.Size, SHA256: hex.EncodeToString(sum.Sum(nil)), Parent: a.parent}
	if at != "" {
		part.Path = at + partSep + name
	}
	return w.file(sub, opt, part, part.Path, depth)
}

// attachmentName makes an attachment's name one of a file, and unlike those of
// the others.
func attachmentName(name string, taken map[string]bool) string {
	name = strings.ReplaceAll(name, `\`, "/")
	name = strings.TrimSpace(name[strings.LastIndex(name, "/")+1:])
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '!' {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
	if name == "" || name == "." || name == ".." {
		name = "attachment"
	}
	ext := path.Ext(name)
	unique := name
	for n := 2; taken[strings.ToLower(unique)]; n++ {
		unique = fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(name, ext), n, ext)
	}
	taken[strings.ToLower(unique)] = true
	return unique
}

// recordErrorOf makes the error that ends an attachment one of a record of its
// file, which goes on.
func recordErrorOf(err error) *RecordError {
	bad, ok := errors.AsType[*FileError](err)
	if !ok {
		bad = &FileError{Reason: ReasonBroken, Detail: err.Error()} // unreachable: asFileError has been there
	}
	return &RecordError{Place: bad.Place, Reason: bad.Reason, Detail: bad.Detail, Missing: bad.Missing}
}

// wholeTable makes one document of a table's rows, a row a line, its cells
// parted by tabs, sheets by form feeds.
func wholeTable(ctx context.Context, in Input, opt Options, rows iter.Seq2[Record, error]) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		t := &tableText{most: int(orDefault(opt.Limits.Record, defaultRecordLimit))}
		var last error
		for rec, err := range rows {
			if err != nil && !isRecordError(err) {
				last = err
				break
			}
			if err != nil {
				if !yield(Record{}, err) {
					return
				}
				continue
			}
			if t.row(rec); t.full {
				break // the rest would only be thrown away
			}
		}
		if last != nil && t.b.Len() == 0 {
			yield(Record{}, last)
			return
		}
		doc := &Document{Body: t.b.String(), Headings: t.sheets}
		if t.full {
			doc.Warnings = append(doc.Warnings, fmt.Sprintf("the text was cut at %d bytes; raise limits.record, or set item to row", t.b.Len()))
		}
		if !yield(Record{Place: Place{File: in.Name}, Doc: doc}, nil) {
			return
		}
		if last == nil {
			last = ctx.Err()
		}
		if last != nil {
			yield(Record{}, last)
		}
	}
}

// A tableText is the text of a table's rows so far.
type tableText struct {
	b      strings.Builder
	most   int
	full   bool
	header *Header
	sheets []string
}

func (t *tableText) row(rec Record) {
	if rec.Header != t.header {
		t.header = rec.Header
		if t.b.Len() > 0 {
			t.write("\f")
		}
		if rec.Place.Sheet != "" {
			t.sheets = append(t.sheets, rec.Place.Sheet)
			t.write(rec.Place.Sheet + "\n")
		}
		t.write(strings.Join(rec.Header.Names(), "\t") + "\n")
	}
	t.write(strings.TrimRight(strings.Join(rec.Text, "\t"), "\t") + "\n")
}

func (t *tableText) write(s string) {
	if left := t.most - t.b.Len(); len(s) > left {
		s, t.full = cutText(s, left), true
	}
	t.b.WriteString(s)
}
