package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"importer/extract"
	"importer/pipeline/state"
	"importer/transform"
)

// meet walks every source and writes down what it finds. doubtful names the
// sources of which a missing file is not proven to be gone: their folders
// could not be looked at whole, or were empty where files are known.
func (c *Crawl) meet(ctx context.Context, run state.Run, rep *Report) (doubtful []string, err error) {
	const page = 256
	var ord int64
	found := make([]state.Found, 0, page)
	flush := func() error {
		if err := c.besides(ctx, found); err != nil {
			return err
		}
		if err := c.compare(ctx, found); err != nil {
			return err
		}
		err := c.Store.Meet(ctx, run, ord, found)
		ord += int64(len(found))
		found = found[:0]
		return err
	}
	c.progress.files.Store(0)
	c.progress.bytes.Store(0)
	beside := make([]strays, len(c.Mapping.Sources))
	for i, src := range c.Mapping.Sources {
		digest, readers := c.digestOf(src), lacking(parsers(), src.Options.MissingPrograms())
		any, doubt := false, false
		for f, err := range walkStrays(ctx, c.Dir, src, &beside[i]) {
			var walkErr *WalkError
			if errors.As(err, &walkErr) {
				rep.Problems = append(rep.Problems, walkErr.Error())
				doubt = true
				continue
			}
			if err != nil {
				return nil, err
			}
			any = true
			met := state.Found{Name: src.Name, Path: f.rel, Size: f.info.Size(), Modified: f.info.ModTime(), Digest: digest,
				Verify: run.Full, ByTime: src.UsesModified()}
			if c.held(src, f.full) {
				known := false
				if met, known, err = c.Store.Found(ctx, src.Name, f.rel); err != nil {
					return nil, err
				}
				if !known {
					continue
				}
			}
			c.progress.files.Add(1)
			met.Parsers = readers
			c.progress.bytes.Add(met.Size)
			found = append(found, met)
			if len(found) == page {
				if err := flush(); err != nil {
					return nil, err
				}
			}
		}
		if !any && !src.Optional && !doubt {
			known, err := c.Store.KnownFiles(ctx, src.Name)
			if err != nil {
				return nil, err
			}
			return nil, c.nothing(src, known)
		}
		if doubt || !any {
			doubtful = append(doubtful, src.Name)
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	rep.Strays = nil
	for i, src := range c.Mapping.Sources {
		rep.Strays = append(rep.Strays, c.strays(src, &beside[i])...)
	}
	return doubtful, c.Store.Recheck(ctx, run)
}

// parsers names what this program reads files by, with the versions.
func parsers() string { return strings.Join(extract.ReaderIDs(), "\n") }

// lacking adds programs to what reads a file, or may, that are not there.
func lacking(parser string, missing []string) string {
	missing = slices.Clone(missing)
	slices.Sort(missing)
	for _, name := range slices.Compact(missing) {
		parser += "\t" + name
	}
	return parser
}

// compare looks at the content of the files that may be unchanged though their
// size and time do not say so: a file that was rewritten or touched costs its
// hash and not its parsing. A file that cannot be read is told when it is read.
func (c *Crawl) compare(ctx context.Context, found []state.Found) error {
	if !c.Store.Keeps() {
		return nil
	}
	which, err := c.Store.Undecided(ctx, found)
	if err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(max(c.Readers, 1))
	for _, i := range which {
		f := &found[i]
		g.Go(func() error {
			if ctx.Err() != nil {
				return nil
			}
			now := time.Now()
			sum, err := hashContent(c.full(&state.Source{Found: *f}, c.source(f.Name)))
			if err == nil {
				f.Hash, f.Racy = sum, young(f.Modified, now)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// held tells of a file that is not to be read now, for itself, for its metadata,
// half of which may lack a deny, or for what says who may see its folder.
func (c *Crawl) held(src *transform.Source, path string) bool {
	if c.Hold == nil {
		return false
	}
	if _, folder := src.Needs(); folder {
		for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
			if c.Hold(filepath.Join(dir, src.AccessFiles())) {
				return true
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	for _, end := range src.Sidecar {
		if c.Hold(path + end) {
			return true
		}
	}
	return c.Hold(path)
}

// nothing says that a path matches no file, and how far it leads. known is how
// many files of the source earlier runs have met.
func (c *Crawl) nothing(src *transform.Source, known int64) *transform.Error {
	root, pattern := splitPath(c.Dir, src)
	e := &transform.Error{Pos: src.PathPos, Detail: fmt.Sprintf("source %q: no file matches %q", src.Name, src.Path),
		Remedy: "check the pattern, or set optional: true when the source may be empty"}
	_, missing := os.Stat(filepath.FromSlash(root))
	_, absent := os.Stat(filepath.FromSlash(path.Join(root, pattern)))
	switch {
	case missing != nil:
		there := root
		for there != "." && there != "/" {
			there = path.Dir(there)
			if _, err := os.Stat(filepath.FromSlash(there)); err == nil {
				break
			}
		}
		e.Remedy = fmt.Sprintf("the folder %s does not exist (%s does); paths are relative to the mapping file; a share may not be mounted", root, there)
	case absent != nil && !strings.ContainsAny(pattern, `*?[{\`):
		e.Remedy = fmt.Sprintf("%s has no such file or folder; paths are relative to the mapping file; a share may not be mounted", root)
	case known == 1:
		e.Remedy = "it had a file, and nothing was deleted; if the pattern is right, an export has not come, or a share is not mounted"
	case known > 1:
		e.Remedy = fmt.Sprintf("it had %d files, and nothing was deleted; if the pattern is right, an export has not come, or a share is not mounted", known)
	}
	return e
}

// check looks at the columns of every table that is to be read, before
// anything is written to the target. When all tables of a source lack a
// column, the mapping is wrong; when some do, those files have drifted.
func (c *Crawl) check(ctx context.Context, run state.Run) error {
	type verdict struct {
		good  bool
		first error
		file  string
	}
	verdicts := map[string]*verdict{}
	for _, src := range c.Mapping.Sources {
		verdicts[src.Name] = &verdict{}
	}
	for f, err := range c.Store.Sources(ctx, run) {
		if err != nil {
			return err
		}
		src := c.source(f.Name)
		v := verdicts[f.Name]
		if f.Skip || f.Resume > 0 || !isTable(f.Path, src) || c.held(src, c.full(f, src)) {
			// Items were made of it under this very mapping.
			v.good = v.good || f.Stored+f.Unchanged > 0 && isTable(f.Path, src)
			if err := c.lookAgain(ctx, f, src); err != nil {
				return err
			}
			continue
		}
		checked, err := c.checkFile(ctx, f, src)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil:
			v.good = v.good || checked
		case c.keepOut(f, err):
		case v.first == nil:
			v.first, v.file = err, c.display(f, src)
		}
	}
	var wrong transform.Errors
	for _, src := range c.Mapping.Sources {
		v := verdicts[src.Name]
		if v.first == nil {
			continue
		}
		var sheet *sheetError
		if errors.As(v.first, &sheet) {
			if v.good {
				continue // one workbook without the sheet is refused as a file
			}
			wrong = append(wrong, &transform.Error{Pos: src.PathPos, Detail: fmt.Sprintf("source %q: %s: %s", src.Name, v.file, sheet.detail)})
			continue
		}
		before, err := c.Store.SourceNames(ctx)
		if err != nil {
			return err
		}
		if v.good || slices.Contains(before, src.Name) {
			return &DriftError{File: v.file, Errs: v.first, Hint: c.renamed(src)}
		}
		var errs transform.Errors
		if !errors.As(v.first, &errs) {
			return v.first
		}
		wrong = append(wrong, errs.In(v.file)...)
	}
	for _, src := range c.Mapping.Sources {
		// Sources of documents have no columns: their expressions are checked once.
		if verdicts[src.Name].first == nil && !verdicts[src.Name].good {
			var errs transform.Errors
			if err := src.Check(nil); errors.As(err, &errs) {
				wrong = append(wrong, errs...)
			} else if err != nil {
				return err
			}
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

// isTable tells by the name and the options whether a file is worth opening
// for its columns; what it really is shows when it is read.
func isTable(name string, src *transform.Source) bool {
	ext := strings.ToLower(path.Ext(name))
	for _, f := range extract.Formats {
		if src.Options.Format == f.Name || src.Options.Format == "" && slices.Contains(f.Exts, ext) {
			return f.Table
		}
	}
	return false
}

// checkFile checks the mapping against the first record of a table, and the
// table against what is known of its source. What is wrong with the file itself
// is the crawl's business, not a finding here; then checked is false.
func (c *Crawl) checkFile(ctx context.Context, f *state.Source, src *transform.Source) (checked bool, err error) {
	c.opens(f, src)
	in, closeFile, err := c.open(f, src)
	if err != nil {
		return false, nil
	}
	defer closeFile()
	look := c.look(f, src)
	checked, err = firstRecords(ctx, in, src, look)
	if look != nil && src.Options.GroupBy != "" {
		look.ungrouped(ctx, in, err)
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if look != nil {
		look.done(err)
	}
	return checked, err
}

// firstRecords checks the first record, and shows look as many as it wants.
func firstRecords(ctx context.Context, in extract.Input, src *transform.Source, look *glance) (checked bool, wrong error) {
	opt := src.Options
	opt.Warn = nil
	records, grouped := extract.Records(ctx, in, opt), opt.GroupBy != ""
	if look != nil && !grouped {
		records = extract.Sample(ctx, in, opt, look.portion(), look.more)
	}
	tries := 0
	for rec, err := range records {
		var file *extract.FileError
		switch {
		case errors.As(err, &file) && file.Reason == extract.ReasonOption:
			// What the mapping asks for cannot be done with any file of the source.
			return false, transform.Errors{{Pos: src.PathPos, Detail: fmt.Sprintf("source %q: %s", src.Name, file.Detail)}}
		case file != nil && file.Reason == extract.ReasonSheet:
			return false, &sheetError{file.Detail}
		case err != nil:
			if tries++; tries < 100 && file == nil {
				continue // a bad row; the next one may do
			}
		case rec.Header != nil:
			if !checked {
				checked, wrong = true, src.Check(rec.Header)
			}
			switch {
			case look == nil:
			case !grouped:
				look.add(rec, wrong)
				continue
			case look.group(rec, wrong):
				continue
			}
		}
		if look != nil {
			look.short = true
		}
		break // what is wrong with the file shows when it is read
	}
	return checked, wrong
}

// A sheetError says that a workbook does not have the sheets that the mapping
// names.
type sheetError struct{ detail string }

func (e *sheetError) Error() string { return e.detail }

func (c *Crawl) source(name string) *transform.Source {
	for _, s := range c.Mapping.Sources {
		if s.Name == name {
			return s
		}
	}
	return nil // unreachable: files are met under the mapping's own names
}

// full is the path of a file in the file system; display is how it stands in
// messages.
func (c *Crawl) full(f *state.Source, src *transform.Source) string {
	root, _ := splitPath(c.Dir, src)
	return filepath.Join(filepath.FromSlash(root), filepath.FromSlash(f.Path))
}

func (c *Crawl) display(f *state.Source, src *transform.Source) string {
	return filepath.ToSlash(c.full(f, src))
}

// opens tells tests of a file that is opened for its own sake.
func (c *Crawl) opens(f *state.Source, src *transform.Source) {
	if c.watchOpens != nil {
		c.watchOpens(c.full(f, src))
	}
}

// open opens a file for reading. The error is a *extract.FileError.
func (c *Crawl) open(f *state.Source, src *transform.Source) (extract.Input, func(), error) {
	full := c.full(f, src)
	file, err := os.Open(full)
	if err == nil {
		var info os.FileInfo
		if info, err = file.Stat(); err == nil {
			return extract.Input{Name: filepath.ToSlash(full), Size: info.Size(), Path: full, ReaderAt: file}, func() { file.Close() }, nil
		}
		file.Close()
	}
	return extract.Input{}, nil, &extract.FileError{Place: extract.Place{File: filepath.ToSlash(full)}, Reason: extract.ReasonUnreadable,
		Detail: fmt.Sprintf("cannot be opened (%v); check that it exists and may be read", cause(err)), Err: err}
}

// fileOf describes a file to the mapping. Its digest is taken when it is asked for.
func (c *Crawl) fileOf(f *state.Source, src *transform.Source) *extract.File {
	name := path.Base(f.Path)
	ext := path.Ext(name)
	file := &extract.File{Path: f.Path, Name: name, Stem: strings.TrimSuffix(name, ext), Ext: ext, Size: f.Size, Modified: f.Modified,
		SHA256: sync.OnceValues(func() (string, error) { return hashFile(c.full(f, src)) })}
	file.Access = c.accessOf(src, f.Path)
	if len(src.Sidecar) > 0 {
		file.Side = sync.OnceValues(func() (extract.Side, error) { return besideOf(src, c.full(f, src)).side() })
		file.SideAt = func(name, value string) extract.Place { return besideOf(src, c.full(f, src)).at(name, value) }
	}
	return file
}
