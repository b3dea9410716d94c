package pipeline

import (
	"errors"
	"strings"
	"testing"

	"importer/transform"
)

// The target refuses an update that a plan says, and it is the permissions that
// change: what it has must not stay for those who are not to see it any more,
// though the plan does not say that it goes. Everything else is done as well.
func TestApplyWithdrawsWhatTheTargetRefuses(t *testing.T) {
	w := newWorld(t)
	w.remap("acl: [{grant: everyone}]", `acl: [{grant: everyone, when: title != "secret"}, {grant: externalGroup, value: '"team"'}]`)
	w.write("a.csv", numbered(9)...)
	w.mustCrawl()
	rows := numbered(9)
	rows[4], rows[5] = "4,secret,4", "5,secret,5"
	w.write("a.csv", append(rows[:8], "new,new,1")...) // 8 goes
	_, plan := w.plan()
	w.target.refuse = func(it *transform.Item) error {
		if it.ID == "4" {
			return errors.New("the service says no")
		}
		return nil
	}
	rep, err := w.apply(plan)
	if err != nil {
		t.Fatal(err)
	}
	w.wantItems("0", "1", "2", "3", "5", "6", "7", "new")
	if rep.Withdrawn != 1 || rep.Deleted != 2 || strings.Contains(w.target.snapshot()["5"], "everyone") {
		t.Errorf("%d withdrawn, %d deleted, want 1, 2; item 5 = %s", rep.Withdrawn, rep.Deleted, w.target.snapshot()["5"])
	}
}
