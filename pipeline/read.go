package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"importer/extract"
	"importer/pipeline/state"
	"importer/transform"
)

// A chunk is a piece of one file, in order.
type chunk struct {
	file *state.Source
	src  *transform.Source
	outs []outcome
	// end is set on the last chunk of a file.
	end     bool
	whole   bool           // the file was read to its end, and did not change meanwhile
	changed bool           // it did change meanwhile
	refusal *state.Refusal // the file's own, where it was not read to its end
	parts   int64          // records of the whole file, those before the resume position included
	racy    bool           // the file is so young that its time does not tell later changes
	hash    []byte         // of the content, when it was read whole or cannot be
	parser  string         // what read it
	failed  string         // the reason why no other reading of the same content would come further; else ""
}

// An outcome is what became of one record on its way to the target.
type outcome struct {
	part    int64
	item    *transform.Item // nil when filtered or refused
	size    int             // of the item, about
	digest  [32]byte
	refusal *state.Refusal      // nil when filtered
	acl     []transform.Access  // of a record that is refused for something else
	unknown []transform.Unknown // names in its permissions that are nobody's
	record  kept
	named   string // the id by which events name it, where that is not its item's
}

// A recycler hands the room of chunks that were taken back to the readers.
type recycler struct{ pool sync.Pool }

func (r *recycler) get() []outcome {
	if outs, ok := r.pool.Get().(*[]outcome); ok {
		return *outs
	}
	return make([]outcome, 0, chunkItems)
}

func (r *recycler) put(ch *chunk) {
	if cap(ch.outs) < chunkItems {
		return
	}
	clear(ch.outs)
	outs := ch.outs[:0]
	ch.outs = nil
	r.pool.Put(&outs)
}

const (
	chunkItems = 500
	chunkBytes = 4 << 20
)

// A reading is a file on its way from a reader to the crawl.
type reading struct{ chunks chan *chunk }

// read turns one file into chunks. It returns when the file has ended, or with
// ctx's error.
func (c *Crawl) read(ctx context.Context, f *state.Source, out chan<- *chunk) error {
	src := c.source(f.Name)
	r := &reader{c: c, ctx: ctx, out: out, chunk: &chunk{file: f, src: src}, parser: parsers()}
	if c.held(src, c.full(f, src)) { // written to since it was met, or not known whole
		c.progress.bytesDone.Add(f.Size)
		r.chunk.end = true
		return r.send()
	}
	if err := c.driftRefusal(f, src); err != nil {
		c.progress.bytesDone.Add(f.Size)
		r.chunk.refusal, r.chunk.end = refuseFile(err, c.display(f, src)), true
		return r.send()
	}
	began := time.Now()
	opt := src.Options
	opt.Warn = r.warn
	opt.Found = func(f *extract.Format) { r.parser = f.ID() }
	var err error
	if r.fixes, err = c.loadFixes(ctx, f); err != nil {
		return err
	}
	hash := f.Known
	if kept, ok := c.Cache.Get(ctx, f.Known, c.display(f, src), opt); ok {
		err = r.records(kept, c.fileOf(f, src))
		c.progress.bytesDone.Add(f.Size)
	} else {
		hash, err = r.file(f, src, opt)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var drift *DriftError
	if errors.As(err, &drift) {
		return drift
	}
	var broken *stateError
	if errors.As(err, &broken) {
		return broken.error
	}
	last := r.chunk
	if file, ok := errors.AsType[*extract.FileError](err); ok {
		r.missing = append(r.missing, file.Missing...)
	}
	last.parser = lacking(r.parser, r.missing)
	if err == nil || lasting(err) {
		last.hash = hash
		last.changed = changed(c.full(f, src), f)
	}
	if err != nil {
		last.refusal = refuseFile(err, c.display(f, src))
		if last.hash != nil && !last.changed {
			last.failed = last.refusal.Reason
		}
		last.changed = false // that it cannot be read is told
	}
	last.end, last.whole, last.parts = true, err == nil && !last.changed, r.part
	last.racy = young(f.Modified, began)
	return r.send()
}

// file opens the file and reads its records. hash is that of its content, nil
// when the file system is to blame for how it ended, or nobody wants it.
func (r *reader) file(f *state.Source, src *transform.Source, opt extract.Options) (hash []byte, err error) {
	c := r.c
	c.opens(f, src)
	in, closeFile, err := c.open(f, src)
	if err != nil {
		c.progress.bytesDone.Add(f.Size)
		return nil, err
	}
	defer closeFile()
	meter := &meter{r: in.ReaderAt, done: &c.progress.bytesDone}
	if c.Store.Keeps() || c.Cache.Worth(in.Name, opt) {
		meter.sum = sha256.New()
	}
	in.ReaderAt = meter
	err = r.records(c.Cache.Records(r.ctx, in, opt, func() []byte { return meter.hash(f.Size) }), c.fileOf(f, src))
	c.progress.bytesDone.Add(f.Size - meter.at.Load())
	if err != nil && !lasting(err) {
		return nil, err
	}
	return meter.hash(f.Size), err // before it is looked at whether the file has changed
}

// lasting tells of an error that ended a file that its content is to blame.
func lasting(err error) bool {
	var file *extract.FileError
	return errors.As(err, &file) && file.Lasting()
}

// young tells that a file was changed so lately that a further change may not
// show in its time: some file systems count in steps of two seconds.
func young(modified, now time.Time) bool { return modified.After(now.Add(-2 * time.Second)) }

func changed(full string, f *state.Source) bool {
	info, err := os.Stat(full)
	return err != nil || info.Size() != f.Size || !info.ModTime().Equal(f.Modified)
}

type reader struct {
	c     *Crawl
	ctx   context.Context
	out   chan<- *chunk
	chunk *chunk
	bytes int
	part  int64

	waiting []waiting
	names   []transform.Name // that they wait for
	waits   int              // bytes of them, about

	fixes   *fixes
	parser  string   // what reads the file; all that there are while that is not known
	missing []string // programs that something of the file would be read by
}

func (r *reader) warn(p extract.Place, what string) {
	if r.c.progress.warned.Add(1) <= 100 {
		r.c.Log.Warn(p.String() + ": " + what)
	}
}

// records makes outcomes of the file's records; its error is the file's.
func (r *reader) records(seq iter.Seq2[extract.Record, error], file *extract.File) error {
	f := r.chunk.file
	for rec, err := range seq {
		var bad *extract.RecordError
		if err != nil && !errors.As(err, &bad) {
			if waited := r.resolve(file); waited != nil {
				return waited
			}
			return err
		}
		if bad != nil {
			r.missing = append(r.missing, bad.Missing...)
		}
		if rec.Doc != nil && rec.Doc.Unread > 0 {
			r.c.progress.unreadPages.Add(int64(rec.Doc.Unread))
			r.c.progress.unreadDocuments.Add(1)
		}
		hit := r.fixes.meet(r.keep(rec, bad))
		if r.part < f.Resume {
			r.part++ // settled before the run was interrupted
			r.c.progress.read.Add(1)
			continue
		}
		if err := r.take(waiting{rec: rec, bad: bad, hit: hit}, file); err != nil {
			return err
		}
	}
	return r.resolve(file)
}

// A waiting record waits for its names to be looked up, or for one before it
// that does.
type waiting struct {
	rec extract.Record
	bad *extract.RecordError
	hit hit
	out *outcome // nil: names are missing
}

// take maps a record. One whose names have to be looked up first waits, and
// those that come after it, until there are enough of them for one question.
func (r *reader) take(w waiting, file *extract.File) error {
	if w.rec.Doc != nil {
		for _, words := range w.rec.Doc.Warnings {
			r.warn(w.rec.Place, words)
		}
	}
	o, err := r.mended(w.rec, w.bad, file, w.hit)
	var names *transform.UnresolvedError
	switch {
	case errors.As(err, &names):
		r.names = append(r.names, names.Names...)
		if w.rec.Doc != nil {
			r.waits += len(w.rec.Doc.Body)
		}
	case err != nil:
		return errors.Join(r.resolve(file), err)
	case len(r.waiting) == 0:
		return r.add(o)
	default:
		w.out = &o
		r.waits += o.size
	}
	r.waiting = append(r.waiting, w)
	if len(r.waiting) < chunkItems && r.waits < chunkBytes {
		return nil
	}
	return r.resolve(file)
}

// resolve looks up what records wait for, and lets them go on.
func (r *reader) resolve(file *extract.File) error {
	if len(r.waiting) == 0 {
		return nil
	}
	sortNames(r.names)
	if err := r.c.people.resolve(r.ctx, r.names); err != nil {
		return &stateError{err}
	}
	all := r.waiting
	r.waiting, r.names, r.waits = nil, nil, 0
	for _, w := range all {
		if w.out == nil {
			o, err := r.mended(w.rec, w.bad, file, w.hit)
			if err != nil {
				return err
			}
			w.out = &o
		}
		if err := r.add(*w.out); err != nil {
			return err
		}
	}
	return nil
}

// apply makes an outcome of a record, which fix has mended, if any. Its error
// is one of the whole file.
func (r *reader) apply(rec extract.Record, bad *extract.RecordError, file *extract.File, fix *usedFix) (outcome, error) {
	record := r.keep(rec, bad)
	record.fix = fix
	if bad != nil {
		ref := refuse(bad.Place, "extract", bad.Reason, bad.Detail)
		record.on(ref, nil)
		return outcome{refusal: ref}, nil
	}
	rec.SetFile(file)
	item, err := r.chunk.src.ApplyWith(rec, r.c.directory())
	var wrong *transform.ItemError
	switch {
	case err == nil:
		o := outcome{item: item, size: sizeOf(item) + record.size(), unknown: item.Dropped, record: record, named: r.chunk.src.OtherName(item)}
		if r.c.Store.Keeps() {
			o.digest = item.Digest()
		}
		if rec.Doc != nil && rec.Part == nil {
			r.c.noteFills(r.chunk.src, item)
		}
		return o, nil
	case errors.Is(err, transform.ErrSkip):
		return outcome{record: kept{fix: fix}, named: r.chunk.src.NamedByEvents(rec)}, nil
	case errors.As(err, &wrong):
		ref := refuse(wrong.Place, "transform", wrong.Reason, wrong.Detail)
		ref.Property, ref.Value, ref.Item = wrong.Property, wrong.Value, wrong.ID
		record.on(ref, wrong.Columns)
		return outcome{refusal: ref, acl: wrong.ACL, unknown: wrong.Unknown, record: kept{fix: fix}}, nil
	}
	var errs transform.Errors
	switch {
	case errors.As(err, &errs) && rec.Doc != nil:
		err = &extract.FileError{Place: extract.Place{File: rec.Place.File}, Reason: transform.ReasonNoColumns,
			Detail: "the file is a document without columns, and the source is one of tables; export it again as a table, or take it out of the source's path"}
	case errors.As(err, &errs):
		place := rec.Place
		place.Line, place.Col, place.Page = 0, 0, 0
		err = &DriftError{File: place.String(), Sheet: place.Sheet, Errs: errs}
	}
	return outcome{}, err
}

func sizeOf(it *transform.Item) int {
	n := 256 + len(it.Content.Value)
	for i := range it.Properties {
		n += len(it.Properties[i].Value.Str)
	}
	return n
}

// add puts an outcome into the chunk and sends the chunk when it is full.
func (r *reader) add(o outcome) error {
	o.part = r.part
	r.part++
	r.c.progress.read.Add(1)
	if r.chunk.outs == nil {
		r.chunk.outs = make([]outcome, 0, 16)
	}
	r.chunk.outs = append(r.chunk.outs, o)
	r.bytes += o.size
	if len(r.chunk.outs) < chunkItems && r.bytes < chunkBytes {
		return nil
	}
	full := r.chunk
	if err := r.send(); err != nil {
		return err
	}
	r.chunk, r.bytes = &chunk{file: full.file, src: full.src, outs: r.c.outcomes.get()}, 0
	return nil
}

func (r *reader) send() error {
	select {
	case r.out <- r.chunk:
		return nil
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
}

func refuse(p extract.Place, stage, reason, detail string) *state.Refusal {
	return &state.Refusal{Stage: stage, Reason: reason, Detail: detail, File: p.File, Sheet: p.Sheet, Page: p.Page, Line: p.Line, Col: p.Col}
}

// refuseFile makes a refusal of the error that ended a file.
func refuseFile(err error, name string) *state.Refusal {
	var file *extract.FileError
	if errors.As(err, &file) {
		return refuse(file.Place, "extract", file.Reason, file.Detail)
	}
	reason := extract.ReasonBroken
	if errors.Is(err, extract.ErrShort) {
		reason = extract.ReasonShort
	}
	return refuse(extract.Place{File: name}, "extract", reason, fmt.Sprintf("cannot be read to its end (%v)", err))
}

// A meter tells how far a file has been read, for the progress, and takes its
// hash on the way as far as it is read from front to back.
type meter struct {
	r    io.ReaderAt
	at   atomic.Int64 // the end of what was read
	done *atomic.Int64

	mu     sync.Mutex // guards the fields below
	sum    hash.Hash  // nil: not wanted
	hashed int64      // bytes that sum has
}

// hash is the SHA-256 of the file's size bytes, nil when it is not to be had.
// What was read out of order is read once more.
func (m *meter) hash(size int64) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sum == nil {
		return nil
	}
	if m.hashed < size {
		n, err := io.CopyBuffer(m.sum, io.NewSectionReader(m.r, m.hashed, size-m.hashed), make([]byte, 256<<10))
		if m.hashed += n; err != nil {
			return nil
		}
	}
	if m.hashed != size { // it has become shorter
		return nil
	}
	return m.sum.Sum(nil)
}

func (m *meter) add(p []byte, off int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if end := off + int64(len(p)); m.sum != nil && off <= m.hashed && m.hashed < end {
		m.sum.Write(p[m.hashed-off:])
		m.hashed = end
	}
}

func (m *meter) ReadAt(p []byte, off int64) (int, error) {
	n, err := m.r.ReadAt(p, off)
	m.add(p[:n], off)
	for end := off + int64(n); ; {
		at := m.at.Load()
		if end <= at {
			return n, err
		}
		if m.at.CompareAndSwap(at, end) {
			m.done.Add(end - at)
			return n, err
		}
	}
}

func hashFile(path string) (string, error) {
	sum, err := hashContent(path)
	return hex.EncodeToString(sum), err
}

// hashContent is the SHA-256 of a file.
func hashContent(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, cause(err)
	}
	return h.Sum(nil), nil
}
