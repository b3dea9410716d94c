package pipeline

import (
	"context"
	"fmt"

	"importer/load"
	"importer/pipeline/state"
)

// sweep deletes the items that this run did not meet, as far as it is proven
// that their records are gone, and if the guard lets so many go.
func (c *Crawl) sweep(ctx context.Context, run state.Run, doubtful []string, rep *Report) error {
	if err := c.missing(ctx, run); err != nil {
		return err
	}
	err := c.expose(ctx, run)
	if err != nil {
		return err
	}
	if rep.Withdrawn, err = c.Store.Withdraw(ctx); err != nil {
		return err
	}
	if rep.Missed, err = c.Store.Age(ctx, run, doubtful); err != nil {
		return err
	}
	if rep.KeptFiles, rep.Kept, err = c.Store.Kept(ctx, run, doubtful, 5); err != nil {
		return err
	}
	if c.Keep {
		return c.Store.Tidy(ctx, run)
	}
	if err := c.guard(ctx, run, doubtful); err != nil {
		return err
	}
	var after uint64
	refused := 0
	for {
		items, err := c.Store.Stale(ctx, run, doubtful, after, c.Batch)
		if err != nil {
			return err
		}
		if len(items) == 0 {
			if err := c.Store.Tidy(ctx, run); err != nil {
				return err
			}
			held, err := c.Store.HeldBack(ctx)
			if err == nil && refused == 0 && rep.Kept == 0 && rep.Missed == 0 && held == 0 {
				err = c.Store.Even(ctx)
			}
			return err
		}
		after = items[len(items)-1].Row
		ids := make([]string, len(items))
		for i, k := range items {
			ids[i] = k.ID
		}
		if c.witness != nil {
			if err := c.witness.deletes(items); err != nil {
				return err
			}
		}
		results, loadErr := c.Loader.Delete(ctx, ids)
		var gone []state.Known
		for i, r := range results {
			switch r.Fate {
			case load.Stored:
				gone = append(gone, items[i])
			case load.Rejected:
				if refused++; refused <= 10 {
					rep.Problems = append(rep.Problems, fmt.Sprintf("item %s could not be deleted (%v); it is tried again by the next run", items[i].ID, r.Err))
				}
			}
		}
		if err := c.Store.Deleted(context.WithoutCancel(ctx), run, gone); err != nil {
			return err
		}
		if loadErr != nil {
			return loadErr
		}
	}
}
