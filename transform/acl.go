package transform

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// everyone is the value that goes with the types everyone and
// everyoneExceptGuests: what all samples of the service send.
const everyone = "everyone"

// An aclPlan makes an item's ACL. It fails closed: whoever is not known stops
// the item, and an item that nobody may see is an error, never one for all.
type aclPlan struct {
	// static is the whole ACL when no entry depends on the record.
	static []Access
	rules  []aclEntry
	at     spot // of the whole in the mapping
}

type aclEntry struct {
	kind   string
	deny   bool
	fixed  string // the value where it is not of the record
	value  func(*frame) (any, error)
	when   boolFn
	access *accessRule // instead of all these: what the file's own permissions say
	pos    Pos         // in the mapping
	def    *aclDef     // what the mapping says
	reads  []string    // the columns that it reads
}

func (b *builder) acl(defs []aclDef) aclPlan {
	var p aclPlan
	static := true
	for i := range defs {
		def := &defs[i]
		en := aclEntry{def: def, kind: def.kind, deny: def.deny, fixed: cmp.Or(def.tenant, everyone), access: def.access, pos: b.d.pos(def.pos)}
		static = static && def.access == nil
		en.reads = b.part(func() {
			if def.when != nil {
				b.sc.strict = true
				en.when = b.bool(def.when)
				static = false
			}
			if def.value != nil && def.tenant == "" {
				b.sc.strict = def.deny
				en.value = b.any(def.value)
				static = false
			}
		})
		b.sc.strict = false
		p.rules = append(p.rules, en)
	}
	if !static {
		return p
	}
	for _, en := range p.rules {
		p.static = append(p.static, Access{Type: en.kind, Value: en.fixed, Deny: en.deny})
	}
	p.static = slices.Clip(settle(p.static))
	return p
}

// part compiles one part of a source and gives the columns that it reads.
func (b *builder) part(compile func()) []string {
	all := b.uses
	b.uses = map[string]bool{}
	compile()
	reads := keysOf(b.uses)
	maps.Copy(all, b.uses)
	b.uses = all
	return reads
}

// cells tells how many cells a row must have for these columns: a row that is
// short of one that says who may see it says nothing.
func (b *builder) cells(columns []string) (n int) {
	if b.sc.header == nil {
		return 0
	}
	for _, name := range columns {
		if i, ok := b.sc.header.Index(name); ok {
			n = max(n, i+1)
		}
	}
	return n
}

// repeated finds the columns that the mapping uses and that stand in the
// header several times: which one is meant is not known.
func (b *builder) repeated(s *Source, p *plan) {
	for _, name := range p.uses {
		if b.sc.header != nil && b.sc.header.Repeated(name) {
			b.errs = append(b.errs, &Error{Pos: s.PathPos, Detail: fmt.Sprintf("source %q: the column %q stands in the header several times", s.Name, name),
				Remedy: "give the columns different names, or name them with csv.columns"})
		}
	}
}

// entries gives the ACL of a record, sorted and without repeats, so that the
// order of names in a cell does not make another item. While names are pending
// it is not to be used.
func (p *aclPlan) entries(e *frame) ([]Access, error) {
	if p.static != nil && e.trace == nil {
		if !grants(p.static) {
			return nil, blame(e.emptyACL(), p.granting())
		}
		return p.static, nil
	}
	out := make([]Access, 0, len(p.rules))
	e.refused = nil
	for i := range p.rules {
		en := &p.rules[i]
		e.rule, e.sides = en, nil
		if en.when != nil {
			ok, err := en.when(e)
			if err != nil {
				return nil, blame(e.itemError("acl", "acl: when", err), en.def.when.pos)
			}
			if !ok {
				e.traceRule(false)
				continue
			}
		}
		e.traceRule(true)
		var err error
		if out, err = en.add(e, out); err != nil {
			return nil, blame(err, en.def.at())
		}
		e.traceDone()
	}
	e.rule = nil
	if e.refused != nil {
		err := blame(e.itemError("acl", "acl", e.refused), e.refusedBy.def.at())
		// Those whose grants alone would be left out block nothing.
		err.(*ItemError).Unknown = slices.DeleteFunc(e.distinctUnknown(), func(u Unknown) bool { return slices.Contains(e.dropped, u) && u != *e.refused.unknown })
		return nil, err
	}
	out = settle(out)
	if !grants(out) && len(e.pending) == 0 {
		return nil, blame(e.emptyACL(), p.granting())
	}
	return out, nil
}

// blame notes in the error of an item which part of the mapping it comes of.
func blame(err error, at spot) error {
	if wrong, ok := errors.AsType[*ItemError](err); ok {
		wrong.at = at
	}
	return err
}

// at is where the entry says what it does with a record: the value that it
// grants or denies, or when.
func (d *aclDef) at() spot {
	if x := cmp.Or(d.value, d.when); x != nil {
		return x.pos
	}
	return d.pos
}

// granting is where the only grant stands, and of several the whole.
func (p *aclPlan) granting() spot {
	at, n := p.at, 0
	for i := range p.rules {
		if en := &p.rules[i]; !en.deny {
			at = en.def.at()
			n++
		}
	}
	if n == 1 {
		return at
	}
	return p.at
}

// reading is where the first entry stands that reads a column that is one of
// those meant.
func (p *aclPlan) reading(meant func(name string) bool) spot {
	for i := range p.rules {
		if en := &p.rules[i]; slices.ContainsFunc(en.reads, meant) {
			return en.def.at()
		}
	}
	return p.at
}

// distinctUnknown are the names that are nobody's, each once.
func (e *frame) distinctUnknown() []Unknown {
	var out []Unknown
	for _, u := range e.unknown {
		if !slices.Contains(out, u) {
			out = append(out, u)
		}
	}
	return out
}

func (e *frame) emptyACL() error {
	err := &ItemError{Place: e.rec.Place, Reason: ReasonEmptyACL, Property: "acl",
		Detail: "nobody is granted to see the item; fill in the cells that the grants read, or grant it to somebody"}
	if err.Unknown = e.distinctUnknown(); len(err.Unknown) > 0 {
		err.Detail = fmt.Sprintf("nobody is left who is granted to see the item, as %q is not known; correct the name, or add it to the identities", err.Unknown[0].Name)
		err.Value = err.Unknown[0].Name
	}
	return err
}

func grants(acl []Access) bool {
	return slices.ContainsFunc(acl, func(a Access) bool { return !a.Deny })
}

func settle(acl []Access) []Access {
	if len(acl) > 1 {
		slices.SortFunc(acl, func(a, b Access) int {
			if c := strings.Compare(a.Type, b.Type); c != 0 {
				return c
			}
			if c := strings.Compare(a.Value, b.Value); c != 0 {
				return c
			}
			switch {
			case a.Deny == b.Deny:
				return 0
			case a.Deny:
				return 1
			}
			return -1
		})
		acl = slices.Compact(acl)
	}
	return acl
}

func (en *aclEntry) add(e *frame, out []Access) ([]Access, error) {
	switch {
	case en.access != nil:
		return en.access.add(e, out)
	case en.value == nil:
		a := Access{Type: en.kind, Value: en.fixed, Deny: en.deny}
		e.traceEntry(a, "", nil)
		return append(out, a), nil
	}
	x, err := en.value(e)
	if err != nil {
		return nil, e.itemError("acl", "acl", err)
	}
	named := false
	err = eachText(x, func(name string) error {
		named = true
		out = e.addName(out, en.kind, name, en.deny)
		return nil
	})
	if err != nil {
		return nil, e.itemError("acl", "acl", err)
	}
	if !named && en.deny {
		// Without its name the deny would silently be lost.
		return nil, &ItemError{Place: e.rec.Place, Reason: ReasonEmptyDeny, Property: "acl",
			Detail: fmt.Sprintf("acl: the %s to deny is empty; fill in the cell, or say with when in which records it counts", en.kind)}
	}
	return out, nil
}

// addName adds an entry for somebody by name. One who is not known is noted:
// a grant is left out where the mapping wants that, anything else refuses the
// item.
func (e *frame) addName(out []Access, kind, name string, deny bool) []Access {
	id, err := e.principal(kind, name)
	var wrong *fault
	if errors.As(err, &wrong) {
		e.lose(kind, name, deny, wrong)
		return out
	}
	a := Access{Type: kind, Value: id, Deny: deny}
	e.traceEntry(a, name, nil)
	if id == "" { // pending
		return out
	}
	return append(out, a)
}

// lose notes somebody who is not known.
func (e *frame) lose(kind, name string, deny bool, why *fault) {
	e.traceEntry(Access{Type: kind, Deny: deny}, name, why)
	e.unknown = append(e.unknown, *why.unknown)
	switch {
	case !deny && e.m.dropUnknown:
		if !slices.Contains(e.dropped, *why.unknown) {
			e.dropped = append(e.dropped, *why.unknown)
		}
	case e.refused == nil:
		e.refused, e.refusedBy = why, e.rule
	}
}

// eachText calls f with every text of a value that is not blank, trimmed.
func eachText(x any, f func(string) error) error {
	switch x := x.(type) {
	case nil:
		return nil
	case string:
		if isBlank(x) {
			return nil
		}
		return f(trim(x))
	case int:
		return f(fmt.Sprint(x))
	case []string:
		for _, s := range x {
			if err := eachText(s, f); err != nil {
				return err
			}
		}
		return nil
	case []any:
		for _, s := range x {
			if err := eachText(s, f); err != nil {
				return err
			}
		}
		return nil
	}
	return &fault{reason: ReasonExpression, value: fmt.Sprint(x), col: noColumn, detail: "gives " + typeWordOf(x) + " where a text is needed", remedy: "use string(value)"}
}

// An activityPlan makes one activity.
type activityPlan struct {
	kind string
	at   propFn
	by   func(*frame) (any, error)
	when boolFn

	events *eventsDef // instead of these
}

func (b *builder) activity(def activityDef) activityPlan {
	a := activityPlan{kind: def.kind}
	a.at = b.prop(propDef{def: PropertyDef{Type: DateTime}, x: def.at})
	a.by = b.any(def.by)
	if def.when != nil {
		a.when = b.bool(def.when)
	}
	return a
}

// maxActivities is the most that one record may make: a cell that lists people
// does not list more, and what is not sent at once would have to be kept.
const maxActivities = 200

// add adds the activity. One without a time or a person that is known is left
// out: it is a hint for ranking, not worth an item. A time that is there and
// is none is a bad value as anywhere.
func (a *activityPlan) add(e *frame, it *Item) error {
	if a.events != nil {
		a.events.add(e, a.kind, it)
		return nil
	}
	if a.when != nil {
		ok, err := a.when(e)
		if err != nil {
			return e.itemError("activities", "activities: when", err)
		}
		if !ok {
			return nil
		}
	}
	v := Value{Type: DateTime}
	present, err := a.at(e, &v)
	if err != nil {
		return e.itemError("activities", "activities: at", err)
	}
	if !present {
		return nil
	}
	at, err := time.Parse(time.RFC3339, v.Str)
	if err != nil {
		return e.itemError("activities", "activities: at", err) // unreachable: formatTime wrote it
	}
	by, err := a.by(e)
	if err != nil {
		return e.itemError("activities", "activities: by", err)
	}
	return eachText(by, func(name string) error {
		id, err := e.principal("user", name)
		if err == nil && id != "" && len(it.Activities) < maxActivities {
			it.Activities = append(it.Activities, Activity{Type: a.kind, At: at, ByType: "user", ByID: id})
		}
		return nil
	})
}
