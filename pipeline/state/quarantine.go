package state

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"iter"
	"regexp"
	"slices"
	"strings"
)

// A QuarantineLine is a line of the quarantine as people and programs read it.
type QuarantineLine struct {
	Source   string `json:"source"`
	Item     string `json:"item,omitempty"`
	Stage    string `json:"stage"`
	Reason   string `json:"reason"`
	File     string `json:"file"`
	Sheet    string `json:"sheet,omitempty"`
	Page     int    `json:"page,omitempty"`
	Line     int    `json:"line,omitempty"`
	Col      int    `json:"col,omitempty"`
	Property string `json:"property,omitempty"`
	Value    string `json:"value,omitempty"`
	Detail   string `json:"detail"`
	Run      int64  `json:"run"` // the run that refused it
	// Key names the record in an export; "" for one that has no columns.
	Key string `json:"key,omitempty"`
	// Record is the record as it was tried, see Record; nil where it has no
	// columns, or too many.
	Record json.RawMessage `json:"record,omitempty"`
}

// A Filter chooses lines of the quarantine. Empty fields let all through.
type Filter struct {
	Source, Stage, Reason, Item string
	// File is a path, the end of one after a slash, or either with * and ?.
	File string
	Run  int64
	// Mended chooses among the fixes instead of the refused records.
	Mended bool
}

// where is the condition on quarantine q and sources s, with more conditions,
// whose arguments come last; "" is none.
func (f Filter) where(more ...string) (where string, args []any) {
	var conds []string
	add := func(cond string, value ...any) { conds, args = append(conds, cond), append(args, value...) }
	for _, eq := range [][2]string{{"s.source", f.Source}, {"q.stage", f.Stage}, {"q.reason", f.Reason}, {"q.item", f.Item}} {
		if eq[1] != "" {
			add(eq[0]+" = ?", eq[1])
		}
	}
	if f.File != "" {
		pattern := strings.ReplaceAll(f.File, "[", "[[]")
		add("(q.file GLOB ? OR q.file GLOB ?)", pattern, "*/"+pattern)
	}
	if f.Run != 0 {
		add("q.run = ?", f.Run)
	}
	if conds = append(conds, more...); len(conds) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(conds, " AND "), args
}

const quarantineOfSources = " FROM quarantine q JOIN sources s ON s.id = q.source AND " + standing

// lineColumns are those that scanLine reads.
const lineColumns = "s.source, s.path, q.item, q.stage, q.reason, q.file, q.sheet, q.page, q.line, q.col, q.property, q.value, q.detail, q.run, q.record, q.sum, q.fix"

// mended is a table like the quarantine, of the fixes that are in force or will be
// with the next run.
const mended = `(SELECT s.id AS source, s.path, 'mended' AS stage, CASE WHEN f.record IS NULL THEN 'left-out' ELSE 'mended' END AS reason,
	s.path AS file, CASE WHEN f.record IS NULL THEN 'left out on purpose' ELSE 'read with the values of an export' END || ' since ' || f.made || CASE WHEN f.pass = 0 THEN ', and no run has come to it yet' ELSE '' END AS detail,
	coalesce(f.record, f.was) AS record, f.sum, f.nth + 1 AS fix, f.id AS part, 0 AS run, NULL AS item, NULL AS sheet, 0 AS page, 0 AS line, 0 AS col, NULL AS property, NULL AS value
	FROM fixes f JOIN sources s ON ` + ofFile + ` AND (` + inForce + ` OR ` + waiting + `))`

// refusedTable is the part of the quarantine that stands.
const refusedTable = "(SELECT q.*" + quarantineOfSources + ")"

// Lines gives the quarantine in crawl order. It may be ranged over while the
// store is written to.
func (s *Store) Lines(ctx context.Context, f Filter) iter.Seq2[QuarantineLine, error] {
	return func(yield func(QuarantineLine, error) bool) {
		var fixed bool
		if err := s.db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM fixes)").Scan(&fixed); err != nil {
			yield(QuarantineLine{}, s.wrap(err))
			return
		}
		where, args := f.where()
		table := refusedTable
		if f.Mended {
			table = mended
		}
		// Equal records of a file that have no fix are numbered among themselves.
		// All count for that, whatever is chosen.
		rows, err := s.db.QueryContext(ctx, "SELECT "+lineColumns+", q.rank FROM (SELECT *, row_number() OVER (PARTITION BY source, sum, fix = 0 ORDER BY part) - 1 AS rank FROM "+
			table+") q JOIN sources s ON s.id = q.source"+where+" ORDER BY s.ord, s.id, q.part", args...)
		if err != nil {
			yield(QuarantineLine{}, s.wrap(err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			line, id, err := scanLine(rows)
			if err == nil {
				line.Key, err = s.key(ctx, line.Source, id, fixed)
			}
			if !yield(line, s.wrap(err)) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(QuarantineLine{}, s.wrap(err))
		}
	}
}

// An identity is what a record's key is made of.
type identity struct {
	path string
	sum  []byte // nil: it has no key
	fix  int    // 1 + the number of its fix; 0 is none
	rank int    // which it is of the equal ones without a fix
}

func scanLine(rows *sql.Rows) (r QuarantineLine, id identity, err error) {
	var item, sheet, property, value, record sql.NullString
	err = rows.Scan(&r.Source, &id.path, &item, &r.Stage, &r.Reason, &r.File, &sheet, &r.Page, &r.Line, &r.Col, &property, &value, &r.Detail, &r.Run, &record, &id.sum, &id.fix, &id.rank)
	r.Item, r.Sheet, r.Property, r.Value = item.String, sheet.String, property.String, value.String
	if record.Valid {
		r.Record = json.RawMessage(record.String)
	}
	return r, id, err
}

// key makes a line's key. fixed tells that there are fixes.
func (s *Store) key(ctx context.Context, source string, id identity, fixed bool) (string, error) {
	if len(id.sum) != len(Sum{}) {
		return "", nil
	}
	nth := id.rank
	switch {
	case id.fix > 0:
		nth = id.fix - 1
	case fixed:
		var err error
		if nth, err = s.free(ctx, source, id); err != nil {
			return "", err
		}
	}
	return NewKey(source, id.path, Sum(id.sum), nth).String(), nil
}

// free gives the number of a record without a fix: those of the fixes that
// were met are taken. One that was made since is of the record that is listed.
func (s *Store) free(ctx context.Context, source string, id identity) (int, error) {
	n := id.rank
	rows, err := s.db.QueryContext(ctx, `SELECT f.nth FROM fixes f JOIN sources s ON s.source = f.source AND s.path = f.path AND `+inForce+`
		WHERE f.sum = ? AND f.source = ? AND f.path = ? ORDER BY f.nth`, id.sum, source, id.path)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var taken int
		if err := rows.Scan(&taken); err != nil {
			return 0, err
		}
		if taken <= n {
			n++
		}
	}
	return n, rows.Err()
}

// Quarantine gives what is refused, in crawl order, up to n lines after the
// first skip, without keys and records: their values must not get into logs.
func (s *Store) Quarantine(ctx context.Context, skip, n int) ([]QuarantineLine, error) {
	return s.refused(ctx, "", nil, "LIMIT ? OFFSET ?", n, skip)
}

func (s *Store) refused(ctx context.Context, where string, args []any, limit string, more ...any) ([]QuarantineLine, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT "+lineColumns+", 0"+quarantineOfSources+where+" ORDER BY s.ord, s.id, q.part "+limit, slices.Concat(args, more)...)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	var out []QuarantineLine
	for rows.Next() {
		line, _, err := scanLine(rows)
		if err != nil {
			return nil, s.wrap(err)
		}
		line.Record = nil
		out = append(out, line)
	}
	return out, s.wrap(rows.Err())
}

// A Cause groups the quarantine.
type Cause struct {
	Stage    string `json:"stage"`
	Reason   string `json:"reason"`
	Property string `json:"property,omitempty"`
	// Words are the target's own, without those that are of one item.
	Words    string           `json:"words,omitempty"`
	Count    int64            `json:"count"`
	Examples []QuarantineLine `json:"examples"`
}

// Causes groups the quarantine by what is wrong, the most frequent first, with
// up to examples lines each.
func (s *Store) Causes(ctx context.Context, examples int) ([]Cause, error) {
	return s.CausesOf(ctx, Filter{}, examples)
}

// CausesOf is Causes of what a filter chooses.
func (s *Store) CausesOf(ctx context.Context, f Filter, examples int) ([]Cause, error) {
	out, err := s.causesBefore(ctx, f, examples)
	if err != nil {
		return nil, err
	}
	refused, err := s.causesOfTarget(ctx, f, examples)
	if err != nil {
		return nil, err
	}
	out = append(out, refused...)
	slices.SortFunc(out, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Reason, b.Reason),
			cmp.Compare(a.Property, b.Property), cmp.Compare(a.Words, b.Words))
	})
	return out, nil
}

// causesBefore are those for which records do not get to the target.
func (s *Store) causesBefore(ctx context.Context, f Filter, examples int) ([]Cause, error) {
	where, args := f.where("q.stage <> 'load'")
	rows, err := s.db.QueryContext(ctx, "SELECT q.stage, q.reason, coalesce(q.property, ''), count(*)"+quarantineOfSources+where+" GROUP BY 1, 2, 3", args...)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	out := []Cause{}
	for rows.Next() {
		c := Cause{Examples: []QuarantineLine{}}
		if err := rows.Scan(&c.Stage, &c.Reason, &c.Property, &c.Count); err != nil {
			return nil, s.wrap(err)
		}
		out = append(out, c)
	}
	if err := rows.Err(); err != nil {
		return nil, s.wrap(err)
	}
	for i := range out {
		c := &out[i]
		where, args := f.where("q.stage = ?", "q.reason = ?", "coalesce(q.property, '') = ?")
		if c.Examples, err = s.refused(ctx, where, append(args, c.Stage, c.Reason, c.Property), "LIMIT ?", examples); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// maxWords is how many different answers of the target are told apart: there
// may be one for each item, and a report must stay readable.
const maxWords = 20

// causesOfTarget groups what the target has refused by its words.
func (s *Store) causesOfTarget(ctx context.Context, f Filter, examples int) ([]Cause, error) {
	where, args := f.where("q.stage = 'load'")
	rows, err := s.db.QueryContext(ctx, "SELECT q.rowid, q.reason, coalesce(q.property, ''), coalesce(q.item, ''), q.detail"+quarantineOfSources+where+" ORDER BY s.ord, s.id, q.part", args...)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	type group struct {
		cause Cause
		first []int64 // rows of the examples
	}
	var groups []*group
	byCause := map[[3]string]*group{}
	for rows.Next() {
		var row int64
		var reason, property, item, detail string
		if err := rows.Scan(&row, &reason, &property, &item, &detail); err != nil {
			return nil, s.wrap(err)
		}
		key := [3]string{reason, property, wordsOf(detail, item)}
		if byCause[key] == nil && len(groups) >= maxWords {
			key[2] = "" // all others
		}
		g := byCause[key]
		if g == nil {
			g = &group{cause: Cause{Stage: "load", Reason: reason, Property: property, Words: key[2], Examples: []QuarantineLine{}}}
			byCause[key] = g
			groups = append(groups, g)
		}
		if g.cause.Count++; len(g.first) < examples {
			g.first = append(g.first, row)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, s.wrap(err)
	}
	var out []Cause
	for _, g := range groups {
		for _, row := range g.first {
			lines, err := s.refused(ctx, " WHERE q.rowid = ?", []any{row}, "")
			if err != nil {
				return nil, err
			}
			g.cause.Examples = append(g.cause.Examples, lines...)
		}
		out = append(out, g.cause)
	}
	return out, nil
}

var (
	requestLine = regexp.MustCompile(`^[A-Z]+ /\S*: `)
	requestID   = regexp.MustCompile(` \(request-id [^)]*\)`)
	guid        = regexp.MustCompile(`[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`)
)

// wordsOf takes out of a refusal by the target what is of one item or request.
func wordsOf(detail, item string) string {
	_, words, found := strings.Cut(detail, ": ")
	if !found {
		return detail
	}
	words = guid.ReplaceAllString(requestID.ReplaceAllString(requestLine.ReplaceAllString(words, ""), ""), "…")
	if item != "" {
		words = strings.NewReplacer("'"+item+"'", "'…'", `"`+item+`"`, `"…"`).Replace(words)
	}
	return words
}

// A Shape is what lines of the quarantine of one source have in common.
type Shape struct {
	Source  string
	Columns []string // of their records; nil for lines that keep none
	Values  int      // the most that one of them has
	Lines   int64
}

// Shapes gives the shapes of what a filter chooses, in crawl order.
func (s *Store) Shapes(ctx context.Context, f Filter) ([]Shape, error) {
	where, args := f.where()
	table := refusedTable
	if f.Mended {
		table = mended
	}
	rows, err := s.db.QueryContext(ctx, `SELECT s.source, json_extract(q.record, '$.columns'), max(coalesce(json_array_length(q.record, '$.values'), 0)), count(*)
		FROM `+table+` q JOIN sources s ON s.id = q.source`+where+` GROUP BY 1, 2 ORDER BY min(s.ord), min(s.id), min(q.part)`, args...)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	var out []Shape
	for rows.Next() {
		var sh Shape
		var columns sql.NullString
		if err := rows.Scan(&sh.Source, &columns, &sh.Values, &sh.Lines); err != nil {
			return nil, s.wrap(err)
		}
		if columns.Valid {
			if err := json.Unmarshal([]byte(columns.String), &sh.Columns); err != nil {
				return nil, s.wrap(err)
			}
		}
		out = append(out, sh)
	}
	return out, s.wrap(rows.Err())
}
