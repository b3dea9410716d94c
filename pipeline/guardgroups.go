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
	members map[string][]state.Member // by group
}

func (m membership) add(member state.Member) {
	m.members[member.Group] = append(m.members[member.Group], member)
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

// groupSample is how many groups and members a guard names.
const groupSample = 10

// guard holds what is about to become of the external groups against both
// guards, before any of it is done. A group and each of its members count as one
// for the guard on deletes: a groups file that was cut takes access away. Who
// leaves a group that stored items deny counts for the guard on widenings.
//
// It counts what is left to be done: a run that was interrupted has been let so
// far.
func (s *groupSync) guard(ctx context.Context) error {
	c, n, known := s.c, int64(len(s.drop)+len(s.remove)+s.gone), int64(s.known+s.in)
	if n == 0 {
		return nil
	}
	limit := c.Deletes
	if !limit.Set {
		limit = c.Mapping.MaxDeletes
	}
	most, words := allowed(limit, known)
	if limit.Share > 0 && most < defaultCount { // a share of the few that there often are lets nobody leave
		most, words = defaultCount, fmt.Sprintf("%d (%g %%, and at least %[1]d)", defaultCount, limit.Share*100)
	}
	stop := &GroupGuardError{Leave: fmt.Sprintf("--max-deletes %d", n), Sample: s.lost()}
	switch {
	case n > most:
		stop.What = fmt.Sprintf("%d of %d external groups and members are to be taken away, and the guard lets %s go", n, known, words)
	case len(s.want.Groups()) == 0 && !c.Deletes.Set:
		stop.What = fmt.Sprintf("the mapping has no external group any more, and %d of %d groups and members are to be taken away", n, known)
	}
	if err := c.stopGroups(stop); err != nil {
		return err
	}
	denied, err := c.Store.DeniedGroups(ctx)
	if err != nil || len(denied) == 0 {
		return err
	}
	s.denied = true
	have, want := membership{map[string][]state.Member{}}, membership{map[string][]state.Member{}}
	if err := c.Store.Members(ctx, func(m state.Member, _ bool) { have.add(m) }); err != nil {
		return err
	}
	for m := range s.want.Members() {
		want.add(state.Member(m))
	}
	return c.guardLeavers(have, want, denied, int64(s.in))
}

// lost names some of the groups and members that go.
func (s *groupSync) lost() (lines []string) {
	for _, g := range s.drop[:min(len(s.drop), groupSample)] {
		lines = append(lines, "group "+g)
	}
	for _, m := range s.sample {
		lines = append(lines, m.Type+" "+m.ID+" in "+m.Group)
	}
	return lines[:min(len(lines), groupSample)]
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
