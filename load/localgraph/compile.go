package localgraph

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A part is a query made ready for one connection: rows that match fts (if it
// is set) and satisfy sql (if it is set). What the user typed only ever
// becomes a quoted string inside fts, which is bound like every other value.
type part struct {
	fts  string
	sql  string
	args []any
}

func (q part) all() bool  { return q.fts == "" && q.sql == "" }
func (q part) none() bool { return q.sql == "0" }

var nothing = part{sql: "0"}

// rows stands among the arguments of a part for two: the search, and the
// number of the set of rows that match an expression of the index. Next to a
// subquery, which SQLite keeps as a table, such a set takes a bit for each row.
type rows struct{ fts string }

// condition turns a part into SQL alone, for where an index cannot lead.
func (q part) condition() part {
	if q.fts == "" {
		return q
	}
	c := part{sql: "kql_in(?, ?, i.n)", args: []any{rows{q.fts}}}
	if q.sql != "" {
		c.sql = "(" + c.sql + " AND " + q.sql + ")"
		c.args = append(c.args, q.args...)
	}
	return c
}

// A compiler makes parts for one connection.
type compiler struct {
	cn  *connection
	now time.Time
	// terms are the words asked for, to rank by when no index leads.
	terms    []string
	filtered int   // tokens of aggregationFilters so far
	err      error // the first value that is not of its property's type
}

func quoteFTS(text string, prefix bool) string {
	s := `"` + strings.ReplaceAll(indexText(text), `"`, `""`) + `"`
	if prefix {
		s += "*"
	}
	return s
}

// compile makes the part of a whole query.
func (c *compiler) compile(n *node) part {
	if n == nil {
		return nothing // not a word in it
	}
	return c.node(n)
}

func (c *compiler) node(n *node) part {
	switch n.op {
	case opAll:
		return part{}
	case opTerm:
		return c.term(n.text, n.prefix)
	case opNear:
		return c.near(n)
	case opProp:
		return c.restrict(n)
	case opNot:
		before := len(c.terms)
		q := c.node(n.kids[0])
		c.terms = c.terms[:before] // not asked for
		return c.not(q)
	case opOr:
		return c.or(n.kids)
	}
	return c.and(n.kids)
}

func (c *compiler) term(text string, prefix bool) part {
	if len(folds(text)) == 0 {
		return nothing
	}
	q := quoteFTS(text, prefix)
	c.terms = append(c.terms, q)
	return part{fts: q}
}

func (c *compiler) near(n *node) part {
	var in []string
	for _, k := range n.kids {
		t := c.term(k.text, k.prefix)
		if t.none() {
			return nothing
		}
		in = append(in, t.fts)
	}
	return part{fts: fmt.Sprintf("NEAR(%s, %s)", strings.Join(in, " "), n.text)}
}

func (c *compiler) not(q part) part {
	switch {
	case q.all():
		return nothing
	case q.none():
		return part{}
	}
	q = q.condition()
	return part{sql: "NOT " + q.sql, args: q.args}
}

// and narrows by one expression of the index and one of SQL. A word without
// letters (a dash between two words) does not narrow.
func (c *compiler) and(kids []*node) part {
	var fts, unwanted, sql []string
	var args []any
	mute := true
	for _, k := range kids {
		if k.op == opTerm && len(folds(k.text)) == 0 {
			continue
		}
		mute = false
		if k.op == opNot && k.kids[0].op == opTerm {
			before := len(c.terms)
			if q := c.node(k.kids[0]); q.fts != "" {
				unwanted = append(unwanted, q.fts)
			}
			c.terms = c.terms[:before]
			continue
		}
		q := c.node(k)
		if q.none() {
			return nothing
		}
		if q.fts != "" {
			fts = append(fts, "("+q.fts+")")
		}
		if q.sql != "" {
			sql = append(sql, q.sql)
			args = append(args, q.args...)
		}
	}
	if mute {
		return nothing
	}
	out := part{fts: strings.Join(fts, " AND ")}
	if u := strings.Join(unwanted, " OR "); u != "" && out.fts != "" {
		out.fts = "(" + out.fts + ") NOT (" + u + ")" // once: FTS5 does not take NOTs nested deep
	} else if u != "" {
		n := c.not(part{fts: u})
		sql, args = append(sql, n.sql), append(args, n.args...)
	}
	if len(sql) > 0 {
		out.sql, out.args = "("+strings.Join(sql, " AND ")+")", args
	}
	return out
}

func (c *compiler) or(kids []*node) part {
	var parts []part
	pure := true
	for _, k := range kids {
		q := c.node(k)
		if q.all() {
			return q
		}
		if q.none() {
			continue
		}
		pure = pure && q.sql == ""
		parts = append(parts, q)
	}
	if len(parts) == 0 {
		return nothing
	}
	var out part
	var list []string
	for _, q := range parts {
		if pure {
			list = append(list, "("+q.fts+")")
			continue
		}
		q = q.condition()
		list = append(list, q.sql)
		out.args = append(out.args, q.args...)
	}
	if pure {
		return part{fts: strings.Join(list, " OR ")}
	}
	out.sql = "(" + strings.Join(list, " OR ") + ")"
	return out
}

// How kql_has compares.
const (
	hasWords  = 0
	hasPrefix = 1
	hasWhole  = 2
	hasBegin  = 3 // the whole value begins so
	hasTokens = 4 // the words and no others
	inList    = 8 // the value is a JSON array
)

// restrict makes the part of a property restriction. A property that is not
// queryable matches nothing.
func (c *compiler) restrict(n *node) part {
	p := c.cn.schema.query[n.prop]
	if p == nil || !p.Queryable {
		return nothing
	}
	if n.text == "" && n.prefix {
		return part{sql: fmt.Sprintf("(i.%s IS NOT NULL)", p.column())}
	}
	switch e := p.typ.element(); e {
	case tString, tPrincipal:
		return c.restrictText(p, n)
	case tBoolean:
		b, ok := parseBool(n.text)
		if !ok || n.cmp != ":" && n.cmp != "=" && n.cmp != "<>" {
			return c.wrong(p, n, n.text, "neither true nor false")
		}
		return compare(p, n.cmp == "<>", "v = ?", b)
	case tDateTime:
		return c.restrictDate(p, n)
	default:
		return c.restrictNumber(p, n)
	}
}

func (c *compiler) wrong(p *property, n *node, text, why string) part {
	if c.err == nil {
		c.err = badRequest("query: column %d: %s is %v: %q is %s", n.pos, p.Name, p.typ, text, why)
	}
	return nothing
}

// compare makes a condition on the value v of a property, or on some value of
// a collection. It is never NULL, so that NOT can be put before it.
func compare(p *property, negate bool, cond string, args ...any) part {
	sql := ""
	if p.typ.collection() {
		sql = fmt.Sprintf("EXISTS (SELECT 1 FROM json_each(i.%s) WHERE %s)", p.column(), strings.ReplaceAll(cond, "v ", "value "))
	} else {
		sql = fmt.Sprintf("coalesce(%s, 0)", strings.ReplaceAll(cond, "v ", "i."+p.column()+" "))
	}
	if negate {
		sql = "NOT " + sql
	}
	return part{sql: "(" + sql + ")", args: args}
}

func (c *compiler) restrictText(p *property, n *node) part {
	mode := hasWords
	switch {
	case n.cmp == "=" || n.cmp == "<>" || p.ExactMatch:
		mode = hasWhole
		if n.prefix {
			mode = hasBegin
		}
	case n.cmp != ":":
		return c.wrong(p, n, n.cmp, "for numbers and dates only")
	case n.prefix:
		mode = hasPrefix
	}
	if mode < hasWhole && len(folds(n.text)) == 0 {
		return nothing
	}
	// The words of the one title stand in a column of the index.
	if p == c.cn.schema.title && p.Searchable && mode < hasWhole {
		q := quoteFTS(n.text, n.prefix)
		c.terms = append(c.terms, q)
		return part{fts: "{title} : " + q}
	}
	if p.typ.collection() {
		mode |= inList
	}
	q := part{sql: fmt.Sprintf("kql_has(i.%s, ?, %d)", p.column(), mode), args: []any{n.text}}
	switch {
	case n.cmp == "<>":
		q.sql = "NOT " + q.sql
	case p.Searchable && len(folds(n.text)) > 0:
		// The index finds the candidates: all searchable text is in it.
		column := "props"
		if p == c.cn.schema.title {
			column = "title"
		}
		q.fts = "{" + column + "} : " + quoteFTS(n.text, n.prefix)
	}
	return q
}

func (c *compiler) restrictNumber(p *property, n *node) part {
	what := "no number"
	read := func(s string) (any, bool) {
		f, err := strconv.ParseFloat(s, 64)
		return f, err == nil && !math.IsNaN(f)
	}
	if p.typ.element() == tInt64 {
		what = "no whole number"
		read = func(s string) (any, bool) {
			v, err := strconv.ParseInt(s, 10, 64)
			return v, err == nil
		}
	}
	if n.cmp == ".." {
		var conds []string
		var args []any
		for _, end := range []struct{ text, cond string }{{n.text, "v >= ?"}, {n.hi, "v <= ?"}} {
			if end.text == "" || end.text == "*" {
				continue
			}
			v, ok := read(end.text)
			if !ok {
				return c.wrong(p, n, end.text, what)
			}
			conds, args = append(conds, end.cond), append(args, v)
		}
		if len(conds) == 0 {
			return part{sql: fmt.Sprintf("(i.%s IS NOT NULL)", p.column())}
		}
		return compare(p, false, strings.Join(conds, " AND "), args...)
	}
	v, ok := read(n.text)
	if !ok || n.prefix {
		return c.wrong(p, n, n.text, what)
	}
	switch n.cmp {
	case ":", "=":
		return compare(p, false, "v = ?", v)
	case "<>":
		return compare(p, true, "v = ?", v)
	}
	return compare(p, false, "v "+n.cmp+" ?", v)
}

// restrictDate compares with a span of time: a day is the whole day.
func (c *compiler) restrictDate(p *property, n *node) part {
	if n.cmp == ".." {
		var conds []string
		var args []any
		if n.text != "" && n.text != "*" {
			from, _, ok := dateSpan(n.text, c.now)
			if !ok {
				return c.wrong(p, n, n.text, "no date")
			}
			conds, args = append(conds, "v >= ?"), append(args, from)
		}
		if n.hi != "" && n.hi != "*" {
			_, to, ok := dateSpan(n.hi, c.now)
			if !ok {
				return c.wrong(p, n, n.hi, "no date")
			}
			conds, args = append(conds, "v < ?"), append(args, to)
		}
		if len(conds) == 0 {
			return part{sql: fmt.Sprintf("(i.%s IS NOT NULL)", p.column())}
		}
		return compare(p, false, strings.Join(conds, " AND "), args...)
	}
	from, to, ok := dateSpan(n.text, c.now)
	if !ok || n.prefix {
		return c.wrong(p, n, n.text, "no date; write 2026-05-01, 2026-05-01T08:00:00Z or today")
	}
	switch n.cmp {
	case ":", "=":
		return compare(p, false, "v >= ? AND v < ?", from, to)
	case "<>":
		return compare(p, true, "v >= ? AND v < ?", from, to)
	case "<":
		return compare(p, false, "v < ?", from)
	case "<=":
		return compare(p, false, "v < ?", to)
	case ">":
		return compare(p, false, "v >= ?", to)
	}
	return compare(p, false, "v >= ?", from)
}

// dateSpan gives the span that a date names, in unix microseconds, its end
// excluded.
func dateSpan(s string, now time.Time) (from, to int64, ok bool) {
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	week := day.AddDate(0, 0, -(int(day.Weekday())+6)%7)
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	year := time.Date(now.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	span := func(a time.Time, y, m, d int) (int64, int64, bool) {
		return a.UnixMicro(), a.AddDate(y, m, d).UnixMicro(), true
	}
	switch strings.ToLower(s) {
	case "today":
		return span(day, 0, 0, 1)
	case "yesterday":
		return span(day.AddDate(0, 0, -1), 0, 0, 1)
	case "this week":
		return span(week, 0, 0, 7)
	case "last week":
		return span(week.AddDate(0, 0, -7), 0, 0, 7)
	case "this month":
		return span(month, 0, 1, 0)
	case "last month":
		return span(month.AddDate(0, -1, 0), 0, 1, 0)
	case "this year":
		return span(year, 1, 0, 0)
	case "last year":
		return span(year.AddDate(-1, 0, 0), 1, 0, 0)
	}
	for _, f := range []struct {
		layout  string
		y, m, d int
	}{{"2006-01-02", 0, 0, 1}, {"2006-01", 0, 1, 0}, {"2006", 1, 0, 0}, {"1/2/2006", 0, 0, 1}} {
		if t, err := time.Parse(f.layout, s); err == nil {
			return span(t, f.y, f.m, f.d)
		}
	}
	t, ok := parseDate(s, true)
	return t.UnixMicro(), t.UnixMicro() + 1, ok
}

func parseBool(s string) (int64, bool) {
	switch strings.ToLower(s) {
	case "true", "1", "yes":
		return 1, true
	case "false", "0", "no":
		return 0, true
	}
	return 0, false
}
