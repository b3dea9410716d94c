package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"importer/load"
	"importer/load/localgraph"
	"importer/pipeline"
	"importer/pipeline/state"
	"importer/transform"
)

// A recreateFlags is a connection that is made anew, as typed.
type recreateFlags struct {
	id        string // of the new connection
	deleteOld bool
	yes       bool
}

// recreate makes a new connection beside the one of the mapping, for a schema
// that cannot become what the mapping says: it crawls everything into it, has
// the mapping name it, and deletes the old one if that is wanted.
//
// Each step can be taken again. The crawl goes on where it was, as the mapping
// that it is made by is the one that is put in place afterwards; until then the
// old connection is as it was, and so is the mapping.
func (a *app) recreate(ctx context.Context, f *targetFlags, path string, r *recreateFlags) error {
	src, err := os.ReadFile(path)
	if err != nil {
		return usageError{fmt.Errorf("%s: the mapping cannot be read (%w)", path, bare(err))}
	}
	old, err := transform.Load(path)
	if err != nil {
		return err
	}
	switch {
	case f.target == "jsonl":
		return usageError{errors.New("a jsonl target has no connection")}
	case strings.EqualFold(r.id, old.Connection.ID):
		return usageError{fmt.Errorf("--recreate %s is the connection that the mapping has already: name another, or delete the old one if it is that which is left to do (importer connection delete)", r.id)}
	}
	text, err := transform.WithConnection(path, src, r.id)
	if err != nil {
		return usageError{fmt.Errorf("--recreate: %w", err)}
	}
	// Beside the mapping: its side files are named relative to it.
	next := filepath.Join(filepath.Dir(path), "."+r.id+"-"+filepath.Base(path))
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return usageError{fmt.Errorf("%s cannot be written (%w): make its folder writable", next, bare(err))}
	}
	if err := a.crawlAnew(ctx, f, next, old, r); err != nil {
		return err
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, src) {
		return fmt.Errorf("%s has changed meanwhile and is left as it is; the new connection %s is complete: write its id into the mapping, and delete %s when you are done (importer connection delete %s)",
			path, r.id, old.Connection.ID, old.Connection.ID)
	}
	if info, err := os.Stat(path); err == nil {
		_ = os.Chmod(next, info.Mode().Perm()) // else it stays private
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("%s cannot be replaced (%w): put %s in its place", path, bare(err), next)
	}
	a.say("%s names the connection %s now", path, r.id)
	if !r.deleteOld {
		a.say("the old one is still there: have an administrator put %s in its place in the search verticals and results, and then delete it: importer connection delete %s", r.id, old.Connection.ID)
		return nil
	}
	return a.deleteConnection(ctx, f, old.Connection.ID, r.yes, false)
}

// crawlAnew fills the new connection by the next mapping.
func (a *app) crawlAnew(ctx context.Context, f *targetFlags, next string, old *transform.Mapping, r *recreateFlags) error {
	j, err := a.newJob(next, &runFlags{targetFlags: *f, state: "keep", widenings: -1})
	if err != nil {
		return err
	}
	m, err := j.load()
	if err != nil {
		return err
	}
	taken, err := a.nameTaken(ctx, f, r.id, m.Connection.Name)
	if err != nil {
		return err
	}
	if taken {
		// Two connections must not have one name. The next run after the old one
		// is deleted gives it its own.
		m.Connection.Name = cut(m.Connection.Name, 90) + " (" + r.id + ")"
	}
	a.say("crawling into the new connection %s; %s stays as it is meanwhile", r.id, old.Connection.ID)
	err = j.crawl(ctx, m, func(ctx context.Context, c *pipeline.Crawl) error {
		return a.takeFixes(ctx, f, old.Connection.ID, c.Store)
	})
	switch {
	case errors.Is(err, errQuarantined):
		return nil // told; the old connection has not had them either
	case errors.Is(err, context.Canceled):
		a.say("the same command goes on from here")
	}
	return err
}

// takeFixes takes over the corrections of refused records that the old
// connection has. It can be done again: what is there stays.
func (a *app) takeFixes(ctx context.Context, f *targetFlags, old string, to *state.Store) error {
	from, err := a.knownState(f, old)
	if from == nil || err != nil {
		return err
	}
	defer from.Close()
	n, err := to.TakeFixes(ctx, from)
	if n > 0 {
		a.say("%s taken over from %s", count(n, "correction of a refused record is", "corrections of refused records are"), old)
	}
	return err
}

// nameTaken tells whether another connection has the name.
func (a *app) nameTaken(ctx context.Context, f *targetFlags, id, name string) (bool, error) {
	t, err := a.open(f, id, localgraph.Caller{App: true})
	if err != nil {
		return false, err
	}
	defer t.close(true)
	for doc, err := range t.graph.Connections(ctx, load.ListOptions{}) {
		if err != nil {
			return false, err
		}
		if doc.Value.Name == name && !strings.EqualFold(doc.Value.ID, id) {
			return true, nil
		}
	}
	return false, nil
}
