package pipeline

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"

	"importer/load"
	"importer/pipeline/state"
	"importer/transform"
)

// A PlanReader reads a plan from front to back, in constant memory but for its
// groups.
type PlanReader struct {
	PlanHeader
	dec    *json.Decoder
	groups map[PlannedGroup]bool
	list   string // the one that dec stands in
}

// ReadPlan reads a plan up to its sources. Errors say what is wrong with the
// text, without its name.
func ReadPlan(r io.Reader) (*PlanReader, error) {
	p := &PlanReader{dec: json.NewDecoder(r), groups: map[PlannedGroup]bool{}}
	if err := p.open(); err != nil {
		return nil, err
	}
	if p.Type != "plan" {
		return nil, errPlanText
	}
	if p.Version != 1 {
		return nil, fmt.Errorf("it is a plan of version %d, and this program knows version 1: make a new one", p.Version)
	}
	if p.list != "groups" {
		return nil, errPlanText
	}
	for p.dec.More() {
		var g PlannedGroup
		if err := p.dec.Decode(&g); err != nil {
			return nil, broken(err)
		}
		p.groups[g] = true
	}
	return p, p.next("sources")
}

func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends before its end: it was cut off, make a new one")
	}
	return fmt.Errorf("it cannot be read (%w): make a new one", err)
}

// open reads the header: the members before the first list.
func (p *PlanReader) open() error {
	if t, err := p.dec.Token(); err != nil || t != json.Delim('{') {
		return errPlanText
	}
	members := map[string]json.RawMessage{}
	for p.dec.More() {
		t, err := p.dec.Token()
		if err != nil {
			return broken(err)
		}
		name, _ := t.(string)
		switch name {
		case "groups", "sources", "quarantined", "items":
			if t, err := p.dec.Token(); err != nil || t != json.Delim('[') {
				return errPlanText
			}
			p.list = name
			b, err := json.Marshal(members)
			if err != nil {
				return err
			}
			if err := json.Unmarshal(b, &p.PlanHeader); err != nil {
				return broken(err)
			}
			return nil
		}
		var raw json.RawMessage
		if err := p.dec.Decode(&raw); err != nil {
			return broken(err)
		}
		members[name] = raw
	}
	return errPlanText
}

// next leaves the list that was read to its end, and enters the named one.
func (p *PlanReader) next(name string) error {
	if _, err := p.dec.Token(); err != nil { // ]
		return broken(err)
	}
	t, err := p.dec.Token()
	if err != nil {
		return broken(err)
	}
	if open, err := p.dec.Token(); err != nil || t != name || open != json.Delim('[') {
		return errPlanText
	}
	p.list = name
	return nil
}

// An applier holds a crawl against a plan.
type applier struct {
	load.Admin
	c       *Crawl
	plan    *PlanReader
	resumed bool         // a part of the plan was carried out before
	ahead   *PlannedItem // read, and not yet met
}

// Apply does what the plan says, into the target with the key, and nothing else. It stops with a *PlanError
// before it would do anything that the plan does not have, and when the
// mapping, the files, the state or the connection are not those of the plan. An
// Apply that was interrupted goes on.
func (c *Crawl) Apply(ctx context.Context, plan *PlanReader, target string) (*Report, error) {
	a := &applier{Admin: c.Admin, c: c, plan: plan}
	if err := a.check(ctx, target); err != nil {
		return nil, err
	}
	c.Store.Plan = plan.ID
	c.Full = plan.Crawl == "full"
	c.witness, c.Store.Before = a, a.sends
	c.AcceptDrift = true // the plan was made of these very files
	if c.Admin != nil {
		c.Admin = a
	}
	rep, err := c.Run(ctx)
	if err == nil {
		err = a.end()
	}
	return rep, err
}

// check compares everything that can be compared before the crawl.
func (a *applier) check(ctx context.Context, target string) error {
	c, plan := a.c, a.plan
	carrying, done, err := c.Store.Carrying(ctx)
	if err != nil {
		return err
	}
	if carrying == plan.ID && done {
		return planError("it has been carried out already")
	}
	a.resumed = carrying == plan.ID
	switch {
	case plan.Connection != c.Mapping.Connection.ID:
		return planError("it is for the connection %s, and the mapping's is %s", plan.Connection, c.Mapping.Connection.ID)
	case plan.Key != target:
		return planError("it is for the target %s, and this is %s", plan.Key, target)
	case plan.Digest != hex.EncodeToString(c.Digest[:]):
		return planError("the mapping %s has changed", plan.Mapping)
	case !reflect.DeepEqual(plan.Sources, c.sourceDigests()):
		return planError("a file that the mapping uses (identities or groups), or the importer itself, has changed")
	}
	if !a.resumed {
		now, err := c.Store.Fingerprint(ctx)
		if err != nil {
			return err
		}
		if now != plan.State {
			return planError("since it was made, something else was done with the connection (importer status tells what)")
		}
	}
	return a.compareFiles(ctx)
}

// compareFiles walks the sources and compares their files with the plan's.
func (a *applier) compareFiles(ctx context.Context) error {
	var moved []string
	var have *PlannedSource
	advance := func() error {
		have = nil
		if !a.plan.dec.More() {
			return nil
		}
		have = new(PlannedSource)
		if err := a.plan.dec.Decode(have); err != nil {
			return broken(err)
		}
		return nil
	}
	if err := advance(); err != nil {
		return err
	}
	for _, src := range a.c.Mapping.Sources {
		for f, err := range walk(ctx, a.c.Dir, src) {
			var unseen *WalkError
			if errors.As(err, &unseen) {
				continue // the crawl tells, and deletes nothing for it
			}
			if err != nil {
				return err
			}
			if have == nil || have.Source != src.Name || have.File != f.rel {
				return planError("the files are others than they were: %s", a.otherFile(have, src, f))
			}
			if !a.sameFile(have, src, f) {
				moved = append(moved, f.full)
			}
			if err := advance(); err != nil {
				return err
			}
		}
	}
	switch {
	case have != nil:
		return planError("the file %s of source %s is gone", have.File, have.Source)
	case len(moved) > 0:
		return planError("the content of files has changed: %s", some(moved))
	}
	for _, list := range []string{"quarantined", "items"} {
		if err := a.plan.next(list); err != nil {
			return err
		}
		for list == "quarantined" && a.plan.dec.More() {
			var line json.RawMessage
			if err := a.plan.dec.Decode(&line); err != nil {
				return broken(err)
			}
		}
	}
	return nil
}

// otherFile says whether the file that was met is new, or the plan's next one
// gone.
func (a *applier) otherFile(have *PlannedSource, src *transform.Source, f walked) string {
	if have != nil && (have.Source != src.Name || have.File < f.rel) {
		return fmt.Sprintf("%s of source %s is gone", have.File, have.Source)
	}
	return f.full + " is new"
}

func (a *applier) sameFile(have *PlannedSource, src *transform.Source, f walked) bool {
	now := f.info.ModTime()
	// The time of a file that was young is noted a little earlier: its content
	// has to tell.
	near := have.Modified.Equal(now) || have.Modified.Add(1).Equal(now)
	switch {
	case have.Size != f.info.Size(), have.Sidecar != besideOf(src, f.full).sum():
		return false
	case have.Modified.Equal(now):
		return true
	case have.SHA256 == "" || src.UsesModified() && !near:
		return near
	}
	sum, err := hashFile(f.full)
	return err == nil && sum == have.SHA256
}

// next reads the plan's next item; nil is the end.
func (a *applier) next() (*PlannedItem, error) {
	if it := a.ahead; it != nil {
		a.ahead = nil
		return it, nil
	}
	if !a.plan.dec.More() {
		return nil, nil
	}
	it := new(PlannedItem)
	if err := a.plan.dec.Decode(it); err != nil {
		return nil, broken(err)
	}
	return it, nil
}

// following takes the plan's next item that is the wanted one. When a part of
// the plan was carried out before, those of that part are passed over.
func (a *applier) following(wanted string, is func(it *PlannedItem) bool) error {
	for {
		it, err := a.next()
		if err != nil {
			return err
		}
		switch {
		case it == nil:
			return planError("it does not say to %s", wanted)
		case is(it):
			return nil
		case !a.resumed:
			return planError("it says to %s the item %s, and now it would be to %s", it.Op, it.ID, wanted)
		}
	}
}

func (a *applier) sends(entries []state.Entry, verdicts []state.Verdict) error {
	for i, v := range verdicts {
		if !a.c.Store.Sends(v) {
			continue
		}
		e := &entries[i]
		digest := hex.EncodeToString(e.Digest[:])
		err := a.following("send the item "+e.ID, func(it *PlannedItem) bool {
			return it.ID == e.ID && it.Digest == digest && it.Op != "delete" && (v.Widens == "" || it.Widens == v.Widens)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// deletes lets go what the plan says. What it does not is an item whose update
// the target refuses though its permissions have changed: the plan could not
// know, and left as it is it would be seen by those who are not to see it.
func (a *applier) deletes(items []state.Known) error {
	for _, k := range items {
		is := func(it *PlannedItem) bool { return it.ID == k.ID && it.Op == "delete" }
		if k.Withdrawn {
			it, err := a.next()
			if err != nil {
				return err
			}
			if it != nil && !is(it) {
				a.ahead = it
			}
			continue
		}
		if err := a.following("delete the item "+k.ID, is); err != nil {
			return err
		}
	}
	return nil
}

// guard lets the guard stop: a plan is no leave to delete.
func (a *applier) guard(err *GuardError) error { return err }

func (a *applier) guardGroups(err *GroupGuardError) error { return err }

// end tells whether anything of the plan was not done.
func (a *applier) end() error {
	for {
		it, err := a.next()
		if err != nil {
			return err
		}
		if it == nil {
			break
		}
		if !a.resumed {
			return planError("it says to %s the item %s as well, for which there was no reason any more", it.Op, it.ID)
		}
	}
	for _, want := range []json.Delim{']', '}'} {
		if t, err := a.plan.dec.Token(); err != nil || t != want {
			return broken(cmp.Or(err, io.ErrUnexpectedEOF))
		}
	}
	return nil
}

// EnsureConnection does what the plan says of the connection.
func (a *applier) EnsureConnection(ctx context.Context, c transform.Connection, s transform.Schema) (bool, error) {
	now, err := a.Admin.PreviewConnection(ctx, c, s)
	if err != nil {
		return false, err
	}
	if plan := a.plan.Setup; !a.resumed && !now.Empty() && (plan == nil || !equalJSON(plan, now)) {
		return false, planError("the connection %s in the target is not as it was", c.ID)
	}
	return a.Admin.EnsureConnection(ctx, c, s)
}

func equalJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func (a *applier) allowed(g PlannedGroup) error {
	if a.plan.groups[g] {
		return nil
	}
	return planError("it does not say %s of the external group %s %s", g.Op, g.Group, g.Member)
}

// PutGroup and the others do what the plan says of external groups.
func (a *applier) PutGroup(ctx context.Context, g transform.Group) (existed bool, err error) {
	if err := a.allowed(PlannedGroup{Op: "putGroup", Group: g.ID}); err != nil {
		return false, err
	}
	return a.Admin.PutGroup(ctx, g)
}

func (a *applier) DeleteGroup(ctx context.Context, id string) error {
	if err := a.allowed(PlannedGroup{Op: "deleteGroup", Group: id}); err != nil {
		return err
	}
	return a.Admin.DeleteGroup(ctx, id)
}

func (a *applier) AddMember(ctx context.Context, group string, m transform.Member) error {
	if err := a.allowed(PlannedGroup{"addMember", group, m.ID, m.Type}); err != nil {
		return err
	}
	return a.Admin.AddMember(ctx, group, m)
}

func (a *applier) RemoveMember(ctx context.Context, group string, m transform.Member) error {
	if err := a.allowed(PlannedGroup{"removeMember", group, m.ID, m.Type}); err != nil {
		return err
	}
	return a.Admin.RemoveMember(ctx, group, m)
}
