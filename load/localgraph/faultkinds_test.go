package localgraph

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Every fault, set when the server starts and set while it runs.
func TestFaultKinds(t *testing.T) {
	put := func(g *graph) int { return g.raw("PUT", base+"/desk/items/a", least).Code }
	answers := func(status int, after string) func(*graph) string {
		return func(g *graph) string {
			w := g.raw("PUT", base+"/desk/items/a", least)
			if w.Code != status || w.Header().Get("Retry-After") != after {
				return fmt.Sprintf("%d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
			}
			return ""
		}
	}
	is := func(want int) func(*graph) string {
		return func(g *graph) string {
			if got := put(g); got != want {
				return fmt.Sprint(got)
			}
			return ""
		}
	}
	stored := func(want bool) func(*graph) string {
		return func(g *graph) string {
			g.raw("PUT", base+"/desk/items/b", least)
			g.faults("")
			if got := g.do("GET", base+"/desk/items/b", nil).status == 200; got != want {
				return fmt.Sprintf("stored: %v", got)
			}
			return ""
		}
	}
	registered := func(want string) func(*graph) string {
		return func(g *graph) string {
			loc := g.want(202, "PATCH", base+"/desk/schema", `{"baseType":"microsoft.graph.externalItem","properties":`+helpdesk+`}`).header.Get("Location")
			path := loc[strings.Index(loc, "/v1.0"):]
			wait(t, want, func() bool { return g.want(200, "GET", path, nil).get("status") == want })
			return ""
		}
	}
	type kind struct {
		key    string // the name of the setting that this shows
		faults string
		probe  func(*graph) string // "" is right
	}
	kinds := []kind{
		{"rate", "rate=0.001", func(g *graph) string {
			if first, second := put(g), put(g); first != 200 || second != 429 {
				return fmt.Sprint(first, " and ", second)
			}
			return ""
		}},
		{"concurrent", "concurrent=1,slow=200ms:100%", func(g *graph) string {
			done := make(chan int, 8)
			for range 8 {
				go func() { done <- put(g) }()
			}
			seen := map[int]int{}
			for range 8 {
				seen[<-done]++
			}
			if seen[200] == 0 || seen[429] == 0 || len(seen) != 2 {
				return fmt.Sprint(seen)
			}
			return ""
		}},
		{"429", "429=100%", answers(429, "1")}, {"500", "500=100%", answers(500, "")}, {"502", "502=100%", answers(502, "")},
		{"503", "503=100%", answers(503, "1")}, {"504", "504=100%", answers(504, "")},
		{"retryAfter", "503=1,retryAfter=none", answers(503, "")},
		{"retryAfter", "429=1,retryAfter=decimal,after=2.128s", answers(429, "2.128")},
		{"retryAfter", "429=1,retryAfter=decimal,after=50ms", answers(429, "0.05")},
		{"retryAfter", "429=1,retryAfter=integer,after=2.128s", answers(429, "3")},
		{"retryAfter", "503=1,retryAfter=date,after=90s", func(g *graph) string {
			text := g.raw("PUT", base+"/desk/items/a", least).Header().Get("Retry-After")
			if at, err := http.ParseTime(text); err != nil || time.Until(at) < 85*time.Second || time.Until(at) > 95*time.Second {
				return text
			}
			return ""
		}},
		{"after", "429=1,after=7s", answers(429, "7")},
		{"slow", "slow=120ms:100%", func(g *graph) string {
			began := time.Now()
			if code := put(g); code != 200 || time.Since(began) < 120*time.Millisecond {
				return fmt.Sprintf("%d after %v", code, time.Since(began))
			}
			return ""
		}},
		{"dropBefore", "dropBefore=100%", is(0)}, {"dropBefore", "dropBefore=100%", stored(false)},
		{"dropAfter", "dropAfter=100%", is(0)}, {"dropAfter", "dropAfter=100%", stored(true)},
		{"reject", "reject=100%", is(400)}, {"reject", "reject=100%", stored(false)},
		{"schema", "schema=1h", registered("inprogress")}, {"schema", "schema=1ms", registered("completed")},
		{"schemaFail", "schemaFail", registered("failed")},
		{"seed", "429=50%,seed=5", func(g *graph) string {
			var fates string
			for i := range 40 {
				fates += strconv.Itoa(g.raw("GET", fmt.Sprintf("%s/desk/items/i%d", base, i), "").Code) + " "
			}
			g.faults("429=50%,seed=6")
			var others string
			for i := range 40 {
				others += strconv.Itoa(g.raw("GET", fmt.Sprintf("%s/desk/items/i%d", base, i), "").Code) + " "
			}
			if fates == others || !strings.Contains(fates, "429") || !strings.Contains(fates, "404") {
				return fates + "and " + others
			}
			return ""
		}},
	}
	for _, k := range kinds {
		f := faults(t, k.faults)
		for _, when := range []string{"while it runs", "at the start"} {
			g := open(t, Options{})
			g.register("desk", helpdesk)
			if when == "at the start" {
				g.srv.Close()
				var err error
				if g.srv, err = Open(g.dir, Options{Faults: f, SchemaDelay: time.Nanosecond}); err != nil {
					t.Fatal(err)
				}
			} else {
				text, err := f.MarshalJSON()
				if err != nil {
					t.Fatal(err)
				}
				g.want(200, "PUT", "/_control/faults", `{"faults":`+string(text)+`}`)
			}
			if wrong := k.probe(g); wrong != "" {
				t.Errorf("%s, set %s: %s", k.faults, when, wrong)
			}
		}
	}
	for _, key := range faultKeys {
		if !slices.ContainsFunc(kinds, func(k kind) bool { return k.key == key.name }) {
			t.Errorf("the fault %s is shown nowhere", key.name)
		}
	}
}
