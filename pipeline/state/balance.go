package state

import (
	"context"
)

// Counts is a balance: every record read is in exactly one of the others.
type Counts struct {
	Read        int64 `json:"read"`
	Stored      int64 `json:"stored"`
	Unchanged   int64 `json:"unchanged"`
	Filtered    int64 `json:"filtered"`
	Quarantined int64 `json:"quarantined"`
	Duplicates  int64 `json:"duplicates"`
}

// Add adds d to c.
func (c *Counts) Add(d Counts) {
	c.Read += d.Read
	c.Stored += d.Stored
	c.Unchanged += d.Unchanged
	c.Filtered += d.Filtered
	c.Quarantined += d.Quarantined
	c.Duplicates += d.Duplicates
}

// Settled is the number of records that are accounted for.
func (c Counts) Settled() int64 {
	return c.Stored + c.Unchanged + c.Filtered + c.Quarantined + c.Duplicates
}

// Balance adds up the files of the run.
func (s *Store) Balance(ctx context.Context, run Run) (c Counts, err error) {
	if err := s.catchUp(ctx); err != nil {
		return c, err
	}
	err = s.db.QueryRowContext(ctx, `SELECT coalesce(sum(read),0), coalesce(sum(stored),0), coalesce(sum(unchanged),0),
		coalesce(sum(filtered),0), coalesce(sum(quarantined),0), coalesce(sum(duplicates),0) FROM sources WHERE walked = ?`, run.Walk).
		Scan(&c.Read, &c.Stored, &c.Unchanged, &c.Filtered, &c.Quarantined, &c.Duplicates)
	return c, s.wrap(err)
}

// SourceBalance is the balance of one source of the mapping.
type SourceBalance struct {
	Name  string `json:"source"`
	Files int64  `json:"files"`
	Counts
}

// Balances adds up the files of the run by source, in the order of the walk.
func (s *Store) Balances(ctx context.Context, run Run) ([]SourceBalance, error) {
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, `SELECT source, count(*), sum(read), sum(stored), sum(unchanged), sum(filtered), sum(quarantined), sum(duplicates)
		FROM sources WHERE walked = ? GROUP BY source ORDER BY min(ord)`, run.Walk)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	var out []SourceBalance
	for rows.Next() {
		var b SourceBalance
		if err := rows.Scan(&b.Name, &b.Files, &b.Read, &b.Stored, &b.Unchanged, &b.Filtered, &b.Quarantined, &b.Duplicates); err != nil {
			return nil, s.wrap(err)
		}
		out = append(out, b)
	}
	return out, s.wrap(rows.Err())
}
