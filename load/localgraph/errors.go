package localgraph

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// An apiError is a refusal as Graph words it. For malformed requests of this
// workload the outer message is generic and the useful text stands in
// innerError.message, where the clients look for it.
type apiError struct {
	status       int
	code         string
	message      string
	innerCode    string
	innerMessage string
	retryAfter   int // seconds
	cause        error
}

func (e *apiError) Error() string {
	if e.innerMessage != "" {
		return e.innerMessage
	}
	return e.message
}

func (e *apiError) Unwrap() error { return e.cause }

var (
	errUnauthenticated = &apiError{status: http.StatusUnauthorized, code: "InvalidAuthenticationToken",
		message: "Access token is empty, invalid or expired. Send one that this server knows: Authorization: Bearer <token>."}
	errTokenExpired = &apiError{status: http.StatusUnauthorized, code: "InvalidAuthenticationToken",
		message: "Lifetime validation failed, the token is expired."}
	errTokenNotYet = &apiError{status: http.StatusUnauthorized, code: "InvalidAuthenticationToken",
		message: "Lifetime validation failed, the token is not valid yet."}
	errNotOwner = &apiError{status: http.StatusForbidden, code: "Forbidden",
		message: "Insufficient privileges to complete the operation: the connection belongs to another application, which has not named this one in authorizedAppIds."}
	errAppOnly = &apiError{status: http.StatusForbidden, code: "Forbidden",
		message: "Insufficient privileges to complete the operation: connections, items and groups are managed by an application."}
	errControl = &apiError{status: http.StatusForbidden, code: "Forbidden",
		message: "Insufficient privileges to complete the operation: it wants an application that manages everything, " +
			"such as one with a token of importer token --app without --role."}
	errSearchApp = &apiError{status: http.StatusForbidden, code: "Forbidden",
		message: "Access to externalItem in Graph API requires the following permissions: ExternalItem.Read.All, delegated. " +
			"An application cannot search without a signed-in user."}
)

func badRequest(format string, args ...any) *apiError {
	text := fmt.Sprintf(format, args...)
	return &apiError{status: http.StatusBadRequest, code: "InvalidRequest", message: "The request is malformed or incorrect.",
		innerCode: "InvalidRequest", innerMessage: text}
}

// malformed is badRequest for what does not deserialize.
func malformed(format string, args ...any) *apiError {
	e := badRequest(format, args...)
	e.innerCode = "DeserializationError"
	return e
}

func notFound(format string, args ...any) *apiError {
	return &apiError{status: http.StatusNotFound, code: "ItemNotFound", message: fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) *apiError {
	return &apiError{status: http.StatusConflict, code: "Conflict", message: fmt.Sprintf(format, args...)}
}

func tooLarge(limit int64) *apiError {
	return &apiError{status: http.StatusRequestEntityTooLarge, code: "RequestEntityTooLarge",
		message: fmt.Sprintf("The request body is larger than the limit of %d bytes.", limit)}
}

// asAPIError gives every failure a status. What the store cannot do is never
// the client's fault and never a success.
func asAPIError(err error) *apiError {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch primary(e) {
		case sqlite3.SQLITE_FULL:
			return &apiError{status: http.StatusInsufficientStorage, code: "InsufficientStorage", cause: err,
				message: "The store's disk is full; nothing of this request was stored. Free some space and send it again."}
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return &apiError{status: http.StatusServiceUnavailable, code: "serviceNotAvailable", retryAfter: 1, cause: err,
				message: "Another process has been writing to the store for too long. Send the request again."}
		case sqlite3.SQLITE_READONLY:
			return &apiError{status: http.StatusInternalServerError, code: "InternalServerError", cause: err,
				message: "The store's file is read-only; nothing of this request was stored. Make graph.db and its folder writable."}
		case sqlite3.SQLITE_INTERRUPT:
			return &apiError{status: http.StatusServiceUnavailable, code: "serviceNotAvailable", retryAfter: 1, cause: err,
				message: "The request was interrupted."}
		}
	}
	return &apiError{status: http.StatusInternalServerError, code: "InternalServerError", cause: err,
		message: "The store could not complete the request: " + err.Error()}
}

// panicked words a panic: what and where, for a report, and no more.
func panicked(v any) *apiError {
	place := "an unknown place"
	pc := make([]uintptr, 32)
	frames := runtime.CallersFrames(pc[:runtime.Callers(3, pc)])
	for {
		f, more := frames.Next()
		if strings.Contains(f.Function, "/localgraph.") && !strings.HasSuffix(f.Function, ".survive") {
			place = fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)
			break
		}
		if !more {
			break
		}
	}
	return &apiError{status: http.StatusInternalServerError, code: "InternalServerError",
		message: fmt.Sprintf("The server met a fault of its own at %s: %v. Please report it.", place, v)}
}

// primary is the code of an error without its details, but for the one detail
// that tells a full disk: no room for the index of the write-ahead log.
func primary(e *sqlite.Error) int {
	if e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE {
		return sqlite3.SQLITE_FULL
	}
	return e.Code() & 0xff
}

// openRemedy says what helps when the store cannot be opened.
func openRemedy(err error) string {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch primary(e) {
		case sqlite3.SQLITE_FULL:
			return "the disk is full: make room in the folder"
		case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR:
			return "its files cannot be written: make the folder and graph.db writable"
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return "graph.db is damaged: restore it from a backup, move it away to start afresh"
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return "another program holds graph.db: close it"
		}
	}
	return "check the folder"
}

// errorBody is the envelope that every 4xx and 5xx carries.
type errorBody struct {
	Error struct {
		Code    string     `json:"code"`
		Message string     `json:"message"`
		Inner   innerError `json:"innerError"`
	} `json:"error"`
}

type innerError struct {
	Code            string `json:"code,omitempty"`
	Message         string `json:"message,omitempty"`
	Date            string `json:"date"`
	RequestID       string `json:"request-id"`
	ClientRequestID string `json:"client-request-id"`
}

// envelope is the body of a refusal.
func (e *apiError) envelope(id, client string) errorBody {
	if client == "" {
		client = id
	}
	var body errorBody
	body.Error.Code, body.Error.Message = e.code, e.message
	body.Error.Inner = innerError{
		Code:    e.innerCode,
		Message: e.innerMessage,
		// The service prints the date without a zone.
		Date:            time.Now().UTC().Format("2006-01-02T15:04:05"),
		RequestID:       id,
		ClientRequestID: client,
	}
	return body
}

func (c *call) fail(err error) {
	c.drain()
	e := asAPIError(err)
	if e.retryAfter > 0 {
		c.w.Header().Set("Retry-After", fmt.Sprint(e.retryAfter))
	}
	c.w.WriteHeader(e.status)
	b, _ := json.Marshal(e.envelope(c.id, c.r.Header.Get("Client-Request-Id"))) // cannot fail: strings only
	c.w.Write(b)
}

// What is read of a body that nobody wants, and for how long.
const (
	drainBytes = 32 << 20
	drainTime  = 5 * time.Second
)

// drain reads what is left of the body before a refusal. net/http closes the
// connection over a body of more than 256 KB that was not read; a client that
// is still sending then sees a reset instead of the refusal, and tries again
// what will be refused again.
func (c *call) drain() {
	if c.nested || c.r.Body == nil || c.r.ContentLength == 0 || c.r.Header.Get("Expect") != "" {
		return
	}
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Now().Add(drainTime)) // in process there is none
	_, _ = io.CopyN(io.Discard, c.r.Body, drainBytes)                              // what does not come is not missed
}
