package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"importer/load/localgraph"
	"importer/pipeline"
	"importer/pipeline/state"
	"importer/transform"
)

type scheduleFlags struct {
	runFlags
	parallel int
	missed   string
	next     int
}

func (a *app) scheduleCommand() *cobra.Command {
	var f scheduleFlags
	cmd := &cobra.Command{
		Use:   "schedule MAPPING...",
		Short: "Crawl mappings at the times that they say",
		Long: `schedule crawls each mapping at the times of its schedule:

  schedule: {full: "0 2 * * 0", incremental: "0 2 * * 1-6", timezone: Europe/Rome, jitter: 10m}

It goes on until it is interrupted, and holds no lock between crawls. A connection
is crawled by one crawl at a time; several connections at once, up to --parallel. A
full crawl takes the place of an incremental one that is due at the same time.

A crawl that could not start in time, because the machine was off or the crawl
before was still going, is told and made up once (--missed run), or told only
(--missed skip). When the last ones were is remembered with the connection, so a
restart knows what was missed, and a crawl that was interrupted goes on.

A crawl that fails is told, and the next one goes on where it was. A mapping that
has changed is taken up; one with a mistake is told, and the one before it stays in
force. --next prints when crawls are due, and ends.

With --json every step is a line on stdout; a crawl is a line with "type":
"summary", as of importer run. The exit code is 0 when it was interrupted between
crawls and 130 when in the middle of one. Every crawl can also be started by
another scheduler: see samples/ops.`,
		Example: `  importer schedule mappings/*.yaml --target graph --json
  importer schedule mappings/*.yaml --next 5`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("importer schedule takes one or more mapping files; see importer schedule --help")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("next") {
				return a.printNext(args, f.next)
			}
			return a.schedule(cmd.Context(), args, &f)
		},
	}
	f.addAgain(cmd)
	fl := cmd.Flags()
	fl.IntVar(&f.parallel, "parallel", 2, "most connections that are crawled at a time")
	fl.StringVar(&f.missed, "missed", "run", "what happens to crawls that were missed: run (once) or skip")
	fl.IntVar(&f.next, "next", 5, "print the next `N` times of each mapping, and end")
	return cmd
}

func (a *app) schedule(ctx context.Context, files []string, f *scheduleFlags) error {
	switch {
	case f.target == "jsonl":
		return usageError{errors.New("--target jsonl is for importer run: a file of JSON lines cannot be kept equal to others")}
	case f.parallel < 1:
		return usageError{fmt.Errorf("--parallel %d is not 1 or more", f.parallel)}
	case f.report != "" && len(files) > 1:
		return usageError{errors.New("--report is for one mapping: the page would be another connection's each time")}
	case f.missed != "run" && f.missed != "skip":
		return usageError{fmt.Errorf("--missed %q is neither run nor skip", f.missed)}
	}
	if _, err := pipeline.LoadScheduled(files); err != nil {
		return err
	}
	j, err := a.newJob(files[0], &f.runFlags)
	if err != nil {
		return err
	}
	if err := j.tryTarget(); err != nil {
		return err
	}
	j.again = true
	if len(files) > 1 {
		j.several = true
		a.stderr = struct{ io.Writer }{a.stderr} // no terminal to draw on
	}
	jobs := map[string]*job{}
	for _, file := range files {
		of := *j
		of.path = file
		jobs[file] = &of
	}
	s := &pipeline.Schedule{Files: files, Parallel: f.parallel, Skip: f.missed == "skip", Tell: a.tellSchedule,
		Crawl: func(ctx context.Context, m *pipeline.Loaded, full bool, memory *pipeline.Memory) error {
			return jobs[m.File].crawlScheduled(ctx, m, full, memory)
		},
		Recall: func(ctx context.Context, m *pipeline.Loaded) (*pipeline.Memory, error) { return j.recall(ctx, m) },
	}
	err = s.Run(ctx)
	a.tellSchedule(pipeline.ScheduleEvent{Type: "stopped"})
	return err
}

// crawlScheduled crawls once, and remembers that it did when it was not
// interrupted.
func (j *job) crawlScheduled(ctx context.Context, m *pipeline.Loaded, full bool, memory *pipeline.Memory) error {
	j.do = func(ctx context.Context, _ *target, c *pipeline.Crawl) (*pipeline.Report, error) {
		c.Full = full
		rep, err := c.Run(ctx)
		if ctx.Err() == nil {
			err = errors.Join(err, pipeline.Remember(ctx, c.Store, memory))
		}
		return rep, err
	}
	return j.crawlAgain(ctx, m, nil)
}

// recall reads what is remembered of a mapping's crawls.
func (j *job) recall(ctx context.Context, m *pipeline.Loaded) (*pipeline.Memory, error) {
	t, err := j.open(&j.flags.targetFlags, m.Connection.ID, localgraph.Caller{App: true})
	if err != nil {
		return nil, err
	}
	defer t.close(false)
	store, err := state.Reader(j.stateDir(t.key), m.Connection.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer store.Close()
	return pipeline.Recall(ctx, store)
}

// A scheduleLine is an event of schedule --json.
type scheduleLine struct {
	Type       string     `json:"type"`
	Version    int        `json:"version"`
	Time       *time.Time `json:"time,omitempty"` // of the event
	Mapping    string     `json:"mapping,omitempty"`
	Connection string     `json:"connection,omitempty"`
	Crawl      string     `json:"crawl,omitempty"` // full or incremental
	Due        *time.Time `json:"due,omitempty"`
	Start      *time.Time `json:"start,omitempty"` // due, and the jitter
	Count      int        `json:"count,omitempty"`
	MadeUp     *bool      `json:"madeUp,omitempty"`
	Reason     string     `json:"reason,omitempty"`
	Seconds    float64    `json:"seconds,omitempty"`
	Message    string     `json:"message,omitempty"`
}

func crawlKind(full bool) string {
	if full {
		return "full"
	}
	return "incremental"
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (a *app) tellSchedule(ev pipeline.ScheduleEvent) {
	if !a.quiet || ev.Type == "invalid" || ev.Type == "forgotten" || ev.Type == "missed" {
		if line := scheduleWords(ev); line != "" {
			a.sayf("%s", line)
		}
	}
	if !a.json {
		return
	}
	now := time.Now().UTC()
	line := scheduleLine{Type: ev.Type, Version: jsonVersion, Time: &now, Mapping: ev.Mapping, Connection: ev.Connection, Due: orNil(ev.Due), Start: orNil(ev.Start),
		Count: ev.Count, Reason: ev.Reason, Seconds: ev.Every.Seconds()}
	if !ev.Due.IsZero() {
		line.Crawl = crawlKind(ev.Full)
	}
	switch ev.Type {
	case "missed":
		line.MadeUp = &ev.MadeUp
	case "invalid", "forgotten":
		line.Message = words(ev.Err)
	}
	a.printJSON(line)
}

// scheduleWords says in words what has happened, "" where the crawl's own line
// is enough.
func scheduleWords(ev pipeline.ScheduleEvent) string {
	at := ev.Due.Format("Mon 2006-01-02 15:04 MST")
	switch ev.Type {
	case "scheduled":
		line := fmt.Sprintf("%s: next is the %s crawl of %s", ev.Connection, crawlKind(ev.Full), at)
		if !ev.Start.Equal(ev.Due) {
			line += fmt.Sprintf(", which starts at %s", ev.Start.Format(time.TimeOnly))
		}
		return line
	case "missed":
		return missedWords(ev, at)
	case "started":
		return fmt.Sprintf("%s: the %s crawl of %s begins", ev.Connection, crawlKind(ev.Full), at)
	case "waiting":
		return fmt.Sprintf("%s: the crawl is tried again in %v", ev.Connection, ev.Every)
	case "clock":
		return fmt.Sprintf("%s: the clock was set back by %v; what was due before is not waited for", ev.Connection, ev.Every)
	case "forgotten":
		return fmt.Sprintf("%s: it cannot be known what was missed (%s); tried again in %v", ev.Connection, words(ev.Err), ev.Every)
	case "reloaded":
		return fmt.Sprintf("%s has changed and is in force", ev.Mapping)
	case "invalid":
		return fmt.Sprintf("%s has changed and cannot be used; the one before it stays in force\n%s", ev.Mapping, words(ev.Err))
	case "stopped":
		return "stopped"
	}
	return ""
}

func missedWords(ev pipeline.ScheduleEvent, at string) string {
	what, then := fmt.Sprintf("the %s crawl of %s was missed", crawlKind(ev.Full), at), "it is not made up"
	if ev.Count > 1 {
		what, then = fmt.Sprintf("%s %s crawls were missed, the first of them of %s", number(int64(ev.Count)), crawlKind(ev.Full), at), "they are not made up"
	}
	switch {
	case ev.MadeUp && ev.Count > 1:
		then = "one crawl makes up for them now"
	case ev.MadeUp:
		then = "it is made up now"
	}
	return fmt.Sprintf("%s: %s: %s; %s", ev.Connection, what, ev.Reason, then)
}

// printNext prints when mappings are due, n times each.
func (a *app) printNext(files []string, n int) error {
	if n < 1 {
		return usageError{fmt.Errorf("--next %d is not 1 or more", n)}
	}
	mappings, err := pipeline.LoadScheduled(files)
	if err != nil {
		return err
	}
	type line struct {
		pipeline.Time
		m *transform.Mapping
	}
	var lines []line
	for _, m := range mappings {
		for _, t := range pipeline.Next(m, time.Now(), n) {
			lines = append(lines, line{t, m.Mapping})
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return a.Start.Compare(b.Start) })
	for _, l := range lines {
		if a.json {
			err = a.printJSON(scheduleLine{Type: "next", Version: jsonVersion, Mapping: l.m.File, Connection: l.m.Connection.ID, Crawl: crawlKind(l.Full), Due: &l.Due, Start: &l.Start})
		} else {
			_, err = fmt.Fprintf(a.stdout, "%s  %-11s  %s\n", l.Start.Format("Mon 2006-01-02 15:04:05 MST"), crawlKind(l.Full), l.m.Connection.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
