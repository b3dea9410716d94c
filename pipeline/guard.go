package pipeline

import (
	"context"
	"fmt"
	"strings"

	"importer/pipeline/state"
	"importer/transform"
)

// The guard's default: a tenth of what is known, but 50 items may always go.
const (
	defaultShare = 0.10
	defaultCount = 50
)

// A GuardError is a safety stop: the sweep would delete too much, or a source
// has nothing any more.
type GuardError struct {
	Deletes, Known int64
	Limit          string // how many may go; "" where it is not the number that stops
	// Emptied is a source that would lose items and of which none was met.
	Emptied string
	// Why says of each source what it loses and by what, a line each.
	Why    []string
	Sample []state.Known
}

func (e *GuardError) Error() string {
	s := "safety stop: " + e.what() + "; nothing was deleted now. Look whether the files are complete; if they are, " + e.leave("run again")
	for _, why := range e.Why {
		s += "\n  " + why
	}
	s += "\nSome of them:"
	for _, k := range e.Sample {
		s += fmt.Sprintf("\n  %s (from %s, source %s)", k.ID, k.Path, k.Source)
	}
	return s
}

func (e *GuardError) what() string {
	if e.Emptied != "" {
		return fmt.Sprintf("no record of the source %s makes an item any more (%d of %d items are to be deleted)", e.Emptied, e.Deletes, e.Known)
	}
	return fmt.Sprintf("%d of %d items are to be deleted, because their records are gone or their permissions cannot be made any more, and the guard lets %s go", e.Deletes, e.Known, e.Limit)
}

func (e *GuardError) leave(how string) string {
	s := fmt.Sprintf("%s with --max-deletes %d", how, e.Deletes)
	if e.Emptied != "" {
		s += ", or set optional: true at the source if it may be empty"
	}
	return s
}

// guard refuses to delete more than the mapping, or the command line, allows.
// It counts what the run has deleted before it was interrupted.
//
// It refuses as well to delete anything of a source of which no record makes an
// item any more, however few they are: a table of which the header alone is left,
// and a where that filters everything out, look like that. Only the command line
// gives leave for it, or the source that says that it may be empty.
func (c *Crawl) guard(ctx context.Context, run state.Run, doubtful []string) error {
	toll, err := c.Store.Guard(ctx, run, doubtful)
	if err != nil || toll.Stale == 0 {
		return err
	}
	limit := c.Deletes
	if !limit.Set {
		limit = c.Mapping.MaxDeletes
	}
	stop := &GuardError{Deletes: toll.Stale + toll.Deleted, Known: toll.Known}
	most, words := allowed(limit, toll.Known)
	switch {
	case stop.Deletes > most:
		stop.Limit = words
	case !c.Deletes.Set:
		stop.Emptied = c.emptied(toll)
	}
	if stop.Limit == "" && stop.Emptied == "" {
		return nil
	}
	if stop.Sample, err = c.Store.Stale(ctx, run, doubtful, 0, 10); err != nil {
		return err
	}
	if stop.Why, err = c.why(ctx, run, toll); err != nil {
		return err
	}
	if c.witness != nil {
		return c.witness.guard(stop)
	}
	return stop
}

// emptied names a source that would lose items though none of it was met; "" is
// none. What is withdrawn alone is not meant: its records are there.
func (c *Crawl) emptied(toll state.Toll) string {
	for _, t := range toll.Sources {
		src := c.source(t.Source)
		if t.Stale > t.Withdrawn && t.Met == 0 && (src == nil || !src.Optional) {
			return t.Source
		}
	}
	return ""
}

// why says by what each source loses items.
func (c *Crawl) why(ctx context.Context, run state.Run, toll state.Toll) (lines []string, err error) {
	balances, err := c.Store.Balances(ctx, run)
	if err != nil {
		return nil, err
	}
	filtered := map[string]int64{}
	for _, b := range balances {
		filtered[b.Name] = b.Filtered
	}
	for _, t := range toll.Sources {
		if t.Stale == 0 {
			continue
		}
		var causes []string
		add := func(n int64, format string) {
			if n > 0 {
				causes = append(causes, fmt.Sprintf(format, n))
			}
		}
		if c.source(t.Source) == nil {
			causes = append(causes, "the mapping has no such source any more")
		} else if t.OfFiles > 0 {
			causes = append(causes, fmt.Sprintf("%d of %d files that are gone, or that the path does not match", t.OfFiles, t.Files))
		}
		add(t.Withdrawn, "%d whose permissions cannot be made")
		add(filtered[t.Source], "where filters out %d records")
		if t.New > 0 && 2*t.New >= t.Stale {
			causes = append(causes, fmt.Sprintf("%d items are new: have their ids changed?", t.New))
		}
		line := fmt.Sprintf("source %s: %d of %d", t.Source, t.Stale, t.Items)
		if len(causes) > 0 {
			line += " (" + strings.Join(causes, "; ") + ")"
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// allowed says how many of known items a guard lets be deleted, or widened.
func allowed(limit transform.Limit, known int64) (n int64, words string) {
	switch {
	case !limit.Set:
		n = max(int64(float64(known)*defaultShare), defaultCount)
		return n, fmt.Sprintf("%d (10 %%, and at least %d)", n, defaultCount)
	case limit.Share > 0:
		n = int64(float64(known) * limit.Share)
		return n, fmt.Sprintf("%d (%g %%)", n, limit.Share*100)
	}
	return int64(limit.Count), fmt.Sprint(limit.Count)
}
