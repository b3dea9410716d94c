package transform

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gocarina/gocsv"
)

// ambiguous stands in the index of people for a value that several have.
const ambiguous = -1

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

// A userRow is a line of the identities file.
type userRow struct {
	ID          string `csv:"id"`
	UPN         string `csv:"userprincipalname"`
	Mail        string `csv:"mail"`
	DisplayName string `csv:"displayname"`
	EmployeeID  string `csv:"employeeid"`
	UserType    string `csv:"usertype"`
}

// A groupRow is a line of the groups file.
type groupRow struct {
	Group       string `csv:"group"`
	DisplayName string `csv:"displayname"`
	Description string `csv:"description"`
	MemberType  string `csv:"membertype"`
	Member      string `csv:"member"`
}

// headerNames are other names that columns of the side files go by.
var headerNames = map[string]string{"email": "mail", "emailaddress": "mail", "upn": "userprincipalname", "objectid": "id", "name": "displayname", "employeenumber": "employeeid"}

// A sideReader feeds gocsv. gocsv reads in a goroutine of its own, where a
// row longer than the header panics and no one can recover (decode.go of the
// version of 2024-05-20), so every row gets the header's width here, and
// header names one spelling.
type sideReader struct {
	r      *csv.Reader
	header []string
	lines  []int // the line of each row read
}

// readSide decodes a side file; line gives the line of each row.
func readSide[T any](file string, data []byte, required []string) (rows []T, lines []int, err *Error) {
	text := strings.TrimPrefix(string(data), "\ufeff")
	at := func(line int, detail, remedy string) *Error {
		return &Error{Pos: Pos{File: file, Line: max(line, 1), Col: 1}, Detail: detail, Remedy: remedy}
	}
	sr := &sideReader{r: csv.NewReader(strings.NewReader(text))}
	sr.r.FieldsPerRecord, sr.r.TrimLeadingSpace = -1, true
	first, _, _ := strings.Cut(text, "\n")
	if n := strings.Count(first, ","); strings.Count(first, ";") > n {
		sr.r.Comma = ';'
	} else if strings.Count(first, "\t") > n {
		sr.r.Comma = '\t'
	}
	all, readErr := sr.ReadAll()
	var pe *csv.ParseError
	switch {
	case errors.As(readErr, &pe):
		return nil, nil, at(pe.Line, "this line is not CSV: "+pe.Err.Error(), "check the quotes in it")
	case readErr != nil:
		return nil, nil, at(1, "the file cannot be read as CSV: "+readErr.Error(), "save it as CSV in UTF-8")
	case len(all) == 0:
		return nil, nil, at(1, "the file is empty", "its first line names the columns: "+strings.Join(required, ","))
	}
	for _, name := range required {
		if !slices.Contains(sr.header, strings.ToLower(name)) {
			return nil, nil, at(1, "there is no column "+quoted(name), "name it in the first line; columns are "+strings.Join(sr.header, ", "))
		}
	}
	if err := gocsv.UnmarshalCSV(&replay{rows: all}, &rows); err != nil && !errors.Is(err, gocsv.ErrEmptyCSVFile) {
		return nil, nil, at(1, "the file cannot be read: "+err.Error(), "save it as CSV in UTF-8")
	}
	if len(rows) != len(sr.lines) {
		return nil, nil, at(1, fmt.Sprintf("only %d of %d lines could be read", len(rows), len(sr.lines)), "save it as CSV in UTF-8")
	}
	return rows, sr.lines, nil
}

// ReadAll reads everything, widths made even and empty lines left out.
func (s *sideReader) ReadAll() ([][]string, error) {
	var rows [][]string
	for {
		row, err := s.r.Read()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(row, func(f string) bool { return !isBlank(f) }) {
			continue
		}
		for i := range row {
			row[i] = clean(trim(row[i]))
		}
		if s.header == nil {
			for i := range row {
				row[i] = headerName(row[i])
			}
			s.header = row
		} else {
			line, _ := s.r.FieldPos(0)
			s.lines = append(s.lines, line)
			for len(row) < len(s.header) {
				row = append(row, "")
			}
			row = row[:len(s.header)]
		}
		rows = append(rows, row)
	}
}

func headerName(h string) string {
	h = strings.ToLower(strings.NewReplacer(" ", "", "_", "", "-", "").Replace(h))
	if name, ok := headerNames[h]; ok {
		return name
	}
	return h
}

// A replay gives gocsv rows that are already read.
type replay struct{ rows [][]string }

func (r *replay) Read() ([]string, error) {
	if len(r.rows) == 0 {
		return nil, io.EOF
	}
	row := r.rows[0]
	r.rows = r.rows[1:]
	return row, nil
}

func (r *replay) ReadAll() ([][]string, error) {
	rows := r.rows
	r.rows = nil
	return rows, nil
}

// sideFile reads the file that a section names; ok is false when it could not,
// which has been reported.
func (m *Mapping) sideFile(s section) (file string, data []byte, ok bool) {
	v, ok := s.scalar("file")
	if !ok {
		return "", nil, false
	}
	file = v.s
	if !filepath.IsAbs(file) {
		file = filepath.Join(filepath.Dir(m.File), file)
	}
	m.doc.files = append(m.doc.files, file)
	data, err := readLimited(file, 1<<30)
	if err != nil {
		m.doc.errorf(v.pos, "correct the path, which is relative to the mapping, or make the file readable", "%s: the file %s cannot be read: %v", s.what, v.s, reasonOf(err))
		return file, nil, false
	}
	return file, data, true
}

func (m *Mapping) readIdentities(s section) {
	for _, v := range s.scalars("match") {
		if !slices.Contains(matchNames, v.s) {
			m.doc.errorf(v.pos, suggest(v.s, matchNames), "identities: match cannot be %q", v.s)
			continue
		}
		m.match = append(m.match, v.s)
	}
	file, data, ok := m.sideFile(s)
	if !ok {
		m.people = map[string]int{}
		return
	}
	rows, lines, err := readSide[userRow](file, data, []string{"id"})
	m.people = map[string]int{}
	if err != nil {
		m.doc.errs = append(m.doc.errs, err)
		return
	}
	for i, r := range rows {
		if !isGUID(r.ID) {
			m.doc.errs = append(m.doc.errs, &Error{Pos: Pos{File: file, Line: lines[i], Col: 1}, Detail: fmt.Sprintf("the id %q is no Entra object id", r.ID),
				Remedy: "it looks like 5b2c7f3e-0d1a-4c55-9a3e-2f6b8d0c1e47; export it with az ad user list"})
			continue
		}
		m.Users = append(m.Users, User{ID: strings.ToLower(r.ID), UPN: r.UPN, Mail: r.Mail, DisplayName: r.DisplayName, EmployeeID: r.EmployeeID,
			Guest: strings.EqualFold(r.UserType, "guest")})
		m.indexUser(len(m.Users) - 1)
	}
}

// indexUser makes the user findable by the columns that count.
func (m *Mapping) indexUser(i int) {
	u := &m.Users[i]
	keys := []string{u.ID, u.Mail, u.UPN}
	for _, name := range m.match {
		switch name {
		case "displayName":
			keys = append(keys, u.DisplayName)
		case "employeeId":
			keys = append(keys, u.EmployeeID)
		}
	}
	for _, k := range keys {
		if k = fold(k); k == "" {
			continue
		}
		if other, taken := m.people[k]; taken && (other == ambiguous || m.Users[other].ID != u.ID) {
			m.people[k] = ambiguous
			continue
		}
		m.people[k] = i
	}
}

// person makes a principal of a person's name as a property value. Unlike in
// an ACL an unknown one is no error: it is shown, it permits nothing.
func (m *Mapping) person(name string) Principal {
	if i, ok := m.people[fold(name)]; ok && i != ambiguous {
		u := &m.Users[i]
		return Principal{ExternalName: name, EntraID: u.ID, EntraDisplayName: u.DisplayName, Email: u.Mail, UPN: u.UPN}
	}
	switch {
	case isGUID(name):
		return Principal{EntraID: strings.ToLower(name)}
	case strings.Contains(name, "@"):
		return Principal{ExternalName: name, Email: name}
	}
	return Principal{ExternalName: name}
}

// readGroups reads the external groups with their members.
func (m *Mapping) readGroups(s section) {
	m.groupIDs = map[string]string{}
	file, data, ok := m.sideFile(s)
	if !ok {
		return
	}
	rows, lines, err := readSide[groupRow](file, data, []string{"group"})
	if err != nil {
		m.doc.errs = append(m.doc.errs, err)
		return
	}
	fail := func(i int, remedy, format string, args ...any) {
		m.doc.errs = append(m.doc.errs, &Error{Pos: Pos{File: file, Line: lines[i], Col: 1}, Detail: fmt.Sprintf(format, args...), Remedy: remedy})
	}
	index, spelled := map[string]int{}, map[string]int{}
	for i, r := range rows {
		if r.Group == "" {
			fail(i, "fill in the column group", "the line has no group")
			continue
		}
		g, known := index[fold(r.Group)]
		if !known {
			g = len(m.Groups)
			index[fold(r.Group)] = g
			m.Groups = append(m.Groups, Group{ID: EncodeID(r.Group), DisplayName: r.Group})
			m.groupIDs[fold(r.Group)] = EncodeID(r.Group)
			spelled[fold(r.Group)] = i
		} else if first := spelled[fold(r.Group)]; r.Group != rows[first].Group {
			// Merged, the members of two teams would see what is the other's.
			fail(i, "write it the same way, or give the two groups names that differ in more than case", "the group %q is spelled %q in line %d", r.Group, rows[first].Group, lines[first])
		}
		if r.DisplayName != "" {
			m.Groups[g].DisplayName = r.DisplayName
		}
		if r.Description != "" {
			m.Groups[g].Description = r.Description
		}
	}
	edges := map[string][]edge{}
	for i, r := range rows {
		if r.Group == "" || r.Member == "" && r.MemberType == "" {
			continue
		}
		member, problem, remedy := m.groupMember(r)
		if problem != "" {
			fail(i, remedy, "%s", problem)
			continue
		}
		g := &m.Groups[index[fold(r.Group)]]
		if slices.Contains(g.Members, member) {
			continue
		}
		g.Members = append(g.Members, member)
		if member.Type == "externalGroup" {
			edges[fold(r.Group)] = append(edges[fold(r.Group)], edge{fold(r.Member), i})
		}
	}
	for _, c := range cycles(edges) {
		fail(c.row, "take the group out of one of them", "the groups contain each other: %s", c.path)
	}
}

func (m *Mapping) groupMember(r groupRow) (member Member, problem, remedy string) {
	kind := r.MemberType
	for _, k := range []string{"user", "group", "externalGroup"} {
		if strings.EqualFold(kind, k) {
			kind = k
		}
	}
	if kind == "" {
		kind = "user"
		if _, isGroup := m.groupIDs[fold(r.Member)]; isGroup {
			kind = "externalGroup"
		}
	}
	switch kind {
	case "user", "group", "externalGroup":
	default:
		return member, fmt.Sprintf("the memberType %q is not known", r.MemberType), suggest(r.MemberType, []string{"user", "group", "externalGroup"})
	}
	if r.Member == "" {
		return member, "the line has no member", "fill in the column member"
	}
	id, err := m.principal(kind, r.Member)
	var f *fault
	if errors.As(err, &f) {
		return member, f.detail, f.remedy
	}
	return Member{Type: kind, ID: id}, "", ""
}

// An edge leads from a group to a group in it, by a row of the file.
type edge struct {
	to  string
	row int
}

type cycle struct {
	row  int
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
				found = append(found, cycle{e.row, strings.Join(append(slices.Clone(path[i:]), e.to), " > ")})
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
