package extract

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// This file reads documents of any format but PDF in the workers of
// sandbox.go: the worker runs the format's reader, and its records come over
// the pipe as they are.

// A readRequest is a document to read by its format's reader.
type readRequest struct {
	Format  string  `json:"format"`
	Path    string  `json:"path"` // of the file, or of a copy
	Name    string  `json:"name"` // of the input
	Size    int64   `json:"size"`
	Options Options `json:"options"`
	// Spool is a folder that the attachments' contents are put into, as 0, 1,
	// 2, ... in their order; "" is not at all.
	Spool string `json:"spool,omitempty"`
}

// A readFrame is what a worker tells: ready, records, and end or fail.
type readFrame struct {
	Kind  frameKind   `json:"kind"`
	Lines []wireLine  `json:"lines,omitempty"` // records
	Fail  wireFailure `json:"fail,omitzero"`   // fail
}

const frameRecords frameKind = "records"

// Defaults of the time that a document may take in a worker: a table gets the
// time anew with every frame, and any other also that for each megabyte.
const (
	readTime       = 20 * time.Second
	readTimePerMiB = time.Second
)

// What is gathered before it is sent: a pipe's crossing costs as much as a few
// rows.
const (
	frameLines = 256
	frameBytes = 64 << 10
	frameAge   = time.Second
)

// isolated is f.Read in a worker.
func isolated(ctx context.Context, f *Format, in Input, opt Options) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r := &readBox{pool: workers, format: f, in: in, opt: opt, yield: yield}
		if err := r.read(ctx); err != nil && err != errBreak {
			yield(Record{}, err)
		}
	}
}

// A readBox is the parent's side of one reading.
type readBox struct {
	pool   *workerPool
	format *Format
	in     Input
	opt    Options
	yield  func(Record, error) bool

	spool  string
	files  int // attachments met
	header *Header
	told   bool // a record was yielded
}

func (r *readBox) read(ctx context.Context) error {
	path, done, err := r.in.file("importer-*" + filepath.Ext(r.in.Name))
	if err != nil {
		return err
	}
	defer done()
	opt := r.opt
	opt.Warn = nil
	if opt.Attachments == AttachmentItems {
		if r.spool, err = opt.spool.folder(); err != nil {
			return r.fail(ReasonUnreadable, err.Error())
		}
	}
	req := readRequest{Format: r.format.Name, Path: path, Name: r.in.Name, Size: r.in.Size, Options: opt, Spool: r.spool}
	err = r.pool.use(ctx, func(w *worker) error { return r.serve(w, req) })
	if death, ok := errors.AsType[*workerDeath](err); ok {
		err = r.fail(death.reason, death.detail)
	}
	if bad, ok := errors.AsType[*FileError](err); ok && r.told && !errors.Is(err, ErrShort) {
		bad.Err = errors.Join(ErrShort, bad.Err)
	}
	return err
}

// refused makes what a worker tells of a file a refusal.
func (e *FileError) refused() {}

func (r *readBox) fail(reason, detail string) *FileError {
	return &FileError{Place: Place{File: r.in.Name}, Reason: reason, Detail: detail}
}

// clock has the limits of the document.
func (r *readBox) clock() *workerClock {
	c := &workerClock{silence: readTime, memory: orDefault(r.opt.Limits.Memory, workerMemory)}
	if !r.format.Table {
		c.total = readTime + time.Duration(r.in.Size>>20)*readTimePerMiB
		c.silence = c.total // the only record comes at the end
	}
	if t := r.opt.Limits.Time; t > 0 {
		c.silence, c.total = t, t
	}
	if r.format.Patience != nil {
		c.extend(r.format.Patience(r.in, r.opt))
	}
	return c
}

// serve has a worker read the document.
func (r *readBox) serve(w *worker, req readRequest) error {
	death := &workerDeath{stale: w.served}
	clock := r.clock()
	most := 6*orDefault(r.opt.Limits.Record, defaultRecordLimit)*2 + frameOverhead
	err := writeMessage(w.in, workerRequest{Read: &req, Memory: clock.memory})
	for err == nil {
		var f readFrame
		if err = w.next(clock, most, &f); err != nil {
			break
		}
		w.served, death.stale = true, false
		switch f.Kind {
		case frameReady:
			clock.ready()
		case frameEnd:
			return nil
		case frameFail:
			return f.Fail.fileError(r.in.Name)
		case frameRecords:
			for i := range f.Lines {
				if !r.line(&f.Lines[i]) {
					return errBreak
				}
			}
		default:
			err = errMessage
		}
	}
	w.die(death, err, clock, "the "+r.format.Name+" reader", "its own program")
	return death
}

// line passes on what the worker tells of one record.
func (r *readBox) line(l *wireLine) bool {
	switch {
	case l.Warn != "":
		if r.opt.Warn != nil {
			r.opt.Warn(l.at(r.in.Name), l.Warn)
		}
		return true
	case l.Header != nil:
		r.header = NewHeader(l.Header)
		return true
	case l.Bad != nil:
		return r.yield(Record{}, l.Bad.recordError(r.in.Name, r.header))
	}
	rec := l.record(r.in.Name, r.header)
	if rec.Doc != nil {
		for i := range rec.Doc.Attachments {
			rec.Doc.Attachments[i].Open = spooled(r.spool, strconv.Itoa(r.files))
			r.files++
		}
	}
	r.told = true
	return r.yield(rec, nil)
}

// serveRead is the worker's side. last is its last frame; the error is emit's.
func serveRead(req readRequest, emit func(readFrame) error) (last readFrame, err error) {
	if err := emit(readFrame{Kind: frameReady}); err != nil {
		return last, err
	}
	refuse := func(reason, detail string) (readFrame, error) {
		return readFrame{Kind: frameFail, Fail: wireFailure{Reason: reason, Detail: detail}}, nil
	}
	f := byName(req.Format)
	if f == nil {
		return refuse(ReasonUnsupported, fmt.Sprintf("the format %q is not known", req.Format)) // unreachable: it is the same program
	}
	file, err := os.Open(req.Path)
	if err != nil {
		return refuse(ReasonUnreadable, fmt.Sprintf("the file cannot be opened (%v); check its permissions", withoutPath(err)))
	}
	defer file.Close()
	s := &readServer{req: req, emit: emit, born: time.Now(), spool: spooler{dir: req.Spool, most: orDefault(req.Options.Limits.Unzipped, defaultUnzippedLimit)}}
	opt := req.Options
	opt.Format = f.Name
	opt.Warn = func(p Place, text string) { s.add(wireLine{Place: noFile(p), Warn: text}, len(text)) }
	disk := &watchedReader{in: Input{Name: req.Name, Size: req.Size, Path: req.Path, ReaderAt: file}}
	in := disk.in
	in.ReaderAt = disk
	_, err = forward(context.Background(), in, opt, disk, s.take)
	if s.err != nil {
		return last, s.err
	}
	if bad := disk.failure(); bad != nil {
		err = bad
	}
	if err := s.flush(); err != nil {
		return last, err
	}
	if err != nil {
		return readFrame{Kind: frameFail, Fail: failureOf(err)}, nil
	}
	return readFrame{Kind: frameEnd}, nil
}

// A readServer gathers what a reader yields, and sends it.
type readServer struct {
	req   readRequest
	emit  func(readFrame) error
	err   error // emit's
	lines []wireLine
	size  int
	born  time.Time // when the oldest line was added, or the last frame sent

	header *Header
	spool  spooler
	files  int // put into it
}

func (s *readServer) take(rec Record, err error) bool {
	bad, _ := errors.AsType[*RecordError](err)
	header := rec.Header
	if bad != nil && bad.Header != nil {
		header = bad.Header
	}
	if header != nil && header != s.header {
		s.header = header
		s.add(wireLine{Header: header.Names()}, 64*len(header.Names()))
	}
	if bad != nil {
		s.add(wireLine{Bad: badOf(bad)}, len(bad.Detail))
		return s.err == nil
	}
	line, size := lineOfRecord(rec)
	if rec.Doc != nil && s.req.Spool != "" {
		for i, att := range rec.Doc.Attachments {
			size, err := s.spool.put(strconv.Itoa(s.files), att.Open)
			s.files++
			if err != nil {
				s.add(wireLine{Place: noFile(rec.Place), Warn: fmt.Sprintf("the attachment %q cannot be read: %v", att.Name, err)}, 100)
			}
			line.Doc.Attachments[i].Size = size
		}
	}
	s.add(line, size)
	return s.err == nil
}

func (s *readServer) add(l wireLine, size int) {
	if s.err != nil {
		return
	}
	if len(s.lines) == 0 {
		s.born = time.Now()
	}
	s.lines = append(s.lines, l)
	s.size += size
	if len(s.lines) >= frameLines || s.size >= frameBytes || time.Since(s.born) > frameAge {
		s.err = s.flush()
	}
}

func (s *readServer) flush() error {
	if len(s.lines) == 0 {
		return s.err
	}
	err := s.emit(readFrame{Kind: frameRecords, Lines: s.lines})
	s.lines, s.size = s.lines[:0], 0
	return err
}
