package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"github.com/bmatcuk/doublestar/v4"

	"importer/pipeline/state"
	"importer/transform"
)

// A file that the walk does not meet any more is gone only if the folders say
// so. A share that is not mounted looks like this: its folder is there and
// empty, or a link to it leads nowhere, or the folder lists names that cannot be
// looked at. A file that somebody deleted looks like this: its folder lists
// other files, or was deleted itself, and the folder above lists others. So the
// rule is:
//
//	a missing file is proven gone by the nearest folder above it that is there,
//	if that folder can be read and holds anything at all
//
// An emptied folder proves nothing, however long it stays so; whoever has
// emptied it on purpose deletes it too, or puts anything into it. What the rule
// does not see is a share that is mounted over a folder with files of its own,
// and one whose folder goes away with it (autofs without its ghosts): there,
// only the guard on deletes stands.

// missing looks at each file that the walk has not met and writes down why it is
// not proven to be gone.
func (c *Crawl) missing(ctx context.Context, run state.Run) error {
	of := map[string]*folders{}
	return c.Store.DoubtFiles(ctx, run, func(source, rel string) string {
		src := c.source(source)
		if src == nil {
			return "" // the mapping has no such source any more
		}
		if of[source] == nil {
			root, pattern := splitPath(c.Dir, src)
			of[source] = &folders{src: src, root: filepath.FromSlash(root), pattern: pattern, seen: map[string]testimony{}}
		}
		return of[source].doubt(rel)
	})
}

// folders are those of a source, as witnesses of the files that are gone.
type folders struct {
	src     *transform.Source
	root    string
	pattern string
	seen    map[string]testimony // by path below the root
}

// A testimony is what a folder says of the files that were below it. The zero
// one is that it is not there.
type testimony struct {
	there bool
	why   string // it proves nothing
}

// doubt says why a file that the walk has not met is not proven to be gone; ""
// is that it is.
func (w *folders) doubt(rel string) string {
	full := filepath.Join(w.root, filepath.FromSlash(rel))
	if _, err := os.Lstat(full); err == nil {
		matches, _ := doublestar.Match(w.pattern, rel)
		if w.pattern == "**" {
			matches = w.src.Options.Reads(rel)
		}
		if !matches || isBeside(w.src, full) {
			return "" // the mapping does not want it any more
		}
		return "it is there again, or cannot be looked at"
	}
	return w.gone(path.Dir(rel))
}

// gone says why a folder and what was in it is not proven to be gone.
func (w *folders) gone(dir string) string {
	for ; ; dir = path.Dir(dir) {
		v := w.folder(dir)
		if v.there || v.why != "" || dir == "." {
			return v.why
		}
	}
}

// folder looks at a folder, once.
func (w *folders) folder(rel string) (v testimony) {
	if v, ok := w.seen[rel]; ok {
		return v
	}
	defer func() { w.seen[rel] = v }()
	full := filepath.Join(w.root, filepath.FromSlash(rel))
	if _, err := os.Lstat(full); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return testimony{}
	}
	info, err := os.Stat(full)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return testimony{why: fmt.Sprintf("the link %s leads nowhere; what it led to may not be mounted", filepath.ToSlash(full))}
	case err != nil:
		return testimony{why: fmt.Sprintf("%s cannot be looked at (%v)", filepath.ToSlash(full), cause(err))}
	case !info.IsDir():
		return testimony{there: true}
	}
	empty, err := isEmpty(full)
	switch {
	case err != nil:
		return testimony{why: fmt.Sprintf("%s cannot be looked at (%v)", filepath.ToSlash(full), cause(err))}
	case empty:
		return testimony{why: fmt.Sprintf("the folder %s is empty, as that of a share is that is not mounted; delete it too if the files are gone for good", filepath.ToSlash(full))}
	}
	return testimony{there: true}
}

func isEmpty(dir string) (bool, error) {
	f, err := os.Open(dir)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if _, err = f.Readdirnames(1); errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}
