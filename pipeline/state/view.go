package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// A RunInfo is a line of the history.
type RunInfo struct {
	ID      int64           `json:"run"`
	Kind    string          `json:"kind"` // full or incremental
	Started time.Time       `json:"started"`
	Ended   *time.Time      `json:"ended,omitempty"`
	Status  string          `json:"status"` // running, interrupted, failed, done
	Plan    string          `json:"plan,omitempty"`
	Summary json.RawMessage `json:"summary,omitempty"`
}

// Why gives the error that ended the run, "" when there was none.
func (r *RunInfo) Why() string {
	var summary struct{ Error string }
	if json.Unmarshal(r.Summary, &summary) != nil {
		return ""
	}
	return summary.Error
}

// Locked tells whether a process is at work on a connection now.
func Locked(dir, name string) bool {
	lock := flock.New(filepath.Join(dir, name+".lock"))
	ok, err := lock.TryLock()
	if ok {
		lock.Unlock()
	}
	return err == nil && !ok
}

// Overview is what is known of a connection.
type Overview struct {
	Items      int64           `json:"items"`     // stored in the target
	Unsettled  int64           `json:"unsettled"` // sent, with no answer yet
	Rejected   int64           `json:"rejected"`  // refused by the target as they are
	Files      int64           `json:"files"`
	Quarantine int64           `json:"quarantined"`
	ToRead     int64           `json:"toRead,omitempty"` // files that a run is still to read: what is refused of them is as it was before
	Resend     string          `json:"resend,omitempty"` // why the next run sends every item again
	Fixes      FixCounts       `json:"fixes"`
	LastRun    *RunInfo        `json:"lastRun,omitempty"`
	Sources    []SourceBalance `json:"sources"`
}

// Overview sums up the connection.
func (s *Store) Overview(ctx context.Context) (*Overview, error) {
	o := &Overview{Sources: []SourceBalance{}}
	err := s.db.QueryRowContext(ctx, `SELECT coalesce(sum(status = 1), 0), coalesce(sum(status = 0), 0), coalesce(sum(status = 2), 0) FROM items`).
		Scan(&o.Items, &o.Unsettled, &o.Rejected)
	if err != nil {
		return nil, s.wrap(err)
	}
	err = s.db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM sources), (SELECT count(*)`+quarantineOfSources+`), (SELECT count(*) FROM sources WHERE NOT ended)`).
		Scan(&o.Files, &o.Quarantine, &o.ToRead)
	if err != nil {
		return nil, s.wrap(err)
	}
	if o.Resend, err = s.Resending(ctx); err != nil {
		return nil, err
	}
	if o.Fixes, err = s.FixCounts(ctx); err != nil {
		return nil, err
	}
	runs, err := s.Runs(ctx, 1)
	if err != nil || len(runs) == 0 {
		return o, err
	}
	o.LastRun = &runs[0]
	var last Run
	if err := s.db.QueryRowContext(ctx, "SELECT coalesce(max(walked), 0) FROM sources").Scan(&last.Walk); err != nil {
		return nil, s.wrap(err)
	}
	o.Sources, err = s.Balances(ctx, last)
	return o, err
}

// Runs gives the last n runs, the latest first; n of 0 is all.
func (s *Store) Runs(ctx context.Context, n int) ([]RunInfo, error) {
	if n == 0 {
		n = -1 // SQLite's word for no limit
	}
	return s.runs(ctx, "ORDER BY id DESC LIMIT ?", n)
}

// RunInfo gives one run. Its error wraps sql.ErrNoRows when there is none.
func (s *Store) RunInfo(ctx context.Context, id int64) (*RunInfo, error) {
	runs, err := s.runs(ctx, "WHERE id = ?", id)
	if err == nil && len(runs) == 0 {
		err = s.wrap(sql.ErrNoRows)
	}
	if err != nil {
		return nil, err
	}
	return &runs[0], nil
}

func (s *Store) runs(ctx context.Context, which string, args ...any) ([]RunInfo, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id, kind, started, ended, status, coalesce(plan, ''), summary FROM runs "+which, args...)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	var out []RunInfo
	for rows.Next() {
		var r RunInfo
		var started string
		var ended, summary sql.NullString
		if err := rows.Scan(&r.ID, &r.Kind, &started, &ended, &r.Status, &r.Plan, &summary); err != nil {
			return nil, s.wrap(err)
		}
		if r.Started, err = time.Parse(time.RFC3339, started); err != nil {
			return nil, s.wrap(err)
		}
		if t, err := time.Parse(time.RFC3339, ended.String); err == nil {
			r.Ended = &t
		}
		if summary.Valid {
			r.Summary = json.RawMessage(summary.String)
		}
		out = append(out, r)
	}
	return out, s.wrap(rows.Err())
}
