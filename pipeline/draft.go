package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"importer/extract"
	"importer/transform"
)

// Draft looks at files, folders and globs, and gives what a mapping in the
// folder dir can be written of. What it reads is bounded, whatever the files
// hold. Its errors are a *transform.Error about an argument, or ctx's.
func Draft(ctx context.Context, args []string, dir string) (transform.Draft, error) {
	d := &drafter{ctx: ctx, dir: dir, groups: map[string]*draftGroup{}, passed: map[string]int{}, seen: map[string]int{}}
	for _, arg := range args {
		if err := d.find(arg); err != nil {
			return transform.Draft{}, err
		}
	}
	if err := d.read(); err != nil {
		return transform.Draft{}, err
	}
	return d.draft(args)
}

// Bounds of what init reads: 64 MB in all, at least 256 KB and at most 16 MB
// of a file, and some of very many documents.
const (
	draftBytes    = 64 << 20
	draftLeast    = 256 << 10
	draftMost     = 16 << 20
	draftRows     = 20_000
	draftPages    = 200
	draftPictures = 5  // a second or two each
	draftSources  = 60 // more kinds of tables than that are no one's connection
)

// A draftFile is a file that init looks at.
type draftFile struct {
	full   string // cleaned, with slashes
	size   int64
	format *extract.Format
	sheets []string // of a workbook, all that have rows
}

// A draftGroup is files that a source can read alike.
type draftGroup struct {
	key     string
	format  *extract.Format
	names   []string // of the columns
	records surveyed // where they are in a file of JSON or XML
	varies  bool     // not every file has all columns
	ocr     bool     // its files are pictures
	files   []*draftFile
	sheets  map[*draftFile][]string
	header  int // see transform.DraftSource
	notes   []string
	rows    *transform.Profiler
}

type drafter struct {
	ctx    context.Context
	dir    string
	files  []*draftFile
	passed map[string]int // extensions that nothing reads
	seen   map[string]int // extensions of pictures that are passed over
	notes  []string
	groups map[string]*draftGroup
	order  []*draftGroup
	unread []string // files that give no record now, and may when they are exported again
}

// find adds the files that an argument names.
func (d *drafter) find(arg string) error {
	src := &transform.Source{Name: "init", Path: filepath.ToSlash(arg), PathPos: transform.Pos{File: arg, Line: 1, Col: 1}}
	n := len(d.files)
	if err := d.walk(src); err != nil {
		return err
	}
	pictures := d.countOthers(arg)
	if len(d.files) == n && len(pictures) > 0 { // there is nothing else: they are meant
		src.Options.OCR = pictureOCR
		return d.walk(src)
	}
	for ext, n := range pictures {
		d.seen[ext] += n
	}
	if len(d.files) == n {
		e := &transform.Error{Pos: src.PathPos, Detail: "no file that can be read matches it", Remedy: "name a file, a folder or a glob such as 'exports/*.csv'; files that can be read end in " + strings.Join(readableExts(), ", ")}
		if _, err := os.Stat(arg); errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(arg, "*?[{") {
			e.Detail = "there is no such file or folder"
		}
		return e
	}
	return nil
}

// walk adds the files of a source.
func (d *drafter) walk(src *transform.Source) error {
	for f, err := range walk(d.ctx, ".", src) {
		var walkErr *WalkError
		if errors.As(err, &walkErr) {
			d.notes = append(d.notes, fmt.Sprintf("%s cannot be looked at (%v)", walkErr.Path, cause(walkErr.Err)))
			continue
		}
		if err != nil {
			return err
		}
		full := path.Clean(filepath.ToSlash(f.full))
		if slices.ContainsFunc(d.files, func(have *draftFile) bool { return have.full == full }) {
			continue
		}
		d.files = append(d.files, &draftFile{full: full, size: f.info.Size()})
	}
	return nil
}

func readableExts() (exts []string) {
	for _, f := range extract.Formats {
		exts = append(exts, f.Exts...)
	}
	slices.Sort(exts)
	return exts
}

// countOthers counts what lies in a folder and is read by no format, and gives
// the pictures, by their extensions.
func (d *drafter) countOthers(arg string) (pictures map[string]int) {
	info, err := os.Stat(arg)
	if err != nil || !info.IsDir() {
		return nil
	}
	pictures = map[string]int{}
	seen := 0
	filepath.WalkDir(arg, func(p string, e fs.DirEntry, err error) error {
		seen++
		switch {
		case seen > 100_000 || d.ctx.Err() != nil:
			return fs.SkipAll
		case err == nil && !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && slices.Contains(extract.Image.Exts, strings.ToLower(path.Ext(e.Name()))):
			pictures[strings.ToLower(path.Ext(e.Name()))]++
		case err != nil, e.IsDir(), strings.HasPrefix(e.Name(), "."), strings.HasPrefix(e.Name(), "~$"), (&extract.Options{}).Reads(e.Name()):
		default:
			d.passed[strings.ToLower(path.Ext(e.Name()))]++
		}
		return nil
	})
	return pictures
}

// read samples every file into the group that it belongs to.
func (d *drafter) read() error {
	each := min(max(draftBytes/int64(len(d.files)), draftLeast), draftMost)
	docs := map[*extract.Format][]*draftFile{}
	for _, f := range d.files {
		if err := d.ctx.Err(); err != nil {
			return context.Cause(d.ctx)
		}
		in, closeFile, err := openInput(f.full)
		if err != nil {
			d.notes = append(d.notes, err.Error())
			continue
		}
		f.format, err = extract.Detect(in, extract.Options{})
		switch {
		case err != nil:
			d.notes = append(d.notes, f.full+": "+detailOf(err))
			d.unread = append(d.unread, f.full)
		case !f.format.Table:
			docs[f.format] = append(docs[f.format], f)
		default:
			d.table(in, f, each)
		}
		closeFile()
	}
	for _, format := range extract.Formats {
		if len(docs[format]) > 0 {
			d.documents(format, docs[format])
		}
	}
	return context.Cause(d.ctx)
}

func detailOf(err error) string {
	if fe, ok := errors.AsType[*extract.FileError](err); ok {
		return fe.Detail
	}
	return err.Error()
}

// openInput opens a file; the error says which.
func openInput(full string) (extract.Input, func(), error) {
	file, err := os.Open(filepath.FromSlash(full))
	if err != nil {
		return extract.Input{}, nil, fmt.Errorf("%s cannot be opened (%w)", full, cause(err))
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return extract.Input{}, nil, fmt.Errorf("%s cannot be opened (%w)", full, cause(err))
	}
	return extract.Input{Name: full, Size: info.Size(), Path: filepath.FromSlash(full), ReaderAt: file}, func() { file.Close() }, nil
}

// table reads some of a table. The sheets of a workbook can be of several groups.
func (d *drafter) table(in extract.Input, f *draftFile, each int64) {
	var last *extract.Header
	var g *draftGroup
	records, header, rows := 0, 0, 0
	left := false
	if f.format == extract.CSV {
		header = headerRow(d.ctx, in)
	}
	found := recordsOf(in, f.format)
	var warned []string
	opt := extract.Options{CSV: extract.CSVOptions{Header: header}, JSON: extract.JSONOptions{Records: found.at}, XML: extract.XMLOptions{Record: found.at}, Warn: func(p extract.Place, what string) {
		if len(warned) < 2 {
			warned = append(warned, p.String()+": "+what)
		}
	}}
	portion := extract.Portion{Bytes: each, Rows: draftRows}
	for rec, err := range extract.Sample(d.ctx, in, opt, portion, func() { left = true }) {
		if file, ok := errors.AsType[*extract.FileError](err); ok && d.ctx.Err() == nil {
			d.notes = append(d.notes, f.full+": "+file.Detail)
		}
		if err != nil {
			if g != nil {
				g.rows.Bad()
			}
			continue
		}
		records++
		if rec.Header != last || g == nil {
			last, rows = rec.Header, 0
			g = d.group(f, rec.Header.Names(), header, found)
		}
		if rows++; rows > draftRows && f.format != extract.CSV && f.format != extract.Excel && !flat(f.format) { // these are bounded by Sample
			left = true
			if f.format == extract.Parquet {
				break
			}
			continue // there may be other sheets
		}
		if s := rec.Place.Sheet; s != "" && !slices.Contains(g.sheets[f], s) {
			g.sheets[f] = append(g.sheets[f], s)
			f.sheets = append(f.sheets, s)
		}
		g.rows.Add(rec)
		if left {
			g.rows.Sampled()
		}
	}
	if left && g != nil {
		g.rows.Sampled()
	}
	if g != nil && len(g.notes) < 6 {
		g.notes = append(g.notes, warned...)
	}
	if records == 0 {
		d.unread = append(d.unread, f.full)
	}
	if records == 0 && d.ctx.Err() == nil && !slices.ContainsFunc(d.notes, func(n string) bool { return strings.HasPrefix(n, f.full+": ") }) {
		d.notes = append(d.notes, f.full+": there is no record in it, at most a header")
	}
}

// group finds the group of a table: those with the same columns, in any order,
// and of files of keys and values those with nearly the same.
func (d *drafter) group(f *draftFile, names []string, header int, found surveyed) *draftGroup {
	for _, g := range d.order {
		if !flat(f.format) || g.format != f.format || g.records.at != found.at || !alikeNames(g.names, names) {
			continue
		}
		for _, name := range names {
			if !slices.Contains(g.names, name) {
				g.names, g.varies = append(slices.Clone(g.names), name), true
			}
		}
		g.varies = g.varies || len(names) < len(g.names)
		if !slices.Contains(g.files, f) {
			g.files = append(g.files, f)
		}
		return g
	}
	sorted := slices.Sorted(slices.Values(names))
	key := fmt.Sprint(f.format.Name, header, "\x00", found.at, "\x00") + strings.Join(sorted, "\x00")
	g := d.groups[key]
	if g == nil {
		g = &draftGroup{key: key, format: f.format, names: names, records: found, header: header, sheets: map[*draftFile][]string{}, rows: transform.NewProfiler()}
		d.groups[key] = g
		d.order = append(d.order, g)
	}
	if !slices.Contains(g.files, f) {
		g.files = append(g.files, f)
	}
	return g
}

// documents reads some of many documents, evenly spread. Of documents of which
// none can be read there is nothing to say.
func (d *drafter) documents(format *extract.Format, files []*draftFile) {
	g := &draftGroup{key: format.Name, format: format, files: files, rows: transform.NewProfiler()}
	records := 0
	most, opt := draftPages, extract.Options{}
	if format == extract.Image {
		most, opt.OCR, g.ocr = draftPictures, pictureOCR, true
	}
	step := max(1, (len(files)+most-1)/most)
	for i := 0; i < len(files) && d.ctx.Err() == nil; i += step {
		in, closeFile, err := openInput(files[i].full)
		if err != nil {
			continue
		}
		for rec, err := range extract.Records(d.ctx, in, opt) {
			if err != nil {
				g.rows.Bad()
				if file, ok := errors.AsType[*extract.FileError](err); ok && d.ctx.Err() == nil {
					d.notes = append(d.notes, files[i].full+": "+file.Detail)
				}
				continue
			}
			records++
			g.rows.Add(rec)
		}
		closeFile()
	}
	if step > 1 {
		g.rows.Sampled()
	}
	if records > 0 {
		d.order = append(d.order, g)
		return
	}
	for _, f := range files {
		d.unread = append(d.unread, f.full)
	}
}

// draft makes sources of the groups.
func (d *drafter) draft(args []string) (transform.Draft, error) {
	out := transform.Draft{Folder: folderName(args)}
	taken := map[string]bool{}
	for _, g := range d.order {
		kind := ""
		if g.format == extract.CSV && len(g.files) == 1 {
			kind = transform.SideKind(g.names)
		}
		switch {
		case kind == "identities" && out.Identities == "" && len(d.order) > 1:
			out.Identities = d.relative(g.files[0].full)
			continue
		case kind == "groups" && out.Groups == "" && len(d.order) > 1:
			out.Groups = d.relative(g.files[0].full)
			continue
		}
		for _, part := range g.bySheets() {
			if len(out.Sources) == draftSources {
				d.notes = append(d.notes, fmt.Sprintf("%s and what comes after: the files are of more than %d kinds; make a mapping for each collection", g.files[0].full, draftSources))
				break
			}
			out.Sources = append(out.Sources, d.sources(g, part, taken)...)
		}
	}
	if len(d.seen) > 0 {
		out.Notes = append(out.Notes, picturesNote(d.seen))
	}
	for _, ext := range slices.Sorted(maps.Keys(d.passed)) {
		out.Notes = append(out.Notes, unreadNote(ext, d.passed[ext]))
	}
	const most = 20
	for i, n := range d.notes {
		if i == most {
			out.Notes = append(out.Notes, fmt.Sprintf("... and %d more.", len(d.notes)-most))
			break
		}
		out.Notes = append(out.Notes, n)
	}
	if len(out.Sources) == 0 {
		e := &transform.Error{Pos: transform.Pos{File: args[0], Line: 1, Col: 1}, Detail: "no record could be read", Remedy: "look at the files, or name others"}
		if len(d.notes) > 0 {
			e.Detail += ": " + strings.Join(d.notes[:min(len(d.notes), 3)], "; ")
		}
		return out, e
	}
	return out, nil
}

// pictureOCR is how pictures are read: nothing else reads them.
var pictureOCR = extract.OCROptions{When: extract.OCRAuto, Languages: []string{"eng"}}

func picturesNote(seen map[string]int) string {
	n := 0
	for _, count := range seen {
		n += count
	}
	return fmt.Sprintf("Passed over, as they are pictures: %s (%s). A source of their own with ocr: {languages: [eng]} reads their text; init writes one for a folder of nothing else.",
		plainCount(n, "file"), strings.Join(slices.Sorted(maps.Keys(seen)), ", "))
}

func unreadNote(ext string, n int) string {
	what, end := "1 file", "ends in "+strconv.Quote(ext)
	if n > 1 {
		what, end = fmt.Sprintf("%d files", n), "end in "+strconv.Quote(ext)
	}
	if ext == "" {
		end = "without an extension"
		return fmt.Sprintf("Passed over, as nothing reads it: %s %s.", what, end)
	}
	return fmt.Sprintf("Passed over, as nothing reads it: %s that %s.", what, end)
}

// A sheetPart is the files of a group of which the same sheets are read.
type sheetPart struct {
	files  []*draftFile
	sheets []string // nil is all
}

// bySheets parts the workbooks of a group by which of their sheets belong to it.
func (g *draftGroup) bySheets() []*sheetPart {
	var parts []*sheetPart
	for _, f := range g.files {
		sheets := g.sheets[f]
		if len(sheets) == len(f.sheets) {
			sheets = nil
		}
		i := slices.IndexFunc(parts, func(p *sheetPart) bool { return slices.Equal(p.sheets, sheets) })
		if i < 0 {
			i = len(parts)
			parts = append(parts, &sheetPart{sheets: sheets})
		}
		parts[i].files = append(parts[i].files, f)
	}
	return parts
}

// sources makes the sources of some files: one, or one each where no pattern
// matches just these.
func (d *drafter) sources(g *draftGroup, part *sheetPart, taken map[string]bool) []transform.DraftSource {
	source := func(files []*draftFile, pattern string) transform.DraftSource {
		src := transform.DraftSource{Name: d.name(files, part.sheets, taken), Path: d.relative(pattern), Format: g.format.Name, Sheets: part.sheets, Header: g.header, OCR: g.ocr, Notes: g.notes, Rows: g.rows,
			Records: g.records.at, RecordsNote: g.records.note}
		if g.varies {
			src.Columns = g.names
		}
		src.Root, _ = doublestar.SplitPattern(pattern)
		src.Deep = slices.ContainsFunc(files, func(f *draftFile) bool { return path.Dir(f.full) != src.Root })
		return src
	}
	var names []string
	for _, f := range part.files {
		names = append(names, f.full)
	}
	if pattern := patternOf(names, d.unread); pattern != "" {
		return []transform.DraftSource{source(part.files, pattern)}
	}
	var out []transform.DraftSource
	for _, f := range part.files {
		out = append(out, source([]*draftFile{f}, escapePattern(f.full)))
	}
	return out
}

// name makes a name for a source: of its file, or of its folder.
func (d *drafter) name(files []*draftFile, sheets []string, taken map[string]bool) string {
	base := strings.TrimSuffix(path.Base(files[0].full), path.Ext(files[0].full))
	if len(files) > 1 {
		var names []string
		for _, f := range files {
			names = append(names, path.Base(f.full))
		}
		base = strings.TrimRight(commonPrefix(names), "-_. 0123456789")
		if len(base) < 3 {
			base = path.Base(commonFolder(files[0].full, files[len(files)-1].full))
		}
	}
	if len(sheets) == 1 {
		base += "-" + sheets[0]
	}
	name := transform.Slug(base)
	if name == "" {
		name = files[0].format.Name
	}
	name = name[:min(len(name), 40)]
	free := name
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s-%d", name, n)
	}
	taken[free] = true
	return free
}

// relative is a path as seen from the mapping's folder.
func (d *drafter) relative(p string) string {
	if path.IsAbs(p) {
		dir, err := filepath.Abs(d.dir)
		if err != nil {
			return p
		}
		return relativeTo(filepath.ToSlash(dir), p)
	}
	if rel := relativeTo(path.Clean(filepath.ToSlash(d.dir)), p); rel != "" {
		return rel
	}
	dir, err1 := filepath.Abs(d.dir)
	abs, err2 := filepath.Abs(filepath.FromSlash(p))
	if err1 != nil || err2 != nil {
		return p
	}
	return relativeTo(filepath.ToSlash(dir), filepath.ToSlash(abs))
}

// relativeTo leads from a folder to a path, both absolute or both relative.
func relativeTo(dir, p string) string {
	rel, err := filepath.Rel(filepath.FromSlash(dir), filepath.FromSlash(p))
	if err != nil {
		return ""
	}
	return filepath.ToSlash(rel)
}

// folderName names the collection: the folder that was given, or that of the
// first file, or the file.
func folderName(args []string) string {
	arg := args[0]
	if info, err := os.Stat(arg); err == nil && !info.IsDir() && len(args) == 1 {
		return strings.TrimSuffix(filepath.Base(arg), filepath.Ext(arg))
	} else if err == nil && !info.IsDir() {
		arg = filepath.Dir(arg)
	} else if err != nil {
		base, _ := doublestar.SplitPattern(filepath.ToSlash(arg))
		arg = base
	}
	abs, err := filepath.Abs(arg)
	if err != nil {
		return "files"
	}
	return filepath.Base(abs)
}
