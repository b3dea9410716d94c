// Package pipeline crawls: it reads the files of a mapping, makes items of
// their records and keeps a target equal to them.
//
// One crawl goes through these steps, and each of them may be the last one
// that a killed process did:
//
//	walk     the files of every source are listed, in a stable order, and each
//	         is compared with what is known of it: the ones that were read whole
//	         and have not changed since are not opened
//	check    the columns of the tables among the rest are checked against the
//	         mapping; nothing has been written to the target so far
//	connect  connection, schema and external groups are made equal to the mapping
//	crawl    readers turn files into chunks of items, a few files at a time, with
//	         the values of a fix where somebody has mended a record; one
//	         goroutine takes the chunks in crawl order, admits them by batches
//	         (unchanged and duplicate items fall out, the ids of the rest are
//	         written down) and hands them to the loader, several batches at a time
//	settle   answers come in any order; a frontier makes of them a position that
//	         only moves forward, and position, answers and refusals become
//	         durable together
//	sweep    items that were not met are deleted, if it is proven that their
//	         records are gone and the guard lets so many go
//	balance  every record read must be in exactly one of stored, unchanged,
//	         filtered, quarantined and duplicates
//
// Everything blocks where the next step is slow, so memory does not depend on
// the size of the input.
package pipeline

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"importer/extract"
	"importer/load"
	"importer/pipeline/state"
	"importer/transform"
)

// A Crawl is one run of a mapping against a target.
type Crawl struct {
	Mapping *transform.Mapping
	Dir     string       // the mapping's folder: paths of sources are relative to it
	Digest  [32]byte     // of the mapping file: an interrupted run is only taken up under the same
	Store   *state.Store // knows what was done
	Loader  *load.Loader
	Admin   load.Admin // nil: the target has no connection, schema and groups
	Log     *slog.Logger

	// Readers is the number of files that are read at a time; 0 is one a CPU, 4 at most.
	Readers int
	// Batch is the number of items that are admitted and committed together;
	// 0 is 500. Small ones lose less work in flight, large ones cost less.
	Batch int
	// InFlight is the number of batches that are sent at a time; 0 is 4. With
	// 1 the target sees the items in crawl order.
	InFlight int
	// Grace is how long batches in flight may take to end after a cancel; 0 is 10 s.
	Grace time.Duration
	// Lookup asks for people and groups by name where the mapping wants that;
	// nil is that nobody can be asked.
	Lookup Lookup
	// GroupLanes is how many changes of external groups are made at a time; 0 is 1.
	GroupLanes int
	// Deletes stand for the mapping's guard when set (see --max-deletes).
	Deletes transform.Limit
	// Widenings is the most items that may be shown to more people than before;
	// nil is the mapping's guard.
	Widenings *int64
	// File is the mapping's path; two mappings must not share a connection.
	File string
	// Keep leaves out the sweep.
	Keep bool
	// Full compares the content of every file with what was read before,
	// whatever its size and time say.
	Full bool
	// Cache keeps what was read of documents; nil keeps nothing.
	Cache *extract.Cache
	// Errors stand for the mapping's error budget where they are set.
	Errors transform.Budget
	// Hold tells of files that are not to be read now, as they are still being
	// written to. They count as they did when they were last read, and one that
	// never was is passed over. The path is the one that messages have, with the
	// system's separators. It is called from many goroutines; nil holds nothing.
	Hold func(path string) bool

	// AcceptDrift takes files as they are now, whatever has changed in them since
	// they were read before: see drift.go.
	AcceptDrift bool

	// For tests: told of each file that is opened, and that the items were loaded.
	watchOpens func(path string)
	watchLoad  func(items int64)
	// witness is asked before the sweep deletes; nil is no one.
	witness witness
	running state.Run
	people  *people // nil: nobody is asked for names
	folders accessFolders
	// inFolders are the groups of folders that say who may see what lies in them.
	inFolders map[string]folderGroup

	progress  progress
	outcomes  recycler
	budget    budget
	lostFixes map[string]fixTable  // by source, of those that have fixes
	contracts map[string]*contract // by source; nil where nothing is remembered
	drifted   map[int64]string     // files that are kept out of the run, by id, and why
}

// A witness sees what the sweep is about to do. Its errors stop the crawl.
type witness interface {
	deletes(items []state.Known) error
	// guard is told that the guard would stop; nil goes on.
	guard(err *GuardError) error
	guardGroups(err *GroupGuardError) error // the same
}

type progress struct {
	phase                         atomic.Pointer[string]
	files, filesDone              atomic.Int64
	bytes, bytesDone              atomic.Int64
	read, settled, quarantined    atomic.Int64
	stored, unchanged, duplicates atomic.Int64
	warned                        atomic.Int64
	unreadPages, unreadDocuments  atomic.Int64
}

// Progress is a snapshot of a running crawl.
type Progress struct {
	Phase                                                 string
	Files, FilesDone                                      int64
	Bytes, BytesDone                                      int64
	Read, Stored, Unchanged, Duplicates, Quarantined, Set int64
}

// A Loaded is a mapping with the digest of its file.
type Loaded struct {
	*transform.Mapping
	Digest [32]byte
}

// Load reads and checks a mapping. Its errors are those of transform.Load.
func Load(path string) (*Loaded, error) {
	m, err := transform.Load(path)
	if err != nil {
		return nil, err
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, &transform.Error{Pos: transform.Pos{File: path, Line: 1, Col: 1}, Detail: fmt.Sprintf("the mapping cannot be read: %v", cause(err)), Remedy: "run again"}
	}
	return &Loaded{m, sha256.Sum256(src)}, nil
}

// Progress gives a snapshot. It may be called at any time from any goroutine.
func (c *Crawl) Progress() Progress {
	p := &c.progress
	var phase string
	if s := p.phase.Load(); s != nil {
		phase = *s
	}
	return Progress{phase, p.files.Load(), p.filesDone.Load(), p.bytes.Load(), p.bytesDone.Load(),
		p.read.Load(), p.stored.Load(), p.unchanged.Load(), p.duplicates.Load(), p.quarantined.Load(), p.settled.Load()}
}

func (c *Crawl) phase(s string) { c.progress.phase.Store(&s) }

// A DriftError means that a table does not have the columns that the mapping
// needs, though other files of the same source have.
//
// Or it means that tables are not as they were when the source was read before:
// then Changes are set, and the run in which they were as they were.
type DriftError struct {
	File  string // with the sheet, where there is one
	Sheet string
	Errs  error
	Hint  string // what the missing columns may be called now

	Changes []transform.Change
	Run     int64
	When    time.Time
}

func (e *DriftError) Error() string {
	if len(e.Changes) > 0 {
		return e.changed()
	}
	hint := ""
	if e.Sheet != "" {
		hint = "; if the sheet is not meant to be read, name those that are: excel: {sheets: [...]}"
	}
	if e.Hint != "" {
		hint += "; " + e.Hint
	}
	return fmt.Sprintf("%s does not have the columns that the mapping needs; the crawl stops here, resumable, and nothing was deleted%s:\n%v", e.File, hint, e.Errs)
}

// changed lists what has changed, and how to go on.
func (e *DriftError) changed() string {
	const most = 20
	var b strings.Builder
	fmt.Fprintf(&b, "the files are not as they were in run %d (%s); nothing was written, and nothing was deleted:", e.Run, e.When.Format(time.DateOnly))
	for i := range e.Changes {
		if i == most {
			fmt.Fprintf(&b, "\n  and %d more changes", len(e.Changes)-most)
			break
		}
		fmt.Fprintf(&b, "\n  %s", e.Changes[i].String())
	}
	b.WriteString("\nMend the files, or the mapping; if they are right as they are, run again with --accept-drift. The mapping's key drift says what stops a run: evolve, quarantine or stop.")
	return b.String()
}

func (e *DriftError) Unwrap() error { return e.Errs }

// Run crawls. It returns a Report in any case that got as far as reading;
// cancelling ctx ends the crawl at a checkpoint and returns ctx's error. Its
// errors are those of this package, transform.Errors, and those of load and
// state.
func (c *Crawl) Run(ctx context.Context) (*Report, error) {
	started := time.Now()
	if c.Readers == 0 {
		c.Readers = min(runtime.NumCPU(), 4)
	}
	if c.Batch == 0 {
		c.Batch = 500
	}
	if c.InFlight == 0 {
		c.InFlight = 4
	}
	if c.Grace == 0 {
		c.Grace = 10 * time.Second
	}
	run, err := c.Store.BeginRun(ctx, c.Digest, c.Full, started)
	if err != nil {
		return nil, err
	}
	c.running = run
	rep := &Report{Run: run.ID, Connection: c.Mapping.Connection.ID, Kind: run.Kind(), Resumed: run.Resumed, started: started}
	rep.Activities.Events = c.Mapping.Events()
	c.Store.LastWins = c.Mapping.OnDuplicate == "last"
	c.Store.MissedRuns = c.Mapping.MissedRuns
	c.budget = newBudget(c.Errors.Or(c.Mapping.Errors))
	course := c.follow(ctx, started)
	err = c.withLearning(ctx, rep, func() error {
		return c.withMerging(ctx, func() error { return c.run(ctx, run, rep) })
	})
	rep.Course = course()
	stats := c.Loader.Stats()
	rep.Requests, rep.Throttled = stats.Requests, stats.Throttled
	rep.Seconds = time.Since(started).Seconds()
	rep.Widened, rep.Widenings = c.Store.Widened()
	if err != nil && !errors.Is(err, context.Canceled) {
		rep.Error = err.Error()
	}
	status := "done"
	switch {
	case ctx.Err() != nil:
		status = "interrupted"
		if err == nil || errors.Is(err, context.Canceled) {
			err = context.Cause(ctx)
		}
	case err != nil:
		status = "failed"
	}
	// The end of a run is written even when the run was cancelled.
	if sumErr := c.sumUp(context.WithoutCancel(ctx), run, rep, status); err == nil {
		err = sumErr
	}
	return rep, err
}

const metaMerging = "merging"

// withMerging remembers from run to run whether the service keeps what a PUT
// leaves out of an item.
func (c *Crawl) withMerging(ctx context.Context, run func() error) error {
	p, ok := c.Loader.Target.(*load.Partial)
	if !ok || !c.Store.Keeps() {
		return run()
	}
	before, err := c.Store.Meta(ctx, metaMerging)
	if err != nil {
		return err
	}
	p.Assume(load.Merging(before))
	err = run()
	if now := string(p.Known()); now != before {
		err = errors.Join(err, c.Store.SetMeta(context.WithoutCancel(ctx), metaMerging, now))
	}
	return err
}

func (c *Crawl) run(ctx context.Context, run state.Run, rep *Report) error {
	c.phase("looking at the files")
	if err := c.foreign(ctx); err != nil {
		return err
	}
	if err := c.resend(ctx); err != nil {
		return err
	}
	if err := c.findPeople(ctx); err != nil {
		return err
	}
	doubtful, err := c.meet(ctx, run, rep)
	if err != nil {
		return err
	}
	if err := c.readContracts(ctx, run); err != nil {
		return err
	}
	if err := c.check(ctx, run); err != nil {
		return err
	}
	if err := c.judge(ctx, run, rep, doubtful); err != nil {
		return err
	}
	groups, doubtful, err := c.connect(ctx, run, rep, doubtful)
	if err != nil {
		return err
	}
	quiet, err := c.recall(ctx, run)
	if err != nil {
		return err
	}
	c.phase("crawling")
	if err := c.crawlBeside(ctx, run, rep, groups); err != nil {
		return err
	}
	counts, err := c.Store.Balance(ctx, run)
	if err != nil {
		return err
	}
	if counts.Read != counts.Settled() {
		return &BalanceError{"the run", counts}
	}
	if err := groups.after(ctx); err != nil {
		return err
	}
	if err := c.fitEvents(ctx, run, rep, quiet); err != nil {
		return err
	}
	if !c.Store.Keeps() {
		return nil
	}
	if err := c.Store.AgeFixes(ctx, run, doubtful); err != nil {
		return err
	}
	if quiet {
		return c.keepContracts(ctx, run)
	}
	c.phase("sweeping")
	if err := c.sweep(ctx, run, doubtful, rep); err != nil {
		return err
	}
	return c.keepContracts(ctx, run)
}

// connect makes connection and schema equal to the mapping, and finds out what
// is to be done about groups. What it finds may be a reason to meet the files
// anew: then doubtful is another.
func (c *Crawl) connect(ctx context.Context, run state.Run, rep *Report, doubtful []string) (*groupSync, []string, error) {
	if c.Admin == nil {
		return nil, doubtful, nil
	}
	c.phase("connection and schema")
	again, err := c.doubts(ctx)
	if err != nil {
		return nil, nil, err
	}
	if again {
		rep.Problems = nil
		if doubtful, err = c.meet(ctx, run, rep); err != nil {
			return nil, nil, err
		}
	}
	if _, err := c.Admin.EnsureConnection(ctx, c.Mapping.Connection, c.Mapping.Schema); err != nil {
		return nil, nil, err
	}
	groups, err := c.findGroups(ctx, rep)
	if err != nil {
		return nil, nil, err
	}
	return groups, doubtful, groups.before(ctx)
}

// recall reads what is known of the items, unless it is quiet: then nothing has
// to be done about them.
func (c *Crawl) recall(ctx context.Context, run state.Run) (quiet bool, err error) {
	if quiet, err = c.Store.Quiet(ctx, run); err != nil {
		return false, err
	}
	if !quiet {
		if err := c.Store.Load(ctx, run); err != nil {
			return false, err
		}
		if c.watchLoad != nil {
			c.watchLoad(c.Store.Known())
		}
	}
	c.Store.MaxWidenings = c.maxWidenings(c.Store.Known())
	if _, planning := c.witness.(*planner); planning {
		c.Store.MaxWidenings = -1 // it counts them
	}
	return quiet, nil
}

// crawlBeside crawls while external groups are filled. When the crawl
// fails, they are left as they are.
func (c *Crawl) crawlBeside(ctx context.Context, run state.Run, rep *Report, groups *groupSync) error {
	gctx, stop := context.WithCancel(ctx)
	defer stop()
	wait := groups.beside(gctx)
	err := c.crawl(ctx, run, rep)
	if err != nil {
		stop()
	} else {
		c.phase("external groups")
	}
	if groupErr := wait(); err == nil {
		err = groupErr
	}
	return err
}

// resend has every item sent again when that was called for.
func (c *Crawl) resend(ctx context.Context) error {
	why, err := c.Store.Resend(ctx)
	if why != "" {
		c.Log.Warn("every item is sent again, as the schema has changed: " + why)
	}
	return err
}
