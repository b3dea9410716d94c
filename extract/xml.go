package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// XML reads files of XML by the path of their records: an element that it leads
// to is a row, whose columns are the elements in it and their attributes. Without
// a path the records are the elements right under the root, if they are of one
// name.
//
// Only tags are looked at, as in the parts of a workbook: there are no entities
// but XML's own, so that entity bombs find nothing to expand, and nothing is
// fetched.
var XML = &Format{
	Name:    "xml",
	Exts:    []string{".xml"},
	Table:   true,
	Read:    readXML,
	Version: "1",
}

// XMLOptions say what of a file of XML is a record.
type XMLOptions struct {
	// Record is the path of the records: //ticket for elements of that name
	// anywhere, /export/tickets/ticket for those at that place. "" is what stands
	// right under the root.
	Record string `yaml:"record"`
	// Columns are names that a record may have: they are columns even of a file
	// in which no record has them.
	Columns []string `yaml:"columns"`
}

// Check reports a path that cannot be meant.
func (o XMLOptions) Check() error {
	if o.Record == "" {
		return nil
	}
	_, err := parseXMLPath(o.Record)
	return err
}

// An xmlPath is the names of the elements that lead to the records; anywhere
// tells that the first of them can stand at any depth.
type xmlPath struct {
	names    []string
	anywhere bool
}

func parseXMLPath(s string) (xmlPath, error) {
	p := xmlPath{}
	rest, anywhere := strings.CutPrefix(s, "//")
	if p.anywhere = anywhere; !anywhere {
		if rest, anywhere = strings.CutPrefix(s, "/"); !anywhere {
			p.anywhere = true // a bare name
		}
	}
	p.names = strings.Split(rest, "/")
	for i, name := range p.names {
		if _, local, ok := strings.Cut(name, ":"); ok {
			name = local
		}
		if name == "" || strings.ContainsAny(name, "[]@()=. ") {
			return p, fmt.Errorf("xml.record is %q; write //ticket or /export/tickets/ticket, names only", s)
		}
		p.names[i] = name
	}
	return p, nil
}

// matches tells whether the path leads to the element on top of the stack.
func (p xmlPath) matches(stack []string) bool {
	n := len(p.names)
	if len(stack) < n || !p.anywhere && len(stack) != n {
		return false
	}
	for i, name := range p.names {
		if got := stack[len(stack)-n+i]; name != "*" && got != name {
			return false
		}
	}
	return true
}

func readXML(ctx context.Context, in Input, opt Options) iter.Seq2[Record, error] {
	var path xmlPath
	var err error
	found := false
	return readFlat(ctx, in, opt, opt.XML.Columns, false, "an XML file", func(ctx context.Context, yield func(*flatRow) error) error {
		first := !found
		if first {
			if path, err = xmlRecords(in, opt); err != nil {
				return err
			}
			found = true
		}
		x, err := newXMLReader(in, opt, path)
		if err != nil {
			return err
		}
		n := 0
		err = x.records(func(r *flatRow) error {
			n++
			return yield(r)
		})
		if err == nil && n == 0 && first && opt.Warn != nil { // an empty export, or a slip in the path
			opt.Warn(Place{File: in.Name}, fmt.Sprintf("the file has no records: no element of it is at xml.record: %s; correct that if it should have some", opt.XML.Record))
		}
		return err
	})
}

// xmlRecords is the path of the records: what is asked for, or what stands under
// the root.
func xmlRecords(in Input, opt Options) (xmlPath, error) {
	if opt.XML.Record != "" {
		path, err := parseXMLPath(opt.XML.Record)
		if err != nil {
			return path, &FileError{Reason: ReasonOption, Detail: err.Error()}
		}
		return path, nil
	}
	x, err := newXMLReader(in, opt, xmlPath{})
	if err != nil {
		return xmlPath{}, err
	}
	root, under, err := x.survey()
	if err != nil {
		return xmlPath{}, err
	}
	if len(under) != 1 {
		what := "elements of several names (" + quoteList(under) + ")"
		if len(under) == 0 {
			what = "no elements"
		}
		return xmlPath{}, &FileError{Reason: ReasonOption, Detail: fmt.Sprintf("under the root <%s> there are %s, so it is not known which are the records; say it: xml: {record: //ticket}", root, what)}
	}
	return xmlPath{names: []string{root, under[0]}}, nil
}

// An xmlReader walks the elements of a file.
type xmlReader struct {
	s     *tagScanner
	lines *lineCounter
	path  xmlPath
	most  int
	stack []string
	begun bool
	whole bool // the root was closed

	row   *flatRow
	depth int // of the record's element
	texts []xmlText
	size  int
}

// An xmlText is the text of an open element of a record.
type xmlText struct {
	key    string
	b      []byte
	parent bool // it has elements in it
}

// maxXMLDepth is how deep elements may be nested.
const maxXMLDepth = 1000

func newXMLReader(in Input, opt Options, path xmlPath) (*xmlReader, error) {
	lines := &lineCounter{r: io.NewSectionReader(in, 0, in.Size)}
	r, err := utf8Reader(lines)
	if err != nil {
		return nil, &FileError{Reason: ReasonEncoding, Detail: err.Error()}
	}
	s := newTagScanner(r)
	s.doctype = true
	return &xmlReader{s: s, lines: lines, path: path, most: int(min(orDefault(opt.Limits.Record, defaultRecordLimit), 1<<30))}, nil
}

// next gives the next tag; ok is false at the end of a whole file.
func (x *xmlReader) next() (t tag, ok bool, err error) {
	t, ok = x.s.next()
	if !ok {
		switch err := x.s.err; {
		case errors.Is(err, errMarkup):
			return t, false, &FileError{Reason: ReasonSyntax, Detail: fmt.Sprintf("the XML is broken (%v); export the file again", err)}
		case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return t, false, err
		case !x.begun:
			return t, false, &FileError{Reason: ReasonBroken, Detail: "the file has no element: it is not XML; give it the ending of what it is"}
		case !x.whole || errors.Is(err, io.ErrUnexpectedEOF):
			return t, false, &FileError{Reason: ReasonShort, Detail: "the XML ends before its end: its root element is not closed; copy or export the file again", Err: ErrShort}
		}
		return t, false, nil
	}
	if x.whole {
		return t, false, &FileError{Reason: ReasonSyntax, Detail: "the XML goes on after its root element; export the file again"}
	}
	x.begun = true
	n := len(x.stack)
	switch {
	case t.close && (n == 0 || !t.is(x.stack[n-1])):
		return t, false, &FileError{Place: Place{Line: x.line()}, Reason: ReasonSyntax, Detail: fmt.Sprintf("the XML is broken: </%s> closes an element that is not open; export the file again", t.name)}
	case !t.close:
		if n >= maxXMLDepth {
			return t, false, &FileError{Reason: ReasonTooLarge, Detail: fmt.Sprintf("elements are nested more than %d deep", maxXMLDepth)}
		}
		x.stack = append(x.stack, string(t.name))
	}
	return t, true, nil
}

// leave takes a closed element off the stack.
func (x *xmlReader) leave(t *tag) {
	if t.close || t.empty {
		x.stack = x.stack[:len(x.stack)-1]
		x.whole = len(x.stack) == 0
	}
}

// line is about where the scanner stands.
func (x *xmlReader) line() int {
	return x.lines.lineOf(x.lines.at - int64(x.s.end-x.s.pos))
}

// survey gives the name of the root and those of the elements right under it,
// up to ten.
func (x *xmlReader) survey() (root string, under []string, err error) {
	for {
		t, ok, err := x.next()
		if err != nil || !ok {
			return root, under, err
		}
		if !t.close {
			switch len(x.stack) {
			case 1:
				root = x.stack[0]
			case 2:
				name := x.stack[1]
				if len(under) < 10 && !slices.Contains(under, name) {
					under = append(under, name)
				}
			}
		}
		x.leave(&t)
		x.lines.ends = x.lines.ends[:0]
	}
}

func (x *xmlReader) records(yield func(*flatRow) error) error {
	for {
		if x.row != nil {
			x.text()
		}
		t, ok, err := x.next()
		if err != nil || !ok {
			return err
		}
		if !t.close {
			x.open(&t)
		}
		if t.close || t.empty {
			if x.row != nil && len(x.texts) > 0 {
				x.end()
			}
			if x.row != nil && len(x.stack) == x.depth {
				row := x.row
				x.row, x.texts = nil, x.texts[:0]
				if err := yield(row); err != nil {
					return err
				}
			}
		}
		x.leave(&t)
	}
}

// text gathers the text of the element that is open.
func (x *xmlReader) text() {
	if len(x.texts) == 0 {
		return
	}
	top := &x.texts[len(x.texts)-1]
	before := len(top.b)
	var over bool
	top.b, over = x.s.text(top.b, before+max(x.most-x.size, 0))
	x.size += len(top.b) - before
	if over {
		x.tooLarge()
	}
}

func (x *xmlReader) tooLarge() {
	if x.row.bad == nil {
		x.row.bad = &RecordError{Reason: ReasonTooLarge, Detail: fmt.Sprintf("the record has more than %s; raise limits.record", byteWords(int64(x.most)))}
	}
}

// open begins a record, or an element of one.
func (x *xmlReader) open(t *tag) {
	key := ""
	switch {
	case x.row == nil && x.path.matches(x.stack):
		x.row = &flatRow{place: Place{Line: x.line()}}
		x.depth, x.size, x.texts = len(x.stack), 0, x.texts[:0]
	case x.row == nil:
		return
	case len(x.stack)-x.depth > maxFlatDepth:
		if x.row.bad == nil {
			x.row.bad = &RecordError{Reason: ReasonTooLarge, Detail: fmt.Sprintf("elements are nested more than %d deep in the record", maxFlatDepth)}
		}
		x.texts = append(x.texts, xmlText{})
		return
	default:
		top := &x.texts[len(x.texts)-1]
		top.parent = true
		key = under(top.key, string(t.name))
	}
	t.each(func(name, value string) {
		x.size += len(value)
		if x.size > x.most {
			x.tooLarge()
			return
		}
		x.row.add(under(key, attributeSign+name), value, nil)
	})
	x.texts = append(x.texts, xmlText{key: key})
}

// end takes the text of the element that is closed. The text between elements
// is that of the column text.
func (x *xmlReader) end() {
	top := x.texts[len(x.texts)-1]
	x.texts = x.texts[:len(x.texts)-1]
	s := strings.TrimSpace(strings.ToValidUTF8(string(top.b), "\uFFFD"))
	switch {
	case top.key == "" && s != "":
		x.row.add("text", s, nil)
	case top.key == "":
	case !top.parent:
		x.row.add(top.key, s, nil)
	case s != "":
		x.row.add(top.key, collapse(s), nil)
	}
}

// each goes through the attributes of a tag, those of namespaces left out.
func (t *tag) each(do func(name, value string)) {
	b := strings.TrimSpace(string(t.attrs))
	for b != "" {
		key, rest, ok := strings.Cut(b, "=")
		rest = strings.TrimLeft(rest, " \t\r\n")
		if !ok || rest == "" || rest[0] != '"' && rest[0] != '\'' {
			return
		}
		value, after, ok := strings.Cut(rest[1:], rest[:1])
		if !ok {
			return
		}
		b = strings.TrimLeft(after, " \t\r\n")
		key = strings.TrimSpace(key)
		if key == "xmlns" || strings.HasPrefix(key, "xmlns:") {
			continue
		}
		if i := strings.LastIndexByte(key, ':'); i >= 0 {
			key = key[i+1:]
		}
		if key != "" {
			do(key, strings.ToValidUTF8(string(appendDecoded(nil, []byte(value))), "\uFFFD"))
		}
	}
}
