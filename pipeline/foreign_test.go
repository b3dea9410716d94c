package pipeline

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
)

// A connection of which nothing is remembered may hold what nobody can delete
// any more: that is told, once, and of no other first run.
func TestALostStateIsTold(t *testing.T) {
	w := newWorld(t)
	admin := &memAdmin{}
	var log bytes.Buffer
	w.tweak = func(c *Crawl) { c.Admin, c.Log = admin, slog.New(slog.NewTextHandler(&log, nil)) }
	told := func(what string, want int) {
		t.Helper()
		w.mustCrawl()
		if got := strings.Count(log.String(), "nothing is remembered of it"); got != want {
			t.Errorf("%s: it was told %d times, want %d: %s", what, got, want, log.String())
		}
	}
	w.write("a.csv", "1,one,1", "2,two,2")
	admin.ensured = errors.New("killed in the 15 minutes that it takes")
	if _, err := w.crawl(t.Context()); !errors.Is(err, admin.ensured) {
		t.Fatal(err)
	}
	admin.ready, admin.ensured = true, nil
	told("a first run that goes on", 0)
	w.state = filepath.Join(w.dir, "another")
	told("a new folder", 1)
	told("the next run", 1)
}
