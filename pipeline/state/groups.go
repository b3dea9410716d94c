package state

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"
)

// A Group is an external group as the target has it.
type Group struct{ ID, Display, Description string }

// A Member is a member of one.
type Member struct{ Group, Type, ID string }

// Groups gives the external groups that the target may have. The value is
// false for those of which it is not known: they were being changed when the
// process died.
func (s *Store) Groups(ctx context.Context) (map[Group]bool, error) {
	groups := map[Group]bool{}
	rows, err := s.db.QueryContext(ctx, "SELECT id, display, description, sure FROM groups")
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	for rows.Next() {
		var g Group
		var sure bool
		if err := rows.Scan(&g.ID, &g.Display, &g.Description, &sure); err != nil {
			return nil, s.wrap(err)
		}
		groups[g] = sure
	}
	return groups, s.wrap(rows.Err())
}

// Members calls each with every member that the target may have, in the order
// of group, type and id; sure is as in Groups. Nothing may be written
// meanwhile.
func (s *Store) Members(ctx context.Context, each func(m Member, sure bool)) error {
	rows, err := s.db.QueryContext(ctx, "SELECT grp, type, member, sure FROM members ORDER BY grp, type, member")
	if err != nil {
		return s.wrap(err)
	}
	defer rows.Close()
	for rows.Next() {
		var m Member
		var sure bool
		if err := rows.Scan(&m.Group, &m.Type, &m.ID, &sure); err != nil {
			return s.wrap(err)
		}
		each(m, sure)
	}
	return s.wrap(rows.Err())
}

// DeniedGroups gives the external groups that items deny which the target may
// have, sorted.
func (s *Store) DeniedGroups(ctx context.Context) ([]string, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT DISTINCT denies FROM items NOT INDEXED WHERE denies LIKE '%externalGroup:%'")
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	groups := map[string]bool{}
	for rows.Next() {
		var denies string
		if err := rows.Scan(&denies); err != nil {
			return nil, s.wrap(err)
		}
		for line := range strings.SplitSeq(denies, "\n") {
			if id, ok := strings.CutPrefix(line, "externalGroup:"); ok {
				groups[id] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(groups)), s.wrap(rows.Err())
}

// SetGroup writes down a group: with sure false before it is sent or deleted,
// with sure true once the target has it.
func (s *Store) SetGroup(ctx context.Context, g Group, sure bool) error {
	return s.SetGroups(ctx, []Group{g}, sure)
}

// SetGroups is SetGroup for many at once.
func (s *Store) SetGroups(ctx context.Context, all []Group, sure bool) error {
	rows := make([][]any, len(all))
	for i, g := range all {
		rows[i] = []any{g.ID, g.Display, g.Description, sure}
	}
	return s.forAll(ctx, rows, "INSERT OR REPLACE INTO groups (id, display, description, sure) VALUES (?,?,?,?)")
}

// DoubtGroup writes down that it is not known any more whether the target has
// a group and its members, before it is deleted.
func (s *Store) DoubtGroup(ctx context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrap(s.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE members SET sure = 0 WHERE grp = ?", id); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE groups SET sure = 0 WHERE id = ?", id)
		return err
	}))
}

// DropGroup forgets a group and its members.
func (s *Store) DropGroup(ctx context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrap(s.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM members WHERE grp = ?", id); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM groups WHERE id = ?", id)
		return err
	}))
}

// SetMember writes down a member, as SetGroup does a group.
func (s *Store) SetMember(ctx context.Context, m Member, sure bool) error {
	return s.SetMembers(ctx, []Member{m}, sure)
}

// SetMembers is SetMember for many at once.
func (s *Store) SetMembers(ctx context.Context, all []Member, sure bool) error {
	return s.forMembers(ctx, all, "INSERT OR REPLACE INTO members (grp, type, member, sure) VALUES (?,?,?,?)", sure)
}

// DropMembers forgets members.
func (s *Store) DropMembers(ctx context.Context, all []Member) error {
	return s.forMembers(ctx, all, "DELETE FROM members WHERE grp = ? AND type = ? AND member = ?")
}

// forMembers executes a statement for each member, in one transaction.
func (s *Store) forMembers(ctx context.Context, all []Member, query string, more ...any) error {
	rows := make([][]any, len(all))
	for i, m := range all {
		rows[i] = slices.Concat([]any{m.Group, m.Type, m.ID}, more)
	}
	return s.forAll(ctx, rows, query)
}

// forAll executes a statement with each row of arguments, in one transaction.
func (s *Store) forAll(ctx context.Context, rows [][]any, query string) error {
	if len(rows) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrap(s.tx(ctx, func(tx *sql.Tx) error {
		stmt, err := tx.PrepareContext(ctx, query)
		if err != nil {
			return err
		}
		defer stmt.Close()
		for _, args := range rows {
			if _, err := stmt.ExecContext(ctx, args...); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (s *Store) exec(ctx context.Context, query string, args ...any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.db.ExecContext(ctx, query, args...)
	return s.wrap(err)
}
