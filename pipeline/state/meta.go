package state

import (
	"context"
	"database/sql"
	"errors"
)

// Meta gives a value that SetMeta has stored, "" when there is none.
func (s *Store) Meta(ctx context.Context, name string) (value string, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = ?", name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, s.wrap(err)
}

// SetMeta stores a value under a name.
func (s *Store) SetMeta(ctx context.Context, name, value string) error {
	return s.exec(ctx, "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", name, value)
}

// SetMetas stores values under names, all of them or none; "" takes a name out.
func (s *Store) SetMetas(ctx context.Context, values map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrap(s.tx(ctx, func(tx *sql.Tx) error {
		for name, value := range values {
			if _, err := tx.ExecContext(ctx, "DELETE FROM meta WHERE name = ?", name); err != nil {
				return err
			}
			if value == "" {
				continue
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO meta (name, value) VALUES (?, ?)", name, value); err != nil {
				return err
			}
		}
		return nil
	}))
}
