package transform

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"importer/extract"
)

// A Lint maps records of a source and finds what no run stops for and nobody
// wants: properties that no item has, columns that nothing is made of, ids that
// stand for several records, permissions that nobody has. It is not safe for
// concurrent use.
type Lint struct {
	s        *Source
	read     int64 // records
	filtered int64
	items    int64
	has      map[string]int64 // items that have the property
	ids      map[string]extract.Place
	twice    int64
	first    [2]extract.Place // two records of one id, for an example
	key      string           // that id
	applied  []int64          // items that the entry of the acl counts for
	nobody   int64            // items whose grants are all denied
	hidden   extract.Place    // the first of them
	denies   spot             // the entry that denies it
	everyone bool             // to everyone
	refused  map[string]*refused
	unused   map[string]int64 // columns that nothing is made of, with the values that they have
	filled   map[string]bool  // used columns that have a value
	last     *extract.Header
	plan     *plan
	idle     []int // of the present header's columns, those of unused
	busy     []int // and those of filled
}

type refused struct {
	property string
	count    int64
	first    *ItemError
}

// Lint gives a Lint of the source.
func (s *Source) Lint() *Lint {
	return &Lint{s: s, has: map[string]int64{}, ids: map[string]extract.Place{}, applied: make([]int64, len(s.def.acl)),
		refused: map[string]*refused{}, unused: map[string]int64{}, filled: map[string]bool{}}
}

// Records is how many were looked at.
func (l *Lint) Records() int64 { return l.read }

// Add looks at a record. It is not kept.
func (l *Lint) Add(rec extract.Record) {
	l.read++
	if rec.Header != l.last || l.plan == nil {
		l.meet(rec.Header)
	}
	l.columns(rec)
	item, err := l.s.Apply(rec)
	var wrong *ItemError
	switch {
	case errors.Is(err, ErrSkip):
		l.filtered++
	case errors.As(err, &wrong):
		id := fmt.Sprint(wrong.Property, "\x00", wrong.at.line, "\x00", wrong.at.col, "\x00", wrong.Reason)
		r := l.refused[id]
		if r == nil {
			r = &refused{property: wrong.Property, first: wrong}
			l.refused[id] = r
		}
		r.count++
	case err == nil:
		l.item(rec, item)
	}
}

// meet takes up another header.
func (l *Lint) meet(h *extract.Header) {
	l.last, l.idle, l.busy = h, nil, nil
	l.plan, _ = l.s.planFor(h)
	if h == nil || l.plan == nil {
		return
	}
	for i, name := range h.Names() {
		if slices.Contains(l.plan.uses, name) || name == l.s.Options.GroupBy {
			l.busy = append(l.busy, i)
			continue
		}
		l.idle = append(l.idle, i)
		l.unused[name] += 0
	}
}

func (l *Lint) columns(rec extract.Record) {
	if rec.Header == nil {
		return
	}
	names := rec.Header.Names()
	for _, i := range l.idle {
		if i < len(rec.Text) && !isBlank(rec.Text[i]) {
			l.unused[names[i]]++
		}
	}
	for _, i := range l.busy {
		if i < len(rec.Text) && !isBlank(rec.Text[i]) && !l.filled[names[i]] {
			l.filled[names[i]] = true
		}
	}
}

func (l *Lint) item(rec extract.Record, it *Item) {
	l.items++
	for i := range it.Properties {
		l.has[it.Properties[i].Name]++
	}
	if at, there := l.ids[it.ID]; there {
		if l.twice++; l.twice == 1 {
			l.first, l.key = [2]extract.Place{at, it.Origin.Place}, it.Origin.Key
		}
	} else {
		l.ids[it.ID] = it.Origin.Place
	}
	shut := !reachable(it.ACL)
	if shut {
		if l.nobody++; l.nobody == 1 {
			l.hidden = it.Origin.Place
		}
	}
	if l.plan == nil {
		return
	}
	e := &frame{rec: rec, names: names{m: l.s.m}, loc: l.s.def.loc, id: it.ID, idOf: l.s.idOf}
	for i := range l.plan.acl.rules {
		en := &l.plan.acl.rules[i]
		if en.when != nil {
			if ok, err := en.when(e); !ok || err != nil {
				continue
			}
		}
		l.applied[i]++
		if shut && en.deny && l.nobody == 1 && (l.denies == (spot{}) || en.kind == "everyone" && !l.everyone) {
			l.denies, l.everyone = en.def.at(), en.kind == "everyone"
		}
	}
}

// reachable tells whether the entries leave anybody, as far as they say it
// themselves: who is in a group is not looked at.
func reachable(acl []Access) bool {
	denied := func(a Access) bool {
		return slices.ContainsFunc(acl, func(d Access) bool { return d.Deny && (d.Type == "everyone" || d.Type == a.Type && d.Value == a.Value) })
	}
	return slices.ContainsFunc(acl, func(a Access) bool { return !a.Deny && !denied(a) })
}

// lintLeast is from how many items something that never happens is told.
const lintLeast = 20

// Findings are what was found, in the order of the mapping.
func (l *Lint) Findings() Errors {
	var out Errors
	add := func(at spot, remedy, format string, args ...any) {
		out = append(out, l.s.m.doc.finding(at, remedy, "source %q: "+format, append([]any{l.s.Name}, args...)...))
	}
	d := &l.s.def
	of := fmt.Sprintf("%s looked at", plural(l.read, "record", "records"))
	if l.read > 0 && l.items == 0 && len(l.refused) == 0 {
		add(l.at("where"), "correct where, or take it out", "where leaves every record out, of %s", of)
	}
	l.refusals(add, of)
	if l.twice > 0 && l.s.m.OnDuplicate == "quarantine" {
		add(l.at("id"), "make it unique, such as by another column behind it, or choose with duplicates: first or last",
			"%s an id that another one has, of %s: %q is the id of %s and of %s", pluralHave(l.twice), of, l.key, l.first[0], l.first[1])
	}
	for _, p := range d.props {
		if l.items > 0 && l.has[p.def.Name] == 0 && l.items >= min(lintLeast, l.read) {
			add(p.x.pos, l.emptyRemedy(p.def.Name), "property %q: no item has it, of %s", p.def.Name, plural(l.items, "item", "items"))
		}
	}
	for i, a := range d.acl {
		if a.when != nil && l.applied[i] == 0 && l.items >= lintLeast {
			word := "grant"
			if a.deny {
				word = "deny"
			}
			add(a.when.pos, "compare it with the values that the column has", "acl: this %s counts for no item, of %s", word, plural(l.items, "item", "items"))
		}
	}
	if l.nobody > 0 {
		at := l.denies
		if at == (spot{}) {
			at = l.at("acl") // a deny of the file's own permissions
		}
		add(at, "correct the denies: they beat grants", "acl: whoever is granted is denied as well, so that nobody can see %s, of %s; the first one is of %s",
			plural(l.nobody, "item", "items"), plural(l.items, "item", "items"), l.hidden)
	}
	if names := l.unusedColumns(); len(names) > 0 {
		add(spot{int32(l.s.PathPos.Line), int32(l.s.PathPos.Col)}, "make properties or content of those that anyone would search for", "nothing is made of %s: %s",
			plural(int64(len(names)), "column", "columns"), quotedList(names, 12))
	}
	slices.SortStableFunc(out, byPlace)
	return out
}

func pluralHave(n int64) string {
	if n == 1 {
		return "1 record has"
	}
	return grouped(n) + " records have"
}

// refusals tells of what would go to quarantine.
func (l *Lint) refusals(add func(at spot, remedy, format string, args ...any), of string) {
	for _, id := range keysOf(l.refused) {
		r := l.refused[id]
		what := plural(r.count, "record", "records")
		if l.items == 0 && len(l.refused) == 1 {
			what = "every record"
		}
		at := r.first.at
		if at == (spot{}) {
			at = l.at(r.property)
		}
		add(at, "", "%s would be refused, of %s: %s", what, of, r.first)
	}
}

// at is where the mapping says what becomes of a part of the item.
func (l *Lint) at(part string) spot {
	d := &l.s.def
	x := map[string]*expression{"where": d.where, "id": d.id, "content": d.content}[part]
	for _, p := range d.props {
		if p.def.Name == part {
			x = p.x
		}
	}
	if part == "acl" && len(d.acl) > 0 {
		x = cmp.Or(d.acl[0].value, d.acl[0].when)
	}
	if x == nil {
		return d.pos
	}
	return x.pos
}

// emptyRemedy says why no item has a property, where the columns tell.
func (l *Lint) emptyRemedy(name string) string {
	if l.plan != nil && len(l.plan.reads[name]) > 0 {
		empty := slices.DeleteFunc(slices.Clone(l.plan.reads[name]), func(c string) bool { return l.filled[c] })
		if len(empty) == len(l.plan.reads[name]) {
			list := make([]string, len(empty))
			for i, c := range empty {
				list[i] = strconv.Quote(c)
			}
			return fmt.Sprintf("nothing stands in %s; take it out, or name another column", strings.Join(list, " and "))
		}
	}
	return "take it out, or correct the expression"
}

// unusedColumns are those with values.
func (l *Lint) unusedColumns() (names []string) {
	for _, name := range keysOf(l.unused) {
		if l.unused[name] > 0 {
			names = append(names, name)
		}
	}
	return names
}

// Lint finds what Microsoft Search and Copilot lack in the mapping, and what
// init has left to be said.
func (m *Mapping) Lint() Errors {
	var out Errors
	asks := strings.Contains(m.Connection.Description, placeholder)
	if asks {
		out = append(out, m.doc.finding(m.spots["description"], "say in a few sentences what the items are, where they come from, and what questions they answer; Copilot decides by it",
			"the connection's description is still that of importer init"))
	}
	for _, r := range m.Readiness() {
		at, told := map[string]spot{"labels": m.spots["schema"], "searchable": m.spots["schema"], "description": m.spots["description"], "content": m.spots["sources"]}[r.ID]
		if !r.Good && told && !(r.ID == "description" && asks) {
			out = append(out, m.doc.finding(at, r.Remedy, "%s", r.Found))
		}
	}
	for _, p := range m.Schema {
		if !slices.ContainsFunc(m.Sources, func(s *Source) bool {
			return slices.ContainsFunc(s.def.props, func(d propDef) bool { return d.def.Name == p.Name })
		}) {
			out = append(out, m.doc.finding(m.spots["schema "+p.Name], "take it out of the schema, or give it a value in a source", "no source gives the property %q a value", p.Name))
		}
	}
	slices.SortStableFunc(out, byPlace)
	for _, l := range m.strangers() {
		out = append(out, &Error{Pos: l.Pos, Detail: fmt.Sprintf("%s: left out of the external group %q", l.Detail, l.Group), Remedy: l.Remedy})
	}
	return out
}

func byPlace(a, b *Error) int { return cmp.Or(a.Pos.Line-b.Pos.Line, a.Pos.Col-b.Pos.Col) }
