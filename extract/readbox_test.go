package extract

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A script in these formats says what its reader does, a line a step: a record
// of that text, or what scriptDocument does on it.
var (
	scriptFormat = &Format{Name: "script", Exts: []string{".script"}, Read: readScriptFile}
	scriptTable  = &Format{Name: "scripttable", Exts: []string{".scripttable"}, Table: true, Read: readScriptFile}
)

func readScriptFile(_ context.Context, in Input, opt Options) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		lines := bufio.NewScanner(io.NewSectionReader(in, 0, in.Size))
		header := NewHeader([]string{"what"})
		for n := 1; lines.Scan(); n++ {
			what := lines.Text()
			rec, err := Record{Place: Place{File: in.Name, Line: n}, Doc: &Document{Body: what}}, error(nil)
			switch {
			case what == "bad":
				rec, err = Record{}, &RecordError{Place: rec.Place, Reason: ReasonSyntax, Detail: "a bad one"}
			case what == "end":
				rec, err = Record{}, &FileError{Place: rec.Place, Reason: ReasonBroken, Detail: "no more"}
			case what == "warn":
				opt.Warn(rec.Place, "a warning")
				continue
			case what == "attach":
				rec.Doc.Attachments = []Attachment{{Name: "a.txt", Type: "text/plain", Size: 5, Open: func() (Input, error) {
					return Input{Size: 5, ReaderAt: strings.NewReader("hello")}, nil
				}}}
			case strings.HasPrefix(what, "row "):
				cell := strings.TrimPrefix(what, "row ")
				rec.Doc, rec.Header, rec.Text, rec.Typed = nil, header, []string{cell}, []any{int64(n)}
			case what == "new header":
				header = NewHeader([]string{"other"})
				continue
			default:
				(&scriptDocument{}).do(what)
			}
			if !yield(rec, err) || err != nil && what == "end" {
				return
			}
		}
	}
}

// readBoxed reads a script in a worker and tells what came in one line.
func readBoxed(ctx context.Context, p *workerPool, f *Format, opt Options, script ...string) (string, error) {
	var b strings.Builder
	in := bytesInput("s"+f.Exts[0], []byte(strings.Join(script, "\n")))
	opt.Warn = func(p Place, s string) { fmt.Fprintf(&b, "(%s: %s) ", p, s) }
	opt.spool = &spool{}
	defer opt.spool.remove()
	r := &readBox{pool: p, format: f, in: in, opt: opt}
	r.yield = func(rec Record, err error) bool {
		switch {
		case err != nil:
			fmt.Fprintf(&b, "!%v ", err)
		case rec.Doc != nil:
			fmt.Fprintf(&b, "%s ", rec.Doc.Body)
			for _, a := range rec.Doc.Attachments {
				in, err := a.Open()
				if err != nil {
					fmt.Fprintf(&b, "[%s %s: %v] ", a.Name, a.Type, err)
					continue
				}
				text, _ := io.ReadAll(io.NewSectionReader(in, 0, in.Size))
				in.close()
				fmt.Fprintf(&b, "[%s %s %d: %s] ", a.Name, a.Type, a.Size, text)
			}
		default:
			fmt.Fprintf(&b, "%q%q%v ", rec.Header.Names(), rec.Text, rec.Typed)
		}
		return true
	}
	err := r.read(ctx)
	return strings.TrimSpace(b.String()), err
}

func TestReadBox(t *testing.T) {
	const limit = 700 * time.Millisecond
	tests := []struct {
		name   string
		format *Format
		script []string
		opt    Options
		want   string
		reason string
		has    string
	}{
		{"documents", scriptFormat, []string{"one", "two"}, Options{}, "one two", "", ""},
		{"rows", scriptTable, []string{"row a", "new header", "row b"}, Options{}, `["what"]["a"][1] ["other"]["b"][3]`, "", ""},
		{"a bad record", scriptFormat, []string{"one", "bad", "three"}, Options{}, "one !s.script:2: a bad one three", "", ""},
		{"a warning in its place", scriptFormat, []string{"one", "warn", "three"}, Options{}, "one (s.script:2: a warning) three", "", ""},
		{"an end", scriptFormat, []string{"one", "end", "three"}, Options{}, "one", ReasonBroken, "no more"},
		{"names of attachments", scriptFormat, []string{"attach"}, Options{}, "attach [a.txt text/plain: attachments: items was not asked for]", "", ""},
		{"attachments", scriptFormat, []string{"attach"}, Options{Attachments: AttachmentItems}, "attach [a.txt text/plain 5: hello]", "", ""},
		{"prints", scriptFormat, []string{"print", "two"}, Options{}, "print two", "", ""},
		{"panics", scriptFormat, []string{"one", "panic"}, Options{}, "one", ReasonBroken, "index out of range"},
		// What was gathered of a document when its reader dies is lost.
		{"hangs", scriptFormat, []string{"one", "hang"}, Options{Limits: Limits{Time: limit}}, "", ReasonTimeout, "raise limits.time"},
		{"grows", scriptFormat, []string{"grow"}, Options{Limits: Limits{Memory: scriptMemory}}, "", ReasonTooLarge, "256 MiB of memory"},
		{"exits", scriptFormat, []string{"exit"}, Options{}, "", ReasonBroken, "the script reader crashed over it (exit status 3)"},
		{"crashes", scriptFormat, []string{"crash"}, Options{}, "", ReasonBroken, "boom"},
		{"writes garbage", scriptFormat, []string{"garbage"}, Options{}, "", ReasonBroken, "out of control"},
	}
	if runtime.GOOS == "linux" {
		tests = append(tests, tests[0])
		last := &tests[len(tests)-1]
		last.name, last.script, last.want, last.reason, last.has = "asks for 137 GB", []string{"huge"}, "", ReasonTooLarge, "2 GiB of memory"
	}
	pool := scripts(t, 1)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readBoxed(t.Context(), pool, tt.format, tt.opt, tt.script...)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			bad, ok := errors.AsType[*FileError](err)
			if tt.reason == "" && err != nil || tt.reason != "" && (!ok || bad.Reason != tt.reason || !strings.Contains(bad.Detail, tt.has)) {
				t.Errorf("error = %v, want %q with %q", err, tt.reason, tt.has)
			}
			if tt.reason != "" && errors.Is(err, ErrShort) != (tt.want != "") {
				t.Errorf("error %v after %q: that it wraps ErrShort is %v", err, tt.want, errors.Is(err, ErrShort))
			}
			if got, err := readBoxed(t.Context(), pool, scriptFormat, Options{}, "fine"); got != "fine" || err != nil {
				t.Errorf("the next document: %q, %v, want it to be fine", got, err)
			}
		})
	}
}

// TestReadBoxClock has a table take as long as it is, and a document by its
// size.
func TestReadBoxClock(t *testing.T) {
	table := (&readBox{format: scriptTable, in: Input{Size: 500 << 20}}).clock()
	table.ready()
	table.spent = time.Hour
	if got := table.limit(); got != readTime {
		t.Errorf("a table may be silent for %v, want %v", got, readTime)
	}
	doc := (&readBox{format: scriptFormat, in: Input{Size: 10 << 20}}).clock()
	doc.ready()
	if got, want := doc.limit(), readTime+10*readTimePerMiB; got != want {
		t.Errorf("a document of 10 MiB may take %v, want %v", got, want)
	}
	doc = (&readBox{format: scriptFormat, in: Input{Size: 10 << 20}, opt: Options{Limits: Limits{Time: time.Second}}}).clock()
	doc.ready()
	if got := doc.limit(); got != time.Second {
		t.Errorf("a document may take %v, want the limit of the mapping, 1s", got)
	}
}

// TestReadBoxBreak breaks off in the middle of a long table: its worker serves
// the next.
func TestReadBoxBreak(t *testing.T) {
	pool := scripts(t, 1)
	script := bytesInput("s.scripttable", []byte(strings.Repeat("row "+strings.Repeat("much text ", 100)+"\n", 5000)))
	var pid int
	for range 3 {
		n := 0
		r := &readBox{pool: pool, format: scriptTable, in: script, yield: func(Record, error) bool { n++; return n < 2 }}
		if err := r.read(t.Context()); err != errBreak || n != 2 {
			t.Errorf("broken off after two rows: %d rows, error %v", n, err)
		}
		if len(pool.idle) != 1 {
			t.Fatal("no worker is left")
		}
		if now := pool.idle[0].cmd.Process.Pid; pid != 0 && now != pid {
			t.Errorf("the worker was replaced")
		} else {
			pid = now
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &readBox{pool: pool, format: scriptTable, in: script, yield: func(Record, error) bool { cancel(); return true }}
	if err := r.read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error = %v", err)
	}
}

// TestWire has every kind of value come back as it was.
func TestWire(t *testing.T) {
	typed := []any{nil, int64(math.MaxInt64), 0.1, math.Inf(1), true, false, CellError("#ЗНАЧ!"), CellError(`"\`), time.Duration(-5),
		time.Date(1899, 12, 30, 1, 2, 3, 4000000, time.UTC)}
	names := make([]string, len(typed))
	h := NewHeader(names)
	rec := Record{Place: Place{File: "f", Sheet: "S", Line: 3}, Header: h, Text: h.Names(), Typed: typed, Cells: 2}
	line, _ := lineOfRecord(rec)
	var back wireLine
	roundTrip(t, line, &back)
	if got := back.record("f", h); !reflect.DeepEqual(got, rec) {
		t.Errorf("got  %#v\nwant %#v", got, rec)
	}
	doc := Record{Place: Place{File: "f", Page: 2}, Doc: &Document{Body: "b", Title: "t", Headings: []string{"h"}, Meta: map[string]string{"a": "b"},
		Page: 2, Pages: 3, Unread: 1, Warnings: []string{"w"}}}
	line, _ = lineOfRecord(doc)
	back = wireLine{}
	roundTrip(t, line, &back)
	if got := back.record("f", nil); !reflect.DeepEqual(got, doc) {
		t.Errorf("got  %#v\nwant %#v", got.Doc, doc.Doc)
	}
}

func roundTrip(t *testing.T, from, to any) {
	t.Helper()
	b, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestReadBoxRefusals has one worker serve on after files that it cannot read:
// a folder of broken files does not cost a process each.
func TestReadBoxRefusals(t *testing.T) {
	pool := scripts(t, 1)
	pid := 0
	for range 3 {
		if _, err := readBoxed(t.Context(), pool, scriptFormat, Options{}, "one", "end"); err == nil {
			t.Fatal("a broken file was read")
		}
		if len(pool.idle) != 1 {
			t.Fatal("no worker is left")
		}
		if now := pool.idle[0].cmd.Process.Pid; pid != 0 && now != pid {
			t.Error("the worker was replaced")
		} else {
			pid = now
		}
	}
}
