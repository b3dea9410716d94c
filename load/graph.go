package load

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"importer/transform"
)

// DefaultGraphURL is Microsoft Graph, version 1.0, of the global cloud.
const DefaultGraphURL = "https://graph.microsoft.com/v1.0"

// GraphOptions say which Graph to speak to, as whom, and about which
// connection.
type GraphOptions struct {
	// BaseURL is the service's root, with or without its version; default
	// DefaultGraphURL.
	BaseURL string
	// Connection is the id of the connection that all calls are about.
	Connection string
	// Token gives the access token; nil sends none, for a Graph in the same
	// process.
	Token TokenSource
	// Transport carries the requests; default a keep-alive transport with
	// room for Concurrency connections. A Graph in the same process is a
	// Transport that calls its handler.
	Transport http.RoundTripper
	// RootCAs are the authorities that the default transport trusts; nil is
	// the system's.
	RootCAs     *x509.CertPool
	Concurrency int // default 25
	// Batch is how many items may travel in one $batch, at most 20; 0 and 1
	// send each by a request of its own. Whether external items may be batched
	// is documented nowhere: where the service refuses, they go one by one. A
	// Transport that is a BatchTransport is used as one whatever Batch says.
	Batch int
	// BatchBytes bounds the body of a $batch, a larger item travels alone;
	// default just under 4 MB, which the items' own limit was for years. The
	// limit of the envelope itself is undocumented.
	BatchBytes int
	// Timeout bounds one attempt, its answer's body included; default 2
	// minutes, which carries the largest item (30 MB) over 2 Mbit/s.
	Timeout time.Duration
	// Retry is for calls about the connection, schema, groups and search; of
	// items one attempt is made and the Loader does the rest.
	Retry Retry
	// Poll is the first wait for an asynchronous operation, doubling up to
	// PollMax. The defaults, 20 ms and 1 minute, suit a local Graph that is
	// ready in milliseconds and a tenant that takes 5 to 15 minutes.
	Poll, PollMax time.Duration
	// Patience is how long a schema's registration or a connection's deletion
	// may take; default 1 hour.
	Patience  time.Duration
	UserAgent string      // default "importer"
	Header    http.Header // sent with every request
	Log       *slog.Logger
}

// A Graph is a client of the connectors API for one connection: a Target, an
// Admin, and what reads items back. It is safe for concurrent use.
type Graph struct {
	opt  GraphOptions
	base *url.URL // with the version, without a slash at the end
	log  *slog.Logger
	// together carries many requests at once, and is nil where each travels
	// alone. It is the transport itself, if that can, or envelopes.
	together  BatchTransport
	envelopes *envelopes
	notes     *notes
	limiter   *Limiter // see Pace
}

// Pace makes the calls about connection, schema and groups keep to the limit of
// a Loader's: the service counts them as well. It comes before the first call.
func (g *Graph) Pace(l *Limiter) { g.limiter = l }

// NewGraph makes a client. It sends nothing.
func NewGraph(opt GraphOptions) (*Graph, error) {
	base, err := parseBase(cmp.Or(opt.BaseURL, DefaultGraphURL))
	if err != nil {
		return nil, err
	}
	setDefault(&opt.Concurrency, 25)
	setDefault(&opt.Timeout, 2*time.Minute)
	setDefault(&opt.Poll, 20*time.Millisecond)
	setDefault(&opt.PollMax, time.Minute)
	setDefault(&opt.Patience, time.Hour)
	setDefault(&opt.UserAgent, "importer")
	opt.Retry = opt.Retry.withDefaults()
	if opt.Transport == nil {
		opt.Transport = newTransport(opt.Concurrency, opt.RootCAs)
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	g := &Graph{opt: opt, base: base, log: opt.Log, notes: newNotes()}
	switch t, ok := opt.Transport.(BatchTransport); {
	case ok:
		g.together = t
	case opt.Batch > maxInEnvelope:
		return nil, fmt.Errorf("a $batch carries at most %d requests, not %d", maxInEnvelope, opt.Batch)
	case opt.Batch > 1:
		g.envelopes = newEnvelopes(opt, base)
		g.together = g.envelopes
	}
	if opt.Token != nil && base.Scheme == "http" && !loopback(base.Hostname()) {
		g.log.Warn("the access token and the items travel unencrypted", "url", base.String())
	}
	return g, nil
}

func newTransport(concurrency int, roots *x509.CertPool) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: roots}
	t.DialContext = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	t.MaxIdleConns = 2 * concurrency
	t.MaxIdleConnsPerHost = concurrency
	// A dead HTTP/2 connection carries every request; a ping finds it out
	// before each of them has waited for its own time-out.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second}
	return t
}

func parseBase(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("the Graph URL is not an http or https address; it looks like %s", DefaultGraphURL)
	case u.User != nil:
		return nil, errors.New("the Graph URL must not hold a user or a password; give the token in IMPORTER_GRAPH_TOKEN")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("the Graph URL %s must end with its path; it looks like %s", raw, DefaultGraphURL)
	}
	path := strings.TrimRight(u.Path, "/")
	if !strings.HasSuffix(path, "/v1.0") && !strings.HasSuffix(path, "/beta") {
		path += "/v1.0"
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: path}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Put stores items, each by one attempt.
func (g *Graph) Put(ctx context.Context, items []*transform.Item) []Result {
	calls := make([]call, len(items))
	for i, it := range items {
		// Room for the usual item without growing. The buffer is not reused:
		// a transport may still read it when the answer is already there.
		body := AppendItem(make([]byte, 0, 1024+len(it.Content.Value)+len(it.Content.Value)/8), it)
		calls[i] = call{method: http.MethodPut, path: g.itemPath(it.ID), body: body, discard: true}
	}
	results := make([]Result, len(items))
	for i, err := range g.attempts(ctx, calls) {
		results[i] = Result{Fate: Stored}
		if err != nil {
			results[i] = verdict(g.explain(err, needItems))
		}
		if notFound(err) && g.notes.settles(g.connectionPath()) {
			results[i] = Result{Err: fmt.Errorf("%w; the connection has just become ready, and not every server of the service may know it yet", err)}
		}
	}
	return results
}

// Delete deletes items, each by one attempt. What is not there is deleted.
func (g *Graph) Delete(ctx context.Context, ids []string) []Result {
	calls := make([]call, len(ids))
	for i, id := range ids {
		calls[i] = call{method: http.MethodDelete, path: g.itemPath(id), discard: true}
	}
	results := make([]Result, len(ids))
	for i, err := range g.attempts(ctx, calls) {
		results[i] = Result{Fate: Stored}
		if err != nil && !notFound(err) {
			results[i] = verdict(g.explain(err, needItems))
		}
	}
	return results
}

func (g *Graph) connectionPath() string {
	return connectionsPath + "/" + escapeSegment(g.opt.Connection)
}

func (g *Graph) itemPath(id string) string {
	return g.connectionPath() + "/items/" + escapeSegment(id)
}

// escapeSegment percent-encodes everything but RFC 3986's unreserved
// characters, as Microsoft's own SDKs do, and the dot segments that proxies
// resolve.
func escapeSegment(s string) string {
	if s == "." || s == ".." {
		return strings.ReplaceAll(s, ".", "%2E")
	}
	const upper = "0123456789ABCDEF"
	var b []byte
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0:
			b = append(b, c)
		default:
			b = append(b, '%', upper[c>>4], upper[c&15])
		}
	}
	return string(b)
}

// A call is one request of the API.
type call struct {
	method, path string // path below the version, its segments escaped
	query        string // behind the path, escaped
	body         []byte
	prefer       string // the Prefer header
	directory    bool   // is for Entra ID: with the header of advanced queries, and by another limit
	discard      bool   // nobody wants the answer's body
}

// maxAnswer bounds an answer's body: the largest item (30 MB), with its JSON
// escapes.
const maxAnswer = 64 << 20

// An answer is a 2xx.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// attempt makes one attempt. Its error is an *APIError for every answer but
// 2xx, an *AuthError when there is no token, or that of the transport.
func (g *Graph) attempt(ctx context.Context, c call) (*answer, error) {
	token, err := g.token(ctx)
	if err != nil {
		return nil, err
	}
	ans, err := g.send(ctx, c, token)
	if hasStatus(err, http.StatusUnauthorized) {
		if fresh := g.replaced(ctx, token); fresh != token {
			return g.send(ctx, c, fresh)
		}
	}
	return ans, err
}

func (g *Graph) token(ctx context.Context) (string, error) {
	if g.opt.Token == nil {
		return "", nil
	}
	return g.opt.Token.Token(ctx)
}

// replaced gives the token that took the place of one that was refused, be it
// while the request was under way or now; the same one if none did.
func (g *Graph) replaced(ctx context.Context, refused string) string {
	fresh, err := g.token(ctx)
	if err != nil {
		return refused
	}
	r, ok := g.opt.Token.(renewer)
	if fresh != refused || !ok {
		return fresh
	}
	if fresh, err = r.renew(ctx, refused); err != nil {
		g.log.Debug("graph: the token was refused, and there is no other", "error", err)
		return refused // the refusal is what tells the user what to do
	}
	return fresh
}

// send speaks to the transport itself: of what http.Client adds, redirects
// are not wanted (Graph has none, and whoever redirects must not get the
// token or the items), and the time-out is here.
func (g *Graph) send(ctx context.Context, c call, token string) (*answer, error) {
	limited, cancel := context.WithTimeout(ctx, g.opt.Timeout)
	defer cancel()
	req, err := g.request(limited, c, token)
	if err != nil {
		return nil, err
	}
	started := time.Now()
	resp, err := g.opt.Transport.RoundTrip(req)
	if err != nil {
		return nil, g.transportError(ctx, limited, c, err)
	}
	return g.read(ctx, limited, c, exchange{req, resp, started, token})
}

// An exchange is a request with its response.
type exchange struct {
	req     *http.Request
	resp    *http.Response
	started time.Time
	token   string
}

// read reads the response to a call.
func (g *Graph) read(ctx, limited context.Context, c call, x exchange) (_ *answer, err error) {
	resp := x.resp
	defer resp.Body.Close()
	if g.log.Enabled(ctx, slog.LevelDebug) {
		g.log.Debug("graph", "method", c.method, "path", c.path, "status", resp.StatusCode,
			"duration", time.Since(x.started), "request-id", resp.Header.Get("request-id"),
			"client-request-id", x.req.Header.Get(headerRequestID))
	}
	if resp.StatusCode/100 != 2 {
		body, readErr := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		drain(resp.Body)
		err := newAPIError(c, resp, body, x.token)
		if readErr != nil && !err.Retryable() {
			// Half an answer is no verdict.
			return nil, g.transportError(ctx, limited, c, fmt.Errorf("the answer %d broke off: %w", resp.StatusCode, readErr))
		}
		if resp.StatusCode/100 == 3 {
			return nil, &finalError{fmt.Errorf("%w: a redirect%s, which Graph never answers; check the Graph URL %s", err, leadsTo(resp), g.base)}
		}
		return nil, err
	}
	ans := &answer{status: resp.StatusCode, header: resp.Header}
	if htmlAnswer(resp.Header, nil) {
		drain(resp.Body)
		return nil, fmt.Errorf("%s %s: %d with a web page instead of an answer of the API: a proxy or login page on the way to %s",
			c.method, c.path, resp.StatusCode, g.base.Host)
	}
	if c.discard {
		drain(resp.Body)
		return ans, nil
	}
	ans.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, g.transportError(ctx, limited, c, fmt.Errorf("the answer broke off: %w", err))
	}
	if len(ans.body) > maxAnswer {
		return nil, &finalError{fmt.Errorf("%s %s: the answer is larger than %d MB", c.method, c.path, maxAnswer>>20)}
	}
	return ans, nil
}

// leadsTo says where a redirect leads, as far as one can see from it who sent
// it: another scheme or host. The rest may hold what is no message's business.
func leadsTo(resp *http.Response) string {
	to, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
		return ""
	}
	return " to " + to.Scheme + "://" + to.Host
}

// transportError tells a cancel, which is ctx's own error, from an attempt
// that took too long, which nobody must take for a cancel, from a server that
// is not trusted, and from the rest.
func (g *Graph) transportError(ctx, limited context.Context, c call, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return fmt.Errorf("%s %s: no answer in %s", c.method, c.path, g.opt.Timeout)
	}
	if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &finalError{fmt.Errorf("%s %s: the certificate of %s is not trusted (%w); if it is right, name its authority by --graph-ca FILE",
			c.method, c.path, g.base.Host, bad.Err)}
	}
	return fmt.Errorf("%s %s: %w", c.method, c.path, err)
}

func (g *Graph) request(ctx context.Context, c call, token string) (*http.Request, error) {
	path, err := url.PathUnescape(c.path)
	if err != nil {
		return nil, &finalError{err} // unreachable: the segments were escaped here
	}
	req := (&http.Request{
		Method: c.method,
		URL:    &url.URL{Scheme: g.base.Scheme, Host: g.base.Host, Path: g.base.Path + path, RawPath: g.base.Path + c.path, RawQuery: c.query},
		Host:   g.base.Host,
		Proto:  "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, 8),
	}).WithContext(ctx)
	if c.body != nil {
		req.ContentLength = int64(len(c.body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c.body)), nil }
		req.Body = io.NopCloser(bytes.NewReader(c.body))
		req.Header.Set("Content-Type", "application/json")
	}
	for key, values := range g.opt.Header {
		req.Header[key] = values
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", g.opt.UserAgent)
	req.Header.Set(headerRequestID, newRequestID())
	if c.prefer != "" {
		req.Header.Set("Prefer", c.prefer)
	}
	if c.directory {
		req.Header.Set("ConsistencyLevel", "eventual")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// drain reads what is left of a body, so that its connection can be used
// again; beyond a few megabytes a new connection is cheaper.
func drain(body io.Reader) {
	// A body that breaks off changes nothing: the status was the answer.
	_, _ = io.CopyN(io.Discard, body, 8<<20)
}

// headerRequestID is client-request-id, in the spelling of http.Header.
const headerRequestID = "Client-Request-Id"

// newRequestID makes a random UUID, by which the service's support finds a
// request.
func newRequestID() string {
	var u [16]byte
	rand.Read(u[:]) // never fails, says its documentation
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	var b [36]byte
	hex.Encode(b[0:], u[:4])
	hex.Encode(b[9:], u[4:6])
	hex.Encode(b[14:], u[6:8])
	hex.Encode(b[19:], u[8:10])
	hex.Encode(b[24:], u[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// do makes a call, and again while the service may answer better. need names
// the permission, for the error when the service refuses.
func (g *Graph) do(ctx context.Context, c call, need permission) (*answer, error) {
	d := drought{Retry: g.opt.Retry}
	for {
		ans, err := g.inTurn(ctx, c)
		if err == nil {
			return ans, nil
		}
		err = g.explain(err, need)
		if hasStatus(err, http.StatusConflict) { // for the caller: it is there already, or something is under way
			return nil, err
		}
		if err := g.again(ctx, &d, err); err != nil {
			return nil, err
		}
	}
}

// inTurn makes an attempt when the limiter lets it. Calls about one item are
// made while its own turn is held, and do not wait for another; the directory
// has limits of its own.
func (g *Graph) inTurn(ctx context.Context, c call) (*answer, error) {
	if g.limiter == nil || c.directory || strings.HasPrefix(c.path, g.connectionPath()+"/items/") {
		return g.attempt(ctx, c)
	}
	pass, err := g.limiter.Wait(ctx, 1)
	if err != nil {
		return nil, err
	}
	ans, err := g.attempt(ctx, c)
	res := Result{Fate: Stored}
	if err != nil {
		res = verdict(err)
	}
	g.limiter.Report(pass, res)
	return ans, err
}

// again waits for the next try after err, or returns what ends the trying.
func (g *Graph) again(ctx context.Context, d *drought, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !retryable(err) {
		return err
	}
	var after time.Duration
	if api, ok := errors.AsType[*APIError](err); ok {
		after = api.After
	}
	wait, gaveUp := d.failed(err, after)
	if gaveUp != nil {
		return gaveUp
	}
	g.log.Debug("graph: trying again", "in", wait, "after", err)
	return sleep(ctx, wait)
}

// doJSON makes a call with in as its body and decodes its answer into out;
// either may be nil. A body that is cut short is a broken answer: it is asked
// for again.
func (g *Graph) doJSON(ctx context.Context, c call, need permission, in, out any) error {
	if in != nil {
		body, err := marshal(in)
		if err != nil {
			return err
		}
		c.body = body
	}
	d := drought{Retry: g.opt.Retry}
	for {
		ans, err := g.do(ctx, c, need)
		if err != nil || out == nil {
			return err
		}
		if err = json.Unmarshal(ans.body, out); err == nil {
			return nil
		}
		if err = g.again(ctx, &d, fmt.Errorf("%s %s: the answer is not what the API describes: %w", c.method, c.path, err)); err != nil {
			return err
		}
	}
}

// once makes one attempt of a call and decodes its answer into out.
func (g *Graph) once(ctx context.Context, c call, out any) error {
	ans, err := g.attempt(ctx, c)
	if err != nil {
		return err
	}
	return json.Unmarshal(ans.body, out)
}

// marshal is json.Marshal without HTML escapes.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

// A permission is what an operation needs, for messages.
type permission string

const (
	needConnection permission = "ExternalConnection.ReadWrite.OwnedBy"
	needItems      permission = "ExternalItem.ReadWrite.OwnedBy"
	needSearch     permission = "ExternalItem.Read.All (delegated: a search runs as a signed-in user)"
)

// explain says what to do about 401, 403 and a missing connection.
func (g *Graph) explain(err error, need permission) error {
	api, ok := err.(*APIError)
	if !ok {
		return err
	}
	switch api.Status {
	case http.StatusUnauthorized:
		remedy := "the token is missing, expired or meant for another service: set IMPORTER_GRAPH_TOKEN to a fresh one, " +
			"or leave it out and set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
		return &AuthError{Err: api, Remedy: remedy}
	case http.StatusForbidden:
		remedy := fmt.Sprintf("the app needs the permission %s with admin consent", need)
		if g.opt.Connection != "" && need != needSearch && need != needDirectory {
			remedy += fmt.Sprintf(", and must have made the connection %s or stand in its configuration.authorizedAppIds", g.opt.Connection)
		}
		return &AuthError{Err: api, Remedy: remedy}
	case http.StatusProxyAuthRequired:
		return &AuthError{Err: api, Remedy: "the HTTP proxy wants a user and a password: set them in HTTPS_PROXY"}
	}
	return err
}
