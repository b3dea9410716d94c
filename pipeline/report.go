package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"importer/pipeline/state"
	"importer/transform"
)

// A Report is the balance sheet of a run.
type Report struct {
	Run        int64  `json:"run"`
	Connection string `json:"connection"`
	Kind       string `json:"kind"` // full or incremental
	Resumed    bool   `json:"resumed"`
	state.Counts
	Deleted   int64 `json:"deleted"`
	Kept      int64 `json:"kept"`      // items that were not met and are kept, because nothing proves that they are gone
	Held      int64 `json:"held"`      // stored items whose records are in quarantine now: the target keeps the old ones
	Withdrawn int64 `json:"withdrawn"` // stored items that nobody is to see, as their permissions cannot be made now
	Missed    int64 `json:"missed"`    // items whose records are gone and that are not deleted yet, as the mapping wants it
	Widened   int64 `json:"widened"`   // stored items that more people see than before
	// Widenings are the first of the widened items.
	Widenings []state.Widening `json:"widenings,omitempty"`
	// Unknown are the names in permissions that are nobody's, those that block
	// the most items first; UnknownNames is how many there are.
	Unknown      []state.Unknown `json:"unknown"`
	UnknownNames int64           `json:"unknownNames"`
	Activities   ActivityCounts  `json:"activities"`
	// KeptFiles are the files of the kept items, the ones with the most first.
	KeptFiles []state.Kept          `json:"keptFiles,omitempty"`
	Sources   []state.SourceBalance `json:"sources"`
	Mended    int64                 `json:"mended"`  // records that are read as somebody has mended them
	LeftOut   int64                 `json:"leftOut"` // filtered records that somebody left out on purpose
	// UnreadPages show something of which no text could be had, such as scans, in
	// so many documents or pages of their own that this process has read.
	UnreadPages     int64 `json:"unreadPages"`
	UnreadDocuments int64 `json:"unreadDocuments"`
	// Changes are what is not as it was in the files, and has not stopped the run.
	Changes []transform.Change `json:"changes,omitempty"`
	// Strays are what stands beside files and is of none of them.
	Strays []Stray `json:"strays,omitempty"`
	// Problems are folders that could not be looked at and the like, a line each.
	Problems []string `json:"problems,omitempty"`
	// Refusals tells that records were refused, duplicates of the quarantine policy included.
	Refusals  bool    `json:"refusals"`
	Requests  int64   `json:"requests"`
	Throttled int64   `json:"throttled"`
	Seconds   float64 `json:"seconds"`
	Error     string  `json:"error,omitempty"`
	// Learned is what is known of the service's limits; nil is nothing, or there
	// are none.
	Learned *Learned `json:"learned,omitempty"`
	// Causes are what was refused, the most frequent first, with examples.
	Causes []state.Cause `json:"causes"`
	// Course is how the run went on; see Point.
	Course []Point `json:"course"`
	// Attempts are the processes that have worked on the run, this one last.
	// Requests, Throttled, Seconds and Course are of this one. A process that was
	// killed could not write itself down.
	Attempts []Attempt `json:"attempts"`

	started time.Time // of this process
}

// ActivityCounts count activities. Each is sent once.
type ActivityCounts struct {
	Sent    int64 `json:"sent"`
	Old     int64 `json:"old"`     // those of them that are over 7 days old: Microsoft 365 does not show them
	Refused int64 `json:"refused"` // those of them that the service does not take
	// Events are the files of events that activities come from.
	Events []transform.Events `json:"events,omitempty"`
}

// An Attempt is one process's part in a run.
type Attempt struct {
	Started   time.Time `json:"started"`
	Seconds   float64   `json:"seconds"`
	Requests  int64     `json:"requests"`
	Throttled int64     `json:"throttled"`
	Status    string    `json:"status"`
	Error     string    `json:"error,omitempty"`
}

// A BalanceError means that records were lost or counted twice: a defect of
// this program. Nothing is deleted after it.
type BalanceError struct {
	What   string
	Counts state.Counts
}

func (e *BalanceError) Error() string {
	c := e.Counts
	return fmt.Sprintf("the balance of %s does not add up: %d read, but %d stored + %d unchanged + %d filtered + %d quarantined + %d duplicates = %d; nothing was deleted; please report this as a defect",
		e.What, c.Read, c.Stored, c.Unchanged, c.Filtered, c.Quarantined, c.Duplicates, c.Settled())
}

// sumUp fills in the balance and writes the end of the run.
func (c *Crawl) sumUp(ctx context.Context, run state.Run, rep *Report, status string) error {
	counts, err := c.Store.Balance(ctx, run)
	if err != nil {
		return err
	}
	rep.Counts = counts
	if rep.Held, err = c.Store.HeldBack(ctx); err != nil {
		return err
	}
	deleted, withdrawn, err := c.Store.DeletedBy(ctx, run)
	if err != nil {
		return err
	}
	rep.Deleted, rep.Withdrawn = deleted, max(rep.Withdrawn, withdrawn)
	if rep.Sources, err = c.Store.Balances(ctx, run); err != nil {
		return err
	}
	if rep.Refusals, err = c.Store.HasRefusals(ctx); err != nil {
		return err
	}
	if rep.Causes, err = c.Store.Causes(ctx, 3); err != nil {
		return err
	}
	if rep.Unknown, rep.UnknownNames, err = c.Store.Unknowns(ctx, 20); err != nil {
		return err
	}
	fixes, err := c.Store.FixCounts(ctx)
	if err != nil {
		return err
	}
	rep.Mended, rep.LeftOut = fixes.Mended, fixes.LeftOut
	rep.UnreadPages, rep.UnreadDocuments = c.progress.unreadPages.Load(), c.progress.unreadDocuments.Load()
	if counts.Read != counts.Settled() {
		status = "failed"
	}
	if rep.Attempts, err = c.attempts(ctx, run, rep, status); err != nil {
		return err
	}
	if err := c.Store.EndRun(ctx, run.ID, status, rep, time.Now()); err != nil {
		return err
	}
	if status == "failed" && counts.Read != counts.Settled() {
		return &BalanceError{"the run", counts}
	}
	return nil
}

// attempts adds this process to those that have worked on the run.
func (c *Crawl) attempts(ctx context.Context, run state.Run, rep *Report, status string) ([]Attempt, error) {
	var before Report
	if run.Resumed {
		info, err := c.Store.RunInfo(ctx, run.ID)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(info.Summary, &before); err != nil && len(info.Summary) > 0 {
			return nil, fmt.Errorf("the state's summary of run %d cannot be read: %w", run.ID, err)
		}
	}
	const most = 100 // a run that is interrupted every night for a quarter
	now := Attempt{Started: rep.started.UTC().Truncate(time.Second), Seconds: rep.Seconds, Requests: rep.Requests, Throttled: rep.Throttled, Status: status, Error: rep.Error}
	all := append(before.Attempts, now)
	return all[max(0, len(all)-most):], nil
}
