package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"importer/pipeline/state"
)

const rateMapping = `version: 1
connection: {id: rates, name: Rates, description: Rows for a service with limits.}
schema:
  title: {type: string, labels: [title], searchable: true, retrievable: true}
  number: {type: int64, retrievable: true}
sources:
  - name: rows
    path: rows.csv
    id: number
    properties: {title: title, number: number}
    content: {type: text, value: title}
    acl: [{grant: everyone, when: number != "7"}, {grant: user, value: '"11111111-1111-4111-8111-111111111111"'}]
`

// A served is a local Graph on a port, in this process.
type served struct {
	t    *testing.T
	url  string
	stop func()
}

const servedToken = "token-of-a-test"

// serve puts a local Graph with faults on a port until the test ends.
func serve(t *testing.T, faults string) *served {
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--faults", faults}, strings.NewReader(""), in, io.Discard)
	}()
	line := make([]byte, 100)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, out)
	s := &served{t: t, url: strings.TrimSpace(string(line[:n])), stop: func() { cancel(); <-ended }}
	t.Cleanup(s.stop)
	return s
}

// call makes a request of the server and decodes the answer.
func (s *served) call(method, path, body string, into any) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+servedToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%s %s: %d, %v", method, path, resp.StatusCode, err)
	}
}

// rateRun runs the rate mapping into a server and gives the summary.
func rateRun(t *testing.T, dir string, s *served, more ...string) summary {
	t.Helper()
	var out, errs bytes.Buffer
	args := append([]string{"run", filepath.Join(dir, "mapping.yaml"), "--target", "graph", "--graph-url", s.url, "--data", dir, "--json"}, more...)
	if code := run(t.Context(), args, strings.NewReader(""), &out, &errs); code != exitDone {
		t.Fatalf("exit %d\n%s", code, &errs)
	}
	var sum summary
	if err := json.Unmarshal(out.Bytes(), &sum); err != nil {
		t.Fatal(err)
	}
	return sum
}

func rateFiles(t *testing.T, rows int) string {
	t.Helper()
	dir := t.TempDir()
	var b strings.Builder
	b.WriteString("number,title\n")
	for i := range rows {
		fmt.Fprintf(&b, "%d,The title of row %d\n", i, i)
	}
	for name, text := range map[string]string{"mapping.yaml": rateMapping, "rows.csv": b.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A run does not overrun the limit of a service, as the service counts it, and
// begins with what the run before has learned. make bench-rate measures how
// much of the limit it uses.
func TestRunKeepsTheLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 20 s")
	}
	t.Setenv("IMPORTER_SERVE_TOKEN", servedToken)
	t.Setenv("IMPORTER_GRAPH_TOKEN", servedToken)
	for _, tt := range []struct{ rate, rows int }{{25, 250}, {500, 5000}} {
		s := serve(t, fmt.Sprintf("rate=%d", tt.rate))
		dir := rateFiles(t, tt.rows)
		if tt.rate > 25 { // it would take a minute to learn it
			key := "graph-" + regexp.MustCompile(`[^A-Za-z0-9.-]+`).ReplaceAllString(strings.TrimPrefix(s.url, "http://"), "_")
			store, err := state.Open(t.Context(), filepath.Join(dir, "state", key), "rates", true)
			if err != nil {
				t.Fatal(err)
			}
			err = store.SetMeta(t.Context(), "learned", fmt.Sprintf(`{"rate":%d,"inFlight":60,"limited":true,"at":%q}`, tt.rate, time.Now().Format(time.RFC3339)))
			if err != nil {
				t.Fatal(err)
			}
			store.Close()
		}
		sum := rateRun(t, dir, s)
		var got struct {
			Connections map[string]struct{ Requests, Taken, Worst10s int64 }
		}
		s.call("GET", "/_control/faults", "", &got)
		c := got.Connections["rates"]
		t.Logf("%d/s: %d requests in %.1f s, %d of them taken; at most %d in 10 s", tt.rate, c.Requests, sum.Seconds, c.Taken, c.Worst10s)
		if sum.Stored != int64(tt.rows) {
			t.Errorf("%d/s: stored %d of %d", tt.rate, sum.Stored, tt.rows)
		}
		if most := int64(1.02*10*float64(tt.rate)) + 2; c.Worst10s > most {
			t.Errorf("%d/s: %d requests in 10 s, want at most %d", tt.rate, c.Worst10s, most)
		}
		if refused := c.Requests - c.Taken; refused > c.Requests/50 {
			t.Errorf("%d/s: %d of %d requests refused", tt.rate, refused, c.Requests)
		}
	}
}

// A run over a bad service ends with the same items as one over a good one,
// each as the API answers it.
func TestRunInAStorm(t *testing.T) {
	t.Setenv("IMPORTER_SERVE_TOKEN", servedToken)
	t.Setenv("IMPORTER_GRAPH_TOKEN", servedToken)
	const rows = 400
	dir := rateFiles(t, rows)
	good := serve(t, "")
	bad := serve(t, "429=5%,503=1%,dropAfter=0.5%,dropBefore=0.5%,retryAfter=decimal,after=20ms,seed=1")
	rateRun(t, dir, good, "--rate", "5000")
	sum := rateRun(t, dir, bad, "--rate", "5000")
	var control struct{ Counts map[string]int64 }
	bad.call("GET", "/_control/faults", "", &control)
	for _, fault := range []string{"429", "503", "dropAfter", "dropBefore"} {
		if control.Counts[fault] == 0 {
			t.Errorf("no request met %s: %v", fault, control.Counts)
		}
	}
	if sum.Throttled == 0 || sum.Stored != rows {
		t.Errorf("stored %d, throttled %d", sum.Stored, sum.Throttled)
	}
	bad.call("PUT", "/_control/faults", `{"faults":{}}`, &control)
	for n := range rows {
		path := fmt.Sprintf("/v1.0/external/connections/rates/items/%d", n)
		var want, got json.RawMessage
		good.call("GET", path, "", &want)
		bad.call("GET", path, "", &got)
		want = bytes.ReplaceAll(want, []byte(good.url), []byte(bad.url)) // in its context
		if !bytes.Equal(want, got) || len(got) < 100 {
			t.Fatalf("item %d is\n%s\nwithout faults it is\n%s", n, got, want)
		}
	}
}
