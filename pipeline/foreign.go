package pipeline

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"importer/load"
)

// A ForeignError is a safety stop: the connection holds the items of another
// mapping, and this one would delete them all.
type ForeignError struct {
	Connection string
	Mapping    string // the other one
	Sources    []string
}

func (e *ForeignError) Error() string {
	return fmt.Sprintf("safety stop: the connection %s holds the items of another mapping (%s, sources %s), and this one would delete them all; a connection belongs to one mapping: give this one another connection id, or, if it replaces the other, run it with --max-deletes",
		e.Connection, e.Mapping, strings.Join(e.Sources, ", "))
}

const metaMapping = "mapping"

// foreign stops a mapping that has no source in common with the one that
// filled the connection, unless it is the same file with its sources renamed
// or the deletes are called for.
func (c *Crawl) foreign(ctx context.Context) error {
	if c.File == "" || !c.Store.Keeps() {
		return nil
	}
	file, err := filepath.Abs(c.File)
	if err != nil {
		return err
	}
	before, err := c.Store.Meta(ctx, metaMapping)
	if err != nil {
		return err
	}
	if before != "" && before != file && !c.Deletes.Set {
		names, err := c.Store.SourceNames(ctx)
		if err != nil {
			return err
		}
		common := len(names) == 0
		for _, name := range names {
			common = common || c.source(name) != nil
		}
		if !common {
			return &ForeignError{c.Mapping.Connection.ID, before, names}
		}
	}
	return c.Store.SetMeta(ctx, metaMapping, file)
}

// maxWidenings is the guard on ACL widenings, of so many known items.
func (c *Crawl) maxWidenings(known int64) int64 {
	if c.Widenings != nil {
		return *c.Widenings
	}
	n, _ := allowed(c.Mapping.MaxACLWidenings, known)
	return n
}

// lostState is told in the first run into a connection that is there: a folder
// that was lost, or a job that starts in another folder than it used to.
const lostState = "the connection is there already, but nothing is remembered of it in this --data folder: " +
	"an item that was sent before and whose record is gone now stays in it for good, as the service does not list items; " +
	"if there is a folder of earlier runs, run with that; if not, and the connection holds items, delete it (importer connection delete) and run again"

// doubts asks the target whether what is known of it still holds, and writes
// down what does not before the target is changed: if we crash after that,
// nothing would tell any more. again tells that the files must be met anew.
func (c *Crawl) doubts(ctx context.Context) (again bool, err error) {
	known, err := c.Store.Knows(ctx)
	first := c.running.ID == 1 && !c.running.Resumed
	if !known && !first || err != nil {
		return false, err
	}
	ready, err := c.Admin.Ready(ctx)
	if err != nil {
		return false, err
	}
	if !known {
		if ready {
			c.Log.Warn(lostState, "connection", c.Mapping.Connection.ID)
		}
		return false, nil
	}
	if !ready { // what was stored went with the connection
		return true, c.Store.Doubt(ctx)
	}
	changes, err := c.Admin.Reingest(ctx, c.Mapping.Schema)
	if len(changes) == 0 || err != nil {
		return false, err
	}
	if _, err := c.Store.MarkResend(ctx, load.Changed(changes)); err != nil {
		return false, err
	}
	return true, c.resend(ctx)
}
