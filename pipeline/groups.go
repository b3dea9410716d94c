package pipeline

import (
	"context"
	"slices"

	"importer/pipeline/state"
	"importer/transform"
)

// The external groups of the target are made equal to the mapping's by
// difference, in two steps.
//
// Before the crawl, groups and members are added. Where groups are only
// granted, people are taken out and groups are deleted then too: nobody keeps
// access while the crawl goes on.
//
// Where groups are denied, by the mapping or by what the target has, it is the
// other way round: somebody who leaves a denied group would see the items that
// still deny it. So there, people are taken out after the crawl, and a group that
// has gone is deleted only when no record is in quarantine, whose item might
// still name it.
//
// Both guards come before any of it: see guardGroups.
//
// Every change is written down as unsure before it is made: whatever is
// unsure after a crash is made once more.
func (c *Crawl) groupsBefore(ctx context.Context) error {
	haveGroups, haveMembers, err := c.Store.Groups(ctx)
	if err != nil || len(haveGroups) == 0 && len(c.Mapping.Groups) == 0 {
		return err
	}
	c.phase("external groups")
	if c.deniesGroups, err = c.guardGroups(ctx, haveGroups, haveMembers); err != nil {
		return err
	}
	if !c.deniesGroups {
		if err := c.removeFromGroups(ctx, true); err != nil {
			return err
		}
	}
	known := map[string]bool{}
	for g := range haveGroups {
		known[g.ID] = true
	}
	for _, g := range c.Mapping.Groups {
		have := state.Group{ID: g.ID, Display: g.DisplayName, Description: g.Description}
		if haveGroups[have] {
			continue
		}
		if err := c.Store.SetGroup(ctx, have, false); err != nil {
			return err
		}
		if err := c.Admin.PutGroup(ctx, g); err != nil {
			return err
		}
		if !known[g.ID] {
			if err := c.adopt(ctx, g); err != nil {
				return err
			}
		}
		if err := c.Store.SetGroup(ctx, have, true); err != nil {
			return err
		}
	}
	for _, g := range c.Mapping.Groups {
		for _, m := range g.Members {
			have := state.Member{Group: g.ID, Type: m.Type, ID: m.ID}
			if haveMembers[have] {
				continue
			}
			if err := c.addMember(ctx, have); err != nil {
				return err
			}
		}
	}
	return nil
}

// groupsAfter does what groupsBefore has left.
func (c *Crawl) groupsAfter(ctx context.Context) error {
	if !c.deniesGroups {
		return nil
	}
	refusals, err := c.Store.HasRefusals(ctx)
	if err != nil {
		return err
	}
	return c.removeFromGroups(ctx, !refusals)
}

// removeFromGroups takes out the members that the mapping does not have and,
// with whole set, the groups. Members of a group that goes go with it.
func (c *Crawl) removeFromGroups(ctx context.Context, whole bool) error {
	haveGroups, haveMembers, err := c.Store.Groups(ctx)
	if err != nil {
		return err
	}
	members := c.wantedMembers()
	want := map[string]bool{}
	for _, g := range c.Mapping.Groups {
		want[g.ID] = true
	}
	for m := range haveMembers {
		if members[m] || !want[m.Group] {
			continue
		}
		if err := c.removeMember(ctx, m); err != nil {
			return err
		}
	}
	for g := range haveGroups {
		switch {
		case want[g.ID]:
			continue
		case !whole:
			c.Log.Warn("the external group is in the groups file no more and is kept with its members, as records in quarantine may deny it", "group", g.ID)
			continue
		}
		if err := c.Store.DoubtGroup(ctx, g.ID); err != nil {
			return err
		}
		if err := c.Admin.DeleteGroup(ctx, g.ID); err != nil {
			return err
		}
		if err := c.Store.DropGroup(ctx, g.ID); err != nil {
			return err
		}
	}
	return nil
}

// adopt compares a group that is not known here, and may be there all the same
// from another machine or another state, with the mapping's.
func (c *Crawl) adopt(ctx context.Context, g transform.Group) error {
	members, listed, err := c.Admin.Members(ctx, g.ID)
	if err != nil {
		return err
	}
	if !listed {
		c.Log.Warn("the service does not list the members of external groups: if the group was there before, somebody may be in it who is not in the groups file", "group", g.ID)
		return nil
	}
	for _, m := range members {
		if slices.Contains(g.Members, m) {
			continue
		}
		if err := c.removeMember(ctx, state.Member{Group: g.ID, Type: m.Type, ID: m.ID}); err != nil {
			return err
		}
	}
	return nil
}

func (c *Crawl) addMember(ctx context.Context, m state.Member) error {
	if err := c.Store.SetMember(ctx, m, false); err != nil {
		return err
	}
	if err := c.Admin.AddMember(ctx, m.Group, transform.Member{Type: m.Type, ID: m.ID}); err != nil {
		return err
	}
	return c.Store.SetMember(ctx, m, true)
}

func (c *Crawl) removeMember(ctx context.Context, m state.Member) error {
	if err := c.Store.SetMember(ctx, m, false); err != nil {
		return err
	}
	if err := c.Admin.RemoveMember(ctx, m.Group, transform.Member{Type: m.Type, ID: m.ID}); err != nil {
		return err
	}
	return c.Store.DropMember(ctx, m)
}
