package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"importer/pipeline"
	"importer/pipeline/state"
	"importer/transform"
)

// A summary is the last line of run --json. Its first keys are a promise.
type summary struct {
	Type        string                `json:"type"` // "summary"
	Version     int                   `json:"version"`
	Run         int64                 `json:"run"`
	Connection  string                `json:"connection"`
	Read        int64                 `json:"read"`
	Stored      int64                 `json:"stored"`
	Unchanged   int64                 `json:"unchanged"`
	Filtered    int64                 `json:"filtered"`
	Quarantined int64                 `json:"quarantined"`
	Duplicates  int64                 `json:"duplicates"`
	Deleted     int64                 `json:"deleted"`
	Requests    int64                 `json:"requests"`
	Throttled   int64                 `json:"throttled"`
	Seconds     float64               `json:"seconds"`
	Status      string                `json:"status"` // done, quarantined, interrupted, failed
	Exit        int                   `json:"exit"`
	Error       string                `json:"error,omitempty"`
	Resumed     bool                  `json:"resumed"`
	Kept        int64                 `json:"kept"`
	Held        int64                 `json:"held"`
	Withdrawn   int64                 `json:"withdrawn"`
	Missed      int64                 `json:"missed"`
	Widened     int64                 `json:"widened"`
	Widenings   []state.Widening      `json:"widenings,omitempty"`
	Kind        string                `json:"kind"` // full or incremental
	Mended      int64                 `json:"mended"`
	LeftOut     int64                 `json:"leftOut"`
	Learned     *pipeline.Learned     `json:"learned,omitempty"`
	UnreadPages int64                 `json:"unreadPages"`
	UnreadDocs  int64                 `json:"unreadDocuments"`
	Sources     []state.SourceBalance `json:"sources"`
	Unknown     []state.Unknown       `json:"unknown"`
	Unknowns    int64                 `json:"unknownNames"`
	Causes      []state.Cause         `json:"causes"`
	Changes     []transform.Change    `json:"changes,omitempty"`
	Events      []transform.Events    `json:"events,omitempty"`
	Strays      []pipeline.Stray      `json:"strays,omitempty"`
	Problems    []string              `json:"problems"`
}

// report prints the balance sheet of a run and gives the error to exit with.
func (a *app) report(m *transform.Mapping, rep *pipeline.Report, runErr error, print func(*transform.Mapping, *pipeline.Report, error)) error {
	if rep == nil {
		return runErr
	}
	err := runErr
	if err == nil && (rep.Refusals || len(rep.Problems) > 0) {
		err = errQuarantined
	}
	if !a.quiet {
		print(m, rep, runErr)
	}
	s := summary{Type: "summary", Version: jsonVersion, Run: rep.Run, Connection: m.Connection.ID,
		Read: rep.Read, Stored: rep.Stored, Unchanged: rep.Unchanged, Filtered: rep.Filtered, Quarantined: rep.Quarantined, Duplicates: rep.Duplicates,
		Deleted: rep.Deleted, Requests: rep.Requests, Throttled: rep.Throttled, Seconds: rep.Seconds,
		Status: "done", Resumed: rep.Resumed, Kept: rep.Kept, Held: rep.Held, Withdrawn: rep.Withdrawn, Missed: rep.Missed, Widened: rep.Widened, Widenings: rep.Widenings, Kind: rep.Kind, Learned: rep.Learned, Mended: rep.Mended, LeftOut: rep.LeftOut,
		UnreadPages: rep.UnreadPages, UnreadDocs: rep.UnreadDocuments, Sources: rep.Sources, Unknown: rep.Unknown, Unknowns: rep.UnknownNames, Causes: rep.Causes, Changes: rep.Changes, Events: rep.Activities.Events, Strays: rep.Strays, Problems: rep.Problems}
	if s.Causes == nil {
		s.Causes = []state.Cause{}
	}
	if s.Unknown == nil {
		s.Unknown = []state.Unknown{}
	}
	if s.Problems == nil {
		s.Problems = []string{}
	}
	if s.Sources == nil {
		s.Sources = []state.SourceBalance{}
	}
	switch {
	case errors.Is(err, errQuarantined):
		s.Status = "quarantined"
	case errors.Is(err, context.Canceled):
		s.Status = "interrupted"
		if _, ok := errors.AsType[*pipeline.TimeOver](err); ok {
			s.Error = words(err)
		}
	case err != nil:
		s.Status, s.Error = "failed", words(err)
	}
	if err != nil {
		s.Exit = exitCode(err)
	}
	if runErr != nil && !errors.Is(runErr, context.Canceled) {
		fmt.Fprintf(a.stderr, "importer: %s\n", words(runErr))
	}
	if a.json {
		if jsonErr := a.printJSON(s); jsonErr != nil {
			return jsonErr
		}
	}
	if err != nil {
		return errors.Join(err, errTold)
	}
	return nil
}

func (a *app) printReport(m *transform.Mapping, rep *pipeline.Report, err error) {
	w := narrow(a.stderr)
	verb := "done"
	over, isOver := errors.AsType[*pipeline.TimeOver](err)
	switch {
	case isOver:
		verb = "stopped at a checkpoint, as its time is over,"
	case errors.Is(err, context.Canceled):
		verb = "interrupted at a checkpoint"
	case err != nil:
		verb = "stopped"
	case rep.Refusals || len(rep.Problems) > 0:
		verb = "done, with records in quarantine"
		if !rep.Refusals {
			verb = "done, with problems"
		}
	}
	resumed := ""
	if rep.Resumed {
		resumed = ", resumed"
	}
	fmt.Fprintf(w, "%s: run %d%s, %s in %s\n", m.Connection.ID, rep.Run, resumed, verb, duration(rep.Seconds))
	if err != nil && rep.Read == 0 && !isOver {
		return // nothing was done; the error says why
	}
	printBalance(w, rep)
	printNotes(w, rep)
	printChanges(w, rep.Changes)
	printCauses(w, rep.Causes, false)
	printUnknown(w, rep.Unknown, rep.UnknownNames)
	for _, p := range rep.Problems {
		fmt.Fprintf(w, "\n%s\n", p)
	}
	switch {
	case isOver:
		fmt.Fprintf(w, "\nNothing is lost: %v.\n", over)
	case errors.Is(err, context.Canceled):
		fmt.Fprint(w, "\nNothing is lost: run the same command again to go on from here.\n")
	}
}

// printBalance prints the balance sheet.
func printBalance(w io.Writer, rep *pipeline.Report) {
	rows := [][]string{{"source", "files", "read", "stored", "unchanged", "filtered", "quarantined", "duplicates"}}
	line := func(name, files string, c state.Counts) []string {
		return []string{name, files, number(c.Read), number(c.Stored), number(c.Unchanged), number(c.Filtered), number(c.Quarantined), number(c.Duplicates)}
	}
	var files int64
	for _, s := range rep.Sources {
		rows = append(rows, line(s.Name, number(s.Files), s.Counts))
		files += s.Files
	}
	if len(rep.Sources) != 1 {
		rows = append(rows, line("all", number(files), rep.Counts))
	}
	fmt.Fprintln(w)
	printTable(w, rows)
	fmt.Fprintf(w, "\n%s read = %s stored + %s unchanged + %s filtered + %s quarantined + %s duplicates\n",
		number(rep.Read), number(rep.Stored), number(rep.Unchanged), number(rep.Filtered), number(rep.Quarantined), number(rep.Duplicates))
	fmt.Fprintf(w, "%s deleted, %s requests", number(rep.Deleted), number(rep.Requests))
	if rep.Throttled > 0 {
		fmt.Fprintf(w, " (%s throttled)", number(rep.Throttled))
	}
	if rep.Seconds > 0 {
		fmt.Fprintf(w, ", %s records/s", number(int64(float64(rep.Read)/rep.Seconds)))
	}
	fmt.Fprintln(w)
	if k := rep.Learned; k != nil && k.Limited {
		fmt.Fprintf(w, "the service takes about %s requests/s\n", rateWords(k.Rate))
	}
}

// printNotes tells what else a run has done or left.
func printNotes(w io.Writer, rep *pipeline.Report) {
	if note := unreadNote(rep); note != "" {
		fmt.Fprintln(w, note)
	}
	if rep.Widened > 0 {
		fmt.Fprintf(w, "%s seen by more people than before:\n", count(rep.Widened, "stored item is", "stored items are"))
		for _, v := range rep.Widenings {
			fmt.Fprintf(w, "  %s by %s\n", v.ID, v.Why)
		}
		if more := rep.Widened - int64(len(rep.Widenings)); more > 0 {
			fmt.Fprintf(w, "  and %s more\n", number(more))
		}
	}
	if n := rep.Activities; n.Sent > 0 {
		fmt.Fprintf(w, "%s sent", count(n.Sent, "activity", "activities"))
		if n.Old > 0 {
			fmt.Fprintf(w, ", %s of them over 7 days old, which Microsoft 365 does not show", number(n.Old))
		}
		if n.Refused > 0 {
			fmt.Fprintf(w, ", %s not taken", number(n.Refused))
		}
		fmt.Fprintln(w)
	}
	for _, ev := range rep.Activities.Events {
		printEvents(w, ev)
	}
	for _, s := range rep.Strays {
		fmt.Fprintln(w, strayWords(s))
		for _, path := range s.First {
			fmt.Fprintf(w, "  %s\n", path)
		}
		if more := s.Count - int64(len(s.First)); more > 0 {
			fmt.Fprintf(w, "  and %s more\n", number(more))
		}
	}
	if rep.Missed > 0 {
		fmt.Fprintf(w, "%s gone and will be deleted if that stays so: see deleteAfter\n", count(rep.Missed, "item's record is", "items' records are"))
	}
	if rep.Withdrawn > 0 {
		fmt.Fprintf(w, "%s, as who may see them has changed, or cannot be told any more\n", count(rep.Withdrawn, "stored item was withdrawn", "stored items were withdrawn"))
	}
	if rep.Held > 0 {
		fmt.Fprintf(w, "%s as before: what is new of them is in quarantine\n", count(rep.Held, "stored item stays", "stored items stay"))
	}
	if rep.Kept > 0 {
		fmt.Fprintf(w, "%s, as nothing proves that their records are gone:\n", count(rep.Kept, "item was not met and is kept", "items were not met and are kept"))
		left, why := rep.Kept, ""
		for _, k := range rep.KeptFiles {
			left -= k.Items
			if k.Why == why {
				k.Why = "the same"
			} else {
				why = k.Why
			}
			fmt.Fprintf(w, "  %s of %s (source %s): %s\n", number(k.Items), k.Path, k.Source, k.Why)
		}
		if left > 0 {
			fmt.Fprintf(w, "  and %s of other files\n", number(left))
		}
	}
	if rep.Mended+rep.LeftOut > 0 {
		fmt.Fprintf(w, "%s from an export of the quarantine, and %s on purpose\n",
			count(rep.Mended, "record was read with values", "records were read with values"), count(rep.LeftOut, "record was left out", "records were left out"))
	}
}

// unreadNote tells of pages that have no text, "" where there are none.
func unreadNote(rep *pipeline.Report) string {
	if rep.UnreadPages == 0 {
		return ""
	}
	return fmt.Sprintf("%s of %s no text: scans, most often; ocr in the mapping has them read, and importer doctor tells what that needs",
		count(rep.UnreadPages, "page", "pages"), count(rep.UnreadDocuments, "document has", "documents have"))
}

// printUnknown lists names in permissions that are nobody's, with what that
// does; all is how many there are.
func printUnknown(w io.Writer, names []state.Unknown, all int64) {
	if len(names) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s in permissions:\n", count(all, "unknown name", "unknown names"))
	for _, u := range names {
		fmt.Fprintf(w, "  %s\n", unknownWords(u))
	}
	if more := all - int64(len(names)); more > 0 {
		fmt.Fprintf(w, "  and %s more: importer quarantine names --all shows them\n", number(more))
	}
}

func unknownWords(u state.Unknown) string {
	what := fmt.Sprintf("%s %q", map[string]string{"user": "person", "group": "group", "externalGroup": "external group"}[u.Kind], u.Name)
	if u.Several {
		what += ", whom several answer to,"
	}
	switch {
	case u.Dropped == 0:
		return fmt.Sprintf("%s blocks %s", what, count(u.Blocked, "item", "items"))
	case u.Blocked == 0:
		return fmt.Sprintf("%s is left out of %s", what, count(u.Dropped, "item", "items"))
	}
	return fmt.Sprintf("%s blocks %s and is left out of %s", what, count(u.Blocked, "item", "items"), count(u.Dropped, "item", "items"))
}

// printChanges tells what is not as it was in the files.
func printChanges(w io.Writer, changes []transform.Change) {
	if len(changes) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s in the files since the run before:\n", count(int64(len(changes)), "change", "changes"))
	for i := range changes {
		if i == 20 {
			fmt.Fprintf(w, "  and %d more\n", len(changes)-i)
			break
		}
		fmt.Fprintf(w, "  %s\n", changes[i].String())
	}
}

// printLine is printReport for one of many crawls. It lists the quarantine
// when that is not what it was after the crawl before.
func (j *job) printLine(m *transform.Mapping, rep *pipeline.Report, err error) {
	how := "done"
	switch {
	case errors.Is(err, context.Canceled):
		how = "interrupted at a checkpoint"
	case err != nil:
		how = "stopped"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: run %d, %s in %s: %s read, %s stored, %s deleted", m.Connection.ID, rep.Run, how, duration(rep.Seconds),
		number(rep.Read), number(rep.Stored), number(rep.Deleted))
	for _, n := range []struct {
		count int64
		what  string
	}{{rep.Quarantined, "in quarantine"}, {rep.Withdrawn, "withdrawn"}, {rep.Widened, "seen by more people than before"},
		{rep.Missed, "gone and to be deleted later"}, {rep.Kept, "kept without being met"}, {lostEvents(rep), "events of no record"}, {rep.UnreadPages, "pages without text"}} {
		if n.count > 0 {
			fmt.Fprintf(&b, ", %s %s", number(n.count), n.what)
		}
	}
	var refused int64
	for _, c := range rep.Causes {
		refused += c.Count
	}
	if refused != j.refused {
		b.WriteString("\n")
		printCauses(&b, rep.Causes, false)
	}
	j.refused = refused
	printChanges(&b, rep.Changes)
	for _, p := range rep.Problems {
		b.WriteString("\n" + p)
	}
	j.sayf("%s", strings.TrimRight(b.String(), "\n"))
}

// printCauses lists the quarantine by cause, with the stages if wanted.
func printCauses(w io.Writer, causes []state.Cause, stages bool) {
	for _, c := range causes {
		what := causeWords(c.Reason, c.Property)
		if stages {
			what += " (" + c.Stage + ")"
		}
		if c.Words != "" {
			what += ": " + oneLine(c.Words)
		}
		fmt.Fprintf(w, "\n%s × %s\n", number(c.Count), what)
		for _, e := range c.Examples {
			fmt.Fprintf(w, "  %s: %s\n", placeOf(e), e.Detail)
		}
		if more := c.Count - int64(len(c.Examples)); more > 0 {
			fmt.Fprintf(w, "  and %s more: importer quarantine --all shows them\n", number(more))
		}
	}
}

func causeWords(reason, property string) string {
	if property != "" && property != "id" {
		return reason + " in " + property
	}
	return reason
}

func duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < 10*time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}
