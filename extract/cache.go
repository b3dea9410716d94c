package extract

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Cache keeps what was read of documents that are dear to read, so that a
// changed mapping need not open them again. An entry is known by the content
// of the file, the version of its reader and the options: whatever of these
// changes, the document is read anew.
//
// Documents that could not be read are kept as well, so that one that takes its
// whole time limit costs it once and not every night.
//
// # Layout
//
// One file an entry, dir/ab/<hex of 32 bytes>, gzip over JSON lines: a record
// or a record's error a line, and a last line that says how the sequence ended.
// An entry without its last line, or with a wrong checksum, is none. The files
// hold the text of documents: they have mode 0600.
//
// A nil Cache keeps nothing. A Cache is safe for concurrent use, also by
// several processes.
type Cache struct {
	dir string
	max int64
	// Retry tells that documents that could not be read are tried again.
	Retry bool
}

// cacheVersion is part of every key: it changes with the layout.
const cacheVersion = "cache/2"

// OpenCache makes a cache in dir, which it makes when it is needed. It holds up
// to so many bytes after Trim.
func OpenCache(dir string, most int64) *Cache { return &Cache{dir: dir, max: most} }

// Worth tells whether a file's records can be kept and are dear enough to be,
// going by its name and the options.
func (c *Cache) Worth(name string, opt Options) bool {
	return c != nil && cached(name, opt) != nil
}

func cached(name string, opt Options) *Format {
	if opt.Converts(name) {
		return converted
	}
	ext := strings.ToLower(path.Ext(name))
	for _, f := range Formats {
		if f.Keep && (opt.Format == f.Name || opt.Format == "" && slices.Contains(f.Exts, ext)) {
			return f
		}
	}
	return nil
}

// key names the entry of a content under the options.
func (c *Cache) key(sum []byte, f *Format, opt Options) string {
	opt.Warn, opt.Found = nil, nil
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s\n%x\n%+v", cacheVersion, f.Name, f.VersionFor(opt), sum, opt)
	if opt.Attachments == AttachmentItems { // which may be of any format
		for _, f := range Formats {
			fmt.Fprintf(h, "\n%s\n%s", f.Name, f.VersionFor(opt))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (c *Cache) file(key string) string { return filepath.Join(c.dir, key[:2], key) }

// A cacheLine is a line of an entry.
type cacheLine struct {
	Place *Place       `json:"place,omitempty"` // its File is left out
	Part  *cachedPart  `json:"part,omitempty"`
	Doc   *wireDoc     `json:"doc,omitempty"`
	Bad   *wireFailure `json:"bad,omitempty"` // of the record
	End   *wireFailure `json:"end,omitempty"` // the last line
}

// A cachedPart is a Part. Its parent is the first record of the Path up to its
// last separator that stands at the Line.
type cachedPart struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Line   int    `json:"line,omitempty"`
}

// A partKey names a record that may have attachments.
type partKey struct {
	path string
	line int
}

// Get gives the records of a file whose content has the hash sum, named name,
// if they are kept. The sequence is that of Records.
func (c *Cache) Get(ctx context.Context, sum []byte, name string, opt Options) (records iter.Seq2[Record, error], ok bool) {
	if c == nil || len(sum) == 0 {
		return nil, false
	}
	f := cached(name, opt)
	if f == nil {
		return nil, false
	}
	file := c.file(c.key(sum, f, opt))
	end, err := check(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false
	case err != nil: // torn, or of another time: it is made anew
		os.Remove(file)
		return nil, false
	case end.Reason != "" && c.Retry:
		return nil, false
	}
	touch(file)
	return func(yield func(Record, error) bool) {
		if opt.Found != nil {
			opt.Found(f)
		}
		replay(ctx, file, name, yield)
	}, true
}

// check reads an entry to its end, with its checksum, and gives its last line.
func check(file string) (*wireFailure, error) {
	var end *wireFailure
	err := each(file, func(line *cacheLine) bool {
		end = line.End
		return true
	})
	if err == nil && end == nil {
		err = errors.New("it has no end")
	}
	return end, err
}

// each calls do with the lines of an entry until it says false.
func each(file string, do func(*cacheLine) bool) (err error) {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(bufio.NewReaderSize(f, 64<<10))
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bufio.NewReaderSize(z, 64<<10))
	for {
		var line cacheLine
		switch err := dec.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if !do(&line) {
			return nil
		}
	}
}

func replay(ctx context.Context, file, name string, yield func(Record, error) bool) {
	parents := map[partKey]*Record{}
	broken := func(why string) {
		yield(Record{}, &FileError{Place: Place{File: name}, Reason: ReasonUnreadable,
			Detail: fmt.Sprintf("what was kept of it cannot be read (%s); run again, or with --no-cache", why)})
	}
	ended := false
	err := each(file, func(line *cacheLine) bool {
		if ctx.Err() != nil {
			return false
		}
		switch {
		case line.End != nil:
			ended = true
			if line.End.Reason != "" {
				yield(Record{}, line.End.fileError(name))
			}
			return false
		case line.Bad != nil:
			return yield(Record{}, &RecordError{Place: line.Bad.at(name), Reason: line.Bad.Reason, Detail: line.Bad.Detail})
		case line.Doc != nil && line.Place != nil:
			if !yield(line.record(name, parents), nil) {
				ended = true
				return false
			}
		}
		return true
	})
	switch {
	case ctx.Err() != nil:
		yield(Record{}, ctx.Err())
	case err != nil:
		broken(err.Error())
	case !ended: // unreachable: check has seen its end, unless it was replaced
		broken("it has no end")
	}
}

// record makes the record of a line; parents are those of the lines before.
func (l *cacheLine) record(name string, parents map[partKey]*Record) Record {
	rec := Record{Place: *l.Place, Doc: l.Doc.document()}
	rec.Place.File = name + rec.Place.File
	at := ""
	if p := l.Part; p != nil {
		at = p.Path
		above, _, _ := cutLast(at, partSep)
		rec.Part = &Part{Path: at, Size: p.Size, SHA256: p.SHA256, Parent: parents[partKey{above, p.Line}]}
	}
	if key := (partKey{at, rec.Place.Line}); parents[key] == nil {
		own := rec
		parents[key] = &own
	}
	return rec
}

// cutLast cuts s around the last sep; before is "" without one.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// Records is the function Records, and keeps what it yields. sum is the hash of
// the content; it is called before anything is read. Nothing is kept when the
// consumer breaks off, when ctx ends, or when the disk is to blame.
func (c *Cache) Records(ctx context.Context, in Input, opt Options, sum func() []byte) iter.Seq2[Record, error] {
	if !c.Worth(in.Name, opt) {
		return Records(ctx, in, opt)
	}
	return func(yield func(Record, error) bool) {
		hash := sum()
		if kept, ok := c.Get(ctx, hash, in.Name, opt); ok {
			kept(yield)
			return
		}
		w := c.writer(hash, in.Name, cached(in.Name, opt), opt)
		defer w.discard()
		for rec, err := range Records(ctx, in, opt) {
			w.add(rec, err)
			if w.ended { // the consumer may break off now
				w.keep()
			}
			if !yield(rec, err) {
				return
			}
		}
		if ctx.Err() == nil && !w.ended {
			w.keep()
		}
	}
}

// A cacheWriter writes an entry. It fails in silence: without an entry the
// document is read again, and that is all.
type cacheWriter struct {
	name  string // of the input
	file  string // where it is to be
	f     *os.File
	z     *gzip.Writer
	enc   *json.Encoder
	err   error
	ended bool
}

func (c *Cache) writer(sum []byte, name string, f *Format, opt Options) *cacheWriter {
	w := &cacheWriter{name: name}
	if len(sum) == 0 {
		w.err = errors.New("no hash")
		return w
	}
	w.file = c.file(c.key(sum, f, opt))
	if w.err = os.MkdirAll(filepath.Dir(w.file), 0o700); w.err != nil {
		return w
	}
	if w.f, w.err = os.CreateTemp(filepath.Dir(w.file), "new-"); w.err != nil {
		return w
	}
	w.z, w.err = gzip.NewWriterLevel(w.f, gzip.BestSpeed)
	w.enc = json.NewEncoder(w.z)
	w.enc.SetEscapeHTML(false)
	return w
}

func (w *cacheWriter) add(rec Record, err error) {
	if w.err != nil {
		return
	}
	var line cacheLine
	var bad *RecordError
	var file *FileError
	switch {
	case err == nil && (rec.Doc == nil || rec.Doc.Select != nil):
		w.err = errors.New("not a document of data alone")
		return
	case err == nil:
		p := rec.Place
		p.File = strings.TrimPrefix(p.File, w.name)
		line = cacheLine{Place: &p, Doc: docToWire(rec.Doc)}
		if part := rec.Part; part != nil {
			line.Part = &cachedPart{Path: part.Path, Size: part.Size, SHA256: part.SHA256}
			if part.Parent != nil {
				line.Part.Line = part.Parent.Place.Line
			}
		}
	case errors.As(err, &bad) && len(bad.Missing) > 0, errors.As(err, &file) && len(file.Missing) > 0:
		w.err = errors.New("a program is missing that may be there the next time")
		return
	case errors.As(err, &bad):
		line.Bad = &wireFailure{Place: bad.Place, Reason: bad.Reason, Detail: bad.Detail}
	case errors.As(err, &file) && file.Lasting():
		w.ended = true
		line.End = &wireFailure{Place: file.Place, Reason: file.Reason, Detail: file.Detail, Short: errors.Is(err, ErrShort)}
	default: // the disk, a cancel: another time it may go well
		w.err = err
		return
	}
	for _, f := range []*wireFailure{line.Bad, line.End} {
		if f != nil {
			f.Place.File = strings.TrimPrefix(f.Place.File, w.name)
		}
	}
	w.err = w.enc.Encode(line)
}

// keep makes the entry one.
func (w *cacheWriter) keep() {
	if w.err == nil && !w.ended {
		w.err = w.enc.Encode(cacheLine{End: &wireFailure{}})
	}
	if w.err == nil {
		w.err = w.z.Close()
	}
	if w.err == nil {
		w.err = w.f.Close()
	}
	if w.err == nil && os.Rename(w.f.Name(), w.file) == nil {
		w.f = nil
	}
}

// discard removes what is no entry.
func (w *cacheWriter) discard() {
	if w.f != nil {
		w.f.Close()
		os.Remove(w.f.Name())
	}
}

// touch notes that an entry was of use, at most once a day.
func touch(file string) {
	if info, err := os.Stat(file); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
		now := time.Now()
		_ = os.Chtimes(file, now, now) // it only goes a little earlier then
	}
}

// Trim removes the entries that were of no use for longest, until the cache is
// a tenth under its size. Errors of single files are passed over.
func (c *Cache) Trim() {
	if c == nil {
		return
	}
	type entry struct {
		path string
		size int64
		used time.Time
	}
	var all []entry
	var total int64
	_ = filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		if strings.HasPrefix(d.Name(), "new-") {
			if time.Since(info.ModTime()) > 24*time.Hour { // left by a killed process
				os.Remove(path)
			}
			return nil
		}
		all = append(all, entry{path, info.Size(), info.ModTime()})
		total += info.Size()
		return nil
	})
	if total <= c.max {
		return
	}
	slices.SortFunc(all, func(a, b entry) int { return a.used.Compare(b.used) })
	for _, e := range all {
		if total <= c.max-c.max/10 {
			return
		}
		if os.Remove(e.path) == nil {
			total -= e.size
		}
	}
}
