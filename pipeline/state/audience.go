package state

import (
	"context"
	"database/sql"
	"errors"
	"strings"
)

// For whom items are is kept as a number: of a million items there are few
// different ACLs.

const audiencesTable = `
CREATE TABLE audiences (
  id  INTEGER PRIMARY KEY,
  acl TEXT NOT NULL UNIQUE         -- see Audience
);
`

// An Access is an entry of an ACL.
type Access struct {
	Type  string `json:"type"`
	Value string `json:"value"`
	Deny  bool   `json:"deny,omitempty"`
}

// Audience writes an ACL, which is sorted, as a text: a line an entry, + or -,
// the type and the value, such as +user:5b2c... or -externalGroup:Contractors.
func Audience(acl []Access) string {
	n := 0
	for i := range acl {
		n += len(acl[i].Type) + len(acl[i].Value) + 3
	}
	var b strings.Builder
	b.Grow(n)
	for i := range acl {
		a := &acl[i]
		if i > 0 {
			b.WriteByte('\n')
		}
		if a.Deny {
			b.WriteByte('-')
		} else {
			b.WriteByte('+')
		}
		b.WriteString(a.Type)
		b.WriteByte(':')
		b.WriteString(a.Value)
	}
	return b.String()
}

// ReadAudience reads what Audience has written.
func ReadAudience(text string) (acl []Access) {
	for line := range strings.SplitSeq(text, "\n") {
		if typ, value, ok := strings.Cut(line, ":"); ok && len(typ) > 1 {
			acl = append(acl, Access{Type: typ[1:], Value: value, Deny: typ[0] == '-'})
		}
	}
	return acl
}

// maxAudiences bounds what is kept of them in memory.
const maxAudiences = 100_000

// audience finds or makes the number of an ACL.
func (s *Store) audience(ctx context.Context, tx *sql.Tx, acl string) (id int64, err error) {
	if acl == "" {
		return 0, nil
	}
	if id, ok := s.audiences[acl]; ok {
		return id, nil
	}
	err = tx.QueryRowContext(ctx, "SELECT id FROM audiences WHERE acl = ?", acl).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = tx.QueryRowContext(ctx, "INSERT INTO audiences (acl) VALUES (?) RETURNING id", acl).Scan(&id)
	}
	if s.audiences == nil || len(s.audiences) >= maxAudiences {
		s.audiences = map[string]int64{}
	}
	if err == nil {
		s.audiences[acl] = id
	}
	return id, err
}

// note says for whom an item is now, and for whom it was.
func (s *Store) note(ctx context.Context, tx *sql.Tx, o *Outcome, now *stored) (err error) {
	was := &o.Verdict.was
	now.audience, now.before, now.changed = was.audience, was.before, was.changed
	if o.Rejected || o.Verdict.Kind == Refused {
		return nil // the target has what it had
	}
	if now.audience, err = s.audience(ctx, tx, o.Entry.ACL); err != nil {
		return err
	}
	if now.audience != was.audience {
		now.before, now.changed = was.audience, o.Entry.Source.Run
		if was.known && !was.there() {
			now.before = 0
		}
	}
	return nil
}

func orNull(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

// ErrOld means that the file was last written by an importer that did not note
// for whom items are.
var ErrOld = errors.New("for whom the items are was not noted yet: run the mapping once with this importer")

// A Crowd is the items of one ACL.
type Crowd struct {
	ACL   []Access
	Items int64
	id    int64
}

// Crowds gives the ACLs of the items that the target has, with the number of
// items; unknown are the items of which that is not known, as they were last
// sent by an importer that did not note it, or their sending was cut off.
func (s *Store) Crowds(ctx context.Context) (all []Crowd, unknown int64, err error) {
	if s.old {
		return nil, 0, ErrOld
	}
	rows, err := s.db.QueryContext(ctx, `SELECT coalesce(a.id, 0), coalesce(a.acl, ''), count(*) FROM items i NOT INDEXED LEFT JOIN audiences a ON a.id = i.audience
		WHERE NOT (i.status = ? AND i.open < 0) GROUP BY 1 ORDER BY 3 DESC, 2`, statusRejected)
	if err != nil {
		return nil, 0, s.wrap(err)
	}
	defer rows.Close()
	for rows.Next() {
		var c Crowd
		var acl string
		if err := rows.Scan(&c.id, &acl, &c.Items); err != nil {
			return nil, 0, s.wrap(err)
		}
		if c.id == 0 {
			unknown = c.Items
			continue
		}
		c.ACL = ReadAudience(acl)
		all = append(all, c)
	}
	return all, unknown, s.wrap(rows.Err())
}

// ACLOf gives the ACL that an item was last sent with; known is false when that
// was not noted.
func (s *Store) ACLOf(ctx context.Context, id string) (acl []Access, known bool, err error) {
	if s.old {
		return nil, false, nil
	}
	var text string
	err = s.db.QueryRowContext(ctx, "SELECT a.acl FROM items i NOT INDEXED JOIN audiences a ON a.id = i.audience WHERE i.id = ?", id).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return ReadAudience(text), err == nil, s.wrap(err)
}

// A Shift is an item for which a run has changed who may see it.
type Shift struct {
	ID   string
	Was  []Access // nil: it was not there
	Now  []Access
	File string // relative to the source's root
	Line int
	Col  int // 0 is none
}

// Shifts calls each with the items that a run has made for others, in crawl
// order; with made also with those that it has made.
func (s *Store) Shifts(ctx context.Context, run int64, made bool, each func(Shift) error) error {
	cond := " AND i.was IS NOT NULL"
	if made {
		cond = ""
	}
	rows, err := s.db.QueryContext(ctx, `SELECT i.id, coalesce(w.acl, ''), coalesce(n.acl, ''), s.path, i.line FROM items i JOIN sources s ON s.id = i.source
		LEFT JOIN audiences n ON n.id = i.audience LEFT JOIN audiences w ON w.id = i.was WHERE i.changed = ?`+cond+" ORDER BY i.rowid", run)
	if err != nil {
		return s.wrap(err)
	}
	defer rows.Close()
	for rows.Next() {
		var sh Shift
		var was, now string
		if err := rows.Scan(&sh.ID, &was, &now, &sh.File, placeScan{&sh.Line, &sh.Col}); err != nil {
			return s.wrap(err)
		}
		sh.Was, sh.Now = ReadAudience(was), ReadAudience(now)
		if err := each(sh); err != nil {
			return err
		}
	}
	return s.wrap(rows.Err())
}

// Of gives up to n items of a crowd, in crawl order.
func (s *Store) Of(ctx context.Context, c Crowd, n int) (items []Shift, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT i.id, s.path, i.line FROM items i JOIN sources s ON s.id = i.source WHERE i.audience = ? AND NOT (i.status = ? AND i.open < 0)
		ORDER BY i.rowid LIMIT ?`, c.id, statusRejected, n)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	for rows.Next() {
		var sh Shift
		if err := rows.Scan(&sh.ID, &sh.File, placeScan{&sh.Line, &sh.Col}); err != nil {
			return nil, s.wrap(err)
		}
		items = append(items, sh)
	}
	return items, s.wrap(rows.Err())
}
