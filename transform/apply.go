package transform

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

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
		if len(wrong.Columns) == 1 && rec.Header != nil {
			if i, ok := rec.Header.Index(wrong.Columns[0]); ok {
				wrong.Place = rec.Cell(i)
			}
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
	if err := p.agrees(e, "where", "id"); err != nil {
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
	// Who may see it comes first: a record that is refused for anything else
	// still tells whether what the target has of it is for the right people.
	if it.ACL, err = s.audience(p, e); err != nil {
		return nil, err
	}
	it.Dropped = e.dropped
	if err := s.fill(p, e, it); err != nil {
		if wrong, ok := err.(*ItemError); ok {
			wrong.ACL = it.ACL
		}
		return nil, err
	}
	return it, nil
}

// audience makes the record's permissions.
func (s *Source) audience(p *plan, e *frame) ([]Access, error) {
	if err := p.agrees(e, "acl"); err != nil {
		return nil, err
	}
	if err := p.short(e); err != nil {
		return nil, err
	}
	if s.Asks() { // only LoadDraft lets it pass
		return nil, nil
	}
	return p.acl.entries(e)
}

// fill makes all of an item but its id and its permissions.
func (s *Source) fill(p *plan, e *frame, it *Item) error {
	for i := range p.props {
		if err := p.props[i].put(e, it); err != nil {
			return err
		}
	}
	if len(it.Properties) == 0 {
		return &ItemError{Place: e.rec.Place, Reason: ReasonNoProperties, Detail: "not one property has a value, and the service wants at least one; leave such records out with where"}
	}
	if p.content != nil {
		text, err := p.content(e)
		if err != nil {
			return e.itemError("content", "content", err)
		}
		if !isBlank(text) {
			it.Content = Content{Type: p.contentOf, Value: clean(text)}
		}
	}
	if s.Asks() {
		return s.m.fit(it)
	}
	for i := range p.activities {
		if err := p.activities[i].add(e, it); err != nil {
			return err
		}
	}
	return s.m.fit(it)
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
		remedy = "correct it"
		if strings.HasPrefix(what, "property ") {
			remedy += ", or soften it with onError: omit"
		}
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
