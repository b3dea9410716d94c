package transform

import (
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
	aclAt      spot // of the key
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
	p.acl.at = s.def.aclAt
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
	if by := s.Options.GroupBy; by != "" {
		b.uses[by] = true
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
