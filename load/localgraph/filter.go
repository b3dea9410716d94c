package localgraph

import (
	"fmt"
	"slices"
	"strings"
)

// A filter is a $filter, or a part of one: eq, ne, in and startswith over the
// fields of a resource, joined by and, or, not and parentheses.
type filter struct {
	op     string // and, or, not, eq, ne, in, startswith
	kids   []*filter
	field  string
	values []any // strings or nil; one, but for in
}

const maxFilterDepth = 50

// parseFilter reads a $filter over the fields.
func parseFilter(text string, fields []string) (*filter, error) {
	p := &filterParser{in: text, fields: fields}
	f := p.or(0)
	p.space()
	if p.err == nil && p.at < len(p.in) {
		p.fail("the end is expected")
	}
	if p.err != nil {
		return nil, p.err
	}
	return f, nil
}

type filterParser struct {
	in     string
	at     int
	fields []string
	err    error
}

func (p *filterParser) fail(format string, args ...any) *filter {
	if p.err == nil {
		p.err = badRequest("$filter: column %d of %q: %s", p.at+1, p.in, fmt.Sprintf(format, args...))
	}
	return &filter{}
}

func (p *filterParser) space() {
	for p.at < len(p.in) && (p.in[p.at] == ' ' || p.in[p.at] == '\t') {
		p.at++
	}
}

// take takes a mark such as a parenthesis.
func (p *filterParser) take(mark string) bool {
	p.space()
	if !strings.HasPrefix(p.in[p.at:], mark) {
		return false
	}
	p.at += len(mark)
	return true
}

// word takes a name, and nothing else; "" is none.
func (p *filterParser) word() string {
	p.space()
	from := p.at
	for p.at < len(p.in) && (alphanumeric(rune(p.in[p.at])) || p.in[p.at] == '_') {
		p.at++
	}
	return p.in[from:p.at]
}

// keyword takes a word if it is the one.
func (p *filterParser) keyword(want string) bool {
	from := p.at
	if p.word() == want {
		return true
	}
	p.at = from
	return false
}

func (p *filterParser) or(depth int) *filter { return p.joined("or", depth, p.and) }

func (p *filterParser) and(depth int) *filter { return p.joined("and", depth, p.one) }

func (p *filterParser) joined(op string, depth int, next func(int) *filter) *filter {
	kids := []*filter{next(depth)}
	for p.err == nil && p.keyword(op) {
		kids = append(kids, next(depth))
	}
	if len(kids) == 1 {
		return kids[0]
	}
	return &filter{op: op, kids: kids}
}

func (p *filterParser) one(depth int) *filter {
	if depth > maxFilterDepth {
		return p.fail("nested more than %d deep", maxFilterDepth)
	}
	if p.take("(") {
		f := p.or(depth + 1)
		if p.err == nil && !p.take(")") {
			return p.fail("a closing parenthesis is expected")
		}
		return f
	}
	name := p.word()
	switch name {
	case "":
		return p.fail("a property is expected")
	case "not":
		return &filter{op: "not", kids: []*filter{p.one(depth + 1)}}
	case "startswith", "startsWith":
		return p.startsWith()
	}
	if !p.known(name) {
		return &filter{}
	}
	return p.comparison(name)
}

func (p *filterParser) known(name string) bool {
	if slices.Contains(p.fields, name) {
		return true
	}
	p.at -= len(name)
	p.fail("%q cannot be filtered on; use one of %s", name, strings.Join(p.fields, ", "))
	return false
}

func (p *filterParser) startsWith() *filter {
	f := &filter{op: "startswith"}
	if !p.take("(") {
		return p.fail("startswith(property,'text') is expected")
	}
	if f.field = p.word(); !p.known(f.field) {
		return f
	}
	if !p.take(",") {
		return p.fail("startswith(property,'text') is expected")
	}
	v := p.literal()
	if _, ok := v.(string); !ok && p.err == nil {
		return p.fail("startswith needs a text in quotes")
	}
	if f.values = []any{v}; p.err == nil && !p.take(")") {
		return p.fail("a closing parenthesis is expected")
	}
	return f
}

func (p *filterParser) comparison(field string) *filter {
	f := &filter{field: field}
	p.space()
	from := p.at
	switch f.op = p.word(); f.op {
	case "eq", "ne":
		f.values = []any{p.literal()}
		return f
	case "in":
		if !p.take("(") {
			return p.fail("a list in parentheses is expected")
		}
		for more := true; more && p.err == nil; more = p.take(",") {
			f.values = append(f.values, p.literal())
		}
		if p.err == nil && !p.take(")") {
			return p.fail("a closing parenthesis is expected")
		}
		return f
	}
	p.at = from
	return p.fail("write property eq 'value'; eq, ne, in and startswith are supported, not %q", f.op)
}

// literal reads 'text', in which a quote is doubled, or null. All fields are
// texts.
func (p *filterParser) literal() any {
	if !p.take("'") {
		if !p.keyword("null") {
			p.fail("a text in single quotes is expected, or null")
		}
		return nil
	}
	var text strings.Builder
	for {
		end := strings.IndexByte(p.in[p.at:], '\'')
		if end < 0 {
			p.fail("a text has no end")
			return nil
		}
		text.WriteString(p.in[p.at : p.at+end])
		p.at += end + 1
		if !strings.HasPrefix(p.in[p.at:], "'") {
			return text.String()
		}
		text.WriteByte('\'')
		p.at++
	}
}

// walk calls f with the filter and all its parts.
func (f *filter) walk(each func(*filter)) {
	each(f)
	for _, k := range f.kids {
		k.walk(each)
	}
}

// holds tells whether the filter holds for an object of the API.
func (f *filter) holds(m map[string]any) bool {
	has := func(want any) bool { return m[f.field] == want }
	switch f.op {
	case "and":
		return !slices.ContainsFunc(f.kids, func(k *filter) bool { return !k.holds(m) })
	case "or":
		return slices.ContainsFunc(f.kids, func(k *filter) bool { return k.holds(m) })
	case "not":
		return !f.kids[0].holds(m)
	case "ne":
		return !has(f.values[0])
	case "startswith":
		text, _ := m[f.field].(string)
		return strings.HasPrefix(text, f.values[0].(string))
	}
	return slices.ContainsFunc(f.values, has) // eq, in
}

// sql is the filter as a condition; column names a field's expression, which is
// never NULL and is empty for nothing. Text is compared by the collation of the
// column, which the directory's are without case. What the client wrote is only
// ever bound.
func (f *filter) sql(column func(field string) string) (string, []any) {
	switch f.op {
	case "and", "or":
		var parts []string
		var args []any
		for _, k := range f.kids {
			s, a := k.sql(column)
			parts, args = append(parts, s), append(args, a...)
		}
		return "(" + strings.Join(parts, " "+strings.ToUpper(f.op)+" ") + ")", args
	case "not":
		s, a := f.kids[0].sql(column)
		return "NOT (" + s + ")", a
	}
	col := column(f.field)
	if f.op == "startswith" {
		text := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(f.values[0].(string))
		return col + ` LIKE ? ESCAPE '\'`, []any{text + "%"}
	}
	args := make([]any, len(f.values))
	for i, v := range f.values {
		if args[i] = v; v == nil {
			args[i] = ""
		}
	}
	if f.op == "ne" {
		return col + " <> ?", args
	}
	return col + " IN (" + strings.TrimSuffix(strings.Repeat("?, ", len(args)), ", ") + ")", args
}
