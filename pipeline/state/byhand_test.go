package state

import (
	"fmt"
	"testing"
)

// After a mark every item is sent again, once, and nothing is proven or
// forgotten by it that was not before.
func TestResend(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1=x", "2=x")
	w.write("b.csv", "3=x")
	w.crawl()
	ctx := t.Context()
	before, err := w.s.MarkResend(ctx, "title: labels")
	w.must(err)
	check(t, "the mark before the first", before, "")
	before, err = w.s.MarkResend(ctx, "url: labels")
	w.must(err)
	check(t, "the mark before the second", before, "title: labels")
	w.must(w.s.UnmarkResend(ctx, before))
	w.kill()
	why, err := w.s.Resending(ctx)
	w.must(err)
	check(t, "the mark after a crash", why, "title: labels")

	why, err = w.s.Resend(ctx)
	w.must(err)
	check(t, "the reason", why, "title: labels")
	delete(w.files, "b.csv")
	check(t, "verdicts", w.crawl(), map[string]Kind{"1": Send, "2": Send})
	check(t, "stale", w.stale(), []string{"3"}) // b.csv is gone, and was read whole

	why, err = w.s.Resend(ctx)
	w.must(err)
	check(t, "the reason of a second time", why, "")
	check(t, "verdicts of the run after", w.crawl(), map[string]Kind{})

	_, err = w.s.MarkResend(ctx, "never mind")
	w.must(err)
	w.must(w.s.UnmarkResend(ctx, ""))
	why, err = w.s.Resend(ctx)
	w.must(err)
	check(t, "the reason of a mark that was taken back", why, "")
}

// Resend leaves what the guard on widenings goes by.
func TestResendGuardsWidenings(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1=x")
	w.crawl()
	_, err := w.s.MarkResend(t.Context(), "x")
	w.must(err)
	_, err = w.s.Resend(t.Context())
	w.must(err)
	src := w.begin()[0]
	entries := []Entry{{ID: "1", Source: src, Open: 2}}
	_, verdicts, err := w.s.Admit(t.Context(), entries)
	w.must(err)
	check(t, "widens", verdicts[0].Widens, "everyone")
}

// What somebody changed by hand is sent again by the next run, and only that.
func TestDisturb(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1=x", "2=x")
	w.write("b.csv", "3=x")
	w.crawl("2")
	found, err := w.s.Disturb(t.Context(), []string{"1", "unknown"})
	w.must(err)
	p := found["1"]
	check(t, "found", len(found), 1)
	check(t, "place", fmt.Sprint(p.Source, " ", p.Path, " ", p.Line, " ", p.Stored), "src a.csv 2 true")
	check(t, "verdicts", w.crawl("2"), map[string]Kind{"1": Send, "2": Refused}) // 2 is as it was refused
	check(t, "verdicts of the run after", w.crawl("2"), map[string]Kind{})

	many := make([]string, 1200)
	for i := range many {
		many[i] = fmt.Sprint(1200 - i)
	}
	found, err = w.s.Find(t.Context(), many)
	w.must(err)
	check(t, "found of many", len(found), 3)
	check(t, "a refused one is stored", found["2"].Stored, false)
}

func (w *world) members() map[Member]bool {
	w.t.Helper()
	members := map[Member]bool{}
	w.must(w.s.Members(w.t.Context(), func(m Member, sure bool) { members[m] = sure }))
	return members
}

// What is written of groups makes the next run look at them again.
func TestDisturbGroup(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	team := Group{"team", "Team", ""}
	anna := Member{"team", "user", "anna"}
	w.must(w.s.SetGroup(ctx, team, true))
	w.must(w.s.SetMember(ctx, anna, true))
	sure := func(what string, group, member bool) {
		t.Helper()
		groups, err := w.s.Groups(ctx)
		w.must(err)
		members := w.members()
		check(t, what+": the group is sure", groups[team], group)
		check(t, what+": the member is sure", members[anna], member)
	}
	for _, id := range []string{"other", "team"} {
		known, err := w.s.DisturbGroup(ctx, id, false)
		w.must(err)
		check(t, id+" is known", known, id == "team")
	}
	sure("renamed", false, true)
	bob := Member{"team", "user", "bob"}
	known, err := w.s.DisturbMember(ctx, bob)
	w.must(err)
	members := w.members()
	_, has := members[bob]
	check(t, "bob is known of, to be taken out", known && has && !members[bob], true)
	known, err = w.s.DisturbMember(ctx, Member{"other", "user", "bob"})
	w.must(err)
	check(t, "a member of a group that is not known", known, false)
	_, err = w.s.DisturbGroup(ctx, "team", true)
	w.must(err)
	sure("deleted", false, false)
}

// A line and a column are one number, and a line alone is itself: what older
// versions wrote stays what it was.
func TestLinePlace(t *testing.T) {
	for _, p := range [][2]int{{0, 0}, {17, 0}, {1, 5108}, {1 << 31, 1 << 30}} {
		n := linePlace(p[0], p[1])
		if p[1] == 0 && n != int64(p[0]) {
			t.Errorf("line %d is %d", p[0], n)
		}
		var line, col int
		if err := (placeScan{&line, &col}).Scan(n); err != nil || line != p[0] || col != p[1] {
			t.Errorf("%d:%d becomes %d:%d, error %v", p[0], p[1], line, col, err)
		}
	}
	if err := (placeScan{}).Scan("1"); err == nil {
		t.Error("a text is a place")
	}
}
