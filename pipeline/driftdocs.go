package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"importer/extract"
	"importer/pipeline/state"
	"importer/transform"
)

// Documents have no columns. What they can lose is what the mapping makes of
// them: after a new design of a web site no select() finds anything, and after
// another export no document has an author. So a crawl counts which properties
// its documents have, and the next one looks at the first of those that it is to
// read before anything is written: a property that nearly every document had and
// none has is a change.
//
// What is looked at is little, as documents are dear: some files, none of them
// large, and none in a first crawl. A cache keeps what was read of them.
const (
	docFiles  = 20      // files of a source
	docBytes  = 4 << 20 // the largest
	docParts  = 20      // records of a file
	docLeast  = 10      // records from which a source is judged
	docShare  = 0.9     // of records that had a value, to say that they all did
	docMemory = 400     // records that count, of a source
)

// A fill counts the records that have a value.
type fill struct {
	With int64  `json:"with"`
	Of   int64  `json:"of"`
	By   string `json:"by"` // the expression that makes it
}

// fills are those of a source's properties, by name.
type fills map[string]fill

func (f fills) add(others fills) fills {
	all := maps.Clone(f)
	if all == nil {
		all = fills{}
	}
	for name, o := range others {
		n := all[name]
		if n.By != o.By { // the mapping has changed
			n = fill{By: o.By}
		}
		n.With, n.Of = n.With+o.With, n.Of+o.Of
		if n.Of > docMemory { // what was lately counts more
			n.With, n.Of = n.With*docMemory/n.Of, docMemory
		}
		all[name] = n
	}
	return all
}

// lookAtDocument looks at a document, if it is to be read. What is wrong with it
// shows when it is.
func (c *Crawl) lookAtDocument(ctx context.Context, k *contract, f *state.Source) error {
	src := k.src
	if f.Skip || f.Resume > 0 || k.resumed || k.was == nil || len(k.was.Fills) == 0 || k.docs == docFiles || f.Size > docBytes || c.held(src, c.full(f, src)) {
		return nil
	}
	in, closeFile, err := c.open(f, src)
	if err != nil {
		return nil
	}
	defer closeFile()
	k.docs++
	opt := src.Options
	opt.Warn = nil
	sum := func() []byte {
		hash, _ := hashContent(c.full(f, src)) // without it nothing is kept
		return hash
	}
	file, n := c.fileOf(f, src), 0
	for rec, err := range c.Cache.Records(ctx, in, opt, sum) {
		if _, bad := errors.AsType[*extract.RecordError](err); bad {
			continue
		}
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			k.docs = docFiles // one of those that cost their time, perhaps
			return nil
		}
		if rec.Doc == nil {
			return nil // a table, whatever its name says
		}
		if rec.Part != nil || n == docParts {
			break
		}
		n++
		rec.SetFile(file)
		item, err := src.ApplyWith(rec, c.directory())
		if err != nil {
			continue // left out, or for the quarantine
		}
		k.looked = true
		k.fills = k.fills.add(fillsOf(src, item))
		transform.Recycle([]*transform.Item{item})
	}
	return nil
}

// noteFills counts the item of a document for the next crawl. It is called from
// many goroutines.
func (c *Crawl) noteFills(src *transform.Source, item *transform.Item) {
	k := c.contracts[src.Name]
	if k == nil || k.counted.Add(1) > docMemory {
		return
	}
	now := fillsOf(src, item)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.filled = k.filled.add(now)
}

// fillsOf tells what of that which the source makes an item has.
func fillsOf(src *transform.Source, item *transform.Item) fills {
	all := fills{}
	for name, by := range src.Makes() {
		all[name] = fill{Of: 1, By: by}
	}
	has := func(name string) { all[name] = fill{1, 1, all[name].By} }
	for i := range item.Properties {
		has(item.Properties[i].Name)
	}
	if item.Content.Value != "" {
		has(transform.MakesContent)
	}
	return all
}

// emptied compares what the documents have with what they had.
func (k *contract) emptied() {
	for _, name := range slices.Sorted(maps.Keys(k.fills)) {
		was, now := k.was.Fills[name], k.fills[name]
		if now.With > 0 || now.Of < docLeast || was.Of < docLeast || was.By != now.By || float64(was.With) < docShare*float64(was.Of) {
			continue
		}
		ch := transform.Change{Source: k.src.Name, Kind: transform.ChangeEmpty, Feeds: []string{name}, Serious: k.src.Typed(name),
			Detail: fmt.Sprintf("source %s: none of the %d documents that were looked at has a value for %s, and %d of %d had one before", k.src.Name, now.Of, name, was.With, was.Of)}
		k.changes = append(k.changes, ch)
	}
}
