package pipeline

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
)

func sum(b []byte) [32]byte { return sha256.Sum256(b) }

// TestKilledAtEveryRequest kills a crawl at its k-th request, before and after
// the request's effect, for every k until a crawl ends without reaching it.
// What a killed process leaves is the state's files as they are at that
// moment and the items of the target. From there
//
//	resume  ends with the same items and the same balance as an unbroken crawl,
//	        and sends again only what was in flight
//	vanish  with all files gone but one, deletes whatever may have been sent
//
// Seen red with each of these, one at a time: no intent written before sending
// (vanish leaves orphans); Settle that writes the position but not the items
// (vanish); a frontier that moves to any batch that has settled (resume loses
// items); recoverIntents that drops intents (vanish); counts that are not
// written with the position (resume: another balance). An intent that keeps
// the old digest shows in the state's TestAnUpdateInFlightIsSentAgain.
func TestKilledAtEveryRequest(t *testing.T) {
	rows := func(prefix string, n int) []string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf("%s%d,title %d,%d", prefix, i, i, i))
		}
		return out
	}
	first := func(w *world) {
		w.write("a.csv", append(rows("a", 11), "a3,again,1", "x,skip,1", "bad,title,many")...)
		w.write("b.csv", rows("b", 6)...)
		w.write("c.csv", "c0,title,0")
	}
	scenarios := []struct {
		name   string
		before func(w *world) // crawled without a kill
		then   func(w *world) // what the killed crawl meets
	}{
		{"first crawl", nil, first},
		{"update", first, func(w *world) {
			w.write("a.csv", append([]string{"new,row,1"}, append(rows("a", 9), "a9,changed,1", "a10,changed,2")...)...)
			w.write("b.csv", append(rows("b", 3), "b4,changed,7")...) // b3 and b5 go
		}},
	}
	for _, sc := range scenarios {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/after effect %v", sc.name, after), func(t *testing.T) {
				unbroken := newWorld(t)
				if sc.before != nil {
					sc.before(unbroken)
					unbroken.mustCrawl()
				}
				sc.then(unbroken)
				before := unbroken.target.requests
				want := unbroken.mustCrawl()
				wantItems := unbroken.target.snapshot()
				total := unbroken.target.requests - before
				for k := 1; ; k++ {
					w := newWorld(t)
					if sc.before != nil {
						sc.before(w)
						w.mustCrawl()
					}
					sc.then(w)
					if !killAt(w, k, after) {
						if k <= total {
							t.Fatalf("the crawl ended before request %d of %d", k, total)
						}
						break
					}
					if k%2 == 0 {
						resume(t, w, k, want, wantItems)
					} else {
						vanish(t, w, k)
						// The other half, from the same start.
						w = newWorld(t)
						if sc.before != nil {
							sc.before(w)
							w.mustCrawl()
						}
						sc.then(w)
						killAt(w, k, after)
						resume(t, w, k, want, wantItems)
					}
				}
			})
		}
	}
}

// killAt crawls until the k-th request and leaves w as a SIGKILL would. It
// reports whether the crawl got there.
func killAt(w *world, k int, after bool) bool {
	w.t.Helper()
	return w.killDuring(k, after, func() error { _, err := w.crawl(context.Background()); return err })
}

// killDuring is killAt for whatever makes requests.
func (w *world) killDuring(k int, after bool, do func() error) bool {
	w.t.Helper()
	var once sync.Once
	var items map[string]string
	copied := filepath.Join(w.dir, fmt.Sprintf("state-%d", k))
	base := w.target.requests
	w.target.onRequest = func(n int, isAfter bool) error {
		if n-base < k || isAfter != after && n-base == k {
			return nil
		}
		once.Do(func() {
			// The state first: others are still at work, and it never says
			// stored of what the target does not have.
			copyDir(w.t, w.state, copied)
			items = w.target.snapshot()
		})
		return errKilled
	}
	err := do()
	w.target.onRequest = nil
	if items == nil {
		if err != nil {
			w.t.Fatalf("crawl: %v", err)
		}
		return false
	}
	if !errors.Is(err, errKilled) {
		w.t.Fatalf("the killed crawl ended with %v", err)
	}
	w.target.items = items
	w.target.requests, w.target.puts, w.target.deletes = 0, 0, 0
	w.state = copied
	return true
}

// copyDir copies the state's files as they are, as a crash would leave them:
// SQLite's WAL is written at its end only, and a torn end is passed over.
func copyDir(t *testing.T, from, to string) {
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"testconnection.db", "testconnection.db-wal"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), b, 0o600)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

func resume(t *testing.T, w *world, k int, want *Report, items map[string]string) {
	t.Helper()
	rep := w.mustCrawl()
	if !rep.Resumed {
		t.Errorf("killed at request %d: the next run did not take it up", k)
	}
	if got := w.target.snapshot(); !maps.Equal(got, items) {
		t.Errorf("killed at request %d and resumed: the target has %v, want %v", k, got, items)
	}
	if rep.Counts != want.Counts {
		t.Errorf("killed at request %d and resumed: balance %+v, want %+v", k, rep.Counts, want.Counts)
	}
	if !reflect.DeepEqual(rep.Sources, want.Sources) {
		t.Errorf("killed at request %d and resumed: sources %+v, want %+v", k, rep.Sources, want.Sources)
	}
	// k-1 requests were answered before the kill. Of those, the ones whose
	// batch had not settled are made again: 3 batches of 4 in flight, and the
	// one that was being taken in.
	if most := int(want.Requests) - (k - 1) + 16; w.target.requests > most {
		t.Errorf("killed at request %d and resumed: %d more requests, want at most %d", k, w.target.requests, most)
	}
	again := w.mustCrawl()
	if again.Requests != 0 || again.Stored != 0 {
		t.Errorf("after the resumed run: %d requests, %d stored by a further one, want none", again.Requests, again.Stored)
	}
}

func vanish(t *testing.T, w *world, k int) {
	t.Helper()
	w.remove("a.csv")
	w.remove("b.csv")
	w.write("c.csv", "c0,title,0")
	rep := w.mustCrawl()
	if got := w.target.snapshot(); len(got) != 1 || got["c0"] == "" {
		t.Errorf("killed at request %d, files removed: the target still has %v, want c0 alone (%d deleted)", k, got, rep.Deleted)
	}
}
