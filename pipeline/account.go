package pipeline

import (
	"fmt"
	"strings"
	"time"

	"importer/extract"
	"importer/load"
	"importer/pipeline/state"
	"importer/transform"
)

// account adds a batch that the frontier has passed to the balances of its
// files, and gathers what was refused.
func (a *admission) account(b *batch, refused *[]state.Refusal) (files []*state.Source, err error) {
	p := &a.c.progress
	for i := range b.steps {
		s := &b.steps[i]
		f := s.file
		if len(files) == 0 || files[len(files)-1] != f {
			files = append(files, f)
		}
		if s.end != nil {
			ref, err := a.end(f, s.end)
			if err != nil {
				return nil, err
			}
			if ref != nil {
				*refused = append(*refused, *ref)
			}
			continue
		}
		f.Read++
		p.settled.Add(1)
		if fix := s.record.fix; fix != nil {
			f.Use(fix.UsedFix)
		}
		for _, u := range s.unknown {
			f.Miss(state.Unknown{Kind: u.Kind, Name: u.Name, Several: u.Several}, s.refusal == nil)
		}
		if s.named != "" {
			f.Note(s.named, s.entry >= 0)
		}
		bad := true
		switch {
		case s.refusal != nil:
			f.Quarantined++
			p.quarantined.Add(1)
			*refused = append(*refused, *s.refusal)
		case s.entry < 0:
			f.Filtered++
			continue // says nothing of how the run goes
		default:
			var ref *state.Refusal
			if ref, bad = a.accountItem(b, s.entry, f); ref != nil {
				ref.Source, ref.Part = f, s.part
				s.record.on(ref, a.c.columns(f, s.record.header, ref.Property))
				*refused = append(*refused, *ref)
			}
		}
		if err := a.c.budget.note(bad); err != nil && a.over == nil {
			a.over = err
		}
	}
	return files, nil
}

const reasonDuplicate = "duplicate-id"

// accountItem adds an item to the balance of its file. What the target has said
// to it in this very batch is written down already: see rejections. bad tells
// that it was refused.
func (a *admission) accountItem(b *batch, i int, f *state.Source) (ref *state.Refusal, bad bool) {
	p := &a.c.progress
	refused := b.results[i].Fate == load.Rejected
	switch v := b.verdicts[i]; {
	case v.Kind == state.Send && refused:
		f.Quarantined++
		p.quarantined.Add(1)
		return nil, true
	case v.Kind == state.Refused:
		f.Quarantined++
		p.quarantined.Add(1)
		return refusedAgain(b.items[i], v), true
	case v.Kind == state.Send, v.Before:
		if v.Kind == state.Send {
			a.countDoings(b.items[i], b.results[i].Refused)
		}
		f.Stored++
		p.stored.Add(1)
	case v.Kind == state.Unchanged:
		f.Unchanged++
		p.unchanged.Add(1)
	case v.Kind == state.Duplicate && refused:
		f.Quarantined++
		p.quarantined.Add(1)
		return nil, true
	case v.Kind == state.Duplicate && a.c.Store.Keeps() && b.replaced(a.c.Store, i):
		f.Stored++ // the one that it replaces is left out: see Store.Settle
		p.duplicates.Add(1)
	case v.Kind == state.Duplicate:
		f.Duplicates++
		p.duplicates.Add(1)
		if a.c.Mapping.OnDuplicate == "" || a.c.Mapping.OnDuplicate == "quarantine" {
			return a.duplicate(b, i), false
		}
	}
	return nil, false
}

// rejections are the refusals of the target in a batch. They are written with
// its answers, though the frontier may not have come there: if we crash before
// it does, the items are not sent again, and nobody would know why any more.
func (a *admission) rejections(b *batch) (refused []state.Refusal) {
	for i := range b.steps {
		s := &b.steps[i]
		if s.entry < 0 || b.results[s.entry].Fate != load.Rejected {
			continue
		}
		ref := rejected(b.items[s.entry], b.results[s.entry].Err)
		ref.Source, ref.Part = s.file, s.part
		s.record.on(ref, a.c.columns(s.file, s.record.header, ref.Property))
		refused = append(refused, *ref)
	}
	return refused
}

// shown is how long Microsoft 365 shows an activity (externalActivity page).
const shown = 7 * 24 * time.Hour

// countDoings counts the activities that were sent of an item, and tells of the
// first that the service does not take.
func (a *admission) countDoings(it *transform.Item, refused string) {
	n := &a.rep.Activities
	n.Sent += int64(len(it.Activities))
	for i := range it.Activities {
		if a.rep.started.Sub(it.Activities[i].At) > shown {
			n.Old++
		}
	}
	for words := range strings.Lines(refused) {
		if n.Refused++; n.Refused <= 10 {
			a.rep.Problems = append(a.rep.Problems, fmt.Sprintf("item %s: an activity was not taken (%s)", it.ID, strings.TrimSpace(words)))
		}
	}
}

// end closes a file's balance: what its reader counted must be what settled.
// The refusal is that of the file itself, where it could not be read to its
// end; it counts as one record.
func (a *admission) end(f *state.Source, end *chunk) (*state.Refusal, error) {
	a.c.progress.filesDone.Add(1)
	f.Ended, f.Whole = true, end.whole
	switch {
	case end.parts < f.Resume:
		// Before the run was interrupted, more of the file could be read than
		// now. What was counted of it does not count: the next run reads it anew.
		f.Counts, f.Whole, end.failed = state.Counts{}, false, ""
	case end.parts != f.Settled() || f.Read != end.parts:
		counts := f.Counts
		counts.Read = end.parts
		return nil, &BalanceError{a.c.display(f, end.src), counts}
	}
	if end.changed {
		a.rep.Problems = append(a.rep.Problems, a.c.display(f, end.src)+": changed while it was read; the next run reads it again, and nothing of it is deleted now")
	}
	if ref := end.refusal; ref != nil {
		f.Read++
		f.Quarantined++
		a.c.progress.quarantined.Add(1)
		ref.Source, ref.Part = f, end.parts
		f.Failed, f.Parser, f.Racy, f.Hash = end.failed, end.parser, end.racy, end.hash
		return ref, nil
	}
	f.Parser, f.Racy, f.Hash = end.parser, end.racy, end.hash
	return nil, nil
}

func rejected(it *transform.Item, err error) *state.Refusal {
	ref := refuse(it.Origin.Place, "load", "rejected", "the target refuses this item: "+err.Error())
	ref.Item = it.ID
	return ref
}

// refusedAgain is the refusal of an item that the target refused before, as it
// is, under this mapping: it is not asked for ever.
func refusedAgain(it *transform.Item, v state.Verdict) *state.Refusal {
	ref := refuse(it.Origin.Place, "load", "rejected", "the target has refused this item in an earlier run; it is sent again when its record or the mapping changes, or by importer quarantine replay")
	ref.Item, ref.Again, ref.In = it.ID, true, v.In()
	return ref
}

// duplicate makes the refusal of a record whose id another record had.
func (a *admission) duplicate(b *batch, i int) *state.Refusal {
	it := b.items[i]
	ref := refuse(it.Origin.Place, "transform", reasonDuplicate, fmt.Sprintf("the id %q is taken by %s in this run, so this record is left out; make the id unique in the mapping, or set duplicates: first or last",
		it.Origin.Key, a.first(b, i)))
	ref.Item, ref.Property, ref.Value = it.ID, "id", it.Origin.Key
	return ref
}

// first names the record that has the id of a duplicate: it stands in this
// batch, in the one that is being written to the state, or in the state. What
// the state knows may be older, so it is asked last.
func (a *admission) first(b *batch, i int) string {
	row := b.verdicts[i].Row
	for _, where := range []*batch{b, a.settling} {
		for n, v := range where.verdicts {
			if v.Row == row && v.Kind != state.Duplicate {
				p := where.items[n].Origin.Place
				return extract.Place{File: p.File, Sheet: p.Sheet, Page: p.Page, Line: p.Line, Col: p.Col}.String()
			}
		}
	}
	source, path, sheet, line, col, ok := a.c.Store.Where(a.hard, row)
	if !ok {
		return "an earlier record"
	}
	place := extract.Place{File: path, Sheet: sheet, Line: line, Col: col}
	if src := a.c.source(source); src != nil {
		place.File = a.c.display(&state.Source{Found: state.Found{Path: path}}, src)
		if !isTable(path, src) {
			place.Line, place.Page = 0, line // as it was written down
		}
	}
	return place.String()
}
