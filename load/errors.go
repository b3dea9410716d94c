package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// An APIError is an answer of the service that is not a success.
type APIError struct {
	Method, Path string // of the request; the path below the version root
	Status       int
	Code         string // error.code, such as InvalidRequest
	Message      string // what the service says; the innermost message, which names the cause
	RequestID    string // the service's own, for its support
	After        time.Duration
	// Envelope tells that the answer had the API's error envelope: it is the
	// service that speaks, not a proxy on the way.
	Envelope bool
	// crowded tells that too many requests came at once in a $batch, so that a
	// throttle says nothing of the rate.
	crowded bool
}

func (e *APIError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %d", e.Method, e.Path, e.Status)
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	} else if text := http.StatusText(e.Status); text != "" {
		b.WriteString(" " + text)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.RequestID != "" {
		b.WriteString(" (request-id " + e.RequestID + ")")
	}
	return b.String()
}

// Throttled tells an answer that asks for a lower rate.
func (e *APIError) Throttled() bool { return e.slower() && !e.crowded }

func (e *APIError) slower() bool {
	return e.Status == http.StatusTooManyRequests || e.Status == 509 // bandwidth limit exceeded
}

// Retryable tells an answer that says nothing of the request itself, so that
// the same request may succeed later.
func (e *APIError) Retryable() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusPreconditionFailed,
		http.StatusMisdirectedRequest, http.StatusLocked, http.StatusFailedDependency,
		http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	// RFC 4918, 11.5, forbids to repeat a request that met a full store until
	// somebody asks for it: retries do not make room.
	return e.Status >= 500 && e.Status != http.StatusInsufficientStorage
}

// An AuthError means that the service does not take the token, or that there
// is none to be had. Nothing succeeds until somebody acts on Remedy.
type AuthError struct {
	Err    error
	Remedy string
}

func (e *AuthError) Error() string {
	if e.Err == nil {
		return e.Remedy
	}
	return e.Err.Error() + "; " + e.Remedy
}

func (e *AuthError) Unwrap() error { return e.Err }

// An UnavailableError means that the target did not answer, or did not settle
// what it was asked, until retries ran out.
type UnavailableError struct {
	Tries int
	For   time.Duration // how long nothing was settled
	Err   error         // the last failure
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("the target settled nothing for %s in %d tries, the last of which ended in: %v; "+
		"nothing is lost: run again when it is back", e.For.Round(time.Second), e.Tries, e.Err)
}

func (e *UnavailableError) Unwrap() error { return e.Err }

// NotFound tells that the service itself said that something is not there.
func NotFound(err error) bool { return notFound(err) }

// Refused tells that the service refused what it was sent for what it is, as
// opposed to its address, its sender or the time.
func Refused(err error) bool {
	var api *APIError
	return errors.As(err, &api) && !api.Retryable() && rejects(api)
}

// notFound tells the service's own 404. A proxy's page says nothing of what is
// there.
func notFound(err error) bool {
	var api *APIError
	return errors.As(err, &api) && api.Status == http.StatusNotFound && api.Envelope
}

func hasStatus(err error, status int) bool {
	var api *APIError
	return errors.As(err, &api) && api.Status == status
}

// Status is the status of the answer that an error tells of, 0 if there was
// none.
func Status(err error) int {
	var api *APIError
	if errors.As(err, &api) {
		return api.Status
	}
	return 0
}

// retryable tells whether the same call may succeed later: a transport error
// and the answers for which APIError says so, but no cancel and no *AuthError.
func retryable(err error) bool {
	var auth *AuthError
	if errors.As(err, &auth) || errors.Is(err, context.Canceled) {
		return false
	}
	var final *finalError
	if errors.As(err, &final) {
		return false
	}
	var api *APIError
	if errors.As(err, &api) {
		return api.Retryable()
	}
	return true
}

// A finalError is a failure on the way to the service that no retry mends.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

// verdict turns the error of one attempt at an item into its Result. Only an
// answer about the item itself rejects it.
func verdict(err error) Result {
	res := Result{Err: err}
	var api *APIError
	switch {
	case !errors.As(err, &api):
		// Transport errors and cancels are Unsettled; a token that cannot be
		// had and a wrong address concern everybody.
		var auth *AuthError
		var final *finalError
		res.Fatal = errors.As(err, &auth) || errors.As(err, &final)
	case api.Retryable():
		res.After, res.Throttled = api.After, api.Throttled()
	case rejects(api):
		res.Fate = Rejected
	case api.Status == http.StatusNotFound && api.Envelope:
		res.Fatal = true
		res.Err = fmt.Errorf("%w; the connection is not there, or is being deleted: run again to make it anew", err)
	default:
		res.Fatal = true
	}
	return res
}

// rejects tells whether an answer is a verdict on the item.
func rejects(e *APIError) bool {
	switch e.Status {
	case http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge:
		return true // too large to get through, whoever says so
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound,
		http.StatusMethodNotAllowed, http.StatusProxyAuthRequired, http.StatusGone:
		return false
	}
	// Any other refusal is the service's word on this item if it is the
	// service that speaks; a proxy's page is not.
	return e.Status >= 400 && e.Status < 500 && e.Envelope
}

const maxMessage = 2000 // bytes of a service's message that are worth showing

// newAPIError reads the error envelope:
//
//	{"error":{"code":"InvalidRequest","message":"The request is malformed or incorrect.",
//	  "innerError":{"code":"...","message":"the useful text","request-id":"..."}}}
//
// The key is innerError from this service and innererror in OData's text;
// encoding/json takes both.
func newAPIError(c call, resp *http.Response, body []byte, secret string) *APIError {
	e := &APIError{
		Method: c.method, Path: c.path, Status: resp.StatusCode,
		RequestID: resp.Header.Get("request-id"),
		After:     retryAfter(resp.Header, time.Now()),
	}
	var envelope struct{ Error json.RawMessage }
	var detail errorDetail
	switch {
	case json.Unmarshal(body, &envelope) == nil && isObject(envelope.Error) && json.Unmarshal(envelope.Error, &detail) == nil:
		e.Envelope = true
		e.Code, e.Message = detail.Code, detail.words()
		if e.RequestID == "" && detail.InnerError != nil {
			e.RequestID = detail.InnerError.RequestID
		}
	default:
		e.Message = string(body)
	}
	e.Message = summary(e.Message)
	if secret != "" { // a service, or a debugging proxy, may echo the request
		e.Message = strings.ReplaceAll(e.Message, secret, "[token]")
		e.Code = strings.ReplaceAll(e.Code, secret, "[token]")
	}
	return e
}

type errorDetail struct {
	Code, Message, Target string
	RequestID             string
	Details               []errorDetail
	InnerError            *errorDetail
}

// UnmarshalJSON reads an error with patience: it is the service's verdict,
// whatever the type of its members. A string is its message.
func (d *errorDetail) UnmarshalJSON(data []byte) error {
	*d = errorDetail{}
	if !isObject(data) {
		return json.Unmarshal(data, (*text)(&d.Message))
	}
	var raw struct {
		Code, Message, Target text
		RequestID             text `json:"request-id"`
		Details, InnerError   json.RawMessage
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	*d = errorDetail{Code: string(raw.Code), Message: string(raw.Message), Target: string(raw.Target), RequestID: string(raw.RequestID)}
	if json.Unmarshal(raw.Details, &d.Details) != nil {
		d.Details = nil
		if more := new(errorDetail); json.Unmarshal(raw.Details, more) == nil {
			d.Details = []errorDetail{*more}
		}
	}
	if json.Unmarshal(raw.InnerError, &d.InnerError) != nil {
		d.InnerError = nil
	}
	return nil
}

// isObject tells a JSON object from null and the rest.
func isObject(data []byte) bool { return len(data) > 0 && data[0] == '{' }

// words gives the innermost message, with the details that the service adds.
func (d *errorDetail) words() string {
	if d.InnerError != nil {
		if inner := d.InnerError.words(); inner != "" {
			return inner
		}
	}
	message := d.Message
	for _, more := range d.Details {
		if w := more.words(); w != "" && w != message {
			if more.Target != "" {
				w = more.Target + ": " + w
			}
			message += "; " + w
		}
	}
	return strings.TrimPrefix(message, "; ")
}

// summary makes one bounded line of a message. Of an HTML page, which Front
// Door sends with 502 even inside the envelope (msgraph-sdk-dotnet#3177),
// only the title is kept.
func summary(s string) string {
	lower := strings.ToLower(s[:min(len(s), 4096)])
	if strings.Contains(lower, "<html") || strings.Contains(lower, "<!doctype") {
		title := "without a title"
		if _, rest, ok := strings.Cut(lower, "<title>"); ok {
			from := len(lower) - len(rest)
			if end := strings.Index(rest, "</title>"); end >= 0 && from+end <= len(s) && len(lower) == min(len(s), 4096) {
				title = strconv.Quote(html.UnescapeString(strings.TrimSpace(s[from : from+end])))
			}
		}
		return "an HTML page " + title + " instead of an answer of the API: a gateway or proxy on the way"
	}
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if len(s) <= maxMessage {
		return s
	}
	cut := maxMessage
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}

// maxAfter bounds what a Retry-After can say, so that no arithmetic on it
// overflows. Whether to wait that long is the retry policy's decision.
const maxAfter = 365 * 24 * time.Hour

// retryAfter reads Retry-After: whole seconds, the decimal seconds of an
// older page ("2.128"), or an HTTP date, which is taken against the server's
// own Date so that a wrong clock here does not matter.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if strings.Trim(v, "0123456789.") == "" {
		seconds, err := strconv.ParseFloat(v, 64)
		if err != nil && seconds == 0 {
			return 0
		}
		if seconds >= maxAfter.Seconds() {
			return maxAfter
		}
		return time.Duration(seconds * float64(time.Second))
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), maxAfter)
}

// htmlAnswer tells a success that is a web page: a captive portal or a login
// page, not Graph.
func htmlAnswer(h http.Header, body []byte) bool {
	return strings.HasPrefix(h.Get("Content-Type"), "text/html") ||
		bytes.HasPrefix(bytes.ToLower(bytes.TrimSpace(body[:min(len(body), 64)])), []byte("<!doctype"))
}
