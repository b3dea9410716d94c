package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// Tests of the sandbox have documents that say what their engines do: the
// first line is for opening, each further one a page. A line has the first
// engine's part and, after a bar, the second's.
const scriptEnv = "IMPORTER_TEST_SCRIPTS"

// scriptMemory is what a worker for scripts may have.
const scriptMemory = 256 << 20

func serveScriptsIfAsked() {
	if os.Getenv(scriptEnv) != "1" {
		return
	}
	Formats = append([]*Format{scriptFormat, scriptTable}, Formats...)
	engine := func(part int) func() (pdfEngine, error) {
		return func() (pdfEngine, error) { return &scriptEngine{part}, nil }
	}
	os.Exit(serveWorker(os.Stdin, os.Stdout, &pdfReader{engines: map[string]func() (pdfEngine, error){
		enginePDFium: engine(0), engineLedongthuc: engine(1),
	}}))
}

type scriptEngine struct{ part int }

func (*scriptEngine) recycle() {}
func (*scriptEngine) close()   {}

func (e *scriptEngine) open(f io.ReaderAt, size int64, _ []string) (pdfDocument, error) {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, size))
	if err != nil {
		return nil, err
	}
	text, _, _ := strings.Cut(string(b), "\nendobj")
	d := &scriptDocument{}
	for line := range strings.Lines(text) {
		parts := strings.Split(strings.TrimSpace(line)+"|", "|")
		d.lines = append(d.lines, parts[e.part])
	}
	if _, err := d.do(d.lines[0]); err != nil {
		return nil, brokenPDF(err.Error())
	}
	return d, nil
}

type scriptDocument struct{ lines []string }

func (d *scriptDocument) close()                      {}
func (d *scriptDocument) facts() pdfFacts             { return pdfFacts{Pages: len(d.lines) - 1} }
func (d *scriptDocument) page(n int) (pdfPage, error) { return d.do(d.lines[n]) }

// files has a file on a page, or in the document, whose line begins so.
func (d *scriptDocument) files(n int) ([]pdfFile, error) {
	if what, ok := strings.CutPrefix(d.lines[n], "file:"); ok {
		return []pdfFile{{Name: what + ".txt"}}, nil
	}
	return nil, nil
}

func (d *scriptDocument) content(n, i int) ([]byte, error) {
	what := strings.TrimPrefix(d.lines[n], "file:")
	if what == "damaged" {
		return nil, errNoFile
	}
	_, err := d.do(what)
	return []byte("in " + what), err
}

var sink [][]byte

func (d *scriptDocument) do(what string) (pdfPage, error) {
	switch what {
	case "hang":
		for i := 0; ; i++ {
			_ = i
		}
	case "grow":
		for {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			sink = append(sink, b)
		}
	case "huge": // what one real file asks of ledongthuc
		b := make([]byte, 137<<30)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		sink = append(sink, b)
	case "exit":
		os.Exit(3)
	case "thread": // as Go does when there is no memory for a thread's stack
		fmt.Fprintln(os.Stderr, "runtime/cgo: pthread_create failed: Resource temporarily unavailable\nSIGABRT: abort")
		os.Exit(2)
	case "killed": // as by the system, when memory is short
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Kill()
		}
		panic(err)
	case "panic":
		panic("index out of range")
	case "crash": // a panic that no recover sees
		c := make(chan bool)
		go func() { defer close(c); panic("boom") }()
		<-c
		select {}
	case "garbage":
		fmt.Fprint(workerOutput, strings.Repeat("garbage ", 100))
	case "print":
		fmt.Println("a library that prints")
		fmt.Fprintln(os.Stderr, "and complains")
		return pdfPage{lines: []pdfLine{{text: "printed"}}}, nil
	case "lost":
		return pdfPage{}, errNoPage
	case "trap":
		return pdfPage{}, errors.New("the module has trapped")
	case "nothing":
		return pdfPage{shows: true, state: pageNoText}, nil
	}
	return pdfPage{lines: []pdfLine{{text: what}}, files: strings.HasPrefix(what, "file:")}, nil
}

// workerOutput is a worker's way to its parent, for scripts that misuse it.
var workerOutput = os.Stdout

// scripts is a pool whose workers follow scripts.
func scripts(t *testing.T, n int) *workerPool {
	if !havePDFium {
		t.Skip("scripts have two engines")
	}
	p := newWorkerPool(n, func() (*exec.Cmd, error) {
		cmd, err := workerCommand()
		if err == nil {
			cmd.Env = append(cmd.Env, scriptEnv+"=1")
		}
		return cmd, err
	})
	t.Cleanup(p.close)
	return p
}

// scriptPDF makes a whole "PDF" of a script.
func scriptPDF(lines ...string) Input {
	return bytesInput("s.pdf", []byte(strings.Join(lines, "\n")+"\nendobj\nstartxref\n0\n%%EOF\n"))
}

// readScript reads a script by page and tells what came in one line.
func readScript(ctx context.Context, p *workerPool, in Input, opt Options) (string, error) {
	var b strings.Builder
	var last error
	opt.spool = &spool{}
	defer opt.spool.remove()
	opt.Warn = func(_ Place, s string) { fmt.Fprintf(&b, "(%.22s...) ", s) }
	r := &pdfRecords{ctx: ctx, in: in, opt: opt, run: p.run, yield: func(rec Record, err error) bool {
		if err != nil {
			fmt.Fprint(&b, "lost ")
		} else {
			fmt.Fprint(&b, rec.Doc.Body, " ")
			if opt.PDF.Engine == engineFacts {
				fmt.Fprintf(&b, "of %d ", rec.Doc.Pages)
			}
			for _, a := range rec.Doc.Attachments {
				fmt.Fprintf(&b, "[%s %s] ", a.Name, contentOf(a))
			}
		}
		return true
	}}
	last = r.read()
	return strings.TrimSpace(b.String()), last
}

// contentOf is what is in an attachment, or why it cannot be had.
func contentOf(a Attachment) string {
	in, err := a.Open()
	if err != nil {
		return err.Error()
	}
	defer in.close()
	b, err := io.ReadAll(io.NewSectionReader(in, 0, in.Size))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// TestSandboxFiles has files inside of documents cost no more than themselves.
func TestSandboxFiles(t *testing.T) {
	const limit = 700 * time.Millisecond
	pool := scripts(t, 1)
	for _, tt := range []struct {
		name        string
		script      []string
		attachments string
		want        string
	}{
		{"of the document", []string{"file:good|", "one|", "two|"}, AttachmentItems, "one [good.txt in good] two"},
		{"of a page", []string{"|", "one|", "file:good|"}, AttachmentItems, "one file:good [good.txt in good]"},
		{"both", []string{"file:a|", "file:b|"}, AttachmentItems, "file:b [a.txt in a] [b.txt in b]"},
		{"names", []string{"file:good|", "one|"}, "", "one [good.txt attachments: items was not asked for]"},
		{"none", []string{"file:good|", "file:good|"}, AttachmentNone, "file:good"},
		{"damaged", []string{"file:damaged|", "one|"}, AttachmentItems, "(the attachment \"damage...) one [damaged.txt its content is damaged]"},
		{"traps", []string{"file:trap|", "file:good|"}, AttachmentItems, "(the attachment \"trap.t...) file:good [trap.txt its content is damaged] [good.txt in good]"},
		{"panics", []string{"|", "file:panic|", "two|"}, AttachmentItems, "(the attachment \"panic....) file:panic [panic.txt its content is damaged] two"},
		{"hangs", []string{"file:hang|", "one|", "file:good|"}, AttachmentItems, "(what is attached was g...) one file:good"},
		{"hangs on a page", []string{"file:a|", "one|", "file:hang|", "three|"}, AttachmentItems, "one [a.txt in a] (what is attached was g...) file:hang three"},
		{"dies after it has told its files", []string{"file:a|", "hang|", "two|"}, AttachmentItems, "(PDFium was stopped on ...) lost two [a.txt in a]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opt := Options{Item: "page", Attachments: tt.attachments, PDF: PDFOptions{Engine: engineAuto}}
			if strings.Contains(strings.Join(tt.script, ""), "hang") {
				opt.Limits.Time = limit
			}
			got, err := readScript(t.Context(), pool, scriptPDF(tt.script...), opt)
			if got != tt.want || err != nil {
				t.Errorf("got %q, error %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestSandbox(t *testing.T) {
	// A limit that the hangs reach soon and the others never.
	const limit = 700 * time.Millisecond
	tests := []struct {
		name   string
		script []string
		engine string
		want   string
		reason string
		has    string
	}{
		{"good", []string{"", "one", "two"}, "auto", "one two", "", ""},
		{"prints", []string{"", "print", "two"}, "auto", "printed two", "", ""},
		{"panics on a page", []string{"|", "one|", "panic|", "three|"}, "auto", "one lost three", "", ""},
		{"panics at opening", []string{"panic"}, "auto", "", ReasonBroken, "index out of range"},
		{"second engine has the text", []string{"|", "one|", "nothing|rescued"}, "auto", "one rescued", "", ""},
		{"second engine has the page", []string{"|", "lost|rescued", "two|"}, "auto", "rescued two", "", ""},
		{"first engine only", []string{"|", "lost|rescued", "two|"}, "pdfium", "lost two", "", ""},
		{"second engine only", []string{"|", "lost|rescued", "two|zwei"}, "ledongthuc", "rescued zwei", "", ""},

		{"hangs at opening", []string{"hang|", "|from", "|second"}, "auto", "(PDFium could not open ...) from second", "", ""},
		{"hangs on a page", []string{"|", "one|", "hang|rescued", "three|"}, "auto", "one (PDFium was stopped on ...) rescued three", "", ""},
		{"second engine hangs", []string{"|", "one|", "nothing|hang", "three|"}, "auto", "one (page 2 was given up fo...)  three", "", ""},
		{"both hang", []string{"|", "one|", "hang|hang", "three|"}, "auto", "one (PDFium was stopped on ...) (reading stopped after ...)", ReasonTimeout, "limits.time"},
		{"only engine hangs", []string{"|", "one|", "hang|rescued"}, "pdfium", "one (reading stopped after ...)", ReasonTimeout, "after page 1 of 2"},
		{"only engine hangs at once", []string{"|hang"}, "ledongthuc", "", ReasonTimeout, "save it again"},

		{"facts by the second engine", []string{"hang|", "one|"}, "facts", "of 1", "", ""},
		{"facts where it panics", []string{"|panic", "one|"}, "facts", "of 1", "", ""},
		{"facts where it hangs", []string{"|hang", "one|"}, "facts", "of 1", "", ""},
		{"facts where both hang", []string{"hang|hang", "one|"}, "facts", "", ReasonTimeout, "limits.time"},

		{"grows", []string{"|grow"}, "ledongthuc", "", ReasonTooLarge, "memory"},
		{"has no memory for a thread", []string{"|thread"}, "ledongthuc", "", ReasonTooLarge, "memory"},
		{"exits", []string{"|", "|one", "|exit"}, "ledongthuc", "one (reading stopped after ...)", ReasonBroken, "exit status 3"},
		{"killed by the system", []string{"|", "|one", "|killed"}, "ledongthuc", "one (reading stopped after ...)", ReasonUnreadable, "short of memory"},
		{"crashes", []string{"|crash"}, "ledongthuc", "", ReasonBroken, "boom"},
		{"writes garbage", []string{"|", "|one", "|garbage"}, "ledongthuc", "one (reading stopped after ...)", ReasonBroken, "out of control"},
	}
	if runtime.GOOS == "linux" {
		tests = append(tests, struct {
			name   string
			script []string
			engine string
			want   string
			reason string
			has    string
		}{"asks for 137 GB", []string{"|huge"}, "ledongthuc", "", ReasonTooLarge, "memory"})
	}
	pool := scripts(t, 1)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			opt := Options{Item: "page", PDF: PDFOptions{Engine: tt.engine}, Limits: Limits{Memory: scriptMemory}}
			if tt.engine == engineFacts {
				opt.Item = ""
			}
			if strings.Contains(strings.Join(tt.script, ""), "hang") {
				opt.Limits.Time = limit
			}
			got, err := readScript(t.Context(), pool, scriptPDF(tt.script...), opt)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			bad, ok := errors.AsType[*FileError](err)
			if tt.reason == "" && err != nil || tt.reason != "" && (!ok || bad.Reason != tt.reason || !strings.Contains(bad.Detail, tt.has)) {
				t.Errorf("error = %v, want %q with %q", err, tt.reason, tt.has)
			}
			if tt.reason != "" && tt.want != "" && !errors.Is(err, ErrShort) {
				t.Errorf("error %v after good pages does not wrap ErrShort", err)
			}
			if got, err := readScript(t.Context(), pool, scriptPDF("|", "fine|fine"), Options{Item: "page"}); got != "fine" || err != nil {
				t.Errorf("the next document: %q, %v, want it to be fine", got, err)
			}
		})
	}
}

// TestSandboxAudit has the second engine's opinion of a document, which costs the
// document nothing when that hangs.
func TestSandboxAudit(t *testing.T) {
	pool := scripts(t, 1)
	for _, tt := range []struct {
		name      string
		script    []string
		agreement string
		warning   string
	}{
		{"agree", []string{"|", "one two|onetwo", "three and more|Three"}, "100", ""},
		{"differ", []string{"|", "one two|one thirteen", "five|six"}, "20", "reads on 2 of its pages, the text has 20%"},
		{"from left to right", []string{"|", "שלום עולם|םלוע םולש"}, "100", ""},
		{"no opinion", []string{"|", "one two|lost", "three|\uFFFD\uFFFD"}, "", ""},
		{"hangs", []string{"|", "one two|one two", "three|hang"}, "", "given up for text by the second engine"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opt := Options{PDF: PDFOptions{Audit: 1}}
			if strings.Contains(strings.Join(tt.script, ""), "hang") {
				opt.Limits.Time = 700 * time.Millisecond
			}
			var doc *Document
			r := &pdfRecords{ctx: t.Context(), in: scriptPDF(tt.script...), run: pool.run, opt: opt, yield: func(rec Record, err error) bool { doc = rec.Doc; return true }}
			if err := r.read(); err != nil || doc == nil {
				t.Fatal(doc, err)
			}
			if got := doc.Meta["agreement"]; got != tt.agreement {
				t.Errorf("agreement %q, want %q", got, tt.agreement)
			}
			if got := strings.Join(doc.Warnings, "; "); (got == "") != (tt.warning == "") || !strings.Contains(got, tt.warning) {
				t.Errorf("warnings %q, want %q", got, tt.warning)
			}
		})
	}
	chosen := 0
	for i := range 1000 {
		if audited(fmt.Sprintf("manuals/%d.pdf", i), 0.1) {
			chosen++
		}
	}
	if chosen < 50 || chosen > 200 || audited("a", 0) || !audited("a", 1) {
		t.Errorf("of 1,000 documents %d are chosen, want about a tenth", chosen)
	}
}

// TestSandboxDocument has a document that dies in the middle: what came is
// told, and that it is not all.
func TestSandboxDocument(t *testing.T) {
	pool := scripts(t, 1)
	r := &pdfRecords{ctx: t.Context(), in: scriptPDF("|", "|one", "|two", "|exit"), run: pool.run, opt: Options{PDF: PDFOptions{Engine: engineLedongthuc}}}
	var doc *Document
	r.yield = func(rec Record, err error) bool { doc = rec.Doc; return true }
	err := r.read()
	if doc == nil || doc.Body != "one\ftwo" || len(doc.Warnings) != 1 || !strings.Contains(doc.Warnings[0], "after page 2 of 3") {
		t.Errorf("document = %+v", doc)
	}
	if bad, ok := errors.AsType[*FileError](err); !ok || bad.Reason != ReasonBroken || !errors.Is(err, ErrShort) {
		t.Errorf("error = %v, want %s that wraps ErrShort", err, ReasonBroken)
	}
}

// TestPDFClock has the time limits of documents. Only waiting for the worker
// counts, so a slow consumer costs a document nothing.
func TestPDFClock(t *testing.T) {
	clock := newPDFClock(time.Second, 0)
	clock.ready()
	clock.spent = 900 * time.Millisecond
	if got := clock.limit(); got != 100*time.Millisecond {
		t.Errorf("limit after 900 ms of waiting = %v, want 100ms", got)
	}
	clock.pages(1000)
	if got := clock.limit(); got != 100*time.Millisecond {
		t.Errorf("a limit that the user set grows with the pages: %v", got)
	}
	clock = newPDFClock(0, 0)
	if clock.limit() != workerStart {
		t.Errorf("limit before the engine started = %v, want %v", clock.limit(), workerStart)
	}
	clock.ready()
	clock.pages(1000)
	clock.spent = 210 * time.Second
	if got := clock.limit(); got != 10*time.Second {
		t.Errorf("limit of 1,000 pages after 210 s = %v, want 10s", got)
	}
}

// TestSandboxCancel cancels in the middle of a hang: the worker is gone, and
// the pool serves on.
func TestSandboxCancel(t *testing.T) {
	pool := scripts(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	r := &pdfRecords{ctx: ctx, in: scriptPDF("|", "|one", "|hang"), run: pool.run, opt: Options{Item: "page", PDF: PDFOptions{Engine: engineLedongthuc}}}
	r.yield = func(Record, error) bool { cancel(); return true } // the worker hangs by now, or soon
	begin := time.Now()
	if err := r.read(); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want %v", err, context.Canceled)
	}
	if took := time.Since(begin); took > pdfTime/2 {
		t.Errorf("cancelling took %v", took)
	}
	if got, err := readScript(t.Context(), pool, scriptPDF("|", "fine|"), Options{Item: "page"}); got != "fine" || err != nil {
		t.Errorf("the next document: %q, %v", got, err)
	}
}

// TestSandboxBreak breaks off in the middle: the worker ends with the document
// and serves the next, or is replaced when it hangs.
func TestSandboxBreak(t *testing.T) {
	started := 0
	pool := scripts(t, 1)
	command := pool.command
	pool.command = func() (*exec.Cmd, error) { started++; return command() }
	read := func(in Input) {
		n := 0
		r := &pdfRecords{ctx: t.Context(), in: in, run: pool.run, opt: Options{Item: "page"}}
		r.yield = func(Record, error) bool { n++; return n < 2 }
		if err := r.read(); err != nil || !r.stopped || n != 2 {
			t.Errorf("broken off at page 2: %d pages, stopped %v, error %v", n, r.stopped, err)
		}
	}
	many := slices.Repeat([]string{strings.Repeat("much text ", 1000) + "|"}, 1000) // far more than a pipe holds
	for range 3 {
		read(scriptPDF(many...))
	}
	if started != 1 {
		t.Errorf("%d workers for three documents that were broken off, want 1", started)
	}
	read(scriptPDF("|", "one|", "two|", "hang|"))
	if got, err := readScript(t.Context(), pool, scriptPDF("|", "fine|"), Options{Item: "page"}); got != "fine" || err != nil {
		t.Errorf("the next document: %q, %v", got, err)
	}
	if started != 2 {
		t.Errorf("%d workers, want another in place of the one that hung", started)
	}
}

// TestSandboxReuses has one worker serve many documents, and none left after
// close.
func TestSandboxReuses(t *testing.T) {
	started := 0
	pool := scripts(t, 1)
	command := pool.command
	pool.command = func() (*exec.Cmd, error) { started++; return command() }
	for range 20 {
		if got, err := readScript(t.Context(), pool, scriptPDF("|", "one|"), Options{Item: "page"}); got != "one" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if started != 1 {
		t.Errorf("%d workers were started for 20 good documents, want 1", started)
	}
	w := pool.idle[0]
	w.kill() // as the kernel does when memory is short
	if got, err := readScript(t.Context(), pool, scriptPDF("|", "one|"), Options{Item: "page"}); got != "one" || err != nil {
		t.Errorf("a worker was killed while it waited: %q, %v, want the document read by another", got, err)
	}
	w = pool.idle[0]
	pool.close()
	if len(pool.idle) > 0 || w.cmd.ProcessState == nil {
		t.Errorf("after close: %d idle, process state %v", len(pool.idle), w.cmd.ProcessState)
	}
	if got, err := readScript(t.Context(), pool, scriptPDF("|", "one|"), Options{Item: "page"}); got != "one" || err != nil {
		t.Errorf("after close: %q, %v, want a new worker", got, err)
	}
	pool.retire(pool.idle[0])
	if len(pool.idle) > 0 {
		t.Errorf("a retired worker is kept")
	}
}

// TestWorkerEnvironment keeps secrets away from who reads hostile files.
func TestWorkerEnvironment(t *testing.T) {
	t.Setenv("IMPORTER_GRAPH_TOKEN", "secret")
	cmd, err := workerCommand()
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(cmd.Env, func(kv string) bool { return strings.Contains(kv, "secret") }) {
		t.Errorf("environment of a worker: %q", cmd.Env)
	}
}

// TestInProcess is the way of programs without the hook.
func TestInProcess(t *testing.T) {
	r := &pdfRecords{ctx: t.Context(), in: bytesInput("f.pdf", makePDF(t, []string{"one", "two"})), run: inProcess}
	var docs []*Document
	r.yield = func(rec Record, err error) bool { docs = append(docs, rec.Doc); return true }
	if err := r.read(); err != nil || len(docs) != 1 || docs[0].Body != "one\ftwo" {
		t.Errorf("%+v, %v", docs, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r = &pdfRecords{ctx: ctx, in: r.in, run: inProcess, opt: Options{Item: "page"}}
	r.yield = func(Record, error) bool { cancel(); return true }
	if err := r.read(); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// countingEngine counts how often it opens and closes documents.
type countingEngine struct {
	scriptEngine
	opened, closed int
}

type countedDocument struct {
	pdfDocument
	e *countingEngine
}

func (d *countedDocument) close() { d.e.closed++ }

func (e *countingEngine) open(f io.ReaderAt, size int64, passwords []string) (pdfDocument, error) {
	e.opened++
	doc, err := e.scriptEngine.open(f, size, passwords)
	return &countedDocument{doc, e}, err
}

// TestPDFRenewed has a long document opened anew while it is read, so that its
// engine does not keep all of it, and all pages told.
func TestPDFRenewed(t *testing.T) {
	e := &countingEngine{}
	r := &pdfReader{engines: map[string]func() (pdfEngine, error){
		enginePDFium: func() (pdfEngine, error) { return e, nil }, engineLedongthuc: func() (pdfEngine, error) { return e, nil },
	}}
	lines := []string{""}
	for n := range 2*renewPages + 10 {
		lines = append(lines, fmt.Sprint(n+1))
	}
	path, done, err := scriptPDF(lines...).file("importer-*.pdf")
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	next := 1
	err = r.read(pdfRequest{Path: path, Size: 1 << 20, Engine: engineAuto, MaxPages: len(lines), MaxText: 1 << 20}, func(f pdfFrame) error {
		if f.Kind == framePage {
			if f.Page != next || f.Text != fmt.Sprint(next) {
				t.Fatalf("page %d: %q, want page %d", f.Page, f.Text, next)
			}
			next++
		}
		return nil
	})
	if err != nil || next != len(lines) {
		t.Errorf("%d pages told, error %v, want %d", next-1, err, len(lines)-1)
	}
	if e.opened != 3 || e.closed != 3 {
		t.Errorf("opened %d times and closed %d, want 3", e.opened, e.closed)
	}
}
