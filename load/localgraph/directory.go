package localgraph

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// A User is a person of the directory.
type User struct {
	ID                string
	UserPrincipalName string
	Mail              string
	DisplayName       string
	EmployeeID        string
	Guest             bool
}

// A DirectoryGroup is a group of the directory, with the ids of the users and
// groups in it.
type DirectoryGroup struct {
	ID          string
	DisplayName string
	Mail        string
	Members     []string
}

// ImportDirectory adds people and groups, or replaces those of the same id. A
// group's members become exactly the ones given. It is one transaction: a
// search sees all of it or nothing.
func (s *Server) ImportDirectory(ctx context.Context, users []User, groups []DirectoryGroup) error {
	return s.w.do(ctx, func(tx *wtx) error {
		for _, u := range users {
			if u.ID == "" {
				return fmt.Errorf("directory: the user %q has no id", u.DisplayName+" "+u.Mail)
			}
			if strings.Contains(strings.ToUpper(u.UserPrincipalName), "#EXT#") {
				u.Guest = true // so Entra names guests
			}
			if err := tx.exec(`INSERT OR REPLACE INTO people (id, upn, mail, name, employee, guest) VALUES (?, ?, ?, ?, ?, ?)`,
				u.ID, u.UserPrincipalName, u.Mail, u.DisplayName, u.EmployeeID, truth(u.Guest)); err != nil {
				return err
			}
		}
		for _, g := range groups {
			if g.ID == "" {
				return fmt.Errorf("directory: the group %q has no id", g.DisplayName)
			}
			if err := tx.exec(`INSERT OR REPLACE INTO teams (id, name, mail) VALUES (?, ?, ?)`, g.ID, g.DisplayName, g.Mail); err != nil {
				return err
			}
			team := who("group", g.ID)
			if err := tx.exec(`DELETE FROM team_members WHERE grp = ?`, team); err != nil {
				return err
			}
			for _, m := range g.Members {
				// An id names a user or a group; it is only ever looked up as
				// what it is.
				for _, kind := range []string{"user", "group"} {
					if err := tx.exec(`INSERT OR IGNORE INTO team_members (who, grp) VALUES (?, ?)`, who(kind, m), team); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
}

const userColumns = `id, coalesce(upn, ''), coalesce(mail, ''), coalesce(name, ''), coalesce(employee, ''), guest`

func scanUser(scan func(...any) error) (u User, err error) {
	err = scan(&u.ID, &u.UserPrincipalName, &u.Mail, &u.DisplayName, &u.EmployeeID, &u.Guest)
	return u, err
}

// ResolveUser finds a person by object id, UPN or mail address, in that order.
// A name that several people bear names nobody: the error is an
// *AmbiguousUserError, for a stranger would escape the denies of them all.
func (s *Server) ResolveUser(ctx context.Context, name string) (User, bool, error) {
	if name == "" {
		return User{}, false, nil
	}
	for _, column := range []string{"id", "upn", "mail"} {
		rows, err := s.db.QueryContext(ctx, fmt.Sprintf(`SELECT %s FROM people WHERE %s = ? LIMIT 2`, userColumns, column), name)
		if err != nil {
			return User{}, false, err
		}
		var found []User
		for rows.Next() {
			u, err := scanUser(rows.Scan)
			if err != nil {
				rows.Close()
				return User{}, false, err
			}
			found = append(found, u)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return User{}, false, err
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], true, nil
		default:
			return User{}, false, &AmbiguousUserError{name}
		}
	}
	return User{}, false, nil
}

// An AmbiguousUserError says that a name is that of several people.
type AmbiguousUserError struct{ Name string }

func (e *AmbiguousUserError) Error() string {
	return fmt.Sprintf("several people of the directory are %s: name one by object id", e.Name)
}

// userOf is ResolveUser for a search: an unknown name is that object id, in no
// group. Of a store with a directory such a user is a stranger and counts as
// a guest; without one nobody is known, and everybody counts as a member.
func (s *Server) userOf(ctx context.Context, name string) (User, error) {
	u, ok, err := s.ResolveUser(ctx, name)
	var several *AmbiguousUserError
	if errors.As(err, &several) {
		return User{}, badRequest("%v", several)
	}
	if err != nil || ok {
		return u, err
	}
	var stranger bool
	if err := s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM people)`).Scan(&stranger); err != nil {
		return User{}, err
	}
	return User{ID: name, Guest: stranger || strings.Contains(strings.ToUpper(name), "#EXT#")}, nil
}

// directory answers the little of /users and /groups that resolving
// identities needs.
func (c *call) directory(seg []string) error {
	switch {
	case seg[0] == "users" && len(seg) == 1:
		return c.only("GET", c.listUsers)
	case seg[0] == "users" && len(seg) == 2:
		return c.only("GET", func() error { return c.getUser(seg[1]) })
	case seg[0] == "users" && len(seg) == 3 && (seg[2] == "memberOf" || seg[2] == "transitiveMemberOf"):
		return c.only("GET", func() error { return c.userGroups(seg[1], seg[2] == "transitiveMemberOf") })
	case seg[0] == "groups" && len(seg) <= 2:
		return c.only("GET", func() error { return c.listTeams(seg[1:]) })
	}
	return notFound("Resource not found for the segment '%s'.", seg[len(seg)-1])
}

func userJSON(u User) map[string]any {
	kind := "Member"
	if u.Guest {
		kind = "Guest"
	}
	return map[string]any{"id": u.ID, "userPrincipalName": orNil(u.UserPrincipalName), "mail": orNil(u.Mail),
		"displayName": orNil(u.DisplayName), "employeeId": orNil(u.EmployeeID), "userType": kind}
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (c *call) listUsers() error {
	where, args := "true", []any{}
	if f := c.query.Get("$filter"); f != "" {
		field, value, err := parseFilter(f, "id", "mail", "userPrincipalName", "employeeId", "displayName")
		if err != nil {
			return err
		}
		column := map[string]string{"id": "id", "mail": "mail", "userPrincipalName": "upn", "employeeId": "employee", "displayName": "name"}[field]
		where, args = column+" = ?", append(args, value)
	}
	rows, err := c.s.db.QueryContext(c.r.Context(), fmt.Sprintf(`SELECT %s FROM people WHERE %s ORDER BY id`, userColumns, where), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	list := []any{}
	for rows.Next() {
		u, err := scanUser(rows.Scan)
		if err != nil {
			return err
		}
		list = append(list, userJSON(u))
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return c.replyPage("users", list)
}

func noDirectoryObject(name string) error {
	return &apiError{status: http.StatusNotFound, code: "Request_ResourceNotFound",
		message: fmt.Sprintf("Resource '%s' does not exist or one of its queried reference-property objects are not present.", name)}
}

func (c *call) getUser(name string) error {
	u, ok, err := c.s.ResolveUser(c.r.Context(), name)
	if several := (*AmbiguousUserError)(nil); errors.As(err, &several) {
		return badRequest("%v", several)
	}
	if err != nil {
		return err
	}
	if !ok {
		return noDirectoryObject(name)
	}
	m := userJSON(u)
	m["@odata.context"] = c.context("users/$entity")
	if err := selectKeys(m, c.query); err != nil {
		return err
	}
	return c.reply(http.StatusOK, m)
}

func (c *call) userGroups(name string, transitive bool) error {
	u, ok, err := c.s.ResolveUser(c.r.Context(), name)
	if several := (*AmbiguousUserError)(nil); errors.As(err, &several) {
		return badRequest("%v", several)
	}
	if err != nil {
		return err
	}
	if !ok {
		return noDirectoryObject(name)
	}
	query := `SELECT t.id, t.name, t.mail FROM team_members m JOIN teams t ON 'g:' || lower(t.id) = m.grp WHERE m.who = ? ORDER BY t.id`
	if transitive {
		query = `WITH RECURSIVE up (grp) AS (SELECT grp FROM team_members WHERE who = ?
			UNION SELECT m.grp FROM up CROSS JOIN team_members m ON m.who = up.grp)
			SELECT t.id, t.name, t.mail FROM up JOIN teams t ON 'g:' || lower(t.id) = up.grp ORDER BY t.id`
	}
	list, err := c.teams(query, who("user", u.ID))
	if err != nil {
		return err
	}
	return c.replyPage("directoryObjects", list)
}

func (c *call) teams(query string, args ...any) ([]any, error) {
	rows, err := c.s.db.QueryContext(c.r.Context(), query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []any{}
	for rows.Next() {
		var id string
		var name, mail sql.NullString
		if err := rows.Scan(&id, &name, &mail); err != nil {
			return nil, err
		}
		list = append(list, map[string]any{"@odata.type": "#microsoft.graph.group", "id": id, "displayName": orNil(name.String), "mail": orNil(mail.String)})
	}
	return list, rows.Err()
}

func (c *call) listTeams(id []string) error {
	if len(id) == 1 {
		list, err := c.teams(`SELECT id, name, mail FROM teams WHERE id = ?`, id[0])
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return noDirectoryObject(id[0])
		}
		return c.reply(http.StatusOK, list[0])
	}
	where, args := "true", []any{}
	if f := c.query.Get("$filter"); f != "" {
		field, value, err := parseFilter(f, "id", "mail", "displayName")
		if err != nil {
			return err
		}
		where, args = strings.Replace(field, "displayName", "name", 1)+" = ?", append(args, value)
	}
	list, err := c.teams(`SELECT id, name, mail FROM teams WHERE `+where+` ORDER BY id`, args...)
	if err != nil {
		return err
	}
	return c.replyPage("groups", list)
}
