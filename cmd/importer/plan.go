package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"importer/extract/scratch"
	"importer/load"
	"importer/load/localgraph"
	"importer/pipeline"
	"importer/pipeline/state"
)

type planFlags struct {
	targetFlags
	plan     string // the file that is written
	full     bool
	accept   bool
	exitCode bool
	readers  int
}

func (a *app) planCommand() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan MAPPING",
		Short: "Say what a run would do, and do nothing",
		Long: `plan reads the files and says what a run would do now: changes of the connection,
its schema and external groups, items to be created, updated (and which parts of
them) and deleted, stored items that more people would see, records in
quarantine. Nothing is written but the plan.

With -o the plan is written to a file, item by item, and importer apply does
exactly that, or refuses when files, mapping, connection or what is remembered
have changed meanwhile.`,
		Example: `  importer plan mappings/helpdesk.yaml
  importer plan mappings/helpdesk.yaml --target graph -o plan.json && importer apply plan.json`,
		Args: oneMapping,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runPlan(cmd.Context(), args[0], &f) },
	}
	f.add(cmd, false)
	fl := cmd.Flags()
	fl.StringVarP(&f.plan, "out", "o", "", "`file` to write the plan to; - is stdout")
	fl.BoolVar(&f.full, "full", false, "as run --full: compare the content of every file, whatever its size and time say")
	fl.BoolVar(&f.exitCode, "exit-code", false, "exit with 8 when a run would change anything")
	addAccept(fl, &f.accept)
	fl.IntVar(&f.readers, "readers", 0, "files read at a time; 0 is one a CPU, 4 at most")
	return cmd
}

func (a *app) runPlan(ctx context.Context, path string, f *planFlags) error {
	switch {
	case f.readers < 0:
		return usageError{errors.New("--readers cannot be negative")}
	case f.target == "jsonl":
		return usageError{errors.New("a jsonl target cannot be planned: run writes its file anew each time")}
	case a.json && f.plan == "-":
		return usageError{errors.New("--json and the plan would both go to stdout; write the plan to a file with --out")}
	}
	f.out = "-"
	j, err := a.newJob(path, &runFlags{targetFlags: f.targetFlags, state: "keep", widenings: -1, full: f.full, accept: f.accept, readers: f.readers})
	if err != nil {
		return err
	}
	m, err := j.load()
	if err != nil {
		return err
	}
	t, closeTarget, err := a.openForPlan(&f.targetFlags, m.Connection.ID)
	if err != nil {
		return err
	}
	defer closeTarget()
	store, err := state.OpenCopy(ctx, a.stateDir(t.key), m.Connection.ID)
	if err != nil {
		return err
	}
	defer store.Close()
	c := j.newCrawl(t, store, m)
	where := pipeline.PlanTarget{Key: t.key, Kind: f.target}
	if f.target == "graph" {
		where.GraphURL = f.graphURL
	}
	var h *pipeline.PlanHeader
	stop := a.progress(c)
	err = writeWhole(f.plan, a.stdout, func(w io.Writer) (err error) {
		h, err = c.Plan(ctx, w, where)
		return err
	})
	stop()
	if err != nil {
		return err
	}
	if a.json {
		if err := a.printJSON(h); err != nil {
			return err
		}
	} else if f.plan != "-" {
		causes, err := store.Causes(ctx, 3)
		if err != nil {
			return err
		}
		pace, err := paceOf(ctx, 0, store)
		if err != nil {
			return err
		}
		a.printPlan(h, pace, causes, f.plan)
	}
	if f.exitCode && !h.Empty() {
		return errors.Join(errDiffers, errTold)
	}
	return nil
}

// openForPlan opens the target for looking only: a local Graph that is not
// there is not made.
func (a *app) openForPlan(f *targetFlags, connection string) (*target, func(), error) {
	look := a
	remove := func() {}
	if _, err := os.Stat(filepath.Join(a.data, "graph.db")); f.target == "local" && err != nil {
		dir, err := scratch.New("graph")
		if err != nil {
			return nil, nil, err
		}
		empty := app{stdin: a.stdin, stdout: a.stdout, stderr: a.stderr, data: dir.Path, json: a.json, quiet: a.quiet}
		look, remove = &empty, dir.Remove
	}
	t, err := look.open(f, connection, localgraph.Caller{App: true})
	if err != nil {
		remove()
		return nil, nil, err
	}
	return t, func() { t.close(false); remove() }, nil
}

// writeWhole writes a file that is there only when it was written to its end;
// "" writes nowhere, and - to stdout.
func writeWhole(name string, stdout io.Writer, write func(io.Writer) error) error {
	switch name {
	case "":
		return write(io.Discard)
	case "-":
		return write(stdout)
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-")
	if err != nil {
		return usageError{fmt.Errorf("%s: the file cannot be written (%w); choose another", name, bare(err))}
	}
	defer os.Remove(f.Name())
	err = errors.Join(write(f), f.Close()) // the mode is 0600: ids may say what not everybody may know
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// printPlan prints a plan for people.
func (a *app) printPlan(h *pipeline.PlanHeader, pace pipeline.Pace, causes []state.Cause, file string) {
	w, s := narrow(a.stdout), &h.Summary
	fmt.Fprintf(w, "%s (%s): what a run would do now\n\n", h.Connection, h.Key)
	if h.Empty() {
		fmt.Fprintln(w, "nothing: the connection is equal to the files")
	} else {
		var rows [][]string
		row := func(name string, n int64, more string) {
			if n > 0 {
				rows = append(rows, []string{name, number(n), more})
			}
		}
		for _, line := range setupLines(h.Setup) {
			fmt.Fprintln(w, line)
		}
		row("create", s.Creates, "")
		row("update", s.Updates, "")
		row("delete", s.Deletes, "")
		row("change of groups", s.GroupChanges, "")
		for i := range rows {
			rows[i] = rows[i][:2]
		}
		printTable(w, rows)
		var parts []string
		for _, p := range []struct {
			name string
			n    int64
		}{{"permissions", s.UpdatesOfACL}, {"values", s.UpdatesOfValues}, {"text", s.UpdatesOfContent}, {"activities", s.UpdatesOfDoings}} {
			if p.n > 0 && s.Updates > 0 {
				parts = append(parts, number(p.n)+" of "+p.name)
			}
		}
		if len(parts) > 0 {
			fmt.Fprintf(w, "the updates are %s\n", strings.Join(parts, ", "))
		}
		if s.Widenings > 0 {
			fmt.Fprintf(w, "%s seen by more people than before\n", count(s.Widenings, "stored item would be", "stored items would be"))
		}
		fmt.Fprintf(w, "%s, about %s\n", count(s.Requests(), "request", "requests"), about(h, pace))
	}
	fmt.Fprintf(w, "\n%s read = %s to be sent + %s unchanged + %s filtered + %s quarantined + %s duplicates\n",
		number(s.Read), number(s.Stored), number(s.Unchanged), number(s.Filtered), number(s.Quarantined), number(s.Duplicates))
	for _, stop := range append([]string{s.DeleteGuard, s.WideningGuard}, s.GroupGuards...) {
		if stop != "" {
			fmt.Fprintf(w, "it would stop: %s\n", stop)
		}
	}
	if s.Missed > 0 {
		fmt.Fprintf(w, "%s gone and would be kept for now, by deleteAfter\n", count(s.Missed, "item's record is", "items' records are"))
	}
	if s.Kept > 0 {
		fmt.Fprintf(w, "%s as nothing proves that their records are gone\n", count(s.Kept, "item would be kept,", "items would be kept,"))
	}
	if !a.quiet {
		printCauses(narrow(a.stderr), causes, false)
	}
	for _, p := range s.Problems {
		fmt.Fprintf(w, "\n%s\n", p)
	}
	if file != "" && !h.Empty() {
		fmt.Fprintf(w, "\nimporter apply %s does exactly this.\n", file)
	}
}

// setupLines say what would be done about connection and schema.
func setupLines(p *load.ConnectionPreview) []string {
	if p == nil {
		return nil
	}
	var lines []string
	if p.Create {
		return []string{fmt.Sprintf("create the connection, and its schema of %s", count(int64(len(p.Schema)), "property", "properties")), ""}
	}
	for _, f := range p.Fields {
		lines = append(lines, fmt.Sprintf("change the connection's %s: %q becomes %q", f.Field, f.Now, f.Mapping))
	}
	for _, c := range p.Schema {
		line := fmt.Sprintf("change the schema: %s: %s %s becomes %s", c.Property, c.Change, cmp.Or(c.Registered, "(none)"), c.Mapping)
		if c.Verdict == load.Reingest {
			line += " (every item is sent again)"
		}
		lines = append(lines, line)
	}
	if len(lines) > 0 {
		lines = append(lines, "")
	}
	return lines
}

// about says how long a plan takes at the known rate.
func about(h *pipeline.PlanHeader, p pipeline.Pace) string {
	if h.Kind == "local" {
		return "as fast as this machine is"
	}
	seconds := float64(h.Summary.Requests()) / p.Rate
	return fmt.Sprintf("%s at %s a second", duration(seconds), rateWords(p.Rate))
}

func (a *app) applyCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "apply PLAN",
		Short: "Do exactly what a plan says, or refuse",
		Long: `apply carries out a plan that importer plan has written: into the same target,
item by item. It refuses before it sends anything when the files, the mapping,
the connection or what is remembered of it are not as they were, and stops
before it would send or delete anything that the plan does not have.

The guards hold as for a run: a plan is no leave to delete. An apply that was
interrupted or killed goes on when it is called again.`,
		Example: `  importer plan mappings/helpdesk.yaml -o plan.json
  importer apply plan.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("apply takes one plan, not %d; see importer apply --help", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.runApply(cmd.Context(), args[0], &f) },
	}
	f.addPace(cmd.Flags())
	f.time.add(cmd.Flags())
	f.addPatience(cmd.Flags(), true)
	f.addAuth(cmd.Flags())
	f.addCrawl(cmd.Flags())
	return cmd
}

func (a *app) runApply(ctx context.Context, path string, f *runFlags) error {
	file, err := os.Open(path)
	if err != nil {
		return usageError{fmt.Errorf("%s: the plan cannot be opened (%w); importer plan MAPPING -o %s makes one", path, bare(err), path)}
	}
	defer file.Close()
	plan, err := pipeline.ReadPlan(bufio.NewReaderSize(file, 1<<16))
	if err != nil {
		return usageError{fmt.Errorf("%s: %w", path, err)}
	}
	f.state, f.out, f.target, f.graphURL = "keep", "-", plan.Kind, plan.GraphURL
	f.full = plan.Crawl == "full"
	j, err := a.newJob(shortPath(plan.Mapping), f)
	if err != nil {
		return err
	}
	m, err := j.load()
	if err != nil {
		return err
	}
	j.do = func(ctx context.Context, t *target, c *pipeline.Crawl) (*pipeline.Report, error) {
		return c.Apply(ctx, plan, t.key)
	}
	if !a.quiet {
		fmt.Fprintf(a.stderr, "applying the plan of %s: %s\n", plan.Made.Local().Format(time.DateTime), planWords(&plan.Summary))
	}
	return j.crawl(ctx, m, nil)
}

func planWords(s *pipeline.PlanSummary) string {
	words := []string{}
	for _, p := range []struct {
		n    int64
		word string
	}{{s.Creates, "to create"}, {s.Updates, "to update"}, {s.Deletes, "to delete"}, {s.GroupChanges, "changes of groups"}} {
		if p.n > 0 {
			words = append(words, number(p.n)+" "+p.word)
		}
	}
	if len(words) == 0 {
		return "nothing to do"
	}
	return strings.Join(words, ", ")
}

// shortPath is a path as the user would name it: relative to where they are,
// if it lies below.
func shortPath(path string) string {
	if dir, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(dir, path); err == nil && !strings.HasPrefix(rel, "..") {
			return rel
		}
	}
	return path
}
