package mend

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"importer/pipeline/state"
)

// Taken is what came of an export that was taken back.
type Taken struct {
	Rows      int64 `json:"rows"`
	Changed   int64 `json:"changed"`   // fixes that are new, or other than before
	LeftOut   int64 `json:"leftOut"`   // records that are to be left out from now on
	Forgotten int64 `json:"forgotten"` // fixes that were dropped
	InForce   int64 `json:"inForce"`   // rows that say what their fixes have said before
	Unchanged int64 `json:"unchanged"` // rows as they were exported
	Gone      int64 `json:"gone"`      // rows whose records are neither in quarantine any more nor have a fix
	AsInFile  int64 `json:"asInFile"`  // unchanged rows that show their record as its file has it, though it has a fix
	Unkeyed   int64 `json:"unkeyed"`   // rows that are no record that could be mended: files, documents, notes
	// Rewritten are cells that differ from what was exported in the way of
	// spreadsheets only, and count as untouched.
	Rewritten int64 `json:"rewritten"`
	// Changes are what is changed, and Rewrites the cells that count as
	// untouched, the first of them.
	Changes  []Change `json:"changes,omitempty"`
	Rewrites []Change `json:"rewrites,omitempty"`
}

// Effect tells that something was found that is, or has been, done.
func (t *Taken) Effect() bool { return t.Changed+t.LeftOut+t.Forgotten+t.InForce > 0 }

// A Change is a cell that was changed, or an action on a row.
type Change struct {
	Place  string `json:"place"`            // in the export
	Column string `json:"column,omitempty"` // "" for an action
	From   string `json:"from,omitempty"`
	To     string `json:"to"`
}

// maxRewrites is how many rewritten cells are named.
const maxRewrites = 20

// RowErrors are rows that cannot be taken. Nothing of the export was.
type RowErrors []string

func (e RowErrors) Error() string {
	const most = 20
	s := fmt.Sprintf("%d rows cannot be taken, so nothing was:", len(e))
	if len(e) == 1 {
		s = "a row cannot be taken, so nothing was:"
	}
	for i, row := range e {
		if i == most {
			return s + fmt.Sprintf("\n  and %d more", len(e)-most)
		}
		s += "\n  " + row
	}
	return s
}

var errDryRun = errors.New("dry run")

// Take reads an export back and makes fixes of the rows that were changed. It
// takes all of them or, with an error, none: a FileError, RowErrors, or one of
// the state. The files concerned are read again by the next run. With dry it
// only tells. changes is how many changes are to be named.
func Take(ctx context.Context, s *state.Store, path string, dry bool, changes int) (Taken, error) {
	t := &taker{path: path, most: changes, seen: map[state.Key]seenRow{}, seed: maphash.MakeSeed()}
	err := s.Mend(ctx, time.Now(), func(m *state.Mending) error {
		t.m = m
		for r, err := range rows(ctx, path) {
			if err != nil {
				return err
			}
			if err := t.row(r); err != nil {
				return err
			}
		}
		switch {
		case len(t.wrong) > 0:
			return t.wrong
		case t.Gone > 0 && t.Gone+t.Unkeyed == t.Rows:
			return &FileError{path, "none of its records is in this quarantine, nor has a fix: it is the export of another connection, or all of them were mended or changed since"}
		case dry:
			return errDryRun
		}
		return nil
	})
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return t.Taken, err
}

type taker struct {
	Taken
	path  string
	most  int
	m     *state.Mending
	wrong RowErrors
	seen  map[state.Key]seenRow // rows that say something
	seed  maphash.Seed
}

// A seenRow is what an earlier row has said of a record.
type seenRow struct {
	place string
	says  uint64
}

func (t *taker) fail(r *row, format string, args ...any) {
	t.wrong = append(t.wrong, r.place+": "+fmt.Sprintf(format, args...))
}

// A decision is what a row says of its record.
type decision struct {
	forget, leaveOut bool
	now              *state.Record // other values
	changes          []Change
}

func (d *decision) says(seed maphash.Seed) uint64 {
	if d == nil {
		return 0
	}
	text := fmt.Sprint(d.forget, d.leaveOut)
	if d.now != nil {
		text += d.now.JSON()
	}
	return max(1, maphash.String(seed, text))
}

// row takes one row. Its error is one of the state.
func (t *taker) row(r *row) error {
	if r.blank {
		return nil
	}
	t.Rows++
	if r.key == "" {
		t.Unkeyed++
		if r.action != "" {
			t.fail(r, "the row has the action %q but no key: this record cannot be mended here; mend its file", r.action)
		}
		return nil
	}
	key, ok := state.ParseKey(r.key)
	if !ok {
		t.fail(r, "the key %q is not one that was exported; put it back, or delete the row", cut(r.key))
		return nil
	}
	known, found, err := t.m.Find(key)
	if err != nil {
		return err
	}
	if !found {
		t.Gone++
		return nil
	}
	d, ok := t.decide(r, &known)
	if !ok {
		return nil
	}
	return t.act(r, key, &known, d)
}

// act does what a row says, unless an earlier one has said it, or something
// else.
func (t *taker) act(r *row, key state.Key, known *state.Mendable, d *decision) error {
	says := d.says(t.seed)
	before, repeated := t.seen[key]
	switch {
	case says == 0:
		t.Unchanged++
		if known.Fixed {
			t.AsInFile++
		}
		return nil
	case repeated && before.says == says:
		t.Unchanged++
		return nil
	case repeated:
		t.fail(r, "says something else of the same record than %s; make them agree, or delete one", before.place)
		return nil
	}
	t.seen[key] = seenRow{r.place, says}
	switch {
	case d.forget && !known.Fixed:
		t.Unchanged++
		return nil
	case d.forget:
		t.Forgotten++
		t.note(d.changes)
		return t.m.Forget(key, known)
	case d.leaveOut && known.Fixed && known.LeaveOut,
		d.now != nil && known.Fixed && !known.LeaveOut && slices.Equal(d.now.Values, known.Now.Values):
		t.InForce++
		return nil
	case d.leaveOut:
		t.LeftOut++
	default:
		t.Changed++
	}
	t.note(d.changes)
	return t.m.Set(key, known, d.now)
}

func (t *taker) note(changes []Change) {
	t.Changes = append(t.Changes, changes[:min(len(changes), max(0, t.most-len(t.Changes)))]...)
}

// decide says what a row wants; nil is nothing. ok is false when the row is
// wrong, which has been told.
func (t *taker) decide(r *row, known *state.Mendable) (d *decision, ok bool) {
	switch r.action {
	case "", actionFix:
		return t.compare(r, known)
	case actionSkip:
		return &decision{leaveOut: true, changes: []Change{{r.place, "", "", "left out"}}}, true
	case actionForget:
		return &decision{forget: true, changes: []Change{{r.place, "", "", "forgotten"}}}, true
	}
	t.fail(r, "there is no action %q; it is %s, %s or %s, or empty", cut(r.action), actionFix, actionSkip, actionForget)
	return nil, false
}

// compare makes the record that a row has, where it is another than before.
func (t *taker) compare(r *row, known *state.Mendable) (d *decision, ok bool) {
	was := &known.Was
	if len(was.Columns) == 0 {
		if r.action == actionFix {
			t.fail(r, "the record has too many columns to be mended here; mend its file, or write %s", actionSkip)
			return nil, false
		}
		return nil, true
	}
	var now *state.Record
	if known.Fixed && !known.LeaveOut {
		now = &known.Now
	}
	d = &decision{now: &state.Record{Columns: was.Columns, Values: make([]string, len(was.Columns))}}
	fixed := now != nil // every cell is that of the fix
	for i, column := range was.Columns {
		fixed = t.cell(r, d, i, shown(column), was, now) && fixed
	}
	extra, moved := t.extras(r, was)
	switch forced := r.action == actionFix; {
	case len(d.changes) == 0 && fixed:
		return d, true // in force
	case len(d.changes) == 0 && !moved && !(forced && len(was.Values) != len(was.Columns)):
		return nil, true
	case !was.Whole():
		t.fail(r, "the record is too long to have been kept whole, so that it cannot be mended here; mend its file, or write %s", actionSkip)
		return nil, false
	case extra > 0:
		t.fail(r, "the row still has %s beside its columns; put them where they belong and clear %s", countOf(extra, "value", "values"), extraName(0))
		return nil, false
	}
	if moved {
		d.changes = append(d.changes, Change{r.place, extraName(0), was.Values[len(was.Columns)], ""})
	}
	return d, true
}

// cell takes one cell into a decision. It tells that the cell is that of the
// fix now, when there is one.
func (t *taker) cell(r *row, d *decision, i int, name string, was, now *state.Record) (fixed bool) {
	before, wrong := "", slices.Contains(was.Wrong, i)
	if i < len(was.Values) {
		before = was.Values[i]
	}
	hasFix := now != nil && i < len(now.Values)
	keepFix := func() bool {
		d.now.Values[i] = now.Values[i]
		if slices.Contains(now.Typed, i) {
			d.now.Typed = append(d.now.Typed, i)
		}
		if now.Values[i] != before {
			d.changes = append(d.changes, Change{r.place, name, before, now.Values[i]})
		}
		return true
	}
	c, ok := r.get(name)
	ofFix, ofFile := changed, same
	if ok {
		ofFile = judge(mark(before, was.Cut, i), c, r.how, wrong)
	}
	if hasFix && ok {
		ofFix = judge(now.Values[i], c, r.how, wrong)
	}
	switch forced := r.action == actionFix; {
	case hasFix && (!ok || ofFix == same):
		return keepFix()
	case ofFile == same:
		d.now.Values[i] = before
		return false
	case ofFix == rewritten && !forced:
		t.rewrites(r, name, now.Values[i], c.text)
		return keepFix()
	case ofFile == rewritten && !forced:
		t.rewrites(r, name, before, c.text)
		d.now.Values[i] = before
		return false
	}
	text := c.text
	if !strings.Contains(before, "\r") {
		text = strings.ReplaceAll(text, "\r\n", "\n")
	}
	d.now.Values[i] = text
	if _, date := c.typed.(time.Time); date {
		d.now.Typed = append(d.now.Typed, i)
	}
	d.changes = append(d.changes, Change{r.place, name, before, text})
	return false
}

func (t *taker) rewrites(r *row, name, from, to string) {
	if t.Rewritten++; len(t.Rewrites) < maxRewrites {
		t.Rewrites = append(t.Rewrites, Change{r.place, name, from, to})
	}
}

// extras counts the values without a column that a row has, and tells that
// there were others.
func (t *taker) extras(r *row, was *state.Record) (n int, moved bool) {
	for i := range maxExtra {
		c, ok := r.get(extraName(i))
		if !ok {
			break
		}
		before := ""
		if k := len(was.Columns) + i; k < len(was.Values) {
			before = mark(was.Values[k], was.Cut, k)
		}
		if strings.TrimSpace(c.text) != "" {
			n++
		}
		moved = moved || judge(before, c, r.how, false) == changed
	}
	return n, moved
}

func countOf(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func cut(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
