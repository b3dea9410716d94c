package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"importer/pipeline/state"
	"importer/transform"
)

// A memDirectory is a Lookup that counts.
type memDirectory struct {
	mu    sync.Mutex
	ids   map[string]string // name -> id; "several" is several's
	asked []string
	calls int
	err   error
}

func (d *memDirectory) LookUp(_ context.Context, names []transform.Name, _ []string) ([]transform.Found, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	found := make([]transform.Found, len(names))
	for i, n := range names {
		d.asked = append(d.asked, n.Text)
		if id := d.ids[n.Text]; id == "several" {
			found[i].Several = true
		} else {
			found[i].ID = id
		}
	}
	return found, d.err
}

// peopleWorld has a mapping whose titles are who may see a record.
func peopleWorld(t *testing.T, top, acl string) (*world, *memDirectory) {
	w := newWorld(t)
	dir := &memDirectory{ids: map[string]string{"ann@x": anna, "bob@x": bob}}
	w.tweak = func(c *Crawl) { c.Lookup = dir }
	src := strings.Replace(fmt.Sprintf(testMapping, top), "acl: [{grant: everyone}]", "acl: "+acl, 1)
	w.must(os.WriteFile(filepath.Join(w.dir, "mapping.yaml"), []byte(src), 0o600))
	return w, dir
}

// age makes answers of the directory older.
func (w *world) age(by time.Duration) {
	w.exec(fmt.Sprintf("UPDATE people SET asked = asked - %d", int(by.Seconds())))
}

func TestPeopleAreLookedUpOnce(t *testing.T) {
	w, dir := peopleWorld(t, "identities: {entra: true}\nsafety: {maxDeletes: 100%}\n", "[{grant: user, value: title}]")
	var rows []string
	for i := range 3000 {
		rows = append(rows, fmt.Sprintf("%d,%s,1", i, []string{"ann@x", "BOB@x ", "ghost@x", anna}[i%4]))
	}
	w.write("a.csv", rows...)
	w.write("b.csv", "n1,ann@x,1", "n2,two@x,1")
	dir.ids["two@x"] = "several"
	rep := w.mustCrawl()
	if len(dir.asked) != 4 || dir.calls > 3 {
		t.Errorf("%d calls, asked %v", dir.calls, dir.asked)
	}
	w.wantCounts(rep, state.Counts{Read: 3002, Stored: 2251, Quarantined: 751})
	want := []state.Unknown{{Kind: "user", Name: "ghost@x", Blocked: 750}, {Kind: "user", Name: "two@x", Several: true, Blocked: 1}}
	if fmt.Sprint(rep.Unknown) != fmt.Sprint(want) || rep.UnknownNames != 2 {
		t.Errorf("unknown = %+v", rep.Unknown)
	}
	if it := w.target.snapshot()["1"]; !strings.Contains(it, bob) {
		t.Errorf("item 1 is %s", it)
	}

	// Files that have not changed are not read again, and what is known not asked.
	dir.asked = nil
	rep = w.mustCrawl()
	if len(dir.asked) > 0 || rep.UnknownNames != 2 || rep.Unknown[0].Blocked != 750 {
		t.Errorf("asked %v; unknown %+v", dir.asked, rep.Unknown)
	}
	// An hour later those whom nobody has are asked for again, and one is there.
	w.age(2 * time.Hour)
	dir.ids["ghost@x"] = anna
	rep = w.mustCrawl()
	if strings.Join(dir.asked, " ") != "ghost@x two@x" {
		t.Errorf("asked %v", dir.asked)
	}
	w.wantCounts(rep, state.Counts{Read: 3002, Stored: 750, Unchanged: 2251, Quarantined: 1})
	if rep.UnknownNames != 1 {
		t.Errorf("unknown = %+v", rep.Unknown)
	}
	// A week later all are asked for, and who is another person now, or nobody,
	// does not see what the name gave.
	w.age(7 * 24 * time.Hour)
	dir.ids["bob@x"], dir.ids["ann@x"] = "99999999-9999-9999-9999-999999999999", ""
	rep = w.mustCrawl()
	items := w.target.snapshot()
	if it := items["1"]; strings.Contains(it, bob) || !strings.Contains(it, "99999999") {
		t.Errorf("item 1 is %s", it)
	}
	if _, left := items["n1"]; left || rep.Withdrawn != 751 {
		t.Errorf("what ann@x could see is there: %v; %d withdrawn", left, rep.Withdrawn)
	}
}

// Names that were found by display name are nobody's any more when the mapping
// wants only mail addresses.
func TestPeopleByOtherProperties(t *testing.T) {
	w, dir := peopleWorld(t, "identities: {entra: true, match: [displayName]}\n", "[{grant: user, value: title}]")
	dir.ids["ann"] = anna
	w.write("a.csv", "1,ann,1")
	w.mustCrawl()
	w.wantItems("1")
	src, err := os.ReadFile(filepath.Join(w.dir, "mapping.yaml"))
	w.must(err)
	w.must(os.WriteFile(filepath.Join(w.dir, "mapping.yaml"), []byte(strings.Replace(string(src), ", match: [displayName]", "", 1)), 0o600))
	delete(dir.ids, "ann")
	w.mustCrawl()
	w.wantItems()
}

// A record that waits for its names keeps its place, also before the error that
// ends a file, and a directory that fails ends the run, resumable.
func TestPeopleThatCannotBeAsked(t *testing.T) {
	w, dir := peopleWorld(t, "identities: {entra: true}\n", "[{grant: user, value: title}]")
	w.write("a.csv", "1,ann@x,1", "2,skip,1", "3,ann@x,no", "4,bob@x,2", "5,ann@x,1")
	dir.err = errors.New("the service is away")
	if _, err := w.crawl(t.Context()); !errors.Is(err, dir.err) {
		t.Fatalf("error %v", err)
	}
	w.wantItems()
	dir.err = nil
	rep := w.mustCrawl()
	w.wantItems("1", "4", "5")
	w.wantCounts(rep, state.Counts{Read: 5, Stored: 3, Filtered: 1, Quarantined: 1})
	if line := rep.Causes[0].Examples[0].Line; line != 4 {
		t.Errorf("the record that is refused is that of line %d", line)
	}
	// Without a directory it is said that nobody was asked.
	w.tweak = func(c *Crawl) { c.Deletes = transform.Limit{Count: 9, Set: true} }
	w.write("a.csv", "1,ann@x,1")
	rep = w.mustCrawl()
	if len(rep.Causes) != 1 || !strings.Contains(rep.Causes[0].Examples[0].Detail, "Entra ID was not asked") {
		t.Errorf("causes %+v", rep.Causes)
	}
}

// A grant to somebody who is not known may be left out, a deny never is.
func TestUnknownIsDropped(t *testing.T) {
	w, _ := peopleWorld(t, "identities: {entra: true, unknown: drop}\n", `[{grant: user, value: 'split(title, "+")'}, {deny: user, value: '"ghost@x"', when: size == "9"}]`)
	w.write("a.csv", "1,ann@x+ghost@x,1", "2,ghost@x,1", "3,ann@x+ghost2@x,9")
	rep := w.mustCrawl()
	w.wantItems("1")
	want := []state.Unknown{{Kind: "user", Name: "ghost@x", Blocked: 2, Dropped: 1}}
	if fmt.Sprint(rep.Unknown) != fmt.Sprint(want) {
		t.Errorf("unknown = %+v, want %+v", rep.Unknown, want)
	}
}

// Members that the directory does not know are left out of groups that are
// granted, and end the crawl where groups may be denied.
func TestMembersOfTheDirectory(t *testing.T) {
	for acl, denied := range map[string]bool{"[{grant: externalGroup, value: '\"team\"'}]": false, "[{grant: everyone}, {deny: externalGroup, value: '\"team\"'}]": true} {
		w, dir := peopleWorld(t, "identities: {entra: true}\ngroups: {file: groups.csv}\n", acl)
		admin := &memAdmin{ready: true}
		w.tweak = func(c *Crawl) { c.Lookup, c.Admin = dir, admin }
		w.groupLines("team,user,ann@x", "team,user,ghost@x")
		w.write("a.csv", "1,one,1")
		rep, err := w.crawl(t.Context())
		var wrong transform.Errors
		switch {
		case denied && (!errors.As(err, &wrong) || !strings.Contains(err.Error(), `groups.csv:3:1: the user "ghost@x" is not in Entra ID, and the group "team" may be denied`)):
			t.Errorf("denied: %v", err)
		case denied:
			w.wantItems()
		case err != nil || len(rep.Problems) != 1 || !strings.Contains(rep.Problems[0], "ghost@x"):
			t.Errorf("granted: %v, %+v", err, rep)
		case len(admin.groups["team"]) != 1:
			t.Errorf("members = %v", admin.groups["team"])
		}
	}
}
