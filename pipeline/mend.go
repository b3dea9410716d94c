package pipeline

import (
	"context"
	"slices"
	"strings"

	"importer/extract"
	"importer/pipeline/state"
)

// A kept is a record on its way, for the case that it is refused further on.
type kept struct {
	header *extract.Header // nil: it has no columns, or nothing is remembered
	text   []string
	cells  int // see extract.Record
	fix    *usedFix
}

// A usedFix is a fix that a record was read with.
type usedFix struct {
	state.UsedFix
	sum state.Sum // of the record as the file has it
}

// size is what the record takes, about.
func (k *kept) size() (n int) {
	for _, s := range k.text {
		n += len(s)
	}
	return n
}

// on puts the record on its refusal. columns are those that it fails by.
func (k *kept) on(ref *state.Refusal, columns []string) {
	if k.header == nil {
		return
	}
	names := k.header.Names()
	wrong := k.wrong(columns, ref.Value)
	for i := len(names); i < len(k.text); i++ {
		wrong = append(wrong, i) // has no column
	}
	rec := state.Keep(names, k.text, wrong)
	ref.Record = rec.JSON()
	if k.fix != nil {
		ref.Sum, ref.Fix = k.fix.sum[:], k.fix.Nth+1
		return
	}
	sum := state.SumHeader(names).Record(k.text, k.cells)
	ref.Sum = sum[:]
}

// wrong are the indexes of columns. Of several that a record may fail by, those
// that hold the offending value are meant.
func (k *kept) wrong(columns []string, value string) (wrong []int) {
	var holds []int
	for _, name := range columns {
		i, ok := k.header.Index(name)
		if !ok || i >= len(k.text) {
			continue
		}
		wrong = append(wrong, i)
		if value != "" && strings.Contains(k.text[i], value) {
			holds = append(holds, i)
		}
	}
	if len(holds) > 0 {
		wrong = holds
	}
	slices.Sort(wrong)
	return wrong
}

// A fixTable has fixes by the record's sum and number.
type fixTable map[state.Sum]map[int]state.FixRef

func newFixTable(refs []state.FixRef) fixTable {
	t := fixTable{}
	for _, ref := range refs {
		if t[ref.Sum] == nil {
			t[ref.Sum] = map[int]state.FixRef{}
		}
		t[ref.Sum][ref.Nth] = ref // of several files, the last one made
	}
	return t
}

// columns are those that a property of a refused item reads, or its id.
func (c *Crawl) columns(f *state.Source, h *extract.Header, property string) []string {
	src := c.source(f.Name)
	if src == nil || h == nil || property == "" {
		return nil
	}
	return src.Reads(h, property)
}

// The fixes of one file, and those of the source whose files are gone. nil is
// none, and costs nothing.
type fixes struct {
	own, lost fixTable
	met       map[state.Sum]int // records with such a sum so far

	header  *extract.Header // of the last record
	columns state.HeaderSum
}

// A hit is what there is for one record.
type hit struct {
	sum  state.Sum
	own  *state.FixRef
	lost *state.FixRef // to be used if the record is refused as it is
}

// meet looks a record up. Every record of the file must come by, in order:
// equal ones are counted.
func (f *fixes) meet(k kept) (h hit) {
	if f == nil || k.header == nil {
		return hit{}
	}
	if k.header != f.header {
		f.header, f.columns = k.header, state.SumHeader(k.header.Names())
	}
	h.sum = f.columns.Record(k.text, k.cells)
	own, lost := f.own[h.sum], f.lost[h.sum]
	if own == nil && lost == nil {
		return hit{}
	}
	nth := f.met[h.sum]
	f.met[h.sum]++
	if ref, ok := own[nth]; ok {
		h.own = &ref
	} else if ref, ok := lost[nth]; ok {
		h.lost = &ref
	}
	return h
}

// loadFixes reads which records of a file have fixes.
func (c *Crawl) loadFixes(ctx context.Context, f *state.Source) (*fixes, error) {
	lost, any := c.lostFixes[f.Name]
	if !any {
		return nil, nil
	}
	own, err := c.Store.FixesOf(ctx, f.Name, f.Path)
	if err != nil || len(own) == 0 && len(lost) == 0 {
		return nil, err
	}
	return newFixes(own, lost), nil
}

func newFixes(own []state.FixRef, lost fixTable) *fixes {
	return &fixes{own: newFixTable(own), lost: lost, met: map[state.Sum]int{}}
}

// findFixes looks which sources have fixes, and which of those have lost their
// files. It comes after every file was met.
func (c *Crawl) findFixes(ctx context.Context, run state.Run) error {
	c.lostFixes = map[string]fixTable{}
	if !c.Store.Keeps() {
		return nil
	}
	names, err := c.Store.FixedSources(ctx)
	if err != nil {
		return err
	}
	for name := range names {
		lost, err := c.Store.LostFixes(ctx, run, name)
		if err != nil {
			return err
		}
		c.lostFixes[name] = newFixTable(lost)
	}
	return nil
}

// keep is what is kept of a record as its reader has given it.
func (r *reader) keep(rec extract.Record, bad *extract.RecordError) kept {
	switch {
	case !r.c.Store.Keeps():
		return kept{}
	case rec.Rows != nil: // a group cannot be mended by its first row
		return kept{}
	case bad == nil:
		return kept{header: rec.Header, text: rec.Text, cells: rec.Cells}
	case bad.Text == nil:
		return kept{}
	}
	return kept{header: bad.Header, text: bad.Text}
}

// mended maps a record as its fix has it, and as it is when it has none. The
// fix of a file that is gone counts only where the record would be refused: it
// must not change one that is good.
func (r *reader) mended(rec extract.Record, bad *extract.RecordError, file *extract.File, h hit) (outcome, error) {
	if h.own != nil {
		return r.fixed(rec, bad, file, &usedFix{state.UsedFix{FixRef: *h.own}, h.sum})
	}
	o, err := r.apply(rec, bad, file, nil)
	if err != nil || o.refusal == nil || h.lost == nil {
		return o, err
	}
	return r.fixed(rec, bad, file, &usedFix{state.UsedFix{FixRef: *h.lost, Lost: true}, h.sum})
}

// fixed maps a record as a fix has it.
func (r *reader) fixed(rec extract.Record, bad *extract.RecordError, file *extract.File, fix *usedFix) (outcome, error) {
	if fix.LeaveOut {
		out := outcome{record: kept{fix: fix}}
		if bad == nil {
			rec.SetFile(file)
			out.named = r.chunk.src.NamedByEvents(rec)
		}
		return out, nil
	}
	now, err := r.c.Store.FixRecord(r.ctx, fix.ID)
	if err != nil {
		return outcome{}, &stateError{err}
	}
	return r.apply(withValues(rec, bad, now), nil, file, fix)
}

// A stateError is not the fault of the file that is read: it ends the run.
type stateError struct{ error }

// withValues is the record with the values of a fix. What a workbook has typed
// stays so where the text stays, and is typed anew where it does not.
func withValues(rec extract.Record, bad *extract.RecordError, now state.Record) extract.Record {
	workbook := rec.Typed != nil
	if bad != nil {
		rec = extract.Record{Place: bad.Place, Header: bad.Header, Text: bad.Text}
		rec.Place.Col = 0
		workbook = bad.Place.Sheet != ""
	}
	was, typed := rec.Text, rec.Typed
	rec.Text, rec.Typed, rec.Cells = now.Values, nil, 0
	if !workbook && len(now.Typed) == 0 {
		return rec
	}
	rec.Typed = make([]any, len(rec.Text))
	for i, text := range rec.Text {
		switch {
		case i < len(typed) && i < len(was) && was[i] == text:
			rec.Typed[i] = typed[i]
		case workbook || slices.Contains(now.Typed, i):
			rec.Typed[i] = extract.CellValue(text)
		}
	}
	return rec
}
