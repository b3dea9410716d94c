package pipeline

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"importer/extract/scratch"
	"importer/load"
	"importer/pipeline/state"
	"importer/transform"
)

// A plan says what a run would do, item by item, so that somebody can look at
// it and have exactly that done.
//
// It is made by a crawl into a target that only writes down, over a copy of the
// state: what it lists is what the very code of a run decides. Carrying it out
// is a crawl as well, which is held against the plan before each batch is sent
// and before each batch is deleted.
//
// # Layout
//
// One JSON object. Its lists have one element a line, so that a plan of
// millions of items is written and read in constant memory:
//
//	{"type":"plan","version":1, ...the fields of PlanHeader...,
//	"groups":[
//	{"op":"addMember","group":"vpn","member":"...","memberType":"user"}
//	],
//	"sources":[
//	{"source":"tickets","file":"a.csv","size":120,"modified":"...","sha256":"..."}
//	],
//	"quarantined":[ ...as importer quarantine --json has them... ],
//	"items":[
//	{"op":"create","item":"1","digest":"...","source":"tickets","file":"a.csv","line":2},
//	{"op":"update","item":"2","digest":"...","parts":["acl"],"widens":"everyone", ...},
//	{"op":"delete","item":"3", ...}
//	]}
//
// items are in the order in which a run deals with them, deletes last.

// A PlanHeader is a plan without its lists.
type PlanHeader struct {
	Type    string    `json:"type"`    // "plan"
	Version int       `json:"version"` // 1
	ID      string    `json:"id"`
	Made    time.Time `json:"made"`
	Mapping string    `json:"mapping"` // its path
	Digest  string    `json:"mappingSha256"`
	Sources []string  `json:"sourceDigests"` // what decides what each source's records become, side files included
	PlanTarget
	Connection string `json:"connection"`
	Crawl      string `json:"kind"`  // full or incremental
	State      string `json:"state"` // the fingerprint of what was known
	// Setup is what would be done about the connection and its schema; nil for a
	// target that has none.
	Setup   *load.ConnectionPreview `json:"connectionChanges,omitempty"`
	Summary PlanSummary             `json:"summary"`
}

// A PlanTarget is where a plan is to be carried out.
type PlanTarget struct {
	Key      string `json:"target"`     // names the target in the state
	Kind     string `json:"targetKind"` // local or graph
	GraphURL string `json:"graphUrl,omitempty"`
}

// A PlanSummary counts what a plan holds.
type PlanSummary struct {
	state.Counts              // of the records: Stored are those to be created or updated
	Creates          int64    `json:"creates"`
	Updates          int64    `json:"updates"`
	UpdatesOfACL     int64    `json:"updatesOfAcl"` // an update may be of several parts
	UpdatesOfValues  int64    `json:"updatesOfProperties"`
	UpdatesOfContent int64    `json:"updatesOfContent"`
	UpdatesOfDoings  int64    `json:"updatesOfActivities"`
	Deletes          int64    `json:"deletes"`
	Widenings        int64    `json:"widenings"`
	Missed           int64    `json:"missed"`
	Kept             int64    `json:"kept"`
	GroupChanges     int64    `json:"groupChanges"`
	Known            int64    `json:"known"`                   // items that the target may have now
	DeleteGuard      string   `json:"deleteGuard,omitempty"`   // why a run would stop, "" if it would not
	WideningGuard    string   `json:"wideningGuard,omitempty"` // the same
	GroupGuards      []string `json:"groupGuards,omitempty"`   // the same, for each of the guards
	Problems         []string `json:"problems"`
}

// Requests is how many requests a run would make for items and groups.
func (s *PlanSummary) Requests() int64 { return s.Creates + s.Updates + s.Deletes + s.GroupChanges }

// Empty tells that a run would change nothing.
func (h *PlanHeader) Empty() bool {
	return h.Summary.Requests() == 0 && (h.Setup == nil || h.Setup.Empty())
}

// A PlannedItem is an item that is to be sent or deleted.
type PlannedItem struct {
	Op     string   `json:"op"` // create, update, replace (a later record of the same id) or delete
	ID     string   `json:"item"`
	Digest string   `json:"digest,omitempty"`
	Parts  []string `json:"parts,omitempty"` // of an update; none is all, as what the target has is not known
	Widens string   `json:"widens,omitempty"`
	Source string   `json:"source"`
	File   string   `json:"file"`
	Sheet  string   `json:"sheet,omitempty"`
	Line   int      `json:"line,omitempty"` // line, row or page
}

// A PlannedGroup is a change of an external group.
type PlannedGroup struct {
	Op     string `json:"op"` // putGroup, deleteGroup, addMember, removeMember
	Group  string `json:"group"`
	Member string `json:"member,omitempty"`
	Type   string `json:"memberType,omitempty"`
}

// A PlannedSource is a file as the plan has met it.
type PlannedSource struct {
	Source   string    `json:"source"`
	File     string    `json:"file"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	SHA256   string    `json:"sha256,omitempty"`  // of the content that was read; "" if it could not be read whole
	Sidecar  string    `json:"sidecar,omitempty"` // identifies the metadata beside the file
}

// A planner is the target of a crawl that only plans, and the witness of it.
type planner struct {
	c      *Crawl
	admin  load.Admin
	sum    PlanSummary
	setup  *load.ConnectionPreview
	groups []PlannedGroup
	items  *bufio.Writer
	enc    *json.Encoder
	n      int64
}

// Plan writes to w what Run would do. The crawl's Store must be a copy: it is
// used up. Nothing is written to the target.
func (c *Crawl) Plan(ctx context.Context, w io.Writer, target PlanTarget) (*PlanHeader, error) {
	temp, err := scratch.New("plan")
	if err != nil {
		return nil, err
	}
	defer temp.Remove()
	spool, err := os.Create(filepath.Join(temp.Path, "items"))
	if err != nil {
		return nil, fmt.Errorf("cannot make a file for the plan: %w; set TMPDIR to a folder that can be written", err)
	}
	defer spool.Close()
	before, err := c.Store.Fingerprint(ctx)
	if err != nil {
		return nil, err
	}
	p := &planner{c: c, admin: c.Admin, items: bufio.NewWriterSize(spool, 1<<16)}
	p.enc = json.NewEncoder(p.items)
	p.enc.SetEscapeHTML(false)
	p.sum.Problems = []string{}
	if c.Admin != nil {
		c.Admin = p
	}
	c.Loader, c.GroupLanes = &load.Loader{Target: p, Concurrency: 1}, 1
	c.Errors = transform.Budget{Set: true} // what is refused is listed
	c.witness = p
	c.Store.Before = p.sends
	rep, err := c.Run(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.items.Flush(); err != nil {
		return nil, fmt.Errorf("cannot write the plan: %w", err)
	}
	h, err := p.header(target, before, rep)
	if err != nil {
		return nil, err
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return h, p.write(ctx, w, h, spool)
}

func (p *planner) header(target PlanTarget, before string, rep *Report) (*PlanHeader, error) {
	c := p.c
	file, err := filepath.Abs(c.File)
	if err != nil {
		return nil, err
	}
	id := make([]byte, 8)
	rand.Read(id)
	s := &p.sum
	s.Counts, s.Missed, s.Kept, s.Known = rep.Counts, rep.Missed, rep.Kept, c.Store.Known()
	s.GroupChanges = int64(len(p.groups))
	s.Problems = append(s.Problems, rep.Problems...)
	if most := c.maxWidenings(s.Known); s.Widenings > most {
		s.WideningGuard = fmt.Sprintf("%d stored items would be seen by more people than before, and the guard lets %d: run or apply with --max-acl-widenings %d", s.Widenings, most, s.Widenings)
	}
	return &PlanHeader{
		Type: "plan", Version: 1, ID: hex.EncodeToString(id), Made: time.Now().UTC().Truncate(time.Second),
		Mapping: file, Digest: hex.EncodeToString(c.Digest[:]), Sources: c.sourceDigests(), PlanTarget: target,
		Connection: c.Mapping.Connection.ID, Crawl: rep.Kind, State: before, Setup: p.setup, Summary: *s,
	}, nil
}

// sourceDigests identify what decides what the records become, the side files
// of the mapping included.
func (c *Crawl) sourceDigests() []string {
	out := []string{}
	for _, src := range c.Mapping.Sources {
		d := src.Digest()
		out = append(out, src.Name+":"+hex.EncodeToString(d[:8]))
	}
	h := sha256.New()
	all, _ := c.Mapping.Memberships(nil)
	all.Sort()
	for _, g := range all.Groups() {
		fmt.Fprintf(h, "%q\n", g)
	}
	for m := range all.Members() {
		fmt.Fprintf(h, "%q\n", m)
	}
	return append(out, "groups:"+hex.EncodeToString(h.Sum(nil)[:8]))
}

func (p *planner) write(ctx context.Context, w io.Writer, h *PlanHeader, items io.Reader) error {
	out := bufio.NewWriterSize(w, 1<<16)
	head, err := json.Marshal(h)
	if err != nil {
		return err
	}
	out.Write(head[:len(head)-1]) // its brace is closed at the end
	list := func(name string, each func(add func(v any) error) error) error {
		fmt.Fprintf(out, ",\n%q:[", name)
		sep := "\n"
		err := each(func(v any) error {
			b, err := json.Marshal(v)
			if err != nil {
				return err
			}
			out.WriteString(sep)
			sep = ",\n"
			_, err = out.Write(b)
			return err
		})
		out.WriteString("\n]")
		return err
	}
	err = list("groups", func(add func(any) error) error {
		for _, g := range p.groups {
			if err := add(g); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := list("sources", func(add func(any) error) error { return p.sources(ctx, add) }); err != nil {
		return err
	}
	if err := list("quarantined", func(add func(any) error) error { return p.quarantined(ctx, add) }); err != nil {
		return err
	}
	out.WriteString(",\n\"items\":[\n")
	// The spool has a line an item; all but the last get a comma.
	lines := bufio.NewReaderSize(items, 1<<16)
	for left := p.n; left > 0; left-- {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("cannot read the plan back: %w", err)
		}
		out.Write(line[:len(line)-1])
		if left > 1 {
			out.WriteByte(',')
		}
		out.WriteByte('\n')
	}
	out.WriteString("]}\n")
	if err := out.Flush(); err != nil {
		return fmt.Errorf("cannot write the plan: %w", err)
	}
	return nil
}

func (p *planner) sources(ctx context.Context, add func(any) error) error {
	return p.c.Store.Contents(ctx, p.c.running, func(f state.Found) error {
		src := p.c.source(f.Name)
		beside := besideOf(src, p.c.full(&state.Source{Found: f}, src))
		return add(PlannedSource{f.Name, f.Path, f.Size, f.Modified.UTC(), hex.EncodeToString(f.Hash), beside.sum()})
	})
}

func (p *planner) quarantined(ctx context.Context, add func(any) error) error {
	const page = 500
	for skip := 0; ; skip += page {
		lines, err := p.c.Store.Quarantine(ctx, skip, page)
		if err != nil {
			return err
		}
		for _, l := range lines {
			if err := add(l); err != nil {
				return err
			}
		}
		if len(lines) < page {
			return nil
		}
	}
}

func (p *planner) add(it PlannedItem) error {
	p.n++
	if err := p.enc.Encode(it); err != nil {
		return fmt.Errorf("cannot write the plan: %w; make room, or set TMPDIR to another folder", err)
	}
	return nil
}

// sends writes down what a batch would send.
func (p *planner) sends(entries []state.Entry, verdicts []state.Verdict) error {
	for i, v := range verdicts {
		if !p.c.Store.Sends(v) {
			continue
		}
		e := &entries[i]
		it := PlannedItem{Op: "update", ID: e.ID, Digest: hex.EncodeToString(e.Digest[:]), Widens: v.Widens,
			Source: e.Source.Name, File: e.Source.Path, Sheet: e.Sheet, Line: e.Line}
		switch {
		case v.Kind == state.Duplicate:
			it.Op = "replace"
			p.sum.Updates++
		case v.New:
			it.Op = "create"
			p.sum.Creates++
		default:
			p.sum.Updates++
			it.Parts = p.parts(v.Have, e.Digest[:])
		}
		if v.Widens != "" {
			p.sum.Widenings++
		}
		if err := p.add(it); err != nil {
			return err
		}
	}
	return nil
}

// parts names what of an item has changed.
func (p *planner) parts(have, want []byte) (names []string) {
	differ := transform.AllParts
	if have != nil {
		differ = transform.Differ(have, want)
	}
	for _, part := range []struct {
		part transform.Parts
		name string
		n    *int64
	}{
		{transform.PartACL, "acl", &p.sum.UpdatesOfACL}, {transform.PartProperties, "properties", &p.sum.UpdatesOfValues},
		{transform.PartContent, "content", &p.sum.UpdatesOfContent}, {transform.PartActivities, "activities", &p.sum.UpdatesOfDoings},
	} {
		if differ&part.part != 0 {
			*part.n++
			names = append(names, part.name)
		}
	}
	if have == nil {
		return nil
	}
	return names
}

func (p *planner) deletes(items []state.Known) error {
	for _, k := range items {
		p.sum.Deletes++
		if err := p.add(PlannedItem{Op: "delete", ID: k.ID, Source: k.Source, File: k.Path}); err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) guard(err *GuardError) error {
	p.sum.DeleteGuard = err.what() + ": " + err.leave("run or apply")
	return nil
}

func (p *planner) guardGroups(err *GroupGuardError) error {
	p.sum.GroupGuards = append(p.sum.GroupGuards, err.What+": run or apply with "+err.Leave)
	return nil
}

// MaxBatch and the rest make the planner a target that takes everything.
func (p *planner) MaxBatch() int { return 1 << 20 }

func (p *planner) Put(_ context.Context, items []*transform.Item) []load.Result {
	return slices.Repeat([]load.Result{{Fate: load.Stored}}, len(items))
}

func (p *planner) Delete(_ context.Context, ids []string) []load.Result {
	return slices.Repeat([]load.Result{{Fate: load.Stored}}, len(ids))
}

// EnsureConnection and the rest make it an Admin that only writes down.
func (p *planner) EnsureConnection(ctx context.Context, c transform.Connection, s transform.Schema) (created bool, err error) {
	p.setup, err = p.admin.PreviewConnection(ctx, c, s)
	return err == nil && p.setup.Create, err
}

func (p *planner) PreviewConnection(ctx context.Context, c transform.Connection, s transform.Schema) (*load.ConnectionPreview, error) {
	return p.admin.PreviewConnection(ctx, c, s)
}

func (p *planner) Ready(ctx context.Context) (bool, error) { return p.admin.Ready(ctx) }

func (p *planner) Reingest(ctx context.Context, s transform.Schema) ([]load.SchemaChange, error) {
	return p.admin.Reingest(ctx, s)
}

// Members of a group that is not there are none.
func (p *planner) Members(ctx context.Context, group string) ([]transform.Member, bool, error) {
	if p.setup != nil && p.setup.Create {
		return nil, true, nil
	}
	members, _, err := p.admin.Members(ctx, group)
	return members, true, err
}

func (p *planner) change(op, group string, m transform.Member) error {
	p.groups = append(p.groups, PlannedGroup{op, group, m.ID, m.Type})
	return nil
}

// PutGroup says of every group that it may be there: its members are looked at.
func (p *planner) PutGroup(_ context.Context, g transform.Group) (existed bool, err error) {
	return true, p.change("putGroup", g.ID, transform.Member{})
}

func (p *planner) DeleteGroup(_ context.Context, id string) error {
	return p.change("deleteGroup", id, transform.Member{})
}

func (p *planner) AddMember(_ context.Context, group string, m transform.Member) error {
	return p.change("addMember", group, m)
}

func (p *planner) RemoveMember(_ context.Context, group string, m transform.Member) error {
	return p.change("removeMember", group, m)
}

// A PlanError means that what a plan says is not what would happen now. Nothing
// that the plan does not have was done.
type PlanError struct{ What string }

func (e *PlanError) Error() string {
	return "the plan does not fit any more: " + e.What + "; make a new one with importer plan"
}

func planError(format string, args ...any) error {
	return &PlanError{fmt.Sprintf(format, args...)}
}

// some joins the first of many.
func some(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

var errPlanText = errors.New("not a plan of importer")
