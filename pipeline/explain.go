package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"importer/load"
	"importer/pipeline/state"
	"importer/transform"
)

// An Explanation says whether somebody may see an item, and why: entry by
// entry of its permissions, through which groups, and from which cell of which
// file each comes.
type Explanation struct {
	Visible bool `json:"visible"`
	// Certain is false where groups of the directory might say otherwise, and
	// were not asked for.
	Certain bool `json:"certain"`
	// Why is the whole in a sentence.
	Why     string           `json:"why"`
	Entries []ExplainedEntry `json:"entries"`
	Rules   []ExplainedRule  `json:"rules"` // of the mapping, that have made no entry
	Record  string           `json:"record,omitempty"`
	Notes   []string         `json:"notes"`

	named map[string]string                 // principals -> how people call them
	made  map[state.Access]transform.Traced // how the record makes an entry now
}

// An ExplainedEntry is an entry of an item's permissions.
type ExplainedEntry struct {
	state.Access
	Name    string `json:"name,omitempty"` // how people call whom it names
	Applies bool   `json:"applies"`        // it is about the person
	// Through are the groups that lead from the person to the entry, outermost
	// last; empty where it names the person, or everyone.
	Through []ThroughGroup `json:"through,omitempty"`
	Rule    string         `json:"rule,omitempty"` // file:line:col of the mapping
	// Cells are the columns that the rule reads, Written what the record calls
	// whom the entry names.
	Cells   []transform.Cell `json:"cells,omitempty"`
	Written string           `json:"written,omitempty"`
}

func (e *ExplainedEntry) ofGroup() bool { return e.Type == "group" || e.Type == "externalGroup" }

// A ThroughGroup is a step from a person to an entry.
type ThroughGroup struct {
	Type  string `json:"type"` // group or externalGroup
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"`
	Place string `json:"place,omitempty"` // file:line that puts the step before into it
}

// An ExplainedRule is a rule of the mapping that has made no entry.
type ExplainedRule struct {
	Rule  string           `json:"rule"`
	Deny  bool             `json:"deny,omitempty"`
	Type  string           `json:"type,omitempty"`
	Cells []transform.Cell `json:"cells,omitempty"`
	Why   string           `json:"why"`
}

// An Asked is whom and what an explanation is about.
type Asked struct {
	Person load.Person
	Groups []load.DirectoryGroup // of the directory, that the person is in
	// Known tells that these are all.
	Known bool
	// ACL is what the target has; nil is that it has no such item.
	ACL []state.Access
	// Sent is what a run has last sent; nil is not known.
	Sent []state.Access
	// Where the record is, as the state knows it; Part is negative where there
	// is none.
	Source, Path string
	Part         int64
}

// A principal that a person is, with the way to it.
type standing struct {
	from string // key of the step before; "" is the person
	step ThroughGroup
}

func principalKey(typ, id string) string {
	if typ != "externalGroup" {
		id = strings.ToLower(id)
	}
	return typ + ":" + id
}

// SamePeople tells whether two lists of permissions are for the same people. A
// service spells ids as it likes, and what stands behind everyone.
func SamePeople(a, b []state.Access) bool {
	keys := func(acl []state.Access) map[string]bool {
		all := map[string]bool{}
		for _, e := range acl {
			key := e.Type
			if !strings.HasPrefix(e.Type, "everyone") {
				key = principalKey(e.Type, e.Value)
			}
			all[fmt.Sprint(e.Deny, " ", key)] = true
		}
		return all
	}
	return maps.Equal(keys(a), keys(b))
}

// Explain says who an item is for. m may be nil, when the mapping is not to be
// had.
func Explain(ctx context.Context, store *state.Store, m *transform.Mapping, dir string, ask Asked) (*Explanation, error) {
	x := &Explanation{Entries: []ExplainedEntry{}, Rules: []ExplainedRule{}, Notes: []string{}, named: map[string]string{}, made: map[state.Access]transform.Traced{}}
	known, err := knownPeople(ctx, store)
	if err != nil {
		return nil, err
	}
	for n, f := range known {
		if f.ID != "" {
			x.named[principalKey(n.Kind, f.ID)] = displayOf(load.Person{ID: f.ID, Mail: f.Mail, UPN: f.UPN, DisplayName: f.DisplayName})
		}
	}
	if m != nil {
		for _, u := range m.Users {
			x.named[principalKey("user", u.ID)] = displayOf(load.Person{ID: u.ID, Mail: u.Mail, UPN: u.UPN, DisplayName: u.DisplayName})
		}
		for _, t := range m.Teams {
			x.named[principalKey("group", t.ID)] = cmp.Or(t.DisplayName, t.Mail)
		}
	}
	stands, err := x.standings(ctx, store, m, dir, known, ask)
	if err != nil {
		return nil, err
	}
	if ask.ACL != nil && ask.Sent != nil && !SamePeople(ask.ACL, ask.Sent) {
		x.Notes = append(x.Notes, "something else than a run has changed these permissions: the target has others than were last sent, and no run sees that; importer item delete has the next run send the item anew")
	}
	x.traceRecord(ctx, store, m, dir, known, ask)
	for _, a := range ask.ACL {
		x.entry(a, stands, ask)
	}
	x.conclude(ask)
	denied := slices.ContainsFunc(x.Entries, func(e ExplainedEntry) bool { return e.Applies && e.Deny })
	x.Certain = ask.Known || denied || !slices.ContainsFunc(x.Entries, func(e ExplainedEntry) bool { return !e.Applies && e.ofGroup() })
	return x, nil
}

// conclude says what the entries come to: deny beats grant.
func (x *Explanation) conclude(ask Asked) {
	who := displayOf(ask.Person)
	var grant, deny *ExplainedEntry
	for i := range x.Entries {
		e := &x.Entries[i]
		switch {
		case !e.Applies:
		case e.Deny && deny == nil:
			deny = e
		case !e.Deny && grant == nil:
			grant = e
		}
	}
	switch {
	case ask.ACL == nil:
		x.Why = "the target does not have the item, so nobody finds it"
	case deny != nil && grant != nil:
		x.Why = fmt.Sprintf("%s is denied it by %s, which beats the grant of %s", who, entryWords(deny), entryWords(grant))
	case deny != nil:
		x.Why = fmt.Sprintf("%s is denied it by %s", who, entryWords(deny))
	case grant != nil:
		x.Visible = true
		x.Why = fmt.Sprintf("%s is granted it by %s, and no deny is about them", who, entryWords(grant))
	default:
		x.Why = fmt.Sprintf("no grant is about %s", who)
	}
}

func displayOf(p load.Person) string {
	for _, s := range []string{p.Mail, p.UPN, p.DisplayName} {
		if s != "" {
			return s
		}
	}
	return p.ID
}

func entryWords(e *ExplainedEntry) string {
	if e.Type == "everyone" || e.Type == "everyoneExceptGuests" {
		return e.Type
	}
	if e.Name != "" {
		return fmt.Sprintf("%s %s", e.Type, e.Name)
	}
	return fmt.Sprintf("%s %s", e.Type, e.Value)
}

// entry adds an entry of the ACL with whether it is about the person.
func (x *Explanation) entry(a state.Access, stands map[string]standing, ask Asked) {
	e := ExplainedEntry{Access: a, Name: x.named[principalKey(a.Type, a.Value)]}
	switch a.Type {
	case "everyone":
		e.Applies = true
	case "everyoneExceptGuests":
		e.Applies = !ask.Person.Guest()
	default:
		key := principalKey(a.Type, a.Value)
		_, e.Applies = stands[key]
		for at, ok := stands[key]; e.Applies && ok && at.step.ID != ""; at, ok = stands[at.from] {
			e.Through = append([]ThroughGroup{at.step}, e.Through...)
		}
	}
	if t, ok := x.made[a]; ok {
		e.Rule, e.Cells, e.Written = t.Pos.String(), t.Cells, t.Name
	}
	x.Entries = append(x.Entries, e)
}

// standings finds every principal that a person is.
func (x *Explanation) standings(ctx context.Context, store *state.Store, m *transform.Mapping, dir string, known knownNames, ask Asked) (map[string]standing, error) {
	me := principalKey("user", ask.Person.ID)
	stands := map[string]standing{me: {}}
	x.named[me] = displayOf(ask.Person)
	for _, g := range ask.Groups {
		step := ThroughGroup{Type: "group", ID: g.ID, Name: g.DisplayName}
		if !g.Direct {
			step.Place = "through other groups of the directory"
		}
		stands[principalKey("group", g.ID)] = standing{me, step}
		x.named[principalKey("group", g.ID)] = g.DisplayName
	}
	groups, err := store.Groups(ctx)
	if err != nil {
		return nil, err
	}
	groupOf := map[string]state.Group{}
	for g := range groups {
		x.named[principalKey("externalGroup", g.ID)] = g.Display
		groupOf[g.ID] = g
	}
	folders := &Crawl{Mapping: m, Dir: dir}
	var edges []state.Member // that may matter
	err = store.Members(ctx, func(mb state.Member, sure bool) {
		if _, mine := stands[principalKey(mb.Type, mb.ID)]; mine || mb.Type == "externalGroup" {
			edges = append(edges, mb)
		}
	})
	if err != nil {
		return nil, err
	}
	for grown := true; grown; {
		grown = false
		for _, e := range edges {
			from, to := principalKey(e.Type, e.ID), principalKey("externalGroup", e.Group)
			if _, in := stands[from]; !in {
				continue
			}
			if _, in := stands[to]; in {
				continue
			}
			step := ThroughGroup{Type: "externalGroup", ID: e.Group, Name: x.named[to]}
			if m != nil {
				step.Place = cmp.Or(m.MemberPlace(transform.Membership(e), known), folders.memberPlace(groupOf[e.Group], e, known))
			}
			stands[to] = standing{from, step}
			grown = true
		}
	}
	return stands, nil
}

// traceRecord adds the rules of the mapping, and the entries that they make of
// the record now.
func (x *Explanation) traceRecord(ctx context.Context, store *state.Store, m *transform.Mapping, dir string, known knownNames, ask Asked) {
	if m == nil {
		x.Notes = append(x.Notes, "the mapping is not to be had, so it is not said which rule an entry comes from")
		return
	}
	if ask.Part < 0 {
		x.Notes = append(x.Notes, "the record that had this id is refused now, or gone, so it is not said which cell an entry comes from")
		return
	}
	src, rec, _, err := recordAt(ctx, store, m, dir, ask.Source, ask.Path, ask.Part)
	var all []transform.Traced
	if err == nil {
		x.Record = rec.Place.String()
		all, err = src.Trace(rec, known)
	}
	var names *transform.UnresolvedError
	switch {
	case errors.As(err, &names):
		x.Notes = append(x.Notes, "names of the record were not looked up yet: the next run does")
	case err != nil:
		x.Notes = append(x.Notes, "the record as it is now: "+err.Error())
	}
	has := ask.Sent // what the next run compares with
	if has == nil {
		has = ask.ACL
	}
	have := map[state.Access]bool{}
	for _, a := range has {
		have[a] = true
	}
	others := false
	for i, t := range all {
		rule := ExplainedRule{Rule: t.Pos.String(), Deny: t.Deny, Type: t.Type, Cells: t.Cells}
		switch {
		case t.Entry && t.Unknown != "":
			rule.Why = t.Unknown
		case t.Entry && t.Value != "":
			a := state.Access{Type: t.Type, Value: t.Value, Deny: t.Deny}
			others = others || !have[a]
			if _, twice := x.made[a]; !twice {
				x.made[a] = t
			}
			continue
		case t.Entry:
			rule.Why = fmt.Sprintf("%s is nobody, as the table of principals says", t.Name)
		case !t.Held:
			rule.Why = "its condition does not hold"
		case i+1 == len(all) || !all[i+1].Entry:
			rule.Why = "it names nobody"
		default:
			continue
		}
		x.Rules = append(x.Rules, rule)
	}
	if err == nil && ask.ACL != nil && (others || len(x.made) != len(have)) {
		x.Notes = append(x.Notes, "the record gives other permissions now than the target has: the next run sends them")
	}
}

// knownNames are the names that a directory was asked for, however long ago.
type knownNames map[transform.Name]transform.Found

func (k knownNames) Known(n transform.Name) (transform.Found, bool) {
	f, ok := k[n]
	return f, ok
}

func knownPeople(ctx context.Context, store *state.Store) (knownNames, error) {
	all := knownNames{}
	err := store.People(ctx, func(s state.Person) {
		all[transform.Name{Kind: s.Kind, Text: s.Name}] = transform.Found{ID: s.ID, Several: s.Several, DisplayName: s.Display, Mail: s.Mail, UPN: s.UPN}
	})
	return all, err
}
