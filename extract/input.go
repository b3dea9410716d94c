package extract

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"

	"importer/extract/scratch"
)

var errNegative = errors.New("negative offset")

// A watchedReader is the Input that readers see. It remembers the first
// failure of the file below, because the libraries that read zip, PDF and the
// like take a failed read for a broken file, or pass over it.
type watchedReader struct {
	in     Input
	failed atomic.Bool
	mu     sync.Mutex // guards err
	err    *FileError
}

func (w *watchedReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errNegative // a wrong offset in the file, not a wrong disk
	}
	n, err := w.in.ReaderAt.ReadAt(p, off)
	if err == nil || n == len(p) {
		return n, nil
	}
	if errors.Is(err, io.EOF) {
		if off+int64(n) < w.in.Size {
			w.fail(ReasonUnreadable, ErrShort, fmt.Sprintf("the file ended at byte %d while it was read, and had %d when it was opened; run again when nobody writes to it", off+int64(n), w.in.Size))
		}
		return n, err
	}
	w.fail(ReasonUnreadable, err, fmt.Sprintf("the file cannot be read to its end (%v); check the disk or the network share, then run again", cause(err)))
	return n, err
}

func (w *watchedReader) fail(reason string, err error, detail string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = &FileError{Place: Place{File: w.in.Name}, Reason: reason, Detail: detail, Err: err}
		w.failed.Store(true)
	}
}

// failure is the first failure, or nil.
func (w *watchedReader) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		return nil
	}
	return w.err
}

// file gives the path of a file that another process can open: the input's own,
// or a copy named by pattern. done removes the copy. The error is a *FileError.
func (in Input) file(pattern string) (path string, done func(), err error) {
	if in.Path != "" {
		abs, err := filepath.Abs(in.Path)
		if st, serr := os.Stat(in.Path); err == nil && serr == nil && st.Mode().IsRegular() && st.Size() == in.Size {
			return abs, func() {}, nil
		}
		// It is not the file that was opened: what was opened counts.
	}
	noCopy := func(err error) error {
		return &FileError{Place: Place{File: in.Name}, Reason: ReasonUnreadable, Err: err,
			Detail: fmt.Sprintf("no temporary copy can be made (%v); free some space or set TMPDIR", withoutPath(err))}
	}
	dir, err := scratch.New("copy")
	if err != nil {
		return "", nil, &FileError{Place: Place{File: in.Name}, Reason: ReasonUnreadable, Err: err, Detail: err.Error()}
	}
	tmp, err := os.CreateTemp(dir.Path, pattern)
	if err != nil {
		dir.Remove()
		return "", nil, noCopy(err)
	}
	done = func() {
		tmp.Close()
		dir.Remove()
	}
	src := &failingReader{r: io.NewSectionReader(in, 0, in.Size)}
	n, err := io.Copy(tmp, src)
	switch {
	case src.err != nil:
		err = in.readFailure(src.err)
	case err != nil:
		err = noCopy(err)
	case n < in.Size:
		err = in.readFailure(io.ErrUnexpectedEOF)
	}
	if err != nil {
		done()
		return "", nil, err
	}
	return tmp.Name(), done, nil
}

// A failingReader keeps the error of its reads apart from that of a write.
type failingReader struct {
	r   io.Reader
	err error
}

func (f *failingReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// readFailure is the error of a file whose bytes cannot be had.
func (in Input) readFailure(err error) error {
	place := Place{File: in.Name}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &FileError{Place: place, Reason: ReasonUnreadable, Detail: "the file became shorter while it was read; run again when nobody writes to it", Err: ErrShort}
	}
	return &FileError{Place: place, Reason: ReasonUnreadable, Err: err,
		Detail: fmt.Sprintf("the file cannot be read to its end (%v); check the disk or the network share, then run again", withoutPath(err))}
}

// close ends the use of an attachment's input.
func (in Input) close() {
	if c, ok := in.ReaderAt.(io.Closer); ok {
		c.Close()
	}
}

// cause takes the path off an error of package os: the Place has it already.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// byteWords says a number of bytes as people do, exactly where it can.
func byteWords(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	size, unit := float64(n), 0
	for size >= 1024 && unit < len(units)-1 {
		size, unit = size/1024, unit+1
	}
	return strconv.FormatFloat(math.Round(size*10)/10, 'f', -1, 64) + " " + units[unit]
}
