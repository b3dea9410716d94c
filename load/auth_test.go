package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

func TestNewTokenSource(t *testing.T) {
	for _, tt := range []struct {
		name, url string
		env       map[string]string
		scope     string // of an Entra source
		static    string
		words     string // of the error
	}{
		{"a ready token", "", map[string]string{TokenVariable: " abc.def \n"}, "", "abc.def", ""},
		{"a ready token with its scheme", "http://127.0.0.1:8080", map[string]string{TokenVariable: "Bearer abc"}, "", "abc", ""},
		{"a token that is none", "", map[string]string{TokenVariable: "hush\nhush"}, "", "", TokenVariable},
		{"the global cloud", "", nil, "https://graph.microsoft.com/.default", "", ""},
		{"the global cloud, beta", "https://graph.microsoft.com/beta", nil, "https://graph.microsoft.com/.default", "", ""},
		{"US Government L4", "https://graph.microsoft.us/v1.0", nil, "https://graph.microsoft.us/.default", "", ""},
		{"US Government L5", "https://dod-graph.microsoft.us", nil, "https://dod-graph.microsoft.us/.default", "", ""},
		{"China", "https://microsoftgraph.chinacloudapi.cn/v1.0", nil, "", "", "not available in the China cloud"},
		{"somebody's server", "https://graph.example", nil, "", "", TokenVariable},
		{"Graph without TLS", "http://graph.microsoft.com", nil, "", "", TokenVariable},
	} {
		src, err := NewTokenSource(AuthOptions{BaseURL: tt.url, Getenv: func(key string) string { return tt.env[key] }})
		if tt.words != "" {
			if _, ok := errors.AsType[*AuthError](err); !ok || !strings.Contains(err.Error(), tt.words) || strings.Contains(err.Error(), "hush") {
				t.Errorf("%s: %v, want an *AuthError with %q", tt.name, err, tt.words)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if e, ok := src.(*entra); ok != (tt.scope != "") || ok && e.scope != tt.scope {
			t.Errorf("%s: %T %+v, want scope %q", tt.name, src, src, tt.scope)
		}
		if tt.static != "" {
			if got, err := src.Token(t.Context()); got != tt.static || err != nil {
				t.Errorf("%s: token %q, %v", tt.name, got, err)
			}
		}
	}
}

func TestStaticTokenHidesItself(t *testing.T) {
	if got := fmt.Sprintf("%v %s %+v %#v", StaticToken("hush"), StaticToken("hush"), StaticToken("hush"), StaticToken("hush")); strings.Contains(got, "hush") {
		t.Errorf("printed as %s", got)
	}
}

// A credential gives tokens that live an hour, and fails when told.
type credential struct {
	fetched atomic.Int32
	err     atomic.Pointer[error]
	claims  atomic.Int32 // how often claims were asked for
}

func (c *credential) GetToken(ctx context.Context, opt policy.TokenRequestOptions) (azcore.AccessToken, error) {
	time.Sleep(time.Second)
	if opt.Claims != "" {
		c.claims.Add(1)
	}
	if err := c.err.Load(); err != nil {
		return azcore.AccessToken{}, *err
	}
	n := c.fetched.Add(1)
	return azcore.AccessToken{Token: fmt.Sprint("t", n), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func TestEntraCaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cred := new(credential)
		src := newEntra(cred, "scope", "a test", func() bool { return false })
		token := func() string {
			tok, err := src.Token(t.Context())
			if err != nil {
				t.Error(err)
			}
			return tok
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if got := token(); got != "t1" {
					t.Errorf("token %s, want t1", got)
				}
			})
		}
		wg.Wait()
		time.Sleep(54 * time.Minute)
		if got := token(); got != "t1" {
			t.Errorf("after 54 minutes %s, want t1", got)
		}
		time.Sleep(2 * time.Minute)
		if got := token(); got != "t2" {
			t.Errorf("after 56 minutes of 60 %s, want t2", got)
		}
	})
}

// While the old token is good, a login service that is away is no matter; it
// is asked again, but not by every request.
func TestEntraLoginServiceAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cred := new(credential)
		src := newEntra(cred, "scope", "a test", func() bool { return true })
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		away := errors.New("no such host")
		cred.err.Store(&away)
		time.Sleep(56 * time.Minute)
		started := time.Now()
		for range 100 {
			if tok, err := src.Token(t.Context()); tok != "t1" || err != nil {
				t.Fatalf("token %s, %v, want the old one", tok, err)
			}
		}
		if took := time.Since(started); took > 3*time.Second {
			t.Errorf("100 requests asked the login service for %v", took)
		}
		time.Sleep(4 * time.Minute)
		_, err := src.Token(t.Context())
		if _, ok := errors.AsType[*AuthError](err); ok || err == nil || !retryable(err) {
			t.Errorf("with the old token expired: %v, want an error that passes", err)
		}
		cred.err.Store(nil)
		if tok, err := src.Token(t.Context()); tok != "t2" || err != nil {
			t.Errorf("with the service back: %s, %v", tok, err)
		}
	})
}

// A token that was refused is replaced once for all who were refused with it,
// past azidentity's own cache, and not again at once.
func TestEntraRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cred := new(credential)
		src := newEntra(cred, "scope", "a test", func() bool { return false })
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if got, err := src.renew(t.Context(), "t1"); got != "t2" || err != nil {
					t.Errorf("renew = %s, %v, want t2", got, err)
				}
			})
		}
		wg.Wait()
		if n := cred.claims.Load(); n != 1 {
			t.Errorf("%d tokens were asked for with claims, want 1", n)
		}
		if got, err := src.Token(t.Context()); got != "t2" || err != nil {
			t.Errorf("then the token is %s, %v", got, err)
		}
		if got, err := src.renew(t.Context(), "t2"); got != "t2" || err != nil {
			t.Errorf("refused again at once: %s, %v, want the same token", got, err)
		}
		time.Sleep(time.Minute)
		if got, err := src.renew(t.Context(), "t2"); got != "t3" || err != nil {
			t.Errorf("refused a minute later: %s, %v, want t3", got, err)
		}
		time.Sleep(time.Minute)
		secret := errors.New("AADSTS7000215: Invalid client secret provided")
		cred.err.Store(&secret)
		if got, err := src.renew(t.Context(), "t3"); err == nil || got != "" {
			t.Errorf("without a login: %q, %v", got, err)
		}
		if got, err := src.Token(t.Context()); got != "t3" || err != nil {
			t.Errorf("the old token is gone: %s, %v", got, err)
		}
	})
}

func TestEntraCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newEntra(new(credential), "scope", "a test", func() bool { return false })
		go src.Token(t.Context())
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := src.Token(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting behind another: %v", err)
		}
		time.Sleep(time.Minute)
	})
}

// The report of azidentity, as it comes, in one line with a remedy.
func TestLoginFault(t *testing.T) {
	const refused = `ClientSecretCredential authentication failed.
POST https://login.microsoftonline.com/contoso/oauth2/v2.0/token
--------------------------------------------------------------------------------
RESPONSE 401: 401 Unauthorized
--------------------------------------------------------------------------------
{
  "error": "invalid_client",
  "error_description": "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '1'. Trace ID: 2b Correlation ID: 3c Timestamp: 2026-11-23 12:00:00Z",
  "error_codes": [7000215]
}
--------------------------------------------------------------------------------
To troubleshoot, visit https://aka.ms/azsdk/go/identity/troubleshoot#client-secret`
	for _, tt := range []struct {
		name, report string
		want, not    []string
	}{
		{"refused", refused, []string{"AADSTS7000215: Invalid client secret", "set the secret's value, not its id"}, []string{"Trace ID", "RESPONSE"}},
		{"nothing configured", "DefaultAzureCredential: failed to acquire a token.\nAttempted credentials:\n\tEnvironmentCredential: missing environment variable AZURE_TENANT_ID\n\tAzureCLICredential: Azure CLI not found on path",
			[]string{"EnvironmentCredential: missing environment variable AZURE_TENANT_ID", "Azure CLI not found", "or az login"}, nil},
		{"endless", strings.Repeat("line ü\n", 1000), []string{"..."}, nil},
	} {
		err := teller{}.fault(errors.New(tt.report))
		if _, ok := errors.AsType[*AuthError](err); !ok || strings.Contains(err.Error(), "\n") || len(err.Error()) > 1500 {
			t.Errorf("%s: %T of %d bytes: %v", tt.name, err, len(err.Error()), err)
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v: want %q in it", tt.name, err, want)
			}
		}
		for _, not := range tt.not {
			if strings.Contains(err.Error(), not) {
				t.Errorf("%s: %v: %q should not be in it", tt.name, err, not)
			}
		}
	}
}

// Only what the login service itself answers, or does not, tells whether a
// failure passes: without any credentials the metadata service of a machine
// that is no Azure machine fails as well.
func TestLoginProbe(t *testing.T) {
	for _, tt := range []struct {
		host   string
		status int // 0: no answer
		want   bool
	}{{"login.example", 0, true}, {"login.example", 503, true}, {"login.example", 429, true}, {"login.example", 401, false}, {"169.254.169.254", 0, false}} {
		probe := &loginProbe{host: "login.example", next: roundTrip(func(*http.Request) (*http.Response, error) {
			if tt.status == 0 {
				return nil, errNetwork
			}
			return &http.Response{StatusCode: tt.status, Body: http.NoBody}, nil
		})}
		req, err := http.NewRequest("POST", "https://"+tt.host+"/token", nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := probe.Do(req); err == nil {
			resp.Body.Close()
		}
		if got := probe.passing(); got != tt.want {
			t.Errorf("%s answers %d: passing %v, want %v", tt.host, tt.status, got, tt.want)
		}
	}
}
