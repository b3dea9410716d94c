package pipeline

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"importer/transform"
)

const twoSources = `version: 1
connection: {id: testconnection, name: Test, description: For tests.}
schema:
  title: {type: string, searchable: true, retrievable: true}
  size: {type: int64, retrievable: true}
%ssources:
  - name: rows
    path: files/a*.csv
    where: title != "skip"
    id: id
    properties: {title: title, size: size}
    acl: [{grant: everyone, when: size != "99"}, {grant: user, value: title, when: size == "99"}]
  - name: others
    path: files/b*.csv
    id: '"b" + id'
    properties: {title: title}
    acl: [{grant: everyone}]
`

// A source that loses the last of its items stops, however few they are, and
// says by what.
func TestASourceThatIsEmptied(t *testing.T) {
	tests := []struct {
		name string
		then func(w *world)
		stop string // in the message; "" is that it goes through
	}{
		{"the header alone is left", func(w *world) { w.write("a.csv") }, "source rows: 7 of 7"},
		{"where filters everything out", func(w *world) { w.edit(`title != "skip"`, `title == "skip"`) }, "source rows: 7 of 7 (where filters out 7 records)"},
		{"the source is taken out of the mapping", func(w *world) {
			w.source(strings.Split(fmt.Sprintf(twoSources, ""), "  - name: others")[0])
		}, "source others: 3 of 3 (the mapping has no such source any more)"},
		{"the source has another name", func(w *world) { w.edit("name: rows", "name: lines") }, ""},
		{"the source has another name and other files", func(w *world) {
			w.edit("name: rows", "name: lines", "files/a*.csv", "files/c*.csv")
			w.write("c.csv", "c,c,1")
		}, "source rows: 7 of 7"},
		{"where filters everything out but what is in quarantine", func(w *world) {
			w.edit(`title != "skip"`, `title == "skip"`)
			w.write("a.csv", append(numbered(6), "6,skip,many")...)
		}, "source rows: 6 of 7 (where filters out 6 records)"},
		{"where filters everything out but what nobody may see", func(w *world) {
			w.edit(`title != "skip"`, `title == "skip"`)
			w.write("a.csv", append(numbered(6), "6,skip,99")...)
		}, "source rows: 7 of 7 (1 whose permissions cannot be made; where filters out 6 records)"},
		{"one item is left", func(w *world) { w.write("a.csv", numbered(1)...) }, ""},
		{"all are others", func(w *world) { w.write("a.csv", rows("x", 7)...) }, ""},
		{"the source may be empty", func(w *world) {
			w.edit("    path: files/a*.csv\n", "    path: files/a*.csv\n    optional: true\n")
			w.write("a.csv")
		}, ""},
		{"the command line gives leave", func(w *world) {
			w.tweak = func(c *Crawl) { c.Deletes = transform.Limit{Count: 7, Set: true} }
			w.write("a.csv")
		}, ""},
		{"nobody can tell who may see them", func(w *world) {
			w.write("a.csv", "0,t,99", "1,t,99", "2,t,99", "3,t,99", "4,t,99", "5,t,99", "6,t,99")
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.source(fmt.Sprintf(twoSources, ""))
			w.write("a.csv", numbered(7)...)
			w.write("b.csv", numbered(3)...)
			w.mustCrawl()
			tt.then(w)
			rep, err := w.crawl(t.Context())
			var guard *GuardError
			switch {
			case tt.stop == "":
				w.must(err)
			case !errors.As(err, &guard) || guard.Emptied == "" || !strings.Contains(err.Error(), tt.stop):
				t.Errorf("crawl = %v, want a safety stop: %s", err, tt.stop)
			case rep.Deleted != 0 || len(w.target.snapshot()) < 10:
				t.Errorf("%d deleted, %d items", rep.Deleted, len(w.target.snapshot()))
			}
		})
	}
}

// What the target has never taken is no loss when its record goes.
func TestWhatWasNeverThereIsNoLoss(t *testing.T) {
	w := newWorld(t)
	w.target.refuse = func(it *transform.Item) error {
		if it.Content.Value == "no" {
			return errors.New("the service says no")
		}
		return nil
	}
	w.mapping("drift: evolve\n")
	refused := rows("x", 60)
	for i := range refused {
		refused[i] = strings.Replace(refused[i], fmt.Sprint("title ", i), "no", 1)
	}
	w.write("a.csv", append(refused, numbered(5)...)...)
	w.mustCrawl()
	w.write("a.csv", numbered(4)...)
	if rep := w.mustCrawl(); rep.Deleted != 1 {
		t.Errorf("%d deleted, want the one that was there", rep.Deleted)
	}
}
