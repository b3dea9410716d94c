package localgraph

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// What sets hits apart comes before how often they have the words. A hit is of
// the highest tier that it fits.
const (
	textNear    = iota + 1 // the words are close together
	textAll                // each alternative, and not only some
	textExact              // the words as they were typed, side by side
	titleHas               // the title has the words
	titlePhrase            // side by side
	titleIs                // and no others
)

// nearby is how many other words may stand between words that are close.
const nearby = 6

// A rank finds the rows of a tier: those that match fts and, if title is not
// empty, have it as their title.
type rank struct {
	tier  int
	fts   string
	title string
}

// ranks tells what sets the hits of a query apart.
func (c *compiler) ranks(n *node) []rank {
	if n == nil {
		return nil
	}
	before := len(c.terms)
	defer func() { c.terms = c.terms[:before] }() // they are there already
	var exprs, words []string
	phrase, exact := true, true // whether words are all of it, and without a prefix
	kids := []*node{n}
	if n.op == opAnd || n.op == opOr {
		kids = n.kids
	}
	for _, k := range kids {
		inTitle := k.op == opProp && k.cmp == ":" && c.cn.schema.query[k.prop] == c.cn.schema.title
		if k.op == opNot || k.op == opProp && !inTitle && n.op != opOr {
			continue // it says what to find, not what is best
		}
		q := c.node(k)
		if q.fts == "" || q.sql != "" {
			if n.op == opOr {
				return nil
			}
			continue
		}
		exprs = append(exprs, "("+q.fts+")")
		words = append(words, k.text)
		phrase = phrase && (k.op == opTerm || inTitle)
		exact = exact && !k.prefix
	}
	if len(exprs) == 0 {
		return nil
	}
	all := strings.Join(exprs, " AND ")
	var list []rank
	add := func(tier int, fts string) { list = append(list, rank{tier: tier, fts: fts}) }
	if c.cn.schema.title != nil {
		add(titleHas, "{title} : ("+all+")")
	}
	if n.op == opOr {
		add(textAll, all)
		return list
	}
	if !phrase || len(words) > 8 {
		return list
	}
	text := strings.Join(words, " ")
	quoted := quoteFTS(text, false)
	if c.cn.schema.title != nil {
		list = append(list, rank{titleIs, "{title} : ^ " + quoted, text})
		if len(words) > 1 || !exact {
			add(titlePhrase, "{title} : "+quoted)
		}
	}
	if len(words) > 1 || !exact {
		add(textExact, quoted)
	}
	if len(words) > 1 {
		var near []string
		for _, k := range kids {
			if k.op == opTerm {
				near = append(near, quoteFTS(k.text, k.prefix))
			}
		}
		if len(near) > 1 {
			add(textNear, fmt.Sprintf("NEAR(%s, %d)", strings.Join(near, " "), nearby))
		}
	}
	return list
}

// mark finds the rows of a tier.
func (r *rank) mark(ctx context.Context, tx *sql.Tx, c *collector, cn *connection) error {
	if r.title == "" {
		return c.feed(ctx, tx, fmt.Sprintf("SELECT kql_mark(?, ?, rowid) FROM %s WHERE %[1]s MATCH ?", cn.index()), c.number, r.tier, r.fts)
	}
	title, table := cn.titleColumn()
	return c.feed(ctx, tx, fmt.Sprintf("SELECT kql_mark(?, ?, t.n) FROM %s CROSS JOIN %s t ON t.n = %[1]s.rowid WHERE %[1]s MATCH ? AND kql_has(%[3]s, ?, %[4]d)",
		cn.index(), table, title, hasTokens), c.number, r.tier, r.fts, r.title)
}

// score finds the tiers and the scores of all rows, for hits that no index
// leads to.
func (q *query) score(ctx context.Context, tx *sql.Tx, c *collector, src *source) error {
	for i := range src.ranks {
		if err := src.ranks[i].mark(ctx, tx, c, src.cn); err != nil {
			return err
		}
	}
	if src.part.fts != "" || len(src.terms) == 0 {
		return nil
	}
	return c.feed(ctx, tx, fmt.Sprintf("SELECT kql_note(?, n, r) FROM (SELECT rowid AS n, "+bm25+" AS r FROM %[1]s WHERE %[1]s MATCH ? LIMIT -1)", src.cn.index()),
		c.number, strings.Join(src.terms, " OR "))
}

// narrow finds the tiers, from the highest one down, until the page is full of
// what is in them: hits below need no score.
func (q *query) narrow(ctx context.Context, tx *sql.Tx, c *collector) error {
	c.least = 0
	hits := 0
	for t := titleIs; t > 0; t-- {
		for i, src := range q.sources {
			c.at = &c.visits[i]
			k := slices.IndexFunc(src.ranks, func(r rank) bool { return r.tier == t })
			if !c.at.later || k < 0 {
				continue
			}
			if err := src.ranks[k].mark(ctx, tx, c, src.cn); err != nil {
				return err
			}
			hits += c.at.size(t)
		}
		if hits >= c.keep {
			c.least = t
			return nil
		}
	}
	return nil
}

// titleColumn tells where the title is as it was sent: an expression and the
// table that it is of.
func (cn *connection) titleColumn() (expr, table string) {
	if t := cn.schema.title; t.stored() {
		return "t." + t.column(), cn.items()
	}
	return fmt.Sprintf(`json_extract(t.props, '$."%s"')`, cn.schema.title.Name), cn.bodies()
}
