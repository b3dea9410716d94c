package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"importer/load"
	"importer/pipeline/state"
	"importer/transform"
)

// estimate makes an estimate of the world, with what its state knows.
func (w *world) estimate() *Estimate {
	w.t.Helper()
	e, err := w.tryEstimate()
	w.must(err)
	return e
}

func (w *world) tryEstimate() (*Estimate, error) {
	w.t.Helper()
	m, err := transform.Load(filepath.Join(w.dir, "mapping.yaml"))
	w.must(err)
	store, err := state.Reader(w.state, "testconnection")
	if errors.Is(err, fs.ErrNotExist) {
		return MakeEstimate(w.t.Context(), m, w.dir, nil)
	}
	w.must(err)
	defer store.Close()
	return MakeEstimate(w.t.Context(), m, w.dir, store)
}

func (w *world) wantEstimate(what string, records, read, send, skipped, deletes int64) {
	w.t.Helper()
	e := w.estimate()
	if e.Records != exactly(records) || e.Read != exactly(read) || e.Send != exactly(send) || e.Skipped != skipped || e.Deletes != deletes {
		w.t.Errorf("%s: records %v, read %v, send %v, %d files skipped, %d deletes; want %d, %d, %d, %d, %d",
			what, e.Records, e.Read, e.Send, e.Skipped, e.Deletes, records, read, send, skipped, deletes)
	}
}

// Where all is read, the estimate is what the run does.
func TestEstimateOfSmallFiles(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", append(numbered(10), "10,skip,1", "11,bad,many")...)
	w.write("b.csv", "20,title,1", "21,title,2")
	w.wantEstimate("at first", 14, 14, 12, 0, 0)
	if e := w.estimate(); !e.First || e.Files != 2 || e.Sampled.Files != 2 || e.Sampled.Records != 14 {
		t.Errorf("at first: %+v", e)
	}
	rep := w.mustCrawl()
	if rep.Read != 14 || rep.Stored != 12 {
		t.Fatalf("the run: %+v", rep.Counts)
	}
	w.wantEstimate("unchanged", 14, 0, 0, 2, 0)
	if e := w.estimate(); e.First || e.Sampled.Files != 0 {
		t.Errorf("unchanged: %+v", e)
	}
	// A row is new, one has changed.
	w.write("b.csv", "20,title,1", "21,title,3", "22,title,4")
	w.wantEstimate("changed", 15, 3, 2, 1, 0)
	if rep := w.mustCrawl(); rep.Stored != 2 {
		t.Fatalf("the run: %+v", rep.Counts)
	}
	// Written again with the same content: nothing is sent.
	w.write("b.csv", "20,title,1", "21,title,3", "22,title,4")
	w.wantEstimate("rewritten", 15, 0, 0, 2, 0)
	w.write("b.csv", "20,title,1", "22,title,4", "21,title,3")
	w.wantEstimate("in another order", 15, 3, 0, 1, 0)
	w.remove("a.csv")
	w.wantEstimate("gone", 3, 3, 0, 0, 10)
	// Under another mapping everything is read; what it sends shows in the sample.
	w.write("a.csv", numbered(10)...)
	w.mustCrawl()
	w.mapping("safety: {maxDeletes: 3%}\n")
	w.wantEstimate("another guard", 13, 0, 0, 2, 0)
	text, err := os.ReadFile(filepath.Join(w.dir, "mapping.yaml"))
	w.must(err)
	w.must(os.WriteFile(filepath.Join(w.dir, "mapping.yaml"), []byte(strings.Replace(string(text), "value: title}", "value: title + \"!\"}", 1)), 0o600))
	w.wantEstimate("another text", 13, 13, 13, 0, 0)
	store, err := state.Open(t.Context(), w.state, "testconnection", false)
	w.must(err)
	w.mapping("")
	_, err = store.MarkResend(t.Context(), "for a test")
	w.must(errors.Join(err, store.Close()))
	w.wantEstimate("all again", 13, 13, 13, 0, 0)
}

// Of a file in the middle of which a run has stopped, only the rest is sent.
func TestEstimateOfAnInterruptedRun(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", numbered(1000)...)
	w.write("b.csv", "5000,title,1")
	w.failAt(601)
	if _, err := w.crawl(t.Context()); err == nil {
		t.Fatal("the crawl did not fail")
	}
	e := w.estimate()
	left := float64(1001 - w.target.puts)
	// What was under way when it failed may have arrived without an answer.
	if e.Send.Likely < left-60 || e.Send.Likely > left+60 || e.Records != exactly(1001) {
		t.Errorf("%v of %v are to be sent, want about %v", e.Send, e.Records, left)
	}
	w.target.onRequest = nil
	before := w.target.puts
	w.mustCrawl()
	if sent := float64(w.target.puts - before); e.Send.Low > sent+60 || e.Send.High < sent-60 {
		t.Errorf("%v were to be sent, and %v were", e.Send, sent)
	}
}

// The same of a file that is too large to be read for it: the sample is from
// its beginning, which has been sent.
func TestEstimateOfAnInterruptedLargeFile(t *testing.T) {
	w := newWorld(t)
	w.tweak = func(c *Crawl) { c.Batch, c.InFlight = 500, 1 }
	const rows = 60_000
	w.write("a.csv", numbered(rows)...)
	w.failAt(30_001)
	if _, err := w.crawl(t.Context()); err == nil {
		t.Fatal("the crawl did not fail")
	}
	e := w.estimate()
	if left := float64(rows - w.target.puts); e.Send.Likely < 0.85*left || e.Send.Likely > 1.15*left || e.Send.Low > left {
		t.Errorf("%v of %v are to be sent, want about %v", e.Send, e.Records, left)
	}
	if e.Sampled.Records > rows/2 {
		t.Errorf("%d records were read", e.Sampled.Records)
	}
}

// A large file is not read whole, and the truth lies within the spread.
func TestEstimateReadsLittle(t *testing.T) {
	w := newWorld(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	const rows = 100_000
	var b strings.Builder
	b.WriteString("id,title,size\n")
	filtered := 0
	for i := range rows {
		title := strings.Repeat("word ", 1+rnd.IntN(120))
		if rnd.IntN(4) == 0 {
			title = "skip"
			filtered++
		}
		fmt.Fprintf(&b, "%07d,%s,1\n", i, title)
	}
	w.must(os.MkdirAll(filepath.Join(w.dir, "files"), 0o700))
	w.must(os.WriteFile(filepath.Join(w.dir, "files", "z-large.csv"), []byte(b.String()), 0o600))
	for i := range 30 {
		w.write(fmt.Sprintf("small%d.csv", i), fmt.Sprintf("s%d,title,1", i))
	}
	e := w.estimate()
	if e.Sampled.Bytes > 2*sampleBytes || e.Sampled.Bytes < sampleBytes {
		t.Errorf("%d bytes of %d were read", e.Sampled.Bytes, e.Bytes)
	}
	if e.Sampled.Files != sampleFiles {
		t.Errorf("%d files were opened, want %d", e.Sampled.Files, sampleFiles)
	}
	within(t, "records", e.Records, rows+30)
	within(t, "sent", e.Send, float64(rows-filtered+30))
}

func within(t *testing.T, what string, r Range, want float64) {
	t.Helper()
	if r.Low > want || r.High < want || r.High-r.Low > 0.3*want || r.Low > r.Likely || r.High < r.Likely {
		t.Errorf("%s: %v, want a narrow range around %v", what, r, want)
	}
}

// A mapping that asks for the hash of a file's content does not make an
// estimate read the file.
func TestEstimateDoesNotHash(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", "1,title,1")
	text, err := os.ReadFile(filepath.Join(w.dir, "mapping.yaml"))
	w.must(err)
	w.must(os.WriteFile(filepath.Join(w.dir, "mapping.yaml"), []byte(strings.Replace(string(text), "title: title,", "title: title + file.sha256,", 1)), 0o600))
	w.wantEstimate("with a hash", 1, 1, 1, 0, 0)
	m, err := transform.Load(filepath.Join(w.dir, "mapping.yaml"))
	w.must(err)
	e := &estimator{c: &Crawl{Mapping: m, Dir: w.dir}}
	file := e.fileOf(&state.Source{Found: state.Found{Name: "rows", Path: "not-there.csv"}}, m.Sources[0])
	if sum, err := file.SHA256(); err != nil || len(sum) != 64 {
		t.Errorf("the hash of a file that cannot be read: %q, %v; it was looked for", sum, err)
	}
}

// An estimate changes nothing that is known.
func TestEstimateWritesNothing(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", numbered(50)...)
	e := w.estimate()
	if _, err := os.Stat(w.state); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an estimate of %v made a state: %v", e.Records, err)
	}
	w.mustCrawl()
	w.write("a.csv", numbered(60)...)
	read := func() string {
		s, err := state.Reader(w.state, "testconnection")
		w.must(err)
		defer s.Close()
		print, err := s.Fingerprint(t.Context())
		w.must(err)
		file, err := os.ReadFile(filepath.Join(w.state, "testconnection.db"))
		w.must(err)
		return print + string(file)
	}
	before := read()
	w.estimate()
	if read() != before {
		t.Error("the state has changed")
	}
}

func TestEstimateOfAWrongMapping(t *testing.T) {
	w := newWorld(t)
	if _, err := w.tryEstimate(); !mentions(err, "no file matches") {
		t.Errorf("without files: %v", err)
	}
	w.must(os.MkdirAll(filepath.Join(w.dir, "files"), 0o700))
	w.must(os.WriteFile(filepath.Join(w.dir, "files", "a.csv"), []byte("number,title,size\n1,x,1\n"), 0o600))
	if _, err := w.tryEstimate(); !mentions(err, "id") {
		t.Errorf("without the column: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m, err := transform.Load(filepath.Join(w.dir, "mapping.yaml"))
	w.must(err)
	if _, err := MakeEstimate(ctx, m, w.dir, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// mentions tells a finding of the mapping with some words in it.
func mentions(err error, words string) bool {
	var errs transform.Errors
	return errors.As(err, &errs) && strings.Contains(err.Error(), words)
}

// The spread holds the truth nearly always, and is nothing when all was seen.
func TestScale(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	count := func(u *unit) float64 { return u.records }
	missed := 0
	for range 500 {
		var all []unit
		var amount, sum float64
		for range 200 {
			u := unit{amount: 50 + 100*rnd.Float64()}
			u.records = u.amount * (0.5 + rnd.Float64()) / 10
			amount, sum = amount+u.amount, sum+u.records
			all = append(all, u)
		}
		if r := scale(all, amount, amount, count); r.Low != r.High || r.Likely < sum*0.999 || r.Likely > sum*1.001 {
			t.Fatalf("all seen: %v, want %v", r, sum)
		}
		if r := scale(all[:16], amount, amount, count); sum < r.Low || sum > r.High {
			missed++
		}
	}
	if missed > 50 {
		t.Errorf("the truth was outside of the range in %d of 500", missed)
	}
	if r := scale([]unit{{amount: 10}, {amount: 10}}, 1000, 1000, count); r.Likely != 0 || r.High != 150 {
		t.Errorf("none of 20 in 1000: %v, want at most 150", r)
	}
	if r := scale([]unit{{amount: 10, records: 5}}, 1000, 1000, count); r.Likely != 500 || r.Low >= 400 || r.High <= 600 {
		t.Errorf("a single piece: %v", r)
	}
}

func TestPaceOf(t *testing.T) {
	limited := Learned{load.Learned{Rate: 60, InFlight: 9, Limited: true}, time.Now()}
	ramp := Learned{load.Learned{Rate: 60, InFlight: 9}, time.Now()}
	for _, tt := range []struct {
		given float64
		known Learned
		rate  float64
		from  string
	}{
		{0, Learned{}, 25, "published"},
		{10, Learned{}, 10, "given"},
		{0, limited, 60, "learned"},
		{10, limited, 10, "given"},
		{100, limited, 60, "learned"},
		{0, ramp, 60, "learned"},
		{100, ramp, 100, "given"},
	} {
		if p := PaceOf(tt.given, tt.known); p.Rate != tt.rate || p.From != tt.from || p.Slow < 1 || p.Fast > 1.01 {
			t.Errorf("PaceOf(%v, %+v) = %+v, want %v, %s", tt.given, tt.known.Learned, p, tt.rate, tt.from)
		}
	}
}

func TestSeconds(t *testing.T) {
	e := &Estimate{Read: exactly(1000), Send: Range{800, 900, 1000}, Deletes: 100, Sampled: Sampled{Records: 100, Seconds: 1}}
	near := func(got, want float64) bool { return got > 0.97*want && got < 1.03*want }
	for _, tt := range []struct {
		pace      Pace
		readers   int
		low, high float64
		limit     string
	}{
		{Pace{10, "given", 1, 1}, 2, 90, 110, "service"},
		{Pace{10, "published", 2, 0.5}, 2, 45, 220, "service"},
		{Pace{1000, "learned", 1, 1}, 2, 5, 5, "reading"},
		{Pace{From: "machine"}, 4, 2.5, 2.5, "reading"},
		{Pace{100, "machine", 1, 1}, 4, 9, 11, "machine"},
	} {
		r, limit := e.Seconds(tt.pace, tt.readers)
		if !near(r.Low, tt.low) || !near(r.High, tt.high) || r.Likely < r.Low || r.Likely > r.High || limit != tt.limit {
			t.Errorf("Seconds(%+v, %d) = %v, %s; want %v to %v, %s", tt.pace, tt.readers, r, limit, tt.low, tt.high, tt.limit)
		}
	}
	if r, _ := (&Estimate{}).Seconds(Pace{25, "published", 2, 0.5}, 1); r != (Range{}) {
		t.Errorf("nothing takes %v", r)
	}
}

func TestNights(t *testing.T) {
	at := func(text string) time.Time {
		got, err := time.Parse("2006-01-02 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, tt := range []struct {
		windows       string
		start         string
		work, longest time.Duration
		runs          int
		done          string
	}{
		{"", "2026-11-26 12:00", 3 * time.Hour, 0, 1, "2026-11-26 15:00"},
		{"", "2026-11-26 12:00", 3 * time.Hour, 3 * time.Hour, 1, "2026-11-26 15:00"},
		{"", "2026-11-26 12:00", 3*time.Hour + 1, time.Hour, 4, ""},
		{"22:00-06:00", "2026-11-26 12:00", 3 * time.Hour, 0, 1, "2026-11-27 01:00"},
		{"22:00-06:00", "2026-11-26 23:00", 7 * time.Hour, 0, 1, "2026-11-27 06:00"},
		{"22:00-06:00", "2026-11-26 23:00", 8 * time.Hour, 0, 2, "2026-11-27 23:00"},
		{"22:00-06:00", "2026-11-26 12:00", 20 * time.Hour, 0, 3, "2026-11-29 02:00"},
		{"22:00-06:00", "2026-11-26 12:00", 20 * time.Hour, 4 * time.Hour, 5, "2026-12-01 02:00"},
		{"12:00-13:00,22:00-06:00", "2026-11-26 12:30", 9 * time.Hour, 0, 3, "2026-11-27 12:30"},
		{"22:00-22:01", "2026-11-26 12:00", 3661 * time.Minute, 0, 3661, ""},
	} {
		var texts []string
		if tt.windows != "" {
			texts = strings.Split(tt.windows, ",")
		}
		w, err := ParseWindows(texts, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		runs, done := w.Nights(at(tt.start), tt.work, tt.longest)
		if want := (time.Time{}); runs != tt.runs || tt.done == "" && done != want || tt.done != "" && !done.Equal(at(tt.done)) {
			t.Errorf("%v of %q from %s, at most %v each: %d runs, done %v; want %d, %s", tt.work, tt.windows, tt.start, tt.longest, runs, done, tt.runs, tt.done)
		}
	}
}

func TestMachinePace(t *testing.T) {
	w := newWorld(t)
	w.write("a.csv", numbered(600)...)
	w.mustCrawl()
	s, err := state.Reader(w.state, "testconnection")
	w.must(err)
	defer s.Close()
	p, err := MachinePace(t.Context(), s)
	if err != nil || p.Rate <= 0 || p.From != "machine" {
		t.Errorf("%+v, %v after a run of 600 requests", p, err)
	}
	if p, err := MachinePace(t.Context(), nil); err != nil || p.Rate != 0 {
		t.Errorf("%+v, %v without a run", p, err)
	}
}
