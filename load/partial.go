package load

import (
	"context"
	"encoding/json"
	"slices"
	"sync"

	"importer/transform"
)

// Merging says whether a service keeps what the body of a PUT leaves out of an
// item. The pages of the API disagree: "Update externalItem" (2026-07) keeps
// it, an older page of "Create externalItem" overwrites the item.
type Merging string

// What is known of a service's merging. The zero value is not yet known.
const (
	MergesUnknown Merging = ""
	Merges        Merging = "yes"
	MergesNot     Merging = "no"
)

// A Partial target sends only the parts of an item that have changed (see
// transform.Item.Send) once it is known that the service merges. While that is
// not known it finds out: it sends one item in part, reads it back, and if
// anything is missing sends it whole at once, and from then on all others.
//
// It is safe for concurrent use.
type Partial struct {
	Target
	// Get reads an item back. Its error says that nothing could be learned.
	Get func(ctx context.Context, id string) (*StoredItem, error)

	mu      sync.Mutex // guards the fields below
	known   Merging
	probing bool
	tries   int // probes that have told nothing
}

// NewPartial makes a target of which so much is known.
func NewPartial(t Target, get func(ctx context.Context, id string) (*StoredItem, error), known Merging) *Partial {
	return &Partial{Target: t, Get: get, known: known}
}

// Known is what is known now.
func (p *Partial) Known() Merging {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known
}

// Assume tells what was learned of the service before; what is known already
// stands.
func (p *Partial) Assume(m Merging) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == MergesUnknown {
		p.known = m
	}
}

// Requests is the Target's own count.
func (p *Partial) Requests(items int) int {
	return requests(p.Target, items)
}

// Put stores items, in part where that is safe. An item that is refused in part
// is sent whole before that counts: the service may not have it any more.
func (p *Partial) Put(ctx context.Context, items []*transform.Item) []Result {
	probe := p.prepare(items)
	if probe >= 0 {
		return p.probe(ctx, items, probe)
	}
	results := p.Target.Put(ctx, items)
	var again []*transform.Item
	var at []int
	for i, it := range items {
		if it.Send != 0 && i < len(results) && results[i].Fate == Rejected {
			it.Send = 0
			again, at = append(again, it), append(at, i)
		}
	}
	if len(again) > 0 {
		for n, res := range p.Target.Put(ctx, again) {
			results[at[n]] = res
		}
	}
	return results
}

// prepare decides how the items go, and gives the index of the one by which it
// is found out whether the service merges; -1 is none.
func (p *Partial) prepare(items []*transform.Item) (probe int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	probe = -1
	if p.known == Merges {
		return probe
	}
	for i, it := range items {
		switch {
		case it.Send == 0:
		case it.Send == transform.PartActivities: // they are added, not put
		case p.known == MergesUnknown && !p.probing && probe < 0 && keeps(it):
			probe, p.probing = i, true
		default:
			it.Send = 0
		}
	}
	return probe
}

// keeps tells whether an item that is sent in part leaves out anything that
// could be missed.
func keeps(it *transform.Item) bool {
	return it.Send&(transform.PartACL|transform.PartProperties) != transform.PartACL|transform.PartProperties ||
		it.Send&transform.PartContent == 0 && it.Content.Value != ""
}

func (p *Partial) probe(ctx context.Context, items []*transform.Item, at int) []Result {
	it := items[at]
	learned := MergesUnknown
	first := Result{Err: errNoAnswer}
	if res := p.Target.Put(ctx, items[at:at+1]); len(res) == 1 {
		first = res[0]
	}
	if first.Fate == Stored {
		if have, err := p.Get(ctx, it.ID); err == nil {
			learned = merged(it, have)
		}
	}
	p.learn(learned, first.Fate != Unsettled)
	if first.Fate == Unsettled { // an outage or a throttle is the others' as well
		return slices.Repeat([]Result{first}, len(items))
	}
	if learned != Merges {
		it.Send = 0 // whatever became of it, now it goes whole
		return p.Target.Put(ctx, items)
	}
	results := make([]Result, len(items))
	results[at] = Result{Fate: Stored}
	rest := append(items[:at:at], items[at+1:]...)
	for i, res := range p.Target.Put(ctx, rest) {
		if i >= at {
			i++
		}
		results[i] = res
	}
	return results
}

func (p *Partial) learn(learned Merging, settled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.probing = false
	if settled {
		p.tries++
	}
	if learned == MergesUnknown && p.tries >= 3 {
		learned = MergesNot // the safe one
	}
	p.known = learned
}

// merged tells whether what was left out of it is still there.
func merged(it *transform.Item, have *StoredItem) Merging {
	switch {
	case it.Send&transform.PartACL == 0 && len(have.ACL) == 0,
		it.Send&transform.PartProperties == 0 && len(it.Properties) > 0 && !anyValue(have.Properties),
		it.Send&transform.PartContent == 0 && it.Content.Value != "" && (have.Content == nil || have.Content.Value == ""):
		return MergesNot
	}
	return Merges
}

func anyValue(props map[string]json.RawMessage) bool {
	for _, v := range props {
		if s := string(v); s != "null" && s != `""` {
			return true
		}
	}
	return false
}
