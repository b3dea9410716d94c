package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"importer/load"
	"importer/pipeline"
	"importer/pipeline/state"
	"importer/transform"
)

func (a *app) validateCommand() *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use:   "validate MAPPING",
		Short: "Check a mapping, without a target",
		Long: `validate checks everything that can be checked offline: the syntax, the rules of
connection and schema, the types of every expression against the columns of
the files, ids and ACLs. Every finding says file:line:col and a remedy.

Of a mapping without mistakes it maps a part of the records, and remarks what no
run would stop for: properties that no item has, columns that nothing is made
of, records that would be refused, ids that stand for several records, entries
of the ACL that never count, items that nobody can see, and what Copilot lacks.
With --strict remarks are mistakes.`,
		Args: oneMapping,
		RunE: func(cmd *cobra.Command, args []string) error { return a.validate(cmd.Context(), args[0], strict) },
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "exit with 2 when there are remarks")
	return cmd
}

func (a *app) validate(ctx context.Context, path string, strict bool) error {
	m, err := transform.Load(path)
	if err == nil {
		err = pipeline.Check(ctx, m, filepath.Dir(path))
	}
	if err != nil {
		return a.findings(err)
	}
	remarks, err := pipeline.Lint(ctx, m, filepath.Dir(path))
	if err != nil {
		return err
	}
	if a.json {
		for _, e := range remarks {
			if err := a.printFinding(e, "remark"); err != nil {
				return err
			}
		}
		err = a.printJSON(map[string]any{"type": "valid", "version": jsonVersion, "connection": m.Connection.ID,
			"properties": len(m.Schema), "sources": len(m.Sources), "remarks": len(remarks)})
	} else {
		fmt.Fprintf(a.stdout, "%s is good: connection %s, %s, %s\n", path, m.Connection.ID,
			count(int64(len(m.Schema)), "property", "properties"), count(int64(len(m.Sources)), "source", "sources"))
		for _, e := range remarks {
			fmt.Fprintf(a.stderr, "\n%v\n", e)
			if e.Excerpt != "" {
				fmt.Fprintf(a.stderr, "%s\n", strings.TrimRight(e.Excerpt, "\n"))
			}
		}
	}
	if err == nil && strict && len(remarks) > 0 {
		return usageError{fmt.Errorf("%s, and --strict takes them for mistakes", count(int64(len(remarks)), "remark", "remarks"))}
	}
	return err
}

func (a *app) printFinding(e *transform.Error, severity string) error {
	return a.printJSON(map[string]any{"type": "finding", "version": jsonVersion, "severity": severity,
		"file": e.Pos.File, "line": e.Pos.Line, "col": e.Pos.Col, "message": e.Detail, "remedy": e.Remedy})
}

// findings prints what is wrong with a mapping, an object a line with --json.
func (a *app) findings(err error) error {
	var all transform.Errors
	if !a.json || !errors.As(err, &all) {
		return err
	}
	for _, e := range all {
		if err := a.printFinding(e, "mistake"); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.stderr, "importer: %s\n", words(err))
	return errors.Join(err, errTold)
}

func (a *app) previewCommand() *cobra.Command {
	var limit int
	var source string
	cmd := &cobra.Command{
		Use:   "preview MAPPING",
		Short: "Map the first records and print the items; nothing is written",
		Long: `preview maps the first records of every source and prints the items, one JSON
object a line in the API's own shape, each with its id and its origin: source,
key, file and line. Records that the mapping refuses are told on stderr.`,
		Args: oneMapping,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.preview(cmd.Context(), args[0], limit, source)
		},
	}
	cmd.Flags().IntVarP(&limit, "limit", "n", 10, "items of each source; 0 is all")
	cmd.Flags().StringVar(&source, "source", "", "only this source of the mapping")
	return cmd
}

func (a *app) preview(ctx context.Context, path string, limit int, source string) error {
	if limit < 0 {
		return usageError{errors.New("--limit is 0 (all) or more")}
	}
	m, err := transform.LoadDraft(path)
	if err != nil {
		return err
	}
	for _, src := range m.Sources {
		if src.Asks() {
			fmt.Fprintf(a.stderr, "source %q has no acl: its items are shown without one, and nothing runs before it is there\n", src.Name)
		}
	}
	w, flush := buffered(a.stdout)
	defer flush()
	found, refused := source == "", false
	for _, src := range m.Sources {
		if source != "" && src.Name != source {
			continue
		}
		found = true
		n := 0
		for item, err := range pipeline.Preview(ctx, filepath.Dir(path), src, a.log()) {
			var stop *pipeline.DriftError
			var wrong transform.Errors
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case errors.As(err, &stop), errors.As(err, &wrong):
				return err
			case err != nil:
				refused = true
				fmt.Fprintf(a.stderr, "%s\n", err)
				continue
			}
			if _, err := w.Write(load.AppendLine(nil, item, true)); err != nil {
				return err
			}
			if n++; limit > 0 && n == limit {
				break
			}
		}
	}
	if !found {
		var names []string
		for _, src := range m.Sources {
			names = append(names, src.Name)
		}
		return usageError{fmt.Errorf("--source %q: the mapping has no such source; it has %s", source, strings.Join(names, ", "))}
	}
	if refused {
		return errors.Join(flush(), errQuarantined, errTold)
	}
	return nil
}

// needLocal refuses to make an empty local Graph only to find nothing in it.
func (a *app) needLocal() error {
	if _, err := os.Stat(filepath.Join(a.data, "graph.db")); err != nil {
		return usageError{fmt.Errorf("there is no local Graph in %s: run a mapping first (importer run MAPPING), or name its folder with --data", a.data)}
	}
	return nil
}

// localConnection completes and checks the id of a connection.
func (a *app) localConnection(ctx context.Context, t *target, id string) (string, error) {
	ids, err := t.local.Connections(ctx)
	if err != nil {
		return "", err
	}
	list := strings.Join(ids, ", ")
	switch {
	case len(ids) == 0:
		return "", usageError{errors.New("the local Graph has no connection yet: run a mapping first (importer run MAPPING)")}
	case id == "" && len(ids) == 1:
		return ids[0], nil
	case id == "":
		return "", usageError{fmt.Errorf("the local Graph has several connections: choose one with --connection (%s)", list)}
	}
	for _, known := range ids {
		if known == id {
			return id, nil
		}
	}
	return "", usageError{fmt.Errorf("the local Graph has no connection %q; it has %s", id, list)}
}

func (a *app) statusCommand() *cobra.Command {
	var connection string
	cmd := &cobra.Command{
		Use:   "status [MAPPING]",
		Short: "What is in the connections, and how the last runs ended",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("status takes one mapping file at most, not %d; see importer status --help", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				m, err := transform.Load(args[0])
				if err != nil {
					return err
				}
				connection = m.Connection.ID
			}
			return a.status(cmd.Context(), connection)
		},
	}
	cmd.Flags().StringVarP(&connection, "connection", "c", "", "only this connection")
	return cmd
}

// A known is a state file that was found.
type known struct {
	Target     string `json:"target"`
	Connection string `json:"connection"`
	*state.Overview
}

// states opens every state in --data, one after the other.
func (a *app) states(connection string, do func(target, connection string, s *state.Store) error) error {
	files, err := filepath.Glob(filepath.Join(a.data, "state", "*", "*.db"))
	if err != nil {
		return err
	}
	any := false
	for _, f := range files {
		id := strings.TrimSuffix(filepath.Base(f), ".db")
		if connection != "" && id != connection {
			continue
		}
		any = true
		s, err := state.Reader(filepath.Dir(f), id)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		err = do(filepath.Base(filepath.Dir(f)), id, s)
		s.Close()
		if err != nil {
			return err
		}
	}
	if !any {
		what := "any connection"
		if connection != "" {
			what = "the connection " + connection
		}
		return usageError{fmt.Errorf("nothing is known of %s in %s: run a mapping first, or name the folder with --data", what, a.data)}
	}
	return nil
}

func (a *app) status(ctx context.Context, connection string) error {
	return a.states(connection, func(target, id string, s *state.Store) error {
		o, err := s.Overview(ctx)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(struct {
				Type    string `json:"type"`
				Version int    `json:"version"`
				known
			}{"status", jsonVersion, known{target, id, o}})
		}
		w := narrow(a.stdout)
		fmt.Fprintf(w, "%s (%s): %s from %s", id, target, count(o.Items, "item", "items"), count(o.Files, "file", "files"))
		if o.Unsettled > 0 {
			fmt.Fprintf(w, ", %s unsettled", number(o.Unsettled))
		}
		if o.Quarantine > 0 {
			fmt.Fprintf(w, ", %s in quarantine, duplicates included", count(o.Quarantine, "record", "records"))
		}
		fmt.Fprintln(w)
		if r := o.LastRun; r != nil {
			fmt.Fprintf(w, "  run %d: %s, started %s", r.ID, r.Status, r.Started.Local().Format("2006-01-02 15:04:05"))
			if r.Ended != nil {
				fmt.Fprintf(w, ", ended %s", r.Ended.Local().Format("15:04:05"))
			}
			fmt.Fprintln(w)
			switch {
			case r.Status == "running" && state.Locked(filepath.Join(a.data, "state", target), id):
				fmt.Fprintln(w, "  it is at work now")
			case r.Status != "done":
				after := "running the same mapping again goes on from its checkpoint"
				if why := r.Why(); why != "" {
					fmt.Fprintf(w, "  it stopped: %s\n", why)
					after = "when that is mended, " + after
				}
				fmt.Fprintf(w, "  it did not end: %s\n", after)
			}
		}
		if o.Resend != "" {
			fmt.Fprintf(w, "  the next run sends every item again, as the schema has changed: %s\n", o.Resend)
		}
		if o.ToRead > 0 {
			fmt.Fprintf(w, "  %s\n", toReadWords(o.ToRead))
		}
		a.printFixes(o.Fixes)
		for _, b := range o.Sources {
			fmt.Fprintf(w, "  %s: %s, %s, %s in quarantine\n", b.Name, count(b.Files, "file", "files"), count(b.Read, "record", "records"), number(b.Quarantined+b.Duplicates))
		}
		return nil
	})
}

// toReadWords says that the quarantine is not that of the files as they are.
func toReadWords(files int64) string {
	are := "are"
	if files == 1 {
		are = "is"
	}
	return fmt.Sprintf("%s %s still to be read, as the last run has not come so far: what is refused there is told as it was before, and is known when a run ends", count(files, "file", "files"), are)
}

// version is the product's version; a build may set it.
var version = "0.1.0"

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			goVersion := ""
			if info, ok := debug.ReadBuildInfo(); ok {
				goVersion = info.GoVersion
			}
			if a.json {
				return a.printJSON(map[string]any{"type": "version", "version": jsonVersion, "importer": version, "go": goVersion})
			}
			_, err := fmt.Fprintf(a.stdout, "importer %s (%s)\n", version, goVersion)
			return err
		},
	}
}
