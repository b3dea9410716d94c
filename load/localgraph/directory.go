package localgraph

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
			if err := tx.addUser(u); err != nil {
				return err
			}
		}
		for _, g := range groups {
			if err := tx.addTeam(g); err != nil {
				return err
			}
			for _, m := range g.Members {
				// An id names a user or a group; it is only ever looked up as
				// what it is.
				if err := cmp.Or(tx.addTeamMember(g.ID, "user", m), tx.addTeamMember(g.ID, "group", m)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (tx *wtx) addUser(u User) error {
	if u.ID == "" {
		return fmt.Errorf("directory: the user %q has no id", u.DisplayName+" "+u.Mail)
	}
	if strings.Contains(strings.ToUpper(u.UserPrincipalName), "#EXT#") {
		u.Guest = true // so Entra names guests
	}
	return tx.exec(`INSERT OR REPLACE INTO people (id, upn, mail, name, employee, guest) VALUES (?, ?, ?, ?, ?, ?)`,
		u.ID, u.UserPrincipalName, u.Mail, u.DisplayName, u.EmployeeID, truth(u.Guest))
}

// addTeam adds a group without members.
func (tx *wtx) addTeam(g DirectoryGroup) error {
	if g.ID == "" {
		return fmt.Errorf("directory: the group %q has no id", g.DisplayName)
	}
	if err := tx.exec(`INSERT OR REPLACE INTO teams (id, name, mail) VALUES (?, ?, ?)`, g.ID, g.DisplayName, g.Mail); err != nil {
		return err
	}
	return tx.exec(`DELETE FROM team_members WHERE grp = ?`, who("group", g.ID))
}

func (tx *wtx) addTeamMember(group, kind, id string) error {
	return tx.exec(`INSERT OR IGNORE INTO team_members (who, grp) VALUES (?, ?)`, who(kind, id), who("group", group))
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
	return s.resolveUser(ctx, name, "id", "upn", "mail")
}

func (s *Server) resolveUser(ctx context.Context, name string, columns ...string) (User, bool, error) {
	if name == "" {
		return User{}, false, nil
	}
	for _, column := range columns {
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
