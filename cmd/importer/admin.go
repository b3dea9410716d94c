package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"importer/load"
	"importer/load/localgraph"
	"importer/pipeline/state"
)

// What the commands share that administer a connection directly.

// An adminFlags is which connection a command is about, as typed.
type adminFlags struct {
	targetFlags
	connection string
}

func (f *adminFlags) add(cmd *cobra.Command) {
	f.targetFlags.add(cmd, false)
	cmd.Flags().StringVarP(&f.connection, "connection", "c", "", "`id` of the connection; may be left out when the local Graph has only one")
}

// An admin is a connection to administer, with the service that has it.
type admin struct {
	*target
	connection string
}

// service opens the Graph, for commands about no connection in particular, or
// about one that is not there yet.
func (a *app) service(f *targetFlags, fresh bool) (*target, error) {
	if f.target == "jsonl" {
		return nil, usageError{errors.New("--target jsonl is a file and has no connections: use local or graph")}
	}
	if f.target == "local" && !fresh {
		if err := a.needLocal(); err != nil {
			return nil, err
		}
	}
	return a.open(f, "", localgraph.Caller{App: true})
}

// admin opens a connection. That it is there is checked for the local Graph
// only; a tenant says so when it is asked.
func (a *app) admin(ctx context.Context, f *adminFlags) (*admin, error) {
	if f.target == "graph" && f.connection == "" {
		return nil, usageError{errors.New("a tenant may have many connections: name one with --connection ID (importer connection list --target graph shows them)")}
	}
	t, err := a.service(&f.targetFlags, false)
	if err != nil {
		return nil, err
	}
	id := f.connection
	if t.local != nil {
		if id, err = a.localConnection(ctx, t, id); err != nil {
			return nil, errors.Join(err, t.close(false))
		}
	}
	t.graph = t.graph.On(id)
	return &admin{t, id}, nil
}

// absent turns an answer that something is not there into a message that says
// what is. exist lists ids of the kind, "" what cannot be listed.
func (t *admin) absent(ctx context.Context, err error, kind, id, exist string) error {
	if !load.NotFound(err) {
		return err
	}
	if _, err := t.graph.GetConnection(ctx); load.NotFound(err) {
		return noConnection(ctx, t.graph, t.connection)
	}
	if exist != "" {
		exist = "; " + exist
	}
	return usageError{fmt.Errorf("the connection %s has no %s %q%s", t.connection, kind, id, exist)}
}

// noConnection says that a connection is not there, and which are.
func noConnection(ctx context.Context, g *load.Graph, id string) error {
	var ids []string
	for c, err := range g.Connections(ctx, load.ListOptions{}) {
		if err != nil {
			break // the message is as good without them
		}
		ids = append(ids, c.Value.ID)
	}
	what := "none"
	if len(ids) > 0 {
		what = some(ids)
	}
	return usageError{fmt.Errorf("there is no connection %q that this app may see; it sees %s", id, what)}
}

// some names the first of many.
func some(ids []string) string {
	const most = 20
	if len(ids) > most {
		return strings.Join(ids[:most], ", ") + fmt.Sprintf(" and %s more", number(int64(len(ids)-most)))
	}
	return strings.Join(ids, ", ")
}

// known opens what is remembered of a connection, to write down what is
// changed by hand. It is nil when no run has ever filled the connection from
// here.
func (a *app) known(ctx context.Context, t *admin) (*state.Store, error) {
	dir := a.stateDir(t.key)
	if _, err := os.Stat(filepath.Join(dir, t.connection+".db")); err != nil {
		return nil, nil
	}
	return state.Open(ctx, dir, t.connection, t.remote)
}

// disturb writes down what is changed by hand, before it is, if anything is
// remembered of the connection. A run that is at work is not stopped for it.
func (a *app) disturb(ctx context.Context, t *admin, write func(*state.Store) error) error {
	s, err := a.known(ctx, t)
	if errors.Is(err, state.ErrLocked) {
		a.warn("a run is at work on %s and does not see what is changed by hand meanwhile: look again when it has ended", t.connection)
		return nil
	}
	if s == nil || err != nil {
		return err
	}
	return errors.Join(write(s), s.Close())
}

// warn tells the user of something that is not an error.
func (a *app) warn(format string, args ...any) {
	a.printing.Lock()
	defer a.printing.Unlock()
	fmt.Fprintf(a.stderr, "warning: "+format+"\n", args...)
}

// say tells the user how a command gets on, unless they do not want to know.
func (a *app) say(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}

// confirm asks before something is done that cannot be undone. What is to be
// typed is the name of what goes. Where nobody can be asked it must have been
// said by --yes.
func (a *app) confirm(yes bool, question, name string) error {
	if yes {
		return nil
	}
	in, ok := a.stdin.(*os.File)
	out, done := a.terminal()
	if !ok || !isTerminalFile(in) || out == nil {
		return usageError{fmt.Errorf("%s; say --yes if that is meant, as there is no terminal to ask on", question)}
	}
	defer done()
	fmt.Fprintf(out, "%s.\nType %s to go on: ", question, name)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(line) != name {
		return usageError{errors.New("nothing was done: the answer was not " + name)}
	}
	return nil
}

// terminal is where a question is seen, whatever stderr is: nil if there is
// none.
func (a *app) terminal() (w io.Writer, done func()) {
	if isTerminal(a.stderr) {
		return a.stderr, func() {}
	}
	tty, err := os.OpenFile("/dev/tty", os.O_WRONLY, 0)
	if err != nil {
		return nil, func() {}
	}
	return tty, func() { tty.Close() }
}

// group makes a command of commands.
func group(name, short, long string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: name, Short: short, Long: long,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(subs...)
	return cmd
}

// takes checks the number of a command's arguments; most is -1 for any.
func takes(what string, least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return usageError{fmt.Errorf("%s takes %s, not %s; see %s --help", cmd.CommandPath(), what, count(int64(len(args)), "argument", "arguments"), cmd.CommandPath())}
		}
		if slices.ContainsFunc(args, func(s string) bool { return strings.TrimSpace(s) == "" }) {
			return usageError{fmt.Errorf("%s takes %s, and an argument is empty; see %s --help", cmd.CommandPath(), what, cmd.CommandPath())}
		}
		return nil
	}
}

// readInput reads a whole file, or stdin for "-".
func (a *app) readInput(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(a.stdin)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s cannot be read (%w)", name, bare(err))}
	}
	return data, nil
}

// readObject reads a file with one JSON object.
func (a *app) readObject(name string) (map[string]json.RawMessage, error) {
	data, err := a.readInput(name)
	if err != nil {
		return nil, err
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(data, &doc); err != nil || doc == nil {
		return nil, usageError{fmt.Errorf("%s: %s", inputName(name), jsonFault(data, err))}
	}
	return doc, nil
}

func inputName(name string) string {
	if name == "-" {
		return "stdin"
	}
	return name
}

// jsonFault says where a text is not the JSON that is wanted.
func jsonFault(data []byte, err error) string {
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return "it must hold a JSON object, { ... }"
	}
	before := string(data[:min(int(syntax.Offset), len(data))])
	line := 1 + strings.Count(before, "\n")
	return fmt.Sprintf("line %d: this is not JSON: %v", line, syntax)
}
