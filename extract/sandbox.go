package extract

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A workerPool reads PDFs in child processes, because nothing else ends a
// parser that hangs or asks for 137 GB (both exist: 5 of 2,761 files of public
// test suites hang ledongthuc). Children are started when they are needed,
// serve one document after the other, and are killed over a document that
// takes too long; the next document gets a fresh one. Their side is in
// worker.go.
type workerPool struct {
	command func() (*exec.Cmd, error)
	slots   chan struct{} // holds one token for each child at work

	mu   sync.Mutex // guards idle
	idle []*pdfWorker
}

const (
	maxWorkers = 4
	workerIdle = 30 * time.Second // how long a child waits for the next document
	// workerStart is how long a child may take to start its engine: 0.1 s,
	// but compiling PDFium for the first time takes 3 s of CPU, on a busy
	// machine many more.
	workerStart = 2 * time.Minute
	// workerStop is how long a child may take to end when asked.
	workerStop = 2 * time.Second
	// workerHalt is how long a child may go on with a document that nobody
	// wants. It looks after each page.
	workerHalt = time.Second
)

var pdfWorkers = newWorkerPool(min(runtime.NumCPU(), maxWorkers), workerCommand)

func newWorkerPool(n int, command func() (*exec.Cmd, error)) *workerPool {
	return &workerPool{command: command, slots: make(chan struct{}, n)}
}

// CloseWorkers ends the processes that wait for the next PDF. They end by
// themselves after a while, and with this process.
func CloseWorkers() { pdfWorkers.close() }

// workerCommand is this program as a worker. It gets no more of the
// environment than it needs: what it reads may be hostile, and secrets are in
// environments.
func workerCommand() (*exec.Cmd, error) {
	path, err := programPath()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path)
	cmd.Args[0] = "importer-pdf-worker"
	cmd.Env = []string{workerEnv + "=1"}
	for _, name := range []string{
		"HOME", "XDG_CACHE_HOME", "TMPDIR", "PATH", "GOCOVERDIR",
		"SystemRoot", "LOCALAPPDATA", "USERPROFILE", "TEMP", "TMP",
	} {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	return cmd, nil
}

// runPDF gives the frames of a document, in a worker where that is possible.
// It ends with a *pdfError, another error, or none when the last page came.
func runPDF(ctx context.Context, req pdfRequest) iter.Seq2[pdfFrame, error] {
	if !hooked.Load() {
		return inProcess(ctx, req)
	}
	return pdfWorkers.run(ctx, req)
}

var errBreak = errors.New("the consumer wants no more")

// inProcess reads without a net. It is for programs that do not call
// ServeWorkerIfAsked.
func inProcess(ctx context.Context, req pdfRequest) iter.Seq2[pdfFrame, error] {
	return func(yield func(pdfFrame, error) bool) {
		r := newPDFReader()
		defer r.close()
		err := r.read(req, func(f pdfFrame) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !yield(f, nil) {
				return errBreak
			}
			return nil
		})
		if err != nil && err != errBreak {
			yield(pdfFrame{}, err)
		}
	}
}

// A workerDeath is the end of a worker in the middle of a document.
type workerDeath struct {
	reason string
	detail string
	opened bool
	page   int  // the last that was told
	rescue bool // the second engine was at work
	stale  bool // it told nothing of this document, but had served others
}

func (e *workerDeath) Error() string { return e.detail }

// run reads a document in a worker. When the worker dies of it, a second one
// goes on after the last page told, without what was at work then; a second
// death ends the document.
func (p *workerPool) run(ctx context.Context, req pdfRequest) iter.Seq2[pdfFrame, error] {
	return func(yield func(pdfFrame, error) bool) {
		opened := false
		give := func(f pdfFrame) bool {
			if f.Kind == frameOpen {
				if opened {
					return true // the second attempt's
				}
				opened = true
			}
			return yield(f, nil)
		}
		err := p.attempt(ctx, req, give)
		if death, ok := errors.AsType[*workerDeath](err); ok {
			if again, note, ok := death.retry(req); ok {
				if note != "" && !give(pdfFrame{Kind: frameNote, Text: note}) {
					return
				}
				err = p.attempt(ctx, again, give)
			}
		}
		if death, ok := errors.AsType[*workerDeath](err); ok {
			err = &pdfError{death.reason, death.detail}
		}
		if err != nil && err != errBreak {
			yield(pdfFrame{}, err)
		}
	}
}

// retry is the request for a second attempt, false when there is no other
// engine to try.
func (e *workerDeath) retry(req pdfRequest) (again pdfRequest, note string, ok bool) {
	again = req
	if req.Engine != engineAuto || !havePDFium {
		return again, "", false
	}
	again.From = e.page + 1
	switch {
	case e.rescue:
		again.NoRescue = true
		note = fmt.Sprintf("page %d was given up for text by the second engine: %s", e.page+1, e.detail)
	case e.opened:
		again.Skip = e.page + 1
		note = fmt.Sprintf("PDFium was stopped on page %d: %s", e.page+1, e.detail)
	default:
		again.Engine, again.From = engineLedongthuc, 0
		note = "PDFium could not open the file; ledongthuc read it, whose text may be poorer: " + e.detail
	}
	return again, note, true
}

// attempt gives one worker's frames of a document to yield.
func (p *workerPool) attempt(ctx context.Context, req pdfRequest, yield func(pdfFrame) bool) error {
	for {
		err := p.once(ctx, req, yield)
		if death, ok := errors.AsType[*workerDeath](err); !ok || !death.stale {
			return err
		}
		// It died while it waited, not of this document. There is a finite
		// number of such.
	}
}

func (p *workerPool) once(ctx context.Context, req pdfRequest, yield func(pdfFrame) bool) error {
	w, err := p.acquire(ctx)
	if err != nil {
		return err
	}
	fit := false // to serve the next document
	defer func() { p.release(w, fit) }()

	stop := context.AfterFunc(ctx, w.kill)
	defer stop()
	err = w.serve(req, yield)
	if ctxErr := ctx.Err(); ctxErr != nil {
		return ctxErr
	}
	_, refused := errors.AsType[*pdfError](err)
	fit = err == nil || refused || err == errBreak && w.halt()
	fit = stop() && fit
	return err
}

func (p *workerPool) acquire(ctx context.Context) (*pdfWorker, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	var w *pdfWorker
	if n := len(p.idle); n > 0 {
		w = p.idle[n-1]
		p.idle = p.idle[:n-1]
		w.retire.Stop()
	}
	p.mu.Unlock()
	if w != nil {
		return w, nil
	}
	w, err := p.start()
	if err != nil {
		<-p.slots
		return nil, &pdfError{ReasonUnreadable, fmt.Sprintf("no process to read PDFs can be started (%v); free some memory or allow more processes", withoutPath(err))}
	}
	return w, nil
}

// release takes a worker back: for the next document if it is fit, else to
// be killed.
func (p *workerPool) release(w *pdfWorker, fit bool) {
	if fit {
		p.mu.Lock()
		p.idle = append(p.idle, w)
		w.retire = time.AfterFunc(workerIdle, func() { p.retire(w) })
		p.mu.Unlock()
	} else {
		w.kill()
		w.wait()
	}
	<-p.slots
}

// retire ends a worker that has been idle for long.
func (p *workerPool) retire(w *pdfWorker) {
	p.mu.Lock()
	i := slices.Index(p.idle, w)
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 {
		w.close()
	}
}

func (p *workerPool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, w := range idle {
		w.retire.Stop()
		w.close()
	}
}

// A pdfWorker is a child process. One goroutine at a time uses it.
type pdfWorker struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr *tailWriter
	late   atomic.Bool // killed over a time limit
	served bool        // it has told something
	retire *time.Timer // while it is idle; guarded by the pool's mu
}

func (p *workerPool) start() (*pdfWorker, error) {
	cmd, err := p.command()
	if err != nil {
		return nil, err
	}
	w := &pdfWorker{cmd: cmd, stderr: &tailWriter{}}
	cmd.Stderr = w.stderr // never the user's terminal
	if w.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.out = bufio.NewReaderSize(out, 64<<10)
	tie(cmd)
	if err := startTied(cmd); err != nil {
		return nil, err
	}
	return w, nil
}

// startTied starts a command from a thread that lives as long as the process:
// Linux sends the parent-death signal when the thread that forked ends
// (golang.org/issue/27505).
func startTied(cmd *exec.Cmd) error {
	started := make(chan error)
	spawner() <- func() { started <- cmd.Start() }
	return <-started
}

var spawner = sync.OnceValue(func() chan<- func() {
	jobs := make(chan func())
	go func() {
		runtime.LockOSThread()
		for job := range jobs {
			job()
		}
	}()
	return jobs
})

// kill ends the process at once. It may be called from anywhere, and twice.
func (w *pdfWorker) kill() { w.cmd.Process.Kill() }

// wait reaps a process that has been killed or asked to end.
func (w *pdfWorker) wait() {
	w.in.Close()
	w.cmd.Wait()
}

// close asks an idle process to end.
func (w *pdfWorker) close() {
	impatient := time.AfterFunc(workerStop, w.kill)
	defer impatient.Stop()
	w.wait()
}

// serve has the worker read one document. Its error is errBreak, a *pdfError
// that the worker tells, or a *workerDeath, after which it is of no more use.
func (w *pdfWorker) serve(req pdfRequest, yield func(pdfFrame) bool) error {
	death := &workerDeath{page: max(0, req.From-1), stale: w.served}
	clock := newPDFClock(req.Time)
	most := 6*req.MaxText + frameOverhead

	err := writeMessage(w.in, req)
	for err == nil {
		var f pdfFrame
		if err = w.next(clock, most, &f); err != nil {
			break
		}
		w.served, death.stale = true, false
		switch f.Kind {
		case frameReady:
			clock.ready()
			continue
		case frameEnd:
			return nil
		case frameFail:
			return &pdfError{f.Reason, f.Detail}
		case frameRescue:
			death.rescue = true
			continue
		case frameOpen:
			if f.Facts == nil || f.Facts.Pages < 0 {
				err = errMessage
				continue
			}
			death.opened = true
			clock.pages(f.Facts.Pages)
		case framePage:
			if f.Page <= death.page || !death.opened {
				err = errMessage
				continue
			}
			death.page, death.rescue = f.Page, false
		}
		if !yield(f) {
			return errBreak
		}
	}
	w.kill()
	w.wait() // after this all of stderr is there
	death.stale = death.stale && !w.late.Load()
	death.explain(err, w, clock)
	return death
}

// halt has the worker end with a document before its last frame. It is false
// when the worker does not.
func (w *pdfWorker) halt() bool {
	impatient := time.AfterFunc(workerHalt, w.kill)
	err := writeMessage(w.in, pdfRequest{Stop: true})
	for err == nil {
		var f pdfFrame
		err = readMessage(w.out, 1<<32, &f)
		if f.Kind == frameEnd || f.Kind == frameFail {
			break
		}
	}
	return impatient.Stop() && err == nil
}

// next reads a frame, and kills the worker when the time is up: the end of
// the process is the end of the pipe.
func (w *pdfWorker) next(clock *pdfClock, most int64, f *pdfFrame) error {
	begin := time.Now()
	alarm := time.AfterFunc(clock.limit(), func() {
		w.late.Store(true)
		w.kill()
	})
	defer alarm.Stop()
	err := readMessage(w.out, most, f)
	clock.spent += time.Since(begin)
	return err
}

// explain says what a worker died of.
func (e *workerDeath) explain(err error, w *pdfWorker, clock *pdfClock) {
	stderr := w.stderr.String()
	switch {
	case w.late.Load() && !clock.started:
		e.reason, e.detail = ReasonUnreadable, fmt.Sprintf("the PDF engine did not start within %v; run again when the machine is less busy", workerStart)
	case w.late.Load():
		e.reason, e.detail = ReasonTimeout, fmt.Sprintf("reading was stopped after %v; open the file in a PDF viewer and save it again, or raise limits.time", clock.spent.Round(100*time.Millisecond))
	case w.cmd.ProcessState.ExitCode() == workerOutOfMemory,
		strings.Contains(stderr, "out of memory"), strings.Contains(stderr, "cannot allocate memory"),
		strings.Contains(stderr, "failed to allocate"): // the race detector's word for it
		e.reason, e.detail = ReasonTooLarge, fmt.Sprintf("reading needs more than %d GiB of memory; open the file in a PDF viewer and save it again, or split it", workerMemory>>30)
	case strings.HasSuffix(w.cmd.ProcessState.String(), "signal: killed") && !errors.Is(err, errMessage): // not by us
		e.reason, e.detail = ReasonUnreadable, "the PDF engine was killed by the system, which may be short of memory; run again when the machine is less busy"
	case errors.Is(err, errMessage):
		e.reason, e.detail = ReasonBroken, "the PDF engine went out of control over it; open the file in a PDF viewer and save it again"
	default:
		e.reason, e.detail = ReasonBroken, fmt.Sprintf("the PDF engine crashed over it (%s); open the file in a PDF viewer and save it again", crashLine(stderr, w.cmd.ProcessState))
	}
}

// crashLine is the line of a crash report that says what happened.
func crashLine(stderr string, state *os.ProcessState) string {
	for line := range strings.Lines(stderr) {
		for _, prefix := range []string{"fatal error: ", "panic: ", "runtime: "} {
			if msg, ok := strings.CutPrefix(line, prefix); ok {
				return oneLine(msg)
			}
		}
	}
	return state.String()
}

// A pdfClock holds the time limits of a document. It counts the time that the
// parent waits for the child, so that a slow consumer costs the document
// nothing.
type pdfClock struct {
	started bool
	silence time.Duration // between two frames
	total   time.Duration
	spent   time.Duration
	fixed   bool // by the user: not by the pages
}

func newPDFClock(limit time.Duration) *pdfClock {
	if limit > 0 {
		return &pdfClock{silence: limit, total: limit, fixed: true}
	}
	return &pdfClock{silence: pdfTime, total: pdfTime}
}

// ready starts the document's clock: the engine has started.
func (c *pdfClock) ready() { c.started, c.spent = true, 0 }

func (c *pdfClock) pages(n int) {
	if !c.fixed {
		c.total = pdfTime + time.Duration(n)*pdfTimePerPage
	}
}

// limit is how long the next frame may take.
func (c *pdfClock) limit() time.Duration {
	if !c.started {
		return workerStart
	}
	return max(0, min(c.silence, c.total-c.spent))
}

// A tailWriter keeps the beginning and the end of what is written to it.
type tailWriter struct {
	mu   sync.Mutex // guards the rest
	head []byte
	tail []byte
}

const tailKept = 4 << 10

func (t *tailWriter) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if room := tailKept - len(t.head); room > 0 {
		room = min(room, len(p))
		t.head, p = append(t.head, p[:room]...), p[room:]
	}
	t.tail = append(t.tail, p...)
	if over := len(t.tail) - tailKept; over > 0 {
		t.tail = append(t.tail[:0], t.tail[over:]...)
	}
	return n, nil
}

func (t *tailWriter) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.head) + string(t.tail)
}
