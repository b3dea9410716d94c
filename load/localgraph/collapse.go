package localgraph

import (
	"database/sql/driver"
	"slices"
	"strconv"
	"strings"
)

// A collapseProperty trims the hits to a number for each value of its fields,
// or for each combination of them. Several work one after the other, each on
// what the one before has left. Hits without a value are never trimmed.
type collapseProperty struct {
	Fields []string `json:"fields"`
	Limit  int      `json:"limit"`
}

// maxCollapse is not documented.
const maxCollapse = 100

// checkCollapse refuses what the reference page refuses: fields that are not
// queryable and refinable, and a limit above the one before.
func (q *query) checkCollapse() error {
	before, fields := 0, 0
	for i, col := range q.req.Collapse {
		if len(col.Fields) == 0 {
			return badRequest("collapseProperties: fields must not be empty")
		}
		if fields += len(col.Fields); fields > maxCollapse {
			return badRequest("collapseProperties: at most %d fields in all", maxCollapse)
		}
		for _, f := range col.Fields {
			if !slices.ContainsFunc(q.sources, func(src *source) bool { return src.cn.schema.collapsible(f) != nil }) {
				return badRequest("collapseProperties: %q is not a queryable and refinable property", f)
			}
		}
		if col.Limit < 1 || col.Limit > 32767 {
			return badRequest("collapseProperties: the limit must be 1 to 32767, not %d", col.Limit)
		}
		if i > 0 && col.Limit > before {
			return badRequest("collapseProperties: the limit %d is larger than the one before, %d", col.Limit, before)
		}
		before = col.Limit
	}
	return nil
}

// collapsible finds a property that hits can be trimmed by.
func (sc *schema) collapsible(name string) *property {
	if p := sc.query[strings.ToLower(name)]; p != nil && p.Queryable && p.Refinable {
		return p
	}
	return nil
}

// columns are the values to trim by, of one connection's hits.
func (col *collapseProperty) columns(sc *schema) []string {
	var cols []string
	for _, f := range col.Fields {
		if p := sc.collapsible(f); p != nil {
			cols = append(cols, "i."+p.column())
		} else {
			cols = append(cols, "NULL")
		}
	}
	return cols
}

// A group is what the first collapseProperty has found under one value.
type group struct {
	n    int
	best []found // at most as many as the limit, unless it was just added to
}

// groupKey writes the values of a hit as one string; "" if it has none. Case
// and diacritics do not part text.
func groupKey(b []byte, values []driver.Value) []byte {
	b = b[:0]
	some := false
	for _, v := range values {
		switch v := v.(type) {
		case string:
			b = append(b, 's')
			b = strconv.AppendQuote(b, foldToken(v))
		case int64:
			b = strconv.AppendInt(append(b, 'n'), v, 10)
		case float64:
			b = strconv.AppendFloat(append(b, 'n'), v, 'g', -1, 64)
		}
		some = some || v != nil
		b = append(b, ',')
	}
	if !some {
		return b[:0]
	}
	return b
}

// group takes a hit that may be trimmed. Of each value of the first
// collapseProperty no more than its limit are kept.
func (c *collector) group(f found, values []driver.Value) {
	f.groups = make([]string, len(c.trim))
	for i, width := range c.widths {
		c.text = groupKey(c.text, values[:width])
		values = values[width:]
		f.groups[i] = string(c.text)
	}
	first := f.groups[0]
	if first == "" {
		c.best = append(c.best, f.own())
		return
	}
	g := c.groups[first]
	if g == nil {
		g = &group{}
		c.groups[first] = g
	}
	g.n++
	limit := c.trim[0].Limit
	if len(g.best) == limit && c.compare(&f, &g.best[limit-1]) >= 0 {
		return
	}
	at, _ := slices.BinarySearchFunc(g.best, f, func(a, b found) int { return c.compare(&a, &b) })
	g.best = slices.Insert(g.best, at, f.own())
	g.best = g.best[:min(len(g.best), limit)]
}

// collapse leaves in best what no collapseProperty trims, in order.
func (c *collector) collapse() {
	for _, g := range c.groups {
		for _, f := range g.best {
			f.collapsed = g.n > c.trim[0].Limit
			c.best = append(c.best, f)
		}
	}
	clear(c.groups)
	slices.SortFunc(c.best, func(a, b found) int { return c.compare(&a, &b) })
	for i := 1; i < len(c.trim); i++ {
		count := map[string]int{}
		for _, f := range c.best {
			count[f.groups[i]]++
		}
		kept := map[string]int{}
		c.best = slices.DeleteFunc(c.best, func(f found) bool {
			key := f.groups[i]
			kept[key]++
			return key != "" && kept[key] > c.trim[i].Limit
		})
		for k := range c.best {
			f := &c.best[k]
			f.collapsed = f.collapsed || f.groups[i] != "" && count[f.groups[i]] > c.trim[i].Limit
		}
	}
	c.total = len(c.best)
}
