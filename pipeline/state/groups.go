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

// Groups gives the external groups and members that the target may have. The
// value is false for those of which it is not known: they were being changed
// when the process died.
func (s *Store) Groups(ctx context.Context) (groups map[Group]bool, members map[Member]bool, err error) {
	groups, members = map[Group]bool{}, map[Member]bool{}
	rows, err := s.db.QueryContext(ctx, "SELECT 0, id, display, description, sure FROM groups UNION ALL SELECT 1, grp, type, member, sure FROM members")
	if err != nil {
		return nil, nil, s.wrap(err)
	}
	defer rows.Close()
	for rows.Next() {
		var isMember, sure bool
		var a, b, c string
		if err := rows.Scan(&isMember, &a, &b, &c, &sure); err != nil {
			return nil, nil, s.wrap(err)
		}
		if isMember {
			members[Member{a, b, c}] = sure
		} else {
			groups[Group{a, b, c}] = sure
		}
	}
	return groups, members, s.wrap(rows.Err())
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
	return s.exec(ctx, "INSERT OR REPLACE INTO groups (id, display, description, sure) VALUES (?,?,?,?)", g.ID, g.Display, g.Description, sure)
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
	return s.exec(ctx, "INSERT OR REPLACE INTO members (grp, type, member, sure) VALUES (?,?,?,?)", m.Group, m.Type, m.ID, sure)
}

// DropMember forgets a member.
func (s *Store) DropMember(ctx context.Context, m Member) error {
	return s.exec(ctx, "DELETE FROM members WHERE grp = ? AND type = ? AND member = ?", m.Group, m.Type, m.ID)
}

func (s *Store) exec(ctx context.Context, query string, args ...any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.db.ExecContext(ctx, query, args...)
	return s.wrap(err)
}
