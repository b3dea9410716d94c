package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"importer/transform"
)

// A walked is a file that a source's path matches.
type walked struct {
	rel  string // slash-separated, relative to the source's root
	full string // as the user would name it
	info fs.FileInfo
}

// A WalkError is a folder or file that could not be looked at. What lies in it
// is not known, so nothing of that source may be deleted.
type WalkError struct {
	Source string
	Path   string
	Err    error
}

func (e *WalkError) Error() string {
	return fmt.Sprintf("%s: cannot be looked at (%v); source %q is read without it, and nothing of it is deleted; check the permissions", e.Path, cause(e.Err), e.Source)
}

func (e *WalkError) Unwrap() error { return e.Err }

// cause takes the operation and the path off an error of the file system: the
// message names the path itself.
func cause(err error) error {
	if p, ok := err.(*fs.PathError); ok {
		return p.Err
	}
	return err
}

// splitPath parts a source's path into the folder that is walked and the
// pattern that files below it must match.
func splitPath(dir string, src *transform.Source) (root, pattern string) {
	in := func(p string) string {
		if path.IsAbs(p) {
			return path.Clean(p)
		}
		return path.Join(filepath.ToSlash(dir), p)
	}
	p := path.Clean(filepath.ToSlash(src.Path))
	if info, err := os.Stat(filepath.FromSlash(in(p))); err == nil {
		if info.IsDir() {
			return in(p), "**"
		}
		return path.Dir(in(p)), escapePattern(path.Base(p))
	}
	// The pattern is parted before the folder is put before it: the folder's
	// own name may have a bracket in it.
	base, pattern := doublestar.SplitPattern(p)
	return in(base), pattern
}

func escapePattern(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `{`, `\{`).Replace(name)
}

// walk yields the files of a source in a stable order: by name, folder by
// folder, links followed. A WalkError is followed by what else can be looked
// at; any other error ends the sequence. Names that start with a dot, and the
// lock files that Office leaves beside open documents (~$book.xlsx), are passed
// over. A folder as path means every file below it that some format reads.
func walk(ctx context.Context, dir string, src *transform.Source) iter.Seq2[walked, error] {
	return walkStrays(ctx, dir, src, nil)
}

// walkStrays is walk that notes what stands beside files, for strays.
func walkStrays(ctx context.Context, dir string, src *transform.Source, note *strays) iter.Seq2[walked, error] {
	return func(yield func(walked, error) bool) {
		root, pattern := splitPath(dir, src)
		if !doublestar.ValidatePattern(pattern) {
			yield(walked{}, &transform.Error{Pos: src.PathPos, Detail: fmt.Sprintf("the path %q is no pattern", src.Path), Remedy: "look for a bracket that is not closed"})
			return
		}
		w := &walker{ctx: ctx, src: src, pattern: pattern, all: pattern == "**", depth: -1, stat: os.Stat, yield: yield, strays: note}
		if !strings.Contains(pattern, "**") {
			w.depth = strings.Count(pattern, "/")
		}
		full := filepath.FromSlash(root)
		if _, err := os.Stat(full); errors.Is(err, fs.ErrNotExist) {
			return // nothing matches; the caller says so
		}
		w.folder(full, "", nil)
		if ctx.Err() != nil && !w.done {
			yield(walked{}, context.Cause(ctx))
		}
	}
}

type walker struct {
	ctx     context.Context
	src     *transform.Source
	pattern string
	all     bool                                   // every file that some format reads
	gone    []string                               // entries of the present folder that were listed and are not there
	depth   int                                    // folders below the root that can have matches; negative is any number
	stat    func(path string) (fs.FileInfo, error) // follows links; os.Stat but in tests
	yield   func(walked, error) bool
	done    bool // the consumer wants no more
	strays  *strays
}

func (w *walker) fail(path string, err error) {
	w.done = w.done || !w.yield(walked{}, &WalkError{w.src.Name, path, err})
}

// folder walks one folder. above are the real paths of the folders around it,
// so that a link back to one of them ends there.
func (w *walker) folder(full, rel string, above []string) {
	real, err := filepath.EvalSymlinks(full)
	if err != nil {
		w.fail(full, err)
		return
	}
	if slices.Contains(above, real) {
		return // its files have been met
	}
	above = append(above, real)
	// What can be read of a folder that fails halfway is walked all the same.
	entries, err := os.ReadDir(full)
	if err != nil {
		w.fail(full, err)
	} else if w.strays != nil {
		w.noteStrays(entries, rel)
	}
	gone := w.gone
	w.gone = nil
	defer func() { w.gone = gone }()
	for _, d := range entries {
		if w.done || w.ctx.Err() != nil {
			return
		}
		if name := d.Name(); !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "~$") {
			w.entry(d, filepath.Join(full, name), path.Join(rel, name), above)
		}
	}
	if len(w.gone) > 0 {
		w.listed(full)
	}
}

// listed looks again at entries that were listed and are not there. What is
// listed still was not deleted meanwhile: the share that it lies on is dying.
func (w *walker) listed(full string) {
	entries, err := os.ReadDir(full)
	if err != nil {
		w.fail(full, err)
		return
	}
	for _, d := range entries {
		if !w.done && slices.Contains(w.gone, d.Name()) {
			if _, err := w.stat(filepath.Join(full, d.Name())); err != nil {
				w.fail(filepath.Join(full, d.Name()), err)
			}
		}
	}
}

// matches tells whether a file of that path is one of the source's.
func (w *walker) matches(rel string) bool {
	ok, _ := doublestar.Match(w.pattern, rel) // the pattern has been validated
	return ok && (!w.all || w.src.Options.Reads(path.Base(rel)))
}

func (w *walker) entry(d fs.DirEntry, full, rel string, above []string) {
	isLink := d.Type()&fs.ModeSymlink != 0
	matches := w.matches(rel) && !isBeside(w.src, full)
	if !d.IsDir() && !isLink && !matches {
		return
	}
	info, err := w.stat(full)
	switch {
	case err != nil && isLink && errors.Is(err, fs.ErrNotExist):
		if matches { // opening it will tell
			if info, err = d.Info(); err == nil {
				w.done = w.done || !w.yield(walked{rel, full, info}, nil)
			}
		}
	case errors.Is(err, fs.ErrNotExist):
		w.gone = append(w.gone, d.Name()) // since the folder was read
	case err != nil:
		w.fail(full, err)
	case info.IsDir():
		if w.depth < 0 || strings.Count(rel, "/") < w.depth {
			w.folder(full, rel, above)
		}
	case matches && info.Mode()&(fs.ModeDevice|fs.ModeNamedPipe|fs.ModeSocket) == 0:
		w.done = w.done || !w.yield(walked{rel, full, info}, nil)
	}
}
