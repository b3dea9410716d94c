package transform

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"importer/extract"
)

// A guess is what init makes of one column.
type guess struct {
	c    *Column
	typ  Type
	expr string // of the value; "" where the column is to be left out
	omit bool   // with onError: omit
	// notes are the evidence, a line each; the first one stands beside the value.
	notes []string
	kind  role

	prop  string // the property's name
	label string
	few   bool
}

// A role is what a column can be used for beside its type.
type role uint8

const (
	roleNone role = iota
	roleCode      // a short text without words: a number, a key
	roleText      // words
	roleLong      // sentences: for the content
	roleMail
	roleURL
	roleKey // a GUID
)

// A customs says how numbers and dates are written in a table, as far as the
// columns together tell.
type customs struct {
	pointDecimals, commaDecimals int64
	dayFirst, monthFirst         int64
	clockDates                   int64 // dates with a time of day and no zone
}

func customsOf(p *Profile) (cu customs) {
	for _, c := range p.Columns {
		cu.pointDecimals += c.of(classPoint, classPointGroups)
		cu.commaDecimals += c.of(classComma, classCommaGroups)
		for _, l := range c.Layouts {
			cu.dayFirst += l.Day
			cu.monthFirst += l.Month
			cu.clockDates += max(l.Clock-l.Zone, 0)
		}
	}
	return cu
}

// guessOf finds the type of a column by all its values.
func guessOf(c *Column, cu customs) guess {
	g := guess{c: c, typ: String, expr: wholeName(c.Name)}
	switch {
	case c.filled() == 0:
		g.expr = ""
		g.notes = []string{"always empty"}
		return g
	case c.values() == c.counts[classError]:
		g.expr = ""
		g.notes = []string{"nothing but " + c.misfits(nil)}
		return g
	}
	for _, try := range []func(*guess, customs) bool{(*guess).asDate, (*guess).asBoolean, (*guess).asNumber} {
		if try(&g, cu) {
			return g
		}
	}
	g.asText()
	return g
}

// mostly tells that nearly all values fit: a stray word does not make a column
// of dates one of texts.
func (g *guess) mostly(fit int64) bool {
	n := g.c.values()
	misfits := n - fit
	return fit > 0 && (misfits == 0 || misfits*20 <= n || misfits == 1 && fit >= 4)
}

// typed settles a type that fit values have, with what they are of.
func (g *guess) typed(t Type, fit int64, what string, classes ...class) {
	g.typ = t
	c := g.c
	note := fmt.Sprintf("%s values, all %s", grouped(c.filled()), what)
	if fit < c.filled() {
		g.omit = true
		note = fmt.Sprintf("%s of %s values are %s; not: %s", grouped(fit), grouped(c.filled()), what, c.misfits(classes))
	}
	if c.Empty > 0 {
		note += fmt.Sprintf("; %s empty", grouped(c.Empty))
	}
	g.notes = append([]string{note}, g.notes...)
}

// misfits lists values that are of none of the classes, with their places.
func (c *Column) misfits(classes []class) string {
	var parts []string
	if len(c.nulls) > 0 && !slices.Contains(classes, classNull) {
		parts = append(parts, c.nullList())
	}
	more := int64(0)
	for k := range c.examples {
		kind := class(k)
		if kind == classNull || kind == classEmpty || slices.Contains(classes, kind) {
			continue
		}
		more += c.counts[k]
		byValue := map[string][]extract.Place{}
		var order []string
		for _, e := range c.examples[k] {
			if byValue[e.Value] == nil {
				order = append(order, e.Value)
			}
			byValue[e.Value] = append(byValue[e.Value], e.Place)
		}
		for _, v := range order {
			if len(parts) < 4 {
				parts = append(parts, quoted(oneLine(v))+placesOf(byValue[v]))
				more -= int64(len(byValue[v]))
			}
		}
	}
	list := strings.Join(parts, ", ")
	if more > 0 {
		list += fmt.Sprintf(" and %s more", grouped(more))
	}
	return list
}

func (c *Column) nullList() string {
	var parts []string
	for _, word := range keysOf(c.nulls) {
		t := c.nulls[word]
		part := quoted(oneLine(word)) + placesOf(t.places)
		if t.Count > int64(len(t.places)) {
			part = fmt.Sprintf("%s in %s cells", quoted(oneLine(word)), grouped(t.Count))
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// placesOf prints lines: " in lines 17, 203".
func placesOf(places []extract.Place) string {
	var lines []string
	for _, p := range places {
		switch {
		case p.Col > 0:
			lines = append(lines, fmt.Sprintf("%d:%d", p.Line, p.Col))
		case p.Line > 0:
			lines = append(lines, strconv.Itoa(p.Line))
		}
	}
	switch {
	case len(lines) == 0 && len(places) > 0 && places[0].Page == 0 && places[0].Line == 0:
		return " in " + baseName(places[0].File)
	case len(lines) == 0:
		return ""
	}
	where := ""
	one := !slices.ContainsFunc(places, func(p extract.Place) bool { return p.File != places[0].File || p.Sheet != places[0].Sheet })
	if one && places[0].Sheet != "" {
		where = " of " + places[0].Sheet
	} else if one {
		where = " of " + baseName(places[0].File)
	} else {
		lines = lines[:1]
		where = " of " + baseName(places[0].File)
	}
	word := "line "
	if len(lines) > 1 {
		word = "lines "
	}
	return " in " + word + strings.Join(lines, ", ") + where
}

func baseName(p string) string { return p[strings.LastIndexByte(p, '/')+1:] }

func oneLine(s string) string { return cutBytes(strings.Join(strings.Fields(s), " "), 40) }

// asDate makes a column of dates one.
func (g *guess) asDate(cu customs) bool {
	c := g.c
	if n := c.counts[classInt]; c.stamps > 0 && c.stamps == n && g.mostly(n) {
		g.expr = fmt.Sprintf("date(%s, %q)", insideName(c.Name), "20060102")
		g.typed(DateTime, n, "days such as "+c.example(classInt), classInt)
		return true
	}
	n := c.counts[classDate]
	if !g.mostly(n) {
		return false
	}
	layouts, iso := []string{}, int64(0)
	for _, l := range c.Layouts {
		if l.Layout == layoutISO {
			iso = l.Count
			continue
		}
		layouts = append(layouts, g.order(l, cu))
	}
	what := "dates"
	if len(layouts) > 0 {
		if iso > 0 && iso < n {
			layouts = append(layouts, "2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02T15:04:05Z07:00")
		}
		layouts = distinctLayouts(layouts)
		g.expr = fmt.Sprintf("date(%s, %s)", insideName(c.Name), layoutList(layouts))
		what = fmt.Sprintf("dates such as %s", c.example(classDate))
	}
	g.typed(DateTime, n, what, classDate)
	return true
}

func layoutList(layouts []string) string {
	quoted := make([]string, len(layouts))
	for i, l := range layouts {
		quoted[i] = strconv.Quote(l)
	}
	if len(quoted) == 1 {
		return quoted[0]
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// distinctLayouts leaves out those that read as another date what an earlier
// one takes: the mapping would be refused.
func distinctLayouts(layouts []string) []string {
	var out []string
	for _, l := range layouts {
		if slices.Contains(out, l) || layoutFault(l) != "" {
			continue
		}
		if a, _, _ := layoutsClash(append(slices.Clone(out), l)); a == "" {
			out = append(out, l)
		}
	}
	return out
}

// order decides whether the day or the month comes first, and says by what.
func (g *guess) order(l *Layout, cu customs) string {
	day, month := l.Layout, monthFirst(l.Layout)
	if day == month || !slices.Contains(l.days[:], true) {
		return day
	}
	value := g.c.example(classDate)
	switch {
	case l.Day > 0 && l.Month == 0:
		g.notes = append(g.notes, fmt.Sprintf("the day comes first: %s of %s can be read in no other way", grouped(l.Day), grouped(l.Count)))
		return day
	case l.Month > 0 && l.Day == 0:
		g.notes = append(g.notes, fmt.Sprintf("the month comes first: %s of %s can be read in no other way", grouped(l.Month), grouped(l.Count)))
		return month
	case l.Day > 0:
		g.omit = true
		g.notes = append(g.notes, fmt.Sprintf("CHECK: %s can only have the day first and %s only the month; what fits neither is left out", grouped(l.Day), grouped(l.Month)))
		if l.Month > l.Day {
			return month
		}
		return day
	case cu.monthFirst > 0 && cu.dayFirst == 0:
		g.notes = append(g.notes, fmt.Sprintf("CHECK: %s may have the day or the month first; month first, as in other columns", value))
		return month
	case cu.dayFirst > 0 && cu.monthFirst == 0:
		g.notes = append(g.notes, fmt.Sprintf("CHECK: %s may have the day or the month first; day first, as in other columns", value))
		return day
	}
	first, second := distinctOf(l.days), distinctOf(l.months)
	if strings.Contains(l.Layout, "PM") || first <= 2 && second >= 5 {
		g.notes = append(g.notes, fmt.Sprintf("CHECK: nothing tells whether %s has the day or the month first; month first here, %q is the other way", value, day))
		return month
	}
	g.notes = append(g.notes, fmt.Sprintf("CHECK: nothing tells whether %s has the day or the month first; day first here, %q is the other way", value, month))
	return day
}

func distinctOf(seen [32]bool) (n int) {
	for _, s := range seen {
		if s {
			n++
		}
	}
	return n
}

func (c *Column) example(k class) string {
	if len(c.examples[k]) == 0 {
		return ""
	}
	return oneLine(c.examples[k][0].Value)
}

// asBoolean makes a column of yes and no a boolean; 0 and 1 only where the
// name says so.
func (g *guess) asBoolean(cu customs) bool {
	c := g.c
	n := c.counts[classBool]
	zeroOne := c.counts[classInt] > 0 && c.zeroOne == c.counts[classInt]
	if zeroOne && (n > 0 || hasWord(c.Name, flagWords)) {
		n += c.zeroOne
	}
	if n > 0 && g.mostly(n) && c.Distinct > 1 {
		g.typed(Boolean, n, "yes or no", classBool, classInt)
		return true
	}
	n = c.counts[classYesNo]
	if n < c.values() || n == 0 || len(c.Top) == 0 || len(c.Top) > 6 {
		return false
	}
	var yes []string
	for _, t := range c.Top {
		if yesNos[strings.ToLower(t.Value)] {
			yes = append(yes, strconv.Quote(strings.ToLower(t.Value)))
		}
	}
	if len(yes) == 0 || len(yes) == len(c.Top) {
		return false
	}
	slices.Sort(yes)
	name := insideName(c.Name)
	g.expr = fmt.Sprintf(`%s == "" ? nil : lower(trim(%[1]s)) in [%s]`, name, strings.Join(slices.Compact(yes), ", "))
	g.typed(Boolean, n, "yes or no: "+c.choices(6), classYesNo)
	return true
}

// choices lists the values of a column of few.
func (c *Column) choices(most int) string {
	var parts []string
	for i, t := range c.Top {
		if i == most && len(c.Top) > most+1 {
			parts = append(parts, fmt.Sprintf("and %d more", len(c.Top)-most))
			break
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", oneLine(t.Value), grouped(t.Count)))
	}
	return strings.Join(parts, ", ")
}

// asNumber makes a column of numbers one, unless they are names: 007, the
// number of a house or of a ticket.
func (g *guess) asNumber(cu customs) bool {
	c := g.c
	ints, zeros := c.counts[classInt], c.of(classZeroInt, classLongInt)
	points, commas := c.of(classPoint, classPointGroups), c.of(classComma, classCommaGroups)
	groups := c.of(classGroupPoint, classGroupComma, classGroupSpace)
	all := ints + points + commas + groups
	if odd := all - ints; odd > 0 && odd*50 <= ints && c.Distinct < 1000 && !identifies(c.Name) { // 1, 2, 3, 4 and one 3.5
		g.typed(Int64, ints, "whole numbers", classInt)
		return true
	}
	if zeros > 0 && g.mostly(ints+zeros) {
		g.kind = roleCode
		g.notes = append(g.notes, fmt.Sprintf("%s values are numbers with leading zeros or too long ones, such as %s: kept as they are written", grouped(zeros), c.example(classZeroInt)+c.example(classLongInt)))
		return true
	}
	numbers := []class{classInt, classPoint, classPointGroups, classComma, classCommaGroups, classGroupPoint, classGroupComma, classGroupSpace}
	if !g.mostly(all) {
		return false
	}
	name := insideName(c.Name)
	switch {
	case ints == all && identifies(c.Name):
		g.kind = roleCode
		g.notes = append(g.notes, fmt.Sprintf("%s whole numbers, kept as text since the name says that they identify something", grouped(ints)))
	case ints == all:
		g.typed(Int64, all, "whole numbers", numbers...)
	case points+commas == 0 && c.counts[classGroupSpace] == groups:
		g.expr = fmt.Sprintf(`int(float(%s, "."))`, name)
		g.typed(Int64, all, "whole numbers such as "+c.example(classGroupSpace), numbers...)
	case points > 0 && commas > 0:
		sign, fit := ".", all-commas
		if commas > points {
			sign, fit = ",", all-points
		}
		g.expr = fmt.Sprintf("float(%s, %q)", name, sign)
		g.notes = append(g.notes, fmt.Sprintf("CHECK: %s values have a decimal point, such as %s, and %s a decimal comma, such as %s", grouped(points), c.example(classPoint), grouped(commas), c.example(classComma)))
		g.omit = true
		g.typed(Double, fit, fmt.Sprintf("numbers with decimal %q", sign), numbers...)
	case commas > 0:
		g.expr = fmt.Sprintf(`float(%s, ",")`, name)
		g.typed(Double, all, "numbers with decimal commas", numbers...)
	case points > 0 && groups-c.counts[classGroupPoint]+c.counts[classPointGroups] > 0:
		g.expr = fmt.Sprintf(`float(%s, ".")`, name)
		g.typed(Double, all, "numbers with grouped digits", numbers...)
	case points > 0:
		g.typed(Double, all, "numbers", numbers...)
	default:
		g.grouped(all, cu, numbers)
	}
	return true
}

// grouped decides on numbers that are all like 1.234 or 1,234: thousands, or
// three decimals. What the other columns do decides; a guess would be wrong by
// a factor of a thousand.
func (g *guess) grouped(all int64, cu customs, numbers []class) {
	c, name := g.c, insideName(g.c.Name)
	points, commas := c.counts[classGroupPoint], c.counts[classGroupComma]
	sign, example := ",", c.example(classGroupPoint) // points group, commas part
	if commas > points {
		sign, example = ".", c.example(classGroupComma)
	}
	comma := cu.commaDecimals > 0 && cu.pointDecimals == 0
	point := cu.pointDecimals > 0 && cu.commaDecimals == 0
	switch {
	case points > 0 && commas > 0, !comma && !point:
		g.kind = roleCode
		g.notes = append(g.notes, fmt.Sprintf("CHECK: %s of %s numbers are like %s, and nothing tells thousands from decimals, so they are kept as text; int64 with int(float(%s, %q)), or double with float(%[4]s, %q)",
			grouped(points+commas), grouped(all), example, name, sign, map[string]string{",": ".", ".": ","}[sign]))
	case comma == (points > 0): // the other sign parts: this one groups
		g.expr = fmt.Sprintf(`int(float(%s, %q))`, name, sign)
		g.typed(Int64, all, fmt.Sprintf("whole numbers with grouped digits, such as %s", example), numbers...)
	default:
		g.expr = fmt.Sprintf("float(%s, %q)", name, map[string]string{",": ".", ".": ","}[sign])
		g.typed(Double, all, fmt.Sprintf("numbers with three decimals, such as %s", example), numbers...)
	}
}

// asText tells lists, choices, names and prose apart.
func (g *guess) asText() {
	c := g.c
	n := c.values()
	if c.counts[classError] > 0 {
		g.omit = true
		g.notes = append(g.notes, fmt.Sprintf("%s cells are errors, such as %s", grouped(c.counts[classError]), c.misfits(allBut(classError))))
	}
	if ex := c.examples[classText]; len(ex) > 0 && int64(c.counts[classText])*10 >= n*9 && !slices.ContainsFunc(ex, func(e Example) bool { return !objectList.MatchString(e.Value) }) {
		g.expr = ""
		g.notes = []string{"lists of objects, such as " + oneLine(ex[0].Value) + ", which no property has room for"}
		return
	}
	if sep, ok := c.list(); ok {
		g.typ, g.expr = StringCollection, fmt.Sprintf("split(%s, %q)", insideName(c.Name), sep.sep)
		g.notes = append(g.notes, fmt.Sprintf("%s of %s values are lists parted by %q, of %d different words", grouped(sep.values), grouped(c.filled()), sep.sep, len(sep.vocab)))
		return
	}
	switch {
	case c.counts[classMail]*10 >= n*9:
		g.kind = roleMail
		g.notes = append(g.notes, fmt.Sprintf("%s mail addresses, %s different", grouped(c.counts[classMail]), grouped(c.Distinct)))
	case c.counts[classURL]*10 >= n*9:
		g.kind = roleURL
		g.notes = append(g.notes, fmt.Sprintf("%s addresses such as %s", grouped(c.counts[classURL]), c.example(classURL)))
	case c.counts[classGUID]*10 >= n*9:
		g.kind = roleKey
		g.notes = append(g.notes, fmt.Sprintf("%s GUIDs", grouped(c.counts[classGUID])))
	case c.mean() > 150, c.Lines*10 > n, c.Max > 600 && c.mean() > 60:
		g.kind = roleLong
		g.notes = append(g.notes, fmt.Sprintf("texts of %s characters on average, up to %s", grouped(c.mean()), grouped(int64(c.Max))))
	case c.few() && c.Max <= 64:
		g.few = true
		g.notes = append(g.notes, c.choices(5))
	default:
		g.kind = roleText
		g.notes = append(g.notes, fmt.Sprintf("%s texts, %s%s different", grouped(c.filled()), c.about(), grouped(c.Distinct)))
		g.closeTo()
	}
}

// objectList begins a list of objects, as JSON has it.
var objectList = regexp.MustCompile(`^\[\s*\{`)

// closeTo tells which type a column of texts would nearly have.
func (g *guess) closeTo() {
	c := g.c
	for _, t := range []struct {
		what    string
		classes []class
	}{
		{"dates", []class{classDate}},
		{"numbers", []class{classInt, classPoint, classPointGroups, classComma, classCommaGroups, classGroupPoint, classGroupComma, classGroupSpace}},
	} {
		if n := c.of(t.classes...); n*2 > c.values() {
			g.notes = append(g.notes, fmt.Sprintf("%s of %s are %s; not: %s", grouped(n), grouped(c.filled()), t.what, c.misfits(t.classes)))
		}
	}
}

func allBut(k class) (out []class) {
	for i := range classes {
		if i != k {
			out = append(out, i)
		}
	}
	return out
}

func (c *Column) about() string {
	if c.Exact {
		return ""
	}
	return "about "
}

// list tells whether values are lists, and by what their parts are parted.
// Names and prose have commas too: only short parts of a small vocabulary,
// often the same, make lists.
func (c *Column) list() (best sepCount, ok bool) {
	for _, s := range c.seps {
		switch {
		case s.values < 3, s.over, s.values*6 < c.values(), s.long*50 > s.parts:
		case s.sep == "\n" && s.values*3 < c.values():
		case int64(len(s.vocab))*2 > s.parts: // hardly any part stands twice
		case s.sep == "," && s.parts <= 2*s.values && int64(len(s.vocab))*4 > s.parts: // Last, First
		case !ok || s.parts > best.parts:
			best, ok = s, true
		}
	}
	return best, ok
}

// grouped prints a number as people read it.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// wholeName is a column as an expression of its own.
func wholeName(name string) string {
	switch {
	case strings.HasPrefix(name, "meta.") || strings.HasPrefix(name, "meta["):
		return name
	case identifierForm.MatchString(name) && !keywords[name]:
		return name
	case mayBeColumn(name) && !literalForm.MatchString(name) && strings.TrimSpace(name) == name && plainYAML(name):
		return name
	}
	return "row[" + strconv.Quote(name) + "]"
}

// insideName is a column inside of an expression.
func insideName(name string) string {
	if strings.HasPrefix(name, "meta.") || strings.HasPrefix(name, "meta[") || identifierForm.MatchString(name) && !keywords[name] {
		return name
	}
	return "row[" + strconv.Quote(name) + "]"
}

// keywords of the expression language are no names.
var keywords = map[string]bool{"true": true, "false": true, "nil": true, "not": true, "and": true, "or": true, "in": true, "matches": true, "contains": true,
	"startsWith": true, "endsWith": true, "let": true, "if": true, "else": true, "row": true, "meta": true, "file": true, "place": true}
