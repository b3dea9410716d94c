package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"importer/load"
	"importer/pipeline"
)

// A timeFlags is when a run may work, as typed.
type timeFlags struct {
	longest time.Duration
	windows []string
	zone    string
}

func (f *timeFlags) add(fl *pflag.FlagSet) {
	fl.DurationVar(&f.longest, "max-duration", 0, "most time for this run, such as 3h: then it stops at a checkpoint (exit 10), and the next run goes on there; 0 is any")
	fl.StringSliceVar(&f.windows, "window", nil, "`times` of day in which it may work, such as 22:00-06:00, or several: when one closes it stops at a checkpoint (exit 10), and outside of them it does nothing")
	fl.StringVar(&f.zone, "window-zone", "", "time `zone` of --window, such as Europe/Rome; empty is the machine's (TZ)")
}

// parse reads the windows.
func (f *timeFlags) parse() (pipeline.Windows, error) {
	if f.longest < 0 {
		return pipeline.Windows{}, usageError{fmt.Errorf("--max-duration %v is negative", f.longest)}
	}
	if f.zone != "" && len(f.windows) == 0 {
		return pipeline.Windows{}, usageError{errors.New("--window-zone is the zone of --window, and there is none")}
	}
	zone := time.Local
	if f.zone != "" {
		var err error
		if zone, err = time.LoadLocation(f.zone); err != nil {
			return pipeline.Windows{}, usageError{fmt.Errorf("--window-zone %q is no time zone such as Europe/Rome or UTC", f.zone)}
		}
	}
	w, err := pipeline.ParseWindows(f.windows, zone)
	if err != nil {
		return w, usageError{fmt.Errorf("--window %w", err)}
	}
	return w, nil
}

// begin gives a context that ends when the time for a run is over. Its error
// tells that there is no time now.
func (f *timeFlags) begin(ctx context.Context, now time.Time) (context.Context, context.CancelFunc, error) {
	windows, err := f.parse()
	if err != nil {
		return nil, nil, err
	}
	span := windows.At(now)
	if span.Opens.After(now) {
		return nil, nil, &pipeline.TimeOver{Why: fmt.Sprintf("it is outside the window %s, so nothing was done", windows), Opens: span.Opens, Now: now}
	}
	end, why := span.Closes, &pipeline.TimeOver{Why: fmt.Sprintf("the window %s has closed", windows)}
	if !end.IsZero() {
		why.Opens = windows.At(end).Opens
	}
	if by := now.Add(f.longest); f.longest > 0 && (end.IsZero() || by.Before(end)) {
		end, why = by, &pipeline.TimeOver{Why: fmt.Sprintf("the time of --max-duration %s is over", short(f.longest))}
	}
	if end.IsZero() {
		return ctx, func() {}, nil
	}
	// What is in flight then may take the crawl's grace of 10 s to end.
	end = end.Add(-min(10*time.Second, end.Sub(now)/10))
	ctx, stop := pipeline.Until(ctx, end, why)
	return ctx, stop, nil
}

// short is a duration without the zeros at its end.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// limit makes the limiter of a graph target. Where the machine is the limit,
// there is none.
func (t *targetFlags) limit(graph *load.Graph, flight int) *load.Limiter {
	l := load.NewLimiter(load.LimiterOptions{Max: t.rate, MaxInFlight: flight})
	graph.Pace(l)
	return l
}
