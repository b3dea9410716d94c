package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"importer/transform"
)

// Every Target runs this one suite.
func TestTarget(t *testing.T) {
	type opening struct {
		name string
		// open gives a target and a way to read what it holds: id -> title.
		open func(t *testing.T) (Target, func() map[string]string)
	}
	targets := []opening{
		{"JSONL", func(t *testing.T) (Target, func() map[string]string) {
			var out bytes.Buffer
			return NewJSONL(&out, false), func() map[string]string { return readLines(t, out.String()) }
		}},
	}
	for _, w := range ways {
		targets = append(targets, opening{"Graph, " + w.name, func(t *testing.T) (Target, func() map[string]string) {
			f, g := newFakeGraph(t, w.change)
			return g, func() map[string]string {
				titles := make(map[string]string)
				for _, id := range f.stored() {
					titles[id] = titleOf(t, f.conns["hd"].items[id])
				}
				return titles
			}
		}}, opening{"local Graph, " + w.name, func(t *testing.T) (Target, func() map[string]string) {
			_, graph := newLocalGraph(t, w.change)
			g := &noted{Graph: graph}
			return g, func() map[string]string { return g.titles(t) }
		}})
	}
	suite := []struct {
		name string
		test func(t *testing.T, target Target, read func() map[string]string)
	}{
		{"what is put is there", func(t *testing.T, target Target, read func() map[string]string) {
			want := map[string]string{"a-1": "Anna", "b_2": "Übung \"x\"\n"}
			checkFates(t, target.Put(t.Context(), []*transform.Item{item("a-1", "Anna"), item("b_2", "Übung \"x\"\n")}), Stored, Stored)
			if got := read(); !reflect.DeepEqual(got, want) {
				t.Errorf("stored %q, want %q", got, want)
			}
		}},
		{"put again replaces", func(t *testing.T, target Target, read func() map[string]string) {
			checkFates(t, target.Put(t.Context(), []*transform.Item{item("a", "old")}), Stored)
			checkFates(t, target.Put(t.Context(), []*transform.Item{item("a", "new")}), Stored)
			if got := read()["a"]; got != "new" {
				t.Errorf("title is %q, want new", got)
			}
		}},
		{"what is deleted is gone", func(t *testing.T, target Target, read func() map[string]string) {
			checkFates(t, target.Put(t.Context(), []*transform.Item{item("a", "A"), item("b", "B")}), Stored, Stored)
			checkFates(t, target.Delete(t.Context(), []string{"a"}), Stored)
			if got, want := read(), map[string]string{"b": "B"}; !reflect.DeepEqual(got, want) {
				t.Errorf("stored %q, want %q", got, want)
			}
		}},
		{"deleting what is not there is no failure", func(t *testing.T, target Target, read func() map[string]string) {
			checkFates(t, target.Delete(t.Context(), []string{"never", "was"}), Stored, Stored)
		}},
		{"each has its own answer", func(t *testing.T, target Target, read func() map[string]string) {
			if _, ok := target.(*JSONL); ok {
				t.Skip("a file takes everything")
			}
			nobody := item("b", "for nobody")
			nobody.ACL = nil
			results := target.Put(t.Context(), []*transform.Item{item("a", "A"), nobody, item("c", "C")})
			checkFates(t, results, Stored, Rejected, Stored)
			if api, ok := errors.AsType[*APIError](results[1].Err); !ok || api.Status != 400 || !api.Envelope {
				t.Errorf("the rejection is %v, want the service's 400", results[1].Err)
			}
			if got, want := read(), map[string]string{"a": "A", "c": "C"}; !reflect.DeepEqual(got, want) {
				t.Errorf("stored %q, want %q", got, want)
			}
			checkFates(t, target.Delete(t.Context(), []string{"a", "never", "c"}), Stored, Stored, Stored)
		}},
		{"nothing to do", func(t *testing.T, target Target, read func() map[string]string) {
			if got := target.Put(t.Context(), nil); len(got) != 0 {
				t.Errorf("Put of nothing gives %d results", len(got))
			}
			if got := target.Delete(t.Context(), nil); len(got) != 0 {
				t.Errorf("Delete of nothing gives %d results", len(got))
			}
		}},
		{"a cancel is no verdict", func(t *testing.T, target Target, read func() map[string]string) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			for _, res := range append(target.Put(ctx, []*transform.Item{item("a", "A")}), target.Delete(ctx, []string{"b"})...) {
				if res.Fate != Unsettled || res.Fatal || res.Err == nil {
					t.Errorf("after a cancel: %+v, want Unsettled with a reason, not Fatal", res)
				}
			}
		}},
		{"many at once", func(t *testing.T, target Target, read func() map[string]string) {
			var wg sync.WaitGroup
			for w := range 8 {
				wg.Go(func() {
					var items []*transform.Item
					for i := range min(30, target.MaxBatch()*5) {
						items = append(items, item(fmt.Sprintf("w%d-%d", w, i), strings.Repeat("long ", 100)))
					}
					for _, res := range target.Put(t.Context(), items) {
						if res.Fate != Stored {
							t.Errorf("%+v, want Stored", res)
						}
					}
				})
			}
			wg.Wait()
			if got, want := len(read()), 8*min(30, target.MaxBatch()*5); got != want {
				t.Errorf("%d items are stored, want %d", got, want)
			}
		}},
	}
	for _, target := range targets {
		for _, tt := range suite {
			t.Run(target.name+"/"+tt.name, func(t *testing.T) {
				opened, read := target.open(t)
				if opened.MaxBatch() < 1 {
					t.Fatalf("MaxBatch = %d", opened.MaxBatch())
				}
				tt.test(t, opened, read)
			})
		}
	}
}

func item(id, title string) *transform.Item {
	return &transform.Item{
		ID:         id,
		ACL:        []transform.Access{{Type: "everyone", Value: "everyone"}},
		Properties: []transform.Property{{Name: "title", Value: transform.Value{Type: transform.String, Str: title}}},
	}
}

func checkFates(t *testing.T, results []Result, want ...Fate) {
	t.Helper()
	var got []Fate
	for _, res := range results {
		got = append(got, res.Fate)
		if (res.Fate == Stored) != (res.Err == nil) {
			t.Errorf("result %+v: an error belongs to all that is not Stored", res)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("fates %v, want %v: %+v", got, want, results)
	}
}

func titleOf(t *testing.T, body []byte) string {
	var it struct{ Properties struct{ Title string } }
	if err := json.Unmarshal(body, &it); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return it.Properties.Title
}

// readLines replays a JSON Lines file: the last line about an item holds.
func readLines(t *testing.T, text string) map[string]string {
	titles := make(map[string]string)
	for line := range strings.Lines(text) {
		var it struct {
			ID      string
			Removed *struct{ Reason string } `json:"@removed"`
		}
		if err := json.Unmarshal([]byte(line), &it); err != nil || !strings.HasSuffix(line, "\n") {
			t.Fatalf("%q is not a line of JSON: %v", line, err)
		}
		if it.Removed == nil {
			titles[it.ID] = titleOf(t, []byte(line))
			continue
		}
		if it.Removed.Reason != "deleted" {
			t.Errorf("line %q: want the reason deleted", line)
		}
		delete(titles, it.ID)
	}
	return titles
}
