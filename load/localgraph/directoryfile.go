package localgraph

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Directory is the people and groups of a file. Users or Groups that are nil
// leave those that are there alone; a list without elements removes them.
type Directory struct {
	Users  []User
	Groups []DirectoryGroup

	file    string
	places  []place   // of Groups
	members [][]place // of their Members
}

// A place is where something stands in a file: line and column, from 1.
type place struct{ line, col int }

// ReadDirectory reads a directory from a CSV or a JSON file, whose name is for
// the errors: they are of the form name:line:col: what is wrong.
//
// CSV has a header and a line for each user or group, with the columns id,
// userPrincipalName (or upn), mail (or email), displayName, employeeId and
// userType (Member or Guest). A line whose column type says group is a group;
// its column members holds users (by id, userPrincipalName or mail) and groups
// (by id), with semicolons between. Other columns are ignored, so a file of
// identities that a mapping has will do.
//
// JSON is {"users": [...], "groups": [...]} of objects with the same members;
// members is an array.
func ReadDirectory(name string, raw []byte) (*Directory, error) {
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	d := &Directory{file: name}
	if i := invalidUTF8(raw); i >= 0 {
		return nil, d.wrong(placeOf(raw, i), "the file is not UTF-8; save it as UTF-8")
	}
	var err error
	if rest := bytes.TrimLeft(raw, " \t\r\n"); len(rest) > 0 && (rest[0] == '{' || rest[0] == '[') {
		err = d.readJSON(raw)
	} else {
		err = d.readCSV(raw)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

func invalidUTF8(raw []byte) int {
	if utf8.Valid(raw) {
		return -1
	}
	for i := 0; ; {
		r, n := utf8.DecodeRune(raw[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
}

func placeOf(raw []byte, offset int) place {
	offset = min(offset, len(raw))
	line := bytes.Count(raw[:offset], []byte("\n"))
	from := bytes.LastIndexByte(raw[:offset], '\n') + 1
	return place{line + 1, utf8.RuneCount(raw[from:offset]) + 1}
}

// A DirectoryError says what is wrong in a directory's file, and where.
type DirectoryError struct {
	File      string
	Line, Col int
	Text      string
}

func (e *DirectoryError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.Text)
}

func (d *Directory) wrong(at place, format string, args ...any) error {
	return &DirectoryError{d.file, at.line, at.col, fmt.Sprintf(format, args...)}
}

// A directoryEntry is a user or a group as the file has it. at tells where a
// field stands.
type directoryEntry struct {
	group  bool
	fields map[string]string // by the names of the API, in lower case
	at     func(field string) place
	names  []string // members
	places []place
}

var directoryFields = []string{"id", "userprincipalname", "mail", "displayname", "employeeid", "usertype", "type", "members"}

func directoryField(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	switch name {
	case "upn":
		return "userprincipalname"
	case "email":
		return "mail"
	}
	return name
}

// add takes an entry into the directory; seen has the ids and names before it.
func (d *Directory) add(e directoryEntry, seen map[string]place) error {
	id := strings.TrimSpace(e.fields["id"])
	if id == "" {
		return d.wrong(e.at("id"), "the id is missing; it is the object id in Entra ID")
	}
	claim := func(kind, field, value string) error {
		key := kind + strings.ToLower(value)
		if first, ok := seen[key]; ok {
			return d.wrong(e.at(field), "the %s %q is already on line %d", kind, value, first.line)
		}
		seen[key] = e.at(field)
		return nil
	}
	if err := claim("id", "id", id); err != nil {
		return err
	}
	if e.group {
		d.Groups = append(d.Groups, DirectoryGroup{ID: id, DisplayName: e.fields["displayname"], Mail: e.fields["mail"], Members: e.names})
		d.places, d.members = append(d.places, e.at("id")), append(d.members, e.places)
		return nil
	}
	if len(e.names) > 0 {
		return d.wrong(e.places[0], "a user has no members")
	}
	u := User{ID: id, UserPrincipalName: e.fields["userprincipalname"], Mail: e.fields["mail"], DisplayName: e.fields["displayname"], EmployeeID: e.fields["employeeid"]}
	switch kind := e.fields["usertype"]; strings.ToLower(kind) {
	case "", "member":
	case "guest":
		u.Guest = true
	default:
		return d.wrong(e.at("usertype"), "the userType %q is neither Member nor Guest", kind)
	}
	if u.UserPrincipalName != "" {
		if err := claim("userPrincipalName", "userprincipalname", u.UserPrincipalName); err != nil {
			return err
		}
	}
	d.Users = append(d.Users, u)
	return nil
}

func (d *Directory) readCSV(raw []byte) error {
	r := csv.NewReader(bytes.NewReader(raw))
	r.Comma, r.FieldsPerRecord = commaOf(raw), -1
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return d.wrong(place{1, 1}, "the file is empty; its first line names the columns: id,userPrincipalName,mail,displayName")
	}
	if err != nil {
		return d.csvError(err)
	}
	column := map[string]int{}
	for i, name := range header {
		name = directoryField(name)
		if !slices.Contains(directoryFields, name) {
			continue
		}
		if _, twice := column[name]; twice {
			line, col := r.FieldPos(i)
			return d.wrong(place{line, col}, "the column %q comes twice", header[i])
		}
		column[name] = i
	}
	if _, ok := column["id"]; !ok {
		return d.wrong(place{1, 1}, "there is no column id; the columns are %s", strings.Join(header, ", "))
	}
	seen := map[string]place{}
	for {
		line, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return d.csvError(err)
		}
		if err := d.csvLine(r, header, column, line, seen); err != nil {
			return err
		}
	}
}

func (d *Directory) csvLine(r *csv.Reader, header []string, column map[string]int, line []string, seen map[string]place) error {
	positions := make([]place, len(line))
	for i := range line {
		positions[i].line, positions[i].col = r.FieldPos(i)
	}
	if len(line) != len(header) {
		return d.wrong(positions[0], "the line has %d fields, and the header %d", len(line), len(header))
	}
	e := directoryEntry{fields: map[string]string{}, at: func(field string) place { return positions[column[field]] }}
	for name, i := range column {
		e.fields[name] = strings.TrimSpace(line[i])
	}
	switch kind := strings.ToLower(e.fields["type"]); kind {
	case "group":
		e.group = true
	case "", "user":
	default:
		return d.wrong(e.at("type"), "the type %q is neither user nor group", e.fields["type"])
	}
	for _, m := range strings.Split(e.fields["members"], ";") {
		if m = strings.TrimSpace(m); m != "" {
			e.names, e.places = append(e.names, m), append(e.places, e.at("members"))
		}
	}
	return d.add(e, seen)
}

func (d *Directory) csvError(err error) error {
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		return d.wrong(place{e.Line, e.Column}, "%v", e.Err)
	}
	return fmt.Errorf("%s: %w", d.file, err)
}

// commaOf finds what separates the columns: the mark that the header has most
// of.
func commaOf(raw []byte) rune {
	header, _, _ := bytes.Cut(raw, []byte("\n"))
	best := ','
	for _, mark := range ";\t" {
		if bytes.Count(header, []byte(string(mark))) > bytes.Count(header, []byte(string(best))) {
			best = mark
		}
	}
	return best
}

func (d *Directory) readJSON(raw []byte) error {
	if !json.Valid(raw) {
		var v any
		err := json.Unmarshal(raw, &v)
		if e, ok := errors.AsType[*json.SyntaxError](err); ok {
			return d.wrong(placeOf(raw, int(e.Offset)-1), "%v", e)
		}
		return d.wrong(place{1, 1}, "%v", err)
	}
	// A value is a part of raw that reaches, by its capacity, to raw's end.
	at := func(val []byte) place { return placeOf(raw, cap(raw)-cap(val)) }
	top := raw[skipSpace(raw, 0):]
	if kindOf(top) != '{' {
		return d.wrong(at(top), "the file must be an object: {\"users\": [...], \"groups\": [...]}")
	}
	seen := map[string]place{}
	return walkObject(top, func(key string, val []byte) error {
		group := key == "groups"
		switch {
		case !group && key != "users":
			return nil
		case kindOf(val) != '[':
			return d.wrong(at(val), "%s must be an array", key)
		case group && d.Groups == nil:
			d.Groups = []DirectoryGroup{}
		case d.Users == nil:
			d.Users = []User{}
		}
		return walkArray(val, func(one []byte) error {
			if kindOf(one) != '{' {
				return d.wrong(at(one), "each of %s must be an object", key)
			}
			return d.jsonEntry(one, group, at, seen)
		})
	})
}

func (d *Directory) jsonEntry(raw []byte, group bool, at func([]byte) place, seen map[string]place) error {
	where := map[string]place{}
	e := directoryEntry{group: group, fields: map[string]string{}}
	e.at = func(field string) place {
		if p, ok := where[field]; ok {
			return p
		}
		return at(raw)
	}
	err := walkObject(raw, func(key string, val []byte) error {
		field := directoryField(key)
		where[field] = at(val)
		switch {
		case field == "members":
			return d.jsonMembers(&e, val, at)
		case field == "type" || !slices.Contains(directoryFields, field) || kindOf(val) == 'n':
			return nil
		case kindOf(val) != '"':
			return d.wrong(at(val), "%s must be a string", key)
		}
		e.fields[field] = strings.TrimSpace(unquote(val))
		return nil
	})
	if err != nil {
		return err
	}
	return d.add(e, seen)
}

func (d *Directory) jsonMembers(e *directoryEntry, raw []byte, at func([]byte) place) error {
	if kindOf(raw) == 'n' {
		return nil
	}
	if kindOf(raw) != '[' {
		return d.wrong(at(raw), "members must be an array of strings")
	}
	return walkArray(raw, func(val []byte) error {
		if kindOf(val) != '"' {
			return d.wrong(at(val), "members must be an array of strings: ids, user principal names or mail addresses")
		}
		e.names, e.places = append(e.names, unquote(val)), append(e.places, at(val))
		return nil
	})
}

// ReplaceDirectory makes the people and groups what d has. It is one
// transaction: a search sees all of it or nothing. A member that is nobody and
// no group is an error, and nothing is changed.
func (s *Server) ReplaceDirectory(ctx context.Context, d *Directory) error {
	return s.w.do(ctx, func(tx *wtx) error {
		// Identities are looked up by it; the other names have theirs.
		if err := tx.exec(`CREATE INDEX IF NOT EXISTS people_employee ON people (employee COLLATE NOCASE)`); err != nil {
			return err
		}
		if d.Users != nil {
			if err := tx.replaceUsers(d.Users); err != nil {
				return err
			}
		}
		if d.Groups == nil {
			return nil
		}
		for _, table := range []string{"teams", "team_members"} {
			if err := tx.exec(`DELETE FROM ` + table); err != nil {
				return err
			}
		}
		known, err := tx.directoryNames()
		if err != nil {
			return err
		}
		for i, g := range d.Groups {
			if _, taken := known["id "+strings.ToLower(g.ID)]; taken {
				return d.wrong(d.places[i], "the id %q is that of a user", g.ID)
			}
			known["group "+strings.ToLower(g.ID)] = g.ID
			if err := tx.addTeam(g); err != nil {
				return err
			}
		}
		for i, g := range d.Groups {
			if err := d.addMembers(tx, i, g, known); err != nil {
				return err
			}
		}
		return nil
	})
}

// replaceUsers also ends the memberships of those who are gone.
func (tx *wtx) replaceUsers(users []User) error {
	if err := tx.exec(`DELETE FROM people`); err != nil {
		return err
	}
	for _, u := range users {
		if err := tx.addUser(u); err != nil {
			return err
		}
	}
	return tx.exec(`DELETE FROM team_members WHERE who LIKE 'u:%' AND NOT EXISTS (SELECT 1 FROM people WHERE id = substr(who, 3))`)
}

// directoryNames maps the ids, user principal names and mail addresses of the
// users to ids; a name of several users to "".
func (tx *wtx) directoryNames() (map[string]string, error) {
	known := map[string]string{}
	err := tx.each(`SELECT id, coalesce(upn, ''), coalesce(mail, '') FROM people`, func(scan func(...any) error) error {
		var id, upn, mail string
		if err := scan(&id, &upn, &mail); err != nil {
			return err
		}
		known["id "+strings.ToLower(id)] = id
		for _, name := range []string{"upn " + strings.ToLower(upn), "mail " + strings.ToLower(mail)} {
			if other, ok := known[name]; ok && other != id {
				id = ""
			}
			known[name] = id
		}
		return nil
	})
	return known, err
}

func (d *Directory) addMembers(tx *wtx, i int, g DirectoryGroup, known map[string]string) error {
	for k, name := range g.Members {
		lower := strings.ToLower(name)
		if _, group := known["group "+lower]; group {
			if err := tx.addTeamMember(g.ID, "group", name); err != nil {
				return err
			}
			continue
		}
		id, found := "", false
		for _, kind := range []string{"id ", "upn ", "mail "} {
			if id, found = known[kind+lower]; found {
				break
			}
		}
		switch {
		case !found:
			return d.wrong(d.members[i][k], "the member %q of the group %q is no user's id, userPrincipalName or mail, and no group's id", name, g.ID)
		case id == "":
			return d.wrong(d.members[i][k], "the member %q of the group %q is several users: name one by id", name, g.ID)
		}
		if err := tx.addTeamMember(g.ID, "user", id); err != nil {
			return err
		}
	}
	return nil
}

// maxDirectoryBytes limits a directory that is sent: half a million people.
const maxDirectoryBytes = 64 << 20

// putDirectory is PUT /_control/directory: the file as the body.
func (c *call) putDirectory() error {
	raw, err := c.rawBody(maxDirectoryBytes)
	if err != nil {
		return err
	}
	d, err := ReadDirectory("directory", raw)
	if err != nil {
		return badRequest("%v", err)
	}
	err = c.s.ReplaceDirectory(c.r.Context(), d)
	if wrong, ok := errors.AsType[*DirectoryError](err); ok {
		return badRequest("%v", wrong)
	}
	if err != nil {
		return err
	}
	return c.getDirectory()
}

// getDirectory tells how much is in the directory.
func (c *call) getDirectory() error {
	var users, groups, members int
	err := c.s.db.QueryRowContext(c.r.Context(), `SELECT (SELECT count(*) FROM people), (SELECT count(*) FROM teams), (SELECT count(*) FROM team_members)`).Scan(&users, &groups, &members)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, map[string]any{"users": users, "groups": groups, "members": members})
}
