package pipeline

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"path"
	"strings"
	"time"

	"importer/extract"
	"importer/pipeline/state"
	"importer/transform"
)

// A Range is a number that is not known for sure.
type Range struct {
	Low    float64 `json:"low"`
	Likely float64 `json:"likely"`
	High   float64 `json:"high"`
}

func exactly(n int64) Range { return Range{float64(n), float64(n), float64(n)} }

func (r Range) plus(o Range) Range {
	// The errors of different things do not add up: their squares do.
	low := math.Hypot(r.Likely-r.Low, o.Likely-o.Low)
	high := math.Hypot(r.High-r.Likely, o.High-o.Likely)
	likely := r.Likely + o.Likely
	return Range{max(likely-low, 0), likely, likely + high}
}

// Per divides by a rate.
func (r Range) Per(rate float64) Range { return Range{r.Low / rate, r.Likely / rate, r.High / rate} }

func (r Range) rounded() Range {
	return Range{math.Floor(r.Low), math.Round(r.Likely), math.Ceil(r.High)}
}

// An Estimate is what a run would have to do.
type Estimate struct {
	Files int64 `json:"files"`
	Bytes int64 `json:"bytes"`
	// Skipped are the files that would not be opened, as they were read whole
	// and have not changed.
	Skipped int64 `json:"skipped"`
	Records Range `json:"records"` // in all files
	Read    Range `json:"read"`    // those of them that would be read
	Send    Range `json:"send"`    // items that would be sent
	Deletes int64 `json:"deletes"` // items of files that are gone
	// First tells that no run has written to the connection yet.
	First   bool             `json:"first"`
	Sampled Sampled          `json:"sampled"`
	Sources []SourceEstimate `json:"sources"`
	// Problems are folders that could not be looked at, a line each.
	Problems []string `json:"problems"`
}

// A SourceEstimate is the part of one source.
type SourceEstimate struct {
	Source  string `json:"source"`
	Files   int64  `json:"files"`
	Bytes   int64  `json:"bytes"`
	Skipped int64  `json:"skipped"`
	Records Range  `json:"records"`
	Send    Range  `json:"send"`
}

// Sampled is what was looked into.
type Sampled struct {
	Files   int64   `json:"files"`
	Records int64   `json:"records"`
	Bytes   int64   `json:"bytes"`   // that were read
	Seconds float64 `json:"seconds"` // that it took, by one reader
}

// What is looked into of the files of one kind in one source.
const (
	sampleFiles   = 12
	sampleRecords = 20_000           // of a file
	sampleBytes   = 1 << 20          // of a file
	sampleTime    = 20 * time.Second // of all of them
	// A document larger than this is not opened: it is read as a whole.
	sampleDocument = 32 << 20
	// The most that is read of files that may be unchanged, of one and of all.
	compareFile, compareBytes = 16 << 20, 256 << 20
)

// MakeEstimate says what a run would have to do. What is known of the files it
// takes from the store, which may be nil, and the rest from a sample. It
// writes nothing.
func MakeEstimate(ctx context.Context, m *transform.Mapping, dir string, store *state.Store) (*Estimate, error) {
	e := &estimator{c: &Crawl{Mapping: m, Dir: dir, Log: slog.New(slog.DiscardHandler)}, store: store,
		rand: rand.New(rand.NewPCG(1, 1)), all: &Estimate{First: true, Problems: []string{}}}
	if store != nil {
		known, err := store.Knows(ctx)
		if err != nil {
			return nil, err
		}
		e.all.First = !known
		why, err := store.Resending(ctx)
		if err != nil {
			return nil, err
		}
		e.again = why != ""
	}
	for _, src := range m.Sources {
		if err := e.source(ctx, src); err != nil {
			return nil, err
		}
	}
	if store != nil {
		items, err := store.Items(ctx)
		if err != nil {
			return nil, err
		}
		e.all.Deletes = max(items-e.met, 0)
	}
	a := e.all
	a.Records, a.Read, a.Send = a.Records.rounded(), a.Read.rounded(), a.Send.rounded()
	return a, nil
}

type estimator struct {
	c        *Crawl
	store    *state.Store
	again    bool // every item is sent again
	rand     *rand.Rand
	all      *Estimate
	met      int64 // items of the known files that are still there
	compared int64 // bytes of files whose content was compared
}

// A kind is the files of a source that have one extension and would be read.
type kind struct {
	table bool // its records go with its bytes, not with its files
	files int64
	bytes int64
	picks []*state.Source // the largest first
	begun []begun
}

// A begun file is one in the middle of which a run would go on.
type begun struct {
	bytes int64
	state.Counts
}

// amount is what a kind's records go with: bytes or files.
func (k *kind) amount() float64 {
	if k.table {
		return float64(k.bytes)
	}
	return float64(k.files)
}

func (e *estimator) source(ctx context.Context, src *transform.Source) error {
	s := SourceEstimate{Source: src.Name}
	kinds := map[string]*kind{}
	digest, readers := src.Digest(), lacking(parsers(), src.Options.MissingPrograms())
	var read Range
	for f, err := range walk(ctx, e.c.Dir, src) {
		var walkErr *WalkError
		if errors.As(err, &walkErr) {
			e.all.Problems = append(e.all.Problems, walkErr.Error())
			continue
		}
		if err != nil {
			return err
		}
		found := state.Found{Name: src.Name, Path: f.rel, Size: f.info.Size(), Modified: f.info.ModTime(), Digest: digest, ByTime: src.UsesModified(), Parsers: readers}
		found.Digest = e.c.surroundings(digest, src, f.rel)
		known, err := e.glance(ctx, found, f.full)
		if err != nil {
			return err
		}
		s.Files++
		s.Bytes += found.Size
		e.met += known.Stored + known.Unchanged
		if known.Skip && !e.again {
			s.Skipped++
			s.Records = s.Records.plus(exactly(known.Read))
			continue
		}
		ext := strings.ToLower(path.Ext(f.rel))
		k := kinds[ext]
		if k == nil {
			k = &kind{table: isTable(f.rel, src)}
			kinds[ext] = k
		}
		e.pick(k, &state.Source{Found: found}, known)
	}
	if s.Files == 0 && !src.Optional && len(e.all.Problems) == 0 {
		return transform.Errors{e.c.nothing(src, 0)}
	}
	for _, k := range kinds {
		records, send, err := e.look(ctx, src, k)
		if err != nil {
			return err
		}
		s.Records, s.Send, read = s.Records.plus(records), s.Send.plus(send), read.plus(records)
	}
	a := e.all
	a.Files += s.Files
	a.Bytes += s.Bytes
	a.Skipped += s.Skipped
	a.Records, a.Read, a.Send = a.Records.plus(s.Records), a.Read.plus(read), a.Send.plus(s.Send)
	s.Records, s.Send = s.Records.rounded(), s.Send.rounded()
	a.Sources = append(a.Sources, s)
	return nil
}

// glance tells what is known of a file. One of the same size and another time
// may have the same content. A run looks; here some are.
func (e *estimator) glance(ctx context.Context, f state.Found, full string) (known state.Glance, err error) {
	if e.store == nil {
		return known, nil
	}
	known, err = e.store.Glance(ctx, f)
	if err != nil || !known.Maybe || f.Size > compareFile || e.compared+f.Size > compareBytes {
		return known, err
	}
	e.compared += f.Size
	if f.Hash, err = hashContent(full); err != nil {
		return known, nil // what is wrong with it shows when it is read
	}
	return e.store.Glance(ctx, f)
}

// pick counts a file, and keeps it if it is the largest of its kind or one of
// a few that are drawn by lot.
func (e *estimator) pick(k *kind, f *state.Source, known state.Glance) {
	if known.Begun {
		k.begun = append(k.begun, begun{f.Size, known.Counts})
	}
	k.files++
	k.bytes += f.Size
	switch {
	case len(k.picks) == 0:
		k.picks = append(k.picks, f)
		return
	case f.Size > k.picks[0].Size:
		k.picks[0], f = f, k.picks[0]
	}
	if len(k.picks) < sampleFiles {
		k.picks = append(k.picks, f)
	} else if n := e.rand.Int64N(k.files-1) + 1; n < sampleFiles {
		k.picks[n] = f
	}
}

// A unit is a piece of the sample.
type unit struct {
	amount  float64 // bytes, or one file
	records float64
	send    float64 // items that would be sent
	made    []made  // items of which it is not known whether they would
}

type made struct {
	id     string
	digest [32]byte
}

// look samples a kind, and says how many records it has and how many items of
// them would be sent.
func (e *estimator) look(ctx context.Context, src *transform.Source, k *kind) (records, send Range, err error) {
	var units []unit
	end := time.Now().Add(sampleTime)
	for _, f := range k.picks {
		if len(units) > 0 && time.Now().After(end) || !k.table && f.Size > sampleDocument {
			continue
		}
		more, err := e.sample(ctx, src, f, k.table)
		if err != nil {
			return records, send, err
		}
		units = append(units, more...)
	}
	if len(units) == 0 { // documents that are all too large to be opened for this
		n := float64(k.files)
		return Range{n, n, 10 * n}, Range{0, n, 10 * n}, nil
	}
	if err := e.judge(ctx, units); err != nil {
		return records, send, err
	}
	countRecords := func(u *unit) float64 { return u.records }
	countSend := func(u *unit) float64 { return u.send }
	records = scale(units, k.amount(), k.amount(), countRecords)
	send = scale(units, k.amount(), k.amount(), countSend)
	for _, b := range k.begun {
		// Of what was read of it, nothing is sent again; the rest is likely to
		// go as that did. The sample says nothing of it: it is from the start.
		share := float64(b.Stored) / float64(b.Settled())
		whole := scale(units, float64(b.bytes), k.amount(), countRecords)
		sampled := scale(units, float64(b.bytes), k.amount(), countSend)
		left := func(n float64) float64 { return max(n-float64(b.Settled()), 0) * share }
		send = Range{
			max(send.Low-sampled.Likely, 0) + left(whole.Low),
			max(send.Likely-sampled.Likely, 0) + left(whole.Likely),
			max(send.High-sampled.Likely, 0) + left(whole.High),
		}
	}
	return records, send, nil
}

// scale takes a sample for a part of the whole that it is from: the ratio of
// what was counted to the amount, with twice its standard error.
func scale(units []unit, part, whole float64, count func(*unit) float64) Range {
	var sum, of float64
	for i := range units {
		sum += count(&units[i])
		of += units[i].amount
	}
	if of >= whole {
		likely := sum
		if part < whole {
			likely *= part / of
		}
		return Range{likely, likely, likely}
	}
	ratio := sum / of
	likely := ratio * part
	n := float64(len(units))
	spread := 0.3 * likely // of a single piece it is not known how the others differ
	if n > 1 {
		var squares float64
		for i := range units {
			d := count(&units[i]) - ratio*units[i].amount
			squares += d * d
		}
		spread = 2 * part * math.Sqrt(n*squares/(n-1)) / of * math.Sqrt(1-of/whole)
		if spread > 0 {
			spread = max(spread, 0.05*likely) // the end of a file is seldom quite like its beginning
		}
	}
	if sum == 0 {
		spread = 3 / of * part // the rule of three: it may be rare
	}
	return Range{max(likely-spread, 0), likely, likely + spread}
}

// judge finds out which of the items the target has just so.
func (e *estimator) judge(ctx context.Context, units []unit) error {
	digests := map[string][32]byte{}
	for i := range units {
		for _, m := range units[i].made {
			digests[m.id] = m.digest
		}
	}
	if len(digests) == 0 {
		return nil
	}
	has, err := e.store.Has(ctx, digests)
	if err != nil {
		return err
	}
	for i := range units {
		for _, m := range units[i].made {
			if !has[m.id] {
				units[i].send++
			}
		}
		units[i].made = nil
	}
	return nil
}

// sample reads the beginning of a file. The units of a table are what comes of
// each piece that is read from the disk; a document is one unit.
func (e *estimator) sample(ctx context.Context, src *transform.Source, f *state.Source, table bool) ([]unit, error) {
	e.c.opens(f, src)
	in, closeFile, err := e.c.open(f, src)
	if err != nil {
		return []unit{{amount: amountOf(f, table), records: 1}}, nil // the file is what is refused
	}
	defer closeFile()
	began := time.Now()
	disk := &tap{r: in.ReaderAt, packed: strings.HasPrefix(strings.ToLower(path.Ext(f.Path)), ".xls")}
	in.ReaderAt = disk
	e.all.Sampled.Files++
	defer func() {
		e.all.Sampled.Bytes += disk.read
		e.all.Sampled.Seconds += time.Since(began).Seconds()
	}()
	opt := src.Options
	opt.Warn = nil
	file := e.fileOf(f, src)
	var units []unit
	var now unit
	var records int64
	var taken, at int64 // where the units end, and where the present one will
	for rec, err := range extract.Records(ctx, in, opt) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if pos := disk.at(); records == 0 {
			at = pos
		} else if table && pos > at {
			now.amount = float64(at - taken)
			units, now, taken, at = append(units, now), unit{}, at, pos
			if taken >= sampleBytes || records >= sampleRecords || time.Since(began) > sampleTime/4 {
				return units, nil
			}
		}
		records++
		now.records++
		e.all.Sampled.Records++
		if err == nil {
			rec.SetFile(file)
			if err := e.make(src, rec, &now); err != nil {
				return nil, err.In(e.c.display(f, src))
			}
		} // else a record, or the rest of the file, is refused
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	now.amount = max(amountOf(f, table)-float64(taken), 0)
	return append(units, now), nil
}

// fileOf describes a file to the mapping, but for the hash of its content: to
// take it, the file would be read whole.
func (e *estimator) fileOf(f *state.Source, src *transform.Source) *extract.File {
	file := e.c.fileOf(f, src)
	file.SHA256 = func() (string, error) { return strings.Repeat("0", 64), nil }
	return file
}

// make makes an item of a record. Its errors are those of the mapping.
func (e *estimator) make(src *transform.Source, rec extract.Record, u *unit) transform.Errors {
	item, err := src.ApplyWith(rec, nobodyKnown{})
	var wrong transform.Errors
	var names *transform.UnresolvedError
	switch {
	case errors.As(err, &wrong) && rec.Doc == nil:
		return wrong
	case errors.As(err, &names): // whom nobody was asked for: most are somebody
		u.send++
	case err != nil: // filtered or refused
	case e.store == nil || e.again || e.all.First:
		u.send++
	default:
		u.made = append(u.made, made{item.ID, item.Digest()})
	}
	return nil
}

// nobodyKnown is a directory that was asked for nobody.
type nobodyKnown struct{}

func (nobodyKnown) Known(transform.Name) (transform.Found, bool) { return transform.Found{}, false }

func amountOf(f *state.Source, table bool) float64 {
	if table {
		return float64(f.Size)
	}
	return 1
}

// A tap counts what is read through it.
type tap struct {
	r      io.ReaderAt
	packed bool // an archive, which is not read from its start to its end
	read   int64
	end    int64 // of what was read
}

func (t *tap) ReadAt(p []byte, off int64) (int, error) {
	n, err := t.r.ReadAt(p, off)
	t.read += int64(n)
	t.end = max(t.end, off+int64(n))
	return n, err
}

// at is how far the reading has come.
func (t *tap) at() int64 {
	if t.packed {
		return t.read
	}
	return t.end
}
