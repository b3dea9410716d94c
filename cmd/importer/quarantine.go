package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"importer/pipeline/mend"
	"importer/pipeline/state"
)

// A quarantineFlags chooses lines of the quarantine, as typed.
type quarantineFlags struct {
	connection, target string
	filter             state.Filter
}

func (q *quarantineFlags) addStates(fl *pflag.FlagSet) {
	fl.StringVarP(&q.connection, "connection", "c", "", "only this connection")
	fl.StringVar(&q.target, "target", "", "only what was on its way to this target: local, graph, jsonl, or its name as status prints it")
}

func (q *quarantineFlags) addFilter(fl *pflag.FlagSet) {
	f := &q.filter
	fl.StringVar(&f.Source, "source", "", "only this source of the mapping")
	fl.StringVar(&f.Stage, "stage", "", "only what was refused at this stage: extract, transform or load")
	fl.StringVar(&f.Reason, "reason", "", "only this reason, such as bad-value")
	fl.StringVar(&f.File, "file", "", "only these files: a path or the end of one, * and ? stand for anything")
	fl.StringVar(&f.Item, "item", "", "only the item with this `id`")
	fl.Int64Var(&f.Run, "run", 0, "only what this run refused")
}

func (q *quarantineFlags) check() error {
	switch q.filter.Stage {
	case "", "extract", "transform", "load":
		return nil
	}
	return usageError{fmt.Errorf("--stage %q is none of extract, transform, load", q.filter.Stage)}
}

func (a *app) quarantineCommand() *cobra.Command {
	cmd := a.quarantineList("quarantine")
	cmd.Long = `quarantine lists the records that were refused, by cause: how many, and the first
of them with their place, what is wrong and what to do. --all lists every one.

A record is refused by its file's reader (extract), by the mapping (transform) or
by the target (load). It stays in quarantine until it is mended: in its file, by
the mapping, or here, with export and replay.`
	cmd.Example = `  importer quarantine
  importer quarantine --all --reason bad-value --source tickets
  importer quarantine export -o fixes.xlsx
  importer quarantine replay fixes.xlsx mappings/helpdesk.yaml`
	cmd.AddCommand(a.quarantineList("list"), a.quarantineNames(), a.quarantineExport(), a.quarantineReplay())
	return cmd
}

func (a *app) quarantineList(name string) *cobra.Command {
	var q quarantineFlags
	var all bool
	var examples int
	cmd := &cobra.Command{
		Use:   name,
		Short: "The records that were refused, by cause; mend them and bring them back",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := q.check(); err != nil {
				return err
			}
			if examples < 0 {
				return usageError{errors.New("--examples cannot be negative")}
			}
			return a.quarantineStates(&q, func(target, id string, s *state.Store) error {
				if all || a.json {
					return a.quarantineLines(cmd.Context(), s, q.filter)
				}
				return a.quarantineCauses(cmd.Context(), s, q.filter, id+" ("+target+")", examples)
			})
		},
	}
	if name == "list" {
		cmd.Short = "The same as quarantine alone"
	}
	fl := cmd.Flags()
	q.addStates(fl)
	q.addFilter(fl)
	fl.BoolVar(&all, "all", false, "list every record, a line each, and not by cause")
	fl.IntVarP(&examples, "examples", "n", 3, "records that are shown of each cause")
	return cmd
}

// quarantineNames lists the names in permissions that are nobody's.
func (a *app) quarantineNames() *cobra.Command {
	var q quarantineFlags
	var all bool
	cmd := &cobra.Command{
		Use:   "names",
		Short: "Names of people and groups in permissions that nobody has, with how many items they block",
		Long: `names lists the people, groups and external groups that records name in their
permissions and nobody knows, or that several answer to: a line each, with how
many items are refused for it and, where the mapping says unknown: drop, how many
are there without that grant.

Correct the name where it comes from, or add it to the identities file or to Entra
ID. The next run asks again.`,
		Example: "  importer quarantine names\n  importer quarantine names --all --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			most := 20
			if all || a.json {
				most = math.MaxInt32
			}
			return a.quarantineStates(&q, func(target, id string, s *state.Store) error {
				return a.listNames(cmd.Context(), s, id+" ("+target+")", most)
			})
		},
	}
	fl := cmd.Flags()
	q.addStates(fl)
	fl.BoolVar(&all, "all", false, "list every name, and not the first 20")
	return cmd
}

func (a *app) listNames(ctx context.Context, s *state.Store, where string, most int) error {
	names, all, err := s.Unknowns(ctx, most)
	if err != nil {
		return err
	}
	if a.json {
		for _, u := range names {
			if err := a.printJSON(u); err != nil {
				return err
			}
		}
		return nil
	}
	if all == 0 {
		if !a.quiet {
			fmt.Fprintf(a.stderr, "%s: every name in permissions is somebody's\n", where)
		}
		return nil
	}
	w := narrow(a.stdout)
	fmt.Fprintf(w, "%s: %s in permissions\n", where, count(all, "unknown name", "unknown names"))
	for _, u := range names {
		fmt.Fprintf(w, "  %s\n", unknownWords(u))
	}
	if more := all - int64(len(names)); more > 0 {
		fmt.Fprintf(w, "  and %s more: --all shows them\n", number(more))
	}
	return nil
}

// quarantineStates opens the states that q chooses, one after the other.
func (a *app) quarantineStates(q *quarantineFlags, do func(target, id string, s *state.Store) error) error {
	any := false
	err := a.states(q.connection, func(target, id string, s *state.Store) error {
		if q.target != "" && target != q.target && !strings.HasPrefix(target, q.target+"-") {
			return nil
		}
		any = true
		return do(target, id, s)
	})
	if err == nil && !any {
		err = usageError{fmt.Errorf("--target %s: no run to such a target is remembered in %s; see importer status", q.target, a.data)}
	}
	return err
}

func (a *app) quarantineLines(ctx context.Context, s *state.Store, f state.Filter) error {
	for l, err := range s.Lines(ctx, f) {
		if err == nil && a.json {
			err = a.printJSON(l)
		} else if err == nil {
			_, err = fmt.Fprintf(a.stdout, "%s: %s: %s\n", placeOf(l), l.Reason, l.Detail)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *app) quarantineCauses(ctx context.Context, s *state.Store, f state.Filter, name string, examples int) error {
	causes, err := s.CausesOf(ctx, f, examples)
	if err != nil {
		return err
	}
	var n int64
	files := false // that cannot be read are among them
	for _, c := range causes {
		n += c.Count
		for _, e := range c.Examples {
			files = files || e.Stage == "extract" && e.Line == 0 && e.Page == 0
		}
	}
	if n == 0 {
		if !a.quiet {
			fmt.Fprintf(a.stderr, "%s: nothing is in quarantine that fits\n", name)
		}
		return a.tellToRead(ctx, s, name)
	}
	w := narrow(a.stdout)
	fmt.Fprintf(w, "%s: %s in quarantine, %s\n", name, count(n, "record", "records"), count(int64(len(causes)), "cause", "causes"))
	printCauses(w, causes, true)
	if err := a.tellToRead(ctx, s, name); err != nil {
		return err
	}
	if a.quiet {
		return nil
	}
	fmt.Fprint(a.stderr, "\nMend them in their files or in the mapping, and run again; or correct rows in a workbook:\n"+
		"  importer quarantine export -o fixes.xlsx\n  importer quarantine replay fixes.xlsx MAPPING\n")
	if files {
		fmt.Fprint(a.stderr, "A file that cannot be read is tried again when it, its options or its reader change, or by\n  importer quarantine replay MAPPING\n")
	}
	return nil
}

func (a *app) quarantineExport() *cobra.Command {
	var q quarantineFlags
	var out, format string
	var force bool
	cmd := &cobra.Command{
		Use:   "export -o FILE",
		Short: "Write refused records to a table in which they can be corrected",
		Long: `export writes a row for every refused record: first what is wrong with it, in
columns in brackets, then its own columns with their values. Correct the values,
save the file, and give it to importer quarantine replay. In [action] a row can say

  skip    leave the record out on purpose
  forget  drop an earlier correction of it
  fix     take every cell as it stands, even where it differs from what was
          exported only in the way in which spreadsheets rewrite dates and numbers

Rows may be sorted, filtered and deleted, and columns of your own added; only
[key] must stay. Rows without a key are files and documents, which can only be
mended where they are.

xlsx is the format to choose for Excel and its kin: cells are text, so 007 stays
007, nothing is taken for a formula, and the cells that are wrong are marked. csv
is UTF-8 with commas; what a spreadsheet would take for a formula has an
apostrophe before it, which is taken off again. jsonl is for programs.

The file holds values of your records. Only you can read it (mode 0600).`,
		Example: `  importer quarantine export -o fixes.xlsx
  importer quarantine export -o due.csv --reason bad-value --source tickets
  importer quarantine export -o mended.xlsx --mended`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := q.check(); err != nil {
				return err
			}
			return a.export(cmd.Context(), &q, out, format, force)
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&out, "out", "o", "", "the `file` to write; - is stdout")
	fl.StringVar(&format, "format", "", "xlsx, csv or jsonl; by default that of the file's name")
	fl.BoolVar(&force, "force", false, "replace a file that is there")
	fl.BoolVar(&q.filter.Mended, "mended", false, "write the records with corrections in force instead, to change or forget those")
	q.addStates(fl)
	q.addFilter(fl)
	return cmd
}

func (a *app) export(ctx context.Context, q *quarantineFlags, out, format string, force bool) error {
	if format == "" {
		format = mend.FormatOf(out)
	}
	switch {
	case out == "":
		return usageError{errors.New("export needs a file to write: -o fixes.xlsx")}
	case format == "":
		return usageError{fmt.Errorf("-o %s: the name does not end in .xlsx, .csv or .jsonl; name the format with --format", out)}
	case format != "xlsx" && format != "csv" && format != "jsonl":
		return usageError{fmt.Errorf("--format %q is none of %s", format, strings.Join(mend.Formats, ", "))}
	case q.filter.Mended && (q.filter.Stage != "" || q.filter.Reason != "" || q.filter.Item != "" || q.filter.Run != 0):
		return usageError{errors.New("--mended goes with --source and --file, and not with other filters")}
	case out == "-" && a.json:
		return usageError{errors.New("--json and the export would both go to stdout; write the export to a file")}
	}
	if _, err := os.Lstat(out); err == nil && !force && out != "-" {
		return usageError{fmt.Errorf("%s is there already, perhaps with corrections that were not replayed yet; choose another name, or replace it with --force", out)}
	}
	var names []string
	err := a.quarantineStates(q, func(target, id string, _ *state.Store) error {
		names = append(names, id+" ("+target+")")
		return nil
	})
	if err != nil {
		return err
	}
	if len(names) > 1 {
		return usageError{fmt.Errorf("an export is of one connection and target, and there are %s; choose with --connection and --target", strings.Join(names, ", "))}
	}
	return a.quarantineStates(q, func(_, _ string, s *state.Store) error { return a.exportOf(ctx, s, q.filter, out, format) })
}

// tellToRead says that the quarantine is not whole, where files are still to be
// read.
func (a *app) tellToRead(ctx context.Context, s *state.Store, name string) error {
	if a.quiet {
		return nil
	}
	o, err := s.Overview(ctx)
	if err == nil && o.ToRead > 0 {
		fmt.Fprintf(a.stderr, "%s: %s\n", name, toReadWords(o.ToRead))
	}
	return err
}

func (a *app) exportOf(ctx context.Context, s *state.Store, f state.Filter, out, format string) error {
	var done mend.Exported
	err := writeWhole(out, a.stdout, func(w io.Writer) (err error) { // of mode 0600
		done, err = mend.Export(ctx, s, w, format, f)
		return err
	})
	if err != nil || out == "-" {
		return err
	}
	if a.json {
		return a.printJSON(struct {
			Type    string `json:"type"`
			Version int    `json:"version"`
			File    string `json:"file"`
			Format  string `json:"format"`
			mend.Exported
		}{"export", jsonVersion, out, format, done})
	}
	fmt.Fprintf(a.stdout, "%s: %s", out, count(done.Rows, "record", "records"))
	if rest := done.Rows - done.Mendable; rest > 0 {
		fmt.Fprintf(a.stdout, ", %s of which can be corrected there; the others are files, documents or groups of rows, or too long to be kept", number(done.Mendable))
	}
	fmt.Fprintln(a.stdout)
	if done.Mendable > 0 && !a.quiet {
		fmt.Fprintf(a.stderr, "Correct the values, or write skip into [action]; then: importer quarantine replay %s MAPPING\n", out)
	}
	return a.tellToRead(ctx, s, out)
}

func (a *app) printFixes(c state.FixCounts) {
	if c == (state.FixCounts{}) {
		return
	}
	fmt.Fprintf(a.stdout, "  %s mended by corrections, %s left out on purpose", count(c.Mended, "record", "records"), number(c.LeftOut))
	if c.Idle > 0 {
		fmt.Fprintf(a.stdout, ", %s of no use any more", count(c.Idle, "correction is", "corrections are"))
	}
	if c.Waiting > 0 {
		fmt.Fprintf(a.stdout, ", %s for the next run", count(c.Waiting, "correction waits", "corrections wait"))
	}
	fmt.Fprintln(a.stdout)
}
