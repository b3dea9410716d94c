package transform

import (
	"fmt"
	"slices"
	"strings"

	"importer/extract"
)

// A draftID is how init thinks that records are told apart.
type draftID struct {
	expr  string
	notes []string
	cols  []*Column
}

// guessID chooses the columns that tell the records of a source apart: always
// filled, never the same, and not the number of the row, which changes when a
// row is put in above.
func (s *draftSource) guessID() draftID {
	if s.format == extract.Mbox.Name {
		return draftID{expr: `meta.messageId ?? (file.path + "#" + string(place.line))`, notes: []string{"Each message has an id of its own; one that has none is known by the line at which it begins."}}
	}
	if s.docs() {
		return draftID{expr: "file.path", notes: []string{"The path in the folder: a file that moves becomes another item."}}
	}
	p := s.profile
	var best *guess
	points := -1
	for i := range s.guesses {
		g := &s.guesses[i]
		if n := g.idPoints(); n > points {
			best, points = g, n
		}
	}
	if best != nil && points > 0 {
		return s.singleID(best)
	}
	keys, rows := s.rows.keyPairs(func(c *Column) bool {
		g := s.guessFor(c)
		return g != nil && c.mean() <= 80 && g.kind != roleLong && g.typ != Double && !c.ordinal.counts() && !s.repeatedName(c.Name)
	})
	if len(keys) > 0 {
		return s.compositeID(keys, rows)
	}
	id := draftID{expr: `file.path + "#" + string(line)`}
	id.notes = append(id.notes, "CHECK: no column and no pair of columns tells the records apart, so the line does: when a row is put in",
		"above, every record below becomes another item. Better: an export with a key.")
	if s.format == extract.JSON.Name { // all of it can be one line
		id.expr = `file.path + "#" + string(line) + ":" + string(place.col)`
	}
	if s.workbook() {
		id.expr = `file.path + "#" + sheet + "#" + string(line)`
	}
	for _, c := range p.Columns {
		if c.ordinal.counts() {
			id.notes = append(id.notes, fmt.Sprintf("%s only numbers the rows of each file", c.Name))
		}
	}
	return id
}

// idPoints says how well a column tells records apart; 0 and less is not.
func (g *guess) idPoints() int {
	c := g.c
	if c.filled() == 0 || c.Empty*20 > c.Count || c.Repeats < 0 || c.Repeats*100 > c.Count || c.Repeats > 0 && c.Count < 50 || c.mean() > 120 || c.Lines > 0 ||
		c.counts[classError] > 0 && c.counts[classError]*100 > c.Count || g.expr == "" {
		return 0
	}
	named := hasWord(c.Name, idWords) && !hasWord(c.Name, numberedWords)
	points := 0
	switch {
	case g.kind == roleKey:
		points = 60
	case g.kind == roleCode, g.kind == roleText && c.mean() <= 40 && !c.wordy():
		points = 50
	case g.typ == Int64:
		points = 30
	case g.kind == roleURL:
		points = 35
	case g.kind == roleMail:
		points = 25
	case g.kind == roleText:
		points = 10
	case c.Count <= 3 && (g.typ == String || g.typ == Int64):
		points = 5
	default: // dates, measures, lists
		return 0
	}
	if named {
		points += 40
	}
	if hasWord(c.Name, titleWords) {
		points -= 5
	}
	if c.ordinal.counts() && c.Count > 3 {
		if !named || c.ordinal.offset == 0 {
			points -= 35 // 1, 2, 3, ... as the rows come
		}
		if !named {
			return 0
		}
	}
	if c.Repeats > 0 {
		points -= 20
	}
	if c.Empty > 0 {
		points -= 15
	}
	return max(points, 1)
}

// wordy tells values of several words.
func (c *Column) wordy() bool {
	spaced, all := 0, 0
	for _, e := range c.examples[classText] {
		all++
		if strings.Count(e.Value, " ") > 0 {
			spaced++
		}
	}
	return spaced*2 > all
}

func (s *draftSource) singleID(g *guess) draftID {
	c := g.c
	id := draftID{expr: wholeName(c.Name), cols: []*Column{c}}
	note := fmt.Sprintf("%s different values in %s records", grouped(c.filled()-max(c.Repeats, 0)), grouped(c.Count))
	if c.Repeats == 0 && c.Empty == 0 {
		note = fmt.Sprintf("never empty, and %s", map[bool]string{true: "different", false: "as far as seen different"}[!s.profile.Sampled]) + fmt.Sprintf(" in each of %s records", grouped(c.Count))
		if c.Count == 1 {
			note = "CHECK: there is only one record to go by"
		}
	}
	if c.Empty > 0 {
		note += fmt.Sprintf("; %s empty, which are refused", grouped(c.Empty))
	}
	for i, e := range c.repeated {
		if i == 0 {
			note += fmt.Sprintf("; twice: %s%s", quoted(oneLine(e.Value)), placesOf([]extract.Place{e.Place}))
		}
	}
	id.notes = append(id.notes, note)
	if c.ordinal.counts() && c.Count > 3 {
		id.notes = append(id.notes, "CHECK: it counts the rows: does a record keep its number when one above it goes?")
	}
	return id
}

func (s *draftSource) compositeID(keys [][]*Column, rows int) draftID {
	best := slices.MaxFunc(keys, func(a, b []*Column) int { return namedIDs(a) - namedIDs(b) })
	var parts, names []string
	for _, c := range best {
		part := insideName(c.Name)
		parts, names = append(parts, part), append(names, c.Name)
	}
	return draftID{expr: strings.Join(parts, ` + "/" + `), cols: best,
		notes: []string{fmt.Sprintf("CHECK: no column alone tells the records apart; %s together do, in %s records", strings.Join(names, " and "), grouped(int64(rows)))}}
}

func namedIDs(cols []*Column) (n int) {
	for _, c := range cols {
		if hasWord(c.Name, idWords) {
			n += 2
		}
		if c.Distinct > 1 && c.counts[classDate] == 0 {
			n++
		}
	}
	return n
}

// apart makes the ids of several sources differ, where they may be the same: a
// connection has one set of ids.
func apart(sources []*draftSource) {
	for i, s := range sources {
		for j, o := range sources {
			if i == j || !mayCollide(s, o) {
				continue
			}
			prefix := s.name + "-"
			what := s.id.expr
			if len(s.id.cols) == 1 {
				name := insideName(s.id.cols[0].Name)
				what = fmt.Sprintf(`%s != "" ? %q + %[1]s : ""`, name, prefix) // what is empty stays refused
			} else {
				what = fmt.Sprintf("%q + %s", prefix, what)
			}
			s.id.expr = what
			s.id.notes = append(s.id.notes, fmt.Sprintf("with %q in front, since %s has ids of the same kind", prefix, o.name))
			break
		}
	}
}

func mayCollide(a, b *draftSource) bool {
	switch {
	case a.docs() && b.docs():
		return a.root != b.root
	case a.docs() != b.docs():
		return false
	case len(a.id.cols) != 1 || len(b.id.cols) != 1:
		return len(a.id.cols) == len(b.id.cols)
	}
	x, y := a.id.cols[0], b.id.cols[0]
	if x.of(classInt, classZeroInt) > 0 && y.of(classInt, classZeroInt) > 0 {
		return true
	}
	share, _ := x.Values.common(y.Values)
	return share > 0
}
