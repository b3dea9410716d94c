package localgraph

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A search that takes too long ends with 504, and the server goes on.
func TestSearchTime(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	for i := range 300 {
		g.put("desk", fmt.Sprintf("i%d", i), `{"title":"common words"}`, strings.Repeat("common words here ", 50))
	}
	g.srv.opt.SearchTime = time.Nanosecond
	if _, a := g.search("u", "desk", "common", ""); a.status != 504 || !strings.Contains(a.inner(), "longer than 1ns") {
		t.Errorf("search = %v, want 504", a)
	}
	g.srv.opt.SearchTime = time.Minute
	if ids, a := g.search("u", "desk", "common", ""); len(ids) != 25 {
		t.Errorf("the next search = %v", a)
	}
}

// Bodies have a limit everywhere, also when they are nested without end.
func TestBodyLimits(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	large := `{"x":"` + strings.Repeat("x", maxAdminBytes) + `"}`
	for _, tt := range []struct{ method, path string }{
		{"POST", base}, {"PATCH", base + "/desk"}, {"PATCH", base + "/desk/schema"}, {"POST", base + "/desk/groups"},
		{"POST", "/v1.0/search/query"}, {"PUT", base + "/desk/items/a"}, {"POST", base + "/desk/items/a/addActivities"},
	} {
		g.want(413, tt.method, tt.path, large)
		deep := strings.Repeat(`{"x":[`, 20_000) + strings.Repeat("]}", 20_000)
		if a := g.do(tt.method, tt.path, deep); a.status != 400 && a.status != 403 {
			t.Errorf("%s %s with 40,000 levels = %d", tt.method, tt.path, a.status)
		}
	}
}
