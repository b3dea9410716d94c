package transform

import (
	"slices"
	"strings"

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
	// Cells are the columns, and the fields of the metadata beside the file, that
	// the rule reads, with what the record has there.
	Cells []Cell
	Name  string // what the record, or the table of permissions, calls them; "" for everyone
	// Unknown says why the name is nobody's; "" is that it is somebody's.
	Unknown string
}

// A Cell is a column of a record, or a field of the metadata beside its file
// (side.readers), with its text.
type Cell struct {
	Column string `json:"column"`
	Value  string `json:"value"`
	// Place is where it stands, where that is more than its record and its
	// column: file:line:col. "" is the record.
	Place string `json:"place,omitempty"`
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
	t := Traced{Access: Access{Type: e.rule.kind, Deny: e.rule.deny}, Pos: e.rule.pos, Held: held, Cells: e.cells("")}
	if e.rule.access != nil {
		t.Name = "from " + e.rule.access.from
	}
	*e.trace = append(*e.trace, t)
}

func (e *frame) traceEntry(a Access, name string, wrong *fault) {
	if e.trace == nil {
		return
	}
	t := Traced{Access: a, Pos: e.rule.pos, Held: true, Entry: true, Cells: e.cells(name), Name: name}
	if wrong != nil {
		t.Unknown = wrong.detail
	}
	*e.trace = append(*e.trace, t)
}

// traceDone completes the rule that was traced last, if it has made no entry:
// what it reads is known once it is done.
func (e *frame) traceDone() {
	if e.trace == nil {
		return
	}
	if last := &(*e.trace)[len(*e.trace)-1]; !last.Entry {
		last.Cells = e.cells("")
	}
}

// cells gives what the rule has read: its columns, and fields of the metadata
// beside the file, of which name says which value is meant.
func (e *frame) cells(name string) (cells []Cell) {
	for _, column := range e.rule.reads {
		c := Cell{Column: column}
		if h := e.rec.Header; h != nil {
			if i, ok := h.Index(column); ok && i < len(e.rec.Text) {
				c.Value = cutBytes(clean(e.rec.Text[i]), 200)
				if e.rec.ValueAt != nil {
					c.Place = e.rec.Cell(i).String()
				}
			}
		}
		cells = append(cells, c)
	}
	for _, field := range e.sides {
		c := Cell{Column: "side." + field}
		side, _ := e.rec.File.Side() // an error is that of the rule
		key := field
		if keys := side.Keys(field); len(keys) > 0 {
			key = keys[0]
		}
		switch v := side[key].(type) {
		case string:
			c.Value = cutBytes(clean(v), 200)
		case []string:
			c.Value = cutBytes(clean(strings.Join(v, ", ")), 200)
		}
		if at := e.rec.File.SideAt; at != nil {
			c.Place = at(key, name).String()
		}
		cells = append(cells, c)
	}
	return cells
}
