package localgraph

import (
	"cmp"
	"database/sql/driver"
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
		IsDescending lenientBool   `json:"isDescending"` // a string in the samples of the concept page
		MinimumCount int64         `json:"minimumCount"`
		PrefixFilter string        `json:"prefixFilter"`
		Ranges       []bucketRange `json:"ranges"`
	} `json:"bucketDefinition"`

	typ     ptype
	texts   map[string]*int64
	numbers map[driver.Value]int64
	ranges  []valueRange // nil: by values
	buckets []bucket
}

// maxAggregations is not documented; SQLite takes a thousand values a hit.
const maxAggregations = 100

// maxBuckets is how many buckets an aggregation answers ("The maximum returned
// value is 100 buckets", aggregationOption page).
const maxBuckets = 100

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

// A valueRange is a range as values are held against it: lo <= v < hi; nil is
// open.
type valueRange struct{ lo, hi any }

func (r *valueRange) holds(v driver.Value) bool {
	if _, ok := v.(string); ok {
		return false // of another connection
	}
	return (r.lo == nil || compareNumbers(v, r.lo) >= 0) && (r.hi == nil || compareNumbers(v, r.hi) < 0)
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
	if a.Bucket.SortBy != "" {
		by, ok := spelled([]string{"count", "keyAsString", "keyAsNumber"}, a.Bucket.SortBy)
		if !ok {
			return badRequest("aggregations: %s: sortBy is count, keyAsString or keyAsNumber, not %q", a.Field, a.Bucket.SortBy)
		}
		a.Bucket.SortBy = by
	}
	if a.Size != nil && (*a.Size < 1 || *a.Size > 65535) {
		return badRequest("aggregations: %s: size is 1 to 65535", a.Field)
	}
	if len(a.Bucket.Ranges) > maxBuckets {
		return badRequest("aggregations: %s: at most %d ranges", a.Field, maxBuckets)
	}
	a.texts, a.numbers = map[string]*int64{}, map[driver.Value]int64{}
	for _, r := range a.Bucket.Ranges {
		lo, ok := readBound(a.typ, r.From)
		hi, ok2 := readBound(a.typ, r.To)
		if !ok || !ok2 || a.typ == tString || a.typ == tBoolean {
			return badRequest("aggregations: %s: the range from %q to %q is not of the property's type", a.Field, r.From, r.To)
		}
		a.ranges = append(a.ranges, valueRange{lo, hi})
		a.buckets = append(a.buckets, bucket{Key: r.text(a.typ), Token: r.token(), num: numOf(lo)})
	}
	return nil
}

// token spells a range as aggregationFilters take it.
func (r bucketRange) token() string {
	from, to, end := cmp.Or(r.From, "min"), cmp.Or(r.To, "max"), ""
	if to == "max" {
		end = `, to="le"`
	}
	return fmt.Sprintf("range(%s, %s%s)", from, to, end)
}

// text is a range's key, worded as in the samples of the aggregation page.
func (r bucketRange) text(t ptype) string {
	below, between, above := "Less than %s", "%s up to %s", "%s and up"
	if t == tDateTime {
		below, between, above = "Before %s", "From %s up to %s", "%s or later"
	}
	from, to := strings.TrimPrefix(r.From, "min"), strings.TrimPrefix(r.To, "max")
	switch {
	case from == "" && to == "":
		return r.token()
	case from == "":
		return fmt.Sprintf(below, to)
	case to == "":
		return fmt.Sprintf(above, from)
	}
	return fmt.Sprintf(between, from, to)
}

// readBound reads an end of a range; none is nil.
func readBound(t ptype, s string) (any, bool) {
	s = strings.Trim(strings.TrimSpace(s), `"`)
	if s == "" || s == "min" || s == "max" {
		return nil, true
	}
	if t == tDateTime {
		at, ok := parseDate(s, true)
		return at.UnixMicro(), ok
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
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

// count adds a hit under its value, or under each of a list of values once.
// Texts are only good for the call.
func (a *aggregation) count(v driver.Value, list bool) {
	if v == nil {
		return
	}
	if !list {
		a.add(v)
		return
	}
	text, _ := v.(string)
	if text == "" {
		return // unreachable: lists are stored as JSON
	}
	var values []driver.Value
	_ = walkArray([]byte(text), func(el []byte) error { // cannot fail: f does not
		if v := a.element(el); v != nil && !slices.Contains(values, v) {
			values = append(values, v)
		}
		return nil
	})
	if a.ranges == nil {
		for _, v := range values {
			a.add(v)
		}
		return
	}
	for i := range a.ranges {
		if slices.ContainsFunc(values, a.ranges[i].holds) {
			a.buckets[i].Count++
		}
	}
}

// element reads a value of a stored list.
func (a *aggregation) element(raw []byte) driver.Value {
	if kindOf(raw) == '"' {
		return unquote(raw)
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return nil // unreachable: lists hold numbers and texts
	}
	return f
}

func (a *aggregation) add(v driver.Value) {
	if a.ranges != nil {
		for i := range a.ranges {
			if a.ranges[i].holds(v) {
				a.buckets[i].Count++
			}
		}
		return
	}
	switch k := v.(type) {
	case string:
		if n := a.texts[k]; n != nil { // by pointer: an assignment would keep the key
			*n++
		} else {
			a.texts[strings.Clone(k)] = new(int64(1))
		}
	case float64: // a whole number of another connection may be an integer
		if n := int64(k); float64(n) == k {
			v = n
		}
		a.numbers[v]++
	default:
		a.numbers[v]++
	}
}

// gather makes buckets of the values that were counted.
func (a *aggregation) gather() {
	prefix := foldToken(a.Bucket.PrefixFilter)
	take := func(b bucket) {
		if strings.HasPrefix(foldToken(b.Key), prefix) {
			b.Token = valueToken(b.Key)
			a.buckets = append(a.buckets, b)
		}
	}
	for key, n := range a.texts {
		num, _ := strconv.ParseFloat(key, 64) // not a number: 0
		take(bucket{Key: key, Count: *n, num: num})
	}
	for v, n := range a.numbers {
		b := bucket{Count: n, num: numOf(v)}
		switch k := v.(type) {
		case int64:
			b.Key = strconv.FormatInt(k, 10)
			switch a.typ {
			case tDateTime:
				b.Key = time.UnixMicro(k).UTC().Format(time.RFC3339Nano)
			case tBoolean:
				b.Key = strconv.FormatBool(k != 0)
			}
		case float64:
			b.Key = strconv.FormatFloat(k, 'g', -1, 64)
		}
		take(b)
	}
}

func (a *aggregation) answer() map[string]any {
	a.gather()
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
	if a.Size != nil && a.ranges == nil { // ranges are all answered, as in the samples
		list = list[:min(*a.Size, len(list))]
	}
	list = list[:min(maxBuckets, len(list))]
	if list == nil {
		list = []bucket{}
	}
	return map[string]any{"field": a.Field, "buckets": list}
}

// A lenientBool takes "true" for true.
type lenientBool bool

func (b *lenientBool) UnmarshalJSON(raw []byte) error {
	v, err := strconv.ParseBool(strings.Trim(string(raw), `"`))
	if err != nil && string(raw) != "null" {
		return fmt.Errorf("%s is neither true nor false", raw)
	}
	*b = lenientBool(v)
	return nil
}
