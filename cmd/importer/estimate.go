package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"importer/load"
	"importer/pipeline"
	"importer/pipeline/state"
	"importer/transform"
)

type estimateFlags struct {
	targetFlags
	time    timeFlags
	readers int
}

func (a *app) estimateCommand() *cobra.Command {
	var f estimateFlags
	cmd := &cobra.Command{
		Use:   "estimate MAPPING",
		Short: "Say how long a run will take, and whether it fits",
		Long: `estimate says how much a run would read and send now, and how long that takes:
at the rate of --rate, at the one that earlier runs have learned of the service,
or at the last published one, 25 items a second. With --window and
--max-duration it says whether the run fits, or over how many nights it goes.

What earlier runs know of the files is taken from there. Of files that are new
or have changed the beginnings of a few are read, never all of a large one, and
taken for the rest; so the figures come with a spread. Nothing is changed and no
service is asked. importer plan reads everything, and is exact.`,
		Example: `  importer estimate mappings/helpdesk.yaml --target graph
  importer estimate mappings/helpdesk.yaml --target graph --window 22:00-06:00 --json`,
		Args: oneMapping,
		RunE: func(cmd *cobra.Command, args []string) error { return a.estimate(cmd.Context(), args[0], &f) },
	}
	f.add(cmd, false)
	fl := cmd.Flags()
	f.addPace(fl)
	f.time.add(fl)
	fl.IntVar(&f.readers, "readers", 0, "files read at a time; 0 is one a CPU, 4 at most")
	return cmd
}

// An estimateAnswer is what estimate --json prints.
type estimateAnswer struct {
	Type       string `json:"type"` // "estimate"
	Version    int    `json:"version"`
	Connection string `json:"connection"`
	Target     string `json:"target"` // local or graph
	*pipeline.Estimate
	Pace    pipeline.Pace  `json:"pace"`
	Limit   string         `json:"limit"` // what a run waits for: service, reading or machine
	Seconds pipeline.Range `json:"seconds"`
	// Fits tells whether one run has the time; of each of the three cases it
	// says how many runs it takes, and when it is done.
	Fits  bool        `json:"fits"`
	Runs  threeCounts `json:"runs"`
	Done  threeTimes  `json:"done"`
	Start time.Time   `json:"start"` // of the first run
}

type threeCounts struct {
	Low    int `json:"low"`
	Likely int `json:"likely"`
	High   int `json:"high"`
}

// threeTimes has null for what depends on when a run is started again.
type threeTimes struct {
	Low    *time.Time `json:"low"`
	Likely *time.Time `json:"likely"`
	High   *time.Time `json:"high"`
}

func (a *app) estimate(ctx context.Context, path string, f *estimateFlags) error {
	if f.readers < 0 || f.rate < 0 || f.flight < 0 {
		return usageError{errors.New("--readers, --concurrency and --rate cannot be negative")}
	}
	if f.target == "jsonl" {
		return usageError{errors.New("a jsonl target has no rate: a run is as fast as this machine")}
	}
	if err := f.check(); err != nil {
		return err
	}
	windows, err := f.time.parse()
	if err != nil {
		return err
	}
	m, err := transform.Load(path)
	if err != nil {
		return err
	}
	store, err := a.knownState(&f.targetFlags, m.Connection.ID)
	if err != nil {
		return err
	}
	if store != nil {
		defer store.Close()
	}
	e, err := pipeline.MakeEstimate(ctx, m, filepath.Dir(path), store)
	if err != nil {
		return err
	}
	ans := &estimateAnswer{Type: "estimate", Version: jsonVersion, Connection: m.Connection.ID, Target: f.target, Estimate: e}
	if f.target == "graph" {
		ans.Pace, err = paceOf(ctx, f.rate, store)
	} else {
		ans.Pace, err = pipeline.MachinePace(ctx, store)
	}
	if err != nil {
		return err
	}
	readers := f.readers
	if readers == 0 {
		readers = min(runtime.NumCPU(), 4)
	}
	ans.Seconds, ans.Limit = e.Seconds(ans.Pace, readers)
	ans.fit(windows, f.time.longest, time.Now())
	if a.json {
		return a.printJSON(ans)
	}
	a.printEstimate(ans, windows, f.time.longest)
	return nil
}

// paceOf is the pace of a run into a service of which a state may know.
func paceOf(ctx context.Context, given float64, store *state.Store) (pipeline.Pace, error) {
	var known pipeline.Learned
	if store != nil {
		var err error
		if known, err = pipeline.Remembered(ctx, store); err != nil {
			return pipeline.Pace{}, err
		}
	}
	return pipeline.PaceOf(given, known.Aged(time.Now())), nil
}

// fit says how many runs it takes and when they are done.
func (ans *estimateAnswer) fit(windows pipeline.Windows, longest time.Duration, now time.Time) {
	ans.Start = now.Truncate(time.Second)
	if s := windows.At(now); s.Opens.After(now) {
		ans.Start = s.Opens
	}
	for _, c := range []struct {
		seconds float64
		runs    *int
		done    **time.Time
	}{
		{ans.Seconds.Low, &ans.Runs.Low, &ans.Done.Low},
		{ans.Seconds.Likely, &ans.Runs.Likely, &ans.Done.Likely},
		{ans.Seconds.High, &ans.Runs.High, &ans.Done.High},
	} {
		work := time.Duration(min(c.seconds, 1e9) * float64(time.Second))
		runs, done := windows.Nights(ans.Start, work, longest)
		*c.runs = runs
		if !done.IsZero() {
			done = done.Truncate(time.Second)
			*c.done = &done
		}
	}
	ans.Fits = ans.Runs.High == 1
}

// knownState opens what is known of a connection without asking the service
// who it is; nil is nothing.
func (a *app) knownState(f *targetFlags, connection string) (*state.Store, error) {
	key, err := a.knownKey(f, connection)
	if err != nil {
		return nil, err
	}
	store, err := state.Reader(a.stateDir(key), connection)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return store, err
}

// knownKey names the target in the state. Where several tenants of one service
// are known, the token has to tell which is meant.
func (a *app) knownKey(f *targetFlags, connection string) (string, error) {
	if f.target == "local" {
		return "local", nil
	}
	u, err := url.Parse(f.graphURL)
	if err != nil || u.Host == "" {
		return "", usageError{fmt.Errorf("--graph-url %s is no address such as %s", f.graphURL, load.DefaultGraphURL)}
	}
	host := serviceKey(u.Host)
	found, err := filepath.Glob(filepath.Join(a.data, "state", host+"*", connection+".db"))
	if err != nil {
		return "", err
	}
	var keys []string
	for _, name := range found {
		if key := filepath.Base(filepath.Dir(name)); key == host || strings.HasPrefix(key, host+"-") {
			keys = append(keys, key)
		}
	}
	switch len(keys) {
	case 0:
		return host, nil
	case 1:
		return keys[0], nil
	}
	source, err := load.NewTokenSource(load.AuthOptions{BaseURL: f.graphURL, Method: f.auth})
	if err != nil {
		return "", err
	}
	return targetKey(f.graphURL, source)
}

func (a *app) printEstimate(ans *estimateAnswer, windows pipeline.Windows, longest time.Duration) {
	w := narrow(a.stdout)
	fmt.Fprintf(w, "%s (%s): what a run would do now\n\n", ans.Connection, ans.Target)
	rows := [][]string{{"source", "files", "size", "unchanged files", "records", "to be sent"}}
	for _, s := range ans.Sources {
		rows = append(rows, []string{s.Source, number(s.Files), humanize.IBytes(uint64(s.Bytes)), number(s.Skipped), roughly(s.Records), roughly(s.Send)})
	}
	if len(ans.Sources) > 1 {
		rows = append(rows, []string{"all", number(ans.Files), humanize.IBytes(uint64(ans.Bytes)), number(ans.Skipped), roughly(ans.Records), roughly(ans.Send)})
	}
	printTable(w, rows)
	fmt.Fprintln(w)
	if ans.Deletes > 0 {
		fmt.Fprintf(w, "up to %s of files that are gone to be deleted\n", count(ans.Deletes, "item", "items"))
	}
	for _, p := range ans.Problems {
		fmt.Fprintf(w, "%s\n", p)
	}
	printPace(w, ans)
	printFit(w, ans, windows, longest)
	if s := ans.Sampled; s.Files > 0 {
		fmt.Fprintf(w, "\nlooked into %s: %s, %s\n", count(s.Files, "file", "files"), count(s.Records, "record", "records"), humanize.IBytes(uint64(s.Bytes)))
	}
}

func printPace(w io.Writer, ans *estimateAnswer) {
	rate := rateWords(ans.Pace.Rate) + " requests a second"
	why := map[string]string{
		"given":     " at " + rate,
		"learned":   " at " + rate + ", which the service took in earlier runs",
		"published": " at " + rate + ", the last published figure: no run has found out yet what the service takes",
		"machine":   " at " + rate + ", which this machine did in an earlier run",
	}[ans.Pace.From]
	switch {
	case ans.Limit == "reading" && ans.Pace.Rate == 0:
		why = " to read the files, and then as fast as this machine is"
	case ans.Limit == "reading":
		why = " to read the files: sending is faster, at " + rate
	}
	likely, low, high := roundTime(ans.Seconds.Likely), roundTime(ans.Seconds.Low), roundTime(ans.Seconds.High)
	if low != high {
		likely += fmt.Sprintf(" (%s to %s)", low, high)
	}
	fmt.Fprintf(w, "about %s%s\n", likely, why)
	if ans.First && ans.Target == "graph" {
		fmt.Fprintln(w, "and 5 to 15 minutes for the schema, the first time")
	}
}

func printFit(w io.Writer, ans *estimateAnswer, windows pipeline.Windows, longest time.Duration) {
	if len(windows.All) == 0 && longest == 0 {
		return
	}
	var limits []string
	if len(windows.All) > 0 {
		limits = append(limits, "--window "+windows.String())
	}
	if longest > 0 {
		limits = append(limits, "--max-duration "+short(longest))
	}
	limit := strings.Join(limits, " and ")
	when := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return t.In(zoneOf(windows)).Format("Mon 2006-01-02 15:04 MST")
	}
	switch {
	case ans.Fits && ans.Done.Likely != nil:
		fmt.Fprintf(w, "it fits into %s: begun at %s, it is done at about %s\n", limit, when(&ans.Start), when(ans.Done.Likely))
	case ans.Fits:
		fmt.Fprintf(w, "it fits into %s\n", limit)
	default:
		runs := fmt.Sprintf("%d", ans.Runs.Likely)
		if ans.Runs.Low != ans.Runs.High {
			runs = fmt.Sprintf("%d to %d", ans.Runs.Low, ans.Runs.High)
		}
		fmt.Fprintf(w, "it does not fit into %s: it takes %s runs, each of which goes on where the one before has stopped\n", limit, runs)
		if ans.Done.Likely != nil {
			fmt.Fprintf(w, "begun at %s, it is done at about %s", when(&ans.Start), when(ans.Done.Likely))
			if ans.Done.High != nil {
				fmt.Fprintf(w, ", at the latest at %s", when(ans.Done.High))
			}
			fmt.Fprintln(w)
		}
	}
}

func zoneOf(w pipeline.Windows) *time.Location {
	if w.Zone == nil {
		return time.Local
	}
	return w.Zone
}

// rateWords is a rate in three digits, or more in front of the point.
func rateWords(v float64) string {
	if v >= 100 {
		return number(int64(math.Round(v)))
	}
	return fmt.Sprintf("%.3g", v)
}

// roughly writes a range in as many digits as it is good for.
func roughly(r pipeline.Range) string {
	unit := 1.0
	if spread := (r.High - r.Low) / 2; spread > 10 {
		unit = math.Pow(10, math.Floor(math.Log10(spread)))
	}
	digits := func(v float64) string { return number(int64(math.Round(v/unit) * unit)) }
	if r.Low == r.High {
		return digits(r.Likely)
	}
	return fmt.Sprintf("%s (%s to %s)", digits(r.Likely), digits(r.Low), digits(r.High))
}

// roundTime is a duration that is not exact.
func roundTime(seconds float64) string {
	d := time.Duration(min(seconds, 9e9) * float64(time.Second))
	switch {
	case d < time.Minute:
		return short(max(d.Round(time.Second), time.Second))
	case d < time.Hour:
		return short(d.Round(10 * time.Second))
	case d < 48*time.Hour:
		return short(d.Round(time.Minute))
	}
	return fmt.Sprintf("%.1f days", d.Hours()/24)
}
