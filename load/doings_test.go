package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"importer/transform"
)

// A diary is a service that notes what it is told of items, in order.
type diary struct {
	log    []string
	items  map[string]bool
	picky  bool // refuses items that carry activities
	refuse bool // refuses all items
	busy   int  // throttles so many calls of addActivities
}

func (d *diary) MaxBatch() int { return 100 }

func (d *diary) Put(_ context.Context, items []*transform.Item) []Result {
	out := make([]Result, len(items))
	for i, it := range items {
		d.log = append(d.log, fmt.Sprintf("put %s +%d", it.ID, len(it.Activities)))
		if d.refuse || d.picky && len(it.Activities) > 0 {
			out[i] = Result{Fate: Rejected, Err: errors.New("no")}
			continue
		}
		d.items[it.ID] = true
		out[i] = Result{Fate: Stored}
	}
	return out
}

func (d *diary) Delete(context.Context, []string) []Result { panic("not asked for") }

func (d *diary) add(_ context.Context, item string, list []transform.Activity) ([]string, Result) {
	d.log = append(d.log, fmt.Sprintf("add %s %d", item, len(list)))
	switch {
	case d.busy > 0:
		d.busy--
		return nil, Result{Throttled: true, Err: errors.New("too many requests")}
	case !d.items[item]:
		return nil, Result{Fate: Rejected, Err: errors.New("not found")}
	}
	return []string{"one of " + item}, Result{Fate: Stored}
}

func doing(n int) (list []transform.Activity) {
	for i := range n {
		list = append(list, transform.Activity{Type: "viewed", At: time.Unix(int64(i), 0), ByType: "user", ByID: "u"})
	}
	return list
}

func TestDoings(t *testing.T) {
	it := func(id string, n int, send transform.Parts) *transform.Item {
		return &transform.Item{ID: id, Activities: doing(n), Send: send}
	}
	for _, tt := range []struct {
		name    string
		d       diary
		items   []*transform.Item
		log     []string
		fates   []Fate
		refused string
	}{
		{"none", diary{}, []*transform.Item{it("a", 0, 0)}, []string{"put a +0"}, []Fate{Stored}, ""},
		{"a few travel in the item", diary{}, []*transform.Item{it("a", 20, 0), it("b", 0, 0)}, []string{"put a +20", "put b +0"}, []Fate{Stored, Stored}, ""},
		{"many", diary{}, []*transform.Item{it("a", 45, 0)}, []string{"put a +20", "add a 20", "add a 5"}, []Fate{Stored}, "one of a\none of a\n"},
		{"nothing else is new", diary{items: map[string]bool{"b": true}}, []*transform.Item{it("a", 1, 0), it("b", 21, transform.PartActivities)},
			[]string{"add b 20", "add b 1", "put a +1"}, []Fate{Stored, Stored}, "one of b\none of b\n"},
		{"the item is not there", diary{}, []*transform.Item{it("b", 1, transform.PartActivities)}, []string{"add b 1"}, []Fate{Rejected}, ""},
		{"an item is not lost for an activity", diary{picky: true}, []*transform.Item{it("a", 2, 0)}, []string{"put a +2", "put a +0", "add a 2"}, []Fate{Stored}, "one of a\n"},
		{"it is the item itself", diary{refuse: true}, []*transform.Item{it("a", 2, 0)}, []string{"put a +2", "put a +0"}, []Fate{Rejected}, ""},
		{"throttled", diary{busy: 1}, []*transform.Item{it("a", 21, 0)}, []string{"put a +20", "add a 1"}, []Fate{Unsettled}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := tt.d
			if d.items == nil {
				d.items = map[string]bool{}
			}
			target := &Doings{Target: &d, Add: d.add}
			results := target.Put(t.Context(), tt.items)
			checkFates(t, results, tt.fates...)
			if !slices.Equal(d.log, tt.log) {
				t.Errorf("the service was told %q, want %q", d.log, tt.log)
			}
			var refused string
			for _, r := range results {
				refused += r.Refused
			}
			if refused != tt.refused {
				t.Errorf("refused %q, want %q", refused, tt.refused)
			}
		})
	}
	// Together with Partial: an item of which only activities are new, and that
	// somebody has deleted, is sent whole.
	d := diary{items: map[string]bool{}}
	p := NewPartial(&Doings{Target: &d, Add: d.add}, nil, MergesNot)
	checkFates(t, p.Put(t.Context(), []*transform.Item{it("gone", 1, transform.PartActivities)}), Stored)
	if want := []string{"add gone 1", "put gone +1"}; !slices.Equal(d.log, want) {
		t.Errorf("the service was told %q, want %q", d.log, want)
	}
}

// The service takes some activities of a call and refuses others.
func TestAddOnce(t *testing.T) {
	f, g := newFakeGraph(t, nil)
	checkFates(t, g.Put(t.Context(), []*transform.Item{item("a", "t")}), Stored)
	list := doing(3)
	list[1].Type = "licked"
	refused, res := g.addOnce(t.Context(), "a", list)
	if res.Fate != Stored || len(refused) != 1 || !strings.HasPrefix(refused[0], "licked at 1970-01-01T00:00:01Z: ") {
		t.Errorf("addOnce = %q, %+v", refused, res)
	}
	if _, res := g.addOnce(t.Context(), "nothing", list); res.Fate != Rejected {
		t.Errorf("of an item that is not there: %+v, want Rejected", res)
	}
	f.fault = func(*http.Request, int) fault {
		return fault{status: 429, said: true, header: map[string]string{"Retry-After": "3"}}
	}
	if _, res := g.addOnce(t.Context(), "a", list); res.Fate != Unsettled || !res.Throttled || res.After != 3*time.Second {
		t.Errorf("throttled: %+v", res)
	}
}
