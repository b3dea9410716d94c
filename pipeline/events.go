package pipeline

import (
	"context"
	"fmt"

	"importer/pipeline/state"
	"importer/transform"
)

// eventsToDoubt is how many events that are all of no record make a problem of
// it: then it is the mapping's id that is wrong, and not theirs.
const eventsToDoubt = 10

// fitEvents tells of the events in the mapping's files what became of the
// records that they name. It comes when all records are settled and nothing is
// deleted yet. quiet tells that nothing has changed since the last run: then
// what that has found holds, and the items were not looked at.
func (c *Crawl) fitEvents(ctx context.Context, run state.Run, rep *Report, quiet bool) error {
	sources := c.Mapping.EventSources()
	if len(sources) == 0 {
		return nil
	}
	unfit := map[string]map[string]uint8{}
	for _, src := range sources {
		before, err := c.Store.Unfit(ctx, src.Name)
		if err != nil {
			return err
		}
		if !quiet {
			if before, err = c.unfit(ctx, run, src, before); err != nil {
				return err
			}
		}
		unfit[src.Name] = before
	}
	rep.Activities.Events = c.Mapping.FitEvents(c.directory(), func(src *transform.Source, id string) transform.RecordFate {
		if fate, ok := unfit[src.Name][id]; ok {
			return transform.RecordFate(fate)
		}
		return transform.RecordItem
	})
	for _, ev := range rep.Activities.Events {
		if n := ev.Fit; n.Lost >= eventsToDoubt && n.Lost == ev.Kept {
			rep.Problems = append(rep.Problems, fmt.Sprintf("%s: not one of its %d events is of a record of the source %s, such as %s: %s",
				ev.File, ev.Kept, ev.Source, ev.Left[0].Place, ev.Left[0].Detail))
		}
	}
	if quiet {
		return nil
	}
	// If we crash before this, the next run looks again; after it, what the sweep
	// deletes is known to have been there.
	return c.Store.SetUnfit(ctx, unfit)
}

// unfit finds the ids that a source's events name and that are of no item of
// it, with what became of their records. before is what was found by the last
// run.
func (c *Crawl) unfit(ctx context.Context, run state.Run, src *transform.Source, before map[string]uint8) (map[string]uint8, error) {
	named, err := c.Store.Named(ctx, run, src.Name)
	if err != nil {
		return nil, err
	}
	listed, err := c.Store.RefusedItems(ctx, run, src.Name, reasonDuplicate)
	if err != nil {
		return nil, err
	}
	refused := make(map[string]bool, len(listed))
	for id, byTarget := range listed {
		id = transform.TrimID(id)
		refused[id] = refused[id] || byTarget
	}
	all := map[string]uint8{}
	for _, id := range src.EventIDs() {
		source, known, met, err := c.Store.Meets(ctx, id, len(c.Mapping.Sources) > 1)
		if err != nil {
			return nil, err
		}
		own := source == "" || source == src.Name
		byTarget, isRefused := refused[id]
		byOther, isNamed := named[id]
		fate := transform.RecordNone
		switch {
		case met && own && !byTarget, isNamed && byOther && !isRefused:
			continue
		case isRefused:
			fate = transform.RecordRefused
		case isNamed:
			fate = transform.RecordFiltered
		case known && !met && own, before[id] == uint8(transform.RecordGone):
			fate = transform.RecordGone
		}
		all[id] = uint8(fate)
	}
	return all, nil
}
