package pipeline

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"importer/pipeline/state"
	"importer/transform"
)

// A Lookup asks a directory whom names are. load.Graph is one. The answers are
// parallel to names.
type Lookup interface {
	LookUp(ctx context.Context, names []transform.Name, match []string) ([]transform.Found, error)
}

// people are the names that a directory was asked for. What is not known yet
// is asked for many at a time, and remembered in the state for as long as the
// mapping says.
type people struct {
	c    *Crawl
	want *transform.Entra

	mu    sync.RWMutex // guards known
	known map[transform.Name]transform.Found
	ask   sync.Mutex // held by the one who asks
	// generation counts how often an answer has changed.
	generation uint64
}

// Known gives what is known of a name without waiting.
func (p *people) Known(n transform.Name) (f transform.Found, ok bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	f, ok = p.known[n]
	return f, ok
}

// directory is what records are mapped with; nil is that nobody can be asked.
func (c *Crawl) directory() transform.Directory {
	if c.people == nil {
		return nil
	}
	return c.people
}

// findPeople takes up what is known of names, and asks again for what is too
// old. It comes before the files are met: an answer that has changed has them
// read again.
func (c *Crawl) findPeople(ctx context.Context) error {
	if c.Mapping.Entra == nil || c.Lookup == nil {
		return nil
	}
	c.phase("people and groups")
	p := &people{c: c, want: c.Mapping.Entra, known: map[transform.Name]transform.Found{}}
	// What was looked for in other properties says nothing.
	match := strings.Join(p.want.Match, ",")
	before, err := c.Store.Meta(ctx, metaMatch)
	if err != nil {
		return err
	}
	now := time.Now()
	var old []transform.Name
	err = c.Store.People(ctx, func(s state.Person) {
		n := transform.Name{Kind: s.Kind, Text: s.Name}
		keep := p.want.CacheFor
		if s.ID == "" {
			keep = p.want.UnknownFor
		}
		// A time that lies ahead is of a clock that was wrong.
		if age := now.Sub(s.Asked); c.Full || before != match || age >= keep || age < -time.Minute {
			old = append(old, n)
			return
		}
		p.known[n] = transform.Found{ID: s.ID, Several: s.Several, DisplayName: s.Display, Mail: s.Mail, UPN: s.UPN}
	})
	if err != nil {
		return err
	}
	sortNames(old)
	if err := p.resolve(ctx, old); err != nil {
		return err
	}
	if before != match {
		if err := c.Store.SetMeta(ctx, metaMatch, match); err != nil {
			return err
		}
	}
	if p.generation, err = c.Store.Generation(ctx); err != nil {
		return err
	}
	c.people = p
	return nil
}

// metaMatch is in which properties the names that are known were looked for.
const metaMatch = "people-match"

func sortNames(names []transform.Name) {
	slices.SortFunc(names, func(a, b transform.Name) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Text, b.Text)) })
}

// resolvePart is how many names are asked for between two transactions.
const resolvePart = 3000

// resolve asks for those of the names that are not known.
func (p *people) resolve(ctx context.Context, names []transform.Name) error {
	if len(names) == 0 {
		return nil
	}
	p.ask.Lock() // who waits here may find that another has asked
	defer p.ask.Unlock()
	var ask []transform.Name
	for _, n := range names {
		if _, ok := p.Known(n); !ok && !slices.Contains(ask[max(0, len(ask)-1):], n) {
			ask = append(ask, n)
		}
	}
	for part := range slices.Chunk(ask, resolvePart) {
		found, err := p.c.Lookup.LookUp(ctx, part, p.want.Match)
		if err != nil {
			return err
		}
		answers := make([]state.Person, len(part))
		for i, f := range found {
			answers[i] = state.Person{Kind: part[i].Kind, Name: part[i].Text, ID: f.ID, Several: f.Several, Display: f.DisplayName, Mail: f.Mail, UPN: f.UPN, Asked: time.Now()}
		}
		if _, err := p.c.Store.SetPeople(ctx, answers); err != nil {
			return err
		}
		p.mu.Lock()
		for i, f := range found {
			p.known[part[i]] = f
		}
		p.mu.Unlock()
	}
	return nil
}

// digestOf is what decides what the records of a file become: an answer of the
// directory that has changed makes another of it.
func (c *Crawl) digestOf(src *transform.Source) [32]byte {
	d := src.Digest()
	if c.people == nil || c.people.generation == 0 || !src.NamesPeople() {
		return d
	}
	return sha256.Sum256(binary.BigEndian.AppendUint64(d[:], c.people.generation))
}

// memberships are the groups that the mapping declares, with their members. A
// member whom nobody knows is left out of a group that is only granted; where
// a group may be denied, that would show items, so it ends the crawl.
func (c *Crawl) memberships(ctx context.Context, rep *Report) (*transform.Memberships, error) {
	if c.people != nil {
		if err := c.people.resolve(ctx, slices.Concat(c.Mapping.MemberNames(c.people), c.folderNames())); err != nil {
			return nil, err
		}
	}
	all, lost := c.Mapping.Memberships(c.directory())
	if len(lost) > 0 && c.Mapping.DeniesGroups() {
		var errs transform.Errors
		for _, l := range lost {
			errs = append(errs, l.Denied())
		}
		return nil, errs
	}
	const most = 20
	for i, l := range lost {
		if i == most {
			rep.Problems = append(rep.Problems, fmt.Sprintf("%d more members of external groups are not known and are left out", len(lost)-most))
			break
		}
		rep.Problems = append(rep.Problems, strings.TrimSuffix(fmt.Sprintf("%s: %s: left out of the external group %q; %s", l.Pos, l.Detail, l.Group, l.Remedy), "; "))
	}
	if err := c.addFolders(ctx, all, rep); err != nil {
		return nil, err
	}
	all.Sort()
	return all, nil
}
