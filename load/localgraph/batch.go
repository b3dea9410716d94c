package localgraph

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

const maxBatchRequests = 20

// A batchPart is one request of a batch.
type batchPart struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      json.RawMessage   `json:"body"`
	DependsOn []string          `json:"dependsOn"`

	done   chan struct{} // closed when answered
	answer batchAnswer
}

type batchAnswer struct {
	ID      string            `json:"id"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    any               `json:"body,omitempty"`
}

// batch answers POST /$batch. The parts run at once, each after those that it
// depends on; one whose dependency failed gets 424.
func (c *call) batch() error {
	raw, err := c.body(maxBatchRequests * c.s.opt.MaxItemBytes)
	if err != nil {
		return err
	}
	var body struct {
		Requests []*batchPart `json:"requests"`
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		return unreadable("the batch", err)
	}
	byID, err := checkBatch(body.Requests)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for _, p := range body.Requests {
		wg.Go(func() {
			defer close(p.done)
			for _, id := range p.DependsOn {
				d := byID[strings.ToLower(id)]
				<-d.done
				if d.answer.Status >= 400 {
					p.answer = failedDependency(p.ID, id)
					return
				}
			}
			p.answer = c.part(p)
		})
	}
	wg.Wait()
	answers := make([]batchAnswer, len(body.Requests))
	for i, p := range body.Requests {
		answers[i] = p.answer
	}
	return c.reply(http.StatusOK, map[string]any{"responses": answers})
}

// checkBatch refuses what makes the envelope malformed, circles of
// dependencies included: they would wait for each other for ever.
func checkBatch(parts []*batchPart) (map[string]*batchPart, error) {
	if len(parts) == 0 {
		return nil, badRequest("requests: a batch needs at least one request")
	}
	if len(parts) > maxBatchRequests {
		return nil, badRequest("requests: a batch has at most %d requests, not %d", maxBatchRequests, len(parts))
	}
	byID := map[string]*batchPart{}
	for _, p := range parts {
		if p == nil || p.ID == "" || p.Method == "" || p.URL == "" {
			return nil, badRequest("requests: each needs id, method and url")
		}
		key := strings.ToLower(p.ID)
		if byID[key] != nil {
			return nil, badRequest("requests: the id %q is used twice", p.ID)
		}
		if p.writes() && p.header("Content-Type") == "" {
			return nil, badRequest("requests: write request id : %s does not contain Content-Type header or body.", p.ID)
		}
		byID[key] = p
		p.done = make(chan struct{})
	}
	const (
		open = 1
		shut = 2
	)
	state := map[*batchPart]int{}
	var visit func(p *batchPart) error
	visit = func(p *batchPart) error {
		if state[p] == open {
			return badRequest("requests: %q depends on itself", p.ID)
		}
		if state[p] == shut {
			return nil
		}
		state[p] = open
		for _, id := range p.DependsOn {
			d := byID[strings.ToLower(id)]
			if d == nil {
				return badRequest("requests: %q depends on %q, which is not in the batch", p.ID, id)
			}
			if err := visit(d); err != nil {
				return err
			}
		}
		state[p] = shut
		return nil
	}
	for _, p := range parts {
		if err := visit(p); err != nil {
			return nil, err
		}
	}
	return byID, nil
}

// writes tells a part with a body.
func (p *batchPart) writes() bool { return len(p.Body) > 0 && string(p.Body) != "null" }

// header finds a header in any case.
func (p *batchPart) header(name string) string {
	for k, v := range p.Headers {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

func failedDependency(id, on string) batchAnswer {
	e := &apiError{status: http.StatusFailedDependency, code: "FailedDependency",
		message: "The request '" + on + "', on which this one depends, failed."}
	return batchAnswer{ID: id, Status: e.status, Headers: map[string]string{"Content-Type": jsonType[0]}, Body: e.envelope(requestID(), "")}
}

// A recorder keeps the answer to a part.
type recorder struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// finish answers a part, whatever happens: nobody above it catches a panic.
func (c *call) finish() {
	defer c.survive()
	c.tidy()
	if err := c.answer(); err != nil {
		c.fail(err)
	}
}

// part runs one request as the batch's caller.
func (c *call) part(p *batchPart) batchAnswer {
	version := c.root[strings.LastIndexByte(c.root, '/'):]
	target := "/" + strings.TrimPrefix(p.URL, "/")
	// The JavaScript client keeps the version when it is given a full URL.
	if first, _, _ := strings.Cut(target[1:], "/"); !strings.EqualFold(first, "v1.0") && !strings.EqualFold(first, "beta") {
		target = version + target
	}
	rec := &recorder{header: http.Header{}}
	inner := &call{s: c.s, w: rec, caller: c.caller, id: requestID(), nested: true}
	rec.header["Request-Id"] = []string{inner.id}
	rec.header["Content-Type"] = jsonType
	inner.r = (&http.Request{Method: strings.ToUpper(p.Method), Host: c.r.Host, TLS: c.r.TLS, Header: http.Header{}, URL: &url.URL{}}).WithContext(c.r.Context())
	for k, v := range p.Headers {
		inner.r.Header.Set(k, v)
	}
	inner.r.Header.Del("Content-Encoding") // the envelope's business
	if f := c.r.Header.Get("X-Forwarded-Proto"); f != "" {
		inner.r.Header.Set("X-Forwarded-Proto", f)
	}
	if p.writes() {
		b := []byte(p.Body)
		if ct := inner.r.Header.Get("Content-Type"); kindOf(b) == '"' && !strings.Contains(ct, "json") {
			if dec, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(unquote(b), "=")); err == nil {
				b = dec
			}
		}
		inner.r.Body, inner.r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	}
	u, err := url.ParseRequestURI(target)
	if err == nil {
		inner.r.URL = u
		inner.finish()
	} else {
		inner.fail(badRequest("url: %q cannot be read", p.URL))
	}
	a := batchAnswer{ID: p.ID, Status: rec.status, Headers: map[string]string{}}
	for k, v := range rec.header {
		a.Headers[k] = v[0]
	}
	switch {
	case rec.body.Len() == 0:
	case rec.header.Get("Content-Type") != jsonType[0]: // a gateway's page
		a.Body = base64.RawURLEncoding.EncodeToString(rec.body.Bytes())
	default:
		a.Body = json.RawMessage(bytes.TrimSpace(rec.body.Bytes()))
	}
	return a
}
