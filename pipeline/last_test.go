package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"importer/pipeline/state"
	"importer/transform"
)

// A request that fails for good ends the run, also while a later record waits
// to replace one that will never settle.
func TestAFailureEndsARunInWhichTheLastWins(t *testing.T) {
	w := newWorld(t)
	w.mapping("duplicates: last\n")
	rows := numbered(12)
	rows[4], rows[8] = "1,again,1", "1,once more,1" // one of the second batch, one of the third
	w.write("a.csv", rows...)
	sent := make(chan bool, 100)
	w.target.onRequest = func(n int, after bool) error {
		switch {
		case n == 1 && !after:
			for range 9 { // the others of its batch, and three of each of the next two
				<-sent
			}
			return errKilled
		case after:
			sent <- true
		}
		return nil
	}
	if _, err := w.crawl(t.Context()); !errors.Is(err, errKilled) {
		t.Errorf("crawl = %v, want %v", err, errKilled)
	}
}

func (w *world) wantItem(what, id, prefix string) {
	w.t.Helper()
	if got, ok := w.target.snapshot()[id]; !ok || !strings.HasPrefix(got, prefix) {
		w.t.Errorf("%s: item %s is %.20q, want %s", what, id, got, prefix)
	}
}

// The later record goes, and the earlier one is still there: its item must
// not go with the later one.
func TestTheEarlierRecordComesBack(t *testing.T) {
	for _, tt := range []struct {
		name string
		then func(w *world)
	}{
		{"its file is gone", func(w *world) { w.remove("b.csv") }},
		{"its file has changed", func(w *world) { w.write("b.csv", "2,other,2") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.mapping("duplicates: last\n")
			w.write("a.csv", "1,first,1")
			w.write("b.csv", "1,second,1", "2,other,2")
			w.write("c.csv", "3,third,3")
			w.wantCounts(w.mustCrawl(), state.Counts{Read: 4, Stored: 3, Duplicates: 1})
			w.wantItem("both are there", "1", "second")
			w.mustCrawl()
			tt.then(w)
			w.mustCrawl()
			w.wantItem("the later record is gone", "1", "first")
			w.write("b.csv", "1,third,1")
			w.mustCrawl()
			w.wantItem("it is back", "1", "third")
			// The same, found while the run that sent it was interrupted.
			tt.then(w)
			w.write("a.csv", "1,fourth,1")
			w.failAt(2)
			if _, err := w.crawl(t.Context()); err != nil && !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			w.target.onRequest = nil
			w.mustCrawl()
			w.wantItem("the later record is gone again", "1", "fourth")
		})
	}
}

// A replacement that was in flight when the process died, and whose record is
// gone when it comes back.
func TestAReplacementInFlight(t *testing.T) {
	for _, after := range []bool{false, true} {
		w := newWorld(t)
		w.mapping("duplicates: last\n")
		w.write("a.csv", "1,first,1", "5,x,5", "6,x,6", "7,x,7")
		w.write("b.csv", "1,second,1", "2,other,2")
		if !w.killDuring(5, after, func() error { _, err := w.crawl(context.Background()); return err }) {
			t.Fatal("the crawl ended before its fifth request")
		}
		w.write("b.csv", "2,other,2")
		w.mustCrawl()
		w.wantItem("the later record is gone", "1", "first")
	}
}

// A run dies in the middle of the file that has the later record, and the file
// of the earlier one has changed when it is taken up: the later one stays.
func TestTheEarlierRecordIsReadAgain(t *testing.T) {
	w := newWorld(t)
	w.mapping("duplicates: last\n")
	w.counted()
	w.write("a.csv", "1,first,1")
	w.write("b.csv", append([]string{"1,second,1"}, rows("b", 10)...)...)
	w.interrupted(6)
	w.write("a.csv", "1,changed,1")
	rep := w.mustCrawl()
	w.wantItem("both are there", "1", "second")
	if rep.Read != 12 || len(w.target.snapshot()) != 11 {
		t.Errorf("%+v, %d items", rep.Counts, len(w.target.snapshot()))
	}
}

// What replaces is guarded as any update is.
func TestAReplacementForMorePeople(t *testing.T) {
	w := newWorld(t)
	w.source(strings.Replace(fmt.Sprintf(testMapping, "duplicates: last\nsafety: {maxAclWidenings: 0}\n"), "acl: [{grant: everyone}]",
		`acl: [{grant: everyone, when: title == "open"}, {grant: externalGroup, value: '"team"'}]`, 1))
	w.write("a.csv", "1,first,1")
	w.write("b.csv", "1,second,1")
	w.mustCrawl()
	w.write("a.csv", "1,first,2")
	w.write("b.csv", "1,open,1")
	_, err := w.crawl(t.Context())
	var stop *state.WideningError
	if !errors.As(err, &stop) {
		t.Errorf("crawl = %v, want a safety stop", err)
	}
	if got := w.target.snapshot()["1"]; strings.Contains(got, "everyone") {
		t.Errorf("the item is for everyone: %s", got)
	}
}

// The target refuses the last of them: it has the one before, and that is known,
// in one batch and in several.
func TestARefusedReplacement(t *testing.T) {
	for _, batch := range []int{1, 10} {
		w := newWorld(t)
		w.source(strings.Replace(fmt.Sprintf(testMapping, "duplicates: last\n"), "acl: [{grant: everyone}]",
			`acl: [{grant: everyone, when: size == "1"}, {grant: externalGroup, value: '"team"'}]`, 1))
		w.tweak = func(c *Crawl) { c.Batch = batch }
		w.target.refuse = func(it *transform.Item) error {
			if it.Content.Value == "no" {
				return errors.New("the service says no")
			}
			return nil
		}
		w.write("a.csv", "1,first,1", "1,second,1", "1,no,1")
		w.wantCounts(w.mustCrawl(), state.Counts{Read: 3, Stored: 1, Quarantined: 1, Duplicates: 1})
		w.wantItem("the last is refused", "1", "second")
		w.write("a.csv", "1,first,1", "1,second,1", "1,no,2") // and is not for everyone
		rep := w.mustCrawl()
		w.wantItems()
		if rep.Withdrawn != 1 {
			t.Errorf("batches of %d: %d withdrawn, want the one that everybody sees", batch, rep.Withdrawn)
		}
	}
}
