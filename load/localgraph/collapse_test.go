package localgraph

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestCollapse(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	// By priority: a 1 open, b 2 OPEN, c 3 done, d 4 (no status), e 5 (no status), f 6 done, g 7 open
	for i, status := range []string{"open", "OPEN", "done", "", "", "done", "open"} {
		props := fmt.Sprintf(`{"title":"common","priority":%d,"cost":%d`, i+1, i%2)
		if status != "" {
			props += `,"status":"` + status + `"`
		}
		g.put("desk", string(rune('a'+i)), props+"}", "")
	}
	sorted := `"sortProperties":[{"name":"priority","isDescending":false}]`
	for _, tt := range []struct {
		collapse, more string
		ids            string
		total          int
		collapsed      string // the ids of hits that stand for others
	}{
		{`[]`, "", "a b c d e f g", 7, ""},
		{`[{"fields":["status"],"limit":1}]`, "", "a c d e", 4, "a c"},
		{`[{"fields":["state"],"limit":1}]`, "", "a c d e", 4, "a c"}, // an alias
		{`[{"fields":["status"],"limit":2}]`, "", "a b c d e f", 6, "a b"},
		{`[{"fields":["status"],"limit":3}]`, "", "a b c d e f g", 7, ""},
		{`[{"fields":["status"],"limit":1}]`, `,"from":1,"size":2`, "c d", 4, "c"},
		{`[{"fields":["status","cost"],"limit":1}]`, "", "a b c d e f", 6, "a"},
		{`[{"fields":["status"],"limit":2},{"fields":["cost"],"limit":2}]`, "", "a b c d", 4, "a b c d"},
	} {
		ids, a := g.search("u", "desk", "common", sorted+`,"collapseProperties":`+tt.collapse+tt.more)
		if got := strings.Join(ids, " "); got != tt.ids {
			t.Errorf("%s%s: %q, want %q (%v)", tt.collapse, tt.more, got, tt.ids, a)
			continue
		}
		if got := fmt.Sprint(a.get("value", 0, "hitsContainers", 0, "total")); got != fmt.Sprint(tt.total) {
			t.Errorf("%s: total %s, want %d", tt.collapse, got, tt.total)
		}
		for i, id := range ids {
			got := a.get("value", 0, "hitsContainers", 0, "hits", i, "isCollapsed")
			want := any(slices.Contains(strings.Fields(tt.collapsed), id))
			if tt.collapse == "[]" {
				want = nil
			}
			if got != want {
				t.Errorf("%s: isCollapsed of %s is %v, want %v", tt.collapse, id, got, want)
			}
		}
	}
	// The buckets count all hits.
	_, a := g.search("u", "desk", "common", `"collapseProperties":[{"fields":["status"],"limit":1}],"aggregations":[{"field":"priority","size":10}]`)
	if buckets, _ := a.get("value", 0, "hitsContainers", 0, "aggregations", 0, "buckets").([]any); len(buckets) != 7 {
		t.Errorf("aggregation beside collapse: %v", a)
	}
	// The best hit of a group is the one that is kept.
	g.put("desk", "z", `{"title":"printer","status":"best"}`, "")
	g.put("desk", "y", `{"title":"other","status":"best"}`, "printer")
	if ids, a := g.search("u", "desk", "printer", `"collapseProperties":[{"fields":["status"],"limit":1}]`); !slices.Equal(ids, []string{"z"}) {
		t.Errorf("the best of a group: %v %v", ids, a)
	}
	for _, tt := range []struct{ collapse, text string }{
		{`[{"fields":["title"],"limit":1}]`, `"title"`}, // not refinable
		{`[{"fields":["nosuch"],"limit":1}]`, `"nosuch"`},
		{`[{"fields":[],"limit":1}]`, "empty"},
		{`[{"fields":["status"],"limit":0}]`, "limit"},
		{`[{"fields":["status"],"limit":1},{"fields":["cost"],"limit":2}]`, "larger"},
	} {
		if _, a := g.search("u", "desk", "common", `"collapseProperties":`+tt.collapse); a.status != 400 || !strings.Contains(a.inner(), tt.text) {
			t.Errorf("%s: %v, want 400 with %q", tt.collapse, a, tt.text)
		}
	}
}
