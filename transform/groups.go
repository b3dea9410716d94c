package transform

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// External groups come from a file, from columns of the identities file and
// from folders. A mapping may have 100,000 of
// them with a million members, so they are kept small: a member is three
// numbers until it is asked for.

// memberTypes are the types of members, in the order of their names.
var memberTypes = [...]string{"externalGroup", "group", "user"}

func memberType(kind string) uint8 { return uint8(slices.Index(memberTypes[:], kind)) }

// A groupRow is a line of the groups file.
type groupRow struct {
	Group       string `csv:"group"`
	DisplayName string `csv:"displayname"`
	Description string `csv:"description"`
	MemberType  string `csv:"membertype"`
	Member      string `csv:"member"`
	Line        int    `csv:"line no"`
}

// A groupTable has the groups that a mapping declares, and their members as
// far as they are known without a directory.
type groupTable struct {
	list    []Group
	byName  map[string]int32 // folded name -> index in list
	members []groupMember
	ids     interned
	file    string
	columns map[string]string // folded name -> the column that it comes from, for groups of columns
}

// A groupMember is a member as the mapping has it.
type groupMember struct {
	group int32
	line  int32 // of the groups file
	id    int32 // in ids: an id, or with name set a name
	kind  uint8 // in memberTypes
	name  bool  // is to be looked up
}

// interned gives texts numbers.
type interned struct {
	texts []string
	index map[string]int32
}

func (t *interned) add(s string) int32 {
	if i, ok := t.index[s]; ok {
		return i
	}
	if t.index == nil {
		t.index = map[string]int32{}
	}
	i := int32(len(t.texts))
	t.texts, t.index[s] = append(t.texts, s), i
	return i
}

func (g *groupTable) add(name, id, display string) int32 {
	i := int32(len(g.list))
	g.list, g.byName[fold(name)] = append(g.list, Group{ID: id, DisplayName: display}), i
	return i
}

// AccessFiles is the name of the files that say who may see what lies in a
// folder; "" is that there are none.
func (s *Source) AccessFiles() string { return s.m.accessFiles }

// prepareGroups reads what of groups must be known before the people are read.
func (m *Mapping) prepareGroups(s section) {
	m.groupColumns = s.texts("columns")
	for _, v := range s.scalars("columns") {
		if strings.TrimSpace(v.s) == "" {
			m.doc.errorf(v.pos, "write the name of a column of the identities file", "groups: a column is empty")
		}
	}
	if s.has("file") || len(m.groupColumns) > 0 {
		m.groups = &groupTable{byName: map[string]int32{}, columns: map[string]string{}}
	}
	if v, ok := s.scalar("folders"); ok {
		m.accessFiles = v.s
		if len(v.s) < 2 || v.s[0] != '.' || strings.ContainsAny(v.s, `/\*?[`) {
			m.doc.errorf(v.pos, "write a name such as .access.csv: files with a dot in front are never read as data", "groups: %q is no name of a hidden file", v.s)
		}
	}
	if m.groups == nil && m.accessFiles == "" {
		m.doc.errorf(s.pos, "add file: groups.csv, columns or folders", "groups says nothing of where they come from")
	}
}

// addToColumnGroups puts a person into the groups that its columns name.
func (m *Mapping) addToColumnGroups(f *sideFile, r userRow) {
	g := m.groups
	id := g.ids.add(strings.ToLower(r.ID))
	for i, name := range strings.Split(r.Extra, "\n") {
		if isBlank(name) {
			continue
		}
		column := m.groupColumns[i]
		n, known := g.byName[fold(name)]
		if !known {
			// The spelling of some line must not decide the id: lines come and go.
			n = g.add(name, EncodeID(fold(name)), name)
			g.columns[fold(name)] = column
		} else if other := g.columns[fold(name)]; other != column {
			f.errorf(r.Line, "rename one of them, or make groups of one column only", "the group %q is named by the column %q, and by %q as well", name, column, other)
			continue
		}
		g.members = append(g.members, groupMember{group: n, line: int32(r.Line), id: id, kind: memberType("user")})
	}
}

// A groupLine is a line's member, until all groups are known: which members are
// groups shows only then.
type groupLine struct {
	group, line  int32
	name, member int32 // as they are written, by number
	kind         string
}

// readGroups reads the external groups of the groups file with their members.
func (m *Mapping) readGroups(s section) {
	if len(m.groupColumns) > 0 && m.people == nil {
		m.doc.errorf(s.posOf("columns"), "add identities: {file: directory.csv}", "groups: columns are those of the identities file, and there is none")
	}
	f := &sideFile{}
	file := m.openSide(s, "file", f)
	if file == nil {
		return
	}
	defer file.Close()
	m.groups.file = f.name
	first := map[string]groupRow{} // the first line of each group, as it is spelled there
	var lines []groupLine
	var names interned
	ok := decodeSide(f, file, []string{"group"}, func(r groupRow) {
		if n, known := m.readGroup(f, r, first); known && r.Member+r.MemberType != "" {
			lines = append(lines, groupLine{n, int32(r.Line), names.add(r.Group), names.add(r.Member), r.MemberType})
		}
	})
	if !ok {
		return // what is wrong has been said
	}
	edges := map[string][]edge{}
	for _, l := range lines {
		m.readMember(f, l, &names, edges)
	}
	for _, c := range cycles(edges) {
		f.errorf(c.line, "take the group out of one of them", "the groups contain each other: %s", c.path)
	}
}

// readGroup reads a line's group; known is false when it has none.
func (m *Mapping) readGroup(f *sideFile, r groupRow, first map[string]groupRow) (n int32, known bool) {
	g, k := m.groups, fold(r.Group)
	if r.Group == "" {
		f.errorf(r.Line, "fill in the column group", "the line has no group")
		return 0, false
	}
	if column, taken := g.columns[k]; taken {
		f.errorf(r.Line, "give it another name", "the group %q is one of the column %q of the identities file", r.Group, column)
		return 0, false
	}
	if n, known = g.byName[k]; !known {
		n = g.add(r.Group, EncodeID(r.Group), r.Group)
		first[k] = groupRow{Group: r.Group, Line: r.Line}
	} else if was := first[k]; r.Group != was.Group {
		// Merged, the members of two teams would see what is the other's.
		f.errorf(r.Line, "write it the same way, or give the two groups names that differ in more than case", "the group %q is spelled %q in line %d", r.Group, was.Group, was.Line)
	}
	if r.DisplayName != "" {
		g.list[n].DisplayName = r.DisplayName
	}
	if r.Description != "" {
		g.list[n].Description = r.Description
	}
	return n, true
}

// readMember reads a line's member.
func (m *Mapping) readMember(f *sideFile, l groupLine, names *interned, edges map[string][]edge) {
	g, line, group, name := m.groups, int(l.line), fold(names.texts[l.name]), names.texts[l.member]
	kind := l.kind
	for _, k := range memberTypes {
		if strings.EqualFold(kind, k) {
			kind = k
		}
	}
	to, isGroup := g.byName[fold(name)]
	if kind == "" && isGroup {
		kind = "externalGroup"
	}
	switch {
	case kind != "" && !slices.Contains(memberTypes[:], kind):
		f.errorf(line, suggest(l.kind, []string{"user", "group", "externalGroup"}), "the memberType %q is not known", l.kind)
	case name == "":
		f.errorf(line, "fill in the column member", "the line has no member")
	case kind == "externalGroup" && !isGroup:
		f.errorf(line, "add it to the groups file, or correct the name", "%q is no group of the groups file", name)
	case kind == "externalGroup":
		g.members = append(g.members, groupMember{l.group, l.line, g.ids.add(g.list[to].ID), memberType(kind), false})
		edges[group] = append(edges[group], edge{fold(name), line})
	default:
		m.addMember(f, line, l.group, cmp.Or(kind, "user"), name)
	}
}

// addMember adds a person or a directory group. One who is not known, or not
// yet, is kept as a name: see Memberships.
func (m *Mapping) addMember(f *sideFile, line int, group int32, kind, name string) {
	g := m.groups
	w := names{m: m}
	id, err := w.principal(kind, name)
	var wrong *fault
	switch {
	case err == nil:
		g.members = append(g.members, groupMember{group, int32(line), g.ids.add(id), memberType(kind), false})
	case !errors.As(err, &wrong): // unreachable: principal has no other
	case !wrong.unknown.Several:
		g.members = append(g.members, groupMember{group, int32(line), g.ids.add(name), memberType(kind), true})
	default:
		f.errorf(line, wrong.remedy, "%s", wrong.detail)
	}
}

// An edge leads from a group to a group in it, by a line of the file.
type edge struct {
	to   string
	line int
}

type cycle struct {
	line int
	path string
}

// cycles finds groups that contain themselves, each circle once.
func cycles(edges map[string][]edge) []cycle {
	const open, done = 1, 2
	var found []cycle
	state := map[string]int{}
	var path []string
	var visit func(g string)
	visit = func(g string) {
		state[g] = open
		path = append(path, g)
		for _, e := range edges[g] {
			switch state[e.to] {
			case 0:
				visit(e.to)
			case open:
				i := slices.Index(path, e.to)
				found = append(found, cycle{e.line, circle(path[i:])})
			}
		}
		path = path[:len(path)-1]
		state[g] = done
	}
	for _, g := range keysOf(edges) {
		if state[g] == 0 {
			visit(g)
		}
	}
	return found
}

// circle writes a way from a group to itself; of a long one, its ends.
func circle(path []string) string {
	all := append(slices.Clone(path), path[0])
	if len(all) > 12 {
		all = slices.Concat(all[:6], []string{"…"}, all[len(all)-5:])
	}
	return strings.Join(all, " > ")
}

// externalGroup gives the id of an external group that an ACL names.
func (m *Mapping) externalGroup(name string) (string, error) {
	if m.groups != nil {
		if i, ok := m.groups.byName[fold(name)]; ok {
			return m.groups.list[i].ID, nil
		}
	}
	if m.groups == nil {
		return EncodeID(name), nil
	}
	return "", &fault{reason: ReasonUnknownPrincipal, value: name, col: noColumn, detail: fmt.Sprintf("%q is no group of the groups file", name), remedy: "add it to the groups file, or correct the name",
		unknown: &Unknown{"externalGroup", cutBytes(name, 200), false}}
}

// MemberNames are the names of members that have to be looked up before
// Memberships is called.
func (m *Mapping) MemberNames(dir Directory) []Name {
	if m.groups == nil {
		return nil
	}
	w := names{m: m, dir: dir}
	for _, gm := range m.groups.members {
		if gm.name {
			_, _ = w.principal(memberTypes[gm.kind], m.groups.ids.texts[gm.id]) // what is pending counts
		}
	}
	slices.SortFunc(w.pending, func(a, b Name) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Text, b.Text)) })
	return slices.Compact(w.pending)
}

// Memberships are external groups and their members, in order.
type Memberships struct {
	groups  []Group // by id
	members []membership
	ids     interned
	places  map[string]int32 // id of a group -> index, while it is built
}

type membership struct {
	group, id int32
	kind      uint8
}

// A Membership is a member of a group.
type Membership struct{ Group, Type, ID string }

// A LostMember is a member of a group whose name is not known.
type LostMember struct {
	Group string
	Pos   Pos
	Unknown
	Detail, Remedy string
}

// Memberships gives the groups that the mapping declares, with the members
// whose names are looked up in dir, and those whose names nobody has: they are
// left out. More can be added before Sort.
func (m *Mapping) Memberships(dir Directory) (all *Memberships, lost []LostMember) {
	all = &Memberships{places: map[string]int32{}}
	g := m.groups
	if g == nil {
		return all, nil
	}
	for _, group := range g.list {
		all.AddGroup(group)
	}
	all.members = make([]membership, 0, len(g.members))
	all.ids = interned{texts: slices.Clone(g.ids.texts)} // equal ones are met in Sort
	w := names{m: m, dir: dir}
	found := map[[2]int32]int32{}
	for _, gm := range g.members {
		if !gm.name {
			all.members = append(all.members, membership{gm.group, gm.id, gm.kind})
			continue
		}
		key := [2]int32{gm.id, int32(gm.kind)}
		id, known := found[key]
		if !known {
			text, err := w.principal(memberTypes[gm.kind], g.ids.texts[gm.id])
			var wrong *fault
			switch {
			case errors.As(err, &wrong):
				if len(lost) < maxSideErrors {
					lost = append(lost, LostMember{g.list[gm.group].DisplayName, Pos{File: g.file, Line: int(gm.line), Col: 1}, *wrong.unknown, wrong.detail, wrong.remedy})
				}
				id = -1
			case text == "":
				id = -1 // pending: unreachable once MemberNames are looked up
			default:
				id = all.ids.add(text)
			}
			found[key] = id
		}
		if id >= 0 {
			all.members = append(all.members, membership{gm.group, id, gm.kind})
		}
	}
	return all, lost
}

// strangers are the members of groups whom no file knows, where Entra ID is not
// asked.
func (m *Mapping) strangers() []LostMember {
	if m.Entra != nil || m.groups == nil || !slices.ContainsFunc(m.groups.members, func(gm groupMember) bool { return gm.name }) {
		return nil
	}
	_, lost := m.Memberships(nil)
	return lost
}

// checkMembers refuses a stranger in a group that may be denied: without the
// member, it would shut out somebody less.
func (m *Mapping) checkMembers() {
	if len(m.doc.errs) > 0 || !m.DeniesGroups() {
		return
	}
	for _, l := range m.strangers() {
		m.doc.errs = append(m.doc.errs, l.Denied())
	}
}

// Denied is the error of a member whom nobody knows, of a group that may be
// denied.
func (l LostMember) Denied() *Error {
	return &Error{Pos: l.Pos, Detail: fmt.Sprintf("%s, and the group %q may be denied", l.Detail, l.Group), Remedy: l.Remedy}
}

// AddGroup adds a group, if it is not there.
func (a *Memberships) AddGroup(g Group) {
	if _, ok := a.places[g.ID]; !ok {
		a.places[g.ID] = int32(len(a.groups))
		a.groups = append(a.groups, g)
	}
}

// Add adds a member to a group that is there.
func (a *Memberships) Add(group string, m Member) {
	a.members = append(a.members, membership{a.places[group], a.ids.add(m.ID), memberType(m.Type)})
}

// Sort puts all in order, once everything is added.
func (a *Memberships) Sort() {
	order := make([]int32, len(a.groups))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(i, j int32) int { return strings.Compare(a.groups[i].ID, a.groups[j].ID) })
	rank := make([]int32, len(order))
	sorted := make([]Group, len(order))
	for to, from := range order {
		rank[from], sorted[to] = int32(to), a.groups[from]
	}
	a.groups = sorted
	for i := range a.members {
		a.members[i].group = rank[a.members[i].group]
	}
	slices.SortFunc(a.members, func(x, y membership) int {
		if c := cmp.Or(cmp.Compare(x.group, y.group), cmp.Compare(x.kind, y.kind)); c != 0 || x.id == y.id {
			return c
		}
		return strings.Compare(a.ids.texts[x.id], a.ids.texts[y.id])
	})
	a.members = slices.CompactFunc(a.members, func(x, y membership) bool {
		return x.group == y.group && x.kind == y.kind && (x.id == y.id || a.ids.texts[x.id] == a.ids.texts[y.id])
	})
	a.places, a.ids.index = nil, nil
}

// Groups gives the groups in the order of their ids.
func (a *Memberships) Groups() []Group { return a.groups }

// Len is the number of members of all groups.
func (a *Memberships) Len() int { return len(a.members) }

// Has tells whether a member is there.
func (a *Memberships) Has(m Membership) bool {
	_, found := slices.BinarySearchFunc(a.members, m, func(have membership, want Membership) int {
		return cmp.Or(strings.Compare(a.groups[have.group].ID, want.Group), strings.Compare(memberTypes[have.kind], want.Type), strings.Compare(a.ids.texts[have.id], want.ID))
	})
	return found
}

// Members gives the members of all groups in the order of group, type and id.
func (a *Memberships) Members() iter.Seq[Membership] {
	return func(yield func(Membership) bool) {
		for _, m := range a.members {
			if !yield(Membership{a.groups[m.group].ID, memberTypes[m.kind], a.ids.texts[m.id]}) {
				return
			}
		}
	}
}

// MemberPlace says which line of which file puts a member into a group,
// file:line; "" is that it is not known.
func (m *Mapping) MemberPlace(mb Membership, dir Directory) string {
	g := m.groups
	if g == nil {
		return ""
	}
	w := names{m: m, dir: dir}
	for _, gm := range g.members {
		if g.list[gm.group].ID != mb.Group || memberTypes[gm.kind] != mb.Type {
			continue
		}
		id := g.ids.texts[gm.id]
		if gm.name {
			id, _ = w.principal(mb.Type, id) // whom nobody knows is not the one
		}
		if id != mb.ID {
			continue
		}
		file := g.file
		if _, ofColumn := g.columns[fold(g.list[gm.group].DisplayName)]; ofColumn {
			file = m.identityFile
		}
		return fmt.Sprintf("%s:%d", file, gm.line)
	}
	return ""
}

// DeniesGroups tells whether some source may deny an external group.
func (m *Mapping) DeniesGroups() bool {
	return slices.ContainsFunc(m.Sources, func(s *Source) bool {
		return slices.ContainsFunc(s.def.acl, func(a aclDef) bool {
			return a.deny && a.kind == "externalGroup" || a.from == "posix" || a.from == "ntfs"
		})
	})
}
