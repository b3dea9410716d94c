package state

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
)

// A Glance is what is known of a file, without it being written down that it
// was met.
type Glance struct {
	Counts      // of the last reading; where it was interrupted, so far
	Known  bool // there was one
	Skip   bool // a run would not read it
	Maybe  bool // nor this one, if its content is as before: give its Hash to find out
	Begun  bool // a run would go on in the middle of it
}

// Glance tells what is known of a file.
func (s *Store) Glance(ctx context.Context, f Found) (Glance, error) {
	m, err := lookUp(ctx, s.db.QueryRowContext, f)
	if errors.Is(err, sql.ErrNoRows) {
		return Glance{}, nil
	}
	if err != nil {
		return Glance{}, s.wrap(err)
	}
	whole := m.mapped && m.settled()
	return Glance{Counts: m.Counts, Known: true, Skip: whole && (m.stat || m.content), Maybe: whole && m.hashed && !m.stat && f.Hash == nil,
		Begun: m.mapped && m.stat && !m.Ended && m.Settled() > 0}, nil
}

// Items is the number of items that came of all files that are known.
func (s *Store) Items(ctx context.Context) (n int64, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT coalesce(sum(stored + unchanged), 0) FROM sources").Scan(&n)
	return n, s.wrap(err)
}

// Has tells which of some items, given by their digests, the target has just
// so. It reads the whole table, which has no index by id, once.
func (s *Store) Has(ctx context.Context, digests map[string][32]byte) (has map[string]bool, err error) {
	has = map[string]bool{}
	if len(digests) == 0 {
		return has, nil
	}
	rows, err := s.db.QueryContext(ctx, "SELECT id, digest FROM items WHERE status = ?", statusStored)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, digest sql.RawBytes
		if err := rows.Scan(&id, &digest); err != nil {
			return nil, s.wrap(err)
		}
		if want, ok := digests[string(id)]; ok && bytes.Equal(digest, want[:]) {
			has[string(id)] = true
		}
	}
	return has, s.wrap(rows.Err())
}
