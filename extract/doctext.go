package extract

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// What the readers of office documents have in common: the text that they
// gather, their zips, their metadata.

// A docText is the text of a document so far: paragraphs are lines, the rows of
// tables are lines with tabs.
type docText struct {
	b    []byte
	most int  // bytes
	full bool // more would have come
	due  int  // line ends before the next text
}

func newDocText(opt Options) *docText {
	return &docText{most: int(min(orDefault(opt.Limits.Record, defaultRecordLimit), 1<<30))}
}

// start writes the line ends that are due.
func (t *docText) start() {
	if len(t.b) > 0 {
		for ; t.due > 0; t.due-- {
			t.b = append(t.b, '\n')
		}
	}
	t.due = 0
}

// read appends the text up to the scanner's next tag.
func (t *docText) read(s *tagScanner) {
	if t.full {
		return
	}
	before := len(t.b)
	t.start()
	begun := len(t.b)
	t.b, t.full = s.text(t.b, t.most)
	if len(t.b) == begun { // nothing came: what was due is still
		t.due = begun - before
		t.b = t.b[:before]
	}
}

func (t *docText) write(s string) {
	if t.full || s == "" {
		return
	}
	t.start()
	if len(t.b)+len(s) > t.most {
		s, t.full = cutText(s, t.most-len(t.b)), true
	}
	t.b = append(t.b, s...)
}

// line ends the line, if there is something on it.
func (t *docText) line() { t.due = max(t.due, 1) }

// gap parts what follows by an empty line.
func (t *docText) gap() { t.due = max(t.due, 2) }

// tab puts a tab in place of a space.
func (t *docText) tab() {
	n := len(t.b)
	if n == 0 || t.due > 0 {
		return // a line does not begin with one
	}
	if t.b[n-1] == ' ' {
		t.b = t.b[:n-1]
	}
	t.write("\t")
}

// space parts words, unless the line is at its beginning.
func (t *docText) space() {
	if n := len(t.b); n > 0 && t.due == 0 && t.b[n-1] > ' ' {
		t.write(" ")
	}
}

// since is the text from a position on, on one line.
func (t *docText) since(from int) string {
	return collapse(strings.ToValidUTF8(string(t.b[min(from, len(t.b)):]), "\uFFFD"))
}

// String is the text, without white space at the ends of lines.
func (t *docText) String() string {
	s := t.b
	if !utf8.Valid(s) {
		s = bytes.ToValidUTF8(s, []byte("\uFFFD"))
	}
	return tidyText(string(s))
}

// tidyText takes white space off the ends of lines, and characters that are
// none; more than two line ends in a row become two.
func tidyText(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	empty := 0
	for l := range strings.Lines(s) {
		l = strings.TrimRight(l, " \t\r\n\u00a0")
		if l == "" {
			empty++
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
			if empty > 0 {
				b.WriteByte('\n')
			}
		}
		empty = 0
		if strings.IndexFunc(l, notShown) >= 0 {
			l = strings.Map(func(r rune) rune {
				if notShown(r) {
					return -1
				}
				return r
			}, l)
		}
		b.WriteString(l)
	}
	return b.String()
}

// notShown tells characters that split words and are seen by nobody; form feeds
// and tabs stay.
func notShown(r rune) bool { return r != '\t' && r != '\f' && invisible(r) }

// A docError ends the reading of a document.
func docError(in Input, reason, detail string, err error) *FileError {
	return &FileError{Place: Place{File: in.Name}, Reason: reason, Detail: detail, Err: err}
}

// oneDocument is the reader of a format whose files are one document each: read
// gives it, or a *FileError. A document that was cut short comes with an error
// that wraps ErrShort.
func oneDocument(what string, read func(ctx context.Context, in Input, opt Options) (*Document, error)) func(context.Context, Input, Options) iter.Seq2[Record, error] {
	return func(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
		return func(yield func(Record, error) bool) {
			if opt.Item != "" && opt.Item != "document" {
				yield(Record{}, docError(in, ReasonOption, fmt.Sprintf("item is %q, but %s is one record; write item: document, or leave it out", opt.Item, what), nil))
				return
			}
			doc, err := read(ctx, in, opt)
			if ctxErr := ctx.Err(); ctxErr != nil {
				yield(Record{}, ctxErr)
				return
			}
			if doc != nil {
				finishDocument(doc, opt)
				if !yield(Record{Place: Place{File: in.Name}, Doc: doc}, nil) {
					return
				}
			}
			if err != nil {
				yield(Record{}, err)
			}
		}
	}
}

// finishDocument does what is due to every document.
func finishDocument(doc *Document, opt Options) {
	if opt.Attachments == AttachmentNone {
		doc.Attachments = nil
	}
	if doc.Title == "" {
		doc.Title = doc.Meta["title"]
	}
}

// cutNote is the warning of a text that was cut.
func cutNote(n int) string {
	return fmt.Sprintf("the text was cut at %d bytes; raise limits.record", n)
}

// takeText puts a text into a document.
func (d *Document) takeText(t *docText) {
	d.Body = t.String()
	if t.full {
		d.Warnings = append(d.Warnings, cutNote(len(t.b)))
	}
	if d.Body == "" {
		d.Warnings = append(d.Warnings, "no text was found in it")
	}
}

// addHeading notes a heading; hostile ones are many.
func (d *Document) addHeading(s string) {
	if s != "" && len(d.Headings) < maxHeadings {
		d.Headings = append(d.Headings, s)
	}
}

// setMeta notes metadata; what is empty is none.
func (d *Document) setMeta(key, value string) {
	value = collapse(strings.ToValidUTF8(value, "\uFFFD"))
	if value == "" || key == "" || len(d.Meta) > 1000 {
		return
	}
	if len(value) > 64<<10 {
		value = cutText(value, 64<<10)
	}
	if d.Meta == nil {
		d.Meta = map[string]string{}
	}
	d.Meta[key] = value
}

// coreNames maps the elements of Dublin Core and of both office formats' own
// metadata to the keys of Document.Meta.
var coreNames = map[string]string{
	"title": "title", "subject": "subject", "creator": "author", "initial-creator": "author", "keywords": "keywords", "keyword": "keywords",
	"description": "description", "language": "language", "created": "created", "creation-date": "created", "modified": "modified", "date": "modified",
	"lastModifiedBy": "lastModifiedBy", "category": "category", "revision": "revision", "generator": "producer", "Application": "producer",
	"Company": "company", "Manager": "manager", "contentStatus": "status", "version": "version", "publisher": "publisher", "identifier": "identifier",
}

// readProperties reads a part of metadata: elements of text, one level deep.
// Parts that are missing or damaged have none.
func (d *Document) readProperties(z *bookZip, part string) {
	if !z.has(part) {
		return
	}
	data, err := z.readAll(part)
	if err != nil {
		return
	}
	dec := xml.NewDecoder(bytes.NewReader(data))
	dec.Strict = false
	name, custom, text := "", "", ""
	var keywords []string
	for {
		tok, err := dec.RawToken()
		if err != nil {
			break
		}
		switch t := tok.(type) {
		case xml.StartElement:
			text = ""
			switch name = t.Name.Local; name {
			case "property", "user-defined":
				for _, a := range t.Attr {
					if a.Name.Local == "name" {
						custom = a.Value
					}
				}
			}
		case xml.CharData:
			if len(text) < 64<<10 {
				text += string(t)
			}
		case xml.EndElement:
			key := coreNames[t.Name.Local]
			switch {
			case custom != "" && strings.TrimSpace(text) != "":
				d.setMeta(custom, text)
				custom = ""
			case t.Name.Local == "keyword":
				keywords = append(keywords, collapse(text))
			case key == "created" || key == "modified":
				d.setMeta(key, dateTimeOf(text))
			case key == "author" && d.Meta["author"] != "" && t.Name.Local == "creator" && strings.HasPrefix(path.Base(part), "meta"):
				d.setMeta("lastModifiedBy", text) // dc:creator of OpenDocument is who saved it last
			case key != "" && (t.Name.Local != "initial-creator" || text != ""):
				if t.Name.Local == "initial-creator" && d.Meta["author"] != "" {
					d.setMeta("lastModifiedBy", d.Meta["author"])
				}
				d.setMeta(key, text)
			}
			text = ""
		}
	}
	if len(keywords) > 0 {
		d.setMeta("keywords", strings.Join(keywords, ", "))
	}
}

// dateTimeOf makes RFC 3339 of a date of XML Schema, "" of what is none.
func dateTimeOf(s string) string {
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Format(time.RFC3339)
		}
	}
	return ""
}

// Attachment of a part of a zip.
func (z *bookZip) attachment(part, name string) Attachment {
	f := z.parts[partName(part)]
	a := Attachment{Name: name, Open: func() (Input, error) { return z.spool(part) }}
	if f != nil {
		a.Size = int64(min(f.UncompressedSize64, 1<<62))
	}
	return a
}

// attachmentMost is how much of one attachment is held in memory.
const attachmentMost = 256 << 20

// spool unpacks a part.
func (z *bookZip) spool(part string) (Input, error) {
	rc, err := z.openRaw(part)
	if err != nil {
		return Input{}, err
	}
	defer rc.Close()
	data, err := io.ReadAll(io.LimitReader(rc, attachmentMost+1))
	if err != nil {
		return Input{}, err
	}
	if len(data) > attachmentMost {
		return Input{}, fmt.Errorf("it has more than %s", byteWords(attachmentMost))
	}
	return Input{Size: int64(len(data)), ReaderAt: bytes.NewReader(data)}, nil
}

// embedded lists the parts below a folder as attachments. What is packed into
// an OLE object is taken out of it where it is a file.
func (d *Document) embedded(z *bookZip, folder string) {
	var names []string
	for name := range z.parts {
		if strings.HasPrefix(name, folder) && !strings.HasSuffix(name, "/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if len(d.Attachments) >= maxAttachments {
			return
		}
		real := path.Base(strings.ReplaceAll(z.parts[name].Name, `\`, "/"))
		if !strings.HasSuffix(name, ".bin") {
			d.Attachments = append(d.Attachments, z.attachment(name, real))
			continue
		}
		in, err := z.spool(name)
		if err != nil {
			continue
		}
		if file, content, ok := olePackage(in); ok {
			d.Attachments = append(d.Attachments, Attachment{Name: file, Size: int64(len(content)), Open: func() (Input, error) {
				return Input{Size: int64(len(content)), ReaderAt: bytes.NewReader(content)}, nil
			}})
		}
	}
}

// olePackage takes the file out of an OLE package object: the stream
// \x01Ole10Native has its size, a label, two paths, and the content
// ([MS-OLEDS] 2.3.6).
func olePackage(in Input) (name string, content []byte, ok bool) {
	c, err := openCompound(in, in.Size)
	if err != nil {
		return "", nil, false
	}
	i := c.find(0, "\x01Ole10Native")
	if i < 0 {
		if i = c.find(0, "Package"); i >= 0 { // a file as it is
			content, err = c.read(i, attachmentMost)
			return "package", content, err == nil
		}
		return "", nil, false
	}
	b, err := c.read(i, attachmentMost)
	if err != nil || len(b) < 8 {
		return "", nil, false
	}
	rest := b[6:]
	label, rest, ok1 := bytes.Cut(rest, []byte{0})
	full, rest, ok2 := bytes.Cut(rest, []byte{0})
	if !ok1 || !ok2 || len(rest) < 8 {
		return "", nil, false
	}
	n := int64(u32(rest, 4))
	rest = rest[8:]
	if n > int64(len(rest)) {
		return "", nil, false
	}
	rest = rest[n:] // the temporary path
	size := int64(u32(rest, 0))
	if len(rest) < 4 || size > int64(len(rest)-4) {
		return "", nil, false
	}
	page, _ := lookupCodec("windows-1252")
	name = page.text(label)
	if name == "" {
		name = path.Base(strings.ReplaceAll(page.text(full), `\`, "/"))
	}
	return name, rest[4 : 4+size], true
}

// secondary tells whether the failure of a part beside the main one can be
// passed over with a warning: a limit cannot.
func secondary(err error) bool {
	_, over := errors.AsType[*limitError](err)
	return !over
}
