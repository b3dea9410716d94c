package localgraph

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Result templates: a connection has up to two cards, each with rules over the
// properties of an item. With resultTemplateOptions a hit names the first, by
// priority, whose rules all hold, and the answer carries the cards it used.

// A templateOption is an object in the model and in samples, and a collection
// on the reference page.
type templateOption struct {
	Enable bool `json:"enableResultTemplate"`
}

func (o *templateOption) UnmarshalJSON(raw []byte) error {
	type plain templateOption
	if kindOf(raw) != '[' {
		return json.Unmarshal(raw, (*plain)(o))
	}
	var list []plain
	err := json.Unmarshal(raw, &list)
	for _, p := range list {
		o.Enable = o.Enable || p.Enable
	}
	return err
}

// templatesOf gives a connection's cards in the order in which they are tried.
func templatesOf(cn *connection) []displayTemplate {
	var s searchSettings
	_ = json.Unmarshal(cn.doc.SearchSettings, &s) // nothing, or checked when it was stored
	list := slices.DeleteFunc(s.Templates, func(t displayTemplate) bool { return t.Layout == nil })
	priority := func(t displayTemplate) int64 {
		if t.Priority == nil {
			return math.MaxInt64
		}
		return int64(*t.Priority)
	}
	slices.SortStableFunc(list, func(a, b displayTemplate) int { return cmp.Compare(priority(a), priority(b)) })
	return list
}

// template names the card of an item, and notes it for the answer; "" is none.
func (q *query) template(cn *connection, props string) string {
	list, ok := q.cards[cn]
	if !ok {
		list = templatesOf(cn)
		q.cards[cn] = list
	}
	if len(list) == 0 {
		return ""
	}
	values := map[string]any{}
	dec := json.NewDecoder(strings.NewReader(props))
	dec.UseNumber()
	if dec.Decode(&values) != nil {
		return "" // unreachable: the store holds valid JSON
	}
	for _, t := range list {
		if !slices.ContainsFunc(t.Rules, func(r propertyRule) bool { return !r.holds(cn.schema, values) }) {
			return q.use(cn, t)
		}
	}
	return ""
}

// use puts a card into the answer. Ids are unique within a connection only;
// the second one of a name gets the connection's id behind it.
func (q *query) use(cn *connection, t displayTemplate) string {
	card := map[string]any{"displayName": cn.doc.Name, "body": t.Layout}
	for _, id := range []string{t.ID, t.ID + "-" + cn.id} {
		used, taken := q.used[id]
		if !taken {
			q.used[id] = card
			return id
		}
		if used["displayName"] == card["displayName"] && bytes.Equal(used["body"].(json.RawMessage), t.Layout) {
			return id
		}
	}
	return "" // unreachable: a connection's own id is taken by nobody else
}

// holds tells whether a rule holds for an item's properties. Of a collection
// one element is enough; the not- operations negate that.
func (r *propertyRule) holds(sc *schema, values map[string]any) bool {
	p := sc.query[strings.ToLower(r.Property)]
	var have []any
	if p != nil {
		switch v := values[p.Name].(type) {
		case nil:
		case []any:
			have = v
		default:
			have = []any{v}
		}
	}
	op, negate := strings.CutPrefix(r.Operation, "not")
	op = strings.ToLower(op)
	if op == "null" || op == "" {
		return op == "null" && len(have) == 0
	}
	one := func(want string) bool {
		return slices.ContainsFunc(have, func(v any) bool { return compares(op, v, want) }) != negate
	}
	if r.JoinedBy == "and" {
		return !slices.ContainsFunc(r.Values, func(want string) bool { return !one(want) })
	}
	return slices.ContainsFunc(r.Values, one)
}

// compares compares numbers as numbers, dates as dates, and all else as text
// in any case.
func compares(op string, have any, want string) bool {
	text, ok := have.(string)
	if !ok {
		raw, _ := json.Marshal(have) // cannot fail: it was JSON
		text = string(raw)
	}
	order := strings.Compare(strings.ToLower(text), strings.ToLower(want))
	if a, ok := have.(json.Number); ok {
		x, err := a.Float64()
		y, err2 := strconv.ParseFloat(want, 64)
		if op != "contains" && op != "startswith" && cmp.Or(err, err2) != nil {
			return false // a number and no number have no order
		}
		order = cmp.Compare(x, y)
	} else if a, ok := parseDate(text, true); ok {
		if b, ok := parseDate(want, true); ok {
			order = a.Compare(b)
		}
	}
	switch op {
	case "equals":
		return order == 0
	case "lessthan":
		return order < 0
	case "greaterthan":
		return order > 0
	case "contains":
		return strings.Contains(strings.ToLower(text), strings.ToLower(want))
	}
	return strings.HasPrefix(strings.ToLower(text), strings.ToLower(want))
}
