package localgraph

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"

	"golang.org/x/text/unicode/norm"
)

// Spelling (queryAlterationOptions). A word of the query that the searcher has
// no hit for is a typo if a word like it is in the index. Nothing may tell of
// what the searcher may not see, by a word or by its absence: so what counts
// is only what the searcher finds, never the index as a whole.

// alterationOptions are spelled as strings by some clients.
type alterationOptions struct {
	Suggest lenientBool `json:"enableSuggestion"`
	Modify  lenientBool `json:"enableModification"`
}

// An alterationResponse is the model's alterationResponse.
type alterationResponse struct {
	Original   string           `json:"originalQueryString"`
	Alteration searchAlteration `json:"queryAlteration"`
	Type       string           `json:"queryAlterationType"`
}

// A searchAlteration marks what was corrected by U+E000 and U+E001.
type searchAlteration struct {
	Altered     string         `json:"alteredQueryString"`
	Highlighted string         `json:"alteredHighlightedQueryString"`
	Tokens      []alteredToken `json:"alteredQueryTokens"`
}

// An alteredToken tells a corrected place of the original query, in UTF-16
// code units, as strings are measured in .NET and JavaScript.
type alteredToken struct {
	Offset     int    `json:"offset"`
	Length     int    `json:"length"`
	Suggestion string `json:"suggestion"`

	from, to int // in bytes
}

// maxSpelled is how many words of a query are looked at; nobody mistypes more.
const maxSpelled = 16

// edits is how many letters may be wrong in a word of so many letters.
func edits(letters int) int {
	switch {
	case letters < 3:
		return 0
	case letters < 6:
		return 1
	}
	return 2
}

// alter corrects the query; nil if there is nothing to correct. The corrected
// query finds something.
func (q *query) alter(ctx context.Context, tx *sql.Tx, c *collector) (*alterationResponse, *query, error) {
	var tokens []alteredToken
	words := q.typed(q.tree)
	for _, w := range words[:min(len(words), maxSpelled)] {
		better, err := q.correct(ctx, tx, c, w.fold)
		if err != nil {
			return nil, nil, err
		}
		if better != "" {
			tokens = append(tokens, alteredToken{from: w.start, to: w.end, Suggestion: better})
		}
	}
	if len(tokens) == 0 {
		return nil, nil, nil
	}
	a := &alterationResponse{Original: q.text, Alteration: alterText(q.text, tokens), Type: "suggestion"}
	req := *q.req
	req.Query = &searchText{QueryString: &a.Alteration.Altered, QueryTemplate: q.req.Query.QueryTemplate}
	req.Alter = nil
	altered, err := q.s.prepare(&req, q.user)
	if err != nil || altered.gen != q.gen {
		return nil, nil, nil // refused for its length, or for another schema
	}
	total, err := altered.total(ctx, tx)
	if err != nil || total == 0 {
		return nil, nil, err
	}
	return a, altered, nil
}

// alterText puts the suggestions in their places.
func alterText(text string, tokens []alteredToken) searchAlteration {
	slices.SortFunc(tokens, func(a, b alteredToken) int { return a.from - b.from })
	units := func(s string) int { return len(utf16.Encode([]rune(s))) }
	var plain, marked strings.Builder
	at := 0
	for i := range tokens {
		t := &tokens[i]
		t.Offset, t.Length = units(text[:t.from]), units(text[t.from:t.to])
		plain.WriteString(text[at:t.from] + t.Suggestion)
		marked.WriteString(text[at:t.from] + "\ue000" + t.Suggestion + "\ue001")
		at = t.to
	}
	return searchAlteration{plain.String() + text[at:], marked.String() + text[at:], tokens}
}

// typed lists the words of free text that are to be found, with their places
// in the query string. Words of the template are not the user's.
func (q *query) typed(n *node) []span {
	if n == nil || n.op == opNot || n.op == opProp {
		return nil
	}
	var list []span
	if n.op == opTerm && n.text != "" {
		words := spans(n.text)
		for i, w := range words {
			w.start, w.end = w.start+n.at-q.shift, w.end+n.at-q.shift
			whole := !n.prefix || i < len(words)-1
			if whole && w.start >= 0 && w.end <= len(q.text) && isWord(w.fold) {
				list = append(list, w)
			}
		}
	}
	for _, k := range n.kids {
		list = append(list, q.typed(k)...)
	}
	return list
}

// isWord tells a token that is spelled: numbers and letters that stand alone
// are not.
func isWord(fold string) bool {
	return edits(len([]rune(fold))) > 0 && !strings.ContainsFunc(fold, func(r rune) bool { return !unicode.IsLetter(r) })
}

// enough is how far hits are counted to compare two corrections.
const enough = 100

// correct finds the word that was meant; "" if the word is right or none is
// like it.
func (q *query) correct(ctx context.Context, tx *sql.Tx, c *collector, word string) (string, error) {
	if n, err := q.finds(ctx, tx, c, quoteFTS(word, false), false, 1); err != nil || n > 0 {
		return "", err
	}
	letters := []rune(word)
	// Most typos leave the first two letters, and few words begin with them.
	near := []string{string(letters[:2]), string([]rune{letters[1], letters[0]})}
	best, err := q.likest(ctx, tx, c, letters, near, 1)
	if err == nil && best == "" {
		best, err = q.likest(ctx, tx, c, letters, []string{string(letters[:1]), near[1]}, edits(len(letters)))
	}
	if err != nil || best == "" {
		return "", err
	}
	return q.written(ctx, tx, c, best)
}

// likest finds the word that is like another, of those that begin in one of
// some ways and that the searcher finds: the one with the fewest wrong
// letters, and of these the one with most hits.
func (q *query) likest(ctx context.Context, tx *sql.Tx, c *collector, letters []rune, begins []string, most int) (string, error) {
	c.like = &likeness{letters: letters, most: most, found: make([]map[string]bool, most+1)}
	for i, src := range q.sources {
		if len(c.visits[i].granted) == 0 {
			continue
		}
		for _, b := range begins {
			stmt := fmt.Sprintf("SELECT kql_word(?, term) FROM %s WHERE term >= ? AND term < ?", src.cn.vocabulary())
			if err := c.feed(ctx, tx, stmt, c.number, b, b+"\U0010FFFF"); err != nil {
				return "", err
			}
		}
	}
	for _, words := range c.like.found {
		best, hits := "", 0
		for _, w := range slices.Sorted(maps.Keys(words)) {
			n, err := q.finds(ctx, tx, c, quoteFTS(w, false), true, enough)
			if err != nil {
				return "", err
			}
			if n > hits {
				best, hits = w, n
			}
		}
		if best != "" {
			return best, nil
		}
	}
	return "", nil
}

// A likeness gathers the words that are like one.
type likeness struct {
	letters []rune
	most    int
	found   []map[string]bool // by the number of wrong letters
}

// take looks at a word, which is only good for the call.
func (l *likeness) take(word string) {
	if len(word) > 4*(len(l.letters)+l.most) {
		return
	}
	d := distance(l.letters, []rune(word), l.most)
	if d == 0 || d > l.most || !isWord(word) {
		return
	}
	if l.found[d] == nil {
		l.found[d] = map[string]bool{}
	}
	l.found[d][strings.Clone(word)] = true
}

// distance counts the letters to insert, to drop, to change, or to swap with
// the next one, that make b of a; anything above most if there are more.
func distance(a, b []rune, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	var before, above []int // the last two rows of the table
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		before, above, row = above, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range b {
			d := above[j]
			if a[i] != b[j] {
				d++
			}
			d = min(d, above[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				d = min(d, before[j-1]+1)
			}
			row[j+1] = d
		}
	}
	return row[len(b)]
}

// written is a word as the first item has it that the searcher finds it in:
// the index has lost its diacritics.
func (q *query) written(ctx context.Context, tx *sql.Tx, c *collector, word string) (string, error) {
	for i, src := range q.sources {
		c.at = &c.visits[i]
		if len(c.at.granted) == 0 {
			continue
		}
		it := item{}
		err := tx.QueryRowContext(ctx, fmt.Sprintf("SELECT b.props, b.ctype, b.content FROM %s CROSS JOIN %s i ON i.n = %[1]s.rowid CROSS JOIN %[3]s b ON b.n = i.n"+
			" WHERE %[1]s MATCH ? AND kql_may(?, i.acl) LIMIT 1", src.cn.index(), src.cn.items(), src.cn.bodies()),
			src.cn.shown(quoteFTS(word, false)), c.number).Scan(&it.props, &it.ctype, &it.content)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return "", err
		}
		for _, text := range append(it.texts(src.cn.schema), it.text()) {
			for _, sp := range spans(cut2(text, summaryScan)) {
				if sp.fold == word {
					return strings.ToLower(norm.NFC.String(text[sp.start:sp.end])), nil
				}
			}
		}
		return word, nil
	}
	return word, nil // unreachable: the searcher finds it
}

// finds counts the searcher's hits for an expression, up to a limit. With
// shown only text counts that a hit shows.
func (q *query) finds(ctx context.Context, tx *sql.Tx, c *collector, fts string, shown bool, limit int) (int, error) {
	sum := 0
	for i, src := range q.sources {
		c.at = &c.visits[i]
		if len(c.at.granted) == 0 {
			continue
		}
		expr := fts
		if shown {
			expr = src.cn.shown(fts)
		}
		var n int
		err := tx.QueryRowContext(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s CROSS JOIN %s i ON i.n = %[1]s.rowid WHERE %[1]s MATCH ? AND kql_may(?, i.acl) LIMIT ?)",
			src.cn.index(), src.cn.items()), expr, c.number, limit).Scan(&n)
		if err != nil {
			return 0, err
		}
		if sum += n; sum >= limit {
			return limit, nil
		}
	}
	return sum, nil
}

// shown limits an expression to text that a hit shows. The searchable
// properties share a column of the index.
func (cn *connection) shown(fts string) string {
	for _, p := range cn.schema.props {
		if p.Searchable && !p.Retrievable {
			return "{title content} : " + fts
		}
	}
	return fts
}

// total counts what the query finds.
func (q *query) total(ctx context.Context, tx *sql.Tx) (int, error) {
	only := *q
	only.size, only.sort, only.aggs = 0, nil, nil
	c := newCollector(&only)
	defer c.close()
	err := only.collect(ctx, tx, c)
	return c.total, err
}
