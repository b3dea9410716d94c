// Command importer brings files into Microsoft Search and Copilot: it reads
// CSV, Excel, PDF, HTML and other files, makes an external item of every record by
// a mapping file, and keeps a connection of the Microsoft Graph connectors API
// equal to them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"importer/extract"
	"importer/extract/scratch"
)

func init() { cobra.EnableCommandSorting = false } // commands are listed as they are added

func main() {
	extract.ServeWorkerIfAsked() // a child that reads hostile files never comes back from here
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program. A first interrupt ends a command at its next checkpoint,
// a second one at once.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	scratch.Sweep() // what runs that were killed have left
	defer extract.CloseWorkers()
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second one kills

	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	code := exitCode(err)
	if !errors.Is(err, errTold) {
		a.tell(err, code)
	}
	return code
}

// An app holds what all commands share.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	data  string // folder of the local Graph and the state
	json  bool
	quiet bool

	printing sync.Mutex // held while a line is written
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "importer",
		Short: "Bring files into Microsoft Search and Copilot",
		Long: `importer reads CSV, Excel, PDF, HTML, Word, mail and other files, makes an
external item of every record by a mapping file, and keeps a connection of the
Microsoft Graph connectors API equal to the files: nothing missing, nothing
stale, and nobody sees what they should not.

The default target is the local Graph: the connectors API inside this program,
with permission-trimmed search. It needs no tenant, no server and no
configuration:

  importer run mappings/helpdesk.yaml
  importer search printer --connection contosohelpdesk --as priya.nair@contoso.com

Every flag can be set by an environment variable: --graph-url by
IMPORTER_GRAPH_URL, and so on. Secrets are never flags.

Exit codes:
` + exitHelp(),
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noSuchCommand,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return flagsFromEnv(cmd.Flags())
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetIn(a.stdin)
	f := root.PersistentFlags()
	f.StringVar(&a.data, "data", ".importer", "`folder` of the local Graph and of what is remembered of each crawl")
	f.BoolVar(&a.json, "json", false, "print JSON to stdout")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "no progress and no summary in words")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see %s --help", flagWords(err), cmd.CommandPath())}
	})
	root.AddCommand(a.runCommand(), a.planCommand(), a.applyCommand(), a.estimateCommand(), a.watchCommand(), a.scheduleCommand(), a.initCommand(), a.validateCommand(), a.testCommand(), a.previewCommand(), a.extractCommand(), a.searchCommand(), a.serveCommand(), a.tokenCommand(),
		a.statusCommand(), a.runsCommand(), a.whyCommand(), a.whereCommand(), a.explainCommand(), a.aclCommand(), a.quarantineCommand(), a.versionCommand(), a.connectionCommand(), a.schemaCommand(), a.itemCommand(), a.groupCommand(), a.activityCommand(), a.doctorCommand())
	inGroups(root)
	plainUse(root)
	return root
}

// inGroups puts the commands of the help into the order in which they are
// needed.
func inGroups(root *cobra.Command) {
	for _, g := range [...]struct{ id, title, commands string }{
		{"mapping", "Write a mapping:", "init extract validate preview test"},
		{"crawl", "Crawl:", "doctor estimate plan apply run watch schedule"},
		{"look", "See what became of it:", "status runs where why explain acl search quarantine"},
		{"graph", "Look after the service:", "connection schema item group activity"},
		{"local", "The local Graph:", "serve token"},
	} {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for name := range strings.FieldsSeq(g.commands) {
			for _, cmd := range root.Commands() {
				if cmd.Name() == name {
					root.RemoveCommand(cmd)
					cmd.GroupID = g.id
					root.AddCommand(cmd) // to the end
				}
			}
		}
	}
}

// plainUse takes "[flags]" out of the use lines.
func plainUse(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		c.DisableFlagsInUseLine = true
		plainUse(c)
	}
}

// flagsFromEnv sets the flags that were not given from IMPORTER_ variables.
func flagsFromEnv(flags *pflag.FlagSet) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		name := "IMPORTER_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := os.LookupEnv(name)
		if !ok || f.Changed || err != nil || f.Name == "help" {
			return
		}
		if setErr := flags.Set(f.Name, value); setErr != nil {
			err = usageError{fmt.Errorf("the environment variable %s: %w", name, flagWords(setErr))}
		}
	})
	return err
}

// noSuchCommand says what a word that is no command may have been meant for.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	remedy := "see " + cmd.CommandPath() + " --help"
	near := cmd.SuggestionsFor(args[0])
	slices.SortStableFunc(near, func(a, b string) int { // mistakes are rare in the first letter
		return strings.Index(b, args[0][:1]) - strings.Index(a, args[0][:1])
	})
	if len(near) > 0 {
		remedy = fmt.Sprintf("did you mean %s?", near[0])
	}
	return usageError{fmt.Errorf("there is no command %q; %s", args[0], remedy)}
}

// flagWords words what pflag says of a value, which speaks of strconv.
func flagWords(err error) error {
	bad, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	what := map[string]string{"int": "a whole number", "float64": "a number", "bool": "true or false", "duration": "a duration such as 30s, 5m or 1h"}
	kind, ok := what[bad.GetFlag().Value.Type()]
	if !ok {
		return err
	}
	return fmt.Errorf("--%s %q is not %s", bad.GetFlag().Name, bad.GetValue(), kind)
}
