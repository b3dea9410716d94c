package localgraph

import (
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// An injector makes the faults. A Server without faults has none, so that
// they cost a request one look at a pointer.
type injector struct {
	Faults

	mu     sync.Mutex        // guards the fields below
	came   map[uint64]uint64 // how many times a request came, by the hash of method and path
	gates  map[string]*gate  // by connection; "" is all that is in none
	counts map[string]int64
}

// A gate keeps the limits of one connection.
type gate struct {
	tally
	inside int
	due    time.Time // when the next request would come if all kept the rate
}

// early is how much sooner than the rate has it a request may come: the line's
// jitter is not the client's doing. It also bounds what a connection takes in
// any 10 s to 2 % more than its rate.
const early = 200 * time.Millisecond

func newInjector(f Faults) *injector {
	f.Status = maps.Clone(f.Status)
	return &injector{Faults: f, came: map[uint64]uint64{}, gates: map[string]*gate{}, counts: map[string]int64{}}
}

func (in *injector) counted() map[string]int64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	return maps.Clone(in.counts)
}

// tallies tell of each connection how its limits were kept.
func (in *injector) tallies() map[string]Tally {
	in.mu.Lock()
	defer in.mu.Unlock()
	all := map[string]Tally{}
	for conn, g := range in.gates {
		if conn != "" {
			all[conn] = g.snapshot(time.Now())
		}
	}
	return all
}

func (in *injector) count(what string) {
	in.mu.Lock()
	in.counts[what]++
	in.mu.Unlock()
}

// around answers a request that may meet a fault. A batch is throttled, slow
// and fails by its parts, and its connection may be cut as a whole.
func (in *injector) around(c *call, route func() error) error {
	path := c.r.URL.EscapedPath()
	batch := !c.nested && strings.HasSuffix(path, "/$batch")
	in.count("requests")
	if !batch {
		leave, wait := in.enter(connectionOf(path))
		if leave == nil {
			in.hearOut(c)
			in.askToWait(c, wait)
			return errThrottled
		}
		defer leave()
	}
	id := hashOf(c.r.Method, path)
	in.mu.Lock()
	nth := in.came[id]
	in.came[id]++
	in.mu.Unlock()
	if in.SlowShare > 0 && !batch && in.draw("slow", id, nth) < in.SlowShare {
		in.count("slow")
		in.wait(c, in.Slow)
	}
	fault := in.fault(id, nth, batch, c.nested)
	if fault != "" {
		in.count(fault)
	}
	switch fault {
	case "":
	case "dropBefore":
		panic(http.ErrAbortHandler) // net/http cuts the connection
	case "dropAfter":
		w := c.w
		c.w = &recorder{header: http.Header{}}
		_ = route() // nobody will hear of it
		c.w = w
		panic(http.ErrAbortHandler)
	default:
		in.hearOut(c)
		return in.fail(c, fault)
	}
	if in.rejects(c.r.Method, path) {
		in.count("reject")
		return badRequest("The item was refused on purpose: the fault reject chose it, and will choose it again.")
	}
	return route()
}

// hearOut takes in a request that is refused without a look at it: it reads
// the body, as the gateways before the service do, and takes the least time
// that an answer takes anywhere. The Go SDK winds a body back as soon as it
// has an answer that asks to wait; if its transport still reads, which over
// HTTP/1.1 it does for a moment after all is sent, the repeated request has no
// body.
func (in *injector) hearOut(c *call) {
	if c.r.Body == nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c.r.Body, c.s.opt.MaxItemBytes) // what is larger is refused anyhow
	if !c.nested {
		in.wait(c, 2*time.Millisecond)
	}
}

// fault draws the fate of a request.
func (in *injector) fault(id, nth uint64, batch, nested bool) string {
	u := in.draw("fault", id, nth)
	for _, f := range []struct {
		name  string
		share float64
		may   bool
	}{{"dropBefore", in.DropBefore, !nested}, {"dropAfter", in.DropAfter, !nested}} {
		if u -= f.share; u < 0 {
			if !f.may {
				return ""
			}
			return f.name
		}
	}
	for _, status := range faultStatus {
		if u -= in.Status[status]; u < 0 {
			if batch {
				return ""
			}
			return strconv.Itoa(status)
		}
	}
	return ""
}

// rejects tells whether an item is one that is never taken. It depends on the
// item alone, or a client that tried again would get it in.
func (in *injector) rejects(method, path string) bool {
	if in.Reject == 0 || method != http.MethodPut && method != http.MethodPatch {
		return false
	}
	i := strings.Index(path, "/external/connections/")
	if i < 0 || !strings.Contains(path[i:], "/items/") {
		return false
	}
	return in.draw("reject", hashOf("", path[i:]), 0) < in.Reject
}

// draw gives a number from 0 to 1 that depends on its arguments and the seed.
func (in *injector) draw(what string, id, nth uint64) float64 {
	x := hashOf(what, fmt.Sprint(in.Seed, id, nth))
	// FNV leaves the high bits of short inputs alike; splitmix64's finish mixes them.
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return float64(x>>11) / (1 << 53)
}

func hashOf(method, path string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(method + " " + path))
	return h.Sum64()
}

// connectionOf finds whose limits hold for a path.
func connectionOf(path string) string {
	_, rest, ok := strings.Cut(path, "/external/connections/")
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(rest, "/")
	return strings.ToLower(id)
}

var errThrottled = &apiError{status: http.StatusTooManyRequests, code: "TooManyRequests", message: "Too many requests; wait for the time in Retry-After."}

// enter takes a request in, or gives no leave and how long to wait.
func (in *injector) enter(conn string) (leave func(), wait time.Duration) {
	if in.Rate == 0 && in.Concurrent == 0 {
		return func() {}, 0
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	g := in.gates[conn]
	if g == nil {
		g = &gate{}
		in.gates[conn] = g
	}
	now := time.Now()
	defer func() { g.add(now, leave != nil) }()
	if in.Rate > 0 {
		step := time.Duration(float64(time.Second) / in.Rate)
		if g.due.Before(now) {
			g.due = now
		}
		refused := g.due.Sub(now) > early
		g.due = g.due.Add(step) // also for a refused one: it counts
		if refused {
			if most := now.Add(early + step + time.Second); g.due.After(most) {
				g.due = most
			}
			in.counts["rate"]++
			return nil, g.due.Sub(now) - early
		}
	}
	if in.Concurrent > 0 && g.inside >= in.Concurrent {
		in.counts["concurrent"]++
		return nil, in.after()
	}
	g.inside++
	return func() {
		in.mu.Lock()
		g.inside--
		in.mu.Unlock()
	}, 0
}

func (in *injector) after() time.Duration {
	if in.After == 0 {
		return time.Second
	}
	return in.After
}

// askToWait sets Retry-After. Graph sends whole seconds; an older page shows
// a fraction, and HTTP allows a date.
func (in *injector) askToWait(c *call, d time.Duration) {
	text := strconv.FormatInt(max(int64(math.Ceil(d.Seconds())), 1), 10)
	switch in.RetryAfter {
	case "none":
		return
	case "decimal":
		text = strconv.FormatFloat(math.Ceil(d.Seconds()*1000)/1000, 'f', -1, 64)
	case "date":
		// A date has no fractions: rounded up, or it would ask for less.
		text = time.Now().Add(d + time.Second - 1).UTC().Format(http.TimeFormat)
	}
	c.w.Header().Set("Retry-After", text)
}

func (in *injector) wait(c *call, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.r.Context().Done():
	case <-c.s.done.Done():
	}
}

// fail answers with a status of the service's, not of this server's making.
func (in *injector) fail(c *call, status string) error {
	switch status {
	case "429":
		in.askToWait(c, in.after())
		return errThrottled
	case "502":
		c.w.Header().Set("Content-Type", "text/html")
		c.w.WriteHeader(http.StatusBadGateway)
		_, _ = c.w.Write([]byte("<html><head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n" +
			"<hr><center>Microsoft-Azure-Application-Gateway/v2</center>\r\n</body>\r\n</html>\r\n"))
		return nil // a client that hung up gets nothing
	case "503":
		in.askToWait(c, in.after())
		return &apiError{status: http.StatusServiceUnavailable, code: "serviceNotAvailable", message: "The service is temporarily unavailable."}
	case "504":
		return &apiError{status: http.StatusGatewayTimeout, code: "GatewayTimeout", message: "The request timed out."}
	}
	return &apiError{status: http.StatusInternalServerError, code: "InternalServerError", message: "An internal server error occurred."}
}
