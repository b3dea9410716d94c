package extract

import (
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// DOCX reads Word documents: the text in reading order with its tables, lists,
// headings, footnotes, comments, headers and footers. Deleted and hidden text is
// left out. The reader is our own, a walk over the tags: the libraries that
// there are may not be shipped (AGPL) or only fill in templates.
var DOCX = &Format{
	Name:    "docx",
	Exts:    []string{".docx", ".docm", ".dotx", ".dotm"},
	Sniff:   nil, // Detect looks into the zip
	Read:    oneDocument("a Word document", readDOCX),
	Keep:    true,
	Isolate: true,
	Version: "1",
}

func readDOCX(ctx context.Context, in Input, opt Options) (*Document, error) {
	z, err := openZip(ctx, in, opt, "a Word document")
	if err != nil {
		return nil, err
	}
	root, err := z.rels("_rels/.rels", "")
	if err != nil {
		return nil, zipPartError(in.Name, "_rels/.rels", err)
	}
	main := root.target("officeDocument")
	if !z.has(main) {
		main = "word/document.xml"
	}
	if !z.has(main) {
		return nil, docError(in, ReasonBroken, "this zip is not a Word document: it has no word/document.xml; save it again as .docx", nil)
	}
	rels, err := z.rels(path.Join(path.Dir(main), "_rels", path.Base(main)+".rels"), path.Dir(main))
	if err != nil {
		return nil, zipPartError(in.Name, main, err)
	}
	doc := &Document{}
	d := &docxReader{ctx: ctx, name: in.Name, zip: z, doc: doc, text: newDocText(opt), rels: rels}
	d.readStyles(rels.target("styles"))
	var around []string // headers and footers that were told
	d.edge(rels, "header", &around)
	if err := d.part(main, true); err != nil {
		return nil, zipPartError(in.Name, main, err)
	}
	for _, kind := range []string{"footnotes", "endnotes", "comments"} {
		if part := rels.target(kind); z.has(part) {
			d.text.gap()
			if err := d.part(part, false); err != nil {
				if !secondary(err) {
					return nil, zipPartError(in.Name, part, err)
				}
				doc.Warnings = append(doc.Warnings, fmt.Sprintf("the %s cannot be read; open the document in Word and save it again", kind))
			}
		}
	}
	d.edge(rels, "footer", &around)
	doc.takeText(d.text)
	doc.readProperties(z, root.target("core-properties"))
	doc.readProperties(z, root.target("extended-properties"))
	doc.readProperties(z, root.target("custom-properties"))
	doc.embedded(z, path.Dir(partName(main))+"/embeddings/")
	return doc, nil
}

// A docxReader walks the parts of a Word document.
type docxReader struct {
	ctx      context.Context
	name     string // of the file
	zip      *bookZip
	rels     relations // of the document's part
	doc      *Document
	text     *docText
	headings map[string]bool // ids of paragraph styles that are headings
}

// edge reads the headers or footers, each text once.
func (d *docxReader) edge(rels relations, kind string, told *[]string) {
	for _, rel := range rels.list {
		if rel.kind != kind || !d.zip.has(rel.target) {
			continue
		}
		own := &docxReader{ctx: d.ctx, name: d.name, zip: d.zip, doc: &Document{}, text: &docText{most: d.text.most}, headings: d.headings}
		if own.part(rel.target, false) != nil {
			continue // the file's checksum is wrong there; nobody misses a header
		}
		s := own.text.String()
		if s == "" || slices.Contains(*told, s) || len(*told) > 100 {
			continue
		}
		*told = append(*told, s)
		d.text.gap()
		d.text.write(s)
		d.text.gap()
	}
}

// readStyles finds the styles of headings: their names are fixed, in whatever
// language the style is shown (ECMA-376 part 1, 17.7.4.9).
func (d *docxReader) readStyles(part string) {
	d.headings = map[string]bool{"Title": true}
	for n := range 9 {
		d.headings[fmt.Sprintf("Heading%d", n+1)] = true
	}
	if !d.zip.has(part) {
		return
	}
	rc, err := d.zip.open(part)
	if err != nil {
		return
	}
	defer rc.Close()
	s := newTagScanner(rc)
	id := ""
	for {
		t, ok := s.next()
		if !ok {
			return
		}
		switch {
		case t.is("style") && !t.close:
			id = t.text("styleId")
		case t.is("name") && !t.close && id != "" && len(d.headings) < 10_000:
			name := strings.ToLower(t.text("val"))
			if name == "title" || strings.HasPrefix(name, "heading ") {
				d.headings[id] = true
			}
			id = ""
		}
	}
}

// A docxState is where the walk stands.
type docxState struct {
	cells   []int // of each open table: cells of its row so far
	from    int   // where the paragraph's text begins
	heading bool  // the paragraph is one
	list    bool  // the paragraph is an item of a list
	fresh   bool  // the paragraph has no text yet
	props   bool  // within properties of a run
	hidden  bool  // the run is not shown
	depth   int   // open elements that are passed over
	over    string
}

// docxPassed are elements of which nothing is read: what was deleted or moved
// away, the second version of what some programs know no first of, and the
// numbers of pages that the fields of the first have.
var docxPassed = map[string]bool{"del": true, "moveFrom": true, "Fallback": true, "instrText": true, "delText": true, "sectPr": true, "rubyPr": true, "rt": true}

// part reads a part. main tells that of the document itself, which has to be
// whole and whose headings count.
func (d *docxReader) part(part string, main bool) error {
	rc, err := d.zip.open(part)
	if err != nil {
		return err
	}
	defer rc.Close()
	s := newTagScanner(rc)
	var st docxState
	root, whole := "", false
	for !d.text.full {
		t, ok := s.next()
		if !ok {
			break
		}
		if root == "" {
			root = string(t.name)
		} else if t.close && t.is(root) {
			whole = true
		}
		d.tag(s, &t, &st, main)
	}
	if d.text.full {
		return nil
	}
	if err := s.drain(); err != nil {
		return err
	}
	if main && !whole {
		return io.ErrUnexpectedEOF
	}
	return nil
}

func (d *docxReader) tag(s *tagScanner, t *tag, st *docxState, main bool) {
	name := string(t.name)
	if st.depth > 0 { // within what is passed over
		if name == st.over {
			if t.close {
				st.depth--
			} else if !t.empty {
				st.depth++
			}
		}
		return
	}
	if docxPassed[name] && !t.close && !t.empty {
		st.depth, st.over = 1, name
		return
	}
	switch name {
	case "p":
		d.paragraph(t, st, main)
	case "pStyle":
		st.heading = d.headings[t.text("val")]
	case "numPr":
		st.list = st.list || !t.close
	case "numId":
		if v := t.text("val"); v == "0" {
			st.list = false
		}
	case "rPr":
		st.props = !t.close && !t.empty
	case "vanish", "webHidden":
		if v := t.text("val"); st.props && v != "0" && v != "false" {
			st.hidden = true
		}
	case "r":
		st.hidden = false
	case "t":
		if !t.close && !t.empty && !st.hidden {
			d.begin(st)
			d.text.read(s)
		}
	case "tab", "ptab":
		if !t.close && !st.props && !st.hidden && !st.fresh {
			d.text.tab()
		}
	case "br", "cr":
		if !t.close {
			d.text.line()
		}
	case "noBreakHyphen":
		if !t.close {
			d.text.write("-")
		}
	case "tbl", "tr", "tc":
		d.table(t, st)
	case "altChunk":
		if main && !t.close {
			d.chunk(d.rels.byID[t.relID()].target)
		}
	}
}

// chunk reads a page or a text that Word is to take in when it opens the
// document, as programs write it that make documents of web pages (ECMA-376
// part 1, 17.17.2). One of another kind is told.
func (d *docxReader) chunk(part string) {
	lost := func() {
		d.doc.Warnings = append(d.doc.Warnings, fmt.Sprintf("the text in %s, which Word would take in, cannot be read; open the document in Word and save it again", path.Base(part)))
	}
	if !d.zip.has(part) || len(d.doc.Warnings) > 100 {
		return
	}
	data, err := d.zip.readAll(part)
	if err != nil {
		lost()
		return
	}
	var page *Document
	switch strings.ToLower(path.Ext(part)) {
	case ".htm", ".html", ".xhtml":
		page, err = htmlText(d.ctx, d.name, data)
	case ".mht", ".mhtml", ".eml":
		var m *mailMessage
		if m, err = parseMail(d.ctx, data); err == nil {
			page, err = m.document(d.ctx, Input{Name: d.name}, Options{})
		}
	case ".txt":
		text, _, decodeErr := decodeText(data, "", false)
		page, err = &Document{Body: cleanText(text)}, decodeErr
	default:
		lost()
		return
	}
	if err != nil {
		lost()
		return
	}
	d.text.gap()
	d.text.write(page.Body)
	d.text.gap()
	for _, h := range page.Headings {
		d.doc.addHeading(h)
	}
}

// begin is called before the text of a run.
func (d *docxReader) begin(st *docxState) {
	if !st.fresh {
		return
	}
	st.fresh = false
	if len(st.cells) > 0 {
		d.text.space()
	}
	if st.list && !st.heading {
		d.text.write("- ")
	}
	d.text.start()
	st.from = len(d.text.b)
}

// paragraph begins or ends one. Those of a table's cell are parted by spaces.
func (d *docxReader) paragraph(t *tag, st *docxState, main bool) {
	cell := len(st.cells) > 0
	if !t.close {
		if !cell {
			d.text.line()
		}
		st.heading, st.list, st.hidden, st.fresh, st.props = false, false, false, true, false
		st.from = len(d.text.b)
	}
	if t.close || t.empty {
		if st.heading && main && !st.fresh {
			d.doc.addHeading(d.text.since(st.from))
		}
		if !cell {
			d.text.line()
		}
		st.heading, st.list, st.fresh = false, false, cell
	}
}

func (d *docxReader) table(t *tag, st *docxState) {
	if t.empty {
		return
	}
	switch {
	case t.is("tbl") && !t.close:
		if len(st.cells) < 1000 {
			st.cells = append(st.cells, 0)
		}
		d.text.line()
	case t.is("tbl"):
		if len(st.cells) > 0 {
			st.cells = st.cells[:len(st.cells)-1]
		}
		d.text.line()
	case len(st.cells) == 0:
	case t.is("tr"):
		st.cells[len(st.cells)-1] = 0
		d.text.line()
		st.fresh = true
	case !t.close: // tc
		n := &st.cells[len(st.cells)-1]
		if *n++; *n > 1 {
			d.text.tab()
		}
		st.fresh = true
	}
}
