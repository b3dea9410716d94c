package state

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"
)

// A RunRef is the run that did something.
type RunRef struct {
	ID      int64     `json:"run"`
	Started time.Time `json:"started"`
}

// An ItemInfo is what is known of an item.
type ItemInfo struct {
	ID     string `json:"item"`
	Source string `json:"source"`
	Path   string `json:"file"` // relative to the source's root
	Sheet  string `json:"sheet,omitempty"`
	Line   int    `json:"line,omitempty"` // line, row or page; 0 is the whole file
	Col    int    `json:"col,omitempty"`
	Part   int64  `json:"part"` // which record of the file, from 0; -1 when only a refused record has the id now
	// Status is stored, refused (by the target), unsettled (sent, without an
	// answer), unknown (to be sent again) or withdrawn (to be deleted).
	Status string  `json:"status"`
	Sent   *RunRef `json:"sent,omitempty"`   // the run that last sent it; nil is not known
	Met    *RunRef `json:"met,omitempty"`    // the run that last met its record
	Missed int64   `json:"missed,omitempty"` // runs in a row that did not find its record
	Digest []byte  `json:"-"`
}

const itemInfo = `SELECT i.id, s.source, s.path, coalesce(i.sheet, ''), i.line, i.part, i.status, i.digest, i.sent, i.pass, coalesce(i.missed, 0)
	FROM items i NOT INDEXED JOIN sources s ON s.id = i.source `

// Item looks an item up by its id; nil is none. It reads the whole table,
// which has no index by id.
func (s *Store) Item(ctx context.Context, id string) (*ItemInfo, error) {
	all, err := s.itemInfos(ctx, "WHERE i.id = ?", id)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[0], nil
}

// ItemsOf gives the items of a file in its order, up to n after the first skip.
func (s *Store) ItemsOf(ctx context.Context, source int64, skip, n int) ([]ItemInfo, error) {
	return s.itemInfos(ctx, "WHERE i.source = ? ORDER BY i.part, i.rowid LIMIT ? OFFSET ?", source, n, skip)
}

func (s *Store) itemInfos(ctx context.Context, which string, args ...any) ([]ItemInfo, error) {
	rows, err := s.db.QueryContext(ctx, itemInfo+which, args...)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	var out []ItemInfo
	type passes struct{ sent, met int64 }
	var at []passes
	for rows.Next() {
		var it ItemInfo
		var p passes
		var status int
		if err := rows.Scan(&it.ID, &it.Source, &it.Path, &it.Sheet, placeScan{&it.Line, &it.Col}, &it.Part, &status, &it.Digest, &p.sent, &p.met, &it.Missed); err != nil {
			return nil, s.wrap(err)
		}
		it.Status = statusWords(status, it.Digest)
		out, at = append(out, it), append(at, p)
	}
	if err := rows.Err(); err != nil {
		return nil, s.wrap(err)
	}
	known := map[int64]*RunRef{}
	for i := range out {
		if out[i].Sent, err = s.runOf(ctx, known, at[i].sent); err != nil {
			return nil, err
		}
		if out[i].Met, err = s.runOf(ctx, known, at[i].met); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func statusWords(status int, digest []byte) string {
	switch {
	case status == statusWithdrawn:
		return "withdrawn"
	case status == statusRejected:
		return "refused"
	case status == statusSent:
		return "unsettled"
	case digest == nil:
		return "unknown"
	}
	return "stored"
}

// runOf gives the run that made a reading; nil when that is not known.
func (s *Store) runOf(ctx context.Context, known map[int64]*RunRef, pass int64) (*RunRef, error) {
	if ref, ok := known[pass]; ok || pass <= 0 {
		return ref, nil
	}
	var ref RunRef
	var started string
	err := s.db.QueryRowContext(ctx, "SELECT id, started FROM runs WHERE pass <= ? ORDER BY id DESC LIMIT 1", pass).Scan(&ref.ID, &started)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err == nil {
		ref.Started, err = time.Parse(time.RFC3339, started)
	}
	known[pass] = &ref
	return &ref, s.wrap(err)
}

// A FileInfo is what is known of a file.
type FileInfo struct {
	Row      int64     `json:"-"`
	Source   string    `json:"source"`
	Path     string    `json:"file"` // relative to the source's root
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	SHA256   string    `json:"sha256,omitempty"`
	// State is whole (read to its end), begun, broken (could not be read to its
	// end), or gone (not met by the last walk).
	State string  `json:"state"`
	Run   *RunRef `json:"readBy,omitempty"` // the run that last read it
	Items int64   `json:"items"`
	Counts
}

// Files gives the files whose path is the one given, or ends with it behind a
// slash.
func (s *Store) Files(ctx context.Context, path string) ([]FileInfo, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT s.id, s.source, s.path, s.size, s.modified, coalesce(lower(hex(s.hash)), ''), s.pass, s.ended, s.whole,
		s.walked = (SELECT max(walked) FROM sources), s.read, s.stored, s.unchanged, s.filtered, s.quarantined, s.duplicates,
		(SELECT count(*) FROM items i WHERE i.source = s.id)
		FROM sources s WHERE s.path = ? OR s.path LIKE ? ESCAPE '\' OR ? LIKE '%/' || replace(replace(replace(s.path, '\', '\\'), '%', '\%'), '_', '\_') ESCAPE '\'
		ORDER BY s.ord`, path, "%/"+likeEscape.Replace(path), path)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	var out []FileInfo
	var passes []int64
	for rows.Next() {
		var f FileInfo
		var modified, pass int64
		var ended, whole, met bool
		if err := rows.Scan(&f.Row, &f.Source, &f.Path, &f.Size, &modified, &f.SHA256, &pass, &ended, &whole, &met,
			&f.Read, &f.Stored, &f.Unchanged, &f.Filtered, &f.Quarantined, &f.Duplicates, &f.Items); err != nil {
			return nil, s.wrap(err)
		}
		f.Modified = time.Unix(0, modified)
		switch {
		case !met:
			f.State = "gone"
		case whole:
			f.State = "whole"
		case ended:
			f.State = "broken"
		default:
			f.State = "begun"
		}
		out, passes = append(out, f), append(passes, pass)
	}
	if err := rows.Err(); err != nil {
		return nil, s.wrap(err)
	}
	known := map[int64]*RunRef{}
	for i := range out {
		if out[i].Run, err = s.runOf(ctx, known, passes[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

var likeEscape = strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`)

// RefusedOf gives the lines of the quarantine that are about an item, or with
// item "" those of a file.
func (s *Store) RefusedOf(ctx context.Context, source int64, item string, n int) ([]QuarantineLine, error) {
	if item != "" {
		return s.refused(ctx, " WHERE q.item = ?", []any{item}, "LIMIT ?", n)
	}
	return s.refused(ctx, " WHERE q.source = ?", []any{source}, "LIMIT ?", n)
}
