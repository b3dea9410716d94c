package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"importer/load/localgraph"
	"importer/pipeline"
)

func (a *app) watchCommand() *cobra.Command {
	var f runFlags
	w := &pipeline.Watch{}
	cmd := &cobra.Command{
		Use:   "watch MAPPING",
		Short: "Crawl whenever the files of a mapping change",
		Long: `watch crawls once, and then whenever files of the mapping come, change or go. It
goes on until it is interrupted, and holds no lock between crawls: importer run
works beside it.

A file is read when nothing has been written to it for --settle. Files that have
settled wait up to --settle-max for those that have not, so that many files make
one crawl; then the others are left as they were, and come with a later one. A
change of the mapping, or of its identities and groups, is taken up as well; one
with a mistake is told, and the mapping before it stays in force.

Where the system does not tell of changes (network shares, too many folders),
folders are looked at every --poll. Every --rescan there is a crawl in any case.

A crawl that fails is told and tried again, later each time, up to 5 minutes. One
that stopped because it would delete too much, or because files have drifted, is
tried again when something has changed.

With --json every step is a line on stdout; a crawl is a line with "type":
"summary", as of importer run. The exit code is 0 when it was interrupted between
crawls and 130 when in the middle of one.`,
		Example: `  importer watch mappings/helpdesk.yaml
  importer watch mappings/helpdesk.yaml --target graph --json >>watch.log`,
		Args: oneMapping,
		RunE: func(cmd *cobra.Command, args []string) error { return a.watch(cmd.Context(), args[0], &f, w) },
	}
	f.addAgain(cmd)
	fl := cmd.Flags()
	fl.DurationVar(&w.Settle, "settle", 2*time.Second, "how long a file must have been left alone before it is read")
	fl.DurationVar(&w.SettleMax, "settle-max", 2*time.Second, "how long files that have settled wait for those that have not")
	fl.DurationVar(&w.Poll, "poll", 30*time.Second, "time between two looks where the system does not tell of changes")
	fl.DurationVar(&w.Rescan, "rescan", 15*time.Minute, "time between two crawls when nothing has changed; 0 is never")
	fl.BoolVar(&w.NoEvents, "no-events", false, "look at all folders every --poll, whatever the system tells")
	return cmd
}

// addAgain adds the flags of a command that crawls again and again. It needs
// a target that keeps what it got, and a memory of it.
func (f *runFlags) addAgain(cmd *cobra.Command) {
	f.state = "keep"
	f.add(cmd, true)
	f.addCrawl(cmd.Flags())
	cmd.Flags().VisitAll(func(fl *pflag.Flag) {
		switch fl.Name {
		case "out":
			fl.Hidden = true
		case "target":
			fl.Usage = "local (the local Graph in --data) or graph (a Microsoft 365 tenant, or any server at --graph-url)"
		}
	})
}

func (a *app) watch(ctx context.Context, path string, f *runFlags, w *pipeline.Watch) error {
	switch {
	case f.target == "jsonl":
		return usageError{errors.New("--target jsonl is for importer run: a file of JSON lines cannot be kept equal to others")}
	case w.Settle < 0 || w.SettleMax < 0 || w.Rescan < 0:
		return usageError{errors.New("--settle, --settle-max and --rescan cannot be negative")}
	case w.Poll <= 0:
		return usageError{fmt.Errorf("--poll %v is not more than nothing", w.Poll)}
	}
	j, err := a.newJob(path, f)
	if err != nil {
		return err
	}
	j.again = true
	if err := j.tryTarget(); err != nil {
		return err
	}
	w.File = path
	w.Crawl = func(ctx context.Context, m *pipeline.Loaded, hold func(string) bool) error {
		return j.crawlAgain(ctx, m, func(_ context.Context, c *pipeline.Crawl) error {
			c.Hold = hold
			return nil
		})
	}
	w.Tell = func(ev pipeline.WatchEvent) { j.tellWatch(ev) }
	return w.Run(ctx)
}

// tryTarget finds what would be wrong with the target every time: mistakes in
// its flags, and credentials that are not there or do not let in. Anything else
// may pass.
func (j *job) tryTarget() error {
	t, err := j.open(&j.flags.targetFlags, "none", localgraph.Caller{App: true})
	if err == nil {
		return t.close(false)
	}
	if code := exitCode(err); code == exitUsage || code == exitAuth {
		return err
	}
	return nil
}

// A watchLine is an event of watch --json.
type watchLine struct {
	Type    string    `json:"type"`
	Version int       `json:"version"`
	Time    time.Time `json:"time"`
	Mapping string    `json:"mapping"`
	Source  string    `json:"source,omitempty"`
	Path    string    `json:"path,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Files   int       `json:"files,omitempty"`
	Sample  []string  `json:"sample,omitempty"`
	Waiting int       `json:"waiting,omitempty"`
	Folders int       `json:"folders,omitempty"`
	Seconds float64   `json:"seconds,omitempty"` // until the next look or try
	Message string    `json:"message,omitempty"`
}

func (j *job) tellWatch(ev pipeline.WatchEvent) {
	if !j.quiet || ev.Type == "invalid" {
		if line := j.watchWords(ev); line != "" {
			j.sayf("%s", line)
		}
	}
	if !j.json {
		return
	}
	line := watchLine{Type: ev.Type, Version: jsonVersion, Time: time.Now().UTC(), Mapping: j.path, Source: ev.Source, Path: ev.Path, Reason: ev.Reason,
		Files: ev.Files, Sample: ev.Sample, Waiting: ev.Waiting, Folders: ev.Folders, Seconds: ev.Every.Seconds()}
	if ev.Type == "invalid" { // other errors have been told
		line.Message = words(ev.Err)
	}
	j.printJSON(line)
}

// watchWords says in words what has happened, "" where the crawl's own line
// is enough.
func (j *job) watchWords(ev pipeline.WatchEvent) string {
	switch ev.Type {
	case "watching":
		return fmt.Sprintf("watching %s of %s", count(int64(ev.Folders), "folder", "folders"), j.path)
	case "polling":
		return fmt.Sprintf("source %s is looked at every %v: %s", ev.Source, ev.Every, ev.Reason)
	case "settled":
		line := count(int64(ev.Files), "change", "changes") + ": " + fmt.Sprint(ev.Sample[0])
		if ev.Files > 1 {
			line += fmt.Sprintf(" and %s more", number(int64(ev.Files-1)))
		}
		if ev.Waiting > 0 {
			line += fmt.Sprintf("; %s not settled and %s held back", count(int64(ev.Waiting), "more has", "more have"), map[bool]string{true: "is", false: "are"}[ev.Waiting == 1])
		}
		return line
	case "retrying":
		return fmt.Sprintf("the crawl is tried again in %v", ev.Every)
	case "blocked":
		return "the crawl is tried again when a file or the mapping has changed"
	case "reloaded":
		return fmt.Sprintf("%s has changed and is in force", j.path)
	case "invalid":
		return fmt.Sprintf("%s has changed and cannot be used; the one before it stays in force\n%s", j.path, words(ev.Err))
	case "gone":
		return fmt.Sprintf("the folder %s is not there (a share may not be mounted); nothing of it is deleted", ev.Path)
	case "back":
		return fmt.Sprintf("the folder %s is there again", ev.Path)
	case "lost":
		return "the system has lost events; a crawl makes up for them"
	case "stopped":
		return "stopped"
	}
	return ""
}
