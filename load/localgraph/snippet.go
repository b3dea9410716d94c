package localgraph

import (
	"database/sql/driver"
	"slices"
	"strings"
)

// A term is a word or phrase of the query, folded, to be marked in summaries.
type term struct {
	words  []string
	prefix bool
}

// highlights lists what a query asks for, without what it excludes.
func highlights(n *node, conns []*connection) []term {
	if n == nil || n.op == opNot {
		return nil
	}
	var list []term
	text := n.op == opTerm
	if n.op == opProp && n.cmp == ":" {
		text = slices.ContainsFunc(conns, func(cn *connection) bool {
			p := cn.schema.query[n.prop]
			return p != nil && p.typ.text()
		})
	}
	if words := folds(n.text); text && len(words) > 0 {
		list = append(list, term{words, n.prefix})
	}
	for _, k := range n.kids {
		list = append(list, highlights(k, conns)...)
	}
	return list
}

// matchAt returns how many tokens of list, from i on, the term covers.
func (t term) matchAt(list []span, i int) int {
	if i+len(t.words) > len(list) {
		return 0
	}
	for k, w := range t.words {
		f := list[i+k].fold
		if f != w && !(t.prefix && k == len(t.words)-1 && strings.HasPrefix(f, w)) {
			return 0
		}
	}
	return len(t.words)
}

const (
	summaryTokens = 32
	// summaryScan bounds the text that is looked through for the best place.
	summaryScan = 64 << 10
)

// summary cuts the passage with most of the terms out of a text and marks
// them as Graph does: <c0>hit</c0>, <ddd/> where text was left out. If the
// content has none of the terms, one of the other texts may.
func summary(content string, other []string, terms []term) string {
	best, found := passage(content, terms)
	if found > 0 || len(terms) == 0 && best != "" {
		return best
	}
	for _, text := range other {
		if s, n := passage(text, terms); n > found {
			best, found = s, n
		}
	}
	if best == "" && len(other) > 0 {
		best, _ = passage(other[0], nil)
	}
	return best
}

func passage(text string, terms []term) (string, int) {
	cutShort := false
	if len(text) > summaryScan {
		text, cutShort = cut2(text, summaryScan), true
	}
	list := spans(text)
	if len(list) == 0 {
		return "", 0
	}
	type mark struct{ from, to, term int }
	var marks []mark
	for i := 0; i < len(list); i++ {
		longest := mark{from: i}
		for t := range terms {
			if n := terms[t].matchAt(list, i); n > longest.to-i {
				longest = mark{i, i + n, t}
			}
		}
		if longest.to > i {
			marks = append(marks, longest)
			i = longest.to - 1
		}
	}
	// The window with most distinct terms; of equals, the first.
	start, most := 0, 0
	for i, m := range marks {
		distinct := map[int]bool{}
		for _, o := range marks[i:] {
			if o.to > m.from+summaryTokens-4 {
				break
			}
			distinct[o.term] = true
		}
		if len(distinct) > most {
			most, start = len(distinct), max(0, m.from-4)
		}
	}
	end := min(start+summaryTokens, len(list))
	if start > 0 && end-start < summaryTokens {
		start = max(0, end-summaryTokens)
	}
	var b strings.Builder
	from := 0
	if start > 0 {
		b.WriteString("<ddd/>")
		from = list[start].start
	}
	for _, m := range marks {
		if m.from < start || m.to > end {
			continue
		}
		b.WriteString(text[from:list[m.from].start])
		b.WriteString("<c0>")
		b.WriteString(text[list[m.from].start:list[m.to-1].end])
		b.WriteString("</c0>")
		from = list[m.to-1].end
	}
	if end < len(list) || cutShort {
		b.WriteString(text[from:list[end-1].end])
		b.WriteString("<ddd/>")
	} else {
		b.WriteString(text[from:])
	}
	return strings.Join(strings.Fields(b.String()), " "), most
}

// cut2 shortens s to at most n bytes, between two characters.
func cut2(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

// has tells whether words stand in text, side by side.
func has(text string, t term) bool {
	list := spans(text)
	for i := range list {
		if t.matchAt(list, i) > 0 {
			return true
		}
	}
	return false
}

// hasValue compares one value as kql_has does.
func hasValue(text, want string, mode int64) bool {
	switch mode {
	case hasWhole:
		return strings.EqualFold(text, want) || foldToken(text) == foldToken(want)
	case hasBegin:
		return strings.HasPrefix(foldToken(text), foldToken(want))
	case hasTokens:
		return slices.Equal(folds(text), folds(want))
	}
	return has(text, term{words: folds(want), prefix: mode == hasPrefix})
}

// asText is a column's value as text; a NULL is none.
func asText(v driver.Value) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	}
	return "", false
}
