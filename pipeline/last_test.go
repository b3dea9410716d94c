package pipeline

import (
	"errors"
	"testing"
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
