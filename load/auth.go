package load

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// A TokenSource gives an access token that is good for some minutes at least.
// Its error is an *AuthError when somebody must act, or else one that passes.
// Implementations are safe for concurrent use and do their own caching.
type TokenSource interface {
	Token(ctx context.Context) (string, error)
}

// A renewer is a TokenSource that can replace a token before its time is over:
// one that was revoked, or whose service reckons another way.
type renewer interface {
	// renew gives a token in place of one that the service has refused; the
	// same one if there is no other.
	renew(ctx context.Context, refused string) (string, error)
}

// TokenMethod says in a few words where a source's tokens come from.
func TokenMethod(src TokenSource) string {
	if m, ok := src.(interface{ method() string }); ok {
		return m.method()
	}
	return "another program"
}

// The environment variables of a ready-made access token and of a command that
// prints one.
const (
	TokenVariable        = "IMPORTER_GRAPH_TOKEN"
	TokenCommandVariable = "IMPORTER_GRAPH_TOKEN_COMMAND"
)

// A StaticToken is an access token that somebody else renews.
type StaticToken string

// Token gives the token itself.
func (t StaticToken) Token(context.Context) (string, error) { return string(t), nil }

func (t StaticToken) method() string { return TokenVariable }

// String keeps the token out of logs and messages.
func (t StaticToken) String() string { return "[token]" }

// GoString is String, for %#v.
func (t StaticToken) GoString() string { return t.String() }

// AuthMethods are the ways to a token.
var AuthMethods = []string{"auto", "secret", "certificate", "managed-identity", "workload", "cli"}

// AuthOptions say for which Graph tokens are wanted, and how they are got.
type AuthOptions struct {
	BaseURL string // of the Graph; default DefaultGraphURL
	// Method is one of AuthMethods; "" is auto. auto takes IMPORTER_GRAPH_TOKEN
	// if it is set, else what IMPORTER_GRAPH_TOKEN_COMMAND prints, else what
	// azidentity finds: a client secret or certificate, a workload identity, a
	// managed identity, or the Azure CLI's login.
	Method string
	Getenv func(string) string // default os.Getenv
	// Transport carries the requests to the login service and to the metadata
	// service of Azure machines; default the network.
	Transport http.RoundTripper
	// RootCAs are the authorities that the default transport trusts; nil is
	// the system's.
	RootCAs *x509.CertPool
	// Retry is azcore's; the zero value leaves it to azidentity.
	Retry policy.RetryOptions
}

// NewTokenSource makes what gives tokens. It sends nothing; its error is an
// *AuthError when something that the method needs is not set.
func NewTokenSource(opt AuthOptions) (TokenSource, error) {
	if opt.Getenv == nil {
		opt.Getenv = os.Getenv
	}
	if opt.Transport == nil {
		opt.Transport = loginTransport(opt.RootCAs)
	}
	base, err := parseBase(cmp.Or(opt.BaseURL, DefaultGraphURL))
	if err != nil {
		return nil, err
	}
	opt.Method = cmp.Or(opt.Method, "auto")
	if opt.Method == "auto" {
		if token := strings.TrimSpace(opt.Getenv(TokenVariable)); token != "" {
			return newStaticToken(token)
		}
		if command := strings.TrimSpace(opt.Getenv(TokenCommandVariable)); command != "" {
			cred := &commandCredential{command: command}
			return newEntra(cred, "", TokenCommandVariable, func() bool { return false }), nil
		}
	}
	host := strings.ToLower(base.Hostname())
	if inChina(host) {
		return nil, &AuthError{Remedy: noChina}
	}
	where, ok := cloudOf(host)
	if !ok || base.Scheme != "https" {
		return nil, &AuthError{Remedy: fmt.Sprintf("Entra ID gives tokens for Microsoft Graph only, not for %s://%s: set %s to the token that it takes",
			base.Scheme, base.Host, TokenVariable)}
	}
	return newLogin(opt, where).source("https://" + host + "/.default")
}

func newStaticToken(token string) (TokenSource, error) {
	token = strings.TrimSpace(strings.TrimPrefix(token, "Bearer "))
	if !isToken(token) {
		return nil, &AuthError{Remedy: TokenVariable + " holds spaces, line breaks or other characters that no access token has: set it again"}
	}
	return StaticToken(token), nil
}

// isToken tells whether a text can be an access token (RFC 6750, 2.1).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// imdsHost is the metadata service of Azure's machines, which gives the tokens
// of managed identities.
const imdsHost = "169.254.169.254"

// loginTransport reaches the login service, through a proxy if there is one,
// and the metadata service, which no proxy reaches.
func loginTransport(roots *x509.CertPool) http.RoundTripper {
	t := newTransport(2, roots)
	proxy := t.Proxy
	t.Proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Host == imdsHost {
			return nil, nil
		}
		return proxy(r)
	}
	return t
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}

// A loginProbe watches the requests to the login service. azidentity keeps
// only the text of a network error, so whether a failure passes by itself has
// to be seen here.
type loginProbe struct {
	next http.RoundTripper
	host string
	bad  atomic.Bool // the last request had no answer, 429 or 5xx
	skew atomic.Int64
}

// Do is azcore's Transporter.
func (p *loginProbe) Do(req *http.Request) (*http.Response, error) {
	resp, err := p.next.RoundTrip(req)
	switch {
	case req.URL.Host == p.host && err != nil:
		p.bad.Store(true)
	case req.URL.Host == p.host:
		p.bad.Store(passes(resp.StatusCode))
		if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			p.skew.Store(int64(time.Until(at)))
		}
	case req.URL.Host == imdsHost && err == nil:
		// No answer at all says that this is no Azure machine.
		p.bad.Store(passes(resp.StatusCode))
	}
	return resp, err
}

func passes(status int) bool { return status == http.StatusTooManyRequests || status >= 500 }

// passing tells whether the last failure passes by itself; it is asked once
// about each.
func (p *loginProbe) passing() bool { return p.bad.Swap(false) }

// MaxSkew is how far this machine's clock may be off: Entra ID takes signed
// requests and tokens up to five minutes before and after their time.
const MaxSkew = 5 * time.Minute

// clock says how wrong this machine's clock is, "" if it is not.
func (p *loginProbe) clock() string {
	skew := time.Duration(p.skew.Load())
	if skew.Abs() <= MaxSkew {
		return ""
	}
	return "this machine's clock is " + SkewWords(skew) + " the login service's: set it"
}

// SkewWords says how far this machine's clock is off, such as "2h5m behind".
func SkewWords(skew time.Duration) string {
	which := " behind"
	if skew < 0 {
		which = " ahead of"
	}
	if skew = skew.Abs().Round(time.Second); skew >= 10*time.Minute {
		return strings.TrimSuffix(skew.Round(time.Minute).String(), "0s") + which
	}
	return skew.String() + which
}

// entra caches the tokens of an azidentity credential. Some credentials do
// that themselves, but the Azure CLI's starts a process for each token.
type entra struct {
	cred    azcore.TokenCredential
	scope   string
	way     string
	passing func() bool // whether the last failure passes by itself
	tell    teller
	turn    chan struct{} // held by who fetches

	current atomic.Pointer[azcore.AccessToken]
	retry   atomic.Int64 // Unix time before which a failed renewal is not repeated
	renewed time.Time    // when a refused token was last replaced; of who has the turn
}

func newEntra(cred azcore.TokenCredential, scope, way string, passing func() bool) *entra {
	return &entra{cred: cred, scope: scope, way: way, passing: passing, turn: make(chan struct{}, 1)}
}

const (
	renewBefore = 5 * time.Minute  // of a token's 60 to 90
	lastUse     = time.Minute      // before expiry: time for the request to arrive
	renewAgain  = 30 * time.Second // after a failed renewal
)

func (e *entra) method() string { return e.way }

// Token gives the cached token, renewed some minutes before it expires. While
// the old one is good, a renewal that fails is only tried again later.
func (e *entra) Token(ctx context.Context) (string, error) {
	if tok := e.current.Load(); e.fresh(tok) {
		return tok.Token, nil
	}
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	old := e.current.Load()
	if e.fresh(old) { // somebody else has just fetched it
		return old.Token, nil
	}
	tok, err := e.cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{e.scope}})
	if err == nil {
		e.current.Store(&tok)
		return tok.Token, nil
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	auth, ours := errors.AsType[*AuthError](err)
	switch {
	case old != nil && time.Until(old.ExpiresOn) > lastUse:
		e.retry.Store(time.Now().Add(renewAgain).Unix())
		return old.Token, nil
	case ours:
		return "", auth
	case e.passing():
		return "", fmt.Errorf("the login service does not answer now: %s", e.tell.words(err))
	}
	return "", e.tell.fault(err)
}

// renew gets another token than the cached one, at most every so often: a
// service that refuses a new token as well means another thing.
func (e *entra) renew(ctx context.Context, refused string) (string, error) {
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if tok := e.current.Load(); tok != nil && tok.Token != refused {
		return tok.Token, nil // somebody else has just fetched it
	}
	if !e.renewed.IsZero() && time.Since(e.renewed) < renewAgain {
		return refused, nil
	}
	e.renewed = time.Now()
	// azidentity's own cache is passed over for claims alone. These are what a
	// service asks for that has revoked a token: one that is newer than now.
	tok, err := e.cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{e.scope},
		Claims: fmt.Sprintf(`{"access_token":{"nbf":{"essential":true,"value":"%d"}}}`, time.Now().Unix())})
	if err != nil {
		if _, ours := errors.AsType[*AuthError](err); !ours {
			err = e.tell.fault(err) // without what the login service's answer may hold
		}
		return "", err
	}
	e.current.Store(&tok)
	return tok.Token, nil
}

func (e *entra) fresh(tok *azcore.AccessToken) bool {
	if tok == nil {
		return false
	}
	left := time.Until(tok.ExpiresOn)
	return left > renewBefore || left > lastUse && time.Now().Unix() < e.retry.Load()
}
