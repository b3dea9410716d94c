package transform

import (
	"errors"
	"fmt"
	"html"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"importer/extract"
)

// Reasons of an ItemError, which quarantine listings group by.
const (
	ReasonBadValue         = "bad-value"         // a value that does not convert to its property's type
	ReasonCellError        = "cell-error"        // an error cell of a workbook, such as #N/A
	ReasonExpression       = "expression"        // an expression that stops on this record
	ReasonMissingID        = "missing-id"        // the id is empty
	ReasonNoColumns        = "no-columns"        // a document among tables
	ReasonNoProperties     = "no-properties"     // not one property has a value
	ReasonUnknownPrincipal = "unknown-principal" // an ACL names somebody that is not known
	ReasonEmptyACL         = "empty-acl"         // nothing is granted to anybody
	ReasonEmptyDeny        = "empty-deny"        // a deny that holds names nobody
	ReasonAmbiguous        = "ambiguous-key"     // several rows of a lookup file have the key
	ReasonSidecar          = "sidecar"           // the file of metadata beside a file cannot be read, or is missed
	ReasonGroup            = "group-differs"     // rows of a group that say different things
	ReasonNoAccess         = "no-access"         // who may read the file is not known
	ReasonTooLarge         = "too-large"         // more than the target takes, without its content
)

// A sourceDef is what a source's part of the mapping says, not yet compiled.
type sourceDef struct {
	pos        spot
	groupBy    spot
	scope      scope // without a header
	loc        *time.Location
	where      *expression
	id         *expression
	props      []propDef // in the schema's order
	content    *expression
	html       bool // the content's type
	acl        []aclDef
	activities []activityDef
}

type propDef struct {
	def     PropertyDef
	x       *expression
	onError string
	// fallback is the value of default; its Type is NoType when there is none.
	fallback Value
}

type aclDef struct {
	pos    spot
	kind   string
	deny   bool
	value  *expression
	tenant string // everyoneExceptGuests: what value says, "" for none
	when   *expression
	from   string // posix, ntfs or folder, instead of a grant or deny
	access *accessRule
}

type activityDef struct {
	kind         string
	at, by, when *expression
	events       *eventsDef // where they come from a file of events; then these are of its rows
}

// A plan is a source compiled for the columns of one table, or for documents.
type plan struct {
	header     *extract.Header
	where      boolFn
	id         textFn
	props      []propPlan
	content    textFn
	contentOf  string // "text" or "html"
	acl        aclPlan
	aclCells   int           // cells that a row must have for its ACL to be what it says
	agree      []groupColumn // columns that the rows of a group must agree on
	activities []activityPlan
	uses       []string
	reads      map[string][]string // the columns that each property reads, and id, where, content, acl, activities
}

type propPlan struct {
	name     string
	typ      Type
	fn       propFn
	onError  string
	fallback Value
}

// plans remembers what a source was compiled to.
type plans struct {
	// recent maps the headers of the files being read to their plans. It is
	// replaced as a whole, so that readers need no lock; it starts anew when it
	// has grown, since headers of files long read would pile up.
	recent atomic.Pointer[map[*extract.Header]*compiled]
	mu     sync.Mutex
	byName map[string]*compiled // by the joined names
}

type compiled struct {
	plan *plan
	errs Errors
}

// maxRecent is more files than are ever read at one time.
const maxRecent = 64

// planFor gives the plan for a table's header, nil for documents.
func (s *Source) planFor(h *extract.Header) (*plan, Errors) {
	if m := s.plans.recent.Load(); m != nil {
		if c := (*m)[h]; c != nil {
			return c.plan, c.errs
		}
	}
	s.plans.mu.Lock()
	defer s.plans.mu.Unlock()
	key := ""
	if h != nil {
		key = "\x00" + strings.Join(h.Names(), "\x00")
	}
	c := s.plans.byName[key]
	if c == nil {
		c = &compiled{}
		c.plan, c.errs = s.compile(h)
		if s.plans.byName == nil || len(s.plans.byName) >= 1024 {
			s.plans.byName = map[string]*compiled{}
		}
		s.plans.byName[key] = c
	}
	next := map[*extract.Header]*compiled{}
	if m := s.plans.recent.Load(); m != nil && len(*m) < maxRecent {
		next = maps.Clone(*m)
	}
	next[h] = c
	s.plans.recent.Store(&next)
	return c.plan, c.errs
}

// A builder compiles expressions and gathers what is wrong with them.
type builder struct {
	d    *document
	sc   scope
	uses map[string]bool
	errs Errors

	first map[string]bool // the columns that are read outside of values()
}

func (b *builder) bind(x *expression) *bound {
	bd, errs := bind(b.d, x, b.sc)
	if len(errs) > 0 && b.sc.table && b.sc.header == nil && mayBeColumn(x.s) {
		b.uses[strings.TrimSpace(x.s)] = true // told with the columns, if it is none of them
		return nil
	}
	b.errs = append(b.errs, errs...)
	if bd != nil {
		maps.Copy(b.uses, bd.uses)
		for name, n := range bd.first {
			if n > 0 {
				b.first[name] = true
			}
		}
	}
	return bd
}

// machine compiles for the library's machine.
func (b *builder) machine(bd *bound) func(*frame) (any, error) {
	f, err := bd.program()
	if err != nil {
		b.errs = append(b.errs, b.d.finding(bd.x.pos, "write it more simply", "%s: the expression cannot be compiled", bd.x.what))
		return nil
	}
	return f
}

func (b *builder) text(x *expression) textFn {
	bd := b.bind(x)
	if bd == nil {
		return nil
	}
	if f := nativeText(bd.tree.Node); f != nil {
		return f
	}
	f := b.machine(bd)
	return func(e *frame) (string, error) {
		out, err := f(e)
		if err != nil || out == nil {
			return "", err
		}
		switch out.(type) {
		case string, int, int64:
			return textOf(out), nil
		}
		return "", &fault{reason: ReasonExpression, value: fmt.Sprint(out), col: noColumn, detail: "gives " + typeWordOf(out) + " where a text is needed", remedy: "use string(value) or join(list, \", \")"}
	}
}

func (b *builder) bool(x *expression) boolFn {
	bd := b.bind(x)
	if bd == nil {
		return nil
	}
	if f := nativeBool(bd.tree.Node); f != nil {
		return f
	}
	if f := nativeFlag(bd.tree.Node); f != nil {
		return f
	}
	f := b.machine(bd)
	return func(e *frame) (bool, error) {
		out, err := f(e)
		if err != nil {
			return false, err
		}
		switch v := out.(type) {
		case nil: // what is empty does not hold
			return false, nil
		case bool:
			return v, nil
		case string:
			v1, _, err := boolFrom(cell{text: v, col: noColumn})
			return v1, err
		}
		return false, &fault{reason: ReasonExpression, value: fmt.Sprint(out), col: noColumn, detail: "gives " + typeWordOf(out) + " where true or false is needed", remedy: "compare it with something"}
	}
}

func (b *builder) any(x *expression) func(*frame) (any, error) {
	bd := b.bind(x)
	if bd == nil {
		return nil
	}
	if f := nativeText(bd.tree.Node); f != nil {
		return func(e *frame) (any, error) { return f(e) }
	}
	return b.machine(bd)
}

func (b *builder) prop(p propDef) propFn {
	bd := b.bind(p.x)
	if bd == nil {
		return nil
	}
	if f := nativeProp(bd.tree.Node, p.def.Type); f != nil {
		return f
	}
	f := b.machine(bd)
	return func(e *frame, v *Value) (bool, error) {
		out, err := f(e)
		if err != nil {
			return false, err
		}
		return v.addAny(out, &e.names, e.loc)
	}
}

func typeWordOf(x any) string {
	if x == nil {
		return "nothing"
	}
	return typeWord(reflect.TypeOf(x))
}

// compile binds every expression of the source to h.
func (s *Source) compile(h *extract.Header) (*plan, Errors) {
	sc := scope{doc: true}
	if h != nil {
		sc = scope{header: h, table: true}
	}
	sc.side = s.def.scope.side
	b := &builder{d: s.m.doc, sc: sc, uses: map[string]bool{}, first: map[string]bool{}}
	p := &plan{header: h, reads: map[string][]string{}}
	part := func(name string, compile func()) {
		p.reads[name] = b.part(compile)
		p.agree = append(p.agree, b.mustAgree(s, name)...)
	}
	if s.def.where != nil {
		part("where", func() { p.where = b.bool(s.def.where) })
	}
	part("id", func() { p.id = b.text(s.def.id) })
	for _, pd := range s.def.props {
		part(pd.def.Name, func() {
			p.props = append(p.props, propPlan{name: pd.def.Name, typ: pd.def.Type, fn: b.prop(pd), onError: pd.onError, fallback: pd.fallback})
		})
	}
	if s.def.content != nil {
		part("content", func() { p.content, p.contentOf = b.text(s.def.content), "text" })
		if s.def.html {
			p.contentOf = "html"
			if h == nil && strings.TrimSpace(s.def.content.s) == "body" {
				p.content = bodyHTML
			}
		}
	}
	part("acl", func() { p.acl = b.acl(s.def.acl) })
	p.aclCells = b.cells(p.reads["acl"])
	part("activities", func() {
		for _, a := range s.def.activities {
			if a.events != nil {
				p.activities = append(p.activities, activityPlan{kind: a.kind, events: a.events})
				continue
			}
			p.activities = append(p.activities, b.activity(a))
		}
	})
	b.groups(s)
	p.uses = keysOf(b.uses)
	b.repeated(s, p)
	if len(b.errs) > 0 {
		b.errs = s.otherTable(h, b.errs)
		sortErrors(b.errs, s.m.File)
		return nil, b.errs
	}
	return p, nil
}

// bodyHTML is body where the content is HTML: the reader's HTML, or the text
// made safe where the format has none.
func bodyHTML(e *frame) (string, error) {
	switch doc := e.rec.Doc; {
	case doc == nil:
		return "", nil
	case doc.HTML != nil:
		if text := doc.HTML(); text != "" {
			return text, nil
		}
	}
	return html.EscapeString(e.rec.Doc.Body), nil
}

// sortErrors puts findings in the order of the file given, and those of
// other files behind them.
func sortErrors(errs Errors, file string) {
	slices.SortStableFunc(errs, func(a, b *Error) int {
		if a.Pos.File != b.Pos.File {
			switch file {
			case a.Pos.File:
				return -1
			case b.Pos.File:
				return 1
			}
			return strings.Compare(a.Pos.File, b.Pos.File)
		}
		if a.Pos.Line != b.Pos.Line {
			return a.Pos.Line - b.Pos.Line
		}
		return a.Pos.Col - b.Pos.Col
	})
}

// Check type-checks every expression of the source against a table's columns,
// before anything is written; h is nil for sources of documents. Its error is
// an Errors.
func (s *Source) Check(h *extract.Header) error {
	if h == nil && !s.def.scope.doc {
		return nil // of a table without its columns Load has checked all there is
	}
	if _, errs := s.planFor(h); len(errs) > 0 {
		return errs
	}
	return nil
}

// Uses lists the columns that the source's expressions name, sorted, for a
// table that has them all; for documents it is empty.
func (s *Source) Uses() []string {
	_, uses := s.names()
	return uses
}

// names binds the source without a header.
func (s *Source) names() (Errors, []string) {
	b := &builder{d: s.m.doc, sc: s.def.scope, uses: map[string]bool{}, first: map[string]bool{}}
	for _, x := range s.expressions() {
		b.bind(x)
	}
	if !s.def.scope.table {
		return b.errs, nil
	}
	return b.errs, keysOf(b.uses)
}

// expressions lists every expression of the source.
func (s *Source) expressions() []*expression {
	xs := []*expression{s.def.where, s.def.id}
	for _, p := range s.def.props {
		xs = append(xs, p.x)
	}
	xs = append(xs, s.def.content)
	for _, a := range s.def.acl {
		xs = append(xs, a.value, a.when)
	}
	for _, a := range s.def.activities {
		if a.events == nil { // else they are of another table
			xs = append(xs, a.at, a.by, a.when)
		}
	}
	return slices.DeleteFunc(xs, func(x *expression) bool { return x == nil })
}

var frames = sync.Pool{New: func() any { return new(frame) }}

// Apply is ApplyWith where nobody can be asked for names that no file has.
func (s *Source) Apply(rec extract.Record) (it *Item, err error) { return s.ApplyWith(rec, nil) }

// ApplyWith maps one record. It is pure, but for what dir knows, and safe from
// many goroutines. Its error is ErrSkip, an *ItemError, an Errors when the
// record's columns are not what the mapping needs, or an *UnresolvedError when
// dir must find out names first: then the record is to be mapped again. The
// item's ACL may be shared with other items.
func (s *Source) ApplyWith(rec extract.Record, dir Directory) (it *Item, err error) {
	if s.def.scope.table && !s.def.scope.doc && rec.Header == nil { // one file's fault, not the mapping's
		return nil, &ItemError{Place: rec.Place, Reason: ReasonNoColumns,
			Detail: "the file is a document without columns, and the source is one of tables; export it again as a table, or take it out of the source's path"}
	}
	p, errs := s.planFor(rec.Header)
	if len(errs) > 0 {
		return nil, errs
	}
	e := frames.Get().(*frame)
	e.begin(s, rec, dir)
	// A reader's Select runs in here; no record may end the run.
	defer func() {
		if r := recover(); r != nil {
			it, err = nil, &ItemError{Place: rec.Place, Reason: ReasonExpression, Detail: fmt.Sprintf("the record cannot be mapped (%v); leave it out with where, and report it", r)}
		}
		e.rec = extract.Record{} // do not keep the record alive in the pool
		frames.Put(e)
	}()
	it, err = s.apply(p, e)
	if len(e.pending) > 0 && !errors.Is(err, ErrSkip) { // whatever came of it was made without their ids
		return nil, &UnresolvedError{slices.Clone(e.pending)}
	}
	if wrong, ok := err.(*ItemError); ok {
		wrong.ID = e.id
		if wrong.Columns == nil {
			wrong.Columns = p.reads[wrong.Property]
		}
	}
	return it, err
}

// begin makes the frame ready for a record.
func (e *frame) begin(s *Source, rec extract.Record, dir Directory) {
	*e = frame{rec: rec, loc: s.def.loc, idOf: s.idOf, names: names{m: s.m, dir: dir, pending: e.pending[:0]}, unknown: e.unknown[:0]}
}

// Reads lists the columns of a table that a property reads, or id, where,
// content, acl or activities; sorted.
func (s *Source) Reads(h *extract.Header, property string) []string {
	if p, errs := s.planFor(h); len(errs) == 0 {
		return p.reads[property]
	}
	return nil
}

// idOf makes the item id of a record; "" where it has none, which is told of the
// record itself.
func (s *Source) idOf(rec extract.Record) (string, error) {
	p, errs := s.planFor(rec.Header)
	if len(errs) > 0 {
		return "", errs
	}
	key, err := p.id(&frame{rec: rec, names: names{m: s.m}, loc: s.def.loc, idOf: s.idOf})
	if err != nil || isBlank(key) {
		return "", nil
	}
	return EncodeID(key), nil
}

// spare holds items that Recycle took back.
var spare = sync.Pool{New: func() any { return new(Item) }}

// newItem gives an empty item with room for n properties.
func newItem(n int) *Item {
	it := spare.Get().(*Item)
	if cap(it.Properties) < n {
		it.Properties = make([]Property, 0, n)
	}
	return it
}

// Recycle takes back items that nobody will look at again, so that later calls
// of Apply make theirs in the same place. An item with its properties is the
// most of what a crawl allocates: without this the collector takes twice as
// much CPU time. Texts and lists are not used again, only forgotten; they may
// be held on to.
func Recycle(items []*Item) {
	for _, it := range items {
		props := it.Properties[:cap(it.Properties)]
		clear(props)
		*it = Item{Properties: props[:0]}
		spare.Put(it)
	}
}

func (s *Source) apply(p *plan, e *frame) (*Item, error) {
	if err := p.agrees(e); err != nil {
		return nil, err
	}
	if p.where != nil {
		ok, err := p.where(e)
		if err != nil {
			return nil, e.itemError("where", "where", err)
		}
		if !ok {
			return nil, ErrSkip
		}
	}
	key, err := p.id(e)
	if err != nil {
		return nil, e.itemError("id", "id", err)
	}
	if isBlank(key) {
		detail := "the id is empty; fill it in, or leave such records out with where"
		if s.def.scope.table && p.header == nil {
			detail = "the id is empty: the file is a document, which has no columns; give documents a source of their own, with an id such as file.path"
		}
		return nil, &ItemError{Place: e.rec.Place, Reason: ReasonMissingID, Property: "id", Detail: detail}
	}
	e.id = EncodeID(key)
	it := newItem(len(p.props))
	it.ID = e.id
	it.Origin = Origin{Source: s.Name, Key: key, Place: e.rec.Place}
	for i := range p.props {
		if err := p.props[i].put(e, it); err != nil {
			return nil, err
		}
	}
	if len(it.Properties) == 0 {
		return nil, &ItemError{Place: e.rec.Place, Reason: ReasonNoProperties, Detail: "not one property has a value, and the service wants at least one; leave such records out with where"}
	}
	if p.content != nil {
		text, err := p.content(e)
		if err != nil {
			return nil, e.itemError("content", "content", err)
		}
		if !isBlank(text) {
			it.Content = Content{Type: p.contentOf, Value: clean(text)}
		}
	}
	if err := p.short(e); err != nil {
		return nil, err
	}
	if s.Asks() { // only LoadDraft lets it pass
		return it, s.m.fit(it)
	}
	if it.ACL, err = p.acl.entries(e); err != nil {
		return nil, err
	}
	it.Dropped = e.dropped
	for i := range p.activities {
		if err := p.activities[i].add(e, it); err != nil {
			return nil, err
		}
	}
	return it, s.m.fit(it)
}

// put adds the property's value to the item, if there is one.
func (p *propPlan) put(e *frame, it *Item) error {
	n := len(it.Properties)
	it.Properties = it.Properties[:n+1] // made large enough, and zeroed
	it.Properties[n].Name = p.name
	v := &it.Properties[n].Value
	v.Type = p.typ
	present, err := p.fn(e, v)
	if err != nil {
		switch p.onError {
		case "omit":
			present = false
		case "default":
			*v, present = p.fallback, true
		default:
			return e.itemError(p.name, "property "+quoted(p.name), err)
		}
	} else if !present && p.fallback.Type != NoType {
		*v, present = p.fallback, true
	}
	if !present {
		it.Properties[n] = Property{}
		it.Properties = it.Properties[:n]
	}
	return nil
}

// itemError makes the error that a user sees of a fault.
func (e *frame) itemError(property, what string, err error) error {
	var f *fault
	if !errors.As(err, &f) {
		f = &fault{reason: ReasonExpression, col: noColumn, detail: err.Error()}
	}
	value := cutBytes(clean(f.value), 200)
	subject := "the value"
	switch {
	case f.col != noColumn:
		subject = e.cellName(f.col)
	case f.reason == ReasonExpression:
		subject = "the expression"
	}
	detail := what + ": " + subject
	if f.reason == ReasonUnknownPrincipal {
		return &ItemError{Place: e.rec.Place, Reason: f.reason, Property: property, Value: value, Detail: what + ": " + f.detail + "; " + f.remedy}
	}
	if f.reason == ReasonBadValue {
		detail += " " + fmt.Sprintf("%q", value)
	}
	detail += " " + f.detail
	remedy := f.remedy
	if remedy == "" {
		remedy = "correct it, or soften it with onError: omit"
	}
	return &ItemError{Place: e.rec.Place, Reason: f.reason, Property: property, Value: value, Detail: detail + "; " + remedy, Columns: e.columns(f.col)}
}

// columns is the name of one column; nil when the column is not known.
func (e *frame) columns(col int) []string {
	if h := e.rec.Header; h != nil && col >= 0 && col < len(h.Names()) {
		return []string{h.Names()[col]}
	}
	return nil
}

// cellName names a cell by its column; its row is in the place. A workbook's
// own address (C14) is not known here: a table may start in any column.
func (e *frame) cellName(col int) string {
	name := ""
	if h := e.rec.Header; h != nil && col < len(h.Names()) {
		name = h.Names()[col]
	}
	return fmt.Sprintf("column %q", name)
}

// fit cuts the content to what the target takes of an item.
func (m *Mapping) fit(it *Item) error {
	size := len(it.Content.Value)
	for i := range it.Properties {
		size += it.Properties[i].Value.textLen() + 64
	}
	size += 128*len(it.ACL) + 256
	if size*6 <= m.ItemSize { // even if every byte were escaped: nearly every item
		return nil
	}
	rest := 256 + 128*len(it.ACL) + 256*len(it.Activities)
	for i := range it.Properties {
		rest += it.Properties[i].jsonSize()
	}
	room := m.ItemSize - rest
	if room < 0 {
		return &ItemError{Place: it.Origin.Place, Reason: ReasonTooLarge, Property: it.largest(),
			Detail: fmt.Sprintf("the properties take %d bytes, and the target takes %d for a whole item; shorten the longest with substr(), or move it to the content", rest, m.ItemSize)}
	}
	it.Content.Value, it.Truncated = cutText(it.Content.Value, room)
	return nil
}

func (v *Value) textLen() int {
	n := len(v.Str) + 32*(len(v.Ints)+len(v.Floats))
	for _, s := range v.Strs {
		n += len(s) + 4
	}
	for _, p := range v.Persons {
		n += len(p.ExternalName) + len(p.ExternalID) + len(p.EntraDisplayName) + len(p.EntraID) + len(p.Email) + len(p.UPN) + len(p.TenantID) + 200
	}
	return n
}

// jsonSize is the most that a property takes in the body, annotation included.
func (p *Property) jsonSize() int {
	v := &p.Value
	n := 2*len(p.Name) + 64 + jsonSize(v.Str) + 32*(1+len(v.Ints)+len(v.Floats))
	for _, s := range v.Strs {
		n += jsonSize(s) + 4
	}
	for _, q := range v.Persons {
		n += 300
		for _, s := range []string{q.ExternalName, q.ExternalID, q.EntraDisplayName, q.EntraID, q.Email, q.UPN, q.TenantID} {
			n += jsonSize(s)
		}
	}
	return n
}

func (it *Item) largest() string {
	best, size := "", -1
	for i := range it.Properties {
		if n := it.Properties[i].jsonSize(); n > size {
			best, size = it.Properties[i].Name, n
		}
	}
	return best
}
