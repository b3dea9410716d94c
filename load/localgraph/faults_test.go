package localgraph

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestParseFaults(t *testing.T) {
	for _, tt := range []struct {
		text string
		want string // as printed; "error: ..." is a part of the message
	}{
		{"", ""},
		{"rate=25, concurrent=25 ,429=5%,retryAfter=decimal,503=1%,502=0.01,500=1%,504=0%,slow=2s:1%,dropBefore=1%,dropAfter=1%,reject=0.1%,schema=2m,schemaFail,seed=1",
			"rate=25,concurrent=25,429=5%,500=1%,502=1%,503=1%,retryAfter=decimal,slow=2s:1%,dropBefore=1%,dropAfter=1%,reject=0.1%,schema=2m0s,schemaFail=true,seed=1"},
		{"rate=0.5,after=10ms", "rate=0.5,after=10ms"},
		{"schemaFail=false", ""},
		{"rate=", "error: rate=: the value must be like 25"},
		{"rate=NaN", "error: rate"},
		{"rate=-1", "error: rate"},
		{"429=101%", "error: 429=101%"},
		{"429=60%,503=60%", "error: add up to 120%"},
		{"retryAfter=never", "error: integer, decimal, date, none"},
		{"slow=2s", "error: 2s:1%"},
		{"slow=-2s:1%", "error: negative"},
		{"seed=x", "error: seed"},
		{"501=1%", `error: "501" is none of rate, concurrent, 429`},
		{"dropBefore", "error: dropBefore="},
	} {
		f, err := ParseFaults(tt.text)
		if part, bad := strings.CutPrefix(tt.want, "error: "); bad {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("ParseFaults(%q) = %v, want an error with %q", tt.text, err, part)
			}
			continue
		}
		if err != nil || f.String() != tt.want {
			t.Errorf("ParseFaults(%q) = %q, %v, want %q", tt.text, f, err, tt.want)
		}
	}
}

func FuzzFaults(f *testing.F) {
	f.Add("rate=25,429=5%,retryAfter=date,slow=2s:1%,schemaFail,seed=1")
	f.Add("dropAfter=0.3333,after=1.5s")
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := ParseFaults(text)
		if err != nil {
			return
		}
		again, err := ParseFaults(parsed.String())
		if err != nil || again.String() != parsed.String() {
			t.Errorf("%q reads as %q, which reads as %q, %v", text, parsed, again, err)
		}
		raw, err := json.Marshal(parsed)
		if err != nil {
			t.Fatal(err)
		}
		var back Faults
		if err := json.Unmarshal(raw, &back); err != nil || back.String() != parsed.String() {
			t.Errorf("%q is %s in JSON, which reads as %q, %v", text, raw, back, err)
		}
	})
}

func faults(t testing.TB, text string) Faults {
	t.Helper()
	f, err := ParseFaults(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (g *graph) faults(text string) {
	g.t.Helper()
	if err := g.srv.SetFaults(faults(g.t, text)); err != nil {
		g.t.Fatal(err)
	}
}

// raw makes a request past the contract: a faulty answer may be no JSON. A cut
// connection is the status 0.
func (g *graph) raw(method, path, body string) (w *httptest.ResponseRecorder) {
	g.t.Helper()
	w = httptest.NewRecorder()
	defer func() {
		if cut := recover(); cut != nil {
			if cut != http.ErrAbortHandler {
				panic(cut)
			}
			w = &httptest.ResponseRecorder{}
		}
	}()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	g.srv.ServeHTTP(w, r.WithContext(WithCaller(g.t.Context(), Caller{App: true})))
	return w
}

const least = `{"acl":` + everyone + `,"properties":{"title":"x"}}`

func TestFaultyAnswers(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	for _, tt := range []struct {
		faults string
		status int
		after  string // Retry-After
		body   string
		stored bool
	}{
		{"seed=1", 200, "", `"id":"a"`, true},
		{"429=1", 429, "1", "TooManyRequests", false},
		{"429=1,after=2.128s", 429, "3", "TooManyRequests", false},
		{"429=1,after=2.128s,retryAfter=decimal", 429, "2.128", "TooManyRequests", false},
		{"429=1,retryAfter=none", 429, "", "TooManyRequests", false},
		{"500=1", 500, "", "InternalServerError", false},
		{"502=1", 502, "", "<html>", false},
		{"503=1", 503, "1", "serviceNotAvailable", false},
		{"504=1", 504, "", "GatewayTimeout", false},
		{"dropBefore=1", 0, "", "", false},
		{"dropAfter=1", 0, "", "", true},
		{"reject=1", 400, "", "refused on purpose", false},
	} {
		g.faults(tt.faults)
		w := g.raw("PUT", base+"/desk/items/a", least)
		got := ""
		if w.Body != nil {
			got = w.Body.String()
		}
		if w.Code != tt.status || w.Header().Get("Retry-After") != tt.after || !strings.Contains(got, tt.body) {
			t.Errorf("%s: %d, Retry-After %q, %s; want %d, %q, %q", tt.faults, w.Code, w.Header().Get("Retry-After"), got, tt.status, tt.after, tt.body)
		}
		if html := strings.HasPrefix(w.Header().Get("Content-Type"), "text/html"); html != (tt.status == 502) {
			t.Errorf("%s: content type %q", tt.faults, w.Header().Get("Content-Type"))
		}
		g.faults("")
		if status := g.raw("DELETE", base+"/desk/items/a", "").Code; (status == 204) != tt.stored {
			t.Errorf("%s: DELETE afterwards = %d, want stored = %v", tt.faults, status, tt.stored)
		}
	}
}

// A client that winds its body back when it is told to wait must be done with
// sending it.
func TestRefusedIsHeardOut(t *testing.T) {
	for _, text := range []string{"429=1", "503=1", "rate=0.001", "concurrent=1"} {
		synctest.Test(t, func(t *testing.T) {
			s := &Server{opt: Options{MaxItemBytes: 1 << 20}, done: t.Context()}
			in := newInjector(faults(t, text))
			in.enter("desk") // what the limits let in
			body := strings.NewReader(least)
			r := httptest.NewRequest("PUT", base+"/desk/items/a", body)
			began := time.Now()
			err := in.around(&call{s: s, w: httptest.NewRecorder(), r: r}, func() error { return nil })
			if err == nil || body.Len() > 0 || time.Since(began) != 2*time.Millisecond {
				t.Errorf("%s: %v after %v, with %d bytes of the body unread; want a refusal after 2 ms and none", text, err, time.Since(began), body.Len())
			}
		})
	}
}

// A date in Retry-After never asks for less than is needed.
func TestRetryAfterDate(t *testing.T) {
	g := open(t, Options{Faults: faults(t, "429=1,after=1500ms,retryAfter=date")})
	began := time.Now()
	at, err := http.ParseTime(g.raw("GET", base, "").Header().Get("Retry-After"))
	if wait := at.Sub(began); err != nil || wait < 1500*time.Millisecond || wait > 5*time.Second {
		t.Errorf("Retry-After is %v ahead (%v), want 1.5 s or a little more", wait, err)
	}
}

// What a request meets depends on the seed and on itself, not on the order.
func TestFaultsAreDeterministic(t *testing.T) {
	fates := func(seed int, order func(i int) int) map[string]string {
		g := open(t, Options{})
		g.register("desk", helpdesk)
		g.faults(fmt.Sprintf("429=5%%,500=2%%,502=2%%,503=2%%,504=2%%,dropBefore=3%%,dropAfter=3%%,reject=5%%,seed=%d", seed))
		met := map[string]string{}
		for try := range 2 {
			for i := range 1000 {
				i = order(i)
				w := g.raw("PUT", fmt.Sprintf("%s/desk/items/i%d", base, i), least)
				met[fmt.Sprintf("%d %d", try, i)] = fmt.Sprint(w.Code)
			}
		}
		counts := g.srv.faults.Load().counted()
		for what, want := range map[string]int64{"429": 100, "500": 40, "502": 40, "503": 40, "504": 40, "dropBefore": 60, "dropAfter": 60, "reject": 80} {
			if got := counts[what]; got < want/2 || got > want*2 {
				t.Errorf("%s happened %d times in 2000 requests, want about %d", what, got, want)
			}
		}
		return met
	}
	one := fates(1, func(i int) int { return i })
	if again := fates(1, func(i int) int { return 999 - i }); !maps.Equal(one, again) {
		t.Error("the same requests in another order met other faults")
	}
	if other := fates(2, func(i int) int { return i }); maps.Equal(one, other) {
		t.Error("another seed made the same faults")
	}
}

// A rejected item stays rejected, however often it comes.
func TestRejectIsOfTheItem(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.faults("reject=50%,seed=3")
	for i := range 20 {
		path := fmt.Sprintf("%s/desk/items/i%d", base, i)
		first := g.do("PUT", path, least).status
		for range 5 {
			if again := g.do("PUT", path, least).status; again != first {
				t.Fatalf("%s: %d, then %d", path, first, again)
			}
		}
	}
}

func TestRateLimit(t *testing.T) {
	for _, tt := range []struct {
		rate     string
		every    time.Duration
		accepted int // in 10 s
	}{
		{"25", 40 * time.Millisecond, 250}, // just the limit
		{"25", 20 * time.Millisecond, 11},  // twice the limit, never waiting: refused requests count too
		{"500", 2 * time.Millisecond, 5000},
		{"0.5", 2 * time.Second, 5},
		{"0.5", 3 * time.Second, 4},
	} {
		synctest.Test(t, func(t *testing.T) {
			in := newInjector(faults(t, "rate="+tt.rate))
			accepted := 0
			for at := time.Duration(0); at < 10*time.Second; at += tt.every {
				if leave, wait := in.enter("desk"); leave != nil {
					leave()
					accepted++
				} else if wait <= 0 || wait > 2*time.Second {
					t.Errorf("rate %s: asked to wait %v", tt.rate, wait)
				}
				time.Sleep(tt.every)
			}
			if accepted != tt.accepted {
				t.Errorf("rate %s, one each %v: %d accepted in 10 s, want %d", tt.rate, tt.every, accepted, tt.accepted)
			}
			if leave, _ := in.enter("other"); leave == nil {
				t.Error("the limit of one connection holds for another")
			}
		})
	}
}

// Jitter is not refused, and a client that goes by Retry-After alone gets no
// more than 2 % above the rate in 10 s.
func TestRateLimitOverTime(t *testing.T) {
	for _, rate := range []int{25, 500} {
		synctest.Test(t, func(t *testing.T) {
			in := newInjector(faults(t, fmt.Sprintf("rate=%d", rate)))
			step := time.Second / time.Duration(rate)
			const stall = 150 * time.Millisecond // what piles up meanwhile comes at once
			for began, i := time.Now(), 0; i < rate*10; i++ {
				at := (time.Duration(i)*step + stall - 1) / stall * stall
				time.Sleep(time.Until(began.Add(at)))
				if leave, wait := in.enter("steady"); leave == nil {
					t.Fatalf("rate %d: request %d was refused, to wait %v", rate, i, wait)
				}
			}
			atOnce := 0
			for leave, _ := in.enter("burst"); leave != nil; leave, _ = in.enter("burst") {
				atOnce++
			}
			if want := rate/5 + 1; atOnce != want {
				t.Errorf("rate %d: %d requests at once, want %d: 2 %% of 10 s, and the first", rate, atOnce, want)
			}
			accepted := 0
			for began := time.Now(); time.Since(began) < 10*time.Second; {
				leave, wait := in.enter("greedy")
				if leave != nil {
					accepted++
				}
				time.Sleep(wait)
			}
			if most := rate * 102 / 10; accepted > most+1 {
				t.Errorf("rate %d: %d requests in 10 s, want at most %d", rate, accepted, most)
			}
		})
	}
}

// A client that waits as long as it is told gets in.
func TestRateLimitLetsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInjector(faults(t, "rate=25"))
		for range 100 {
			in.enter("desk")
		}
		_, wait := in.enter("desk")
		time.Sleep(wait)
		if leave, wait := in.enter("desk"); leave == nil {
			t.Errorf("refused after waiting, and told to wait %v", wait)
		}
	})
}

func TestConcurrencyLimit(t *testing.T) {
	in := newInjector(faults(t, "concurrent=2"))
	first, _ := in.enter("desk")
	second, _ := in.enter("desk")
	if third, wait := in.enter("desk"); first == nil || second == nil || third != nil || wait != time.Second {
		t.Fatalf("two in: %v %v, a third: %v, told to wait %v", first != nil, second != nil, third != nil, wait)
	}
	second()
	if third, _ := in.enter("desk"); third == nil {
		t.Error("refused although one has left")
	}
}

func TestSlow(t *testing.T) {
	g := open(t, Options{Faults: faults(t, "slow=80ms:100%")})
	began := time.Now()
	g.want(200, "GET", base, nil)
	if took := time.Since(began); took < 80*time.Millisecond {
		t.Errorf("answered after %v, want 80 ms", took)
	}
}

// The parts of a batch are throttled one by one, and a gateway's page is no
// JSON there either.
func TestFaultsInABatch(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	body := `{"requests":[`
	for i := range 20 {
		body += fmt.Sprintf(`{"id":"%d","method":"PUT","url":"/external/connections/desk/items/i%d","headers":{"Content-Type":"application/json"},"body":%s},`, i, i, least)
	}
	body = strings.TrimSuffix(body, ",") + `]}`
	g.faults("429=40%,502=30%,dropAfter=30%,seed=1")
	var a struct {
		Responses []struct {
			Status  int
			Headers map[string]string
			Body    any
		}
	}
	w := g.raw("POST", "/v1.0/$batch", body)
	for range 50 { // a batch as a whole may be cut; its parts may not
		if w.Code != 0 {
			break
		}
		w = g.raw("POST", "/v1.0/$batch", body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 200 || len(a.Responses) != 20 {
		t.Fatalf("batch = %d %s, %v", w.Code, w.Body, err)
	}
	seen := map[int]int{}
	for _, r := range a.Responses {
		seen[r.Status]++
		if (r.Status == 429) != (r.Headers["Retry-After"] != "") {
			t.Errorf("part with status %d and the headers %v", r.Status, r.Headers)
		}
		if _, text := r.Body.(string); text != (r.Status == 502) {
			t.Errorf("part with status %d and the body %v", r.Status, r.Body)
		}
	}
	if seen[200] == 0 || seen[429] == 0 || seen[502] == 0 || len(seen) != 3 {
		t.Errorf("statuses of the parts: %v, want some of 200, 429 and 502", seen)
	}
}

func TestControlPath(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	control := func(c Caller, method, path, body string) (int, string) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(method, path, strings.NewReader(body)).WithContext(WithCaller(t.Context(), c))
		r.Header.Set("Content-Type", "text/plain;charset=UTF-8") // as fetch does
		g.srv.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	app, owner, named := Caller{App: true}, Caller{App: true, AppID: "another"}, Caller{App: true, Roles: "ExternalConnection.ReadWrite.All"}
	for _, tt := range []struct {
		caller             Caller
		method, path, body string
		status             int
		text               string
	}{
		{app, "GET", "/_control/faults", "", 200, `"faults":{}`},
		{Caller{UserID: "u"}, "GET", "/_control/faults", "", 403, "Forbidden"},
		{Caller{UserID: "u"}, "PUT", "/_control/faults", `{"faults":{"429":1}}`, 403, "Forbidden"},
		{app, "GET", "/v1.0/_control/faults", "", 404, ""},
		{app, "POST", "/_control/faults", "{}", 405, ""},
		{app, "GET", "/_control/other", "", 404, ""},
		{app, "PUT", "/_control/faults", `{"429":1}`, 400, "member is missing"},
		{app, "PUT", "/_control/faults", `{"faults":{"429":2}}`, 400, "429=2"},
		{app, "PUT", "/_control/faults", `{"faults":7}`, 400, "must be an object"},
		{app, "PUT", "/_control/faults", `{"faults":{"429":"100%","schemaFail":true,"seed":7}}`, 200, `"429":"100%","schemaFail":"true","seed":"7"`},
		{app, "GET", base, "", 429, ""},
		{app, "GET", "/_control/faults", "", 200, `"counts":{"429":1,"requests":1}`},
		{app, "PUT", "/_control/faults", `{"faults":{}}`, 200, `"faults":{}`},
		{app, "GET", base, "", 200, ""},
		{owner, "PUT", "/_control/faults", `{"faults":{}}`, 200, `"faults":{}`},
		// Who says who is in which group chooses what everybody reads.
		{owner, "PUT", "/_control/directory", `{"users":[],"groups":[]}`, 403, "Forbidden"},
		{owner, "GET", "/_control/directory", "", 403, "Forbidden"},
		{owner, "PATCH", "/_control/connections/desk", `{"state":"obsolete"}`, 403, "another application"},
		{named, "PUT", "/_control/directory", `{"users":[],"groups":[]}`, 403, "Forbidden"},
		{named, "PATCH", "/_control/connections/desk", `{"state":"obsolete"}`, 403, "Forbidden"},
		{named, "PUT", "/_control/faults", `{"faults":{"429":1}}`, 403, "Forbidden"},
	} {
		if status, body := control(tt.caller, tt.method, tt.path, tt.body); status != tt.status || !strings.Contains(body, tt.text) {
			t.Errorf("%s %s %s = %d %s, want %d with %q", tt.method, tt.path, tt.body, status, body, tt.status, tt.text)
		}
	}
}

func TestFaultySchema(t *testing.T) {
	g := open(t, Options{})
	g.want(201, "POST", base, `{"id":"desk","name":"x"}`)
	schema := `{"baseType":"microsoft.graph.externalItem","properties":` + helpdesk + `}`
	g.faults("schemaFail")
	loc := g.want(202, "PATCH", base+"/desk/schema", schema).header.Get("Location")
	path := loc[strings.Index(loc, "/v1.0"):]
	wait(t, "the failure", func() bool { return g.want(200, "GET", path, nil).get("status") == "failed" })
	g.faults("schema=2m")
	g.want(202, "PATCH", base+"/desk/schema", schema)
	var due int64
	if err := g.srv.db.QueryRow(`SELECT max(due) FROM operations`).Scan(&due); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(time.UnixMilli(due)); left < time.Minute || left > 2*time.Minute {
		t.Errorf("the registration takes %v more, want 2 minutes", left)
	}
}

// Over a socket a cut connection is one, and the next request is answered.
func TestDropOverASocket(t *testing.T) {
	g := open(t, Options{Tokens: map[string]Caller{"t": {App: true}}})
	g.register("desk", helpdesk)
	server := httptest.NewServer(g.srv)
	defer server.Close()
	put := func() error {
		r, err := http.NewRequest("PUT", server.URL+base+"/desk/items/a", strings.NewReader(least))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer t")
		resp, err := server.Client().Transport.RoundTrip(r)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	g.faults("dropAfter=1")
	if err := put(); !errors.Is(err, io.EOF) {
		t.Errorf("PUT over a cut connection: %v, want EOF", err)
	}
	g.faults("")
	g.want(200, "GET", base+"/desk/items/a", nil)
	if err := put(); err != nil {
		t.Errorf("PUT after the faults: %v", err)
	}
}
