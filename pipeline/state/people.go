package state

import (
	"context"
	"database/sql"
	"strconv"
	"time"
)

// What a directory has said of names is kept with its time, and an answer that
// has changed is counted: files whose records name people are mapped again
// after it. Names that nobody has are kept by file with how many items they
// block, as the quarantine is.

// A Person is a name of a person or group, and whose it is.
type Person struct {
	Kind, Name         string // the key
	ID                 string // "" is nobody's, or several's
	Several            bool
	Display, Mail, UPN string
	Asked              time.Time
}

// same tells whether two answers make the same of a record.
func (p *Person) same(q *Person) bool {
	return p.ID == q.ID && p.Several == q.Several && p.Display == q.Display && p.Mail == q.Mail && p.UPN == q.UPN
}

const peopleTables = `
CREATE TABLE people (              -- names, as a directory has answered
  kind TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL, several INTEGER NOT NULL,
  display TEXT NOT NULL, mail TEXT NOT NULL, upn TEXT NOT NULL,
  asked INTEGER NOT NULL,          -- s since 1970
  PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE TABLE unknowns (            -- names in permissions that are nobody's, or several's, by reading of a file
  source INTEGER NOT NULL, pass INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, several INTEGER NOT NULL,
  blocked INTEGER NOT NULL,        -- items that are refused for it
  dropped INTEGER NOT NULL,        -- items that are there without this grant
  PRIMARY KEY (source, pass, kind, name)) WITHOUT ROWID;
`

// People calls each with everything that is known of names.
func (s *Store) People(ctx context.Context, each func(Person)) error {
	if s.old {
		return nil
	}
	rows, err := s.db.QueryContext(ctx, "SELECT kind, name, id, several, display, mail, upn, asked FROM people")
	if err != nil {
		return s.wrap(err)
	}
	defer rows.Close()
	for rows.Next() {
		var p Person
		var asked int64
		if err := rows.Scan(&p.Kind, &p.Name, &p.ID, &p.Several, &p.Display, &p.Mail, &p.UPN, &asked); err != nil {
			return s.wrap(err)
		}
		p.Asked = time.Unix(asked, 0)
		each(p)
	}
	return s.wrap(rows.Err())
}

// peopleSince is the version of the layout that has these tables.
const peopleSince = 4

const metaPeople = "people"

// SetPeople writes answers down. changed tells that one of them is another
// than before: then the generation is another one as well.
func (s *Store) SetPeople(ctx context.Context, all []Person) (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.tx(ctx, func(tx *sql.Tx) error {
		get, err := tx.PrepareContext(ctx, "SELECT id, several, display, mail, upn FROM people WHERE kind = ? AND name = ?")
		if err != nil {
			return err
		}
		defer get.Close()
		set, err := tx.PrepareContext(ctx, "INSERT OR REPLACE INTO people (kind, name, id, several, display, mail, upn, asked) VALUES (?,?,?,?,?,?,?,?)")
		if err != nil {
			return err
		}
		defer set.Close()
		for i := range all {
			p := &all[i]
			var was Person
			err := get.QueryRowContext(ctx, p.Kind, p.Name).Scan(&was.ID, &was.Several, &was.Display, &was.Mail, &was.UPN)
			if err != nil && err != sql.ErrNoRows {
				return err
			}
			changed = changed || err == nil && !was.same(p)
			if _, err := set.ExecContext(ctx, p.Kind, p.Name, p.ID, p.Several, p.Display, p.Mail, p.UPN, p.Asked.Unix()); err != nil {
				return err
			}
		}
		if !changed {
			return nil
		}
		// If we crash after it, the next run maps the files again.
		_, err = tx.ExecContext(ctx, "INSERT INTO meta (name, value) VALUES (?, '1') ON CONFLICT (name) DO UPDATE SET value = value + 1", metaPeople)
		return err
	})
	return changed, s.wrap(err)
}

// Generation counts how often an answer has changed.
func (s *Store) Generation(ctx context.Context) (uint64, error) {
	v, err := s.Meta(ctx, metaPeople)
	if v == "" || err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(v, 10, 64)
	return n, s.wrap(err)
}

// An Unknown is a name in permissions that is nobody's, or several people's,
// with what that does.
type Unknown struct {
	Kind    string `json:"kind"` // user, group or externalGroup
	Name    string `json:"name"`
	Several bool   `json:"several,omitempty"` // it fits several
	Blocked int64  `json:"blocked"`           // items that are refused for it
	Dropped int64  `json:"dropped"`           // items that are there without this grant
}

type unknownKey struct{ kind, name string }

// Miss counts a name of a record that is settled: its item is refused for it,
// or with dropped there without that grant. It is written with the file's
// position.
func (src *Source) Miss(u Unknown, dropped bool) {
	k := unknownKey{u.Kind, u.Name}
	if src.missed == nil {
		src.missed = map[unknownKey]*Unknown{}
	}
	n := src.missed[k]
	if n == nil {
		n = &Unknown{Several: u.Several}
		src.missed[k] = n
	}
	if dropped {
		n.Dropped++
	} else {
		n.Blocked++
	}
}

func (src *Source) writeMissed(ctx context.Context, tx *sql.Tx) error {
	for k, n := range src.missed {
		_, err := tx.ExecContext(ctx, `INSERT INTO unknowns (source, pass, kind, name, several, blocked, dropped) VALUES (?,?,?,?,?,?,?)
			ON CONFLICT (source, pass, kind, name) DO UPDATE SET blocked = blocked + excluded.blocked, dropped = dropped + excluded.dropped`,
			src.ID, src.Pass, k.kind, k.name, n.Several, n.Blocked, n.Dropped)
		if err != nil {
			return err
		}
	}
	clear(src.missed)
	if !src.Ended {
		return nil
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM unknowns WHERE source = ? AND pass <> ?", src.ID, src.Pass)
	return err
}

// Unknowns gives up to n names that are nobody's, those that block the most
// items first; all is how many there are.
func (s *Store) Unknowns(ctx context.Context, n int) (names []Unknown, all int64, err error) {
	if s.old {
		return []Unknown{}, 0, nil
	}
	const of = " FROM (SELECT kind, name, max(several) AS several, sum(blocked) AS blocked, sum(dropped) AS dropped FROM (" +
		"SELECT source, kind, name, max(several) AS several, max(blocked) AS blocked, max(dropped) AS dropped FROM unknowns GROUP BY source, kind, name) GROUP BY kind, name)"
	if err := s.db.QueryRowContext(ctx, "SELECT count(*)"+of).Scan(&all); err != nil {
		return nil, 0, s.wrap(err)
	}
	rows, err := s.db.QueryContext(ctx, "SELECT kind, name, several, blocked, dropped"+of+" ORDER BY blocked DESC, dropped DESC, kind, name LIMIT ?", n)
	if err != nil {
		return nil, 0, s.wrap(err)
	}
	defer rows.Close()
	names = []Unknown{}
	for rows.Next() {
		var u Unknown
		if err := rows.Scan(&u.Kind, &u.Name, &u.Several, &u.Blocked, &u.Dropped); err != nil {
			return nil, 0, s.wrap(err)
		}
		names = append(names, u)
	}
	return names, all, s.wrap(rows.Err())
}
