package load

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// envelopeFaults are what a fake does wrong with $batch. The zero value takes
// envelopes, and answers in any order. What goes wrong with a request in one
// is the fake's fault, as of any other.
type envelopeFaults struct {
	largest int // bytes; more is answered 413
	// inner answers each request with this status instead, 0 is none.
	inner func(method string) int
	// change has the last word on the answers.
	change func(answers []map[string]any) []map[string]any
	status int // of the answer; 0 is 200
	// kill breaks the connection for what is in an envelope.
	kill func(body string) bool

	sizes []int // how many requests each envelope had
	bytes []int
}

// batch answers an envelope. A request whose fault loses it, or its reply, is
// not among the answers.
func (f *fake) batch(r *http.Request, body []byte) (int, map[string]string, any) {
	var in struct {
		Requests []struct {
			ID, Method, URL string
			Headers         map[string]string
			Body            json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &in); err != nil || len(in.Requests) == 0 || len(in.Requests) > 20 {
		f.t.Errorf("a $batch of %d requests: %v", len(in.Requests), err)
		return 400, nil, envelope("BadRequest", "Invalid batch payload format.")
	}
	f.mu.Lock()
	f.envelopes.sizes, f.envelopes.bytes = append(f.envelopes.sizes, len(in.Requests)), append(f.envelopes.bytes, len(body))
	opt := f.envelopes
	f.mu.Unlock()
	if opt.kill != nil && opt.kill(string(body)) {
		panic(http.ErrAbortHandler)
	}
	if opt.largest > 0 && len(body) > opt.largest {
		return 413, nil, envelope("RequestEntityTooLarge", "too large")
	}
	seen := make(map[string]bool)
	answers := []map[string]any{}
	for _, p := range in.Requests {
		if seen[strings.ToLower(p.ID)] || p.ID == "" {
			f.t.Errorf("the id %q is missing or is used twice", p.ID)
		}
		seen[strings.ToLower(p.ID)] = true
		if p.Body != nil && p.Headers["Content-Type"] != "application/json" {
			f.t.Errorf("a body without its Content-Type: %v", p.Headers)
		}
		if len(p.Headers["Authorization"]) > 0 || !strings.HasPrefix(p.URL, "/external/") {
			f.t.Errorf("an inner request to %s with the headers %v", p.URL, p.Headers)
		}
		if a := f.part(r, p.Method, p.URL, p.Headers, p.Body); a != nil {
			a["id"] = p.ID
			answers = append(answers, a)
		}
	}
	rand.Shuffle(len(answers), func(i, j int) { answers[i], answers[j] = answers[j], answers[i] })
	if opt.change != nil {
		answers = opt.change(answers)
	}
	return max(opt.status, 200), nil, map[string]any{"responses": answers}
}

func (f *fake) part(outer *http.Request, method, target string, headers map[string]string, body []byte) map[string]any {
	u, err := url.ParseRequestURI("/v1.0" + target)
	if err != nil {
		f.t.Errorf("an inner url %q: %v", target, err)
		return nil
	}
	r := (&http.Request{Method: method, URL: u, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}).WithContext(outer.Context())
	r.ContentLength = int64(len(body))
	for key, value := range headers {
		r.Header.Set(key, value)
	}
	r.Header.Set("Authorization", outer.Header.Get("Authorization"))
	what := f.arrive(r)
	if f.envelopes.inner != nil {
		if status := f.envelopes.inner(method); status != 0 {
			what = fault{status: status, said: true}
		}
	}
	if what.slow > 0 {
		select {
		case <-time.After(what.slow):
		case <-outer.Context().Done():
			return nil
		}
	}
	if what.loseRequest {
		return nil
	}
	var status int
	var header map[string]string
	var answer any
	if what.status == 0 || what.after {
		f.mu.Lock()
		status, header, answer = f.handle(r, body)
		f.mu.Unlock()
	}
	if what.loseReply {
		return nil
	}
	if what.status != 0 {
		status, header, answer = what.status, what.header, nil
		if text := what.text(); json.Valid([]byte(text)) {
			answer = json.RawMessage(text)
		} else if text != "" { // a gateway's page
			answer = base64.RawURLEncoding.EncodeToString([]byte(text))
		}
	}
	names := map[string]any{}
	for key, value := range header {
		names[randomCase(key)] = value
	}
	return map[string]any{"status": status, "headers": names, "body": answer}
}

func randomCase(s string) string {
	if rand.IntN(2) == 0 {
		return strings.ToLower(s)
	}
	return strings.ToUpper(s)
}

// inEnvelopes tells the envelopes that came, for messages.
func (f *fake) inEnvelopes() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprint(f.envelopes.sizes)
}
