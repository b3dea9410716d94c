package localgraph

import (
	"cmp"
	"database/sql/driver"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"modernc.org/sqlite"
)

// The hits of a search go from SQLite to a collector, one call for each hit,
// and never into a table: the total, the groups, the trimming and the best of
// them come of one pass. Next to a materialized table that is sorted, counted
// and grouped by SQL this takes half of the CPU, and memory only for what is
// kept.
//
// bm25 costs more than all else that is done for a hit. So when an index leads
// to the hits, the first pass only counts them, and a second one scores those
// that the page may be made of (see narrow).

// collectors are the searches under way, by the number that their statements
// carry: SQL functions belong to the process, not to a search.
var collectors struct {
	sync.Map // int64 -> *collector
	last     atomic.Int64
}

func collectorOf(v driver.Value) (*collector, error) {
	if n, ok := v.(int64); ok {
		if c, ok := collectors.Load(n); ok {
			return c.(*collector), nil
		}
	}
	return nil, fmt.Errorf("no search has the number %v", v) // unreachable: statements carry the number of their search
}

// A found is a hit.
type found struct {
	n        int64 // its row
	source   int   // its connection, among the sources
	tier     int   // what sets it apart
	score    float64
	modified int64          // unix ms
	keys     []driver.Value // to sort by
	groups   []string       // to trim by, one for each collapseProperty; "" is none

	collapsed bool // it stands for others
}

// A collector belongs to one search, which runs its statements one by one.
type collector struct {
	number int64
	now    int64 // unix ms
	keep   int   // how many of the best are wanted
	desc   []bool
	aggs   []*aggregation
	trim   []collapseProperty
	widths []int // how many values each of trim takes

	visits []visit // parallel to the query's sources
	at     *visit  // whose statement is running

	total  int
	least  int // the lowest tier that a second pass scores
	best   []found
	sorted int // so many of best are in order, and the next one must beat the last of them
	groups map[string]*group
	keys   []driver.Value // of the hit at hand
	text   []byte

	like *likeness // for spelling
}

// A visit is what the search of one source needs.
type visit struct {
	i       int    // the source
	granted bitset // ACLs that name the searcher
	denied  bitset
	tiers   [titleIs + 1]bitset // rows
	scores  []float32           // by row, when no index leads
	lists   []bool              // which of the aggregations are by a collection
	sets    []bitset            // of rows, that conditions ask for
	later   bool                // a second pass scores the hits
	hits    bitset              // those
}

// may tells whether the searcher may read what has the ACL.
func (p *visit) may(acl int64) bool { return p.granted.has(acl) && !p.denied.has(acl) }

// tier is the highest one, of those found so far, that a row is in; 0 is none.
func (p *visit) tier(n int64) int {
	for t := titleIs; t > 0; t-- {
		if p.tiers[t].has(n) {
			return t
		}
	}
	return 0
}

// size counts the hits that are in a tier, and in none above.
func (p *visit) size(t int) (n int) {
	for i, w := range p.tiers[t] {
		if i >= len(p.hits) {
			break
		}
		w &= p.hits[i]
		for _, above := range p.tiers[t+1:] {
			if i < len(above) {
				w &^= above[i]
			}
		}
		n += bits.OnesCount64(w)
	}
	return n
}

// A bitset holds numbers of rows or ACLs.
type bitset []uint64

func (b bitset) has(n int64) bool {
	i := uint64(n) / 64
	return i < uint64(len(b)) && b[i]&(1<<(uint64(n)%64)) != 0
}

func (b *bitset) set(n int64) {
	i := uint64(n) / 64
	if i >= uint64(len(*b)) {
		*b = append(*b, make([]uint64, i+1-uint64(len(*b)))...)
	}
	(*b)[i] |= 1 << (uint64(n) % 64)
}

// newCollector makes the collector of a query; close it.
func newCollector(q *query) *collector {
	c := &collector{number: collectors.last.Add(1), now: q.now.UnixMilli(), keep: min(q.req.From, math.MaxInt32) + q.size, aggs: q.aggs, trim: q.req.Collapse}
	if q.size == 0 {
		c.keep = 0
	}
	for _, k := range q.sort {
		c.desc = append(c.desc, bool(k.IsDescending))
	}
	for _, t := range c.trim {
		c.widths = append(c.widths, len(t.Fields))
	}
	if len(c.trim) > 0 {
		c.groups = map[string]*group{}
	}
	c.keys = make([]driver.Value, len(c.desc))
	c.visits = make([]visit, len(q.sources))
	collectors.Store(c.number, c)
	return c
}

func (c *collector) close() { collectors.Delete(c.number) }

// hit takes one hit: its row, its score (lower is better, as of bm25), when it
// changed, then the values to sort, to count and to trim by. Texts are only
// good for the call.
func (c *collector) hit(args []driver.Value) {
	c.total++
	f := found{source: c.at.i}
	f.n, _ = args[0].(int64)
	f.modified, _ = args[2].(int64)
	score, values := args[1], args[3:]
	for i := range c.keys {
		c.keys[i] = values[i]
		if s, ok := values[i].(string); ok {
			c.keys[i] = foldToken(s)
		}
	}
	values = values[len(c.keys):]
	for i, a := range c.aggs {
		a.count(values[i], c.at.lists[i])
	}
	f.keys = c.keys
	switch {
	case c.at.later:
		c.at.hits.set(f.n)
	case len(c.trim) > 0:
		c.rank(&f, score)
		c.group(f, values[len(c.aggs):])
	case c.keep > 0:
		c.rank(&f, score)
		c.offer(f)
	}
}

// hitAgain takes a hit in the second pass.
func (c *collector) hitAgain(args []driver.Value) {
	f := found{source: c.at.i}
	f.n, _ = args[0].(int64)
	f.modified, _ = args[2].(int64)
	c.rank(&f, args[1])
	c.offer(f)
}

// wanted tells whether the second pass scores a row.
func (c *collector) wanted(n int64) bool { return c.at.hits.has(n) && c.at.tier(n) >= c.least }

// rank gives a hit its tier and score. Of equal matches the more recent one
// comes first, and of nearly equal ones too: what is of today counts a tenth
// more, what is a year old a twentieth.
func (c *collector) rank(f *found, score driver.Value) {
	f.tier = c.at.tier(f.n)
	if s, ok := score.(float64); ok {
		f.score = -s
	} else if f.n < int64(len(c.at.scores)) {
		f.score = -float64(c.at.scores[f.n])
	}
	const year = 31_557_600_000
	f.score *= 1 + 0.1/(1+float64(max(0, c.now-f.modified))/year)
}

// compare orders hits, the better one first.
func (c *collector) compare(a, b *found) int {
	for i, desc := range c.desc {
		if n := compareKeys(a.keys[i], b.keys[i], desc); n != 0 {
			return n
		}
	}
	return cmp.Or(
		cmp.Compare(b.tier, a.tier),
		cmp.Compare(b.score, a.score),
		cmp.Compare(b.modified, a.modified),
		cmp.Compare(a.source, b.source),
		cmp.Compare(a.n, b.n))
}

// compareKeys orders values; none is last either way.
func compareKeys(a, b driver.Value, desc bool) int {
	if a == nil || b == nil {
		switch {
		case a == nil && b == nil:
			return 0
		case a == nil:
			return 1
		}
		return -1
	}
	n := 0
	if s, ok := a.(string); ok {
		if t, ok := b.(string); ok {
			n = strings.Compare(s, t)
		} else {
			n = 1 // of another connection: numbers before text
		}
	} else if _, ok := b.(string); ok {
		n = -1
	} else {
		n = compareNumbers(a, b)
	}
	if desc {
		return -n
	}
	return n
}

func compareNumbers(a, b driver.Value) int {
	x, ok := a.(int64)
	y, ok2 := b.(int64)
	if ok && ok2 {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(numOf(a), numOf(b))
}

// offer keeps a hit if it is among the best so far.
func (c *collector) offer(f found) {
	if c.sorted > 0 && c.sorted == c.keep && c.compare(&f, &c.best[c.sorted-1]) >= 0 {
		return
	}
	c.best = append(c.best, f.own())
	if len(c.best) >= 2*c.keep+64 {
		c.settle()
	}
}

// own makes the hit's values its own.
func (f found) own() found {
	f.keys = slices.Clone(f.keys)
	for i, k := range f.keys {
		if s, ok := k.(string); ok {
			f.keys[i] = strings.Clone(s)
		}
	}
	return f
}

// settle puts the best in order and drops the others.
func (c *collector) settle() {
	slices.SortFunc(c.best, func(a, b found) int { return c.compare(&a, &b) })
	c.best = c.best[:min(len(c.best), c.keep)]
	c.sorted = len(c.best)
}

// page gives the hits wanted, in order, from the first one on.
func (c *collector) page(from int) []found {
	if len(c.trim) > 0 {
		c.collapse()
	}
	c.settle()
	return c.best[min(from, len(c.best)):]
}

// mark puts a row into a tier.
func (c *collector) mark(tier, n int64) { c.at.tiers[tier].set(n) }

// note keeps a row's score for hit.
func (c *collector) note(n int64, score float64) {
	p := c.at
	if n >= int64(len(p.scores)) {
		p.scores = append(p.scores, make([]float32, n+1-int64(len(p.scores)))...)
	}
	p.scores[n] = float32(score)
}

// acl notes that an ACL names the searcher.
func (c *collector) acl(n int64, deny bool) {
	if deny {
		c.at.denied.set(n)
	} else {
		c.at.granted.set(n)
	}
}

// A step makes an aggregate function, without a result, of a function that is
// called with each row.
type step struct {
	c *collector
	f func(c *collector, args []driver.Value)
}

func (s *step) Step(_ *sqlite.FunctionContext, args []driver.Value) (err error) {
	if s.c == nil {
		if s.c, err = collectorOf(args[0]); err != nil {
			return err
		}
	}
	s.f(s.c, args[1:])
	return nil
}

func (s *step) WindowInverse(*sqlite.FunctionContext, []driver.Value) error { return nil }

func (s *step) WindowValue(*sqlite.FunctionContext) (driver.Value, error) { return nil, nil }

func (s *step) Final(*sqlite.FunctionContext) {}

func registerStep(name string, f func(c *collector, args []driver.Value)) error {
	return sqlite.RegisterFunction(name, &sqlite.FunctionImpl{NArgs: -1, VolatileArgs: true,
		MakeAggregate: func(sqlite.FunctionContext) (sqlite.AggregateFunction, error) { return &step{f: f}, nil }})
}

// sqlIn is kql_in(search, set, row): whether a row is in a set.
func sqlIn(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
	c, err := collectorOf(args[0])
	if err != nil {
		return nil, err
	}
	return truth(c.at.sets[args[1].(int64)].has(args[2].(int64))), nil
}

// asks makes an SQL function of a question about a number: name(search, n).
func asks(name string, f func(c *collector, n int64) bool) error {
	return sqlite.RegisterFunction(name, &sqlite.FunctionImpl{NArgs: 2, Scalar: func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		c, err := collectorOf(args[0])
		if err != nil {
			return nil, err
		}
		n, ok := args[1].(int64)
		return truth(ok && f(c, n)), nil
	}})
}
