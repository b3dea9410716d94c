package transform

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Profile gives what was seen so far. The profiler may go on afterwards.
func (r *Profiler) Profile() *Profile {
	p := r.p
	for _, c := range p.Columns {
		if len(p.Shapes) == 0 { // what a document does not have is empty
			c.Empty += p.Records - c.Count
			c.counts[classEmpty] += p.Records - c.Count
			c.Count = p.Records
		}
		c.finish()
	}
	return p
}

func (c *Column) finish() {
	c.Distinct, c.Exact = c.Values.distinct()
	if c.once != nil && len(c.once) < maxOnce && int64(len(c.once))+c.Repeats == c.Count-c.Empty {
		c.Distinct, c.Exact = int64(len(c.once)), true
	}
	c.Classes = map[string]int64{}
	for k, n := range c.counts {
		if n > 0 && class(k) != classEmpty {
			c.Classes[classNames[k]] = n
		}
	}
	c.Top = nil
	if c.top != nil {
		for value, n := range c.top {
			c.Top = append(c.Top, Tally{Value: value, Count: n})
		}
		slices.SortFunc(c.Top, func(a, b Tally) int {
			if a.Count != b.Count {
				return int(b.Count - a.Count)
			}
			return strings.Compare(a.Value, b.Value)
		})
		c.Top = c.Top[:min(len(c.Top), maxKept)]
	}
}

// maxKept is how many values of a column are written down: those of a column
// with more are no set of choices.
const maxKept = 64

// Column gives a column by its name; nil when the profile has none.
func (p *Profile) Column(name string) *Column {
	if p.byName == nil {
		p.byName = map[string]*Column{}
		for _, c := range p.Columns {
			p.byName[c.Name] = c
		}
	}
	return p.byName[name]
}

// ReadProfile reads the JSON form of a profile. A profile of a version that is
// not known is an error; who kept it makes another.
func ReadProfile(data []byte) (*Profile, error) {
	p := &Profile{}
	if err := json.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("the profile cannot be read: %w", err)
	}
	if p.Version != ProfileVersion {
		return nil, fmt.Errorf("the profile is of version %d, and this program knows %d", p.Version, ProfileVersion)
	}
	if slices.Contains(p.Columns, nil) || slices.Contains(p.Shapes, nil) {
		return nil, errors.New("the profile is damaged")
	}
	for _, c := range p.Columns {
		if slices.Contains(c.Layouts, nil) {
			return nil, errors.New("the profile is damaged")
		}
	}
	return p, nil
}

// UnmarshalJSON reads what json.Marshal has written of a column.
func (c *Column) UnmarshalJSON(data []byte) error {
	type plain Column // without this method
	if err := json.Unmarshal(data, (*plain)(c)); err != nil {
		return err
	}
	for name, n := range c.Classes {
		if i := slices.Index(classNames[:], name); i >= 0 {
			c.counts[i] = n
		}
	}
	c.counts[classEmpty] = c.Empty
	return nil
}

// values is the number of values that say something.
func (c *Column) values() int64 { return c.Count - c.Empty - c.counts[classNull] }

// filled is the number of cells that are not empty.
func (c *Column) filled() int64 { return c.Count - c.Empty }

// of counts the values of some classes.
func (c *Column) of(kinds ...class) (n int64) {
	for _, k := range kinds {
		n += c.counts[k]
	}
	return n
}

// mean is the mean length of the values in characters.
func (c *Column) mean() int64 {
	if c.filled() == 0 {
		return 0
	}
	return c.Chars / c.filled()
}

// few tells a column of few choices: each value stands several times.
func (c *Column) few() bool {
	n := int64(len(c.Top))
	return n > 0 && n < maxKept && (n <= 2 || c.filled() >= 3*n)
}

// keyPairs finds the sets of two or three columns that together tell the rows
// apart, best first, among the columns that are always filled.
func (r *Profiler) keyPairs(allowed func(*Column) bool) (keys [][]*Column, rows int) {
	var which []int
	for i, c := range r.rowCols {
		if i < maxWide && c.Empty == 0 && c.Distinct > 1 && allowed(c) {
			which = append(which, i)
		}
	}
	slices.SortStableFunc(which, func(a, b int) int { return int(r.rowCols[b].Distinct - r.rowCols[a].Distinct) })
	which = which[:min(len(which), 12)]
	for size := 2; size <= 3 && len(keys) == 0; size++ {
		for set := range subsets(which, size) {
			if r.tellsApart(set) {
				var cols []*Column
				for _, i := range set {
					cols = append(cols, r.rowCols[i])
				}
				keys = append(keys, cols)
			}
		}
	}
	return keys, len(r.rows)
}

func (r *Profiler) tellsApart(set []int) bool {
	if len(r.rows) < 2 {
		return false
	}
	seen := make(map[uint64]bool, len(r.rows))
	for _, row := range r.rows {
		h := uint64(0)
		for _, i := range set {
			h = (h ^ row[i]) * 0x9e3779b97f4a7c15
			h ^= h >> 29
		}
		if seen[h] {
			return false
		}
		seen[h] = true
	}
	return true
}

// subsets yields the subsets of a size, those of the first elements first.
func subsets(all []int, size int) func(yield func([]int) bool) {
	return func(yield func([]int) bool) {
		var walk func(from int, set []int) bool
		walk = func(from int, set []int) bool {
			if len(set) == size {
				return yield(slices.Clone(set))
			}
			for i := from; i < len(all); i++ {
				if !walk(i+1, append(set, all[i])) {
					return false
				}
			}
			return true
		}
		walk(0, nil)
	}
}

// Merge adds what another profile has seen: its records are others.
func (p *Profile) Merge(o *Profile) {
	p.Files += o.Files
	p.Records += o.Records
	p.Bad += o.Bad
	p.Blank += o.Blank
	p.Sampled = p.Sampled || o.Sampled
	for _, sh := range o.Shapes {
		i := slices.IndexFunc(p.Shapes, func(have *Shape) bool { return slices.Equal(have.Columns, sh.Columns) })
		switch {
		case i >= 0:
			p.Shapes[i].Files += sh.Files
		case len(p.Shapes) < maxKept:
			own := *sh
			p.Shapes = append(p.Shapes, &own)
		}
	}
	for _, c := range o.Columns {
		if mine := p.Column(c.Name); mine != nil {
			mine.merge(c)
			continue
		}
		if len(p.Columns) < maxColumns {
			own := c.clone()
			p.Columns = append(p.Columns, own)
			p.byName[own.Name] = own
		}
	}
}

// Forget takes a column out.
func (p *Profile) Forget(name string) {
	p.Columns = slices.DeleteFunc(p.Columns, func(c *Column) bool { return c.Name == name })
	delete(p.byName, name)
}

func (c *Column) clone() *Column {
	own := &Column{Name: c.Name}
	own.merge(c)
	own.Top = slices.Clone(c.Top)
	own.Exact = c.Exact
	return own
}

func (c *Column) merge(o *Column) {
	fresh := c.Count == 0
	if c.filled() == 0 || o.filled() > 0 && o.Min < c.Min {
		c.Min = o.Min
	}
	c.Max = max(c.Max, o.Max)
	c.mergeTop(o, fresh)
	c.Count += o.Count
	c.Empty += o.Empty
	c.Chars += o.Chars
	c.Lines += o.Lines
	if c.Classes == nil {
		c.Classes = map[string]int64{}
	}
	for k, n := range o.counts {
		c.counts[k] += n
	}
	for name, n := range o.Classes {
		c.Classes[name] += n
	}
	for _, l := range o.Layouts {
		c.mergeLayout(l)
	}
	if c.Values == nil {
		c.Values = newSketch(sketchK)
	}
	if o.Values != nil {
		c.Values.k = min(c.Values.k, o.Values.k)
		c.Values.trim()
		c.Values.merge(o.Values)
	}
	c.Distinct, c.Exact = c.Values.distinct()
	if c.Repeats >= 0 && o.Repeats >= 0 {
		c.Repeats += o.Repeats
	} else {
		c.Repeats = -1
	}
	c.mergeRange(o.EmptyShare)
}

// mergeTop adds up the values that are counted one by one. Once they are too
// many for that, they stay so.
func (c *Column) mergeTop(o *Column, fresh bool) {
	few := func(c *Column) bool { return c.filled() == 0 || len(c.Top) > 0 && len(c.Top) < maxKept }
	if !fresh && !few(c) || !few(o) {
		c.Top = nil
		return
	}
	counts := map[string]int64{}
	for _, t := range c.Top {
		counts[t.Value] += t.Count
	}
	for _, t := range o.Top {
		counts[t.Value] += t.Count
	}
	c.Top = nil
	for _, value := range slices.Sorted(maps.Keys(counts)) {
		c.Top = append(c.Top, Tally{Value: value, Count: counts[value]})
	}
	slices.SortStableFunc(c.Top, func(a, b Tally) int { return int(b.Count - a.Count) })
	if len(c.Top) >= maxKept {
		c.Top = nil
	}
}

func (c *Column) mergeLayout(l *Layout) {
	i := slices.IndexFunc(c.Layouts, func(have *Layout) bool { return looseLayout(have.Layout) == looseLayout(l.Layout) })
	if i < 0 {
		own := *l
		c.Layouts = append(c.Layouts, &own)
		return
	}
	have := c.Layouts[i]
	have.Count += l.Count
	have.Day += l.Day
	have.Month += l.Month
	have.Clock += l.Clock
	have.Zone += l.Zone
	if l.Loose {
		have.Loose, have.Layout = true, looseLayout(l.Layout)
	}
}

func (c *Column) mergeRange(o *Range) {
	switch {
	case o == nil:
	case c.EmptyShare == nil:
		own := *o
		c.EmptyShare = &own
	default:
		c.EmptyShare.Min = min(c.EmptyShare.Min, o.Min)
		c.EmptyShare.Max = max(c.EmptyShare.Max, o.Max)
		c.EmptyShare.Of += o.Of
	}
}

// trim lets go of the hashes over k.
func (s *sketch) trim() {
	if len(s.heap) <= s.k {
		return
	}
	all := slices.Sorted(slices.Values(s.heap))[:s.k]
	*s = sketch{k: s.k, has: map[uint64]struct{}{}}
	for _, h := range all {
		s.add(h)
	}
}
