package transform

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// How the name of a person or group in a record becomes the id of one in
// Entra ID. The sources are asked in this order, and the first that knows the
// name, or knows it to be several people's, has the last word:
//
//	the rules    rewrite the name: see nameRules
//	an id        stands for itself
//	the file     of people and groups, by the columns that count
//	Entra ID     through a Directory, where the mapping wants it
//
// Where there is a default domain, a name without @ is looked for as it is,
// in all of them, and then with the domain.

// fold makes values comparable: case and outer white space do not count.
func fold(s string) string { return strings.ToLower(trim(s)) }

func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if !isDigit(c) && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return false
			}
		}
	}
	return true
}

// isSID tells a security identifier of Windows: S-1-5-21-...
func isSID(s string) bool {
	rest, ok := strings.CutPrefix(fold(s), "s-1-")
	return ok && rest != "" && strings.Trim(rest, "0123456789-") == ""
}

// A userRow is a line of the identities file.
type userRow struct {
	ID          string `csv:"id"`
	UPN         string `csv:"userprincipalname"`
	Mail        string `csv:"mail"`
	DisplayName string `csv:"displayname"`
	EmployeeID  string `csv:"employeeid"`
	SAM         string `csv:"samaccountname"`
	SID         string `csv:"sid"`
	UserType    string `csv:"usertype"`
	Type        string `csv:"type"`
	Members     string `csv:"members"`
	Line        int    `csv:"line no"`
	Extra       string `csv:"extra values"`
}

// Entra says how Entra ID is asked for people and groups.
type Entra struct {
	// Match are the properties by which one is looked for, as Graph calls them;
	// mail and userPrincipalName are always among them.
	Match []string
	// CacheFor and UnknownFor are how long an answer counts, that somebody is
	// known and that nobody, or several, are.
	CacheFor, UnknownFor time.Duration
}

// How long answers of Entra ID count unless the mapping says otherwise.
const (
	defaultCacheFor   = 7 * 24 * time.Hour
	defaultUnknownFor = time.Hour
)

// matchAliases are other names of the columns that count.
var matchAliases = map[string]string{"upn": "userPrincipalName", "email": "mail"}

// nameRules turn what files call people into names that can be looked up.
type nameRules struct {
	rewrite []rewriteRule
	strip   bool   // DOMAIN\name is name
	domain  string // that names without @ may be in
}

type rewriteRule struct {
	match   *regexp.Regexp
	replace string
}

func (r *nameRules) apply(name string) string {
	for _, rule := range r.rewrite {
		name = rule.match.ReplaceAllString(name, rule.replace)
	}
	if i := strings.LastIndexByte(name, '\\'); r.strip && i >= 0 {
		name = name[i+1:]
	}
	return trim(name)
}

// spellings are what a name is looked for as, in order.
func (r *nameRules) spellings(name string) []string {
	if r.domain == "" || strings.Contains(name, "@") || isGUID(name) || isSID(name) {
		return []string{name}
	}
	return []string{name, name + "@" + r.domain}
}

func (m *Mapping) readIdentities(s section) {
	m.readNameRules(s)
	if s.has("unknown") {
		m.dropUnknown = s.word("identities", "unknown") == "drop"
	}
	var match []string
	for _, v := range s.scalars("match") {
		name := v.s
		if to, ok := matchAliases[name]; ok {
			name = to
		}
		if !slices.Contains(matchNames, v.s) {
			m.doc.errorf(v.pos, suggest(v.s, matchNames), "identities: match cannot be %q", v.s)
			continue
		}
		if name != "id" && !slices.Contains(match, name) {
			match = append(match, name)
		}
	}
	m.match = match
	if s.bool("entra") {
		m.Entra = &Entra{CacheFor: defaultCacheFor, UnknownFor: defaultUnknownFor, Match: match}
		for _, always := range []string{"userPrincipalName", "mail"} {
			if !slices.Contains(m.Entra.Match, always) {
				m.Entra.Match = append([]string{always}, m.Entra.Match...)
			}
		}
	}
	for _, name := range []string{"cacheFor", "unknownFor"} {
		d := s.duration(name)
		switch {
		case d == 0:
		case m.Entra == nil:
			m.doc.errorf(s.posOf(name), "add entra: true, or take it out", "identities: %s is about the answers of Entra ID, which is not asked", name)
		case name == "cacheFor":
			m.Entra.CacheFor = d
		default:
			m.Entra.UnknownFor = d
		}
	}
	if !s.has("file") && m.Entra == nil {
		m.doc.errorf(s.pos, "add file: directory.csv, or entra: true to look people up in Entra ID", "identities has neither a file nor entra")
	}
	m.readPeople(s)
}

func (m *Mapping) readNameRules(s section) {
	r := &m.rules
	r.strip, r.domain = s.bool("stripDomain"), strings.TrimPrefix(fold(s.text("domain")), "@")
	if strings.ContainsAny(r.domain, "@ \\") || s.has("domain") && r.domain == "" {
		m.doc.errorf(s.posOf("domain"), "write it like contoso.com", "identities: the domain %q is none", s.text("domain"))
	}
	f, ok := s.byN["rewrite"]
	if !ok {
		return
	}
	for i, n := range m.doc.list(f.value) {
		e, ok := m.doc.section(n, "rewrite", fmt.Sprintf("identities: rewrite %d", i+1))
		if !ok {
			continue
		}
		v, ok := e.scalar("match")
		if !ok {
			continue
		}
		re, err := regexp.Compile(v.s)
		if err != nil {
			m.doc.errorf(v.pos, "correct the pattern; its syntax is RE2's", "%s: the pattern is not a regular expression: %s", e.what, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
			continue
		}
		r.rewrite = append(r.rewrite, rewriteRule{re, e.text("replace")})
	}
}

// readPeople reads the file of people and groups, if there is one.
func (m *Mapping) readPeople(s section) {
	if !s.has("file") {
		if c, ok := s.byN["columns"]; ok {
			m.doc.errorf(c.key, "add file: directory.csv, or take columns out", "identities has columns and no file")
		}
		return
	}
	m.people, m.teams = newIndex(), newIndex()
	f := &sideFile{columns: m.readColumns(s), extra: m.groupColumns}
	var members []userRow
	readSide(m, s, "file", f, []string{"id"}, func(r userRow) {
		switch {
		case !isGUID(r.ID):
			f.errorf(r.Line, "it looks like 5b2c7f3e-0d1a-4c55-9a3e-2f6b8d0c1e47; export it with az ad user list", "the id %q is no Entra object id", r.ID)
			return
		case strings.EqualFold(r.Type, "group"):
			m.addTeam(r)
			if r.Members != "" {
				members = append(members, r)
			}
			return
		case r.Type != "" && !strings.EqualFold(r.Type, "user"):
			f.errorf(r.Line, "write user or group", "the type %q is neither user nor group", r.Type)
			return
		}
		m.Users = append(m.Users, User{ID: strings.ToLower(r.ID), UPN: r.UPN, Mail: r.Mail, DisplayName: r.DisplayName, EmployeeID: r.EmployeeID,
			SAM: r.SAM, SID: r.SID, Guest: strings.EqualFold(r.UserType, "guest") || strings.Contains(strings.ToUpper(r.UPN), "#EXT#")})
		m.indexUser(len(m.Users) - 1)
		if r.Extra != "" {
			m.addToColumnGroups(f, r)
		}
	})
	m.identityFile = f.name
	for _, r := range members {
		m.fillTeam(f, r)
	}
}

// readColumns reads which columns of the file are what.
func (m *Mapping) readColumns(s section) map[string]string {
	f, ok := s.byN["columns"]
	if !ok {
		return nil
	}
	c, ok := m.doc.section(f.value, "identities columns", "identities: columns")
	if !ok {
		return nil
	}
	columns := map[string]string{}
	for _, k := range objectNamed("identities columns").keys {
		v, ok := c.scalar(k.name)
		if !ok {
			continue
		}
		if strings.TrimSpace(v.s) == "" {
			m.doc.errorf(v.pos, "write the name of a column", "identities: columns: the column of the %s is empty", k.name)
			continue
		}
		if other, twice := columns[squeeze(v.s)]; twice {
			m.doc.errorf(v.pos, "name another column", "identities: columns: the column %q is the %s already", v.s, other)
		}
		columns[squeeze(v.s)] = strings.ToLower(k.name)
	}
	return columns
}

// ambiguous stands in an index for a name that several have.
const ambiguous = -1

// An index finds what a folded name is the name of.
type index map[string]int

func newIndex() index { return index{} }

// add makes something findable by its names. same tells whether another is
// the same as this.
func (ix index) add(i int, same func(other int) bool, names ...string) {
	for _, k := range names {
		if k = fold(k); k == "" {
			continue
		}
		if other, taken := ix[k]; taken && (other == ambiguous || !same(other)) {
			ix[k] = ambiguous
			continue
		}
		ix[k] = i
	}
}

// indexUser makes the user findable by the columns that count.
func (m *Mapping) indexUser(i int) {
	u := &m.Users[i]
	names := []string{u.ID, u.Mail, u.UPN, u.SID}
	for _, name := range m.match {
		switch name {
		case "displayName":
			names = append(names, u.DisplayName)
		case "employeeId":
			names = append(names, u.EmployeeID)
		case "samAccountName":
			names = append(names, u.SAM)
		}
	}
	m.people.add(i, func(other int) bool { return m.Users[other].ID == u.ID }, names...)
}

func (m *Mapping) addTeam(r userRow) {
	i := len(m.Teams)
	m.Teams = append(m.Teams, Team{ID: strings.ToLower(r.ID), DisplayName: r.DisplayName, Mail: r.Mail})
	names := []string{r.ID, r.Mail, r.SID}
	for _, name := range m.match {
		switch name {
		case "displayName":
			names = append(names, r.DisplayName)
		case "samAccountName":
			names = append(names, r.SAM)
		}
	}
	m.teams.add(i, func(other int) bool { return m.Teams[other].ID == m.Teams[i].ID }, names...)
}

// fillTeam finds the members of a group of the file: people and groups of the
// same file. They matter to the local Graph alone.
func (m *Mapping) fillTeam(f *sideFile, r userRow) {
	team := &m.Teams[m.teams[fold(r.ID)]]
	for name := range strings.SplitSeq(r.Members, ";") {
		k := fold(name)
		if k == "" {
			continue
		}
		if i, ok := m.people[k]; ok && i != ambiguous {
			team.Members = append(team.Members, m.Users[i].ID)
		} else if i, ok := m.teams[k]; ok && i != ambiguous {
			team.Members = append(team.Members, m.Teams[i].ID)
		} else {
			f.errorf(r.Line, "name people by id, mail or userPrincipalName and groups by id or mail", "the member %q of the group %q is nobody and no group of the file", trim(name), r.DisplayName)
		}
	}
}
