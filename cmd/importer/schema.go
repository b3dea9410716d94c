package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"importer/load"
	"importer/transform"
)

func (a *app) schemaCommand() *cobra.Command {
	return group("schema", "Schemas: get, diff, apply, operation",
		`schema shows and changes what a connection's items are made of. A run registers
the schema of its mapping by itself; diff says beforehand what that would take,
and apply does it without a crawl.`,
		a.schemaGet(), a.schemaDiff(), a.schemaApply(), a.schemaOperation())
}

func (a *app) schemaGet() *cobra.Command {
	var f adminFlags
	cmd := &cobra.Command{
		Use:   "get",
		Short: "The schema of a connection",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.getSchema(cmd.Context(), &f) },
	}
	f.add(cmd)
	return cmd
}

func (a *app) getSchema(ctx context.Context, f *adminFlags) (err error) {
	t, err := a.admin(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(err == nil)) }()
	schema, err := t.graph.Schema(ctx)
	if load.NotFound(err) {
		if _, err := t.graph.GetConnection(ctx); load.NotFound(err) {
			return noConnection(ctx, t.graph, t.connection)
		}
		return usageError{fmt.Errorf("the connection %s has no schema yet: importer schema apply MAPPING registers one, or the first run of its mapping", t.connection)}
	}
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(schema)
	}
	rows := [][]string{{"property", "type", "flags", "labels", "aliases", "description"}}
	for _, p := range schema.Value.Properties {
		rows = append(rows, []string{p.Name, p.Type, strings.Join(p.Flags(), " "), strings.Join(p.Labels, " "), strings.Join(p.Aliases, " "), cut(oneLine(p.Description), 50)})
	}
	printColumns(narrow(a.stdout), "", rows)
	return nil
}

func (a *app) schemaDiff() *cobra.Command {
	var f targetFlags
	var code bool
	cmd := &cobra.Command{
		Use:   "diff MAPPING",
		Short: "What registering the schema of a mapping would change, and what that takes",
		Long: `diff compares the registered schema with a mapping's, property by property, and
says of each difference what the API allows, with the reason and the page:

  allowed          as it is
  reingest         allowed; every item is to be sent again, which the next run does
  newConnection    not allowed: it takes a new connection

With --exit-code it exits with 8 when there are differences.`,
		Example: `  importer schema diff mappings/helpdesk.yaml
  importer schema diff mappings/helpdesk.yaml --target graph --exit-code`,
		Args: oneMapping,
		RunE: func(cmd *cobra.Command, args []string) error { return a.diffSchema(cmd.Context(), &f, args[0], code) },
	}
	f.add(cmd, false)
	cmd.Flags().BoolVar(&code, "exit-code", false, "exit with 8 when there are differences")
	return cmd
}

func (a *app) diffSchema(ctx context.Context, f *targetFlags, path string, code bool) (err error) {
	m, err := transform.Load(path)
	if err != nil {
		return err
	}
	t, err := a.service(f, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(err == nil)) }()
	diff, err := t.graph.On(m.Connection.ID).DiffSchema(ctx, m.Schema)
	if load.NotFound(err) { // then all of it is new
		diff, err = load.FirstSchema(m.Connection.ID, m.Schema), nil
	}
	if err != nil {
		return err
	}
	if a.json {
		err = a.printJSON(struct {
			Type    string `json:"type"`
			Version int    `json:"version"`
			*load.SchemaDiff
		}{"schemaDiff", jsonVersion, diff})
	} else {
		a.printDiff(diff, path)
	}
	if err == nil && code && len(diff.Changes) > 0 {
		return errors.Join(errDiffers, errTold)
	}
	return err
}

var verdictWords = []struct {
	verdict load.Verdict
	words   string
}{
	{load.Allowed, "allowed as it is"},
	{load.Reingest, "allowed, and every item is to be sent again"},
	{load.NewConnection, "not allowed: it takes a new connection"},
}

func (a *app) printDiff(d *load.SchemaDiff, path string) {
	w := narrow(a.stdout)
	switch {
	case len(d.Changes) == 0:
		fmt.Fprintf(w, "the schema of %s is what the mapping says\n", d.Connection)
		return
	case d.State == "":
		fmt.Fprintf(w, "there is no connection %s yet: importer run %s makes it, with this schema\n", d.Connection, path)
	case !d.Registered:
		fmt.Fprintf(w, "the connection %s has no schema yet\n", d.Connection)
	default:
		fmt.Fprintf(w, "the schema of %s: %s\n", d.Connection, count(int64(len(d.Changes)), "difference", "differences"))
	}
	for _, v := range verdictWords {
		changes := d.With(v.verdict)
		if len(changes) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s\n", v.words)
		var rows [][]string
		for _, c := range changes {
			what := c.Change
			if what == "property" {
				what = map[bool]string{true: "new", false: "gone"}[c.Registered == ""]
			}
			change := shown(c.Registered) + " -> " + shown(c.Mapping)
			if c.Registered == "" && c.Change == "property" {
				change = c.Mapping
			}
			rows = append(rows, []string{c.Property, what, change})
			if d.Registered {
				rows[len(rows)-1] = append(rows[len(rows)-1], c.Reason)
			}
		}
		printColumns(w, "  ", rows)
		if d.Registered {
			for _, page := range pages(changes) {
				fmt.Fprintf(w, "  see %s\n", page)
			}
		}
	}
	if d.State == "" {
		return
	}
	switch d.Worst() {
	case load.NewConnection:
		fmt.Fprintf(w, "\nThis schema cannot be registered: take back what is not allowed, or choose a new connection id in the mapping.\n")
	case load.Reingest:
		fmt.Fprintf(w, "\nimporter schema apply %s registers it. The run after that sends every item again, as it does when it registers the schema itself.\n", path)
	default:
		fmt.Fprintf(w, "\nimporter schema apply %s registers it, and so does the next run.\n", path)
	}
}

// shown is a value as it stands in a difference.
func shown(s string) string {
	if s == "" {
		return "nothing"
	}
	return cut(oneLine(s), 60)
}

// pages are the sources of changes, each once.
func pages(changes []load.SchemaChange) []string {
	var list []string
	seen := map[string]bool{}
	for _, c := range changes {
		if !seen[c.Source] {
			seen[c.Source] = true
			list = append(list, c.Source)
		}
	}
	return list
}

func (a *app) schemaApply() *cobra.Command {
	var f targetFlags
	var r recreateFlags
	var noWait bool
	cmd := &cobra.Command{
		Use:   "apply MAPPING",
		Short: "Register the schema of a mapping",
		Long: `apply registers what the API allows of the mapping's schema and waits until that
is done, which takes a tenant 5 to 15 minutes. When items are to be sent again
for it, that is written down, and the next run does it.

What the API does not allow is refused as a whole: nothing is registered then.
Such a schema needs a new connection. --recreate NEWID makes it: beside the old
one, which stays as it is, everything is crawled into the connection NEWID; then
the mapping is made to name it; and with --delete-old the old one is deleted.
Each step goes on where it was when the command is called again. Corrections of
refused records are taken over.`,
		Example: `  importer schema apply mappings/helpdesk.yaml
  importer schema apply mappings/helpdesk.yaml --recreate contosohelpdesk2 --delete-old`,
		Args: oneMapping,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case r.id != "" && noWait:
				return usageError{errors.New("--recreate crawls, and cannot go on without waiting: leave out --no-wait")}
			case r.id != "":
				return a.recreate(cmd.Context(), &f, args[0], &r)
			case r.deleteOld || r.yes:
				return usageError{errors.New("--delete-old and --yes go with --recreate")}
			}
			return a.applySchema(cmd.Context(), &f, args[0], noWait)
		},
	}
	f.add(cmd, false)
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "print the id of the operation and do not wait for its end")
	cmd.Flags().StringVar(&r.id, "recreate", "", "make a new connection with this `id` beside the old one, and have the mapping name it")
	cmd.Flags().BoolVar(&r.deleteOld, "delete-old", false, "delete the old connection at the end")
	cmd.Flags().BoolVar(&r.yes, "yes", false, "do not ask before the old connection is deleted")
	return cmd
}

func (a *app) applySchema(ctx context.Context, f *targetFlags, path string, noWait bool) (err error) {
	m, err := transform.Load(path)
	if err != nil {
		return err
	}
	t, err := a.admin(ctx, &adminFlags{*f, m.Connection.ID})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(err == nil)) }()
	diff, err := t.graph.DiffSchema(ctx, m.Schema)
	if load.NotFound(err) {
		return usageError{fmt.Errorf("there is no connection %s yet: importer run %s makes it with its schema, or importer connection create %[1]s", m.Connection.ID, path)}
	}
	if err != nil {
		return err
	}
	if len(diff.Changes) == 0 && !diff.Draft() {
		return a.applied(diff, "", "equal", "the schema of %s is what the mapping says already", diff.Connection)
	}
	unmark, err := a.markResend(ctx, t, diff)
	if err != nil {
		return err
	}
	operation, err := t.graph.BeginSchema(ctx, diff, m.Schema)
	if schema, ok := errors.AsType[*load.SchemaError](err); ok {
		return fmt.Errorf("%w; importer schema diff %s says why, and importer schema apply %[2]s --recreate NEWID makes a new connection beside it", schema, path)
	}
	if err != nil {
		// Of a service that did not answer it is not known what it has done.
		if _, away := errors.AsType[*load.UnavailableError](err); away || ctx.Err() != nil {
			return err
		}
		return errors.Join(err, unmark())
	}
	if noWait && operation != "" {
		return a.applied(diff, operation, "inprogress", "the registration is under way: importer schema operation %s -c %s tells how it goes", operation, diff.Connection)
	}
	a.say("registering the schema of %s, operation %s; a tenant takes 5 to 15 minutes", diff.Connection, operation)
	err = a.awaitSchema(ctx, t, operation, m.Schema)
	if _, refused := errors.AsType[*load.SchemaRefusedError](err); refused {
		return errors.Join(err, unmark())
	}
	if ctx.Err() != nil {
		return interruptedError{fmt.Sprintf("interrupted; the service goes on registering the schema: importer schema operation %s -c %s tells how it goes", operation, diff.Connection)}
	}
	if err != nil {
		return err
	}
	words := "the schema of %s is registered"
	if diff.Worst() == load.Reingest && !diff.Draft() {
		words += "; the next run of its mapping sends every item again"
	}
	return a.applied(diff, operation, "completed", words, diff.Connection)
}

// markResend writes down that every item is to be sent again, if the changes
// need it. unmark takes that back.
func (a *app) markResend(ctx context.Context, t *admin, diff *load.SchemaDiff) (unmark func() error, err error) {
	nothing := func() error { return nil }
	if diff.Worst() != load.Reingest || diff.Draft() {
		return nothing, nil
	}
	s, err := a.known(ctx, t)
	if err != nil {
		return nil, err
	}
	if s == nil {
		a.warn("nothing is remembered in %s of a run into %s: if one runs from another folder or machine, have it send everything again", a.data, t.connection)
		return nothing, nil
	}
	before, err := s.MarkResend(ctx, load.Changed(diff.With(load.Reingest)))
	if err = errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	return func() error {
		s, err := a.known(context.WithoutCancel(ctx), t)
		if s == nil || err != nil {
			return err
		}
		return errors.Join(s.UnmarkResend(context.WithoutCancel(ctx), before), s.Close())
	}, nil
}

// awaitSchema waits for the registration and shows how it gets on.
func (a *app) awaitSchema(ctx context.Context, t *admin, operation string, s transform.Schema) error {
	var status atomic.Value
	status.Store("inprogress")
	started := time.Now()
	stop := a.show(func(now time.Time) string {
		return fmt.Sprintf("registering the schema: %s, %s", status.Load(), now.Sub(started).Round(time.Second))
	})
	defer stop()
	return t.graph.AwaitSchema(ctx, operation, s, func(op *load.Operation) { status.Store(op.Status) })
}

// applied tells how an apply has ended.
func (a *app) applied(diff *load.SchemaDiff, operation, status, format string, args ...any) error {
	if a.json {
		return a.printJSON(map[string]any{"type": "schemaApplied", "version": jsonVersion, "connection": diff.Connection,
			"operation": operation, "status": status, "changes": len(diff.Changes), "resend": diff.Worst() == load.Reingest && !diff.Draft()})
	}
	if status == "inprogress" {
		fmt.Fprintln(a.stdout, operation)
	}
	a.say(format, args...)
	return nil
}

func (a *app) schemaOperation() *cobra.Command {
	var f adminFlags
	cmd := &cobra.Command{
		Use:   "operation ID",
		Short: "How the registration of a schema gets on",
		Args:  takes("the id of an operation", 1, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.getOperation(cmd.Context(), &f, args[0]) },
	}
	f.add(cmd)
	return cmd
}

func (a *app) getOperation(ctx context.Context, f *adminFlags, id string) (err error) {
	t, err := a.admin(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close(err == nil)) }()
	op, err := t.graph.Operation(ctx, id)
	if err != nil {
		return t.absent(ctx, err, "operation", id, "the service forgets operations after a while, and has no call that lists them")
	}
	if a.json {
		return a.printJSON(op)
	}
	fmt.Fprint(a.stdout, op.Value.Status)
	if op.Value.Failed() {
		fmt.Fprintf(a.stdout, ": %s", op.Value.Words())
	}
	fmt.Fprintln(a.stdout)
	return nil
}
