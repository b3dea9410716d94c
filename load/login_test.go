package load

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"software.sslmate.com/src/go-pkcs12"
)

// A fakeLogin is the login service of Entra ID and the metadata service of an
// Azure machine, in one HTTP server. answer decides on each request for a
// token, by the host that it was meant for.
type fakeLogin struct {
	t      *testing.T
	server *httptest.Server
	answer func(w http.ResponseWriter, host string, form url.Values)
	skew   time.Duration // of its clock

	mu    sync.Mutex
	asked []string // host and path of each request for a token
	seen  []string // bodies and headers, to look for what was sent
}

func newFakeLogin(t *testing.T) *fakeLogin {
	f := &fakeLogin{t: t}
	f.server = httptest.NewServer(f)
	t.Cleanup(f.server.Close)
	// azidentity looks at these itself.
	for _, name := range []string{"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH",
		"AZURE_FEDERATED_TOKEN_FILE", "AZURE_TOKEN_CREDENTIALS", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "IMDS_ENDPOINT"} {
		if value, set := os.LookupEnv(name); set {
			os.Unsetenv(name)
			t.Cleanup(func() { os.Setenv(name, value) })
		}
	}
	return f
}

// RoundTrip brings every request to the fake, whatever host it is for.
func (f *fakeLogin) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	host := r.URL.Host
	to, err := url.Parse(f.server.URL)
	if err != nil {
		return nil, err
	}
	r.URL.Scheme, r.URL.Host, r.Host = to.Scheme, to.Host, host
	return http.DefaultTransport.RoundTrip(r)
}

func (f *fakeLogin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	w.Header().Set("Date", time.Now().Add(f.skew).UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Type", "application/json")
	tenant, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	root := "https://" + r.Host + "/" + tenant
	switch {
	case strings.HasSuffix(r.URL.Path, "/discovery/instance"):
		fmt.Fprintf(w, `{"tenant_discovery_endpoint":%q,"metadata":[{"preferred_network":%q,"preferred_cache":%[2]q,"aliases":[%[2]q]}]}`,
			"https://"+r.Host+"/contoso/v2.0/.well-known/openid-configuration", r.Host)
	case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
		fmt.Fprintf(w, `{"issuer":"%s/v2.0","token_endpoint":"%[1]s/oauth2/v2.0/token","authorization_endpoint":"%[1]s/oauth2/v2.0/authorize"}`, root)
	case strings.Contains(r.URL.Path, "/token"):
		form, err := url.ParseQuery(string(body) + "&" + r.URL.RawQuery)
		if err != nil {
			f.t.Error(err)
		}
		f.mu.Lock()
		f.asked = append(f.asked, r.Host+r.URL.Path)
		f.seen = append(f.seen, string(body)+" "+fmt.Sprint(r.Header))
		f.mu.Unlock()
		f.answer(w, r.Host, form)
	default:
		f.t.Errorf("%s %s%s was not expected", r.Method, r.Host, r.URL)
	}
}

// source makes a token source over the fake.
func (f *fakeLogin) source(method, graph string, env map[string]string) (TokenSource, error) {
	return NewTokenSource(AuthOptions{BaseURL: graph, Method: method, Getenv: func(key string) string { return env[key] },
		Transport: f, Retry: policy.RetryOptions{MaxRetries: 1, RetryDelay: time.Millisecond, MaxRetryDelay: time.Millisecond}})
}

func give(w io.Writer, host, token string, life int) {
	if host == imdsHost {
		fmt.Fprintf(w, `{"access_token":%q,"expires_in":"%d","expires_on":"%d","resource":"https://graph.microsoft.com","token_type":"Bearer"}`,
			token, life, time.Now().Unix()+int64(life))
		return
	}
	fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":%d,"ext_expires_in":%[1]d,"access_token":%q}`, life, token)
}

// refuses answers as the login service does.
func refuses(status int, text string) func(http.ResponseWriter, string, url.Values) {
	return func(w http.ResponseWriter, _ string, _ url.Values) {
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(map[string]any{"error": "invalid_client", "error_description": text + " Trace ID: 1 Correlation ID: 2", "error_codes": []int{1}})
	}
}

const hushHush = "s3cr3t~Value+with/signs=" // what no message may hold

// app is the environment of an app with a secret.
func app(more ...string) map[string]string {
	env := map[string]string{"AZURE_TENANT_ID": "contoso", "AZURE_CLIENT_ID": "11111111-2222-4333-8444-555555555555"}
	for i := 0; i < len(more); i += 2 {
		env[more[i]] = more[i+1]
	}
	return env
}

func TestLoginBySecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	write(t, file, []byte(hushHush+"\n"))
	for _, tt := range []struct {
		name, method, graph string
		env                 map[string]string
		host, scope         string
	}{
		{"of the environment", "auto", "", app("AZURE_CLIENT_SECRET", hushHush), "login.microsoftonline.com", "https://graph.microsoft.com/.default"},
		{"asked for", "secret", "", app("AZURE_CLIENT_SECRET", hushHush, TokenVariable, "another"), "login.microsoftonline.com", "https://graph.microsoft.com/.default"},
		{"of a file", "auto", "", app("AZURE_CLIENT_SECRET_FILE", file), "login.microsoftonline.com", "https://graph.microsoft.com/.default"},
		{"of a file, not of the variable", "secret", "", app("AZURE_CLIENT_SECRET", "old", "AZURE_CLIENT_SECRET_FILE", file), "login.microsoftonline.com", "https://graph.microsoft.com/.default"},
		{"in US Government", "secret", "https://graph.microsoft.us/v1.0", app("AZURE_CLIENT_SECRET", hushHush), "login.microsoftonline.us", "https://graph.microsoft.us/.default"},
		{"in DoD", "secret", "https://dod-graph.microsoft.us/v1.0", app("AZURE_CLIENT_SECRET", hushHush), "login.microsoftonline.us", "https://dod-graph.microsoft.us/.default"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeLogin(t)
			f.answer = func(w http.ResponseWriter, host string, form url.Values) {
				if form.Get("client_secret") != hushHush || !strings.HasPrefix(form.Get("scope"), tt.scope) || form.Get("grant_type") != "client_credentials" {
					t.Errorf("the form is %v", form)
				}
				give(w, host, "t1", 3600)
			}
			src, err := f.source(tt.method, tt.graph, tt.env)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if got, err := src.Token(t.Context()); got != "t1" || err != nil {
					t.Errorf("token %q, %v", got, err)
				}
			}
			if want := tt.host + "/contoso/oauth2/v2.0/token"; len(f.asked) != 1 || f.asked[0] != want {
				t.Errorf("asked %q, want %q once", f.asked, want)
			}
			if got := TokenMethod(src); got != "a client secret" {
				t.Errorf("its method is %q", got)
			}
		})
	}
}

// A token is renewed before it ends, and the old one is used meanwhile.
func TestLoginRenews(t *testing.T) {
	f := newFakeLogin(t)
	n := 0
	f.answer = func(w http.ResponseWriter, host string, _ url.Values) {
		n++
		give(w, host, fmt.Sprint("t", n), 120) // less than the time before the end at which one is renewed
	}
	src, err := f.source("secret", "", app("AZURE_CLIENT_SECRET", hushHush))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"t1", "t2"} {
		if got, err := src.Token(t.Context()); got != want || err != nil {
			t.Errorf("token %q, %v, want %s", got, err, want)
		}
	}
	f.answer = refuses(401, "AADSTS7000222: The provided client secret keys are expired.")
	if got, err := src.Token(t.Context()); got != "t2" || err != nil {
		t.Errorf("with a secret that has expired meanwhile: %q, %v, want the old token", got, err)
	}
}

func TestLoginFails(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "absent")
	empty := filepath.Join(t.TempDir(), "empty")
	write(t, empty, nil)
	federated := filepath.Join(t.TempDir(), "federated")
	write(t, federated, []byte(hushHush))
	secret := app("AZURE_CLIENT_SECRET", hushHush)
	for _, tt := range []struct {
		name, method string
		env          map[string]string
		answer       func(http.ResponseWriter, string, url.Values)
		skew         time.Duration
		passes       bool
		words        []string
	}{
		{"wrong secret", "secret", secret, refuses(401, "AADSTS7000215: Invalid client secret provided: "+hushHush+"."), 0, false,
			[]string{"AADSTS7000215", "set the secret's value, not its id"}},
		{"expired secret", "auto", secret, refuses(401, "AADSTS7000222: The provided client secret keys are expired."), 0, false, []string{"make a new one"}},
		{"unknown app", "secret", secret, refuses(400, "AADSTS700016: Application was not found in the directory."), 0, false, []string{"AZURE_CLIENT_ID is not an app"}},
		{"unknown tenant", "secret", secret, refuses(400, "AADSTS90002: Tenant not found."), 0, false, []string{"no tenant of this cloud"}},
		{"throttled", "secret", secret, func(w http.ResponseWriter, _ string, _ url.Values) {
			w.Header().Set("Retry-After", "1")
			refuses(429, "AADSTS90055: The request was throttled.")(w, "", nil)
		}, 0, true, []string{"does not answer now", "AADSTS90055"}},
		{"away", "secret", secret, refuses(503, "Service unavailable. To troubleshoot, visit https://aka.ms/x"), 0, true, []string{"does not answer now"}},
		{"no machine of Azure's", "managed-identity", nil, refuses(403, "denied"), 0, false, []string{"on Azure's machines only"}},
		{"no federated credential", "workload", app("AZURE_FEDERATED_TOKEN_FILE", federated), refuses(400, "AADSTS70021: No matching federated identity record found for "+hushHush), 0, false,
			[]string{"compare issuer, subject and audience"}},
		{"a clock that is wrong", "workload", app("AZURE_FEDERATED_TOKEN_FILE", federated), refuses(401, "AADSTS700024: Client assertion is not within its valid time range."), 2 * time.Hour, false,
			[]string{"this machine's clock is 2h0m", "behind the login service's: set it"}},
		{"a clock that is ahead", "secret", secret, refuses(401, "AADSTS7000215: Invalid client secret provided."), -time.Hour, false, []string{"clock is 1h0m", "ahead of the login service's"}},
		{"an identity of another machine", "managed-identity", app(), refuses(400, "Identity not found"), 0, false, []string{"isn't assigned to this resource", "a managed identity that this machine does not have"}},
		{"no identity", "managed-identity", nil, refuses(400, "Identity not found"), 0, false, []string{"switch its system-assigned identity on"}},
		{"an identity's service that is away", "managed-identity", nil, refuses(503, "busy"), 0, true, []string{"does not answer now"}},

		{"without a tenant", "secret", map[string]string{"AZURE_CLIENT_ID": "x"}, nil, 0, false, []string{"needs AZURE_TENANT_ID and AZURE_CLIENT_SECRET"}},
		{"without the file of the secret", "auto", app("AZURE_CLIENT_SECRET_FILE", bad), nil, 0, false, []string{"AZURE_CLIENT_SECRET_FILE", "no such file"}},
		{"with an empty file", "auto", app("AZURE_CLIENT_SECRET_FILE", empty), nil, 0, false, []string{"is empty"}},
		{"without a certificate", "certificate", app(), nil, 0, false, []string{"needs AZURE_CLIENT_CERTIFICATE_PATH"}},
		{"without a workload", "workload", app(), nil, 0, false, []string{"needs AZURE_FEDERATED_TOKEN_FILE"}},
		{"without the workload's token", "workload", app("AZURE_FEDERATED_TOKEN_FILE", bad), nil, 0, false, []string{"no such file"}},
		{"a tenant that is none", "secret", map[string]string{"AZURE_TENANT_ID": "con toso", "AZURE_CLIENT_ID": "x", "AZURE_CLIENT_SECRET": hushHush}, nil, 0, false, []string{"invalid tenantID"}},
		{"an unknown method", "password", nil, nil, 0, true, []string{`"password" is none of auto, secret`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeLogin(t)
			f.skew = tt.skew
			f.answer = tt.answer
			src, err := f.source(tt.method, "", tt.env)
			if err == nil {
				_, err = src.Token(t.Context())
			}
			auth, ok := errors.AsType[*AuthError](err)
			if err == nil || ok == tt.passes || ok && auth.Remedy == "" {
				t.Fatalf("%T %v, want an *AuthError: %v", err, err, !tt.passes)
			}
			for _, want := range tt.words {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v: want %q in it", err, want)
				}
			}
			if text := fmt.Sprintf("%v %+v %#v", err, err, src); strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "troubleshoot") || strings.Contains(text, hushHush) || strings.Contains(text, url.QueryEscape(hushHush)) {
				t.Errorf("%s: more than a line, or a secret in it", text)
			}
		})
	}
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// selfSigned makes a certificate with its key.
func selfSigned(t *testing.T) (*x509.Certificate, *rsa.PrivateKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "importer"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// The login service gets a request signed by the certificate's key, whatever
// kind of file holds it.
func TestLoginByCertificate(t *testing.T) {
	cert, key := selfSigned(t)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pemFile := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...)
	pfx := func(e *pkcs12.Encoder, password string) []byte {
		data, err := e.Encode(key, cert, nil, password)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	passwordFile := filepath.Join(t.TempDir(), "password")
	write(t, passwordFile, []byte(hushHush+"\r\n"))
	for _, tt := range []struct {
		name  string
		data  []byte
		more  []string
		words string // of the error
	}{
		{"PEM", pemFile, nil, ""},
		{"PFX of today", pfx(pkcs12.Modern2023, hushHush), []string{"AZURE_CLIENT_CERTIFICATE_PASSWORD", hushHush}, ""},
		{"PFX of old", pfx(pkcs12.LegacyDES, hushHush), []string{"AZURE_CLIENT_CERTIFICATE_PASSWORD_FILE", passwordFile}, ""},
		{"PFX without a password", pfx(pkcs12.Modern2023, ""), nil, ""},
		{"PFX with another password", pfx(pkcs12.Modern2023, "other"), []string{"AZURE_CLIENT_CERTIFICATE_PASSWORD", hushHush}, "the password is wrong"},
		{"PFX whose password is not given", pfx(pkcs12.Modern2023, "other"), nil, "it needs a password"},
		{"PEM without a key", pemFile[:len(pemFile)/2], nil, "found no private key"},
		{"PEM with an encrypted key", append([]byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), pemFile...), nil, "encrypted"},
		{"something else", []byte(hushHush), nil, "no PEM file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeLogin(t)
			f.answer = func(w http.ResponseWriter, host string, form url.Values) {
				if why := badAssertion(form.Get("client_assertion"), cert); why != "" || form.Get("client_secret") != "" {
					t.Errorf("the assertion: %s; form %v", why, form)
				}
				give(w, host, "t1", 3600)
			}
			file := filepath.Join(t.TempDir(), "app.pfx")
			write(t, file, tt.data)
			src, err := f.source("certificate", "", app(append(tt.more, "AZURE_CLIENT_CERTIFICATE_PATH", file)...))
			if tt.words != "" {
				if _, ok := errors.AsType[*AuthError](err); !ok || !strings.Contains(err.Error(), tt.words) || strings.Contains(err.Error(), hushHush) {
					t.Errorf("%v, want an *AuthError with %q and no secret", err, tt.words)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := src.Token(t.Context()); got != "t1" || err != nil {
				t.Errorf("token %q, %v", got, err)
			}
			if got := TokenMethod(src); got != "a certificate, good until 2099-01-01" {
				t.Errorf("its method is %q", got)
			}
		})
	}
}

// badAssertion says what is wrong with a signed request.
func badAssertion(jwt string, cert *x509.Certificate) string {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return "it has not three parts"
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Aud, Iss, Sub, Jti string
		Exp                int64
	}
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return "its payload is no JSON"
	}
	if claims.Iss != "11111111-2222-4333-8444-555555555555" || claims.Sub != claims.Iss || claims.Jti == "" || !strings.HasSuffix(claims.Aud, "/token") || claims.Exp < time.Now().Unix() {
		return fmt.Sprintf("its claims are %+v", claims)
	}
	var header struct{ Alg string }
	if raw, err := base64.RawURLEncoding.DecodeString(parts[0]); err != nil || json.Unmarshal(raw, &header) != nil {
		return "its header is no JSON"
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	algorithms := map[string]x509.SignatureAlgorithm{"PS256": x509.SHA256WithRSAPSS, "RS256": x509.SHA256WithRSA}
	if err != nil || cert.CheckSignature(algorithms[header.Alg], []byte(parts[0]+"."+parts[1]), signature) != nil {
		return "its signature is not the certificate's: " + header.Alg
	}
	return ""
}

func TestLoginByIdentity(t *testing.T) {
	const resource = "/subscriptions/1/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/importer"
	for _, tt := range []struct {
		name, client string
		param        string // of the request, and its value
		value        string
	}{
		{"the machine's own", "", "client_id", ""},
		{"one by its client id", "11111111-2222-4333-8444-555555555555", "client_id", "11111111-2222-4333-8444-555555555555"},
		{"one by its resource id", resource, "msi_res_id", resource},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeLogin(t)
			f.answer = func(w http.ResponseWriter, host string, form url.Values) {
				if host != imdsHost || form.Get("resource") != "https://graph.microsoft.com" || form.Get(tt.param) != tt.value {
					t.Errorf("%s was asked for %v", host, form)
				}
				give(w, host, "t1", 3600)
			}
			src, err := f.source("managed-identity", "", map[string]string{"AZURE_CLIENT_ID": tt.client})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := src.Token(t.Context()); got != "t1" || err != nil {
				t.Errorf("token %q, %v", got, err)
			}
			if !strings.Contains(strings.Join(f.seen, ""), "Metadata:[true]") {
				t.Errorf("the request has no header Metadata: %q", f.seen)
			}
		})
	}
}

func TestLoginByWorkload(t *testing.T) {
	f := newFakeLogin(t)
	f.answer = func(w http.ResponseWriter, host string, form url.Values) {
		if form.Get("client_assertion") != hushHush {
			t.Errorf("the form is %v", form)
		}
		give(w, host, "t1", 3600)
	}
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, []byte(hushHush))
	src, err := f.source("workload", "", app("AZURE_FEDERATED_TOKEN_FILE", file))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := src.Token(t.Context()); got != "t1" || err != nil {
		t.Errorf("token %q, %v", got, err)
	}
}

// The Azure CLI is a program that prints a token; so is any other.
func TestLoginByProgram(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the programs are shell scripts")
	}
	dir := t.TempDir()
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	program := func(name, script string) {
		write(t, filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"))
		if err := os.Chmod(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	log := filepath.Join(dir, "log")
	later := time.Now().Add(time.Hour)
	jwt := func(exp time.Time) string {
		return "e30." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, exp.Unix())) + ".sig"
	}
	for _, tt := range []struct {
		name, method, script string
		token                string
		words                []string // of the error
	}{
		{"the Azure CLI", "cli", `echo "$@" >>` + log + "\n" + fmt.Sprintf(`echo '{"accessToken":"t1","expires_on":%d}'`, later.Unix()), "t1", nil},
		{"the Azure CLI without a login", "cli", `echo "Please run 'az login' to setup account." >&2; exit 1`, "", []string{"Please run 'az login'", "run az login"}},
		{"a command", "auto", "echo >>" + log + "; echo ' Bearer " + jwt(later) + "'", jwt(later), nil},
		{"a command whose token does not say how long it lives", "auto", "echo >>" + log + "; echo opaque", "opaque", nil},
		{"a command whose token has expired, says a clock that may be wrong", "auto", "echo >>" + log + "; echo " + jwt(later.Add(-2*time.Hour)), jwt(later.Add(-2 * time.Hour)), nil},
		{"a command that fails", "auto", "echo no vault for " + hushHush + "s3cr3ts3cr3t >&2; exit 3", "", []string{TokenCommandVariable, "exit status 3", "no vault for"}},
		{"a command that is not there", "auto", "exec nosuchprogram", "", []string{"failed", "not found"}},
		{"a command that prints something else", "auto", "echo your token is " + hushHush, "", []string{"must print the token alone"}},
		{"a command that prints nothing", "auto", "true", "", []string{"0 bytes"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			os.Remove(log)
			f := newFakeLogin(t)
			program("az", tt.script)
			env := map[string]string{}
			if tt.method == "auto" {
				env[TokenCommandVariable] = "az"
			}
			src, err := f.source(tt.method, "", env)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				got, err := src.Token(t.Context())
				if tt.words == nil {
					if got != tt.token || err != nil {
						t.Fatalf("token %q, %v, want %q", got, err, tt.token)
					}
					continue
				}
				if _, ok := errors.AsType[*AuthError](err); !ok || strings.Contains(err.Error(), hushHush) || strings.Contains(err.Error(), "\n") {
					t.Fatalf("%T %v, want an *AuthError in a line, without the secret", err, err)
				}
				for _, want := range tt.words {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%v: want %q in it", err, want)
					}
				}
			}
			if ran, _ := os.ReadFile(log); tt.words == nil && strings.Count(string(ran), "\n") != 1 {
				t.Errorf("the program ran more than once for three tokens:\n%s", ran)
			}
		})
	}
}

// Without anything set, every credential of the chain says why not.
func TestLoginByChain(t *testing.T) {
	f := newFakeLogin(t)
	t.Setenv("PATH", t.TempDir())
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "dev") // without the metadata service, which is asked by the clock
	src, err := f.source("auto", "", map[string]string{"AZURE_TOKEN_CREDENTIALS": "dev"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = src.Token(t.Context())
	if _, ok := errors.AsType[*AuthError](err); !ok || !strings.Contains(err.Error(), "AzureCLICredential") || !strings.Contains(err.Error(), "AZURE_TENANT_ID") {
		t.Errorf("%v, want an *AuthError with what was tried and what can be set", err)
	}
}

func TestCloudURL(t *testing.T) {
	for name, want := range map[string]string{
		"global": "https://graph.microsoft.com/v1.0", "gcc-high": "https://graph.microsoft.us/v1.0", "dod": "https://dod-graph.microsoft.us/v1.0",
		"china": "not available in the China cloud", "mars": `"mars" is none of global, gcc-high, dod, china`,
	} {
		got, err := CloudURL(name)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("CloudURL(%s) = %s, want %s", name, got, want)
		}
	}
}

func TestReadClaims(t *testing.T) {
	payload := `{"tid":"t","appid":"a","app_displayname":"Importer","roles":["ExternalConnection.ReadWrite.OwnedBy","ExternalItem.ReadWrite.All"],"exp":1900000000}`
	token := "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".sig"
	c, ok := ReadClaims(token)
	if !ok || !c.App() || c.Tenant != "t" || c.AppID != "a" || c.AppName != "Importer" || c.Expires.Unix() != 1900000000 {
		t.Errorf("ReadClaims = %+v, %v", c, ok)
	}
	for permission, want := range map[string]bool{
		"ExternalConnection.ReadWrite.OwnedBy": true, "ExternalConnection.ReadWrite.All": false,
		"ExternalItem.ReadWrite.OwnedBy": true, "ExternalItem.ReadWrite.All": true, "User.Read.All": false,
	} {
		if c.Has(permission) != want {
			t.Errorf("Has(%s) = %v", permission, !want)
		}
	}
	user, ok := ReadClaims("e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"scp":"ExternalItem.Read.All openid","upn":"anna@contoso.com"}`)) + ".")
	if !ok || user.App() || user.User != "anna@contoso.com" || !user.Has("ExternalItem.Read.All") || !user.Expires.IsZero() {
		t.Errorf("ReadClaims of a user = %+v, %v", user, ok)
	}
	for _, bad := range []string{"", "opaque", "a.b", "a.!.c", "a.e30.c.d", "a." + base64.RawURLEncoding.EncodeToString([]byte(`{"roles":1}`)) + ".c"} {
		if c, ok := ReadClaims(bad); ok {
			t.Errorf("ReadClaims(%q) = %+v", bad, c)
		}
	}
}

// Whatever stands in a token, reading it ends, and without a panic.
func FuzzReadClaims(f *testing.F) {
	f.Add([]byte(`{"exp":1e300,"scp":"a b","roles":[null]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, ok := ReadClaims("h." + base64.RawURLEncoding.EncodeToString(payload) + ".s")
		if !ok && (c.AppID != "" || c.Roles != nil) {
			t.Errorf("claims of what is no token: %+v", c)
		}
	})
}
