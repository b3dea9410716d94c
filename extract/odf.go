package extract

import (
	"context"
	"io"
	"strings"
)

// ODT reads OpenDocument texts, ODP presentations; the spreadsheets are in
// ods.go. All of the text is in content.xml, headers and footers in styles.xml
// (ODF 1.3 part 3).
var (
	ODT = &Format{
		Name:    "odt",
		Exts:    []string{".odt", ".ott"},
		Sniff:   sniffODF("text"),
		Read:    oneDocument("an OpenDocument text", readODT),
		Keep:    true,
		Isolate: true,
		Version: "1",
	}
	ODP = &Format{
		Name:    "odp",
		Exts:    []string{".odp", ".otp"},
		Sniff:   sniffODF("presentation"),
		Read:    slideShow(readODP),
		Keep:    true,
		Isolate: true,
		Version: "1",
	}
)

// openODF opens the zip of an OpenDocument file.
func openODF(ctx context.Context, in Input, opt Options, what string) (*bookZip, error) {
	z, err := openZip(ctx, in, opt, what)
	if err != nil {
		return nil, err
	}
	if err := odfEncrypted(z); err != nil {
		return nil, zipPartError(in.Name, "META-INF/manifest.xml", err)
	}
	if !z.has(odsContent) {
		return nil, docError(in, ReasonBroken, "this zip is not "+what+": it has no content.xml; save it again in its own program", nil)
	}
	return z, nil
}

func readODT(ctx context.Context, in Input, opt Options) (*Document, error) {
	z, err := openODF(ctx, in, opt, "an OpenDocument text")
	if err != nil {
		return nil, err
	}
	doc := &Document{}
	text := newDocText(opt)
	r := &odfReader{text: text, heading: doc.addHeading}
	if err := r.part(z, odsContent, "document-content"); err != nil {
		return nil, zipPartError(in.Name, odsContent, err)
	}
	if z.has("styles.xml") {
		edges := &odfReader{text: text, heading: func(string) {}, only: map[string]bool{"header": true, "footer": true}}
		text.gap()
		if err := edges.part(z, "styles.xml", ""); err != nil && !secondary(err) {
			return nil, zipPartError(in.Name, "styles.xml", err)
		}
	}
	doc.takeText(text)
	doc.odfMeta(z)
	return doc, nil
}

// odfMeta reads the metadata, and lists the embedded documents.
func (d *Document) odfMeta(z *bookZip) {
	d.readProperties(z, "meta.xml")
	d.embedded(z, "media/")
}

func readODP(ctx context.Context, in Input, opt Options) (*presentation, error) {
	z, err := openODF(ctx, in, opt, "an OpenDocument presentation")
	if err != nil {
		return nil, err
	}
	p := &presentation{doc: &Document{}}
	most := newDocText(opt).most
	r := &odfReader{text: &docText{most: most}, heading: func(string) {}}
	r.page = func() {
		s := slide{title: r.title, text: r.text.String()}
		if r.text.full {
			s.cut = len(r.text.b)
		}
		p.slides = append(p.slides, s)
		left := most
		if opt.Item != "page" {
			left = max(r.text.most-len(s.text), 0)
		}
		r.text = &docText{most: left}
		r.title = ""
	}
	if err := r.part(z, odsContent, "document-content"); err != nil {
		return nil, zipPartError(in.Name, odsContent, err)
	}
	p.doc.odfMeta(z)
	return p, nil
}

// An odfReader walks a part of an OpenDocument file.
type odfReader struct {
	text    *docText
	heading func(string)
	page    func()          // is called at the end of each slide
	only    map[string]bool // elements outside of which nothing is read
	title   string          // of the slide

	inside int // open elements of only
	stack  []odfBlock
	cells  []int // of each open table: cells of its row so far
	over   string
	depth  int
	frame  string // the class of the frame that is open
	from   int
}

// An odfBlock is an open paragraph or heading.
type odfBlock struct {
	heading bool
	from    int
}

// odfPassed are elements of which nothing is read.
var odfPassed = map[string]bool{"tracked-changes": true, "annotation-end": true, "scripts": true, "font-face-decls": true, "automatic-styles": true,
	"forms": true, "note-citation": true, "ruby-text": true, "binary-data": true, "sequence-decls": true, "index-title-template": true, "page-number": true}

// part reads a part to its end; root has to be closed in it, "" is not checked.
func (r *odfReader) part(z *bookZip, part, root string) error {
	rc, err := z.open(part)
	if err != nil {
		return err
	}
	defer rc.Close()
	s := newTagScanner(rc)
	whole := root == ""
	for {
		if len(r.stack) > 0 && r.depth == 0 && (r.only == nil || r.inside > 0) {
			r.text.read(s)
		}
		t, ok := s.next()
		if !ok {
			break
		}
		whole = whole || t.is(root) && t.close
		r.tag(&t)
		if r.text.full && r.page == nil {
			return nil
		}
	}
	if err := s.drain(); err != nil {
		return err
	}
	if !whole {
		return io.ErrUnexpectedEOF
	}
	return nil
}

func (r *odfReader) tag(t *tag) {
	name := string(t.name)
	if r.depth > 0 {
		if name == r.over {
			if t.close {
				r.depth--
			} else if !t.empty {
				r.depth++
			}
		}
		return
	}
	if odfPassed[name] && r.only == nil && !t.close && !t.empty {
		r.depth, r.over = 1, name
		return
	}
	if r.only[name] && !t.empty {
		if t.close {
			r.inside--
		} else {
			r.inside++
		}
		r.text.gap()
		return
	}
	if r.only != nil && r.inside <= 0 {
		return
	}
	switch name {
	case "p", "h":
		r.block(t, name == "h")
	case "s":
		if !t.close {
			r.text.write(strings.Repeat(" ", min(repeat(t, "c"), 100)))
		}
	case "tab":
		if !t.close {
			r.text.tab()
		}
	case "line-break":
		if !t.close {
			r.text.line()
		}
	case "list-item":
		if !t.close && len(r.cells) == 0 {
			r.text.line()
			r.text.write("- ")
		}
	case "table", "table-row", "table-cell", "covered-table-cell":
		r.table(t)
	case "note", "annotation":
		r.text.space()
	case "frame":
		r.endFrame(t)
	case "page":
		if r.page != nil && (t.close || t.empty) {
			r.stack, r.cells = nil, nil
			r.page()
		}
	case "notes":
		r.text.gap()
	}
}

// endFrame notes the title of a slide, which is the text of a frame of that
// class.
func (r *odfReader) endFrame(t *tag) {
	if !t.close {
		r.frame, r.from = t.text("class"), len(r.text.b)
		return
	}
	if r.frame == "title" && r.title == "" {
		r.title = r.text.since(r.from)
	}
	r.frame = ""
	r.text.line()
}

func (r *odfReader) block(t *tag, heading bool) {
	cell := len(r.cells) > 0
	if !t.close {
		switch n := len(r.text.b); {
		case cell:
			r.text.space()
		case n >= 2 && r.text.due == 0 && string(r.text.b[n-2:]) == "- ": // the first of a list's item
		default:
			r.text.line()
		}
		if !t.empty && len(r.stack) < 1000 {
			r.stack = append(r.stack, odfBlock{heading, len(r.text.b)})
		}
		return
	}
	if n := len(r.stack); n > 0 {
		if top := r.stack[n-1]; top.heading {
			r.heading(strings.TrimPrefix(r.text.since(top.from), "- "))
		}
		r.stack = r.stack[:n-1]
	}
	if !cell {
		r.text.line()
	}
}

func (r *odfReader) table(t *tag) {
	if t.empty {
		if !t.is("table") && !t.is("table-row") {
			r.cell()
		}
		return
	}
	switch {
	case t.is("table") && !t.close:
		if len(r.cells) < 1000 {
			r.cells = append(r.cells, 0)
		}
		r.text.line()
	case t.is("table"):
		if len(r.cells) > 0 {
			r.cells = r.cells[:len(r.cells)-1]
		}
		r.text.line()
	case len(r.cells) == 0:
	case t.is("table-row"):
		r.cells[len(r.cells)-1] = 0
		r.text.line()
	case !t.close:
		r.cell()
	}
}

// cell begins a cell of a table.
func (r *odfReader) cell() {
	if len(r.cells) == 0 {
		return
	}
	n := &r.cells[len(r.cells)-1]
	if *n++; *n > 1 {
		r.text.tab()
	}
}
