package transform

import (
	"cmp"
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
}

type aclEntry struct {
	kind  string
	deny  bool
	fixed string // the value where it is not of the record
	value func(*frame) (any, error)
	when  boolFn
}

func (b *builder) acl(defs []aclDef) aclPlan {
	var p aclPlan
	static := true
	for _, def := range defs {
		en := aclEntry{kind: def.kind, deny: def.deny, fixed: cmp.Or(def.tenant, everyone)}
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
// order of names in a cell does not make another item.
func (p *aclPlan) entries(e *frame) ([]Access, error) {
	if p.static != nil {
		if !grants(p.static) {
			return nil, e.emptyACL()
		}
		return p.static, nil
	}
	out := make([]Access, 0, len(p.rules))
	for i := range p.rules {
		en := &p.rules[i]
		if en.when != nil {
			ok, err := en.when(e)
			if err != nil {
				return nil, e.itemError("acl", "acl: when", err)
			}
			if !ok {
				continue
			}
		}
		var err error
		if out, err = en.add(e, out); err != nil {
			return nil, err
		}
	}
	out = settle(out)
	if !grants(out) {
		return nil, e.emptyACL()
	}
	return out, nil
}

func (e *frame) emptyACL() error {
	return &ItemError{Place: e.rec.Place, Reason: ReasonEmptyACL, Property: "acl",
		Detail: "nobody is granted to see the item; fill in the cells that the grants read, or grant it to somebody"}
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
	if en.value == nil {
		return append(out, Access{Type: en.kind, Value: en.fixed, Deny: en.deny}), nil
	}
	x, err := en.value(e)
	if err != nil {
		return nil, e.itemError("acl", "acl", err)
	}
	before := len(out)
	err = eachText(x, func(name string) error {
		id, err := e.m.principal(en.kind, name)
		if err != nil {
			return err
		}
		out = append(out, Access{Type: en.kind, Value: id, Deny: en.deny})
		return nil
	})
	if err != nil {
		return nil, e.itemError("acl", "acl", err)
	}
	if len(out) == before && en.deny {
		// Without its name the deny would silently be lost.
		return nil, &ItemError{Place: e.rec.Place, Reason: ReasonEmptyDeny, Property: "acl",
			Detail: fmt.Sprintf("acl: the %s to deny is empty; fill in the cell, or say with when in which records it counts", en.kind)}
	}
	return out, nil
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

// principal gives the id of a user or group that an ACL names.
func (m *Mapping) principal(kind, name string) (string, error) {
	if kind == "externalGroup" {
		if m.groupIDs == nil {
			return EncodeID(name), nil
		}
		if id, ok := m.groupIDs[fold(name)]; ok {
			return id, nil
		}
		return "", &fault{reason: ReasonUnknownPrincipal, value: name, col: noColumn, detail: fmt.Sprintf("%q is no group of the groups file", name), remedy: "add it to the groups file, or correct the name"}
	}
	i, ok := m.people[fold(name)]
	switch {
	case kind == "group" && ok:
		return "", &fault{reason: ReasonUnknownPrincipal, value: name, col: noColumn, detail: fmt.Sprintf("%q is a person of the identities file, not a group", name), remedy: "write user, or the object id of a group"}
	case kind == "group" && !isGUID(name):
		return "", &fault{reason: ReasonUnknownPrincipal, value: name, col: noColumn, detail: fmt.Sprintf("the group %q is no Entra object id", name), remedy: "write the id of the group, or make it an external group"}
	case !ok && isGUID(name):
		return strings.ToLower(name), nil
	case !ok && m.people == nil:
		return "", &fault{reason: ReasonUnknownPrincipal, value: name, col: noColumn, detail: fmt.Sprintf("the %s %q is no Entra object id", kind, name), remedy: "name a file of people under identities, so that it can be looked up"}
	case !ok:
		return "", &fault{reason: ReasonUnknownPrincipal, value: name, col: noColumn, detail: fmt.Sprintf("the %s %q is not in the identities file", kind, name), remedy: "add the line to the identities file, or correct the name"}
	case i == ambiguous:
		return "", &fault{reason: ReasonUnknownPrincipal, value: name, col: noColumn, detail: fmt.Sprintf("the %s %q fits several lines of the identities file", kind, name), remedy: "use a value that only one of them has, such as the mail"}
	}
	return m.Users[i].ID, nil
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
		id, err := e.m.principal("user", name)
		if err == nil && len(it.Activities) < maxActivities {
			it.Activities = append(it.Activities, Activity{Type: a.kind, At: at, ByType: "user", ByID: id})
		}
		return nil
	})
}

// DeniesGroups tells whether some source denies an external group.
func (m *Mapping) DeniesGroups() bool {
	return slices.ContainsFunc(m.Sources, func(s *Source) bool {
		return slices.ContainsFunc(s.def.acl, func(a aclDef) bool { return a.deny && a.kind == "externalGroup" })
	})
}
