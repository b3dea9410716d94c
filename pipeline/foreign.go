package pipeline

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
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
