package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"

	"importer/transform"
)

// A JSONL is a Target that writes JSON Lines: an item as AppendLine gives it,
// a deletion as
//
//	{"id":"...","@removed":{"reason":"deleted"}}
//
// Lines come in the order given. Each call is one Write of whole lines, made
// before the items count as stored, so that a killed process has in the file
// what its state says.
type JSONL struct {
	origin bool
	bufs   sync.Pool // of *[]byte

	mu  sync.Mutex // guards the fields below, and the order of writes
	w   io.Writer
	err error // the first failure; nothing is written after it
}

// NewJSONL makes a target that writes to w. With origin each line says where
// its item comes from.
func NewJSONL(w io.Writer, origin bool) *JSONL {
	return &JSONL{w: w, origin: origin, bufs: sync.Pool{New: func() any { return new([]byte) }}}
}

// MaxBatch keeps a buffer of lines within a few hundred kilobytes.
func (t *JSONL) MaxBatch() int { return 500 }

// Put writes the items.
func (t *JSONL) Put(ctx context.Context, items []*transform.Item) []Result {
	return t.lines(ctx, len(items), func(dst []byte, i int) []byte {
		return AppendLine(dst, items[i], t.origin)
	})
}

// Delete writes that the items are gone.
func (t *JSONL) Delete(ctx context.Context, ids []string) []Result {
	return t.lines(ctx, len(ids), func(dst []byte, i int) []byte {
		dst = appendString(append(dst, `{"id":`...), ids[i])
		return append(dst, `,"@removed":{"reason":"deleted"}}`+"\n"...)
	})
}

func (t *JSONL) lines(ctx context.Context, n int, appendLine func([]byte, int) []byte) []Result {
	results := make([]Result, n)
	res := Result{Fate: Stored}
	if err := ctx.Err(); err != nil {
		res = Result{Err: err}
	} else {
		buf := t.bufs.Get().(*[]byte)
		lines := (*buf)[:0]
		for i := range n {
			lines = appendLine(lines, i)
		}
		if err := t.write(lines); err != nil {
			res = Result{Err: err, Fatal: true}
		}
		*buf = lines
		t.bufs.Put(buf)
	}
	for i := range results {
		results[i] = res
	}
	return results
}

func (t *JSONL) write(lines []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return t.err
	}
	n, err := t.w.Write(lines)
	if err == nil && n < len(lines) {
		err = io.ErrShortWrite
	}
	if err != nil {
		t.untear(n)
		t.err = t.explain(err)
	}
	return t.err
}

// untear takes the first n bytes of a broken write back where the output is a
// file, so that a later run does not append to half a line.
func (t *JSONL) untear(n int) {
	f, ok := t.w.(interface {
		io.Seeker
		Truncate(size int64) error
	})
	if !ok || n == 0 {
		return
	}
	if end, err := f.Seek(-int64(n), io.SeekCurrent); err == nil {
		// The write's own error is what the user must hear of; if this fails
		// too, the torn line stays and any JSON reader will name it.
		_ = f.Truncate(end)
	}
}

func (t *JSONL) explain(err error) error {
	name := "the output"
	if f, ok := t.w.(interface{ Name() string }); ok {
		name = f.Name()
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s: the disk is full; free some space and run again: %w", name, err)
	case errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		return fmt.Errorf("%s: whoever read it has gone; run again: %w", name, err)
	}
	return fmt.Errorf("%s: the items could not be written: %w", name, err)
}

// Flush makes what was written durable where the output is a file.
func (t *JSONL) Flush() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return t.err
	}
	f, ok := t.w.(interface{ Sync() error })
	if !ok {
		return nil
	}
	// Pipes and terminals answer EINVAL or ENOTSUP: nothing to make durable.
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		t.err = t.explain(err)
	}
	return t.err
}

// Close flushes, and closes the output if it can be closed.
func (t *JSONL) Close() error {
	err := t.Flush()
	t.mu.Lock()
	defer t.mu.Unlock()
	if c, ok := t.w.(io.Closer); ok {
		if cerr := c.Close(); err == nil && cerr != nil {
			err = t.explain(cerr)
		}
	}
	if t.err == nil {
		t.err = errors.New("the output is closed")
	}
	return err
}
