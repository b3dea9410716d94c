package localgraph

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

var jsonType = []string{"application/json"}

// maxAdminBytes limits every body but an item's.
const maxAdminBytes = 8 << 20

// body reads the request's JSON whole.
func (c *call) body(limit int64) ([]byte, error) {
	if err := c.checkContentType(); err != nil {
		return nil, err
	}
	b, err := c.rawBody(limit)
	if err != nil {
		return nil, err
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(b) {
		return nil, malformed("the body is not valid UTF-8")
	}
	if !json.Valid(b) {
		return nil, malformed("the body is not valid JSON%s", jsonFault(b))
	}
	return b, nil
}

// checkContentType takes JSON, a form (the CLI for Microsoft 365 sends schemas
// as application/x-www-form-urlencoded, and means JSON) and no type at all.
func (c *call) checkContentType() error {
	types := c.r.Header["Content-Type"]
	if c.anyType || len(types) == 0 || types[0] == "" || types[0] == jsonType[0] {
		return nil
	}
	t, _, err := mime.ParseMediaType(types[0])
	if err == nil && (strings.HasSuffix(t, "/json") || strings.HasSuffix(t, "+json") || t == "application/x-www-form-urlencoded") {
		return nil
	}
	return &apiError{status: http.StatusUnsupportedMediaType, code: "UnsupportedMediaType",
		message: fmt.Sprintf("The content type %q is not supported; send application/json.", cut([]byte(types[0])))}
}

// rawBody reads the request's body whole, and inflates it.
//
// A body that says "Content-Encoding: gzip" may be plain all the same: when the
// Go SDK repeats a request after a 429, it sends the header of the compressed
// body with the uncompressed one. So the first bytes decide. The limit is that
// of the inflated body.
func (c *call) rawBody(limit int64) ([]byte, error) {
	if c.r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	var r io.Reader = c.r.Body
	if c.r.Body == nil {
		r = bytes.NewReader(nil)
	}
	size := c.r.ContentLength
	if enc := c.r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		if !strings.EqualFold(enc, "gzip") {
			c.w.Header().Set("Accept-Encoding", "gzip") // RFC 9110, section 15.5.16
			return nil, &apiError{status: http.StatusUnsupportedMediaType, code: "UnsupportedMediaType",
				message: "The content encoding is not supported; send the body as gzip or as it is."}
		}
		br := bufio.NewReader(r)
		r = br
		if head, _ := br.Peek(2); len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b {
			z, err := gzip.NewReader(br)
			if err != nil {
				return nil, malformed("the gzip body cannot be read: %v", err)
			}
			r, size = z, -1
		}
	}
	return readAll(r, size, limit, c.hold)
}

// What the bodies of all requests under way may take of memory: the first
// megabyte of each is free, so that small requests are answered whatever the
// large ones do.
const (
	freeBody     = 1 << 20
	leastBudget  = 256 << 20
	budgetBodies = 32 // of the largest item
)

// hold counts what the request's body takes more. Beyond the budget it is told
// to come again. Requests of the own process are not counted: their bodies are
// there already.
func (c *call) hold(more int64) error {
	if c.nested || c.together {
		return nil
	}
	if c.s.bodies.Add(more) > c.s.budget {
		c.s.bodies.Add(-more)
		return &apiError{status: http.StatusServiceUnavailable, code: "serviceNotAvailable", retryAfter: 1,
			message: "Too many large requests are under way. Send the request again."}
	}
	c.held += more
	return nil
}

// release gives back what hold has counted.
func (c *call) release() { c.s.bodies.Add(-c.held) }

// jsonFault says where JSON breaks.
func jsonFault(b []byte) string {
	var v json.RawMessage
	err := json.Unmarshal(b, &v)
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return ": " + e.Error()
	}
	return ""
}

// readAll reads up to limit bytes. size is what the client says, and is not
// believed beyond a few megabytes: memory is for what has come, and never for
// more than the limit. hold is asked before it takes more than a megabyte.
func readAll(r io.Reader, size, limit int64, hold func(more int64) error) ([]byte, error) {
	var b []byte
	grow := func(to int64) error {
		if more := to - max(freeBody, int64(cap(b))); more > 0 {
			if err := hold(more); err != nil {
				return err
			}
		}
		b = append(make([]byte, 0, to), b...)
		return nil
	}
	if err := grow(min(max(size, 0), 8<<20) + bytes.MinRead); err != nil {
		return nil, err
	}
	for {
		if len(b) == cap(b) {
			if err := grow(min(2*int64(cap(b)), limit+bytes.MinRead)); err != nil {
				return nil, err
			}
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if int64(len(b)) > limit {
			return nil, tooLarge(limit)
		}
		if err == io.EOF {
			return b, nil
		}
		if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, tooLarge(e.Limit)
		}
		if err != nil {
			return nil, malformed("the body ended early: %v", err)
		}
	}
}

// decode reads the body into v, tolerating unknown members: the API's model
// grew four times in a year.
func (c *call) decode(v any) error {
	b, err := c.body(maxAdminBytes)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return unreadable("the body", err)
	}
	return nil
}

// unreadable words an error of json.Unmarshal, naming the member.
func unreadable(what string, err error) *apiError {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if e.Field != "" {
			what = strconv.Quote(e.Field)
		}
		return malformed("%s must be %s, not %s", what, jsonName(e.Type.Kind().String()), e.Value)
	}
	return malformed("%s cannot be read: %v", what, err)
}

func jsonName(kind string) string {
	switch kind {
	case "struct", "map", "ptr":
		return "an object"
	case "slice":
		return "an array"
	case "bool":
		return "a boolean"
	case "string":
		return "a string"
	}
	return "a number"
}

// reply sends v as JSON. HTML characters stay themselves: the answers are
// read by Graph clients, which compare them with what they sent.
func (c *call) reply(status int, v any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	c.w.WriteHeader(status)
	_, _ = c.w.Write(buf.Bytes()) // a client that hung up gets nothing
	return nil
}

func (c *call) replyRaw(status int, b []byte) error {
	c.w.WriteHeader(status)
	_, _ = c.w.Write(b)
	return nil
}

// replyNothing answers without a body; such an answer has no content type.
func (c *call) replyNothing(status int) error {
	c.w.Header().Del("Content-Type")
	c.w.WriteHeader(status)
	return nil
}

func (c *call) context(of string) string { return c.root + "/$metadata#" + of }
