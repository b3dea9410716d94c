package pipeline

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"importer/pipeline/state"
	"importer/transform"
)

// The external groups of the target are made equal to the mapping's by
// difference. Both are in the order of group, type and id, so that they are
// merged and not looked up, and only what differs is kept in memory.
//
// Where groups are only granted, people are taken out and groups are deleted
// before the crawl: nobody keeps access while it goes on. Groups and members
// are added beside the crawl, which does not wait for them: an ACL may name a
// group that is not there yet, and nobody sees too much meanwhile.
//
// Where groups are denied, by the mapping or by what the target has, it is the
// other way round: somebody who is not yet, or no more, in a denied group would
// see the items that deny it. So there, all is added before the crawl, people
// are taken out after it, and a group that has gone is deleted only when no
// record is in quarantine, whose item might still name it.
//
// Both guards come before any of it: see guardGroups.
//
// Every change is written down as unsure before it is made: whatever is
// unsure after a crash is made once more.
type groupSync struct {
	c      *Crawl
	denied bool // some source, or some item, may deny a group
	known  int  // groups that the target may have
	in     int  // their members

	sure   map[string]bool // groups that the target is known to have, by id
	put    []transform.Group
	add    []state.Member
	remove []state.Member // of groups that stay
	drop   []string       // groups, with their members
	gone   int            // members of drop
	sample []state.Member // the first of remove and gone
	want   *transform.Memberships
}

// groupBatch is how many members are changed between two transactions.
const groupBatch = 200

// findGroups compares the groups of the mapping with those of the target. It
// changes nothing. nil is that there are none.
func (c *Crawl) findGroups(ctx context.Context, rep *Report) (*groupSync, error) {
	have, err := c.Store.Groups(ctx)
	if err != nil {
		return nil, err
	}
	c.keepFolders(have)
	want, err := c.memberships(ctx, rep)
	if err != nil || len(have) == 0 && len(want.Groups()) == 0 {
		return nil, err
	}
	s := &groupSync{c: c, denied: c.Mapping.DeniesGroups(), known: len(have), sure: map[string]bool{}, want: want}
	ids := map[string]bool{}
	for g, sure := range have {
		ids[g.ID] = true
		if sure {
			s.sure[g.ID] = true
		}
	}
	wanted := make(map[string]bool, len(want.Groups()))
	for _, g := range want.Groups() {
		wanted[g.ID] = true
		if !have[asKnown(g)] {
			s.put = append(s.put, g)
		}
	}
	for id := range ids {
		if !wanted[id] {
			s.drop = append(s.drop, id)
		}
	}
	slices.Sort(s.drop)
	if err := s.compareMembers(ctx, wanted); err != nil {
		return nil, err
	}
	return s, s.guard(ctx)
}

func asKnown(g transform.Group) state.Group {
	return state.Group{ID: g.ID, Display: g.DisplayName, Description: g.Description}
}

// compareMembers merges the members that are wanted with those that are there.
func (s *groupSync) compareMembers(ctx context.Context, wanted map[string]bool) error {
	next, stop := iter.Pull(s.want.Members())
	defer stop()
	w, more := next()
	err := s.c.Store.Members(ctx, func(m state.Member, sure bool) {
		s.in++
		for more && compareMember(state.Member(w), m) < 0 {
			s.add = append(s.add, state.Member(w))
			w, more = next()
		}
		switch {
		case more && state.Member(w) == m:
			if !sure {
				s.add = append(s.add, m)
			}
			w, more = next()
		case wanted[m.Group]:
			s.remove = append(s.remove, m)
			s.lose(m)
		default:
			s.gone++
			s.lose(m)
		}
	})
	for ; more; w, more = next() {
		s.add = append(s.add, state.Member(w))
	}
	return err
}

func (s *groupSync) lose(m state.Member) {
	if len(s.sample) < groupSample {
		s.sample = append(s.sample, m)
	}
}

func compareMember(a, b state.Member) int {
	if c := strings.Compare(a.Group, b.Group); c != 0 {
		return c
	}
	if c := strings.Compare(a.Type, b.Type); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

// before does what the crawl must wait for.
func (s *groupSync) before(ctx context.Context) error {
	if s == nil {
		return nil
	}
	s.c.phase("external groups")
	if s.denied {
		return s.fill(ctx)
	}
	if err := s.empty(ctx); err != nil {
		return err
	}
	return s.delete(ctx)
}

// beside starts what the crawl need not wait for; wait gives its error.
func (s *groupSync) beside(ctx context.Context) (wait func() error) {
	if s == nil || s.denied {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	go func() { done <- s.fill(ctx) }()
	return func() error { return <-done }
}

// after does what must wait for the crawl.
func (s *groupSync) after(ctx context.Context) error {
	if s == nil || !s.denied {
		return nil
	}
	if err := s.empty(ctx); err != nil {
		return err
	}
	refusals, err := s.c.Store.HasRefusals(ctx)
	if err != nil {
		return err
	}
	if refusals && len(s.drop) > 0 {
		s.c.Log.Warn("external groups that the mapping has no more are kept with their members, as records in quarantine may deny them", "groups", len(s.drop), "first", s.drop[0])
		return nil
	}
	return s.delete(ctx)
}

// fill adds groups and members.
func (s *groupSync) fill(ctx context.Context) error {
	for part := range slices.Chunk(s.put, groupBatch) {
		if err := s.putGroups(ctx, part); err != nil {
			return err
		}
	}
	return s.inBatches(ctx, s.add, s.c.Admin.AddMember, func(ctx context.Context, part []state.Member) error {
		return s.c.Store.SetMembers(ctx, part, true)
	})
}

// empty takes members out.
func (s *groupSync) empty(ctx context.Context) error {
	return s.inBatches(ctx, s.remove, s.c.Admin.RemoveMember, s.c.Store.DropMembers)
}

// delete deletes groups, with their members.
func (s *groupSync) delete(ctx context.Context) error {
	return s.many(ctx, len(s.drop), func(ctx context.Context, i int) error {
		id := s.drop[i]
		if err := s.c.Store.DoubtGroup(ctx, id); err != nil {
			return err
		}
		if err := s.c.Admin.DeleteGroup(ctx, id); err != nil {
			return err
		}
		return s.c.Store.DropGroup(ctx, id)
	})
}

// putGroups makes groups, or gives them their names.
func (s *groupSync) putGroups(ctx context.Context, part []transform.Group) error {
	known := make([]state.Group, len(part))
	for i, g := range part {
		known[i] = asKnown(g)
	}
	if err := s.c.Store.SetGroups(ctx, known, false); err != nil {
		return err
	}
	made := make([]bool, len(part))
	err := s.many(ctx, len(part), func(ctx context.Context, i int) error {
		existed, err := s.c.Admin.PutGroup(ctx, part[i])
		if err == nil && existed && !s.sure[part[i].ID] {
			err = s.adopt(ctx, part[i])
		}
		made[i] = err == nil
		return err
	})
	if err == nil {
		return s.c.Store.SetGroups(ctx, known, true)
	}
	var some []state.Group
	for i, ok := range made {
		if ok {
			some = append(some, known[i])
		}
	}
	return errors.Join(err, s.c.Store.SetGroups(context.WithoutCancel(ctx), some, true))
}

// adopt takes out of a group that was there, of which nothing is known for
// sure, those whom the mapping does not put into it.
func (s *groupSync) adopt(ctx context.Context, g transform.Group) error {
	members, listed, err := s.c.Admin.Members(ctx, g.ID)
	if err != nil {
		return err
	}
	if !listed {
		s.c.Log.Warn("the service does not list the members of external groups: if the group was there before, somebody may be in it who is not in the groups file", "group", g.ID)
		return nil
	}
	for _, m := range members {
		out := state.Member{Group: g.ID, Type: m.Type, ID: m.ID}
		if s.want.Has(transform.Membership(out)) {
			continue
		}
		if err := s.c.Store.SetMember(ctx, out, false); err != nil {
			return err
		}
		if err := s.c.Admin.RemoveMember(ctx, g.ID, m); err != nil {
			return err
		}
		if err := s.c.Store.DropMembers(ctx, []state.Member{out}); err != nil {
			return err
		}
	}
	return nil
}

// inBatches makes one change to each member: written down as unsure, made, and
// then written down by done.
func (s *groupSync) inBatches(ctx context.Context, all []state.Member, change func(context.Context, string, transform.Member) error,
	done func(context.Context, []state.Member) error) error {
	for part := range slices.Chunk(all, groupBatch) {
		if err := s.c.Store.SetMembers(ctx, part, false); err != nil {
			return err
		}
		made := make([]bool, len(part))
		err := s.many(ctx, len(part), func(ctx context.Context, i int) error {
			m := part[i]
			if err := change(ctx, m.Group, transform.Member{Type: m.Type, ID: m.ID}); err != nil {
				return fmt.Errorf("external group %s, member %s: %w", m.Group, m.ID, err)
			}
			made[i] = true
			return nil
		})
		if err != nil {
			var some []state.Member
			for i, ok := range made {
				if ok {
					some = append(some, part[i])
				}
			}
			return errors.Join(err, done(context.WithoutCancel(ctx), some))
		}
		if err := done(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// many does n things, as many at a time as requests may be in flight.
func (s *groupSync) many(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, s.c.GroupLanes))
	for i := range n {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error { return do(gctx, i) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}
