package localgraph

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// bm25 ranks by the words' frequency. A word of the title counts as many.
const bm25 = "bm25(%s, 1000.0, 3.0, 1.0)"

// deepPage is where a page is so deep that the higher tiers are unlikely to
// fill it, so that two passes cost more than one.
const deepPage = 400

// collect runs the query in all its connections.
func (q *query) collect(ctx context.Context, tx *sql.Tx, c *collector) error {
	for i, src := range q.sources {
		c.at = &c.visits[i]
		c.at.i = i
		if err := q.count(ctx, tx, c, src); err != nil {
			return err
		}
	}
	if err := q.narrow(ctx, tx, c); err != nil {
		return err
	}
	for i, src := range q.sources {
		c.at = &c.visits[i]
		if len(c.at.hits) == 0 {
			continue
		}
		f := src.cn.index()
		err := c.feed(ctx, tx, fmt.Sprintf("SELECT kql_again(?, n, r, m) FROM (SELECT i.n, "+bm25+" AS r, i.modified AS m"+
			" FROM %[1]s CROSS JOIN %[2]s i ON i.n = %[1]s.rowid WHERE %[1]s MATCH ? AND kql_wanted(?, %[1]s.rowid) LIMIT -1)",
			f, src.cn.items()), c.number, src.part.fts, c.number)
		if err != nil {
			return err
		}
	}
	return nil
}

// count runs the first pass in one connection.
func (q *query) count(ctx context.Context, tx *sql.Tx, c *collector, src *source) error {
	if src.part.none() || src.filter.none() {
		return nil
	}
	if err := c.readACLs(ctx, tx, src.cn.n, q.user); err != nil || len(c.at.granted) == 0 {
		return err
	}
	ranked := len(q.sort) == 0 && c.keep+len(c.trim) > 0
	c.at.later = ranked && len(c.trim) == 0 && src.part.fts != "" && c.keep <= deepPage
	if ranked && !c.at.later {
		if err := q.score(ctx, tx, c, src); err != nil {
			return err
		}
	}
	stmt, args := q.statement(c, src, ranked && !c.at.later)
	args, err := c.bind(ctx, tx, src.cn, args)
	if err != nil {
		return err
	}
	return c.feed(ctx, tx, stmt, args...)
}

// bind makes the sets of rows that the arguments of a statement stand for.
func (c *collector) bind(ctx context.Context, tx *sql.Tx, cn *connection, args []any) ([]any, error) {
	var out []any
	for _, a := range args {
		r, ok := a.(rows)
		if !ok {
			out = append(out, a)
			continue
		}
		k := len(c.at.sets)
		c.at.sets = append(c.at.sets, nil)
		err := c.feed(ctx, tx, fmt.Sprintf("SELECT kql_set(?, ?, rowid) FROM %s WHERE %[1]s MATCH ?", cn.index()), c.number, k, r.fts)
		if err != nil {
			return nil, err
		}
		out = append(out, c.number, k)
	}
	return out, nil
}

// feed runs a statement that calls the collector.
func (c *collector) feed(ctx context.Context, tx *sql.Tx, stmt string, args ...any) error {
	var none any
	return tx.QueryRowContext(ctx, stmt, args...).Scan(&none)
}

// statement hands one connection's hits to the collector. The ACL is checked
// before a hit is scored. LIMIT -1 keeps SQLite from making one query of both:
// bm25 works in the inner one only.
func (q *query) statement(c *collector, src *source, scored bool) (string, []any) {
	cn := src.cn
	score, from := "NULL", cn.items()+" i"
	var args []any
	if src.part.fts != "" {
		if scored {
			score = fmt.Sprintf(bm25, cn.index())
		}
		from = fmt.Sprintf("%s CROSS JOIN %s i ON i.n = %[1]s.rowid", cn.index(), cn.items())
	}
	names, values := "", ""
	for k, col := range q.values(c, cn) {
		names += fmt.Sprintf(", v%d", k)
		values += fmt.Sprintf(", %s AS v%d", col, k)
	}
	where := "kql_may(?, i.acl)"
	args = append(args, c.number, c.number)
	if src.part.fts != "" {
		where = cn.index() + " MATCH ? AND " + where
		args = []any{c.number, src.part.fts, c.number}
	}
	for _, p := range []part{src.part, src.filter} {
		if p.sql != "" {
			where += " AND " + p.sql
			args = append(args, p.args...)
		}
	}
	return fmt.Sprintf("SELECT kql_hit(?, n, r, m%s) FROM (SELECT i.n, %s AS r, i.modified AS m%s FROM %s WHERE %s LIMIT -1)",
		names, score, values, from, where), args
}

// values lists the columns to sort, to count and to trim by.
func (q *query) values(c *collector, cn *connection) []string {
	var cols []string
	for _, key := range q.sort {
		cols = append(cols, sortColumn(cn.schema.query[strings.ToLower(key.Name)]))
	}
	c.at.lists = make([]bool, len(q.aggs))
	for k, a := range q.aggs {
		p := cn.schema.query[strings.ToLower(a.Field)]
		if p == nil || !p.Refinable {
			cols = append(cols, "NULL")
			continue
		}
		c.at.lists[k] = p.typ.collection()
		cols = append(cols, "i."+p.column())
	}
	for i := range c.trim {
		cols = append(cols, c.trim[i].columns(cn.schema)...)
	}
	return cols
}

func sortColumn(p *property) string {
	switch {
	case p == nil || !p.Refinable:
		return "NULL"
	case p.typ.collection():
		return fmt.Sprintf("json_extract(i.%s, '$[0]')", p.column())
	}
	return "i." + p.column()
}
