package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"importer/pipeline"
	"importer/pipeline/mend"
	"importer/pipeline/state"
)

// A replay is what is done to the quarantine before a crawl.
type replay struct {
	*app
	file   string // the export with corrections; "" has everything tried again
	filter state.Filter
	dry    bool
}

func (a *app) quarantineReplay() *cobra.Command {
	var f runFlags
	var q quarantineFlags
	r := &replay{app: a}
	cmd := &cobra.Command{
		Use:   "replay [FILE] MAPPING",
		Short: "Bring corrected records back, or try everything again",
		Long: `replay reads an export with corrections back and crawls: the mapping's files are
read as in any run, and the records that were corrected are read with the values
of the export. Only they are sent. Flags of the crawl are those of run.

Cells that were not touched keep the spelling of the file, whatever a spreadsheet
has made of it. A row that was not changed, or was deleted, means nothing. Look
first with --dry-run, which names every change and does nothing.

Corrections are remembered: they hold for later runs, for as long as the file has
the record as it was. Once the file is mended they are of no use any more, and are
forgotten after ten runs.

Without a file everything in quarantine is tried again as it is, or what the
filters choose: files that could not be read are opened again, and items that the
target has refused are sent again.`,
		Example: `  importer quarantine replay fixes.xlsx mappings/helpdesk.yaml --dry-run
  importer quarantine replay fixes.xlsx mappings/helpdesk.yaml
  importer quarantine replay mappings/helpdesk.yaml --reason rejected --target graph`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 2 {
				return usageError{fmt.Errorf("%s takes an export and a mapping, or a mapping alone, not %d arguments; see %s --help", cmd.CommandPath(), len(args), cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := q.check(); err != nil {
				return err
			}
			mapping := args[len(args)-1]
			if len(args) == 2 {
				r.file = args[0]
			}
			r.filter = q.filter
			switch {
			case r.file != "" && mend.FormatOf(r.file) == "" && mend.FormatOf(mapping) != "":
				return usageError{fmt.Errorf("the export comes first, then the mapping: importer quarantine replay %s %s", mapping, r.file)}
			case r.file == "" && mend.FormatOf(mapping) != "":
				return usageError{fmt.Errorf("%s is no mapping: importer quarantine replay %s MAPPING", mapping, mapping)}
			case r.file != "" && r.filter != (state.Filter{}):
				return usageError{errors.New("filters choose what is tried again without a file; with one, delete the rows that are not meant")}
			}
			f.state = "keep"
			return r.run(cmd.Context(), mapping, &f)
		},
	}
	f.add(cmd, true)
	fl := cmd.Flags()
	f.addCrawl(fl)
	addAccept(fl, &f.accept)
	q.addFilter(fl)
	fl.BoolVarP(&r.dry, "dry-run", "n", false, "name what would be changed, and do nothing")
	return cmd
}

// shownChanges is how many changes are named.
const shownChanges = 10

// errNoCrawl ends a replay that has nothing to crawl for.
var errNoCrawl = errors.New("no crawl")

// run does what is to be done to the quarantine, and crawls.
func (r *replay) run(ctx context.Context, mapping string, f *runFlags) error {
	j, err := r.newJob(mapping, f)
	if err != nil {
		return err
	}
	j.known = true
	m, err := j.load()
	if err != nil {
		return err
	}
	if r.file == "" && j.cache != nil {
		j.cache.Retry = true // what could not be read is tried again
	}
	err = j.crawl(ctx, m, func(ctx context.Context, c *pipeline.Crawl) error {
		done, err := r.prepare(ctx, c.Store)
		if err == nil && done {
			err = errNoCrawl
		}
		return err
	})
	if errors.Is(err, errNoCrawl) {
		return nil
	}
	return err
}

// prepare writes down what the crawl is to do otherwise; done tells that there
// is nothing to crawl for.
func (r *replay) prepare(ctx context.Context, s *state.Store) (done bool, err error) {
	if r.file == "" {
		return r.retry(ctx, s)
	}
	most := shownChanges
	if r.dry {
		most = 1 << 30
	}
	taken, err := mend.Take(ctx, s, r.file, r.dry, most)
	var file *mend.FileError
	var rows mend.RowErrors
	switch {
	case errors.As(err, &file), errors.As(err, &rows):
		return false, usageError{err}
	case err != nil:
		return false, err
	}
	if r.json {
		if err := r.printJSON(struct {
			Type    string `json:"type"`
			Version int    `json:"version"`
			File    string `json:"file"`
			DryRun  bool   `json:"dryRun"`
			mend.Taken
		}{"replay", jsonVersion, r.file, r.dry, taken}); err != nil {
			return false, err
		}
	}
	r.tell(&taken)
	switch {
	case taken.Effect():
	case taken.Unkeyed == taken.Rows && taken.Rows > 0:
		return false, usageError{fmt.Errorf("%s: no row of it can be corrected here, as they are files, documents or groups of rows, or too long to be kept: mend them in their files, and run again", r.file)}
	default:
		return false, usageError{fmt.Errorf("%s: no row differs from what was exported: correct a value in its own column, not in [value], or write skip into [action], and save the file", r.file)}
	}
	return r.dry, nil
}

// tell says what was taken of an export.
func (r *replay) tell(t *mend.Taken) {
	if r.quiet {
		return
	}
	w := r.stderr
	if r.dry {
		w = r.stdout
		if r.json {
			return
		}
	}
	for _, c := range t.Changes {
		if c.Column == "" {
			fmt.Fprintf(w, "%s: %s\n", c.Place, c.To)
		} else {
			fmt.Fprintf(w, "%s: %s: %q becomes %q\n", c.Place, c.Column, c.From, c.To)
		}
	}
	if len(t.Changes) == shownChanges && !r.dry {
		fmt.Fprintln(w, "and so on: --dry-run names all")
	}
	fmt.Fprintf(w, "%s: %s corrected, %s left out, %s forgotten, %s as before, %s unchanged", r.file,
		count(t.Changed, "record", "records"), number(t.LeftOut), number(t.Forgotten), number(t.InForce), number(t.Unchanged))
	if t.Gone > 0 {
		fmt.Fprintf(w, ", %s not in quarantine any more", number(t.Gone))
	}
	if t.Unkeyed > 0 {
		fmt.Fprintf(w, ", %s without a key", number(t.Unkeyed))
	}
	fmt.Fprintln(w)
	if t.AsInFile > 0 {
		fmt.Fprintf(w, "%s what is in the file though a correction is in force, which stays: write forget into [action] to drop it\n", count(t.AsInFile, "row shows", "rows show"))
	}
	if t.Rewritten > 0 {
		c := t.Rewrites[0]
		fmt.Fprintf(w, "%s from what was exported only as spreadsheets rewrite values (%s: %s: %q was %q), so the file's spelling stays; write fix into [action] to take a row as it stands\n",
			count(t.Rewritten, "cell differs", "cells differ"), c.Place, c.Column, c.To, c.From)
	}
}

// retry has everything that the filter chooses tried again.
func (r *replay) retry(ctx context.Context, s *state.Store) (done bool, err error) {
	causes, err := s.CausesOf(ctx, r.filter, 0)
	if err != nil {
		return false, err
	}
	var n int64
	for _, c := range causes {
		n += c.Count
	}
	switch {
	case n == 0 && !r.quiet:
		fmt.Fprintln(r.stderr, "nothing is in quarantine that fits")
	case r.dry:
		fmt.Fprintf(r.stdout, "%s in quarantine would be tried again\n", count(n, "record", "records"))
	}
	if n == 0 || r.dry {
		return true, nil
	}
	files, items, err := s.Retry(ctx, r.filter)
	if err == nil && !r.quiet {
		fmt.Fprintf(r.stderr, "%s in quarantine: %s again, %s again\n", count(n, "record", "records"),
			count(files, "file is read", "files are read"), count(items, "refused item is sent", "refused items are sent"))
	}
	return false, err
}
