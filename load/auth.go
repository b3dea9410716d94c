package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// A TokenSource gives an access token that is good for some minutes at least.
// Its error is an *AuthError when somebody must act, or else one that passes.
// Implementations are safe for concurrent use and do their own caching.
type TokenSource interface {
	Token(ctx context.Context) (string, error)
}

// TokenVariable names the environment variable of a ready-made access token.
const TokenVariable = "IMPORTER_GRAPH_TOKEN"

// A StaticToken is an access token that somebody else renews.
type StaticToken string

// Token gives the token itself.
func (t StaticToken) Token(context.Context) (string, error) { return string(t), nil }

// String keeps the token out of logs and messages.
func (t StaticToken) String() string { return "[token]" }

// GoString is String, for %#v.
func (t StaticToken) GoString() string { return t.String() }

// clouds are the Graphs that have connectors, with their login services. In
// the national clouds model only US Government has the external singleton.
var clouds = map[string]cloud.Configuration{
	"graph.microsoft.com":    cloud.AzurePublic,
	"graph.microsoft.us":     cloud.AzureGovernment,
	"dod-graph.microsoft.us": cloud.AzureGovernment,
}

// NewTokenSource gives the token of the environment: IMPORTER_GRAPH_TOKEN if
// it is set, else what azidentity finds for the Graph at baseURL: a client
// secret or certificate (AZURE_TENANT_ID, AZURE_CLIENT_ID, ...), a workload
// identity, a managed identity, or the Azure CLI's login.
func NewTokenSource(baseURL string, getenv func(string) string) (TokenSource, error) {
	if token := strings.TrimSpace(getenv(TokenVariable)); token != "" {
		token = strings.TrimSpace(strings.TrimPrefix(token, "Bearer "))
		if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, &AuthError{Remedy: TokenVariable + " holds spaces, line breaks or other characters that no access token has: set it again"}
		}
		return StaticToken(token), nil
	}
	base, err := parseBase(cmp.Or(baseURL, DefaultGraphURL))
	if err != nil {
		return nil, err
	}
	host := strings.ToLower(base.Hostname())
	if strings.HasSuffix(host, ".chinacloudapi.cn") || strings.HasSuffix(host, ".partner.microsoftonline.cn") {
		return nil, &AuthError{Remedy: "connectors are not available in the China cloud (21Vianet): use a tenant of the global or US Government cloud"}
	}
	where, ok := clouds[host]
	if !ok || base.Scheme != "https" {
		return nil, &AuthError{Remedy: fmt.Sprintf("Entra ID gives tokens for Microsoft Graph only, not for %s://%s: set %s to the token that it takes",
			base.Scheme, base.Host, TokenVariable)}
	}
	probe := &loginProbe{next: newTransport(2), host: hostOf(where.ActiveDirectoryAuthorityHost)}
	cred, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
		ClientOptions: azcore.ClientOptions{Cloud: where, Transport: probe},
	})
	if err != nil {
		return nil, loginError(err)
	}
	return newEntra(cred, "https://"+host+"/.default", probe.passing), nil
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
	bad  atomic.Bool // the last request to host had no answer, 429 or 5xx
}

// Do is azcore's Transporter.
func (p *loginProbe) Do(req *http.Request) (*http.Response, error) {
	resp, err := p.next.RoundTrip(req)
	if req.URL.Host == p.host {
		p.bad.Store(err != nil || resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500)
	}
	return resp, err
}

// passing tells whether the last failure passes by itself; it is asked once
// about each.
func (p *loginProbe) passing() bool { return p.bad.Swap(false) }

// entra caches the tokens of an azidentity credential. Some credentials do
// that themselves, but the Azure CLI's starts a process for each token.
type entra struct {
	cred    azcore.TokenCredential
	scope   string
	passing func() bool   // whether the last failure passes by itself
	turn    chan struct{} // held by who fetches

	current atomic.Pointer[azcore.AccessToken]
	retry   atomic.Int64 // Unix time before which a failed renewal is not repeated
}

func newEntra(cred azcore.TokenCredential, scope string, passing func() bool) *entra {
	return &entra{cred: cred, scope: scope, passing: passing, turn: make(chan struct{}, 1)}
}

const (
	renewBefore = 5 * time.Minute  // of a token's 60 to 90
	lastUse     = time.Minute      // before expiry: time for the request to arrive
	renewAgain  = 30 * time.Second // after a failed renewal
)

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
	switch {
	case err == nil:
		e.current.Store(&tok)
		return tok.Token, nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	case old != nil && time.Until(old.ExpiresOn) > lastUse:
		e.retry.Store(time.Now().Add(renewAgain).Unix())
		return old.Token, nil
	case e.passing():
		return "", fmt.Errorf("the login service cannot be reached: %s", loginWords(err))
	}
	return "", loginError(err)
}

func (e *entra) fresh(tok *azcore.AccessToken) bool {
	if tok == nil {
		return false
	}
	left := time.Until(tok.ExpiresOn)
	return left > renewBefore || left > lastUse && time.Now().Unix() < e.retry.Load()
}

// remedies tell what to do about the error codes of the login service that
// users of an app's credentials meet.
var remedies = map[string]string{
	"AADSTS7000215": "AZURE_CLIENT_SECRET is not the app's secret: set the secret's value, not its id",
	"AADSTS7000222": "the client secret has expired: make a new one in the app registration and set AZURE_CLIENT_SECRET",
	"AADSTS700016":  "AZURE_CLIENT_ID is not an app of the tenant AZURE_TENANT_ID: correct one of them",
	"AADSTS90002":   "AZURE_TENANT_ID is no tenant of this cloud: take the Directory (tenant) ID of the app registration",
	"AADSTS900023":  "AZURE_TENANT_ID is neither a tenant id nor a domain name",
	"AADSTS700027":  "the certificate in AZURE_CLIENT_CERTIFICATE_PATH is not one of the app's: upload its public part to the app registration",
	"AADSTS70021":   "no federated credential of the app matches the workload's token: compare issuer, subject and audience",
	"AADSTS700213":  "no federated credential of the app matches the workload's token: compare issuer, subject and audience",
	"AADSTS700024":  "the signed request is not valid at this time: set this machine's clock",
	"AADSTS700082":  "the login has expired: run az login again",
	"AADSTS50076":   "the account needs multi-factor authentication: run az login again",
	"AADSTS53003":   "a conditional access policy blocks the login: ask the tenant's admin",
	"AADSTS65001":   "nobody has consented to the app: grant admin consent in the app registration",
}

const loginRemedy = "set " + TokenVariable + ", or AZURE_TENANT_ID and AZURE_CLIENT_ID with AZURE_CLIENT_SECRET or " +
	"AZURE_CLIENT_CERTIFICATE_PATH, or run where a managed or workload identity is, or az login"

var aadsts = regexp.MustCompile(`AADSTS\d+`)

// loginError says in one line why there is no token and what to do.
func loginError(err error) error {
	words := loginWords(err)
	remedy, ok := remedies[aadsts.FindString(words)]
	if !ok {
		remedy = loginRemedy
	}
	return &AuthError{Err: errors.New("no access token: " + words), Remedy: remedy}
}

// loginWords takes what helps out of azidentity's report, which holds
// requests, answers, rules and links on many lines: the login service's
// sentence if it spoke, or else one line for each credential that was tried.
// None of it holds a secret; requests are reported without their bodies.
func loginWords(err error) string {
	report := err.Error()
	if at := aadsts.FindStringIndex(report); at != nil {
		sentence, _, _ := strings.Cut(report[at[0]:], " Trace ID")
		sentence, _, _ = strings.Cut(sentence, "\\r")
		sentence, _, _ = strings.Cut(sentence, "\n")
		return summary(strings.Trim(sentence, `", `))
	}
	var lines []string
	for line := range strings.Lines(report) {
		line = strings.TrimSpace(line)
		if line == "" || strings.Trim(line, "-=") == "" || strings.HasPrefix(line, "To troubleshoot") ||
			strings.HasPrefix(line, "GET ") || strings.HasPrefix(line, "POST ") {
			continue
		}
		lines = append(lines, strings.TrimRight(line, ".;:"))
	}
	words := summary(strings.Join(lines, "; "))
	if len(words) > maxLoginWords {
		words = strings.ToValidUTF8(words[:maxLoginWords], "") + "..."
	}
	return words
}

const maxLoginWords = 700 // enough for a line of each of the six credentials
