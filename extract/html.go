package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// HTML reads web pages, a page a record: text, title, headings, metadata, and
// any element by its CSS selector.
var HTML = &Format{
	Name:    "html",
	Exts:    []string{".html", ".htm", ".xhtml"},
	Sniff:   sniffHTML,
	Read:    readHTML,
	Version: "2",
}

// Check reports the first option that cannot be meant.
func (o HTMLOptions) Check() error {
	switch o.Content {
	case "", "article", "main", "full":
	default:
		return fmt.Errorf("html.content is %q; it is article, main or full", o.Content)
	}
	if o.Encoding != "" && !strings.EqualFold(o.Encoding, "auto") {
		if _, err := lookupCodec(o.Encoding); err != nil {
			return fmt.Errorf("html.encoding: %v", err)
		}
	}
	return nil
}

// sniffHTML tells a page by what may come first in it (the WHATWG's MIME
// sniffing has more tags, which other files may begin with too).
func sniffHTML(head []byte) bool {
	if name, n := byBOM(head); n > 0 {
		head = narrow(head[n:], name)
	} else if name := byNULs(head); name != "" {
		head = narrow(head, name)
	}
	comment := false
	for {
		head = bytes.TrimLeft(head, " \t\r\n\f")
		switch {
		case bytes.HasPrefix(head, []byte("<!--")):
			_, rest, whole := bytes.Cut(head[4:], []byte("-->"))
			if !whole {
				return true
			}
			head, comment = rest, true
			continue
		case bytes.HasPrefix(head, []byte("<?")):
			_, rest, whole := bytes.Cut(head, []byte(">"))
			if !whole {
				return false
			}
			head = rest
			continue
		}
		break
	}
	for _, tag := range []string{"<!doctype html", "<html", "<head", "<body", "<title", "<meta"} {
		if len(head) > len(tag) && strings.EqualFold(string(head[:len(tag)]), tag) && (isHTMLSpace(head[len(tag)]) || head[len(tag)] == '>' || head[len(tag)] == '/') {
			return true
		}
	}
	return comment && !bytes.HasPrefix(head, []byte("<")) // with a tag after it: XML, SVG, or what the name says
}

// narrow drops the zero bytes of UTF-16 and UTF-32.
func narrow(head []byte, name string) []byte {
	if name == "utf-8" {
		return head
	}
	return bytes.ReplaceAll(head, []byte{0}, nil)
}

// readHTML yields the only record of a page, or why it cannot be had.
func readHTML(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		yield(readPage(ctx, in, opt))
	}
}

func readPage(ctx context.Context, in Input, opt Options) (Record, error) {
	place := Place{File: in.Name}
	if opt.Item != "" && opt.Item != "document" {
		return Record{}, &FileError{Place: place, Reason: ReasonOption,
			Detail: fmt.Sprintf("item is %q, but a web page is one record; write item: document, or leave it out", opt.Item)}
	}
	if err := opt.HTML.Check(); err != nil {
		return Record{}, &FileError{Place: place, Reason: ReasonOption, Detail: err.Error()}
	}
	raw, err := readAllOf(ctx, in, opt.Limits)
	if err != nil {
		return Record{}, err
	}
	page, err := decodeHTML(raw, opt.HTML.Encoding)
	if err != nil {
		return Record{}, &FileError{Place: place, Reason: ReasonOption, Detail: "html.encoding: " + err.Error()}
	}
	if page.short {
		return Record{}, shortPage(place, "a character")
	}
	if strings.Trim(page.text, " \t\r\n\f\uFEFF") == "" {
		return Record{}, &FileError{Place: place, Reason: ReasonEmpty, Detail: "there is nothing but white space in the file"}
	}
	doc, warnings, err := parsePage(ctx, place, page.text)
	if err != nil {
		return Record{}, err
	}
	if page.warning != "" {
		warnings = append(warnings, page.warning)
	}
	d, err := newDocument(ctx, doc, opt)
	if err != nil {
		return Record{}, err
	}
	if d.Body == "" {
		warnings = append(warnings, "no text was found in the page")
	}
	d.Warnings = warnings
	if opt.Warn != nil {
		for _, w := range warnings {
			opt.Warn(place, w)
		}
	}
	return Record{Place: place, Doc: d}, nil
}

// readAllOf reads the file, which a tree of it needs as a whole.
func readAllOf(ctx context.Context, in Input, limits Limits) ([]byte, error) {
	place := Place{File: in.Name}
	most := limits.Record
	if most <= 0 {
		most = defaultRecord
	}
	if in.Size > most {
		return nil, &FileError{Place: place, Reason: ReasonTooLarge,
			Detail: fmt.Sprintf("the page has %s and may have %s; split it, or raise limits.record", byteWords(in.Size), byteWords(int64(most)))}
	}
	raw := make([]byte, in.Size)
	for from := 0; from < len(raw); {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := in.ReadAt(raw[from:min(len(raw), from+1<<20)], int64(from))
		from += n
		switch {
		case n == 0 && errors.Is(err, io.EOF) || n == 0 && err == nil:
			return nil, &FileError{Place: place, Reason: ReasonUnreadable, Err: ErrShort,
				Detail: fmt.Sprintf("the file ended at byte %d while it was read, and had %d when it was opened; run again when nobody writes to it", from, in.Size)}
		case err != nil && !errors.Is(err, io.EOF):
			return nil, &FileError{Place: place, Reason: ReasonUnreadable, Err: err,
				Detail: fmt.Sprintf("the file cannot be read to its end (%v); check the disk or the network share, then run again", cause(err))}
		}
	}
	if len(raw) == 0 {
		return nil, &FileError{Place: place, Reason: ReasonEmpty, Detail: "the file is empty"}
	}
	return raw, nil
}

func shortPage(place Place, what string) error {
	return &FileError{Place: place, Reason: ReasonShort, Err: ErrShort,
		Detail: fmt.Sprintf("the file ends inside %s: it was cut off, or that is never closed; fetch or save the page again", what)}
}

// parsePage makes the tree of a page.
func parsePage(ctx context.Context, place Place, text string) (doc *html.Node, warnings []string, err error) {
	xml := strings.HasPrefix(strings.TrimLeft(text[:min(len(text), 256)], " \t\r\n\uFEFF"), "<?xml") ||
		strings.EqualFold(filepath.Ext(place.File), ".xhtml")
	report := surveyMarkup(text, xml)
	if report.open != "" {
		return nil, nil, shortPage(place, report.open)
	}
	if report.expand {
		text = expandXML(text)
	}
	if !report.wild() {
		doc, err = html.Parse(&pageReader{ctx: ctx, s: text})
		if err == nil || ctx.Err() != nil {
			return doc, nil, ctx.Err()
		}
	}
	doc, err = html.Parse(&pageReader{ctx: ctx, s: tame(text, false)})
	switch {
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	case err != nil:
		return nil, nil, &FileError{Place: place, Reason: ReasonBroken, Err: err,
			Detail: "the elements of the page are nested too deeply to read; save it again in its own program"}
	}
	return doc, []string{"the elements of the page are nested very deeply; it was read without its deepest ones and without bold, italics and the like, the text is complete"}, nil
}

// A pageReader ends the parser's reading when ctx is cancelled.
type pageReader struct {
	ctx context.Context
	s   string
}

func (r *pageReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.s == "" {
		return 0, io.EOF
	}
	n := copy(p, r.s)
	r.s = r.s[n:]
	return n, nil
}

// newDocument takes from the tree what a record holds. The tree stays as it
// is afterwards: Select reads it.
func newDocument(ctx context.Context, doc *html.Node, opt Options) (*Document, error) {
	d := &Document{}
	d.Title, d.Meta = metaOf(doc)
	part := findMain(doc, opt.HTML.Content, d.Title, d.Meta["author"] != "")
	if part.text == "" {
		part = unscripted(doc)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.Body = strings.ToValidUTF8(part.text, string(utf8.RuneError))
	d.Headings = headingsOf(part)
	canonical := d.Meta["canonical"]
	d.HTML = sync.OnceValue(func() string { return cleanHTML(part, baseOf(doc, canonical)) })
	d.Select = func(css string) ([]string, error) { return selectFrom(doc, css) }
	return d, ctx.Err()
}

// unscripted is what a page without text shows to readers without scripts or
// frames.
func unscripted(doc *html.Node) mainPart {
	box := &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div}
	for n := range doc.Descendants() {
		if n.DataAtom != atom.Noscript && n.DataAtom != atom.Noframes {
			continue
		}
		context := &html.Node{Type: html.ElementNode, Data: "body", DataAtom: atom.Body}
		nodes, err := html.ParseFragment(strings.NewReader(rawTextOf(n)), context)
		if err != nil {
			continue // nested too deeply, in an element that hardly anybody sees
		}
		for _, c := range nodes {
			box.AppendChild(c)
		}
	}
	return withText(mainPart{root: box, skip: unseen})
}

// headingsOf gives the headings of a part, in order; a headline that
// the search has dropped comes first again.
func headingsOf(part mainPart) []string {
	var list []string
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			if c.Type != html.ElementNode || part.skip(c) {
				continue
			}
			if !isHeading(c) {
				walk(c)
				continue
			}
			if text := lineOf(c, part.skip); text != "" {
				list = append(list, text)
			}
		}
	}
	walk(part.root)
	if part.headline != "" && !slices.Contains(list, part.headline) {
		list = slices.Insert(list, 0, part.headline)
	}
	return list
}

func isHeading(n *html.Node) bool {
	switch n.DataAtom {
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		return true
	}
	return false
}
