package extract

import (
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"path"
	"strings"
)

// PPTX reads PowerPoint presentations: the text of the slides in their order,
// with tables, diagrams and the speaker's notes. With item: page every slide is
// a record.
var PPTX = &Format{
	Name:    "pptx",
	Exts:    []string{".pptx", ".pptm", ".ppsx", ".ppsm", ".potx", ".potm"},
	Sniff:   nil, // Detect looks into the zip
	Read:    slideShow(readPPTX),
	Keep:    true,
	Isolate: true,
	Version: "1",
}

// A slide is a page of a presentation.
type slide struct {
	title string
	text  string
	cut   int // bytes at which its text was cut, 0 if it was not
}

// A presentation is what slideShow makes records of.
type presentation struct {
	doc    *Document // without its text
	slides []slide
}

// slideShow is the reader of a format of slides.
func slideShow(read func(ctx context.Context, in Input, opt Options) (*presentation, error)) func(context.Context, Input, Options) iter.Seq2[Record, error] {
	return func(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
		return func(yield func(Record, error) bool) {
			switch opt.Item {
			case "", "document", "page":
			default:
				yield(Record{}, docError(in, ReasonOption, fmt.Sprintf("a presentation has no %ss; set item to document or page", opt.Item), nil))
				return
			}
			p, err := read(ctx, in, opt)
			if ctxErr := ctx.Err(); ctxErr != nil {
				err = ctxErr
			}
			if err != nil {
				yield(Record{}, err)
				return
			}
			p.doc.Pages = len(p.slides)
			finishDocument(p.doc, opt)
			if opt.Item == "page" {
				p.pages(in, yield)
				return
			}
			p.whole(newDocText(opt).most)
			yield(Record{Place: Place{File: in.Name}, Doc: p.doc}, nil)
		}
	}
}

// pages yields a record for each slide. What is attached goes with the first.
func (p *presentation) pages(in Input, yield func(Record, error) bool) {
	for i, s := range p.slides {
		d := &Document{Body: s.text, Title: p.doc.Title, Meta: maps.Clone(p.doc.Meta), Page: i + 1, Pages: len(p.slides)}
		d.addHeading(s.title)
		if i == 0 {
			d.Attachments, d.Warnings = p.doc.Attachments, p.doc.Warnings
		}
		if s.cut > 0 {
			d.Warnings = append(d.Warnings, cutNote(s.cut))
		}
		if !yield(Record{Place: Place{File: in.Name, Page: i + 1}, Doc: d}, nil) {
			return
		}
	}
}

// whole gives the document its text, slides parted by form feeds.
func (p *presentation) whole(most int) {
	var b strings.Builder
	for i, s := range p.slides {
		if i > 0 {
			b.WriteByte('\f')
		}
		if b.Len()+len(s.text) > most || s.cut > 0 {
			b.WriteString(cutText(s.text, most-b.Len()))
			p.doc.Warnings = append(p.doc.Warnings, fmt.Sprintf("the text was cut at %d bytes, on slide %d of %d; raise limits.record, or set item to page", b.Len(), i+1, len(p.slides)))
			break
		}
		b.WriteString(s.text)
		p.doc.addHeading(s.title)
	}
	p.doc.Body = b.String()
	if strings.Trim(p.doc.Body, "\f") == "" {
		p.doc.Warnings = append(p.doc.Warnings, "no text was found in it")
	}
}

// maxSlides bounds the slides of a presentation.
const maxSlides = 20_000

func readPPTX(ctx context.Context, in Input, opt Options) (*presentation, error) {
	z, err := openZip(ctx, in, opt, "a PowerPoint presentation")
	if err != nil {
		return nil, err
	}
	root, err := z.rels("_rels/.rels", "")
	if err != nil {
		return nil, zipPartError(in.Name, "_rels/.rels", err)
	}
	main := root.target("officeDocument")
	if !z.has(main) {
		main = "ppt/presentation.xml"
	}
	if !z.has(main) {
		return nil, docError(in, ReasonBroken, "this zip is not a presentation: it has no ppt/presentation.xml; save it again as .pptx", nil)
	}
	rels, err := z.rels(path.Join(path.Dir(main), "_rels", path.Base(main)+".rels"), path.Dir(main))
	if err != nil {
		return nil, zipPartError(in.Name, main, err)
	}
	ids, err := slideIDs(z, main)
	if err != nil {
		return nil, zipPartError(in.Name, main, err)
	}
	p := &presentation{doc: &Document{}}
	left := newDocText(opt).most
	for _, id := range ids {
		rel, ok := rels.byID[id]
		if !ok || !z.has(rel.target) {
			continue
		}
		s, err := readSlide(z, rel.target, left)
		if err != nil {
			return nil, zipPartError(in.Name, rel.target, err)
		}
		if opt.Item != "page" {
			left -= len(s.text)
		}
		p.slides = append(p.slides, s)
		if left <= 0 || len(p.slides) >= maxSlides {
			break
		}
	}
	p.doc.readProperties(z, root.target("core-properties"))
	p.doc.readProperties(z, root.target("extended-properties"))
	p.doc.readProperties(z, root.target("custom-properties"))
	p.doc.embedded(z, path.Dir(partName(main))+"/embeddings/")
	return p, nil
}

// slideIDs lists the relationship ids of the slides, in order.
func slideIDs(z *bookZip, main string) (ids []string, err error) {
	rc, err := z.open(main)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	s := newTagScanner(rc)
	whole := false
	for {
		t, ok := s.next()
		if !ok {
			break
		}
		switch {
		case t.is("sldId") && !t.close && len(ids) < maxSlides:
			ids = append(ids, t.relID())
		case t.is("presentation") && t.close:
			whole = true
		}
	}
	if err := s.drain(); err != nil {
		return nil, err
	}
	if !whole {
		return nil, io.ErrUnexpectedEOF
	}
	return ids, nil
}

// relID is the attribute id with a prefix: one without is another.
func (t *tag) relID() string {
	for _, field := range strings.Fields(string(t.attrs)) {
		key, value, ok := strings.Cut(field, "=")
		if ok && strings.HasSuffix(key, ":id") && len(value) > 2 {
			return value[1 : len(value)-1]
		}
	}
	return ""
}

// readSlide reads a slide and what belongs to it.
func readSlide(z *bookZip, part string, most int) (slide, error) {
	text := &docText{most: most}
	title, err := drawnText(z, part, text, nil)
	if err != nil {
		return slide{}, err
	}
	rels, err := z.rels(path.Join(path.Dir(part), "_rels", path.Base(part)+".rels"), path.Dir(part))
	if err != nil {
		rels = relations{}
	}
	for _, rel := range rels.list {
		switch rel.kind {
		case "diagramData", "chart", "notesSlide":
			if !z.has(rel.target) {
				continue
			}
			text.gap()
			skip := map[string]bool(nil)
			if rel.kind == "notesSlide" {
				skip = map[string]bool{"sldNum": true, "hdr": true, "ftr": true, "dt": true, "sldImg": true}
			}
			if _, err := drawnText(z, rel.target, text, skip); err != nil && !secondary(err) {
				return slide{}, err
			}
		}
	}
	s := slide{title: title, text: text.String()}
	if text.full {
		s.cut = len(text.b)
	}
	return s, nil
}

// drawnText reads the paragraphs of a drawing (DrawingML). Placeholders of the
// kinds in skip are left out. title is the text of the title's placeholder.
func drawnText(z *bookZip, part string, text *docText, skip map[string]bool) (title string, err error) {
	rc, err := z.open(part)
	if err != nil {
		return "", err
	}
	defer rc.Close()
	s := newTagScanner(rc)
	var kind string // of the shape's placeholder
	from, cells, fallback := 0, 0, 0
	for !text.full {
		t, ok := s.next()
		if !ok {
			break
		}
		switch {
		case t.is("Fallback"):
			if fallback += 1; t.close || t.empty {
				fallback = 0
			}
		case fallback > 0:
		case t.is("sp"):
			if !t.close {
				kind = ""
				from = len(text.b)
			} else if (kind == "title" || kind == "ctrTitle") && title == "" {
				title = text.since(from)
			}
		case t.is("ph") && !t.close:
			if kind = t.text("type"); kind == "" {
				kind = "body"
			}
		case t.is("t") && !t.close && !t.empty && !skip[kind]:
			text.read(s)
		case t.is("tr"):
			cells = 0
			text.line()
		case t.is("tc") && !t.close:
			if cells++; cells > 1 {
				text.tab()
			}
		case t.is("tc"):
		case t.is("p") && (t.close || t.empty), t.is("br") && !t.close:
			if cells > 0 && !t.is("br") {
				text.space()
			} else {
				text.line()
			}
		case t.is("tbl") && t.close:
			cells = 0
			text.line()
		}
	}
	if text.full {
		return title, nil
	}
	return title, s.drain()
}
