package transform

import (
	"slices"

	"importer/extract"
)

// A Traced is a rule of the permissions, or an entry that one has made, with
// how it came about.
type Traced struct {
	// Access is the entry; without a Value it is none: see Held and Unknown.
	Access
	Pos  Pos  // of the rule in the mapping
	Held bool // its condition holds
	// Entry tells that this is an entry; else it is the rule itself.
	Entry bool
	// Cells are the columns that the rule reads, with what the record has there.
	Cells []Cell
	Name  string // what the record, or the table of permissions, calls them; "" for everyone
	// Unknown says why the name is nobody's; "" is that it is somebody's.
	Unknown string
}

// A Cell is a column of a record with its text.
type Cell struct {
	Column string `json:"column"`
	Value  string `json:"value"`
}

// Trace says how the permissions of a record come about, rule by rule: each
// rule, and behind it the entries that it has made. err is that of ApplyWith,
// as far as it comes of the permissions.
func (s *Source) Trace(rec extract.Record, dir Directory) (all []Traced, err error) {
	p, errs := s.planFor(rec.Header)
	if len(errs) > 0 {
		return nil, errs
	}
	e := new(frame)
	e.begin(s, rec, dir)
	e.trace = &all
	if _, err = p.acl.entries(e); len(e.pending) > 0 {
		return nil, &UnresolvedError{slices.Clone(e.pending)}
	}
	return all, err
}

func (e *frame) traceRule(held bool) {
	if e.trace == nil {
		return
	}
	t := Traced{Access: Access{Type: e.rule.kind, Deny: e.rule.deny}, Pos: e.rule.pos, Held: held, Cells: e.cellsOf(e.rule.reads)}
	if e.rule.access != nil {
		t.Name = "from " + e.rule.access.from
	}
	*e.trace = append(*e.trace, t)
}

func (e *frame) traceEntry(a Access, name string, wrong *fault) {
	if e.trace == nil {
		return
	}
	t := Traced{Access: a, Pos: e.rule.pos, Held: true, Entry: true, Cells: e.cellsOf(e.rule.reads), Name: name}
	if wrong != nil {
		t.Unknown = wrong.detail
	}
	*e.trace = append(*e.trace, t)
}

// cellsOf gives columns with their texts.
func (e *frame) cellsOf(columns []string) (cells []Cell) {
	for _, name := range columns {
		c := Cell{Column: name}
		if h := e.rec.Header; h != nil {
			if i, ok := h.Index(name); ok && i < len(e.rec.Text) {
				c.Value = cutBytes(clean(e.rec.Text[i]), 200)
			}
		}
		cells = append(cells, c)
	}
	return cells
}
