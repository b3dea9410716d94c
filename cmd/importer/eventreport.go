package main

import (
	"fmt"
	"io"
	"strings"

	"importer/pipeline"
	"importer/transform"
)

// printEvents prints the balance of a file of events, unless all of them are of
// items.
func printEvents(w io.Writer, ev transform.Events) {
	if ev.Fit != nil && ev.Fit.Items == ev.Read {
		return
	}
	fmt.Fprintln(w, eventWords(ev))
	if ev.FirstBad != "" {
		fmt.Fprintf(w, "  wrong: %s\n", ev.FirstBad)
	}
	for _, l := range ev.Left {
		fmt.Fprintf(w, "  %s: %s\n", l.Place, l.Detail)
	}
	if ev.Fit == nil {
		return
	}
	if more := ev.Fit.Lost + ev.Fit.Nobody - len(ev.Left); more > 0 {
		fmt.Fprintf(w, "  and %s more like these\n", number(int64(more)))
	}
}

// eventWords is the balance of a file of events in one line. While it is not
// known what became of their records, those that may be of one are "kept".
func eventWords(ev transform.Events) string {
	var parts []string
	add := func(n int, what string) {
		if n > 0 {
			parts = append(parts, number(int64(n))+" "+what)
		}
	}
	if n := ev.Fit; n != nil {
		add(n.Items, "of items")
		add(n.Filtered, "of records that are left out")
		add(n.Refused, "of records in quarantine")
		add(n.Gone, "of records that are gone")
		add(n.Elsewhere, "of records of other sources")
		add(n.Nobody, "by nobody who is known")
		add(n.Many, "of items with 200 newer ones")
		add(n.Lost, "of no record")
	} else {
		add(ev.Kept, "kept")
	}
	add(ev.Old, "over 7 days old, which Microsoft 365 does not show")
	add(ev.Other, "left out by when")
	add(ev.Bad, "wrong")
	return fmt.Sprintf("%s: %s of %s = %s", ev.File, count(int64(ev.Read), "event", "events"), ev.Source, strings.Join(parts, " + "))
}

// strayWords says what stands beside files and is of none of them.
func strayWords(s pipeline.Stray) string {
	if s.Kind == pipeline.StrayFolder {
		return fmt.Sprintf("%s who may see a folder in which no file of %s lies:", count(s.Count, "file says", "files say"), s.Source)
	}
	return fmt.Sprintf("%s of %s, and the file that it is of is not there:", count(s.Count, "file has metadata", "files have metadata"), s.Source)
}

// lostEvents counts the events of no record.
func lostEvents(rep *pipeline.Report) (n int64) {
	for _, ev := range rep.Activities.Events {
		if ev.Fit != nil {
			n += int64(ev.Fit.Lost)
		}
	}
	return n
}
