package load

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
)

// A $batch, as Graph's batching page has it:
//
//	POST /v1.0/$batch
//	{"requests":[{"id":"1","method":"PUT","url":"/external/connections/hd/items/a",
//	              "headers":{"Content-Type":"application/json"},"body":{"acl":[...],...}},
//	             {"id":"2","method":"PUT","url":"/external/connections/hd/items/b",...}]}
//	200
//	{"responses":[{"id":"2","status":200},
//	              {"id":"1","status":429,"headers":{"Retry-After":"10"},"body":{"error":{...}}}]}
//
// The answers come in any order, each with its own status. The requests do
// not depend on each other, so the service may carry them out at once.

const (
	maxInEnvelope    = 20            // the batching page
	maxEnvelopeBytes = 4_000_000 - 1 // undocumented; see GraphOptions.BatchBytes
	// minEnvelopeBytes is a body that every service takes: one that is refused
	// for being larger is not refused for its size.
	minEnvelopeBytes = 8 << 10
)

// envelopes is a BatchTransport that packs requests into $batch. It is safe
// for concurrent use.
type envelopes struct {
	next http.RoundTripper
	base *url.URL // inner urls are relative to it
	log  *slog.Logger
	// overhead is what a request takes beside its path and its body, at most.
	overhead int

	bytes    atomic.Int64 // what a body may have; a 413 halves it
	off      atomic.Bool  // the service does not take envelopes
	put, del atomic.Bool  // the method has once done something in an envelope

	width envelopeWidth
}

func newEnvelopes(opt GraphOptions, base *url.URL) *envelopes {
	e := &envelopes{next: opt.Transport, base: base, log: opt.Log, overhead: 512, width: envelopeWidth{max: opt.Batch, now: opt.Batch}}
	for key, values := range opt.Header {
		e.overhead += len(key) + 2*len(strings.Join(values, ", ")) + 8
	}
	setDefault(&opt.BatchBytes, maxEnvelopeBytes)
	e.bytes.Store(int64(opt.BatchBytes))
	return e
}

func (e *envelopes) RoundTrip(r *http.Request) (*http.Response, error) { return e.next.RoundTrip(r) }

// most is how many requests an envelope may carry now.
func (e *envelopes) most() int {
	if e.off.Load() {
		return 1
	}
	n, _ := e.width.get()
	return n
}

// fit is how many of the calls go into one envelope, at least 1: what is too
// large for any travels alone.
func (e *envelopes) fit(calls []call) int {
	room := e.bytes.Load()
	for i, c := range calls {
		if room -= e.weight(len(c.path), len(c.body)); room < 0 {
			return max(1, i)
		}
	}
	return len(calls)
}

// weight is an upper bound of what a request takes of an envelope's body.
func (e *envelopes) weight(path, body int) int64 { return int64(e.overhead + path + body) }

func (e *envelopes) proven(method string) *atomic.Bool {
	if method == http.MethodDelete {
		return &e.del
	}
	return &e.put
}

// errNotCarried answers the requests of an envelope that the service did not
// open: they are to be sent again, in smaller ones or alone.
var errNotCarried = errors.New("the service does not take the $batch")

// refuse sends no more envelopes.
func (e *envelopes) refuse(why error) {
	if e.off.CompareAndSwap(false, true) {
		e.log.Warn("the service does not take external items in $batch: they go by single requests from now on", "answer", why)
	}
}

// refusal tells a status that says no to what was asked, and does not say that
// it may be asked again later, or by somebody else.
func refusal(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return false
	case http.StatusNotImplemented:
		return true
	}
	e := APIError{Status: status}
	return status >= 400 && !e.Retryable()
}

// RoundTripAll sends the requests in one envelope. An answer to the envelope
// alone, such as a 429 or a 401, is the answer to each of them.
func (e *envelopes) RoundTripAll(reqs []*http.Request) ([]*http.Response, []error) {
	resps, errs := make([]*http.Response, len(reqs)), make([]error, len(reqs))
	body, size, err := e.pack(reqs)
	if err != nil {
		fill(errs, err)
		return resps, errs
	}
	resp, err := e.next.RoundTrip(e.request(reqs[0], body))
	if err != nil {
		fill(errs, fmt.Errorf("a $batch of %d: %w", len(reqs), err))
		return resps, errs
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		fill(errs, fmt.Errorf("the answer %d to a $batch of %d broke off: %w", resp.StatusCode, len(reqs), err))
		return resps, errs
	case len(answer) > maxAnswer:
		fill(errs, fmt.Errorf("the answer to a $batch of %d is larger than %d MB", len(reqs), maxAnswer>>20))
		return resps, errs
	}
	if e.unpack(answer, reqs, resps, errs) {
		return resps, errs
	}
	switch {
	case resp.StatusCode == http.StatusRequestEntityTooLarge && size > minEnvelopeBytes:
		e.halve(size)
		fill(errs, errNotCarried)
	case refusal(resp.StatusCode):
		e.refuse(newAPIError(call{method: http.MethodPost, path: "/$batch"}, resp, answer, bearer(reqs[0])))
		fill(errs, errNotCarried)
	case resp.StatusCode/100 == 2 && !htmlAnswer(resp.Header, answer):
		fill(errs, fmt.Errorf("the answer %d to a $batch is not what the API describes", resp.StatusCode))
	default:
		for i, r := range reqs {
			resps[i] = response(r, resp.StatusCode, resp.Header.Clone(), answer)
		}
	}
	return resps, errs
}

// halve makes the next envelopes smaller than one of this size.
func (e *envelopes) halve(size int64) {
	for {
		have := e.bytes.Load()
		if have <= size/2 {
			return
		}
		if e.bytes.CompareAndSwap(have, size/2) {
			e.log.Debug("graph: the service takes no $batch of this size", "bytes", size, "next", size/2)
			return
		}
	}
}

// request makes the request of an envelope: from the same, to the same, with
// the same token as those in it.
func (e *envelopes) request(like *http.Request, body []byte) *http.Request {
	r := like.Clone(like.Context())
	r.Method = http.MethodPost
	r.URL = &url.URL{Scheme: e.base.Scheme, Host: e.base.Host, Path: e.base.Path + "/$batch"}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(headerRequestID, newRequestID())
	r.ContentLength = int64(len(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r
}

func bearer(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// pack writes the body of an envelope. Its size is the one that fit reckons
// with.
func (e *envelopes) pack(reqs []*http.Request) (_ []byte, size int64, _ error) {
	for _, r := range reqs {
		size += e.weight(len(r.URL.EscapedPath()), int(r.ContentLength))
	}
	b := bytes.NewBuffer(make([]byte, 0, size))
	b.WriteString(`{"requests":[`)
	for i, r := range reqs {
		if i > 0 {
			b.WriteByte(',')
		}
		head := b.AvailableBuffer()
		head = append(head, `{"id":"`...)
		head = strconv.AppendInt(head, int64(i+1), 10)
		head = append(head, `","method":"`...)
		head = append(head, r.Method...)
		head = append(head, `","url":`...)
		head = appendString(head, strings.TrimPrefix(r.URL.RequestURI(), e.base.EscapedPath()))
		head = appendHeaders(head, r.Header)
		b.Write(head)
		if r.Body != nil {
			b.WriteString(`,"body":`)
			if _, err := b.ReadFrom(r.Body); err != nil {
				return nil, 0, err // unreachable: it is in memory
			}
		}
		b.WriteByte('}')
	}
	b.WriteString(`]}`)
	return b.Bytes(), size, nil
}

// appendHeaders writes the headers of an inner request: those that do not say
// who asks, and how; that is the envelope's to say.
func appendHeaders(dst []byte, h http.Header) []byte {
	dst = append(dst, `,"headers":{`...)
	start := len(dst)
	for key, values := range h {
		switch key {
		case "Authorization", "User-Agent", "Accept":
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = appendString(dst, key)
		dst = append(dst, ':')
		dst = appendString(dst, strings.Join(values, ", "))
	}
	return append(dst, '}')
}

var (
	errNotAnswered   = errors.New("the answer to a $batch does not mention this request")
	errAnsweredTwice = errors.New("the answer to a $batch answers this request twice")
)

// unpack gives each request the response that bears its id. ok is false if
// the answer is not that of a $batch. Its status does not matter: an older
// throttling page answers 424 to an envelope of which a part was throttled.
func (e *envelopes) unpack(answer []byte, reqs []*http.Request, resps []*http.Response, errs []error) (ok bool) {
	var all struct{ Responses *[]innerResponse }
	if json.Unmarshal(answer, &all) != nil || all.Responses == nil {
		return false
	}
	fill(errs, errNotAnswered)
	seen := make([]bool, len(reqs))
	for _, in := range *all.Responses {
		n, err := strconv.Atoi(string(in.ID))
		if err != nil || n < 1 || n > len(reqs) {
			continue // nobody's
		}
		i := n - 1
		if seen[i] {
			resps[i], errs[i] = nil, errAnsweredTwice
			continue
		}
		seen[i] = true
		status, err := strconv.Atoi(string(in.Status))
		if err != nil || status < 200 || status > 599 {
			errs[i] = fmt.Errorf("the answer to a $batch gives this request the status %q", in.Status)
			continue
		}
		h := in.header()
		resps[i], errs[i] = response(reqs[i], status, h, in.body(h)), nil
	}
	return true
}

// An innerResponse is one of a $batch's, read with patience: an id or a status
// may come as a number or as a string, and anything may be null.
type innerResponse struct {
	ID      text
	Status  text
	Headers map[string]json.RawMessage
	Body    json.RawMessage
}

// header gives the headers, whatever the case of their names.
func (in *innerResponse) header() http.Header {
	h := make(http.Header, len(in.Headers))
	for key, raw := range in.Headers {
		var values []text
		if json.Unmarshal(raw, &values) != nil {
			values = make([]text, 1)
			_ = json.Unmarshal(raw, &values[0]) // a text reads everything
		}
		for _, v := range values {
			h.Add(key, string(v))
		}
	}
	return h
}

// body gives the body as a single request would have got it. One that is not
// JSON, such as a gateway's page, comes as a string, in base64 or as it is.
func (in *innerResponse) body(h http.Header) []byte {
	if len(in.Body) == 0 || in.Body[0] != '"' {
		return bytes.TrimPrefix(in.Body, []byte("null"))
	}
	var s string
	_ = json.Unmarshal(in.Body, &s) // it was read before
	if strings.Contains(h.Get("Content-Type"), "json") {
		return []byte(s)
	}
	plain := strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(s, "="))
	if dec, err := base64.RawURLEncoding.DecodeString(plain); err == nil {
		return dec
	}
	return []byte(s)
}

func response(r *http.Request, status int, h http.Header, body []byte) *http.Response {
	return &http.Response{
		StatusCode: status, Status: strconv.Itoa(status) + " " + http.StatusText(status),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}
}
