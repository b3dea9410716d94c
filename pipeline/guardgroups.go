package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"importer/pipeline/state"
)

// A GroupGuardError is a safety stop before external groups are changed.
type GroupGuardError struct {
	What  string // would happen
	Leave string // the flag with the number that lets it
	// Sample are some of the groups and members that it is about.
	Sample []string
}

func (e *GroupGuardError) Error() string {
	s := fmt.Sprintf("safety stop: %s; no external group was changed. Look whether the groups file is complete; if that is meant, run again with %s. Some of them:", e.What, e.Leave)
	for _, line := range e.Sample {
		s += "\n  " + line
	}
	return s
}

// A membership is what the target has of external groups, or is to have.
type membership struct {
	groups  map[string]bool
	members map[string][]state.Member // by group
}

func newMembership(members map[state.Member]bool) membership {
	m := membership{map[string]bool{}, map[string][]state.Member{}}
	for member := range members {
		m.members[member.Group] = append(m.members[member.Group], member)
	}
	return m
}

// in gives who is in a group, by type and id, directly or by way of external
// groups within it.
func (m membership) in(group string) map[string]bool {
	who, met := map[string]bool{}, map[string]bool{group: true}
	for todo := []string{group}; len(todo) > 0; {
		next := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, member := range m.members[next] {
			switch {
			case member.Type != "externalGroup":
				who[member.Type+" "+member.ID] = true
			case !met[member.ID]:
				met[member.ID] = true
				todo = append(todo, member.ID)
			}
		}
	}
	return who
}

// guardGroups holds what is about to become of the external groups against both
// guards, before any of it is done. A group and each of its members count as one
// for the guard on deletes: a groups file that was cut takes access away. Who
// leaves a group that stored items deny counts for the guard on widenings.
//
// It counts what is left to be done: a run that was interrupted has been let so
// far.
//
// denied tells that groups are denied, by the mapping or by what the target has.
func (c *Crawl) guardGroups(ctx context.Context, groups map[state.Group]bool, members map[state.Member]bool) (denied bool, err error) {
	have, want := newMembership(members), newMembership(c.wantedMembers())
	for g := range groups {
		have.groups[g.ID] = true
	}
	for _, g := range c.Mapping.Groups {
		want.groups[g.ID] = true
	}
	lost := have.without(want)
	if len(lost) == 0 {
		return c.Mapping.DeniesGroups(), nil
	}
	limit := c.Deletes
	if !limit.Set {
		limit = c.Mapping.MaxDeletes
	}
	known := int64(len(have.groups) + len(members))
	most, words := allowed(limit, known)
	if limit.Share > 0 && most < defaultCount { // a share of the few that there often are lets nobody leave
		most, words = defaultCount, fmt.Sprintf("%d (%g %%, and at least %[1]d)", defaultCount, limit.Share*100)
	}
	n := int64(len(lost))
	stop := &GroupGuardError{Leave: fmt.Sprintf("--max-deletes %d", n), Sample: lost[:min(len(lost), 10)]}
	switch {
	case n > most:
		stop.What = fmt.Sprintf("%d of %d external groups and members are to be taken away, and the guard lets %s go", n, known, words)
	case len(want.groups) == 0 && !c.Deletes.Set:
		stop.What = fmt.Sprintf("the mapping has no external group any more, and %d of %d groups and members are to be taken away", n, known)
	}
	if err := c.stopGroups(stop); err != nil {
		return false, err
	}
	deniedGroups, err := c.Store.DeniedGroups(ctx)
	if err != nil {
		return false, err
	}
	return c.Mapping.DeniesGroups() || len(deniedGroups) > 0, c.guardLeavers(have, want, deniedGroups, int64(len(members)))
}

func (c *Crawl) guardLeavers(have, want membership, denied []string, known int64) error {
	var leavers []string
	for _, g := range denied {
		still := want.in(g)
		for _, who := range slices.Sorted(maps.Keys(have.in(g))) {
			if !still[who] {
				leavers = append(leavers, who+" leaves "+g)
			}
		}
	}
	if len(leavers) == 0 {
		return nil
	}
	n, most := int64(len(leavers)), c.maxWidenings(known)
	stop := &GroupGuardError{Leave: fmt.Sprintf("--max-acl-widenings %d", n), Sample: leavers[:min(len(leavers), 10)]}
	if n > most {
		stop.What = fmt.Sprintf("%d would leave external groups that stored items deny, and see those items, and the guard lets %d", n, most)
	}
	if stop.What == "" {
		c.Log.Warn("external groups that stored items deny lose members, who see those items then", "members", n, "some", strings.Join(stop.Sample, "; "))
	}
	return c.stopGroups(stop)
}

func (c *Crawl) stopGroups(stop *GroupGuardError) error {
	switch {
	case stop.What == "":
		return nil
	case c.witness != nil:
		return c.witness.guardGroups(stop)
	}
	return stop
}

// without lists what m has and want has not, groups first.
func (m membership) without(want membership) (lost []string) {
	for _, g := range slices.Sorted(maps.Keys(m.groups)) {
		if !want.groups[g] {
			lost = append(lost, "group "+g)
		}
	}
	for _, g := range slices.Sorted(maps.Keys(m.members)) {
		wanted := map[state.Member]bool{}
		for _, member := range want.members[g] {
			wanted[member] = true
		}
		for _, member := range m.members[g] {
			if !wanted[member] {
				lost = append(lost, member.Type+" "+member.ID+" in "+g)
			}
		}
	}
	return lost
}

// wantedMembers are the members of the mapping's groups.
func (c *Crawl) wantedMembers() map[state.Member]bool {
	members := map[state.Member]bool{}
	for _, g := range c.Mapping.Groups {
		for _, m := range g.Members {
			members[state.Member{Group: g.ID, Type: m.Type, ID: m.ID}] = true
		}
	}
	return members
}
