package pipeline

import (
	"context"

	"importer/pipeline/state"
	"importer/transform"
)

// syncGroups makes the external groups of the target equal to the mapping's,
// by difference. Groups come before members, as a member may be a group, and
// removals before additions, so that nobody is let in who is to go.
//
// Every change is written down as unsure before it is made: whatever is
// unsure after a crash is made once more.
func (c *Crawl) syncGroups(ctx context.Context) error {
	haveGroups, haveMembers, err := c.Store.Groups(ctx)
	if err != nil {
		return err
	}
	if len(haveGroups) == 0 && len(c.Mapping.Groups) == 0 {
		return nil
	}
	c.phase("external groups")
	want := map[string]bool{}
	members := map[state.Member]bool{}
	for _, g := range c.Mapping.Groups {
		want[g.ID] = true
		for _, m := range g.Members {
			members[state.Member{Group: g.ID, Type: m.Type, ID: m.ID}] = true
		}
	}
	for m := range haveMembers {
		if members[m] || !want[m.Group] {
			continue // members of a group that goes go with it
		}
		if err := c.removeMember(ctx, m); err != nil {
			return err
		}
	}
	for g := range haveGroups {
		if want[g.ID] {
			continue
		}
		if err := c.Store.SetGroup(ctx, g, false); err != nil {
			return err
		}
		if err := c.Admin.DeleteGroup(ctx, g.ID); err != nil {
			return err
		}
		if err := c.Store.DropGroup(ctx, g.ID); err != nil {
			return err
		}
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
