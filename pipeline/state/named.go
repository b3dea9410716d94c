package state

import (
	"context"
	"database/sql"
)

// Events name records of files by the ids of their items. Of a record that
// makes no item by that id nothing else is known here, so it is written down
// with its file's position, as names in permissions are; and so are the ids
// that were of no item, for runs that have nothing to read.
const namedTables = `
CREATE TABLE named (               -- records that events name and that are no item by that id, by reading of a file
  source INTEGER NOT NULL, pass INTEGER NOT NULL, id TEXT NOT NULL,
  item   INTEGER NOT NULL,         -- 1: it is an item by another id; 0: it is left out
  PRIMARY KEY (source, pass, id)) WITHOUT ROWID;
CREATE TABLE unfit (               -- ids that events name and that were of no item when a run last looked
  source TEXT NOT NULL,            -- the mapping's source
  id     TEXT NOT NULL,
  fate   INTEGER NOT NULL,         -- what became of the record
  PRIMARY KEY (source, id)) WITHOUT ROWID;
`

// Note notes a settled record that events name by an id that is no item's. item
// tells that it is an item by another id. It becomes durable with the file's
// position.
func (src *Source) Note(id string, item bool) {
	if src.named == nil {
		src.named = map[string]bool{}
	}
	src.named[id] = src.named[id] || item
}

func (src *Source) writeNamed(ctx context.Context, tx *sql.Tx) error {
	for id, item := range src.named {
		_, err := tx.ExecContext(ctx, "INSERT INTO named (source, pass, id, item) VALUES (?,?,?,?) ON CONFLICT (source, pass, id) DO UPDATE SET item = max(item, excluded.item)",
			src.ID, src.Pass, id, item)
		if err != nil {
			return err
		}
	}
	clear(src.named)
	if !src.Ended {
		return nil
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM named WHERE source = ? AND pass <> ?", src.ID, src.Pass)
	return err
}

// Named gives the records of a source of the mapping that were noted by Note,
// once every file was read.
func (s *Store) Named(ctx context.Context, run Run, source string) (item map[string]bool, err error) {
	return s.byID(ctx, "SELECT n.id, max(n.item) FROM named n JOIN sources s ON s.id = n.source WHERE s.source = ? AND s.walked = ? GROUP BY 1", source, run.Walk)
}

// RefusedItems gives the ids of the refused records of a source of the mapping,
// but for those of a reason. byTarget tells that it is the target that refuses
// the item.
func (s *Store) RefusedItems(ctx context.Context, run Run, source, but string) (byTarget map[string]bool, err error) {
	return s.byID(ctx, "SELECT q.item, max(q.stage = 'load')"+quarantineOfSources+" WHERE s.source = ? AND s.walked = ? AND q.item IS NOT NULL AND q.reason <> ? GROUP BY 1", source, run.Walk, but)
}

func (s *Store) byID(ctx context.Context, query string, args ...any) (map[string]bool, error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	all := map[string]bool{}
	for rows.Next() {
		var id string
		var is bool
		if err := rows.Scan(&id, &is); err != nil {
			return nil, s.wrap(err)
		}
		all[id] = is
	}
	return all, s.wrap(rows.Err())
}

// Meets tells of an item whether it is known, and whether the run has met a good
// record of it. source is that of the mapping, "" where that is not known, or
// nobody asks whose it is. It comes after Load.
func (s *Store) Meets(ctx context.Context, id string, whose bool) (source string, known, met bool, err error) {
	s.mu.Lock()
	row, known, err := s.index.get(id)
	met = known && s.seen.has(row) && !s.held.has(row)
	s.mu.Unlock()
	if !known || !whose || err != nil {
		return "", known, met, s.wrap(err)
	}
	err = s.db.QueryRowContext(ctx, "SELECT s.source FROM items i JOIN sources s ON s.id = i.source WHERE i.rowid = ?", row).Scan(&source)
	if err == sql.ErrNoRows { // a store that keeps nothing, or an item that was deleted
		err = nil
	}
	return source, known, met, s.wrap(err)
}

// Unfit gives what SetUnfit has written of a source of the mapping.
func (s *Store) Unfit(ctx context.Context, source string) (map[string]uint8, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id, fate FROM unfit WHERE source = ?", source)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	all := map[string]uint8{}
	for rows.Next() {
		var id string
		var fate uint8
		if err := rows.Scan(&id, &fate); err != nil {
			return nil, s.wrap(err)
		}
		all[id] = fate
	}
	return all, s.wrap(rows.Err())
}

// SetUnfit writes down which ids that events name are of no item, with what
// became of their records, by source of the mapping. It replaces what it has
// written before.
func (s *Store) SetUnfit(ctx context.Context, all map[string]map[string]uint8) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrap(s.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM unfit"); err != nil {
			return err
		}
		stmt, err := tx.PrepareContext(ctx, "INSERT INTO unfit (source, id, fate) VALUES (?,?,?)")
		if err != nil {
			return err
		}
		defer stmt.Close()
		for source, fates := range all {
			for id, fate := range fates {
				if _, err := stmt.ExecContext(ctx, source, id, fate); err != nil {
					return err
				}
			}
		}
		return nil
	}))
}
