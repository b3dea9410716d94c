package localgraph

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// The compatibility contract: 31 points that real clients were seen to need,
// each shown with the bytes that its client sends, over a socket.

const (
	appToken  = "token-of-an-application"
	userToken = "token-of-ann"
)

// The headers of the clients, as they were recorded. The token is the
// application's; a body adds the rest.
var (
	goSDK = []string{"User-Agent: kiota-go/1.5.4", "Accept: application/json", "Authorization: Bearer " + appToken,
		"Client-Request-Id: 7c1d5e0a-5b8e-4d6e-9f5c-0a1b2c3d4e5f",
		"Sdkversion: graph-go/1.89.0, graph-go-core/1.4.0 (hostOS=linux; hostArch=amd64; runtimeEnvironment=go1.24)", "Accept-Encoding: gzip"}
	jsClient = []string{"Authorization: Bearer " + appToken, "client-request-id: 7c1d5e0a-5b8e-4d6e-9f5c-0a1b2c3d4e5f",
		"SdkVersion: graph-js/3.0.7 (featureUsage=7)", "accept: */*", "accept-language: *", "sec-fetch-mode: cors", "user-agent: node", "accept-encoding: gzip, deflate"}
	kiotaTS = []string{"accept: application/json", "user-agent: kiota-typescript/1.0.0-preview.24", "sdkversion: graph-typescript/1.0.0-preview.90", "authorization: Bearer " + appToken}
	m365    = []string{"Accept: application/json;odata.metadata=none", "user-agent: NONISV|SharePointPnP|CLIMicrosoft365/11.11.0",
		"X-ClientService-ClientTag: M365CLI:11.11.0", "accept-encoding: gzip, deflate", "authorization: Bearer " + appToken}
)

const jsonBody = "Content-Type: application/json"

// A wire is a connection to a server under test.
type wire struct {
	*testing.T
	server *httptest.Server
	host   string // the Host header; "" is the server's address
	conn   net.Conn
	in     *bufio.Reader
}

// asUser puts the user's token in the place of the application's.
func asUser(headers []string) []string {
	out := make([]string, len(headers))
	for i, h := range headers {
		out[i] = strings.Replace(h, appToken, userToken, 1)
	}
	return out
}

func plus(headers []string, more ...string) []string {
	return append(headers[:len(headers):len(headers)], more...)
}

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, text)
	z.Close()
	return b.String()
}

// chunks is a body as Transfer-Encoding: chunked has it.
func chunks(body string) string {
	var b strings.Builder
	for len(body) > 0 {
		n := min(len(body), 1000)
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String() + "0\r\n\r\n"
}

// send writes a request with just these headers and reads the answer, which
// must be of the published shape.
func (w *wire) send(method, path string, headers []string, body string) answer {
	w.Helper()
	host := w.host
	if host == "" {
		host = w.server.Listener.Addr().String()
	}
	head := method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\n"
	chunked := false
	for _, h := range headers {
		head += h + "\r\n"
		chunked = chunked || strings.EqualFold(h, "Transfer-Encoding: chunked")
	}
	switch {
	case chunked:
		body = chunks(body)
	case body != "" || method != "GET" && method != "DELETE":
		head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	if w.conn == nil {
		w.dial()
	}
	if _, err := io.WriteString(w.conn, head+"\r\n"+body); err != nil {
		w.Fatalf("%s %s: %v", method, path, err)
	}
	return w.read(method, path, body)
}

func (w *wire) dial() {
	w.Helper()
	conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // a server that hangs fails the test
	w.conn, w.in = conn, bufio.NewReader(conn)
}

func (w *wire) read(method, path, sent string) answer {
	w.Helper()
	resp, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if err != nil {
		w.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if a.raw, err = io.ReadAll(resp.Body); err != nil {
		w.Fatalf("%s %s: %v", method, path, err)
	}
	if resp.Close {
		w.conn = nil
	}
	if len(a.raw) > 0 {
		dec := json.NewDecoder(bytes.NewReader(a.raw))
		dec.UseNumber()
		_ = dec.Decode(&a.body) // what is no JSON the contract refuses
	}
	con, err := published()
	if err != nil {
		w.Fatal(err)
	}
	if err := con.check(method, path, a.status, a.header, a.raw, []byte(plain(sent))); err != nil {
		w.Errorf("%s %s breaks the published contract: %v\n%v", method, path, err, a)
	}
	return a
}

// plain is what a body says, inflated and without chunks.
func plain(body string) string {
	if z, err := gzip.NewReader(strings.NewReader(body)); err == nil {
		if b, err := io.ReadAll(z); err == nil {
			return string(b)
		}
	}
	if b, err := io.ReadAll(httputilChunked(body)); err == nil && strings.HasSuffix(body, "0\r\n\r\n") {
		return string(b)
	}
	return body
}

func httputilChunked(body string) io.Reader {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body)))
	if err != nil {
		return strings.NewReader("")
	}
	return r.Body
}

// want sends a request and holds its status.
func (w *wire) want(status int, method, path string, headers []string, body string) answer {
	w.Helper()
	a := w.send(method, path, headers, body)
	if a.status != status {
		w.Fatalf("%s %s = %v, want %d", method, path, a, status)
	}
	return a
}

// ready makes a connection with a schema, as the Go SDK does it.
func (w *wire) ready(id string) string {
	w.Helper()
	body := plus(goSDK, "Content-Encoding: gzip", jsonBody)
	w.want(201, "POST", base, body, zipped(`{"id":"`+id+`","description":"d","name":"Name of `+id+`"}`))
	a := w.want(202, "PATCH", base+"/"+id+"/schema", body, zipped(`{"baseType":"microsoft.graph.externalItem","properties":`+helpdesk+`}`))
	w.completed(a)
	return base + "/" + id
}

// completed follows the Location of a registration until it is completed.
func (w *wire) completed(a answer) {
	w.Helper()
	path := a.header.Get("Location")
	path = path[strings.Index(path, "/v1.0"):]
	wait(w, "the schema", func() bool { return w.want(200, "GET", path, goSDK, "").get("status") == "completed" })
}

// A point is one of the contract.
type point struct {
	n    int
	what string
	who  string
	test func(w *wire)
}

func TestCompatibilityContract(t *testing.T) {
	points := slices.Concat(writingPoints, readingPoints)
	for i, p := range points {
		if p.n != i+1 {
			t.Fatalf("point %d stands at place %d", p.n, i+1)
		}
		t.Run(fmt.Sprintf("%02d %s", p.n, p.what), func(t *testing.T) {
			g := open(t, Options{Tokens: map[string]Caller{appToken: {App: true}, userToken: {UserID: "ann"}}})
			server := httptest.NewServer(g.srv)
			defer server.Close()
			p.test(&wire{T: t, server: server})
		})
	}
	if len(points) != 31 {
		t.Errorf("%d points, and the contract has 31", len(points))
	}
}

// A client that begins with HTTP/2 without TLS is answered by it.
func TestHTTP2WithoutTLS(t *testing.T) {
	g := open(t, Options{Tokens: map[string]Caller{"t": {App: true}}})
	server := httptest.NewUnstartedServer(nil)
	server.Config = g.srv.HTTPServer()
	server.Start()
	defer server.Close()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	defer transport.CloseIdleConnections()
	transport.Protocols.SetUnencryptedHTTP2(true)
	r, err := http.NewRequest("GET", server.URL+base, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer t")
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 || resp.ProtoMajor != 2 {
		t.Errorf("answered %s by %s", resp.Status, resp.Proto)
	}
}
