package pipeline

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"importer/extract"
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
// folder. A WalkError is followed by what else can be looked at; any other
// error ends the sequence. Names that start with a dot, and the lock files
// that Office leaves beside open documents (~$book.xlsx), are passed over. A
// folder as path means every file below it that some format reads.
func walk(ctx context.Context, dir string, src *transform.Source) iter.Seq2[walked, error] {
	return func(yield func(walked, error) bool) {
		root, pattern := splitPath(dir, src)
		depth := strings.Count(pattern, "/")
		all := pattern == "**"
		err := filepath.WalkDir(filepath.FromSlash(root), func(full string, d fs.DirEntry, err error) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			rel, relErr := filepath.Rel(filepath.FromSlash(root), full)
			if relErr != nil {
				return relErr
			}
			rel = filepath.ToSlash(rel)
			if err != nil {
				if rel == "." && os.IsNotExist(err) {
					return fs.SkipAll // nothing matches; the caller says so
				}
				if !yield(walked{}, &WalkError{src.Name, full, err}) {
					return fs.SkipAll
				}
				if d != nil && d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			hidden := rel != "." && (strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "~$"))
			if d.IsDir() {
				if hidden || !strings.Contains(pattern, "**") && rel != "." && strings.Count(rel, "/") >= depth {
					return fs.SkipDir
				}
				return nil
			}
			if hidden {
				return nil
			}
			if ok, err := doublestar.Match(pattern, rel); err != nil || !ok || all && !readable(d.Name()) {
				return err
			}
			info, err := os.Stat(full) // follows links to files
			if err != nil {
				info, err = d.Info() // a dangling link: opening it will tell
			}
			if err != nil || info.IsDir() || info.Mode()&(fs.ModeDevice|fs.ModeNamedPipe|fs.ModeSocket) != 0 {
				return nil
			}
			if !yield(walked{rel, full, info}, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil && err != fs.SkipAll {
			if ctx.Err() == nil {
				err = &transform.Error{Pos: src.PathPos, Detail: fmt.Sprintf("the path %q cannot be walked (%v)", src.Path, err), Remedy: "check its pattern"}
			}
			yield(walked{}, err)
		}
	}
}

// readable tells whether some format has the name's extension.
func readable(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	return slices.ContainsFunc(extract.Formats, func(f *extract.Format) bool { return slices.Contains(f.Exts, ext) })
}
