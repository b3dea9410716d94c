package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"importer/pipeline/state"
	"importer/transform"
)

// eventful is crash with a file of events, which have the given ids.
func eventful(t *testing.T, more string) *world {
	w := crash(t, "identities: {file: people.csv, match: [mail]}\n"+more)
	w.edit("    acl:\n", "    activities: [{type: viewed, from: events.csv, id: ticket, at: at, by: who}]\n    acl:\n")
	w.must(os.WriteFile(filepath.Join(w.dir, "people.csv"), []byte("id,userPrincipalName,mail\n"+anna+",anna@x,anna@x\n"), 0o600))
	w.events("a0")
	return w
}

// eventTime is one of all events of a test, so that they are the same in all
// its worlds.
var eventTime = time.Now().UTC().Add(-time.Hour).Format(time.RFC3339)

// events writes the file of events, one an id; "id by name" is by somebody else
// than Anna.
func (w *world) events(ids ...string) {
	var b strings.Builder
	b.WriteString("ticket,at,who\n")
	for _, id := range ids {
		id, who, ok := strings.Cut(id, " by ")
		if !ok {
			who = "anna@x"
		}
		fmt.Fprintf(&b, "%s,%s,%s\n", id, eventTime, who)
	}
	w.must(os.WriteFile(filepath.Join(w.dir, "events.csv"), []byte(b.String()), 0o600))
}

// wantFit wants the balance of the only file of events, which must add up.
func (w *world) wantFit(rep *Report, want transform.EventFit) transform.Events {
	w.t.Helper()
	if len(rep.Activities.Events) != 1 || rep.Activities.Events[0].Fit == nil {
		w.t.Fatalf("events %+v, want one file, and what became of them", rep.Activities.Events)
	}
	ev := rep.Activities.Events[0]
	n := *ev.Fit
	if n != want {
		w.t.Errorf("events %+v, want %+v", n, want)
	}
	if sum := n.Items + n.Filtered + n.Refused + n.Gone + n.Elsewhere + n.Nobody + n.Many + n.Lost; sum != ev.Kept || ev.Read != ev.Kept+ev.Old+ev.Other+ev.Bad {
		w.t.Errorf("%d of %d events are told, %+v", sum, ev.Kept, ev)
	}
	return ev
}

// Events that are of no item are told, and why: nothing is lost in silence.
func TestEventsThatFitNoRecord(t *testing.T) {
	w := eventful(t, "")
	w.write("a.csv", append(rows("a", 3), "left,skip,1", "bad,title,many", "never,no! never,1", " wide ,title,1", "a1,again,1", " off ,skip,1")...)
	w.write("b.csv", rows("b", 3)...)
	ids := []string{"a0", "a0", "a1", "b2", "wide", "left", "off", "bad", "never", "lost", "a0 by ghost@x", "lost2", "lost"}
	want := transform.EventFit{Items: 5, Filtered: 2, Refused: 2, Nobody: 1, Lost: 3}
	w.events(ids...)
	rep := w.mustCrawl()
	ev := w.wantFit(rep, want)
	var told []string
	for _, l := range ev.Left {
		told = append(told, fmt.Sprint(l.Place, " ", l.Reason, " ", l.Value))
		if l.Detail == "" {
			t.Errorf("%s is told without a remedy", l.Place)
		}
	}
	if want := []string{"events.csv:11 no-record lost", "events.csv:13 no-record lost2", "events.csv:12 unknown-principal ghost@x"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if len(rep.Problems) > 0 {
		t.Errorf("problems %q: events that fit nothing are none", rep.Problems)
	}

	// A run that has nothing to read knows it too, and so does one that reads the
	// other file.
	w.wantFit(w.mustCrawl(), want)
	w.write("b.csv", append(rows("b", 3), "b3,title,1")...)
	w.wantFit(w.mustCrawl(), want)
	w.write("b.csv", "b0,title,1", "lost2,title,1")
	w.wantFit(w.mustCrawl(), transform.EventFit{Items: 5, Filtered: 2, Refused: 2, Gone: 1, Nobody: 1, Lost: 2})
	// What has gone is known to be, also when nothing is left of it.
	want = transform.EventFit{Items: 5, Filtered: 2, Refused: 2, Gone: 1, Nobody: 1, Lost: 2}
	w.wantFit(w.mustCrawl(), want)
	w.write("b.csv", "b0,title,1", "lost2,title,2")
	w.wantFit(w.mustCrawl(), want)
	w.events(append(ids, "b1")...) // when it went, no event was of it
	want.Lost++
	w.wantFit(w.mustCrawl(), want)
	w.write("b.csv", "b2,title,1", "lost2,title,2", "lost,title,2") // and it comes back
	w.wantFit(w.mustCrawl(), transform.EventFit{Items: 8, Filtered: 2, Refused: 2, Nobody: 1, Lost: 1})

	// What was known of records by a file counts as long as it has them. What the
	// target has refused (never) was there.
	w.write("a.csv", rows("a", 3)...)
	w.wantFit(w.mustCrawl(), transform.EventFit{Items: 7, Gone: 1, Nobody: 1, Lost: 5})
}

// A record that was left out on purpose, in an export of the quarantine, is not
// lost either.
func TestEventsOfARecordThatIsLeftOutOnPurpose(t *testing.T) {
	w := eventful(t, "")
	w.write("a.csv", append(rows("a", 2), "bad,title,many")...)
	w.events("a0", "bad")
	w.wantFit(w.mustCrawl(), transform.EventFit{Items: 1, Refused: 1})
	w.mend(w.keyOf("a.csv", 4))
	w.wantFit(w.mustCrawl(), transform.EventFit{Items: 1, Filtered: 1})
}

// Events that are all of no record are a mistake in the mapping.
func TestEventsThatAllFitNothing(t *testing.T) {
	w := eventful(t, "")
	w.write("a.csv", rows("a", 3)...)
	var ids []string
	for i := range eventsToDoubt {
		ids = append(ids, fmt.Sprintf("INC-%d", i))
	}
	w.events(ids[1:]...)
	rep := w.mustCrawl()
	w.wantFit(rep, transform.EventFit{Lost: eventsToDoubt - 1})
	if len(rep.Problems) > 0 {
		t.Errorf("problems %q of few events", rep.Problems)
	}
	w.events(ids...)
	rep = w.mustCrawl()
	if ev := w.wantFit(rep, transform.EventFit{Lost: eventsToDoubt}); len(ev.Left) != 5 {
		t.Errorf("%d events are told, want the first 5", len(ev.Left))
	}
	if len(rep.Problems) != 1 || !strings.Contains(rep.Problems[0], "not one of its 10 events is of a record of the source rows, such as events.csv:2: no record") {
		t.Errorf("problems %q", rep.Problems)
	}
	w.events(append(ids, "a1")...)
	if rep = w.mustCrawl(); len(rep.Problems) > 0 {
		t.Errorf("problems %q, and one of the events is of an item", rep.Problems)
	}
}

// One file of events can have those of several sources.
func TestEventsOfSeveralSources(t *testing.T) {
	w := eventful(t, "")
	text, err := os.ReadFile(filepath.Join(w.dir, "mapping.yaml"))
	w.must(err)
	_, source, _ := strings.Cut(string(text), "sources:\n")
	w.source(string(text) + strings.NewReplacer("name: rows", "name: more", "files/*.csv", "more/*.csv").Replace(source))
	w.write("a.csv", append(rows("a", 2), "left,skip,1")...)
	w.write("../more/c.csv", "c0,title,1", "cbad,title,many")
	w.events("a0", "left", "c0", "c0", "cbad", "lost")
	for range 2 {
		rep := w.mustCrawl()
		if len(rep.Activities.Events) != 2 {
			t.Fatalf("events of %d sources", len(rep.Activities.Events))
		}
		for i, want := range []transform.EventFit{{Items: 1, Filtered: 1, Elsewhere: 3, Lost: 1}, {Items: 2, Refused: 1, Elsewhere: 2, Lost: 1}} {
			one := *rep
			one.Activities.Events = rep.Activities.Events[i : i+1]
			w.wantFit(&one, want)
		}
	}
}

// A store that keeps nothing finds it out anew each time, and a run that does
// not come to its end does not say what it does not know.
func TestEventsWithoutMemory(t *testing.T) {
	w := eventful(t, "")
	w.write("a.csv", append(rows("a", 3), "left,skip,1", "bad,title,many")...)
	w.events("a0", "left", "bad", "lost")
	w.tweak = func(c *Crawl) {
		temp, err := state.OpenTemp(t.Context())
		w.must(err)
		t.Cleanup(func() { temp.Close() })
		c.Store = temp
	}
	w.wantFit(w.mustCrawl(), transform.EventFit{Items: 1, Filtered: 1, Refused: 1, Lost: 1})
	w.tweak = nil
	w.failAt(1)
	rep, err := w.crawl(t.Context())
	if !errors.Is(err, errKilled) || len(rep.Activities.Events) != 1 || rep.Activities.Events[0].Fit != nil {
		t.Errorf("a run that stops (%v) tells %+v", err, rep.Activities.Events)
	}
}

func storyEvents(w *world) {
	w.write("a.csv", append(rows("a", 9), "left,skip,1", "bad,title,many", "never,no! never,1", " wide ,title,1", "turns,title,1")...)
	w.write("b.csv", rows("b", 5)...)
	w.write("c.csv", "c0,title,0")
	w.events("a0", "a8", "b4", "wide", "left", "bad", "never", "lost", "a1 by ghost@x", "turns")
}

// Whenever the process dies, the run that takes it up comes to the same events.
var eventScenarios = []scenario{
	{name: "first crawl with events", before: func(t *testing.T) *world { return eventful(t, "") }, then: storyEvents},
	{name: "update with events", before: func(t *testing.T) *world {
		w := eventful(t, "")
		storyEvents(w)
		w.mustCrawl()
		return w
	}, then: func(w *world) {
		w.write("a.csv", append(rows("a", 8), "off,skip,1", "bad,title,many", "turns,skip,1", "lost,title,1")...)
		w.write("b.csv", rows("b", 4)...)
		w.events("a0", "a8", "b4", "wide", "left", "bad", "never", "lost", "a1 by ghost@x", "turns", "off", "no")
	}},
	{name: "files with events that are as they were", before: func(t *testing.T) *world {
		w := eventful(t, "")
		storyEvents(w)
		w.mustCrawl()
		return w
	}, then: func(w *world) { w.write("b.csv", append(rows("b", 4), "lost,title,1", "n1,title,1", "n2,title,1")...) }},
}

// fits are the balances of events of a run.
func fits(rep *Report) string {
	text, _ := json.Marshal(rep.Activities.Events)
	return string(text)
}

// Metadata of files that are not there, and files that say who may see a folder
// in which nothing lies, are told.
func TestStrays(t *testing.T) {
	w, dir := peopleWorld(t, "identities: {entra: true}\ngroups: {folders: .access.csv}\n", "[{from: folder}]")
	admin := &memAdmin{ready: true}
	w.tweak = func(c *Crawl) { c.Lookup, c.Admin = dir, admin }
	w.edit("files/*.csv", "files/**/*.csv", "    path:", "    sidecar: [.yaml, .json]\n    path:")
	put := func(name, text string) {
		path := filepath.Join(w.dir, "files", name)
		w.must(os.MkdirAll(filepath.Dir(path), 0o700))
		w.must(os.WriteFile(path, []byte(text), 0o600))
	}
	const access = "memberType,member\nuser,ann@x\n"
	put(".access.csv", access)
	put("hr/.access.csv", access)
	put("old/.access.csv", access)
	put("old/notes.txt", "no file of the source")
	w.write("hr/deep/a.csv", "1,one,1")
	put("hr/deep/a.csv.yaml", "title: A\n")
	put("hr/deep/b.csv.yaml", "title: B\n")
	put("old/c.csv.json", "{}")
	put("old/notes.txt.json", "{}") // of no file of the source in any case
	put("old/none.txt.json", "{}")
	rep := w.mustCrawl()
	want := fmt.Sprint([]Stray{{"rows", StraySidecar, 2, []string{"files/hr/deep/b.csv.yaml", "files/old/c.csv.json"}},
		{"rows", StrayFolder, 2, []string{"files/.access.csv", "files/old/.access.csv"}}})
	if got := strings.ReplaceAll(fmt.Sprint(rep.Strays), filepath.ToSlash(w.dir)+"/", ""); got != want {
		t.Errorf("strays %s, want %s", got, want)
	}
	w.write("b.csv", "2,two,1")
	w.write("hr/deep/b.csv", "3,three,1")
	put("old/c.csv", "id,title,size\n4,four,1\n")
	if rep = w.mustCrawl(); len(rep.Strays) > 0 {
		t.Errorf("strays %v, and all are of files", rep.Strays)
	}
	w.edit("files/**/*.csv", "files/**/*.{csv,csv.json}")
	put("d.csv.json", `{"id": "5", "title": "five", "size": 1}`) // which is read as a file itself
	if rep = w.mustCrawl(); len(rep.Strays) > 0 {
		t.Errorf("strays %v, and it is read", rep.Strays)
	}
	w.wantItems("1", "2", "3", "4", "5")
}
