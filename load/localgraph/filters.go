package localgraph

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// maxFilters keeps the condition below SQLite's limit of depth, a thousand.
const maxFilters = 256

// filters compiles aggregationFilters, all of which must hold:
//
//	field:"<token or text>"   field:or("..", "..")   field:range(1, 5, to="le")
func (c *compiler) filters(list []string) (part, error) {
	var sql []string
	var args []any
	for _, f := range list {
		name, expr, ok := strings.Cut(f, ":")
		p := c.cn.schema.query[strings.ToLower(strings.TrimSpace(name))]
		if !ok || p == nil || !p.Refinable {
			return nothing, badRequest("aggregationFilters: %q does not name a refinable property", f)
		}
		q, rest, err := c.filter(p, strings.TrimSpace(expr), 0)
		if err == nil && strings.TrimSpace(rest) != "" {
			err = badRequest("aggregationFilters: %q goes on after its end with %q", f, rest)
		}
		if err != nil {
			return nothing, err
		}
		sql, args = append(sql, q.sql), append(args, q.args...)
	}
	if len(sql) == 0 {
		return part{}, nil
	}
	return part{sql: "(" + strings.Join(sql, " AND ") + ")", args: args}, nil
}

func (c *compiler) filter(p *property, expr string, depth int) (q part, rest string, err error) {
	if c.filtered++; c.filtered > maxFilters {
		return nothing, "", badRequest("aggregationFilters: at most %d tokens in all", maxFilters)
	}
	bad := func() (part, string, error) {
		return nothing, "", badRequest("aggregationFilters: %q is neither \"token\", or(...), and(...), not(...) nor range(...)", expr)
	}
	if depth > 16 {
		return bad()
	}
	if strings.HasPrefix(expr, `"`) {
		text, rest, ok := strings.Cut(expr[1:], `"`)
		if !ok {
			return bad()
		}
		return c.filterValue(p, text), rest, nil
	}
	name, rest, ok := strings.Cut(expr, "(")
	if !ok {
		return bad()
	}
	if name = strings.ToLower(strings.TrimSpace(name)); name == "range" {
		inside, after, ok := strings.Cut(rest, ")")
		if !ok {
			return bad()
		}
		q, err := filterRange(p, inside)
		return q, after, err
	}
	op, ok := map[string]string{"or": " OR ", "and": " AND ", "not": ""}[name]
	if !ok {
		return bad()
	}
	var list []string
	for {
		q1, after, err := c.filter(p, strings.TrimSpace(rest), depth+1)
		if err != nil {
			return nothing, "", err
		}
		list, q.args = append(list, q1.sql), append(q.args, q1.args...)
		after = strings.TrimSpace(after)
		if rest, ok = strings.CutPrefix(after, ","); ok {
			continue
		}
		if rest, ok = strings.CutPrefix(after, ")"); !ok {
			return bad()
		}
		break
	}
	switch {
	case name == "not" && len(list) != 1:
		return bad()
	case name == "not":
		q.sql = "(NOT " + list[0] + ")"
	default:
		q.sql = "(" + strings.Join(list, op) + ")"
	}
	return q, rest, nil
}

// filterValue takes a token, which stands for one whole value, or text.
func (c *compiler) filterValue(p *property, text string) part {
	whole := false
	if h, ok := strings.CutPrefix(text, tokenMark); ok {
		if b, err := hex.DecodeString(h); err == nil {
			text, whole = string(b), true
		}
	}
	switch p.typ.element() {
	case tInt64, tDouble, tDateTime:
		v, ok := readBound(p.typ.element(), text)
		if !ok || v == nil {
			return nothing
		}
		return compare(p, false, "v = ?", v)
	case tBoolean:
		b, ok := parseBool(text)
		if !ok {
			return nothing
		}
		return compare(p, false, "v = ?", b)
	}
	mode := hasWords
	if whole {
		return compare(p, false, "v = ?", text)
	}
	if p.typ.collection() {
		mode |= inList
	}
	return part{sql: fmt.Sprintf("kql_has(i.%s, ?, %d)", p.column(), mode), args: []any{text}}
}

// filterRange reads "from, to" with from="ge|gt" and to="lt|le"; a range holds
// its beginning and not its end, unless it says otherwise.
func filterRange(p *property, inside string) (part, error) {
	fields := strings.Split(inside, ",")
	ends := map[string]string{"from": "ge", "to": "lt"}
	ops := map[string]string{"ge": ">=", "gt": ">", "lt": "<", "le": "<="}
	bad := badRequest("aggregationFilters: range(%s) is not range(from, to) of %q", inside, p.Name)
	if len(fields) < 2 {
		return nothing, bad
	}
	for _, f := range fields[2:] {
		k, v, _ := strings.Cut(f, "=")
		k, v = strings.TrimSpace(k), strings.Trim(strings.TrimSpace(v), `"`)
		if ends[k] == "" || ops[v] == "" {
			return nothing, bad
		}
		ends[k] = v
	}
	var conds []string
	var args []any
	for i, end := range []string{"from", "to"} {
		v, ok := readBound(p.typ.element(), fields[i])
		if !ok || p.typ.element() == tString {
			return nothing, bad
		}
		if v != nil {
			conds, args = append(conds, "v "+ops[ends[end]]+" ?"), append(args, v)
		}
	}
	if len(conds) == 0 {
		return part{sql: fmt.Sprintf("(i.%s IS NOT NULL)", p.column())}, nil
	}
	return compare(p, false, strings.Join(conds, " AND "), args...), nil
}
