package state

import (
	"context"
	"database/sql"
	"strings"
)

// What somebody changes in the target by hand is written down here as not
// known any more, so that the next run makes it again what the mapping says.

const metaResend = "resend"

// MarkResend writes down that the next run has to send every item again, and
// why. It gives what was marked before. It is written before the target is
// changed: if we crash after that, the next run sends what it need not.
func (s *Store) MarkResend(ctx context.Context, why string) (before string, err error) {
	if before, err = s.Meta(ctx, metaResend); err != nil {
		return "", err
	}
	return before, s.SetMeta(ctx, metaResend, why)
}

// UnmarkResend puts back what MarkResend gave: the target was not changed.
func (s *Store) UnmarkResend(ctx context.Context, before string) error {
	if before != "" {
		return s.SetMeta(ctx, metaResend, before)
	}
	return s.exec(ctx, "DELETE FROM meta WHERE name = ?", metaResend)
}

// Resending says why the next run sends every item again, "" if it does not.
func (s *Store) Resending(ctx context.Context) (why string, err error) {
	return s.Meta(ctx, metaResend)
}

// Resend does what was marked, and gives the reason: what the target has of
// every item counts as not known, and every file is read again. Unlike Doubt it
// leaves what proves deletes and what guards widenings, as the items are there.
func (s *Store) Resend(ctx context.Context) (why string, err error) {
	if why, err = s.Meta(ctx, metaResend); why == "" || err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return why, s.wrap(s.tx(ctx, func(tx *sql.Tx) error {
		for _, stmt := range []string{
			"UPDATE items SET digest = NULL",
			"UPDATE sources SET digest = x''",
			"DELETE FROM meta WHERE name = '" + metaResend + "'",
		} {
			if _, err := tx.ExecContext(ctx, stmt); err != nil {
				return err
			}
		}
		return nil
	}))
}

// A Place is where an item that the state knows comes from.
type Place struct {
	Known
	Sheet  string
	Line   int  // line, row or page; 0 is the whole file
	Col    int  // 0 is none
	Stored bool // the target has it
}

// Find looks items up by their ids. It reads the whole table, which has no
// index by id.
func (s *Store) Find(ctx context.Context, ids []string) (map[string]Place, error) {
	const page = 500
	found := map[string]Place{}
	for len(ids) > 0 {
		some := ids[:min(page, len(ids))]
		ids = ids[len(some):]
		args := make([]any, len(some))
		for i, id := range some {
			args[i] = id
		}
		rows, err := s.db.QueryContext(ctx, "SELECT i.rowid, i.id, s.source, s.path, coalesce(i.sheet, ''), i.line, i.status"+
			itemsOfSources+"i.id IN (?"+strings.Repeat(",?", len(some)-1)+")", args...)
		if err != nil {
			return nil, s.wrap(err)
		}
		for rows.Next() {
			var p Place
			var status int
			if err := rows.Scan(&p.Row, &p.ID, &p.Source, &p.Path, &p.Sheet, placeScan{&p.Line, &p.Col}, &status); err != nil {
				rows.Close()
				return nil, s.wrap(err)
			}
			p.Stored = status == statusStored
			found[p.ID] = p
		}
		if err := rows.Err(); err != nil {
			return nil, s.wrap(err)
		}
	}
	return found, nil
}

// Disturb writes down that items were changed or deleted by hand: the next run
// reads their files again and sends them. It gives those that are known.
func (s *Store) Disturb(ctx context.Context, ids []string) (map[string]Place, error) {
	found, err := s.Find(ctx, ids)
	if err != nil || len(found) == 0 {
		return found, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return found, s.wrap(s.tx(ctx, func(tx *sql.Tx) error {
		for _, p := range found {
			if _, err := tx.ExecContext(ctx, "UPDATE sources SET digest = x'' WHERE id = (SELECT source FROM items WHERE rowid = ?)", p.Row); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "UPDATE items SET digest = NULL WHERE rowid = ?", p.Row); err != nil {
				return err
			}
		}
		return nil
	}))
}

// DisturbGroup writes down that an external group was changed by hand, or with
// gone that it was deleted with its members, and tells whether it is known.
func (s *Store) DisturbGroup(ctx context.Context, id string, gone bool) (known bool, err error) {
	if known, err = s.knowsGroup(ctx, id); !known || err != nil {
		return false, err
	}
	if gone {
		return true, s.DoubtGroup(ctx, id)
	}
	return true, s.exec(ctx, "UPDATE groups SET sure = 0 WHERE id = ?", id)
}

// DisturbMember writes down that a member was put into an external group or
// taken out of it by hand, and tells whether the group is known.
func (s *Store) DisturbMember(ctx context.Context, m Member) (known bool, err error) {
	if known, err = s.knowsGroup(ctx, m.Group); !known || err != nil {
		return false, err
	}
	return true, s.SetMember(ctx, m, false)
}

func (s *Store) knowsGroup(ctx context.Context, id string) (known bool, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM groups WHERE id = ?)", id).Scan(&known)
	return known, s.wrap(err)
}
