package localgraph

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func issuer(t testing.TB, dir string) *Issuer {
	t.Helper()
	is, err := OpenIssuer(dir)
	if err != nil {
		t.Fatal(err)
	}
	return is
}

func mint(t testing.TB, is *Issuer, c Caller, life time.Duration) string {
	t.Helper()
	token, err := is.Mint(c, life)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestTokens(t *testing.T) {
	is := issuer(t, t.TempDir())
	for _, c := range []Caller{{App: true}, {App: true, AppID: "a1"}, {App: true, SearchAs: "u1"}, {UserID: "anna@contoso.com"}} {
		if got, err := is.verify(mint(t, is, c, time.Hour), time.Now()); err != nil || got != c {
			t.Errorf("verify(mint(%+v)) = %+v, %v", c, got, err)
		}
	}
	for _, c := range []Caller{{}, {App: true, UserID: "u"}} {
		if _, err := is.Mint(c, time.Hour); err == nil {
			t.Errorf("Mint(%+v) gives a token", c)
		}
	}
	if _, err := is.Mint(Caller{App: true}, 0); err == nil {
		t.Error("Mint gives a token without a life")
	}

	good := mint(t, is, Caller{UserID: "anna"}, time.Hour)
	part := strings.Split(good, ".")
	enc := base64.RawURLEncoding.EncodeToString
	signed := func(header, payload string) string {
		text := enc([]byte(header)) + "." + enc([]byte(payload))
		return text + "." + is.sign(text)
	}
	rightly := `{"typ":"JWT","alg":"HS256"}`
	for name, bad := range map[string]string{
		"empty":                     "",
		"one part":                  "x",
		"two parts":                 part[0] + "." + part[1],
		"four parts":                good + ".x",
		"no signature":              part[0] + "." + part[1] + ".",
		"algorithm none":            enc([]byte(`{"typ":"JWT","alg":"none"}`)) + "." + part[1] + ".",
		"another key":               mint(t, issuer(t, t.TempDir()), Caller{App: true}, time.Hour),
		"another payload":           part[0] + "." + enc([]byte(`{"idtyp":"app"}`)) + "." + part[2],
		"signed with other headers": signed(`{"alg":"HS256"}`, `{"aud":"https://graph.microsoft.com","iss":"https://localgraph.invalid/","exp":99999999999,"idtyp":"app"}`),
		"signed for another":        signed(rightly, `{"aud":"other","iss":"https://localgraph.invalid/","exp":99999999999,"idtyp":"app"}`),
		"signed for both":           signed(rightly, `{"aud":"https://graph.microsoft.com","iss":"https://localgraph.invalid/","exp":99999999999,"idtyp":"app","upn":"u"}`),
		"signed for nobody":         signed(rightly, `{"aud":"https://graph.microsoft.com","iss":"https://localgraph.invalid/","exp":99999999999}`),
		"signed without expiry":     signed(rightly, `{"aud":"https://graph.microsoft.com","iss":"https://localgraph.invalid/","idtyp":"app"}`),
		"signed nonsense":           signed(rightly, `7`),
	} {
		if c, err := is.verify(bad, time.Now()); err == nil {
			t.Errorf("%s: %q is taken, for %+v", name, bad, c)
		}
	}
}

// What the CLI for Microsoft 365 reads out of a token, without which it has no
// status and no name for a login.
func TestTokenLabels(t *testing.T) {
	is := issuer(t, t.TempDir())
	id, _, err := is.NewClient("indexer")
	if err != nil {
		t.Fatal(err)
	}
	const anna = "11111111-1111-4111-8111-111111111111"
	objects := map[any]bool{}
	for _, tt := range []struct {
		c    Caller
		name string
		who  string // the object id, "" is one that is made
	}{
		{Caller{App: true}, "importer", ""},
		{Caller{App: true, AppID: id}, "indexer", ""},
		{Caller{UserID: anna}, anna, anna},
		{Caller{UserID: "boris@contoso.com"}, "boris@contoso.com", ""},
	} {
		var m map[string]any
		raw, err := base64.RawURLEncoding.DecodeString(strings.Split(mint(t, is, tt.c, time.Hour), ".")[1])
		if err != nil || json.Unmarshal(raw, &m) != nil {
			t.Fatalf("%+v: %s, %v", tt.c, raw, err)
		}
		object, _ := m["oid"].(string)
		if m["tid"] != nil || cmp.Or(m["upn"], m["app_displayname"]) != tt.name || !clientID.MatchString(object) || tt.who != "" && object != tt.who {
			t.Errorf("%+v: %s", tt.c, raw)
		}
		objects[object] = true
	}
	if len(objects) != 4 {
		t.Errorf("four callers have the object ids %v", objects)
	}
}

func FuzzVerify(f *testing.F) {
	is := issuer(f, f.TempDir())
	good := mint(f, is, Caller{App: true}, time.Hour)
	f.Add(good)
	f.Add(good + ".")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := is.verify(token, time.Now()); err == nil && token != good {
			t.Errorf("%q is taken", token)
		}
	})
}

func TestTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := issuer(t, t.TempDir())
		token := mint(t, is, Caller{App: true}, time.Minute)
		time.Sleep(59 * time.Second)
		if _, err := is.verify(token, time.Now()); err != nil {
			t.Errorf("after 59 s: %v", err)
		}
		time.Sleep(time.Second)
		if _, err := is.verify(token, time.Now()); err != errExpired {
			t.Errorf("after a minute: %v, want %v", err, errExpired)
		}
	})
}

func TestTokenKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var wg sync.WaitGroup
	keys := make([][]byte, 8)
	for i := range keys {
		wg.Go(func() {
			if is, err := OpenIssuer(dir); err != nil {
				t.Error(err)
			} else {
				keys[i] = is.key
			}
		})
	}
	wg.Wait()
	for _, k := range keys {
		if len(k) != 32 || !bytes.Equal(k, keys[0]) {
			t.Fatalf("processes that start at once have the keys %x", keys)
		}
	}
	path := filepath.Join(dir, "token.key")
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("the folder has %v, want only the key", left)
	}
	if runtime.GOOS != "windows" {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the key's mode is %v (%v), want 0600", info.Mode(), err)
		}
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenIssuer(dir); err == nil || !strings.Contains(err.Error(), "others can read") {
			t.Errorf("a key that others can read: %v", err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenIssuer(dir); err == nil || !strings.Contains(err.Error(), "is no key") || strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a broken key: %v", err)
	}
}

func TestSignedTokensAreTaken(t *testing.T) {
	is := issuer(t, t.TempDir())
	g := open(t, Options{Issuer: is, Tokens: map[string]Caller{"fixed": {App: true}}})
	g.register("desk", helpdesk)
	app, user := mint(t, is, Caller{App: true}, time.Hour), mint(t, is, Caller{UserID: "u1"}, time.Hour)
	old, err := (&Issuer{key: is.key}).Mint(Caller{App: true}, time.Nanosecond)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		token, method, path, body string
		status                    int
		text                      string
	}{
		{app, "GET", base, "", 200, ""},
		{"fixed", "GET", base, "", 200, ""},
		{user, "GET", base, "", 403, "Insufficient"},
		{user, "POST", "/v1.0/search/query", searchBody("desk", "x", ""), 200, ""},
		{app, "POST", "/v1.0/search/query", searchBody("desk", "x", ""), 403, "delegated"},
		{old, "GET", base, "", 401, "expired"},
		{app + "x", "GET", base, "", 401, "invalid"},
		{"", "GET", base, "", 401, "empty"},
	} {
		r := httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body))
		r.Header.Set("Authorization", "Bearer "+tt.token)
		w := httptest.NewRecorder()
		checked(t, g.srv).ServeHTTP(w, r)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.text) {
			t.Errorf("%s %s with %.20s... = %d %s, want %d with %q", tt.method, tt.path, tt.token, w.Code, w.Body, tt.status, tt.text)
		}
		if tt.token != "" && strings.Contains(w.Body.String(), tt.token) {
			t.Errorf("%s %s: the answer tells the token", tt.method, tt.path)
		}
	}
}

// The first version of the endpoint wants a resource, no scope, and answers
// numbers as strings. Tenants and paths may be written in any case.
func TestTokenEndpointV1(t *testing.T) {
	is := issuer(t, t.TempDir())
	g := open(t, Options{Issuer: is})
	id, secret, err := is.NewClient("indexer")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path, more string
		status     int
	}{
		{"/contoso.com/oauth2/token", "&resource=https%3A%2F%2Fgraph.microsoft.com", 200},
		{"/contoso.com/oauth2/token", "", 400},
		{"/contoso.com/oauth2/token", "&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default", 400},
		{"/contoso.com/oauth2/token", "&resource=x&client_secret=other", 200}, // the first of two counts
		{"/contoso.com/oauth2/v2.0/token", "&resource=https%3A%2F%2Fgraph.microsoft.com", 400},
		{"/Contoso.com/OAuth2/v2.0/Token/", "&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default", 200},
	} {
		r := httptest.NewRequest("POST", tt.path, strings.NewReader("grant_type=client_credentials&client_id="+id+"&client_secret="+secret+tt.more))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		g.srv.ServeHTTP(w, r)
		if w.Code != tt.status {
			t.Errorf("%s %s = %d %s, want %d", tt.path, tt.more, w.Code, w.Body, tt.status)
		}
		if tt.status != 200 || !strings.HasSuffix(tt.path, "oauth2/token") {
			continue
		}
		var body struct {
			Token   string `json:"access_token"`
			Expires string `json:"expires_on"`
			Life    string `json:"expires_in"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Life != "3600" || body.Expires == "" {
			t.Errorf("%s answers %s (%v)", tt.path, w.Body, err)
		}
		if c, err := is.verify(body.Token, time.Now()); err != nil || c != (Caller{App: true, AppID: id}) {
			t.Errorf("the token is for %+v, %v", c, err)
		}
	}
}

func TestTokenEndpoint(t *testing.T) {
	dir := t.TempDir()
	is := issuer(t, dir)
	g := open(t, Options{Issuer: is})
	id, secret, err := is.NewClient("indexer")
	if err != nil {
		t.Fatal(err)
	}
	gone, goneSecret, err := is.NewClient("gone")
	if err != nil {
		t.Fatal(err)
	}
	if err := is.RemoveClient(gone); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{gone, "../../token", ""} {
		if err := is.RemoveClient(bad); err == nil {
			t.Errorf("RemoveClient(%q) removed something", bad)
		}
	}
	const path = "/contoso.com/oauth2/v2.0/token"
	ask := func(form url.Values, user, password string) (*httptest.ResponseRecorder, map[string]any) {
		r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		if user != "" {
			r.SetBasicAuth(user, password)
		}
		w := httptest.NewRecorder()
		g.srv.ServeHTTP(w, r)
		var body map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Errorf("the answer is no JSON: %s", w.Body)
		}
		return w, body
	}
	form := func(pairs ...string) url.Values {
		v := url.Values{"grant_type": {"client_credentials"}, "scope": {"https://graph.microsoft.com/.default"}, "client_id": {id}, "client_secret": {secret}}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	for _, tt := range []struct {
		name           string
		form           url.Values
		user, password string
		status         int
		code           string
	}{
		{"in the form", form(), "", "", 200, ""},
		{"id in capitals", form("client_id", strings.ToUpper(id)), "", "", 200, ""},
		{"in the header", form("client_id", "", "client_secret", ""), id, secret, 200, ""},
		{"another secret", form("client_secret", "other"), "", "", 401, "invalid_client"},
		{"the hash as secret", form("client_secret", strings.Repeat("0", 64)), "", "", 401, "invalid_client"},
		{"unknown client", form("client_id", "00000000-0000-4000-8000-000000000000"), "", "", 401, "invalid_client"},
		{"removed client", form("client_id", gone, "client_secret", goneSecret), "", "", 401, "invalid_client"},
		{"a path for an id", form("client_id", "../token"), "", "", 401, "invalid_client"},
		{"no secret", form("client_secret", ""), "", "", 400, "invalid_request"},
		{"another grant", form("grant_type", "password"), "", "", 400, "unsupported_grant_type"},
		{"with MSAL's scopes", form("scope", "https://graph.microsoft.com/.default openid offline_access profile"), "", "", 200, ""},
		{"another scope", form("scope", "User.Read"), "", "", 400, "invalid_scope"},
		{"MSAL's scopes alone", form("scope", "openid offline_access profile"), "", "", 400, "invalid_scope"},
		{"no scope", form("scope", ""), "", "", 400, "invalid_scope"},
		{"too large", form("x", strings.Repeat("x", maxFormBytes)), "", "", 400, "invalid_request"},
	} {
		w, body := ask(tt.form, tt.user, tt.password)
		code, _ := body["error"].(string)
		if w.Code != tt.status || code != tt.code || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s %v, want %d %s", tt.name, w.Code, w.Body, w.Header(), tt.status, tt.code)
		}
		if strings.Contains(w.Body.String(), secret) {
			t.Errorf("%s: the answer tells the secret: %s", tt.name, w.Body)
		}
		if tt.status != 200 {
			continue
		}
		if body["token_type"] != "Bearer" || body["expires_in"] != 3600.0 {
			t.Errorf("%s: %v", tt.name, body)
		}
		if c, err := is.verify(body["access_token"].(string), time.Now()); err != nil || c != (Caller{App: true, AppID: id}) {
			t.Errorf("%s: the token is for %+v, %v", tt.name, c, err)
		}
	}
	if _, body := ask(form("client_secret", "other"), "", ""); !strings.HasPrefix(fmt.Sprint(body["error_description"]), "AADSTS7000215: ") {
		t.Errorf("the description does not begin with the number that clients look for: %v", body)
	}
	r := httptest.NewRequest("POST", path, strings.NewReader("{}"))
	w := httptest.NewRecorder()
	g.srv.ServeHTTP(w, r)
	if w.Code != 400 {
		t.Errorf("JSON for a form: %d", w.Code)
	}
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"GET", path, 405},
		{"GET", "/contoso.com/v2.0/.well-known/openid-configuration", 200},
		{"POST", "/v1.0/oauth2/v2.0/token", 401},
		{"POST", "/oauth2/v2.0/token", 401},
	} {
		w := httptest.NewRecorder()
		g.srv.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
		if w.Code != tt.status {
			t.Errorf("%s %s = %d, want %d", tt.method, tt.path, w.Code, tt.status)
		}
		if tt.status == 200 && !strings.Contains(w.Body.String(), `"token_endpoint":"http://example.com/contoso.com/oauth2/v2.0/token"`) {
			t.Errorf("discovery: %s", w.Body)
		}
	}
	w = httptest.NewRecorder()
	r = httptest.NewRequest("GET", "/common/discovery/instance?api-version=1.1&authorization_endpoint=https%3A%2F%2Flogin.microsoftonline.com%2Fcontoso.com%2Foauth2%2Fv2.0%2Fauthorize", nil)
	g.srv.ServeHTTP(w, r)
	var instance struct {
		Endpoint string `json:"tenant_discovery_endpoint"`
		Metadata []struct{ Aliases []string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &instance); err != nil || w.Code != 200 ||
		instance.Endpoint != "http://example.com/contoso.com/v2.0/.well-known/openid-configuration" ||
		len(instance.Metadata) != 1 || !slices.Equal(instance.Metadata[0].Aliases, []string{"example.com"}) {
		t.Errorf("instance discovery: %d %s", w.Code, w.Body)
	}
	// Nothing in the folder tells the secret.
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, _ := d.Info()
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(secret)) || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v, or holds the secret", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if w := httptest.NewRecorder(); true {
		closed := open(t, Options{})
		closed.srv.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, nil))
		if w.Code != 401 {
			t.Errorf("without an issuer: %d", w.Code)
		}
	}
}
