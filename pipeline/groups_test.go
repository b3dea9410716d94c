package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"importer/load"
	"importer/transform"
)

// A memAdmin keeps a connection's surroundings in memory.
type memAdmin struct {
	via     *fakeTarget // its requests are this target's; nil counts none
	ready   bool
	changes []load.SchemaChange // until the connection is ensured
	ensured error
	failDel bool
	// onChange is called before each member is added or taken out, one at a time.
	onChange func()

	mu     sync.Mutex // guards the fields below
	groups map[string][]transform.Member
	log    []string
}

// do makes a request whose effect is effect.
func (a *memAdmin) do(effect func()) error {
	locked := func() error {
		a.mu.Lock()
		defer a.mu.Unlock()
		effect()
		return nil
	}
	if a.via == nil {
		return locked()
	}
	return a.via.do(context.Background(), locked).Err
}

func (a *memAdmin) Ready(context.Context) (bool, error) { return a.ready, nil }

func (a *memAdmin) EnsureConnection(context.Context, transform.Connection, transform.Schema) (bool, error) {
	if a.ensured != nil {
		return false, a.ensured
	}
	created := !a.ready
	if !created && a.changes == nil {
		return false, nil
	}
	return created, a.do(func() { a.ready, a.changes = true, nil })
}

func (a *memAdmin) PreviewConnection(context.Context, transform.Connection, transform.Schema) (*load.ConnectionPreview, error) {
	return &load.ConnectionPreview{Create: !a.ready, Schema: a.changes}, nil
}

func (a *memAdmin) Reingest(context.Context, transform.Schema) ([]load.SchemaChange, error) {
	return a.changes, nil
}

func (a *memAdmin) PutGroup(_ context.Context, g transform.Group) (existed bool, err error) {
	err = a.do(func() {
		if a.groups == nil {
			a.groups = map[string][]transform.Member{}
		}
		if _, existed = a.groups[g.ID]; !existed {
			a.groups[g.ID] = nil
		}
	})
	return existed, err
}

func (a *memAdmin) Members(_ context.Context, group string) ([]transform.Member, bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.groups[group]), true, nil
}

func (a *memAdmin) DeleteGroup(_ context.Context, id string) error {
	err := a.do(func() {
		a.log = append(a.log, "delete "+id)
		delete(a.groups, id)
	})
	if a.failDel {
		return errors.New("the reply was lost")
	}
	return err
}

func (a *memAdmin) AddMember(_ context.Context, group string, m transform.Member) error {
	return a.do(func() {
		if a.onChange != nil {
			a.onChange()
		}
		if !slices.Contains(a.groups[group], m) {
			a.groups[group] = append(a.groups[group], m)
		}
	})
}

func (a *memAdmin) RemoveMember(_ context.Context, group string, m transform.Member) error {
	return a.do(func() {
		if a.onChange != nil {
			a.onChange()
		}
		a.log = append(a.log, "remove "+m.ID+" from "+group)
		a.groups[group] = slices.DeleteFunc(a.groups[group], func(have transform.Member) bool { return have == m })
	})
}

// Somebody deleted the connection, and the run that makes it anew dies while
// it waits for the schema.
func TestAConnectionThatIsGone(t *testing.T) {
	w := newWorld(t)
	admin := &memAdmin{}
	w.tweak = func(c *Crawl) { c.Admin = admin }
	w.write("a.csv", "1,one,1", "2,two,2")
	w.mustCrawl()
	clear(w.target.items)
	admin.ready, admin.ensured = false, errors.New("killed in the 15 minutes that it takes")
	if _, err := w.crawl(t.Context()); !errors.Is(err, admin.ensured) {
		t.Fatal(err)
	}
	admin.ready, admin.ensured = true, nil // it is there by now, and empty
	w.mustCrawl()
	w.wantItems("1", "2")
}

// groupLines is groups with a line each.
func (w *world) groupLines(lines ...string) {
	w.groups(strings.Join(lines, "\n") + "\n")
}

func TestGroupSync(t *testing.T) {
	w := newWorld(t)
	w.mapping("groups: {file: groups.csv}\n")
	w.write("a.csv", "1,one,1")
	admin := &memAdmin{ready: true, groups: map[string][]transform.Member{"team": {{Type: "user", ID: bob}}}} // left by somebody
	w.tweak = func(c *Crawl) { c.Admin, c.GroupLanes, c.Deletes = admin, 3, transform.Limit{Count: 9, Set: true} }
	want := func(what string, members ...string) {
		t.Helper()
		var have []string
		for _, m := range admin.groups["team"] {
			have = append(have, m.Type+" "+m.ID)
		}
		slices.Sort(have) // they are added side by side
		if !slices.Equal(have, members) {
			t.Errorf("%s: members = %v, want %v", what, have, members)
		}
	}
	w.groupLines("team,user," + anna)
	w.mustCrawl()
	want("a group that was there", "user "+anna)

	admin.failDel = true
	w.groupLines("")
	if _, err := w.crawl(t.Context()); err == nil {
		t.Fatal("a lost reply went unnoticed")
	}
	admin.failDel = false
	w.groupLines("team,user," + anna)
	w.mustCrawl()
	want("a group that came back", "user "+anna)

	w.groupLines("team,user,"+bob, "team,externalGroup,inner", "inner,,")
	w.mustCrawl()
	want("one left, one came", "externalGroup inner", "user "+bob)
	w.groupLines("")
	w.mustCrawl()
	if len(admin.groups) != 0 {
		t.Errorf("groups = %v, want none", admin.groups)
	}
}

// What was being changed when the process died is changed once more, and what
// was not begun is begun.
func TestGroupsAfterACrash(t *testing.T) {
	w := newWorld(t)
	w.mapping("groups: {file: groups.csv}\nsafety: {maxDeletes: 100%}\n")
	w.write("a.csv", "1,one,1")
	admin := &memAdmin{ready: true}
	w.tweak = func(c *Crawl) { c.Admin, c.GroupLanes = admin, 2 }
	var before, after []string
	for i := range 3 * groupBatch {
		m := fmt.Sprintf("g%d,user,11111111-1111-1111-1111-%012d", i%7, i)
		if i%3 > 0 {
			before = append(before, m)
		}
		if i%3 < 2 {
			after = append(after, m)
		}
	}
	changes := 0
	have := func() (all []string) {
		for g, members := range admin.groups {
			for _, m := range members {
				all = append(all, g+",user,"+m.ID)
			}
		}
		slices.Sort(all)
		return all
	}
	slices.Sort(before)
	slices.Sort(after)
	for round, lines := range [][]string{before, after, before} {
		w.groupLines(lines...)
		for try, left := 0, 90+round; ; try++ {
			ctx, kill := context.WithCancel(t.Context())
			admin.onChange = func() {
				if left--; left == 0 {
					kill()
				}
			}
			_, err := w.crawl(ctx)
			kill()
			if err == nil {
				if try == 0 {
					t.Errorf("round %d was not interrupted", round)
				}
				break
			}
			left = 130
			if try == 100 {
				t.Fatal(err)
			}
		}
		if got := have(); !slices.Equal(got, lines) {
			t.Fatalf("round %d: %d members, want %d", round, len(got), len(lines))
		}
		changes = 0
		admin.onChange = func() { changes++ }
		w.mustCrawl()
		if changes > 0 {
			t.Errorf("round %d: a run with nothing to do changes members", round)
		}
	}
}

// Items of an earlier mapping deny a group that the present one knows nothing
// of: who leaves it waits until they are mended.
func TestGroupsThatWereDenied(t *testing.T) {
	w := newWorld(t)
	admin := &memAdmin{ready: true}
	w.tweak = func(c *Crawl) { c.Admin = admin }
	mapping := func(acl string) {
		src := strings.Replace(fmt.Sprintf(testMapping, "groups: {file: groups.csv}\n"), "acl: [{grant: everyone}]", "acl: "+acl, 1)
		w.must(os.WriteFile(filepath.Join(w.dir, "mapping.yaml"), []byte(src), 0o600))
	}
	mapping("[{grant: everyone}, {deny: externalGroup, value: title}]")
	w.write("a.csv", "1,team,1")
	w.groupLines("team,user,"+anna, "team,user,"+bob)
	w.mustCrawl()
	mapping("[{grant: user, value: '\"" + bob + "\"'}]")
	w.groupLines("team,user," + bob)
	w.target.onRequest = func(int, bool) error {
		if len(admin.groups["team"]) != 2 {
			t.Error("somebody was taken out of a group before the item that denies it was mended")
		}
		return nil
	}
	w.mustCrawl()
	if len(admin.groups["team"]) != 1 {
		t.Errorf("members = %v", admin.groups["team"])
	}
}

// The crawl does not wait until groups are filled, unless they are denied.
func TestGroupsBesideTheCrawl(t *testing.T) {
	for acl, waits := range map[string]bool{"[{grant: everyone}]": false, "[{grant: everyone}, {deny: externalGroup, value: title}]": true} {
		w := newWorld(t)
		admin := &memAdmin{ready: true}
		w.tweak = func(c *Crawl) { c.Admin = admin }
		src := strings.Replace(fmt.Sprintf(testMapping, "groups: {file: groups.csv}\n"), "acl: [{grant: everyone}]", "acl: "+acl, 1)
		w.must(os.WriteFile(filepath.Join(w.dir, "mapping.yaml"), []byte(src), 0o600))
		w.write("a.csv", "1,team,1")
		w.groupLines("team,user," + anna)
		sent := make(chan struct{})
		w.target.onRequest = func(int, bool) error {
			select {
			case <-sent:
			default:
				close(sent)
			}
			return nil
		}
		early := false
		admin.onChange = func() {
			if !waits {
				<-sent // goes on for ever if the crawl waits for this
			}
			select {
			case <-sent:
				early = true
			default:
			}
		}
		w.mustCrawl()
		if early == waits {
			t.Errorf("%s: the crawl had begun: %v", acl, early)
		}
	}
}

// Somebody in a denied group must not see the items that deny it while the
// crawl goes on, nor when their records are in quarantine.
func TestDeniedGroupsOutliveTheCrawl(t *testing.T) {
	w := newWorld(t)
	admin := &memAdmin{}
	w.tweak = func(c *Crawl) { c.Admin = admin }
	src := strings.Replace(fmt.Sprintf(testMapping, "groups: {file: groups.csv}\n"), "acl: [{grant: everyone}]", "acl: [{grant: everyone}, {deny: externalGroup, value: title}]", 1)
	w.must(os.WriteFile(filepath.Join(w.dir, "mapping.yaml"), []byte(src), 0o600))
	groups := func(name string) {
		w.must(os.WriteFile(filepath.Join(w.dir, "groups.csv"), []byte("group,memberType,member\n"+name+",user,5b2c7f3e-0d1a-4c55-9a3e-2f6b8d0c1e47\n"), 0o600))
	}
	groups("CON")
	w.write("a.csv", "1,CON,1")
	w.mustCrawl()

	groups("Contractors") // renamed in one file only
	w.mustCrawl()
	if len(admin.groups["CON"]) != 1 {
		t.Error("CON was emptied or deleted while a record that denies it is in quarantine")
	}
	w.write("a.csv", "1,Contractors,1")
	seen := false
	w.target.onRequest = func(int, bool) error {
		seen = true
		if len(admin.groups["CON"]) != 1 {
			t.Error("CON was deleted before the items that deny it were mended")
		}
		return nil
	}
	w.mustCrawl()
	if _, left := admin.groups["CON"]; left || !seen {
		t.Errorf("CON is left: %v; requests seen: %v", left, seen)
	}
}
