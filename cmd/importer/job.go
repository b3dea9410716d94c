package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"

	"importer/extract"
	"importer/load"
	"importer/load/localgraph"
	"importer/pipeline"
	"importer/pipeline/state"
	"importer/transform"
)

// A job crawls a mapping as the flags want it: run does it once, watch after
// changes, schedule at its times.
type job struct {
	*app
	path    string // of the mapping
	flags   *runFlags
	keeps   bool // what is stored is remembered
	known   bool // there must be a memory of earlier runs
	deletes transform.Limit
	errors  transform.Budget
	limits  extract.Limits
	cache   *extract.Cache
	// do is what is done with the crawl; nil is to run it.
	do      func(context.Context, *target, *pipeline.Crawl) (*pipeline.Report, error)
	again   bool  // it is one of many: a line tells of each
	several bool  // other connections are crawled beside it
	refused int64 // records in quarantine after the crawl before
}

// newJob checks the flags, and makes the process ready for crawls.
func (a *app) newJob(path string, f *runFlags) (*job, error) {
	j := &job{app: a, path: path, flags: f}
	var err error
	if j.keeps, err = f.keeps(); err != nil {
		return nil, err
	}
	if f.readers < 0 || f.flight < 0 || f.rate < 0 {
		return nil, usageError{errors.New("--readers, --concurrency and --rate cannot be negative")}
	}
	if j.deletes, err = parseLimit(f.maxDeletes); err != nil {
		return nil, err
	}
	if f.full && f.increment {
		return nil, usageError{errors.New("--full and --incremental exclude each other: choose one")}
	}
	if f.maxErrors != "" {
		if j.errors, err = transform.ParseBudget(f.maxErrors); err != nil {
			return nil, usageError{fmt.Errorf("--max-errors %w", err)}
		}
	}
	if j.limits, err = transform.ParseLimits(f.limits); err != nil {
		return nil, usageError{err}
	}
	if !f.noCache {
		most, err := humanize.ParseBytes(orElse(f.cacheSize, "2GB"))
		if err != nil || most > 1<<50 {
			return nil, usageError{fmt.Errorf("--cache-size %q is no size such as 2GB or 500MB", f.cacheSize)}
		}
		j.cache = extract.OpenCache(filepath.Join(a.data, "cache"), int64(most))
	}
	if f.target != "jsonl" && f.out != "-" && os.Getenv("IMPORTER_OUT") != f.out {
		return nil, usageError{fmt.Errorf("--out %s is for --target jsonl, and the target is %s", f.out, f.target)}
	}
	if a.json && f.target == "jsonl" && f.out == "-" {
		return nil, usageError{errors.New("--json and the items would both go to stdout; write the items to a file with --out")}
	}
	if f.report != "" && f.report != "-" {
		// Not after hours.
		if _, err := os.Stat(filepath.Dir(f.report)); err != nil {
			return nil, usageError{fmt.Errorf("--report %s: there is no such folder (%w); choose another", f.report, bare(err))}
		}
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	if _, err := f.time.parse(); err != nil {
		return nil, err
	}
	f.fresh = !j.keeps
	if f.target == "local" {
		tuneCollector(localFloor)
	} else {
		tuneCollector(heapFloor)
	}
	return j, nil
}

// load reads and checks the job's mapping.
func (j *job) load() (*pipeline.Loaded, error) {
	m, err := pipeline.Load(j.path)
	if err == nil {
		for _, src := range m.Mapping.Sources {
			src.Limit(j.limits)
		}
	}
	return m, err
}

// crawl opens target and state, crawls, and reports. before, when there is
// one, may change the crawl before it begins. What went wrong has been told
// when the error says so (errTold).
func (j *job) crawl(ctx context.Context, m *pipeline.Loaded, before func(context.Context, *pipeline.Crawl) error) (err error) {
	ctx, endTime, err := j.flags.time.begin(ctx, time.Now())
	if err != nil {
		return err
	}
	defer endTime()
	defer func() {
		if over, ok := errors.AsType[*pipeline.TimeOver](context.Cause(ctx)); ok && errors.Is(err, context.Canceled) && !errors.Is(err, errTold) {
			err = over // something was called off before the run began
		}
	}()
	t, err := j.open(&j.flags.targetFlags, m.Connection.ID, localgraph.Caller{App: true})
	if err != nil {
		return err
	}
	defer t.close(false)
	store, err := j.openState(ctx, t, m)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := store.Close(); closeErr != nil {
			fmt.Fprintf(j.stderr, "importer: %v\n", closeErr)
			err = errors.Join(err, closeErr)
		}
	}()
	if t.empty {
		if err := store.Doubt(ctx); err != nil {
			return err
		}
	}
	j.leftBehind(ctx, t, m, store)
	if err := importDirectory(ctx, t, m.Mapping); err != nil {
		return err
	}
	c := j.newCrawl(t, store, m)
	if before != nil {
		if err := before(ctx, c); err != nil {
			return err
		}
	}
	stop := j.showProgress(c, m)
	rep, err := j.run(ctx, t, c)
	stop()
	j.cache.Trim()
	// What was not written to the end belongs in the report.
	err = errors.Join(err, t.close(err == nil))
	if api, ok := errors.AsType[*load.APIError](err); ok && t.local != nil && api.Status == http.StatusInsufficientStorage {
		err = fmt.Errorf("the disk is full under the local Graph in %s: make room and run again, the crawl goes on where it was", j.data)
	}
	ctx = context.WithoutCancel(ctx)
	print := j.printReport
	if j.again {
		print = j.printLine
	}
	return j.report(m.Mapping, rep, errors.Join(err, j.writePage(ctx, t, store, rep)), print)
}

// leftBehind tells, before the first run into a connection, of others that the
// same mapping has filled: its id was changed, and whatever changes in the files
// from now on, the old items stay as they are, for whom they are. What cannot
// be looked at is passed over, as it is no matter of this run.
func (j *job) leftBehind(ctx context.Context, t *target, m *pipeline.Loaded, store *state.Store) {
	before, err := pipeline.MappingOf(ctx, store)
	file, absErr := filepath.Abs(j.path)
	if before != "" || err != nil || absErr != nil || !j.keeps || t.graph == nil {
		return
	}
	_ = j.states("", func(key, id string, s *state.Store) error {
		if key != t.key || id == m.Connection.ID {
			return nil
		}
		if of, err := pipeline.MappingOf(ctx, s); err != nil || of != file {
			return nil
		}
		if _, err := t.graph.On(id).GetConnection(ctx); err == nil {
			j.log().Warn("this mapping has filled another connection before: its items stay in search as they are, and nothing keeps them, or who may see them, up to date any more; delete it when the new one is in use (importer connection delete)", "connection", id)
		}
		return nil
	})
}

// writePage writes the web page of a run, if one is asked for.
func (j *job) writePage(ctx context.Context, t *target, store *state.Store, rep *pipeline.Report) error {
	if j.flags.report == "" || rep == nil {
		return nil
	}
	info, err := store.RunInfo(ctx, rep.Run)
	if err != nil {
		return err
	}
	r, err := readRun(info)
	if err != nil {
		return err
	}
	return writeWhole(j.flags.report, j.stdout, func(w io.Writer) error { return writeHTMLReport(w, r.report.Connection, t.key, r) })
}

func (j *job) run(ctx context.Context, t *target, c *pipeline.Crawl) (*pipeline.Report, error) {
	if j.do != nil {
		return j.do(ctx, t, c)
	}
	return c.Run(ctx)
}

func (j *job) openState(ctx context.Context, t *target, m *pipeline.Loaded) (*state.Store, error) {
	if !j.keeps {
		return state.OpenTemp(ctx)
	}
	if j.known {
		if _, err := os.Stat(filepath.Join(j.stateDir(t.key), m.Connection.ID+".db")); err != nil {
			return nil, usageError{fmt.Errorf("nothing is known of the connection %s at this target in %s: run the mapping first (importer run MAPPING), or name the folder with --data and the target with --target", m.Connection.ID, j.data)}
		}
	}
	return state.Open(ctx, j.stateDir(t.key), m.Connection.ID, t.remote)
}

func (j *job) newCrawl(t *target, store *state.Store, m *pipeline.Loaded) *pipeline.Crawl {
	c := &pipeline.Crawl{
		Mapping: m.Mapping, File: j.path, Dir: filepath.Dir(j.path), Digest: m.Digest, Store: store,
		Loader: &load.Loader{Target: t.Target, Limiter: t.limiter, Concurrency: t.flight, Retry: t.retry, Log: j.log()},
		Log:    j.log(), Readers: j.flags.readers, Batch: t.batch, InFlight: t.lanes, GroupLanes: t.flight, Deletes: j.deletes, Keep: j.flags.keep,
		Full: j.flags.full, Errors: j.errors, Cache: j.cache,
		AcceptDrift: j.flags.accept,
	}
	if t.graph != nil {
		c.Admin, c.Lookup = t.graph, t.graph
	}
	if j.flags.widenings >= 0 {
		c.Widenings = &j.flags.widenings
	}
	return c
}

// crawlAgain is crawl for commands that go on after it: what went wrong has
// been told, and records in quarantine are no error.
func (j *job) crawlAgain(ctx context.Context, m *pipeline.Loaded, before func(context.Context, *pipeline.Crawl) error) error {
	err := j.crawl(ctx, m, before)
	switch {
	case errors.Is(err, errQuarantined):
		return nil
	case err == nil, errors.Is(err, errTold):
		return err
	case errors.Is(err, context.Canceled): // before it had begun
		return errors.Join(err, errTold)
	}
	j.tell(err, exitCode(err))
	return errors.Join(err, errTold)
}

// showProgress is progress, with the connection's name where there are several.
func (j *job) showProgress(c *pipeline.Crawl, m *pipeline.Loaded) (stop func()) {
	if !j.several {
		return j.progress(c)
	}
	meter := meter{started: time.Now()}
	return j.show(func(now time.Time) string { return m.Connection.ID + ": " + meter.line(c.Progress(), now) })
}

// sayf prints a line with the time in front.
func (a *app) sayf(format string, args ...any) {
	a.printing.Lock()
	defer a.printing.Unlock()
	fmt.Fprintf(a.stderr, "%s %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}
