package localgraph

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// What sets a hit apart comes before how often it has the words: the words as
// the title, as a phrase of it, or in it; then as a phrase of the text, or
// close together; all alternatives before some; a word itself before words
// that begin with it. Weights add up, and each is more than all below it.
const (
	titleIs     = 64
	titleHas    = 32
	titlePhrase = 16
	textExact   = 8 // the words as typed, side by side
	textAll     = 4 // each alternative
	textNear    = 2
)

// nearby is how many other words may stand between words that are close.
const nearby = 6

// A rank is a set of rows with a weight: those that match fts and, if title
// is not empty, have it as their title.
type rank struct {
	weight int
	fts    string
	title  string
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
	add := func(weight int, fts string) { list = append(list, rank{weight: weight, fts: fts}) }
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

// tiers finds the rows of the ranks, and the scores of the rows when no index
// leads to them.
func (q *query) tiers(ctx context.Context, tx *sql.Tx, c *collector, src *source) error {
	fts := src.cn.index()
	for _, r := range src.ranks {
		c.at.tiers = append(c.at.tiers, tier{weight: r.weight})
		stmt := fmt.Sprintf("SELECT kql_mark(?, ?, rowid) FROM %s WHERE %[1]s MATCH ?", fts)
		args := []any{c.number, len(c.at.tiers) - 1, r.fts}
		if r.title != "" {
			title, join := src.cn.titleColumn()
			stmt = fmt.Sprintf("SELECT kql_mark(?, ?, t.n) FROM %s CROSS JOIN %s t ON t.n = %[1]s.rowid WHERE %[1]s MATCH ? AND kql_has(%[3]s, ?, %[4]d)", fts, join, title, hasTokens)
			args = append(args, r.title)
		}
		if err := c.feed(ctx, tx, stmt, args...); err != nil {
			return err
		}
	}
	if src.part.fts != "" || len(src.terms) == 0 {
		return nil
	}
	return c.feed(ctx, tx, fmt.Sprintf("SELECT kql_note(?, n, r) FROM (SELECT rowid AS n, "+bm25+" AS r FROM %[1]s WHERE %[1]s MATCH ? LIMIT -1)", fts),
		c.number, strings.Join(src.terms, " OR "))
}

// titleColumn tells where the title is as it was sent: an expression and the
// table that it is of.
func (cn *connection) titleColumn() (expr, table string) {
	if t := cn.schema.title; t.stored() {
		return "t." + t.column(), cn.items()
	}
	return fmt.Sprintf(`json_extract(t.props, '$."%s"')`, cn.schema.title.Name), cn.bodies()
}
