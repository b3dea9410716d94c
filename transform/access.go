package transform

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"importer/extract"
)

// An entry of an ACL may say from: and take over who may read the file itself:
// by the permissions of its file system (posix), by a table of them (ntfs), or
// by what the folder around it says (folder). All of them give grants and
// denies to identities, and a table says whom in Entra ID these are.

// An accessRule is such an entry.
type accessRule struct {
	from   string // posix, ntfs or folder
	source string // of the mapping
	who    *principalTable
	paths  *pathTable // of ntfs
}

// Needs says what of a file's surroundings the source's permissions are made
// of: the permissions of its file system, or what the folders say.
func (s *Source) Needs() (posix, folder bool) {
	for _, a := range s.def.acl {
		posix, folder = posix || a.from == "posix", folder || a.from == "folder"
	}
	return posix, folder
}

// TakesOver tells whether the source's permissions are made of those of its
// files.
func (s *Source) TakesOver() bool {
	return slices.ContainsFunc(s.def.acl, func(a aclDef) bool { return a.from != "" })
}

// ByFile tells whether the permissions of the source's records are those of
// their file alone: nothing in a record has a say in them.
func (s *Source) ByFile() bool {
	return !slices.ContainsFunc(s.def.acl, func(a aclDef) bool { return a.when != nil || a.value != nil && a.tenant == "" })
}

// FileACL gives the permissions of all records of a file; nil is that they
// cannot be made, and ok is false where a record has a say in them. Its error
// is an *UnresolvedError.
func (s *Source) FileACL(file *extract.File, dir Directory) (acl []Access, ok bool, err error) {
	if !s.ByFile() {
		return nil, false, nil
	}
	b := &builder{d: s.m.doc, sc: s.def.scope, uses: map[string]bool{}, first: map[string]bool{}}
	p := b.acl(s.def.acl)
	e := &frame{rec: extract.Record{File: file}, loc: s.def.loc, names: names{m: s.m, dir: dir}}
	acl, err = p.entries(e)
	if len(e.pending) > 0 {
		return nil, false, &UnresolvedError{e.pending}
	}
	if err != nil {
		acl = nil
	}
	return acl, true, nil
}

// FolderGroup is the external group of those who may see what lies in a folder
// that has a file of them. folder is relative to the source's root.
func FolderGroup(source, folder string) Group {
	name := source
	if folder != "." {
		name += ": " + folder
	}
	return Group{ID: EncodeID("folder/" + source + "/" + folder), DisplayName: name,
		Description: "Who may see what lies in this folder, as a file in it says."}
}

func (r *accessRule) add(e *frame, out []Access) ([]Access, error) {
	file := e.rec.File
	if r.from == "ntfs" {
		path := ""
		if file != nil {
			path = e.containerPath()
		}
		grants, denies, ok := r.paths.of(path)
		if !ok {
			return nil, e.noAccess(fmt.Sprintf("the table of permissions has no line for %q; export it again, or correct its root", path))
		}
		return r.identities(e, out, grants, denies), nil
	}
	if file == nil || file.Access == nil {
		return nil, e.noAccess("the file's own permissions are not known here")
	}
	acc := file.Access
	switch {
	case acc.Unknown != "":
		return nil, e.noAccess(acc.Unknown)
	case r.from == "folder" && acc.Folder == "":
		return nil, e.noAccess(fmt.Sprintf("no folder around the file has a %s that says who may see it", e.m.accessFiles))
	case r.from == "folder":
		a := Access{Type: "externalGroup", Value: FolderGroup(r.source, acc.Folder).ID}
		e.traceEntry(a, acc.Folder, nil)
		return append(out, a), nil
	}
	grants, denies := readers(acc.Posix)
	return r.identities(e, out, grants, denies), nil
}

// containerPath is the path of the record's file, or of the one that it is
// attached to.
func (e *frame) containerPath() string {
	if part := e.rec.Part; part != nil {
		return strings.TrimSuffix(e.rec.File.Path, "!"+part.Path)
	}
	return e.rec.File.Path
}

func (e *frame) noAccess(detail string) error {
	return &ItemError{Place: e.rec.Place, Reason: ReasonNoAccess, Property: "acl", Detail: "acl: " + detail}
}

// identities adds entries for those whom a file's permissions name.
func (r *accessRule) identities(e *frame, out []Access, grants, denies []string) []Access {
	for _, who := range grants {
		out = r.identity(e, out, who, false)
	}
	for _, who := range denies {
		out = r.identity(e, out, who, true)
	}
	return out
}

func (r *accessRule) identity(e *frame, out []Access, who string, deny bool) []Access {
	p, ok := r.who.find(who)
	switch {
	case ok && p.kind == "nobody":
		e.traceEntry(Access{Deny: deny}, who, nil)
		return out
	case ok && (p.kind == "everyone" || p.kind == "everyoneExceptGuests"):
		a := Access{Type: p.kind, Value: everyone, Deny: deny}
		e.traceEntry(a, who, nil)
		return append(out, a)
	case ok:
		return e.addName(out, p.kind, p.value, deny)
	case r.from == "posix":
		e.lose("user", who, deny, e.names.unknown("user", who, who, false, fmt.Sprintf("%s of the file's permissions is in no line of the principals table", identityWords(who)),
			"add a line for it: "+who+",user,anna@contoso.com, or with the type nobody").(*fault))
		return out
	case !deny && slices.Contains(administrators, fold(who)):
		e.traceEntry(Access{}, who, nil) // whom a grant lets see less is no risk
		return out
	}
	return r.account(e, out, who, deny)
}

// administrators are identities of Windows that stand in nearly every list of
// permissions and are not people who search.
var administrators = []string{`nt authority\system`, "s-1-5-18", `builtin\administrators`, "s-1-5-32-544", "creator owner", "s-1-3-0",
	`nt service\trustedinstaller`}

// account adds an entry for an identity of Windows, which does not say whether
// it is a person or a group.
func (r *accessRule) account(e *frame, out []Access, who string, deny bool) []Access {
	name := e.m.rules.apply(who)
	before := len(e.pending)
	user, isUser := e.find("user", name)
	team, isTeam := e.find("group", name)
	switch {
	case len(e.pending) > before:
		return out
	case isUser && !isTeam && !team.Several:
		return e.grantID(out, "user", user.ID, who, deny)
	case isTeam && !isUser && !user.Several:
		return e.grantID(out, "group", team.ID, who, deny)
	}
	several := isUser || isTeam || user.Several || team.Several
	detail := fmt.Sprintf("%q of the file's permissions is not known", who)
	if several {
		detail = fmt.Sprintf("%q of the file's permissions may be several people or groups", who)
	}
	e.lose("user", who, deny, e.names.unknown("user", who, name, several, detail, "add it to the principals table, or to the identities").(*fault))
	return out
}

func (e *frame) grantID(out []Access, kind, id, name string, deny bool) []Access {
	a := Access{Type: kind, Value: id, Deny: deny}
	e.traceEntry(a, name, nil)
	return append(out, a)
}

// A principalRow is a line of a table of identities.
type principalRow struct {
	Identity string `csv:"identity"`
	Type     string `csv:"type"`
	Value    string `csv:"value"`
	Line     int    `csv:"line no"`
}

// A principalTable says whom identities of files are.
type principalTable struct{ rows map[string]principalOf }

type principalOf struct{ kind, value string }

var principalTypes = append(slices.Clone(aclTypes), "nobody")

func (t *principalTable) find(identity string) (principalOf, bool) {
	if t == nil {
		return principalOf{}, false
	}
	p, ok := t.rows[fold(identity)]
	return p, ok
}

// readAccess reads an entry that takes over the permissions of files.
func (m *Mapping) readAccess(e section, source string) *accessRule {
	r := &accessRule{from: e.word("acl entry", "from"), source: source}
	switch {
	case r.from == "":
		return nil
	case e.has("value"):
		m.doc.errorf(e.posOf("value"), "take it out", "%s: from takes no value", e.what)
	case r.from == "folder" && m.accessFiles == "":
		m.doc.errorf(e.posOf("from"), "add groups: {folders: .access.csv} and name the files so", "%s: the mapping does not say which files in folders tell who may see them", e.what)
	case r.from != "folder" && r.from == "posix" && !e.has("principals"):
		m.doc.errorf(e.pos, "add principals: and a table with the columns identity, type and value, such as uid:1000,user,anna@contoso.com", "%s: whom uids and gids are is not said", e.what)
	case r.from == "ntfs" && !e.has("table"):
		m.doc.errorf(e.pos, "add table: and the exported permissions", "%s: there is no table of permissions", e.what)
	}
	for _, k := range []string{"table", "root", "principals"} {
		if e.has(k) && (r.from == "folder" || r.from == "posix" && k != "principals") {
			m.doc.errorf(e.posOf(k), "take it out", "%s: %s does not go with from: %s", e.what, k, r.from)
		}
	}
	if e.has("principals") {
		r.who = m.readPrincipals(e)
	}
	if r.from == "ntfs" {
		r.paths = m.readPaths(e)
	}
	return r
}

// A FolderMember is a line of a file that says who may see what lies in a
// folder.
type FolderMember struct {
	Line       int
	Type, Name string
}

// A folderRow is such a line as it is written.
type folderRow struct {
	MemberType string `csv:"membertype"`
	Member     string `csv:"member"`
	Line       int    `csv:"line no"`
}

// ReadFolder reads a file that says who may see what lies in a folder. Its
// error has the line in front: 3: the line has no member; fill in ...
func ReadFolder(file io.Reader) (all []FolderMember, err error) {
	f := &sideFile{m: &Mapping{doc: &document{}}}
	decodeSide(f, file, []string{"member"}, func(r folderRow) {
		kind := cmp.Or(r.MemberType, "user")
		for _, k := range memberTypes {
			if strings.EqualFold(kind, k) {
				kind = k
			}
		}
		switch {
		case !slices.Contains(memberTypes[:], kind):
			f.errorf(r.Line, suggest(r.MemberType, memberTypes[:]), "the memberType %q is not known", r.MemberType)
		case r.Member == "":
			f.errorf(r.Line, "fill in the column member", "the line has no member")
		default:
			all = append(all, FolderMember{r.Line, kind, r.Member})
		}
	})
	if errs := f.m.doc.errs; len(errs) > 0 {
		return nil, fmt.Errorf("%d: %s; %s", errs[0].Pos.Line, errs[0].Detail, errs[0].Remedy)
	}
	return all, nil
}

// MemberOf gives whom a line means; its error says that nobody is it. While a
// name has to be looked up first, pending has it.
func (m *Mapping) MemberOf(fm FolderMember, dir Directory) (mb Member, pending []Name, err error) {
	w := names{m: m, dir: dir}
	id, err := w.principal(fm.Type, fm.Name)
	return Member{fm.Type, id}, w.pending, err
}

// readPrincipals reads a table of identities. What the identities file or
// Entra ID has to say of its values is asked with each record.
func (m *Mapping) readPrincipals(e section) *principalTable {
	t := &principalTable{rows: map[string]principalOf{}}
	f := &sideFile{}
	readSide(m, e, "principals", f, []string{"identity", "type"}, func(r principalRow) {
		kind := ""
		for _, k := range principalTypes {
			if strings.EqualFold(k, r.Type) {
				kind = k
			}
		}
		named := kind == "user" || kind == "group" || kind == "externalGroup"
		switch {
		case r.Identity == "":
			f.errorf(r.Line, "write uid:1000, gid:100, other, or a name as the permissions have it", "the line has no identity")
			return
		case kind == "":
			f.errorf(r.Line, suggest(r.Type, principalTypes), "the type %q is not known", r.Type)
			return
		case named && r.Value == "":
			f.errorf(r.Line, "fill in the column value", "the %s has no value", kind)
			return
		case !named && r.Value != "":
			f.errorf(r.Line, "take the value out", "%s takes no value", kind)
			return
		}
		p := principalOf{kind, r.Value}
		if other, twice := t.rows[fold(r.Identity)]; twice && other != p {
			f.errorf(r.Line, "keep one of the lines", "the identity %q is %s %s already", r.Identity, other.kind, other.value)
			return
		}
		if named {
			m.checkPrincipal(f, r, kind)
		}
		t.rows[fold(r.Identity)] = p
	})
	return t
}

// checkPrincipal looks a value up that no directory has to be asked for.
func (m *Mapping) checkPrincipal(f *sideFile, r principalRow, kind string) {
	w := names{m: m}
	_, err := w.principal(kind, r.Value)
	var wrong *fault
	if errors.As(err, &wrong) && (m.Entra == nil || kind == "externalGroup" || wrong.unknown.Several) {
		f.errorf(r.Line, wrong.remedy, "%s", wrong.detail)
	}
}

func identityWords(who string) string {
	kind, id, _ := strings.Cut(who, ":")
	switch kind {
	case "uid":
		return "the user " + id + " (" + who + ")"
	case "gid":
		return "the group " + id + " (" + who + ")"
	}
	return "everybody else (other)"
}

// readers says who may read a file, given its permissions and those of the
// folders around it: whoever the file lets read and every folder lets pass.
// Names are uid:1000, gid:100 and other. Where this cannot be said in grants
// and denies exactly it says less: somebody may be left out who can read the
// file, and nobody is let in who cannot.
func readers(perms []extract.Posix) (grants, denies []string) {
	if len(perms) == 0 {
		return nil, nil
	}
	const read, pass = 4, 1
	file := partiesOf(perms[0], read)
	for _, c := range file.all() {
		if c.has {
			grants = append(grants, c.who)
		}
	}
	denies = file.lacking(grants, grants)
	for _, p := range perms[1:] {
		grants, denies = partiesOf(p, pass).narrow(grants, denies)
	}
	if len(grants) == 0 {
		return nil, nil
	}
	slices.Sort(denies)
	return grants, slices.Compact(denies)
}

// A party is one of those that a system tells apart when it decides: the owner
// and other users, groups, and everybody else.
type party struct {
	who string
	has bool // what is asked for
}

type parties struct {
	users, groups []party
	other         party
}

func partiesOf(p extract.Posix, bit uint8) parties {
	c := parties{other: party{"other", p.Other&bit != 0}}
	add := func(list []party, kind string, id uint32, perm uint8) []party {
		who := fmt.Sprintf("%s:%d", kind, id)
		if i := slices.IndexFunc(list, func(c party) bool { return c.who == who }); i >= 0 {
			// The owner comes before an entry of the same user; of groups one is enough.
			list[i].has = list[i].has || kind == "gid" && perm&bit != 0
			return list
		}
		return append(list, party{who, perm&bit != 0})
	}
	c.users = add(nil, "uid", p.UID, p.User)
	for _, u := range p.Users {
		c.users = add(c.users, "uid", u.ID, u.Perm)
	}
	c.groups = add(nil, "gid", p.GID, p.Group)
	for _, g := range p.Groups {
		c.groups = add(c.groups, "gid", g.ID, g.Perm)
	}
	return c
}

func (c parties) all() []party { return append(slices.Concat(c.users, c.groups), c.other) }

func (c parties) find(who string) (party, bool) {
	all := c.all()
	i := slices.IndexFunc(all, func(x party) bool { return x.who == who })
	if i < 0 {
		return party{}, false
	}
	return all[i], true
}

// lacking are the parties that have to be denied so that grants lets in nobody
// of them: users may be in any group that is granted, and members of groups are
// among the others. rest are the grants that reach people as others here.
func (c parties) lacking(grants, rest []string) (denies []string) {
	single := func(who string) bool { return strings.HasPrefix(who, "uid:") }
	if !slices.ContainsFunc(grants, func(who string) bool { return !single(who) }) && len(rest) == 0 {
		return nil
	}
	others := slices.ContainsFunc(rest, func(who string) bool {
		return who == "other" || !slices.ContainsFunc(c.all(), func(x party) bool { return x.who == who })
	})
	for _, u := range c.users {
		if !u.has {
			denies = append(denies, u.who)
		}
	}
	if others {
		for _, g := range c.groups {
			if !g.has {
				denies = append(denies, g.who)
			}
		}
	}
	return denies
}

// narrow takes out of the grants those whom a folder does not let pass, and
// denies those who would pass as members of somebody else that is left.
func (c parties) narrow(grants, denies []string) ([]string, []string) {
	var left, asOthers []string
	for _, who := range grants {
		own, named := c.find(who)
		switch {
		case named && who != "other":
			if own.has {
				left = append(left, who)
			}
		case c.other.has:
			left, asOthers = append(left, who), append(asOthers, who)
		case who == "other": // of everybody, those whom the folder lets pass by name
			for _, x := range slices.Concat(c.users, c.groups) {
				if x.has && !slices.Contains(grants, x.who) {
					left = append(left, x.who)
				}
			}
		}
	}
	return left, append(denies, c.lacking(left, asOthers)...)
}
