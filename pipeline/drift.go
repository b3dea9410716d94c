package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"importer/extract"
	"importer/pipeline/state"
	"importer/transform"
)

// The drift contract. A crawl looks at a part of each table that it is about to
// read and compares it with what the tables of the source were when it was last
// read to its end, before anything is written. What is known of a source is
// kept in the state, under "contract/" and its name. Files that need not be
// opened are not looked at.
//
// What is looked at is bounded: of a file 2 MB from all over it, and of a source
// about 16 MB, but of each file some rows.
const (
	driftBytes = 2 << 20
	driftAll   = 16 << 20
	driftFew   = 32 << 10
	driftRow   = 100 // bytes that a row of a workbook counts for
	// driftItems is of how many records of a file items are made, to see whether
	// ids stand for what they stood for.
	driftItems = 5_000
	// driftSink is the share of the records that is left when a source has sunk.
	driftSink = 0.6
	driftLost = 50 // records that may go in any case, as by the guard of deletes
)

const (
	metaContract = "contract/"
	// metaLooked has what the run that is under way has seen of a source when it
	// began: the one that takes it up need not open again what was read since.
	metaLooked = "looked/"
)

// A contract is what the tables of a source were, and what they are now.
type contract struct {
	src     *transform.Source
	policy  string
	of      string // what decides which files are read, and how
	was     *agreed
	now     *transform.Profile
	misfit  *transform.Profile // of a table that the mapping does not fit
	rows    extents
	ids     transform.IDs // of now
	twice   int64         // ids that stand more than once in a file
	budget  int64         // bytes that may still be looked at
	looked  bool
	resumed bool  // now is of the run's beginning, and was judged then
	guessed bool  // rows is not exact
	docs    int   // documents that were looked at
	fills   fills // of these
	changes []transform.Change

	counted atomic.Int64 // documents of the crawl
	mu      sync.Mutex   // guards filled
	filled  fills        // of the crawl's documents
}

// An agreed is a contract as the state has it.
type agreed struct {
	Version int             `json:"version"`
	Of      string          `json:"of"`
	Run     int64           `json:"run"`
	When    time.Time       `json:"when"`
	Rows    extents         `json:"rows"`
	Profile json.RawMessage `json:"profile"`
	IDs     transform.IDs   `json:"ids"`
	Names   string          `json:"names,omitempty"` // how ids and titles were made
	Twice   int64           `json:"twice"`           // ids that stood more than once in a file
	Fills   fills           `json:"fills,omitempty"` // of documents

	profile *transform.Profile
}

// extents are records and bytes by the ending of the file's name.
type extents map[string]extent

type extent struct {
	Rows  float64 `json:"rows"`
	Bytes int64   `json:"bytes"`
	Files int64   `json:"files"`
}

func (e extents) add(f *state.Source, rows float64) {
	ext := strings.ToLower(path.Ext(f.Path))
	x := e[ext]
	x.Rows += rows
	x.Bytes += f.Size
	x.Files++
	e[ext] = x
}

func (e extents) all() (rows float64) {
	for _, x := range e {
		rows += x.Rows
	}
	return rows
}

// contracts reads what is known of the sources; nil where nothing is remembered.
func (c *Crawl) readContracts(ctx context.Context, run state.Run) error {
	c.contracts, c.drifted = nil, map[int64]string{}
	if !c.Store.Keeps() {
		return nil
	}
	c.contracts = map[string]*contract{}
	for _, src := range c.Mapping.Sources {
		k := &contract{src: src, policy: src.DriftPolicy(), of: readsOf(src), rows: extents{}, budget: driftAll}
		text, err := c.Store.Meta(ctx, metaContract+src.Name)
		if err != nil {
			return err
		}
		if was := readAgreed(text); was != nil && was.Of == k.of {
			k.was = was
			if was.Names != "" && was.Names != src.Names() {
				was.IDs = nil
			}
		}
		c.contracts[src.Name] = k
		if !run.Resumed {
			continue
		}
		if text, err = c.Store.Meta(ctx, metaLooked+src.Name); err != nil {
			return err
		}
		if seen := readAgreed(text); seen != nil && seen.Of == k.of && seen.Run == run.ID {
			k.now, k.ids, k.twice, k.looked, k.resumed = seen.profile, seen.IDs, seen.Twice, true, true
		}
	}
	return nil
}

// readAgreed reads what was written down; nil is nothing. What another version
// has written is no contract: the next one is.
func readAgreed(text string) *agreed {
	var was agreed
	if text == "" || json.Unmarshal([]byte(text), &was) != nil || was.Version != transform.ProfileVersion {
		return nil
	}
	var err error
	if was.profile, err = transform.ReadProfile(was.Profile); err != nil {
		return nil
	}
	return &was
}

// readsOf identifies which files a source reads, and how. When the mapping
// changes that, the files are others, and nothing is known of them.
func readsOf(src *transform.Source) string {
	opt := src.Options
	opt.Warn, opt.Found = nil, nil
	text, _ := json.Marshal(struct {
		Path, Format, Item, GroupBy string
		CSV                         extract.CSVOptions
		Excel                       extract.ExcelOptions
	}{src.Path, opt.Format, opt.Item, opt.GroupBy, opt.CSV, opt.Excel})
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// A glance is what is seen of one file.
type glance struct {
	k     *contract
	c     *Crawl
	f     *state.Source
	file  *extract.File
	rows  *transform.Profiler
	ids   transform.IDs
	head  *extract.Header
	left  bool // there is more of it
	n     int  // rows
	bytes int64
	apply int   // records of which items may still be made
	twice int64 // ids that stood above
	// Of a table of which several rows make one record: its records, and whether
	// there are more of them.
	groups int
	short  bool
}

// look begins to look at a file; nil is that nothing is compared.
func (c *Crawl) look(f *state.Source, src *transform.Source) *glance {
	k := c.contracts[f.Name]
	if k == nil {
		return nil
	}
	return &glance{k: k, c: c, f: f, file: c.fileOf(f, src), rows: transform.NewProfilerOf(src.Uses()), ids: transform.IDs{},
		bytes: max(driftFew, min(driftBytes, k.budget/2)), apply: driftItems}
}

func (l *glance) portion() extract.Portion {
	return extract.Portion{Bytes: l.bytes, Rows: int(l.bytes / driftRow)}
}

// more is told that the file has more than is shown.
func (l *glance) more() { l.left = true }

// group looks at a record of several rows, for its item; it is false when it
// wants no more. The grouping has read the whole file by then.
func (l *glance) group(rec extract.Record, wrong error) (more bool) {
	if wrong != nil || l.apply == 0 {
		return false
	}
	l.apply--
	l.groups++
	l.item(rec)
	return true
}

// ungrouped looks at the rows of a table of which several make one record.
// wrong is that the mapping does not fit.
func (l *glance) ungrouped(ctx context.Context, in extract.Input, wrong error) {
	opt := l.k.src.Options
	opt.Warn, opt.GroupBy, l.apply = nil, "", 0
	for rec, err := range extract.Sample(ctx, in, opt, l.portion(), l.more) {
		if err == nil && rec.Header != nil {
			l.add(rec, wrong)
		}
	}
}

// add looks at a record. wrong is that the mapping does not fit: then all
// columns are looked at, to see what they may be called.
func (l *glance) add(rec extract.Record, wrong error) {
	if l.n == 0 {
		l.head = rec.Header
		if wrong != nil {
			l.rows, l.apply = transform.NewProfiler(), 0
		}
	}
	l.n++
	l.rows.Add(rec)
	if l.apply > 0 {
		l.apply--
		l.item(rec)
	}
}

func (l *glance) item(rec extract.Record) {
	rec.SetFile(l.file)
	item, err := l.k.src.Apply(rec)
	if err != nil {
		return // filtered, or for the quarantine
	}
	if l.ids.Add(l.k.src, item) {
		l.twice++
	}
	transform.Recycle([]*transform.Item{item})
}

// done compares the file with what is known, and adds it to what is seen of the
// source. wrong is that the mapping does not fit it.
func (l *glance) done(wrong error) {
	k := l.k
	k.budget -= min(l.bytes, l.f.Size)
	k.count(l)
	if l.n == 0 {
		return
	}
	if l.left {
		l.rows.Sampled()
	}
	now := l.rows.Profile().OfFile()
	if wrong != nil {
		k.misfit = now
		return
	}
	if l.out(l.changes(now)) {
		return
	}
	if k.resumed {
		return
	}
	k.now = k.profile()
	k.now.Merge(now)
	k.ids = k.ids.Merge(l.ids)
	k.twice += l.twice
	k.looked = true
}

// changes compares.
func (l *glance) changes(now *transform.Profile) []transform.Change {
	k := l.k
	if k.was == nil {
		return nil
	}
	changes := k.src.Drift(k.was.profile, now, l.head)
	ids := func(why string) {
		changes = append(changes, transform.Change{Source: k.src.Name, Kind: transform.ChangeIDs, Feeds: []string{"id"}, Serious: true, Detail: why})
	}
	if why := l.ids.Reused(k.was.IDs); why != "" {
		ids(why)
	}
	if n := l.twice + int64(len(l.ids)); k.was.Twice == 0 && l.twice > 2 && l.twice*20 > n && l.c.Mapping.OnDuplicate == "quarantine" {
		ids(fmt.Sprintf("%d of %d records have an id that another one above has; none had before", l.twice, n))
	}
	for i := range changes {
		changes[i].File, changes[i].Files = l.c.display(l.f, k.src), 1
	}
	return changes
}

// out keeps the file out of the run for what has changed in it, where the
// mapping wants that; else the changes go to the source.
func (l *glance) out(changes []transform.Change) bool {
	k := l.k
	var why []string
	for i := range changes {
		if k.policy == "quarantine" && !l.c.AcceptDrift && k.stops(&changes[i]) {
			ch := changes[i]
			ch.File = ""
			why = append(why, ch.String())
		}
	}
	if len(why) == 0 {
		k.met(changes)
		return false
	}
	l.c.drifted[l.f.ID] = "the file is not as those before it: " + strings.Join(why, "; ") + ". Mend it; if it is right as it is, run again with --accept-drift"
	return true
}

// keepOut keeps a file out of the run that does not have the columns that the
// mapping needs, where others had them and the mapping wants that.
func (c *Crawl) keepOut(f *state.Source, wrong error) bool {
	k := c.contracts[f.Name]
	var errs transform.Errors
	if k == nil || k.was == nil || k.policy != "quarantine" || !errors.As(wrong, &errs) {
		return false
	}
	var why []string
	for _, e := range errs[:min(len(errs), 5)] {
		why = append(why, e.Detail)
	}
	c.drifted[f.ID] = "the file does not have the columns that the mapping needs: " + strings.Join(why, "; ")
	return true
}

// lookAgain takes account of a file that is not checked: as it is a document, as
// it need not be opened, or as this run has begun it.
func (c *Crawl) lookAgain(ctx context.Context, f *state.Source, src *transform.Source) error {
	k := c.contracts[f.Name]
	switch {
	case k == nil:
		return nil
	case !isTable(f.Path, src):
		return c.lookAtDocument(ctx, k, f)
	case f.Skip || k.resumed || c.held(src, c.full(f, src)):
		k.rows.add(f, float64(f.Read))
		return nil
	}
	_, err := c.checkFile(ctx, f, src)
	if ctx.Err() != nil {
		return err
	}
	return nil // a file that this run has begun fits the mapping
}

// renamed tells what the missing columns of a source may be called now.
func (c *Crawl) renamed(src *transform.Source) string {
	k := c.contracts[src.Name]
	if k == nil || k.was == nil || k.misfit == nil {
		return ""
	}
	var hints []string
	for _, name := range src.Uses() {
		if missing := k.was.profile.Column(name); missing != nil && k.misfit.Column(name) == nil {
			if hint := transform.Renamed(missing, k.was.profile, k.misfit); hint != "" {
				hints = append(hints, hint)
			}
		}
	}
	return strings.Join(hints, "; ")
}

// count adds the file's records, or about how many it has. Rows that are put
// together are one record.
func (k *contract) count(l *glance) {
	rows, whole := float64(l.n), !l.left
	if k.src.Options.GroupBy != "" {
		rows, whole = float64(l.groups), !l.short
	}
	if whole {
		k.rows.add(l.f, rows)
		return
	}
	if k.was != nil {
		if x := k.was.Rows[strings.ToLower(path.Ext(l.f.Path))]; x.Bytes > 0 {
			rows = max(rows, x.Rows*float64(l.f.Size)/float64(x.Bytes))
		}
	}
	k.guessed = true
	k.rows.add(l.f, rows)
}

// met adds the changes of a file to those of the source.
func (k *contract) met(changes []transform.Change) {
	for _, ch := range changes {
		i := slices.IndexFunc(k.changes, func(o transform.Change) bool { return o.Kind == ch.Kind && o.Column == ch.Column })
		if i >= 0 {
			k.changes[i].Files++
			continue
		}
		k.changes = append(k.changes, ch)
	}
}

// stops tells whether a change is to stop the run, or to keep a file out of it.
func (k *contract) stops(ch *transform.Change) bool {
	return k.policy == "stop" || k.policy != "evolve" && ch.Serious
}

// judge decides on what has changed, once all files were looked at.
func (c *Crawl) judge(ctx context.Context, run state.Run, rep *Report, doubtful []string) error {
	var stop []transform.Change
	var since *agreed
	for _, src := range c.Mapping.Sources {
		k := c.contracts[src.Name]
		if k == nil || k.was == nil {
			continue
		}
		if !slices.Contains(doubtful, src.Name) && !src.Optional && !k.resumed && !c.letsGo() {
			k.sunk()
		}
		if !k.resumed {
			k.emptied()
		}
		for _, ch := range k.changes {
			if c.AcceptDrift || !k.stops(&ch) || k.policy == "quarantine" && ch.Kind != transform.ChangeRows {
				rep.Changes = append(rep.Changes, ch)
				continue
			}
			stop = append(stop, ch)
			if since == nil {
				since = k.was
			}
		}
	}
	if len(stop) > 0 {
		return &DriftError{Changes: stop, Run: since.Run, When: since.When}
	}
	return c.keepLooks(ctx, run)
}

// letsGo tells that somebody has said that so many items may be deleted.
func (c *Crawl) letsGo() bool {
	return c.Deletes.Set || c.Mapping.MaxDeletes.Share >= 1-driftSink
}

// sunk tells of a source that has lost many of its records.
func (k *contract) sunk() {
	before, now := k.was.Rows.all(), k.rows.all()
	if before-now <= driftLost || now >= driftSink*before {
		return
	}
	about := ""
	if k.guessed {
		about = "about "
	}
	k.changes = append(k.changes, transform.Change{Source: k.src.Name, Kind: transform.ChangeRows, Serious: true,
		Detail: fmt.Sprintf("the source %s has %s%.0f records, where it had %.0f: %.0f %% fewer", k.src.Name, about, now, before, 100*(1-now/before))})
}

// ReasonDrift is that of a file that is not as those before it were.
const ReasonDrift = "drift"

// driftRefusal keeps a file out of the run; nil lets it in.
func (c *Crawl) driftRefusal(f *state.Source, src *transform.Source) error {
	why, out := c.drifted[f.ID]
	if !out {
		return nil
	}
	return &extract.FileError{Place: extract.Place{File: c.display(f, src)}, Reason: ReasonDrift, Detail: why, Err: errDrifted}
}

var errDrifted = errors.New("drifted")

// keepContracts writes down what the files are now, at the end of a run that
// has read them all.
func (c *Crawl) keepContracts(ctx context.Context, run state.Run) error {
	if c.contracts == nil {
		return nil
	}
	any := false
	for _, k := range c.contracts {
		any = any || k.looked || k.filled != nil || k.was != nil && k.rows.all() != k.was.Rows.all()
		k.rows = extents{}
	}
	if !any {
		return nil
	}
	for f, err := range c.Store.Sources(ctx, run) {
		if err != nil {
			return err
		}
		if k := c.contracts[f.Name]; isTable(f.Path, k.src) {
			k.rows.add(f, float64(f.Read))
		}
	}
	values := map[string]string{}
	for name, k := range c.contracts {
		values[metaLooked+name] = ""
		if err := k.write(values, metaContract, k.next(run, c.AcceptDrift)); err != nil {
			return err
		}
	}
	// If we crash before this, the run is taken up again, with what it has looked at.
	return c.Store.SetMetas(ctx, values)
}

// keepLooks writes down what was seen before anything is sent, and at once what
// somebody has accepted: if we crash after that, nobody is asked again.
func (c *Crawl) keepLooks(ctx context.Context, run state.Run) error {
	values := map[string]string{}
	for _, k := range c.contracts {
		if k.looked && !k.resumed {
			seen := &agreed{Of: k.of, Run: run.ID, When: run.Started, IDs: k.ids, Twice: k.twice, Names: k.src.Names(), profile: k.profile()}
			if err := k.write(values, metaLooked, seen); err != nil {
				return err
			}
		}
		if c.AcceptDrift && len(k.changes) > 0 {
			if err := k.write(values, metaContract, k.next(run, true)); err != nil {
				return err
			}
		}
	}
	if len(values) == 0 {
		return nil
	}
	return c.Store.SetMetas(ctx, values)
}

// write adds what is to be written down of the source; nil is nothing.
func (k *contract) write(values map[string]string, under string, a *agreed) (err error) {
	if a == nil {
		return nil
	}
	a.Version = transform.ProfileVersion
	if a.Profile, err = json.Marshal(k.src.Keep(a.profile)); err != nil {
		return err
	}
	text, err := json.Marshal(a)
	values[under+k.src.Name] = string(text)
	return err
}

// profile is what was seen of tables.
func (k *contract) profile() *transform.Profile {
	if k.now == nil {
		return transform.NewProfiler().Profile()
	}
	return k.now
}

// next is the contract after a run; nil is that there is none. What was there
// and what is new hold both, but for accepted changes: there only what is new does.
func (k *contract) next(run state.Run, accepted bool) *agreed {
	if k.was == nil && !k.looked && k.filled == nil {
		return nil
	}
	next := &agreed{Of: k.of, Run: run.ID, When: run.Started, Rows: k.rows, Names: k.src.Names(),
		profile: transform.NewProfiler().Profile()}
	if k.was != nil {
		next.profile.Merge(k.was.profile)
		next.IDs, next.Twice, next.Fills = k.was.IDs, k.was.Twice, k.was.Fills
	}
	for _, ch := range k.changes {
		switch {
		case !accepted || !k.looked:
		case ch.Kind == transform.ChangeIDs:
			next.IDs = nil
		case ch.Column == "" && ch.Kind == transform.ChangeEmpty: // of documents
			next.Fills = maps.Clone(next.Fills)
			delete(next.Fills, ch.Feeds[0])
		case ch.Kind != transform.ChangeValues:
			next.profile.Forget(ch.Column)
		}
	}
	next.Fills = next.Fills.add(k.filled)
	if k.looked {
		next.profile.Merge(k.profile())
		next.IDs = next.IDs.Merge(k.ids)
		next.Twice += k.twice
	}
	return next
}
