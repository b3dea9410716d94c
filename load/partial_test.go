package load

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"importer/transform"
)

// A memory is a service that merges, or does not, and counts what it gets.
type memory struct {
	merges bool
	items  map[string]map[string]json.RawMessage
	bodies []string
	getErr error
	fail   int // answers this many PUTs with a throttle
}

func (m *memory) MaxBatch() int { return 10 }

func (m *memory) Put(_ context.Context, items []*transform.Item) []Result {
	out := make([]Result, len(items))
	for i, it := range items {
		body := string(AppendItem(nil, it))
		m.bodies = append(m.bodies, body)
		if m.fail > 0 {
			m.fail--
			out[i] = Result{Throttled: true, Err: errors.New("too many requests")}
			continue
		}
		var doc map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &doc); err != nil {
			panic(err)
		}
		have := m.items[it.ID]
		if (have == nil || !m.merges) && (doc["acl"] == nil || doc["properties"] == nil) && !(have != nil && !m.merges) {
			out[i] = Result{Fate: Rejected, Err: errors.New("acl and properties are required")}
			continue
		}
		if have == nil || !m.merges {
			have = map[string]json.RawMessage{}
		}
		for k, v := range doc {
			have[k] = v
		}
		m.items[it.ID] = have
		out[i] = Result{Fate: Stored}
	}
	return out
}

func (m *memory) Delete(_ context.Context, ids []string) []Result { panic("not asked for") }

func (m *memory) Get(_ context.Context, id string) (*StoredItem, error) {
	if m.getErr != nil {
		return nil, m.getErr
	}
	b, err := json.Marshal(m.items[id])
	if err != nil {
		return nil, err
	}
	var it StoredItem
	return &it, json.Unmarshal(b, &it)
}

func TestPartial(t *testing.T) {
	full := func(id string) *transform.Item {
		return &transform.Item{ID: id, ACL: []transform.Access{{Type: "everyone", Value: "everyone"}},
			Properties: []transform.Property{{Name: "title", Value: transform.Value{Type: transform.String, Str: "t"}}},
			Content:    transform.Content{Type: "text", Value: "long text"}}
	}
	part := func(id string, p transform.Parts) *transform.Item {
		it := full(id)
		it.Send = p
		return it
	}
	whole := string(AppendItem(nil, full("a")))
	aclOnly := `{"acl":[{"type":"everyone","value":"everyone","accessType":"grant"}]}`
	textOnly := `{"content":{"type":"text","value":"long text"}}`
	tests := []struct {
		name   string
		m      memory
		known  Merging
		puts   [][]*transform.Item
		bodies []string // after a, b and c were stored whole
		after  Merging
	}{
		{"a service that merges", memory{merges: true}, MergesUnknown,
			[][]*transform.Item{{part("a", transform.PartACL), part("b", transform.PartACL)}, {part("c", transform.PartContent)}},
			[]string{aclOnly, whole, textOnly}, Merges},
		{"one that overwrites", memory{}, MergesUnknown,
			[][]*transform.Item{{part("b", transform.PartACL), part("a", transform.PartACL)}, {part("c", transform.PartContent)}},
			[]string{aclOnly, whole, whole, whole}, MergesNot},
		{"known to overwrite", memory{}, MergesNot, [][]*transform.Item{{part("a", transform.PartACL)}}, []string{whole}, MergesNot},
		{"known to merge", memory{merges: true}, Merges, [][]*transform.Item{{part("a", transform.PartACL), part("b", transform.PartContent)}}, []string{aclOnly, textOnly}, Merges},
		{"an item that is not there any more", memory{merges: true}, Merges, [][]*transform.Item{{part("gone", transform.PartACL), part("a", transform.PartACL)}},
			[]string{aclOnly, aclOnly, whole}, Merges},
		{"nothing can be read back", memory{merges: true, getErr: errors.New("404")}, MergesUnknown,
			[][]*transform.Item{{part("a", transform.PartACL)}, {part("a", transform.PartACL)}, {part("a", transform.PartACL)}, {part("a", transform.PartACL)}},
			[]string{aclOnly, whole, aclOnly, whole, aclOnly, whole, whole}, MergesNot},
		{"a change that leaves nothing out", memory{}, MergesUnknown, [][]*transform.Item{{part("a", transform.AllParts&^transform.PartActivities)}}, []string{whole}, MergesUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := tt.m
			m.items = map[string]map[string]json.RawMessage{}
			checkFates(t, m.Put(t.Context(), []*transform.Item{full("a"), full("b"), full("c")}), Stored, Stored, Stored)
			m.bodies = nil
			p := NewPartial(&m, m.Get, tt.known)
			for _, items := range tt.puts {
				for i, res := range p.Put(t.Context(), items) {
					if res.Fate != Stored {
						t.Errorf("%s: %v, %v", items[i].ID, res.Fate, res.Err)
					}
				}
			}
			if len(m.bodies) != len(tt.bodies) {
				t.Fatalf("sent %q, want %q", m.bodies, tt.bodies)
			}
			for i, want := range tt.bodies {
				if m.bodies[i] != want {
					t.Errorf("body %d = %s, want %s", i, m.bodies[i], want)
				}
			}
			if p.Known() != tt.after {
				t.Errorf("known afterwards = %q, want %q", p.Known(), tt.after)
			}
			for id := range m.items {
				have, _ := m.items[id], id
				if have["acl"] == nil || have["properties"] == nil || have["content"] == nil {
					t.Errorf("%s has lost a part: %s", id, have)
				}
			}
		})
	}
}

// A throttled probe has told nothing: nothing else is sent, and the Loader tries again.
func TestPartialProbeThrottled(t *testing.T) {
	m := memory{merges: true, items: map[string]map[string]json.RawMessage{}}
	it := item("a", "t")
	it.ACL = []transform.Access{{Type: "everyone", Value: "everyone"}}
	checkFates(t, m.Put(t.Context(), []*transform.Item{it}), Stored)
	m.fail, m.bodies = 1, nil
	it.Send = transform.PartACL
	p := NewPartial(&m, m.Get, MergesUnknown)
	checkFates(t, p.Put(t.Context(), []*transform.Item{it, item("b", "t")}), Unsettled, Unsettled)
	if len(m.bodies) != 1 || p.Known() != MergesUnknown {
		t.Errorf("after a throttled probe: sent %q, known %q", m.bodies, p.Known())
	}
	checkFates(t, p.Put(t.Context(), []*transform.Item{it}), Stored)
	if p.Known() != Merges {
		t.Errorf("after a probe that was stored: known %q", p.Known())
	}
}
