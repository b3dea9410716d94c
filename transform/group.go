package transform

import (
	"fmt"
	"slices"
	"strings"

	"importer/extract"
)

// Rows of a group make one item. What decides whether there is an item, which
// one, and who may see it must not be the matter of whichever row came first:
// a column that where, id or acl read outside of values() has to be the same in
// all of them, or the record is refused.

// A groupColumn is such a column.
type groupColumn struct {
	col  int
	name string
	part string // where, id or acl
}

// mustAgree gives the columns of the part that has just been compiled, and
// starts the next.
func (b *builder) mustAgree(s *Source, part string) (cols []groupColumn) {
	names := keysOf(b.first)
	clear(b.first)
	if s.Options.GroupBy == "" || b.sc.header == nil || part != "where" && part != "id" && part != "acl" {
		return nil
	}
	for _, name := range names {
		if i, ok := b.sc.header.Index(name); ok {
			cols = append(cols, groupColumn{i, name, part})
		}
	}
	return cols
}

// groups checks the column that rows are grouped by.
func (b *builder) groups(s *Source) {
	name := s.Options.GroupBy
	if name == "" || b.sc.header == nil {
		return
	}
	b.uses[name] = true
	if _, ok := b.sc.header.Index(name); ok {
		return
	}
	remedy := "columns are " + quotedList(b.sc.header.Names(), 12)
	if near := nearest(name, b.sc.header.Names()); near != "" {
		remedy = fmt.Sprintf("did you mean %q?", near)
	}
	b.errs = append(b.errs, b.d.finding(s.def.groupBy, remedy, "source %q: groupBy: there is no column %q", s.Name, name))
}

// agrees refuses a group whose rows do not say the same in what the parts read.
func (p *plan) agrees(e *frame, parts ...string) error {
	rows := e.rec.Rows
	if len(rows) < 2 {
		return nil
	}
	for _, c := range p.agree {
		if !slices.Contains(parts, c.part) {
			continue
		}
		want := strings.TrimSpace(rows[0].Text[c.col])
		for _, row := range rows[1:] {
			if got := strings.TrimSpace(row.Text[c.col]); got != want {
				err := &ItemError{Place: e.rec.Place, Reason: ReasonGroup, Property: c.part, Value: got, Columns: []string{c.name},
					Detail: fmt.Sprintf("%s: column %q is %q here and %q in %s of the same group; make them the same, or write for all of them with values(%s)", c.part, c.name, want, got, row.Place.Row(), c.name)}
				if c.part == "acl" {
					err.at = p.acl.reading(func(name string) bool { return name == c.name })
				}
				return err
			}
		}
	}
	return nil
}

// short refuses a record with a row that was too short for its permissions.
func (p *plan) short(e *frame) error {
	cells := e.rec.Cells
	for _, row := range e.rec.Rows {
		if row.Cells > 0 && (cells == 0 || row.Cells < cells) {
			cells = row.Cells
		}
	}
	if cells == 0 || cells >= p.aclCells {
		return nil
	}
	lacks := func(name string) bool {
		i, ok := p.header.Index(name)
		return ok && i >= cells
	}
	return &ItemError{Place: e.rec.Place, Reason: extract.ReasonRagged, Property: "acl", at: p.acl.reading(lacks),
		Detail: fmt.Sprintf("the row has %d cells and its permissions are read from the first %d; it may have been split or cut, so it is left out: complete it", cells, p.aclCells)}
}

// callValues is values(column).
func callValues(e *frame, args []any) (any, error) {
	col := args[0].(cell).col
	if e.rec.Rows == nil {
		text, err := e.column(col)
		if text = strings.TrimSpace(text); text == "" {
			return []string(nil), err
		}
		return []string{text}, err
	}
	var out []string
	for _, row := range e.rec.Rows {
		if col < len(row.Typed) {
			if ce, bad := row.Typed[col].(extract.CellError); bad {
				return nil, cellFault(cell{col: col}, ce)
			}
		}
		if text := strings.TrimSpace(row.Text[col]); text != "" && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out, nil
}
