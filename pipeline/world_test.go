package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"importer/load"
	"importer/pipeline/state"
	"importer/transform"
)

// A world is a folder with files, a mapping and a state, and a target that is
// as unkind as the network.
type world struct {
	t      *testing.T
	dir    string
	state  string
	target *fakeTarget
	admin  *memAdmin // nil: the target has no groups
	old    int       // seconds by which the files are older than now
	tweak  func(*Crawl)
	// planned is a plan to be applied.
	planned []byte
}

func unmarshal[T any](t *testing.T, b []byte) *T {
	t.Helper()
	v := new(T)
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
	return v
}

const testMapping = `version: 1
connection: {id: testconnection, name: Test, description: For tests.}
schema:
  title: {type: string, searchable: true, retrievable: true}
  size: {type: int64, retrievable: true, refinable: true, queryable: true}
%ssources:
  - name: rows
    path: files/*.csv
    where: title != "skip"
    id: id
    properties: {title: title, size: size}
    content: {type: text, value: title}
    acl: [{grant: everyone}]
`

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), target: &fakeTarget{items: map[string]string{}}, old: 3600}
	w.state = filepath.Join(w.dir, "state")
	w.mapping("")
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// mapping writes the mapping, with more keys at its top level.
func (w *world) mapping(more string) {
	w.must(os.WriteFile(filepath.Join(w.dir, "mapping.yaml"), fmt.Appendf(nil, testMapping, more), 0o600))
}

// write writes a CSV file. Each write makes it look later than the one before.
func (w *world) write(name string, rows ...string) {
	w.t.Helper()
	path := filepath.Join(w.dir, "files", name)
	w.must(os.MkdirAll(filepath.Dir(path), 0o700))
	w.must(os.WriteFile(path, []byte("id,title,size\n"+strings.Join(rows, "\n")+"\n"), 0o600))
	w.old--
	at := time.Now().Add(-time.Duration(w.old) * time.Second)
	w.must(os.Chtimes(path, at, at))
}

func (w *world) remove(name string) { w.must(os.Remove(filepath.Join(w.dir, "files", name))) }

// crawl runs once against w's target and state.
func (w *world) crawl(ctx context.Context) (*Report, error) {
	w.t.Helper()
	path := filepath.Join(w.dir, "mapping.yaml")
	m, err := transform.Load(path)
	w.must(err)
	src, err := os.ReadFile(path)
	w.must(err)
	store, err := state.Open(ctx, w.state, "testconnection", false)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	c := &Crawl{Mapping: m, Dir: w.dir, Digest: sum(src), Store: store, Log: slog.New(slog.DiscardHandler),
		Loader: &load.Loader{Target: w.target, Concurrency: 3, Retry: load.Retry{}}, Batch: 4, InFlight: 3, Readers: 2, Grace: time.Second}
	if w.admin != nil {
		c.Admin = w.admin
	}
	if w.tweak != nil {
		w.tweak(c)
	}
	return c.Run(ctx)
}

// mustCrawl is a crawl that must succeed.
func (w *world) mustCrawl() *Report {
	w.t.Helper()
	rep, err := w.crawl(w.t.Context())
	if err != nil {
		w.t.Fatalf("crawl: %v", err)
	}
	return rep
}

func (w *world) wantItems(want ...string) {
	w.t.Helper()
	got := slices.Sorted(maps.Keys(w.target.snapshot()))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.t.Errorf("the target has %v, want %v", got, want)
	}
}

func (w *world) wantCounts(rep *Report, want state.Counts) {
	w.t.Helper()
	if rep.Counts != want {
		w.t.Errorf("balance = %+v, want %+v", rep.Counts, want)
	}
}

// A fakeTarget keeps items in memory, as a service that merges. Its answers can be lost, late, or those
// of a service that refuses.
type fakeTarget struct {
	mu       sync.Mutex
	items    map[string]string // id -> what was stored
	requests int
	puts     int
	deletes  int
	gets     int
	did      []string                   // activities, as they came
	keep     bool                       // refuses deletes
	sent     map[string]transform.Parts // what was last sent of each item
	refuse   func(*transform.Item) error
	// onRequest is called before (false) and after (true) the effect of the
	// n-th request, counted from 1. An error is the answer, whatever became of
	// the effect.
	onRequest func(n int, after bool) error
}

func (f *fakeTarget) MaxBatch() int { return 1 }

func (f *fakeTarget) snapshot() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.items)
}

func (f *fakeTarget) do(ctx context.Context, effect func() error) load.Result {
	f.mu.Lock()
	f.requests++
	n := f.requests
	hook := f.onRequest
	f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return load.Result{Err: err}
	}
	if hook != nil {
		if err := hook(n, false); err != nil {
			if errors.Is(err, errThrottled) {
				return load.Result{Err: err, Throttled: true, After: time.Second}
			}
			return load.Result{Err: err, Fatal: errors.Is(err, errKilled)}
		}
	}
	f.mu.Lock()
	err := effect()
	f.mu.Unlock()
	if err != nil {
		return load.Result{Fate: load.Rejected, Err: err}
	}
	if hook != nil {
		if err := hook(n, true); err != nil {
			return load.Result{Err: err, Fatal: errors.Is(err, errKilled)}
		}
	}
	if err := ctx.Err(); err != nil {
		return load.Result{Err: err}
	}
	return load.Result{Fate: load.Stored}
}

func (f *fakeTarget) Put(ctx context.Context, items []*transform.Item) []load.Result {
	out := make([]load.Result, len(items))
	for i, it := range items {
		out[i] = f.do(ctx, func() error {
			f.puts++
			if f.refuse != nil {
				if err := f.refuse(it); err != nil {
					return err
				}
			}
			if f.sent == nil {
				f.sent = map[string]transform.Parts{}
			}
			f.sent[it.ID] = it.Send
			for _, a := range it.Activities {
				f.did = append(f.did, it.ID+" "+a.Type+" "+a.At.Format(time.DateOnly))
			}
			f.items[it.ID] = merged(f.items[it.ID], it)
			return nil
		})
	}
	return out
}

// merged is what a service that merges has of an item once it was sent:
// its content, its ACL and its properties, with tabs between.
func merged(had string, it *transform.Item) string {
	parts := strings.SplitN(had, "\t", 3)
	for len(parts) < 3 {
		parts = append(parts, "")
	}
	for i, part := range []struct {
		of  transform.Parts
		now any
	}{{transform.PartContent, it.Content.Value}, {transform.PartACL, it.ACL}, {transform.PartProperties, it.Properties}} {
		if it.Send == 0 || it.Send&part.of != 0 {
			parts[i] = fmt.Sprint(part.now)
		}
	}
	return strings.Join(parts, "\t")
}

// get reads an item back, as a service that merges has it.
func (f *fakeTarget) get(_ context.Context, id string) (*load.StoredItem, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gets++
	var it load.StoredItem
	return &it, json.Unmarshal([]byte(`{"acl":[{"type":"everyone"}],"properties":{"title":"t"},"content":{"value":"v"}}`), &it)
}

func (f *fakeTarget) Delete(ctx context.Context, ids []string) []load.Result {
	out := make([]load.Result, len(ids))
	for i, id := range ids {
		out[i] = f.do(ctx, func() error {
			f.deletes++
			if f.keep {
				return errors.New("it cannot be deleted")
			}
			delete(f.items, id)
			return nil
		})
	}
	return out
}

var errKilled = errors.New("killed")
