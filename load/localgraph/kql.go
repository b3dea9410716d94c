package localgraph

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The query language is KQL: words (all of them), "phrases", prefix*, AND OR
// NOT in upper case, + and -, parentheses, NEAR, WORDS(a, b) for either, and
// restrictions of properties: name:value, name=value, < > <= >= <>, name:a..b, name:(a OR b).
//
// People type queries, so nothing in the syntax is an error: a quote or a
// parenthesis that is not closed ends with the query, an operator without an
// operand is left out, and name:value of no known property is text. Only what
// cannot be meant is refused: a value that is not of its property's type.

const (
	maxQuery = 20_480 // characters, as for KQL in a POST
	maxDepth = 64
	maxTerms = 256 // below FTS5's limit of depth, whatever the query's shape
	// maxPrefixes bounds the memory of a query: FTS5 merges what begins with a
	// prefix into one list.
	maxPrefixes = 32
)

type opcode uint8

const (
	opAnd opcode = iota
	opOr
	opNot
	opTerm // a word or phrase
	opProp // a restriction
	opNear
	opAll // *
)

// A node is a query or a part of one.
type node struct {
	op     opcode
	kids   []*node
	text   string // of a term; the value of a restriction
	hi     string // the end of a range
	prefix bool
	quoted bool
	prop   string // lower-case
	cmp    string // : = < > <= >= <> ..
	pos    int    // the column, from 1
	at     int    // where text begins, in bytes
	// plain tells a restriction joined to its neighbours by no operator: of
	// one property, such mean OR.
	plain bool
}

type parser struct {
	in    string
	at    int
	known func(name string) bool // tells the names of properties
	depth int
	terms int
	stars int // prefixes
	err   error
}

// parseKQL reads a query. known is asked with lower-case names.
func parseKQL(in string, known func(string) bool) (*node, error) {
	if utf8.RuneCountInString(in) > maxQuery {
		return nil, badRequest("query: it is longer than %d characters", maxQuery)
	}
	p := &parser{in: in, known: known}
	var parts []*node
	for p.err == nil {
		if n := p.or(""); n != nil {
			parts = append(parts, n)
		}
		p.space()
		if p.at >= len(p.in) {
			break
		}
		p.at++ // a parenthesis that closes nothing
	}
	if p.err != nil {
		return nil, p.err
	}
	return join(opAnd, parts), nil
}

// join makes a node of parts, and no more nodes than needed.
func join(op opcode, parts []*node) *node {
	switch len(parts) {
	case 0:
		return nil
	case 1:
		return parts[0]
	}
	return &node{op: op, kids: parts}
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = badRequest(format, args...)
	}
}

func (p *parser) space() {
	for p.at < len(p.in) {
		r, n := utf8.DecodeRuneInString(p.in[p.at:])
		if !unicode.IsSpace(r) {
			return
		}
		p.at += n
	}
}

// keyword takes an operator that stands by itself.
func (p *parser) keyword(word string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.in[p.at:], word)
	if !ok || rest != "" && !strings.ContainsRune(" \t\r\n()\"", rune(rest[0])) {
		return false
	}
	p.at += len(word)
	return true
}

// or reads alternatives. prop is the property of an enclosing name:( ... ).
func (p *parser) or(prop string) *node {
	if p.depth++; p.depth > maxDepth {
		p.fail("query: parentheses are nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	var parts []*node
	for p.err == nil {
		if n := p.and(prop); n != nil {
			parts = append(parts, n)
		}
		if !p.keyword("OR") {
			break
		}
	}
	return join(opOr, parts)
}

func (p *parser) and(prop string) *node {
	var parts []*node
	explicit := false
	for p.err == nil {
		p.space()
		if p.at >= len(p.in) || p.in[p.at] == ')' {
			break
		}
		mark := p.at
		if p.keyword("OR") {
			p.at = mark
			break
		}
		if p.keyword("AND") {
			explicit = true
			continue
		}
		n := p.unary(prop)
		if n == nil {
			continue
		}
		n, more := p.nearby(n, prop)
		if more != nil {
			parts = append(parts, more)
		}
		if explicit {
			n.plain = false
			if len(parts) > 0 {
				parts[len(parts)-1].plain = false
			}
			explicit = false
		}
		parts = append(parts, n)
	}
	return join(opAnd, alternatives(parts))
}

// nearby reads what stands NEAR a word: a NEAR b NEAR c is one node, with the
// last distance. What stands there and is no word is returned by itself.
func (p *parser) nearby(n *node, prop string) (near, more *node) {
	for n.op == opTerm || n.op == opNear {
		dist, ok := p.near()
		if !ok {
			break
		}
		r := p.unary(prop)
		switch {
		case r == nil:
			return n, nil
		case r.op != opTerm:
			return n, r
		case n.op == opTerm:
			n = &node{op: opNear, kids: []*node{n}}
		}
		n.kids, n.text = append(n.kids, r), dist
	}
	return n, nil
}

// near takes NEAR, NEAR(n) and ONEAR, and returns the distance.
func (p *parser) near() (string, bool) {
	for _, word := range []string{"NEAR", "ONEAR"} {
		if !p.keyword(word) {
			continue
		}
		if rest := p.in[p.at:]; strings.HasPrefix(rest, "(") {
			if end := strings.IndexByte(rest, ')'); end > 0 {
				num := strings.TrimPrefix(strings.TrimSpace(rest[1:end]), "n=")
				if num != "" && len(num) < 4 && strings.Trim(num, "0123456789") == "" {
					p.at += end + 1
					return num, true
				}
			}
		}
		return "8", true
	}
	return "", false
}

// alternatives joins restrictions of one property that no operator parts:
// author:ann author:bob means either.
func alternatives(parts []*node) []*node {
	var out []*node
	for _, n := range parts {
		i := -1
		for j, o := range out {
			first := o
			if o.op == opOr && o.plain {
				first = o.kids[0]
			}
			if n.plain && first.plain && n.op == opProp && first.op == opProp && first.prop == n.prop {
				i = j
			}
		}
		switch {
		case i < 0:
			out = append(out, n)
		case out[i].op == opOr:
			out[i].kids = append(out[i].kids, n)
		default:
			out[i] = &node{op: opOr, kids: []*node{out[i], n}, plain: true}
		}
	}
	return out
}

func (p *parser) unary(prop string) *node {
	if p.depth++; p.depth > maxDepth {
		p.fail("query: it is nested more than %d deep", maxDepth)
		return nil
	}
	defer func() { p.depth-- }()
	if p.keyword("NOT") {
		return p.not(prop)
	}
	p.space()
	if p.at+1 < len(p.in) && !strings.ContainsRune(" \t\r\n", rune(p.in[p.at+1])) {
		switch p.in[p.at] {
		case '-':
			p.at++
			return p.not(prop)
		case '+':
			p.at++
		}
	}
	return p.primary(prop)
}

func (p *parser) not(prop string) *node {
	p.space()
	if p.at >= len(p.in) || p.in[p.at] == ')' {
		return nil
	}
	n := p.unary(prop)
	if n == nil {
		return nil
	}
	n.plain = false
	return &node{op: opNot, kids: []*node{n}}
}

func (p *parser) primary(prop string) *node {
	if p.at >= len(p.in) {
		return nil
	}
	pos := utf8.RuneCountInString(p.in[:p.at]) + 1
	if p.in[p.at] == '(' {
		return p.group(prop)
	}
	if prop == "" && strings.HasPrefix(p.in[p.at:], synonyms) {
		return p.synonyms(pos)
	}
	if p.terms++; p.terms > maxTerms {
		p.fail("query: it has more than %d terms", maxTerms)
		return nil
	}
	if prop == "" {
		if name, op, ok := p.restriction(); ok {
			return p.value(name, op, pos)
		}
	}
	at := p.at
	text, quoted, prefix := p.word(false)
	if quoted {
		at++
	}
	if prop != "" {
		return &node{op: opProp, prop: prop, cmp: ":", text: text, prefix: prefix, quoted: quoted, pos: pos}
	}
	if text == "" && prefix && !quoted {
		return &node{op: opAll, pos: pos}
	}
	return &node{op: opTerm, text: text, prefix: prefix, quoted: quoted, pos: pos, at: at}
}

func (p *parser) group(prop string) *node {
	p.at++
	n := p.or(prop)
	if p.at < len(p.in) && p.in[p.at] == ')' {
		p.at++
	}
	return n
}

const synonyms = "WORDS("

// synonyms reads WORDS(a, "b c", d*): any of them.
func (p *parser) synonyms(pos int) *node {
	p.at += len(synonyms)
	inside, _, closed := strings.Cut(p.in[p.at:], ")")
	var parts []*node
	for from := 0; from <= len(inside) && p.err == nil; {
		part, _, _ := strings.Cut(inside[from:], ",")
		text := strings.Trim(part, " \t\r\n\"")
		if word := strings.TrimRight(text, "*"); word != "" {
			n := &node{op: opTerm, text: word, prefix: word != text, pos: pos, at: p.at + from + strings.Index(part, word)}
			parts = append(parts, n)
			p.counted(n)
		}
		from += len(part) + 1
	}
	p.at += len(inside)
	if closed {
		p.at++
	}
	return join(opOr, parts)
}

// counted holds a word against the limits.
func (p *parser) counted(n *node) {
	if p.terms++; p.terms > maxTerms {
		p.fail("query: it has more than %d terms", maxTerms)
	}
	if n.prefix {
		if p.stars++; p.stars > maxPrefixes {
			p.fail("query: it has more than %d prefixes (word*)", maxPrefixes)
		}
	}
}

var comparisons = []string{"<>", "<=", ">=", "<", ">", "=", ":"}

// restriction takes "name op" if name is a property's.
func (p *parser) restriction() (name, op string, ok bool) {
	i := p.at
	for i < len(p.in) && (alphanumeric(rune(p.in[i])) || p.in[i] == '_') {
		i++
	}
	name = strings.ToLower(p.in[p.at:i])
	if name == "" || !p.known(name) {
		return "", "", false
	}
	rest := p.in[i:]
	trimmed := strings.TrimLeft(rest, " ")
	for _, op := range comparisons {
		after, ok := strings.CutPrefix(trimmed, op)
		if !ok || op == ":" && trimmed != rest {
			continue
		}
		if op == ":" { // size:>5 is met in the wild
			for _, c := range comparisons[:6] {
				if a, ok := strings.CutPrefix(after, c); ok {
					op, after = c, a
					break
				}
			}
		}
		p.at = len(p.in) - len(after)
		return name, op, true
	}
	return "", "", false
}

// value reads what a restriction asks for.
func (p *parser) value(name, op string, pos int) *node {
	p.space()
	if p.at < len(p.in) && p.in[p.at] == '(' && (op == ":" || op == "=") {
		return p.group(name)
	}
	n := &node{op: opProp, prop: name, cmp: op, pos: pos, plain: op == ":" || op == "="}
	n.text, n.quoted, n.prefix = p.word(true)
	if lo, hi, ok := strings.Cut(n.text, ".."); ok && !n.quoted {
		n.text, n.hi, n.cmp, n.plain = lo, strings.Trim(hi, `"`), "..", false
	} else if n.quoted && strings.HasPrefix(p.in[p.at:], "..") {
		p.at += 2
		n.hi, _, _ = p.word(true)
		n.cmp, n.plain = "..", false
	}
	if n.text == "" && n.hi == "" && !n.prefix && !n.quoted {
		// "title:" and nothing more: the name is text.
		return &node{op: opTerm, text: name, pos: pos}
	}
	return n
}

// word reads a phrase in quotes, or up to a space, parenthesis or quote. In a
// value a range may end in quotes.
func (p *parser) word(value bool) (text string, quoted, prefix bool) {
	defer func() {
		if prefix && text != "" {
			if p.stars++; p.stars > maxPrefixes {
				p.fail("query: it has more than %d prefixes (word*)", maxPrefixes)
			}
		}
	}()
	if p.at < len(p.in) && p.in[p.at] == '"' {
		p.at++
		end := strings.IndexByte(p.in[p.at:], '"')
		if end < 0 {
			text, p.at = p.in[p.at:], len(p.in)
		} else {
			text, p.at = p.in[p.at:p.at+end], p.at+end+1
		}
		if p.at < len(p.in) && p.in[p.at] == '*' {
			p.at++
			prefix = true
		}
		if t, ok := strings.CutSuffix(text, "*"); ok {
			text, prefix = t, true
		}
		return text, true, prefix
	}
	start := p.at
	for p.at < len(p.in) {
		r, n := utf8.DecodeRuneInString(p.in[p.at:])
		if unicode.IsSpace(r) || r == '(' || r == ')' || r == '"' && !(value && strings.HasSuffix(p.in[start:p.at], "..")) {
			break
		}
		if r == '"' {
			if end := strings.IndexByte(p.in[p.at+1:], '"'); end >= 0 {
				p.at += end + 1
			}
		}
		p.at += n
	}
	text = p.in[start:p.at]
	if t := strings.TrimRight(text, "*"); t != text {
		return t, false, true
	}
	return text, false, false
}
