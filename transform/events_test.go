package transform

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// eventsWorld is a mapping with a file of events.
func eventsWorld(t *testing.T, events, activity string) (*Mapping, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"events.csv": events,
		"people.csv": "id,userPrincipalName,mail\n11111111-1111-4111-8111-111111111111,anna@x.com,anna@x.com\n22222222-2222-4222-8222-222222222222,bert@x.com,bert@x.com\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return parse(filepath.Join(dir, "m.yaml"), []byte(strings.Replace(`version: 1
connection: {id: kbase, name: KB, description: Ours.}
schema:
  title: {type: string, searchable: true, retrievable: true}
identities: {file: people.csv, match: [mail]}
sources:
  - name: rows
    path: "*.csv"
    id: number
    properties: {title: title}
    acl: [{grant: everyone}]
    activities:
      - ACTIVITY
`, "ACTIVITY", activity, 1)))
}

func TestEvents(t *testing.T) {
	const entry = `{type: viewed, from: events.csv, id: ticket, at: at, by: who, when: action == "view"}`
	at := func(age time.Duration) string { return time.Now().UTC().Add(-age).Format("2006-01-02T15:04:05Z") }
	events := "ticket,action,at,who\n" +
		"7,view," + at(3*time.Hour) + ",anna@x.com\n" +
		"8,view," + at(2*time.Hour) + ",anna@x.com\n" +
		" 7 ,view," + at(time.Hour) + ",bert@x.com\n" +
		"7,edit," + at(time.Hour) + ",bert@x.com\n" +
		"7,view," + at(9*24*time.Hour) + ",bert@x.com\n" +
		"7,view," + at(time.Hour) + ",nobody@x.com\n" +
		"7,view,yesterday,bert@x.com\n" +
		",view," + at(time.Hour) + ",bert@x.com\n" +
		"7,view,,bert@x.com\n" +
		"7,view," + at(time.Hour) + ",\n"
	m, err := eventsWorld(t, events, entry)
	if err != nil {
		t.Fatal(err)
	}
	it, err := m.Sources[0].Apply(row("a.csv", 2, []string{"number", "title"}, "7", "one"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range it.Activities {
		got = append(got, a.Type+" "+a.ByID[:1])
	}
	if want := "[viewed 2 viewed 1]"; fmt.Sprint(got) != want {
		t.Errorf("activities %v, want %s", got, want)
	}
	told := m.Events()
	if len(told) != 1 || !strings.Contains(told[0].FirstBad, "events.csv:8") {
		t.Fatalf("told %+v", told)
	}
	told[0].FirstBad = ""
	if want := (Events{File: "events.csv", Source: "rows", Read: 10, Kept: 4, Old: 1, Other: 1, Bad: 4}); !reflect.DeepEqual(told[0], want) {
		t.Errorf("told %+v, want %+v", told[0], want)
	}
	fit := m.FitEvents(nil, func(s *Source, id string) RecordFate {
		return map[string]RecordFate{"7": RecordItem}[id]
	})
	if want := (EventFit{Items: 2, Nobody: 1, Lost: 1}); len(fit) != 1 || *fit[0].Fit != want || len(fit[0].Left) != 2 {
		t.Errorf("fit %+v, want %+v", fit, want)
	}
	for i, want := range []string{`events.csv:3: no record of the source rows has the id "8"`, `events.csv:7: the user "nobody@x.com" is not in the identities file`} {
		if l := fit[0].Left[i]; !strings.HasPrefix(l.Place.String()+": "+l.Detail, want) {
			t.Errorf("told %s: %s, want %s", l.Place, l.Detail, want)
		}
	}
	if it, err := m.Sources[0].Apply(row("a.csv", 3, []string{"number", "title"}, "9", "one")); err != nil || len(it.Activities) != 0 {
		t.Errorf("a record without events: %v, %v", it.Activities, err)
	}
	if files := fmt.Sprint(m.Files); !strings.Contains(files, "events.csv") {
		t.Errorf("events.csv is none of the mapping's files: %s", files)
	}

	more, err := eventsWorld(t, events+"9,view,"+at(time.Hour)+",anna@x.com\n", entry)
	if err != nil {
		t.Fatal(err)
	}
	if more.Sources[0].Digest() == m.Sources[0].Digest() {
		t.Error("one more event makes no other digest")
	}
}

// Of more events than a record can have, the newest count.
func TestEventsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("ticket,at,who\n")
	now := time.Now().UTC()
	for i := range 2 * maxActivities {
		fmt.Fprintf(&b, "7,%s,anna@x.com\n", now.Add(-time.Duration(i)*time.Minute).Format(time.RFC3339))
	}
	m, err := eventsWorld(t, b.String(), `{type: viewed, from: events.csv, id: ticket, at: at, by: who}`)
	if err != nil {
		t.Fatal(err)
	}
	it, err := m.Sources[0].Apply(row("a.csv", 2, []string{"number", "title"}, "7", "one"))
	if err != nil || len(it.Activities) != maxActivities || now.Sub(it.Activities[maxActivities-1].At) > maxActivities*time.Minute {
		t.Errorf("%d activities, %v", len(it.Activities), err)
	}
	fit := m.FitEvents(nil, func(*Source, string) RecordFate { return RecordItem })
	if want := (EventFit{Items: maxActivities, Many: maxActivities}); *fit[0].Fit != want {
		t.Errorf("fit %+v, want %+v", fit[0].Fit, want)
	}
}

func TestEventsRefused(t *testing.T) {
	for _, tt := range []struct{ entry, err string }{
		{`{type: viewed, from: absent.csv, id: ticket, at: at, by: who}`, "the events file absent.csv cannot be used: no such file"},
		{`{type: viewed, from: events.csv, id: tiket, at: at, by: who}`, `did you mean "ticket"?`},
		{`{type: viewed, from: events.csv, id: ticket, at: whenever, by: who}`, `"whenever"`},
		{`{type: viewed, from: events.csv, at: at, by: who}`, "events need the id of the record"},
		{`{type: viewed, id: ticket, at: at, by: who}`, "id is for a file of events"},
	} {
		_, err := eventsWorld(t, "ticket,at,who\n7,2026-05-01,anna@x.com\n", tt.entry)
		if err == nil || !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, want %q", tt.entry, err, tt.err)
		}
	}
}
