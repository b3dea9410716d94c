package extract

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
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
