package extract

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"syscall"
	"time"
)

// This file is the child's side of sandbox.go. Parent and child talk over the
// child's standard input and output. Each message is its length, 4 bytes big
// endian, and that many bytes of JSON: a workerRequest from the parent, then any
// number of frames from the child, pdfFrames or readFrames as the request has
// it, the last of which is end or fail. A request with Stop has the child come
// to that last frame soon. When its input ends the child ends, whatever it is
// doing.

// A workerRequest is one document to read.
type workerRequest struct {
	PDF    *pdfRequest  `json:"pdf,omitempty"`
	Read   *readRequest `json:"read,omitempty"`
	Memory int64        `json:"memory,omitempty"` // bytes that the worker may have more than at its start
	// Stop is no document: it asks a worker to end with the one that it reads.
	Stop bool `json:"stop,omitempty"`
}

// workerEnv makes a program serve as a worker of another one.
const workerEnv = "IMPORTER_EXTRACT_WORKER"

// hooked tells that this program's main calls ServeWorkerIfAsked, so that it
// can be its own worker.
var hooked atomic.Bool

// ServeWorkerIfAsked is to be called first thing in main, and in TestMain, of
// every program that reads documents. It makes the program able to read them in
// processes of its own: in such a process it serves and never returns; in any
// other it returns at once. Without it, documents are read in this process,
// where a hostile one can hang it or take all its memory.
func ServeWorkerIfAsked() {
	if os.Getenv(workerEnv) != "1" {
		hooked.Store(true)
		return
	}
	os.Exit(serveWorker(os.Stdin, os.Stdout, newPDFReader()))
}

// workerMemory is how much a worker may have more than at its start, where
// limits.memory does not say otherwise. The greatest of 2,761 real files needs
// 400 MB.
const workerMemory = 2 << 30

// workerOutOfMemory is the exit status of a worker that ends for that.
const workerOutOfMemory = 86

func serveWorker(in io.Reader, out io.Writer, r *pdfReader) int {
	os.Stdout = os.Stderr // nothing but frames goes to the parent
	// Ctrl-C and a service manager's stop reach all processes of the group;
	// the parent decides when this one ends.
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	memory := newMemoryLimit()
	memory.set(workerMemory)
	go memory.watch()

	requests := make(chan workerRequest)
	var stop atomic.Bool // the parent wants no more of this document
	go func() {
		rd := bufio.NewReader(in)
		for {
			var req workerRequest
			if err := readMessage(rd, maxRequest, &req); err != nil {
				os.Exit(0) // the parent is gone, or wants no more
			}
			// A stop may come after the document's last frame; the next
			// request comes after that frame in any case.
			stop.Store(req.Stop)
			if !req.Stop {
				requests <- req
			}
		}
	}()
	w := bufio.NewWriter(out)
	emit := func(kind frameKind, frame any) error {
		if stop.Load() && kind != frameEnd {
			return errBreak
		}
		if err := writeMessage(w, frame); err != nil {
			return err
		}
		return w.Flush()
	}
	for req := range requests {
		memory.set(orDefault(req.Memory, workerMemory))
		if err := serveOne(req, r, emit, &stop); err != nil {
			return 1 // the parent does not take our frames
		}
	}
	return 0 // unreachable: requests is never closed
}

// serveOne reads a document, to its last frame. Its error is that of emit.
func serveOne(req workerRequest, r *pdfReader, emit func(frameKind, any) error, stop *atomic.Bool) error {
	if req.Read != nil {
		last, err := serveRead(*req.Read, func(f readFrame) error { return emit(f.Kind, f) })
		if err != nil && !stop.Load() {
			return err
		}
		if stop.Load() {
			last = readFrame{Kind: frameEnd}
		}
		return emit(last.Kind, last)
	}
	if req.PDF == nil {
		return emit(frameFail, pdfFrame{Kind: frameFail, Reason: ReasonUnsupported, Detail: "the request names no document"})
	}
	last := pdfFrame{Kind: frameEnd}
	err := r.read(*req.PDF, func(f pdfFrame) error { return emit(f.Kind, f) })
	if err != nil && !stop.Load() {
		bad, ok := errors.AsType[*pdfError](err)
		if !ok {
			return err
		}
		last = pdfFrame{Kind: frameFail, Reason: bad.Reason, Detail: bad.Detail}
	}
	return emit(last.Kind, last)
}

// A memoryLimit is what this process may have.
type memoryLimit struct {
	base uint64        // bytes of data at its start
	most atomic.Uint64 // bytes more than that
}

func newMemoryLimit() *memoryLimit { return &memoryLimit{base: dataSize()} }

// set lets the process have more bytes of data than at its start, and no more.
func (m *memoryLimit) set(more int64) {
	if m.most.Swap(uint64(more)) == uint64(more) {
		return
	}
	debug.SetMemoryLimit(more / 2) // collect harder before the hard limit
	if m.base > 0 {
		limitData(m.base + uint64(more))
	}
}

// watch ends the process when it has grown over the limit. It is for systems
// where limitData does nothing, and for growth by small steps; what it cannot
// see is one huge allocation.
func (m *memoryLimit) watch() {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for range time.Tick(200 * time.Millisecond) {
		metrics.Read(sample)
		if sample[0].Value.Uint64()-sample[1].Value.Uint64()+uint64(linearBytes.Load()) > m.most.Load() {
			os.Exit(workerOutOfMemory)
		}
	}
}

// linearBytes is how many bytes of WebAssembly's memory are not on Go's heap.
var linearBytes atomic.Int64

const (
	maxRequest = 1 << 20
	// frameOverhead is what a frame may have beside its text. JSON writes a
	// byte of text in up to 6.
	frameOverhead = 8 << 20
)

var errMessage = errors.New("not a message")

func writeMessage(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(b)))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// readMessage reads one message into v. A message over most bytes or one that
// is no JSON gives errMessage.
func readMessage(r io.Reader, most int64, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := int64(binary.BigEndian.Uint32(head[:]))
	if n > most {
		return fmt.Errorf("%w: of %d bytes", errMessage, n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %v", errMessage, err)
	}
	return nil
}
