package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"importer/transform"
)

type runFlags struct {
	targetFlags
	state      string
	maxDeletes string
	widenings  int64
	maxErrors  string
	limits     []string
	keep       bool
	accept     bool
	full       bool
	increment  bool
	report     string
	cacheSize  string
	noCache    bool
	readers    int
	time       timeFlags
	profile    profiler
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run MAPPING",
		Short: "Crawl the files of a mapping into a connection",
		Long: `run makes a connection equal to the files of a mapping: connection, schema and
external groups first, then the items that are new or have changed, and at the
end the deletes. Files that were read whole and have not changed since are not
opened: a file of the same size and time is taken as unchanged, and one that was
touched or rewritten is compared by content first. With --full every file is
compared by content.

A run that was interrupted, killed or stopped by an error is taken up where it
was by running the same command again. With --window and --max-duration a long
import is done in several nights: a run whose time is over stops at a checkpoint
with exit 10, and the next one goes on there.`,
		Example: `  importer run mappings/helpdesk.yaml
  importer run mappings/helpdesk.yaml --target graph
  importer run mappings/helpdesk.yaml --target graph --window 22:00-06:00
  importer run mappings/helpdesk.yaml --target jsonl --out items.jsonl`,
		Args: oneMapping,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runRun(cmd.Context(), args[0], &f) },
	}
	f.add(cmd, true)
	fl := cmd.Flags()
	f.addCrawl(fl)
	addAccept(fl, &f.accept)
	f.time.add(fl)
	fl.BoolVar(&f.full, "full", false, "compare the content of every file, whatever its size and time say")
	fl.BoolVar(&f.increment, "incremental", false, "take a file of unchanged size and time as unchanged (the default)")
	fl.StringVar(&f.state, "state", "auto", "what is remembered: keep, none, or auto (keep, but none for jsonl)")
	fl.StringVar(&f.profile.cpu, "cpuprofile", "", "write a CPU profile to this `file`")
	fl.StringVar(&f.profile.memory, "memprofile", "", "write a heap profile to this `file`")
	for _, name := range []string{"cpuprofile", "memprofile"} {
		fl.Lookup(name).Hidden = true
	}
	return cmd
}

// addAccept adds the flag that takes files as they are.
func addAccept(fl *pflag.FlagSet, accept *bool) {
	fl.BoolVar(accept, "accept-drift", false, "take the files as they are now, whatever has changed in them since they were read before")
}

// addCrawl adds the flags of a crawl, whatever starts it.
func (f *runFlags) addCrawl(fl *pflag.FlagSet) {
	fl.StringVar(&f.maxDeletes, "max-deletes", "", "most deletes of this run, as 2% or 500, instead of the mapping's")
	fl.Int64Var(&f.widenings, "max-acl-widenings", -1, "most stored items that this run may show to more people than before, instead of the mapping's; negative is the mapping's")
	fl.StringVar(&f.maxErrors, "max-errors", "", "refused records that end this run, as 500, none, or a list such as total=5000,consecutive=100,share=15%, instead of the mapping's")
	fl.StringSliceVar(&f.limits, "limits", nil, "`limits` of each file instead of those of the mapping, such as time=60s,memory=1GB (also record, columns, unzipped, pages); a change of them reads all files again")
	fl.BoolVar(&f.keep, "no-delete", false, "delete nothing in this run")
	fl.BoolVar(&f.noCache, "no-cache", false, "read every document anew, and keep nothing of it")
	fl.StringVar(&f.cacheSize, "cache-size", "2GB", "most that is kept in --data of documents that are dear to read, such as PDFs")
	fl.StringVar(&f.report, "report", "", "`file` to write the run's balance to, as a web page of its own")
	fl.IntVar(&f.readers, "readers", 0, "files read at a time; 0 is one a CPU, 4 at most")
}

func oneMapping(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{fmt.Errorf("%s takes one mapping file, not %d; see %s --help", cmd.CommandPath(), len(args), cmd.CommandPath())}
	}
	return nil
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no %q; see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())}
	}
	return nil
}

func (f *runFlags) keeps() (bool, error) {
	switch f.state {
	case "keep":
		return true, nil
	case "none":
		return false, nil
	case "auto":
		return f.target != "jsonl", nil
	}
	return false, usageError{fmt.Errorf("--state %q is none of auto, keep, none", f.state)}
}

func (a *app) runRun(ctx context.Context, path string, f *runFlags) (err error) {
	j, err := a.newJob(path, f)
	if err != nil {
		return err
	}
	stopProfile, err := f.profile.start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopProfile()) }()
	m, err := j.load()
	if err != nil {
		return err
	}
	return j.crawl(ctx, m, nil)
}

// stateDir is the folder of what is remembered of a target's connections.
func (a *app) stateDir(target string) string { return filepath.Join(a.data, "state", target) }

// log writes warnings as lines that read like the other messages.
func (a *app) log() *slog.Logger {
	if a.quiet {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(&lines{w: a.stderr, mu: &a.printing, tty: isTerminal(a.stderr)})
}

// parseLimit reads 2% or 500; "" is no limit set.
func parseLimit(s string) (transform.Limit, error) {
	if s == "" {
		return transform.Limit{}, nil
	}
	bad := usageError{fmt.Errorf("--max-deletes %q is neither a share such as 2%% nor a number such as 500", s)}
	if share, ok := strings.CutSuffix(s, "%"); ok {
		n, err := strconv.ParseFloat(strings.TrimSpace(share), 64)
		if err != nil || n < 0 || n > 100 {
			return transform.Limit{}, bad
		}
		return transform.Limit{Share: n / 100, Set: true}, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return transform.Limit{}, bad
	}
	return transform.Limit{Count: n, Set: true}, nil
}
