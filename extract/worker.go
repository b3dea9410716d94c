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
// endian, and that many bytes of JSON: a pdfRequest from the parent, then any
// number of pdfFrames from the child, the last of which is end or fail. A
// request with Stop has the child come to that last frame soon. When its input
// ends the child ends, whatever it is doing.

// workerEnv makes a program serve as a worker of another one.
const workerEnv = "IMPORTER_EXTRACT_WORKER"

// hooked tells that this program's main calls ServeWorkerIfAsked, so that it
// can be its own worker.
var hooked atomic.Bool

// ServeWorkerIfAsked is to be called first thing in main, and in TestMain, of
// every program that reads PDFs. It makes the program able to read them in
// processes of its own: in such a process it serves and never returns; in any
// other it returns at once. Without it, PDFs are read in this process, where
// a hostile one can hang it or take all its memory.
func ServeWorkerIfAsked() {
	if os.Getenv(workerEnv) != "1" {
		hooked.Store(true)
		return
	}
	os.Exit(serveWorker(os.Stdin, os.Stdout, newPDFReader(), workerMemory))
}

// workerMemory is how much a worker may have more than at its start. The
// greatest of 2,761 real files needs 400 MB.
const workerMemory = 2 << 30

// workerOutOfMemory is the exit status of a worker that ends for that.
const workerOutOfMemory = 86

func serveWorker(in io.Reader, out io.Writer, r *pdfReader, memory uint64) int {
	os.Stdout = os.Stderr // nothing but frames goes to the parent
	// Ctrl-C and a service manager's stop reach all processes of the group;
	// the parent decides when this one ends.
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	debug.SetMemoryLimit(int64(memory / 2)) // collect harder before the hard limit
	limitMemory(memory)
	go watchMemory(memory)

	requests := make(chan pdfRequest)
	var stop atomic.Bool // the parent wants no more of this document
	go func() {
		rd := bufio.NewReader(in)
		for {
			var req pdfRequest
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
	emit := func(f pdfFrame) error {
		if stop.Load() && f.Kind != frameEnd {
			return errBreak
		}
		if err := writeMessage(w, f); err != nil {
			return err
		}
		return w.Flush()
	}
	for req := range requests {
		last := pdfFrame{Kind: frameEnd}
		if err := r.read(req, emit); err != nil && !stop.Load() {
			bad, ok := errors.AsType[*pdfError](err)
			if !ok {
				return 1 // the parent does not take our frames
			}
			last = pdfFrame{Kind: frameFail, Reason: bad.Reason, Detail: bad.Detail}
		}
		if err := emit(last); err != nil {
			return 1
		}
	}
	return 0 // unreachable: requests is never closed
}

// watchMemory ends the process when it has grown over the limit. It is for
// systems where limitMemory does nothing, and for growth by small steps; what
// it cannot see is one huge allocation.
func watchMemory(most uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for range time.Tick(200 * time.Millisecond) {
		metrics.Read(sample)
		if sample[0].Value.Uint64()-sample[1].Value.Uint64() > most {
			os.Exit(workerOutOfMemory)
		}
	}
}

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
