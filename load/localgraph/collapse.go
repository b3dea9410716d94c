package localgraph

import (
	"fmt"
	"slices"
	"strings"
)

// A collapseProperty trims the hits to a number for each value of its fields,
// or for each combination of them. Several work one after the other, each on
// what the one before has left. Hits without a value are never trimmed.
type collapseProperty struct {
	Fields []string `json:"fields"`
	Limit  int      `json:"limit"`
}

// checkCollapse refuses what the reference page refuses: fields that are not
// queryable and refinable, and a limit above the one before.
func (q *query) checkCollapse() error {
	before := 0
	for i, col := range q.req.Collapse {
		if len(col.Fields) == 0 {
			return badRequest("collapseProperties: fields must not be empty")
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

// column is the value to trim by, of one connection's hits; NULL is none.
func (col *collapseProperty) column(sc *schema) string {
	var values, absent []string
	for _, f := range col.Fields {
		v := "NULL"
		if p := sc.collapsible(f); p != nil {
			v = "i." + p.column()
			if p.typ == tString {
				v = "kql_fold(" + v + ")"
			}
		}
		values = append(values, v)
		absent = append(absent, v+" IS NULL")
	}
	return "CASE WHEN NOT (" + strings.Join(absent, " AND ") + ") THEN json_array(" + strings.Join(values, ", ") + ") END"
}

// collapse makes the tables that trim h, the last of which is named, and what
// in it tells that a hit stands for others.
func (q *query) collapse(order string) (tables, last, collapsed string) {
	last, collapsed = "h", "NULL"
	for i, col := range q.req.Collapse {
		tables += fmt.Sprintf(", g%[1]d AS (SELECT *, CASE WHEN d%[1]d IS NULL THEN 1 ELSE row_number() OVER (PARTITION BY d%[1]d ORDER BY %[2]s) END AS w%[1]d,"+
			" d%[1]d IS NOT NULL AND count(*) OVER (PARTITION BY d%[1]d) > %[3]d AS x%[1]d FROM %[4]s), k%[1]d AS (SELECT * FROM g%[1]d WHERE w%[1]d <= %[3]d)",
			i, order, col.Limit, last)
		last = fmt.Sprintf("k%d", i)
		if i == 0 {
			collapsed = "x0"
		} else {
			collapsed += fmt.Sprintf(" OR x%d", i)
		}
	}
	return tables, last, collapsed
}
