package localgraph

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Attempts to get in, to see or change what is not one's own, to make the
// server fall over, and to make it tell a secret.

// Every token that is not of this folder's key, for this audience, from this
// issuer and of this time is refused.
func TestForgedTokens(t *testing.T) {
	is := issuer(t, t.TempDir())
	g := open(t, Options{Issuer: is, Tokens: map[string]Caller{"fixed-token": {App: true}}})
	enc := base64.RawURLEncoding.EncodeToString
	now := time.Now().Unix()
	const header = `{"typ":"JWT","alg":"HS256"}`
	const roles = `["ExternalConnection.ReadWrite.All","ExternalItem.ReadWrite.All"]`
	claims := func(replace ...string) string {
		c := fmt.Sprintf(`{"aud":"https://graph.microsoft.com","iss":"https://localgraph.invalid/","iat":%d,"nbf":%[1]d,"exp":%d,"idtyp":"app","roles":%s}`, now, now+3600, roles)
		return strings.NewReplacer(replace...).Replace(c)
	}
	signed := func(header, payload string) string { // by the key itself
		text := enc([]byte(header)) + "." + enc([]byte(payload))
		return text + "." + is.sign(text)
	}
	by := func(header string, key []byte, wide bool) string {
		text := enc([]byte(header)) + "." + enc([]byte(claims()))
		m := hmac.New(sha256.New, key)
		if wide {
			m = hmac.New(sha512.New, key)
		}
		m.Write([]byte(text))
		return text + "." + enc(m.Sum(nil))
	}
	good := signed(header, claims())
	part := strings.Split(good, ".")
	other := mint(t, issuer(t, t.TempDir()), Caller{App: true}, time.Hour)
	get := func(authorization string, more ...string) int {
		r := httptest.NewRequest("GET", base, nil)
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		for i := 0; i < len(more); i += 2 {
			r.Header.Set(more[i], more[i+1])
		}
		w := httptest.NewRecorder()
		g.srv.ServeHTTP(w, r)
		for _, secret := range []string{good, part[2], "fixed-token", other} {
			if strings.Contains(w.Body.String()+fmt.Sprint(w.Header()), secret) {
				t.Errorf("the answer to %.40q tells a token: %s", authorization, w.Body)
			}
		}
		return w.Code
	}
	for _, ok := range []string{"Bearer " + good, "bearer  " + good + " ", "Bearer fixed-token"} {
		if code := get(ok); code != 200 {
			t.Errorf("%.30q = %d, want 200: the test cannot tell", ok, code)
		}
	}
	for name, token := range map[string]string{
		"alg none":                     enc([]byte(`{"typ":"JWT","alg":"none"}`)) + "." + part[1] + ".",
		"alg None":                     enc([]byte(`{"typ":"JWT","alg":"None"}`)) + "." + part[1] + ".",
		"alg none, well signed":        signed(`{"typ":"JWT","alg":"none"}`, claims()),
		"alg HS512":                    by(`{"typ":"JWT","alg":"HS512"}`, is.key, true),
		"alg RS256, signed by HMAC":    signed(`{"typ":"JWT","alg":"RS256"}`, claims()),
		"a key id of the peer's":       signed(`{"typ":"JWT","alg":"HS256","kid":"../../dev/null"}`, claims()),
		"a key in the header":          by(`{"typ":"JWT","alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}`, []byte{0, 0, 0}, false),
		"an empty key":                 by(header, nil, false),
		"a key of zeros":               by(header, make([]byte, 32), false),
		"the audience as key":          by(header, []byte(tokenAudience), false),
		"another folder's":             other,
		"another payload":              part[0] + "." + enc([]byte(claims(`"app"`, `"app" `))) + "." + part[2],
		"padding":                      good + "=",
		"a signature in standard form": part[0] + "." + part[1] + "." + base64.StdEncoding.EncodeToString([]byte(part[2])),
		"no signature":                 part[0] + "." + part[1] + ".",
		"half a signature":             good[:len(good)-20],
		"another last character":       good[:len(good)-1] + string(good[len(good)-1]^1),
		"upper case":                   strings.ToUpper(good),
		"four parts":                   good + ".x",
		"an encrypted form":            good + ".x.y",
		"JSON form":                    `{"payload":"` + part[1] + `","signature":"` + part[2] + `"}`,
		"expired":                      signed(header, claims(fmt.Sprint(now+3600), fmt.Sprint(now))),
		"expired long ago":             signed(header, claims(fmt.Sprint(now+3600), "1")),
		"an expiry of text":            signed(header, claims(fmt.Sprint(now+3600), `"9999999999"`)),
		"an expiry before all times":   signed(header, claims(fmt.Sprint(now+3600), "-9223372036854775808")),
		"without an expiry":            signed(header, claims(`"exp"`, `"ex"`)),
		"not yet":                      signed(header, claims(fmt.Sprintf(`"nbf":%d`, now), fmt.Sprintf(`"nbf":%d`, now+3000))),
		"another issuer":               signed(header, claims("localgraph.invalid", "sts.windows.net")),
		"another audience":             signed(header, claims("https://graph.microsoft.com", "https://management.azure.com")),
		"a list of audiences":          signed(header, claims(`"https://graph.microsoft.com"`, `["https://graph.microsoft.com"]`)),
		"neither app nor user":         signed(header, claims(`"app"`, `"device"`)),
		"an app with a user":           signed(header, claims(`"app"`, `"app","upn":"ann"`)),
		"a user without a name":        signed(header, claims(`"app"`, `"user"`)),
		"no roles":                     signed(header, claims(roles, `[]`)),
		"roles that are nothing":       signed(header, claims(roles, `null`)),
		"no JSON":                      part[0] + "." + enc([]byte("x")) + "." + is.sign(part[0]+"."+enc([]byte("x"))),
		"the fixed token and more":     "fixed-token2",
		"a part of the fixed token":    "fixed-toke",
		"nothing":                      "",
		"NUL":                          "fixed-token\x00",
		"a megabyte":                   strings.Repeat("a", 1<<20),
		"a megabyte of dots":           strings.Repeat(".", 1<<20),
	} {
		if code := get("Bearer " + token); code != 401 {
			t.Errorf("%s: %d, want 401", name, code)
		}
	}
	for name, more := range map[string][]string{
		"another scheme": {"Authorization", "Basic " + good}, "no scheme": {"Authorization", good}, "a cookie": {"Cookie", "access_token=" + good},
		"another header": {"X-Authorization", "Bearer " + good}, "a proxy's": {"Proxy-Authorization", "Bearer " + good},
	} {
		if code := get("", more...); code != 401 {
			t.Errorf("%s: %d, want 401", name, code)
		}
	}
	r := httptest.NewRequest("GET", base+"?access_token="+good, nil)
	w := httptest.NewRecorder()
	if g.srv.ServeHTTP(w, r); w.Code != 401 {
		t.Errorf("a token in the query: %d, want 401", w.Code)
	}
}

// A signed-in user searches and reads itself; all else is refused, by whatever
// method, alone and in a batch.
func TestUserTokenReachesNothingElse(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.replaceDirectory(company)
	g.putACL("desk", "a", entries("grant user u2"), `{"title":"hers"}`, "secret text")
	user := Caller{UserID: "u1"}
	paths := []string{"/external", "/external/connections", "/external/connections/$count", "/external/connections/desk", "/external/connections/desk/schema", "/external/connections/desk/operations",
		"/external/connections/desk/items", "/external/connections/desk/items/a", "/external/connections/desk/items/a/addActivities", "/external/connections/desk/items/a/activities",
		"/external/connections/desk/groups", "/external/connections/desk/groups/g", "/external/connections/desk/groups/g/members", "/external/connections/desk/groups/g/members/u",
		"/external/connections/desk/quota", "/users", "/users/$count", "/users/u2", "/users/u2/memberOf", "/groups", "/groups/g1", "/groups/g1/members"}
	for _, path := range paths {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			for _, version := range []string{"/v1.0", "/beta"} {
				if a := g.as(user, method, version+path, least); a.status != 403 || strings.Contains(string(a.raw), "secret text") {
					t.Errorf("%s %s%s = %v, want 403", method, version, path, a)
				}
			}
			a := g.as(user, "POST", "/v1.0/$batch", fmt.Sprintf(`{"requests":[{"id":"1","method":%q,"url":%q,"headers":{"Content-Type":"application/json","Authorization":"Bearer x"},"body":%s}]}`, method, path, least))
			if got := fmt.Sprint(a.get("responses", 0, "status")); got != "403" || strings.Contains(string(a.raw), "secret text") {
				t.Errorf("%s %s in a batch = %v, want 403", method, path, a)
			}
		}
	}
	for _, r := range [][2]string{{"GET", "/_control/faults"}, {"PUT", "/_control/faults"}, {"PUT", "/_control/directory"}, {"GET", "/_control/directory"}, {"PATCH", "/_control/connections/desk"}} {
		if a := g.as(user, r[0], r[1], `{"faults":{"429":1}}`); a.status != 403 {
			t.Errorf("%s %s = %v, want 403", r[0], r[1], a)
		}
	}
	// Nor has a batch a way to what is no part of the API.
	for _, url := range []string{"/_control/faults", "/../_control/faults", "/v1.0/../_control/faults", "//_control/faults", "/%2e%2e/_control/faults", "/contoso/oauth2/v2.0/token"} {
		a := g.as(Caller{App: true}, "POST", "/v1.0/$batch", fmt.Sprintf(`{"requests":[{"id":"1","method":"GET","url":%q}]}`, url))
		if got := fmt.Sprint(a.get("responses", 0, "status")); got != "404" && got != "400" {
			t.Errorf("%s in a batch = %v", url, a)
		}
	}
	if ids, a := g.search("u1", "desk", "secret", ""); len(ids) != 0 {
		t.Errorf("u1 finds %v", a)
	}
}

// Paths that pretend to be others need a token and lead nowhere.
func TestOddPaths(t *testing.T) {
	is := issuer(t, t.TempDir())
	g := open(t, Options{Issuer: is})
	g.register("desk", helpdesk)
	server := httptest.NewServer(g.srv)
	defer server.Close()
	w := &wire{T: t, server: server}
	app := "Authorization: Bearer " + mint(t, is, Caller{App: true}, time.Hour)
	for _, path := range []string{
		"/v1.0/external//connections", "/v1.0/external/connections//desk", "/v1.0/external/connections/../connections", "/v1.0///", "//_control/faults", "/_CONTROL/faults", "/v1.0/external/%2e%2e/external/connections",
		"/v1.0/./external/connections", "/v1.0%2Fexternal/connections", "/v1.0/external/connections/desk/items/..%2F..%2Fdesk",
		"/v1.0/external/connections/%00", "/v1.0/external/connections/desk%00", "/v1.0/external/connections/desk/items/%FF", "/v1.0/external/connections/" + strings.Repeat("a", 10_000),
		"/v1.0/external/connections;x=1", "/v1.0/external/connections('desk", "/v1.0/external/connections('desk')x", "/v1.0/external/connections('')", "/v1.0/external/connections('..')", "/v1.0/external/connections/desk('desk')", "/x/oauth2/v2.0/token/../../../../v1.0/external/connections", "/v1.0/oauth2/v2.0/token", "/beta/oauth2/v2.0/token",
		"/v1.0/$batch/$batch", "/v1.0/$metadata", "/_control", "/_control/", "/_control/faults/x", "/%5fcontrol/faults", "*", "/",
	} {
		if a := w.send("GET", path, nil, ""); a.status != 401 && a.status != 400 {
			t.Errorf("GET %.80s without a token = %v", path, a)
		}
		if a := w.send("GET", path, []string{app}, ""); a.status != 404 && a.status != 400 {
			t.Errorf("GET %.80s = %v, want 404 or 400", path, a)
		}
	}
	for _, path := range []string{"/v1.0/external/connections/?$filter=%zz", "/v1.0/external/connections?$filter=%FF", "/v1.0/external/connections?$filter=;DROP", "/v1.0/external/connections?$top=99999999999999999999"} {
		if a := w.send("GET", path, []string{app}, ""); a.status != 400 {
			t.Errorf("GET %s = %v, want 400", path, a)
		}
	}
	if a := w.send("GET", "/v1.0/external/connections/", []string{app}, ""); a.status != 200 {
		t.Errorf("a slash at the end = %v", a)
	}
}

// A small body that inflates to a large one costs no more than the limit.
func TestGzipBomb(t *testing.T) {
	megabytes := 256
	if testing.Short() {
		megabytes = 16
	}
	var bomb bytes.Buffer
	z, _ := gzip.NewWriterLevel(&bomb, gzip.BestCompression)
	zeros := bytes.Repeat([]byte(" "), 1<<20)
	for range megabytes {
		z.Write(zeros)
	}
	z.Close()
	many := bytes.Repeat([]byte(zipped(strings.Repeat(" ", 1<<20))), megabytes) // a megabyte each
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.want(201, "POST", base+"/desk/groups", `{"id":"g"}`)
	for _, tt := range []struct {
		method, path string
		limit        uint64
	}{
		{"PUT", base + "/desk/items/a", ItemSize4MB}, {"PATCH", base + "/desk/items/a", ItemSize4MB}, {"POST", base, maxAdminBytes}, {"PATCH", base + "/desk/schema", maxAdminBytes},
		{"POST", base + "/desk/groups/g/members", maxAdminBytes}, {"POST", "/v1.0/search/query", maxAdminBytes}, {"POST", "/v1.0/$batch", 20 * ItemSize4MB},
		{"PUT", "/_control/faults", maxAdminBytes}, {"PUT", "/_control/directory", maxDirectoryBytes},
	} {
		if testing.Short() && tt.limit > maxAdminBytes {
			continue
		}
		for name, body := range map[string][]byte{"one member": bomb.Bytes(), "many members": many} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			g.want(413, tt.method, tt.path, body, "Content-Encoding", "gzip")
			runtime.ReadMemStats(&after)
			// A buffer that doubles allocates three times what it comes to hold.
			if used := after.TotalAlloc - before.TotalAlloc; used > 3*tt.limit+16<<20 {
				t.Errorf("%s %s, %s: %d MB allocated", tt.method, tt.path, name, used>>20)
			}
		}
	}
}

// What a peer claims of a body's length costs nothing before the body is there.
func TestClaimedLength(t *testing.T) {
	g := open(t, Options{})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 20 {
		r := httptest.NewRequest("POST", "/v1.0/$batch", strings.NewReader("{"))
		r.ContentLength = 20 * ItemSize4MB
		w := httptest.NewRecorder()
		g.srv.ServeHTTP(w, r.WithContext(WithCaller(t.Context(), Caller{App: true})))
		if w.Code != 400 {
			t.Fatalf("a short body = %d %s", w.Code, w.Body)
		}
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 20*16<<20 {
		t.Errorf("20 short bodies allocated %d MB", used>>20)
	}
}

// A memoryListener hands out the ends of pipes, so that time can be fake.
type memoryListener struct {
	conns chan net.Conn
	once  sync.Once
	ended chan struct{}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.ended:
		return nil, net.ErrClosed
	}
}
func (l *memoryListener) Close() error   { l.once.Do(func() { close(l.ended) }); return nil }
func (l *memoryListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// A peer that sends or reads as slowly as it can is cut off.
func TestSlowPeers(t *testing.T) {
	const head = "POST /v1.0/$batch HTTP/1.1\r\nHost: x\r\n"
	for _, tt := range []struct {
		name  string
		first string // what comes at once
		drip  string // what comes every second after it
		most  time.Duration
	}{
		{"nothing at all", "", "", 11 * time.Second},
		{"headers that never end", head, "X-A: b\r\n", 11 * time.Second},
		{"half a request line", "GET /v1.0", "x", 11 * time.Second},
		{"a body byte by byte, without a token", head + "Content-Length: 5000000\r\n\r\n", " ", 7 * time.Second},
		{"a body byte by byte", head + "Authorization: Bearer t\r\nContent-Type: application/json\r\nContent-Length: 5000000\r\n\r\n", " ", 6 * time.Minute},
		{"chunks of one byte", head + "Authorization: Bearer t\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n", 6 * time.Minute},
		{"an idle connection", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "", 3 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := &memoryListener{conns: make(chan net.Conn), ended: make(chan struct{})}
			// The store is outside of the bubble: a server without one will do
			// for what is refused before it is asked.
			s := &Server{opt: Options{MaxItemBytes: ItemSize4MB}, tokens: []token{{sha256.Sum256([]byte("t")), Caller{App: true}}}}
			h := s.HTTPServer()
			h.ErrorLog = log.New(io.Discard, "", 0)
			go h.Serve(l)
			defer h.Close()
			mine, theirs := net.Pipe()
			defer mine.Close()
			l.conns <- theirs
			cut := make(chan bool)
			go func() {
				io.Copy(io.Discard, mine)
				close(cut)
			}()
			began := time.Now()
			io.WriteString(mine, tt.first)
			for time.Since(began) < tt.most {
				select {
				case <-cut:
					return
				case <-time.After(time.Second):
				}
				if tt.drip != "" {
					_ = mine.SetWriteDeadline(time.Now().Add(time.Second)) // it may have stopped to read
					io.WriteString(mine, tt.drip)
				}
			}
			t.Errorf("%s: still served after %v", tt.name, tt.most)
		})
	}
}

// Headers have a limit, and cannot put a line into an answer.
func TestOddHeaders(t *testing.T) {
	g := open(t, Options{Tokens: map[string]Caller{appToken: {App: true}}})
	server := httptest.NewUnstartedServer(g.srv)
	server.Config = g.srv.HTTPServer()
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	defer server.Close()
	for _, tt := range []struct {
		name    string
		headers string
		status  int
	}{
		{"a header of 100 KB", "X-Large: " + strings.Repeat("x", 100<<10) + "\r\n", 431},
		{"ten thousand headers", strings.Repeat("X-Many: x\r\n", 10_000), 431},
		{"a line feed in an id", "Client-Request-Id: a\nX-Evil: b\r\n", 401},
		{"a carriage return in an id", "Client-Request-Id: a\rX-Evil: b\r\n", 400},
		{"NUL in an id", "Client-Request-Id: a\x00b\r\n", 400},
		{"two hosts", "Host: other\r\n", 400},
		{"a folded header", "X-A: b\r\n c\r\n", 401},
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		go io.WriteString(conn, "GET /v1.0/external/connections HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+tt.headers+"\r\n")
		raw, _ := io.ReadAll(conn) // a reset ends it as well
		conn.Close()
		head, _, _ := strings.Cut(string(raw), "\r\n\r\n")
		if !strings.HasPrefix(head, fmt.Sprintf("HTTP/1.1 %d ", tt.status)) || strings.Contains(head, "X-Evil") {
			t.Errorf("%s: %.300s, want %d", tt.name, head, tt.status)
		}
	}
}

// A refusal reaches a client that is still sending a large body.
func TestRefusalsOfLargeBodies(t *testing.T) {
	g := open(t, Options{Tokens: map[string]Caller{appToken: {App: true}}})
	g.register("desk", helpdesk)
	server := httptest.NewServer(g.srv)
	defer server.Close()
	body := `{"x":"` + strings.Repeat("x", 6_000_000) + `"}`
	for _, tt := range []struct {
		token, path string
		status      int
	}{{"wrong", "/desk/items/a", 401}, {appToken, "/desk/items/a", 413}, {appToken, "/nosuch/items/a", 413}, {appToken, "/desk/nosuch", 404}, {appToken, "/desk/items/a.b", 400}} {
		for _, chunked := range []bool{false, true} {
			r, err := http.NewRequest("PUT", server.URL+base+tt.path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if chunked {
				r.ContentLength = -1
			}
			r.Header.Set("Authorization", "Bearer "+tt.token)
			resp, err := server.Client().Do(r)
			if err != nil {
				t.Errorf("%s: %v, want %d", tt.path, err, tt.status)
				continue
			}
			resp.Body.Close()
			if resp.StatusCode != tt.status {
				t.Errorf("%s = %d, want %d", tt.path, resp.StatusCode, tt.status)
			}
		}
	}
}

// Text that would be code elsewhere is text here.
func TestInjection(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.replaceDirectory(company)
	for _, evil := range []string{`'; DROP TABLE connections; --`, `" OR "1"="1`, `' OR 1=1 --`, `\`, `%`, `_`, "*", `"`, `')`, "a\x00b", `{title} : "x"`, `NEAR(`, `u1" NOT "`, "\u202e", "𐀀"} {
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\x00", `\u0000`).Replace(evil)
		for _, r := range []struct{ method, path, body string }{
			{"GET", base + q("$filter", "name eq '"+strings.ReplaceAll(evil, "'", "''")+"'"), ""},
			{"GET", "/v1.0/users" + q("$filter", "mail eq '"+strings.ReplaceAll(evil, "'", "''")+"'"), ""},
			{"GET", "/v1.0/users" + q("$filter", "startswith(displayName,'"+strings.ReplaceAll(evil, "'", "''")+"')"), ""},
			{"GET", "/v1.0/users" + q("$orderby", evil), ""},
			{"POST", base + "/desk/groups", `{"id":"` + quoted + `"}`},
			{"POST", base + "/desk/groups", `{"id":"g","displayName":"` + quoted + `"}`},
			{"POST", base + "/desk/groups/g/members", `{"type":"externalGroup","id":"` + quoted + `"}`},
			{"PUT", base + "/desk/items/a", `{"acl":[{"type":"externalGroup","value":"` + quoted + `","accessType":"grant"}],"properties":{"title":"` + quoted + `","status":"` + quoted + `"}}`},
			{"POST", "/v1.0/search/query", `{"requests":[{"entityTypes":["externalItem"],"query":{"queryString":"` + quoted + `"},"aggregationFilters":["status:\"` + strings.ReplaceAll(quoted, `\"`, "") + `\""]}]}`},
			{"POST", "/v1.0/search/query", searchBody("desk", evil, `"fields":["`+quoted+`"]`)},
		} {
			caller := Caller{App: true, SearchAs: evil}
			if a := g.as(caller, r.method, r.path, r.body); a.status >= 500 {
				t.Errorf("%s %s %s = %v", r.method, r.path, r.body, a)
			}
			g.as(Caller{App: true}, "DELETE", base+"/desk/groups/g", nil)
			g.do("POST", base+"/desk/groups", `{"id":"g"}`)
		}
		if ids, _ := g.search(evil, "desk", "*", ""); len(ids) != 0 {
			t.Errorf("%q as a user finds %v", evil, ids)
		}
	}
	if a := g.want(200, "GET", base, nil); a.ids() != "desk" {
		t.Errorf("connections = %v", a)
	}
}

// A fault of the server's own is a 500 that says where, ends nobody else's
// request, and tells nothing.
func TestPanic(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.want(200, "PUT", base+"/desk/items/a", least)
	c := &call{s: g.srv, w: httptest.NewRecorder(), r: httptest.NewRequest("GET", "/", nil), id: "x"}
	func() {
		defer c.survive()
		var none *connection
		_ = none.id
	}()
	w := c.w.(*httptest.ResponseRecorder)
	if w.Code != 500 || !strings.Contains(w.Body.String(), "attack_test.go:") || strings.Contains(w.Body.String(), "goroutine") {
		t.Errorf("a panic = %d %s", w.Code, w.Body)
	}
	// A part of a batch has nobody above it who would catch it.
	right := g.srv.snap.Load()
	g.srv.snap.Store(&snapshot{gen: right.gen, byID: right.byID, list: []*connection{nil}})
	a := g.want(200, "POST", "/v1.0/$batch", `{"requests":[{"id":"1","method":"GET","url":"/external/connections"},{"id":"2","method":"GET","url":"/external/connections/desk"}]}`)
	if fmt.Sprintf("%v %v", a.get("responses", 0, "status"), a.get("responses", 1, "status")) != "500 200" {
		t.Errorf("a panic in a batch = %v", a)
	}
	g.srv.snap.Store(right)
	err := g.srv.w.do(t.Context(), func(tx *wtx) error {
		if err := tx.exec(`INSERT INTO groups (conn, id) VALUES (1, 'half')`); err != nil {
			return err
		}
		panic("boom")
	})
	if e := asAPIError(err); e.status != 500 || !strings.Contains(e.message, "boom") {
		t.Errorf("a panic of the writer = %v", err)
	}
	g.want(404, "GET", base+"/desk/groups/half", nil)
	g.want(200, "PUT", base+"/desk/items/a", least) // the writer goes on
	defer func() {
		if v, _ := recover().(error); !errors.Is(v, http.ErrAbortHandler) {
			t.Errorf("a cut connection became %v", v)
		}
	}()
	defer c.survive()
	panic(http.ErrAbortHandler)
}

// Large bodies share a budget of memory: beyond it they are told to come
// again, while small ones are answered, and nothing of it is lost.
func TestBodiesShareABudget(t *testing.T) {
	g := open(t, Options{})
	g.register("desk", helpdesk)
	g.srv.budget = 4 << 20
	item := func(size int) string {
		return `{"acl":` + everyone + `,"properties":{"title":"x"},"content":{"type":"text","value":"` + strings.Repeat("x ", size/2) + `"}}`
	}
	body, begun := io.Pipe()
	answered := make(chan int)
	go func() { // a body that keeps its memory until it ends
		r := httptest.NewRequest("PUT", base+"/desk/items/slow", body).WithContext(WithCaller(context.Background(), Caller{App: true}))
		r.ContentLength = 3_900_000
		w := httptest.NewRecorder()
		g.srv.ServeHTTP(w, r)
		answered <- w.Code
	}()
	begun.Write([]byte(" ")) // the memory is taken
	a := g.do("PUT", base+"/desk/items/large", item(3_000_000))
	if a.status != 503 || a.header.Get("Retry-After") != "1" {
		t.Errorf("beyond the budget = %.300v %v, want 503 and when to come again", a, a.header)
	}
	if a := g.do("PUT", base+"/desk/items/small", item(500_000)); a.status != 200 {
		t.Errorf("a small item beside a large one = %.300v", a)
	}
	begun.Close()
	if status := <-answered; status != 400 {
		t.Errorf("half a body = %d", status)
	}
	if a := g.do("PUT", base+"/desk/items/large", item(3_000_000)); a.status != 200 {
		t.Errorf("after it = %.300v", a)
	}
	for _, refused := range []string{item(4_100_000), `{"acl":1` + strings.Repeat(" ", 2<<20)} {
		g.do("PUT", base+"/desk/items/large", refused)
	}
	if held := g.srv.bodies.Load(); held != 0 {
		t.Errorf("%d bytes are held when nothing is under way", held)
	}
}
