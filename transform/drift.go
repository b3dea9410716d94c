package transform

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"importer/extract"
)

// A Change is a way in which files are not as they were when the source was
// read before.
type Change struct {
	Source string `json:"source"`
	File   string `json:"file,omitempty"` // the first one that has changed so; "" where it is all of them together
	Files  int64  `json:"files,omitempty"`
	// Kind is one of the Change constants.
	Kind   string `json:"kind"`
	Column string `json:"column,omitempty"`
	// Feeds is what is made of the column: id, acl, content, where, and the
	// names of properties.
	Feeds []string `json:"feeds,omitempty"`
	// Serious tells that who may see items, which items there are, or a typed
	// value can go wrong by it.
	Serious bool   `json:"serious"`
	Detail  string `json:"detail"` // a sentence
}

func (c *Change) String() string {
	where := ""
	if c.File != "" {
		where = c.File
		if c.Files > 1 {
			where += fmt.Sprintf(" and %s", plural(c.Files-1, "more file", "more files"))
		}
		where += ": "
	}
	feeds := ""
	if len(c.Feeds) > 0 {
		feeds = " (it feeds " + strings.Join(c.Feeds, ", ") + ")"
	}
	if c.Column != "" {
		return fmt.Sprintf("%scolumn %q%s: %s", where, c.Column, feeds, c.Detail)
	}
	return where + c.Detail
}

// The kinds of changes.
const (
	ChangeGone   = "gone"   // a column that nothing is made of is gone
	ChangeNew    = "new"    // a column is new
	ChangeFormat = "format" // dates or numbers are written otherwise
	ChangeType   = "type"   // values are of another kind
	ChangeValues = "values" // values that were not among the few
	ChangeEmpty  = "empty"  // many more cells are empty
	ChangeIDs    = "ids"    // ids stand for other records, or several times
	ChangeRows   = "rows"   // many records fewer
)

// What makes a change. A single odd value is the quarantine's business: these
// are bounds from which a file is another one than it was.
const (
	driftLeast  = 10   // values of a column from which it is judged
	driftShare  = 0.1  // of dates in a form that was not there
	driftKind   = 0.9  // of values that were of one kind, to say that they were
	driftOther  = 0.5  // of values of that kind that are left, to say that they are not
	driftSome   = 3    // of them at least
	driftFilled = 0.05 // of cells that are empty in a column that is always filled
	driftEmpty  = 0.4  // more of the cells are empty than ever
	driftLikely = 5.0  // times that a new value would have been seen before
	renameShare = 0.25 // of values that stand in another column, to think that it was renamed
)

// Drift compares the tables of the source as they are now with what they were.
// h is the header of a table of now. Columns that the source needs and that
// are missing are Check's business.
func (s *Source) Drift(was, now *Profile, h *extract.Header) []Change {
	d := &drift{src: s, was: was, now: now, feeds: s.feeds(h)}
	d.columns()
	for _, c := range now.Columns {
		old := was.Column(c.Name)
		if old == nil || old.Count == 0 {
			continue
		}
		d.empty(old, c)
		if c.values() < driftLeast || old.values() < driftLeast {
			continue
		}
		if !d.kind(old, c) {
			d.layouts(old, c)
			d.decimals(old, c)
			d.values(old, c)
		}
	}
	return d.changes
}

type drift struct {
	src      *Source
	was, now *Profile
	feeds    map[string]feed
	changes  []Change
}

// A feed is what is made of a column.
type feed struct {
	what    []string
	serious bool
	choice  bool // which of few values it has decides something: permissions, where, a typed value, a refiner
}

// feeds tells what is made of each column of a table.
func (s *Source) feeds(h *extract.Header) map[string]feed {
	out := map[string]feed{}
	p, errs := s.planFor(h)
	if len(errs) > 0 {
		return out
	}
	if by := s.Options.GroupBy; by != "" {
		out[by] = feed{what: []string{"groupBy"}, serious: true}
	}
	for _, name := range keysOf(p.reads) {
		serious := name == "id" || name == "acl"
		choice := serious || name == "where"
		for _, prop := range s.m.Schema {
			if prop.Name == name {
				serious = s.Typed(name)
				choice = serious || prop.Refinable
			}
		}
		for _, column := range p.reads[name] {
			f := out[column]
			f.what = append(f.what, name)
			f.serious = f.serious || serious
			f.choice = f.choice || choice
			out[column] = f
		}
	}
	return out
}

func (d *drift) add(kind, column, format string, args ...any) {
	f := d.feeds[column]
	d.changes = append(d.changes, Change{Source: d.src.Name, Kind: kind, Column: column, Feeds: f.what, Serious: f.serious, Detail: d.src.m.doc.redact(fmt.Sprintf(format, args...))})
}

// columns tells of columns that come and go. Nothing is made of them.
func (d *drift) columns() {
	var names, before []string
	for _, sh := range d.now.Shapes {
		names = append(names, sh.Columns...)
	}
	for _, sh := range d.was.Shapes {
		before = append(before, sh.Columns...)
	}
	for i, name := range names {
		if !slices.Contains(before, name) && slices.Index(names, name) == i {
			d.add(ChangeNew, name, "it is new, and nothing is made of it")
		}
	}
	gone := func(name string) bool {
		// A column that only some of the tables had may be missing from this one.
		return !slices.Contains(names, name) && !slices.ContainsFunc(d.was.Shapes, func(sh *Shape) bool { return !slices.Contains(sh.Columns, name) })
	}
	for i, name := range before {
		if gone(name) && slices.Index(before, name) == i {
			d.add(ChangeGone, name, "it was there before, and is not any more; nothing was made of it")
		}
	}
}

func (d *drift) empty(old, c *Column) {
	most := old.emptyShare()
	if old.EmptyShare != nil {
		most = max(most, old.EmptyShare.Max)
	}
	if share := c.emptyShare(); c.Count >= driftLeast && old.Count >= driftLeast && share > most+driftEmpty {
		d.add(ChangeEmpty, c.Name, "%s of %s cells are empty, where it was %.0f %% at most", grouped(c.Empty), grouped(c.Count), 100*most)
		if most > driftFilled { // tickets of today are not closed yet
			d.changes[len(d.changes)-1].Serious = false
		}
	}
}

func (c *Column) emptyShare() float64 {
	if c.Count == 0 {
		return 0
	}
	return float64(c.Empty) / float64(c.Count)
}

// The kinds of values that matter to a type.
var valueKinds = []struct {
	name    string
	classes []class
}{
	{"numbers", []class{classInt, classPoint, classComma, classPointGroups, classCommaGroups, classGroupPoint, classGroupComma, classGroupSpace}},
	{"dates", []class{classDate}},
	{"yes or no", []class{classBool, classYesNo}},
	{"mail addresses", []class{classMail}},
	{"web addresses", []class{classURL}},
	{"GUIDs", []class{classGUID}},
}

func (c *Column) kindShare(i int) float64 {
	return float64(c.of(valueKinds[i].classes...)) / float64(c.values())
}

// kind tells that what were numbers (dates, ...) are none any more.
func (d *drift) kind(old, c *Column) bool {
	for i, k := range valueKinds {
		if old.kindShare(i) < driftKind || c.kindShare(i) >= driftOther {
			continue
		}
		n := c.values() - c.of(k.classes...)
		d.add(ChangeType, c.Name, "%s of %s values are no %s any more%s", grouped(n), grouped(c.values()), k.name, c.such(k.classes))
		return true
	}
	return false
}

// such shows a value that is of none of the classes, with its place.
func (c *Column) such(not []class) string {
	for k := range c.examples {
		if kind := class(k); kind == classEmpty || kind == classNull || slices.Contains(not, kind) {
			continue
		}
		for _, e := range c.examples[k] {
			return ", such as " + quoted(oneLine(e.Value)) + placesOf([]extract.Place{e.Place})
		}
	}
	return ""
}

// layouts tells of dates that are written otherwise, and of a day and a month
// that have changed places.
func (d *drift) layouts(old, c *Column) {
	dates := c.counts[classDate]
	if dates < driftLeast || old.counts[classDate] < driftLeast {
		return
	}
	for _, l := range c.Layouts {
		i := slices.IndexFunc(old.Layouts, func(o *Layout) bool { return looseLayout(o.Layout) == looseLayout(l.Layout) })
		switch {
		case i < 0 && l.Count >= driftSome && float64(l.Count) >= driftShare*float64(dates):
			var forms []string
			for _, o := range old.Layouts {
				forms = append(forms, o.Layout)
			}
			d.add(ChangeFormat, c.Name, "%s of %s dates are like %s%s; they were like %s", grouped(l.Count), grouped(dates), l.Layout, c.firstOf(classDate), strings.Join(forms, " or "))
			return
		case i >= 0 && l.turned(old.Layouts[i]):
			first, second := "day", "month"
			if l.Month > l.Day {
				first, second = second, first
			}
			d.add(ChangeFormat, c.Name, "the %s comes first in %s of %s dates%s; it was the %s before", first, grouped(max(l.Day, l.Month)), grouped(l.Count), c.firstOf(classDate), second)
			return
		}
	}
}

// turned tells that day and month have changed places since.
func (l *Layout) turned(o *Layout) bool {
	return o.Day > 2 && o.Month == 0 && l.Month > 2 && l.Month > l.Day || o.Month > 2 && o.Day == 0 && l.Day > 2 && l.Day > l.Month
}

func (c *Column) firstOf(k class) string {
	if len(c.examples[k]) == 0 {
		return ""
	}
	e := c.examples[k][0]
	return ", such as " + quoted(oneLine(e.Value)) + placesOf([]extract.Place{e.Place})
}

// decimals tells that the sign between a number and its decimals is another.
func (d *drift) decimals(old, c *Column) {
	points := func(c *Column) int64 { return c.of(classPoint, classPointGroups) }
	commas := func(c *Column) int64 { return c.of(classComma, classCommaGroups) }
	switch {
	case points(old) >= driftLeast && commas(old) == 0 && commas(c) >= driftLeast && points(c) == 0:
		d.add(ChangeFormat, c.Name, "numbers have a decimal comma%s; it was a point", c.firstOf(classComma))
	case commas(old) >= driftLeast && points(old) == 0 && points(c) >= driftLeast && commas(c) == 0:
		d.add(ChangeFormat, c.Name, "numbers have a decimal point%s; it was a comma", c.firstOf(classPoint))
	}
}

// values tells of values that were not among the few that there were. Where
// not all records were looked at, a rare one may have been there all along.
func (d *drift) values(old, c *Column) {
	if f := d.feeds[c.Name]; !f.choice || old.filled() < 2*driftLeast || !old.few() || old.of(classText, classYesNo)*2 < old.values() {
		return
	}
	var fresh []string
	for _, t := range c.Top {
		known := slices.ContainsFunc(old.Top, func(o Tally) bool { return o.Value == t.Value })
		expected := float64(t.Count) / float64(c.filled()) * float64(old.filled())
		if !known && (expected >= driftLikely && t.Count > 2 || !d.was.Sampled) {
			fresh = append(fresh, fmt.Sprintf("%s (%s)", strconv.Quote(oneLine(t.Value)), plural(t.Count, "record", "records")))
		}
	}
	switch {
	case c.Top == nil:
		d.add(ChangeValues, c.Name, "it had %d different values, and has more than %d now", len(old.Top), maxTop)
	case len(fresh) > 0:
		more := ""
		if len(fresh) > 5 {
			fresh, more = fresh[:5], fmt.Sprintf(" and %d more", len(fresh)-5)
		}
		d.add(ChangeValues, c.Name, "new among its values: %s%s", strings.Join(fresh, ", "), more)
	}
}

// MakesContent is the name of an item's content among what a source makes; no
// property can have it.
const MakesContent = "the content"

// Makes tells what the source makes of a record, by name, with what identifies
// the expression that does.
func (s *Source) Makes() map[string]string {
	all := map[string]string{}
	add := func(name string, x *expression) {
		sum := sha256.Sum256([]byte(x.s))
		all[name] = hex.EncodeToString(sum[:4])
	}
	for i := range s.def.props {
		add(s.def.props[i].def.Name, s.def.props[i].x)
	}
	if s.def.content != nil {
		add(MakesContent, s.def.content)
	}
	return all
}

// Typed tells that a property is no text.
func (s *Source) Typed(name string) bool {
	return slices.ContainsFunc(s.m.Schema, func(p PropertyDef) bool { return p.Name == name && p.Type != String && p.Type != StringCollection })
}

// Renamed finds the column of now that holds the values of one that is missing
// since was: a sentence, or "". A column that was there beside the missing one
// is not it, however alike the two are: people who ask and people who may not
// know are both mail addresses.
func Renamed(missing *Column, was, now *Profile) string {
	best, share := "", 0.0
	for _, c := range now.Columns {
		if was.has(c.Name) {
			continue
		}
		if common, of := missing.Values.common(c.Values); of >= driftLeast && common > share {
			best, share = c.Name, common
		}
	}
	if share < renameShare {
		return ""
	}
	return fmt.Sprintf("the column %q has gone, and %q has %.0f %% of its values: it may have been renamed; name it so in the mapping, or in the file", missing.Name, best, 100*share)
}

// has tells whether a table of the profile has a column, be it used or not.
func (p *Profile) has(column string) bool {
	return slices.ContainsFunc(p.Shapes, func(sh *Shape) bool { return slices.Contains(sh.Columns, column) })
}

// OfFile notes that the profile is of one file: how many of its cells are empty
// is a range over files.
func (p *Profile) OfFile() *Profile {
	for _, c := range p.Columns {
		if c.Count >= driftLeast {
			share := c.emptyShare()
			c.EmptyShare = &Range{Min: share, Max: share, Of: 1}
		}
	}
	return p
}

// Keep gives what of a profile of the source is written down: the columns that
// something is made of, and the names of the others. Values are only kept of
// columns of which the choice decides something; of the rest there are hashes.
func (s *Source) Keep(p *Profile) *Profile {
	own := *p
	own.Columns, own.Shapes, own.byName = nil, nil, nil
	uses := s.Uses()
	feeds := map[string]feed{}
	for _, sh := range p.Shapes[:min(len(p.Shapes), maxKept)] {
		short := *sh
		short.First = ""
		short.Columns = sh.Columns[:min(len(sh.Columns), 4*maxKept)]
		own.Shapes = append(own.Shapes, &short)
		for name, f := range s.feeds(extract.NewHeader(sh.Columns)) {
			f.choice = f.choice || feeds[name].choice
			feeds[name] = f
		}
	}
	for _, c := range p.Columns {
		if !slices.Contains(uses, c.Name) || len(own.Columns) == 4*maxKept {
			continue
		}
		kept := *c
		if !feeds[c.Name].choice {
			kept.Top = nil
		}
		own.Columns = append(own.Columns, &kept)
	}
	return &own
}
