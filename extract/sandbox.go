package extract

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A workerPool reads documents in child processes, because nothing else ends a
// parser that hangs or asks for 137 GB (both exist: 5 of 2,761 files of public
// test suites hang ledongthuc). Children are started when they are needed,
// serve one document after the other, whatever its format, and are killed over
// a document that takes too long; the next document gets a fresh one. Their
// side is in worker.go; what is said of a PDF is in pdfbox.go, of a document of
// any other format in readbox.go.
type workerPool struct {
	command func() (*exec.Cmd, error)
	slots   chan struct{} // holds one token for each child at work

	mu   sync.Mutex // guards idle
	idle []*worker
}

const (
	maxWorkers = 4
	workerIdle = 30 * time.Second // how long a child waits for the next document
	// workerStart is how long a child may take to start its engine: 0.1 s,
	// but compiling PDFium for the first time takes 1.4 s of CPU, on a busy
	// machine many more.
	workerStart = 2 * time.Minute
	// workerStop is how long a child may take to end when asked.
	workerStop = 2 * time.Second
	// workerHalt is how long a child may go on with a document that nobody
	// wants. It looks after each page.
	workerHalt = time.Second
)

var workers = newWorkerPool(min(runtime.NumCPU(), maxWorkers), workerCommand)

func newWorkerPool(n int, command func() (*exec.Cmd, error)) *workerPool {
	return &workerPool{command: command, slots: make(chan struct{}, n)}
}

// CloseWorkers ends the processes that wait for the next document. They end by
// themselves after a while, and with this process.
func CloseWorkers() { workers.close() }

// workerCommand is this program as a worker. It gets no more of the
// environment than it needs: what it reads may be hostile, and secrets are in
// environments.
func workerCommand() (*exec.Cmd, error) {
	path, err := programPath()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path)
	cmd.Args[0] = "importer-worker"
	cmd.Env = append(littleEnv(), workerEnv+"=1")
	return cmd, nil
}

// littleEnv is what programs that we start see of the environment.
func littleEnv() (env []string) {
	for _, name := range []string{
		"HOME", "XDG_CACHE_HOME", "TMPDIR", "PATH", "GOCOVERDIR", "TESSDATA_PREFIX",
		"SystemRoot", "LOCALAPPDATA", "USERPROFILE", "TEMP", "TMP",
	} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

var errBreak = errors.New("the consumer wants no more")

// A workerDeath is the end of a worker in the middle of a document.
type workerDeath struct {
	reason string
	detail string
	stale  bool // it told nothing of this document, but had served others
}

func (e *workerDeath) Error() string { return e.detail }

// A refusal is what a worker tells of a document that it cannot read, or not
// further. The worker itself is well.
type refusal interface {
	error
	refused()
}

// use has a worker do a job. The job's error is none, errBreak or a refusal,
// after which the worker serves on, or another one, after which it does not.
func (p *workerPool) use(ctx context.Context, job func(*worker) error) error {
	for {
		err := p.once(ctx, job)
		if death, ok := errors.AsType[*workerDeath](err); !ok || !death.stale {
			return err
		}
		// It died while it waited, not of this document. There is a finite
		// number of such.
	}
}

func (p *workerPool) once(ctx context.Context, job func(*worker) error) error {
	w, err := p.acquire(ctx)
	if err != nil {
		return err
	}
	fit := false // to serve the next document
	defer func() { p.release(w, fit) }()

	stop := context.AfterFunc(ctx, w.kill)
	defer stop()
	err = job(w)
	if ctxErr := ctx.Err(); ctxErr != nil {
		return ctxErr
	}
	_, refused := errors.AsType[refusal](err)
	fit = err == nil || refused || err == errBreak && w.halt()
	fit = stop() && fit
	return err
}

func (p *workerPool) acquire(ctx context.Context) (*worker, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	var w *worker
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
		return nil, &pdfError{ReasonUnreadable, fmt.Sprintf("no process to read the document can be started (%v); free some memory or allow more processes", withoutPath(err))}
	}
	return w, nil
}

// release takes a worker back: for the next document if it is fit, else to
// be killed.
func (p *workerPool) release(w *worker, fit bool) {
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
func (p *workerPool) retire(w *worker) {
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

// A worker is a child process. One goroutine at a time uses it.
type worker struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr *tailWriter
	late   atomic.Bool // killed over a time limit
	served bool        // it has told something
	retire *time.Timer // while it is idle; guarded by the pool's mu
}

func (p *workerPool) start() (*worker, error) {
	cmd, err := p.command()
	if err != nil {
		return nil, err
	}
	w := &worker{cmd: cmd, stderr: &tailWriter{}}
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
func (w *worker) kill() { w.cmd.Process.Kill() }

// wait reaps a process that has been killed or asked to end.
func (w *worker) wait() {
	w.in.Close()
	w.cmd.Wait()
}

// close asks an idle process to end.
func (w *worker) close() {
	impatient := time.AfterFunc(workerStop, w.kill)
	defer impatient.Stop()
	w.wait()
}

// halt has the worker end with a document before its last frame. It is false
// when the worker does not.
func (w *worker) halt() bool {
	impatient := time.AfterFunc(workerHalt, w.kill)
	err := writeMessage(w.in, workerRequest{Stop: true})
	for err == nil {
		var f struct {
			Kind frameKind `json:"kind"`
		}
		err = readMessage(w.out, 1<<32, &f)
		if f.Kind == frameEnd || f.Kind == frameFail {
			break
		}
	}
	return impatient.Stop() && err == nil
}

// next reads a frame, and kills the worker when the time is up: the end of
// the process is the end of the pipe.
func (w *worker) next(clock *workerClock, most int64, f any) error {
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

// memoryWords are in what a process says that ends for want of memory.
var memoryWords = []string{
	"out of memory", "cannot allocate memory",
	"failed to allocate",                                      // by the race detector
	"pthread_create failed", "failed to create new OS thread", // for the thread's stack
}

// die ends a worker whose frames ended with err, and says what it died of.
// what is what it ran, such as "the PDF engine", and viewer where the file may
// be mended.
func (w *worker) die(death *workerDeath, err error, clock *workerClock, what, viewer string) {
	w.kill()
	w.wait() // after this all of stderr is there
	death.stale = death.stale && !w.late.Load()
	stderr := w.stderr.String()
	mend := "open the file in " + viewer + " and save it again"
	switch {
	case w.late.Load() && !clock.started:
		death.reason, death.detail = ReasonUnreadable, fmt.Sprintf("%s did not start within %v; run again when the machine is less busy", what, workerStart)
	case w.late.Load():
		death.reason, death.detail = ReasonTimeout, fmt.Sprintf("reading was stopped after %v; %s, or raise limits.time", clock.spent.Round(100*time.Millisecond), mend)
	case w.cmd.ProcessState.ExitCode() == workerOutOfMemory,
		slices.ContainsFunc(memoryWords, func(words string) bool { return strings.Contains(stderr, words) }):
		death.reason, death.detail = ReasonTooLarge, fmt.Sprintf("reading needs more than %s of memory; %s, split it, or raise limits.memory", byteWords(clock.memory), mend)
	case strings.HasSuffix(w.cmd.ProcessState.String(), "signal: killed") && !errors.Is(err, errMessage): // not by us
		death.reason, death.detail = ReasonUnreadable, fmt.Sprintf("%s was killed by the system, which may be short of memory; run again when the machine is less busy", what)
	case errors.Is(err, errMessage):
		death.reason, death.detail = ReasonBroken, fmt.Sprintf("%s went out of control over it; %s", what, mend)
	default:
		death.reason, death.detail = ReasonBroken, fmt.Sprintf("%s crashed over it (%s); %s", what, crashLine(stderr, w.cmd.ProcessState), mend)
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

// A workerClock holds the limits of a document. It counts the time that the
// parent waits for the child, so that a slow consumer costs the document
// nothing.
type workerClock struct {
	started bool
	silence time.Duration // between two frames
	total   time.Duration // 0 is none: a table is as long as it is
	spent   time.Duration
	extra   time.Duration // for the next frame, beyond silence
	fixed   bool          // by the user: it does not grow with the document
	memory  int64         // bytes that the worker may have more than at its start
}

// ready starts the document's clock: the engine has started.
func (c *workerClock) ready() { c.started, c.spent = true, 0 }

// limit is how long the next frame may take.
func (c *workerClock) limit() time.Duration {
	switch {
	case !c.started:
		return workerStart
	case c.total == 0:
		return c.silence + c.extra
	}
	return max(0, min(c.silence+c.extra, c.total-c.spent))
}

// extend gives time for something in the document that has a limit of its own.
func (c *workerClock) extend(by time.Duration) {
	c.extra = by
	if c.total > 0 {
		c.total += by
	}
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
