package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"importer/pipeline"
	"importer/pipeline/state"
)

func (a *app) runsCommand() *cobra.Command {
	var which stateFlags
	var most int
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "The runs of a connection, the latest first",
		Example: `  importer runs
  importer runs show 7 --html run-7.html
  importer runs diff 6 7`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if most < 0 {
				return usageError{errors.New("--limit is 0 (all) or more")}
			}
			return a.states(which.connection, func(target, id string, s *state.Store) error {
				if which.of != "" && which.of != target {
					return nil
				}
				return a.listRuns(cmd.Context(), target, id, s, most)
			})
		},
	}
	which.add(cmd.PersistentFlags())
	cmd.Flags().IntVarP(&most, "limit", "n", 20, "most runs of a connection; 0 is all")
	cmd.AddCommand(a.runsShowCommand(&which), a.runsDiffCommand(&which))
	return cmd
}

// A pastRun is a run with its balance sheet.
type pastRun struct {
	state.RunInfo
	report pipeline.Report
}

func readRun(info *state.RunInfo) (*pastRun, error) {
	r := &pastRun{RunInfo: *info}
	if len(info.Summary) > 0 {
		if err := json.Unmarshal(info.Summary, &r.report); err != nil {
			return nil, fmt.Errorf("the balance of run %d cannot be read: %w", info.ID, err)
		}
	}
	return r, nil
}

// status is how the run ended, in a word.
func (r *pastRun) status() string {
	if r.Status == "done" && (r.report.Refusals || len(r.report.Problems) > 0) {
		return "quarantined"
	}
	return r.Status
}

// MarshalJSON writes a run with its report beside it.
func (r *pastRun) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Type    string `json:"type"`
		Version int    `json:"version"`
		state.RunInfo
		Outcome string `json:"outcome"`
	}{"run", jsonVersion, r.RunInfo, r.status()})
}

func (a *app) listRuns(ctx context.Context, target, connection string, s *state.Store, most int) error {
	infos, err := s.Runs(ctx, most)
	if err != nil {
		return err
	}
	rows := [][]string{{"run", "started", "kind", "status", "took", "read", "stored", "unchanged", "quarantined", "deleted", "requests"}}
	for i := range infos {
		r, err := readRun(&infos[i])
		if err != nil {
			return err
		}
		if a.json {
			if err := a.printJSON(r); err != nil {
				return err
			}
			continue
		}
		took := "?"
		if r.Ended != nil {
			took = duration(r.Ended.Sub(r.Started).Seconds())
		}
		p := &r.report
		rows = append(rows, []string{fmt.Sprint(r.ID), r.Started.Local().Format(time.DateTime), r.Kind, r.status(), took,
			number(p.Read), number(p.Stored), number(p.Unchanged), number(p.Quarantined), number(p.Deleted), number(p.Requests)})
	}
	if !a.json {
		w := narrow(a.stdout)
		fmt.Fprintf(w, "%s (%s)\n", connection, target)
		printParted(w, rows, slices.Index(rows[0], "read"))
	}
	return nil
}

// A stateFlags names one of the states in --data.
type stateFlags struct{ connection, of string }

func (f *stateFlags) add(fl *pflag.FlagSet) {
	fl.StringVarP(&f.connection, "connection", "c", "", "`id` of the connection; may be left out when there is only one")
	fl.StringVar(&f.of, "of", "", "the `target` of the connection as importer status names it, when it has several")
}

// oneState opens the one state that is meant.
func (a *app) oneState(f *stateFlags, do func(target, connection string, s *state.Store) error) error {
	var names []string
	err := a.states(f.connection, func(target, connection string, _ *state.Store) error {
		if f.of == "" || f.of == target {
			names = append(names, connection+" ("+target+")")
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case len(names) == 0:
		return usageError{fmt.Errorf("--of %s: nothing is known of that target; importer status lists them", f.of)}
	case len(names) > 1:
		return usageError{fmt.Errorf("there are several: choose one with --connection and --of: %s", strings.Join(names, ", "))}
	}
	return a.states(f.connection, func(target, connection string, s *state.Store) error {
		if f.of != "" && f.of != target {
			return nil
		}
		return do(target, connection, s)
	})
}

func (a *app) runsShowCommand(which *stateFlags) *cobra.Command {
	var page string
	cmd := &cobra.Command{
		Use:   "show [RUN]",
		Short: "The balance sheet of a run, the last one if none is named",
		Args:  atMostOne("run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.oneState(which, func(target, id string, s *state.Store) error {
				r, err := a.findRun(cmd.Context(), id, s, args)
				if err != nil {
					return err
				}
				if page != "" {
					err := writeWhole(page, a.stdout, func(w io.Writer) error { return writeHTMLReport(w, id, target, r) })
					if err != nil || page == "-" {
						return err
					}
				}
				if a.json {
					return a.printJSON(r)
				}
				a.printRun(id, target, r)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&page, "html", "", "`file` to write the report to as a web page of its own; - is stdout")
	return cmd
}

func atMostOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usageError{fmt.Errorf("%s takes one %s at most, not %d; see %s --help", cmd.CommandPath(), what, len(args), cmd.CommandPath())}
		}
		return nil
	}
}

// findRun finds the run that args name, or the last one.
func (a *app) findRun(ctx context.Context, connection string, s *state.Store, args []string) (*pastRun, error) {
	if len(args) == 0 {
		runs, err := s.Runs(ctx, 1)
		if err != nil {
			return nil, err
		}
		if len(runs) == 0 {
			return nil, usageError{fmt.Errorf("the connection %s has had no run yet", connection)}
		}
		return readRun(&runs[0])
	}
	return a.runNamed(ctx, connection, s, args[0])
}

func (a *app) runNamed(ctx context.Context, connection string, s *state.Store, name string) (*pastRun, error) {
	id, err := strconv.ParseInt(name, 10, 64)
	if err != nil {
		return nil, usageError{fmt.Errorf("%q is no number of a run; importer runs lists them", name)}
	}
	info, err := s.RunInfo(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, usageError{fmt.Errorf("the connection %s has no run %d; importer runs lists them", connection, id)}
	}
	if err != nil {
		return nil, err
	}
	return readRun(info)
}

// printRun prints the balance sheet of a past run.
func (a *app) printRun(connection, target string, r *pastRun) {
	w, p := narrow(a.stdout), &r.report
	fmt.Fprintf(w, "%s (%s): run %d, %s, %s\n", connection, target, r.ID, r.Kind, r.status())
	fmt.Fprintf(w, "started %s", r.Started.Local().Format(time.DateTime))
	if r.Ended != nil {
		fmt.Fprintf(w, ", ended %s", r.Ended.Local().Format(time.DateTime))
	}
	fmt.Fprintln(w)
	if n := len(p.Attempts); n > 1 {
		fmt.Fprintf(w, "it took %d processes:\n", n)
		for _, at := range p.Attempts {
			fmt.Fprintf(w, "  %s  %s, %s after %s\n", at.Started.Local().Format(time.DateTime), count(at.Requests, "request", "requests"), at.Status, duration(at.Seconds))
		}
	}
	if r.Plan != "" {
		fmt.Fprintf(w, "it carried out the plan %s\n", r.Plan)
	}
	if len(r.Summary) == 0 {
		fmt.Fprintln(w, "it has no balance: it runs, or was killed")
		return
	}
	printBalance(w, p)
	printNotes(w, p)
	printCauses(w, p.Causes, false)
	for _, problem := range p.Problems {
		fmt.Fprintf(w, "\n%s\n", problem)
	}
	if p.Error != "" {
		fmt.Fprintf(w, "\nit stopped: %s\n", p.Error)
	}
}

func (a *app) runsDiffCommand(which *stateFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "diff RUN RUN",
		Short: "What differs between two runs: balances, and what was refused",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError{fmt.Errorf("diff takes two runs, not %d, such as importer runs diff 6 7", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.oneState(which, func(target, id string, s *state.Store) error {
				before, err := a.runNamed(cmd.Context(), id, s, args[0])
				if err != nil {
					return err
				}
				after, err := a.runNamed(cmd.Context(), id, s, args[1])
				if err != nil {
					return err
				}
				return a.diffRuns(before, after)
			})
		},
	}
}

// A runsDiff is what differs between two runs: the second minus the first.
type runsDiff struct {
	Type    string        `json:"type"` // "runsDiff"
	Version int           `json:"version"`
	Before  int64         `json:"before"`
	After   int64         `json:"after"`
	Sources []sourceDelta `json:"sources"` // those with a difference
	All     sourceDelta   `json:"all"`
	Causes  []causeDelta  `json:"causes"`
}

type sourceDelta struct {
	Source string `json:"source"`
	Files  int64  `json:"files"`
	state.Counts
}

type causeDelta struct {
	Stage    string `json:"stage"`
	Reason   string `json:"reason"`
	Property string `json:"property,omitempty"`
	Before   int64  `json:"before"`
	After    int64  `json:"after"`
}

func (a *app) diffRuns(before, after *pastRun) error {
	d := compareRuns(before, after)
	if a.json {
		return a.printJSON(d)
	}
	rows := [][]string{{"source", "files", "read", "stored", "unchanged", "filtered", "quarantined", "duplicates"}}
	for _, s := range append(d.Sources, d.All) {
		rows = append(rows, []string{s.Source, signed(s.Files), signed(s.Read), signed(s.Stored), signed(s.Unchanged), signed(s.Filtered), signed(s.Quarantined), signed(s.Duplicates)})
	}
	w := narrow(a.stdout)
	fmt.Fprintf(w, "run %d against run %d\n\n", after.ID, before.ID)
	printTable(w, rows)
	for _, c := range d.Causes {
		fmt.Fprintf(w, "\n%s: %s, was %s", causeWords(c.Reason, c.Property), number(c.After), number(c.Before))
	}
	if len(d.Causes) > 0 {
		fmt.Fprintln(w)
	}
	return nil
}

func compareRuns(before, after *pastRun) *runsDiff {
	d := &runsDiff{Type: "runsDiff", Version: jsonVersion, Before: before.ID, After: after.ID, Sources: []sourceDelta{}, Causes: []causeDelta{}}
	balances := map[string]*sourceDelta{}
	var names []string
	add := func(p *pipeline.Report, sign int64) {
		for _, s := range p.Sources {
			b := balances[s.Name]
			if b == nil {
				b = &sourceDelta{Source: s.Name}
				balances[s.Name] = b
				names = append(names, s.Name)
			}
			b.Files += sign * s.Files
			b.Add(scaled(s.Counts, sign))
			d.All.Files += sign * s.Files
			d.All.Add(scaled(s.Counts, sign))
		}
	}
	add(&after.report, 1)
	add(&before.report, -1)
	for _, name := range names {
		if b := balances[name]; *b != (sourceDelta{Source: name}) {
			d.Sources = append(d.Sources, *b)
		}
	}
	d.All.Source = "all"
	type key struct{ stage, reason, property string }
	deltas := map[key]*causeDelta{} // over all words of the target
	var keys []key
	delta := func(c state.Cause) *causeDelta {
		k := key{c.Stage, c.Reason, c.Property}
		if deltas[k] == nil {
			deltas[k] = &causeDelta{c.Stage, c.Reason, c.Property, 0, 0}
			keys = append(keys, k)
		}
		return deltas[k]
	}
	for _, c := range after.report.Causes {
		delta(c).After += c.Count
	}
	for _, c := range before.report.Causes {
		delta(c).Before += c.Count
	}
	for _, k := range keys {
		if c := deltas[k]; c.Before != c.After {
			d.Causes = append(d.Causes, *c)
		}
	}
	return d
}

func scaled(c state.Counts, by int64) state.Counts {
	return state.Counts{Read: by * c.Read, Stored: by * c.Stored, Unchanged: by * c.Unchanged, Filtered: by * c.Filtered,
		Quarantined: by * c.Quarantined, Duplicates: by * c.Duplicates}
}

// signed writes a difference with its sign.
func signed(n int64) string {
	if n > 0 {
		return "+" + number(n)
	}
	return number(n)
}
