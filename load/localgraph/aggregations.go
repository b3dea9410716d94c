package localgraph

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An aggregation counts the hits by the values of a property, or by ranges.
type aggregation struct {
	Field  string `json:"field"`
	Size   *int   `json:"size"`
	Bucket struct {
		SortBy       string        `json:"sortBy"`
		IsDescending bool          `json:"isDescending"`
		MinimumCount int64         `json:"minimumCount"`
		PrefixFilter string        `json:"prefixFilter"`
		Ranges       []bucketRange `json:"ranges"`
	} `json:"bucketDefinition"`

	typ     ptype
	buckets []bucket
}

type bucketRange struct {
	From string `json:"from"`
	To   string `json:"to"`
}

type bucket struct {
	Key   string `json:"key"`
	Count int64  `json:"count"`
	Token string `json:"aggregationFilterToken"`

	num float64 // the key as a number, to sort by
}

// tokenMark opens a token that stands for one value: two U+01C2 and the
// value's UTF-8 in hexadecimal.
const tokenMark = "ǂǂ"

func valueToken(key string) string {
	return `"` + tokenMark + hex.EncodeToString([]byte(key)) + `"`
}

// prepare checks an aggregation against the first connection that can refine
// by its field.
func (a *aggregation) prepare(sources []*source) error {
	for _, src := range sources {
		if p := src.cn.schema.query[strings.ToLower(a.Field)]; p != nil && p.Refinable {
			a.typ = p.typ.element()
			break
		}
	}
	switch a.Bucket.SortBy {
	case "", "count", "keyAsString", "keyAsNumber":
	default:
		return badRequest("aggregations: %s: sortBy is count, keyAsString or keyAsNumber, not %q", a.Field, a.Bucket.SortBy)
	}
	if a.Size != nil && (*a.Size < 0 || *a.Size > 65535) {
		return badRequest("aggregations: %s: size is 0 to 65535", a.Field)
	}
	if len(a.Bucket.Ranges) > 100 {
		return badRequest("aggregations: %s: at most 100 ranges", a.Field)
	}
	for _, r := range a.Bucket.Ranges {
		lo, ok := a.bound(r.From)
		_, ok2 := a.bound(r.To)
		if !ok || !ok2 || a.typ == tString || a.typ == tBoolean {
			return badRequest("aggregations: %s: the range from %q to %q is not of the property's type", a.Field, r.From, r.To)
		}
		key := rangeText(r)
		a.buckets = append(a.buckets, bucket{Key: key, Token: key, num: numOf(lo)})
	}
	return nil
}

func rangeText(r bucketRange) string {
	from, to, end := cmp.Or(r.From, "min"), cmp.Or(r.To, "max"), ""
	if to == "max" {
		end = `, to="le"`
	}
	return fmt.Sprintf("range(%s, %s%s)", from, to, end)
}

// bound reads an end of a range; none is nil.
func (a *aggregation) bound(s string) (any, bool) { return readBound(a.typ, s) }

func readBound(t ptype, s string) (any, bool) {
	s = strings.Trim(strings.TrimSpace(s), `"`)
	if s == "" || s == "min" || s == "max" {
		return nil, true
	}
	if t == tDateTime {
		at, ok := parseDate(s, true)
		return at.UnixMicro(), ok
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && !math.IsNaN(f)
}

func numOf(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return math.Inf(-1) // min
}

// groups selects (2+i, 0, NULL, key or number of the range, count) from the
// hits. An item with several values counts once under each.
func (a *aggregation) groups(i int) (string, []any) {
	// l tells a collection; both shapes may meet when several connections
	// are searched, so that a plain value is put into an array of its own.
	from := fmt.Sprintf("(SELECT DISTINCT h.c, h.n, j.value AS v FROM h, json_each(CASE h.l%d WHEN 1 THEN h.a%[1]d ELSE json_array(h.a%[1]d) END) j WHERE h.a%[1]d IS NOT NULL AND h.l%[1]d = 1"+
		" UNION ALL SELECT h.c, h.n, h.a%[1]d FROM h WHERE h.l%[1]d = 0 AND h.a%[1]d IS NOT NULL)", i)
	if len(a.Bucket.Ranges) == 0 {
		return fmt.Sprintf("SELECT * FROM (SELECT %d, 0, NULL, v, count(*) FROM %s GROUP BY v)", i+2, from), nil
	}
	var sql strings.Builder
	var args []any
	for k, r := range a.Bucket.Ranges {
		lo, _ := a.bound(r.From) // checked by prepare
		hi, _ := a.bound(r.To)
		if k > 0 {
			sql.WriteString(" UNION ALL ")
		}
		fmt.Fprintf(&sql, "SELECT %d, 0, NULL, %d, count(*) FROM %s WHERE true", i+2, k, from)
		if lo != nil {
			sql.WriteString(" AND v >= ?")
			args = append(args, lo)
		}
		if hi != nil {
			sql.WriteString(" AND v < ?")
			args = append(args, hi)
		}
	}
	return sql.String(), args
}

func (a *aggregation) add(key any, count int64) {
	if len(a.Bucket.Ranges) > 0 {
		a.buckets[key.(int64)].Count = count
		return
	}
	b := bucket{Count: count}
	switch k := key.(type) {
	case int64:
		b.Key, b.num = strconv.FormatInt(k, 10), float64(k)
		switch a.typ {
		case tDateTime:
			b.Key = time.UnixMicro(k).UTC().Format(time.RFC3339Nano)
		case tBoolean:
			b.Key = strconv.FormatBool(k != 0)
		}
	case float64:
		b.Key, b.num = strconv.FormatFloat(k, 'g', -1, 64), k
	case string:
		b.Key = k
		b.num, _ = strconv.ParseFloat(k, 64) // not a number: 0
	}
	if !strings.HasPrefix(foldToken(b.Key), foldToken(a.Bucket.PrefixFilter)) {
		return
	}
	b.Token = valueToken(b.Key)
	a.buckets = append(a.buckets, b)
}

func (a *aggregation) answer() map[string]any {
	list := slices.DeleteFunc(a.buckets, func(b bucket) bool { return b.Count < a.Bucket.MinimumCount })
	slices.SortStableFunc(list, func(x, y bucket) int {
		n := 0
		switch a.Bucket.SortBy {
		case "keyAsString":
			n = strings.Compare(x.Key, y.Key)
		case "keyAsNumber":
			n = cmp.Compare(x.num, y.num)
		default:
			n = cmp.Compare(x.Count, y.Count)
		}
		if a.Bucket.IsDescending {
			n = -n
		}
		return cmp.Or(n, strings.Compare(x.Key, y.Key))
	})
	if a.Size != nil && *a.Size < len(list) {
		list = list[:*a.Size]
	}
	if list == nil {
		list = []bucket{}
	}
	return map[string]any{"field": a.Field, "buckets": list}
}

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
