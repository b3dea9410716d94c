package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"importer/transform"
)

func person(n int) string { return fmt.Sprintf("%08d-0000-4000-8000-000000000000", n) }

func team(group string, from, to int) (lines string) {
	for i := from; i < to; i++ {
		lines += group + ",user," + person(i) + "\n"
	}
	return lines
}

// Groups and their members are under the guards that items are under: a groups
// file that was cut takes access away, and who leaves a group that is denied,
// or one within it, sees what it denies.
func TestGuardsOnGroups(t *testing.T) {
	const strict = "safety: {maxAclWidenings: 0}\n"
	nested := "barred,externalGroup,inner\n" + team("inner", 200, 203)
	tests := []struct {
		name   string
		safety string
		groups string // the file, before that
		then   func(w *world)
		stop   string // in the message; "" is that it goes through
	}{
		{"half of a group is gone", "", team("team", 0, 120), func(w *world) { w.groups(team("team", 0, 60)) }, "60 of 121 external groups and members"},
		{"fifty may always go", "", team("team", 0, 60), func(w *world) { w.groups(team("team", 0, 10)) }, ""},
		{"a share of few members", "safety: {maxDeletes: 2%}\n", team("team", 0, 10), func(w *world) { w.groups(team("team", 0, 9)) }, ""},
		{"a number", "safety: {maxDeletes: 0}\n", team("team", 0, 10), func(w *world) { w.groups(team("team", 0, 9)) }, "1 of 11 external"},
		{"a group goes", "safety: {maxDeletes: 1}\n", team("team", 0, 2) + team("old", 0, 1), func(w *world) { w.groups(team("team", 0, 2)) }, "group old"},
		{"the file is empty", "", team("team", 0, 3), func(w *world) { w.groups("") }, "no external group any more, and 4 of 4"},
		{"the mapping has no groups file any more", "", team("team", 0, 3), func(w *world) { w.edit("groups: {file: groups.csv}\n", "") }, "no external group any more"},
		{"leave is given", "", team("team", 0, 3), func(w *world) {
			w.allow(func(c *Crawl) { c.Deletes = transform.Limit{Count: 4, Set: true} })
			w.groups("")
		}, ""},

		{"somebody leaves a group that is denied", strict, team("barred", 0, 3), func(w *world) { w.groups(team("barred", 1, 3)) }, "user " + person(0) + " leaves barred"},
		{"somebody leaves a group within it", strict, nested, func(w *world) { w.groups(strings.Replace(nested, "inner,user,"+person(200)+"\n", "", 1)) }, "user " + person(200) + " leaves barred"},
		{"the group within it leaves", strict, nested, func(w *world) {
			w.groups(strings.Replace(nested, "barred,externalGroup,inner\n", "barred,,\n", 1))
		}, "3 would leave external groups"},
		{"somebody moves within it", strict, nested, func(w *world) {
			w.groups(strings.Replace(nested, "inner,user,"+person(200), "barred,user,"+person(200), 1))
		}, ""},
		{"somebody leaves a group that is only granted", strict, team("team", 0, 3) + team("barred", 0, 1), func(w *world) {
			w.groups(team("team", 1, 3) + team("barred", 0, 1))
		}, ""},
		{"leave is given to leave", strict, team("barred", 0, 3), func(w *world) {
			one := int64(1)
			w.allow(func(c *Crawl) { c.Widenings = &one })
			w.groups(team("barred", 1, 3))
		}, ""},
		{"the deny goes with its members", strict, team("barred", 0, 3), func(w *world) {
			w.edit("      - {deny: externalGroup, value: '\"barred\"', when: size == \"13\"}\n", "")
			w.groups(team("barred", 1, 3))
		}, "leaves barred"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := crash(t, "groups: {file: groups.csv}\n"+tt.safety)
			w.admin = &memAdmin{}
			// The rule for "secret" needs the group team.
			w.edit(`      - {grant: externalGroup, value: '"team"', when: title == "secret"}`+"\n", "")
			if !strings.Contains(tt.groups, "barred") {
				w.edit("      - {deny: externalGroup, value: '\"barred\"', when: size == \"13\"}\n", "")
			}
			w.groups(tt.groups)
			w.write("a.csv", "1,title,1", "2,title,13")
			w.mustCrawl() // a first crawl widens nothing, however strict
			before := w.holding().members()
			w.admin.log = nil
			tt.then(w)
			h, _ := w.plan()
			_, err := w.crawl(t.Context())
			if tt.stop == "" {
				w.must(err)
				if len(h.Summary.GroupGuards) > 0 || w.holding().members() == before {
					t.Errorf("the plan says %q; the groups are as they were: %v", h.Summary.GroupGuards, w.holding().members() == before)
				}
				return
			}
			var stop *GroupGuardError
			if !errors.As(err, &stop) || !strings.Contains(err.Error(), tt.stop) {
				t.Errorf("crawl = %v, want a safety stop: %s", err, tt.stop)
			}
			if len(w.admin.log) > 0 || w.holding().members() != before {
				t.Errorf("groups were changed: %v", w.admin.log)
			}
			if len(h.Summary.GroupGuards) != 1 {
				t.Errorf("the plan says %q of the guard", h.Summary.GroupGuards)
			}
		})
	}
}

// allow tweaks a crawl on top of what was tweaked.
func (w *world) allow(tweak func(c *Crawl)) {
	before := w.tweak
	w.tweak = func(c *Crawl) {
		if before != nil {
			before(c)
		}
		tweak(c)
	}
}

// The mapping denies no group any more: the items still do until they are sent,
// and nobody leaves the group before.
func TestADenyThatGoesWithItsGroup(t *testing.T) {
	w := crash(t, "groups: {file: groups.csv}\n")
	w.admin = &memAdmin{}
	w.edit(`      - {grant: externalGroup, value: '"team"', when: title == "secret"}`+"\n", "")
	w.groups(team("barred", 0, 2))
	w.write("a.csv", "1,title,1", "2,title,13")
	w.mustCrawl()
	w.edit("      - {deny: externalGroup, value: '\"barred\"', when: size == \"13\"}\n", "")
	w.groups(team("barred", 1, 2))
	sent := false
	w.target.onRequest = func(int, bool) error {
		sent = true
		if len(w.admin.groups["barred"]) != 2 {
			t.Error("somebody has left the group while an item denies it")
		}
		return nil
	}
	w.mustCrawl()
	if !sent || !slices.Equal(w.admin.log, []string{"remove " + person(0) + " from barred"}) {
		t.Errorf("sent: %v; %v", sent, w.admin.log)
	}
}
