package state

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Fingerprint identifies what is known: it changes with every run, and with
// everything that is written down outside of one.
func (s *Store) Fingerprint(ctx context.Context) (string, error) {
	h := sha256.New()
	for _, query := range []string{
		"SELECT id, status, coalesce(ended, '') FROM runs ORDER BY id DESC LIMIT 1",
		"SELECT count(*), coalesce(max(rowid), 0), coalesce(sum(pass), 0), coalesce(sum(status), 0), coalesce(sum(length(digest)), 0), coalesce(sum(missed), 0) FROM items NOT INDEXED",
		"SELECT count(*), coalesce(sum(pass), 0), coalesce(sum(settled), 0), coalesce(sum(whole), 0), coalesce(sum(length(digest)), 0) FROM sources NOT INDEXED",
		"SELECT count(*), coalesce(sum(sure), 0), '' FROM groups",
		"SELECT count(*), coalesce(sum(sure), 0), '' FROM members",
		"SELECT count(*), coalesce(max(made), ''), '' FROM fixes",
		"SELECT count(*), coalesce(group_concat(value), ''), '' FROM meta WHERE name = '" + metaResend + "'",
	} {
		rows, err := s.db.QueryContext(ctx, query)
		if err != nil {
			return "", s.wrap(err)
		}
		err = hashRows(h, rows)
		if err := errors.Join(err, rows.Close()); err != nil {
			return "", s.wrap(err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func hashRows(h interface{ Write([]byte) (int, error) }, rows *sql.Rows) error {
	cols, err := rows.Columns()
	if err != nil {
		return err
	}
	values := make([]any, len(cols))
	for i := range values {
		values[i] = new(any)
	}
	for rows.Next() {
		if err := rows.Scan(values...); err != nil {
			return err
		}
		for _, v := range values {
			fmt.Fprintf(h, "%v\x00", *v.(*any))
		}
	}
	return rows.Err()
}

// Carrying says which plan the last run carries out, and whether it has ended
// well.
func (s *Store) Carrying(ctx context.Context) (plan string, done bool, err error) {
	var maybe sql.NullString
	var status string
	err = s.db.QueryRowContext(ctx, "SELECT plan, status FROM runs ORDER BY id DESC LIMIT 1").Scan(&maybe, &status)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return maybe.String, status == "done", s.wrap(err)
}

// Contents yields the files of the run with the hash of their content, in
// crawl order.
func (s *Store) Contents(ctx context.Context, run Run, each func(f Found) error) error {
	rows, err := s.db.QueryContext(ctx, "SELECT source, path, size, modified, hash FROM sources WHERE walked = ? ORDER BY ord", run.Walk)
	if err != nil {
		return s.wrap(err)
	}
	defer rows.Close()
	for rows.Next() {
		var f Found
		var modified int64
		if err := rows.Scan(&f.Name, &f.Path, &f.Size, &modified, &f.Hash); err != nil {
			return s.wrap(err)
		}
		f.Modified = time.Unix(0, modified)
		if err := each(f); err != nil {
			return err
		}
	}
	return s.wrap(rows.Err())
}
